//! Clocks and timers of the node that asks. Deadlines are microseconds of its monotonic clock.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use ::madsim::plugin;
use ::madsim::time::TimeHandle;

use super::clock::SimClock;
use crate::engine::time::Now;

/// Both clocks.
pub fn now() -> Now {
    SimClock::current().now(plugin::node())
}

/// Nanoseconds of the monotonic clock, for the duration of a command.
pub fn stopwatch() -> u64 {
    SimClock::current().mono_ns(plugin::node())
}

/// Waits for a moment of the monotonic clock.
pub fn sleep_until(mono_us: u64) -> Sleep {
    Sleep::until(mono_us)
}

/// Waits for a span.
pub async fn sleep(span: Duration) {
    sleep_until(after(span)).await;
}

/// Simulated clocks show UTC.
pub fn utc_offset(_: i64) -> i32 {
    0
}

/// Lets the span pass before anything else happens, here or on any other node.
pub fn stall(span: Duration) {
    ::madsim::time::advance(span);
}

/// Runs a future for at most `span`.
pub async fn timeout<F: Future>(span: Duration, future: F) -> Result<F::Output, Elapsed> {
    let (mut future, mut deadline) = (pin!(future), sleep_until(after(span)));
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => Pin::new(&mut deadline).poll(context).map(|()| Err(Elapsed)),
    })
    .await
}

fn after(span: Duration) -> u64 {
    let micros = u64::try_from(span.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
    now().mono_us.saturating_add(micros)
}

/// The time of [`timeout`] is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

/// A timer that can be set again: an actor has one, set to its next deadline.
pub struct Sleep {
    deadline_ns: u64,
    timer: Timer,
}

impl Sleep {
    /// Fires at `mono_us`; `u64::MAX` means never.
    pub fn until(mono_us: u64) -> Self {
        Self { deadline_ns: true_ns(mono_us), timer: Timer::default() }
    }

    /// Moves the deadline, whether it has fired or not.
    pub fn reset(&mut self, mono_us: u64) {
        self.deadline_ns = true_ns(mono_us);
    }
}

fn true_ns(mono_us: u64) -> u64 {
    SimClock::current().true_ns_of(plugin::node(), mono_us)
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline_ns = self.deadline_ns;
        self.timer.poll_at(deadline_ns, context)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline_ns", &self.deadline_ns).finish()
    }
}

/// Wakes a task at exact moments of true time.
///
/// madsim clamps a sleep to a millisecond when it is made, but not when it is reset; and each poll of
/// its sleep leaves one more entry in its wheel. So one is made with no deadline of its own and moved,
/// and polled only to wait for an earlier moment than it already does.
#[derive(Default)]
pub(super) struct Timer {
    /// The moment it will wake us at.
    armed_ns: Option<u64>,
}

impl Timer {
    /// Ready once true time has come to `deadline_ns`.
    pub(super) fn poll_at(&mut self, deadline_ns: u64, context: &mut Context<'_>) -> Poll<()> {
        let time = TimeHandle::current();
        let now_ns = time.elapsed().as_nanos() as u64;
        if now_ns >= deadline_ns {
            self.armed_ns = None;
            return Poll::Ready(());
        }
        // A year away is never; the wheel's arithmetic would overflow.
        let far = deadline_ns - now_ns > 365 * 24 * 3600 * 1_000_000_000;
        let armed = self.armed_ns.is_some_and(|armed_ns| armed_ns > now_ns && armed_ns <= deadline_ns);
        if !far && !armed {
            let mut sleep = pin!(time.sleep(Duration::ZERO));
            sleep.as_mut().reset(time.now_instant() + Duration::from_nanos(deadline_ns - now_ns));
            // Registers the waker; the wheel keeps it after the sleep itself is gone.
            _ = sleep.poll(context);
            self.armed_ns = Some(deadline_ns);
        }
        Poll::Pending
    }
}
