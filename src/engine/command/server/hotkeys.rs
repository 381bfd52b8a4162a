//! HOTKEYS: which keys take the most, measured for a while.

use super::SERVER;
use crate::engine::command::args::int_between;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::hotkeys::Order;
use crate::engine::protocol::Args;
use crate::engine::spec::{
    Arg,
    Arity::{AtLeast, Exactly},
    Flags, block, int, token,
};

const HOTKEYS: Command = Command {
    parent: Some("HOTKEYS"),
    arity: Exactly(2),
    flags: Flags::ADMIN.or(Flags::NOSCRIPT),
    since: "8.6.0",
    tips: &["request_policy:special"],
    ..SERVER
};

const SLOTS: &[Arg] = &[int("count"), int("slot").multiple()];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "HOTKEYS",
        arity: AtLeast(2),
        since: "8.6.0",
        complexity: "Depends on subcommand.",
        summary: "Finds the keys that take the most.",
        ..SERVER
    },
    Command {
        name: "START",
        arity: AtLeast(2),
        summary: "Begins to measure what keys take.",
        args: &[
            block("metrics", &[int("count"), token("cpu", "CPU").optional(), token("net", "NET").optional()])
                .token("METRICS"),
            int("k").token("COUNT").optional(),
            int("seconds").token("DURATION").optional(),
            int("ratio").token("SAMPLE").optional(),
            block("slots", SLOTS).token("SLOTS").optional(),
        ],
        run: start,
        ..HOTKEYS
    },
    Command { name: "STOP", summary: "Ends measuring what keys take.", run: stop, ..HOTKEYS },
    Command {
        name: "GET",
        complexity: "O(K) where K is the number of hotkeys returned.",
        summary: "Returns the keys that took the most.",
        tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        run: get,
        ..HOTKEYS
    },
    Command { name: "RESET", summary: "Forgets what was measured.", run: reset, ..HOTKEYS },
    Command {
        name: "HELP",
        parent: Some("HOTKEYS"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "8.6.1",
        summary: "Describes the subcommands of HOTKEYS.",
        run: help,
        ..SERVER
    },
];

fn start(call: &mut Call) -> Result {
    if call.server.hotkeys.as_ref().is_some_and(|hotkeys| hotkeys.is_active()) {
        return Err(Error::new("ERR hotkey tracking session already in progress"));
    }
    let order = order(call.args)?;
    call.server.start_hotkeys(order, call.now);
    call.reply.ok();
    Ok(())
}

fn order(args: Args) -> Result<Order> {
    let is = |index: usize, word: &str| {
        args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    if !is(2, "METRICS") || args.len() < 4 {
        return Err(Error::new("ERR METRICS parameter is required"));
    }
    let count = || Error::new("ERR METRICS count must be > 0 and <= 2");
    let count = int_between(args.at(3), 1, 2, count()).map_err(|_| count())?;
    let mut order = Order { by_time: false, by_bytes: false, count: 10, duration: None, sample: 1 };
    let mut at = 4;
    while at < args.len() && at - 4 < count as usize {
        let (metric, twice) = match () {
            () if is(at, "CPU") => (&mut order.by_time, "ERR METRICS CPU defined more than once!"),
            () if is(at, "NET") => (&mut order.by_bytes, "ERR METRICS NET defined more than once!"),
            () => break,
        };
        if std::mem::replace(metric, true) {
            return Err(Error::new(twice));
        }
        at += 1;
    }
    if at == 4 && at < args.len() {
        return Err(Error::new("ERR METRICS no valid metrics passed. Supported: CPU|NET"));
    }
    if at - 4 != count as usize {
        return Err(Error::new("ERR METRICS count does not match number of metric types provided"));
    }
    while at < args.len() {
        let limited = |most, error: &'static str| {
            int_between(args.at(at + 1), 1, most, Error::new(error)).map_err(|_| Error::new(error))
        };
        match () {
            () if is(at, "SLOTS") => {
                return Err(Error::new("ERR SLOTS parameter cannot be used in non-cluster mode"));
            }
            () if at + 1 == args.len() => return Err(Error::SYNTAX),
            () if is(at, "COUNT") => {
                order.count = limited(64, "ERR COUNT must be between 1 and 64")? as usize;
            }
            () if is(at, "DURATION") => {
                order.duration =
                    Some(limited(1_000_000, "ERR DURATION must be between 1 and 1000000")? as u64);
            }
            () if is(at, "SAMPLE") => {
                order.sample = limited(i64::MAX, "ERR SAMPLE ratio must be positive")? as u64;
            }
            () => return Err(Error::SYNTAX),
        }
        at += 2;
    }
    Ok(order)
}

