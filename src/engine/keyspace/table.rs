//! Finding entries by key: extendible hashing.
//!
//! ```text
//! directory   first bits of the hash -> index of a segment   (4 bytes a prefix, may repeat)
//! segments    all keys with that prefix: a row of 1 to 128 buckets
//! bucket      64 bytes: 7 tags, 7 entry pointers, an overflow count
//! entry       key, value, expiry, in one allocation
//! ```
//!
//! A lookup misses the cache twice in a large table: the bucket and the entry. A segment that is full
//! grows by a quarter or a third, and splits in two at 128 buckets (some 800 entries), so that no
//! operation moves more entries than that; one that empties shrinks, or merges with its neighbour.
//! No table of expiries: tags mark the keys that expire, segments bound their earliest expiry.

mod bucket;
mod directory;
mod garbage;
mod sample;
mod segment;

use super::entry::{Entry, NewValue};
use super::snapshot::Versions;
use super::value::Object;
use crate::engine::buggify::buggify;
use crate::engine::mutant;
use crate::engine::rng::Rng;
use bucket::SLOTS;
use directory::Directory;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_micro_inline};
use segment::{MAX_BUCKETS, POSITION_BITS, Place, Segment};

pub use garbage::Garbage;

/// Bytes copied for a snapshot that take about as long as looking at one more entry.
const COPIED_AT_ONE: usize = 512;

/// Bits of a SCAN cursor.
pub const CURSOR_BITS: u32 = POSITION_BITS;

/// The hash function of a server: which keys collide depends on the seed, so nobody outside can tell.
#[derive(Clone)]
pub struct KeyHasher(RapidSecrets);

impl KeyHasher {
    /// The function that follows from this seed.
    pub fn new(seed: u64) -> Self {
        Self(RapidSecrets::seed(seed))
    }
    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        rapidhash_v3_micro_inline::<true, false>(key, &self.0)
    }
}

/// Where an entry is, until the next insertion or removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    segment: u32,
    place: Place,
}

/// What a step of the active expiry did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpireStep {
    /// Entries taken out.
    pub expired: usize,
    /// Work done, in the unit of the budget.
    pub effort: usize,
    /// Nothing that was due when its segment was looked at is left: the step went all the way round.
    pub complete: bool,
}

/// What the active expiry found.
pub enum Due<'a> {
    /// A key whose time is over, which was taken out.
    Key(Entry),
    /// The key of a hash that has fields whose time is over, which stays as it is.
    Fields(&'a [u8]),
}

/// A hash table of entries.
pub struct Table {
    hasher: KeyHasher,
    directory: Directory,
    segments: Vec<Segment>,
    len: usize,
    volatile: usize,
    /// Hashes with fields that expire.
    timed_hashes: usize,
    expiry_sum: i128,
    /// One bit for each segment that has entries that expire, or fields that do.
    volatile_segments: Vec<u64>,
    /// Where the active expiry goes on.
    expire_next: usize,
}

impl Table {
    /// An empty table, which allocates nothing.
    pub fn new(seed: u64) -> Self {
        Self::with_hasher(KeyHasher::new(seed))
    }

    /// An empty table with a given hash function.
    pub fn with_hasher(hasher: KeyHasher) -> Self {
        Self {
            hasher,
            directory: Directory::default(),
            segments: Vec::new(),
            len: 0,
            volatile: 0,
            timed_hashes: 0,
            expiry_sum: 0,
            volatile_segments: Vec::new(),
            expire_next: 0,
        }
    }

    /// The hash of a key, which the other methods take so that it is computed once.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// How many entries expire.
    pub fn expires(&self) -> usize {
        self.volatile
    }
    /// How many hashes have fields that expire.
    pub fn timed_hashes(&self) -> usize {
        self.timed_hashes
    }
    /// The sum of all expiries of keys in Unix milliseconds.
    pub fn expiry_sum(&self) -> i128 {
        self.expiry_sum
    }
    /// Bytes of memory of the table itself, its entries not counted.
    pub fn memory_usage(&self) -> usize {
        self.directory.memory_usage()
            + self.segments.capacity() * size_of::<Segment>()
            + self.segments.iter().map(Segment::memory_usage).sum::<usize>()
            + self.volatile_segments.capacity() * size_of::<u64>()
    }
    /// How many entries it has room for.
    pub fn slots(&self) -> usize {
        self.segments.iter().map(Segment::slots).sum()
    }

