//! Threads. A simulated node has one processor, so a thread is a task with the same promises; that real
//! threads race in ways tasks cannot is tested outside the simulator.

use std::future::Future;
use std::io;

use super::task::{JoinHandle, Panicked, spawn_local};

/// Starts a task that runs the future `start` makes.
pub fn spawn_runtime<S, F>(name: &'static str, start: S) -> io::Result<ThreadHandle<F::Output>>
where
    S: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    Ok(ThreadHandle(spawn_local(name, async move { start().await })))
}

/// The name of the only thread there is.
pub fn name() -> String {
    "simulation".to_owned()
}

/// The end of a thread, to be awaited from any other.
#[derive(Debug)]
pub struct ThreadHandle<T>(JoinHandle<T>);

impl<T> ThreadHandle<T> {
    /// Waits for the thread's future to end.
    pub async fn join(self) -> Result<T, Panicked> {
        self.0.await
    }
}

/// Nothing: simulated threads take no time from each other.
pub fn give_way() {}

/// Nothing, for the same reason.
pub fn yield_now() {}

/// Nothing: there are no processors.
pub fn stay_on(_: &[usize]) -> io::Result<()> {
    Ok(())
}
