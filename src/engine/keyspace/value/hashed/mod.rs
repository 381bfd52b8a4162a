//! Collections in the order of their members' hashes: what sets and hashes are when they are big.
//!
//! A *record* is a member, as a listpack element, and a payload of any bytes. Equal contents under the same
//! seed lie in the same order, whatever their history. Nobody who does not know the seed can tell which.

mod leaf;
mod look;

use super::tree::Tree;
use crate::engine::hash::Seed;
pub use leaf::HashLeaf;
pub use look::{Finder, Records};
use std::sync::Arc;

/// Bits of a scan's cursor: a place in hash order, small enough for every client.
const CURSOR_BITS: u32 = 48;

/// The place of a hash in a scan.
#[inline]
pub fn place(hash: u64) -> u64 {
    hash >> (64 - CURSOR_BITS)
}

/// Whether these parts, one after the other, are the record.
fn consists_of(record: &[u8], parts: &[&[u8]]) -> bool {
    let mut rest = record;
    let all = parts.iter().all(|part| {
        rest.strip_prefix(*part).is_some_and(|after| {
            rest = after;
            true
        })
    });
    all && rest.is_empty()
}

/// What members are hashed with.
#[derive(Debug)]
pub struct Hasher {
    seed: Seed,
    /// Bits of hashes that tests put out, so that members collide.
    #[cfg(test)]
    ignored: u64,
}

impl Hasher {
    /// The hash function that follows from a seed.
    pub fn new(seed: Seed) -> Self {
        Hasher {
            seed,
            #[cfg(test)]
            ignored: 0,
        }
    }

    /// The hash of a member, given as a listpack element.
    #[inline]
    pub fn hash(&self, member: &[u8]) -> u64 {
        let hash = self.seed.hash(member);
        #[cfg(test)]
        let hash = hash & !self.ignored;
        hash
    }
}

/// Where a member's record is.
struct Found<'a> {
    position: u64,
    record: &'a [u8],
}

/// Records in the order of their members' hashes. A clone is O(1).
#[derive(Clone, Debug)]
pub struct Hashed {
    hasher: Arc<Hasher>,
    tree: Tree<HashLeaf>,
}

impl Hashed {
    /// An empty one.
    pub fn new(hasher: Arc<Hasher>) -> Self {
        Self { hasher, tree: Tree::new() }
    }

