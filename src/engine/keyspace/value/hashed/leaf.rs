//! A run of records in the order of their members' hashes: the leaves of sets, hashes and the member
//! index of sorted sets.
//!
//! ```text
//! index   4 bytes a record: 1 bit large, 15 bits of the hash, 16 bits offset into the run
//! run     the records: a member as a listpack element, then a payload of any bytes;
//!         of a large one only its number, 4 bytes
//! large   records of more than 512 bytes, shared by copies of the leaf
//! ```
//!
//! What bits of the hash the index has tell nearly all members apart. Where a new record belongs is found
//! by hashing a few members again: to keep the hashes would cost more memory than it is worth.

use super::Hasher;
use crate::engine::keyspace::value::listpack;
use crate::engine::keyspace::value::tree::{Leaf, SplitAt};
use crate::engine::prefetch::{prefetch, prefetch_all};
use std::ops::Range;
use std::sync::Arc;

/// Records of more bytes than this have an allocation of their own, so that neither their neighbours'
/// changes nor copies of the leaf move them.
const INLINE_MAX: usize = 512;

/// Entries of the index that a search looks at together.
const BLOCK: usize = 16;

const LARGE: u32 = 1 << 31;
const OFFSET: u32 = 0xffff;
const TAG: u32 = !(LARGE | OFFSET);

/// Records with neighbouring hashes.
#[derive(Clone, Debug, Default)]
pub struct HashLeaf {
    /// Only the empty leaf may do without.
    hasher: Option<Arc<Hasher>>,
    /// No member's hash is lower, and none of an earlier leaf's is higher.
    lower: u64,
    index: Vec<u32>,
    run: Vec<u8>,
    large: Vec<Arc<[u8]>>,
}

impl Leaf for HashLeaf {
    type Shared = triomphe::Arc<Self>;
    type Key = u64;
    const MAX_WEIGHT: usize = 2048;

    fn len(&self) -> u64 {
        self.index.len() as u64
    }

    fn weight(&self) -> usize {
        self.run.len() + size_of_val(&*self.index) + size_of_val(&*self.large)
    }

    fn memory_usage(&self) -> usize {
        let large: usize = self.large.iter().map(|record| 2 * size_of::<usize>() + record.len()).sum();
        self.run.capacity()
            + self.index.capacity() * size_of::<u32>()
            + self.large.capacity() * size_of::<Arc<[u8]>>()
            + large
    }

    fn split(&mut self, at: SplitAt) -> Self {
        let at = match at {
            SplitAt::Offset(at) => at as usize,
            // Hashes come in no order that would favour an end.
            SplitAt::Middle | SplitAt::Start | SplitAt::End => {
                let half = self.run.len() / 2;
                (1..self.count() - 1).find(|at| self.span(*at).end > half).unwrap_or(self.count() - 1)
            }
        };
        let mut upper = Self { hasher: self.hasher.clone(), lower: self.hash_at(at), ..Self::default() };
        upper.take_from(self, at..self.count());
        let mut lower = Self { hasher: self.hasher.take(), lower: self.lower, ..Self::default() };
        lower.take_from(self, 0..at);
        *self = lower;
        upper
    }

    fn absorb(&mut self, next: Self) {
        if self.is_empty() {
            (self.lower, self.hasher) = (next.lower, next.hasher.clone());
        }
        self.take_from(&next, 0..next.count());
    }

    fn prefetch(&self) {
        prefetch_all(&self.index);
    }

    fn lower_key(&self) -> u64 {
        self.lower
    }
}

impl HashLeaf {
    /// One without records.
    pub fn new(hasher: Arc<Hasher>) -> Self {
        Self { hasher: Some(hasher), ..Self::default() }
    }

    /// How heavy leaves are that are built at once: some room is left for records to come.
    pub const FILLED: usize = Self::MAX_WEIGHT * 7 / 8;

    /// What a record adds to a leaf's weight.
    pub fn weight_of(record: &[u8]) -> usize {
        let inline =
            if record.len() > INLINE_MAX { size_of::<u32>() + size_of::<Arc<[u8]>>() } else { record.len() };
        size_of::<u32>() + inline
    }

