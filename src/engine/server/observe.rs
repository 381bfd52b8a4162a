//! What is written down about each call: counters, slow log, latency, monitors.

use super::Server;
use super::call_log::{LogKind, limits};
use super::latency::Sample;
use crate::engine::command::Command;
use crate::engine::command::table::CommandId;
use crate::engine::config::{self, Config, Flag};
use crate::engine::hotkeys::Taken;
use crate::engine::protocol::{Args, Reply};
use crate::engine::session::{Blocked, Session, Waiting};
use crate::engine::spec::Flags;
use crate::engine::text::quote;
use crate::engine::time::Now;

/// From which values on a call deserves a closer look: the least of all thresholds, so that the common
/// call needs three comparisons.
#[derive(Clone, Copy, Debug)]
pub struct Notable {
    ns: u64,
    request_bytes: usize,
    reply_bytes: usize,
}

impl Notable {
    /// Every call is looked at.
    pub const ALL: Notable = Notable { ns: 0, request_bytes: 0, reply_bytes: 0 };

    /// The thresholds of this configuration.
    pub fn of(config: &Config) -> Self {
        let log = |kind| match limits(kind, config) {
            (0.., 0) | (..0, _) => u64::MAX,
            (threshold, _) => threshold as u64,
        };
        let event = match config.latency_monitor_threshold {
            0 => u64::MAX,
            ms => ms.saturating_mul(1_000_000),
        };
        Notable {
            ns: log(LogKind::Slow).saturating_mul(1000).min(event),
            request_bytes: log(LogKind::LargeRequest) as usize,
            reply_bytes: log(LogKind::LargeReply) as usize,
        }
    }

    #[inline]
    fn is_met(&self, cost: &Cost) -> bool {
        cost.ns >= self.ns || cost.request_bytes >= self.request_bytes || cost.reply_bytes >= self.reply_bytes
    }
}

/// What one call took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    ns: u64,
    request_bytes: usize,
    reply_bytes: usize,
}

impl Server {
    /// A command was called and wrote `reply_bytes`: it took the time since the last one ended.
    #[inline]
    pub fn observe(
        &mut self,
        session: &mut Session,
        args: Args,
        id: CommandId,
        (failed, reply_bytes): (bool, usize),
        now: Now,
    ) {
        let lap = (self.environment.stopwatch)();
        // Wrapping, since DEBUG SLEEP sets the lap back, maybe to before the clock began.
        let ns = (lap.wrapping_sub(self.lap) as i64).max(0) as u64;
        self.lap = lap;
        let (resumed, ns) = match &self.blocking.resumed {
            None => (false, ns),
            Some(resumed) => (true, ns + resumed.ns),
        };
        if let Some(Blocked { on: Waiting::Keys(wait), .. }) = &mut session.blocked {
            // It is not over.
            wait.ns = ns;
        } else if !self.is_busy() {
            self.count_call(session, args, id, (ns, reply_bytes, failed), now);
        }
        let flags = self.commands.entry(id).row.flags;
        if !self.monitors.is_empty() && !resumed && !flags.any(Flags::SKIP_MONITOR | Flags::ADMIN) {
            self.feed_monitors(session, args, id, now);
        }
    }

    /// Counts a call that is over and took `ns` for a reply of so many bytes, and logs it if it is notable.
    #[inline]
    pub fn count_call(
        &mut self,
        session: &Session,
        args: Args,
        id: CommandId,
        (ns, reply_bytes, failed): (u64, usize, bool),
        now: Now,
    ) {
        self.stats.commands_processed += 1;
        let tracking = self.config.latency_tracking;
        let stats = &mut self.command_stats[id as usize];
        stats.calls += 1;
        stats.ns += ns;
        stats.failed += failed as u64;
        if tracking {
            stats.latency.get_or_insert_default().record(ns);
        }
        let cost = Cost { ns, request_bytes: args.span(), reply_bytes };
        if self.notable.is_met(&cost) {
            self.note(session, args, id, cost, now);
        }
    }

    /// Writes a notable call into the logs it belongs to.
    #[cold]
    fn note(&mut self, session: &Session, args: Args, id: CommandId, cost: Cost, now: Now) {
        if !session.is_script() {
            let bytes = (cost.request_bytes + cost.reply_bytes) as u64;
            self.follow_keys(args, id, Taken { ns: cost.ns, bytes });
        }
        // While keys are followed all calls come here.
        if !Notable::of(&self.config).is_met(&cost) {
            return;
        }
        let row = self.commands.entry(id).row;
        let event = if row.flags.has(Flags::FAST) { "fast-command" } else { "command" };
        self.note_latency(event, cost.ns, now);
        if row.flags.has(Flags::SKIP_SLOWLOG) {
            return;
        }
        let hidden = secrets(row, args);
        let values = [
            (LogKind::Slow, cost.ns / 1000),
            (LogKind::LargeRequest, cost.request_bytes as u64),
            (LogKind::LargeReply, cost.reply_bytes as u64),
        ];
        for (kind, value) in values {
            self.call_logs.record(kind, value, (session, args, &hidden), &self.config, now);
        }
    }

