//! Looking keys up: expiry, statistics and access clocks happen here, and only here.

use super::call::Event;
use super::{Error, Result};
use crate::engine::config::KeyspaceEvents;
use crate::engine::keyspace::{Entry, EntryMut, Expiry, KeyHash, NewValue, Place, Type};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::{Args, Argv};
use crate::engine::server::Server;
use crate::engine::time::Now;
use smallvec::SmallVec;

/// How a lookup is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// In this database.
    pub db: usize,
    /// Whether it counts as a use of the key.
    pub touch: bool,
    /// The moment.
    pub now: Now,
}

const EXPIRED: Event = Event { class: KeyspaceEvents::EXPIRED, name: "expired" };
const MISS: Event = Event { class: KeyspaceEvents::KEY_MISS, name: "keymiss" };
/// A key came into being.
pub const NEW: Event = Event { class: KeyspaceEvents::NEW, name: "new" };
const OVERWRITTEN: Event = Event { class: KeyspaceEvents::OVERWRITTEN, name: "overwritten" };
const TYPE_CHANGED: Event = Event { class: KeyspaceEvents::TYPE_CHANGED, name: "type_changed" };

impl Server {
    /// Has the memory of the first `count` of these keys fetched, so that the waits for it overlap.
    pub fn prefetch_keys(&self, db: usize, keys: Args, count: usize) {
        let database = &self.databases[db];
        let hashes: SmallVec<[KeyHash; 16]> = keys.iter().take(count).map(|key| database.hash(key)).collect();
        hashes.iter().for_each(|hash| database.prefetch_bucket(*hash));
        hashes.iter().for_each(|hash| database.prefetch_entry(*hash));
    }

    /// A key to be read: counts as a hit or a miss, and as a use of the key.
    #[inline]
    pub fn read(&mut self, access: Access, key: &[u8]) -> Option<&Entry> {
        let Some(place) = self.find(access, key) else {
            self.stats.keyspace_misses += 1;
            self.notify(access.db, key, MISS);
            return None;
        };
        self.stats.keyspace_hits += 1;
        let clock = self.clock(access.now);
        let entry = self.databases[access.db].at(place);
        if access.touch {
            clock.touch_read(entry, &mut self.rng);
        }
        Some(entry)
    }

    /// A value of this type to be read, or the error for another type.
    #[inline]
    pub fn read_as(&mut self, access: Access, key: &[u8], wanted: Type) -> Result<Option<&Entry>> {
        match self.read(access, key) {
            Some(entry) if entry.type_of() != wanted => Err(Error::WRONG_TYPE),
            entry => Ok(entry),
        }
    }

    /// A string to be read, or the error for another type.
    pub fn read_string(&mut self, access: Access, key: &[u8]) -> Result<Option<&Entry>> {
        self.read_as(access, key, Type::String)
    }

    /// A key to be looked at without any trace: no statistics, no use.
    pub fn peek(&mut self, access: Access, key: &[u8]) -> Option<&Entry> {
        self.find(access, key).map(|place| self.databases[access.db].at(place))
    }

