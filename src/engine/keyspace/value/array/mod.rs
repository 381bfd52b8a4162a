//! Sparse arrays: elements by index, of which most may be missing.
//!
//! What Redis arranges in slices of a fixed number of indexes is here a tree of packed runs, so that gaps
//! cost nothing, whatever their width.

mod ints;
mod slice;

use super::listpack::{Element, encoded};
use super::tree::Tree;
use slice::Slice;

/// The highest index that an element can have.
pub const INDEX_MAX: u64 = u64::MAX - 1;

/// An array. Empty ones exist only on their way in or out.
#[derive(Clone, Debug, Default)]
pub struct Array {
    slices: Tree<Slice>,
    /// The index at which the next insertion goes; above [`INDEX_MAX`] there is none.
    pub next: u64,
}

/// An array that is filled from the lowest index to the highest.
#[derive(Debug, Default)]
pub struct Builder {
    full: Vec<Slice>,
    last: Slice,
}

impl Builder {
    /// Adds an element; its index is higher than all others.
    pub fn push(&mut self, index: u64, value: &[u8]) {
        let value = encoded(value);
        if !self.last.push(index, &value) {
            let full = std::mem::take(&mut self.last);
            self.full.push(full.shrunk());
            self.last.push(index, &value);
        }
    }

    /// The array, whose next insertion goes to `next`. O(slices).
    pub fn finish(self, next: u64) -> Array {
        let slices = self.full.into_iter().chain([self.last.shrunk()]);
        Array { slices: Tree::from_leaves(slices), next }
    }
}

impl Array {
    /// How many elements it has.
    pub fn count(&self) -> u64 {
        self.slices.len()
    }

    /// The highest index of an element, plus one.
    pub fn len(&self) -> u64 {
        self.slices.last().map_or(0, |slice| slice.last() + 1)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// How many runs it consists of.
    pub fn slices(&self) -> usize {
        self.slices.leaves()
    }

    /// The element at an index. O(log n).
    pub fn get(&self, index: u64) -> Option<Element<'_>> {
        self.slices.leaf_for(|first| *first <= index)?.0.get(index)
    }

    /// Sets the element at an index, at most [`INDEX_MAX`]; returns whether it is new. O(log n).
    pub fn set(&mut self, index: u64, value: &[u8]) -> bool {
        let value = encoded(value);
        self.slices.edit_for(|first| *first <= index, |slice| slice.set(index, &value))
    }

    /// Takes out the element at an index; returns whether it was there. O(log n).
    pub fn remove(&mut self, index: u64) -> bool {
        // Without this look the tree would copy shared nodes for nothing.
        self.get(index).is_some()
            && self.slices.edit_for(|first| *first <= index, |slice| slice.remove(index))
    }

    /// Takes out all elements from one index to another, both included, as an array of their own, to be
    /// freed in slices if it is large. O(log n).
    pub fn remove_range(&mut self, from: u64, to: u64) -> Array {
        let (from, to) = (self.rank(from), to.checked_add(1).map_or(self.count(), |end| self.rank(end)));
        Array { slices: self.slices.remove_range(from, to), next: 0 }
    }

    /// How many elements have a lower index. O(log n).
    pub fn rank(&self, index: u64) -> u64 {
        self.slices
            .leaf_for(|first| *first <= index)
            .map_or(0, |(slice, base)| base + slice.lower_bound(index) as u64)
    }

    /// The elements from one index to another, both included, with their indexes; backwards if `from` is
    /// the higher.
    pub fn range(&self, from: u64, to: u64) -> Range<'_> {
        let (low, high) = (from.min(to), from.max(to));
        let ranks = self.rank(low)..high.checked_add(1).map_or(self.count(), |end| self.rank(end));
        Range { array: self, ranks, backwards: from > to, here: None }
    }

    /// The elements from a position on, with their indexes.
    pub fn elements_from(&self, position: u64) -> Range<'_> {
        Range { array: self, ranks: position..self.count(), backwards: false, here: None }
    }

    /// The newest elements before the place of the next insertion, which wraps around at the highest
    /// index: up to `most` places, newest first, `None` for a gap.
    pub fn newest(&self, most: u64) -> impl Iterator<Item = Option<Element<'_>>> {
        let mut place = self.next;
        (0..most.min(self.count())).map(move |_| {
            place = if place == 0 { self.len() } else { place } - 1;
            self.get(place)
        })
    }

    /// Inserts into a ring of `size` places, at least one. Returns the index of the last insertion.
    pub fn ring<'v>(&mut self, size: u64, values: impl Iterator<Item = &'v [u8]>) -> u64 {
        let length = self.len();
        let wrapped = self.next > 0 && self.next < length;
        if length > size || wrapped && size != length {
            self.rearrange(size);
        }
        let mut last = 0;
        for value in values {
            last = self.next % size;
            self.set(last, value);
            self.next = last + 1;
        }
        last
    }

    /// Moves the newest elements, up to the first gap and at most `size`, to the beginning, oldest first;
    /// the others are gone. The cost of a ring whose size changes: O(size).
    fn rearrange(&mut self, size: u64) {
        self.next %= self.len();
        let kept: Vec<Vec<u8>> = self
            .newest(size)
            .map_while(|element| Some(element?.bytes(&mut super::IntBuf::new()).to_vec()))
            .collect();
        let mut ring = Array { slices: Tree::new(), next: kept.len() as u64 };
        for (index, value) in kept.iter().rev().enumerate() {
            ring.set(index as u64, value);
        }
        *self = ring;
    }

    /// Bytes on the heap, estimated from some runs where there are many.
    pub fn memory_usage(&self) -> usize {
        self.slices.memory_usage()
    }

    /// Frees about `budget` runs; `true` when nothing is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.slices.free_some(budget)
    }
}

/// The elements of a part of an array.
pub struct Range<'a> {
    array: &'a Array,
    ranks: std::ops::Range<u64>,
    backwards: bool,
    /// The run looked at last, with the rank of its first element.
    here: Option<(&'a Slice, u64)>,
}

impl<'a> Range<'a> {
    fn at(&mut self, rank: u64) -> Option<(u64, Element<'a>)> {
        let near = |(slice, base): &(&'a Slice, u64)| {
            rank.checked_sub(*base).is_some_and(|offset| offset < super::tree::Leaf::len(*slice))
        };
        if !self.here.as_ref().is_some_and(near) {
            let (slice, offset) = self.array.slices.leaf_at(rank)?;
            self.here = Some((slice, rank - offset));
        }
        let (slice, base) = self.here?;
        let offset = (rank - base) as usize;
        Some((slice.index(offset), slice.element(offset)))
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = (u64, Element<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        let rank = if self.backwards { self.ranks.next_back()? } else { self.ranks.next()? };
        self.at(rank)
    }

    /// Exact.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

/// Room for `more` bytes: up to an eighth beyond, so that elements that follow do not move all again.
fn reserve(bytes: &mut Vec<u8>, more: usize) {
    if bytes.capacity() - bytes.len() < more {
        bytes.reserve_exact(more + (bytes.len() + more) / 8);
    }
}

#[cfg(test)]
mod tests;
