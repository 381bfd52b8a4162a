//! COMMAND DOCS: a command's row as text for people, by way of clients.

use super::command::words;
use crate::engine::command::Command;
use crate::engine::command::table::{CommandId, Table};
use crate::engine::protocol::Reply;
use crate::engine::spec::{Arg, ArgKind, Flags};

/// The name of a command and the map that describes it:
/// <https://redis.io/docs/latest/commands/command-docs/>.
pub(super) fn write(reply: &mut Reply, table: &Table, id: CommandId) {
    let entry = table.entry(id);
    let row = entry.row;
    reply.bulk(entry.full_name.as_bytes());
    let mark = reply.mark();
    let mut fields = 3;
    text(reply, "summary", row.summary);
    text(reply, "since", row.since);
    text(reply, "group", row.group.name());
    let mut field = |name: &str, reply: &mut Reply| {
        fields += 1;
        reply.bulk(name.as_bytes());
    };
    if !row.complexity.is_empty() {
        field("complexity", reply);
        reply.bulk(row.complexity.as_bytes());
    }
    if doc_flags(row).next().is_some() {
        field("doc_flags", reply);
        words(reply, doc_flags(row));
    }
    if let Some((since, replaced_by)) = row.deprecated {
        field("deprecated_since", reply);
        reply.bulk(since.as_bytes());
        if !replaced_by.is_empty() {
            field("replaced_by", reply);
            reply.bulk(replaced_by.as_bytes());
        }
    }
    if !row.history.is_empty() {
        field("history", reply);
        reply.set(row.history.len());
        for (version, change) in row.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !row.args.is_empty() {
        field("arguments", reply);
        arguments(reply, row.args);
    }
    if !entry.children.is_empty() {
        field("subcommands", reply);
        reply.map(entry.children.len());
        entry.children.iter().for_each(|child| write(reply, table, *child));
    }
    reply.map_at(mark, fields);
}

fn doc_flags(row: &Command) -> impl Iterator<Item = &'static str> {
    let flags = [(row.deprecated.is_some(), "deprecated"), (row.flags.has(Flags::SYSTEM), "syscmd")];
    flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name)
}

fn text(reply: &mut Reply, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

fn arguments(reply: &mut Reply, args: &[Arg]) {
    reply.array(args.len());
    args.iter().for_each(|arg| argument(reply, arg));
}

fn argument(reply: &mut Reply, arg: &Arg) {
    let mark = reply.mark();
    let mut fields = 2;
    let kind = match arg.kind {
        ArgKind::String => "string",
        ArgKind::Integer => "integer",
        ArgKind::Double => "double",
        ArgKind::Key(_) => "key",
        ArgKind::Pattern | ArgKind::KeyPattern(_) => "pattern",
        ArgKind::UnixTime => "unix-time",
        ArgKind::PureToken => "pure-token",
        ArgKind::OneOf => "oneof",
        ArgKind::Block => "block",
    };
    text(reply, "name", arg.name);
    text(reply, "type", kind);
    if !matches!(arg.kind, ArgKind::OneOf | ArgKind::Block) {
        fields += 1;
        text(reply, "display_text", if arg.shown.is_empty() { arg.name } else { arg.shown });
    }
    if let ArgKind::Key(spec) | ArgKind::KeyPattern(spec) = arg.kind {
        fields += 1;
        reply.bulk(b"key_spec_index");
        reply.int(spec as i64);
    }
    for (name, value) in [("token", arg.token), ("since", arg.since)] {
        // A keyword can be the empty string: MIGRATE's key if KEYS follows.
        if !value.is_empty() || (name == "token" && arg.kind == ArgKind::PureToken) {
            fields += 1;
            text(reply, name, value);
        }
    }
    let flags =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")];
    if flags.iter().any(|(is_set, _)| *is_set) {
        fields += 1;
        reply.bulk(b"flags");
        words(reply, flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name));
    }
    if !arg.args.is_empty() {
        fields += 1;
        reply.bulk(b"arguments");
        arguments(reply, arg.args);
    }
    reply.map_at(mark, fields);
}