    /// A key to be changed: counts as a use, not as a hit or a miss.
    #[inline]
    pub fn write(&mut self, access: Access, key: &[u8]) -> Option<EntryMut<'_>> {
        let place = self.find(access, key)?;
        if access.touch {
            let clock = self.clock(access.now);
            clock.touch_write(self.databases[access.db].at(place), &mut self.rng);
        }
        Some(self.databases[access.db].at_mut(place))
    }

    /// A value of this type to be changed, or the error for another type.
    #[inline]
    pub fn write_as(&mut self, access: Access, key: &[u8], wanted: Type) -> Result<Option<EntryMut<'_>>> {
        match self.write(access, key) {
            Some(entry) if entry.type_of() != wanted => Err(Error::WRONG_TYPE),
            entry => Ok(entry),
        }
    }

    /// A string to be changed, or the error for another type.
    pub fn write_string(&mut self, access: Access, key: &[u8]) -> Result<Option<EntryMut<'_>>> {
        self.write_as(access, key, Type::String)
    }

    /// Whether the key is there and has not expired. An expired one is removed on the way.
    pub fn live(&mut self, access: Access, key: &[u8]) -> bool {
        self.find(access, key).is_some()
    }

    /// Where a key is that is there and has not expired. An expired one is removed on the way.
    #[inline]
    fn find(&mut self, access: Access, key: &[u8]) -> Option<Place> {
        let hash = self.databases[access.db].hash(key);
        self.find_hashed(access, hash, key)
    }

    #[inline]
    fn find_hashed(&mut self, access: Access, hash: KeyHash, key: &[u8]) -> Option<Place> {
        let database = &self.databases[access.db];
        let place = database.find_hashed(hash, key)?;
        let late_ms = match () {
            () if mutant::is_on("late-expiry") => 30,
            () if mutant::is_on("early-expiry") => -30,
            () => 0,
        };
        if !database.at(place).is_expired(access.now.unix_ms() - late_ms) || self.allows_expired {
            return Some(place);
        }
        self.expire(access.db, key);
        None
    }

    /// Sets a key to a value whatever it held. The caller still says `changed`.
    pub fn set(&mut self, access: Access, key: &[u8], value: NewValue, expiry: Expiry) {
        if mutant::is_on("lost-set") && access.now.mono_us.is_multiple_of(61) {
            return;
        }
        let kept = mutant::is_on("kept-expiry") && expiry == Expiry::Never;
        let expiry = if kept { Expiry::Keep } else { expiry };
        let clock = self.clock(access.now);
        let hash = self.databases[access.db].hash(key);
        let place = self.find_hashed(access, hash, key);
        let database = &mut self.databases[access.db];
        let Some(place) = place else {
            let expiry = if kept { Expiry::Never } else { expiry };
            if self.pause.is_on() {
                // What has expired is hidden but stays, and no moment of its own is kept.
                let expiry = if expiry == Expiry::Keep { Expiry::Never } else { expiry };
                let displaced = database.set(key, value, expiry, clock.initial()).displaced;
                displaced.into_iter().for_each(|object| self.discard(object));
            } else {
                database.insert(hash, key, value, expiry, clock.initial());
            }
            return self.notify(access.db, key, NEW);
        };
        if access.touch {
            clock.touch_write(database.at(place), &mut self.rng);
        }
        let before = database.at(place).type_name();
        let displaced = database.overwrite(place, value, expiry);
        displaced.into_iter().for_each(|object| self.discard(object));
        if self.record_events || self.notifies(OVERWRITTEN.class.or(TYPE_CHANGED.class)) {
            self.notify_overwritten(access.db, key, before);
        }
    }

    /// Sets a key to a string that a command has put together, without an expiry; its encoding is `raw`. The
    /// caller still says `changed`.
    pub fn set_raw(&mut self, access: Access, key: &[u8], string: Vec<u8>) {
        self.set(access, key, NewValue::Str(b""), Expiry::Never);
        if let Some(entry) = self.databases[access.db].lookup_mut(key) {
            entry.into_mut().replace_string(string);
        }
    }

    /// Takes the bytes out of a long string that is about to be replaced; none of anything else.
    pub fn take_string(&mut self, access: Access, key: &[u8]) -> Vec<u8> {
        let place = self.find(access, key);
        let bytes = place.and_then(|place| self.databases[access.db].at_mut(place).take_string());
        bytes.unwrap_or_default()
    }

    /// The bytes of a string to be changed in place, at least `length` of them. The key is made, or its
    /// string grown with zeros, if there are fewer; whether that was so comes along. The caller still says
    /// `changed`.
    pub fn string_to_change(&mut self, access: Access, key: &[u8], length: u64) -> Result<(&mut [u8], bool)> {
        let length = usize::try_from(length).map_err(|_| Error::TOO_LONG)?;
        let old = self.write_string(access, key)?.and_then(|entry| entry.string_len());
        if old.is_none() {
            self.set_raw(access, key, vec![0; length]);
        }
        let entry = self.databases[access.db].lookup_mut(key);
        // Only a mutant of the simulator loses what was set.
        let bytes = entry.and_then(|entry| entry.into_mut().string_mut(length)).ok_or(Error::NO_SUCH_KEY)?;
        Ok((bytes, old.is_none_or(|old| old < length)))
    }

    /// Publishes that a key which held a value of type `before` holds another value now.
    pub fn notify_overwritten(&mut self, db: usize, key: &[u8], before: &str) {
        self.notify(db, key, OVERWRITTEN);
        if self.databases[db].lookup(key).is_some_and(|entry| entry.type_name() != before) {
            self.notify(db, key, TYPE_CHANGED);
        }
    }

    /// Removes a key; the caller still says `changed`. Returns whether it was there.
    pub fn remove(&mut self, access: Access, key: &[u8]) -> bool {
        if !self.live(access, key) {
            return false;
        }
        let entry = self.databases[access.db].remove(key);
        let removed = entry.is_some();
        if let Some(entry) = entry {
            self.discard_entry(entry);
        }
        removed
    }

    /// Removes an expired key and tells everybody. While CLIENT PAUSE keeps the data still it stays,
    /// although readers no longer see it.
    #[cold]
    pub fn expire(&mut self, db: usize, key: &[u8]) {
        if self.pause.is_on() {
            return;
        }
        if let Some(entry) = self.databases[db].remove(key) {
            sometimes!("expired-access");
            sometimes!("expired-in-unit", self.propagation.depth > 0);
            self.after_expiry(db, &entry);
            self.discard_entry(entry);
        }
    }

    /// The consequences of an expired key's removal.
    pub fn after_expiry(&mut self, db: usize, entry: &Entry) {
        let key = entry.key();
        let verb: &[u8] = if self.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        self.propagation.also(db, || Argv::of([verb, key]));
        self.stats.expired_keys += 1;
        self.touch_lapsed(db, key);
        self.notify(db, key, EXPIRED);
    }
}
