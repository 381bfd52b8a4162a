//! Taking the members with the lowest or highest scores, and waiting for some.

use super::{SORTED_SET, reply_member, sorted_set_event};
use crate::engine::command::args::{Cursor, int, not_negative, timeout_seconds};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{Entry, Type};
use crate::engine::protocol::Args;
use crate::engine::session::Awaited;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{
    Arg, Begin, Find, Flags, KEY, KeyFlags, Keys, double, int as int_arg, key_at, keys_counted, one_of, token,
};

const TAKE: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);

const WHERE: Arg = one_of("where", &[token("min", "MIN"), token("max", "MAX")]);
const COUNT: Arg = int_arg("count").token("COUNT").optional();

const POP: Command = Command {
    arity: AtLeast(2),
    flags: Flags::WRITE.or(Flags::FAST),
    keys: &[key_at(1, TAKE)],
    since: "5.0.0",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
    args: &[KEY, int_arg("count").optional()],
    ..SORTED_SET
};

const BLOCKING_POP: Command = Command {
    arity: AtLeast(3),
    flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::FAST),
    keys: &[Keys { flags: TAKE, begin: Begin::Index(1), find: Find::Range { last: -2, step: 1, limit: 0 } }],
    since: "5.0.0",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
    args: &[KEY.multiple(), double("timeout")],
    ..SORTED_SET
};

const POP_OF_SEVERAL: Command = Command {
    since: "7.0.0",
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
    ..SORTED_SET
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ZPOPMIN",
        summary: "Removes and returns the members of a sorted set with the lowest scores.",
        run: |call| zpop(call, End::Min),
        ..POP
    },
    Command {
        name: "ZPOPMAX",
        summary: "Removes and returns the members of a sorted set with the highest scores.",
        run: |call| zpop(call, End::Max),
        ..POP
    },
    Command {
        name: "ZMPOP",
        arity: AtLeast(4),
        flags: Flags::WRITE.or(Flags::MOVABLE_KEYS),
        keys: &[keys_counted(1, TAKE)],
        summary: "Removes and returns the outermost members of the first sorted set that is there.",
        args: &[int_arg("numkeys"), KEY.multiple(), WHERE, COUNT],
        run: zmpop,
        ..POP_OF_SEVERAL
    },
    Command {
        name: "BZPOPMIN",
        summary: "Removes and returns the member with the lowest score; waits for one if there is none.",
        run: |call| bzpop(call, End::Min),
        ..BLOCKING_POP
    },
    Command {
        name: "BZPOPMAX",
        summary: "Removes and returns the member with the highest score; waits for one if there is none.",
        run: |call| bzpop(call, End::Max),
        ..BLOCKING_POP
    },
    Command {
        name: "BZMPOP",
        arity: AtLeast(5),
        flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS),
        keys: &[keys_counted(2, TAKE)],
        summary: "Removes and returns the outermost members of the first sorted set that is there; waits for one if there is none.",
        args: &[double("timeout"), int_arg("numkeys"), KEY.multiple(), WHERE, COUNT],
        run: bzmpop,
        ..POP_OF_SEVERAL
    },
];

/// Which end of a sorted set is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

/// How the reply is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Members and scores in turn.
    Flat,
    /// An array of pairs.
    Nested,
    /// The key, the member and the score.
    KeyAndPair,
    /// The key and an array of pairs.
    KeyAndPairs,
}

impl End {
    fn event(self) -> &'static str {
        if self == End::Min { "zpopmin" } else { "zpopmax" }
    }
    fn command(self) -> &'static [u8] {
        if self == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" }
    }
}

/// The first of these keys that has a sorted set, and how many members that has.
fn first_there<'a>(call: &mut Call, keys: impl Iterator<Item = &'a [u8]>) -> Result<Option<(&'a [u8], u64)>> {
    let access = call.access();
    for key in keys {
        let entry = call.server.write_as(access, key, Type::SortedSet)?;
        if let Some(set) = entry.as_deref().and_then(Entry::sorted_set) {
            return Ok(Some((key, set.len())));
        }
    }
    Ok(None)
}

