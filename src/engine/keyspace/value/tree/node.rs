//! Nodes: how they are searched, and how they stay neither too full nor too empty.

use super::child::{Child, Children, Mut, Ref};
use super::{Leaf, Shared, SplitAt};
use arrayvec::ArrayVec;
use std::mem;
use triomphe::Arc;

/// Children of an inner node at most. With a key of 8 bytes the node then fills an allocation of 1 KB.
pub(super) const MAX_CHILDREN: usize = if cfg!(test) { 8 } else { 30 };

/// Children of an inner node at least, unless it is the root. Few, since a node that overflows at an end of the tree
/// keeps all but these: what is appended fills nodes to nine tenths.
pub(super) const MIN_CHILDREN: usize = if cfg!(test) { 2 } else { 3 };

/// No tree that fits into memory is higher: that would take `MIN_CHILDREN` to this power leaves.
pub(super) const MAX_HEIGHT: usize = 24;

/// A node with children. What a search reads lies in arrays of its own.
#[derive(Clone)]
pub(super) struct Inner<L: Leaf> {
    /// Where each child begins. The first is not to be relied on: what comes before it belongs to the first
    /// child as well, as far as the parent's key says.
    pub keys: ArrayVec<L::Key, MAX_CHILDREN>,
    /// The number of elements in each child.
    pub lens: ArrayVec<u64, MAX_CHILDREN>,
    pub children: Children<L>,
    /// The number of leaves beneath.
    leaves: usize,
    /// 1 above leaves.
    height: usize,
}

/// A child with what its parent knows about it, while it moves.
pub(super) struct Slot<L: Leaf> {
    pub key: L::Key,
    pub len: u64,
    pub child: Child<L>,
}

/// Which ends of the tree a node is at.
#[derive(Clone, Copy)]
pub(super) struct Edges {
    first: bool,
    last: bool,
}

impl Edges {
    pub const BOTH: Edges = Edges { first: true, last: true };

    fn narrow(self, at: usize, children: usize) -> Edges {
        Edges { first: self.first && at == 0, last: self.last && at == children - 1 }
    }

    fn split_at(self) -> SplitAt {
        match self {
            Edges { last: true, .. } => SplitAt::End,
            Edges { first: true, .. } => SplitAt::Start,
            _ => SplitAt::Middle,
        }
    }
}

/// What an edit did to a subtree. Both differences are modulo 2^64.
pub(super) struct Change<L: Leaf> {
    /// Elements there are more than before.
    pub added: u64,
    /// Leaves there are more than before.
    leaves: usize,
    /// Siblings to be put after the subtree, which was too full.
    pub extra: Vec<Slot<L>>,
}

impl<L: Leaf> Default for Change<L> {
    fn default() -> Self {
        Change { added: 0, leaves: 0, extra: Vec::new() }
    }
}

impl<L: Leaf> Slot<L> {
    pub fn of_leaf(leaf: L) -> Self {
        Slot { key: leaf.lower_key(), len: leaf.len(), child: Child::Leaf(Shared::new(leaf)) }
    }

    /// A slot for what comes first in the tree, where the key does not matter.
    pub fn unsorted(child: Child<L>) -> Self {
        let (key, len) = (child.get().first_key(), child.get().len());
        Slot { key, len, child }
    }
}

impl<L: Leaf> Ref<'_, L> {
    pub fn len(&self) -> u64 {
        match self {
            Ref::Leaf(leaf) => leaf.len(),
            Ref::Inner(inner) => inner.lens.iter().sum(),
        }
    }

    pub fn leaves(&self) -> usize {
        match self {
            Ref::Leaf(_) => 1,
            Ref::Inner(inner) => inner.leaves,
        }
    }

    pub fn height(&self) -> usize {
        match self {
            Ref::Leaf(_) => 0,
            Ref::Inner(inner) => inner.height,
        }
    }

    /// The lower key of its first leaf.
    pub fn first_key(&self) -> L::Key {
        match self {
            Ref::Leaf(leaf) => leaf.lower_key(),
            Ref::Inner(inner) => inner.children.at(0).first_key(),
        }
    }

    fn is_under(&self) -> bool {
        match self {
            Ref::Leaf(leaf) => leaf.weight() < L::MAX_WEIGHT / 4 && leaf.len() < L::MAX_LEN / 4,
            Ref::Inner(inner) => inner.children.len() < MIN_CHILDREN,
        }
    }

    /// Whether it is to be merged with `right`, since one of both is too empty. Leaves must fit into one.
    fn wants(&self, right: Ref<'_, L>) -> bool {
        let fit = match (self, right) {
            (Ref::Leaf(left), Ref::Leaf(right)) => {
                left.weight() + right.weight() <= L::MAX_WEIGHT && left.len() + right.len() <= L::MAX_LEN
            }
            _ => true,
        };
        fit && (self.is_under() || right.is_under())
    }

    pub fn memory_usage(&self) -> usize {
        match self {
            Ref::Leaf(leaf) => leaf_memory(*leaf),
            Ref::Inner(inner) => {
                let children: usize = inner.children.iter().map(|child| child.memory_usage()).sum();
                size_of::<usize>() + size_of::<Inner<L>>() + children
            }
        }
    }
}

