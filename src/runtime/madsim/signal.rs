//! Being asked to stop by the world.

use std::io;
use std::sync::Arc;

use ::madsim::plugin;
use ::madsim::task::NodeId;

use super::machine::SimMachine;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a supervisor.
    Terminate,
    /// SIGINT: a person at the terminal, who may press the keys again to force it.
    Interrupt,
}

/// The signals of the node, as the world fires them by `SimMachine::signal`.
pub struct Signals {
    machine: Arc<SimMachine>,
    node: NodeId,
}

impl Signals {
    /// Watches SIGTERM and SIGINT.
    pub fn watch() -> io::Result<Self> {
        Ok(Self { machine: SimMachine::current(), node: plugin::node() })
    }

    /// The next request to stop.
    pub async fn terminate(&mut self) -> Signal {
        std::future::poll_fn(|context| self.machine.poll_signal(self.node, context)).await
    }
}
