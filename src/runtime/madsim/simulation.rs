//! What the simulator holds in its hands: the world behind the door.

use std::future::Future;

use ::madsim::runtime::{Handle, Runtime};

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

/// Runs one future on a node of a fresh world, for tests. A thread of its own, because madsim seeds
/// std's hashers once a thread.
///
/// # Panics
/// If the future panics.
pub fn run_on_node<F: Future + 'static>(seed: u64, body: F) -> F::Output
where
    F::Output: 'static,
{
    let runtime = Runtime::with_seed_and_config(seed, ::madsim::Config::default());
    install(&runtime);
    runtime.block_on(async move {
        start();
        body.await
    })
}
