//! Going through many records.

use super::{HashLeaf, Hashed};
use crate::engine::keyspace::value::listpack;
use crate::engine::keyspace::value::tree::Cursor;
use std::ops::RangeInclusive;

/// Records in the order of their members' hashes.
#[derive(Clone)]
pub struct Records<'a> {
    leaf: Option<Cursor<'a, HashLeaf>>,
    /// The next one in the leaf.
    at: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];
    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let cursor = self.leaf.as_mut()?;
        if self.at >= cursor.leaf().count() {
            if !cursor.move_next() {
                self.leaf = None;
                return None;
            }
            self.at = 0;
        }
        self.at += 1;
        Some(cursor.leaf().record(self.at - 1))
    }
}

/// Looks for many members. Fast if their hashes ascend, as those of another collection under the same seed
/// do: it stays in a leaf as long as it can.
pub struct Finder<'a> {
    records: &'a Hashed,
    /// A leaf with its lowest and its highest hash.
    leaf: Option<(&'a HashLeaf, RangeInclusive<u64>)>,
}

impl Finder<'_> {
    /// The hash of a member, given as a listpack element: the same in all collections of a server.
    #[inline]
    pub fn hash(&self, member: &[u8]) -> u64 {
        self.records.hash(member)
    }

    /// Whether there is a record of the member with this hash.
    #[inline]
    pub fn has(&mut self, hash: u64, member: &[u8]) -> bool {
        if !self.leaf.as_ref().is_some_and(|(_, hashes)| hashes.contains(&hash)) {
            let found = self.records.tree.leaf_for(|lower| *lower <= hash);
            self.leaf = found.map(|(leaf, _)| (leaf, leaf.lower()..=leaf.hash_at(leaf.count() - 1)));
        }
        let Some((leaf, hashes)) = &self.leaf else { return false };
        leaf.find(hash, member).is_some()
            || *hashes.start() == hash && self.records.get_hashed(hash, member).is_some()
    }
}

impl Hashed {
    /// Has the memory fetched that searches for these members will read.
    pub fn prefetch<'m>(&self, members: impl Iterator<Item = &'m [u8]>) {
        let hashes = members.map(|member| self.hash(&listpack::encoded(member)));
        let leaves = self.tree.fetch(hashes, |lower, hash| *lower <= hash);
        leaves.iter().for_each(|(hash, leaf)| leaf.prefetch_record(*hash));
    }

    /// All records.
    pub fn iter(&self) -> Records<'_> {
        Records { leaf: self.tree.cursor_first(), at: 0 }
    }

    /// The records from a position on.
    pub fn iter_from(&self, position: usize) -> Records<'_> {
        let leaf = self.tree.cursor_at(position as u64).filter(|_| position < self.len());
        let at = leaf.as_ref().map_or(0, |leaf| position - leaf.base() as usize);
        Records { leaf, at }
    }

    /// For looking for many members.
    pub fn finder(&self) -> Finder<'_> {
        Finder { records: self, leaf: None }
    }
}
