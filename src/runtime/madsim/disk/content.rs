//! What is in a file: as cached and as on the media.

use std::collections::BTreeSet;
use std::ops::Range;

use super::fate::Fate;
use crate::runtime::madsim::kind::FaultKind;
use crate::runtime::madsim::streams::Draws;

/// What a disk writes whole or not at all.
pub const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub struct Content {
    cached: Vec<u8>,
    media: Vec<u8>,
    /// Sectors whose cached bytes go to the media with the next sync.
    dirty: BTreeSet<usize>,
}

/// The sectors that `len` bytes from `from` lie in.
fn sectors(from: usize, len: usize) -> Range<usize> {
    from / SECTOR..(from + len).div_ceil(SECTOR)
}

/// The bytes of a sector in a file of `len` bytes.
fn bytes_of(sector: usize, len: usize) -> Range<usize> {
    let from = (sector * SECTOR).min(len);
    from..(from + SECTOR).min(len)
}

impl Content {
    /// A file that is on the media.
    pub fn durable(bytes: &[u8]) -> Self {
        Self { cached: bytes.to_vec(), media: bytes.to_vec(), dirty: BTreeSet::new() }
    }

    pub fn len(&self) -> u64 {
        self.cached.len() as u64
    }

    pub fn bytes(&self) -> &[u8] {
        &self.cached
    }

    /// Bytes taken on the disk.
    pub fn used(&self) -> u64 {
        self.cached.len().next_multiple_of(SECTOR) as u64
    }

    /// Sectors to be written.
    pub fn dirty(&self) -> Vec<usize> {
        self.dirty.iter().copied().collect()
    }

    /// Units that a power failure decides about: sectors to be written, and the length if it changed.
    pub fn unsynced(&self) -> usize {
        self.dirty.len() + usize::from(self.cached.len() != self.media.len())
    }

