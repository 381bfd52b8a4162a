//! How long keys will live.

use super::{GENERIC, without_touch};
use crate::engine::command::{Call, Command, Result};
use crate::engine::spec::{Arity::Exactly, Flags, KEY, KeyFlags, key_at};

const READS: Command = Command {
    arity: Exactly(2),
    flags: Flags::READONLY.or(Flags::FAST),
    keys: &[key_at(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
    args: &[KEY],
    ..GENERIC
};
const HISTORY: &[(&str, &str)] = &[("2.8.0", "Added the -2 reply.")];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "TTL",
        since: "1.0.0",
        summary: "Returns in how many seconds a key expires.",
        history: HISTORY,
        tips: &["nondeterministic_output"],
        run: |call| reply(call, |at, now_ms| ((at - now_ms).max(0) + 500) / 1000),
        ..READS
    },
    Command {
        name: "PTTL",
        since: "2.6.0",
        summary: "Returns in how many milliseconds a key expires.",
        history: HISTORY,
        tips: &["nondeterministic_output"],
        run: |call| reply(call, |at, now_ms| (at - now_ms).max(0)),
        ..READS
    },
    Command {
        name: "EXPIRETIME",
        since: "7.0.0",
        summary: "Returns the Unix time in seconds at which a key expires.",
        run: |call| reply(call, |at, _| at.saturating_add(500) / 1000),
        ..READS
    },
    Command {
        name: "PEXPIRETIME",
        since: "7.0.0",
        summary: "Returns the Unix time in milliseconds at which a key expires.",
        run: |call| reply(call, |at, _| at),
        ..READS
    },
];

/// No such key.
const MISSING: i64 = -2;
/// The key does not expire.
const FOREVER: i64 = -1;

fn reply(call: &mut Call, shown: fn(i64, i64) -> i64) -> Result {
    let now_ms = call.now.unix_ms();
    let entry = call.server.read(without_touch(call), call.args.at(1));
    let reply = entry.map_or(MISSING, |entry| entry.expires_at().map_or(FOREVER, |at| shown(at, now_ms)));
    call.reply.int(reply);
    Ok(())
}
