//! Clocks and timers. Deadlines are microseconds of the monotonic clock, as in [`Now::mono_us`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tokio::time::Instant;
use nix::time::{ClockId, clock_gettime};

pub use ::tokio::time::error::Elapsed;

use crate::engine::time::Now;

/// Far enough to mean never, near enough for the timer wheel to hold.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Both clocks.
pub fn now() -> Now {
    Now { unix_us: read(ClockId::CLOCK_REALTIME) / 1000, mono_us: stopwatch() / 1000 }
}

/// Nanoseconds of the monotonic clock, for the duration of a command.
#[inline]
pub fn stopwatch() -> u64 {
    read(ClockId::CLOCK_MONOTONIC) as u64
}

/// Nanoseconds of a clock; 0 for one that does not exist, and the two asked for always do.
#[inline]
fn read(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Seconds that local time is ahead of UTC at a moment.
pub fn utc_offset(unix_us: i64) -> i32 {
    let moment = chrono::DateTime::from_timestamp_micros(unix_us).unwrap_or_default();
    moment.with_timezone(&chrono::Local).offset().local_minus_utc()
}

/// Holds up the calling thread and everything on it (DEBUG SLEEP).
pub fn stall(span: Duration) {
    std::thread::sleep(span);
}

/// Waits for a moment of the monotonic clock.
pub fn sleep_until(mono_us: u64) -> Sleep {
    Sleep::until(mono_us)
}

/// Waits for a span.
pub async fn sleep(span: Duration) {
    ::tokio::time::sleep(span).await;
}

/// Runs a future for at most `span`.
pub async fn timeout<F: Future>(span: Duration, future: F) -> Result<F::Output, Elapsed> {
    ::tokio::time::timeout(span, future).await
}

/// A timer that can be set again without a new allocation: an actor has one, set to its next deadline.
#[derive(Debug)]
pub struct Sleep(Pin<Box<::tokio::time::Sleep>>);

impl Sleep {
    /// Fires at `mono_us`; `u64::MAX` means never.
    pub fn until(mono_us: u64) -> Self {
        Self(Box::pin(::tokio::time::sleep_until(instant(mono_us))))
    }

    /// Moves the deadline, whether it has fired or not.
    pub fn reset(&mut self, mono_us: u64) {
        self.0.as_mut().reset(instant(mono_us));
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

/// Rounds up to the next microsecond boundary, so that a timer never fires before its deadline by [`now`].
fn instant(mono_us: u64) -> Instant {
    let span = mono_us.saturating_sub(stopwatch() / 1000);
    Instant::now() + Duration::from_micros(span).min(NEVER)
}
