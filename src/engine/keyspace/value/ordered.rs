//! A sorted map whose clones share everything: leaves of sorted pairs under the tree that all big
//! collections are built on. A clone costs O(1), a change afterwards O(log n).

use super::tree::{Leaf, SplitAt, Tree};
use std::borrow::Borrow;

/// Keys with values, by key.
#[derive(Clone, Debug)]
pub struct OrderedMap<K: Part + Ord, V: Part> {
    tree: Tree<Run<K, V>>,
}

/// What can lie in a map.
pub trait Part: Clone + Send + Sync {}
impl<T: Clone + Send + Sync> Part for T {}

/// Pairs by key.
#[derive(Clone, Debug)]
struct Run<K, V>(Vec<(K, V)>);

impl<K, V> Default for Run<K, V> {
    fn default() -> Self {
        Run(Vec::new())
    }
}

impl<K: Part + Ord, V: Part> Leaf for Run<K, V> {
    type Shared = triomphe::Arc<Self>;
    type Key = K;
    const MAX_WEIGHT: usize = if cfg!(test) { 128 } else { 2048 };

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn weight(&self) -> usize {
        self.0.len() * size_of::<(K, V)>()
    }

    fn memory_usage(&self) -> usize {
        self.0.capacity() * size_of::<(K, V)>()
    }

    fn split(&mut self, at: SplitAt) -> Self {
        let len = self.0.len();
        let full = (Self::MAX_WEIGHT / size_of::<(K, V)>()).clamp(1, len - 1);
        let right = self.0.split_off(match at {
            SplitAt::Middle => len / 2,
            SplitAt::End => full,
            SplitAt::Start => len - full,
            SplitAt::Offset(offset) => offset as usize,
        });
        self.0.shrink_to_fit();
        Run(right)
    }

    fn absorb(&mut self, mut right: Self) {
        self.0.reserve_exact(right.0.len());
        self.0.append(&mut right.0);
    }

    fn lower_key(&self) -> K {
        self.0[0].0.clone()
    }
}

impl<K: Part + Ord, V: Part> Run<K, V> {
    fn search<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(own, _)| own.borrow().cmp(key))
    }

    fn insert(&mut self, key: &K, value: V) -> Option<V> {
        // Most keys come in order.
        let at = match self.0.last() {
            Some((last, _)) if last < key => Err(self.0.len()),
            _ => self.search(key),
        };
        match at {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                let len = self.0.len();
                if len == self.0.capacity() {
                    let most = Self::MAX_WEIGHT / size_of::<(K, V)>() + 1;
                    self.0.reserve_exact(len.min(most.saturating_sub(len)).max(1));
                }
                self.0.insert(at, (key.clone(), value));
                None
            }
        }
    }
}

impl<K: Part + Ord, V: Part> Default for OrderedMap<K, V> {
    fn default() -> Self {
        OrderedMap { tree: Tree::new() }
    }
}

impl<K: Part + Ord, V: Part> OrderedMap<K, V> {
    /// A map of these pairs, whose keys ascend. O(n).
    pub fn from_sorted(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let most = (Run::<K, V>::MAX_WEIGHT / size_of::<(K, V)>()).max(1);
        let mut pairs = pairs.into_iter().peekable();
        let leaves = std::iter::from_fn(|| {
            pairs.peek()?;
            let mut run = Vec::with_capacity(most);
            run.extend(pairs.by_ref().take(most));
            run.shrink_to_fit();
            Some(Run(run))
        });
        OrderedMap { tree: Tree::from_leaves(leaves) }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.tree.len() as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (leaf, _) = self.tree.leaf_for(|from| from.borrow() <= key)?;
        leaf.search(key).ok().map(|at| &leaf.0[at].1)
    }

