//! Unions, intersections and differences.
//!
//! Nothing is kept meanwhile, unless there are many sets: each member of one set is looked for in others. Big
//! sets are all in the order of the same hashes, so that a look in one goes on where the last one ended.

use super::SetLimits;
use super::view::SetRef;
use crate::engine::keyspace::entry::{Entry, NewValue};
use crate::engine::keyspace::value::listpack::{self, Element};
use crate::engine::keyspace::value::{Form, Packed, hashed};
use std::cmp::Reverse;
use std::ops::ControlFlow;

/// Which members of several sets are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// Those of any set.
    Union,
    /// Those that are in all sets.
    Intersection,
    /// Those of the first set that no other has.
    Difference,
}

/// How many sets a member of a union is looked for in at most.
const LOOKS_MAX: usize = 8;

/// Shows every member of a combination once, until `seen` has enough. `None` is a set without members.
pub fn combine(
    how: Combination,
    sets: &[Option<SetRef>],
    limits: &SetLimits,
    seen: &mut dyn FnMut(Element) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match how {
        Combination::Union => {
            let sets: Vec<SetRef> = sets.iter().flatten().copied().collect();
            if sets.len() > LOOKS_MAX + 1 {
                let (mut all, mut members) = (nothing(Form::IntSet), sets.iter().flat_map(|set| set.iter()));
                return members.try_for_each(|member| match all.set_add(member, limits) {
                    true => seen(member),
                    false => ControlFlow::Continue(()),
                });
            }
            for (at, set) in sets.iter().enumerate() {
                select(*set, &sets[..at], false, seen)?;
            }
        }
        Combination::Intersection => {
            let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<SetRef>>>() else {
                return ControlFlow::Continue(());
            };
            sets.sort_by_key(SetRef::len);
            if let [smallest, others @ ..] = &sets[..] {
                select(*smallest, others, true, seen)?;
            }
        }
        Combination::Difference => {
            let [Some(first), others @ ..] = sets else { return ControlFlow::Continue(()) };
            if is_whittled(first, others) {
                let rest = collect(how, sets, limits);
                return rest.set().into_iter().flat_map(|set| set.iter()).try_for_each(seen);
            }
            // The largest is the likeliest to have a member.
            let mut others: Vec<SetRef> = others.iter().flatten().copied().collect();
            others.sort_by_key(|set| Reverse(set.len()));
            select(*first, &others, false, seen)?;
        }
    }
    ControlFlow::Continue(())
}

/// A combination as an entry without a name, in the form that Redis gives it.
pub fn collect(how: Combination, sets: &[Option<SetRef>], limits: &SetLimits) -> Entry {
    let narrow = how == Combination::Intersection;
    let smallest = sets.iter().flatten().min_by_key(|set| set.len());
    let mut result = nothing(match smallest {
        Some(SetRef::Small { .. } | SetRef::Big(_)) if narrow => Form::Set,
        _ => Form::IntSet,
    });
    let mut add = |member: Element| {
        result.set_add(member, limits);
        ControlFlow::Continue(())
    };
    let _all = match (how, sets) {
        (Combination::Union, sets) => sets.iter().flatten().flat_map(|set| set.iter()).try_for_each(add),
        (Combination::Difference, [Some(first), others @ ..]) if is_whittled(first, others) => {
            let copied = first.iter().try_for_each(add);
            for member in others.iter().flatten().flat_map(|other| other.iter()) {
                result.set_remove(member);
            }
            copied
        }
        _ => combine(how, sets, limits, &mut add),
    };
    if narrow {
        result.set_narrow(limits);
    }
    result
}

/// An entry without a name, of an empty set.
fn nothing(form: Form) -> Entry {
    Entry::new(b"", NewValue::Packed(Packed::empty(form)), None, 0)
}

/// Whether it takes less to remove all other sets' members from a copy of the first than to look for its
/// members in all others. A stored difference is then in the form that the whole first set has, as in Redis,
/// which counts alike.
fn is_whittled(first: &SetRef, others: &[Option<SetRef>]) -> bool {
    let sizes = others.iter().flatten().map(SetRef::len);
    let looks = first.len().saturating_mul(1 + sizes.clone().count());
    looks / 2 > first.len() + sizes.sum::<usize>()
}

/// Shows the members of a set that all others have, or that none has.
fn select(
    set: SetRef,
    others: &[SetRef],
    wanted: bool,
    seen: &mut dyn FnMut(Element) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut others: Vec<Finder> = others.iter().map(|other| Finder::new(*other)).collect();
    set.each_encoded(&mut |encoded| {
        let (member, _) = listpack::element_at(encoded, 0);
        let mut hash = None;
        if others.iter_mut().all(|other| other.has(member, encoded, &mut hash) == wanted) {
            seen(member)?;
        }
        ControlFlow::Continue(())
    })
}

/// Looks for many members in a set.
enum Finder<'a> {
    /// A small one.
    Small(SetRef<'a>),
    /// A big one.
    Big(hashed::Finder<'a>),
}

impl<'a> Finder<'a> {
    fn new(set: SetRef<'a>) -> Self {
        match set {
            SetRef::Big(set) => Finder::Big(set.finder()),
            small => Finder::Small(small),
        }
    }

    /// Whether the set has this member, given in both of its shapes. `hash` is its hash, once it is known.
    fn has(&mut self, member: Element, encoded: &[u8], hash: &mut Option<u64>) -> bool {
        match self {
            Finder::Big(finder) => {
                let hash = *hash.get_or_insert_with(|| finder.hash(encoded));
                finder.has(hash, encoded)
            }
            Finder::Small(SetRef::Small { run, .. }) => listpack::find(run, encoded, 1).is_some(),
            Finder::Small(small) => small.has(member),
        }
    }
}
