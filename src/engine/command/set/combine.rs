//! Unions, intersections and differences of sets.

use super::member::write_member;
use super::{READ, SET, limits, remove_empty, set_event};
use crate::engine::command::args::{Cursor, not_negative};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::set::{Combination, collect, combine};
use crate::engine::keyspace::{Database, Entry, Expiry, SetRef, Type};
use crate::engine::protocol::Args;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, KeyFlags, Keys, int, key, key_at, keys_counted, keys_from, token};
use crate::engine::text::number::parse_i64;
use std::ops::ControlFlow;

const STORE: &[Keys] = &[key_at(1, KeyFlags::OW.or(KeyFlags::UPDATE)), keys_from(2, READ)];

const READS: Command = Command {
    arity: AtLeast(2),
    flags: Flags::READONLY,
    keys: &[keys_from(1, READ)],
    tips: &["nondeterministic_output_order"],
    args: &[KEY.multiple()],
    ..SET
};
const STORES: Command = Command {
    arity: AtLeast(3),
    flags: Flags::WRITE.or(Flags::DENYOOM),
    keys: STORE,
    args: &[key("destination", 0), key("key", 1).multiple()],
    ..SET
};
const COUNTS: Command = Command {
    arity: AtLeast(3),
    flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
    keys: &[keys_counted(1, READ)],
    since: "8.10.0",
    args: &[int("numkeys"), KEY.multiple(), int("limit").token("LIMIT").optional()],
    ..SET
};

const INTERSECTING: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
const VISITING: &str = "O(N) where N is the total number of members of all the sets.";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SINTER",
        complexity: INTERSECTING,
        summary: "Returns the members that all of several sets have.",
        run: |call| members(call, Combination::Intersection),
        ..READS
    },
    Command {
        name: "SINTERSTORE",
        complexity: INTERSECTING,
        summary: "Stores the members that all of several sets have in a key.",
        run: |call| store(call, Combination::Intersection, "sinterstore"),
        ..STORES
    },
    Command {
        name: "SINTERCARD",
        since: "7.0.0",
        complexity: INTERSECTING,
        summary: "Counts the members that all of several sets have.",
        run: |call| count(call, Combination::Intersection),
        ..COUNTS
    },
    Command {
        name: "SUNION",
        complexity: VISITING,
        summary: "Returns the members that any of several sets has.",
        run: |call| members(call, Combination::Union),
        ..READS
    },
    Command {
        name: "SUNIONSTORE",
        complexity: VISITING,
        summary: "Stores the members that any of several sets has in a key.",
        run: |call| store(call, Combination::Union, "sunionstore"),
        ..STORES
    },
    Command {
        name: "SUNIONCARD",
        complexity: VISITING,
        summary: "Counts the members that any of several sets has.",
        args: &[
            int("numkeys"),
            KEY.multiple(),
            token("approx", "APPROX").optional(),
            int("limit").token("LIMIT").optional(),
        ],
        run: |call| count(call, Combination::Union),
        ..COUNTS
    },
    Command {
        name: "SDIFF",
        complexity: VISITING,
        summary: "Returns the members that the first of several sets has and no other.",
        run: |call| members(call, Combination::Difference),
        ..READS
    },
    Command {
        name: "SDIFFSTORE",
        complexity: VISITING,
        summary: "Stores the members that the first of several sets has and no other in a key.",
        run: |call| store(call, Combination::Difference, "sdiffstore"),
        ..STORES
    },
    Command {
        name: "SDIFFCARD",
        complexity: VISITING,
        summary: "Counts the members that the first of several sets has and no other.",
        run: |call| count(call, Combination::Difference),
        ..COUNTS
    },
];

const NO_KEYS: Error = Error::new("ERR numkeys should be greater than 0");
const TOO_MANY_KEYS: Error = Error::new("ERR Number of keys can't be greater than number of args");
const NEGATIVE_LIMIT: Error = Error::new("ERR LIMIT can't be negative");

/// Looks all keys up, with everything that follows from reading them. Says which of them are there.
fn read_all(call: &mut Call, keys: Args) -> Result<Vec<bool>> {
    let access = call.access();
    keys.iter().map(|key| Ok(call.server.read_as(access, key, Type::Set)?.is_some())).collect()
}

/// The sets at the keys that are `there`.
fn sets<'a>(database: &'a Database, keys: Args, there: &[bool]) -> Vec<Option<SetRef<'a>>> {
    let look = |(key, there): (&[u8], &bool)| {
        if *there { database.lookup(key).and_then(Entry::set) } else { None }
    };
    keys.iter().zip(there).map(look).collect()
}

/// Replies with the members.
fn members(call: &mut Call, how: Combination) -> Result {
    let keys = call.args.from(1);
    let there = read_all(call, keys)?;
    let limits = limits(call.server);
    let sets = sets(&call.server.databases[call.session.db], keys, &there);
    let (mark, mut count) = (call.reply.mark(), 0);
    let _all = combine(how, &sets, &limits, &mut |member| {
        write_member(call.reply, member);
        count += 1;
        ControlFlow::Continue(())
    });
    call.reply.set_at(mark, count);
    Ok(())
}

/// Replies with their number.
fn count(call: &mut Call, how: Combination) -> Result {
    let keys = parse_i64(call.args.at(1)).filter(|keys| *keys > 0).ok_or(NO_KEYS)?;
    let keys = usize::try_from(keys).ok().filter(|keys| *keys <= call.args.len() - 2).ok_or(TOO_MANY_KEYS)?;
    let (mut options, mut limit) = (Cursor::new(call.args, 2 + keys), 0);
    while options.left() > 0 {
        if let Some(number) = options.keyword_with_value("LIMIT") {
            limit = not_negative(number).map_err(|_| NEGATIVE_LIMIT)?;
        } else if how != Combination::Union || !options.keyword("APPROX") {
            // Counting exactly is what APPROX permits, too: nothing is kept meanwhile.
            return Err(Error::SYNTAX);
        }
    }
    let keys = call.args.from(2).first(keys);
    let there = read_all(call, keys)?;
    let limits = limits(call.server);
    let sets = sets(&call.server.databases[call.session.db], keys, &there);
    let mut count = 0;
    let _enough = combine(how, &sets, &limits, &mut |_| {
        count += 1;
        if count == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    call.reply.int(count);
    Ok(())
}

/// Stores the members in a key, whatever it held, or removes the key if there are none.
fn store(call: &mut Call, how: Combination, event: &'static str) -> Result {
    let (access, target, keys) = (call.access(), call.args.at(1), call.args.from(2));
    let there = read_all(call, keys)?;
    let limits = limits(call.server);
    let sets = sets(&call.server.databases[access.db], keys, &there);
    let mut result = collect(how, &sets, &limits);
    let count = result.set().map_or(0, |set| set.len());
    call.reply.int(count as i64);
    if count > 0 {
        call.server.set(access, target, result.take_value(), Expiry::Never);
        call.changed(target, set_event(event));
    } else if call.server.live(access, target) {
        remove_empty(call, target);
    }
    Ok(())
}
