//! Setting and deleting elements by index.

use super::{ARRAY, BAD_INDEX, GROWING, UPDATE, array_event, change, check_pairs, index};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::array::INDEX_MAX;
use crate::engine::keyspace::{Array, Object, Type};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, KeyFlags, block, int, key_at, string};

const DELETE: KeyFlags = KeyFlags::RW.or(KeyFlags::DELETE);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ARSET",
        arity: AtLeast(4),
        flags: GROWING.or(Flags::FAST),
        keys: &[key_at(1, UPDATE)],
        complexity: "O(N) where N is the number of values",
        summary: "Sets the elements from an index on; returns how many of them are new.",
        args: &[KEY, int("index"), string("value").multiple()],
        run: arset,
        ..ARRAY
    },
    Command {
        name: "ARMSET",
        arity: AtLeast(4),
        flags: GROWING.or(Flags::FAST),
        keys: &[key_at(1, UPDATE)],
        complexity: "O(N) where N is the number of pairs",
        summary: "Sets elements at several indexes; returns how many of them are new.",
        args: &[KEY, block("data", &[int("index"), string("value")]).multiple()],
        run: armset,
        ..ARRAY
    },
    Command {
        name: "ARDEL",
        arity: AtLeast(3),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, DELETE)],
        complexity: "O(N) where N is the number of indices to delete",
        summary: "Deletes the elements at several indexes; returns how many there were.",
        args: &[KEY, int("index").multiple()],
        run: ardel,
        ..ARRAY
    },
    Command {
        name: "ARDELRANGE",
        arity: AtLeast(4),
        flags: Flags::WRITE,
        keys: &[key_at(1, DELETE)],
        complexity: "O(R log N) for R ranges of an array of N elements; the elements are freed later",
        summary: "Deletes all elements in one or more ranges; returns how many there were.",
        args: &[KEY, block("range", &[int("start"), int("end")]).multiple()],
        run: ardelrange,
        ..ARRAY
    },
];

fn arset(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let (first, values) = (index(call.args.at(2))?, call.args.from(3));
    if INDEX_MAX - first < values.len() as u64 - 1 {
        return Err(Error::new("ERR array index overflow"));
    }
    let set = |array: &mut Array| {
        let new = |(offset, value)| array.set(first + offset, value);
        (0..).zip(values.iter()).map(new).filter(|new| *new).count()
    };
    let new = change(call.server, access, key, set)?;
    call.changed(key, array_event("arset"));
    call.reply.int(new as i64);
    Ok(())
}

fn armset(call: &mut Call) -> Result {
    check_pairs(call, 2)?;
    let (access, key) = (call.access(), call.args.at(1));
    let pairs = call.args.from(2);
    let indexes = pairs.iter().step_by(2).map(index).collect::<Result<Vec<u64>>>()?;
    let set = |array: &mut Array| {
        let values = pairs.iter().skip(1).step_by(2);
        let new = |(index, value): (&u64, _)| array.set(*index, value);
        indexes.iter().zip(values).map(new).filter(|new| *new).count()
    };
    let new = change(call.server, access, key, set)?;
    call.changed(key, array_event("armset"));
    call.reply.int(new as i64);
    Ok(())
}

fn ardel(call: &mut Call) -> Result {
    let indexes = call.args.from(2).iter().map(index).collect::<Result<Vec<u64>>>()?;
    delete(call, "ardel", |array| indexes.iter().filter(|index| array.remove(**index)).count() as u64)
}

fn ardelrange(call: &mut Call) -> Result {
    check_pairs(call, 2)?;
    let bounds = call.args.from(2).iter().map(index).collect::<Result<Vec<u64>>>()?;
    let mut removed = Vec::new();
    let outcome = delete(call, "ardelrange", |array| {
        for range in bounds.chunks(2) {
            removed.push(array.remove_range(range[0].min(range[1]), range[0].max(range[1])));
        }
        removed.iter().map(Array::count).sum()
    });
    for array in removed {
        call.server.discard(Box::new(Object::Array(Box::new(array))));
    }
    outcome
}

/// Lets `remove` remove elements of the array, and the key with the last one; replies how many they were.
fn delete(call: &mut Call, event: &'static str, remove: impl FnOnce(&mut Array) -> u64) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let Some(mut entry) = call.server.write_as(access, key, Type::Array)? else {
        call.reply.int(0);
        return Ok(());
    };
    let array = entry.array_mut().ok_or(BAD_INDEX)?;
    let removed = remove(array);
    let is_empty = array.is_empty();
    call.reply.int(removed as i64);
    if removed > 0 {
        call.changed(key, array_event(event));
    }
    if is_empty {
        call.server.remove(access, key);
        call.changed(key, crate::engine::command::call::generic_event("del"));
    }
    Ok(())
}
