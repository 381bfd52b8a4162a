//! Hashing from a seed: reproducible in a replay, unpredictable to whoever does not know the seed.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

/// What makes the hashes of one server differ from another's (hash flooding) and a replay's the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(RapidSecrets);

/// A map with a seeded hasher: its order is reproducible.
pub type Map<K, V> = HashMap<K, V, Seed>;
/// A set with a seeded hasher: its order is reproducible.
pub type Set<K> = HashSet<K, Seed>;

impl Seed {
    /// From 64 bits.
    pub const fn new(seed: u64) -> Self {
        Seed(RapidSecrets::seed(seed))
    }
    /// The hash of these bytes.
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        rapidhash_v3_seeded(bytes, &self.0)
    }
    /// An empty map.
    pub fn map<K, V>(self) -> Map<K, V> {
        HashMap::with_hasher(self)
    }
    /// An empty set.
    pub fn set<K>(self) -> Set<K> {
        HashSet::with_hasher(self)
    }
}

impl BuildHasher for Seed {
    type Hasher = SeededHasher;
    fn build_hasher(&self) -> SeededHasher {
        SeededHasher { secrets: self.0, state: 0 }
    }
}

/// Folds what is written into one number.
pub struct SeededHasher {
    secrets: RapidSecrets,
    state: u64,
}

impl Hasher for SeededHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.state = self.state.rotate_left(23) ^ rapidhash_v3_seeded(bytes, &self.secrets);
    }
    fn finish(&self) -> u64 {
        self.state
    }
}
