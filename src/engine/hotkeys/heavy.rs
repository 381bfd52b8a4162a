//! The heaviest keys of a stream of calls, in bounded memory: the Space-Saving algorithm (Metwally, Agrawal and El
//! Abbadi, "Efficient computation of frequent and top-k elements in data streams", 2005).

/// Counters for each key that is to be reported.
const COUNTERS_A_KEY: usize = 16;
/// Longer keys are not followed, so that the counters stay small.
const LONGEST_KEY: usize = 4096;
/// Hashes compared at once.
const ROW: usize = 16;

/// Keys with their weights. A key whose share of all is more than one in so many counters is never missing; weights
/// are never too small, and too great by at most the smallest one.
#[derive(Debug)]
pub struct HeavyKeys {
    /// A heap: no counter is lighter than the one at half its place, so that the lightest is the first.
    counters: Vec<Counter>,
    /// A part of the hash of the key of each. There are few enough that looking through all of them costs less than a
    /// table that must follow the heap.
    hashes: Vec<u32>,
    most: usize,
}

#[derive(Debug)]
struct Counter {
    weight: u64,
    /// Its memory serves one key after the other.
    key: Vec<u8>,
}

impl HeavyKeys {
    /// For a report of `count` keys.
    pub fn new(count: usize) -> Self {
        HeavyKeys { counters: Vec::new(), hashes: Vec::new(), most: count * COUNTERS_A_KEY }
    }

    /// Adds to the weight of a key, whose hash is `hash`.
    pub fn add(&mut self, key: &[u8], hash: u64, weight: u64) {
        if weight == 0 || key.len() > LONGEST_KEY {
            return;
        }
        let hash = hash as u32;
        if let Some(place) = self.find(key, hash) {
            self.counters[place].weight += weight;
            self.sink(place);
        } else if self.counters.len() < self.most {
            self.counters.push(Counter { weight, key: key.to_vec() });
            self.hashes.push(hash);
            self.rise(self.counters.len() - 1);
        } else {
            // In the stead of the lightest, whose weight it inherits.
            let lightest = &mut self.counters[0];
            lightest.weight += weight;
            lightest.key.clear();
            lightest.key.extend_from_slice(key);
            self.hashes[0] = hash;
            self.sink(0);
        }
    }

    fn find(&self, key: &[u8], hash: u32) -> Option<usize> {
        let (rows, rest) = self.hashes.as_chunks::<ROW>();
        let in_row = |first: usize, row: &[u32]| {
            let fits = |at: &usize| row[*at] == hash && self.counters[first + at].key == key;
            (0..row.len()).find(fits).map(|at| first + at)
        };
        for (index, row) in rows.iter().enumerate() {
            // Without a way out in the middle, which the processor compares several at a time.
            if row.iter().fold(false, |found, other| found | (*other == hash))
                && let Some(place) = in_row(index * ROW, row)
            {
                return Some(place);
            }
        }
        in_row(rows.len() * ROW, rest)
    }

    /// Moves a counter that became heavier to its place.
    fn sink(&mut self, mut place: usize) {
        loop {
            let children = (2 * place + 1..self.counters.len()).take(2);
            let Some(lighter) = children.min_by_key(|child| self.counters[*child].weight) else { return };
            if self.counters[place].weight <= self.counters[lighter].weight {
                return;
            }
            self.swap(place, lighter);
            place = lighter;
        }
    }

    /// Moves a new counter to its place.
    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.counters[place].weight < self.counters[(place - 1) / 2].weight {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.counters.swap(a, b);
        self.hashes.swap(a, b);
    }

    /// The heaviest `count` keys, those of equal weight by name.
    pub fn top(&self, count: usize) -> Vec<(&[u8], u64)> {
        let mut all: Vec<(&[u8], u64)> =
            self.counters.iter().map(|counter| (&*counter.key, counter.weight)).collect();
        all.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        all.truncate(count);
        all
    }

    #[cfg(test)]
    fn check(&self) {
        assert_eq!(self.hashes.len(), self.counters.len());
        for place in 1..self.counters.len() {
            assert!(self.counters[(place - 1) / 2].weight <= self.counters[place].weight, "at {place}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hash::Seed;
    use crate::engine::rng::Rng;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// The bounds of the paper, against exact sums.
        #[test]
        fn no_heavy_key_is_missing(
            calls in prop::collection::vec((0u64..120, 1u64..50), 1..2000),
            hashes in prop::sample::select(vec![u64::MAX, 7, 0]),
        ) {
            let (mut heavy, seed) = (HeavyKeys::new(2), Seed::new(1));
            let mut exact = BTreeMap::<Vec<u8>, u64>::new();
            for (key, weight) in calls {
                // A few keys come much more often.
                let key = (key * key / 600).to_string().into_bytes();
                heavy.add(&key, seed.hash(&key) & hashes, weight);
                *exact.entry(key).or_default() += weight;
            }
            heavy.check();
            let sum: u64 = exact.values().sum();
            let found: BTreeMap<Vec<u8>, u64> =
                heavy.top(usize::MAX).into_iter().map(|(key, weight)| (key.to_vec(), weight)).collect();
            let counters = heavy.most as u64;
            prop_assert!(found.len() <= heavy.most);
            prop_assert_eq!(heavy.counters.len(), found.len());
            for (key, weight) in &exact {
                match found.get(key) {
                    Some(shown) => prop_assert!((*weight..=weight + sum / counters).contains(shown)),
                    None => prop_assert!(*weight <= sum / counters),
                }
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (mut heavy, mut rng) = (HeavyKeys::new(64), Rng::new(3));
        heavy.add(&vec![b'x'; LONGEST_KEY + 1], 1, 9);
        heavy.add(b"nothing", 1, 0);
        assert_eq!(heavy.top(9), []);
        (0..100_000).for_each(|_| {
            let key = rng.next_u64();
            heavy.add(&key.to_le_bytes(), key, 1);
        });
        heavy.check();
        assert_eq!(heavy.counters.len(), 1024);
    }
}
