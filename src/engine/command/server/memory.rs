//! MEMORY: what the server's memory is used for.

use super::SERVER;
use crate::engine::command::args::int;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::info::{MemoryFigures, ratio};
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Flags, KEY, KeyFlags, int as integer, key_at,
};

const MEMORY: Command = Command { parent: Some("MEMORY"), since: "4.0.0", ..SERVER };
const PER_SHARD: &[&str] =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "MEMORY",
        arity: AtLeast(2),
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        summary: "Shows what the server's memory is used for.",
        ..SERVER
    },
    Command {
        name: "USAGE",
        arity: AtLeast(3),
        flags: Flags::READONLY,
        keys: &[key_at(2, KeyFlags::RO)],
        complexity: "O(N) where N is the number of samples.",
        summary: "Returns how much memory a key and its value take.",
        args: &[KEY, integer("count").token("SAMPLES").optional()],
        run: usage,
        ..MEMORY
    },
    Command {
        name: "STATS",
        arity: Exactly(2),
        summary: "Returns figures about the use of memory.",
        tips: PER_SHARD,
        run: stats,
        ..MEMORY
    },
    Command {
        name: "DOCTOR",
        arity: Exactly(2),
        summary: "Judges the use of memory in plain words.",
        tips: PER_SHARD,
        run: doctor,
        ..MEMORY
    },
    Command {
        name: "PURGE",
        arity: Exactly(2),
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Asks the allocator to give free pages back.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        run: purge,
        ..MEMORY
    },
    Command {
        name: "MALLOC-STATS",
        arity: Exactly(2),
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Returns the allocator's own report.",
        tips: PER_SHARD,
        run: malloc_stats,
        ..MEMORY
    },
    Command {
        name: "HELP",
        parent: Some("MEMORY"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "4.0.0",
        summary: "Describes the subcommands of MEMORY.",
        run: help,
        ..SERVER
    },
];

fn usage(call: &mut Call) -> Result {
    let mut at = 3;
    while let Some(option) = call.args.get(at) {
        let value = call.args.get(at + 1).filter(|_| option.eq_ignore_ascii_case(b"SAMPLES"));
        // Values are measured whole, so that samples only have to be a number.
        if int(value.ok_or(Error::SYNTAX)?)? < 0 {
            return Err(Error::SYNTAX);
        }
        at += 2;
    }
    match call.server.peek(call.access(), call.args.at(2)) {
        Some(entry) => call.reply.int(entry.memory_usage() as i64),
        None => call.reply.null(),
    }
    Ok(())
}

fn stats(call: &mut Call) -> Result {
    let figures = MemoryFigures::of(call.server);
    let (buffers, keys, allocator) = (buffers(&figures), keys(&figures), allocator(&figures));
    let ratios = ratios(&figures);
    call.reply.map(buffers.len() + figures.tables.len() + keys.len() + allocator.len() + ratios.len());
    ints(call, &buffers);
    for (index, bytes) in &figures.tables {
        call.reply.bulk(format!("db.{index}").as_bytes());
        call.reply.map(2);
        ints(call, &[("overhead.hashtable.main", *bytes as i64), ("overhead.hashtable.expires", 0)]);
    }
    ints(call, &keys);
    ints(call, &allocator);
    for (name, value) in ratios {
        call.reply.bulk(name.as_bytes());
        call.reply.double(value);
    }
    Ok(())
}

fn ints(call: &mut Call, rows: &[(&str, i64)]) {
    for (name, value) in rows {
        call.reply.bulk(name.as_bytes());
        call.reply.int(*value);
    }
}

