//! What sets can do, wherever and however the entry keeps them.
//!
//! A set of few integers is a run of sorted integers, another small set a run of listpack elements, both
//! inside the entry; a big one is a tree in the order of its members' hashes. A set changes its form where
//! Redis's does, and never back, except that SPOP builds a set anew of which it leaves little.

mod combine;
mod view;

pub use combine::{Combination, collect, combine};
pub use view::SetRef;

use super::entry::{Entry, NewValue};
use super::value::intset::{self, IntSet};
use super::value::listpack::{self, Buffer, Element};
use super::value::{Form, Hashed, Hasher, Object, Packed, ValueRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use view::Slices;

/// Up to which sizes sets are small.
#[derive(Clone, Debug)]
pub struct SetLimits {
    /// Members of a set of integers.
    pub intset_entries: usize,
    /// Members of a listpack.
    pub listpack_entries: usize,
    /// Bytes of a listpack's member.
    pub listpack_value: usize,
    /// What big sets hash their members with: the same in the whole server.
    pub hasher: Arc<Hasher>,
}

/// The number of members of an intset that Redis never exceeds, whatever the configuration says.
const INTSET_MAX: usize = 1 << 30;
/// SPOP builds a set anew if it takes out at least so many times what it leaves.
const REBUILD_FACTOR: usize = 5;
/// Bytes that a listpack never exceeds, whatever the configuration says.
const LISTPACK_MAX: usize = 1 << 30;

impl SetLimits {
    fn intset_entries(&self) -> usize {
        self.intset_entries.min(INTSET_MAX)
    }
    /// Whether a listpack of this size takes another member of so many bytes.
    fn fits_listpack(&self, count: usize, bytes: usize, member: usize) -> bool {
        count < self.listpack_entries
            && member <= self.listpack_value
            && bytes.saturating_add(member) < LISTPACK_MAX
    }
    /// The empty set that is best for `expected` members, of which this is the first.
    pub fn new_set(&self, first: Element, expected: usize) -> NewValue<'static> {
        if matches!(first, Element::Int(_)) && expected <= self.intset_entries {
            NewValue::Packed(Packed::empty(Form::IntSet))
        } else if expected <= self.listpack_entries {
            NewValue::Packed(Packed::empty(Form::Set))
        } else {
            NewValue::Object(Box::new(Object::Set(Hashed::new(self.hasher.clone()))))
        }
    }
}

