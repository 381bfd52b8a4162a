//! How leaves are held.

use std::ops::Deref;
use triomphe::Arc;

/// How a tree holds a leaf: clones share it until one of them is changed.
pub trait Shared<L>: Clone + Deref<Target = L> + Send + Sync {
    /// Bytes on the heap beside what the leaf itself holds there.
    const OVERHEAD: usize;

    /// A leaf that nobody shares yet.
    fn new(leaf: L) -> Self;

    /// The leaf to be changed, of which others keep a copy.
    fn make_mut(&mut self) -> &mut L;

    /// The leaf alone.
    fn into_leaf(self) -> L;
}

impl<L: Clone + Send + Sync> Shared<L> for Arc<L> {
    /// The count of owners comes first.
    const OVERHEAD: usize = size_of::<usize>() + size_of::<L>();

    fn new(leaf: L) -> Self {
        Arc::new(leaf)
    }

    fn make_mut(&mut self) -> &mut L {
        Arc::make_mut(self)
    }

    fn into_leaf(self) -> L {
        Arc::unwrap_or_clone(self)
    }
}

/// A leaf that shares what it holds by itself, behind one word.
#[derive(Clone)]
pub struct Itself<L>(L);

impl<L> Deref for Itself<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.0
    }
}

impl<L: Clone + Send + Sync> Shared<L> for Itself<L> {
    const OVERHEAD: usize = 0;

    fn new(leaf: L) -> Self {
        Itself(leaf)
    }

    fn make_mut(&mut self) -> &mut L {
        &mut self.0
    }

    fn into_leaf(self) -> L {
        self.0
    }
}
