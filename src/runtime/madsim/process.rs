//! The process and the machine under it: the same on every run, whatever machine simulates them.

use crate::engine::memory;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::madsim::plugin;

use super::fs;
use super::machine::SimMachine;

/// The process id.
pub fn pid() -> u32 {
    // Node ids are small numbers, printed in decimal and kept private by madsim.
    1000 + plugin::node().to_string().parse::<u32>().unwrap_or(0)
}

/// The file this program was started from.
pub fn executable() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/usr/bin/seedis"))
}

/// The command line, the program's name first.
pub fn arguments() -> Vec<Vec<u8>> {
    vec![b"seedis".to_vec()]
}

pub fn working_directory() -> io::Result<PathBuf> {
    Ok(SimMachine::current().working_directory())
}

pub fn set_working_directory(path: &Path) -> io::Result<()> {
    let target = working_directory()?.join(path);
    if !fs::metadata(&target)?.is_dir {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    SimMachine::current().set_working_directory(target);
    Ok(())
}

/// Kernel, its release and the machine.
pub fn os() -> String {
    "Linux 6.1.0-simulated x86_64".to_owned()
}

/// Width of a pointer: 64 or 32.
pub const ARCH_BITS: u32 = usize::BITS;

/// Processors that the process may use.
pub fn processors() -> usize {
    8
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub system: Duration,
    pub user: Duration,
}

/// Whose processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOf {
    Process,
    /// Ended children.
    Children,
    /// The calling thread.
    Thread,
}

/// Simulated processors take no time.
pub fn cpu_time(_: CpuOf) -> CpuTime {
    CpuTime::default()
}

pub fn resident_memory() -> u64 {
    heap_allocated()
}

pub fn system_memory() -> u64 {
    16 << 30
}

pub fn page_size() -> u64 {
    4096
}

/// Raises the limit of open files to `wanted` if it is lower, and returns the limit that holds now.
pub fn raise_open_files(wanted: u64) -> io::Result<u64> {
    Ok(wanted.max(1024))
}

/// A simulated process has no terminal to leave.
pub fn daemonize() -> io::Result<()> {
    Ok(())
}

/// The world restarts its nodes itself.
pub fn restart(_: &[Vec<u8>]) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Nobody supervises a simulated process.
pub fn is_supervised() -> bool {
    false
}

/// Nobody supervises a simulated process.
pub fn notify_supervisor(_: &str) -> io::Result<bool> {
    Ok(false)
}

/// Bytes in use. All nodes share the heap of the simulator, so no figure of it belongs to one of them: a constant, so
/// that what depends on it replays, and what keys take, so that `maxmemory` is a limit.
pub fn heap_allocated() -> u64 {
    (1 << 20) + memory::of_entries()
}

/// The simulated kernel kills nobody: there is no score to change.
pub fn oom_score_adj() -> io::Result<i64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// See [`oom_score_adj`].
pub fn set_oom_score_adj(_: i64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no system to ask.
pub fn send_datagram(_: &Path, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// As above.
pub fn disable_huge_pages() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing to publish: see [`heap_allocated`].
pub fn publish_heap() {}

/// The allocator's own figures, for INFO and MEMORY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocatorStats {
    /// In use by the program, rounded up to size classes.
    pub allocated: u64,
    /// In pages that hold something.
    pub active: u64,
    /// Backed by memory of the machine.
    pub resident: u64,
    /// Held as address space only.
    pub retained: u64,
    /// The allocator's own book-keeping.
    pub metadata: u64,
}

pub fn allocator_stats() -> AllocatorStats {
    let bytes = heap_allocated();
    AllocatorStats { allocated: bytes, active: bytes, resident: bytes, retained: 0, metadata: 0 }
}

/// The allocator's name and version, as INFO reports it.
pub fn allocator_name() -> String {
    "simulated".to_owned()
}