/// What can be done with an entry that holds a set. One that holds something else has no members and
/// takes none.
impl Entry {
    /// The set.
    #[inline]
    pub fn set(&self) -> Option<SetRef<'_>> {
        match self.value() {
            ValueRef::Packed(Packed { form: Form::IntSet, count, run }) => {
                Some(SetRef::Ints(IntSet::new(run, count)))
            }
            ValueRef::Packed(Packed { form: Form::Set, count, run }) => Some(SetRef::Small { count, run }),
            ValueRef::Object(Object::Set(set)) => Some(SetRef::Big(set)),
            _ => None,
        }
    }

    /// Whether the set has this member.
    #[inline]
    pub fn set_has(&self, member: Element) -> bool {
        self.set().is_some_and(|set| set.has(member))
    }

    /// Converts a small set that would be too small for so many more members, were they all new.
    pub fn set_expect(&mut self, expected: usize, limits: &SetLimits) {
        let too_many = match self.set() {
            Some(SetRef::Ints(_)) => expected > limits.intset_entries,
            Some(SetRef::Small { .. }) => expected > limits.listpack_entries,
            _ => false,
        };
        if too_many {
            self.set_enlarge(limits);
        }
    }

    /// Adds a member. Returns whether it is new.
    #[inline]
    pub fn set_add(&mut self, member: Element, limits: &SetLimits) -> bool {
        if let Some(Object::Set(set)) = self.object_mut() {
            return set.put(&member.encoded(), [&[], &[]]);
        }
        match (self.set(), member) {
            (Some(SetRef::Ints(set)), Element::Int(value)) => {
                let Some(splice) = set.insert(value) else { return false };
                let count = set.len() + 1;
                self.splice(splice.part, &splice.with, count);
                if count > limits.intset_entries() {
                    self.set_enlarge(limits);
                }
                true
            }
            (Some(SetRef::Ints(set)), Element::Str(_)) => {
                let spelled = |at: Option<usize>| at.map_or(0, |at| Element::Int(set.get(at)).len());
                let longest = spelled(set.len().checked_sub(1)).max(spelled((!set.is_empty()).then_some(0)));
                let run = elements_of(set);
                if longest <= limits.listpack_value
                    && limits.fits_listpack(set.len(), run.len(), member.len())
                {
                    let packed = Packed { form: Form::Set, count: set.len(), run: &run };
                    self.set_value(NewValue::Packed(packed));
                } else {
                    self.set_enlarge(limits);
                }
                self.set_add(member, limits)
            }
            (Some(SetRef::Small { count, run }), _) => {
                let encoded = member.encoded();
                if listpack::find(run, &encoded, 1).is_some() {
                    return false;
                }
                if limits.fits_listpack(count, run.len(), member.len()) {
                    let end = run.len();
                    self.splice(end..end, &encoded, count + 1);
                    return true;
                }
                self.set_enlarge(limits);
                self.set_add(member, limits)
            }
            _ => false,
        }
    }

    /// Takes a member out. Returns whether it was there. The set may be empty then.
    #[inline]
    pub fn set_remove(&mut self, member: Element) -> bool {
        if let Some(Object::Set(set)) = self.object_mut() {
            return set.remove(&member.encoded());
        }
        let (part, count) = match (self.set(), member) {
            (Some(SetRef::Ints(set)), Element::Int(value)) => {
                let Ok(index) = set.find(value) else { return false };
                (set.span(index), set.len())
            }
            (Some(SetRef::Small { count, run }), _) => {
                let encoded = member.encoded();
                let Some(at) = listpack::find(run, &encoded, 1) else { return false };
                (at..at + encoded.len(), count)
            }
            _ => return false,
        };
        self.splice(part, &[], count - 1);
        true
    }

    /// Takes out the member at a position. There must be one. The set may be empty then.
    pub fn set_remove_at(&mut self, position: usize) {
        if let Some(Object::Set(set)) = self.object_mut() {
            return set.remove_at(position);
        }
        let (part, count) = match self.set() {
            Some(SetRef::Ints(set)) => (set.span(position), set.len()),
            Some(SetRef::Small { count, run }) => {
                let at = listpack::locate(run, count, position);
                (at..listpack::next(run, at), count)
            }
            _ => return,
        };
        self.splice(part, &[], count - 1);
    }

    /// Takes out the members at these positions, which the set has. If it is big and little remains, it is
    /// built anew, as small as it can be, and what it was comes back to be freed.
    pub fn set_remove_positions(
        &mut self,
        positions: &BTreeSet<usize>,
        limits: &SetLimits,
    ) -> Option<Box<Object>> {
        let remains = |position: &usize| !positions.contains(position);
        let (form, count, run) = match self.set()? {
            SetRef::Ints(set) => (Form::IntSet, set.len(), set.only((0..set.len()).filter(remains))),
            SetRef::Small { count, run } => {
                let rest = Slices::new(run).enumerate().filter(|(position, _)| remains(position));
                (Form::Set, count, rest.flat_map(|(_, slice)| slice).copied().collect())
            }
            SetRef::Big(set) => {
                let left = set.len() - positions.len();
                if left.saturating_mul(REBUILD_FACTOR) > positions.len() {
                    let Some(Object::Set(set)) = self.object_mut() else { return None };
                    positions.iter().rev().for_each(|position| set.remove_at(*position));
                    return None;
                }
                let mut rest = Entry::new(b"", NewValue::Packed(Packed::empty(Form::Set)), None, 0);
                for (_, member) in SetRef::Big(set).iter().enumerate().filter(|(at, _)| remains(at)) {
                    rest.set_add(member, limits);
                }
                return self.set_value(rest.take_value());
            }
        };
        self.set_value(NewValue::Packed(Packed { form, count: count - positions.len(), run: &run }))
    }

    /// Makes a small set a set of integers, if all its members are and they are not too many.
    pub fn set_narrow(&mut self, limits: &SetLimits) {
        let Some(set) = self.set() else { return };
        if matches!(set, SetRef::Ints(_)) || set.len() > limits.intset_entries() {
            return;
        }
        let integer = |member| if let Element::Int(value) = member { Some(value) } else { None };
        let Some(mut values) = set.iter().map(integer).collect::<Option<Vec<i64>>>() else { return };
        values.sort_unstable();
        let run = intset::run_of(&values);
        self.set_value(NewValue::Packed(Packed { form: Form::IntSet, count: values.len(), run: &run }));
    }

    /// Makes a small set a big one.
    #[cold]
    fn set_enlarge(&mut self, limits: &SetLimits) {
        let mut big = Hashed::new(limits.hasher.clone());
        for member in self.set().into_iter().flat_map(|set| set.iter()) {
            big.put(&member.encoded(), [&[], &[]]);
        }
        self.set_value(NewValue::Object(Box::new(Object::Set(big))));
    }
}

/// Integers as listpack elements.
fn elements_of(set: IntSet) -> Buffer {
    let mut run = Buffer::new();
    set.iter().for_each(|value| Element::Int(value).encode(&mut run));
    run
}

#[cfg(test)]
mod tests;
