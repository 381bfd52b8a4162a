//! The way from one node to another.

use crate::runtime::madsim::kind::FaultKind;
use crate::runtime::madsim::streams::Draws;

/// Linux's first retransmission comes no sooner than this (TCP_RTO_MIN).
const FIRST_RETRANSMISSION_NS: u64 = 200_000_000;

/// How long Nagle's algorithm has written bytes wait for more: as long as an acknowledgement may be delayed.
pub(super) const NAGLE_NS: u64 = 40_000_000;

/// The longest that a segment of the heavy tail takes.
const LONGEST_TAIL_NS: u64 = 3_000_000_000;

/// The longest burst of latency.
const LONGEST_BURST_NS: u64 = 500_000_000;

/// How one direction between two nodes behaves. A link can be changed while connections use it.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Bounds of the time a segment needs, in microseconds.
    pub latency_us: (u64, u64),
    /// Of a million segments, how many take longer by a millisecond, of which some take much longer (a Pareto
    /// distribution).
    pub tail: u32,
    /// Of a million segments, how many begin a while in which all are held up, to arrive together.
    pub bursts: u32,
    /// The most bytes in a segment: 1460 on Ethernet, 1 to try every boundary.
    pub segment: usize,
    /// Of a million segments, how many are lost and sent again: a delay to those behind them.
    pub loss: u32,
    /// Bytes a second, shared by all connections of the link; unlimited without.
    pub bandwidth: Option<u64>,
    /// Send and receive buffer of new connections, in bytes.
    pub window: usize,
    /// Nothing gets through. What is sent waits for the link to heal, or for TCP to give up.
    pub cut: bool,
    /// Of a million segments, how many end in a reset after a random byte.
    pub resets: u32,
    /// Of a million writes, how many take only some of the bytes they could.
    pub short_writes: u32,
    /// Of a million writes, how many wait for more to be sent with them (Nagle's algorithm).
    pub merges: u32,
}

impl Default for Link {
    /// A good local network.
    fn default() -> Self {
        Self {
            latency_us: (50, 200),
            tail: 0,
            bursts: 0,
            segment: 1460,
            loss: 0,
            bandwidth: None,
            window: 64 << 10,
            cut: false,
            resets: 0,
            short_writes: 0,
            merges: 0,
        }
    }
}

/// What a link has to carry already.
#[derive(Default)]
pub(super) struct Wire {
    busy_until_ns: u64,
    /// The end of a burst of latency.
    held_until_ns: u64,
}

impl Link {
    /// The length of the next segment out of `most` bytes: mostly full, often not, sometimes tiny.
    pub(super) fn cut(&self, most: usize, draws: &mut Draws) -> usize {
        let all = most;
        let most = most.min(self.segment.max(1));
        let len = match draws.below(8) {
            0 => 1,
            1 | 2 => draws.between(1, most as u64) as usize,
            _ => most,
        };
        if len == 1 && all > 1 {
            FaultKind::Fragments.fired();
        }
        len
    }

    pub(super) fn latency_ns(&self, draws: &mut Draws) -> u64 {
        draws.between(self.latency_us.0 * 1000, self.latency_us.1 * 1000)
    }

    /// When a segment sent now arrives, if the link stays as it is.
    pub(super) fn arrival(&self, now_ns: u64, len: usize, wire: &mut Wire, draws: &mut Draws) -> u64 {
        let mut sent_ns = now_ns;
        if let Some(bandwidth) = self.bandwidth {
            // 40 bytes of TCP/IP headers go with every segment.
            let span_ns = (len as u64 + 40) * 1_000_000_000 / bandwidth.max(1);
            if wire.busy_until_ns > now_ns {
                FaultKind::Bandwidth.fired();
            }
            sent_ns = sent_ns.max(wire.busy_until_ns) + span_ns;
            wire.busy_until_ns = sent_ns;
        }
        let mut wait_ns = FIRST_RETRANSMISSION_NS;
        // Six doublings: even a link that loses everything lets a segment through after 12 s.
        for _ in 0..6 {
            if !draws.chance(self.loss) {
                break;
            }
            FaultKind::Loss.fired();
            sent_ns += wait_ns;
            wait_ns *= 2;
        }
        self.held_ns(sent_ns, wire, draws) + self.latency_ns(draws)
    }

    /// When a segment gets on its way that is ready to be sent: later, in a burst of latency or the tail of its
    /// distribution.
    fn held_ns(&self, sent_ns: u64, wire: &mut Wire, draws: &mut Draws) -> u64 {
        if draws.chance(self.bursts) {
            wire.held_until_ns = sent_ns + draws.between(1_000_000, LONGEST_BURST_NS);
        }
        let mut held_ns = sent_ns.max(wire.held_until_ns);
        if draws.chance(self.tail) {
            held_ns += (1_000_000_000_000 / draws.between(1, 1_000_000)).min(LONGEST_TAIL_NS);
        }
        if held_ns > sent_ns {
            FaultKind::Latency.fired();
        }
        held_ns
    }
}

/// The wait before trying again what has not got through for `stuck_ns`: doubling, as TCP does.
pub(super) fn backoff_ns(stuck_ns: u64) -> u64 {
    stuck_ns.clamp(FIRST_RETRANSMISSION_NS, 120_000_000_000)
}
