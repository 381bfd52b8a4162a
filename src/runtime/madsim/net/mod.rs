//! SimNet: TCP and unix sockets of a simulated world.
//!
//! [`link`] says how a way between two nodes behaves, `pipe` is one direction of a connection,
//! `network` holds all connections and the calendar of what is going to happen to them, `socket`
//! gives them the faces that the server knows. One task of the world, [`SimNet::start`], waits for the
//! next event and lets it happen, at the exact nanosecond.
//!
//! Not simulated: acknowledgements are free and instant (what the reverse direction loses shows only in
//! what it carries itself), and TIME_WAIT.

mod io;
mod link;
mod network;
mod pipe;
mod socket;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use ::madsim::plugin::{self, Simulator};
use ::madsim::rand::{GlobalRng, RngCore};
use ::madsim::task::NodeId;
use ::madsim::time::TimeHandle;

pub use super::super::address::{Address, ListenOptions};
pub use link::Link;
use network::Network;
pub use socket::{Detached, Listener, Stream, resolve};

use super::kind::FaultKind;
use super::time::Timer;

/// The network of a world.
pub struct SimNet {
    time: TimeHandle,
    state: Mutex<Network>,
    /// The task that lets events happen.
    driver: Mutex<Option<Waker>>,
}

/// What the peers of a killed node see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process is gone, its kernel lives: connections are closed or reset.
    Process,
    /// The machine is gone: silence, until it is there again and resets what it does not know.
    Power,
}

/// Why `accept` fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// EMFILE; the connection stays in the queue.
    TooManyFiles,
    /// ECONNABORTED; the connection is gone.
    Aborted,
}

impl Simulator for SimNet {
    fn new(rand: &GlobalRng, time: &TimeHandle, _: &::madsim::Config) -> Self {
        let network = Network::new(rand.clone().next_u64());
        Self { time: time.clone(), state: Mutex::new(network), driver: Mutex::new(None) }
    }

    fn create_node(&self, node: NodeId) {
        self.with(|network| _ = network.host(node));
    }

    fn reset_node(&self, node: NodeId) {
        self.with(|network| network.die(node));
    }
}

impl SimNet {
    /// The network of the running world.
    pub fn current() -> Arc<Self> {
        plugin::simulator()
    }

    /// The address of a node. It is also reached under `fd00::` with the same last four bytes, and
    /// reaches itself by loopback.
    pub fn ip(node: NodeId) -> IpAddr {
        network::ip_of(node)
    }

    /// Changes every link that has no setting of its own.
    pub fn set_default_link(&self, link: Link) {
        self.with(|network| network.default_link = link);
    }

    /// Changes the link from one node to another; the way back is another link.
    pub fn change_link(&self, from: NodeId, to: NodeId, change: impl FnOnce(&mut Link)) {
        self.with(|network| network.change_link(from, to, change));
    }

    /// Lets nothing through from one node to the other. Call it twice for both ways.
    pub fn partition(&self, from: NodeId, to: NodeId) {
        self.change_link(from, to, |link| link.cut = true);
    }

    /// Undoes [`SimNet::partition`]. What waits gets through with the next repetition of TCP.
    pub fn heal(&self, from: NodeId, to: NodeId) {
        self.change_link(from, to, |link| link.cut = false);
    }

    /// Lets nothing in or out of a node, until [`SimNet::unblock`]: it is cut off from all others.
    pub fn isolate(&self, node: NodeId) {
        self.with(|network| network.host(node).blocked = Some(FaultKind::Isolation));
    }

    /// The same to one of several nodes whose links clog one after the other.
    pub fn clog(&self, node: NodeId) {
        self.with(|network| network.host(node).blocked = Some(FaultKind::SwizzleClog));
    }

    /// Undoes [`SimNet::isolate`] and [`SimNet::clog`].
    pub fn unblock(&self, node: NodeId) {
        self.with(|network| network.host(node).blocked = None);
    }