impl<L: Leaf> Mut<'_, L> {
    /// Lets `edit` change the leaf that `choose` leads to, and repairs what is beneath this node.
    #[inline]
    pub fn edit<R>(
        self,
        choose: &mut impl FnMut(&Inner<L>) -> usize,
        edit: impl FnOnce(&mut L) -> R,
        edges: Edges,
        change: &mut Change<L>,
    ) -> R {
        match self {
            Mut::Leaf(leaf) => {
                let leaf = leaf.make_mut();
                let before = leaf.len();
                let result = edit(leaf);
                change.added = leaf.len().wrapping_sub(before);
                if is_over(leaf) {
                    split(leaf, edges.split_at(), &mut change.extra);
                    change.leaves = change.extra.len();
                }
                result
            }
            Mut::Inner(inner) => Arc::make_mut(inner).edit(choose, edit, edges, change),
        }
    }

    /// Appends `right`, if they are to be merged; gives back what is still a node of its own.
    pub fn merge(self, right: Slot<L>) -> Option<Slot<L>> {
        if !self.get().wants(right.child.get()) {
            return Some(right);
        }
        match (self, right) {
            (Mut::Leaf(left), Slot { child: Child::Leaf(leaf), .. }) => {
                left.make_mut().absorb(leaf.into_leaf());
                None
            }
            (Mut::Inner(left), Slot { child: Child::Inner(inner), key, .. }) => {
                let left = Arc::make_mut(left);
                let mut right = Arc::unwrap_or_clone(inner);
                right.keys[0] = key;
                let mut slots = left.take_slots(0);
                slots.append(&mut right.take_slots(0));
                let mut nodes = left.refill(slots, SplitAt::Middle);
                debug_assert!(nodes.len() <= 1, "two nodes became three");
                nodes.pop()
            }
            (_, right) => Some(right),
        }
    }
}

/// Bytes on the heap of a leaf as the tree holds it.
pub(super) fn leaf_memory<L: Leaf>(leaf: &L) -> usize {
    L::Shared::OVERHEAD + leaf.memory_usage()
}

fn is_over<L: Leaf>(leaf: &L) -> bool {
    leaf.len() > 1 && (leaf.weight() > L::MAX_WEIGHT || leaf.len() > L::MAX_LEN)
}

/// Splits a leaf that is too full, if need be several times, and adds the parts after it to `extra`.
#[cold]
fn split<L: Leaf>(leaf: &mut L, at: SplitAt, extra: &mut Vec<Slot<L>>) {
    // Taking one leaf after the other off one that is far too full would move its elements again and again.
    let far = leaf.weight() / 2 > L::MAX_WEIGHT || leaf.len() / 2 > L::MAX_LEN;
    let mut right = leaf.split(if far { SplitAt::Middle } else { at });
    debug_assert!(!leaf.is_empty() && !right.is_empty(), "a part without elements");
    if is_over(leaf) {
        split(leaf, at, extra);
    }
    let place = extra.len();
    if is_over(&right) {
        split(&mut right, at, extra);
    }
    extra.insert(place, Slot::of_leaf(right));
}

/// A subtree of these children, which are equally high and in order; nothing where there are none.
pub(super) fn build<L: Leaf>(mut slots: Vec<Slot<L>>) -> Option<Child<L>> {
    while slots.len() > 1 {
        let mut first = Inner::new(slots[0].child.get().height() + 1);
        let mut nodes = first.refill(slots, SplitAt::Middle);
        nodes.insert(0, Slot::unsorted(Child::Inner(Arc::new(first))));
        slots = nodes;
    }
    slots.pop().map(|slot| slot.child)
}

impl<L: Leaf> Inner<L> {
    fn new(height: usize) -> Self {
        Inner {
            keys: ArrayVec::new(),
            lens: ArrayVec::new(),
            children: Children::new(height),
            leaves: 0,
            height,
        }
    }

