//! Walking over the elements that are there.

use super::get::write_element;
use super::{ARRAY, READ, index, write_index};
use crate::engine::command::args;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, int, key_at};

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "ARSCAN",
    arity: AtLeast(4),
    flags: Flags::READONLY,
    keys: &[key_at(1, READ)],
    complexity: "O(M + log N) for M elements returned",
    summary: "Returns the elements in a range with their indexes; backwards if it ends before it starts.",
    args: &[KEY, int("start"), int("end"), int("limit").token("LIMIT").optional()],
    run: arscan,
    ..ARRAY
}];

/// What follows LIMIT.
pub(super) fn limit(arg: &[u8]) -> Result<usize> {
    match args::int(arg)? {
        limit @ 1.. => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
        _ => Err(Error::new("ERR LIMIT must be positive")),
    }
}

fn arscan(call: &mut Call) -> Result {
    let (from, to) = (index(call.args.at(2))?, index(call.args.at(3))?);
    let most = match call.args.from(4) {
        rest if rest.len() == 0 => usize::MAX,
        rest if rest.len() != 2 => return Err(call.arity_error()),
        rest if !rest.at(0).eq_ignore_ascii_case(b"LIMIT") => return Err(Error::SYNTAX),
        rest => limit(rest.at(1))?,
    };
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.read_as(access, key, Type::Array)?;
    let mark = call.reply.mark();
    let mut count = 0;
    for (index, element) in
        entry.and_then(|entry| entry.array()).into_iter().flat_map(|array| array.range(from, to)).take(most)
    {
        call.reply.array(2);
        write_index(call.reply, index);
        write_element(call.reply, Some(element));
        count += 1;
    }
    call.reply.array_at(mark, count);
    Ok(())
}
