//! Cutting trees in two and joining them.

use super::node::Slot;
use super::{Child, Leaf, Shared, SplitAt, Tree};
use std::cmp::Ordering;
use triomphe::Arc;

impl<L: Leaf> Tree<L> {
    /// Appends all of `right`, whose elements belong after those of this tree. O(difference in height).
    pub fn append(&mut self, right: Tree<L>) {
        self.len += right.len;
        let Some(right_root) = right.root else { return };
        let Some(mut root) = self.root.take() else {
            self.root = Some(right_root);
            return;
        };
        let slot = Slot { key: right_root.get().first_key(), len: right.len, child: right_root };
        let extra = match root.get().height().cmp(&slot.child.get().height()) {
            Ordering::Equal => root.get_mut().merge(slot).into_iter().collect(),
            Ordering::Greater => root.inner_mut().join_last(slot),
            Ordering::Less => {
                let left = std::mem::replace(&mut root, slot.child);
                root.inner_mut().join_first(left, slot.key)
            }
        };
        self.root = Some(root);
        if !extra.is_empty() {
            self.grow(extra);
        }
    }

    /// Cuts off the elements from `position` on, and returns them.
    pub fn split_off(&mut self, position: u64) -> Tree<L> {
        if position >= self.len {
            return Tree::new();
        }
        if position == 0 {
            return std::mem::take(self);
        }
        let Some(root) = self.root.take() else { return Tree::new() };
        let (left, right) = cut(root, position);
        *self = left;
        right
    }

    /// Removes the elements from `from` up to `to`, and returns them: the caller decides when to free them.
    pub fn remove_range(&mut self, from: u64, to: u64) -> Tree<L> {
        if from >= to {
            return Tree::new();
        }
        let rest = self.split_off(to);
        let removed = self.split_off(from);
        self.append(rest);
        removed
    }
}

/// The elements before `position` and the others. Neither part is empty.
fn cut<L: Leaf>(child: Child<L>, position: u64) -> (Tree<L>, Tree<L>) {
    match child {
        Child::Leaf(leaf) => {
            let mut left = leaf.into_leaf();
            let right = left.split(SplitAt::Offset(position));
            (Tree::from_leaves([left]), Tree::from_leaves([right]))
        }
        Child::Inner(inner) => {
            let (at, rest) = inner.locate(position);
            let mut slots = Arc::unwrap_or_clone(inner).take_slots(0);
            let after = Tree::from_slots(slots.split_off(at + 1));
            let middle = Tree::from_slots(slots.split_off(at));
            let mut left = Tree::from_slots(slots);
            let mut right = middle;
            if rest > 0 {
                let (before, beyond) =
                    right.root.take().map_or_else(Default::default, |root| cut(root, rest));
                left.append(before);
                right = beyond;
            }
            right.append(after);
            (left, right)
        }
    }
}

impl<L: Leaf> Child<L> {
    /// The inner node, unshared.
    fn inner_mut(&mut self) -> &mut super::Inner<L> {
        match self {
            Child::Inner(inner) => Arc::make_mut(inner),
            Child::Leaf(_) => unreachable!("a leaf is not higher than anything"),
        }
    }
}
