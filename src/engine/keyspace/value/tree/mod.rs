//! A counted B+ tree whose nodes are shared: the spine of every big collection.
//!
//! Elements lie in packed leaves, which each data type defines. The tree keeps the leaves in order, knows
//! how many elements every subtree holds, and finds a leaf by position or by key. A clone shares all nodes
//! and costs O(1); a change then copies the nodes on one path, and only those that are still shared.

mod ahead;
mod child;
mod cursor;
mod join;
mod node;
mod shared;
#[cfg(test)]
mod tests;

pub use ahead::AHEAD;
use arrayvec::ArrayVec;
use child::{Child, Mut, Ref};
pub use cursor::Cursor;
use node::{Change, Edges, Inner, MAX_HEIGHT, Slot};
pub use shared::{Itself, Shared};
use std::cell::Cell;
use std::fmt;
use triomphe::Arc;

/// Where a leaf is to be divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitAt {
    /// In two halves of about the same weight.
    Middle,
    /// Near the end: the left part stays as full as is allowed. Elements are being appended.
    End,
    /// Near the start: the right part stays as full as is allowed. Elements are being prepended.
    Start,
    /// Before the element of this offset, which is neither the first nor beyond the last.
    Offset(u64),
}

/// A packed run of elements. The default is the empty leaf.
pub trait Leaf: Clone + Default + Send + Sync {
    /// How the tree holds it.
    type Shared: Shared<Self>;

    /// What separates a leaf from the one before it: at most what its first element sorts as, and greater
    /// than everything in the leaf before. `()` where elements are found by position alone.
    type Key: Clone + Send + Sync;

    /// A leaf of more weight than this is split, if it has more than one element; one of less than a
    /// quarter is merged with a neighbour when both fit into one leaf.
    const MAX_WEIGHT: usize;

    /// The same limit for the number of elements.
    const MAX_LEN: u64 = u64::MAX;

    /// The number of elements, which positions count.
    fn len(&self) -> u64;

    /// Whether it has no elements.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full it is, usually in bytes.
    fn weight(&self) -> usize;

    /// Bytes it holds on the heap, without `size_of::<Self>()`.
    fn memory_usage(&self) -> usize {
        self.weight()
    }

    /// Gives away the upper part. Both parts keep at least one element; there are at least two.
    fn split(&mut self, at: SplitAt) -> Self;

    /// Appends all elements of `right`.
    fn absorb(&mut self, right: Self);

    /// Has what a search reads first fetched; the leaf itself has been.
    fn prefetch(&self) {}

    /// The separator before this leaf, which has at least one element.
    fn lower_key(&self) -> Self::Key;
}

/// The way from the root to a leaf: which child to take at each inner node. Good until the tree changes.
#[derive(Clone, Debug, Default)]
pub struct Path(ArrayVec<u8, MAX_HEIGHT>);

/// Leaves in order, and through them elements.
#[derive(Clone)]
pub struct Tree<L: Leaf> {
    root: Option<Child<L>>,
    len: u64,
}

impl<L: Leaf> Default for Tree<L> {
    fn default() -> Self {
        Tree::new()
    }
}

impl<L: Leaf> fmt::Debug for Tree<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("len", &self.len).field("leaves", &self.leaves()).finish()
    }
}

impl<L: Leaf> Tree<L> {
    /// A tree without elements.
    pub const fn new() -> Self {
        Tree { root: None, len: 0 }
    }

    /// A tree of these leaves, in this order. Empty leaves are left out; the others may not be too heavy.
    /// O(leaves).
    pub fn from_leaves(leaves: impl IntoIterator<Item = L>) -> Self {
        let leaves = leaves.into_iter().filter(|leaf| !leaf.is_empty());
        Self::from_slots(leaves.map(Slot::of_leaf).collect())
    }

