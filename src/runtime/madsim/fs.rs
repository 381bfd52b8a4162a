//! A tree of files for every node. It survives the node's death and never fails yet: faults of disks
//! belong into [`SimDisk`], behind the same names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::madsim::plugin::{self, Simulator};
use ::madsim::rand::GlobalRng;
use ::madsim::task::NodeId;
use ::madsim::time::TimeHandle;

use super::machine::SimMachine;

/// The disks of all nodes.
pub struct SimDisk(Mutex<BTreeMap<NodeId, Tree>>);

type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Clone, Debug)]
enum Entry {
    Directory,
    File(Vec<u8>),
}

impl Simulator for SimDisk {
    fn new(_: &GlobalRng, _: &TimeHandle, _: &::madsim::Config) -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl SimDisk {
    /// The disks of the running world.
    pub fn current() -> Arc<Self> {
        plugin::simulator()
    }

    /// Puts a file on a node's disk, with its directories: what the world prepares before a start.
    pub fn put(&self, node: NodeId, path: &Path, content: &[u8]) {
        let mut disks = self.lock();
        let tree = tree_of(&mut disks, node);
        for above in path.ancestors().skip(1) {
            tree.entry(above.to_owned()).or_insert(Entry::Directory);
        }
        tree.insert(path.to_owned(), Entry::File(content.to_vec()));
    }

    /// The content of a file on a node's disk.
    pub fn get(&self, node: NodeId, path: &Path) -> Option<Vec<u8>> {
        match tree_of(&mut self.lock(), node).get(path) {
            Some(Entry::File(content)) => Some(content.clone()),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Tree>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tree_of(disks: &mut BTreeMap<NodeId, Tree>, node: NodeId) -> &mut Tree {
    disks.entry(node).or_insert_with(|| {
        ["/", "/tmp", "/run"].into_iter().map(|path| (PathBuf::from(path), Entry::Directory)).collect()
    })
}

/// Runs `act` on the tree of the node that asks, with the path made absolute and free of dots.
fn at<T>(path: &Path, act: impl FnOnce(&mut Tree, PathBuf) -> io::Result<T>) -> io::Result<T> {
    let mut absolute = SimMachine::current().working_directory();
    for part in path.components() {
        match part {
            Component::RootDir => absolute = PathBuf::from("/"),
            Component::ParentDir => _ = absolute.pop(),
            Component::Normal(name) => absolute.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let disk = SimDisk::current();
    act(tree_of(&mut disk.lock(), plugin::node()), absolute)
}

/// What is known of a file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub is_dir: bool,
    /// Bytes.
    pub len: u64,
}

/// The path of a file of that name that need not last.
pub fn temporary(name: &str) -> PathBuf {
    Path::new("/tmp").join(name)
}

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    at(path, |tree, path| match tree.get(&path) {
        Some(Entry::File(content)) => Ok(content.clone()),
        Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    })
}

/// Fails with `InvalidData` if it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Nothing: nobody writes to a simulated process.
pub fn read_standard_input() -> io::Result<Vec<u8>> {
    Ok(Vec::new())
}

/// Replaces a file; a crash leaves the old or the new content.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content)
}

/// The file at `path`, made if its directory exists.
fn open(tree: &mut Tree, path: PathBuf) -> io::Result<&mut Vec<u8>> {
    match path.parent().and_then(|above| tree.get(above)) {
        Some(Entry::Directory) => {}
        Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
        None => return Err(io::ErrorKind::NotFound.into()),
    }
    match tree.entry(path).or_insert_with(|| Entry::File(Vec::new())) {
        Entry::File(content) => Ok(content),
        Entry::Directory => Err(io::ErrorKind::IsADirectory.into()),
    }
}

/// A file that only grows, made if it is missing.
#[derive(Debug)]
pub struct Appender(PathBuf);

impl Appender {
    pub fn open(path: &Path) -> io::Result<Self> {
        at(path, |tree, path| open(tree, path.clone()).map(|_| Self(path)))
    }

    /// A file, since a simulated process has no terminal.
    pub fn standard_output() -> io::Result<Self> {
        Self::open(Path::new("/run/stdout"))
    }

    /// Adds all bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        at(&self.0, |tree, path| open(tree, path).map(|content| content.extend_from_slice(bytes)))
    }
}

/// Creates or overwrites a file.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    at(path, |tree, path| open(tree, path).map(|old| *old = content.to_vec()))
}

pub fn remove(path: &Path) -> io::Result<()> {
    at(path, |tree, path| match tree.get(&path) {
        Some(Entry::File(_)) => {
            tree.remove(&path);
            Ok(())
        }
        Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    })
}

pub fn exists(path: &Path) -> bool {
    metadata(path).is_ok()
}

pub fn metadata(path: &Path) -> io::Result<Metadata> {
    at(path, |tree, path| match tree.get(&path) {
        Some(Entry::File(content)) => Ok(Metadata { is_dir: false, len: content.len() as u64 }),
        Some(Entry::Directory) => Ok(Metadata { is_dir: true, len: 0 }),
        None => Err(io::ErrorKind::NotFound.into()),
    })
}

/// Makes a directory and those above it; one that exists is no error.
pub fn create_dir(path: &Path) -> io::Result<()> {
    at(path, |tree, path| {
        for directory in path.ancestors() {
            if let Entry::File(_) = tree.entry(directory.to_owned()).or_insert(Entry::Directory) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(())
    })
}

/// The paths a pattern matches, sorted; a pattern without wildcards gives itself whether it exists or
/// not, so that a missing include is an error with a name.
pub fn glob(pattern: &str) -> io::Result<Vec<PathBuf>> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![PathBuf::from(pattern)]);
    }
    at(Path::new(pattern), |tree, absolute| {
        let pattern = ::glob::Pattern::new(&absolute.to_string_lossy())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        // As a shell does: a star stays within one directory.
        let options = ::glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        Ok(tree.keys().filter(|path| pattern.matches_path_with(path, options)).cloned().collect())
    })
}