    /// A collection of these records, each with its member's hash, in the order of hashes. Members differ.
    pub fn from_sorted<'a>(records: impl Iterator<Item = (u64, &'a [u8])>, hasher: Arc<Hasher>) -> Self {
        let (mut leaves, mut pending, mut weight) = (Vec::new(), Vec::<(u64, &[u8])>::new(), 0);
        for record in records {
            let more = HashLeaf::weight_of(record.1);
            if weight + more > HashLeaf::FILLED && !pending.is_empty() {
                leaves.push(HashLeaf::of(&pending, hasher.clone()));
                pending.clear();
                weight = 0;
            }
            pending.push(record);
            weight += more;
        }
        leaves.push(HashLeaf::of(&pending, hasher.clone()));
        Self { hasher, tree: Tree::from_leaves(leaves) }
    }

    /// How many records there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len() as usize
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }
    /// The number of allocations, about.
    pub fn leaves(&self) -> usize {
        self.tree.leaves()
    }
    /// Bytes on the heap, estimated if there are very many.
    pub fn memory_usage(&self) -> usize {
        self.tree.memory_usage()
    }
    /// Frees about so many leaves; `true` when nothing is left. What is left in between is of no use.
    pub fn free_some(&mut self, leaves: usize) -> bool {
        self.tree.free_some(leaves)
    }

    /// The hash of a member, given as a listpack element.
    #[inline]
    pub fn hash(&self, member: &[u8]) -> u64 {
        self.hasher.hash(member)
    }

    /// The record of a member, which is given as a listpack element.
    #[inline]
    pub fn get(&self, member: &[u8]) -> Option<&[u8]> {
        self.get_hashed(self.hash(member), member)
    }

    /// The record of a member whose hash is known.
    #[inline]
    pub fn get_hashed(&self, hash: u64, member: &[u8]) -> Option<&[u8]> {
        let (leaf, _) = self.tree.leaf_for(|lower| *lower <= hash)?;
        match leaf.find(hash, member) {
            Some(at) => Some(leaf.record(at)),
            None if leaf.lower() == hash => self.find_before(hash, member).map(|found| found.record),
            None => None,
        }
    }

    /// Looks through the leaves before the one where a hash belongs, for members with that very hash.
    #[cold]
    fn find_before(&self, hash: u64, member: &[u8]) -> Option<Found<'_>> {
        let mut cursor = self.tree.cursor_for(|lower| *lower <= hash)?;
        while cursor.leaf().lower() == hash && cursor.move_previous() {
            let leaf = cursor.leaf();
            if let Some(at) = leaf.find(hash, member) {
                return Some(Found { position: cursor.base() + at as u64, record: leaf.record(at) });
            }
        }
        None
    }

    /// Adds a record, or replaces the member's. Its parts follow the member. Returns whether it is new.
    pub fn put(&mut self, member: &[u8], payload: [&[u8]; 2]) -> bool {
        let parts = [member, payload[0], payload[1]];
        let hash = self.hash(member);
        let Some((leaf, path)) = self.tree.path_for(|lower| *lower <= hash) else {
            let mut leaf = HashLeaf::new(self.hasher.clone());
            leaf.insert(hash, &parts);
            self.tree = Tree::from_leaves([leaf]);
            return true;
        };
        match leaf.find(hash, member) {
            Some(at) if consists_of(leaf.record(at), &parts) => false,
            Some(at) => {
                self.tree.edit_on(&path, |leaf| leaf.replace(at, &parts));
                false
            }
            None if leaf.lower() == hash => self.put_before(hash, &parts),
            None => {
                self.tree.edit_on(&path, |leaf| leaf.insert(hash, &parts));
                true
            }
        }
    }

    #[cold]
    fn put_before(&mut self, hash: u64, parts: &[&[u8]]) -> bool {
        let found = self.find_before(hash, parts[0]).map(|found| found.position);
        match found {
            Some(position) => self.tree.edit_at(position, |leaf, at| leaf.replace(at as usize, parts)),
            None => self.tree.edit_for(|lower| *lower <= hash, |leaf| leaf.insert(hash, parts)),
        }
        found.is_none()
    }

    /// Takes out a member's record. Returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let hash = self.hash(member);
        let Some((leaf, path)) = self.tree.path_for(|lower| *lower <= hash) else { return false };
        match leaf.find(hash, member) {
            Some(at) => self.tree.edit_on(&path, |leaf| leaf.remove(at)),
            None if leaf.lower() == hash => {
                let Some(found) = self.find_before(hash, member) else { return false };
                let position = found.position;
                self.remove_at(position as usize);
            }
            None => return false,
        }
        true
    }

    /// Takes out the record at a position. There must be one.
    pub fn remove_at(&mut self, position: usize) {
        self.tree.edit_at(position as u64, |leaf, at| leaf.remove(at as usize));
    }

    /// The record at a position. There must be one.
    pub fn at(&self, position: usize) -> &[u8] {
        let (leaf, at) = self.tree.leaf_at(position as u64).expect("a position of a record");
        leaf.record(at as usize)
    }

    /// The records whose members have this hash.
    pub fn with_hash(&self, hash: u64) -> impl Iterator<Item = &[u8]> {
        let from = self.records_from(hash).take_while(move |(leaf, at)| leaf.hash_at(*at) == hash);
        from.map(|(leaf, at)| leaf.record(at))
    }

    /// Shows about `count` records and returns the cursor for the next step, 0 after the last. A scan begins
    /// with 0. A record that is there from beginning to end is shown exactly once.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, seen: &mut dyn FnMut(&'a [u8])) -> u64 {
        let (mut shown, mut last) = (0, 0);
        // A cursor that nobody gave out may have more bits.
        for (leaf, at) in self.records_from(cursor.min(place(u64::MAX)) << (64 - CURSOR_BITS)) {
            if shown >= count.max(1) && place(leaf.hash_at(at)) > last {
                return place(leaf.hash_at(at));
            }
            seen(leaf.record(at));
            shown += 1;
            if shown >= count {
                last = place(leaf.hash_at(at));
            }
        }
        0
    }

    /// The leaves and indices of the records from a hash on.
    fn records_from(&self, hash: u64) -> impl Iterator<Item = (&HashLeaf, usize)> {
        // The leaf before may have members with this very hash.
        let cursor = self.tree.cursor_for(|lower| *lower < hash);
        let leaves = cursor.into_iter().flat_map(|cursor| cursor.forward());
        leaves.flat_map(move |(leaf, _)| {
            let first = if leaf.lower() > hash { 0 } else { leaf.lower_bound(hash) };
            (first..leaf.count()).map(move |at| (leaf, at))
        })
    }

    /// Checks every invariant; panics on the first that does not hold.
    #[cfg(test)]
    pub fn check(&self) {
        if self.hasher.ignored == 0 {
            // Members that collide may make separators equal, which the tree does not expect.
            self.tree.check(|a, b| a < b);
        }
        self.tree.iter().for_each(HashLeaf::check);
    }
}

#[cfg(test)]
mod tests;
