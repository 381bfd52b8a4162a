//! What may leave the server: with `appendfsync always` no byte that could show a write which a power cut would take
//! back, whether it answers the writer, a reader or a subscriber.
//!
//! Commands run at once. Output is marked with the position of the propagated stream at the end of the batch that wrote
//! it, and becomes visible to its connection when the append-only file is on the medium up to there (group commit).

use super::Server;
use super::persistence::AofState;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::session::{Blocked, ClientId, Held, Session, Waiting};
use crate::engine::spec::Flags;
use crate::engine::time::Now;
use std::collections::VecDeque;

/// Microseconds after which what waits for the medium has waited for too long: what Redis allows.
const OVERDUE_US: u64 = 2_000_000;

/// How far the stream is on disk, and who waits for more.
#[derive(Debug, Default)]
pub struct Durability {
    /// Output is held until what it may show is durable.
    holding: bool,
    /// The batch that runs has looked at data, so that its output may show some.
    looked: bool,
    /// Everything before this position of the stream is on the medium.
    durable: u64,
    /// Since when something waits for the medium without a step forward, as ticks see it, in monotonic microseconds.
    behind_since: Option<u64>,
    /// Who holds output, by the position that releases it; positions never fall.
    holders: VecDeque<(u64, ClientId)>,
    /// Clients that got output while a command ran.
    delivered: Vec<ClientId>,
    /// Clients in WAITAOF.
    waiting: Vec<ClientId>,
}

impl Durability {
    /// Everything before this position of the stream is on the medium.
    pub fn durable(&self) -> u64 {
        self.durable
    }
    /// Outputs that are held.
    pub fn held(&self) -> usize {
        self.holders.len()
    }
}

impl Server {
    /// Whether output is held from now on. What is held when that ends is released.
    pub fn hold_output(&mut self, on: bool) {
        self.durability.holding = on;
        if !on {
            self.release_output(u64::MAX);
        }
    }

    /// A client's batch begins.
    #[inline]
    pub(super) fn begin_looking(&mut self) {
        self.durability.looked = false;
    }

    /// A command with these flags runs. One that may run while data is loaded shows none, nor does one that is refused: an
    /// operator hears what is wrong with a disk that is full.
    #[inline]
    pub fn look(&mut self, flags: Flags) {
        self.durability.looked |= !flags.has(Flags::LOADING) || flags.any(Flags::CONTAINER | Flags::SYSTEM);
    }

    /// A client's batch ended with output that is held if it may show what is not durable.
    #[inline]
    pub(super) fn hold_what_was_seen(&mut self, session: &mut Session) {
        let is_behind = session.wrote < self.propagation.offset();
        if is_behind && mutant::is_on("unheld-reads") {
            return;
        }
        if self.durability.looked || session.held.is_some() {
            sometimes!("held-for-others", is_behind && self.durability.holding);
            self.hold(session);
        }
    }

    /// A client got output of a command that is not over: what the command propagates is still to come.
    #[inline]
    pub(super) fn note_delivery(&mut self, client: ClientId) {
        if self.durability.holding {
            self.durability.delivered.push(client);
        }
    }

    /// A command is over, and what it propagates is part of the stream: those who got output of it wait for that.
    #[inline]
    pub fn settle_deliveries(&mut self) {
        if !self.durability.delivered.is_empty() {
            self.hold_delivered();
        }
    }

    #[cold]
    fn hold_delivered(&mut self) {
        for client in std::mem::take(&mut self.durability.delivered) {
            if let Some(mut session) = self.clients.take(client) {
                self.hold(&mut session);
                self.clients.put_back(session);
            }
        }
    }

    /// A session got output: it is held if it may show what is not durable.
    #[inline]
    pub(super) fn hold(&mut self, session: &mut Session) {
        let early = mutant::is_on("early-reply");
        if self.durability.holding && self.propagation.offset() > self.durability.durable && !early {
            sometimes!("held-output");
            self.hold_until(session, self.propagation.offset());
        }
    }

