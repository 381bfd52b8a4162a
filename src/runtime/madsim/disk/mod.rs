//! The disks of all nodes. A node's files outlive its process; what of them outlives its power is what was
//! synced, and a chance selection of the rest.
//!
//! `volume` is the file system, with a page cache before the media, and `content` one file of it. `faults`
//! is what a disk does badly, `fate` what a power failure leaves. All faults are off until the world sets
//! them.

mod access;
mod content;
mod fate;
mod faults;
#[cfg(test)]
mod tests;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use ::madsim::plugin::{self, Simulator};
use ::madsim::rand::GlobalRng;
use ::madsim::task::NodeId;
use ::madsim::time::TimeHandle;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::clock::SimClock;
use super::kind::FaultKind;
use super::machine::SimMachine;
use super::streams::Draws;
pub(super) use access::{Access, absolute};
use content::Content;
use fate::Fate;
pub use fate::Survivors;
pub use faults::DiskFaults;
use faults::Faulty;
pub(super) use faults::{EBADF, Operation, error};
pub(super) use volume::{Inode, Volume};

/// The disks of the world.
pub struct SimDisk(Mutex<BTreeMap<NodeId, Disk>>);

struct Disk {
    volume: Volume,
    faults: DiskFaults,
    misread: BTreeSet<(Inode, u64, u64)>,
    draws: Draws,
    survivors: Survivors,
    /// Operations so far, and those that have begun and not ended.
    operations: u64,
    pending: u64,
    /// The operation at which the power fails.
    last: Option<u64>,
    /// How often a process ended here: what it had open is closed.
    lives: u64,
    /// How often the power failed, and when last.
    failures: u64,
    failed_ns: Option<u64>,
    /// What there was just before.
    before_failure: Option<Volume>,
    /// Who waits for the power to fail.
    watchers: Vec<Waker>,
    /// Hash of all operations, their times and how they ended.
    trace: u64,
    /// The operations, if somebody asked for them.
    record: Option<Vec<DiskEvent>>,
}

/// An operation of a disk, for whoever looks at a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskEvent {
    /// When it was done, in true time.
    pub at_ns: u64,
    pub what: &'static str,
    /// Whether the process was told that it was done.
    pub succeeded: bool,
}

/// What is on a disk, cache and media, to be put there again: a backup, or a moment to go back to.
#[derive(Clone)]
pub struct Image(Volume);

impl Disk {
    fn of(node: NodeId) -> Self {
        Self {
            volume: Volume::default(),
            faults: DiskFaults::default(),
            misread: BTreeSet::new(),
            draws: SimMachine::current().stream(&format!("disk of node {node}")),
            survivors: Survivors::Drawn,
            operations: 0,
            pending: 0,
            last: None,
            lives: 0,
            failures: 0,
            failed_ns: None,
            before_failure: None,
            watchers: Vec::new(),
            trace: 0,
            record: None,
        }
    }

    fn faulty(&mut self) -> Faulty<'_> {
        let Disk { volume, faults, draws, misread, .. } = self;
        Faulty { volume, faults, draws, misread }
    }

    fn cut_power(&mut self) {
        self.before_failure = Some(self.volume.clone());
        self.volume.lose_power(&mut Fate::new(self.survivors, &mut self.draws));
        self.lives += 1;
        self.last = None;
        self.failures += 1;
        self.failed_ns = Some(SimClock::current().true_ns());
        self.watchers.drain(..).for_each(Waker::wake);
    }

    fn note(&mut self, operation: Operation, succeeded: bool) {
        let moment = SimClock::current().true_ns().to_le_bytes();
        self.trace = xxh3_64_with_seed(&moment, self.trace ^ (operation as u64) << 1 ^ u64::from(succeeded));
        if let Some(record) = &mut self.record {
            let at_ns = SimClock::current().true_ns();
            record.push(DiskEvent { at_ns, what: operation.word(), succeeded });
        }
    }
}

impl Simulator for SimDisk {
    fn new(_: &GlobalRng, _: &TimeHandle, _: &::madsim::Config) -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The process is gone; the page cache stays.
    fn reset_node(&self, node: NodeId) {
        if let Some(disk) = self.lock().get_mut(&node) {
            disk.volume.close_all();
            disk.lives += 1;
            if std::mem::take(&mut disk.pending) > 0 {
                FaultKind::KillInOperation.fired();
            }
        }
    }
}

impl SimDisk {
    /// The disks of the running world.
    pub fn current() -> Arc<Self> {
        plugin::simulator()
    }

    // ---- content

    /// Puts a file on a node's disk, with its directories, and syncs all: what the world prepares before a
    /// start.
    ///
    /// # Panics
    /// If a directory is in the way, or a file where a directory should be.
    pub fn put(&self, node: NodeId, path: &Path, content: &[u8]) {
        self.with(node, |disk| {
            let volume = &mut disk.volume;
            volume.create_directories(path.parent().unwrap_or(Path::new("/"))).expect("directories");
            let file = volume.find_or_create(path).expect("no directory");
            *volume.content_mut(file) = Content::durable(content);
            volume.sync_everything();
        });
    }

