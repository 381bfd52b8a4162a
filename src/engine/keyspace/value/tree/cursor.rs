//! Walking over leaves.

use super::node::MAX_HEIGHT;
use super::{Child, Inner, Leaf, Path, Ref, Tree};
use arrayvec::ArrayVec;

/// A leaf, with the way to its neighbours.
#[derive(Clone)]
pub struct Cursor<'a, L: Leaf> {
    /// Inner nodes from the root down, each with the child that the way takes.
    path: ArrayVec<(&'a Inner<L>, usize), MAX_HEIGHT>,
    leaf: &'a L,
    base: u64,
}

impl<'a, L: Leaf> Cursor<'a, L> {
    /// Follows the children that `choose` names. `base` is not known yet.
    fn descend(root: &'a Child<L>, mut choose: impl FnMut(&Inner<L>) -> usize) -> Self {
        let mut path = ArrayVec::new();
        let mut child = root.get();
        loop {
            match child {
                Ref::Leaf(leaf) => return Cursor { path, leaf, base: 0 },
                Ref::Inner(inner) => {
                    let at = choose(inner);
                    path.push((inner, at));
                    child = inner.children.at(at);
                }
            }
        }
    }

    /// The leaf.
    pub fn leaf(&self) -> &'a L {
        self.leaf
    }

    /// The way to it.
    pub fn path(&self) -> Path {
        Path(self.path.iter().map(|(_, at)| *at as u8).collect())
    }

    /// The position of its first element.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Moves to the next leaf; `false`, and stays, if this is the last.
    pub fn move_next(&mut self) -> bool {
        let base = self.base + self.leaf.len();
        let moved = self.turn(|inner, at| Some(at + 1).filter(|&at| at < inner.children.len()), |_| 0);
        if moved {
            self.base = base;
        }
        moved
    }

    /// Moves to the leaf before; `false`, and stays, if this is the first.
    pub fn move_previous(&mut self) -> bool {
        let moved = self.turn(|_, at| at.checked_sub(1), |inner| inner.children.len() - 1);
        if moved {
            self.base -= self.leaf.len();
        }
        moved
    }

    /// Takes another way at the lowest node where `aside` knows one, and follows `choose` from there.
    #[inline]
    fn turn(
        &mut self,
        aside: impl Fn(&Inner<L>, usize) -> Option<usize>,
        choose: impl Fn(&Inner<L>) -> usize,
    ) -> bool {
        let other = |&(inner, at): &(&'a Inner<L>, usize)| aside(inner, at);
        let Some(depth) = self.path.iter().rposition(|step| other(step).is_some()) else { return false };
        self.path.truncate(depth + 1);
        let (inner, at) = self.path[depth];
        let Some(at) = aside(inner, at) else { return false };
        self.path[depth].1 = at;
        let mut child = inner.children.at(at);
        loop {
            match child {
                Ref::Leaf(leaf) => {
                    self.leaf = leaf;
                    return true;
                }
                Ref::Inner(inner) => {
                    let at = choose(inner);
                    self.path.push((inner, at));
                    child = inner.children.at(at);
                }
            }
        }
    }

    /// This leaf and those after it, each with the position of its first element.
    pub fn forward(self) -> impl Iterator<Item = (&'a L, u64)> {
        self.walk(Self::move_next)
    }

    /// This leaf and those before it, going backward, each with the position of its first element.
    pub fn backward(self) -> impl Iterator<Item = (&'a L, u64)> {
        self.walk(Self::move_previous)
    }

    fn walk(mut self, step: impl Fn(&mut Self) -> bool) -> impl Iterator<Item = (&'a L, u64)> {
        let mut here = Some((self.leaf, self.base));
        std::iter::from_fn(move || here.take().or_else(|| step(&mut self).then_some((self.leaf, self.base))))
    }
}

impl<L: Leaf> Tree<L> {
    /// A cursor at the first leaf; nothing in an empty tree.
    pub fn cursor_first(&self) -> Option<Cursor<'_, L>> {
        Some(Cursor::descend(self.root.as_ref()?, |_| 0))
    }

    /// A cursor at the last leaf; nothing in an empty tree.
    pub fn cursor_last(&self) -> Option<Cursor<'_, L>> {
        let cursor = Cursor::descend(self.root.as_ref()?, |inner| inner.children.len() - 1);
        Some(Cursor { base: self.len - cursor.leaf.len(), ..cursor })
    }

    /// A cursor at the leaf that [`Tree::leaf_at`] gives.
    pub fn cursor_at(&self, position: u64) -> Option<Cursor<'_, L>> {
        let mut offset = position;
        let cursor = Cursor::descend(self.root.as_ref()?, |inner| {
            let (at, rest) = inner.locate(offset);
            offset = rest;
            at
        });
        Some(Cursor { base: position - offset, ..cursor })
    }

    /// A cursor at the leaf that [`Tree::leaf_for`] gives.
    pub fn cursor_for(&self, at_or_before: impl Fn(&L::Key) -> bool) -> Option<Cursor<'_, L>> {
        let mut base = 0;
        let cursor = Cursor::descend(self.root.as_ref()?, |inner| {
            let at = inner.seek(&at_or_before);
            base += inner.lens[..at].iter().sum::<u64>();
            at
        });
        Some(Cursor { base, ..cursor })
    }

    /// All leaves in order.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        self.cursor_first().into_iter().flat_map(Cursor::forward).map(|(leaf, _)| leaf)
    }
}
