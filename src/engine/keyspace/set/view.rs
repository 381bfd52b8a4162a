//! Looking at sets.

use super::IntSet;
use crate::engine::keyspace::value::hashed::{Records, place};
use crate::engine::keyspace::value::listpack::{self, Buffer, Element, Elements};
use crate::engine::keyspace::value::{Hashed, Hasher};
use std::ops::{ControlFlow, Range};

/// A look at a set.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// Few integers.
    Ints(IntSet<'a>),
    /// Few members, as listpack elements.
    Small {
        /// How many.
        count: usize,
        /// Their bytes.
        run: &'a [u8],
    },
    /// Many members.
    Big(&'a Hashed),
}

/// The members of a set, in its own order.
pub enum SetMembers<'a> {
    /// In ascending order.
    Ints(IntSet<'a>, Range<usize>),
    /// In the order in which they came.
    Small(Elements<'a>),
    /// In the order of their hashes.
    Big(Box<Records<'a>>),
}

impl<'a> Iterator for SetMembers<'a> {
    type Item = Element<'a>;
    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            SetMembers::Ints(set, rest) => rest.next().map(|index| Element::Int(set.get(index))),
            SetMembers::Small(rest) => rest.next(),
            SetMembers::Big(rest) => rest.next().map(|encoded| listpack::element_at(encoded, 0).0),
        }
    }
}

impl<'a> SetRef<'a> {
    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            SetRef::Ints(set) => set.len(),
            SetRef::Small { count, .. } => *count,
            SetRef::Big(set) => set.len(),
        }
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether finding a member by its position means to walk there.
    pub fn is_walked(&self) -> bool {
        matches!(self, SetRef::Small { .. })
    }
    /// Whether it has this member.
    #[inline]
    pub fn has(&self, member: Element) -> bool {
        match self {
            SetRef::Ints(set) => member.integer().is_some_and(|value| set.find(value).is_ok()),
            SetRef::Small { run, .. } => listpack::find(run, &member.encoded(), 1).is_some(),
            SetRef::Big(set) => set.get(&member.encoded()).is_some(),
        }
    }
    /// All members.
    pub fn iter(self) -> SetMembers<'a> {
        match self {
            SetRef::Ints(set) => SetMembers::Ints(set, 0..set.len()),
            SetRef::Small { run, .. } => SetMembers::Small(Elements::new(run)),
            SetRef::Big(set) => SetMembers::Big(Box::new(set.iter())),
        }
    }
    /// Shows all members as listpack elements, until `seen` has enough.
    pub(super) fn each_encoded(self, seen: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
        match self {
            SetRef::Ints(set) => {
                let mut encoded = Buffer::new();
                set.iter().try_for_each(|value| {
                    encoded.clear();
                    Element::Int(value).encode(&mut encoded);
                    seen(&encoded)
                })
            }
            SetRef::Small { run, .. } => Slices::new(run).try_for_each(seen),
            SetRef::Big(set) => set.iter().try_for_each(seen),
        }
    }
    /// Shows about `count` members from a cursor on, and returns the next one: 0 begins, and ends. A member
    /// that is there all the while is shown once, whatever form the set takes meanwhile. A small set shows
    /// all that is left at once.
    pub fn scan(self, cursor: u64, count: usize, hasher: &Hasher, seen: &mut dyn FnMut(Element<'a>)) -> u64 {
        if let SetRef::Big(set) = self {
            return set.scan(cursor, count, &mut |encoded| seen(listpack::element_at(encoded, 0).0));
        }
        let is_left = |member: &Element| cursor == 0 || place(hasher.hash(&member.encoded())) >= cursor;
        self.iter().filter(is_left).for_each(seen);
        0
    }
    /// The member at a position. There must be one.
    pub fn get(self, position: usize) -> Element<'a> {
        match self {
            SetRef::Ints(set) => Element::Int(set.get(position)),
            SetRef::Small { count, run } => {
                listpack::element_at(run, listpack::locate(run, count, position)).0
            }
            SetRef::Big(set) => listpack::element_at(set.at(position), 0).0,
        }
    }
    /// Shows the members at these positions, which ascend.
    pub fn pick(self, positions: impl IntoIterator<Item = usize>, seen: &mut dyn FnMut(Element)) {
        if !self.is_walked() {
            return positions.into_iter().for_each(|position| seen(self.get(position)));
        }
        let (mut members, mut passed) = (self.iter(), 0);
        for position in positions {
            members.nth(position - passed).into_iter().for_each(&mut *seen);
            passed = position + 1;
        }
    }
}

/// The elements of a run as their bytes.
pub(super) struct Slices<'a> {
    run: &'a [u8],
    at: usize,
}

impl<'a> Slices<'a> {
    pub(super) fn new(run: &'a [u8]) -> Self {
        Slices { run, at: 0 }
    }
}

impl<'a> Iterator for Slices<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.at >= self.run.len() {
            return None;
        }
        let start = self.at;
        self.at = listpack::next(self.run, start);
        Some(&self.run[start..self.at])
    }
}
