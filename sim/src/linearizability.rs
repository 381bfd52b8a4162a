//! Is there an order of the operations, consistent with when they were sent and answered, in which a
//! server that does one thing at a time would have given the same replies?
//!
//! The search of Wing and Gong (1993) with the memory of Lowe (2017): operations done and state reached
//! are remembered, so that no dead end is walked twice. The model may be uncertain (an expiry falls into
//! the time a reply took): then all its states are tried.

use std::collections::BTreeSet;

use crate::history::Operation;
use crate::model::State;

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    /// No order explains the replies. The longest explanation found stops before one of these
    /// operations, by index.
    Violation {
        stuck_at: Vec<usize>,
    },
    /// The search was given up: not known to be right, and not counted as such.
    Unknown,
}

/// Something that operations are applied to, one after the other.
pub trait Specification: Clone + Ord {
    type Operation;
    /// The states that may follow, given what the client saw; none if it cannot have seen that.
    fn step(&self, operation: &Self::Operation) -> Vec<Self>;
}

impl Specification for State {
    type Operation = Operation;
    fn step(&self, operation: &Operation) -> Vec<Self> {
        self.after(operation.session, &operation.call, operation.moment, operation.reply())
    }
}

/// When an operation began and ended, and which must come before it.
pub trait Timed {
    fn invoked(&self) -> u64;
    /// `u64::MAX` if it never returned: then it may take effect at any time, or not at all.
    fn returned(&self) -> u64;
    fn session(&self) -> u32;
}

impl Timed for Operation {
    fn invoked(&self) -> u64 {
        self.invoked_ns
    }
    fn returned(&self) -> u64 {
        self.returned_ns()
    }
    fn session(&self) -> u32 {
        self.session
    }
}

/// Searches for an order, trying at most `budget` operations.
pub fn check<S>(initial: S, operations: &[S::Operation], budget: usize) -> Verdict
where
    S: Specification,
    S::Operation: Timed,
{
    Search::new(operations).run(initial, budget)
}

/// Operations already given a place in the order: all below `low`, and those in `above`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Done {
    low: usize,
    above: BTreeSet<usize>,
}

impl Done {
    fn contains(&self, index: usize) -> bool {
        index < self.low || self.above.contains(&index)
    }

    fn with(&self, index: usize) -> Self {
        let mut done = self.clone();
        done.above.insert(index);
        while done.above.remove(&done.low) {
            done.low += 1;
        }
        done
    }

    fn count(&self) -> usize {
        self.low + self.above.len()
    }
}

struct Search<'a, O> {
    operations: &'a [O],
    /// Indices in the order of invocation, which is the order of the search.
    order: Vec<usize>,
    /// For each place in `order`, the place of the operation its session sent before it.
    before: Vec<Option<usize>>,
}

impl<'a, O: Timed> Search<'a, O> {
    fn new(operations: &'a [O]) -> Self {
        let mut order: Vec<usize> = (0..operations.len()).collect();
        // Stable: a session's operations of one moment keep their order.
        order.sort_by_key(|&index| operations[index].invoked());
        let before = (0..order.len())
            .map(|place| {
                let session = operations[order[place]].session();
                (0..place).rev().find(|&earlier| operations[order[earlier]].session() == session)
            })
            .collect();
        Self { operations, order, before }
    }

    fn at(&self, place: usize) -> &'a O {
        &self.operations[self.order[place]]
    }

    /// Places that may come next: nothing that is not done has returned before they were invoked.
    fn candidates(&self, done: &Done) -> Vec<usize> {
        let mut earliest_return = u64::MAX;
        let mut open = Vec::new();
        for place in done.low..self.order.len() {
            let operation = self.at(place);
            if operation.invoked() > earliest_return {
                break;
            }
            if !done.contains(place) {
                earliest_return = earliest_return.min(operation.returned());
                open.push(place);
            }
        }
        open.retain(|&place| {
            self.at(place).invoked() <= earliest_return
                && self.before[place].is_none_or(|before| done.contains(before))
        });
        open
    }

    fn is_complete(&self, done: &Done) -> bool {
        (done.low..self.order.len())
            .all(|place| done.contains(place) || self.at(place).returned() == u64::MAX)
    }

    fn run<S>(&self, initial: S, mut budget: usize) -> Verdict
    where
        S: Specification<Operation = O>,
    {
        let mut seen: BTreeSet<(Done, S)> = BTreeSet::new();
        let mut deepest = Done::default();
        let mut frames = vec![(Done::default(), initial)];
        while let Some((done, state)) = frames.pop() {
            if self.is_complete(&done) {
                return Verdict::Linearizable;
            }
            if done.count() > deepest.count() {
                deepest = done.clone();
            }
            // The last pushed is tried first: push in reverse, so that the earliest invoked leads.
            for &place in self.candidates(&done).iter().rev() {
                let Some(rest) = budget.checked_sub(1) else { return Verdict::Unknown };
                budget = rest;
                for next in state.step(self.at(place)) {
                    let frame = (done.with(place), next);
                    if seen.insert(frame.clone()) {
                        frames.push(frame);
                    }
                }
            }
        }
        let stuck_at = self.candidates(&deepest).into_iter().map(|place| self.order[place]).collect();
        Verdict::Violation { stuck_at }
    }
}

#[cfg(test)]
mod tests;
