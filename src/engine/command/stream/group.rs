//! XGROUP: groups and their consumers.

use super::ids::{id, id_or_end};
use super::readgroup::CONSUMER_CREATED;
use super::{GROWING, STREAM, create as create_key, event, no_group_of_key, noted, write};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Object;
use crate::engine::keyspace::value::stream::{Group, Stream};
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Arg, Categories, Flags, KEY, KeyFlags, int, key_at, one_of, string, token};
use crate::engine::text::ascii::c_string;

const ID: Arg = one_of("id-selector", &[string("id"), token("new-id", "$")]);
const ENTRIES_READ: Arg = int("entriesread").token("ENTRIESREAD").shown("entries-read").optional();
const XGROUP: Command = Command { parent: Some("XGROUP"), since: "5.0.0", ..STREAM };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XGROUP",
        arity: AtLeast(2),
        categories: Categories::NONE,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "Commands about groups of consumers.",
        ..STREAM
    },
    Command {
        name: "CREATE",
        arity: AtLeast(5),
        flags: GROWING,
        keys: &[key_at(2, KeyFlags::RW.or(KeyFlags::INSERT))],
        summary: "Creates a group of consumers.",
        history: &[("7.0.0", "Added the `entries_read` named argument.")],
        args: &[KEY, string("group"), ID, token("mkstream", "MKSTREAM").optional(), ENTRIES_READ],
        run: create,
        ..XGROUP
    },
    Command {
        name: "DESTROY",
        arity: Exactly(4),
        flags: Flags::WRITE,
        keys: &[key_at(2, KeyFlags::RW.or(KeyFlags::DELETE))],
        summary: "Removes a group of consumers.",
        args: &[KEY, string("group")],
        run: destroy,
        ..XGROUP
    },
    Command {
        name: "SETID",
        arity: AtLeast(5),
        flags: Flags::WRITE,
        keys: &[key_at(2, KeyFlags::RW.or(KeyFlags::UPDATE))],
        summary: "Sets up to which id a group has read.",
        history: &[("7.0.0", "Added the optional `entries_read` argument.")],
        args: &[KEY, string("group"), ID, ENTRIES_READ],
        run: setid,
        ..XGROUP
    },
    Command {
        name: "DELCONSUMER",
        arity: Exactly(5),
        flags: Flags::WRITE,
        keys: &[key_at(2, KeyFlags::RW.or(KeyFlags::DELETE))],
        complexity: "O(M*log(N)) with M being the entries that the consumer has to acknowledge, and N those of the group.",
        summary: "Removes a consumer from its group.",
        args: &[KEY, string("group"), string("consumer")],
        run: delconsumer,
        ..XGROUP
    },
    Command {
        name: "CREATECONSUMER",
        arity: Exactly(5),
        flags: GROWING,
        keys: &[key_at(2, KeyFlags::RW.or(KeyFlags::INSERT))],
        since: "6.2.0",
        summary: "Adds a consumer to a group.",
        args: &[KEY, string("group"), string("consumer")],
        run: createconsumer,
        ..XGROUP
    },
    Command {
        name: "HELP",
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        summary: "Lists the subcommands.",
        run: help,
        ..XGROUP
    },
];

const NO_KEY: Error = Error::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
     MKSTREAM option to create an empty stream automatically.",
);

/// MKSTREAM and ENTRIESREAD.
fn options(call: &Call, with_mkstream: bool) -> Result<(bool, Option<i64>)> {
    let mut cursor = Cursor::new(call.args, 5);
    let (mut make, mut entries_read) = (false, None);
    // An option may be repeated as long as there is room for it.
    let most = if with_mkstream { 3 } else { 2 };
    if cursor.left() > most {
        return Err(call.subcommand_error());
    }
    while cursor.left() > 0 {
        if with_mkstream && cursor.keyword("MKSTREAM") {
            make = true;
        } else if let Some(text) = cursor.keyword_with_value("ENTRIESREAD") {
            let read = crate::engine::command::args::int(text)?;
            if read < -1 {
                return Err(Error::new("ERR value for ENTRIESREAD must be positive or -1"));
            }
            entries_read = Some(read).filter(|read| *read >= 0);
        } else {
            return Err(call.subcommand_error());
        }
    }
    Ok((make, entries_read))
}

