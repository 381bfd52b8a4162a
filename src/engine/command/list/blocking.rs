//! The same for those who wait until there is something to take.

use super::pop::{Wanted, pop_one};
use super::transfer::{DESTINATION, Ends, FROM_TO, HOW_MANY, HowMany, SOURCE, move_one, move_several};
use super::{GROWING, LIST, TAKE, WHERE, WHERE_FROM, WHERE_TO, length};
use crate::engine::command::args::timeout_seconds;
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::list::End;
use crate::engine::session::Awaited;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Arg, Begin, Find, Flags, KEY, Keys, double, int, keys_counted};

const BLOCKS: Flags = Flags::WRITE.or(Flags::BLOCKING);
const TIMEOUT: Arg = double("timeout");
/// All arguments but the last, which is the timeout.
const KEYS_BEFORE_TIMEOUT: Keys =
    Keys { flags: TAKE, begin: Begin::Index(1), find: Find::Range { last: -2, step: 1, limit: 0 } };
const FRACTIONS_SINCE_6: &[(&str, &str)] =
    &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")];

const BLOCKING_POP: Command = Command {
    arity: AtLeast(3),
    flags: BLOCKS,
    keys: &[KEYS_BEFORE_TIMEOUT],
    since: "2.0.0",
    complexity: "O(N) where N is the number of provided keys.",
    history: FRACTIONS_SINCE_6,
    args: &[KEY.multiple(), TIMEOUT],
    ..LIST
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "BLPOP",
        summary: "Removes the first element of the first list that there is, or waits for one.",
        run: |call| pop(call, End::Left),
        ..BLOCKING_POP
    },
    Command {
        name: "BRPOP",
        summary: "Removes the last element of the first list that there is, or waits for one.",
        run: |call| pop(call, End::Right),
        ..BLOCKING_POP
    },
    Command {
        name: "BLMPOP",
        arity: AtLeast(5),
        flags: BLOCKS.or(Flags::MOVABLE_KEYS),
        keys: &[keys_counted(2, TAKE)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Removes elements at an end of the first list that there is, or waits for one.",
        args: &[TIMEOUT, int("numkeys"), KEY.multiple(), WHERE, int("count").token("COUNT").optional()],
        run: blmpop,
        ..LIST
    },
    Command {
        name: "BLMOVE",
        arity: Exactly(6),
        flags: GROWING.or(Flags::BLOCKING),
        keys: FROM_TO,
        since: "6.2.0",
        summary: "Moves an element from an end of a list to an end of another, or waits for one.",
        args: &[SOURCE, DESTINATION, WHERE_FROM, WHERE_TO, TIMEOUT],
        run: blmove,
        ..LIST
    },
    Command {
        name: "BRPOPLPUSH",
        arity: Exactly(4),
        flags: GROWING.or(Flags::BLOCKING),
        keys: FROM_TO,
        since: "2.2.0",
        summary: "Moves the last element of a list to the head of another, or waits for one.",
        history: FRACTIONS_SINCE_6,
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        args: &[SOURCE, DESTINATION, TIMEOUT],
        run: brpoplpush,
        ..LIST
    },
    Command {
        name: "BLMOVEM",
        arity: AtLeast(6),
        flags: GROWING.or(Flags::BLOCKING),
        keys: FROM_TO,
        since: "8.10.0",
        complexity: "O(N) where N is the number of elements moved.",
        summary: "Moves several elements from an end of a list to an end of another, or waits for them.",
        args: &[SOURCE, DESTINATION, WHERE_FROM, WHERE_TO, TIMEOUT, HOW_MANY],
        run: blmovem,
        ..LIST
    },
];

fn pop(call: &mut Call, end: End) -> Result {
    let timeout = call.args.len() - 1;
    let deadline = timeout_seconds(call.args.at(timeout), call.now)?;
    let keys = call.args.first(timeout).from(1);
    for key in keys.iter() {
        if length(call, key)?.is_none() {
            continue;
        }
        call.reply.array(2);
        call.reply.bulk(key);
        pop_one(call, key, end)?;
        call.propagate(&[if end == End::Left { b"LPOP" } else { b"RPOP" }, key]);
        return Ok(());
    }
    if call.may_block() {
        call.block_on(Awaited::List, keys.iter(), deadline);
    } else {
        call.reply.null_array();
    }
    Ok(())
}

fn blmpop(call: &mut Call) -> Result {
    let wanted = Wanted::read(call.args, 2)?;
    let deadline = timeout_seconds(call.args.at(1), call.now)?;
    if wanted.serve(call)? {
        return Ok(());
    }
    if call.may_block() {
        call.block_on(Awaited::List, wanted.keys.iter(), deadline);
    } else {
        call.reply.null_array();
    }
    Ok(())
}

fn blmove(call: &mut Call) -> Result {
    let ends = Ends::read(call)?;
    let deadline = timeout_seconds(call.args.at(5), call.now)?;
    if move_or_wait(call, ends, deadline)? {
        let args = call.args;
        call.propagate(&[b"LMOVE", args.at(1), args.at(2), args.at(3), args.at(4)]);
    }
    Ok(())
}

fn brpoplpush(call: &mut Call) -> Result {
    let deadline = timeout_seconds(call.args.at(3), call.now)?;
    if move_or_wait(call, Ends::TAIL_TO_HEAD, deadline)? {
        call.propagate(&[b"RPOPLPUSH", call.args.at(1), call.args.at(2)]);
    }
    Ok(())
}

/// Moves one element, or lets the client wait for one; says whether it moved one.
fn move_or_wait(call: &mut Call, ends: Ends, deadline: Option<u64>) -> Result<bool> {
    let moved = move_one(call, ends)?;
    if !moved && call.may_block() {
        call.block_on(Awaited::List, [call.args.at(1)], deadline);
    } else if !moved {
        call.reply.null();
    }
    Ok(moved)
}

fn blmovem(call: &mut Call) -> Result {
    let ends = Ends::read(call)?;
    let deadline = timeout_seconds(call.args.at(5), call.now)?;
    let how_many = HowMany::read(call, 6)?;
    let args = call.args;
    if let Some(count) = move_several(call, ends, how_many)? {
        let mut digits = itoa::Buffer::new();
        let count = digits.format(count).as_bytes();
        let ordering = how_many.ordering();
        call.propagate(&[
            b"LMOVEM",
            args.at(1),
            args.at(2),
            args.at(3),
            args.at(4),
            b"EXACTLY",
            count,
            ordering,
        ]);
    } else if call.may_block() {
        call.block_on(Awaited::List, [args.at(1)], deadline);
    } else {
        call.reply.null_array();
    }
    Ok(())
}
