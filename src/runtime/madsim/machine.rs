//! What a node has besides network, clock and files: entropy, pending signals, a working directory.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ::madsim::plugin::{self, Simulator};
use ::madsim::rand::{GlobalRng, RngCore};
use ::madsim::task::NodeId;
use ::madsim::time::TimeHandle;

use super::signal::Signal;
use super::streams::Draws;

/// The machines of the world.
pub struct SimMachine {
    seed: u64,
    machines: Mutex<BTreeMap<NodeId, Machine>>,
}

struct Machine {
    entropy: Draws,
    working_directory: PathBuf,
    signals: VecDeque<Signal>,
    waiting: Option<Waker>,
}

impl Simulator for SimMachine {
    fn new(rand: &GlobalRng, _: &TimeHandle, _: &::madsim::Config) -> Self {
        Self { seed: rand.clone().next_u64(), machines: Mutex::new(BTreeMap::new()) }
    }

    fn reset_node(&self, node: NodeId) {
        if let Some(machine) = self.lock().get_mut(&node) {
            machine.signals.clear();
            machine.waiting = None;
            machine.working_directory = PathBuf::from("/");
        }
    }
}

impl SimMachine {
    /// The machines of the running world.
    pub fn current() -> Arc<Self> {
        plugin::simulator()
    }

    /// Fires a signal at a node; it stays pending until the node looks.
    pub fn signal(&self, node: NodeId, signal: Signal) {
        let waiting = self.with(node, |machine| {
            machine.signals.push_back(signal);
            machine.waiting.take()
        });
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    pub(super) fn poll_signal(&self, node: NodeId, context: &mut Context<'_>) -> Poll<Signal> {
        self.with(node, |machine| match machine.signals.pop_front() {
            Some(signal) => Poll::Ready(signal),
            None => {
                machine.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        })
    }

    pub(super) fn entropy<T>(&self, draw: impl FnOnce(&mut Draws) -> T) -> T {
        self.with(plugin::node(), |machine| draw(&mut machine.entropy))
    }

    /// A random stream of this world.
    pub(super) fn stream(&self, name: &str) -> Draws {
        Draws::named(self.seed, name)
    }

    pub(super) fn working_directory(&self) -> PathBuf {
        self.with(plugin::node(), |machine| machine.working_directory.clone())
    }

    pub(super) fn set_working_directory(&self, path: PathBuf) {
        self.with(plugin::node(), |machine| machine.working_directory = path);
    }

    fn with<T>(&self, node: NodeId, act: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machines = self.lock();
        act(machines.entry(node).or_insert_with(|| Machine {
            entropy: self.stream(&format!("entropy of node {node}")),
            working_directory: PathBuf::from("/"),
            signals: VecDeque::new(),
            waiting: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
