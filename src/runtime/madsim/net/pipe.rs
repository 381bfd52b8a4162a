//! One direction of a connection: a byte stream cut into segments.
//!
//! ```text
//!     write >  [ unsent | in flight: segment, segment, ... | readable ]  > read
//!                         cut at random, in order            the receive window bounds
//!                         each arrives at its time           what is in flight and readable
//! ```

use std::collections::VecDeque;
use std::fmt;

use super::link::{Link, Wire};
use crate::runtime::madsim::kind::FaultKind;
use crate::runtime::madsim::streams::Draws;

/// One direction of a connection.
pub(super) struct Pipe {
    /// All bytes that are written and not yet read, oldest first.
    bytes: VecDeque<u8>,
    /// How many of them have arrived.
    readable: usize,
    /// How many of those after are in a segment; the rest is unsent.
    in_flight: usize,
    /// The segments on the wire, in order. Only the first has an event scheduled.
    flight: VecDeque<Segment>,
    /// When the last segment will arrive: none overtakes another.
    last_arrival_ns: u64,
    end: End,
    /// Bytes ever written, and after each write how many and when.
    written: u64,
    writes: Vec<(u64, u64)>,
    /// Bytes that may be unsent or in flight, as SO_SNDBUF.
    send_window: usize,
    /// Bytes that may be in flight or readable, as SO_RCVBUF.
    receive_window: usize,
    /// When the segment at the front was first due, while it cannot get through.
    pub(super) stuck_since_ns: Option<u64>,
}

struct Segment {
    arrives_ns: u64,
    /// 0 for the segment that ends the stream.
    len: usize,
}

/// How far the end of the stream has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Open,
    /// The writer is done; bytes may be unsent.
    Written,
    Sent,
    Arrived,
}

/// What the arrival of a segment brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrived {
    Bytes(usize),
    End,
}

impl fmt::Debug for Pipe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unsent, in_flight, readable) = (self.unsent(), self.in_flight, self.readable);
        let segments = self.flight.len();
        write!(out, "{unsent} unsent, {in_flight} in {segments} segments, {readable} readable, ")?;
        write!(out, "end {:?}", self.end)
    }
}

