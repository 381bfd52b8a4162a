//! Reading strings, whole or in part.

use super::expiry::{EX, EXAT, Lifetime, PERSIST, PX, PXAT};
use super::{FAST_READ, STRING};
use crate::engine::command::args::{Cursor, int};
use crate::engine::command::call::generic_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, KeyFlags, int as int_arg, key_at, keys_from, one_of};
use crate::engine::text::xxh3;

const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "GET",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        since: "1.0.0",
        summary: "Returns the string at a key.",
        args: &[KEY],
        run: get,
        ..STRING
    },
    Command {
        name: "GETDEL",
        arity: Exactly(2),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        since: "6.2.0",
        summary: "Returns the string at a key and removes the key.",
        args: &[KEY],
        run: getdel,
        ..STRING
    },
    Command {
        name: "GETEX",
        arity: AtLeast(2),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        since: "6.2.0",
        summary: "Returns the string at a key and changes when the key expires.",
        args: &[KEY, one_of("expiration", &[EX, PX, EXAT, PXAT, PERSIST]).optional()],
        run: getex,
        ..STRING
    },
    Command {
        name: "GETRANGE",
        arity: Exactly(4),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "2.4.0",
        complexity: "O(N) where N is the length of the returned string.",
        summary: "Returns the part of a string between two offsets.",
        args: &[KEY, int_arg("start"), int_arg("end")],
        run: getrange,
        ..STRING
    },
    Command {
        name: "SUBSTR",
        arity: Exactly(4),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "1.0.0",
        complexity: "O(N) where N is the length of the returned string.",
        summary: "Returns the part of a string between two offsets.",
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        args: &[KEY, int_arg("start"), int_arg("end")],
        run: getrange,
        ..STRING
    },
    Command {
        name: "MGET",
        arity: AtLeast(2),
        flags: FAST_READ,
        keys: &[keys_from(1, READ)],
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Returns the strings at several keys.",
        tips: &["request_policy:multi_shard"],
        args: &[KEY.multiple()],
        run: mget,
        ..STRING
    },
    Command {
        name: "STRLEN",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, KeyFlags::RO)],
        since: "2.2.0",
        summary: "Returns the length of a string in bytes.",
        args: &[KEY],
        run: strlen,
        ..STRING
    },
    Command {
        name: "DIGEST",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        since: "8.4.0",
        complexity: "O(N) where N is the length of the string value.",
        summary: "Returns the XXH3 hash of a string in hexadecimal digits.",
        args: &[KEY],
        run: digest,
        ..STRING
    },
];

/// Keys whose memory is fetched at the same time.
const GROUP: usize = 16;

/// Writes the string at the key, or null; says whether there was one.
fn reply_with_string(call: &mut Call) -> Result<bool> {
    let entry = call.server.read_string(call.access(), call.args.at(1))?;
    match entry {
        Some(entry) => call.reply.bulk(entry.string(&mut IntBuf::new()).unwrap_or_default()),
        None => call.reply.null(),
    }
    Ok(entry.is_some())
}

fn get(call: &mut Call) -> Result {
    reply_with_string(call).map(|_| ())
}

fn getdel(call: &mut Call) -> Result {
    if reply_with_string(call)? {
        call.delete(call.args.at(1));
    }
    Ok(())
}

fn getex(call: &mut Call) -> Result {
    let mut cursor = Cursor::new(call.args, 2);
    let mut lifetime = None;
    while let Some(found) = Lifetime::read(&mut cursor) {
        if !found.may_follow(lifetime) || found == Lifetime::Keep {
            return Err(Error::SYNTAX);
        }
        lifetime = Some(found);
    }
    cursor.finish()?;
    let key = call.args.at(1);
    if !reply_with_string(call)? {
        return Ok(());
    }
    let moment = lifetime.map(|lifetime| lifetime.moment(call.now, "getex")).transpose()?.flatten();
    let access = call.access();
    match moment {
        Some(moment) if call.is_past(moment) => call.delete(key),
        Some(moment) => {
            if let Some(mut entry) = call.server.write(access, key) {
                entry.set_expiry(Some(moment));
            }
            call.changed(key, generic_event("expire"));
            call.propagate(&[b"PEXPIREAT", key, itoa::Buffer::new().format(moment).as_bytes()]);
        }
        None if lifetime == Some(Lifetime::Persist) => {
            let entry = call.server.write(access, key).filter(|entry| entry.has_expiry());
            if let Some(mut entry) = entry {
                entry.set_expiry(None);
                call.changed(key, generic_event("persist"));
                call.propagate(&[b"PERSIST", key]);
            }
        }
        None => {}
    }
    Ok(())
}

fn getrange(call: &mut Call) -> Result {
    let (start, end) = (int(call.args.at(2))?, int(call.args.at(3))?);
    let entry = call.server.read_string(call.access(), call.args.at(1))?;
    let mut digits = IntBuf::new();
    let string = entry.and_then(|entry| entry.string(&mut digits)).unwrap_or_default();
    call.reply.bulk(slice(string, start, end));
    Ok(())
}

/// The bytes from `start` to `end`, both included; negative offsets count from the end.
fn slice(string: &[u8], start: i64, end: i64) -> &[u8] {
    let length = string.len() as i64;
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let from = if start < 0 { (length + start.max(-length)).max(0) } else { start };
    let to = (if end < 0 { (length.saturating_add(end)).max(0) } else { end }).min(length - 1);
    if from > to || length == 0 { &[] } else { &string[from as usize..=to as usize] }
}

fn mget(call: &mut Call) -> Result {
    let access = call.access();
    call.reply.array(call.args.len() - 1);
    for (at, key) in call.args.from(1).iter().enumerate() {
        if at % GROUP == 0 {
            call.server.prefetch_keys(access.db, call.args.from(1 + at), GROUP);
        }
        let entry = call.server.read(access, key);
        let mut digits = IntBuf::new();
        match entry.and_then(|entry| entry.string(&mut digits)) {
            Some(string) => call.reply.bulk(string),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn strlen(call: &mut Call) -> Result {
    let entry = call.server.read_string(call.access(), call.args.at(1))?;
    call.reply.int(entry.and_then(|entry| entry.string_len()).unwrap_or(0) as i64);
    Ok(())
}

fn digest(call: &mut Call) -> Result {
    match call.server.read_string(call.access(), call.args.at(1))? {
        Some(entry) => call.reply.bulk(&xxh3::digest(entry.string(&mut IntBuf::new()).unwrap_or_default())),
        None => call.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn offsets_count_from_both_ends() {
        assert_eq!(slice(b"Hello", 0, -1), b"Hello");
        assert_eq!(slice(b"Hello", -3, -2), b"ll");
        assert_eq!(slice(b"Hello", -100, 2), b"Hel");
        assert_eq!(slice(b"Hello", 3, 100), b"lo");
        assert_eq!(slice(b"Hello", 4, 2), b"");
        assert_eq!(slice(b"Hello", -1, -100), b"");
        assert_eq!(slice(b"", 0, -1), b"");
        assert_eq!(slice(b"Hello", i64::MIN, i64::MAX), b"Hello");
        assert_eq!(slice(b"Hello", 0, i64::MIN), b"H");
    }
}
