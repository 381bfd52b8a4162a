//! What happens by the clock: waits that end, keys that expire, clients that idle.

use super::Server;
use crate::engine::buggify::buggify;
use crate::engine::effect::Level;
use crate::engine::keyspace::{Due, ExpireStep};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::session::{ClientId, Closing, Session, Waiting};
use crate::engine::time::Now;

/// Clients looked at in one round.
const CLIENTS_A_ROUND: usize = 200;
/// Work of the active expiry in one tick at an `active-expire-effort` of 1, in entries looked at: about
/// a quarter of a millisecond. A segment is always finished, which may add another 800.
const EXPIRY_A_TICK: usize = 1000;
/// Keys of a tracking table that was cleared freed in one tick.
const FREED_A_TICK: usize = 2000;
/// Microseconds until the next tick while there is work left. So at an effort of 1 at most a quarter of
/// the time goes into expiring keys, as in Redis.
const SOON_US: u64 = 1000;

/// Where work that is spread over ticks goes on.
#[derive(Debug, Default)]
pub struct Cron {
    /// When the next round of what happens `hz` times a second is due, in monotonic microseconds.
    due: u64,
    /// The last client looked at.
    client: u64,
    /// The database whose keys expire next.
    database: usize,
    /// More keys are due than the last tick could remove.
    lags: bool,
    /// When the log tells of databases and clients again, in monotonic microseconds.
    pub(super) chatter_due: u64,
}

impl Server {
    /// Does what is due. Call it at `next_deadline`, or when anything else wakes the owner.
    pub fn tick(&mut self, now: Now) {
        self.mono_us = now.mono_us;
        let start = (self.environment.stopwatch)();
        self.sample(now);
        self.run_cron(now);
        self.stats.cron_ns += (self.environment.stopwatch)().saturating_sub(start);
    }

    /// What is done `hz` times a second is done with the next tick, though its time may not have come.
    pub fn hasten_round(&mut self) {
        self.cron.due = 0;
    }

    /// A client had the clock moved, to `now` (`Effect::Clock`). It gets its reply once all that is over has ended: so
    /// whoever reads next sees the same on every run.
    pub fn clock_moved(&mut self, client: ClientId, now: Now) {
        if let Some(mut session) = self.clients.take(client) {
            // Whoever makes time pass has not idled.
            session.active = now.mono_us;
            self.clients.put_back(session);
        }
        self.hasten_round();
        self.tick(now);
        while !self.cron_paused && !self.expire_due(now) {}
        self.finish_outside(client, Ok(()));
    }

    fn run_cron(&mut self, now: Now) {
        self.run_apart(now);
        if self.is_busy() {
            return self.run_busy(now);
        }
        if self.pause.end(Some(now.mono_us)) {
            self.wake_paused();
        }
        // What a pause has held up comes before time-outs.
        self.serve_what_is_ready(now);
        self.end_waits(now);
        let round = now.mono_us >= self.cron.due;
        if round {
            self.cron.due = now.mono_us + 1_000_000 / self.config.hz.clamp(1, 500);
            self.stats.cron_ticks += 1;
            if !self.cron_paused {
                self.tell_of_state(now);
                self.look_after_clients(now);
                self.evict_clients(None, now);
                if self.clients_limit_changed {
                    self.follow_clients_limit(now);
                }
                self.look_after_files(now);
                self.report_progress(now);
                self.limit_tracking();
                self.limit_hotkeys(now);
                self.watch_medium(now);
            }
        }
        if (round || self.cron.lags) && !self.cron_paused {
            let start = (self.environment.stopwatch)();
            self.expire_due(now);
            let ns = (self.environment.stopwatch)().saturating_sub(start);
            self.stats.expire_cycle_us += ns / 1000;
            self.note_latency("expire-cycle", ns, now);
        }
        if self.evicting {
            self.make_room(now);
        }
        self.free_slices();
        self.tracking.table.free_some(FREED_A_TICK);
        self.sweep_snapshot();
        self.conclude_job(now);
        self.serve_what_is_ready(now);
        self.broadcast();
    }

