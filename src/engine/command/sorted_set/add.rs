//! Adding members and changing scores.

use super::{GROWING, SORTED_SET, sorted_set_event};
use crate::engine::command::args::{Cursor, double};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{Entry, Expiry, Form, NewValue, Packed, SortedSetLimits, Type};
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{
    Flags, KEY, KeyFlags, block, double as double_arg, int, key_at, one_of, string, token,
};
use smallvec::SmallVec;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ZADD",
        arity: AtLeast(4),
        flags: GROWING.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        member: Some(3),
        score: Some(2),
        since: "1.2.0",
        complexity: "O(log(N)) for each member, where N is the number of members of the sorted set.",
        summary: "Adds members with their scores to a sorted set, or changes scores.",
        history: &[
            ("2.4.0", "Accepts multiple elements."),
            ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
            ("6.2.0", "Added the `GT` and `LT` options."),
        ],
        args: &[
            KEY,
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).optional().since("3.0.2"),
            one_of("comparison", &[token("gt", "GT"), token("lt", "LT")]).optional().since("6.2.0"),
            token("change", "CH").optional().since("3.0.2"),
            token("increment", "INCR").optional().since("3.0.2"),
            block("data", &[double_arg("score"), string("member")]).multiple(),
        ],
        run: zadd,
        ..SORTED_SET
    },
    Command {
        name: "ZINCRBY",
        arity: Exactly(4),
        flags: GROWING.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        member: Some(3),
        since: "1.2.0",
        complexity: "O(log(N)) where N is the number of members of the sorted set.",
        summary: "Adds to the score of a member of a sorted set.",
        args: &[KEY, int("increment"), string("member")],
        run: zincrby,
        ..SORTED_SET
    },
];

const NAN: Error = Error::new("ERR resulting score is not a number (NaN)");

/// The options of ZADD.
#[derive(Clone, Copy, Default)]
pub struct AddOptions {
    /// NX: only add.
    pub if_new: bool,
    /// XX: only change.
    pub if_there: bool,
    /// GT: only change to a higher score.
    pub if_greater: bool,
    /// LT: only change to a lower score.
    pub if_less: bool,
    /// CH: count changed members as well as new ones.
    pub count_changed: bool,
    /// INCR: add to the score.
    pub increment: bool,
}

/// What adding members came to.
#[derive(Default)]
struct Outcome {
    added: u64,
    updated: u64,
    /// The last score, unless the options refused it.
    score: Option<f64>,
}

impl AddOptions {
    fn read(cursor: &mut Cursor) -> Self {
        let mut options = Self::default();
        loop {
            if cursor.keyword("NX") {
                options.if_new = true;
            } else if cursor.keyword("XX") {
                options.if_there = true;
            } else if cursor.keyword("CH") {
                options.count_changed = true;
            } else if cursor.keyword("INCR") {
                options.increment = true;
            } else if cursor.keyword("GT") {
                options.if_greater = true;
            } else if cursor.keyword("LT") {
                options.if_less = true;
            } else {
                return options;
            }
        }
    }

    fn check(&self, pairs: usize) -> Result {
        if self.if_new && self.if_there {
            return Err(Error::new("ERR XX and NX options at the same time are not compatible"));
        }
        if self.if_new && (self.if_greater || self.if_less) || self.if_greater && self.if_less {
            return Err(Error::new("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && pairs > 1 {
            return Err(Error::new("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score that a member gets, if the options allow it. NaN is for the caller to refuse.
    fn decide(&self, old: Option<f64>, score: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.if_there).then_some(score) };
        if self.if_new {
            return None;
        }
        let new = if self.increment { old + score } else { score };
        let refused = self.if_less && new >= old || self.if_greater && new <= old;
        (!refused).then_some(new)
    }

    /// Adds members to the sorted set of an entry. Only a single one can fail, so all or nothing is done.
    fn apply<'a>(
        &self,
        entry: &mut Entry,
        pairs: impl ExactSizeIterator<Item = (&'a [u8], f64)>,
        limits: &SortedSetLimits,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        entry.expect_members(pairs.len(), limits);
        for (member, score) in pairs {
            let mut nan = false;
            outcome.score = None;
            let (old, new) = entry.update_score(member, limits, |old| {
                let new = self.decide(old, score);
                nan = new.is_some_and(f64::is_nan);
                outcome.score = new;
                new.filter(|_| !nan)
            });
            if nan {
                return Err(NAN);
            }
            outcome.added += u64::from(old.is_none() && new.is_some());
            outcome.updated += u64::from(old.is_some() && old != new);
        }
        Ok(outcome)
    }
}

fn zadd(call: &mut Call) -> Result {
    let mut cursor = Cursor::new(call.args, 2);
    let options = AddOptions::read(&mut cursor);
    let (first, count) = (cursor.position(), cursor.left() / 2);
    if count == 0 || !cursor.left().is_multiple_of(2) {
        return Err(Error::SYNTAX);
    }
    options.check(count)?;
    add(call, options, first)
}

fn zincrby(call: &mut Call) -> Result {
    add(call, AddOptions { increment: true, ..AddOptions::default() }, 2)
}

/// Adds the scores and members from the argument `first` on.
fn add(call: &mut Call, options: AddOptions, first: usize) -> Result {
    let (key, args) = (call.args.at(1), call.args.from(first));
    let scores = (0..args.len()).step_by(2).map(|at| double(args.at(at)));
    let scores: SmallVec<[f64; 8]> = scores.collect::<Result<_>>()?;
    let pairs = scores.iter().enumerate().map(|(at, score)| (args.at(2 * at + 1), *score));
    add_pairs(call, key, options, pairs)
}

/// Adds members and replies with what came of it.
pub fn add_pairs<'a>(
    call: &mut Call,
    key: &[u8],
    options: AddOptions,
    pairs: impl ExactSizeIterator<Item = (&'a [u8], f64)>,
) -> Result {
    let (access, limits) = (call.access(), call.server.sorted_set_limits());
    let outcome = match call.server.write_as(access, key, Type::SortedSet)? {
        Some(mut entry) => options.apply(&mut entry, pairs, &limits)?,
        None if options.if_there => Outcome::default(),
        None => {
            let empty = NewValue::Packed(Packed::empty(Form::SortedSet));
            call.server.set(access, key, empty, Expiry::Never);
            let mut entry = call.server.write(access, key).expect("it was set");
            options.apply(&mut entry, pairs, &limits)?
        }
    };
    let changes = outcome.added + outcome.updated;
    match (options.increment, outcome.score) {
        (true, Some(score)) => call.reply.double(score),
        (true, None) => call.reply.null(),
        (false, _) => call.reply.int(if options.count_changed { changes } else { outcome.added } as i64),
    }
    if changes > 0 {
        call.changed(key, sorted_set_event(if options.increment { "zincr" } else { "zadd" }));
        call.server.dirty += changes - 1;
    }
    Ok(())
}