    /// Empties the table and returns what it held.
    pub fn take(&mut self) -> Table {
        let empty = Self::with_hasher(self.hasher.clone());
        std::mem::replace(self, empty)
    }

    /// Starts loading the bucket of this hash. A batch calls this for all its keys, then
    /// `prefetch_entry` for all its keys, then executes.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(index) = self.directory.find(hash) {
            self.segments[index].prefetch_bucket(hash);
        }
    }

    /// Starts loading the entry of this hash, whose bucket should be loaded by now.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        if let Some(index) = self.directory.find(hash) {
            self.segments[index].prefetch_entry(hash);
        }
    }

    /// Where the entry of this key is.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Position> {
        let index = self.directory.find(hash)?;
        let place = self.segments[index].find(hash, key)?;
        Some(Position { segment: index as u32, place })
    }

    /// The entry at a position.
    #[inline]
    pub fn entry(&self, position: Position) -> &Entry {
        self.segments[position.segment as usize].entry(position.place)
    }

    /// The entry at a position, to change its value.
    #[inline]
    pub fn entry_mut(&mut self, position: Position, versions: &mut Versions) -> &mut Entry {
        let entry = self.segments[position.segment as usize].entry_mut(position.place);
        if !mutant::is_on("late-capture") {
            versions.preserve(entry);
        }
        entry
    }

    /// The entry of this key.
    #[inline]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        let index = self.directory.find(hash)?;
        let segment = &self.segments[index];
        segment.find(hash, key).map(|place| segment.entry(place))
    }

    /// Adds an entry; one with the same key is replaced and returned.
    pub fn insert(&mut self, hash: u64, entry: Entry, versions: &mut Versions) -> Option<Entry> {
        match self.find(hash, entry.key()) {
            Some(position) => {
                versions.admit(&entry);
                Some(self.update(position, versions, |old| std::mem::replace(old, entry)))
            }
            None => {
                self.insert_new(hash, entry, versions);
                None
            }
        }
    }

    /// Adds an entry whose key is not there yet.
    pub fn insert_new(&mut self, hash: u64, entry: Entry, versions: &Versions) -> Position {
        versions.admit(&entry);
        self.len += 1;
        if let Some(at) = entry.expires_at() {
            self.volatile += 1;
            self.expiry_sum += i128::from(at);
        }
        self.timed_hashes += usize::from(entry.fields_due().is_some());
        let index = self.segment_with_room(hash);
        let place = self.segments[index].insert(hash, entry);
        self.note_volatile(index);
        Position { segment: index as u32, place }
    }

    /// Takes out the entry of this key.
    pub fn remove(&mut self, hash: u64, key: &[u8], versions: &mut Versions) -> Option<Entry> {
        let position = self.find(hash, key)?;
        let entry = self.take_entry(hash, position, versions);
        self.tidy(position.segment as usize);
        Some(entry)
    }

    /// Takes out the entry at a position.
    pub fn remove_at(&mut self, position: Position, versions: &mut Versions) -> Entry {
        let hash = self.hash(self.entry(position).key());
        let entry = self.take_entry(hash, position, versions);
        self.tidy(position.segment as usize);
        entry
    }

    /// Changes the expiry of the entry at a position.
    pub fn set_expiry(&mut self, position: Position, expires_at: Option<i64>, versions: &mut Versions) {
        self.update(position, versions, |entry| entry.set_expiry(expires_at));
    }

    /// Replaces value and expiry of the entry at a position, and gives back a displaced object.
    pub fn overwrite(
        &mut self,
        position: Position,
        value: NewValue<'_>,
        expires_at: Option<i64>,
        versions: &mut Versions,
    ) -> Option<Box<Object>> {
        let may_be_timed = matches!(value, NewValue::Object(_) | NewValue::Packed(_));
        if expires_at.is_none() && !may_be_timed && self.entry(position).due().is_none() {
            return self.entry_mut(position, versions).set_value(value);
        }
        self.update(position, versions, |entry| entry.overwrite(value, expires_at))
    }

    /// Changes the entry at a position with the closure, which may change its expiry or its fields'.
    pub fn update<R>(
        &mut self,
        position: Position,
        versions: &mut Versions,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> R {
        let entry = &*self.entry_mut(position, versions);
        let before = entry.expires_at();
        self.timed_hashes -= usize::from(entry.fields_due().is_some());
        let index = position.segment as usize;
        let result = self.segments[index].update(position.place, change);
        let entry = self.entry(position);
        let after = entry.expires_at();
        self.timed_hashes += usize::from(entry.fields_due().is_some());
        self.volatile = self.volatile + usize::from(after.is_some()) - usize::from(before.is_some());
        self.expiry_sum += i128::from(after.unwrap_or(0)) - i128::from(before.unwrap_or(0));
        self.note_volatile(index);
        result
    }

    fn take_entry(&mut self, hash: u64, position: Position, versions: &mut Versions) -> Entry {
        let index = position.segment as usize;
        let mut entry = self.segments[index].remove(hash, position.place);
        if !mutant::is_on("uncaptured-removal") {
            versions.preserve(&mut entry);
        }
        self.len -= 1;
        if let Some(at) = entry.expires_at() {
            self.volatile -= 1;
            self.expiry_sum -= i128::from(at);
        }
        if entry.due().is_some() {
            self.timed_hashes -= usize::from(entry.fields_due().is_some());
            self.note_volatile(index);
        }
        entry
    }

    /// Sets or clears the segment's bit.
    #[inline]
    fn note_volatile(&mut self, index: usize) {
        let volatile = self.segments.get(index).is_some_and(|segment| segment.volatile() > 0);
        let (word, bit) = (index / 64, 1 << (index % 64));
        match self.volatile_segments.get_mut(word) {
            Some(bits) if volatile => *bits |= bit,
            Some(bits) => *bits &= !bit,
            None if volatile => {
                self.volatile_segments.resize(word + 1, 0);
                self.volatile_segments[word] = bit;
            }
            None => {}
        }
    }

    /// The segment for this hash, after making room in it for one more entry.
    #[inline]
    fn segment_with_room(&mut self, hash: u64) -> usize {
        match self.directory.find(hash) {
            Some(index) if self.segments[index].has_room() => index,
            _ => self.make_room(hash),
        }
    }

    #[cold]
    fn make_room(&mut self, hash: u64) -> usize {
        loop {
            let Some(index) = self.directory.find(hash) else {
                self.segments = Vec::with_capacity(1);
                self.segments.push(Segment::build(0, 0, 1, Vec::new()));
                self.directory = Directory::with_one_segment();
                return 0;
            };
            let segment = &self.segments[index];
            if segment.has_room() {
                return index;
            }
            let is_large = segment.len() >= MAX_BUCKETS || buggify!("early-split");
            if is_large && self.directory.may_split(segment.depth(), self.segments.len()) {
                self.split(index);
            } else {
                self.rebuild(index, 1);
            }
        }
    }

    /// Gives a segment the row that suits its entries and `more`.
    fn rebuild(&mut self, index: usize, more: usize) {
        let segment = &mut self.segments[index];
        let (prefix, depth) = (segment.prefix(), segment.depth());
        let entries = segment.drain(|key| self.hasher.hash(key));
        self.segments[index] = Segment::build(prefix, depth, more, entries);
    }

    /// Parts a segment in two by the next bit of the hash.
    fn split(&mut self, index: usize) {
        let segment = &mut self.segments[index];
        let (prefix, depth) = (segment.prefix(), segment.depth());
        let entries = segment.drain(|key| self.hasher.hash(key));
        let (ones, zeros) = entries.into_iter().partition(|(hash, _)| hash >> (63 - depth) & 1 == 1);
        let new = self.segments.len();
        self.segments[index] = Segment::build(prefix << 1, depth + 1, 0, zeros);
        self.segments.push(Segment::build(prefix << 1 | 1, depth + 1, 0, ones));
        self.directory.count_split(depth);
        self.directory.point(prefix << 1, depth + 1, index);
        self.directory.point(prefix << 1 | 1, depth + 1, new);
        self.note_volatile(index);
        self.note_volatile(new);
    }

    /// After removals: shrinks a sparse segment, or merges it with its neighbour.
    #[inline]
    fn tidy(&mut self, index: usize) {
        if self.segments[index].is_sparse() || self.len == 0 {
            self.shrink(index);
        }
    }

    #[cold]
    fn shrink(&mut self, index: usize) {
        if self.len == 0 {
            *self = Self::with_hasher(self.hasher.clone());
            return;
        }
        let segment = &self.segments[index];
        let (prefix, depth) = (segment.prefix(), segment.depth());
        if depth > 0 {
            let buddy = u64::from(prefix ^ 1) << (64 - depth);
            let buddy = self.directory.find(buddy).expect("every prefix has a segment");
            let merged = segment.count() + self.segments[buddy].count();
            // Well below the size at which it would split again.
            if self.segments[buddy].depth() == depth && merged <= segment::capacity(MAX_BUCKETS) * 3 / 4 {
                return self.merge(index.min(buddy), index.max(buddy));
            }
        }
        self.rebuild(index, 0);
    }

    /// Makes one segment, at the lower index, of two neighbours.
    fn merge(&mut self, low: usize, high: usize) {
        let (prefix, depth) = (self.segments[low].prefix() >> 1, self.segments[low].depth());
        let mut entries = self.segments[low].drain(|key| self.hasher.hash(key));
        entries.append(&mut self.segments[high].drain(|key| self.hasher.hash(key)));
        self.segments[low] = Segment::build(prefix, depth - 1, 0, entries);
        self.directory.point(prefix, depth - 1, low);
        self.segments.swap_remove(high);
        if let Some(moved) = self.segments.get(high) {
            self.directory.point(moved.prefix(), moved.depth(), high);
        }
        self.directory.count_merge(depth);
        for index in [low, high, self.segments.len()] {
            self.note_volatile(index);
        }
        if self.segments.capacity() > 4 * self.segments.len() {
            self.segments.shrink_to(2 * self.segments.len());
        }
    }

    /// Shows the entries of one bucket and returns the cursor for the next, 0 after the last. A scan
    /// begins with 0. An entry that is there from beginning to end of a scan is shown exactly once,
    /// whatever else comes, goes or moves: the cursor is a position in the hash space.
    pub fn scan(&self, cursor: u64, seen: &mut dyn FnMut(&Entry)) -> u64 {
        let position = cursor << (64 - POSITION_BITS);
        let Some(index) = self.directory.find(position) else { return 0 };
        let next = self.segments[index].scan(position, |key| self.hash(key), seen);
        next >> (64 - POSITION_BITS)
    }

    /// Captures what is old in the segment at a place of the hash space. Returns how many entries it looked
    /// at, and the place to go on from: the next segment's, the same if `budget` was spent on copying, none
    /// after the last.
    pub(super) fn walk(
        &mut self,
        place: u64,
        budget: usize,
        versions: &mut Versions,
    ) -> (usize, Option<u64>) {
        let Some(index) = self.directory.find(place) else { return (0, None) };
        let segment = &mut self.segments[index];
        let (before, limit) = (versions.bytes(), budget.saturating_mul(COPIED_AT_ONE));
        let all = segment.walk(|entry| {
            versions.preserve(entry);
            versions.bytes() - before < limit
        });
        let effort = segment.count() + (versions.bytes() - before) / COPIED_AT_ONE;
        (effort, if all { segment.end() } else { Some(place) })
    }

    /// All entries, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flat_map(|segment| (0..segment.len()).flat_map(|n| segment.entries_in(n)))
    }
}

#[cfg(test)]
mod tests;
