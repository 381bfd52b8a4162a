//! When fields expire.

use super::lifetime::{Conditions, Given, unix_ms};
use super::write::after_removal;
use super::{FAST_READ, FAST_WRITE, FIELDS, HASH, READ, UPDATE, counted, hash_event, limits, moment};
use crate::engine::command::{Call, Command, Result, args};
use crate::engine::keyspace::{Entry, Type};
use crate::engine::protocol::Args;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, KEY, int, one_of, token, unix_time};

const CONDITION: Arg =
    one_of("condition", &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")])
        .optional();
const SETS: Command = Command {
    arity: AtLeast(6),
    flags: FAST_WRITE,
    keys: UPDATE,
    since: "7.4.0",
    complexity: "O(N) in the number of fields named.",
    ..HASH
};
const TELLS: Command = Command {
    arity: AtLeast(5),
    flags: FAST_READ,
    keys: READ,
    since: "7.4.0",
    complexity: "O(N) in the number of fields named.",
    args: &[KEY, FIELDS],
    ..HASH
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "HEXPIRE",
        summary: "Sets after how many seconds fields expire.",
        args: &[KEY, int("seconds"), CONDITION, FIELDS],
        run: |call| expire(call, true, true),
        ..SETS
    },
    Command {
        name: "HPEXPIRE",
        summary: "Sets after how many milliseconds fields expire.",
        args: &[KEY, int("milliseconds"), CONDITION, FIELDS],
        run: |call| expire(call, false, true),
        ..SETS
    },
    Command {
        name: "HEXPIREAT",
        summary: "Sets the Unix time in seconds at which fields expire.",
        args: &[KEY, unix_time("unix-time-seconds"), CONDITION, FIELDS],
        run: |call| expire(call, true, false),
        ..SETS
    },
    Command {
        name: "HPEXPIREAT",
        summary: "Sets the Unix time in milliseconds at which fields expire.",
        args: &[KEY, unix_time("unix-time-milliseconds"), CONDITION, FIELDS],
        run: |call| expire(call, false, false),
        ..SETS
    },
    Command {
        name: "HPERSIST",
        arity: AtLeast(5),
        summary: "Makes fields live for ever.",
        args: &[KEY, FIELDS],
        run: persist,
        ..SETS
    },
    Command {
        name: "HTTL",
        summary: "Returns in how many seconds fields expire.",
        tips: &["nondeterministic_output"],
        run: |call| tell(call, |at, now_ms| (at - now_ms + 999) / 1000),
        ..TELLS
    },
    Command {
        name: "HPTTL",
        summary: "Returns in how many milliseconds fields expire.",
        tips: &["nondeterministic_output"],
        run: |call| tell(call, |at, now_ms| at - now_ms),
        ..TELLS
    },
    Command {
        name: "HEXPIRETIME",
        summary: "Returns the Unix time in seconds at which fields expire.",
        run: |call| tell(call, |at, _| (at + 999) / 1000),
        ..TELLS
    },
    Command {
        name: "HPEXPIRETIME",
        summary: "Returns the Unix time in milliseconds at which fields expire.",
        run: |call| tell(call, |at, _| at),
        ..TELLS
    },
];

const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const CONDITION_NOT_MET: i64 = 0;
const SET: i64 = 1;
const DELETED: i64 = 2;

fn expire(call: &mut Call, seconds: bool, relative: bool) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    call.server.write_as(access, key, Type::Hash)?;
    let now_ms = call.now.unix_ms();
    let at = unix_ms(call, args::int(call.args.at(2))?, seconds, if relative { now_ms } else { 0 })?;
    let given = Given::of_expire(call)?;
    let limits = limits(call.server);
    let past = call.is_past(at);
    let Some(mut entry) = call.server.write_as(access, key, Type::Hash)? else {
        return nothing(call, given.fields);
    };
    let mut results = Vec::with_capacity(given.fields.len());
    entry.update(|entry| {
        for name in given.fields.iter() {
            let field = entry.hash().and_then(|hash| hash.get(name));
            results.push(match field {
                None => NO_FIELD,
                Some(field) if !given.conditions.hold(at, field.expires_at) => CONDITION_NOT_MET,
                Some(_) if past => {
                    entry.remove_field(name);
                    DELETED
                }
                Some(_) => {
                    entry.set_field_expiry(name, Some(at), &limits);
                    SET
                }
            });
        }
    });
    let emptied = entry.hash().is_some_and(|hash| hash.is_empty());
    if emptied {
        let entry = entry.remove();
        call.server.discard_entry(entry);
    }
    after_expire(call, key, at, &given, &results, emptied);
    call.reply.array(results.len());
    results.into_iter().for_each(|result| call.reply.int(result));
    Ok(())
}

