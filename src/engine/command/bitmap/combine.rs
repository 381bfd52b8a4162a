//! BITOP: strings combined bit by bit.

use super::{BITMAP, GROWING};
use crate::engine::command::call::{generic_event, string_event};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::value::bits::{self, Operation, Source};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{KeyFlags, key, key_at, keys_from, one_of, token};

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "BITOP",
    arity: AtLeast(4),
    flags: GROWING,
    keys: &[key_at(2, KeyFlags::OW.or(KeyFlags::UPDATE)), keys_from(3, KeyFlags::RO.or(KeyFlags::ACCESS))],
    since: "2.6.0",
    complexity: "O(N) in the lengths of all strings.",
    summary: "Combines strings bit by bit and stores the result.",
    args: &[
        one_of(
            "operation",
            &[
                token("and", "AND"),
                token("or", "OR"),
                token("xor", "XOR"),
                token("not", "NOT"),
                token("diff", "DIFF"),
                token("diff1", "DIFF1"),
                token("andor", "ANDOR"),
                token("one", "ONE"),
            ],
        ),
        key("destkey", 0),
        key("key", 1).multiple(),
    ],
    run: bitop,
    ..BITMAP
}];

/// The operation of this name, if it takes so many strings.
fn operation(name: &[u8], sources: usize) -> Result<Operation> {
    let operation = match &*name.to_ascii_uppercase() {
        b"AND" => Operation::And,
        b"OR" => Operation::Or,
        b"XOR" => Operation::Xor,
        b"NOT" => Operation::Not,
        b"DIFF" => Operation::Diff,
        b"DIFF1" => Operation::Diff1,
        b"ANDOR" => Operation::AndOr,
        b"ONE" => Operation::One,
        _ => return Err(Error::SYNTAX),
    };
    let two = |name: &str| {
        Err(Error::text(format!("ERR BITOP {name} must be called with at least two source keys.")))
    };
    match operation {
        Operation::Not if sources > 1 => {
            Err(Error::new("ERR BITOP NOT must be called with a single source key."))
        }
        Operation::Diff if sources < 2 => two("DIFF"),
        Operation::Diff1 if sources < 2 => two("DIFF1"),
        Operation::AndOr if sources < 2 => two("ANDOR"),
        _ => Ok(operation),
    }
}

fn bitop(call: &mut Call) -> Result {
    let (access, target, keys) = (call.access(), call.args.at(2), call.args.from(3));
    let operation = operation(call.args.at(1), keys.len())?;
    // A key that has expired may stay in the table, hidden: only the first look knows.
    let mut live = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        live.push(call.server.read_string(access, key)?.is_some());
    }
    // A long string at the target gives its memory to the result.
    let mut result = call.server.take_string(access, target);
    let taken = !result.is_empty();
    let database = &call.server.databases[access.db];
    let mut digits: Vec<IntBuf> = live.iter().map(|_| IntBuf::new()).collect();
    let sources = keys.iter().zip(live).zip(&mut digits);
    let sources: Vec<Source> = sources
        .map(|((key, live), digits)| match database.lookup(key).filter(|_| live) {
            Some(_) if taken && key == target => Source::Replaced,
            entry => Source::Bytes(entry.and_then(|entry| entry.string(digits)).unwrap_or_default()),
        })
        .collect();
    bits::combine(operation, &sources, &mut result);
    call.reply.int(result.len() as i64);
    if !result.is_empty() {
        call.server.set_raw(access, target, result);
        call.changed(target, string_event("set"));
    } else if call.server.remove(access, target) {
        call.changed(target, generic_event("del"));
    }
    Ok(())
}
