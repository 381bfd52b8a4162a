//! The part of a table that holds all keys with one hash prefix.
//!
//! A segment is a row of buckets. A key's home bucket follows from the hash bits after the prefix, in
//! proportion, so the buckets of all segments in prefix order are in hash order: that is what makes a
//! SCAN cursor a mere position in the hash space. A key whose home is full goes to the next
//! bucket with room, and every bucket it passes counts it, so that a search knows where to stop.
//!
//! Filling rows to 92 % before they grow by a quarter or a third costs a few longer searches and saves
//! memory: buckets with chained overflow would waste a half-empty line on each chain.

use super::bucket::{Bucket, SLOTS, tag};
use crate::engine::keyspace::entry::Entry;
use crate::engine::prefetch::prefetch;

/// Lengths of a row, in buckets of 64 bytes. All are size classes of jemalloc.
const LENGTHS: [usize; 22] =
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, MAX_BUCKETS];
/// A segment of this many buckets splits instead of growing: it bounds what one operation moves.
pub(super) const MAX_BUCKETS: usize = 128;
/// The hash bits that decide the place of a key. The rest are for tags; so few fit a SCAN cursor, and
/// still tell apart the buckets of a table of 10^12 keys.
pub(super) const POSITION_BITS: u32 = 38;
pub(super) const POSITION: u64 = !0 << (64 - POSITION_BITS);

/// Entries a row of so many buckets takes before it must grow.
pub(super) const fn capacity(buckets: usize) -> usize {
    if buckets == 1 { SLOTS } else { buckets * SLOTS * 92 / 100 }
}

/// A row for `count` entries, about 77 % full.
fn length_for(count: usize) -> usize {
    let least = (count * 100).div_ceil(SLOTS * 77).max(1);
    LENGTHS.into_iter().find(|&n| n >= least && capacity(n) >= count).unwrap_or(least)
}

/// The home bucket of a hash in a row of `buckets` at this depth.
#[inline]
fn home(hash: u64, depth: u8, buckets: usize) -> usize {
    ((u128::from((hash & POSITION) << depth) * buckets as u128) >> 64) as usize
}

/// Where an entry is in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) bucket: u32,
    pub(super) slot: u32,
}

/// All entries with the same first `depth` bits of their hashes. Every change to them goes through
/// `insert`, `remove`, `update`, `entry_mut`, `walk` or `drain`.
pub(super) struct Segment {
    buckets: Box<[Bucket]>,
    /// Nothing is due before this (Unix milliseconds), no key and no field; `i64::MAX` if nothing ever is.
    earliest: i64,
    prefix: u32,
    count: u32,
    volatile: u32,
    depth: u8,
}

impl Segment {
    /// A segment of these entries, given with their hashes, with room for `more` of them.
    pub(super) fn build(prefix: u32, depth: u8, more: usize, entries: Vec<(u64, Entry)>) -> Self {
        let buckets = (0..length_for(entries.len() + more)).map(|_| Bucket::default()).collect();
        let mut segment = Self { buckets, earliest: i64::MAX, prefix, count: 0, volatile: 0, depth };
        for (hash, entry) in entries {
            segment.insert(hash, entry);
        }
        segment
    }

