//! COMMAND: what is known about the commands, from their rows.

use super::SERVER;
use super::{command_docs, command_keys};
use crate::engine::command::key_specs;
use crate::engine::command::table::{CommandId, Entry, Table};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::protocol::Reply;
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Begin, Categories, Find, Flags, Keys, one_of, pattern, string,
};
use crate::engine::text::glob;

const COMMAND: Command =
    Command { flags: Flags::LOADING.or(Flags::STALE), categories: Categories::CONNECTION, ..SERVER };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "COMMAND",
        arity: AtLeast(1),
        since: "2.8.13",
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Returns what is known about every command.",
        tips: &["nondeterministic_output_order"],
        run: command,
        ..COMMAND
    },
    Command {
        name: "COUNT",
        parent: Some("COMMAND"),
        arity: Exactly(2),
        since: "2.8.13",
        summary: "Returns how many commands there are.",
        run: count,
        ..COMMAND
    },
    Command {
        name: "DOCS",
        parent: Some("COMMAND"),
        arity: AtLeast(2),
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns descriptions of commands: summary, history, arguments.",
        tips: &["nondeterministic_output_order"],
        args: &[string("command-name").multiple().optional()],
        run: docs,
        ..COMMAND
    },
    Command {
        name: "GETKEYS",
        parent: Some("COMMAND"),
        arity: AtLeast(3),
        since: "2.8.13",
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Returns the keys of a full command.",
        args: &[string("command"), string("arg").multiple().optional()],
        run: command_keys::getkeys,
        ..COMMAND
    },
    Command {
        name: "GETKEYSANDFLAGS",
        parent: Some("COMMAND"),
        arity: AtLeast(3),
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Returns the keys of a full command and how it uses each.",
        args: &[string("command"), string("arg").multiple().optional()],
        run: command_keys::getkeysandflags,
        ..COMMAND
    },
    Command {
        name: "INFO",
        parent: Some("COMMAND"),
        arity: AtLeast(2),
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns arity, flags, keys and categories of commands.",
        history: &[("7.0.0", "Without names, returns all commands.")],
        tips: &["nondeterministic_output_order"],
        args: &[string("command-name").multiple().optional()],
        run: info,
        ..COMMAND
    },
    Command {
        name: "LIST",
        parent: Some("COMMAND"),
        arity: AtLeast(2),
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Returns the names of commands.",
        tips: &["nondeterministic_output_order"],
        args: &[one_of(
            "filterby",
            &[
                string("module-name").token("MODULE"),
                string("category").token("ACLCAT"),
                pattern("pattern").token("PATTERN"),
            ],
        )
        .token("FILTERBY")
        .optional()],
        run: list,
        ..COMMAND
    },
    Command {
        name: "HELP",
        parent: Some("COMMAND"),
        arity: Exactly(2),
        since: "5.0.0",
        summary: "Describes the subcommands of COMMAND.",
        run: help,
        ..COMMAND
    },
];

fn command(call: &mut Call) -> Result {
    let all = top_level(&call.server.commands);
    call.reply.array(all.len());
    for id in all {
        describe(call.reply, &call.server.commands, id);
    }
    Ok(())
}

/// The commands that are no subcommands and not hidden.
fn top_level(table: &Table) -> Vec<CommandId> {
    let all = table.iter().filter(|(_, entry)| entry.parent.is_none() && !entry.row.flags.has(Flags::HIDDEN));
    all.map(|(id, _)| id).collect()
}

fn count(call: &mut Call) -> Result {
    let count = top_level(&call.server.commands).len();
    call.reply.int(count as i64);
    Ok(())
}

fn docs(call: &mut Call) -> Result {
    let table = &call.server.commands;
    let ids: Vec<CommandId> = match call.args.len() {
        2 => top_level(table),
        _ => call.args.from(2).iter().filter_map(|name| table.find_full(name)).collect(),
    };
    call.reply.map(ids.len());
    for id in ids {
        command_docs::write(call.reply, table, id);
    }
    Ok(())
}