    /// The content of a file on a node's disk, as a program would read it.
    pub fn get(&self, node: NodeId, path: &Path) -> Option<Vec<u8>> {
        self.with(node, |disk| {
            let file = disk.volume.find_file(path).ok()?;
            Some(disk.volume.content(file).bytes().to_vec())
        })
    }

    /// All that is on a node's disk.
    pub fn image(&self, node: NodeId) -> Image {
        self.with(node, |disk| Image(disk.volume.clone()))
    }

    /// What was on a node's disk, cache and media, when its power failed last: other survivors can be drawn of it.
    pub fn image_before_failure(&self, node: NodeId) -> Option<Image> {
        self.with(node, |disk| disk.before_failure.clone().map(Image))
    }

    /// The files on a node's disk and their lengths.
    pub fn files(&self, node: NodeId) -> Vec<(PathBuf, u64)> {
        self.with(node, |disk| {
            let paths = disk.volume.paths().into_iter();
            paths
                .filter_map(|path| {
                    let file = disk.volume.find_file(&path).ok()?;
                    Some((path, disk.volume.content(file).len()))
                })
                .collect()
        })
    }

    /// Replaces all that is on a node's disk; nothing of it may be open.
    pub fn insert(&self, node: NodeId, image: &Image) {
        self.with(node, |disk| {
            disk.volume = image.0.clone();
            disk.volume.close_all();
            disk.lives += 1;
        });
    }

    /// Gives a node an empty disk.
    pub fn wipe(&self, node: NodeId) {
        self.insert(node, &Image(Volume::default()));
    }

    // ---- faults

    /// How a node's disk behaves from now on.
    pub fn set_faults(&self, node: NodeId, faults: DiskFaults) {
        self.with(node, |disk| {
            disk.faults = faults;
            disk.misread.clear();
        });
    }

    /// Flips a bit of a file on the media, counted from the first byte's lowest.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn flip_bit(&self, node: NodeId, path: &Path, bit: u64) {
        self.with(node, |disk| {
            let file = disk.volume.find_file(path).expect("a file to damage");
            disk.volume.content_mut(file).flip(bit);
        });
    }

    /// Makes a node read from the media what need not be written.
    pub fn drop_caches(&self, node: NodeId) {
        self.with(node, |disk| disk.volume.drop_caches());
    }

    // ---- power

    /// What the next power failures of a node leave of what was not synced.
    pub fn set_survivors(&self, node: NodeId, survivors: Survivors) {
        self.with(node, |disk| disk.survivors = survivors);
    }

    /// Units that a power failure would decide about now.
    pub fn unsynced(&self, node: NodeId) -> usize {
        self.with(node, |disk| disk.volume.unsynced())
    }

    /// Takes from a node's disk what was not synced. The node must be killed before it runs again:
    /// `simulation::kill` does both.
    pub fn cut_power(&self, node: NodeId) {
        self.with(node, Disk::cut_power);
    }

    pub(super) fn has_just_failed(&self, node: NodeId) -> bool {
        let now_ns = SimClock::current().true_ns();
        self.with(node, |disk| disk.failed_ns == Some(now_ns))
    }

    /// Operations that a node has asked of its disk.
    pub fn operations(&self, node: NodeId) -> u64 {
        self.with(node, |disk| disk.operations)
    }

    /// Has the power of a node fail, and kills it, in the middle of its `count`th operation from now, which
    /// never returns. The world starts it again, see [`SimDisk::power_failure`].
    pub fn crash_after(&self, node: NodeId, count: u64) {
        self.with(node, |disk| disk.last = Some(disk.operations + count.max(1)));
    }

    /// Takes back [`SimDisk::crash_after`].
    pub fn cancel_crash(&self, node: NodeId) {
        self.with(node, |disk| disk.last = None);
    }

    /// Power failures of a node so far.
    pub fn failures(&self, node: NodeId) -> u64 {
        self.with(node, |disk| disk.failures)
    }

    /// Waits until the power of a node has failed more than `seen` times.
    pub async fn power_failure(&self, node: NodeId, seen: u64) {
        std::future::poll_fn(|context| {
            self.with(node, |disk| {
                if disk.failures > seen {
                    return Poll::Ready(());
                }
                disk.watchers.push(context.waker().clone());
                Poll::Pending
            })
        })
        .await;
    }

    /// Writes down from now on what a node asks of its disk.
    pub fn record(&self, node: NodeId) {
        self.with(node, |disk| disk.record = Some(Vec::new()));
    }

    /// What was written down of all nodes.
    pub fn recorded(&self) -> Vec<DiskEvent> {
        self.lock().values().filter_map(|disk| disk.record.as_deref()).flatten().copied().collect()
    }

    /// Hash of all operations of all nodes, their times and how they ended.
    pub fn trace_hash(&self) -> u64 {
        self.lock().values().fold(0, |hash: u64, disk| hash.rotate_left(1) ^ disk.trace)
    }

    fn with<T>(&self, node: NodeId, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(self.lock().entry(node).or_insert_with(|| Disk::of(node)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Disk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
