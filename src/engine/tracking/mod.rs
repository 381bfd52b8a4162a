//! Client-side caching (CLIENT TRACKING): which clients are to be told when which keys change.
//!
//! Names clients by number only. Telling them is the server's (`server/tracking.rs`).

mod prefixes;
mod table;

use crate::engine::mutant;
pub use prefixes::{Broadcast, Collision, Prefixes, collision};
pub use table::Table;

use crate::engine::hash::Seed;
use std::collections::{BTreeMap, BTreeSet};

/// Which of the keys that a client reads it is told about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All.
    #[default]
    Default,
    /// OPTIN: those read after CLIENT CACHING YES.
    OptIn,
    /// OPTOUT: all but those read after CLIENT CACHING NO.
    OptOut,
    /// BCAST: what it reads does not matter, but all keys with its prefixes.
    Broadcast,
}

/// Estimate of what a prefix costs beside its bytes: places in two trees.
const PREFIX: usize = 96;

/// One client that tracks keys.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    /// What it is told about.
    pub mode: Mode,
    /// NOLOOP: it is not told what it changed itself.
    pub noloop: bool,
    /// The client that is told in its place; 0 is itself.
    pub redirect: u64,
    /// That client is gone.
    pub broken: bool,
    /// CLIENT CACHING was said, for the next command.
    pub caching: bool,
    /// The prefixes it broadcasts.
    pub prefixes: BTreeSet<Box<[u8]>>,
}

impl Tracker {
    /// Bytes of its prefixes, and what they cost beside.
    pub fn prefix_bytes(&self) -> usize {
        self.prefixes.iter().map(|prefix| 2 * prefix.len() + PREFIX).sum()
    }
    /// Whether what it reads now is remembered.
    fn remembers(&self) -> bool {
        match self.mode {
            Mode::Default => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast => false,
        }
    }
}

/// Everything about tracking.
#[derive(Debug)]
pub struct Tracking {
    /// Clients that track, by number.
    trackers: BTreeMap<u64, Tracker>,
    /// What they have read.
    pub table: Table,
    /// What is broadcast.
    pub prefixes: Prefixes,
    /// The client whose command runs, which is who changes keys; 0 is nobody.
    pub author: u64,
    /// Attempts in a row to respect the limit of keys that have not been enough.
    pub attempts: usize,
}

impl Tracking {
    /// Nobody tracks.
    pub fn new(seed: Seed) -> Self {
        let (table, prefixes) = (Table::new(seed), Prefixes::default());
        Tracking { trackers: BTreeMap::new(), table, prefixes, author: 0, attempts: 0 }
    }
    /// Whether nobody tracks: the common case, checked on each change.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.trackers.is_empty()
    }
    /// Clients that track.
    pub fn len(&self) -> usize {
        self.trackers.len()
    }
    /// Their numbers, in order.
    pub fn ids(&self) -> Vec<u64> {
        self.trackers.keys().copied().collect()
    }
    /// What a client tracks, if it does.
    pub fn get(&self, client: u64) -> Option<&Tracker> {
        self.trackers.get(&client)
    }
    /// The same, to be changed.
    pub fn get_mut(&mut self, client: u64) -> Option<&mut Tracker> {
        self.trackers.get_mut(&client)
    }
    /// A client tracks from now on, or in another way; prefixes add to those it has.
    pub fn start(&mut self, client: u64, tracker: Tracker) {
        for prefix in &tracker.prefixes {
            self.prefixes.add(prefix, client);
        }
        let before = self.trackers.insert(client, tracker);
        if let (Some(before), Some(tracker)) = (before, self.trackers.get_mut(&client)) {
            tracker.prefixes.extend(before.prefixes);
        }
    }
    /// A client tracks no longer. What it has read is forgotten once its keys change, or with the last client.
    pub fn stop(&mut self, client: u64) {
        let Some(tracker) = self.trackers.remove(&client) else { return };
        for prefix in &tracker.prefixes {
            self.prefixes.remove(prefix, client);
        }
        if self.trackers.is_empty() {
            self.table.clear();
        }
    }
    /// A client has read keys.
    pub fn remember<'a>(&mut self, client: u64, keys: impl Iterator<Item = &'a [u8]>) {
        if self.trackers.get(&client).is_some_and(Tracker::remembers) {
            keys.for_each(|key| self.table.add(key, client));
        }
    }
    /// Forgets who has read a key; gives those who are to be told that `author` changed it.
    pub fn take_readers(&mut self, key: &[u8], author: u64) -> Vec<u64> {
        let Tracking { trackers, table, .. } = self;
        let is_told = |reader: &u64| {
            trackers.get(reader).is_some_and(|tracker| {
                tracker.mode != Mode::Broadcast
                    && !((tracker.noloop || mutant::is_on("own-change")) && *reader == author)
            })
        };
        table.remove(key).into_iter().flatten().filter(is_told).collect()
    }
}

#[cfg(test)]
mod tests;
