//! Big lists: leaves of packed elements, found by position.

mod run;
#[cfg(test)]
mod tests;

use super::listpack::{self, Element, Elements};
use super::tree::{Cursor, Leaf, Tree};
use run::Run;
use std::ops::Range;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The head, where index 0 is.
    Left,
    /// The tail.
    Right,
}

/// A list of any length. Pushing and popping at both ends takes constant time, any other access by
/// position logarithmic time; a clone shares everything until one of both changes.
#[derive(Clone, Debug, Default)]
pub struct List {
    tree: Tree<Run>,
}

impl List {
    /// A list of the elements of a run that is going to grow at an end.
    pub fn new(run: &[u8], end: End) -> Self {
        let mut list = Self::default();
        list.push_leaves(end, run);
        list
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.tree.len() as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The bytes of its elements, or nothing if they are more than `most`, which is found out without
    /// looking at all of them.
    pub fn bytes_up_to(&self, most: usize) -> Option<usize> {
        // Leaves that are less than a quarter full do not stand side by side, but at the ends.
        if self.tree.leaves() > 8 * most / Run::MAX_WEIGHT + 4 {
            return None;
        }
        let bytes = self.tree.iter().map(Run::weight).sum();
        (bytes <= most).then_some(bytes)
    }

    /// The number of leaves.
    pub fn leaves(&self) -> usize {
        self.tree.leaves()
    }

    /// The leaf with the element at an index: its elements, how many they are, and how many of them come
    /// before.
    pub fn leaf_at(&self, index: usize) -> Option<(&[u8], usize, usize)> {
        let (run, offset) = self.tree.leaf_at(index as u64).filter(|_| index < self.len())?;
        Some((run.bytes(), run.len() as usize, offset as usize))
    }

    /// Its elements, leaf by leaf.
    pub fn runs(&self) -> impl Iterator<Item = &[u8]> {
        self.tree.iter().map(Run::bytes)
    }

    /// The element at an index below the length.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        let (run, offset) = self.tree.leaf_at(index as u64)?;
        (index < self.len()).then(|| run.get(offset as usize))
    }

