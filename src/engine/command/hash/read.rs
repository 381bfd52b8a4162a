//! Looking at fields and values.

use super::{FAST_READ, HASH, READ, element, moment};
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::value::Field;
use crate::engine::protocol::Reply;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, KeyFlags, Keys, key_at, string};
use smallvec::SmallVec;

const LOOK: &[Keys] = &[key_at(1, KeyFlags::RO)];
const ALL: Command = Command {
    arity: Exactly(2),
    flags: Flags::READONLY,
    keys: READ,
    since: "2.0.0",
    complexity: "O(N) in the number of fields.",
    tips: &["nondeterministic_output_order"],
    args: &[KEY],
    ..HASH
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "HGET",
        arity: Exactly(3),
        flags: FAST_READ,
        keys: READ,
        member: Some(2),
        since: "2.0.0",
        summary: "Returns the value of a field.",
        args: &[KEY, string("field")],
        run: hget,
        ..HASH
    },
    Command {
        name: "HMGET",
        arity: AtLeast(3),
        flags: FAST_READ,
        keys: READ,
        since: "2.0.0",
        complexity: "O(N) in the number of fields asked for.",
        summary: "Returns the values of some fields.",
        args: &[KEY, string("field").multiple()],
        run: hmget,
        ..HASH
    },
    Command {
        name: "HSTRLEN",
        arity: Exactly(3),
        flags: FAST_READ,
        keys: LOOK,
        since: "3.2.0",
        summary: "Returns how long the value of a field is.",
        args: &[KEY, string("field")],
        run: hstrlen,
        ..HASH
    },
    Command {
        name: "HEXISTS",
        arity: Exactly(3),
        flags: FAST_READ,
        keys: LOOK,
        member: Some(2),
        since: "2.0.0",
        summary: "Tells whether a hash has a field.",
        args: &[KEY, string("field")],
        run: hexists,
        ..HASH
    },
    Command {
        name: "HLEN",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: LOOK,
        since: "2.0.0",
        summary: "Returns how many fields a hash has.",
        args: &[KEY],
        run: hlen,
        ..HASH
    },
    Command { name: "HKEYS", summary: "Returns all fields.", run: |call| all(call, true, false), ..ALL },
    Command { name: "HVALS", summary: "Returns all values.", run: |call| all(call, false, true), ..ALL },
    Command {
        name: "HGETALL",
        summary: "Returns all fields with their values.",
        run: |call| all(call, true, true),
        ..ALL
    },
];

/// Looks a field up and has it shown, unless it has expired. Such a field is removed.
#[inline]
fn look(call: &mut Call, show: impl FnOnce(&mut Reply, Option<Field>)) -> Result {
    let (access, key, name, now_ms) = (call.access(), call.args.at(1), call.args.at(2), moment(call));
    let entry = call.server.read_as(access, key, Type::Hash)?;
    let field = entry.and_then(|entry| entry.hash()).and_then(|hash| hash.get(name));
    let expired = field.is_some_and(|field| field.is_expired(now_ms));
    show(call.reply, field.filter(|_| !expired));
    if expired {
        call.server.expire_fields(access.db, key, &[name]);
    }
    Ok(())
}

fn hget(call: &mut Call) -> Result {
    look(call, |reply, field| match field {
        Some(field) => element(reply, field.value),
        None => reply.null(),
    })
}

fn hstrlen(call: &mut Call) -> Result {
    look(call, |reply, field| reply.int(field.map_or(0, |field| field.value.len() as i64)))
}

fn hexists(call: &mut Call) -> Result {
    look(call, |reply, field| reply.int(field.is_some().into()))
}

fn hmget(call: &mut Call) -> Result {
    let (access, key, names, now_ms) = (call.access(), call.args.at(1), call.args.from(2), moment(call));
    let entry = call.server.read_as(access, key, Type::Hash)?;
    let hash = entry.and_then(|entry| entry.hash());
    let mut expired = SmallVec::<[&[u8]; 4]>::new();
    call.reply.array(names.len());
    for name in names.iter() {
        match hash.and_then(|hash| hash.get(name)) {
            Some(field) if field.is_expired(now_ms) => {
                call.reply.null();
                expired.push(name);
            }
            Some(field) => element(call.reply, field.value),
            None => call.reply.null(),
        }
    }
    if !expired.is_empty() {
        call.server.expire_fields(access.db, key, &expired);
    }
    Ok(())
}

fn hlen(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    // What has expired counts until it is removed, as in Redis.
    let entry = call.server.read_as(access, key, Type::Hash)?;
    let count = entry.and_then(|entry| entry.hash()).map_or(0, |hash| hash.len());
    call.reply.int(count as i64);
    Ok(())
}

fn all(call: &mut Call, names: bool, values: bool) -> Result {
    let (access, key, now_ms) = (call.access(), call.args.at(1), moment(call));
    let entry = call.server.read_as(access, key, Type::Hash)?;
    let hash = entry.and_then(|entry| entry.hash());
    let (mark, mut count) = (call.reply.mark(), 0);
    let known = hash.filter(|hash| hash.next_due().is_none()).map(|hash| hash.len());
    let header = |reply: &mut Reply, count| {
        if names && values { reply.map(count) } else { reply.array(count) }
    };
    known.into_iter().for_each(|count| header(call.reply, count));
    if let Some(hash) = hash {
        hash.for_each(|field| {
            if !field.is_expired(now_ms) {
                count += 1;
                if names {
                    element(call.reply, field.name);
                }
                if values {
                    element(call.reply, field.value);
                }
            }
        });
    }
    match known {
        Some(_) => {}
        None if names && values => call.reply.map_at(mark, count),
        None => call.reply.array_at(mark, count),
    }
    Ok(())
}
