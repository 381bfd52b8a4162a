//! Threads, each with a runtime of its own.

use std::future::Future;
use std::io;

use super::super::panic::Guarded;
use super::super::sync::oneshot;
use super::task::{Panicked, block_on_main};

/// Starts a thread that runs the future `start` makes. The future stays on that thread, so it may hold
/// what cannot be sent.
pub fn spawn_runtime<S, F>(name: &'static str, start: S) -> io::Result<ThreadHandle<F::Output>>
where
    S: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    let (report, ended) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let outcome = block_on_main(async move { Guarded::new(name, start()).await });
        let outcome = outcome.unwrap_or_else(|error| {
            Err(Panicked { task: name, message: format!("cannot start a runtime: {error}") })
        });
        super::heap::publish();
        // Whoever started it may have stopped caring.
        _ = report.send(outcome);
    })?;
    Ok(ThreadHandle { name, ended })
}

/// Has the calling thread give way to others where processors are scarce. Linux keeps that for each thread.
pub fn give_way() {
    /// Steps of `nice`: a tenth of the others' share.
    const STEPS: i32 = 10;
    // Without it the work is done all the same.
    let _ = rustix::process::nice(STEPS);
}

/// Keeps the calling thread, and those that it starts from now on, to some processors.
pub fn stay_on(processors: &[usize]) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for &processor in processors.iter().filter(|processor| **processor < rustix::thread::CpuSet::MAX_CPU) {
        set.set(processor);
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Lets threads that wait for the calling thread's processor have it now: by itself it keeps it until the next tick of the
/// system's clock, which is milliseconds away.
pub fn yield_now() {
    std::thread::yield_now();
}

/// The calling thread's name.
pub fn name() -> String {
    std::thread::current().name().unwrap_or("unnamed").to_owned()
}

/// The end of a thread, to be awaited from any other.
#[derive(Debug)]
pub struct ThreadHandle<T> {
    name: &'static str,
    ended: oneshot::Receiver<Result<T, Panicked>>,
}

impl<T> ThreadHandle<T> {
    /// Waits for the thread's future to end.
    pub async fn join(self) -> Result<T, Panicked> {
        let lost = Panicked { task: self.name, message: "ended without a result".to_owned() };
        self.ended.await.unwrap_or(Err(lost))
    }
}
