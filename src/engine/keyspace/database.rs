//! What commands see of a database.

use super::entry::{Entry, NewValue};
use super::snapshot::{Versions, Walk};
use super::table::{Due, ExpireStep, Garbage, KeyHasher, Position, Table};
use super::tables::Tables;
use super::value::Object;
use crate::engine::rng::Rng;
use std::ops::{Deref, DerefMut};

/// How a database arranges its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All in one table.
    Single,
    /// A table for each cluster hash slot, so that a slot can be listed, counted and flushed alone.
    BySlot,
}

/// What SET does with a key's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The key does not expire, even if it did.
    Never,
    /// It expires at this Unix time in milliseconds.
    At(i64),
    /// It expires when it did (KEEPTTL); a new key does not.
    Keep,
}

/// What [`Database::set`] found.
#[derive(Debug)]
pub struct SetOutcome {
    /// The key was there.
    pub existed: bool,
    /// The object that was its value, for the caller to free when it likes.
    pub displaced: Option<Box<Object>>,
}

/// The hash of a key and the slot it belongs to: computed once for a batch, then used to prefetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHash {
    pub(super) hash: u64,
    pub(super) slot: u16,
}

/// Where an entry is in its database, until the next change that adds, removes or moves one.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    slot: u16,
    position: Position,
}

/// A set of keys with their values. It knows nothing of time: whether an expired key counts as
/// missing is for the caller to say ([`Entry::is_expired`]).
pub struct Database {
    hasher: KeyHasher,
    pub(super) tables: Tables,
    pub(super) versions: Versions,
    /// The snapshot that is being taken.
    pub(super) walk: Option<Walk>,
}

impl Database {
    /// An empty database. Equal seeds give equal orders of iteration.
    pub fn new(seed: u64, layout: Layout) -> Self {
        let hasher = KeyHasher::new(seed);
        let tables = match layout {
            Layout::Single => Tables::single(hasher.clone()),
            Layout::BySlot => Tables::by_slot(hasher.clone()),
        };
        Self { hasher, tables, versions: Versions::default(), walk: None }
    }

    /// How many keys there are, expired ones included.
    pub fn len(&self) -> usize {
        self.tables.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How many keys have an expiry.
    pub fn expires(&self) -> usize {
        self.tables.expires()
    }
    /// How many hashes have fields that expire.
    pub fn timed_hashes(&self) -> usize {
        self.tables.timed_hashes()
    }
    /// The mean time to live of keys that expire, in milliseconds; 0 if there are none or it is over.
    pub fn avg_ttl(&self, now_ms: i64) -> i64 {
        match self.expires() as i128 {
            0 => 0,
            keys => (self.tables.expiry_sum() / keys - i128::from(now_ms)).clamp(0, i64::MAX.into()) as i64,
        }
    }
    /// Bytes of memory of the tables themselves, entries not counted.
    pub fn table_memory(&self) -> usize {
        self.tables.memory_usage()
    }
    /// How many entries the tables have room for.
    pub fn table_slots(&self) -> usize {
        self.tables.iter().map(Table::slots).sum()
    }

    /// The hash of a key, for the methods named `..._hashed` and for prefetching.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash { hash: self.hasher.hash(key), slot: self.tables.slot(key) }
    }
    /// First half of prefetching a batch: for all its keys, before the second half.
    #[inline]
    pub fn prefetch_bucket(&self, key: KeyHash) {
        if let Some(table) = self.tables.get(key.slot) {
            table.prefetch_bucket(key.hash);
        }
    }
    /// Second half of prefetching a batch.
    #[inline]
    pub fn prefetch_entry(&self, key: KeyHash) {
        if let Some(table) = self.tables.get(key.slot) {
            table.prefetch_entry(key.hash);
        }
    }