/// Takes `count` members, which are there, off one end.
fn pop(call: &mut Call, key: &[u8], (len, count): (u64, u64), end: End, shape: Shape) {
    let access = call.access();
    let positions = if end == End::Min { 0..count } else { len - count..len };
    match shape {
        Shape::Flat => call.reply.array(2 * count as usize),
        Shape::Nested => call.reply.array(count as usize),
        Shape::KeyAndPair => {
            call.reply.array(3);
            call.reply.bulk(key);
        }
        Shape::KeyAndPairs => {
            call.reply.array(2);
            call.reply.bulk(key);
            call.reply.array(count as usize);
        }
    }
    let Some(mut entry) = call.server.write(access, key) else { return };
    for (member, score) in
        entry.sorted_set().into_iter().flat_map(|set| set.pairs(positions.clone(), end == End::Max))
    {
        if matches!(shape, Shape::Nested | Shape::KeyAndPairs) {
            call.reply.array(2);
        }
        reply_member(call.reply, member);
        call.reply.double(score);
    }
    let garbage = entry.remove_positions(positions);
    garbage.into_iter().for_each(|object| call.server.discard(object));
    call.removed_members(key, count, sorted_set_event(end.event()));
}

fn zpop(call: &mut Call, end: End) -> Result {
    if call.args.len() > 3 {
        return Err(Error::SYNTAX);
    }
    let count = call.args.get(2).map(not_negative).transpose()?;
    let key = call.args.at(1);
    match first_there(call, std::iter::once(key))? {
        Some((_, len)) if count != Some(0) => {
            let nested = count.is_some() && call.reply.is_resp3();
            let shape = if nested { Shape::Nested } else { Shape::Flat };
            pop(call, key, (len, len.min(count.unwrap_or(1) as u64)), end, shape);
        }
        _ => call.reply.array(0),
    }
    Ok(())
}

/// `numkeys key [key ...] MIN | MAX [COUNT count]`
struct Several {
    keys: std::ops::Range<usize>,
    end: End,
    count: u64,
}

impl Several {
    fn read(args: Args, at: usize) -> Result<Self> {
        let positive = |text: &[u8], error| int(text).ok().filter(|n| *n > 0).ok_or(Error::new(error));
        let keys = positive(args.at(at), "ERR numkeys should be greater than 0")?;
        let first = at + 1;
        let end_at =
            usize::try_from(keys).ok().and_then(|keys| keys.checked_add(first)).ok_or(Error::SYNTAX)?;
        let mut cursor = Cursor::new(args, end_at);
        let end = if cursor.keyword("MIN") {
            End::Min
        } else if cursor.keyword("MAX") {
            End::Max
        } else {
            return Err(Error::SYNTAX);
        };
        let count = match cursor.keyword_with_value("COUNT") {
            Some(count) => positive(count, "ERR count should be greater than 0")? as u64,
            None => 1,
        };
        cursor.finish()?;
        Ok(Self { keys: first..end_at, end, count })
    }

    fn keys<'a>(&self, args: Args<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        args.from(self.keys.start).iter().take(self.keys.len())
    }

    /// Pops from the first sorted set that is there, if one is.
    fn pop(&self, call: &mut Call) -> Result<bool> {
        let Some((key, len)) = first_there(call, self.keys(call.args))? else { return Ok(false) };
        let count = self.count.min(len);
        pop(call, key, (len, count), self.end, Shape::KeyAndPairs);
        call.propagate(&[self.end.command(), key, itoa::Buffer::new().format(count).as_bytes()]);
        Ok(true)
    }
}

fn zmpop(call: &mut Call) -> Result {
    if !Several::read(call.args, 1)?.pop(call)? {
        call.reply.null_array();
    }
    Ok(())
}

fn bzmpop(call: &mut Call) -> Result {
    let several = Several::read(call.args, 2)?;
    let deadline = timeout_seconds(call.args.at(1), call.now)?;
    if !several.pop(call)? {
        wait(call, several.keys(call.args), deadline);
    }
    Ok(())
}

fn bzpop<'a>(call: &mut Call<'a>, end: End) -> Result {
    let last = call.args.len() - 1;
    let deadline = timeout_seconds(call.args.at(last), call.now)?;
    let keys = |args: Args<'a>| args.from(1).iter().take(last - 1);
    match first_there(call, keys(call.args))? {
        Some((key, len)) => {
            pop(call, key, (len, 1), end, Shape::KeyAndPair);
            call.propagate(&[end.command(), key]);
        }
        None => wait(call, keys(call.args), deadline),
    }
    Ok(())
}

/// Waits for a sorted set at one of the keys; in a transaction nothing is what there is.
fn wait<'a>(call: &mut Call, keys: impl Iterator<Item = &'a [u8]>, deadline: Option<u64>) {
    if call.may_block() {
        call.block_on(Awaited::SortedSet, keys, deadline);
    } else {
        call.reply.null_array();
    }
}
