//! What the simulator holds in its hands: the world behind the door.

use std::future::Future;
use std::time::Duration;

use ::madsim::runtime::{Handle, NodeHandle, Runtime};
use ::madsim::task::JoinHandle;

pub use super::clock::SimClock;
pub use super::disk::{DiskEvent, DiskFaults, Image, SimDisk, Survivors};
pub use super::kind::{FaultKind, Source};
pub use super::machine::SimMachine;
pub use super::net::{AcceptError, Death, Link, SimNet};
pub use super::schedule::{Schedule, SimSchedule};
pub use super::signal::Signal;
pub use super::streams::Draws;
pub use ::madsim::task::NodeId;

/// Gives a fresh world its network, clocks, disks and machines. Before any node is made.
pub fn install(runtime: &Runtime) {
    // Each takes a seed for its own streams from the runtime: append only, or old seeds change.
    runtime.add_simulator::<SimClock>();
    runtime.add_simulator::<SimNet>();
    runtime.add_simulator::<SimMachine>();
    runtime.add_simulator::<SimDisk>();
    runtime.add_simulator::<SimSchedule>();
}

/// Starts what moves the network. First thing inside the world's main task.
pub fn start() {
    SimNet::current().start();
}

/// A machine of a world, with a clock and an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine(NodeId);

impl Machine {
    /// Sets one up on which nothing runs.
    pub fn new(name: &str) -> Self {
        Machine(Handle::current().create_node().name(name).build().id())
    }

    /// Sets one up that runs a program, from now on and again after each [`Machine::restart`].
    pub fn running<F>(name: &str, program: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Machine(Handle::current().create_node().name(name).init(program).build().id())
    }

    /// What the simulated network, disks and clocks know it by.
    pub fn id(&self) -> NodeId {
        self.0
    }

    /// Starts a task on it.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.node().spawn(task)
    }

    /// All that runs on it ends in the middle of what it does. With its power goes what its disk was not told to keep.
    pub fn kill(&self, death: Death) {
        kill(self.0, death);
    }

    /// Starts it again after a [`Machine::kill`]. A server is there again; other tasks are not.
    pub fn restart(&self) {
        SimNet::current().power_on(self.0);
        Handle::current().restart(self.0);
    }

    /// Nothing gets through to another machine or back, until [`Machine::rejoin`].
    pub fn cut_off(&self, other: Machine) {
        let net = SimNet::current();
        net.partition(self.0, other.0);
        net.partition(other.0, self.0);
    }

    /// Undoes [`Machine::cut_off`]. What waits gets through with the next repetition of TCP.
    pub fn rejoin(&self, other: Machine) {
        let net = SimNet::current();
        net.heal(self.0, other.0);
        net.heal(other.0, self.0);
    }

    /// Resets a connection with another machine, if there is one.
    pub fn reset_connection(&self, other: Machine) {
        SimNet::current().reset_connection(self.0, other.0);
    }

    /// madsim's handle of it, for what is not here. One of before a restart starts no tasks.
    ///
    /// # Panics
    /// If it is a machine of another world.
    pub fn node(&self) -> NodeHandle {
        Handle::current().get_node(self.0).expect("a machine of this world")
    }
}

/// Kills a node, by a signal or by taking its power, which its peers and its disk notice.
pub fn kill(node: NodeId, death: Death) {
    SimNet::current().set_death(node, death);
    let disk = SimDisk::current();
    // The disk may be where the failure began.
    if death == Death::Power && !disk.has_just_failed(node) {
        disk.cut_power(node);
    }
    Handle::current().kill(node);
}

/// Simulated time after which a world is taken for one that never ends.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Runs one future in the fresh world of a seed, as its main task.
///
/// # Panics
/// If the future panics.
pub fn run_on_node<F: Future>(seed: u64, body: F) -> F::Output {
    let mut runtime = Runtime::with_seed_and_config(seed, ::madsim::Config::default());
    runtime.set_time_limit(LIMIT);
    install(&runtime);
    runtime.block_on(async {
        start();
        body.await
    })
}

/// The same where more worlds follow: on a thread of its own, because madsim seeds std's hashers once a thread. An error
/// is a panic in it.
pub fn world<F>(seed: u64, life: impl FnOnce() -> F + Send) -> std::thread::Result<F::Output>
where
    F: Future,
    F::Output: Send,
{
    let live = || run_on_node(seed, async { life().await });
    std::thread::scope(|threads| threads.spawn(live).join())
}
