//! XLEN, XRANGE and XREVRANGE.

use super::ids::{range_end, range_start};
use super::{STREAM, read, write_entry};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::stream::Entry;
use crate::engine::protocol::Reply;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Arg, Flags, KEY, KeyFlags, int, key_at, string};

const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const COUNT: Arg = int("count").token("COUNT").optional();
const RANGE: Command = Command {
    arity: AtLeast(4),
    flags: Flags::READONLY,
    keys: &[key_at(1, READ)],
    since: "5.0.0",
    complexity: "O(log(N)+M) with N being the number of entries and M the number returned.",
    history: &[("6.2.0", "Added exclusive ranges.")],
    ..STREAM
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XLEN",
        arity: Exactly(2),
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RO)],
        since: "5.0.0",
        summary: "Returns how many entries a stream has.",
        args: &[KEY],
        run: xlen,
        ..STREAM
    },
    Command {
        name: "XRANGE",
        summary: "Returns the entries between two ids.",
        args: &[KEY, string("start"), string("end"), COUNT],
        run: xrange,
        ..RANGE
    },
    Command {
        name: "XREVRANGE",
        summary: "Returns the entries between two ids, the last first.",
        args: &[KEY, string("end"), string("start"), COUNT],
        run: xrevrange,
        ..RANGE
    },
];

fn xlen(call: &mut Call) -> Result {
    let access = call.access();
    let stream = read(call.server, access, call.args.at(1))?;
    call.reply.int(stream.map_or(0, |stream| stream.len() as i64));
    Ok(())
}

fn xrange(call: &mut Call) -> Result {
    range(call, false)
}

fn xrevrange(call: &mut Call) -> Result {
    range(call, true)
}

fn range(call: &mut Call, backward: bool) -> Result {
    let (start_at, end_at) = if backward { (3, 2) } else { (2, 3) };
    let (start, end) = (range_start(call.args.at(start_at))?, range_end(call.args.at(end_at))?);
    let mut cursor = Cursor::new(call.args, 4);
    let mut count = None;
    while cursor.left() > 0 {
        let text = cursor.keyword_with_value("COUNT").ok_or(Error::SYNTAX)?;
        count = Some(crate::engine::command::args::int(text)?.max(0) as usize);
    }
    let access = call.access();
    let Some(stream) = read(call.server, access, call.args.at(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    match count {
        Some(0) => call.reply.null_array(),
        count if backward => write_all(call.reply, stream.entries_back(start, end), count),
        count => write_all(call.reply, stream.entries(start, end), count),
    }
    Ok(())
}

/// An array of entries, at most `count`.
pub(super) fn write_all<'a>(
    reply: &mut Reply,
    entries: impl Iterator<Item = Entry<'a>>,
    count: Option<usize>,
) {
    let (mark, mut written) = (reply.mark(), 0);
    for entry in entries.take(count.unwrap_or(usize::MAX)) {
        write_entry(reply, &entry);
        written += 1;
    }
    reply.array_at(mark, written);
}
