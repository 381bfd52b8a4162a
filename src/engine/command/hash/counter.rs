//! Fields as counters.

use super::write::put_number;
use super::{FAST_GROWING, HASH, hash_event, moment};
use crate::engine::command::args::int;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{IntBuf, Type};
use crate::engine::spec::Arity::Exactly;
use crate::engine::spec::{KEY, KeyFlags, double, int as int_arg, key_at, string};
use crate::engine::text::long_double::LongDouble;
use crate::engine::text::number::parse_i64;

const COUNTER: Command = Command {
    arity: Exactly(4),
    flags: FAST_GROWING,
    keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
    ..HASH
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "HINCRBY",
        since: "2.0.0",
        summary: "Adds a whole number to the whole number in a field.",
        args: &[KEY, string("field"), int_arg("increment")],
        run: hincrby,
        ..COUNTER
    },
    Command {
        name: "HINCRBYFLOAT",
        since: "2.6.0",
        summary: "Adds a number to the number in a field, with decimals.",
        args: &[KEY, string("field"), double("increment")],
        run: hincrbyfloat,
        ..COUNTER
    },
];

/// Reads the number in the field; 0 if there is none. An expired field is removed.
fn number<T: From<i64>>(call: &mut Call, parse: impl Fn(&[u8]) -> Option<T>, error: Error) -> Result<T> {
    let (access, key, name, now_ms) = (call.access(), call.args.at(1), call.args.at(2), moment(call));
    let entry = call.server.write_as(access, key, Type::Hash)?;
    let field = entry.as_ref().and_then(|entry| entry.hash()).and_then(|hash| hash.get(name));
    let Some(field) = field else { return Ok(T::from(0)) };
    if field.is_expired(now_ms) {
        call.server.expire_fields(access.db, key, &[name]);
        return Ok(T::from(0));
    }
    parse(field.value.bytes(&mut IntBuf::new())).ok_or(error)
}

fn hincrby(call: &mut Call) -> Result {
    let (key, name, delta) = (call.args.at(1), call.args.at(2), int(call.args.at(3))?);
    let old: i64 = number(call, parse_i64, Error::new("ERR hash value is not an integer"))?;
    let total = old.checked_add(delta).ok_or(Error::OVERFLOW)?;
    put_number(call, key, name, IntBuf::new().format(total));
    call.changed(key, hash_event("hincrby"));
    call.reply.int(total);
    Ok(())
}

fn hincrbyfloat(call: &mut Call) -> Result {
    let (key, name) = (call.args.at(1), call.args.at(2));
    let delta = LongDouble::parse(call.args.at(3)).ok_or(Error::NOT_FLOAT)?;
    if !delta.is_finite() {
        return Err(Error::new("ERR value is NaN or Infinity"));
    }
    let old: LongDouble = number(call, LongDouble::parse, Error::new("ERR hash value is not a float"))?;
    let total = old.checked_add(delta).ok_or(Error::NAN)?.to_human_string();
    put_number(call, key, name, total.as_bytes());
    call.changed(key, hash_event("hincrbyfloat"));
    call.propagate(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", name, total.as_bytes()]);
    call.reply.bulk(total.as_bytes());
    Ok(())
}
