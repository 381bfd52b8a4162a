//! Entries by chance and entries by time: RANDOMKEY, eviction, active expiry.

use super::{Due, Entry, ExpireStep, MAX_BUCKETS, Place, Position, Rng, SLOTS, Table, Versions};

/// Draws that find an empty slot before [`Table::random`] walks on from where it is. Segments are at
/// least a third full, so so many in a row do not happen in a table that has been grown.
const DRAWS_MAX: usize = 1000;

impl Table {
    /// Some entry, each with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<&Entry> {
        if self.is_empty() {
            return None;
        }
        // A slot is drawn from equally long rows and drawn again if there is nothing: rejection keeps
        // the chances equal though rows differ.
        let longest = if self.segments.len() == 1 { self.segments[0].len() } else { MAX_BUCKETS };
        for _ in 0..DRAWS_MAX {
            let segment = &self.segments[rng.below(self.segments.len() as u64) as usize];
            let slot = rng.below((longest * SLOTS) as u64) as usize;
            if slot / SLOTS < segment.len()
                && let Some(entry) = segment.get(slot / SLOTS, slot % SLOTS)
            {
                return Some(entry);
            }
        }
        self.iter().next()
    }

    /// Shows `n` entries, or all if there are fewer: neighbours from a random bucket on. As hashes
    /// decide who is whose neighbour, that is as good as drawing each, and misses the cache less.
    pub fn sample(&self, rng: &mut Rng, n: usize, seen: &mut dyn FnMut(&Entry)) {
        if self.is_empty() {
            return;
        }
        let first = rng.below(self.segments.len() as u64) as usize;
        let mut left = n.min(self.len());
        for index in (first..self.segments.len()).chain(0..first) {
            let segment = &self.segments[index];
            let start = rng.below(segment.len() as u64) as usize;
            for bucket in (start..segment.len()).chain(0..start) {
                for entry in segment.entries_in(bucket) {
                    if left == 0 {
                        return;
                    }
                    seen(entry);
                    left -= 1;
                }
            }
        }
    }

    /// Like [`Table::sample`], of the entries that expire only. Buckets mark them and a bitmap finds
    /// the segments that have some, so it is cheap even if they are few.
    pub fn sample_volatile(&self, rng: &mut Rng, n: usize, seen: &mut dyn FnMut(&Entry)) {
        if self.volatile == 0 {
            return;
        }
        let first = rng.below(self.segments.len() as u64) as usize;
        let mut left = n.min(self.volatile);
        let mut from = first;
        let mut wrapped = false;
        while left > 0 {
            let Some(index) = self.next_volatile(from).filter(|&index| !wrapped || index < first) else {
                if wrapped {
                    return;
                }
                (wrapped, from) = (true, 0);
                continue;
            };
            let segment = &self.segments[index];
            let start = rng.below(segment.len() as u64) as usize;
            for bucket in (start..segment.len()).chain(0..start) {
                let entries = segment.volatile_in(bucket).map(|place| segment.entry(place));
                for entry in entries.filter(|entry| entry.has_expiry()).take(left) {
                    seen(entry);
                    left -= 1;
                }
            }
            from = index + 1;
        }
    }

    /// The first segment from `from` on that has entries that expire, or fields that do.
    fn next_volatile(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.volatile_segments.get(word)? & !0 << (from % 64);
        while bits == 0 {
            word += 1;
            bits = *self.volatile_segments.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// Takes out entries that are expired and hands them over, and names hashes that have fields that are,
    /// going on where the last step stopped.
    /// Segments in which nothing is due are passed over at the price of one; in others each entry that
    /// expires costs one. A step ends once `budget` is spent, or when it has been all the way round.
    pub fn expire_step(
        &mut self,
        now_ms: i64,
        budget: usize,
        versions: &mut Versions,
        due: &mut dyn FnMut(Due),
    ) -> ExpireStep {
        let mut step = ExpireStep::default();
        let mut left = self.segments.len();
        while step.effort < budget {
            if self.volatile + self.timed_hashes == 0 || left == 0 {
                step.complete = true;
                break;
            }
            let from = if self.expire_next < self.segments.len() { self.expire_next } else { 0 };
            let index = self.next_volatile(from);
            let passed = index.unwrap_or(self.segments.len()) - from;
            self.expire_next = from + passed;
            if passed >= left {
                left = 0;
                continue;
            }
            left -= passed;
            let Some(index) = index else { continue };
            step.effort += 1;
            left -= 1;
            self.expire_next = index + 1;
            if self.segments[index].earliest() < now_ms {
                self.expire_segment(index, now_ms, &mut step, versions, due);
            }
        }
        step
    }

    fn expire_segment(
        &mut self,
        index: usize,
        now_ms: i64,
        step: &mut ExpireStep,
        versions: &mut Versions,
        due: &mut dyn FnMut(Due),
    ) {
        let mut earliest = i64::MAX;
        for bucket in 0..self.segments[index].len() {
            let places: [Option<Place>; SLOTS] = {
                let mut volatile = self.segments[index].volatile_in(bucket);
                std::array::from_fn(|_| volatile.next())
            };
            for place in places.into_iter().flatten() {
                step.effort += 1;
                let entry = self.segments[index].entry(place);
                if entry.is_expired(now_ms) {
                    let hash = self.hash(entry.key());
                    let position = Position { segment: index as u32, place };
                    due(Due::Key(self.take_entry(hash, position, versions)));
                    step.expired += 1;
                } else {
                    if entry.fields_due().is_some_and(|at| at < now_ms) {
                        due(Due::Fields(entry.key()));
                    }
                    earliest = earliest.min(entry.due().unwrap_or(i64::MAX));
                }
            }
        }
        self.segments[index].set_earliest(earliest);
        self.tidy(index);
    }

    /// Checks every invariant; panics on the first that does not hold.
    pub fn check(&self) {
        self.directory.check(self.segments.iter().map(|segment| segment.depth()));
        for (index, segment) in self.segments.iter().enumerate() {
            segment.check(|key| self.hash(key));
            let volatile =
                self.volatile_segments.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1);
            assert_eq!(volatile, segment.volatile() > 0, "the bitmap knows who has entries that expire");
        }
        let bits: u32 = self.volatile_segments.iter().map(|word| word.count_ones()).sum();
        let marked = self.segments.iter().filter(|segment| segment.volatile() > 0).count();
        assert_eq!(bits as usize, marked, "the bitmap marks no other");
        for entry in self.iter() {
            let position = self.find(self.hash(entry.key()), entry.key()).expect("every entry is found");
            assert!(std::ptr::eq(self.entry(position), entry), "every key is there once");
        }
        assert_eq!(self.iter().count(), self.len);
        let expiries = || self.iter().filter_map(Entry::expires_at);
        assert_eq!(expiries().count(), self.volatile);
        assert_eq!(self.iter().filter_map(Entry::fields_due).count(), self.timed_hashes);
        assert_eq!(expiries().map(i128::from).sum::<i128>(), self.expiry_sum);
    }
}