    #[cold]
    fn hold_until(&mut self, session: &mut Session, position: u64) {
        let (client, start, end) = (session.client(), session.reply.start(), session.reply.end());
        let held =
            session.held.get_or_insert_with(|| Box::new(Held { released: start, marks: VecDeque::new() }));
        match held.marks.back_mut() {
            Some((last, marked)) if *marked == end => {
                // The same output turned out to show more.
                if *last < position {
                    *last = position;
                    self.durability.holders.push_back((position, client));
                }
            }
            last => {
                if end > last.map_or(held.released, |(_, end)| *end) {
                    held.marks.push_back((position, end));
                    self.durability.holders.push_back((position, client));
                }
            }
        }
        if held.marks.is_empty() {
            session.held = None;
        }
    }

    /// The stream is on the medium up to this position: what waited for that goes on.
    pub fn persisted(&mut self, position: u64, now: Now) {
        self.durability.durable = self.durability.durable.max(position);
        self.durability.behind_since = None;
        self.release_output(self.durability.durable);
        self.answer_disk_waits(now);
    }

    fn release_output(&mut self, durable: u64) {
        let early = if mutant::is_on("hasty-release") { 64 } else { 0 };
        let durable = durable.saturating_add(early);
        while let Some((position, client)) = self.durability.holders.front().copied()
            && position <= durable
        {
            self.durability.holders.pop_front();
            let Some(session) = self.clients.get_mut(client) else { continue };
            let Some(held) = &mut session.held else { continue };
            while let Some((_, end)) = held.marks.pop_front_if(|(position, _)| *position <= durable) {
                held.released = end;
            }
            if held.marks.is_empty() {
                session.held = None;
            }
            if !std::mem::replace(&mut session.woken, true) {
                self.wakes.push(client);
            }
        }
    }

    /// WAITAOF: the client waits until its writes are on the medium.
    pub fn wait_for_disk(&mut self, client: ClientId) {
        sometimes!("waited-for-disk");
        self.durability.waiting.push(client);
    }

    #[inline]
    pub(super) fn answer_disk_waits(&mut self, now: Now) {
        if self.durability.waiting.is_empty() {
            return;
        }
        for client in std::mem::take(&mut self.durability.waiting) {
            let Some(mut session) = self.clients.take(client) else { continue };
            match &session.blocked {
                Some(Blocked { on: Waiting::Disks { replicas: 0, .. }, .. }) if self.is_durable(&session) => {
                    self.time_out(&mut session, now);
                }
                Some(Blocked { on: Waiting::Disks { .. }, .. }) => self.durability.waiting.push(client),
                _ => {}
            }
            self.clients.put_back(session);
        }
    }

    /// Whether all that a client wrote is on the medium.
    pub fn is_durable(&self, session: &Session) -> bool {
        let durable = session.wrote <= self.durability.durable || mutant::is_on("waitaof-lies");
        self.persistence.aof.state == AofState::On && durable
    }

    /// Whether output is held now.
    pub(super) fn holds_output(&self) -> bool {
        self.durability.holding
    }

