//! Tasks on the thread they were born on.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::runtime::{Builder, LocalOptions};

use super::super::panic::Guarded;
pub use super::super::panic::Panicked;

/// Lets the other tasks of the thread have a turn.
pub async fn yield_now() {
    ::tokio::task::yield_now().await;
}

/// Starts a task on the current thread. Its panic is logged and reaches whoever awaits the handle;
/// dropping the handle lets the task run on.
pub fn spawn_local<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    JoinHandle { name, task: ::tokio::task::spawn_local(Guarded::new(name, future)) }
}

/// Runs `main` on a runtime of this thread and returns its output. Tasks still alive are dropped.
pub fn block_on_main<F: Future>(main: F) -> io::Result<F::Output> {
    Ok(Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?.block_on(main))
}

/// The end of a task, to be awaited.
#[derive(Debug)]
pub struct JoinHandle<T> {
    name: &'static str,
    task: ::tokio::task::JoinHandle<Result<T, Panicked>>,
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
            // Panics are caught inside, so the task was aborted, or its runtime has ended.
            Err(_) => Err(Panicked { task: self.name, message: "aborted".to_owned() }),
        })
    }
}
