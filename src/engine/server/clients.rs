//! Ending clients, and `maxmemory-clients`: what they cost together and who must go when it is too much.

use super::Server;
use super::describe::Shown;
use crate::engine::config::MemoryOrPercent;
use crate::engine::effect::Level;
use crate::engine::session::{ClientId, Closing, REPLY_MAX, REPLY_MIN, Session};
use crate::engine::time::Now;

/// Input buffers up to this many bytes are left alone while their client is active.
const INPUT_KEPT: usize = 32 * 1024;
/// `maxmemory-clients` is no less than this.
const LEAST_LIMIT: u64 = 128 * 1024;
/// Microseconds without input after which a client's buffers are given back.
const IDLE: u64 = 2_000_000;

/// How reply buffers follow what clients need (DEBUG REPLYBUFFER).
#[derive(Clone, Copy, Debug)]
pub struct ReplyBuffers {
    /// Whether they do at all.
    pub resizing: bool,
    /// Microseconds after which a peak is forgotten; `None`: never.
    pub peak_reset: Option<u64>,
}

impl Default for ReplyBuffers {
    fn default() -> Self {
        ReplyBuffers { resizing: true, peak_reset: Some(5_000_000) }
    }
}

impl Server {
    /// Ends a client at once: it holds and hears nothing any more, and its connection is told to close.
    pub fn close(&mut self, session: &mut Session) {
        session.closing = Closing::Now;
        self.release(session);
        self.wake(session);
    }

    /// Ends a client that runs nothing.
    pub fn close_client(&mut self, client: ClientId) {
        if let Some(mut session) = self.clients.take(client) {
            self.close(&mut session);
            self.clients.put_back(session);
        }
    }

    /// `maxmemory-clients` in bytes; 0 is no limit. However small it is set, there is room for one to set it again.
    #[inline]
    pub fn clients_limit(&self) -> u64 {
        let maxmemory = self.config.maxmemory;
        match self.config.maxmemory_clients {
            MemoryOrPercent::Bytes(0) => 0,
            MemoryOrPercent::Percent(_) if maxmemory == 0 => 0,
            MemoryOrPercent::Bytes(bytes) => bytes.max(LEAST_LIMIT),
            MemoryOrPercent::Percent(percent) => {
                LEAST_LIMIT.max((u128::from(maxmemory) * u128::from(percent) / 100) as u64)
            }
        }
    }

    /// A client's buffers changed. Costs nothing without a limit.
    #[inline]
    pub fn recount(&mut self, session: &mut Session) {
        if self.counts_clients {
            self.count_client(session);
        }
    }

    #[cold]
    fn count_client(&mut self, session: &mut Session) {
        let gone = session.closing == Closing::Now;
        let memory = if gone { 0 } else { session.memory(&session.reply) };
        self.client_memory = self.client_memory + memory - session.counted;
        session.counted = memory;
    }

    /// The limit may have changed: counts everybody, or stops counting. No command is running.
    pub(super) fn follow_clients_limit(&mut self, now: Now) {
        self.clients_limit_changed = false;
        self.counts_clients = self.clients_limit() > 0;
        for client in self.clients.ids().collect::<Vec<_>>() {
            let Some(mut session) = self.clients.take(client) else { continue };
            if self.counts_clients {
                self.count_client(&mut session);
            } else {
                session.counted = 0;
            }
            self.clients.put_back(session);
        }
        if !self.counts_clients {
            self.client_memory = 0;
        }
        self.evict_clients(None, now);
    }

    /// Ends the largest clients until the rest fit `maxmemory-clients`. `running` is the client that is
    /// not in the table now.
    #[inline]
    pub fn evict_clients(&mut self, running: Option<&mut Session>, now: Now) {
        if self.counts_clients {
            self.evict_largest(running, now);
        }
    }

    #[cold]
    fn evict_largest(&mut self, mut running: Option<&mut Session>, now: Now) {
        let limit = self.clients_limit();
        // A percentage of no `maxmemory` is no limit; that is noticed when the command has ended.
        if limit == 0 || self.client_memory as u64 <= limit {
            return;
        }
        let everybody = self.clients.iter().chain(running.as_deref());
        let evictable = everybody.filter(|session| !session.no_evict && session.closing != Closing::Now);
        let mut all: Vec<(usize, ClientId)> =
            evictable.map(|session| (session.counted, session.client())).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        for (_, client) in all {
            if self.client_memory as u64 <= limit {
                break;
            }
            match running.as_deref_mut().filter(|session| session.client() == client) {
                Some(session) => self.evict_client(session, now),
                None => {
                    if let Some(mut session) = self.clients.take(client) {
                        self.evict_client(&mut session, now);
                        self.clients.put_back(session);
                    }
                }
            }
        }
    }

    fn evict_client(&mut self, session: &mut Session, now: Now) {
        let line = self.describe(Shown::resting(session), now);
        self.log(Level::Notice, format!("Evicting client: {line}"));
        self.stats.evicted_clients += 1;
        self.close(session);
        self.count_client(session);
    }