    /// Resets one connection between two nodes, drawn at random, after a random byte of what is in
    /// flight. Returns whether there was one.
    pub fn reset_connection(&self, a: NodeId, b: NodeId) -> bool {
        self.with(|network| {
            let open = network.connections_between(a, b);
            if open.is_empty() {
                return false;
            }
            let id = *network.draws.pick(&open);
            let side = network.draws.below(2) as usize;
            let keep = network.draws.below(1500) as usize;
            network.tear(id, side, keep);
            true
        })
    }

    /// Lets the next call of `accept` of a node fail.
    pub fn fail_accept(&self, node: NodeId, why: AcceptError) {
        let code = match why {
            AcceptError::TooManyFiles => network::code::EMFILE,
            AcceptError::Aborted => network::code::ECONNABORTED,
        };
        self.with(|network| network.host(node).accept_errors.push_back(code));
    }

    /// Lets that many calls of `accept` in a million fail.
    pub fn set_accept_failures(&self, node: NodeId, parts_per_million: u32) {
        self.with(|network| network.host(node).accept_failures = parts_per_million);
    }

    /// How many accepted connections a node may have open: beyond, `accept` fails with EMFILE.
    pub fn set_most_accepted(&self, node: NodeId, most: Option<usize>) {
        self.with(|network| network.host(node).most_accepted = most);
    }

    /// What the peers of a node see when it is killed. `Death::Process` unless told.
    pub fn set_death(&self, node: NodeId, death: Death) {
        self.with(|network| network.host(node).death = death);
    }

    /// A machine that lost its power is there again, before its server is: packets to what it no longer
    /// knows are answered by a reset. Listening and connecting do the same.
    pub fn power_on(&self, node: NodeId) {
        self.with(|network| network.host(node).dark = false);
    }

    /// Hash of every byte that arrived and every event of the network, with their times.
    pub fn trace_hash(&self) -> u64 {
        self.with(|network| network.trace)
    }

    /// When the accepting end of a connection was closed, if it is. What was sent on it can have had no
    /// effect after that.
    pub fn gone_ns(&self, connection: u64) -> Option<u64> {
        self.with(|network| network.gone.get(&connection).copied())
    }

    /// Connections that the network still knows, closed ones with bytes under way included.
    pub fn describe_connections(&self) -> Vec<String> {
        self.with(|network| network.describe_connections())
    }

    /// Starts the task that lets events happen; on the current node, which must not be killed.
    pub(super) fn start(self: &Arc<Self>) {
        let net = self.clone();
        drop(::madsim::task::spawn_local(async move { net.drive().await }));
    }

    async fn drive(&self) {
        let mut timer = pin!(Timer::default());
        std::future::poll_fn(move |context| {
            *self.driver() = Some(context.waker().clone());
            loop {
                let next = self.with(|network| {
                    network.run_due();
                    network.next_event_ns()
                });
                let due = next.map(|at_ns| timer.poll_at(at_ns, context));
                if !due.is_some_and(|due| due.is_ready()) {
                    return Poll::<()>::Pending;
                }
            }
        })
        .await;
    }

    /// Runs `act` on the network as of now, then wakes whom it concerns.
    fn with<T>(&self, act: impl FnOnce(&mut Network) -> T) -> T {
        let mut network = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        network.now_ns = self.time.elapsed().as_nanos() as u64;
        let before = network.next_event_ns();
        let result = act(&mut network);
        let sooner = match (network.next_event_ns(), before) {
            (Some(now), Some(before)) => now < before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let wakes = std::mem::take(&mut network.wakes);
        drop(network);
        // Unlocked: a waker may drop the last task that holds a stream, which locks the network.
        if sooner && let Some(driver) = self.driver().take() {
            driver.wake();
        }
        for waker in wakes {
            waker.wake();
        }
        result
    }

    fn driver(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
