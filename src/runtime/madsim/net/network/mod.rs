//! The state of the simulated network and what happens in it: a table of connections and a calendar
//! of events. Nothing here knows of tasks beyond their wakers.

mod connections;
mod events;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Poll, Waker};

use ::madsim::task::NodeId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::link::{Link, NAGLE_NS, Wire, backoff_ns};
use super::pipe::{Arrived, Pipe};
use super::{Address, Death};
use crate::runtime::madsim::kind::FaultKind;
use crate::runtime::madsim::streams::Draws;

/// How long TCP tries before a connection times out. Linux waits a quarter of an hour by default; a
/// world need not.
const GIVE_UP_NS: u64 = 60_000_000_000;

/// How long connecting tries, 7 s being what three repetitions of SYN take on Linux.
const CONNECT_NS: u64 = 7_000_000_000;

/// The first port given to a connecting socket, as on Linux.
const FIRST_EPHEMERAL_PORT: u16 = 32768;

/// Of a million resets, how many arrive before data that was sent before them.
const OVERTAKING_RESETS: u32 = 250_000;

pub(super) type Id = u64;

pub(super) struct Network {
    pub(super) draws: Draws,
    pub(super) now_ns: u64,
    hosts: BTreeMap<NodeId, Host>,
    listeners: BTreeMap<Id, Listening>,
    connections: BTreeMap<Id, Connection>,
    /// When the accepting end of a connection was closed.
    pub(super) gone: BTreeMap<Id, u64>,
    pub(super) default_link: Link,
    links: BTreeMap<(NodeId, NodeId), Link>,
    wires: BTreeMap<(NodeId, NodeId), Wire>,
    calendar: BinaryHeap<Reverse<(u64, Id, Event)>>,
    next_id: Id,
    /// Tasks to wake once the network is unlocked.
    pub(super) wakes: Vec<Waker>,
    /// Running hash of all that arrived, and when.
    pub(super) trace: u64,
}

/// A node as the network sees it.
pub(super) struct Host {
    /// Without power: answers nothing, not even with a reset.
    pub(super) dark: bool,
    pub(super) death: Death,
    /// Nothing gets in or out, by this kind of fault.
    pub(super) blocked: Option<FaultKind>,
    next_port: u16,
    next_descriptor: i32,
    /// Errors that its next calls of `accept` shall give.
    pub(super) accept_errors: VecDeque<i32>,
    /// Of a million calls of `accept`, how many fail.
    pub(super) accept_failures: u32,
    /// How many accepted connections it may have open.
    pub(super) most_accepted: Option<usize>,
}

struct Listening {
    node: NodeId,
    address: Address,
    backlog: usize,
    queue: VecDeque<Id>,
    waiting: Option<Waker>,
}

struct Connection {
    ends: [End; 2],
    /// `pipes[side]` carries what `ends[side]` writes.
    pipes: [Pipe; 2],
    /// When the client gives up, until it is established.
    connect_until_ns: u64,
}

struct End {
    node: NodeId,
    address: Address,
    descriptor: i32,
    state: State,
    /// An error that the next call reports, once (SO_ERROR).
    error: Option<i32>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Connecting,
    /// Of an end that no SYN has come to yet: its node knows nothing of it.
    Awaited,
    /// Established by the network, waiting for `accept`.
    Queued,
    Open,
    /// Reset or timed out; the socket exists still.
    Broken,
    /// The socket is closed; what it wrote may be under way.
    Closed,
}

/// Which end of a connection: 0 connected, 1 accepted.
pub(super) type Side = usize;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Syn(Id),
    SynAck(Id),
    /// The first segment that this side sent.
    Segment(Id, Side),
    /// What this side has written waits for more no longer.
    Push(Id, Side),
    /// A reset on its way to this side, with the error that its task will see.
    Reset(Id, Side, i32),
}

impl Host {
    fn new() -> Self {
        Self {
            dark: false,
            death: Death::Process,
            blocked: None,
            next_port: FIRST_EPHEMERAL_PORT,
            // 0 to 7 are what a server has open before it listens.
            next_descriptor: 8,
            accept_errors: VecDeque::new(),
            accept_failures: 0,
            most_accepted: None,
        }
    }

    fn descriptor(&mut self) -> i32 {
        self.next_descriptor += 1;
        self.next_descriptor - 1
    }
}

