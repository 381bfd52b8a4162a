//! All databases as they are at one moment, handed out piece by piece while commands go on.
//!
//! Whoever wants a snapshot calls `begin_snapshot`, then `snapshot_step` until a chunk says that it is the last,
//! at the pace at which it can take them. How that works is in `keyspace/snapshot.rs`.

use super::Server;
use crate::engine::buggify::buggify;
use crate::engine::keyspace::{Entry, Garbage};

/// Entries looked at in one step: some 100 us when none of them is in the cache. A segment is always finished,
/// which may add another 800.
#[cfg(not(madsim))]
const STEP: usize = 512;
/// Few in simulations, so that changes come in between.
#[cfg(madsim)]
const STEP: usize = 4;
/// Entries swept in one tick after a snapshot was given up: nothing is copied, so there can be more.
const SWEPT_A_TICK: usize = 4096;

/// A snapshot under way, or one that was given up and leaves marks to be swept away.
#[derive(Debug, Default)]
pub struct Snapshot {
    progress: Progress,
    aborted: bool,
}

/// How far a snapshot is, in keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// All of them.
    pub total: u64,
    /// Those that were handed out.
    pub done: u64,
}

/// A part of a snapshot.
#[derive(Debug)]
pub struct Chunk {
    /// The number that the database had when the snapshot began.
    pub db: usize,
    /// Keys as they were then, in no order; those that had expired included.
    pub entries: Vec<Entry>,
    /// The memory of the entries, without what they share with the keyspace.
    pub bytes: usize,
    /// The snapshot is complete with this.
    pub last: bool,
}

impl Snapshot {
    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        self.progress
    }
}

impl Server {
    /// Begins a snapshot of all databases as they are now. Returns `false`, and does nothing, while there is
    /// another, or one that was given up is still being swept away.
    pub fn begin_snapshot(&mut self) -> bool {
        if self.snapshot.is_some() {
            return false;
        }
        let total = self.databases.iter().map(|db| db.len() as u64).sum();
        for (number, database) in self.databases.iter_mut().enumerate() {
            database.begin_snapshot(number);
        }
        self.snapshot = Some(Snapshot { progress: Progress { total, done: 0 }, aborted: false });
        true
    }

    /// Whether a snapshot is under way, so that somebody should call `snapshot_step`.
    pub fn snapshot_wants_step(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| !snapshot.aborted)
    }

    /// The next part of the snapshot; `None` if none is under way.
    pub fn snapshot_step(&mut self) -> Option<Chunk> {
        let snapshot = self.snapshot.as_mut().filter(|snapshot| !snapshot.aborted)?;
        // Databases are walked one after the other, but what piles up in another one is handed out first.
        let crowded = |db: &&mut super::Database| db.captured().0 >= STEP;
        let number = |db: &mut super::Database| db.snapshot_number();
        let mut garbage = Garbage::new();
        let mut chunk = Chunk { db: 0, entries: Vec::new(), bytes: 0, last: false };
        if let Some(database) = self.databases.iter_mut().find(crowded)
            && let Some(number) = number(database)
        {
            chunk.db = number;
            chunk.take(database);
        } else if let Some(database) = self.databases.iter_mut().find(|db| db.snapshot_number().is_some()) {
            chunk.db = number(database)?;
            let step = if buggify!("small-step") { 1 } else { STEP };
            database.snapshot_step(step, &mut garbage);
            chunk.take(database);
        }
        chunk.last = self.databases.iter().all(|db| db.snapshot_number().is_none());
        snapshot.progress.done += chunk.entries.len() as u64;
        if chunk.last {
            self.snapshot = None;
        }
        if !garbage.is_empty() {
            self.discard_all(garbage, 0);
        }
        Some(chunk)
    }

    /// Gives the snapshot up, if there is one. Ticks sweep its marks away; until then there can be no other.
    pub fn abort_snapshot(&mut self) {
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.aborted = true;
        let mut garbage = Garbage::new();
        self.databases.iter_mut().for_each(|db| garbage.absorb(db.abort_snapshot()));
        if !garbage.is_empty() {
            self.discard_all(garbage, 0);
        }
    }

    /// Whether there is a snapshot, or still something to be swept away, so that no other can begin.
    pub fn snapshot_is_busy(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Whether ticks have marks of a snapshot to sweep away.
    pub(super) fn is_sweeping(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.aborted)
    }

    /// Sweeps away marks of a snapshot that was given up, as many as one tick may.
    pub(super) fn sweep_snapshot(&mut self) {
        if !self.is_sweeping() {
            return;
        }
        let mut garbage = Garbage::new();
        let swept = self.databases.iter_mut().find(|db| db.snapshot_number().is_some());
        swept.into_iter().for_each(|db| _ = db.snapshot_step(SWEPT_A_TICK, &mut garbage));
        if self.databases.iter().all(|db| db.snapshot_number().is_none()) {
            self.snapshot = None;
        }
        debug_assert!(garbage.is_empty(), "what was flushed went when the snapshot was given up");
    }

    /// How far the snapshot under way is; nothing of nothing if there is none.
    pub fn snapshot_progress(&self) -> Progress {
        self.snapshot.as_ref().filter(|snapshot| !snapshot.aborted).map(|s| s.progress).unwrap_or_default()
    }

    /// Memory of entries that were captured before they changed and wait to be handed out.
    pub fn snapshot_memory(&self) -> usize {
        self.databases.iter().map(|db| db.captured().1).sum()
    }
}

impl Chunk {
    fn take(&mut self, database: &mut super::Database) {
        self.bytes = database.captured().1;
        self.entries = database.take_captured();
    }
}

#[cfg(test)]
mod tests;