fn info(call: &mut Call) -> Result {
    if call.args.len() == 2 {
        return command(call);
    }
    call.reply.array(call.args.len() - 2);
    for name in call.args.from(2).iter() {
        match call.server.commands.find_full(name) {
            Some(id) => describe(call.reply, &call.server.commands, id),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn list(call: &mut Call) -> Result {
    let filter: Box<dyn Fn(&Entry) -> bool> = match call.args.len() {
        2 => Box::new(|_| true),
        5 if call.args.at(2).eq_ignore_ascii_case(b"FILTERBY") => {
            let value = call.args.at(4);
            match call.args.at(3).to_ascii_uppercase().as_slice() {
                b"MODULE" => Box::new(|_| false),
                b"ACLCAT" => {
                    let wanted = Categories::NAMES
                        .iter()
                        .find(|(_, name)| value.eq_ignore_ascii_case(name.as_bytes()));
                    Box::new(move |entry| wanted.is_some_and(|(category, _)| entry.categories.has(*category)))
                }
                b"PATTERN" => Box::new(move |entry| glob::matches(value, entry.full_name.as_bytes(), true)),
                _ => return Err(Error::SYNTAX),
            }
        }
        _ => return Err(Error::SYNTAX),
    };
    let entries = call.server.commands.iter().map(|(_, entry)| entry);
    let entries = entries.filter(|entry| !entry.row.flags.has(Flags::HIDDEN) && filter(entry));
    let mark = call.reply.mark();
    let mut count = 0;
    for entry in entries {
        call.reply.bulk(entry.full_name.as_bytes());
        count += 1;
    }
    call.reply.array_at(mark, count);
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "(no subcommand)",
        "    What is known about every command.",
        "COUNT",
        "    How many commands there are.",
        "DOCS [<command-name> ...]",
        "    Descriptions of some commands, or of all.",
        "GETKEYS <full-command>",
        "    The keys of a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    The keys of a full command and how it uses each.",
        "INFO [<command-name> ...]",
        "    What is known about some commands, or about all.",
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    The names of commands and subcommands.",
    ])
}

/// A set of simple strings.
pub(super) fn words(reply: &mut Reply, words: impl Iterator<Item = &'static str>) {
    let mark = reply.mark();
    let mut count = 0;
    for word in words {
        reply.simple(word);
        count += 1;
    }
    reply.set_at(mark, count);
}

/// One command as COMMAND INFO shows it: <https://redis.io/docs/latest/commands/command/>.
fn describe(reply: &mut Reply, table: &Table, id: CommandId) {
    let entry = table.entry(id);
    let row = entry.row;
    let range = key_specs::legacy_range(row);
    let flags = if range.movable { row.flags | Flags::MOVABLE_KEYS } else { row.flags };
    reply.array(10);
    reply.bulk(entry.full_name.as_bytes());
    reply.int(row.arity.as_redis());
    words(reply, flags.names());
    reply.int(range.first);
    reply.int(range.last);
    reply.int(range.step);
    let mark = reply.mark();
    let categories = entry.categories.names();
    let count = categories.map(|name| reply.simple(&format!("@{name}"))).count();
    reply.set_at(mark, count);
    reply.set(row.tips.len());
    row.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(row.keys.len());
    row.keys.iter().for_each(|spec| key_spec(reply, spec));
    reply.set(entry.children.len());
    entry.children.iter().for_each(|child| describe(reply, table, *child));
}

fn key_spec(reply: &mut Reply, spec: &Keys) {
    reply.map(3);
    reply.bulk(b"flags");
    words(reply, spec.flags.names());
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => typed(reply, "index", &[("index", index as i64)]),
        Begin::Keyword(keyword, from) => {
            typed_head(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(keyword.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(from as i64);
        }
        Begin::Unknown => typed(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            let spec = [("lastkey", last as i64), ("keystep", step as i64), ("limit", limit as i64)];
            typed(reply, "range", &spec);
        }
        Find::KeyNum { count, first, step } => {
            let spec = [("keynumidx", count as i64), ("firstkey", first as i64), ("keystep", step as i64)];
            typed(reply, "keynum", &spec);
        }
        Find::Unknown => typed(reply, "unknown", &[]),
    }
}

fn typed(reply: &mut Reply, kind: &str, spec: &[(&str, i64)]) {
    typed_head(reply, kind, spec.len());
    for (name, value) in spec {
        reply.bulk(name.as_bytes());
        reply.int(*value);
    }
}

fn typed_head(reply: &mut Reply, kind: &str, fields: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields);
}