/// A group cannot have read more than was added.
fn known_read(stream: &Stream, entries_read: Option<i64>) -> Option<i64> {
    entries_read.map(|read| read.min(stream.entries_added as i64))
}

fn create(call: &mut Call) -> Result {
    let (make, entries_read) = options(call, true)?;
    let (key, name, id_text, access) = (call.args.at(2), call.args.at(3), call.args.at(4), call.access());
    let mut entry = write(call.server, access, key)?;
    let mut made = Stream::new();
    let stream = match entry.as_mut() {
        Some(entry) => entry.stream_mut().expect("the type was checked"),
        None if make => &mut made,
        None => return Err(NO_KEY),
    };
    let last_id = if c_string(id_text) == b"$" { stream.last_id } else { id(id_text, 0)? };
    if stream.group(name).is_some() {
        return Err(Error::new("BUSYGROUP Consumer Group name already exists"));
    }
    let entries_read = known_read(stream, entries_read);
    stream.add_group(name, Group::new(last_id, entries_read));
    if entry.is_none() {
        create_key(call, key, made);
        call.changed(key, event("xgroup-create"));
    } else {
        noted(call, key, event("xgroup-create"));
    }
    call.reply.ok();
    Ok(())
}

/// Changes the stream of a key that must be there, and must have the group.
fn with_group<R>(call: &mut Call, change: impl FnOnce(&mut Stream, &[u8]) -> Result<R>) -> Result<R> {
    let (key, name, access) = (call.args.at(2), call.args.at(3), call.access());
    let mut entry = write(call.server, access, key)?.ok_or(NO_KEY)?;
    let stream = entry.stream_mut().expect("the type was checked");
    if stream.group(name).is_none() {
        return Err(no_group_of_key(key, name));
    }
    change(stream, name)
}

fn setid(call: &mut Call) -> Result {
    let (_, entries_read) = options(call, false)?;
    let (key, id_text) = (call.args.at(2), call.args.at(4));
    with_group(call, |stream, name| {
        let last_id = if c_string(id_text) == b"$" { stream.last_id } else { id_or_end(id_text, 0)? };
        let entries_read = known_read(stream, entries_read);
        stream.edit_group(name, |group| (group.last_id, group.entries_read) = (last_id, entries_read));
        Ok(())
    })?;
    noted(call, key, event("xgroup-setid"));
    call.reply.ok();
    Ok(())
}

fn destroy(call: &mut Call) -> Result {
    let (key, name, access) = (call.args.at(2), call.args.at(3), call.access());
    let mut entry = write(call.server, access, key)?.ok_or(NO_KEY)?;
    let stream = entry.stream_mut().expect("the type was checked");
    let removed = stream.remove_group(name);
    call.reply.int(removed.is_some().into());
    if let Some(group) = removed {
        let mut rest = Stream::new();
        rest.add_group(b"", group);
        call.server.discard(Box::new(Object::Stream(Box::new(rest))));
        noted(call, key, event("xgroup-destroy"));
        // Whoever waits as a member is to hear that the group is gone.
        call.server.signal_ready(call.session.db, key);
    }
    Ok(())
}

fn createconsumer(call: &mut Call) -> Result {
    let (key, consumer, now) = (call.args.at(2), call.args.at(4), call.now.unix_ms());
    let created = with_group(call, |stream, name| {
        let created = stream.edit_group(name, |group| {
            group.owner(consumer).is_none().then(|| group.add_consumer(consumer, now)).is_some()
        });
        Ok(created == Some(true))
    })?;
    if created {
        noted(call, key, CONSUMER_CREATED);
    }
    call.reply.int(created.into());
    Ok(())
}

fn delconsumer(call: &mut Call) -> Result {
    let (key, consumer) = (call.args.at(2), call.args.at(4));
    let pending = with_group(call, |stream, name| {
        Ok(stream.edit_group(name, |group| group.remove_consumer(consumer)).flatten())
    })?;
    if pending.is_some() {
        noted(call, key, event("xgroup-delconsumer"));
    }
    call.reply.int(pending.unwrap_or(0) as i64);
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
    ])
}
