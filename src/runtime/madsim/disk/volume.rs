//! A file system with a page cache: what programs see, and what a power failure leaves.
//!
//! Every file and every directory exists twice: as cached, and as on the media. Writing changes the cache.
//! Syncing a file moves its content and its length to the media; syncing a directory moves its names.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::content::Content;
use super::fate::Fate;
use crate::runtime::madsim::kind::FaultKind;

/// A file or directory, whatever its names are.
pub type Inode = u64;

/// A place for a name: a directory and the name in it.
type Place = (Inode, OsString);

type Names = BTreeMap<OsString, Inode>;

const ROOT: Inode = 0;

#[derive(Clone)]
pub struct Volume {
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
    /// Changes of names that are not on the media, oldest first.
    journal: Vec<Change>,
    open: BTreeMap<Inode, usize>,
}

#[derive(Clone)]
enum Node {
    Directory { cached: Names, media: Names },
    File(Content),
}

/// Names given or taken by one call: on the media together or not at all.
#[derive(Clone, Debug)]
pub struct Change(Vec<(Place, Option<Inode>)>);

impl Change {
    fn overlaps(&self, places: &BTreeSet<Place>) -> bool {
        self.0.iter().any(|(place, _)| places.contains(place))
    }

    /// What it is to lose it.
    fn loss(&self) -> FaultKind {
        match &self.0[..] {
            [(_, Some(_))] => FaultKind::LostCreate,
            [(_, None)] => FaultKind::LostUnlink,
            _ => FaultKind::LostRename,
        }
    }
}

impl Default for Volume {
    fn default() -> Self {
        let root = Node::Directory { cached: Names::new(), media: Names::new() };
        let mut volume = Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            journal: Vec::new(),
            open: BTreeMap::new(),
        };
        for path in ["/tmp", "/run"] {
            volume.create_directories(Path::new(path)).expect("the root is a directory");
        }
        volume.sync_everything();
        volume
    }
}

impl Volume {
    // ---- finding

    /// What is at an absolute path free of dots.
    pub fn find(&self, path: &Path) -> io::Result<Inode> {
        let mut inode = ROOT;
        for part in path.components() {
            if let Component::Normal(name) = part {
                inode = *self.names(inode)?.get(name).ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(inode)
    }

    /// Where the last name of a path belongs; its directory must exist.
    fn place(&self, path: &Path) -> io::Result<Place> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let directory = self.find(above)?;
        self.names(directory)?;
        Ok((directory, name.to_owned()))
    }

    /// The names in a directory.
    pub fn names(&self, inode: Inode) -> io::Result<&Names> {
        match &self.nodes[&inode] {
            Node::Directory { cached, .. } => Ok(cached),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The file at a path.
    pub fn find_file(&self, path: &Path) -> io::Result<Inode> {
        let inode = self.find(path)?;
        match self.nodes[&inode] {
            Node::File(_) => Ok(inode),
            Node::Directory { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub fn content(&self, file: Inode) -> &Content {
        match &self.nodes[&file] {
            Node::File(content) => content,
            Node::Directory { .. } => unreachable!("opened as a file"),
        }
    }

    pub fn content_mut(&mut self, file: Inode) -> &mut Content {
        match self.nodes.get_mut(&file) {
            Some(Node::File(content)) => content,
            _ => unreachable!("opened as a file"),
        }
    }

    /// All files, oldest first.
    pub fn files(&self) -> impl Iterator<Item = Inode> {
        let files = self.nodes.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(inode, _)| *inode)
    }

    /// Bytes taken, in whole sectors.
    pub fn used(&self) -> u64 {
        let mut taken: BTreeSet<Inode> = self.open.keys().copied().collect();
        for node in self.nodes.values() {
            if let Node::Directory { cached, .. } = node {
                taken.extend(cached.values());
            }
        }
        self.files().filter(|file| taken.contains(file)).map(|file| self.content(file).used()).sum()
    }

    /// Units that a power failure decides about.
    pub fn unsynced(&self) -> usize {
        self.journal.len() + self.files().map(|file| self.content(file).unsynced()).sum::<usize>()
    }

    /// Whether `inode` is a directory, and its length.
    pub fn describe(&self, inode: Inode) -> (bool, u64) {
        match &self.nodes[&inode] {
            Node::Directory { .. } => (true, 0),
            Node::File(content) => (false, content.len()),
        }
    }

    /// Every path there is, sorted.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut todo = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, inode)) = todo.pop() {
            if let Ok(names) = self.names(inode) {
                todo.extend(names.iter().map(|(name, inode)| (path.join(name), *inode)));
            }
            found.push(path);
        }
        found.sort();
        found
    }

    // ---- names

    /// The file at a path, made if its directory exists.
    pub fn find_or_create(&mut self, path: &Path) -> io::Result<Inode> {
        match self.find_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        let place = self.place(path)?;
        let inode = self.add(Node::File(Content::default()));
        self.change(Change(vec![(place, Some(inode))]));
        Ok(inode)
    }

    /// Makes a directory and those above it.
    pub fn create_directories(&mut self, path: &Path) -> io::Result<()> {
        let mut above = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            above = match self.names(above)?.get(name) {
                Some(inode) => *inode,
                None => {
                    let empty = Node::Directory { cached: Names::new(), media: Names::new() };
                    let inode = self.add(empty);
                    self.change(Change(vec![((above, name.to_owned()), Some(inode))]));
                    inode
                }
            };
        }
        self.names(above).map(|_| ())
    }

    /// Moves a file from one name to another, over whatever file is there.
    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.find_file(from)?;
        let (from, to) = (self.place(from)?, self.place(to)?);
        let replaced = self.names(to.0)?.get(&to.1).copied();
        if replaced.is_some_and(|inode| self.names(inode).is_ok()) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // POSIX: two names of one file both stay.
        if replaced != Some(file) {
            self.change(Change(vec![(from, None), (to, Some(file))]));
            replaced.inspect(|inode| self.forget(*inode));
        }
        Ok(())
    }

    /// Gives a file a second name.
    pub fn link(&mut self, original: &Path, link: &Path) -> io::Result<()> {
        let (file, place) = (self.find_file(original)?, self.place(link)?);
        if self.names(place.0)?.contains_key(&place.1) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change(vec![(place, Some(file))]));
        Ok(())
    }

