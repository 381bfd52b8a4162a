//! What happens by the clock: waits that end, keys that expire, clients that idle.

use super::Server;
use crate::engine::session::{ClientId, Closing, Session, Waiting};
use crate::engine::time::Now;

/// Clients looked at in one tick.
const CLIENTS_A_TICK: usize = 200;

impl Server {
    /// Does what is due. Call it at `next_deadline`, or when anything else wakes the owner.
    pub fn tick(&mut self, now: Now) {
        self.stats.cron_ticks += 1;
        if self.pause.end(Some(now.mono_us)) {
            self.wake_paused();
        }
        self.end_waits(now);
        self.look_after_clients(now);
    }

    /// When the next `tick` is due, in microseconds of the monotonic clock.
    pub fn next_deadline(&self, now: Now) -> u64 {
        let cron = now.mono_us + 1_000_000 / self.config.hz.clamp(1, 500);
        self.deadlines.first().map_or(cron, |(at, _)| cron.min(*at))
    }

    /// Answers those whose time is up.
    fn end_waits(&mut self, now: Now) {
        while let Some((at, client)) = self.deadlines.first().copied()
            && at <= now.mono_us
        {
            self.deadlines.pop_first();
            if let Some(mut session) = self.clients.take(client) {
                self.time_out(&mut session);
                self.clients.put_back(session);
            }
        }
    }

    /// Gives a waiting client the reply for a time-out and lets it go on.
    pub fn time_out(&mut self, session: &mut Session) {
        let Some(blocked) = session.blocked.take() else { return };
        match blocked.on {
            Waiting::Replicas => session.reply.int(0),
            Waiting::Disks => {
                session.reply.array(2);
                session.reply.int(0);
                session.reply.int(0);
            }
            Waiting::Unpause | Waiting::Outside => {}
        }
        self.wake(session);
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
        let from = self.cron_client;
        let batch = self.clients.after(from, CLIENTS_A_TICK);
        self.cron_client = if batch.len() < CLIENTS_A_TICK { 0 } else { batch[batch.len() - 1].id };
        let timeout = self.config.timeout * 1_000_000;
        for client in batch {
            let Some(mut session) = self.clients.take(client) else { continue };
            let idle = now.mono_us.saturating_sub(session.active);
            let exempt = session.blocked.is_some() || session.is_subscriber() || session.monitor;
            if timeout > 0 && idle > timeout && !exempt && session.closing == Closing::No {
                session.closing = Closing::Now;
                self.wake(&mut session);
            }
            self.check_output(&mut session, now);
            session.reply.shrink(session.reply_peak.clamp(1024, 16 * 1024));
            session.reply_peak = 0;
            self.clients.put_back(session);
        }
    }
}
