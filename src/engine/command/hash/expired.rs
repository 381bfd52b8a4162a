//! Fields whose time is over.

use super::hash_event;
use crate::engine::command::call::{Event, generic_event};
use crate::engine::keyspace::IntBuf;
use crate::engine::protocol::Argv;
use crate::engine::server::Server;

const EXPIRED: Event = hash_event("hexpired");

impl Server {
    /// Removes fields that a command found expired, and tells everybody. While CLIENT PAUSE keeps the data
    /// still they stay, although readers no longer see them.
    #[cold]
    pub fn expire_fields(&mut self, db: usize, key: &[u8], names: &[&[u8]]) {
        if self.pause.is_on() {
            return;
        }
        for name in names {
            self.expire_field(db, key, name);
        }
        self.after_fields_expired(db, key);
    }

    /// Removes up to `budget` fields of a hash whose time is over. Returns how many.
    pub fn expire_due_fields(&mut self, db: usize, key: &[u8], now_ms: i64, budget: usize) -> usize {
        let mut removed = 0;
        while removed < budget {
            let entry = self.databases[db].lookup(key);
            let field = entry.and_then(|entry| entry.hash()).and_then(|hash| hash.first_due(now_ms));
            let Some(field) = field else { break };
            let name: Box<[u8]> = field.name.bytes(&mut IntBuf::new()).into();
            self.expire_field(db, key, &name);
            removed += 1;
        }
        self.stats.expired_fields_active += removed as u64;
        if removed > 0 {
            self.after_fields_expired(db, key);
        }
        removed
    }

    fn expire_field(&mut self, db: usize, key: &[u8], name: &[u8]) {
        let Some(mut entry) = self.databases[db].lookup_mut(key) else { return };
        if entry.update(|entry| entry.remove_field(name)) {
            self.propagation.also(db, || Argv::of([b"HDEL", key, name]));
            self.stats.expired_fields += 1;
        }
    }

    fn after_fields_expired(&mut self, db: usize, key: &[u8]) {
        self.notify(db, key, EXPIRED);
        let empty = |hash: crate::engine::keyspace::hash::HashRef| hash.is_empty();
        if self.databases[db].lookup(key).and_then(|entry| entry.hash()).is_some_and(empty) {
            let entry = self.databases[db].remove(key);
            entry.into_iter().for_each(|entry| self.discard_entry(entry));
            self.notify(db, key, generic_event("del"));
        }
        self.touch_lapsed(db, key);
    }
}
