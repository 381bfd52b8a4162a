//! Who has read which keys.

use crate::engine::hash::Seed;
use crate::engine::rng::Rng;
use indexmap::IndexMap;
use smallvec::SmallVec;

/// Numbers of clients in order; most keys have one reader.
type Readers = SmallVec<[u64; 2]>;
type Keys = IndexMap<Box<[u8]>, Readers, Seed>;

/// Readers by key.
#[derive(Debug)]
pub struct Table {
    keys: Keys,
    /// Pairs of key and reader.
    items: usize,
    /// What was cleared and is still to be freed.
    garbage: Vec<Keys>,
}

impl Table {
    /// Nothing was read.
    pub(super) fn new(seed: Seed) -> Self {
        Table { keys: IndexMap::with_hasher(seed), items: 0, garbage: Vec::new() }
    }
    /// Keys that somebody has read.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.keys.len()
    }
    /// Pairs of key and reader.
    pub fn items(&self) -> usize {
        self.items
    }
    /// A client has read a key.
    pub(super) fn add(&mut self, key: &[u8], client: u64) {
        let readers = match self.keys.get_mut(key) {
            Some(readers) => readers,
            None => self.keys.entry(key.into()).or_default(),
        };
        if let Err(place) = readers.binary_search(&client) {
            readers.insert(place, client);
            self.items += 1;
        }
    }
    /// Forgets a key; gives its readers, in order.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Readers> {
        let readers = self.keys.swap_remove(key)?;
        self.items -= readers.len();
        Some(readers)
    }
    /// A key chosen by chance.
    pub fn random(&self, rng: &mut Rng) -> Option<Box<[u8]>> {
        let count = self.keys.len() as u64;
        let (key, _) =
            self.keys.get_index(if count == 0 { return None } else { rng.below(count) } as usize)?;
        Some(key.clone())
    }
    /// Forgets all keys, whose memory is freed in slices.
    pub fn clear(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let empty = IndexMap::with_hasher(*self.keys.hasher());
        self.garbage.push(std::mem::replace(&mut self.keys, empty));
        self.items = 0;
    }
    /// Whether something is to be freed.
    #[inline]
    pub fn has_garbage(&self) -> bool {
        !self.garbage.is_empty()
    }
    /// Frees up to `count` keys of what was cleared.
    pub fn free_some(&mut self, count: usize) {
        let Some(keys) = self.garbage.last_mut() else { return };
        keys.truncate(keys.len().saturating_sub(count));
        if keys.is_empty() {
            self.garbage.pop();
        }
    }
}
