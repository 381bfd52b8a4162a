//! A packed run of an array's elements: the leaves of its tree.
//!
//! ```text
//! first     the index of the first element
//! deltas    how far each element's index is from that, in as few bytes as the last one needs
//! starts    where each element begins in the run, likewise
//! run       the elements as listpack elements
//! ```

use super::ints::Ints;
use crate::engine::keyspace::value::listpack::{self, Element};
use crate::engine::keyspace::value::tree::{Leaf, SplitAt};

/// Elements with neighbouring indexes.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    first: u64,
    deltas: Ints,
    starts: Ints,
    run: Vec<u8>,
}

impl Slice {
    /// The index of its last element.
    pub fn last(&self) -> u64 {
        self.index(self.starts.len() - 1)
    }

    /// The index of the element at an offset.
    pub fn index(&self, offset: usize) -> u64 {
        self.first + self.deltas.get(offset)
    }

    /// The offset of the first element whose index is not less than `index`.
    #[inline]
    pub fn lower_bound(&self, index: u64) -> usize {
        index.checked_sub(self.first).map_or(0, |delta| self.deltas.lower_bound(delta))
    }

    /// The element at an offset.
    pub fn element(&self, offset: usize) -> Element<'_> {
        listpack::element_at(&self.run, self.starts.get(offset) as usize).0
    }

    /// The element with an index.
    pub fn get(&self, index: u64) -> Option<Element<'_>> {
        let offset = self.lower_bound(index);
        self.has(offset, index).then(|| self.element(offset))
    }

    fn has(&self, offset: usize, index: u64) -> bool {
        offset < self.starts.len() && self.index(offset) == index
    }

    /// Adds an element behind all others, unless the slice is full.
    pub fn push(&mut self, index: u64, encoded: &[u8]) -> bool {
        if self.starts.len() == 0 {
            self.first = index;
        } else if self.len() == Self::MAX_LEN || self.run.len() + encoded.len() > Self::MAX_WEIGHT {
            return false;
        }
        self.deltas.insert(self.deltas.len(), index - self.first);
        self.starts.insert(self.starts.len(), self.run.len() as u64);
        self.run.extend_from_slice(encoded);
        true
    }

    /// Gives spare memory back.
    pub fn shrunk(mut self) -> Self {
        self.run.shrink_to_fit();
        self
    }

    /// Sets the element with an index; returns whether it is new.
    pub fn set(&mut self, index: u64, encoded: &[u8]) -> bool {
        let offset = self.lower_bound(index);
        let new = !self.has(offset, index);
        if new {
            if self.starts.len() == 0 {
                self.first = index;
            } else if index < self.first {
                self.deltas.shift(0, self.first - index);
                self.first = index;
            }
            self.deltas.insert(offset, index - self.first);
            self.starts.insert(offset, self.start(offset) as u64);
            self.splice(offset, 0, encoded);
        } else {
            self.splice(offset, self.start(offset + 1) - self.start(offset), encoded);
        }
        new
    }

    /// Takes out the element with an index; returns whether it was there.
    pub fn remove(&mut self, index: u64) -> bool {
        let offset = self.lower_bound(index);
        if !self.has(offset, index) {
            return false;
        }
        self.splice(offset, self.start(offset + 1) - self.start(offset), &[]);
        self.starts.remove(offset..offset + 1);
        self.deltas.remove(offset..offset + 1);
        self.rebase();
        true
    }

    /// Where the element at an offset begins; beyond the last, where the run ends.
    fn start(&self, offset: usize) -> usize {
        if offset < self.starts.len() { self.starts.get(offset) as usize } else { self.run.len() }
    }

    /// Replaces the bytes of the element at an offset, of which there are `old`.
    fn splice(&mut self, offset: usize, old: usize, with: &[u8]) {
        let start = self.start(offset);
        super::reserve(&mut self.run, with.len().saturating_sub(old));
        self.run.splice(start..start + old, with.iter().copied());
        self.starts.shift(offset + 1, (with.len() as u64).wrapping_sub(old as u64));
    }

    /// Counts deltas from the first element again.
    fn rebase(&mut self) {
        if self.starts.len() > 0 && self.deltas.get(0) > 0 {
            let gap = self.deltas.get(0);
            self.first += gap;
            self.deltas = self.deltas.iter().map(|delta| delta - gap).collect();
        }
    }

    fn take_from(&mut self, at: usize) -> Self {
        let (start, count) = (self.start(at), self.starts.len());
        let mut upper = Slice {
            first: self.first,
            deltas: self.deltas.iter().skip(at).collect(),
            starts: self.starts.iter().skip(at).map(|place| place - start as u64).collect(),
            run: self.run[start..].to_vec(),
        };
        upper.rebase();
        self.deltas = self.deltas.iter().take(at).collect();
        self.starts = self.starts.iter().take(at).collect();
        self.run.truncate(start);
        self.run.shrink_to_fit();
        debug_assert_eq!(self.starts.len() + upper.starts.len(), count);
        upper
    }
}

impl Leaf for Slice {
    type Shared = triomphe::Arc<Self>;
    type Key = u64;
    const MAX_WEIGHT: usize = 2048;
    /// So that an array without gaps needs one byte for an index.
    const MAX_LEN: u64 = 256;

    fn len(&self) -> u64 {
        self.starts.len() as u64
    }
    fn weight(&self) -> usize {
        self.run.len()
    }
    fn memory_usage(&self) -> usize {
        self.run.capacity() + self.starts.capacity() + self.deltas.capacity()
    }
    fn lower_key(&self) -> u64 {
        self.first
    }
    fn split(&mut self, at: SplitAt) -> Self {
        let count = self.starts.len();
        let heavy = self.starts.lower_bound(self.run.len() as u64 / 2);
        let at = match at {
            SplitAt::Middle => heavy,
            SplitAt::End => count - 1,
            SplitAt::Start => 1,
            SplitAt::Offset(offset) => offset as usize,
        };
        self.take_from(at.clamp(1, count - 1))
    }
    fn absorb(&mut self, right: Self) {
        let shift = self.run.len() as u64;
        for offset in 0..right.starts.len() {
            self.deltas.insert(self.deltas.len(), right.index(offset) - self.first);
            self.starts.insert(self.starts.len(), right.starts.get(offset) + shift);
        }
        self.run.extend_from_slice(&right.run);
    }
}
