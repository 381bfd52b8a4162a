//! The disks of all nodes.

mod content;
mod volume;

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::madsim::plugin::{self, Simulator};
use ::madsim::rand::GlobalRng;
use ::madsim::task::NodeId;
use ::madsim::time::TimeHandle;

use super::machine::SimMachine;
pub(super) use volume::{EBADF, Inode, Volume};

/// The disks of the world. They survive their nodes.
pub struct SimDisk(Mutex<BTreeMap<NodeId, Disk>>);

#[derive(Default)]
struct Disk {
    volume: Volume,
    /// How often the process has begun: what an older one had open is closed.
    life: u64,
}

impl Simulator for SimDisk {
    fn new(_: &GlobalRng, _: &TimeHandle, _: &::madsim::Config) -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn reset_node(&self, node: NodeId) {
        let mut disks = self.lock();
        let disk = disks.entry(node).or_default();
        disk.volume.close_all();
        disk.life += 1;
    }
}

impl SimDisk {
    /// The disks of the running world.
    pub fn current() -> Arc<Self> {
        plugin::simulator()
    }

    /// Puts a file on a node's disk, with its directories: what the world prepares before a start.
    ///
    /// # Panics
    /// If a directory is in the way, or a file where a directory should be.
    pub fn put(&self, node: NodeId, path: &Path, content: &[u8]) {
        let mut disks = self.lock();
        let volume = &mut disks.entry(node).or_default().volume;
        volume.create_directories(path.parent().unwrap_or(Path::new("/"))).expect("directories");
        let file = volume.find_or_create(path).expect("no directory");
        *volume.content_mut(file) = content::Content::durable(content);
        volume.sync_everything();
    }

    /// The content of a file on a node's disk.
    pub fn get(&self, node: NodeId, path: &Path) -> Option<Vec<u8>> {
        let mut disks = self.lock();
        let volume = &disks.entry(node).or_default().volume;
        let file = volume.find_file(path).ok()?;
        Some(volume.content(file).bytes().to_vec())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Disk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node's way to its disk, as long as its process lives.
#[derive(Clone)]
pub(super) struct Access {
    disk: Arc<SimDisk>,
    node: NodeId,
    life: u64,
}

impl Access {
    /// Of the node that asks.
    pub fn current() -> Self {
        let (disk, node) = (SimDisk::current(), plugin::node());
        let life = disk.lock().entry(node).or_default().life;
        Self { disk, node, life }
    }

    /// One operation that takes no time.
    pub fn now<T>(&self, act: impl FnOnce(&mut Volume) -> io::Result<T>) -> io::Result<T> {
        let mut disks = self.disk.lock();
        let disk = disks.entry(self.node).or_default();
        if disk.life != self.life {
            return Err(io::Error::from_raw_os_error(EBADF));
        }
        act(&mut disk.volume)
    }

    /// One operation that takes its time.
    pub async fn operate<T>(&self, act: impl FnOnce(&mut Volume) -> io::Result<T>) -> io::Result<T> {
        self.now(act)
    }
}

/// The path made absolute and free of dots.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let mut absolute = SimMachine::current().working_directory();
    for part in path.components() {
        match part {
            Component::RootDir => absolute = PathBuf::from("/"),
            Component::ParentDir => _ = absolute.pop(),
            Component::Normal(name) => absolute.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}