    /// The entry of a key.
    #[inline]
    pub fn lookup(&self, key: &[u8]) -> Option<&Entry> {
        self.lookup_hashed(self.hash(key), key)
    }
    /// The entry of a key whose hash is known.
    #[inline]
    pub fn lookup_hashed(&self, hash: KeyHash, key: &[u8]) -> Option<&Entry> {
        self.tables.get(hash.slot)?.get(hash.hash, key)
    }
    /// The entry of a key, to change it.
    #[inline]
    pub fn lookup_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        self.lookup_mut_hashed(self.hash(key), key)
    }
    /// The entry of a key whose hash is known, to change it.
    #[inline]
    pub fn lookup_mut_hashed(&mut self, hash: KeyHash, key: &[u8]) -> Option<EntryMut<'_>> {
        self.find_hashed(hash, key).map(|place| self.at_mut(place))
    }
    /// Where the entry of a key is.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<Place> {
        self.find_hashed(self.hash(key), key)
    }
    /// Where a key is whose hash is known.
    #[inline]
    pub fn find_hashed(&self, hash: KeyHash, key: &[u8]) -> Option<Place> {
        let position = self.tables.get(hash.slot)?.find(hash.hash, key)?;
        Some(Place { slot: hash.slot, position })
    }
    /// The entry at a place that `find` gave.
    #[inline]
    pub fn at(&self, place: Place) -> &Entry {
        self.tables.get(place.slot).expect("the place has a table").entry(place.position)
    }
    /// The entry at a place that `find` gave, to change it.
    #[inline]
    pub fn at_mut(&mut self, place: Place) -> EntryMut<'_> {
        EntryMut { tables: &mut self.tables, versions: &mut self.versions, place }
    }
    /// Whether the key is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.lookup(key).is_some()
    }

    /// Sets a key to a value, whatever it held. `clock` is the access clock of a new key; one that was
    /// there keeps its own, for the caller to touch.
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry, clock: u32) -> SetOutcome {
        let hash = self.hash(key);
        match self.find_hashed(hash, key) {
            Some(place) => SetOutcome { existed: true, displaced: self.overwrite(place, value, expiry) },
            None => {
                self.insert(hash, key, value, expiry, clock);
                SetOutcome { existed: false, displaced: None }
            }
        }
    }

    /// Replaces value and expiry of the entry at a place. Returns the object that was its value.
    pub fn overwrite(&mut self, place: Place, value: NewValue<'_>, expiry: Expiry) -> Option<Box<Object>> {
        let Self { tables, versions, .. } = self;
        tables.update(place.slot, |table| {
            let expires_at = match expiry {
                Expiry::Never => None,
                Expiry::At(at) => Some(at),
                Expiry::Keep => table.entry(place.position).expires_at(),
            };
            table.overwrite(place.position, value, expires_at, versions)
        })
    }

    /// Adds a key that is not there.
    pub fn insert(&mut self, hash: KeyHash, key: &[u8], value: NewValue<'_>, expiry: Expiry, clock: u32) {
        let expires_at = if let Expiry::At(at) = expiry { Some(at) } else { None };
        let entry = Entry::new(key, value, expires_at, clock);
        let Self { tables, versions, .. } = self;
        tables.update(hash.slot, |table| table.insert_new(hash.hash, entry, versions));
    }

    /// Adds an entry under its own key; one with the same key is replaced and returned.
    pub fn put(&mut self, entry: Entry) -> Option<Entry> {
        let KeyHash { hash, slot } = self.hash(entry.key());
        let Self { tables, versions, .. } = self;
        tables.update(slot, |table| table.insert(hash, entry, versions))
    }

    /// The entry of a key, to change it; if there is none, one with this value is made.
    pub fn lookup_or_create(&mut self, key: &[u8], value: NewValue<'_>, clock: u32) -> EntryMut<'_> {
        let KeyHash { hash, slot } = self.hash(key);
        let Self { tables, versions, .. } = self;
        let position = tables.update(slot, |table| match table.find(hash, key) {
            Some(position) => position,
            None => table.insert_new(hash, Entry::new(key, value, None, clock), versions),
        });
        self.at_mut(Place { slot, position })
    }

    /// Takes a key out. Dropping the entry frees it.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let KeyHash { hash, slot } = self.hash(key);
        let Self { tables, versions, .. } = self;
        tables.get(slot)?;
        tables.update(slot, |table| table.remove(hash, key, versions))
    }

    /// Gives the entry of `from` the key `to`, with its expiry. An entry that `to` had is returned in
    /// the inner option; the outer is `None` if there is no `from`.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Option<Option<Entry>> {
        let entry = self.remove(from)?;
        if from == to {
            self.put(entry);
            return Some(None);
        }
        Some(self.put(entry.with_key(to)))
    }

    /// One step of SCAN, over one bucket: from cursor 0 until it returns 0. Keys that are there all the
    /// while are shown exactly once. Cursors stay below 2^53, which every client can represent.
    pub fn scan(&self, cursor: u64, seen: &mut dyn FnMut(&Entry)) -> u64 {
        self.tables.scan(cursor, seen)
    }

    /// All entries, in an order that follows from the seed and the history.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.tables.iter().flat_map(Table::iter)
    }

    /// Some entry; each has the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<&Entry> {
        self.tables.random(rng)
    }
    /// Shows about `n` entries taken by chance.
    pub fn sample(&self, rng: &mut Rng, n: usize, seen: &mut dyn FnMut(&Entry)) {
        self.tables.sample(false, rng, n, seen);
    }
    /// Shows about `n` entries that have an expiry, taken by chance.
    pub fn sample_volatile(&self, rng: &mut Rng, n: usize, seen: &mut dyn FnMut(&Entry)) {
        self.tables.sample(true, rng, n, seen);
    }

    /// Takes out keys whose time is over and names hashes with such fields, going on where the last step stopped: see
    /// [`Table::expire_step`].
    pub fn expire_step(&mut self, now_ms: i64, budget: usize, due: &mut dyn FnMut(Due)) -> ExpireStep {
        self.tables.expire_step(now_ms, budget, &mut self.versions, due)
    }

    /// Empties the database at once. What was in it is to be freed in slices; a snapshot under way keeps it
    /// until it has what it needs.
    pub fn flush(&mut self) -> Garbage {
        let mut garbage = Garbage::new();
        self.tables.take().into_iter().for_each(|table| garbage.push_table(table));
        let garbage = self.discard(garbage);
        // What comes from now on is new.
        self.walk.iter_mut().for_each(|walk| walk.frontier = None);
        garbage
    }

    /// How many keys a slot has. Slots are told apart with [`Layout::BySlot`] only.
    pub fn slot_len(&self, slot: u16) -> usize {
        self.tables.get(slot).map_or(0, Table::len)
    }
    /// The entries of a slot.
    pub fn slot_entries(&self, slot: u16) -> impl Iterator<Item = &Entry> {
        self.tables.get(slot).into_iter().flat_map(Table::iter)
    }
    /// Empties a slot.
    pub fn flush_slot(&mut self, slot: u16) -> Garbage {
        let mut garbage = Garbage::new();
        if self.tables.get(slot).is_some() {
            garbage.push_table(self.tables.update(slot, Table::take));
        }
        self.discard(garbage)
    }

    /// Checks every invariant; panics on the first that does not hold.
    pub fn check(&self) {
        self.tables.check();
        self.check_versions();
        assert_eq!(self.iter().count(), self.len());
    }
}