/// The IPv4 address of a node; its IPv6 address is fd00:: with the same last four bytes.
pub(super) fn ip_of(node: NodeId) -> IpAddr {
    // Node ids are small numbers, printed in decimal and kept private by madsim.
    let number: u16 = node.to_string().parse().expect("fewer than 65536 nodes");
    let [high, low] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, 1, high, low))
}

fn owns(node: NodeId, ip: IpAddr) -> bool {
    let IpAddr::V4(own) = ip_of(node) else { return false };
    match ip {
        IpAddr::V4(ip) => ip == own,
        IpAddr::V6(ip) => {
            let [.., a, b] = own.octets();
            ip == Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0x0a01, u16::from_be_bytes([a, b]))
        }
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// Linux's error numbers, which std gives names to only the other way round.
pub(super) mod code {
    pub const EMFILE: i32 = 24;
    pub const EPIPE: i32 = 32;
    pub const EADDRINUSE: i32 = 98;
    pub const EADDRNOTAVAIL: i32 = 99;
    pub const ECONNABORTED: i32 = 103;
    pub const ECONNRESET: i32 = 104;
    pub const ENOTCONN: i32 = 107;
    pub const ETIMEDOUT: i32 = 110;
    pub const ECONNREFUSED: i32 = 111;
}
use code::*;

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            draws: Draws::named(seed, "net"),
            now_ns: 0,
            hosts: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            gone: BTreeMap::new(),
            default_link: Link::default(),
            links: BTreeMap::new(),
            wires: BTreeMap::new(),
            calendar: BinaryHeap::new(),
            next_id: 0,
            wakes: Vec::new(),
            trace: seed,
        }
    }

    // ---- hosts and links

    pub(super) fn host(&mut self, node: NodeId) -> &mut Host {
        self.hosts.entry(node).or_insert_with(Host::new)
    }

    pub(super) fn link(&self, from: NodeId, to: NodeId) -> &Link {
        self.links.get(&(from, to)).unwrap_or(&self.default_link)
    }

    pub(super) fn change_link(&mut self, from: NodeId, to: NodeId, change: impl FnOnce(&mut Link)) {
        let link = self.link(from, to).clone();
        change(self.links.entry((from, to)).or_insert(link));
    }

    /// What keeps a packet from getting from one node to the other now. A node always reaches itself.
    fn obstacle(&self, from: NodeId, to: NodeId) -> Option<FaultKind> {
        let host = |node| self.hosts.get(&node);
        if host(to).is_some_and(|host| host.dark) {
            return Some(FaultKind::SilentDeath);
        }
        if from == to {
            return None;
        }
        let blocked = |node| host(node).and_then(|host| host.blocked);
        blocked(from).or_else(|| blocked(to)).or_else(|| {
            let both = if self.link(to, from).cut { FaultKind::Cut } else { FaultKind::OneWayCut };
            self.link(from, to).cut.then_some(both)
        })
    }

    /// Whether a packet that arrives now gets through; if not, a fault has struck.
    fn gets_through(&self, from: NodeId, to: NodeId) -> bool {
        let obstacle = self.obstacle(from, to);
        obstacle.inspect(|kind| kind.fired()).is_none()
    }

    fn schedule(&mut self, at_ns: u64, event: Event) {
        self.next_id += 1;
        self.calendar.push(Reverse((at_ns, self.next_id, event)));
    }

    /// When a packet sent now arrives.
    fn arrival_ns(&mut self, from: NodeId, to: NodeId) -> u64 {
        if from == to {
            return self.now_ns;
        }
        let link = self.links.get(&(from, to)).unwrap_or(&self.default_link);
        self.now_ns + link.latency_ns(&mut self.draws)
    }

    // ---- listeners

    pub(super) fn bind(&mut self, node: NodeId, address: &Address, backlog: u32) -> io::Result<Id> {
        let address = self.bound_address(node, address)?;
        self.next_id += 1;
        let listening =
            Listening { node, address, backlog: backlog as usize, queue: VecDeque::new(), waiting: None };
        self.listeners.insert(self.next_id, listening);
        self.host(node).dark = false;
        Ok(self.next_id)
    }

    fn bound_address(&mut self, node: NodeId, address: &Address) -> io::Result<Address> {
        let Address::Tcp(mut address) = *address else {
            return Ok(address.clone());
        };
        let ip = address.ip();
        if !(ip.is_unspecified() || ip.is_loopback() || owns(node, ip)) {
            return Err(error(EADDRNOTAVAIL));
        }
        if address.port() == 0 {
            address.set_port(self.free_port(node));
        }
        let taken = self.listeners.values().any(|other| {
            let Address::Tcp(bound) = other.address else { return false };
            other.node == node
                && bound.port() == address.port()
                && bound.is_ipv4() == address.is_ipv4()
                && (bound.ip() == ip || bound.ip().is_unspecified() || ip.is_unspecified())
        });
        if taken { Err(error(EADDRINUSE)) } else { Ok(Address::Tcp(address)) }
    }

    fn free_port(&mut self, node: NodeId) -> u16 {
        let host = self.host(node);
        let port = host.next_port;
        host.next_port = port.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT);
        port
    }

    pub(super) fn listener_address(&self, listener: Id) -> Option<Address> {
        self.listeners.get(&listener).map(|listening| listening.address.clone())
    }

    pub(super) fn poll_accept(&mut self, listener: Id, waker: &Waker) -> Poll<io::Result<(Id, Address)>> {
        let Some(listening) = self.listeners.get_mut(&listener) else {
            // Only a task of a dead node can still hold it, and will not run on.
            return Poll::Pending;
        };
        // Who has given up already and left nothing is not offered.
        listening.queue.retain(|id| self.connections.contains_key(id));
        if listening.queue.is_empty() {
            listening.waiting = Some(waker.clone());
            return Poll::Pending;
        }
        let node = listening.node;
        if let Some(failure) = self.accept_error(node) {
            FaultKind::FailedAccept.fired();
            if failure == ECONNABORTED {
                self.abort_first(listener);
            }
            return Poll::Ready(Err(error(failure)));
        }
        let Some(id) = self.listeners.get_mut(&listener).and_then(|listening| listening.queue.pop_front())
        else {
            return Poll::Pending;
        };
        let descriptor = self.host(node).descriptor();
        let Some(connection) = self.connections.get_mut(&id) else { return Poll::Pending };
        let end = &mut connection.ends[1];
        end.descriptor = descriptor;
        if end.state == State::Queued {
            end.state = State::Open;
        }
        Poll::Ready(Ok((id, connection.ends[0].address.clone())))
    }

    fn accept_error(&mut self, node: NodeId) -> Option<i32> {
        let failures = self.host(node).accept_failures;
        if let Some(planned) = self.host(node).accept_errors.pop_front() {
            return Some(planned);
        }
        if self.host(node).most_accepted.is_some_and(|most| self.accepted(node) >= most) {
            FaultKind::DescriptorExhaustion.fired();
            return Some(EMFILE);
        }
        self.draws.chance(failures).then(|| *self.draws.pick(&[EMFILE, ECONNABORTED]))
    }

    /// How many connections a node has accepted and not closed.
    fn accepted(&self, node: NodeId) -> usize {
        let open = |end: &End| end.node == node && matches!(end.state, State::Open | State::Broken);
        self.connections.values().filter(|connection| open(&connection.ends[1])).count()
    }

    fn abort_first(&mut self, listener: Id) {
        if let Some(id) = self.listeners.get_mut(&listener).and_then(|listening| listening.queue.pop_front())
        {
            self.reset(id, 1);
        }
    }

    pub(super) fn close_listener(&mut self, listener: Id) {
        if let Some(listening) = self.listeners.remove(&listener) {
            for id in listening.queue {
                self.reset(id, 1);
            }
        }
    }
}

impl End {
    fn close(&mut self) {
        self.state = State::Closed;
        self.error = None;
        self.reader = None;
        self.writer = None;
    }

    fn fail(&mut self, code: i32) {
        if self.state != State::Closed {
            self.state = State::Broken;
            self.error = Some(code);
        }
    }
}

fn serves(listening: &Address, wanted: &Address) -> bool {
    match (listening, wanted) {
        (Address::Tcp(bound), Address::Tcp(to)) => {
            bound.port() == to.port()
                && bound.is_ipv4() == to.is_ipv4()
                && (bound.ip() == to.ip() || bound.ip().is_unspecified())
        }
        _ => listening == wanted,
    }
}