    /// How many bits its prefix has.
    pub(super) fn depth(&self) -> u8 {
        self.depth
    }
    /// The first bits of every hash in it.
    pub(super) fn prefix(&self) -> u32 {
        self.prefix
    }
    /// How many entries it has.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }
    /// How many of them expire, or have fields that do.
    pub(super) fn volatile(&self) -> usize {
        self.volatile as usize
    }
    /// A bound below all expiries, of keys and of fields.
    pub(super) fn earliest(&self) -> i64 {
        self.earliest
    }
    /// How many buckets it has.
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }
    /// Whether one more entry fits before it must grow.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.count() < capacity(self.buckets.len())
    }
    /// Bytes of memory of its row.
    pub(super) fn memory_usage(&self) -> usize {
        size_of_val(&*self.buckets)
    }
    /// How many entries it has room for.
    pub(super) fn slots(&self) -> usize {
        self.buckets.len() * SLOTS
    }
    /// Whether its row is the length that suits its entries, or near it.
    pub(super) fn is_sparse(&self) -> bool {
        self.buckets.len() > 1 && self.count() * 5 < self.slots() * 2
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        home(hash, self.depth, self.buckets.len())
    }

    #[inline]
    fn next(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }

    /// Finds a key.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let mut at = self.home(hash);
        for _ in 0..self.buckets.len() {
            let bucket = &self.buckets[at];
            for slot in bucket.candidates(tag(hash)) {
                if bucket.entry(slot).key() == key {
                    return Some(Place { bucket: at as u32, slot: slot as u32 });
                }
            }
            if bucket.overflow() == 0 {
                return None;
            }
            at = self.next(at);
        }
        None
    }

    /// Starts loading the bucket in which a search begins.
    #[inline]
    pub(super) fn prefetch_bucket(&self, hash: u64) {
        prefetch(&raw const self.buckets[self.home(hash)]);
    }

    /// Starts loading the entry that the tags of the first bucket point to.
    #[inline]
    pub(super) fn prefetch_entry(&self, hash: u64) {
        let bucket = &self.buckets[self.home(hash)];
        if let Some(slot) = bucket.candidates(tag(hash)).next() {
            prefetch(bucket.entry(slot).address());
        }
    }

    /// The entry at a place in use.
    #[inline]
    pub(super) fn entry(&self, place: Place) -> &Entry {
        self.buckets[place.bucket as usize].entry(place.slot as usize)
    }
    /// The entry at a place in use; its key and all expiries must stay as they are.
    #[inline]
    pub(super) fn entry_mut(&mut self, place: Place) -> &mut Entry {
        self.buckets[place.bucket as usize].entry_mut(place.slot as usize)
    }
    /// The entry in any slot of any bucket.
    #[inline]
    pub(super) fn get(&self, bucket: usize, slot: usize) -> Option<&Entry> {
        self.buckets[bucket].get(slot)
    }

    /// Adds an entry whose key is not there yet. There must be an empty slot.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) -> Place {
        debug_assert!(self.count() < self.buckets.len() * SLOTS, "the row is full");
        if let Some(at) = entry.due() {
            self.volatile += 1;
            self.earliest = self.earliest.min(at);
        }
        self.count += 1;
        let mut at = self.home(hash);
        loop {
            if let Some(slot) = self.buckets[at].vacancy() {
                self.buckets[at].put(slot, tag(hash), entry);
                return Place { bucket: at as u32, slot: slot as u32 };
            }
            self.buckets[at].count_overflow();
            at = self.next(at);
        }
    }

    /// Takes out the entry at a place in use.
    pub(super) fn remove(&mut self, hash: u64, place: Place) -> Entry {
        let mut at = self.home(hash);
        while at != place.bucket as usize {
            self.buckets[at].uncount_overflow();
            at = self.next(at);
        }
        let entry = self.buckets[at].take(place.slot as usize);
        self.count -= 1;
        if entry.due().is_some() {
            self.volatile -= 1;
            if self.volatile == 0 {
                self.earliest = i64::MAX;
            }
        }
        entry
    }

    /// Changes an entry with the closure, which may change its expiry or its fields'.
    pub(super) fn update<R>(&mut self, place: Place, change: impl FnOnce(&mut Entry) -> R) -> R {
        let bucket = &mut self.buckets[place.bucket as usize];
        let entry = bucket.entry_mut(place.slot as usize);
        self.volatile -= u32::from(entry.due().is_some());
        let result = change(entry);
        if let Some(at) = entry.due() {
            self.volatile += 1;
            self.earliest = self.earliest.min(at);
        } else if self.volatile == 0 {
            self.earliest = i64::MAX;
        }
        bucket.refresh(place.slot as usize);
        result
    }

    /// Takes all entries out, with their hashes.
    pub(super) fn drain(&mut self, hash: impl Fn(&[u8]) -> u64) -> Vec<(u64, Entry)> {
        let mut drained = Vec::with_capacity(self.count());
        let mut buckets = std::mem::take(&mut self.buckets);
        for at in 0..buckets.len() {
            // Two buckets ahead: keys are scattered over memory, and their misses should overlap.
            if let Some(bucket) = buckets.get(at + 2) {
                bucket.prefetch_entries();
            }
            let bucket = std::mem::take(&mut buckets[at]);
            drained.extend(bucket.into_entries().map(|entry| (hash(entry.key()), entry)));
        }
        (self.count, self.volatile, self.earliest) = (0, 0, i64::MAX);
        drained
    }

    /// Shows entries until `seen` wants no more. Returns whether it was all of them.
    pub(super) fn walk(&mut self, mut seen: impl FnMut(&mut Entry) -> bool) -> bool {
        for at in 0..self.buckets.len() {
            // What an entry begins with says how long it is.
            if let Some(bucket) = self.buckets.get(at + 4) {
                bucket.prefetch_entries();
            }
            if let Some(bucket) = self.buckets.get(at + 2) {
                bucket.prefetch_values();
            }
            let bucket = &mut self.buckets[at];
            if !bucket.occupied().all(|slot| seen(bucket.entry_mut(slot))) {
                return false;
            }
        }
        true
    }

    /// The place of the hash space where the next segment begins; `None` for the last one of the table.
    pub(super) fn end(&self) -> Option<u64> {
        let next = u64::from(self.prefix) + 1;
        (next < 1 << self.depth).then(|| next << (64 - self.depth))
    }

    /// Shows the entries whose home is the bucket that `position` falls into, from `position` on, and
    /// returns the position where the next bucket begins; 0 after the last one of the table.
    pub(super) fn scan(
        &self,
        position: u64,
        hash: impl Fn(&[u8]) -> u64,
        seen: &mut dyn FnMut(&Entry),
    ) -> u64 {
        let home = self.home(position);
        let mut at = home;
        for _ in 0..self.buckets.len() {
            let bucket = &self.buckets[at];
            for slot in bucket.occupied() {
                let entry = bucket.entry(slot);
                let hash = hash(entry.key());
                if self.home(hash) == home && hash & POSITION >= position {
                    seen(entry);
                }
            }
            if bucket.overflow() == 0 {
                break;
            }
            at = self.next(at);
        }
        self.start_of(home + 1)
    }

    /// The first position whose home is this bucket; for the bucket after the last, where the next
    /// segment begins; 0 past the end of the hash space.
    fn start_of(&self, bucket: usize) -> u64 {
        let offset = ((bucket as u128) << 64).div_ceil((self.buckets.len() as u128) << self.depth);
        let step = 1u128 << (64 - POSITION_BITS);
        let base = if self.depth == 0 { 0 } else { u128::from(self.prefix) << (64 - self.depth) };
        (base + offset).next_multiple_of(step) as u64
    }

    /// The entries of one bucket that expire, or have fields that do.
    pub(super) fn volatile_in(&self, bucket: usize) -> impl Iterator<Item = Place> {
        self.buckets[bucket].volatile().map(move |slot| Place { bucket: bucket as u32, slot: slot as u32 })
    }

    /// The entries of one bucket.
    pub(super) fn entries_in(&self, bucket: usize) -> impl Iterator<Item = &Entry> {
        let bucket = &self.buckets[bucket];
        bucket.occupied().map(|slot| bucket.entry(slot))
    }

    /// Sets the bound below all expiries, which must hold.
    pub(super) fn set_earliest(&mut self, earliest: i64) {
        self.earliest = earliest;
    }

    /// Gives up its buckets.
    pub(super) fn into_buckets(self) -> Vec<Bucket> {
        self.buckets.into_vec()
    }

    /// Checks every invariant; panics on the first that does not hold.
    pub(super) fn check(&self, hash: impl Fn(&[u8]) -> u64) {
        let (mut count, mut volatile) = (0, 0);
        let mut passed = vec![0u32; self.buckets.len()];
        for (at, bucket) in self.buckets.iter().enumerate() {
            for slot in 0..SLOTS {
                assert_eq!(bucket.tag(slot) != 0, bucket.get(slot).is_some(), "a tag for every entry");
            }
            for slot in bucket.occupied() {
                let entry = bucket.entry(slot);
                let hash = hash(entry.key());
                assert_eq!(bucket.tag(slot) & 0x7f, tag(hash), "the tag is the key's");
                assert_eq!(bucket.tag(slot) & 0x80 != 0, entry.due().is_some(), "the mark is right");
                assert!(
                    self.depth == 0 || hash >> (64 - self.depth) == u64::from(self.prefix),
                    "wrong segment"
                );
                assert!(entry.due().is_none_or(|at| at >= self.earliest), "the bound holds");
                let mut step = self.home(hash);
                while step != at {
                    passed[step] += 1;
                    step = self.next(step);
                }
                count += 1;
                volatile += u32::from(entry.due().is_some());
            }
        }
        assert_eq!((count, volatile), (self.count, self.volatile), "the counts are right");
        for (bucket, passed) in self.buckets.iter().zip(passed) {
            let overflow = bucket.overflow();
            assert!(overflow == u8::MAX || u32::from(overflow) == passed, "overflow is counted");
        }
    }
}
