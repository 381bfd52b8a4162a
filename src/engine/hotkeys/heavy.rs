//! The heaviest keys of a stream of calls, in bounded memory: the Space-Saving algorithm (Metwally, Agrawal and El
//! Abbadi, "Efficient computation of frequent and top-k elements in data streams", 2005).

use crate::engine::hash::Seed;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// Counters for each key that is to be reported.
const COUNTERS_A_KEY: usize = 16;
/// Longer keys are not followed, so that the counters stay small.
const LONGEST_KEY: usize = 4096;

/// Keys with their weights. A key whose share of all is more than one in so many counters is never missing; weights
/// are never too small, and too great by at most the smallest one.
#[derive(Debug)]
pub struct HeavyKeys {
    weights: IndexMap<Box<[u8]>, u64, Seed>,
    /// Weights with the places of their keys, so that the lightest is at hand.
    order: BTreeSet<(u64, usize)>,
    counters: usize,
}

impl HeavyKeys {
    /// For a report of `count` keys.
    pub fn new(count: usize, seed: Seed) -> Self {
        HeavyKeys {
            weights: IndexMap::with_hasher(seed),
            order: BTreeSet::new(),
            counters: count * COUNTERS_A_KEY,
        }
    }

    /// Adds to the weight of a key.
    pub fn add(&mut self, key: &[u8], weight: u64) {
        if weight == 0 || key.len() > LONGEST_KEY {
            return;
        }
        if let Some((place, _, sum)) = self.weights.get_full_mut(key) {
            self.order.remove(&(*sum, place));
            *sum += weight;
            self.order.insert((*sum, place));
            return;
        }
        let lightest = if self.weights.len() < self.counters { 0 } else { self.remove_lightest() };
        let sum = lightest + weight;
        let (place, _) = self.weights.insert_full(key.into(), sum);
        self.order.insert((sum, place));
    }

    /// Gives its weight, which whoever comes in its stead inherits.
    fn remove_lightest(&mut self) -> u64 {
        let Some((weight, place)) = self.order.pop_first() else { return 0 };
        self.weights.swap_remove_index(place);
        // The last one has taken its place.
        let last = self.weights.len();
        if let Some((_, moved)) = self.weights.get_index(place)
            && self.order.remove(&(*moved, last))
        {
            self.order.insert((*moved, place));
        }
        weight
    }

    /// The heaviest `count` keys, those of equal weight by name.
    pub fn top(&self, count: usize) -> Vec<(&[u8], u64)> {
        let mut all: Vec<(&[u8], u64)> = self.weights.iter().map(|(key, weight)| (&**key, *weight)).collect();
        all.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::Rng;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// The bounds of the paper, against exact sums.
        #[test]
        fn no_heavy_key_is_missing(calls in prop::collection::vec((0u64..120, 1u64..50), 1..2000)) {
            let mut heavy = HeavyKeys::new(2, Seed::new(1));
            let mut exact = BTreeMap::<Vec<u8>, u64>::new();
            for (key, weight) in calls {
                // A few keys come much more often.
                let key = (key * key / 600).to_string().into_bytes();
                heavy.add(&key, weight);
                *exact.entry(key).or_default() += weight;
            }
            let sum: u64 = exact.values().sum();
            let found: BTreeMap<Vec<u8>, u64> =
                heavy.top(usize::MAX).into_iter().map(|(key, weight)| (key.to_vec(), weight)).collect();
            let counters = heavy.counters as u64;
            prop_assert!(found.len() <= heavy.counters);
            prop_assert_eq!(heavy.order.len(), found.len());
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
        let (mut heavy, mut rng) = (HeavyKeys::new(64, Seed::new(2)), Rng::new(3));
        heavy.add(&vec![b'x'; LONGEST_KEY + 1], 9);
        heavy.add(b"nothing", 0);
        assert_eq!(heavy.top(9), []);
        (0..100_000).for_each(|_| heavy.add(&rng.next_u64().to_le_bytes(), 1));
        assert_eq!(heavy.weights.len(), 1024);
    }
}