/// An entry in its database, to be changed. Dereferences to [`Entry`] for all that changes only the value.
pub struct EntryMut<'a> {
    tables: &'a mut Tables,
    versions: &'a mut Versions,
    place: Place,
}

impl<'a> EntryMut<'a> {
    /// The entry, for as long as the database is borrowed.
    pub fn into_mut(self) -> &'a mut Entry {
        let Self { tables, versions, place } = self;
        tables.values_mut(place.slot).expect("it has this entry").entry_mut(place.position, versions)
    }

    /// Changes or removes the expiry (Unix milliseconds).
    pub fn set_expiry(&mut self, expires_at: Option<i64>) {
        let Self { tables, versions, place } = self;
        tables.update(place.slot, |table| table.set_expiry(place.position, expires_at, versions));
    }

    /// Changes the entry with the closure, which may change when fields of a hash expire.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Entry) -> R) -> R {
        let Self { tables, versions, place } = self;
        tables.update(place.slot, |table| table.update(place.position, versions, change))
    }

    /// Takes the entry out of the database.
    pub fn remove(self) -> Entry {
        let Self { tables, versions, place } = self;
        tables.update(place.slot, |table| table.remove_at(place.position, versions))
    }
}

impl Deref for EntryMut<'_> {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        self.tables.get(self.place.slot).expect("it has this entry").entry(self.place.position)
    }
}

impl DerefMut for EntryMut<'_> {
    fn deref_mut(&mut self) -> &mut Entry {
        let Self { tables, versions, place } = self;
        tables.values_mut(place.slot).expect("it has this entry").entry_mut(place.position, versions)
    }
}

#[cfg(test)]
mod tests;
