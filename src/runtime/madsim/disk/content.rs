//! What is in a file: as cached and as on the media.

use std::collections::BTreeSet;

/// What a disk writes whole or not at all.
pub const SECTOR: usize = 512;

#[derive(Default)]
pub struct Content {
    cached: Vec<u8>,
    media: Vec<u8>,
    /// Sectors whose cached bytes the media does not have.
    dirty: BTreeSet<usize>,
}

/// The sectors that `len` bytes from `from` lie in.
fn sectors(from: usize, len: usize) -> std::ops::Range<usize> {
    from / SECTOR..(from + len).div_ceil(SECTOR)
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
        self.dirty.extend(sectors(old.min(new), old.abs_diff(new)));
    }

    /// Moves all to the media.
    pub fn sync(&mut self) {
        self.media.resize(self.cached.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let from = (sector * SECTOR).min(self.cached.len());
            let to = (from + SECTOR).min(self.cached.len());
            self.media[from..to].copy_from_slice(&self.cached[from..to]);
        }
    }
}