    /// Copies what is at `position` into `buffer` and tells how many bytes that were.
    pub fn read(&self, position: u64, buffer: &mut [u8]) -> usize {
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.cached.len());
        let count = buffer.len().min(self.cached.len() - from);
        buffer[..count].copy_from_slice(&self.cached[from..from + count]);
        count
    }

    /// Writes into the cache.
    pub fn write(&mut self, position: u64, bytes: &[u8]) {
        let from = position as usize;
        if self.cached.len() < from + bytes.len() {
            self.set_len((from + bytes.len()) as u64);
        }
        self.cached[from..from + bytes.len()].copy_from_slice(bytes);
        self.dirty.extend(sectors(from, bytes.len()));
    }

    /// Cuts, or adds zeros.
    pub fn set_len(&mut self, len: u64) {
        let (old, new) = (self.cached.len(), len as usize);
        self.cached.resize(new, 0);
        if new > old {
            self.dirty.extend(sectors(old, new - old));
        } else {
            // What is cut off is not written any more, but the rest of the last sector is cleared.
            _ = self.dirty.split_off(&new.div_ceil(SECTOR));
            if new < old && new % SECTOR != 0 {
                self.dirty.insert(new / SECTOR);
            }
        }
    }

    /// Moves all to the media.
    pub fn sync(&mut self) {
        let len = self.cached.len();
        self.media.resize(len, 0);
        for sector in std::mem::take(&mut self.dirty) {
            let range = bytes_of(sector, len);
            self.media[range.clone()].copy_from_slice(&self.cached[range]);
        }
    }

    // ---- faults

    /// Writing failed: some sectors, or all, will not be tried again. The cache goes on to show what was
    /// written, until it needs the room and reads again what the media has.
    pub fn drop_dirty(&mut self, draws: &mut Draws) {
        let share = *draws.pick(&[500_000, 1_000_000]);
        let evicted = draws.chance(500_000);
        let dirty = self.dirty();
        if dirty.is_empty() {
            return;
        }
        let first = *draws.pick(&dirty);
        for sector in dirty {
            if sector == first || draws.chance(share) {
                self.dirty.remove(&sector);
                if evicted {
                    self.read_again(sector);
                }
            }
        }
    }

    /// Forgets the cache of what need not be written.
    pub fn drop_cache(&mut self) {
        for sector in sectors(0, self.cached.len()) {
            if !self.dirty.contains(&sector) {
                self.read_again(sector);
            }
        }
    }

    fn read_again(&mut self, sector: usize) {
        let range = bytes_of(sector, self.cached.len());
        let known = range.start.min(self.media.len())..range.end.min(self.media.len());
        self.cached[range.clone()].fill(0);
        self.cached[range.start..range.start + known.len()].copy_from_slice(&self.media[known]);
    }

    /// Flips a bit, counted from the first byte's lowest, on the media and in what was cached of it.
    pub fn flip(&mut self, bit: u64) {
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        if let Some(found) = self.media.get_mut(byte) {
            *found ^= mask;
            FaultKind::BitRot.fired();
            let sector = byte / SECTOR;
            if !self.dirty.contains(&sector) && sector * SECTOR < self.cached.len() {
                self.read_again(sector);
            }
        }
    }

    /// Flips a random bit of those bytes, unless what is there has still to be written.
    pub fn rot(&mut self, within: Range<u64>, draws: &mut Draws) {
        let (from, to) = (within.start, within.end.min(self.media.len() as u64));
        if from < to {
            let byte = draws.between(from, to - 1);
            if !self.dirty.contains(&(byte as usize / SECTOR)) {
                self.flip(byte * 8 + draws.below(8));
            }
        }
    }

    /// A sector as the media has it.
    pub fn sector(&self, sector: usize) -> Vec<u8> {
        self.media[bytes_of(sector, self.media.len())].to_vec()
    }

    /// Overwrites a sector of the media, behind the back of the cache.
    pub fn overwrite_sector(&mut self, sector: usize, bytes: &[u8]) {
        let range = bytes_of(sector, self.media.len());
        let there = &mut self.media[range];
        let count = there.len().min(bytes.len());
        there[..count].copy_from_slice(&bytes[..count]);
        there[count..].fill(0);
    }

    /// The power fails. A sector that the media has is replaced whole or not at all, as disks promise; what
    /// lies behind the synced length can come out as anything.
    ///
    /// Returns whether something was lost.
    pub fn lose_power(&mut self, fate: &mut Fate) -> bool {
        let old = self.media.len();
        let kept: Vec<(usize, bool)> =
            std::mem::take(&mut self.dirty).into_iter().map(|sector| (sector, fate.keeps())).collect();
        let len = fate.length(old, self.cached.len());
        let lost = note_losses(&kept, old, self.cached.len(), len);
        self.media.resize(len, 0);
        for (sector, kept) in kept {
            let range = bytes_of(sector, len);
            if kept {
                // Zeros where a cut file is as long as before.
                let known = bytes_of(sector, len.min(self.cached.len()));
                self.media[range].fill(0);
                self.media[known.clone()].copy_from_slice(&self.cached[known]);
            } else {
                fate.fill(&mut self.media[old.clamp(range.start, range.end)..range.end]);
            }
        }
        self.cached.clone_from(&self.media);
        lost
    }
}

/// Which faults a power failure was, given which sectors were kept, and the lengths before, as written and left. Returns
/// whether something was lost.
fn note_losses(kept: &[(usize, bool)], old: usize, written: usize, left: usize) -> bool {
    let lost = kept.iter().any(|(_, kept)| !kept) || left < written;
    if lost {
        FaultKind::LostData.fired();
    }
    if written < old && left != written {
        FaultKind::LostTruncate.fired();
    }
    let first_lost = kept.iter().position(|(_, kept)| !kept).unwrap_or(kept.len());
    if kept[first_lost..].iter().any(|(_, kept)| *kept) {
        FaultKind::TornSubset.fired();
    } else if first_lost > 0 && first_lost < kept.len() {
        FaultKind::TornPrefix.fired();
    }
    lost
}
