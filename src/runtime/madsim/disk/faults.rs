//! What a disk does badly, one operation at a time.

use std::collections::BTreeSet;
use std::io;

use super::content::SECTOR;
use super::volume::{Inode, Volume};
use crate::runtime::madsim::kind::FaultKind;
use crate::runtime::madsim::streams::Draws;

/// Linux's numbers for errors that std cannot name.
pub const EBADF: i32 = 9;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// How a node's disk behaves. It can be changed at any time. The probabilities are of a million.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskFaults {
    /// Bounds of the time an operation needs, in microseconds.
    pub latency_us: (u64, u64),
    /// Bounds of the time a sync needs.
    pub sync_latency_us: (u64, u64),
    /// Operations that stand still for a while, and bounds of that while.
    pub stalls: u32,
    pub stall_us: (u64, u64),
    /// Bytes the disk holds, in whole sectors; unlimited without.
    pub capacity: Option<u64>,
    /// Failures to open or create: EIO.
    pub open_errors: u32,
    pub read_errors: u32,
    /// Nothing is written, or cut.
    pub write_errors: u32,
    /// Failures to rename, link or remove.
    pub name_errors: u32,
    /// Syncs that fail and drop pages they had to write: the next sync succeeds without them, as on Linux.
    pub sync_errors: u32,
    /// Syncs that report success and have done nothing.
    pub lying_syncs: u32,
    /// The same of a directory.
    pub lost_directory_syncs: u32,
    pub short_reads: u32,
    pub short_writes: u32,
    /// Reads that find a bit flipped on the media, for good.
    pub bit_rot: u32,
    /// Reads that are given other sectors of the file, but never the same ones again in the same place: who reads once more
    /// can notice.
    pub misdirected_reads: u32,
    /// Syncs that put one sector where another belongs, of this file or another. The cache hides it.
    pub misdirected_writes: u32,
}

impl Default for DiskFaults {
    /// A good SSD.
    fn default() -> Self {
        Self {
            latency_us: (2, 20),
            sync_latency_us: (100, 2_000),
            stalls: 0,
            stall_us: (1_000, 5_000_000),
            capacity: None,
            open_errors: 0,
            read_errors: 0,
            write_errors: 0,
            name_errors: 0,
            sync_errors: 0,
            lying_syncs: 0,
            lost_directory_syncs: 0,
            short_reads: 0,
            short_writes: 0,
            bit_rot: 0,
            misdirected_reads: 0,
            misdirected_writes: 0,
        }
    }
}

impl DiskFaults {
    /// A disk of the same pace on which nothing goes wrong.
    pub fn healed(&self) -> Self {
        let (latency_us, sync_latency_us) = (self.latency_us, self.sync_latency_us);
        Self { latency_us, sync_latency_us, ..Self::default() }
    }
}

/// What a process asks of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Open,
    Read,
    Write,
    Name,
    Sync,
    SyncDirectory,
}

impl Operation {
    /// Its name, for a person.
    pub fn word(self) -> &'static str {
        match self {
            Operation::Open => "open",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Name => "rename, link or remove",
            Operation::Sync => "sync",
            Operation::SyncDirectory => "sync of a directory",
        }
    }

    /// Whether it moves something to the media.
    pub fn is_sync(self) -> bool {
        matches!(self, Operation::Sync | Operation::SyncDirectory)
    }
}

pub fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

pub fn input_output_error() -> io::Error {
    error(EIO)
}

/// The file system together with what can go wrong in it.
pub struct Faulty<'a> {
    pub volume: &'a mut Volume,
    pub faults: &'a DiskFaults,
    pub draws: &'a mut Draws,
    /// Which places were read and which sectors were given instead, since these are the faults.
    pub misread: &'a mut BTreeSet<(Inode, u64, u64)>,
}