    /// The child with the element at `position`, and the position in it. The last child has all that is
    /// beyond the others.
    #[inline]
    pub fn locate(&self, position: u64) -> (usize, u64) {
        let mut rest = position;
        let last = self.lens.len() - 1;
        for (at, &len) in self.lens[..last].iter().enumerate() {
            if rest < len {
                return (at, rest);
            }
            rest -= len;
        }
        (last, rest)
    }

    /// The last child whose key is at or before what is looked for.
    #[inline]
    pub fn seek(&self, at_or_before: &impl Fn(&L::Key) -> bool) -> usize {
        self.keys[1..].partition_point(at_or_before)
    }

    fn edit<R>(
        &mut self,
        choose: &mut impl FnMut(&Inner<L>) -> usize,
        edit: impl FnOnce(&mut L) -> R,
        edges: Edges,
        change: &mut Change<L>,
    ) -> R {
        let at = choose(self);
        let narrow = edges.narrow(at, self.children.len());
        let result = self.children.at_mut(at).edit(choose, edit, narrow, change);
        self.lens[at] = self.lens[at].wrapping_add(change.added);
        if !change.extra.is_empty() {
            self.leaves = self.leaves.wrapping_add(change.leaves);
            let extra = mem::take(&mut change.extra);
            self.lens[at] -= extra.iter().map(|slot| slot.len).sum::<u64>();
            change.extra = self.insert(at + 1, extra, edges.split_at());
        } else {
            // One that grows is on its way: its neighbour need not be looked at.
            if change.added.cast_signed() <= 0 && self.children.at(at).is_under() {
                let before = self.children.len();
                self.mend(at);
                if self.height == 1 {
                    change.leaves = self.children.len().wrapping_sub(before);
                }
            }
            self.leaves = self.leaves.wrapping_add(change.leaves);
        }
        result
    }

    /// Removes the child, if it is an empty leaf, or merges it with a neighbour, if they fit. The number of
    /// leaves is left as it was.
    #[cold]
    fn mend(&mut self, at: usize) {
        if self.lens[at] == 0 {
            self.remove(at);
            return;
        }
        for left in [Some(at), at.checked_sub(1)].into_iter().flatten() {
            let right = left + 1;
            if right >= self.children.len() || !self.children.at(left).wants(self.children.at(right)) {
                continue;
            }
            let right = self.remove(right);
            let both = self.lens[left] + right.len;
            let rest = self.children.at_mut(left).merge(right);
            self.lens[left] = both - rest.as_ref().map_or(0, |slot| slot.len);
            if let Some(slot) = rest {
                self.put(left + 1, slot);
            }
            if at >= self.children.len() || !self.children.at(at).is_under() {
                return;
            }
        }
    }

    fn put(&mut self, at: usize, slot: Slot<L>) {
        self.keys.insert(at, slot.key);
        self.lens.insert(at, slot.len);
        self.children.insert(at, slot.child);
    }

    fn remove(&mut self, at: usize) -> Slot<L> {
        Slot { key: self.keys.remove(at), len: self.lens.remove(at), child: self.children.remove(at) }
    }

    /// Takes all children from `at` on. The number of leaves is left as it was.
    pub fn take_slots(&mut self, at: usize) -> Vec<Slot<L>> {
        self.children.take(at, self.keys.drain(at..).zip(self.lens.drain(at..)))
    }

    /// Inserts children, whose leaves it already counts, and gives back siblings to be put after it.
    pub fn insert(&mut self, at: usize, new: Vec<Slot<L>>, split_at: SplitAt) -> Vec<Slot<L>> {
        if self.children.len() + new.len() <= MAX_CHILDREN {
            new.into_iter().enumerate().for_each(|(n, slot)| self.put(at + n, slot));
            return Vec::new();
        }
        let mut slots = self.take_slots(0);
        slots.splice(at..at, new);
        self.refill(slots, split_at)
    }

    /// Fills this node, which is empty, and siblings after it with these children.
    #[cold]
    fn refill(&mut self, slots: Vec<Slot<L>>, split_at: SplitAt) -> Vec<Slot<L>> {
        let count = slots.len();
        let nodes = count.div_ceil(MAX_CHILDREN);
        let most = MAX_CHILDREN.min(count.saturating_sub(MIN_CHILDREN));
        let size = |n: usize| match split_at {
            SplitAt::End if nodes == 2 => [most, count - most][n],
            SplitAt::Start if nodes == 2 => [count - most, most][n],
            _ => count / nodes + usize::from(n < count % nodes),
        };
        let mut slots = slots.into_iter();
        self.fill(slots.by_ref().take(size(0)));
        let sibling = |n| {
            let mut node = Inner::new(self.height);
            node.fill(slots.by_ref().take(size(n)));
            let (key, len) = (node.keys[0].clone(), node.lens.iter().sum());
            Slot { key, len, child: Child::Inner(Arc::new(node)) }
        };
        (1..nodes).map(sibling).collect()
    }

