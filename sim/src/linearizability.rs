//! Is there an order of the operations, consistent with when they were sent and answered, in which a
//! server that does one thing at a time would have given the same replies?
//!
//! The search of Wing and Gong (1993) with the memory of Lowe (2017): operations done and state reached
//! are remembered, so that no dead end is walked twice. The model may be uncertain (an expiry falls into
//! the time a reply took): then all its states are tried.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

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
    /// When it was sent, which decides its place among those of its session.
    fn sent(&self) -> u64 {
        self.invoked()
    }
    /// `u64::MAX` if it never returned: then it may take effect at any time, or not at all.
    fn returned(&self) -> u64;
    /// The last moment at which it can have taken effect, if it never returned.
    fn until(&self) -> u64 {
        u64::MAX
    }
    fn session(&self) -> u32;
    /// When it most likely took effect. A guess of the search's first try; it decides nothing.
    fn likely(&self) -> u64 {
        match self.returned() {
            // Without an answer, perhaps never.
            u64::MAX => u64::MAX,
            returned => self.invoked() / 2 + returned / 2,
        }
    }
}

impl Timed for Operation {
    fn invoked(&self) -> u64 {
        self.earliest_ns()
    }
    fn sent(&self) -> u64 {
        self.invoked_ns
    }
    fn returned(&self) -> u64 {
        self.returned_ns()
    }
    fn until(&self) -> u64 {
        self.until_ns
    }
    fn session(&self) -> u32 {
        self.session
    }
    fn likely(&self) -> u64 {
        self.answered_ns.unwrap_or(u64::MAX)
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

/// How many operations of each session have been given their place in the order: a session's own order
/// is kept, so this tells them all.
type Done = Vec<u32>;

struct Search<'a, O> {
    operations: &'a [O],
    /// The operations of each session, by index, in the order they were sent.
    sessions: Vec<Vec<usize>>,
    /// For each session and number done, the earliest return of what is left of it.
    earliest: Vec<Vec<u64>>,
}

/// A place in the search: what is done, what that gave, and what is still to be tried from here.
struct Frame<S> {
    done: Done,
    state: S,
    /// Sessions whose next operation may come next, the most likely one last.
    candidates: Vec<usize>,
    /// Where the candidate that was tried last may lead.
    leads_to: Vec<(Done, S)>,
}

impl<'a, O: Timed> Search<'a, O> {
    fn new(operations: &'a [O]) -> Self {
        let mut order: Vec<usize> = (0..operations.len()).collect();
        // Stable: a session's operations of one moment keep their order.
        order.sort_by_key(|&index| operations[index].sent());
        let mut sessions: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for index in order {
            sessions.entry(operations[index].session()).or_default().push(index);
        }
        let sessions: Vec<Vec<usize>> = sessions.into_values().collect();
        let earliest = sessions.iter().map(|session| {
            let mut earliest = vec![u64::MAX];
            for &index in session.iter().rev() {
                earliest.push(earliest[earliest.len() - 1].min(operations[index].returned()));
            }
            earliest.reverse();
            earliest
        });
        let earliest = earliest.collect();
        Self { operations, sessions, earliest }
    }

    fn next(&self, done: &Done, session: usize) -> Option<usize> {
        self.sessions[session].get(done[session] as usize).copied()
    }

    /// Sessions whose next operation may come next: nothing that is left has returned before it was
    /// invoked, and nothing that is done was invoked after it could take effect.
    fn candidates(&self, done: &Done) -> Vec<usize> {
        let left = done.iter().zip(&self.earliest).map(|(&done, earliest)| earliest[done as usize]);
        let earliest = left.min().unwrap_or(u64::MAX);
        let last = |(session, &done): (usize, &u32)| {
            done.checked_sub(1).map(|last| self.sessions[session][last as usize])
        };
        let latest =
            done.iter().enumerate().filter_map(last).map(|index| self.operations[index].invoked()).max();
        let invoked = |session: &usize| {
            self.next(done, *session).map(|index| &self.operations[index]).is_some_and(|operation| {
                operation.invoked() <= earliest && latest.is_none_or(|latest| operation.until() >= latest)
            })
        };
        let mut candidates: Vec<usize> = (0..done.len()).filter(invoked).collect();
        candidates.sort_by_key(|&session| {
            Reverse(self.next(done, session).map(|index| self.operations[index].likely()))
        });
        candidates
    }

    fn is_complete(&self, done: &Done) -> bool {
        done.iter().zip(&self.earliest).all(|(&done, earliest)| earliest[done as usize] == u64::MAX)
    }

    fn run<S>(&self, initial: S, mut budget: usize) -> Verdict
    where
        S: Specification<Operation = O>,
    {
        let start: Done = vec![0; self.sessions.len()];
        let mut seen: BTreeSet<(Done, S)> = BTreeSet::new();
        let mut deepest = start.clone();
        let mut frames = vec![self.frame(start, initial)];
        while let Some(frame) = frames.last_mut() {
            if let Some((done, state)) = frame.leads_to.pop() {
                if seen.insert((done.clone(), state.clone())) {
                    if done.iter().sum::<u32>() > deepest.iter().sum() {
                        deepest = done.clone();
                    }
                    frames.push(self.frame(done, state));
                }
                continue;
            }
            if self.is_complete(&frame.done) {
                return Verdict::Linearizable;
            }
            let Some(session) = frame.candidates.pop() else {
                frames.pop();
                continue;
            };
            let Some(rest) = budget.checked_sub(1) else { return Verdict::Unknown };
            budget = rest;
            let Some(index) = self.next(&frame.done, session) else { continue };
            let mut done = frame.done.clone();
            done[session] += 1;
            let states = frame.state.step(&self.operations[index]);
            frame.leads_to = states.into_iter().map(|state| (done.clone(), state)).collect();
        }
        let stuck = self.candidates(&deepest);
        Verdict::Violation {
            stuck_at: stuck.into_iter().filter_map(|session| self.next(&deepest, session)).collect(),
        }
    }

    fn frame<S>(&self, done: Done, state: S) -> Frame<S> {
        let candidates = self.candidates(&done);
        Frame { done, state, candidates, leads_to: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
