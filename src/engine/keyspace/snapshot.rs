//! Snapshots of a database that goes on changing.
//!
//! Every entry has an epoch bit and every database an epoch. They agree until a snapshot begins: that flips
//! the database's, so that all entries become *old* at once. What is old is captured (as a copy that shares
//! what is big) before it is changed or removed, or by a walk through the whole table, and then agrees again.
//! New entries agree from the start. So once the walk is round, each key that was there at the beginning has
//! been captured exactly once, as it was then, and all is ready for the next snapshot.
//!
//! The walk goes from segment to segment. Where it stands is a place in the space of hashes, which means the
//! same thing whatever segments split or merge meanwhile. Nothing depends on it but when the walk is over: whether an
//! entry must be captured is what its bit says.

use super::database::Database;
use super::entry::Entry;
use super::table::Garbage;
use crate::engine::mark::sometimes;
use crate::engine::mutant;

/// The epoch of a database, and what was captured and not yet taken.
#[derive(Default)]
pub struct Versions {
    epoch: bool,
    /// What is old is captured; else it only loses its mark, since the snapshot was given up.
    captures: bool,
    captured: Vec<Entry>,
    bytes: usize,
}

impl Versions {
    /// Marks an entry that is new here.
    #[inline]
    pub(super) fn admit(&self, entry: &Entry) {
        if self.is_old(entry) && !mutant::is_on("newcomers") {
            entry.set_epoch(self.epoch);
        }
    }

    /// Must be called before any change to an entry but that of its access clock, and before its removal.
    #[inline]
    pub(super) fn preserve(&mut self, entry: &mut Entry) {
        if self.is_old(entry) {
            sometimes!("preserved", self.captures);
            self.capture(entry);
        }
    }

    #[inline]
    pub(super) fn is_old(&self, entry: &Entry) -> bool {
        entry.epoch() != self.epoch
    }

    /// Bytes of what was captured and not yet taken, without the nodes of trees that have changed since.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline(never)]
    fn capture(&mut self, entry: &mut Entry) {
        entry.set_epoch(self.epoch);
        if self.captures {
            let copy = entry.capture();
            self.keep(copy);
        }
    }

    fn keep(&mut self, entry: Entry) {
        self.bytes += entry.unshared_bytes();
        self.captured.push(entry);
    }
}

/// Where a walk goes on: the slot of a table, and a place in the space of hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frontier {
    pub(super) slot: u16,
    pub(super) place: u64,
}

/// A snapshot under way, or the rest of one that was given up.
pub(super) struct Walk {
    /// The number of the database when it began: SWAPDB may have moved it since.
    number: usize,
    /// `None` behind the last segment.
    pub(super) frontier: Option<Frontier>,
    /// What was flushed since: what is old in it belongs to the snapshot.
    flushed: Garbage,
}

impl Database {
    /// Begins a snapshot of all entries as they are now; `number` is what `snapshot_number` will say.
    /// Returns `false`, and does nothing, while there is an older one. O(1).
    pub fn begin_snapshot(&mut self, number: usize) -> bool {
        if self.walk.is_some() {
            return false;
        }
        // Where there is nothing, nothing is old.
        if !self.is_empty() {
            self.versions.epoch = !self.versions.epoch;
            self.versions.captures = true;
            let frontier = Some(Frontier::default());
            self.walk = Some(Walk { number, frontier, flushed: Garbage::new() });
        }
        true
    }

    /// The number given to the snapshot under way; `None` once it is round.
    pub fn snapshot_number(&self) -> Option<usize> {
        self.walk.as_ref().map(|walk| walk.number)
    }

    /// Goes on with the walk: looks at about `budget` entries, whole segments if they are small, where half a
    /// kilobyte to be copied counts as one more. Returns whether the walk is round. What is left of flushed tables
    /// goes to `garbage`.
    pub fn snapshot_step(&mut self, budget: usize, garbage: &mut Garbage) -> bool {
        let Database { tables, versions, walk, .. } = self;
        let Some(walk) = walk else { return true };
        let mut effort = 0;
        while effort < budget {
            if let Some(frontier) = walk.frontier {
                let done = tables.walk(frontier, budget - effort, versions);
                (effort, walk.frontier) = (effort + done.0, done.1);
            } else if let Some(entry) = walk.flushed.pop() {
                effort += 1;
                if versions.captures && versions.is_old(&entry) {
                    versions.keep(entry);
                } else {
                    garbage.push(entry);
                }
            } else {
                self.walk = None;
                return true;
            }
        }
        false
    }

    /// What was captured since the last call, by the walk or before a change. After the walk is round and this was called,
    /// there will be no more.
    pub fn take_captured(&mut self) -> Vec<Entry> {
        self.versions.bytes = 0;
        std::mem::take(&mut self.versions.captured)
    }

    /// How many entries were captured and not yet taken, and the bytes they take, without the nodes of trees
    /// that have changed since.
    pub fn captured(&self) -> (usize, usize) {
        (self.versions.captured.len(), self.versions.bytes())
    }

    /// Gives the snapshot up: nothing more is captured, and what was is garbage. The walk must still be
    /// brought to its end before another can begin.
    pub fn abort_snapshot(&mut self) -> Garbage {
        sometimes!("given-up-snapshot", self.walk.is_some());
        self.versions.captures = false;
        let mut garbage =
            self.walk.as_mut().map(|walk| std::mem::take(&mut walk.flushed)).unwrap_or_default();
        self.take_captured().into_iter().for_each(|entry| garbage.push(entry));
        garbage
    }

    /// Hands over what a flush took out of the database: to the snapshot if there may be old entries in it.
    pub(super) fn discard(&mut self, flushed: Garbage) -> Garbage {
        match &mut self.walk {
            Some(walk) if self.versions.captures && !mutant::is_on("uncaptured-flush") => {
                sometimes!("preserved-flush", !flushed.is_empty());
                walk.flushed.absorb(flushed);
                Garbage::new()
            }
            _ => flushed,
        }
    }

    /// Checks that nothing is old that must not be; panics if something is.
    pub(super) fn check_versions(&self) {
        let frontier = self.walk.as_ref().and_then(|walk| walk.frontier);
        for entry in self.iter().filter(|entry| self.versions.is_old(entry)) {
            let hash = self.hash(entry.key());
            let walked = frontier.is_none_or(|at| (hash.slot, hash.hash) < (at.slot, at.place));
            assert!(!walked, "{entry:?} is old behind the walk");
        }
    }
}

#[cfg(test)]
mod tests;