    fn fill(&mut self, slots: impl Iterator<Item = Slot<L>>) {
        for slot in slots {
            self.keys.push(slot.key);
            self.lens.push(slot.len);
            self.children.push(slot.child);
        }
        self.leaves = self.children.iter().map(|child| child.leaves()).sum();
    }

    /// Joins `slot`, which is less high than this node, to the end, and gives back siblings of this node.
    pub fn join_last(&mut self, slot: Slot<L>) -> Vec<Slot<L>> {
        let last = self.children.len() - 1;
        self.join(last, slot.len, |child| match child {
            Mut::Inner(inner) if inner.height > slot.child.get().height() => {
                Arc::make_mut(inner).join_last(slot)
            }
            child => child.merge(slot).into_iter().collect(),
        })
    }

    /// Joins `left`, which is less high than this node, to the start; `key` is where this node begins.
    pub fn join_first(&mut self, left: Child<L>, key: L::Key) -> Vec<Slot<L>> {
        self.join(0, left.get().len(), |child| match child {
            Mut::Inner(inner) if inner.height > left.get().height() => {
                Arc::make_mut(inner).join_first(left, key)
            }
            mut child => {
                let len = child.get().len();
                let first = child.replace(left);
                child.merge(Slot { key, len, child: first }).into_iter().collect()
            }
        })
    }

    /// Lets `join` add `added` elements to a child at an end, and takes in the siblings it gives back. A
    /// node that overflows at an end stays full: more will come there.
    fn join(&mut self, at: usize, added: u64, join: impl FnOnce(Mut<'_, L>) -> Vec<Slot<L>>) -> Vec<Slot<L>> {
        let extra = join(self.children.at_mut(at));
        self.lens[at] = self.lens[at] + added - extra.iter().map(|slot| slot.len).sum::<u64>();
        let split_at = if at == 0 { SplitAt::Start } else { SplitAt::End };
        let siblings = self.insert(at + 1, extra, split_at);
        self.leaves = self.children.iter().map(|child| child.leaves()).sum();
        siblings
    }

    /// Frees leaves from the end until `budget` is used up, and says whether none are left.
    pub fn free_some(&mut self, budget: &mut usize) -> bool {
        while *budget > 0 {
            let Some(last) = self.children.len().checked_sub(1) else { return true };
            let whole = match self.children.at_mut(last) {
                Mut::Leaf(_) => true,
                Mut::Inner(inner) => Arc::get_mut(inner).is_none_or(|inner| inner.free_some(budget)),
            };
            if whole {
                self.children.truncate(last);
                *budget = budget.saturating_sub(1);
            }
        }
        self.children.is_empty()
    }
}

#[cfg(test)]
impl<L: Leaf> Ref<'_, L> {
    /// See [`super::Tree::check`]. `from` is where the parent says it begins.
    pub fn check(&self, root: bool, from: Option<&L::Key>, less: &impl Fn(&L::Key, &L::Key) -> bool) {
        match self {
            Ref::Leaf(leaf) => {
                assert!(!leaf.is_empty(), "an empty leaf");
                assert!(!is_over(*leaf), "a leaf that is too full");
                assert!(from.is_none_or(|from| !less(&leaf.lower_key(), from)), "a leaf before its key");
            }
            Ref::Inner(inner) => {
                assert!(root || inner.children.len() >= MIN_CHILDREN, "an inner node that is too empty");
                assert_eq!(inner.keys.len(), inner.children.len());
                assert_eq!(inner.lens.len(), inner.children.len());
                assert_eq!(inner.leaves, inner.children.iter().map(|child| child.leaves()).sum::<usize>());
                for at in 0..inner.children.len() {
                    let child = inner.children.at(at);
                    assert_eq!(child.height() + 1, inner.height, "leaves of different depth");
                    assert_eq!(child.len(), inner.lens[at]);
                    let from = if at == 0 { from } else { Some(&inner.keys[at]) };
                    child.check(false, from, less);
                }
                let pairs = inner.keys[1..].windows(2);
                assert!(pairs.into_iter().all(|pair| !less(&pair[1], &pair[0])), "separators out of order");
            }
        }
    }
}
