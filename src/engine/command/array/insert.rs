//! Inserting one element after the other: arrays as logs and as rings.

use super::get::write_element;
use super::{ARRAY, FAST_READ, GROWING, READ, UPDATE, array_event, change, read, write_index};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::array::INDEX_MAX;
use crate::engine::keyspace::{Array, Type};
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, int, key_at, string, token};
use crate::engine::text::number::{parse_i64, parse_loose_u64};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ARINSERT",
        arity: AtLeast(3),
        flags: GROWING.or(Flags::FAST),
        keys: &[key_at(1, UPDATE)],
        complexity: "O(N) where N is the number of values",
        summary: "Inserts values after the one inserted last; returns the index of the last of them.",
        args: &[KEY, string("value").multiple()],
        run: arinsert,
        ..ARRAY
    },
    Command {
        name: "ARRING",
        arity: AtLeast(4),
        flags: GROWING,
        keys: &[key_at(1, UPDATE)],
        complexity: "O(M) for M values; O(N+M) if the size N of the ring changes",
        summary: "Inserts values into a ring of so many places, over the oldest ones.",
        args: &[KEY, int("size"), string("value").multiple()],
        run: arring,
        ..ARRAY
    },
    Command {
        name: "ARNEXT",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        summary: "Returns the index at which the next value will be inserted.",
        args: &[KEY],
        run: arnext,
        ..ARRAY
    },
    Command {
        name: "ARSEEK",
        arity: Exactly(3),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, UPDATE)],
        summary: "Sets the index at which the next value will be inserted.",
        args: &[KEY, int("index")],
        run: arseek,
        ..ARRAY
    },
    Command {
        name: "ARLASTITEMS",
        arity: AtLeast(3),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        complexity: "O(N) where N is the count",
        summary: "Returns the elements inserted last, oldest first unless reversed.",
        args: &[KEY, int("count"), token("rev", "REV").optional()],
        run: arlastitems,
        ..ARRAY
    },
];

fn arinsert(call: &mut Call) -> Result {
    let (access, key, values) = (call.access(), call.args.at(1), call.args.from(2));
    let next = match call.server.write_as(access, key, Type::Array)? {
        Some(entry) => entry.array().map_or(0, |array| array.next),
        None => 0,
    };
    if next > INDEX_MAX || INDEX_MAX - next < values.len() as u64 - 1 {
        return Err(Error::new("ERR insert index overflow"));
    }
    change(call.server, access, key, |array| {
        for value in values.iter() {
            array.set(array.next, value);
            array.next += 1;
        }
    })?;
    call.changed(key, array_event("arinsert"));
    write_index(call.reply, next + values.len() as u64 - 1);
    Ok(())
}

fn arring(call: &mut Call) -> Result {
    let (access, key, values) = (call.access(), call.args.at(1), call.args.from(3));
    let size = parse_i64(call.args.at(2)).ok_or(Error::new("ERR invalid size"))?;
    if size <= 0 {
        return Err(Error::new("ERR size must be positive"));
    }
    let last = change(call.server, access, key, |array: &mut Array| array.ring(size as u64, values.iter()))?;
    call.changed(key, array_event("arring"));
    write_index(call.reply, last);
    Ok(())
}

fn arnext(call: &mut Call) -> Result {
    match read(call)?.map_or(0, |array| array.next) {
        u64::MAX => call.reply.null(),
        next => write_index(call.reply, next),
    }
    Ok(())
}

fn arseek(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let next = parse_loose_u64(call.args.at(2)).ok_or(super::BAD_INDEX)?;
    let mut entry = call.server.write_as(access, key, Type::Array)?;
    let array = entry.as_mut().and_then(|entry| entry.array_mut());
    let found = array.is_some();
    if let Some(array) = array {
        array.next = next;
        call.changed(key, array_event("arseek"));
    }
    call.reply.int(found as i64);
    Ok(())
}

fn arlastitems(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let most = parse_i64(call.args.at(2)).ok_or(Error::new("ERR invalid COUNT"))?;
    if most <= 0 {
        call.reply.array(0);
        return Ok(());
    }
    let newest_first = match call.args.len() {
        3 => false,
        4 if call.args.at(3).eq_ignore_ascii_case(b"REV") => true,
        4 => return Err(Error::SYNTAX),
        _ => return Err(call.arity_error()),
    };
    let entry = call.server.read_as(access, key, Type::Array)?;
    let Some(array) = entry.and_then(|entry| entry.array()) else {
        call.reply.array(0);
        return Ok(());
    };
    let mut items: Vec<_> = array.newest(most as u64).collect();
    if !newest_first {
        items.reverse();
    }
    call.reply.array(items.len());
    items.into_iter().for_each(|item| write_element(call.reply, item));
    Ok(())
}
