//! A process's way to its disk.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use ::madsim::plugin;
use ::madsim::task::NodeId;

use super::faults::{Faulty, Operation, input_output_error};
use super::volume::Volume;
use super::{Disk, SimDisk};
use crate::runtime::madsim::clock::SimClock;
use crate::runtime::madsim::machine::SimMachine;
use crate::runtime::madsim::net::Death;
use crate::runtime::madsim::simulation;
use crate::runtime::madsim::time::Timer;

/// A node's way to its disk, as long as its process lives.
#[derive(Clone)]
pub struct Access {
    disk: Arc<SimDisk>,
    node: NodeId,
    life: u64,
}

/// The process that asks is no more; what still runs of it gets no further than to its next await.
struct Dead;

impl Access {
    /// Of the node that asks.
    pub fn current() -> Self {
        let (disk, node) = (SimDisk::current(), plugin::node());
        let life = disk.with(node, |disk| disk.lives);
        Self { disk, node, life }
    }

    /// Looks at the file system, or closes a file. Nothing can go wrong with that.
    pub fn look<T>(&self, act: impl FnOnce(&mut Volume) -> io::Result<T>) -> io::Result<T> {
        self.alive(|disk| act(&mut disk.volume)).unwrap_or_else(|Dead| Err(input_output_error()))
    }

    /// An operation that takes no time. Fails if the process is dead, since it cannot wait.
    pub fn now<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut Faulty) -> io::Result<T>,
    ) -> io::Result<T> {
        self.submit(operation, act).unwrap_or_else(|Dead| Err(input_output_error()))
    }

    /// An operation that takes its time, and never ends if the process is dead.
    pub async fn operate<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut Faulty) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.in_time(operation, act).await {
            Ok(outcome) => outcome,
            Err(Dead) => std::future::pending().await,
        }
    }

    async fn in_time<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut Faulty) -> io::Result<T>,
    ) -> Result<io::Result<T>, Dead> {
        let (before_ns, after_ns) = self.alive(|disk| disk.faulty().delays_ns(operation))?;
        let _pending = Pending::begin(self)?;
        pass(before_ns).await;
        let outcome = self.submit(operation, act)?;
        pass(after_ns).await;
        self.alive(|_| outcome)
    }

    fn submit<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut Faulty) -> io::Result<T>,
    ) -> Result<io::Result<T>, Dead> {
        let outcome = self.alive(|disk| {
            disk.operations += 1;
            let last = disk.last == Some(disk.operations);
            // Cut short, a sync may have done any part of its work: as if it had not begun.
            let outcome =
                if last && operation.is_sync() { Err(input_output_error()) } else { act(&mut disk.faulty()) };
            disk.note(operation, outcome.is_ok());
            if last {
                disk.cut_power();
                return Err(Dead);
            }
            Ok(outcome)
        })?;
        if outcome.is_err() {
            simulation::kill(self.node, Death::Power);
        }
        outcome
    }

    fn alive<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> Result<T, Dead> {
        let now_ns = SimClock::current().true_ns();
        self.disk.with(self.node, |disk| {
            // A task whose machine dies under it runs on to its next await, within that moment.
            if disk.lives == self.life && disk.failed_ns != Some(now_ns) { Ok(act(disk)) } else { Err(Dead) }
        })
    }
}

/// An operation that has begun and not ended.
struct Pending<'a>(&'a Access);

impl<'a> Pending<'a> {
    fn begin(access: &'a Access) -> Result<Self, Dead> {
        access.alive(|disk| disk.pending += 1)?;
        Ok(Self(access))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // What a dead process had begun is counted no more.
        _ = self.0.alive(|disk| disk.pending = disk.pending.saturating_sub(1));
    }
}

/// Lets a span of true time pass.
async fn pass(span_ns: u64) {
    let end_ns = SimClock::current().true_ns() + span_ns;
    let mut timer = Timer::default();
    std::future::poll_fn(|context| timer.poll_at(end_ns, context)).await;
}

/// The path made absolute and free of dots.
pub fn absolute(path: &Path) -> PathBuf {
    let mut absolute = SimMachine::current().working_directory();
    for part in path.components() {
        match part {
            Component::RootDir => absolute = PathBuf::from("/"),
            Component::ParentDir => _ = absolute.pop(),
            Component::Normal(name) => absolute.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}
