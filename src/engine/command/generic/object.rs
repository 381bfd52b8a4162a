//! OBJECT: what is inside a key.

use super::{GENERIC, without_touch};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Entry;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags, KEY, KeyFlags, key_at};

const LOOKS: Command = Command {
    parent: Some("OBJECT"),
    arity: Exactly(3),
    flags: Flags::READONLY,
    keys: &[key_at(2, KeyFlags::RO)],
    since: "2.2.3",
    tips: &["nondeterministic_output"],
    args: &[KEY],
    ..GENERIC
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "OBJECT",
        arity: AtLeast(2),
        categories: crate::engine::spec::Categories::NONE,
        since: "2.2.3",
        complexity: "Depends on subcommand.",
        summary: "Holds the commands that look inside keys.",
        ..GENERIC
    },
    Command {
        name: "ENCODING",
        summary: "Returns how a value is represented inside.",
        run: encoding,
        ..LOOKS
    },
    Command {
        name: "FREQ",
        since: "4.0.0",
        summary: "Returns the logarithmic count of a key's uses.",
        run: frequency,
        ..LOOKS
    },
    Command {
        name: "IDLETIME",
        summary: "Returns the seconds since a key's last use.",
        run: idle_time,
        ..LOOKS
    },
    Command {
        name: "REFCOUNT",
        summary: "Returns how often a value is referred to.",
        run: references,
        ..LOOKS
    },
    Command {
        name: "HELP",
        parent: Some("OBJECT"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "6.2.0",
        summary: "Explains the subcommands.",
        run: help,
        ..GENERIC
    },
];

const NO_FREQUENCY: Error = Error::new(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
     switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
const NO_IDLE_TIME: Error = Error::new(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
     between policies at runtime LRU and LFU data will take some time to adjust.",
);

/// Calls `look` with the key's entry; a key that is not there is answered with null, and, unlike other
/// misses, without an event.
fn with_entry(call: &mut Call, look: impl FnOnce(&mut Call, &EntryFacts) -> Result) -> Result {
    let (access, key) = (without_touch(call), call.args.at(2));
    let facts = call.server.peek(access, key).map(EntryFacts::of);
    match facts {
        Some(facts) => {
            call.server.stats.keyspace_hits += 1;
            look(call, &facts)
        }
        None => {
            call.server.stats.keyspace_misses += 1;
            call.reply.null();
            Ok(())
        }
    }
}

/// What OBJECT shows of an entry.
struct EntryFacts {
    encoding: &'static str,
    clock: u32,
}

impl EntryFacts {
    fn of(entry: &Entry) -> Self {
        EntryFacts { encoding: entry.encoding_name(), clock: entry.clock() }
    }
}

fn encoding(call: &mut Call) -> Result {
    with_entry(call, |call, entry| {
        call.reply.bulk(entry.encoding.as_bytes());
        Ok(())
    })
}

fn frequency(call: &mut Call) -> Result {
    with_entry(call, |call, entry| {
        let clock = call.server.clock(call.now);
        if !clock.policy.is_lfu() {
            return Err(NO_FREQUENCY);
        }
        call.reply.int(clock.lfu_counter(entry.clock).into());
        Ok(())
    })
}

fn idle_time(call: &mut Call) -> Result {
    with_entry(call, |call, entry| {
        let clock = call.server.clock(call.now);
        if clock.policy.is_lfu() {
            return Err(NO_IDLE_TIME);
        }
        call.reply.int(clock.idle_ms(entry.clock) / 1000);
        Ok(())
    })
}

fn references(call: &mut Call) -> Result {
    // Values are never shared here, as in Redis since 8.2.
    with_entry(call, |call, _| {
        call.reply.int(1);
        Ok(())
    })
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
    ])
}