    /// Takes a name from a file.
    pub fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (file, place) = (self.find_file(path)?, self.place(path)?);
        self.change(Change(vec![(place, None)]));
        self.forget(file);
        Ok(())
    }

    fn add(&mut self, node: Node) -> Inode {
        let inode = self.next;
        self.next += 1;
        self.nodes.insert(inode, node);
        inode
    }

    fn change(&mut self, change: Change) {
        self.apply(&change, |cached, _| cached);
        self.journal.push(change);
    }

    fn apply(
        &mut self,
        change: &Change,
        half: impl for<'a> Fn(&'a mut Names, &'a mut Names) -> &'a mut Names,
    ) {
        for ((directory, name), inode) in &change.0 {
            // A directory whose own name was lost is gone with all that is in it.
            if let Some(Node::Directory { cached, media }) = self.nodes.get_mut(directory) {
                let names = half(cached, media);
                match inode {
                    Some(inode) => _ = names.insert(name.clone(), *inode),
                    None => _ = names.remove(name),
                }
            }
        }
    }

    // ---- open files

    /// Keeps a file alive until [`Volume::close`], whatever happens to its names.
    pub fn open(&mut self, file: Inode) {
        *self.open.entry(file).or_default() += 1;
    }

    pub fn close(&mut self, file: Inode) {
        if let Some(count) = self.open.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&file);
                self.forget(file);
            }
        }
    }

    /// Drops a file that nobody can reach any more, now or after a power failure.
    fn forget(&mut self, file: Inode) {
        let named = |names: &Names| names.values().any(|inode| *inode == file);
        let reachable = self
            .nodes
            .values()
            .any(|node| matches!(node, Node::Directory { cached, media } if named(cached) || named(media)));
        let pending = self.journal.iter().flat_map(|change| &change.0).any(|(_, inode)| *inode == Some(file));
        if !reachable && !pending && !self.open.contains_key(&file) {
            self.nodes.remove(&file);
        }
    }

    // ---- syncing and failing

    /// Moves the names of a directory to the media.
    pub fn sync_directory(&mut self, directory: Inode) -> io::Result<()> {
        self.names(directory)?;
        // With what it depends on: earlier changes of the same names, which may be in other directories.
        let mut places = BTreeSet::new();
        let mut kept = Vec::new();
        let mut moved = Vec::new();
        for change in std::mem::take(&mut self.journal).into_iter().rev() {
            let here = change.0.iter().any(|((within, _), _)| *within == directory);
            if here || change.overlaps(&places) {
                places.extend(change.0.iter().map(|(place, _)| place.clone()));
                moved.push(change);
            } else {
                kept.push(change);
            }
        }
        self.journal = kept.into_iter().rev().collect();
        for change in moved.iter().rev() {
            self.apply(change, |_, media| media);
        }
        let unlinked: Vec<Inode> = self.files().collect();
        for file in unlinked {
            self.forget(file);
        }
        Ok(())
    }

    /// Puts everything on the media.
    pub fn sync_everything(&mut self) {
        for change in std::mem::take(&mut self.journal) {
            self.apply(&change, |_, media| media);
        }
        let files: Vec<Inode> = self.files().collect();
        for file in files {
            self.content_mut(file).sync();
            self.forget(file);
        }
    }

    /// The process is gone, and its open files with it.
    pub fn close_all(&mut self) {
        for file in std::mem::take(&mut self.open).into_keys() {
            self.forget(file);
        }
    }

    /// The power fails: what is not on the media survives as `fate` decides. The journal keeps each change
    /// whole, and none without the earlier changes of the same names.
    pub fn lose_power(&mut self, fate: &mut Fate) {
        let mut lost = BTreeSet::new();
        let (mut one_is_lost, mut renamed) = (false, false);
        for change in std::mem::take(&mut self.journal) {
            let kept = fate.keeps() && !change.overlaps(&lost) && !(one_is_lost && fate.is_in_order());
            if kept {
                renamed |= change.0.len() > 1;
                if one_is_lost {
                    FaultKind::Reordering.fired();
                }
                self.apply(&change, |_, media| media);
            } else {
                one_is_lost = true;
                change.loss().fired();
                lost.extend(change.0.into_iter().map(|(place, _)| place));
            }
        }
        self.open.clear();
        for node in self.nodes.values_mut() {
            match node {
                Node::Directory { cached, media } => cached.clone_from(media),
                // Files are renamed after they were written.
                Node::File(content) => {
                    if content.lose_power(fate) && renamed {
                        FaultKind::Reordering.fired();
                    }
                }
            }
        }
        self.forget_unreachable();
    }

    /// Forgets the cache of what need not be written.
    pub fn drop_caches(&mut self) {
        for node in self.nodes.values_mut() {
            if let Node::File(content) = node {
                content.drop_cache();
            }
        }
    }

    fn forget_unreachable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut todo = vec![ROOT];
        while let Some(inode) = todo.pop() {
            if let Some(Node::Directory { media, .. }) = self.nodes.get(&inode) {
                todo.extend(media.values().filter(|inode| reached.insert(**inode)));
            }
        }
        self.nodes.retain(|inode, _| reached.contains(inode));
    }
}