    /// Remembers that an event took long, if it did.
    pub fn note_latency(&mut self, event: &'static str, ns: u64, now: Now) {
        let (ms, threshold) = (ns / 1_000_000, self.config.latency_monitor_threshold);
        if threshold > 0 && ms >= threshold {
            self.latency.add(event, Sample { at: now.unix_secs(), ms });
        }
    }

    /// Shows a command to the clients that monitor: most when they are over, scripts before their own commands.
    #[cold]
    pub fn feed_monitors(&mut self, session: &Session, args: Args, id: CommandId, now: Now) {
        let row = self.commands.entry(id).row;
        let (seconds, micros) = (now.unix_secs(), now.unix_us.rem_euclid(1_000_000));
        let mut line =
            format!("{seconds}.{micros:06} [{} {}]", session.db, session.peer.address).into_bytes();
        let hidden = secrets(row, args);
        for (index, arg) in args.iter().enumerate() {
            line.push(b' ');
            let is_hidden = hidden.get(index).is_some_and(|hidden| *hidden);
            quote::append(&mut line, if is_hidden { b"(redacted)" } else { arg });
        }
        let mut encoded = Reply::default();
        encoded.simple_bytes(&line);
        for client in self.monitors.clone() {
            if let Some(monitor) = self.clients.get_mut(client) {
                monitor.reply.raw(encoded.pending());
                self.after_delivery(client);
            }
        }
    }
}

/// Which arguments hold passwords and the like, which no log may show.
fn secrets(row: &Command, args: Args) -> Vec<bool> {
    let mut hidden = vec![false; args.len()];
    let from = |hidden: &mut [bool], first: usize, count: usize| {
        hidden.iter_mut().skip(first).take(count).for_each(|hidden| *hidden = true);
    };
    match (row.parent, row.name) {
        (None, "AUTH") => from(&mut hidden, 1, args.len()),
        (Some("ACL"), "SETUSER" | "GETUSER" | "DELUSER") => from(&mut hidden, 2, args.len()),
        (Some("CONFIG"), "SET") => {
            for name in (2..args.len()).step_by(2) {
                if config::find(args.at(name)).is_some_and(|row| row.is(Flag::Sensitive)) {
                    from(&mut hidden, name + 1, 1);
                }
            }
        }
        (None, "HELLO" | "MIGRATE") => {
            for (index, arg) in args.iter().enumerate().skip(1) {
                if arg.eq_ignore_ascii_case(b"AUTH") {
                    from(&mut hidden, index + 1, if row.name == "HELLO" { 2 } else { 1 });
                } else if arg.eq_ignore_ascii_case(b"AUTH2") {
                    from(&mut hidden, index + 1, 2);
                }
            }
        }
        _ => {}
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::BASE;
    use crate::engine::protocol::Argv;

    fn hidden(parent: Option<&'static str>, name: &'static str, call: &str) -> Vec<usize> {
        let argv = Argv::of(call.split(' ').map(str::as_bytes));
        let hidden = secrets(&Command { parent, name, ..BASE }, argv.args());
        hidden.iter().enumerate().filter(|(_, hidden)| **hidden).map(|(index, _)| index).collect()
    }

    #[test]
    fn secrets_are_known_by_their_place() {
        assert_eq!(hidden(None, "GET", "GET AUTH x"), []);
        assert_eq!(hidden(None, "AUTH", "AUTH u p"), [1, 2]);
        assert_eq!(hidden(None, "HELLO", "HELLO 3 AUTH u p SETNAME n"), [3, 4]);
        assert_eq!(hidden(None, "MIGRATE", "MIGRATE h 1 k 9 50 AUTH p"), [7]);
        assert_eq!(hidden(Some("CONFIG"), "SET", "CONFIG SET maxmemory 1 requirepass x"), [5]);
    }

    #[test]
    fn what_no_log_wants_is_never_notable() {
        let mut config =
            Config { slowlog_log_slower_than: -1, commandlog_large_reply_max_len: 0, ..Config::default() };
        let notable = Notable::of(&config);
        assert_eq!((notable.ns, notable.reply_bytes), (u64::MAX, usize::MAX));
        config.latency_monitor_threshold = 3;
        assert_eq!(Notable::of(&config).ns, 3_000_000);
    }
}