impl Faulty<'_> {
    /// How long an operation takes in nanoseconds, before and after its effect.
    pub fn delays_ns(&mut self, operation: Operation) -> (u64, u64) {
        let faults = self.faults;
        let (low, high) = if operation.is_sync() { faults.sync_latency_us } else { faults.latency_us };
        let mut total_ns = self.draws.between(low * 1000, high * 1000);
        if self.draws.chance(faults.stalls) {
            FaultKind::Stall.fired();
            total_ns += self.draws.between(faults.stall_us.0 * 1000, faults.stall_us.1 * 1000);
        }
        let before_ns = self.draws.between(0, total_ns);
        (before_ns, total_ns - before_ns)
    }

    fn fails(&mut self, parts_per_million: u32, kind: FaultKind) -> io::Result<()> {
        if self.strikes(parts_per_million, kind) { Err(input_output_error()) } else { Ok(()) }
    }

    /// Whether a fault strikes.
    fn strikes(&mut self, parts_per_million: u32, kind: FaultKind) -> bool {
        let strikes = self.draws.chance(parts_per_million);
        if strikes {
            kind.fired();
        }
        strikes
    }

    fn is_full(&self) -> bool {
        self.faults.capacity.is_some_and(|capacity| self.volume.used() >= capacity)
    }

    fn full() -> io::Error {
        FaultKind::FullDisk.fired();
        error(ENOSPC)
    }

    /// Finds a file and keeps it open.
    pub fn open(&mut self, path: &std::path::Path) -> io::Result<Inode> {
        self.fails(self.faults.open_errors, FaultKind::WriteError)?;
        let file = self.volume.find_file(path)?;
        self.volume.open(file);
        Ok(file)
    }

    /// Finds or makes a file and keeps it open.
    pub fn open_for_writing(&mut self, path: &std::path::Path, truncate: bool) -> io::Result<Inode> {
        self.fails(self.faults.open_errors, FaultKind::WriteError)?;
        if self.is_full() && self.volume.find(path).is_err() {
            return Err(Self::full());
        }
        let file = self.volume.find_or_create(path)?;
        self.volume.open(file);
        if truncate {
            self.volume.content_mut(file).set_len(0);
        }
        Ok(file)
    }

    pub fn read(&mut self, file: Inode, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.fails(self.faults.read_errors, FaultKind::ReadError)?;
        let mut wanted = buffer.len();
        if wanted > 1 && self.strikes(self.faults.short_reads, FaultKind::ShortRead) {
            wanted = self.draws.between(1, wanted as u64 - 1) as usize;
        }
        let buffer = &mut buffer[..wanted];
        if self.draws.chance(self.faults.bit_rot) {
            let within = position..position.saturating_add(wanted as u64);
            self.volume.content_mut(file).rot(within, self.draws);
        }
        let content = self.volume.content(file);
        let count = content.read(position, buffer);
        let sectors = content.len().div_ceil(SECTOR as u64);
        // There is nowhere else to read from in a file of one sector, or at its end.
        if count > 0 && sectors > 1 && self.draws.chance(self.faults.misdirected_reads) {
            let elsewhere = self.draws.below(sectors) * SECTOR as u64;
            if self.misread.insert((file, position, elsewhere)) {
                content.read(elsewhere, &mut buffer[..count]);
                FaultKind::MisdirectedRead.fired();
            }
        }
        Ok(count)
    }

    pub fn write(&mut self, file: Inode, position: u64, bytes: &[u8]) -> io::Result<usize> {
        self.fails(self.faults.write_errors, FaultKind::WriteError)?;
        let mut count = bytes.len();
        if count > 1 && self.strikes(self.faults.short_writes, FaultKind::ShortWrite) {
            count = self.draws.between(1, count as u64 - 1) as usize;
        }
        if let Some(capacity) = self.faults.capacity {
            // What is allocated to the file already can be written over.
            let content = self.volume.content(file);
            let others = self.volume.used() - content.used();
            let most = (capacity.saturating_sub(others) / SECTOR as u64 * SECTOR as u64).max(content.used());
            count = count.min(most.saturating_sub(position) as usize);
            if count == 0 && !bytes.is_empty() {
                return Err(Self::full());
            }
        }
        self.volume.content_mut(file).write(position, &bytes[..count]);
        Ok(count)
    }

    pub fn set_len(&mut self, file: Inode, len: u64) -> io::Result<()> {
        self.fails(self.faults.write_errors, FaultKind::WriteError)?;
        self.volume.content_mut(file).set_len(len);
        Ok(())
    }

    pub fn sync(&mut self, file: Inode) -> io::Result<()> {
        if self.strikes(self.faults.sync_errors, FaultKind::SyncError) {
            self.volume.content_mut(file).drop_dirty(self.draws);
            return Err(input_output_error());
        }
        let dirty = self.volume.content(file).dirty();
        if !dirty.is_empty() && self.strikes(self.faults.lying_syncs, FaultKind::LyingSync) {
            return Ok(());
        }
        if dirty.is_empty() || !self.strikes(self.faults.misdirected_writes, FaultKind::MisdirectedWrite) {
            self.volume.content_mut(file).sync();
            return Ok(());
        }
        let sector = *self.draws.pick(&dirty);
        let files: Vec<Inode> = self.volume.files().collect();
        let victim = if self.draws.chance(500_000) { file } else { *self.draws.pick(&files) };
        let content = self.volume.content_mut(file);
        let missing = content.sector(sector);
        content.sync();
        let written = content.sector(sector);
        content.overwrite_sector(sector, &missing);
        let victim = self.volume.content_mut(victim);
        let sectors = victim.len().div_ceil(SECTOR as u64);
        let target = self.draws.below(sectors) as usize;
        victim.overwrite_sector(target, &written);
        Ok(())
    }

    pub fn sync_directory(&mut self, path: &std::path::Path) -> io::Result<()> {
        let directory = self.volume.find(path)?;
        self.fails(self.faults.sync_errors, FaultKind::SyncError)?;
        if self.strikes(self.faults.lost_directory_syncs, FaultKind::LyingSync) {
            return Ok(());
        }
        self.volume.sync_directory(directory)
    }

    /// Renames, links or removes.
    pub fn change_names(&mut self, act: impl FnOnce(&mut Volume) -> io::Result<()>) -> io::Result<()> {
        self.fails(self.faults.name_errors, FaultKind::WriteError)?;
        act(self.volume)
    }
}
