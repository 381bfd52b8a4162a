//! LATENCY: events that took long, and how the durations of commands are distributed.

use super::SERVER;
use crate::engine::command::table::CommandId;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::server::latency::{Sample, Series};
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Flags, string,
};
use std::fmt::Write;

const LATENCY: Command = Command {
    parent: Some("LATENCY"),
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    since: "2.8.13",
    ..SERVER
};
const EVERYWHERE: &[&str] =
    &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "LATENCY",
        arity: AtLeast(2),
        since: "2.8.13",
        complexity: "Depends on subcommand.",
        summary: "Shows events that took long, and how long commands take.",
        ..SERVER
    },
    Command {
        name: "LATEST",
        arity: Exactly(2),
        summary: "Returns the latest and the worst sample of every event.",
        tips: EVERYWHERE,
        run: latest,
        ..LATENCY
    },
    Command {
        name: "HISTORY",
        arity: Exactly(3),
        summary: "Returns the samples of an event.",
        tips: EVERYWHERE,
        args: &[string("event")],
        run: history,
        ..LATENCY
    },
    Command {
        name: "RESET",
        arity: AtLeast(2),
        summary: "Forgets the samples of some or all events.",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
        args: &[string("event").multiple().optional()],
        run: reset,
        ..LATENCY
    },
    Command {
        name: "GRAPH",
        arity: Exactly(3),
        summary: "Draws the samples of an event with letters.",
        tips: EVERYWHERE,
        args: &[string("event")],
        run: graph,
        ..LATENCY
    },
    Command {
        name: "DOCTOR",
        arity: Exactly(2),
        summary: "Judges the latency of the server in plain words.",
        tips: EVERYWHERE,
        run: doctor,
        ..LATENCY
    },
    Command {
        name: "HISTOGRAM",
        arity: AtLeast(2),
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being retrieved.",
        summary: "Returns how the durations of commands are distributed.",
        tips: EVERYWHERE,
        args: &[string("command").multiple().optional()],
        run: histogram,
        ..LATENCY
    },
    Command {
        name: "HELP",
        parent: Some("LATENCY"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "2.8.13",
        summary: "Describes the subcommands of LATENCY.",
        run: help,
        ..SERVER
    },
];

fn latest(call: &mut Call) -> Result {
    let monitor = &call.server.latency;
    call.reply.array(monitor.iter().len());
    for (event, series) in monitor.iter() {
        let latest = series.latest().unwrap_or(Sample { at: 0, ms: 0 });
        // Redis gives the first four, Valkey all six.
        call.reply.array(6);
        call.reply.bulk(event.as_bytes());
        call.reply.int(latest.at);
        for number in [latest.ms, series.max, series.sum, series.count] {
            call.reply.int(number as i64);
        }
    }
    Ok(())
}

fn history(call: &mut Call) -> Result {
    let Some((_, series)) = call.server.latency.get(call.args.at(2)) else {
        call.reply.array(0);
        return Ok(());
    };
    call.reply.array(series.iter().len());
    for sample in series.iter() {
        call.reply.array(2);
        call.reply.int(sample.at);
        call.reply.int(sample.ms as i64);
    }
    Ok(())
}

fn reset(call: &mut Call) -> Result {
    let monitor = &mut call.server.latency;
    let count = match call.args.len() {
        2 => monitor.reset_all(),
        _ => call.args.from(2).iter().filter(|event| monitor.reset(event)).count(),
    };
    call.reply.int(count as i64);
    Ok(())
}

fn graph(call: &mut Call) -> Result {
    let event = call.args.at(2);
    let Some((name, series)) = call.server.latency.get(event) else {
        let event = String::from_utf8_lossy(event);
        return Err(Error::text(format!("ERR No samples available for event '{event}'")));
    };
    let text = draw(name, series, call.now.unix_secs());
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Width of a graph in characters.
const COLUMNS: usize = 80;
/// Height of a graph in lines.
const ROWS: usize = 4;
/// How a sample's top looks within a line.
const LEVELS: [char; 3] = ['_', 'o', '#'];

/// One column a sample, the latest ones, its height in three steps a line; below, how long ago it was.
fn draw(name: &str, series: &Series, now: i64) -> String {
    let skipped = series.iter().len().saturating_sub(COLUMNS);
    let samples: Vec<&Sample> = series.iter().skip(skipped).collect();
    let (low, high) = samples.iter().fold((u64::MAX, 0), |(low, high), s| (low.min(s.ms), high.max(s.ms)));
    let mut out = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", series.max);
    out += &"-".repeat(COLUMNS);
    out.push('\n');
    let steps = (ROWS * LEVELS.len() - 1) as u64;
    for row in (0..ROWS).rev() {
        for sample in &samples {
            let height = ((sample.ms - low) * steps / (high - low).max(1)) as usize;
            out.push(match height / LEVELS.len() {
                top if top == row => LEVELS[height % LEVELS.len()],
                top if top > row => '|',
                _ => ' ',
            });
        }
        out.push('\n');
    }
    out.push('\n');
    let ages: Vec<Vec<char>> = samples.iter().map(|s| age(now - s.at).chars().collect()).collect();
    for line in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        out.extend(ages.iter().map(|age| age.get(line).copied().unwrap_or(' ')));
        out.push('\n');
    }
    out
}

