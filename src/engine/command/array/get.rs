//! Reading elements by index, and what is known of an array.

use super::{ARRAY, FAST_READ, READ, index, read, write_index};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::protocol::Reply;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, int, key_at, token};

/// Elements that ARGETRANGE returns at most.
const RANGE_MAX: u64 = 1_000_000;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ARGET",
        arity: Exactly(3),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        complexity: "O(log N)",
        summary: "Returns the element at an index.",
        args: &[KEY, int("index")],
        run: arget,
        ..ARRAY
    },
    Command {
        name: "ARMGET",
        arity: AtLeast(3),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        complexity: "O(M log N) where M is the number of indices",
        summary: "Returns the elements at several indexes.",
        args: &[KEY, int("index").multiple()],
        run: armget,
        ..ARRAY
    },
    Command {
        name: "ARGETRANGE",
        arity: Exactly(4),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        complexity: "O(N) where N is the range length",
        summary: "Returns all places of a range, empty ones included; backwards if it ends before it starts.",
        args: &[KEY, int("start"), int("end")],
        run: argetrange,
        ..ARRAY
    },
    Command {
        name: "ARLEN",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        summary: "Returns the highest index that has an element, plus one.",
        args: &[KEY],
        run: arlen,
        ..ARRAY
    },
    Command {
        name: "ARCOUNT",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        summary: "Returns the number of elements.",
        args: &[KEY],
        run: arcount,
        ..ARRAY
    },
    Command {
        name: "ARINFO",
        arity: AtLeast(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        summary: "Tells how an array is stored.",
        args: &[KEY, token("full", "FULL").optional()],
        run: arinfo,
        ..ARRAY
    },
];

/// Writes an element, or that there is none.
pub(super) fn write_element(reply: &mut Reply, element: Option<Element>) {
    match element {
        Some(element) => reply.bulk(element.bytes(&mut IntBuf::new())),
        None => reply.null(),
    }
}

fn arget(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.read_as(access, key, Type::Array)?;
    let index = index(call.args.at(2))?;
    write_element(call.reply, entry.and_then(|entry| entry.array()?.get(index)));
    Ok(())
}

fn armget(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.read_as(access, key, Type::Array)?;
    let indexes = call.args.from(2).iter().map(index).collect::<Result<Vec<u64>>>()?;
    let array = entry.and_then(|entry| entry.array());
    call.reply.array(indexes.len());
    for index in indexes {
        write_element(call.reply, array.and_then(|array| array.get(index)));
    }
    Ok(())
}

fn argetrange(call: &mut Call) -> Result {
    let (from, to) = (index(call.args.at(2))?, index(call.args.at(3))?);
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.read_as(access, key, Type::Array)?;
    if from.abs_diff(to) >= RANGE_MAX {
        return Err(Error::text(format!("ERR range exceeds maximum of {RANGE_MAX} items")));
    }
    let mut elements = entry.and_then(|entry| entry.array()).map(|array| array.range(from, to).peekable());
    call.reply.array(from.abs_diff(to) as usize + 1);
    for offset in 0..=from.abs_diff(to) {
        let place = if from <= to { from + offset } else { from - offset };
        let next = elements.as_mut().and_then(|elements| elements.next_if(|(index, _)| *index == place));
        write_element(call.reply, next.map(|(_, element)| element));
    }
    Ok(())
}

fn arlen(call: &mut Call) -> Result {
    let length = read(call)?.map_or(0, |array| array.len());
    write_index(call.reply, length);
    Ok(())
}

fn arcount(call: &mut Call) -> Result {
    let count = read(call)?.map_or(0, |array| array.count());
    write_index(call.reply, count);
    Ok(())
}

/// The fields are Redis's. A slice is a packed run here, all of the same kind, found through a tree
/// instead of directories.
fn arinfo(call: &mut Call) -> Result {
    let full = match call.args.from(2) {
        rest if rest.len() == 0 => false,
        rest if rest.len() == 1 && rest.at(0).eq_ignore_ascii_case(b"FULL") => true,
        _ => return Err(Error::SYNTAX),
    };
    let slice_size = call.server.config.array_slice_size;
    let array = read(call)?.ok_or(Error::NO_SUCH_KEY)?;
    let (count, slices) = (array.count(), array.slices() as u64);
    let next = if array.next == u64::MAX { 0 } else { array.next };
    let facts = [
        ("count", count),
        ("len", array.len()),
        ("next-insert-index", next),
        ("slices", slices),
        ("directory-size", slices),
        ("super-dir-entries", 0),
        ("slice-size", slice_size),
    ];
    call.reply.map(if full { 12 } else { 7 });
    for (name, value) in facts {
        call.reply.bulk(name.as_bytes());
        write_index(call.reply, value);
    }
    if full {
        for (name, value) in [("dense-slices", 0), ("sparse-slices", slices)] {
            call.reply.bulk(name.as_bytes());
            write_index(call.reply, value);
        }
        let mean = count as f64 / slices as f64;
        for (name, value) in [("avg-dense-size", 0.0), ("avg-dense-fill", 0.0), ("avg-sparse-size", mean)] {
            call.reply.bulk(name.as_bytes());
            call.reply.double(value);
        }
    }
    Ok(())
}
