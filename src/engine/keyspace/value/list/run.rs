//! A leaf of a list: a run of listpack elements in a buffer with room at either end.

use super::End;
use crate::engine::keyspace::value::listpack::{self, Element, Elements};
use crate::engine::keyspace::value::tree::{Leaf, SplitAt};
use std::ops::Range;

/// Some elements. A push or a pop at either end moves nothing; a change in the middle moves the shorter
/// side.
#[derive(Clone, Default)]
pub struct Run {
    buffer: Box<[u8]>,
    /// Where the elements lie in the buffer.
    start: usize,
    end: usize,
    count: usize,
}

/// Where a new buffer has its room.
#[derive(Clone, Copy)]
enum Room {
    Before,
    After,
    Both,
}

impl Run {
    /// A run with room for more at an end.
    pub fn growing(end: End, elements: &[u8], count: usize) -> Self {
        let room = if end == End::Left { Room::Before } else { Room::After };
        Self::build(&[elements], count, growing_capacity(elements.len()), room)
    }

    /// A run that takes little more than its elements.
    pub fn snug(elements: &[u8], count: usize) -> Self {
        Self::build(&[elements], count, snug_capacity(elements.len()), Room::After)
    }

    fn build(parts: &[&[u8]], count: usize, capacity: usize, room: Room) -> Self {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut buffer = vec![0; capacity].into_boxed_slice();
        let start = match room {
            Room::Before => capacity - len,
            Room::Both => (capacity - len) / 2,
            Room::After => 0,
        };
        let mut end = start;
        for part in parts {
            buffer[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        Self { buffer, start, end, count }
    }

    /// The elements' bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The elements from one offset up to another.
    #[inline]
    pub fn part(&self, offsets: Range<usize>) -> Elements<'_> {
        if offsets == (0..self.count) {
            return Elements::new(self.bytes());
        }
        Elements::between(self.bytes(), self.span(offsets))
    }

    /// The bytes from one offset up to another.
    fn span(&self, offsets: Range<usize>) -> Range<usize> {
        let start = listpack::locate(self.bytes(), self.count, offsets.start);
        // The end is looked for from where it is near.
        let (wanted, rest) = (offsets.len(), self.count - offsets.end);
        let end = if wanted <= rest {
            listpack::skip(self.bytes(), start, wanted)
        } else {
            listpack::locate(self.bytes(), self.count, offsets.end)
        };
        start..end
    }

    /// The element of this offset.
    #[inline]
    pub fn get(&self, offset: usize) -> Element<'_> {
        listpack::element_at(self.bytes(), listpack::locate(self.bytes(), self.count, offset)).0
    }

    /// Puts elements before the one of this offset, or after all.
    pub fn insert(&mut self, offset: usize, elements: &[u8], count: usize) {
        let at = listpack::locate(self.bytes(), self.count, offset);
        self.splice(at..at, elements, self.count + count);
    }

    /// Replaces the element of this offset.
    pub fn set(&mut self, offset: usize, element: &[u8]) {
        let part = self.span(offset..offset + 1);
        self.splice(part, element, self.count);
    }

    /// Removes elements from one offset up to another.
    pub fn remove(&mut self, offsets: Range<usize>) {
        let part = self.span(offsets.clone());
        self.splice(part, &[], self.count - offsets.len());
    }

    /// Removes the element at an end and shows it before.
    #[inline]
    pub fn pop(&mut self, end: End, seen: &mut dyn FnMut(Element)) {
        let bytes = self.bytes();
        let place = if end == End::Left { 0 } else { listpack::previous(bytes, bytes.len()) };
        let (element, next) = listpack::element_at(bytes, place);
        seen(element);
        match end {
            End::Left => self.start += next,
            End::Right => self.end = self.start + place,
        }
        self.count -= 1;
    }

    /// Adds elements at an end if the leaf does not become too heavy for that.
    #[inline]
    pub fn push(&mut self, end: End, elements: &[u8], count: usize) -> bool {
        if self.weight() + elements.len() > Self::MAX_WEIGHT {
            return false;
        }
        if self.count == 0 {
            *self = Self::growing(end, elements, count);
        } else {
            let at = if end == End::Left { 0 } else { self.weight() };
            self.splice(at..at, elements, self.count + count);
        }
        true
    }

    /// Adds the last elements that it has room for at an end.
    pub fn fill(&mut self, end: End, elements: &[u8], count: usize) {
        self.push(end, elements, count);
        if self.buffer.len() > snug_capacity(self.weight()) {
            *self = Self::snug(self.bytes(), self.count);
        }
    }

    /// Replaces the elements by others.
    pub fn replace(&mut self, elements: &[u8], count: usize) {
        self.splice(0..self.weight(), elements, count);
    }

