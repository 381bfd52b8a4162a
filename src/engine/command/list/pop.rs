//! Taking elements from the ends of lists.

use super::{LIST, TAKE, WHERE, discard, end, indexes_at, length, limits, popped, took, write_element};
use crate::engine::command::args::{Cursor, int_between, not_negative};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::list::End;
use crate::engine::protocol::Args;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, int, key_at, keys_counted};

const POP: Command = Command {
    arity: AtLeast(2),
    flags: Flags::WRITE.or(Flags::FAST),
    keys: &[key_at(1, TAKE)],
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements returned",
    history: &[("6.2.0", "Added the `count` argument.")],
    args: &[KEY, int("count").optional().since("6.2.0")],
    ..LIST
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "LPOP",
        summary: "Removes elements at the head of a list and returns them.",
        run: |call| pop(call, End::Left),
        ..POP
    },
    Command {
        name: "RPOP",
        summary: "Removes elements at the tail of a list and returns them.",
        run: |call| pop(call, End::Right),
        ..POP
    },
    Command {
        name: "LMPOP",
        arity: AtLeast(4),
        flags: Flags::WRITE.or(Flags::MOVABLE_KEYS),
        keys: &[keys_counted(1, TAKE)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Removes elements at an end of the first list that there is and returns them.",
        args: &[int("numkeys"), KEY.multiple(), WHERE, int("count").token("COUNT").optional()],
        run: lmpop,
        ..LIST
    },
];

fn pop(call: &mut Call, end: End) -> Result {
    if call.args.len() > 3 {
        return Err(call.arity_error());
    }
    let key = call.args.at(1);
    let Some(count) = call.args.get(2) else {
        if !pop_one(call, key, end)? {
            call.reply.null();
        }
        return Ok(());
    };
    let count = not_negative(count)?;
    match (length(call, key)?, count) {
        (None, _) => call.reply.null_array(),
        (Some(_), 0) => call.reply.array(0),
        (Some(len), _) => {
            pop_several(call, key, end, count as usize, len)?;
        }
    }
    Ok(())
}

/// Removes the element at an end, if there is a list, and writes it.
pub(super) fn pop_one(call: &mut Call, key: &[u8], end: End) -> Result<bool> {
    let (access, limits) = (call.access(), limits(call.server));
    let Some(mut entry) = call.server.write_as(access, key, Type::List)? else {
        return Ok(false);
    };
    let garbage = entry.list_pop(end, limits, &mut |element| write_element(call.reply, element));
    let left = entry.list().len();
    discard(call, garbage);
    took(call, key, popped(end), 1, left);
    Ok(true)
}

/// Removes up to `count` elements at an end of a list of `len`, writes them, and says how many.
fn pop_several(call: &mut Call, key: &[u8], end: End, count: usize, len: usize) -> Result<usize> {
    let (access, limits) = (call.access(), limits(call.server));
    let range = indexes_at(end, count, len);
    let count = range.len();
    call.reply.array(count);
    let mut garbage = None;
    if let Some(mut entry) = call.server.write_as(access, key, Type::List)? {
        let list = entry.list();
        match end {
            End::Left => {
                list.elements(range.clone()).for_each(|element| write_element(call.reply, element));
            }
            End::Right => {
                list.elements_backward(range.clone()).for_each(|element| write_element(call.reply, element));
            }
        }
        garbage = Some(entry.list_remove(range, limits));
    }
    discard(call, garbage.into_iter().flatten());
    took(call, key, popped(end), count, len - count);
    Ok(count)
}

/// What LMPOP and BLMPOP ask for.
pub(super) struct Wanted<'a> {
    pub keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> Wanted<'a> {
    /// Reads the arguments from the number of keys on.
    pub(super) fn read(args: Args<'a>, from: usize) -> Result<Self> {
        let too_few = Error::new("ERR numkeys should be greater than 0");
        let keys = int_between(args.at(from), 1, i64::MAX, too_few.clone()).map_err(|_| too_few)? as usize;
        let mut cursor = Cursor::new(args, (from + 1).saturating_add(keys));
        let end = end(cursor.value()?)?;
        let mut count = None;
        while cursor.left() > 0 {
            let value = if count.is_none() { cursor.keyword_with_value("COUNT") } else { None };
            count = Some(element_count(value.ok_or(Error::SYNTAX)?)?);
        }
        Ok(Self { keys: args.first(from + 1 + keys).from(from + 1), end, count: count.unwrap_or(1) })
    }

    /// Serves it from the first list that there is; says whether there was one.
    pub(super) fn serve(&self, call: &mut Call) -> Result<bool> {
        for key in self.keys.iter() {
            let Some(len) = length(call, key)? else { continue };
            call.reply.array(2);
            call.reply.bulk(key);
            let count = pop_several(call, key, self.end, self.count, len)?;
            let verb: &[u8] = if self.end == End::Left { b"LPOP" } else { b"RPOP" };
            call.propagate(&[verb, key, itoa::Buffer::new().format(count).as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

/// How many elements COUNT and EXACTLY ask for.
pub(super) fn element_count(arg: &[u8]) -> Result<usize> {
    let too_few = Error::new("ERR count should be greater than 0");
    let count = int_between(arg, 1, i64::MAX, too_few.clone()).map_err(|_| too_few)?;
    Ok(count as usize)
}

fn lmpop(call: &mut Call) -> Result {
    if !Wanted::read(call.args, 1)?.serve(call)? {
        call.reply.null_array();
    }
    Ok(())
}
