//! XINFO: what streams, groups and consumers look like from outside.

use super::range::write_all;
use super::{STREAM, no_group_of_key, read, write_entry, write_id};
use crate::engine::command::args::int;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::stream::{Entry, Group, Owner, Stream, StreamId};
use crate::engine::protocol::Reply;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Categories, Flags, KEY, KeyFlags, block, int as integer, key_at, string, token};

const XINFO: Command = Command {
    parent: Some("XINFO"),
    flags: Flags::READONLY,
    keys: &[key_at(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
    since: "5.0.0",
    ..STREAM
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XINFO",
        arity: AtLeast(2),
        categories: Categories::NONE,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "Commands that describe streams.",
        ..STREAM
    },
    Command {
        name: "GROUPS",
        arity: Exactly(3),
        summary: "Describes the groups of a stream.",
        history: &[("7.0.0", "Added the `entries-read` and `lag` fields")],
        args: &[KEY],
        run: groups,
        ..XINFO
    },
    Command {
        name: "CONSUMERS",
        arity: Exactly(4),
        summary: "Describes the consumers of a group.",
        history: &[("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`.")],
        tips: &["nondeterministic_output"],
        args: &[KEY, string("group")],
        run: consumers,
        ..XINFO
    },
    Command {
        name: "STREAM",
        arity: AtLeast(3),
        summary: "Describes a stream.",
        history: &[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields",
            ),
            ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
            (
                "8.6.0",
                "Added the `idmp-duration`, `idmp-maxsize`, `pids-tracked`, `iids-tracked`, `iids-added` and `iids-duplicates` fields for IDMP tracking.",
            ),
            ("8.8.0", "Added the `nacked-count` field to consumer groups in `FULL` output."),
        ],
        args: &[
            KEY,
            block("full-block", &[token("full", "FULL"), integer("count").token("COUNT").optional()])
                .optional(),
        ],
        run: stream,
        ..XINFO
    },
    Command {
        name: "HELP",
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        keys: &[],
        summary: "Lists the subcommands.",
        run: help,
        ..XINFO
    },
];

fn help(call: &mut Call) -> Result {
    call.help(&[
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
    ])
}

/// A field of a reply that is a map.
fn field<'a>(reply: &'a mut Reply, name: &str) -> &'a mut Reply {
    reply.bulk(name.as_bytes());
    reply
}

fn int_field(reply: &mut Reply, name: &str, value: usize) {
    field(reply, name).int(value as i64);
}

fn id_field(reply: &mut Reply, name: &str, id: StreamId) {
    write_id(field(reply, name), id);
}

fn known_int(reply: &mut Reply, name: &str, value: Option<i64>) {
    match value {
        Some(value) => field(reply, name).int(value),
        None => field(reply, name).null(),
    }
}

fn groups(call: &mut Call) -> Result {
    let access = call.access();
    let stream = read(call.server, access, call.args.at(2))?.ok_or(Error::NO_SUCH_KEY)?;
    let reply = &mut *call.reply;
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(6);
        field(reply, "name").bulk(name);
        int_field(reply, "consumers", group.consumers_len());
        int_field(reply, "pending", group.pending_len());
        position(reply, stream, group);
    }
    Ok(())
}

/// How far a group has read.
fn position(reply: &mut Reply, stream: &Stream, group: &Group) {
    id_field(reply, "last-delivered-id", group.last_id);
    known_int(reply, "entries-read", group.entries_read);
    known_int(reply, "lag", stream.lag(group));
}

fn consumers(call: &mut Call) -> Result {
    let (key, name, access, now) = (call.args.at(2), call.args.at(3), call.access(), call.now.unix_ms());
    let stream = read(call.server, access, key)?.ok_or(Error::NO_SUCH_KEY)?;
    let group = stream.group(name).ok_or_else(|| no_group_of_key(key, name))?;
    let reply = &mut *call.reply;
    reply.array(group.consumers_len());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        field(reply, "name").bulk(&consumer.name);
        int_field(reply, "pending", consumer.pending);
        field(reply, "idle").int((now - consumer.seen).max(0));
        field(reply, "inactive").int(if consumer.active == -1 { -1 } else { now - consumer.active });
    }
    Ok(())
}

