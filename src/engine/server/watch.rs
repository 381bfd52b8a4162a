//! WATCH: which clients guard which keys, and whose keys have changed.

use crate::engine::hash::{Map, Seed, Set};
use crate::engine::session::ClientId;

/// All watched keys of a server.
#[derive(Debug)]
pub struct Watch {
    keys: Map<Box<[u8]>, Vec<(usize, ClientId)>>,
    /// Clients whose next EXEC fails.
    dirty: Set<ClientId>,
}

impl Watch {
    /// Nothing watched.
    pub fn new(seed: Seed) -> Self {
        Watch { keys: seed.map(), dirty: seed.set() }
    }
    /// Whether nobody watches anything: the common case, checked on each change.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
    /// Different keys watched.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }
    /// A client guards a key.
    pub fn add(&mut self, db: usize, key: &[u8], client: ClientId) {
        match self.keys.get_mut(key) {
            Some(watchers) => watchers.push((db, client)),
            None => {
                self.keys.insert(key.into(), vec![(db, client)]);
            }
        }
    }
    /// A client guards a key no longer.
    pub fn remove(&mut self, db: usize, key: &[u8], client: ClientId) {
        if let Some(watchers) = self.keys.get_mut(key) {
            watchers.retain(|watcher| *watcher != (db, client));
            if watchers.is_empty() {
                self.keys.remove(key);
            }
        }
    }
    /// A key changed: whoever guards it is told at EXEC.
    pub fn touch(&mut self, db: usize, key: &[u8]) {
        if let Some(watchers) = self.keys.get(key) {
            self.dirty.extend(watchers.iter().filter(|(at, _)| *at == db).map(|(_, client)| *client));
        }
    }
    /// The clients that guard a key of this database, with the keys.
    pub fn of_database(&self, db: usize) -> Vec<(Box<[u8]>, ClientId)> {
        let all = self.keys.iter().flat_map(|(key, watchers)| watchers.iter().map(move |w| (key, w)));
        all.filter(|(_, (at, _))| *at == db).map(|(key, (_, client))| (key.clone(), *client)).collect()
    }
    /// Fails the client's next EXEC.
    pub fn mark(&mut self, client: ClientId) {
        self.dirty.insert(client);
    }
    /// Whether a guarded key changed.
    pub fn is_dirty(&self, client: ClientId) -> bool {
        self.dirty.contains(&client)
    }
    /// EXEC, DISCARD, UNWATCH: a new start.
    pub fn clear_mark(&mut self, client: ClientId) {
        self.dirty.remove(&client);
    }
}