fn buffers(figures: &MemoryFigures) -> [(&'static str, i64); 18] {
    [
        ("peak.allocated", figures.peak as i64),
        ("total.allocated", figures.used as i64),
        ("startup.allocated", figures.startup as i64),
        ("replication.backlog", 0),
        ("replica.fullsync.buffer", 0),
        ("replicas.repl.buffer", 0),
        ("clients.slaves", 0),
        ("clients.normal", figures.clients as i64),
        ("clients.normal.shared", 0),
        ("clients.normal.unshared", figures.clients as i64),
        ("cluster.links", 0),
        ("cluster.slot_import", 0),
        ("cluster.slot_export", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("script.VMs", 0),
        ("hash.templates", 0),
    ]
}

fn keys(figures: &MemoryFigures) -> [(&'static str, i64); 7] {
    let since_start = figures.used.saturating_sub(figures.startup);
    [
        ("overhead.db.hashtable.lut", figures.tables.iter().map(|(_, bytes)| *bytes as i64).sum()),
        ("overhead.db.hashtable.rehashing", 0),
        ("overhead.total", figures.overhead as i64),
        ("db.dict.rehashing.count", 0),
        ("keys.count", figures.keys as i64),
        ("keys.bytes-per-key", since_start.checked_div(figures.keys).unwrap_or(0) as i64),
        ("dataset.bytes", figures.dataset() as i64),
    ]
}

fn allocator(figures: &MemoryFigures) -> [(&'static str, i64); 8] {
    let [allocated, active, resident, muzzy] = figures.allocator().map(|bytes| bytes as i64);
    [
        ("allocator.allocated", allocated),
        ("allocator.active", active),
        ("allocator.resident", resident),
        ("allocator.muzzy", muzzy),
        ("allocator-fragmentation.bytes", active - allocated),
        ("allocator-rss.bytes", resident - active),
        ("rss-overhead.bytes", figures.resident as i64 - resident),
        ("fragmentation.bytes", figures.resident as i64 - figures.used as i64),
    ]
}

fn ratios(figures: &MemoryFigures) -> [(&'static str, f64); 6] {
    let [allocated, active, resident, _] = figures.allocator();
    [
        ("dataset.percentage", figures.dataset_percent()),
        ("peak.percentage", figures.peak_percent()),
        ("allocator-fragmentation.ratio", ratio(active, allocated)),
        ("allocator-rss.ratio", ratio(resident, active)),
        ("rss-overhead.ratio", ratio(figures.resident, resident)),
        ("fragmentation", figures.fragmentation()),
    ]
}

/// Below this many bytes nothing can be said about the use of memory.
const ENOUGH: u64 = 5 << 20;

fn doctor(call: &mut Call) -> Result {
    let figures = MemoryFigures::of(call.server);
    let mut problems = Vec::new();
    if figures.peak as f64 > figures.used as f64 * 1.5 {
        problems.push(
            "Peak: at its peak the server used more than 1.5 times the memory it uses now; what the allocator \
             keeps for such times makes the resident set look large.",
        );
    }
    if figures.fragmentation() > 1.4 && figures.resident.saturating_sub(figures.used) > 10 << 20 {
        problems.push(
            "Fragmentation: the resident set is more than 1.4 times what is allocated. MEMORY PURGE may give \
             pages back.",
        );
    }
    let clients = call.server.clients.len() as u64;
    if figures.clients.checked_div(clients).unwrap_or(0) > 200 * 1024 {
        problems.push(
            "Clients: their buffers take more than 200 KiB each on average. CLIENT LIST shows which ones read \
             too slowly or send too much at once.",
        );
    }
    let text = if figures.used < ENOUGH {
        "The server holds too little data for a judgement.\n".to_owned()
    } else if problems.is_empty() {
        "Nothing is wrong with the use of memory.\n".to_owned()
    } else {
        problems.iter().map(|problem| format!("* {problem}\n")).collect()
    };
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// jemalloc gives pages back by itself, after seconds; there is nothing to hurry.
fn purge(call: &mut Call) -> Result {
    call.reply.ok();
    Ok(())
}

fn malloc_stats(call: &mut Call) -> Result {
    let [allocated, active, resident, muzzy] = MemoryFigures::of(call.server).allocator();
    let text = format!(
        "{}\nallocated: {allocated}\nactive: {active}\nresident: {resident}\nmuzzy: {muzzy}\n",
        call.server.environment.allocator
    );
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "DOCTOR",
        "    A report in plain words.",
        "MALLOC-STATS",
        "    Figures of the allocator.",
        "PURGE",
        "    Asks the allocator to give free pages back.",
        "STATS",
        "    Figures about the use of memory.",
        "USAGE <key> [SAMPLES <count>]",
        "    Bytes that <key> and its value take. Values are measured whole, whatever <count> says.",
    ])
}
