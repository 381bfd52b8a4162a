//! The children of an inner node: a word each, since they are of one kind.

use super::Leaf;
use super::node::{Inner, MAX_CHILDREN, Slot};
use arrayvec::ArrayVec;
use std::mem;
use triomphe::Arc;

/// A subtree.
pub(super) enum Child<L: Leaf> {
    Leaf(L::Shared),
    Inner(Arc<Inner<L>>),
}

/// A subtree to be read.
pub(super) enum Ref<'a, L: Leaf> {
    Leaf(&'a L),
    Inner(&'a Inner<L>),
}

/// A subtree to be changed.
pub(super) enum Mut<'a, L: Leaf> {
    Leaf(&'a mut L::Shared),
    Inner(&'a mut Arc<Inner<L>>),
}

/// The subtrees beneath a node.
// Both are arrays of words: the lint does not know how large an associated type is.
#[allow(clippy::large_enum_variant)]
pub(super) enum Children<L: Leaf> {
    Leaves(ArrayVec<L::Shared, MAX_CHILDREN>),
    Inner(ArrayVec<Arc<Inner<L>>, MAX_CHILDREN>),
}

impl<L: Leaf> Clone for Child<L> {
    fn clone(&self) -> Self {
        match self {
            Child::Leaf(leaf) => Child::Leaf(leaf.clone()),
            Child::Inner(inner) => Child::Inner(inner.clone()),
        }
    }
}

impl<L: Leaf> Clone for Ref<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Leaf> Copy for Ref<'_, L> {}

impl<L: Leaf> Clone for Children<L> {
    fn clone(&self) -> Self {
        match self {
            Children::Leaves(leaves) => Children::Leaves(leaves.clone()),
            Children::Inner(nodes) => Children::Inner(nodes.clone()),
        }
    }
}

impl<L: Leaf> Child<L> {
    pub fn get(&self) -> Ref<'_, L> {
        match self {
            Child::Leaf(leaf) => Ref::Leaf(leaf),
            Child::Inner(inner) => Ref::Inner(inner),
        }
    }

    pub fn get_mut(&mut self) -> Mut<'_, L> {
        match self {
            Child::Leaf(leaf) => Mut::Leaf(leaf),
            Child::Inner(inner) => Mut::Inner(inner),
        }
    }
}

impl<L: Leaf> Mut<'_, L> {
    pub fn get(&self) -> Ref<'_, L> {
        match self {
            Mut::Leaf(leaf) => Ref::Leaf(leaf),
            Mut::Inner(inner) => Ref::Inner(inner),
        }
    }

    /// Puts another in its place, which is as high.
    pub fn replace(&mut self, other: Child<L>) -> Child<L> {
        match (self, other) {
            (Mut::Leaf(leaf), Child::Leaf(other)) => Child::Leaf(mem::replace(*leaf, other)),
            (Mut::Inner(inner), Child::Inner(other)) => Child::Inner(mem::replace(*inner, other)),
            _ => unreachable!("children are equally high"),
        }
    }
}

impl<L: Leaf> Children<L> {
    /// Those of a node of this height, none yet.
    pub fn new(height: usize) -> Self {
        match height {
            1 => Children::Leaves(ArrayVec::new()),
            _ => Children::Inner(ArrayVec::new()),
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Children::Leaves(leaves) => leaves.len(),
            Children::Inner(nodes) => nodes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The child at `at`, which there is.
    #[inline]
    pub fn at(&self, at: usize) -> Ref<'_, L> {
        match self {
            Children::Leaves(leaves) => Ref::Leaf(&leaves[at]),
            Children::Inner(nodes) => Ref::Inner(&nodes[at]),
        }
    }

    /// The child at `at`, which there is, to be changed.
    #[inline]
    pub fn at_mut(&mut self, at: usize) -> Mut<'_, L> {
        match self {
            Children::Leaves(leaves) => Mut::Leaf(&mut leaves[at]),
            Children::Inner(nodes) => Mut::Inner(&mut nodes[at]),
        }
    }

    /// A copy of the child at `at`.
    pub fn share(&self, at: usize) -> Child<L> {
        match self {
            Children::Leaves(leaves) => Child::Leaf(leaves[at].clone()),
            Children::Inner(nodes) => Child::Inner(nodes[at].clone()),
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Ref<'_, L>> {
        (0..self.len()).map(|at| self.at(at))
    }

    /// Has the word of the child at `at` fetched.
    #[inline]
    pub fn prefetch(&self, at: usize) {
        match self {
            Children::Leaves(leaves) => crate::engine::prefetch::prefetch(&raw const leaves[at]),
            Children::Inner(nodes) => crate::engine::prefetch::prefetch(&raw const nodes[at]),
        }
    }

    pub fn insert(&mut self, at: usize, child: Child<L>) {
        match (self, child) {
            (Children::Leaves(leaves), Child::Leaf(leaf)) => leaves.insert(at, leaf),
            (Children::Inner(nodes), Child::Inner(inner)) => nodes.insert(at, inner),
            _ => unreachable!("children are equally high"),
        }
    }

    pub fn push(&mut self, child: Child<L>) {
        self.insert(self.len(), child);
    }

    pub fn remove(&mut self, at: usize) -> Child<L> {
        match self {
            Children::Leaves(leaves) => Child::Leaf(leaves.remove(at)),
            Children::Inner(nodes) => Child::Inner(nodes.remove(at)),
        }
    }

    /// Frees the children from `at` on.
    pub fn truncate(&mut self, at: usize) {
        match self {
            Children::Leaves(leaves) => leaves.truncate(at),
            Children::Inner(nodes) => nodes.truncate(at),
        }
    }

    /// Takes the children from `at` on, with these keys and lengths.
    pub fn take(&mut self, at: usize, parts: impl Iterator<Item = (L::Key, u64)>) -> Vec<Slot<L>> {
        let slot = |((key, len), child)| Slot { key, len, child };
        match self {
            Children::Leaves(leaves) => parts.zip(leaves.drain(at..).map(Child::Leaf)).map(slot).collect(),
            Children::Inner(nodes) => parts.zip(nodes.drain(at..).map(Child::Inner)).map(slot).collect(),
        }
    }
}