impl Pipe {
    pub(super) fn new(window: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            readable: 0,
            in_flight: 0,
            flight: VecDeque::new(),
            last_arrival_ns: 0,
            end: End::Open,
            written: 0,
            writes: Vec::new(),
            send_window: window,
            receive_window: window,
            stuck_since_ns: None,
        }
    }

    /// No segment arrives before this.
    pub(super) fn hold_until(&mut self, at_ns: u64) {
        self.last_arrival_ns = self.last_arrival_ns.max(at_ns);
    }

    /// When the last segment arrives or arrived.
    pub(super) fn last_arrival_ns(&self) -> u64 {
        self.last_arrival_ns
    }

    fn unsent(&self) -> usize {
        self.bytes.len() - self.readable - self.in_flight
    }

    /// Bytes that a write may add now.
    pub(super) fn room(&self) -> usize {
        self.send_window.saturating_sub(self.bytes.len() - self.readable)
    }

    pub(super) fn readable(&self) -> usize {
        self.readable
    }

    /// The writer has said its last.
    pub(super) fn is_shut(&self) -> bool {
        self.end != End::Open
    }

    /// The reader has seen or can see the end.
    pub(super) fn has_ended(&self) -> bool {
        self.end == End::Arrived
    }

    /// Nothing is under way any more.
    pub(super) fn is_quiet(&self) -> bool {
        self.flight.is_empty() && self.unsent() == 0 && self.end != End::Written
    }

    /// Takes what fits; nothing for a full pipe.
    pub(super) fn write(&mut self, bytes: &[u8], now_ns: u64) -> usize {
        let taken = bytes.len().min(self.room());
        self.bytes.extend(&bytes[..taken]);
        self.written += taken as u64;
        self.writes.push((self.written, now_ns));
        taken
    }

    /// When the first `count` bytes had been written.
    pub(super) fn written_ns(&self, count: u64) -> Option<u64> {
        let place = self.writes.partition_point(|(written, _)| *written < count);
        self.writes.get(place).map(|(_, at_ns)| *at_ns)
    }

    pub(super) fn shut(&mut self) {
        if self.end == End::Open {
            self.end = End::Written;
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let taken = buffer.len().min(self.readable);
        let (front, back) = self.bytes.as_slices();
        let from_front = taken.min(front.len());
        buffer[..from_front].copy_from_slice(&front[..from_front]);
        buffer[from_front..taken].copy_from_slice(&back[..taken - from_front]);
        self.bytes.drain(..taken);
        self.readable -= taken;
        taken
    }

    /// Cuts what may be sent into segments. Returns when the first arrives, if none was under way.
    pub(super) fn transmit(
        &mut self,
        now_ns: u64,
        wire: &mut Wire,
        link: &Link,
        draws: &mut Draws,
    ) -> Option<u64> {
        let idle = self.flight.is_empty();
        while self.unsent() > 0 && self.readable + self.in_flight < self.receive_window {
            let most = self.unsent().min(self.receive_window - self.readable - self.in_flight);
            let len = link.cut(most, draws);
            self.note_coalescing(len);
            self.send(len, now_ns, wire, link, draws);
            self.in_flight += len;
        }
        if self.end == End::Written && self.unsent() == 0 {
            self.send(0, now_ns, wire, link, draws);
            self.end = End::Sent;
        }
        self.flight.front().filter(|_| idle).map(|first| first.arrives_ns)
    }

    /// Whether the next segment, of this length, has bytes of more than one write.
    fn note_coalescing(&self, len: usize) {
        let from = self.written - self.unsent() as u64;
        let next = self.writes.partition_point(|(written, _)| *written <= from);
        if self.writes.get(next).is_some_and(|(written, _)| *written < from + len as u64) {
            FaultKind::Coalescing.fired();
        }
    }

    fn send(&mut self, len: usize, now_ns: u64, wire: &mut Wire, link: &Link, draws: &mut Draws) {
        let arrives_ns = link.arrival(now_ns, len, wire, draws).max(self.last_arrival_ns);
        self.last_arrival_ns = arrives_ns;
        self.flight.push_back(Segment { arrives_ns, len });
    }

    /// The first segment arrives.
    pub(super) fn arrive(&mut self) -> Option<Arrived> {
        let segment = self.flight.pop_front()?;
        self.stuck_since_ns = None;
        if segment.len == 0 {
            self.end = End::Arrived;
            return Some(Arrived::End);
        }
        self.in_flight -= segment.len;
        self.readable += segment.len;
        Some(Arrived::Bytes(segment.len))
    }

    /// The bytes that arrived last.
    pub(super) fn newest(&self, len: usize) -> impl Iterator<Item = &u8> {
        self.bytes.range(self.readable - len..self.readable)
    }

    /// When the segment that is first now arrives.
    pub(super) fn next_arrival(&self) -> Option<u64> {
        self.flight.front().map(|segment| segment.arrives_ns)
    }

    /// Lets only some bytes of the first segment arrive, and nothing after them.
    pub(super) fn tear(&mut self, keep: usize) {
        let keep = keep.min(self.flight.front().map_or(0, |segment| segment.len));
        self.readable += keep;
        self.in_flight = self.in_flight.saturating_sub(keep);
        self.lose_flight();
    }

    /// Loses what has not arrived: the receiver was reset, or the sender has lost its power.
    pub(super) fn lose_flight(&mut self) {
        self.flight.clear();
        self.in_flight = 0;
        self.bytes.truncate(self.readable);
        if self.end == End::Written {
            self.end = End::Sent;
        }
    }

    /// The sender has lost its power: what is on the wire arrives, the rest does not.
    pub(super) fn lose_unsent(&mut self) {
        self.bytes.truncate(self.readable + self.in_flight);
        self.end = self.end.max_sent();
    }

    /// The reader is gone: what has arrived is freed.
    pub(super) fn discard_readable(&mut self) {
        self.bytes.drain(..self.readable);
        self.readable = 0;
    }
}

impl End {
    /// Nothing will be written after this.
    fn max_sent(self) -> Self {
        match self {
            End::Open | End::Written => End::Sent,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is written comes out once, in order, in segments that arrive in order, and never
        /// more than the windows allow is on its way.
        #[test]
        fn bytes_keep_their_order(
            seed: u64,
            window in 1usize..300,
            steps in proptest::collection::vec((0usize..200, 0usize..200), 1..40),
        ) {
            let mut draws = Draws::named(seed, "pipe");
            let mut wire = Wire::default();
            let link = Link { loss: 100_000, bandwidth: Some(10_000), ..Link::default() };
            let mut pipe = Pipe::new(window);
            let (mut written, mut read, mut now_ns) = (0u32, 0u32, 0);
            let drain = |pipe: &mut Pipe, read: &mut u32, most: usize| {
                let mut buffer = vec![0; most];
                let taken = pipe.read(&mut buffer);
                for byte in &buffer[..taken] {
                    assert_eq!(*byte, *read as u8);
                    *read += 1;
                }
            };
            for (write, most) in steps {
                let bytes: Vec<u8> = (0..write as u32).map(|index| (written + index) as u8).collect();
                written += pipe.write(&bytes, now_ns) as u32;
                pipe.transmit(now_ns, &mut wire, &link, &mut draws);
                prop_assert!(pipe.in_flight + pipe.readable <= window);
                if let Some(arrives_ns) = pipe.next_arrival() {
                    prop_assert!(arrives_ns >= now_ns);
                    now_ns = arrives_ns;
                    pipe.arrive();
                }
                drain(&mut pipe, &mut read, most);
            }
            pipe.shut();
            while !pipe.has_ended() {
                pipe.transmit(now_ns, &mut wire, &link, &mut draws);
                pipe.arrive();
                drain(&mut pipe, &mut read, 7);
            }
            while pipe.readable() > 0 {
                drain(&mut pipe, &mut read, 7);
            }
            prop_assert_eq!(read, written);
            prop_assert!(pipe.is_quiet());
        }
    }
}