    /// Whether something has waited for the medium for too long.
    pub(super) fn is_overdue(&mut self, now: Now) -> bool {
        if self.propagation.offset() <= self.durability.durable {
            self.durability.behind_since = None;
            return false;
        }
        let since = *self.durability.behind_since.get_or_insert(now.mono_us);
        now.mono_us - since > OVERDUE_US
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::config::Config;
    use crate::engine::loopback::Loopback;

    fn world() -> Loopback {
        let mut world = Loopback::new(Config::default(), 1).expect("the defaults are sound");
        world.server.propagation.stream(true);
        world.server.hold_output(true);
        world
    }

    fn persist(world: &mut Loopback) {
        let (position, now) = (world.server.propagation.offset(), world.now);
        world.server.persisted(position, now);
        world.send(0, b"");
    }

    #[test]
    fn nobody_sees_a_write_before_it_is_durable() {
        let mut world = world();
        let (writer, reader, subscriber) = (world.connect(), world.connect(), world.connect());
        world.send(subscriber, b"SUBSCRIBE news\r\n");
        assert!(!world.take_heard(subscriber).is_empty(), "nothing was written yet");
        world.send(writer, b"SET k v\r\n");
        world.send(reader, b"GET k\r\nPUBLISH news k\r\n");
        for client in [writer, reader, subscriber] {
            assert_eq!(world.take_heard(client), b"");
        }
        persist(&mut world);
        assert_eq!(world.take_heard(writer), b"+OK\r\n");
        assert_eq!(world.take_heard(reader), b"$1\r\nv\r\n:1\r\n");
        assert!(world.take_heard(subscriber).ends_with(b"k\r\n"));
        world.send(reader, b"GET k\r\n");
        assert_eq!(world.take_heard(reader), b"$1\r\nv\r\n", "all is durable: nothing waits");
    }

    #[test]
    fn what_shows_no_data_does_not_wait() {
        let mut world = world();
        let (writer, other) = (world.connect(), world.connect());
        world.send(writer, b"SET k v\r\n");
        world.send(other, b"CLIENT GETNAME\r\nSET k\r\nMULTI\r\n");
        assert!(world.take_heard(other).ends_with(b"+OK\r\n"));
        world.send(other, b"EXEC\r\n");
        world.send(other, b"CLIENT GETNAME\r\n");
        world.send(writer, b"CLIENT GETNAME\r\n");
        assert_eq!(world.take_heard(other), b"", "EXEC may tell of a change, and order stays");
        assert_eq!(world.take_heard(writer), b"");
        persist(&mut world);
        world.send(other, b"");
        assert_eq!(world.take_heard(other), b"*0\r\n$-1\r\n");
        assert_eq!(world.take_heard(writer), b"+OK\r\n$-1\r\n");
    }

    #[test]
    fn what_is_delivered_within_a_command_waits_for_that_command() {
        let mut world = world();
        let (writer, subscriber) = (world.connect(), world.connect());
        world.send(writer, b"CONFIG SET notify-keyspace-events KEA\r\n");
        world.send(subscriber, b"PSUBSCRIBE *\r\n");
        persist(&mut world);
        world.take_heard(writer);
        world.take_heard(subscriber);
        world.send(writer, b"SET k v\r\n");
        assert_eq!(world.take_heard(subscriber), b"", "a notification tells of the write");
        persist(&mut world);
        assert!(!world.take_heard(subscriber).is_empty());
        world.send(writer, b"MULTI\r\nSET k w\r\nPUBLISH news k\r\nEXEC\r\n");
        assert_eq!(world.take_heard(subscriber), b"");
        persist(&mut world);
        assert!(world.take_heard(subscriber).ends_with(b"$1\r\nk\r\n"));
    }

    #[test]
    fn each_output_waits_for_its_own_position() {
        let mut world = world();
        let client = world.connect();
        world.send(client, b"SET k 1\r\n");
        let (first, now) = (world.server.propagation.offset(), world.now);
        world.send(client, b"INCR k\r\n");
        world.server.persisted(first, now);
        world.send(client, b"");
        assert_eq!(world.take_heard(client), b"+OK\r\n");
        persist(&mut world);
        assert_eq!(world.take_heard(client), b":2\r\n");
    }

    #[test]
    fn what_is_held_is_released_when_nothing_is_any_more() {
        let mut world = world();
        let client = world.connect();
        world.send(client, b"SET k 1\r\nQUIT\r\n");
        assert_eq!(world.take_heard(client), b"");
        assert!(world.is_open(client), "its end waits as well");
        world.server.hold_output(false);
        world.send(client, b"");
        assert_eq!(world.take_heard(client), b"+OK\r\n+OK\r\n");
    }

    #[test]
    fn waitaof_waits_for_the_clients_own_writes() {
        let mut world = world();
        world.server.hold_output(false);
        world.server.aof_opened(0, 0);
        let (writer, reader) = (world.connect(), world.connect());
        world.send(writer, b"SET k 1\r\nWAITAOF 1 0 0\r\n");
        world.send(reader, b"WAITAOF 1 0 0\r\n");
        assert_eq!(world.take_heard(writer), b"+OK\r\n");
        assert_eq!(world.take_heard(reader), b"*2\r\n:1\r\n:0\r\n", "it wrote nothing");
        persist(&mut world);
        assert_eq!(world.take_heard(writer), b"*2\r\n:1\r\n:0\r\n");
    }
}
