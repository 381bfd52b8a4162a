//! WATCH: which clients guard which keys, and whose keys have changed.

use crate::engine::hash::{Map, Seed, Set};
use crate::engine::mark::sometimes;
use crate::engine::session::ClientId;

/// Whether a key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not.
    Missing,
    /// It is, but has expired: for clients it is missing.
    Expired,
    /// It is.
    Live,
}

/// One client's guard over one key.
#[derive(Clone, Copy, Debug)]
struct Guard {
    db: usize,
    client: ClientId,
    /// The key had expired but not been removed when WATCH came: its removal is no change.
    expired: bool,
}

/// All watched keys of a server.
#[derive(Debug)]
pub struct Watch {
    keys: Map<Box<[u8]>, Vec<Guard>>,
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
    pub fn add(&mut self, db: usize, key: &[u8], client: ClientId, expired: bool) {
        let guard = Guard { db, client, expired };
        match self.keys.get_mut(key) {
            Some(guards) => guards.push(guard),
            None => {
                self.keys.insert(key.into(), vec![guard]);
            }
        }
    }
    /// A client guards a key no longer.
    pub fn remove(&mut self, db: usize, key: &[u8], client: ClientId) {
        if let Some(guards) = self.keys.get_mut(key) {
            guards.retain(|guard| (guard.db, guard.client) != (db, client));
            if guards.is_empty() {
                self.keys.remove(key);
            }
        }
    }
    /// Removes all guards of a client.
    pub fn forget(&mut self, client: ClientId) {
        self.keys.retain(|_, guards| {
            guards.retain(|guard| guard.client != client);
            !guards.is_empty()
        });
        self.clear_mark(client);
    }
    /// Whether the key had expired already when the client began to guard it.
    pub fn guards_expired(&self, db: usize, key: &[u8], client: ClientId) -> bool {
        let mut guards = self.keys.get(key).into_iter().flatten();
        guards.any(|guard| (guard.db, guard.client) == (db, client) && guard.expired)
    }
    /// A key changed, and is `there` now or not: whoever guards it is told at EXEC.
    pub fn touch(&mut self, db: usize, key: &[u8], there: impl FnOnce() -> bool) {
        let Some(guards) = self.keys.get_mut(key) else { return };
        let there = there();
        for guard in guards.iter_mut().filter(|guard| guard.db == db) {
            if guard.expired && !there {
                // From expired to removed is no change; what comes next will be one.
                guard.expired = false;
            } else {
                self.dirty.insert(guard.client);
            }
        }
    }
    /// A whole database is about to be replaced by another, or by nothing.
    pub fn replace(
        &mut self,
        db: usize,
        before: impl Fn(&[u8]) -> Presence,
        after: impl Fn(&[u8]) -> Presence,
    ) {
        use Presence::*;
        for (key, guards) in &mut self.keys {
            let (before, after) = (before(key), after(key));
            if (before, after) == (Missing, Missing) {
                continue;
            }
            for guard in guards.iter_mut().filter(|guard| guard.db == db) {
                match after {
                    Missing if guard.expired => guard.expired = false,
                    Expired if guard.expired => {}
                    Expired if before == Missing => guard.expired = true,
                    _ => {
                        sometimes!("flushed-watch");
                        self.dirty.insert(guard.client);
                    }
                }
            }
        }
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