    fn serve_what_is_ready(&mut self, now: Now) {
        if self.blocking.has_ready() {
            self.lap = (self.environment.stopwatch)();
            self.serve_ready(now);
        }
    }

    /// When the next `tick` is due, in microseconds of the monotonic clock.
    pub fn next_deadline(&self, now: Now) -> u64 {
        if self.is_busy() {
            return self.next_slice(now);
        }
        if buggify!("early-tick") {
            return now.mono_us;
        }
        let garbage = !self.garbage.is_empty() || self.tracking.table.has_garbage();
        let evicting = self.evicting && !self.pause.is_on();
        let busy = self.cron.lags || evicting || garbage || self.is_sweeping() || self.debugging.works();
        let cron = if busy { self.cron.due.min(now.mono_us + SOON_US) } else { self.cron.due };
        self.deadlines.first().map_or(cron, |(at, _)| cron.min(*at))
    }

    /// Removes keys whose time is over, as many as one tick may. Tells whether no more can be done now.
    fn expire_due(&mut self, now: Now) -> bool {
        self.cron.lags = false;
        if self.active_expire_off || self.pause.is_on() || self.persistence.loading.is_some() {
            return true;
        }
        let effort = self.config.active_expire_effort.clamp(1, 10) as usize;
        let usual = EXPIRY_A_TICK + EXPIRY_A_TICK / 4 * (effort - 1);
        let budget = if buggify!("small-expiry") { 1 } else { usual };
        let mut done = ExpireStep { complete: true, ..ExpireStep::default() };
        for _ in 0..self.databases.len() {
            let db = self.cron.database % self.databases.len();
            if self.databases[db].expires() + self.databases[db].timed_hashes() > 0 {
                if done.effort >= budget {
                    done.complete = false;
                    break;
                }
                let step = self.expire_in(db, budget - done.effort, now);
                done.expired += step.expired;
                done.effort += step.effort;
                done.complete &= step.complete;
            }
            self.cron.database = db + 1;
        }
        self.propagation.flush(false, &mut self.effects);
        self.settle_deliveries();
        let stale = if done.effort > 0 { 100.0 * done.expired as f64 / done.effort as f64 } else { 0.0 };
        self.stats.expired_stale_perc = stale * 0.05 + self.stats.expired_stale_perc * 0.95;
        if !done.complete {
            self.stats.expired_time_cap_reached += 1;
            // Where little of what was looked at is due, the rest can wait for the next round.
            self.cron.lags = stale > (11 - effort) as f64;
        }
        done.complete
    }

    fn expire_in(&mut self, db: usize, budget: usize, now: Now) -> ExpireStep {
        let (mut expired, mut hashes) = (Vec::new(), Vec::new());
        let early_ms = if mutant::is_on("eager-cycle") { 50 } else { 0 };
        let mut step =
            self.databases[db].expire_step(now.unix_ms() + early_ms, budget, &mut |due| match due {
                Due::Key(entry) => expired.push(entry),
                Due::Fields(key) => hashes.push(Box::<[u8]>::from(key)),
            });
        for entry in expired {
            sometimes!("expired-cycle");
            self.stats.expired_keys_active += 1;
            self.after_expiry(db, &entry);
            self.discard_entry(entry);
        }
        // Fields have a budget of their own: finding them may have spent the other.
        let mut left = budget;
        for key in hashes {
            let removed = self.expire_due_fields(db, &key, now.unix_ms(), left);
            left -= removed;
            step.expired += removed;
            step.effort += removed;
            if left == 0 {
                step.complete = false;
                break;
            }
        }
        step
    }