    /// The number of elements.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The number of leaves. O(1).
    pub fn leaves(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.get().leaves())
    }

    /// The first leaf.
    pub fn first(&self) -> Option<&L> {
        self.descend(|_| 0)
    }

    /// The last leaf.
    pub fn last(&self) -> Option<&L> {
        self.descend(|inner| inner.children.len() - 1)
    }

    /// The leaf with the element at `position`, and that element's offset in it. A position beyond the last
    /// element gives the last leaf, and an offset not in it.
    #[inline]
    pub fn leaf_at(&self, position: u64) -> Option<(&L, u64)> {
        let mut offset = position;
        let leaf = self.descend(|inner| {
            let (at, rest) = inner.locate(offset);
            offset = rest;
            at
        })?;
        Some((leaf, offset))
    }

    /// The leaf where an element belongs, and the position of the leaf's first element. `at_or_before` says
    /// whether a separator is at or before that element.
    #[inline]
    pub fn leaf_for(&self, at_or_before: impl Fn(&L::Key) -> bool) -> Option<(&L, u64)> {
        let mut base = 0;
        let leaf = self.descend(|inner| {
            let at = inner.seek(&at_or_before);
            base += inner.lens[..at].iter().sum::<u64>();
            at
        })?;
        Some((leaf, base))
    }

    /// The leaf that [`Tree::leaf_for`] gives, and the way to it: whoever looks before an edit need not
    /// search again, and if nothing is to be edited, shared nodes stay shared.
    #[inline]
    pub fn path_for(&self, at_or_before: impl Fn(&L::Key) -> bool) -> Option<(&L, Path)> {
        let mut path = Path::default();
        let leaf = self.descend(|inner| {
            let at = inner.seek(&at_or_before);
            path.0.push(at as u8);
            at
        })?;
        Some((leaf, path))
    }

    /// The position of the first element of the leaf that a path leads to.
    pub fn base_of(&self, path: &Path) -> u64 {
        let (mut base, mut steps) = (0, path.0.iter());
        self.descend(|inner| {
            let at = steps.next().map_or(0, |at| usize::from(*at));
            base += inner.lens[..at].iter().sum::<u64>();
            at
        });
        base
    }

    /// Follows the children that `choose` names down to a leaf.
    #[inline]
    fn descend(&self, mut choose: impl FnMut(&Inner<L>) -> usize) -> Option<&L> {
        let mut child = self.root.as_ref()?.get();
        loop {
            match child {
                Ref::Leaf(leaf) => return Some(leaf),
                Ref::Inner(inner) => child = inner.children.at(choose(inner)),
            }
        }
    }

    /// Changes the first leaf (an empty one, where there is none).
    pub fn edit_first<R>(&mut self, edit: impl FnOnce(&mut L) -> R) -> R {
        self.edit(|_| 0, edit)
    }

    /// Changes the last leaf (an empty one, where there is none).
    pub fn edit_last<R>(&mut self, edit: impl FnOnce(&mut L) -> R) -> R {
        self.edit(|inner| inner.children.len() - 1, edit)
    }

    /// Changes the leaf with the element at `position`, whose offset in the leaf it passes on. A position
    /// beyond the last element is an offset in the last leaf.
    ///
    /// Any change is fine that keeps the order: the tree then splits, merges or removes the leaf.
    pub fn edit_at<R>(&mut self, position: u64, edit: impl FnOnce(&mut L, u64) -> R) -> R {
        let offset = Cell::new(position);
        let choose = |inner: &Inner<L>| {
            let (at, rest) = inner.locate(offset.get());
            offset.set(rest);
            at
        };
        self.edit(choose, |leaf| edit(leaf, offset.get()))
    }

    /// Changes the leaf where an element belongs, as [`Tree::leaf_for`] finds it.
    pub fn edit_for<R>(
        &mut self,
        at_or_before: impl Fn(&L::Key) -> bool,
        edit: impl FnOnce(&mut L) -> R,
    ) -> R {
        self.edit(|inner| inner.seek(&at_or_before), edit)
    }

    /// Changes the leaf that a path leads to.
    pub fn edit_on<R>(&mut self, path: &Path, edit: impl FnOnce(&mut L) -> R) -> R {
        let mut steps = path.0.iter();
        self.edit(|_| steps.next().map_or(0, |at| usize::from(*at)), edit)
    }

    fn edit<R>(&mut self, mut choose: impl FnMut(&Inner<L>) -> usize, edit: impl FnOnce(&mut L) -> R) -> R {
        let root = self.root.get_or_insert_with(|| Child::Leaf(Shared::new(L::default())));
        let mut change = Change::default();
        let result = root.get_mut().edit(&mut choose, edit, Edges::BOTH, &mut change);
        self.len = self.len.wrapping_add(change.added);
        if !change.extra.is_empty() {
            self.grow(change.extra);
        } else {
            self.shrink();
        }
        result
    }

    /// Puts a root over the root and the siblings that it was split into.
    fn grow(&mut self, extra: Vec<Slot<L>>) {
        let root = self.root.take();
        let slots = root.map(Slot::unsorted).into_iter().chain(extra).collect();
        self.root = node::build(slots);
    }

    /// Removes what a root does not need: levels with a single child, and an empty leaf.
    fn shrink(&mut self) {
        while let Some(root) = &mut self.root {
            match root {
                Child::Leaf(leaf) if leaf.is_empty() => self.root = None,
                Child::Inner(inner) if inner.children.len() == 1 => *root = inner.children.share(0),
                _ => return,
            }
        }
    }

    fn from_slots(slots: Vec<Slot<L>>) -> Self {
        let len = slots.iter().map(|slot| slot.len).sum();
        Tree { root: node::build(slots), len }
    }

    /// Frees about `leaves` leaves from the end, and says whether nothing is left. Nodes that are shared are
    /// let go of at once. What is left in between is good for nothing but to be freed.
    pub fn free_some(&mut self, leaves: usize) -> bool {
        let mut budget = leaves.max(1);
        let emptied = match self.root.as_mut().map(Child::get_mut) {
            Some(Mut::Inner(root)) => Arc::get_mut(root).is_none_or(|root| root.free_some(&mut budget)),
            Some(Mut::Leaf(_)) | None => true,
        };
        if emptied {
            *self = Tree::new();
        }
        emptied
    }

    /// Bytes on the heap: exact up to [`Tree::EXACT_MEMORY`] leaves, and beyond estimated from that many.
    /// Shared nodes count as if they were not.
    pub fn memory_usage(&self) -> usize {
        let Some(root) = &self.root else { return 0 };
        let leaves = self.leaves();
        if leaves <= Self::EXACT_MEMORY {
            return root.get().memory_usage();
        }
        let step = self.len / Self::EXACT_MEMORY as u64;
        let sample = (0..Self::EXACT_MEMORY as u64).filter_map(|n| self.leaf_at(n * step));
        let sampled: usize = sample.map(|(leaf, _)| node::leaf_memory(leaf)).sum();
        // Inner nodes are about two thirds full.
        let inner = leaves * size_of::<Inner<L>>() * 3 / (2 * node::MAX_CHILDREN);
        sampled / Self::EXACT_MEMORY * leaves + inner
    }

    /// As many leaves are looked at to estimate the memory of a larger tree.
    pub const EXACT_MEMORY: usize = 64;

    /// Panics unless the tree is whole: counts are right, all leaves are equally deep, no inner node but the root is less
    /// than a quarter full, no leaf is empty or too heavy, and separators are in order as `less` has it.
    #[cfg(test)]
    pub fn check(&self, less: impl Fn(&L::Key, &L::Key) -> bool) {
        let Some(root) = &self.root else {
            assert_eq!(self.len, 0);
            return;
        };
        assert_eq!(root.get().len(), self.len);
        if let Child::Inner(inner) = root {
            assert!(inner.children.len() > 1, "a root without a purpose");
        }
        root.get().check(true, None, &less);
    }
}