    /// Has a client's buffers follow what it needs; an idle one ends up without any.
    pub(super) fn resize_buffers(&mut self, session: &mut Session, now: Now) {
        let input = session.input;
        let idle = now.mono_us.saturating_sub(session.active) > IDLE;
        if idle && input.capacity > input.used {
            session.trim_input = Some(input.used as u32);
        } else if input.capacity > INPUT_KEPT
            && session.input_peak < input.capacity / 2
            && !session.parser.in_request()
        {
            session.trim_input = Some(session.input_peak.max(REPLY_MAX) as u32);
        }
        if session.trim_input.is_some() {
            self.wake(session);
        }
        // An argument on its way will need its room again.
        session.input_peak = input.used.max(session.parser.announced());
        if self.reply_buffers.resizing {
            resize_reply(session, self.reply_buffers.peak_reset, now);
        }
        self.recount(session);
    }
}

/// Shrinks to the peak when that is less than half, grows to it when it is more.
fn resize_reply(session: &mut Session, peak_reset: Option<u64>, now: Now) {
    let (peak, size) = (session.reply_peak.min(REPLY_MAX), session.reply_size as usize);
    if size / 2 >= REPLY_MIN && peak < size / 2 {
        session.reply_size = (peak + 1).max(REPLY_MIN) as u32;
    } else if peak > size || peak == REPLY_MAX {
        session.reply_size = peak.next_power_of_two().min(REPLY_MAX) as u32;
    }
    let kept = if session.reply_peak == 0 { 0 } else { session.reply_size as usize };
    session.reply.shrink(kept);
    if peak_reset.is_some_and(|after| now.mono_us.saturating_sub(session.reply_peak_since) >= after) {
        session.reply_peak = session.reply.len();
        session.reply_peak_since = now.mono_us;
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::config::{Config, MemoryOrPercent};
    use crate::engine::effect::Effect;
    use crate::engine::loopback::Loopback;
    use crate::engine::protocol::Argv;
    use crate::engine::server::batch::Flow;
    use crate::engine::time::Now;
    use proptest::prelude::*;

    fn world(limit: u64) -> Loopback {
        let config = Config { maxmemory_clients: MemoryOrPercent::Bytes(limit), ..Config::default() };
        Loopback::new(config, 1).expect("the configuration is fine")
    }

    #[test]
    fn a_client_whose_state_was_lost_leaves_nothing_behind() {
        let mut world = world(0);
        let lost = world.connect();
        world.send(lost, b"SUBSCRIBE channel\r\n");
        let watcher = world.connect();
        world.send(watcher, b"WATCH key\r\n");
        for connection in [lost, watcher] {
            // What unwinding does to the client whose command panics in the middle of EXEC.
            let client = world.client(connection);
            world.server.propagation.record();
            world.server.propagation.depth += 1;
            world.server.propagation.instead(0, || Argv::of([&b"SET"[..], b"k", b"v"]));
            drop(world.server.clients.take(client).expect("it is connected"));
            world.server.disconnect(client);
        }
        assert!(!world.server.pubsub.has_listeners() && world.server.watch.is_empty());
        assert_eq!((world.server.clients.len(), world.server.client_memory), (0, 0));
        let other = world.connect();
        world.take_effects();
        world.send(other, b"SET n 1\r\nWAIT 1 10\r\n");
        world.advance(10_000);
        assert_eq!(world.take_heard(other), b"+OK\r\n:0\r\n");
        let propagated =
            world.take_effects().into_iter().filter(|effect| matches!(effect, Effect::Propagate { .. }));
        assert_eq!(propagated.count(), 3, "what was done before, in pieces of its own, and the new command");
    }

    #[test]
    fn what_others_told_a_client_takes_no_memory_once_it_is_sent() {
        let mut world = world(0);
        let (listener, other) = (world.connect(), world.connect());
        world.send(listener, b"SUBSCRIBE channel\r\n");
        let message = vec![b'x'; 200_000];
        world.send(
            other,
            &[b"*3\r\n$7\r\nPUBLISH\r\n$7\r\nchannel\r\n$200000\r\n", &message[..], b"\r\n"].concat(),
        );
        assert!(world.take_heard(listener).len() > message.len());
        let session = world.server.clients.get(world.client(listener)).expect("it is connected");
        assert!(session.reply.capacity() <= super::REPLY_MAX);
    }

    #[test]
    fn the_largest_clients_go_first_and_the_exempt_never() {
        let mut world = world(0);
        let clients = [world.connect(), world.connect(), world.connect()];
        for (client, size) in clients.into_iter().zip([100_000, 300_000, 200_000]) {
            world.send(client, &[b"*2\r\n$400000\r\n", &vec![b'x'; size][..]].concat());
        }
        let exempt = world.connect();
        world.send(exempt, b"CLIENT NO-EVICT ON\r\n");
        world.send(exempt, &[b"*2\r\n$900000\r\n", &[b'x'; 800_000][..]].concat());
        world.server.config.maxmemory_clients = MemoryOrPercent::Bytes(1_500_000);
        world.server.apply_config();
        world.advance(200_000);
        assert!(clients.iter().all(|client| world.is_open(*client)));
        world.server.config.maxmemory_clients = MemoryOrPercent::Bytes(1_300_000);
        world.server.apply_config();
        world.advance(200_000);
        assert_eq!(clients.map(|client| world.is_open(client)), [true, false, true]);
        world.server.config.maxmemory_clients = MemoryOrPercent::Bytes(1);
        world.server.apply_config();
        world.advance(200_000);
        assert_eq!(clients.map(|client| world.is_open(client)), [false; 3]);
        assert!(world.is_open(exempt));
        assert_eq!(world.server.stats.evicted_clients, 3);
    }

    #[test]
    fn a_limit_is_never_too_small_to_change_it() {
        let mut world = world(0);
        let mut limit = |clients, maxmemory| {
            (world.server.config.maxmemory_clients, world.server.config.maxmemory) = (clients, maxmemory);
            world.server.clients_limit()
        };
        assert_eq!(limit(MemoryOrPercent::Bytes(1), 0), 131_072);
        assert_eq!(limit(MemoryOrPercent::Percent(1), 50), 131_072);
        assert_eq!(limit(MemoryOrPercent::Percent(1), 1 << 30), 10_737_418);
        assert_eq!(limit(MemoryOrPercent::Percent(1), 0), 0);
        assert_eq!(limit(MemoryOrPercent::Bytes(0), 1 << 30), 0);
    }

    #[test]
    fn an_idle_client_keeps_no_buffers() {
        let mut world = world(0);
        let client = world.connect();
        world.send(client, &[b"*2\r\n$4\r\nECHO\r\n$100000\r\n", &[b'x'; 100_000][..], b"\r\n"].concat());
        assert_eq!(world.take_heard(client).len(), 100_011);
        world.advance(20_000_000);
        let session = world.server.clients.iter().next().expect("it is still there");
        assert_eq!((session.reply.capacity(), session.input.capacity), (0, 0));
        assert_eq!(session.reply_size, 1024);
    }

    #[test]
    fn output_that_waits_holds_up_nobody_but_counts() {
        let mut world = world(0);
        let (client, now) = (world.connect(), Now::default());
        world.send(client, b"SETRANGE k 300000 v\r\n");
        let id = world.client(client);
        for round in 1..=3 {
            let batch = world.server.handle_input(id, b"GET k\r\n", 7, now);
            assert_eq!((batch.consumed, batch.flow), (7, Flow::Wait(1)));
            assert!(world.server.output(id).len() > round * 300_000);
        }
    }

    #[test]
    fn a_soft_limit_can_take_for_ever() {
        let mut world = world(0);
        let limit = &mut world.server.config.client_output_buffer_limit.normal;
        (limit.soft, limit.soft_seconds) = (1, u64::MAX);
        let client = world.connect();
        world.send(client, b"SETRANGE k 300000 v\r\n");
        let id = world.client(client);
        for _ in 0..2 {
            world.server.handle_input(id, b"GET k\r\n", 7, Now { mono_us: 5, ..Now::default() });
        }
        world.advance(10_000_000);
        assert!(world.is_open(client));
    }

    fn request() -> impl Strategy<Value = Vec<u8>> {
        let large = [&b"*2\r\n$90000\r\n"[..], &[b'x'; 50_000][..]].concat();
        let words: Vec<&[u8]> = vec![
            &large,
            b"PING\r\n",
            b"MULTI\r\n",
            b"EXEC\r\n",
            b"SET k v\r\n",
            b"WATCH a b\r\n",
            b"SUBSCRIBE a b\r\n",
            b"UNSUBSCRIBE a\r\n",
            b"PUBLISH a message\r\n",
            b"HELLO 3\r\n",
            b"RESET\r\n",
            b"*2\r\n$9\r\nabc",
            b"CLIENT NO-EVICT on\r\n",
            b"QUIT\r\n",
            b"GET",
        ];
        let words: Vec<Vec<u8>> = words.into_iter().map(<[u8]>::to_vec).collect();
        prop::sample::select(words)
    }

    proptest! {
        #[test]
        fn the_sum_is_what_the_clients_cost(
            requests in prop::collection::vec((0usize..4, request()), 1..60), limit in 100_000u64..200_000,
        ) {
            let mut world = world(limit);
            let mut clients = [0, 1, 2, 3].map(|_| world.connect());
            for (client, request) in requests {
                if !world.is_open(clients[client]) {
                    clients[client] = world.connect();
                }
                world.send(clients[client], &request);
                let counted: usize = world.server.clients.iter().map(|session| session.counted).sum();
                prop_assert_eq!(world.server.client_memory, counted);
            }
            world.advance(10_000_000);
            let evictable = world.server.clients.iter().any(|session| !session.no_evict);
            prop_assert!(!evictable || world.server.client_memory as u64 <= limit.max(super::LEAST_LIMIT));
        }
    }
}
