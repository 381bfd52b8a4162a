//! Single bits.

use super::{BITMAP, FAST_READ, GROWING, offset};
use crate::engine::command::call::string_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::value::bits;
use crate::engine::spec::Arity::Exactly;
use crate::engine::spec::{KEY, KeyFlags, int, key_at};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SETBIT",
        arity: Exactly(4),
        flags: GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        since: "2.2.0",
        summary: "Sets or clears one bit of a string, which grows as needed, and returns what it was.",
        args: &[KEY, int("offset"), int("value")],
        run: setbit,
        ..BITMAP
    },
    Command {
        name: "GETBIT",
        arity: Exactly(3),
        flags: FAST_READ,
        keys: &[key_at(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        since: "2.2.0",
        summary: "Returns one bit of a string.",
        args: &[KEY, int("offset")],
        run: getbit,
        ..BITMAP
    },
];

fn setbit(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let offset = offset(call, call.args.at(2), 1)?;
    let bit = match call.args.at(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(Error::new("ERR bit is not an integer or out of range")),
    };
    let (bytes, grown) = call.server.string_to_change(access, key, offset / 8 + 1)?;
    let before = bits::put(bytes, offset, bit);
    if grown || before != bit {
        call.changed(key, string_event("setbit"));
    }
    call.reply.int(before.into());
    Ok(())
}

fn getbit(call: &mut Call) -> Result {
    let offset = offset(call, call.args.at(2), 1)?;
    let entry = call.server.read_string(call.access(), call.args.at(1))?;
    let mut digits = IntBuf::new();
    let string = entry.and_then(|entry| entry.string(&mut digits)).unwrap_or_default();
    call.reply.int(bits::get(string, offset).into());
    Ok(())
}
