//! Keys that get another name or another database, or a copy.

use super::GENERIC;
use crate::engine::command::args::Cursor;
use crate::engine::command::call::{Event, generic_event};
use crate::engine::command::keys::{Access, NEW};
use crate::engine::command::{Call, Command, Error, Result, args};
use crate::engine::keyspace::Entry;
use crate::engine::mutant;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags, KEY, KeyFlags, int, key, key_at, token};

const FROM: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "RENAME",
        arity: Exactly(3),
        flags: Flags::WRITE,
        keys: &[key_at(1, FROM), key_at(2, KeyFlags::OW.or(KeyFlags::UPDATE))],
        since: "1.0.0",
        summary: "Gives a key another name; a key that had it is overwritten.",
        args: &[KEY, key("newkey", 1)],
        run: rename,
        ..GENERIC
    },
    Command {
        name: "RENAMENX",
        arity: Exactly(3),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, FROM), key_at(2, KeyFlags::OW.or(KeyFlags::INSERT))],
        since: "1.0.0",
        summary: "Gives a key another name unless a key has it.",
        history: &[(
            "3.2.0",
            "The command no longer returns an error when source and destination names are the same.",
        )],
        args: &[KEY, key("newkey", 1)],
        run: rename_nx,
        ..GENERIC
    },
    Command {
        name: "MOVE",
        arity: Exactly(3),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        since: "1.0.0",
        summary: "Moves a key to another database unless it has such a key.",
        args: &[KEY, int("db")],
        run: move_key,
        ..GENERIC
    },
    Command {
        name: "COPY",
        arity: AtLeast(3),
        flags: Flags::WRITE.or(Flags::DENYOOM),
        keys: &[key_at(1, KeyFlags::RO.or(KeyFlags::ACCESS)), key_at(2, KeyFlags::OW.or(KeyFlags::UPDATE))],
        since: "6.2.0",
        complexity: "O(N) in the number of elements of a collection. O(1) for strings.",
        summary: "Copies a value to another key.",
        args: &[
            key("source", 0),
            key("destination", 1),
            int("destination-db").token("DB").optional(),
            token("replace", "REPLACE").optional(),
        ],
        run: copy,
        ..GENERIC
    },
];

fn rename(call: &mut Call) -> Result {
    give_name(call, true)?;
    call.reply.ok();
    Ok(())
}

fn rename_nx(call: &mut Call) -> Result {
    let done = give_name(call, false)?;
    call.reply.int(done.into());
    Ok(())
}

/// Returns whether the key has the new name now and had another before.
fn give_name(call: &mut Call, overwrite: bool) -> Result<bool> {
    let (from, to, access) = (call.args.at(1), call.args.at(2), call.access());
    if call.server.write(access, from).is_none() {
        return Err(Error::NO_SUCH_KEY);
    }
    if from == to || (!overwrite && call.server.live(access, to)) {
        return Ok(false);
    }
    let Some(entry) = call.server.databases[access.db].remove(from) else { return Ok(false) };
    let displaced = place(call, access, entry.with_key(to));
    if mutant::is_on("endless-rename")
        && let Some(mut entry) = call.server.databases[access.db].lookup_mut(to)
    {
        entry.set_expiry(None);
    }
    call.changed(from, generic_event("rename_from"));
    arrived(call, access.db, to, generic_event("rename_to"), displaced);
    Ok(true)
}

fn move_key(call: &mut Call) -> Result {
    let (key, access) = (call.args.at(1), call.access());
    let to = Access { db: database(call, call.args.at(2))?, ..access };
    if to.db == access.db {
        return Err(Error::SAME_OBJECT);
    }
    let movable = call.server.write(access, key).is_some() && !call.server.live(to, key);
    let entry = if movable { call.server.databases[access.db].remove(key) } else { None };
    if let Some(entry) = entry {
        let displaced = place(call, to, entry);
        call.changed(key, generic_event("move_from"));
        arrived(call, to.db, key, generic_event("move_to"), displaced);
    }
    call.reply.int(movable.into());
    Ok(())
}

fn copy(call: &mut Call) -> Result {
    let (from, to, access) = (call.args.at(1), call.args.at(2), call.access());
    let (mut target, mut replace) = (access, false);
    let mut options = Cursor::new(call.args, 3);
    while options.left() > 0 {
        if options.keyword("REPLACE") {
            replace = true;
        } else if let Some(number) = options.keyword_with_value("DB") {
            target.db = database(call, number)?;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    if target.db == access.db && from == to {
        return Err(Error::SAME_OBJECT);
    }
    let clock = call.server.clock(call.now).initial();
    let duplicate = call.server.read(access, from).map(|entry| entry.duplicate(to));
    let Some(duplicate) = duplicate.filter(|_| replace || !call.server.live(target, to)) else {
        call.reply.int(0);
        return Ok(());
    };
    duplicate.set_clock(clock);
    let displaced = place(call, target, duplicate);
    if mutant::is_on("endless-copy")
        && let Some(mut entry) = call.server.databases[target.db].lookup_mut(to)
    {
        entry.set_expiry(None);
    }
    call.server.dirty += 1;
    arrived(call, target.db, to, generic_event("copy_to"), displaced);
    call.reply.int(1);
    Ok(())
}

/// A database's index from a request.
fn database(call: &Call, number: &[u8]) -> Result<usize> {
    let index = args::int_between(number, i32::MIN.into(), i32::MAX.into(), Error::INT_RANGE)?;
    let index = usize::try_from(index).map_err(|_| Error::DB_RANGE)?;
    if index < call.server.databases.len() { Ok(index) } else { Err(Error::DB_RANGE) }
}

/// Puts an entry into a database. Returns the type of the value that it displaced.
pub(super) fn place(call: &mut Call, access: Access, entry: Entry) -> Option<&'static str> {
    // What is there and has expired goes as expired, not as overwritten.
    call.server.live(access, entry.key());
    let key: Box<[u8]> = entry.key().into();
    let displaced = call.server.databases[access.db].put(entry);
    call.server.notify(access.db, &key, NEW);
    let kind = displaced.as_ref().map(Entry::type_name);
    displaced.into_iter().for_each(|entry| call.server.discard_entry(entry));
    kind
}

/// The consequences for the key where an entry was placed; the caller counted the change.
fn arrived(call: &mut Call, db: usize, key: &[u8], event: Event, displaced: Option<&'static str>) {
    call.server.touch(db, key);
    call.server.notify(db, key, event);
    displaced.into_iter().for_each(|before| call.server.notify_overwritten(db, key, before));
}
