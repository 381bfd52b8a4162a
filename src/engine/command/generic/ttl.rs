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
        run: |call| reply(call, |at, now_ms| at.saturating_sub(now_ms).max(0).saturating_add(500) / 1000),
        ..READS
    },
    Command {
        name: "PTTL",
        since: "2.6.0",
        summary: "Returns in how many milliseconds a key expires.",
        history: HISTORY,
        tips: &["nondeterministic_output"],
        run: |call| reply(call, |at, now_ms| at.saturating_sub(now_ms).max(0)),
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

#[cfg(test)]
mod tests {
    use crate::engine::config::Config;
    use crate::engine::loopback::Loopback;

    #[test]
    fn the_end_of_time_can_be_far_away() {
        let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
        // A wall clock may be before 1970.
        world.now.unix_us = -5_000_000;
        let client = world.connect();
        let end = i64::MAX;
        world.send(client, format!("SET k v PXAT {end}\r\nTTL k\r\nPTTL k\r\nEXPIRETIME k\r\n").as_bytes());
        let seconds = end / 1000;
        assert_eq!(
            String::from_utf8_lossy(&world.take_heard(client)),
            format!("+OK\r\n:{seconds}\r\n:{end}\r\n:{seconds}\r\n")
        );
    }
}