fn stop(call: &mut Call) -> Result {
    match &call.server.hotkeys {
        Some(hotkeys) if hotkeys.is_active() => {
            call.server.stop_hotkeys(call.now);
            call.reply.ok();
        }
        _ => call.reply.null(),
    }
    Ok(())
}

fn reset(call: &mut Call) -> Result {
    if call.server.hotkeys.as_ref().is_some_and(|hotkeys| hotkeys.is_active()) {
        return Err(Error::new("ERR hotkey tracking session in progress, stop tracking first"));
    }
    call.server.hotkeys = None;
    call.reply.ok();
    Ok(())
}

fn get(call: &mut Call) -> Result {
    let (reply, used) = (&mut *call.reply, call.server.processor());
    let Some(hotkeys) = &call.server.hotkeys else {
        reply.null();
        return Ok(());
    };
    let (order, all, (began, ms)) = (*hotkeys.order(), hotkeys.all(), hotkeys.period(call.now));
    reply.array(1);
    let fields = 7 + 3 * usize::from(order.by_time) + 2 * usize::from(order.by_bytes);
    reply.map(fields);
    let mut figure = |name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    figure("tracking-active", i64::from(hotkeys.is_active()));
    figure("sample-ratio", order.sample as i64);
    reply.bulk(b"selected-slots");
    reply.array(1);
    reply.array(2);
    reply.int(0);
    reply.int(16383);
    let mut figure = |name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    figure("all-commands-all-slots-us", (all.ns / 1000) as i64);
    figure("net-bytes-all-commands-all-slots", all.bytes as i64);
    figure("collection-start-time-unix-ms", began);
    figure("collection-duration-ms", ms as i64);
    let used = hotkeys.processor(used);
    if order.by_time {
        figure("total-cpu-time-user-ms", (used.user / 1000) as i64);
        figure("total-cpu-time-sys-ms", (used.sys / 1000) as i64);
    }
    if order.by_bytes {
        figure("total-net-bytes", hotkeys.followed_bytes() as i64);
    }
    let mut list = |name: &str, keys: Vec<(&[u8], u64)>, unit: u64| {
        reply.bulk(name.as_bytes());
        reply.array(keys.len() * 2);
        for (key, weight) in keys {
            reply.bulk(key);
            reply.int((weight / unit) as i64);
        }
    };
    if order.by_time {
        list("by-cpu-time-us", hotkeys.by_time(), 1000);
    }
    if order.by_bytes {
        list("by-net-bytes", hotkeys.by_bytes(), 1);
    }
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>] [SLOTS <count> <slot>...]",
        "    Begins to measure.",
        "    METRICS  How many kinds, and which: CPU for the time of commands, NET for the bytes of the network.",
        "    COUNT    Keys to report of each kind, at most 64. Default: 10.",
        "    DURATION Seconds until it ends by itself. Default: until HOTKEYS STOP.",
        "    SAMPLE   One of so many commands is looked at. Default: 1.",
        "    SLOTS    The slots whose keys are looked at, in a cluster. Default: all.",
        "STOP",
        "    Ends measuring. GET still reports.",
        "GET",
        "    Reports what was measured.",
        "RESET",
        "    Forgets what was measured.",
    ])
}