/// Nothing is there: that is the answer for each field.
fn nothing(call: &mut Call, fields: Args) -> Result {
    call.reply.array(fields.len());
    fields.iter().for_each(|_| call.reply.int(NO_FIELD));
    Ok(())
}

/// The consequences: events, and what is propagated with absolute times.
fn after_expire(call: &mut Call, key: &[u8], at: i64, given: &Given, results: &[i64], emptied: bool) {
    let of = |wanted: i64| -> Vec<&[u8]> {
        let named = given.fields.iter().zip(results).filter(|(_, result)| **result == wanted);
        named.map(|(name, _)| name).collect()
    };
    let (deleted, set) = (of(DELETED), of(SET));
    deleted.iter().for_each(|name| call.propagate(&[b"HDEL", key, name]));
    if !set.is_empty() {
        propagate_expiry(call, key, at, given.conditions, &set);
    }
    if !deleted.is_empty() {
        after_removal(call, key, deleted.len(), emptied);
    } else if !set.is_empty() {
        call.changed(key, hash_event("hexpire"));
        call.server.dirty += set.len() as u64 - 1;
    }
}

/// Propagates that fields expire at a moment; the condition, which holds for all of them, goes along as Redis has it.
pub(super) fn propagate_expiry(
    call: &mut Call,
    key: &[u8],
    at: i64,
    conditions: Conditions,
    names: &[&[u8]],
) {
    let (at, count) = (at.to_string(), names.len().to_string());
    let mut argv: Vec<&[u8]> = vec![b"HPEXPIREAT", key, at.as_bytes()];
    argv.extend(conditions.word());
    argv.extend([b"FIELDS", count.as_bytes()]);
    argv.extend(names);
    call.propagate(&argv);
}

fn persist(call: &mut Call) -> Result {
    let (access, key, now_ms) = (call.access(), call.args.at(1), moment(call));
    call.server.write_as(access, key, Type::Hash)?;
    let fields = counted(call, 2)?;
    let limits = limits(call.server);
    let Some(mut entry) = call.server.write_as(access, key, Type::Hash)? else {
        return nothing(call, fields);
    };
    call.reply.array(fields.len());
    let reply = &mut *call.reply;
    let mut changed = 0;
    entry.update(|entry| {
        for name in fields.iter() {
            let field =
                entry.hash().and_then(|hash| hash.get(name)).filter(|field| !field.is_expired(now_ms));
            reply.int(match field.map(|field| field.expires_at) {
                None => NO_FIELD,
                Some(None) => NO_EXPIRY,
                Some(Some(_)) => {
                    entry.set_field_expiry(name, None, &limits);
                    changed += 1;
                    SET
                }
            });
        }
    });
    if changed > 0 {
        call.changed(key, hash_event("hpersist"));
    }
    Ok(())
}

fn tell(call: &mut Call, show: fn(i64, i64) -> i64) -> Result {
    let (access, key, living_at) = (call.access(), call.args.at(1), moment(call));
    call.server.read_as(access, key, Type::Hash)?;
    let (fields, now_ms) = (counted(call, 2)?, call.now.unix_ms());
    let hash = call.server.databases[access.db].lookup(key).and_then(Entry::hash);
    call.reply.array(fields.len());
    for name in fields.iter() {
        let field = hash.and_then(|hash| hash.get(name)).filter(|field| !field.is_expired(living_at));
        call.reply.int(match field.map(|field| field.expires_at) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(at)) => show(at, now_ms),
        });
    }
    Ok(())
}