    /// Sets the value of a key; gives back the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.tree.edit_for(|from| *from <= key, |leaf| leaf.insert(&key, value))
    }

    /// Removes a key; gives back the value it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let remove = |leaf: &mut Run<K, V>| leaf.search(key).ok().map(|at| leaf.0.remove(at).1);
        self.tree.edit_for(|from| from.borrow() <= key, remove)
    }

    /// Changes the value of a key, if it has one.
    pub fn edit<Q: Ord + ?Sized, R>(&mut self, key: &Q, edit: impl FnOnce(&mut V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let change = |leaf: &mut Run<K, V>| leaf.search(key).ok().map(|at| edit(&mut leaf.0[at].1));
        self.tree.edit_for(|from| from.borrow() <= key, change)
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.tree.iter().flat_map(|leaf| &leaf.0).map(|(key, value)| (key, value))
    }

    /// Those from a position on, in order. O(log n).
    pub fn iter_from(&self, position: usize) -> impl Iterator<Item = (&K, &V)> {
        let cursor = self.tree.cursor_at(position as u64).filter(|_| position < self.len());
        let skipped = cursor.as_ref().map_or(0, |cursor| position - cursor.base() as usize);
        let leaves = cursor.into_iter().flat_map(|cursor| cursor.forward());
        leaves.flat_map(|(leaf, _)| &leaf.0).skip(skipped).map(|(key, value)| (key, value))
    }

    /// Those from `start` on, in order.
    pub fn range_from<'a, Q: Ord + ?Sized>(
        &'a self,
        start: &Q,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, Q, K, V>
    where
        K: Borrow<Q>,
    {
        let cursor = self.tree.cursor_for(|from| from.borrow() <= start);
        let skipped = cursor.as_ref().map_or(0, |cursor| cursor.leaf().search(start).unwrap_or_else(|at| at));
        let leaves = cursor.into_iter().flat_map(|cursor| cursor.forward());
        leaves.flat_map(|(leaf, _)| &leaf.0).skip(skipped).map(|(key, value)| (key, value))
    }

    /// The first.
    pub fn first(&self) -> Option<(&K, &V)> {
        self.tree.first()?.0.first().map(|(key, value)| (key, value))
    }

    /// The last.
    pub fn last(&self) -> Option<(&K, &V)> {
        self.tree.last()?.0.last().map(|(key, value)| (key, value))
    }

    /// Bytes on the heap, without what keys and values own elsewhere.
    pub fn memory_usage(&self) -> usize {
        self.tree.memory_usage()
    }

    /// How many allocations it is made of.
    pub fn leaves(&self) -> usize {
        self.tree.leaves()
    }

    /// Frees about so many leaves; `true` when nothing is left. Good for nothing in between.
    pub fn free_some(&mut self, leaves: usize) -> bool {
        self.tree.free_some(leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_sorted_map(changes in prop::collection::vec((any::<bool>(), 0u16..200, any::<u8>()), 0..400)) {
            let (mut map, mut model) = (OrderedMap::default(), BTreeMap::new());
            let mut snapshot = None;
            for (step, (insert, key, value)) in changes.into_iter().enumerate() {
                if step == 100 {
                    snapshot = Some((map.clone(), model.clone()));
                }
                if insert {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.edit(&key, |own| { *own ^= 1; *own }), model.get_mut(&key).map(|own| { *own ^= 1; *own }));
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
            prop_assert_eq!(map.first(), model.first_key_value());
            prop_assert_eq!(map.last(), model.last_key_value());
            for start in [0, 50, 199, 300] {
                prop_assert!(map.range_from(&start).eq(model.range(start..)));
            }
            for (map, model) in snapshot.into_iter().chain([(map, model)]) {
                prop_assert_eq!(map.len(), model.len());
                prop_assert!(map.iter().eq(model.iter()));
            }
        }
    }

    #[test]
    fn it_is_built_from_what_is_in_order() {
        for len in [0, 1, 7, 8, 9, 10_000u64] {
            let map = OrderedMap::from_sorted((0..len).map(|key| (key, 2 * key)));
            map.tree.check(|a, b| a < b);
            let model: BTreeMap<u64, u64> = (0..len).map(|key| (key, 2 * key)).collect();
            assert!(map.iter().eq(&model));
            for position in [0, 1, 7, 500, len, len + 1] {
                assert!(map.iter_from(position as usize).eq(model.range(position..)));
            }
        }
    }

    #[test]
    fn keys_in_order_fill_their_leaves() {
        let mut map = OrderedMap::default();
        (0..10_000u64).for_each(|key| assert_eq!(map.insert(key, key), None));
        assert!(map.leaves() <= 10_000 / 7, "{}", map.leaves());
    }
}
