//! SLOWLOG and COMMANDLOG: calls that took long or were large.

use super::SERVER;
use crate::engine::command::args::int_between;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::server::call_log::LogKind;
use crate::engine::spec::{
    Arg,
    Arity::{AtLeast, Exactly},
    Flags, int, one_of, token,
};

/// Entries that SLOWLOG GET gives unless told how many.
const USUAL_COUNT: usize = 10;

const LOG: Command = Command { flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE), ..SERVER };
const SLOWLOG: Command = Command { parent: Some("SLOWLOG"), ..LOG };
const COMMANDLOG: Command = Command { parent: Some("COMMANDLOG"), since: "8.1.0", ..LOG };
const TYPE: Arg = one_of(
    "type",
    &[token("slow", "SLOW"), token("large-request", "LARGE-REQUEST"), token("large-reply", "LARGE-REPLY")],
);
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];
const SUMMED: &[&str] = &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"];
const ALL_SUCCEED: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SLOWLOG",
        arity: AtLeast(2),
        since: "2.2.12",
        complexity: "Depends on subcommand.",
        summary: "Shows commands that took long.",
        ..SERVER
    },
    Command {
        name: "GET",
        arity: AtLeast(2),
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries returned",
        summary: "Returns the latest commands that took long.",
        history: &[("4.0.0", "Entries carry the client's address and name.")],
        tips: EVERYWHERE,
        args: &[int("count").optional()],
        run: get,
        ..SLOWLOG
    },
    Command {
        name: "LEN",
        arity: Exactly(2),
        since: "2.2.12",
        summary: "Returns how many slow commands are remembered.",
        tips: SUMMED,
        run: len,
        ..SLOWLOG
    },
    Command {
        name: "RESET",
        arity: Exactly(2),
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries in the slowlog",
        summary: "Forgets all slow commands.",
        tips: ALL_SUCCEED,
        run: reset,
        ..SLOWLOG
    },
    Command {
        name: "HELP",
        parent: Some("SLOWLOG"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "6.2.0",
        summary: "Describes the subcommands of SLOWLOG.",
        run: help,
        ..SERVER
    },
    Command {
        name: "COMMANDLOG",
        arity: AtLeast(2),
        since: "8.1.0",
        complexity: "Depends on subcommand.",
        summary: "Shows commands that took long, or whose request or reply was large.",
        ..SERVER
    },
    Command {
        name: "GET",
        arity: Exactly(4),
        complexity: "O(N) where N is the number of entries returned",
        summary: "Returns the latest commands of one log.",
        tips: EVERYWHERE,
        args: &[int("count"), TYPE],
        run: log_get,
        ..COMMANDLOG
    },
    Command {
        name: "LEN",
        arity: Exactly(3),
        summary: "Returns how many commands a log holds.",
        tips: SUMMED,
        args: &[TYPE],
        run: log_len,
        ..COMMANDLOG
    },
    Command {
        name: "RESET",
        arity: Exactly(3),
        complexity: "O(N) where N is the number of entries in the commandlog",
        summary: "Empties a log.",
        tips: ALL_SUCCEED,
        args: &[TYPE],
        run: log_reset,
        ..COMMANDLOG
    },
    Command {
        name: "HELP",
        parent: Some("COMMANDLOG"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "8.1.0",
        summary: "Describes the subcommands of COMMANDLOG.",
        run: log_help,
        ..SERVER
    },
];

fn count(arg: &[u8]) -> Result<usize> {
    const BOUND: Error = Error::new("ERR count should be greater than or equal to -1");
    match int_between(arg, -1, i64::MAX, BOUND).map_err(|_| BOUND)? {
        -1 => Ok(usize::MAX),
        count => Ok(count as usize),
    }
}

fn kind(arg: &[u8]) -> Result<LogKind> {
    match arg.to_ascii_lowercase().as_slice() {
        b"slow" => Ok(LogKind::Slow),
        b"large-request" => Ok(LogKind::LargeRequest),
        b"large-reply" => Ok(LogKind::LargeReply),
        _ => Err(Error::new("ERR type should be one of the following: slow, large-request, large-reply")),
    }
}

/// `with_count`: the number of arguments comes last, as in Redis's SLOWLOG and nowhere else.
fn show(call: &mut Call, kind: LogKind, count: usize, with_count: bool) {
    let log = call.server.call_logs.get(kind);
    call.reply.array(log.len().min(count));
    for entry in log.iter().take(count) {
        call.reply.array(6 + usize::from(with_count));
        call.reply.int(entry.id as i64);
        call.reply.int(entry.at);
        call.reply.int(entry.value as i64);
        call.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| call.reply.bulk(arg));
        call.reply.bulk(entry.address.as_bytes());
        call.reply.bulk(&entry.name);
        if with_count {
            call.reply.int(entry.arg_count as i64);
        }
    }
}

fn get(call: &mut Call) -> Result {
    if call.args.len() > 3 {
        return Err(call.subcommand_error());
    }
    let count = call.args.get(2).map_or(Ok(USUAL_COUNT), count)?;
    show(call, LogKind::Slow, count, true);
    Ok(())
}

fn len(call: &mut Call) -> Result {
    call.reply.int(call.server.call_logs.get(LogKind::Slow).len() as i64);
    Ok(())
}

fn reset(call: &mut Call) -> Result {
    call.server.call_logs.get_mut(LogKind::Slow).reset();
    call.reply.ok();
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "GET [<count>]",
        "    The latest <count> entries (10 if not given, -1 for all), each of number, Unix time, duration in",
        "    microseconds, arguments, address and name of the client, and how many arguments there were.",
        "LEN",
        "    How many entries there are.",
        "RESET",
        "    Forgets all entries.",
    ])
}

fn log_get(call: &mut Call) -> Result {
    let (count, kind) = (count(call.args.at(2))?, kind(call.args.at(3))?);
    show(call, kind, count, false);
    Ok(())
}

fn log_len(call: &mut Call) -> Result {
    let kind = kind(call.args.at(2))?;
    call.reply.int(call.server.call_logs.get(kind).len() as i64);
    Ok(())
}

fn log_reset(call: &mut Call) -> Result {
    let kind = kind(call.args.at(2))?;
    call.server.call_logs.get_mut(kind).reset();
    call.reply.ok();
    Ok(())
}

fn log_help(call: &mut Call) -> Result {
    call.help(&[
        "GET <count> <type>",
        "    The latest <count> entries (-1 for all) of a log, each of number, Unix time, duration in microseconds",
        "    or size in bytes, arguments, address and name of the client.",
        "LEN <type>",
        "    How many entries a log holds.",
        "RESET <type>",
        "    Empties a log.",
    ])
}
