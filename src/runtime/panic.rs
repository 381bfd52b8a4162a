//! The boundary at which a panic of an actor stops.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// An actor died of a panic. It has been logged; whoever awaits the actor decides what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// The name the task was spawned under.
    pub task: &'static str,
    /// What it said.
    pub message: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} panicked: {}", self.task, self.message)
    }
}

impl std::error::Error for Panicked {}

impl Panicked {
    fn new(task: &'static str, payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => match payload.downcast::<&'static str>() {
                Ok(text) => (*text).to_owned(),
                Err(_) => "(no message)".to_owned(),
            },
        };
        let panicked = Self { task, message };
        ::tracing::error!("{panicked}");
        panicked
    }
}

pin_project_lite::pin_project! {
    /// Runs a future; its panic becomes a value. After a panic the future is not polled again and is
    /// dropped with the rest of the task, so no state of it can be seen half-changed.
    pub(super) struct Guarded<F> {
        name: &'static str,
        #[pin]
        future: F,
    }
}

impl<F> Guarded<F> {
    pub(super) fn new(name: &'static str, future: F) -> Self {
        Self { name, future }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => Poll::Ready(Err(Panicked::new(this.name, payload))),
        }
    }
}
