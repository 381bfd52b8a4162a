//! Changing part of a string.

use super::{FAST_GROWING, GROWING, STRING};
use crate::engine::command::args::int;
use crate::engine::command::call::string_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{Expiry, NewValue};
use crate::engine::spec::Arity::Exactly;
use crate::engine::spec::{KEY, KeyFlags, int as int_arg, key_at, string};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "APPEND",
        arity: Exactly(3),
        flags: FAST_GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        since: "2.0.0",
        complexity: "O(1) amortised, for an appended value that is small.",
        summary: "Adds bytes to the end of a string.",
        args: &[KEY, string("value")],
        run: append,
        ..STRING
    },
    Command {
        name: "SETRANGE",
        arity: Exactly(4),
        flags: GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "2.2.0",
        complexity: "O(M) with M being the length of the value.",
        summary: "Overwrites the bytes of a string from an offset on, filling a gap with zeros.",
        args: &[KEY, int_arg("offset"), string("value")],
        run: setrange,
        ..STRING
    },
];

/// Refuses a string that would become too long.
fn check_length(call: &Call, length: i64) -> Result {
    if length > call.server.config.longest_string() as i64 { Err(Error::TOO_LONG) } else { Ok(()) }
}

fn append(call: &mut Call) -> Result {
    let (access, key, tail) = (call.access(), call.args.at(1), call.args.at(2));
    let old = call.server.write_string(access, key)?.and_then(|entry| entry.string_len());
    let length = match old {
        Some(old) => {
            check_length(call, (old + tail.len()) as i64)?;
            let entry = call.server.write_string(access, key)?;
            entry.and_then(|mut entry| entry.append(tail)).unwrap_or(old)
        }
        None => {
            call.server.set(access, key, NewValue::from_bytes(tail), Expiry::Never);
            tail.len()
        }
    };
    call.changed(key, string_event("append"));
    call.reply.int(length as i64);
    Ok(())
}

fn setrange(call: &mut Call) -> Result {
    let (access, key, value) = (call.access(), call.args.at(1), call.args.at(3));
    let offset = int(call.args.at(2))?;
    if offset < 0 {
        return Err(Error::OFFSET);
    }
    let old = call.server.write_string(access, key)?.and_then(|entry| entry.string_len());
    if value.is_empty() {
        call.reply.int(old.unwrap_or(0) as i64);
        return Ok(());
    }
    let end = offset.checked_add(value.len() as i64).ok_or(Error::TOO_LONG)?;
    check_length(call, end)?;
    if old.is_none() {
        call.server.set(access, key, NewValue::Str(b""), Expiry::Never);
    }
    let mut length = 0;
    if let Some(mut entry) = call.server.write_string(access, key)?
        && let Some(bytes) = entry.string_mut(end as usize)
    {
        bytes[offset as usize..end as usize].copy_from_slice(value);
        length = bytes.len();
    }
    call.changed(key, string_event("setrange"));
    call.reply.int(length as i64);
    Ok(())
}
