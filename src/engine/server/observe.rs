//! What is written down about each call: counters, slow log, latency, monitors.

use super::Server;
use crate::engine::command::table::CommandId;
use crate::engine::protocol::{Args, Reply};
use crate::engine::session::Session;
use crate::engine::spec::Flags;
use crate::engine::text::quote;
use crate::engine::time::Now;

impl Server {
    /// A command was called: it took the time since the last one ended.
    #[inline]
    pub fn observe(&mut self, _session: &Session, _args: Args, id: CommandId, failed: bool, _now: Now) {
        let lap = (self.environment.stopwatch)();
        let ns = lap.saturating_sub(self.lap);
        self.lap = lap;
        self.stats.commands_processed += 1;
        let tracking = self.config.latency_tracking;
        let stats = &mut self.command_stats[id as usize];
        stats.calls += 1;
        stats.ns += ns;
        stats.failed += failed as u64;
        if tracking {
            stats.latency.get_or_insert_default().record(ns);
        }
    }

    /// Shows a command to the clients that monitor.
    #[cold]
    pub fn feed_monitors(&mut self, session: &Session, args: Args, id: CommandId, now: Now) {
        if self.commands.entry(id).row.flags.any(Flags::SKIP_MONITOR | Flags::ADMIN) {
            return;
        }
        let (seconds, micros) = (now.unix_secs(), now.unix_us.rem_euclid(1_000_000));
        let mut line =
            format!("{seconds}.{micros:06} [{} {}]", session.db, session.peer.address).into_bytes();
        for arg in args.iter() {
            line.push(b' ');
            quote::append(&mut line, arg);
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