    /// Replaces a part of the bytes; there are `count` elements then.
    fn splice(&mut self, part: Range<usize>, with: &[u8], count: usize) {
        let (len, before, after) = (self.weight(), part.start, self.weight() - part.end);
        self.count = count;
        let place = self.start + before;
        if with.len() <= part.len() {
            let less = part.len() - with.len();
            if before < after {
                self.buffer.copy_within(self.start..place, self.start + less);
                self.start += less;
            } else {
                self.buffer.copy_within(place + part.len()..self.end, place + with.len());
                self.end -= less;
            }
        } else {
            let more = with.len() - part.len();
            let (room_before, room_after) = (more <= self.start, more <= self.buffer.len() - self.end);
            // At an end the longer side is everything: better make room for the next pushes too.
            let inside = before > 0 && after > 0;
            if room_before && (before < after || inside && !room_after) {
                self.buffer.copy_within(self.start..place, self.start - more);
                self.start -= more;
            } else if room_after && (before >= after || inside) {
                self.buffer.copy_within(place + part.len()..self.end, place + with.len());
                self.end += more;
            } else {
                return self.rebuild(part, with, len + more);
            }
        }
        let place = self.start + before;
        self.buffer[place..place + with.len()].copy_from_slice(with);
    }

    /// Does the same in a new buffer, which has room where the next change is likely to need it.
    #[cold]
    fn rebuild(&mut self, part: Range<usize>, with: &[u8], len: usize) {
        let bytes = self.bytes();
        let (at_start, at_end) = (part.end == 0, part.start == bytes.len());
        let capacity = if at_start || at_end { growing_capacity(len) } else { snug_capacity(len) };
        let room = match (at_start, at_end) {
            // There was room at the other end: pushes may come to both in turn.
            _ if len <= self.buffer.len() => Room::Both,
            (true, _) => Room::Before,
            _ => Room::After,
        };
        *self = Self::build(&[&bytes[..part.start], with, &bytes[part.end..]], self.count, capacity, room);
    }

    /// The number and the bytes of elements that the first part of a split gets.
    fn boundary(&self, at: SplitAt) -> (usize, usize) {
        let (bytes, len) = (self.bytes(), self.weight());
        // Elements before the boundary as long as `more` says so, at least one on either side.
        let forward = |more: &dyn Fn(usize) -> bool| {
            let (mut count, mut place) = (1, listpack::next(bytes, 0));
            while count + 1 < self.count && more(place) {
                (count, place) = (count + 1, listpack::next(bytes, place));
            }
            (count, place)
        };
        match at {
            SplitAt::Middle => forward(&|place| place < len / 2),
            SplitAt::Start => forward(&|place| len - place > Self::MAX_WEIGHT),
            SplitAt::Offset(offset) => {
                (offset as usize, listpack::locate(bytes, self.count, offset as usize))
            }
            SplitAt::End => {
                let (mut count, mut place) = (self.count - 1, listpack::previous(bytes, len));
                while count > 1 && place > Self::MAX_WEIGHT {
                    (count, place) = (count - 1, listpack::previous(bytes, place));
                }
                (count, place)
            }
        }
    }
}

impl Leaf for Run {
    type Shared = triomphe::Arc<Self>;
    type Key = ();
    /// Large enough that what a leaf costs beside its elements is some 1 %, small enough that finding an
    /// element in it takes a fraction of a microsecond. Not 8192: jemalloc has size classes in steps of
    /// 1024 here, and the next after that is 10240.
    const MAX_WEIGHT: usize = if cfg!(test) { 128 } else { 7168 };

    fn len(&self) -> u64 {
        self.count as u64
    }

    #[inline]
    fn weight(&self) -> usize {
        self.end - self.start
    }

    fn memory_usage(&self) -> usize {
        self.buffer.len()
    }

    fn split(&mut self, at: SplitAt) -> Self {
        let (count, place) = self.boundary(at);
        let (left, right) = self.bytes().split_at(place);
        let others = self.count - count;
        match at {
            SplitAt::End => {
                let right = Self::growing(End::Right, right, others);
                (self.end, self.count) = (self.start + place, count);
                right
            }
            SplitAt::Start => {
                let left = Self::growing(End::Left, left, count);
                let mut right = std::mem::replace(self, left);
                (right.start, right.count) = (right.start + place, others);
                right
            }
            SplitAt::Middle | SplitAt::Offset(_) => {
                let (left, right) = (Self::snug(left, count), Self::snug(right, others));
                *self = left;
                right
            }
        }
    }

    fn absorb(&mut self, right: Self) {
        self.splice(self.weight()..self.weight(), right.bytes(), self.count + right.count);
    }

    fn lower_key(&self) {}
}

/// A buffer's size for so many bytes to which pushes add more: up to a full leaf it doubles.
fn growing_capacity(len: usize) -> usize {
    let least = if cfg!(test) { 16 } else { 256 };
    (len + len / 4).next_power_of_two().max(least).min(Run::MAX_WEIGHT).max(len)
}

/// A buffer's size for so many bytes: an eighth more at most, so that small growth seldom moves them.
fn snug_capacity(len: usize) -> usize {
    len.next_multiple_of((len.next_power_of_two() / 8).clamp(16, Run::MAX_WEIGHT))
}
