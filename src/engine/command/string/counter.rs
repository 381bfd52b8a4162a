//! Numbers kept as strings: adding to them.

use super::{FAST_GROWING, STRING};
use crate::engine::command::args::int;
use crate::engine::command::call::string_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::{Expiry, NewValue};
use crate::engine::spec::Arity::Exactly;
use crate::engine::spec::{KEY, KeyFlags, double, int as int_arg, key_at};
use crate::engine::text::long_double::LongDouble;

pub(super) const UPDATE: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE);

const COUNTER: Command = Command { flags: FAST_GROWING, keys: &[key_at(1, UPDATE)], ..STRING };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "INCR",
        arity: Exactly(2),
        since: "1.0.0",
        summary: "Adds one to the whole number at a key.",
        args: &[KEY],
        run: incr,
        ..COUNTER
    },
    Command {
        name: "DECR",
        arity: Exactly(2),
        since: "1.0.0",
        summary: "Subtracts one from the whole number at a key.",
        args: &[KEY],
        run: decr,
        ..COUNTER
    },
    Command {
        name: "INCRBY",
        arity: Exactly(3),
        since: "1.0.0",
        summary: "Adds a whole number to the whole number at a key.",
        args: &[KEY, int_arg("increment")],
        run: incrby,
        ..COUNTER
    },
    Command {
        name: "DECRBY",
        arity: Exactly(3),
        since: "1.0.0",
        summary: "Subtracts a whole number from the whole number at a key.",
        args: &[KEY, int_arg("decrement")],
        run: decrby,
        ..COUNTER
    },
    Command {
        name: "INCRBYFLOAT",
        arity: Exactly(3),
        since: "2.6.0",
        summary: "Adds a number to the number at a key, with decimals.",
        args: &[KEY, double("increment")],
        run: incrbyfloat,
        ..COUNTER
    },
];

fn incr(call: &mut Call) -> Result {
    add(call, 1)
}

fn decr(call: &mut Call) -> Result {
    add(call, -1)
}

fn incrby(call: &mut Call) -> Result {
    let delta = int(call.args.at(2))?;
    add(call, delta)
}

fn decrby(call: &mut Call) -> Result {
    let delta = int(call.args.at(2))?.checked_neg().ok_or(Error::new("ERR decrement would overflow"))?;
    add(call, delta)
}

/// Adds in place; a key that is not there counts as 0.
fn add(call: &mut Call, delta: i64) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let total = match call.server.write_string(access, key)? {
        Some(mut entry) => {
            let old = entry.string_integer().flatten().ok_or(Error::NOT_INTEGER)?;
            let total = old.checked_add(delta).ok_or(Error::OVERFLOW)?;
            // An integer stays in its place; nothing is displaced by it.
            entry.set_value(NewValue::Int(total));
            total
        }
        None => {
            call.server.set(access, key, NewValue::Int(delta), Expiry::Never);
            delta
        }
    };
    call.changed(key, string_event("incrby"));
    call.reply.int(total);
    Ok(())
}

/// The number at a key as a decimal with 64 bits of precision, as Redis computes on x86.
pub(super) fn read_long_double(call: &mut Call, key: &[u8]) -> Result<Option<LongDouble>> {
    let Some(entry) = call.server.write_string(call.access(), key)? else { return Ok(None) };
    let mut digits = IntBuf::new();
    let text = entry.string(&mut digits).unwrap_or_default();
    LongDouble::parse(text).map(Some).ok_or(Error::NOT_FLOAT)
}

fn incrbyfloat(call: &mut Call) -> Result {
    let key = call.args.at(1);
    let old = read_long_double(call, key)?;
    let delta = LongDouble::parse(call.args.at(2)).ok_or(Error::NOT_FLOAT)?;
    let total = old.unwrap_or(LongDouble::from(0)).checked_add(delta);
    let text = total.ok_or(Error::NAN)?.to_human_string();
    store_number(call, key, decimal(&text), Expiry::Keep);
    call.changed(key, string_event("incrbyfloat"));
    call.propagate(&[b"SET", key, text.as_bytes(), b"KEEPTTL"]);
    call.reply.bulk(text.as_bytes());
    Ok(())
}

/// A decimal to be stored. Its encoding is `embstr` even if it is a whole number.
pub(super) fn decimal(text: &str) -> NewValue<'_> {
    NewValue::Str(text.as_bytes())
}

/// Stores a sum. A key that was there is changed, not overwritten: it has another event.
pub(super) fn store_number(call: &mut Call, key: &[u8], value: NewValue, expiry: Expiry) {
    let access = call.access();
    let Some(mut entry) = call.server.write(access, key) else {
        return call.server.set(access, key, value, expiry);
    };
    let displaced = entry.set_value(value);
    match expiry {
        Expiry::Never => entry.set_expiry(None),
        Expiry::At(ms) => entry.set_expiry(Some(ms)),
        Expiry::Keep => {}
    }
    if let Some(object) = displaced {
        call.server.discard(object);
    }
}