/// A time span in its largest unit.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn doctor(call: &mut Call) -> Result {
    let (monitor, config) = (&call.server.latency, &call.server.config);
    let mut out = String::new();
    if monitor.iter().len() == 0 && config.latency_monitor_threshold == 0 {
        out += "Latency monitoring is off. \"CONFIG SET latency-monitor-threshold <milliseconds>\" turns it on.\n";
    } else if monitor.iter().len() == 0 {
        out += "Nothing took longer than latency-monitor-threshold so far.\n";
    } else {
        out += "These events took longer than latency-monitor-threshold:\n\n";
        for (number, (event, series)) in monitor.iter().enumerate() {
            let _ = writeln!(out, "{}. {event}: {}", number + 1, judge(series, call.now.unix_secs()));
        }
        out += "\nWhat may help:\n\n";
        for (event, advice) in ADVICE {
            if monitor.get(event.as_bytes()).is_some() {
                let _ = writeln!(out, "- {advice}");
            }
        }
    }
    call.reply.verbatim("txt", out.as_bytes());
    Ok(())
}

/// What to do about an event.
const ADVICE: &[(&str, &str)] = &[
    (
        "command",
        "SLOWLOG GET shows which commands take long: split what they work on, or ask for less at a time.",
    ),
    ("fast-command", "Commands that never take long did: the machine is short of CPU time or memory."),
    ("expire-cycle", "Many keys expire at once: spread their times, or lower active-expire-effort."),
    ("eviction-cycle", "Much has to be evicted at once: give the server more memory or smaller values."),
];

fn judge(series: &Series, now: i64) -> String {
    let count = series.iter().len().max(1) as u64;
    let average = series.iter().map(|sample| sample.ms).sum::<u64>() / count;
    let deviation = series.iter().map(|sample| sample.ms.abs_diff(average)).sum::<u64>() / count;
    let oldest = series.iter().next().map_or(now, |sample| sample.at);
    let period = (now - oldest).max(1) as f64 / count as f64;
    format!(
        "{count} spikes (average {average}ms, mean deviation {deviation}ms, every {period:.2} sec), the worst \
         ever {}ms.",
        series.max
    )
}

fn histogram(call: &mut Call) -> Result {
    let table = &call.server.commands;
    let ids: Vec<CommandId> = match call.args.len() {
        2 => table.iter().map(|(id, _)| id).collect(),
        _ => {
            let named = call.args.from(2).iter().filter_map(|name| table.find_full(name));
            named.flat_map(|id| std::iter::once(id).chain(table.entry(id).children.iter().copied())).collect()
        }
    };
    let mark = call.reply.mark();
    let mut count = 0;
    for id in ids {
        let Some(histogram) = &call.server.command_stats[id as usize].latency else { continue };
        count += 1;
        call.reply.bulk(table.entry(id).full_name.as_bytes());
        call.reply.map(2);
        call.reply.bulk(b"calls");
        call.reply.int(histogram.total() as i64);
        call.reply.bulk(b"histogram_usec");
        let buckets = doubling(histogram.buckets());
        call.reply.map(buckets.len());
        for (us, calls) in buckets {
            call.reply.int(us as i64);
            call.reply.int(calls as i64);
        }
    }
    call.reply.map_at(mark, count);
    Ok(())
}

/// From counts by nanoseconds to the cumulative counts of Redis: microseconds, each bound twice the one
/// before, those left out that add nothing.
fn doubling(buckets: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = Vec::new();
    let (mut bound, mut total) = (1024u64, 0);
    let mut open = false;
    for (upper_ns, count) in buckets {
        while upper_ns >= bound {
            if std::mem::take(&mut open) {
                all.push((shown_bound(bound), total));
            }
            bound *= 2;
        }
        total += count;
        open = true;
    }
    if open {
        all.push((shown_bound(bound), total));
    }
    all
}

/// The microseconds that Redis shows for a bound in nanoseconds: the end of the bucket which it begins in
/// a histogram of two decimal digits.
fn shown_bound(ns: u64) -> u64 {
    (ns + ns / 128 - 1) / 1000
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "DOCTOR",
        "    A report in plain words.",
        "GRAPH <event>",
        "    The samples of <event>, drawn with letters.",
        "HISTORY <event>",
        "    The samples of <event>: Unix time and milliseconds.",
        "LATEST",
        "    Of every event: the time of the latest sample, its milliseconds, the longest ever, the sum, the count.",
        "RESET [<event> ...]",
        "    Forgets the samples of some events, or of all.",
        "HISTOGRAM [COMMAND ...]",
        "    How many calls took how long, for some commands or all: cumulative counts by microseconds.",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::server::latency::LatencyMonitor;
    use crate::engine::server::stats::Histogram;

    #[test]
    fn bounds_double_and_counts_add_up() {
        let mut histogram = Histogram::default();
        for ns in [500, 1_000, 1_500, 1_500, 40_000, 200_000_000] {
            histogram.record(ns);
        }
        assert_eq!(doubling(histogram.buckets()), [(1, 2), (2, 4), (66, 5), (270_532, 6)]);
        assert_eq!(doubling(std::iter::empty()), []);
    }

    #[test]
    fn a_graph_goes_from_low_to_high() {
        let mut monitor = LatencyMonitor::default();
        for (at, ms) in [(0, 10), (3540, 21), (3599, 15)] {
            monitor.add("command", Sample { at, ms });
        }
        let (name, series) = monitor.get(b"command").expect("there are samples");
        let drawn = draw(name, series, 3600);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], "command - high 21 ms, low 10 ms (all time high 21 ms)");
        assert_eq!(lines[2..], [" # ", " | ", " |#", "_||", "", "111", "hms"]);
    }
}