    /// The elements of a range of indexes, leaf by leaf; with `backward` the leaves come in reverse, but
    /// not the elements of one.
    pub fn pieces(&self, range: Range<usize>, backward: bool) -> impl Iterator<Item = Elements<'_>> {
        let range = range.start..range.end.min(self.len());
        let first = if backward { range.end.saturating_sub(1) } else { range.start };
        let mut cursor = if range.is_empty() { None } else { self.tree.cursor_at(first as u64) };
        std::iter::from_fn(move || {
            let here = cursor.as_mut()?;
            let (run, base) = (here.leaf(), here.base() as usize);
            let end = base + run.len() as usize;
            let part = run.part(range.start.max(base) - base..range.end.min(end) - base);
            let over = if backward { base <= range.start } else { end >= range.end };
            let step = if backward { Cursor::move_previous } else { Cursor::move_next };
            if over || !step(here) {
                cursor = None;
            }
            Some(part)
        })
    }

    /// Adds the elements of a run, in the order in which they are to stand.
    pub fn push(&mut self, end: End, run: &[u8], count: usize) {
        let pushed = self.edit_end(end, |leaf| leaf.push(end, run, count));
        if !pushed {
            self.push_leaves(end, run);
        }
    }

    /// Changes the leaf at an end.
    #[inline]
    fn edit_end<R>(&mut self, end: End, edit: impl FnOnce(&mut Run) -> R) -> R {
        match end {
            End::Left => self.tree.edit_first(edit),
            End::Right => self.tree.edit_last(edit),
        }
    }

    /// Fills the leaf at an end and adds leaves for the rest.
    #[cold]
    fn push_leaves(&mut self, end: End, run: &[u8]) {
        let mut rest = 0..run.len();
        let mut next = |room| {
            let (part, count) = next_leaf(run, rest.clone(), end, room);
            match end {
                End::Left => rest.end = part.start,
                End::Right => rest.start = part.end,
            }
            (&run[part], count, rest.is_empty())
        };
        if !self.is_empty() {
            let (elements, count, _) = next(Run::MAX_WEIGHT.saturating_sub(self.end_weight(end)));
            self.edit_end(end, |leaf| leaf.fill(end, elements, count));
        }
        let (mut leaves, mut last) = (Vec::new(), false);
        while !last {
            let (elements, count, is_last) = next(Run::MAX_WEIGHT);
            last = is_last;
            let leaf = if last { Run::growing(end, elements, count) } else { Run::snug(elements, count) };
            leaves.push(leaf);
        }
        if end == End::Left {
            leaves.reverse();
        }
        let mut others = Tree::from_leaves(leaves);
        if end == End::Left {
            std::mem::swap(&mut self.tree, &mut others);
        }
        self.tree.append(others);
    }

    fn end_weight(&self, end: End) -> usize {
        let leaf = if end == End::Left { self.tree.first() } else { self.tree.last() };
        leaf.map_or(0, Run::weight)
    }

    /// Removes the element at an end and shows it before. There must be one.
    #[inline]
    pub fn pop(&mut self, end: End, seen: &mut dyn FnMut(Element)) {
        self.edit_end(end, |run| run.pop(end, seen));
    }

    /// Puts an element, encoded, before the one at an index, or after all.
    pub fn insert(&mut self, index: usize, element: &[u8]) {
        self.tree.edit_at(index as u64, |run, offset| run.insert(offset as usize, element, 1));
    }

    /// Replaces the element at an index below the length by one that is encoded.
    pub fn set(&mut self, index: usize, element: &[u8]) {
        self.tree.edit_at(index as u64, |run, offset| run.set(offset as usize, element));
    }

    /// Removes a range of elements and gives them back, to be freed when there is time.
    pub fn remove(&mut self, range: Range<usize>) -> List {
        let within_a_leaf = self
            .tree
            .leaf_at(range.start as u64)
            .is_some_and(|(run, offset)| offset as usize + range.len() <= run.len() as usize);
        if within_a_leaf {
            let count = range.len();
            self.tree.edit_at(range.start as u64, |run, offset| {
                run.remove(offset as usize..offset as usize + count);
            });
            return List::default();
        }
        List { tree: self.tree.remove_range(range.start as u64, range.end as u64) }
    }

    /// Removes up to `most` elements that equal an encoded one, from an end on, and says how many.
    pub fn remove_equal(&mut self, end: End, element: &[u8], most: usize) -> usize {
        let mut removed = 0;
        // What is still to be looked at: leaves are merged on the way, but what has been seen stays behind.
        let mut range = 0..self.len();
        while removed < most
            && let Some((base, len, run, count)) = self.without(end, range.clone(), element, most - removed)
        {
            self.tree.edit_at(base as u64, |leaf, _| leaf.replace(&run, len - count));
            removed += count;
            range = match end {
                End::Left => base + len - count..range.end - count,
                End::Right => 0..base,
            };
        }
        removed
    }

    /// The first leaf from an end on that has an element equal to this one: where it begins, how many
    /// elements it has, what remains of it, and how many that takes away.
    fn without(
        &self,
        end: End,
        range: Range<usize>,
        element: &[u8],
        most: usize,
    ) -> Option<(usize, usize, Vec<u8>, usize)> {
        if range.is_empty() {
            return None;
        }
        let look = |(run, base): (&Run, u64)| {
            let (rest, count) = without_equal(run.bytes(), end, element, most)?;
            Some((base as usize, run.len() as usize, rest, count))
        };
        match end {
            End::Left => self.tree.cursor_at(range.start as u64)?.forward().find_map(look),
            End::Right => self.tree.cursor_at(range.end as u64 - 1)?.backward().find_map(look),
        }
    }

    /// How many steps freeing it takes.
    pub fn free_effort(&self) -> usize {
        2 * self.tree.leaves()
    }

    /// Frees about `budget` allocations, and says whether nothing is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.tree.free_some(budget / 2)
    }

    /// Bytes on the heap.
    pub fn memory_usage(&self) -> usize {
        self.tree.memory_usage()
    }
}

/// The part of a run, from an end of what is left of it, that a leaf with so much room takes, and the number
/// of its elements. An empty leaf takes at least one.
fn next_leaf(run: &[u8], rest: Range<usize>, end: End, room: usize) -> (Range<usize>, usize) {
    let (mut part, mut taken) = match end {
        End::Left => (rest.end..rest.end, 0),
        End::Right => (rest.start..rest.start, 0),
    };
    while part != rest {
        let more = match end {
            End::Left => listpack::previous(run, part.start)..part.end,
            End::Right => part.start..listpack::next(run, part.end),
        };
        if more.len() > room && (taken > 0 || room < Run::MAX_WEIGHT) {
            break;
        }
        (part, taken) = (more, taken + 1);
    }
    (part, taken)
}

/// A run without the first `most` elements, seen from an end, that equal an encoded one, and how many
/// those are; nothing if there are none.
pub fn without_equal(run: &[u8], end: End, element: &[u8], most: usize) -> Option<(Vec<u8>, usize)> {
    let mut found = Vec::new();
    let mut at = match end {
        End::Left => 0,
        End::Right => run.len(),
    };
    while found.len() < most {
        let next = match end {
            End::Left if at < run.len() => listpack::next(run, at),
            End::Right if at > 0 => listpack::previous(run, at),
            _ => break,
        };
        let place = at.min(next);
        if run[place..at.max(next)] == *element {
            found.push(place);
        }
        at = next;
    }
    if found.is_empty() {
        return None;
    }
    if end == End::Right {
        found.reverse();
    }
    let mut rest = Vec::with_capacity(run.len() - found.len() * element.len());
    let mut kept = 0;
    for place in &found {
        rest.extend_from_slice(&run[kept..*place]);
        kept = place + element.len();
    }
    rest.extend_from_slice(&run[kept..]);
    Some((rest, found.len()))
}