    /// Answers those whose time is up.
    fn end_waits(&mut self, now: Now) {
        while let Some((at, client)) = self.deadlines.first().copied()
            && at <= now.mono_us
        {
            self.deadlines.pop_first();
            if let Some(mut session) = self.clients.take(client) {
                if !self.is_run_again(&session, now) && !self.outlasts_pause(&mut session, now) {
                    self.time_out(&mut session, now);
                }
                self.clients.put_back(session);
            }
            // The next tick, which is due at once, goes on.
            if buggify!("one-timeout") {
                return;
            }
        }
    }

    /// Lets the clients go on that CLIENT PAUSE held.
    pub fn wake_paused(&mut self) {
        let waiting = |session: &&Session| {
            session.blocked.as_ref().is_some_and(|blocked| blocked.on == Waiting::Unpause)
        };
        let clients: Vec<ClientId> = self.clients.iter().filter(waiting).map(Session::client).collect();
        for client in clients {
            if let Some(mut session) = self.clients.take(client) {
                session.blocked = None;
                self.wake(&mut session);
                self.clients.put_back(session);
            }
        }
    }

    /// Ends clients that idle longer than `timeout`, checks soft limits, gives memory back.
    fn look_after_clients(&mut self, now: Now) {
        let from = self.cron.client;
        let most = if buggify!("few-clients") { 1 } else { CLIENTS_A_ROUND };
        let batch = self.clients.after(from, most);
        self.cron.client = if batch.len() < most { 0 } else { batch[batch.len() - 1].id };
        let timeout = self.config.timeout * 1_000_000;
        for client in batch {
            let Some(mut session) = self.clients.take(client) else { continue };
            let idle = now.mono_us.saturating_sub(session.active);
            let exempt = session.blocked.is_some() || session.is_subscriber() || session.monitor;
            if timeout > 0 && idle > timeout && !exempt && session.closing == Closing::No {
                self.log(Level::Verbose, "Closing idle client".into());
                self.close(&mut session);
            }
            self.check_output(&mut session, now);
            self.resize_buffers(&mut session, now);
            self.clients.put_back(session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::keyspace::{Expiry, NewValue};
    use crate::engine::server::Environment;

    fn with_keys_that_expire(keys: usize) -> Server {
        let mut server = Server::new(Config::default(), Environment::bare(1)).expect("defaults are sound");
        for key in 0..keys {
            server.databases[key % 3].set(key.to_string().as_bytes(), NewValue::Int(1), Expiry::At(1), 0);
        }
        server
    }

    fn left(server: &Server) -> usize {
        server.databases.iter().map(|db| db.len()).sum()
    }

    #[test]
    fn keys_expire_in_steps_that_follow_at_once() {
        let mut server = with_keys_that_expire(20_000);
        let mut now = Now { unix_us: 1_000_000, mono_us: 1 };
        let mut ticks = 0;
        while left(&server) > 0 {
            let before = left(&server);
            server.tick(now);
            let removed = before - left(&server);
            assert!((1..=2 * EXPIRY_A_TICK).contains(&removed), "{removed} in one tick");
            let next = server.next_deadline(now);
            assert!(left(&server) == 0 || next <= now.mono_us + SOON_US, "the rest is not put off");
            now.mono_us = next;
            ticks += 1;
        }
        assert_eq!(server.stats.expired_keys_active, 20_000);
        assert!(server.stats.expired_time_cap_reached >= ticks - 1);
        server.tick(now);
        assert!(server.next_deadline(now) > now.mono_us + SOON_US, "then it is quiet again");
    }

    #[test]
    fn a_pause_keeps_keys_and_so_does_the_switch() {
        let now = Now { unix_us: 1_000_000, mono_us: 1 };
        let mut server = with_keys_that_expire(10);
        server.active_expire_off = true;
        server.tick(now);
        assert_eq!(left(&server), 10);
        server.active_expire_off = false;
        server.pause.extend(crate::engine::server::pause::Scope::Writes, 500_000);
        server.tick(Now { mono_us: 200_000, ..now });
        assert_eq!(left(&server), 10);
        server.tick(Now { mono_us: 500_000, ..now });
        assert_eq!(left(&server), 0);
    }
}
