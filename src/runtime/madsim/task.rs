//! Tasks of the node that spawns them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::panic::Guarded;
pub use super::super::panic::Panicked;
use super::schedule::Scheduled;

/// Lets the other tasks of the thread have a turn.
pub async fn yield_now() {
    ::madsim::task::yield_now().await;
}

/// Starts a task on the current node. Its panic is logged and reaches whoever awaits the handle;
/// dropping the handle lets the task run on.
pub fn spawn_local<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    JoinHandle { name, task: ::madsim::task::spawn_local(Guarded::new(name, Scheduled::new(name, future))) }
}

/// Runs `main` alone in a world of seed 0: the names are those of production, the worlds worth running
/// are made by the simulator.
pub fn block_on_main<F: Future>(main: F) -> io::Result<F::Output> {
    Ok(super::simulation::run_on_node(0, main))
}

/// The end of a task, to be awaited.
#[derive(Debug)]
pub struct JoinHandle<T> {
    name: &'static str,
    task: ::madsim::task::JoinHandle<Result<T, Panicked>>,
}

impl<T> JoinHandle<T> {
    /// Drops the task at its next await point.
    pub fn abort(&self) {
        self.task.abort();
    }

    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context).map(|joined| match joined {
            Ok(result) => result,
            // Panics are caught inside, so the task was aborted, or its node was killed.
            Err(_) => Err(Panicked { task: self.name, message: "aborted".to_owned() }),
        })
    }
}