    /// One of these records, in the order of hashes.
    pub fn of(records: &[(u64, &[u8])], hasher: Arc<Hasher>) -> Self {
        let mut leaf = Self { lower: records.first().map_or(0, |(hash, _)| *hash), ..Self::new(hasher) };
        leaf.index.reserve_exact(records.len());
        let inline = |record: &[u8]| if record.len() > INLINE_MAX { size_of::<u32>() } else { record.len() };
        leaf.run.reserve_exact(records.iter().map(|(_, record)| inline(record)).sum());
        for (at, &(hash, record)) in records.iter().enumerate() {
            leaf.index.push(tag(hash) | offset_bits(leaf.run.len()));
            let end = leaf.run.len();
            leaf.store(at, end..end, &[record]);
        }
        leaf
    }

    /// How many records it has.
    #[inline]
    pub fn count(&self) -> usize {
        self.index.len()
    }

    /// The hash before which none of its members' comes.
    pub fn lower(&self) -> u64 {
        self.lower
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count()).map(|at| self.record(at))
    }

    /// The record at an index.
    #[inline]
    pub fn record(&self, at: usize) -> &[u8] {
        let stored = &self.run[self.span(at)];
        if self.index[at] & LARGE == 0 { stored } else { &self.large[number(stored)] }
    }

    /// The hash of the member at an index.
    pub fn hash_at(&self, at: usize) -> u64 {
        let hasher = self.hasher.as_ref().expect("a leaf with records has a hasher");
        let record = self.record(at);
        hasher.hash(&record[..listpack::next(record, 0)])
    }

    /// The index of a member, given as a listpack element with its hash.
    #[inline]
    pub fn find(&self, hash: u64, member: &[u8]) -> Option<usize> {
        let tag = tag(hash);
        let is_alike = |entry: &u32| entry & TAG == tag;
        // The tags of a block are compared at once: few blocks have one that is alike.
        self.index.chunks(BLOCK).enumerate().find_map(|(block, entries)| {
            if !entries.iter().fold(false, |any, entry| any | is_alike(entry)) {
                return None;
            }
            let first = block * BLOCK;
            let mut places = first..first + entries.len();
            places.find(|at| is_alike(&self.index[*at]) && self.record(*at).starts_with(member))
        })
    }

    /// Has the record fetched that a search for a member with this hash compares first.
    #[inline]
    pub fn prefetch_record(&self, hash: u64) {
        if let Some(entry) = self.index.iter().find(|entry| **entry & TAG == tag(hash)) {
            prefetch(self.run.as_ptr().wrapping_add((entry & OFFSET) as usize));
        }
    }

    /// The index of the first record whose member has this hash or a higher one.
    pub fn lower_bound(&self, hash: u64) -> usize {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            if self.hash_at(middle) < hash {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Adds a record whose member is not there yet; its parts follow each other.
    pub fn insert(&mut self, hash: u64, parts: &[&[u8]]) {
        self.lower = self.lower.min(hash);
        let at = self.lower_bound(hash);
        let offset = if at == self.count() { self.run.len() } else { self.span(at).start };
        reserve(&mut self.index, 1);
        self.index.insert(at, tag(hash) | offset_bits(offset));
        self.store(at, offset..offset, parts);
    }

    /// Replaces the record at an index by another of the same member.
    pub fn replace(&mut self, at: usize, parts: &[&[u8]]) {
        let span = self.span(at);
        self.forget_large(at);
        self.store(at, span, parts);
    }

    /// Takes out the record at an index.
    pub fn remove(&mut self, at: usize) {
        let span = self.span(at);
        self.forget_large(at);
        self.shift(at + 1, span.len(), 0);
        self.run.drain(span);
        self.index.remove(at);
    }

    /// Copies some records of another leaf, all of whose hashes are higher.
    fn take_from(&mut self, from: &Self, records: Range<usize>) {
        self.index.reserve_exact(records.len());
        if let Some(last) = records.clone().next_back() {
            self.run.reserve_exact(from.span(last).end - from.span(records.start).start);
        }
        for at in records {
            let (span, entry) = (from.span(at), from.index[at]);
            self.index.push(entry & !OFFSET | offset_bits(self.run.len()));
            if entry & LARGE == 0 {
                self.run.extend_from_slice(&from.run[span]);
            } else {
                self.run.extend_from_slice(&(self.large.len() as u32).to_le_bytes());
                self.large.push(from.large[number(&from.run[span])].clone());
            }
        }
    }

    /// Where the bytes of a record lie in the run.
    #[inline]
    fn span(&self, at: usize) -> Range<usize> {
        let offset = |entry: u32| (entry & OFFSET) as usize;
        offset(self.index[at])..self.index.get(at + 1).map_or(self.run.len(), |next| offset(*next))
    }

    /// Puts a record where another one, or nothing, lay.
    fn store(&mut self, at: usize, span: Range<usize>, parts: &[&[u8]]) {
        let len = parts.iter().map(|part| part.len()).sum();
        if len > INLINE_MAX {
            let number = (self.large.len() as u32).to_le_bytes();
            self.large.push(parts.concat().into());
            self.index[at] |= LARGE;
            return self.splice(at, span, &[&number], number.len());
        }
        self.splice(at, span, parts, len);
    }

    fn splice(&mut self, at: usize, span: Range<usize>, parts: &[&[u8]], len: usize) {
        if len != span.len() {
            self.resize(span.clone(), len);
            self.shift(at + 1, span.len(), len);
        }
        let mut start = span.start;
        for part in parts {
            self.run[start..start + part.len()].copy_from_slice(part);
            start += part.len();
        }
    }

    /// Makes a part of the run longer or shorter.
    fn resize(&mut self, span: Range<usize>, len: usize) {
        let old_len = self.run.len();
        if len > span.len() {
            let more = len - span.len();
            reserve(&mut self.run, more);
            self.run.resize(old_len + more, 0);
        }
        self.run.copy_within(span.end..old_len, span.start + len);
        self.run.truncate(old_len - span.len() + len);
    }

    /// Moves the offsets from an index on: of what lies before them `less` bytes become `more`.
    fn shift(&mut self, from: usize, less: usize, more: usize) {
        for entry in &mut self.index[from..] {
            *entry = *entry & !OFFSET | offset_bits((*entry & OFFSET) as usize - less + more);
        }
    }

    /// Frees the large record at an index, if it is one.
    fn forget_large(&mut self, at: usize) {
        if self.index[at] & LARGE == 0 {
            return;
        }
        let span = self.span(at);
        let freed = number(&self.run[span]);
        self.index[at] &= !LARGE;
        self.large.swap_remove(freed);
        let moved = self.large.len();
        for at in 0..self.count() {
            let span = self.span(at);
            if self.index[at] & LARGE != 0 && number(&self.run[span.clone()]) == moved {
                self.run[span].copy_from_slice(&(freed as u32).to_le_bytes());
            }
        }
    }

    /// Checks every invariant; panics on the first that does not hold.
    pub fn check(&self) {
        let mut previous = self.lower;
        for at in 0..self.count() {
            let hash = self.hash_at(at);
            assert!(previous <= hash, "in the order of hashes");
            assert_eq!(self.index[at] & TAG, tag(hash), "the tag is the member's");
            assert_eq!(self.index[at] & LARGE != 0, self.record(at).len() > INLINE_MAX, "large is large");
            previous = hash;
        }
        let large = self.index.iter().filter(|entry| **entry & LARGE != 0).count();
        assert_eq!(large, self.large.len(), "no large record is lost");
    }
}

/// The bits of a hash that the index keeps. Those at the top are alike in a leaf of a large tree.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash as u32) << 16 & TAG
}

/// A leaf is parted long before its run is so long: see `MAX_WEIGHT` and `INLINE_MAX`.
fn offset_bits(offset: usize) -> u32 {
    u32::from(u16::try_from(offset).expect("a run shorter than 64 KB"))
}

/// The number of a large record, as the run has it.
fn number(stored: &[u8]) -> usize {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(stored);
    u32::from_le_bytes(bytes) as usize
}

/// Room for `more` items: up to the next size class of the allocator, which would be used up anyway.
fn reserve<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() < more {
        let needed = (items.len() + more) * size_of::<T>();
        let class = needed.next_multiple_of((needed.next_power_of_two() / 8).max(16));
        items.reserve_exact(class / size_of::<T>() - items.len());
    }
}