/// How many entries FULL shows of each list; `None` is all.
fn full(call: &Call) -> Result<Option<Option<usize>>> {
    let is = |at, word: &str| {
        call.args.get(at).is_some_and(|arg: &[u8]| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    let count = match call.args.len() {
        3 => return Ok(None),
        4 if is(3, "FULL") => 10,
        6 if is(3, "FULL") && is(4, "COUNT") => int(call.args.at(5))?,
        _ => return Err(call.subcommand_error()),
    };
    let count = if count < 0 { 10 } else { count as usize };
    Ok(Some(Some(count).filter(|count| *count > 0)))
}

fn stream(call: &mut Call) -> Result {
    let access = call.access();
    if read(call.server, access, call.args.at(2))?.is_none() {
        return Err(Error::NO_SUCH_KEY);
    }
    let full = full(call)?;
    let memory = super::idempotency::new_memory(&call.server.config);
    let entry = call.server.peek(access, call.args.at(2));
    let stream = entry.and_then(|entry| entry.stream()).ok_or(Error::NO_SUCH_KEY)?;
    let known = stream.idempotency.as_deref().unwrap_or(&memory);
    let reply = &mut *call.reply;
    reply.map(if full.is_some() { 15 } else { 16 });
    int_field(reply, "length", stream.len() as usize);
    int_field(reply, "radix-tree-keys", stream.nodes_len());
    int_field(reply, "radix-tree-nodes", stream.nodes_len().max(1));
    id_field(reply, "last-generated-id", stream.last_id);
    id_field(reply, "max-deleted-entry-id", stream.max_deleted_id);
    int_field(reply, "entries-added", stream.entries_added as usize);
    id_field(reply, "recorded-first-entry-id", stream.first_id());
    int_field(reply, "idmp-duration", known.duration as usize);
    int_field(reply, "idmp-maxsize", known.max_size as usize);
    int_field(reply, "pids-tracked", known.producers());
    int_field(reply, "iids-tracked", known.tracked());
    int_field(reply, "iids-added", known.added as usize);
    int_field(reply, "iids-duplicates", known.duplicates as usize);
    match full {
        Some(count) => {
            write_all(field(reply, "entries"), stream.entries(StreamId::MIN, StreamId::MAX), count);
            field(reply, "groups").array(stream.groups_len());
            for (name, group) in stream.groups() {
                full_group(reply, stream, (name, group), count.unwrap_or(usize::MAX));
            }
        }
        None => {
            int_field(reply, "groups", stream.groups_len());
            let (mut first, mut last) = (
                stream.entries(StreamId::MIN, StreamId::MAX),
                stream.entries_back(StreamId::MIN, StreamId::MAX),
            );
            entry_or_null(field(reply, "first-entry"), first.next());
            entry_or_null(field(reply, "last-entry"), last.next());
        }
    }
    Ok(())
}

fn entry_or_null(reply: &mut Reply, entry: Option<Entry>) {
    match entry {
        Some(entry) => write_entry(reply, &entry),
        None => reply.null(),
    }
}

fn full_group(reply: &mut Reply, stream: &Stream, (name, group): (&[u8], &Group), count: usize) {
    reply.map(8);
    field(reply, "name").bulk(name);
    position(reply, stream, group);
    int_field(reply, "pel-count", group.pending_len());
    int_field(reply, "nacked-count", group.released());
    field(reply, "pending").array(group.pending_len().min(count));
    for (id, pending) in group.pending_from(StreamId::MIN).take(count) {
        let consumer = pending.owner.and_then(|owner| group.consumer(owner));
        reply.array(4);
        write_id(reply, id);
        reply.bulk(consumer.map_or(b"", |consumer| &consumer.name));
        reply.int(pending.time());
        reply.int(pending.deliveries);
    }
    field(reply, "consumers").array(group.consumers_len());
    for (owner, consumer) in group.consumers() {
        reply.map(5);
        field(reply, "name").bulk(&consumer.name);
        field(reply, "seen-time").int(consumer.seen);
        field(reply, "active-time").int(consumer.active);
        int_field(reply, "pel-count", consumer.pending);
        own_pending(reply, group, owner, consumer.pending.min(count));
    }
}

fn own_pending(reply: &mut Reply, group: &Group, owner: Owner, count: usize) {
    field(reply, "pending").array(count);
    for (id, pending) in group.pending_of(owner, StreamId::MIN).take(count) {
        reply.array(3);
        write_id(reply, id);
        reply.int(pending.time());
        reply.int(pending.deliveries);
    }
}
