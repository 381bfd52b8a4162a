//! Setting and removing fields.

use super::{FAST_GROWING, FAST_WRITE, HASH, UPDATE, hash_event, limits, moment};
use crate::engine::command::call::generic_event;
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::hash::{FieldExpiry, HashLimits, NewHash};
use crate::engine::keyspace::{EntryMut, Expiry, Form, NewValue, Packed, Type};
use crate::engine::protocol::Args;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Arg, KEY, KeyFlags, block, key_at, string};

pub(super) const PAIRS: Arg = block("data", &[string("field"), string("value")]).multiple();

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "HSET",
        arity: AtLeast(4),
        flags: FAST_GROWING,
        keys: UPDATE,
        member: Some(2),
        since: "2.0.0",
        complexity: "O(N) in the number of fields set.",
        summary: "Sets fields to values.",
        history: &[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
        args: &[KEY, PAIRS],
        run: hset,
        ..HASH
    },
    Command {
        name: "HMSET",
        arity: AtLeast(4),
        flags: FAST_GROWING,
        keys: UPDATE,
        since: "2.0.0",
        complexity: "O(N) in the number of fields set.",
        summary: "Sets fields to values, without telling how many are new.",
        deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
        args: &[KEY, PAIRS],
        run: hmset,
        ..HASH
    },
    Command {
        name: "HSETNX",
        arity: Exactly(4),
        flags: FAST_GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        since: "2.0.0",
        summary: "Sets a field unless the hash has it.",
        args: &[KEY, string("field"), string("value")],
        run: hsetnx,
        ..HASH
    },
    Command {
        name: "HDEL",
        arity: AtLeast(3),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        member: Some(2),
        since: "2.0.0",
        complexity: "O(N) in the number of fields named.",
        summary: "Removes fields, and the hash with its last one.",
        history: &[("2.4.0", "Accepts multiple `field` arguments.")],
        args: &[KEY, string("field").multiple()],
        run: hdel,
        ..HASH
    },
];

/// Sets fields, given as names and values in turn, and when they expire. A key that is not there is made.
/// Returns how many are new.
pub(super) fn put(call: &mut Call, key: &[u8], pairs: Args, expiry: FieldExpiry) -> Result<usize> {
    let (access, limits) = (call.access(), limits(call.server));
    let count = pairs.len() / 2;
    let pair = |at: usize| (pairs.at(2 * at), pairs.at(2 * at + 1));
    let longest = pairs.iter().map(<[u8]>::len).max().unwrap_or(0);
    let set_all = |entry: &mut EntryMut| {
        let timed = expiry != FieldExpiry::Never || entry.fields_due().is_some();
        let set = |entry: &mut crate::engine::keyspace::Entry| {
            entry.expect_fields(count, longest, &limits);
            let put = |at: &usize| entry.put_field(pair(*at).0, pair(*at).1, expiry, &limits);
            (0..count).filter(put).count()
        };
        if timed { entry.update(set) } else { set(entry) }
    };
    if let Some(mut entry) = call.server.write_as(access, key, Type::Hash)? {
        return Ok(set_all(&mut entry));
    }
    let small = if matches!(expiry, FieldExpiry::At(_)) {
        None
    } else {
        NewHash::small((0..count).map(pair), &limits)
    };
    if let Some(hash) = small {
        call.server.set(access, key, hash.value(), Expiry::Never);
        return Ok(hash.count());
    }
    create(call, key);
    let new = call.server.databases[access.db].lookup_mut(key).map(|mut entry| set_all(&mut entry));
    Ok(new.unwrap_or(0))
}

/// Makes a hash that has no fields yet, whatever the key held.
pub(super) fn create(call: &mut Call, key: &[u8]) {
    let access = call.access();
    call.server.set(access, key, NewValue::Packed(Packed::empty(Form::Hash)), Expiry::Never);
}

/// Sets one field that may have an expiry, which it keeps.
pub(super) fn put_number(call: &mut Call, key: &[u8], name: &[u8], value: &[u8]) {
    let (access, limits): (_, HashLimits) = (call.access(), limits(call.server));
    if call.server.peek(access, key).is_none() {
        create(call, key);
    }
    if let Some(mut entry) = call.server.databases[access.db].lookup_mut(key) {
        if entry.fields_due().is_some() {
            entry.update(|entry| entry.put_field(name, value, FieldExpiry::Keep, &limits));
        } else {
            entry.put_field(name, value, FieldExpiry::Keep, &limits);
        }
    }
}

/// Removes fields. Returns how many were there; if the hash is empty then it is gone, and the second says so.
pub(super) fn remove(call: &mut Call, key: &[u8], names: &[&[u8]]) -> Result<(usize, bool)> {
    let access = call.access();
    let Some(mut entry) = call.server.write_as(access, key, Type::Hash)? else { return Ok((0, false)) };
    let take = |entry: &mut crate::engine::keyspace::Entry| {
        names.iter().filter(|name| entry.remove_field(name)).count()
    };
    let removed = if entry.fields_due().is_some() { entry.update(take) } else { take(&mut entry) };
    let empty = entry.hash().is_some_and(|hash| hash.is_empty());
    if empty {
        let entry = entry.remove();
        call.server.discard_entry(entry);
    }
    Ok((removed, empty))
}

/// The consequences of `count` removed fields.
pub(super) fn after_removal(call: &mut Call, key: &[u8], count: usize, emptied: bool) {
    if count > 0 {
        call.changed(key, hash_event("hdel"));
        call.server.dirty += count as u64 - 1;
        if emptied {
            call.server.notify(call.session.db, key, generic_event("del"));
        }
    }
}

fn set(call: &mut Call) -> Result<usize> {
    if call.args.len() % 2 == 1 {
        return Err(call.arity_error());
    }
    let (key, pairs) = (call.args.at(1), call.args.from(2));
    let new = put(call, key, pairs, FieldExpiry::Never)?;
    call.changed(key, hash_event("hset"));
    call.server.dirty += pairs.len() as u64 / 2 - 1;
    Ok(new)
}

fn hset(call: &mut Call) -> Result {
    let new = set(call)?;
    call.reply.int(new as i64);
    Ok(())
}

fn hmset(call: &mut Call) -> Result {
    set(call)?;
    call.reply.ok();
    Ok(())
}

fn hsetnx(call: &mut Call) -> Result {
    let (access, key, name, now_ms) = (call.access(), call.args.at(1), call.args.at(2), moment(call));
    let entry = call.server.write_as(access, key, Type::Hash)?;
    let field = entry.as_ref().and_then(|entry| entry.hash()).and_then(|hash| hash.get(name));
    let expired = field.is_some_and(|field| field.is_expired(now_ms));
    if field.is_some() && !expired {
        call.reply.int(0);
        return Ok(());
    }
    if expired {
        call.server.expire_fields(access.db, key, &[name]);
    }
    put(call, key, call.args.from(2), FieldExpiry::Never)?;
    call.changed(key, hash_event("hset"));
    call.reply.int(1);
    Ok(())
}

fn hdel(call: &mut Call) -> Result {
    let (key, names): (_, Vec<&[u8]>) = (call.args.at(1), call.args.from(2).iter().collect());
    let (removed, emptied) = remove(call, key, &names)?;
    after_removal(call, key, removed, emptied);
    call.reply.int(removed as i64);
    Ok(())
}
