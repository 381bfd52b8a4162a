//! HIMPORT: hashes of the same fields, whose names a client sends only once.
//!
//! What Redis propagates as RESTORE is DEL and HSET here, as one unit.

use super::write::{create, put};
use super::{HASH, hash_event};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::hash::FieldExpiry;
use crate::engine::protocol::Argv;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, KeyFlags, key_at, string};

const HIMPORT: Command = Command { parent: Some("HIMPORT"), since: "8.10.0", ..HASH };
const ON_ALL_SHARDS: &[&str] = &["request_policy:all_shards"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "HIMPORT",
        parent: None,
        arity: AtLeast(2),
        complexity: "Depends on subcommand.",
        summary: "Commands that make many hashes of the same fields.",
        ..HIMPORT
    },
    Command {
        name: "PREPARE",
        arity: AtLeast(4),
        flags: Flags::DENYOOM,
        complexity: "O(N*log(N)) where N is the number of fields.",
        summary: "Remembers a list of fields under a name, for this connection.",
        tips: ON_ALL_SHARDS,
        args: &[string("fieldset-name"), string("field").multiple()],
        run: prepare,
        ..HIMPORT
    },
    Command {
        name: "SET",
        arity: AtLeast(5),
        flags: Flags::WRITE.or(Flags::DENYOOM),
        keys: &[key_at(2, KeyFlags::OW.or(KeyFlags::UPDATE))],
        complexity: "O(N*log(N)) where N is the number of fields in the fieldset.",
        summary: "Makes a hash of prepared fields and these values, whatever hash the key held.",
        args: &[KEY, string("fieldset-name"), string("value").multiple()],
        run: set,
        ..HIMPORT
    },
    Command {
        name: "DISCARD",
        arity: Exactly(3),
        complexity: "O(log(N)) where N is the number of fieldsets of the connection.",
        summary: "Forgets a list of fields.",
        tips: ON_ALL_SHARDS,
        args: &[string("fieldset-name")],
        run: discard,
        ..HIMPORT
    },
    Command {
        name: "DISCARDALL",
        arity: Exactly(2),
        complexity: "O(N) where N is the number of fieldsets of the connection.",
        summary: "Forgets all lists of fields.",
        tips: ON_ALL_SHARDS,
        run: discard_all,
        ..HIMPORT
    },
];

fn prepare(call: &mut Call) -> Result {
    let fields: Box<[Box<[u8]>]> = call.args.from(3).iter().map(Into::into).collect();
    let mut sorted: Vec<&[u8]> = call.args.from(3).iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::new("ERR duplicate field name in fieldset"));
    }
    call.session.fieldsets.get_or_insert_default().insert(call.args.at(2), fields);
    call.reply.ok();
    Ok(())
}

fn set(call: &mut Call) -> Result {
    let (access, key, values) = (call.access(), call.args.at(2), call.args.from(4));
    let replaces = call.server.write_as(access, key, Type::Hash)?.is_some();
    let prepared = call.session.fieldsets.as_ref().and_then(|sets| sets.get(call.args.at(3)));
    let fields = prepared.ok_or(Error::new("ERR no such fieldset"))?;
    if fields.len() != values.len() {
        return Err(Error::new("ERR value count does not match fieldset field count"));
    }
    let mut pairs: Vec<(&[u8], &[u8])> = fields.iter().map(|field| &**field).zip(values.iter()).collect();
    pairs.sort_unstable();
    let hset: [&[u8]; 2] = [b"HSET", key];
    let request =
        Argv::of(hset.into_iter().chain(pairs.into_iter().flat_map(|(field, value)| [field, value])));
    if replaces {
        create(call, key);
    }
    put(call, key, request.args().from(2), FieldExpiry::Never)?;
    call.changed(key, hash_event("hset"));
    if replaces {
        call.propagate(&[b"DEL", key]);
    }
    call.propagate(&request.args().iter().collect::<Vec<_>>());
    call.reply.ok();
    Ok(())
}

fn discard(call: &mut Call) -> Result {
    let name = call.args.at(2);
    let removed = call.session.fieldsets.as_mut().is_some_and(|sets| sets.remove(name));
    call.reply.int(removed as i64);
    Ok(())
}

fn discard_all(call: &mut Call) -> Result {
    let sets = call.session.fieldsets.take();
    call.reply.int(sets.map_or(0, |sets| sets.count() as i64));
    Ok(())
}
