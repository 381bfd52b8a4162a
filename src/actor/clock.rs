//! The engine's clock: the machine's, unless a test has moved it (`test-clock`, DEBUG CLOCK).
//!
//! Only what the engine is told goes by it: TTLs, ids of streams, idle times, waits, save points. Files, sockets and the
//! log keep to the machine's clock, since a disk is not faster for a test that makes a month pass.

use crate::engine::effect::ClockStep;
use crate::engine::time::Now;
use crate::runtime::time;
use std::cell::Cell;

/// Where the engine's time comes from.
pub struct Clock {
    /// How far the engine's monotonic clock is ahead of the machine's, in microseconds.
    mono_ahead: Cell<i64>,
    /// The same of the wall clock.
    unix_ahead: Cell<i64>,
    /// What to add to the engine's monotonic clock for its wall clock; read anew with each tick, so that a batch costs
    /// one reading of a clock and not two.
    wall_offset: Cell<i64>,
    /// What it shows while it stands still.
    frozen: Cell<Option<Now>>,
}

impl Clock {
    /// The machine's clock.
    pub fn of_machine() -> Self {
        let clock = Clock {
            mono_ahead: Cell::new(0),
            unix_ahead: Cell::new(0),
            wall_offset: Cell::new(0),
            frozen: Cell::new(None),
        };
        clock.follow_wall();
        clock
    }

    /// Looks where the machine's wall clock is.
    pub fn follow_wall(&self) {
        let machine = time::now();
        let ahead = self.unix_ahead.get() - self.mono_ahead.get();
        self.wall_offset.set(machine.unix_us - machine.mono_us as i64 + ahead);
    }

    /// What time it is, and the machine's stopwatch at that moment.
    #[inline]
    pub fn moment(&self) -> (Now, u64) {
        let ns = time::stopwatch();
        if let Some(frozen) = self.frozen.get() {
            return (frozen, ns);
        }
        let mono_us = (ns / 1000).wrapping_add_signed(self.mono_ahead.get());
        (Now { unix_us: mono_us as i64 + self.wall_offset.get(), mono_us }, ns)
    }

    /// When the machine's monotonic clock will show what the engine's shows at `deadline`. While that stands still, the
    /// engine is called as if it went on: there is work that waits for no moment but for a while.
    pub fn machine_us(&self, deadline: u64) -> u64 {
        match self.frozen.get() {
            _ if deadline == u64::MAX => deadline,
            Some(frozen) => time::now().mono_us.saturating_add(deadline.saturating_sub(frozen.mono_us)),
            None => deadline.saturating_add_signed(self.mono_ahead.get().wrapping_neg()),
        }
    }

    /// How far the engine's wall clock is ahead of the machine's, in microseconds.
    pub fn ahead_us(&self) -> i64 {
        self.unix_ahead.get()
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.frozen.get().is_some()
    }

    /// Moves it.
    pub fn step(&self, step: ClockStep) {
        let before = self.moment().0;
        let after = step.applied_to(before);
        match step {
            ClockStep::Freeze => self.frozen.set(Some(before)),
            ClockStep::Resume if self.is_frozen() => {
                self.frozen.set(None);
                self.skip(self.moment().0, after);
            }
            ClockStep::Resume => {}
            ClockStep::Advance(_) | ClockStep::Set(_) if self.is_frozen() => self.frozen.set(Some(after)),
            ClockStep::Advance(_) | ClockStep::Set(_) => self.skip(before, after),
        }
    }

    /// Shows another moment in place of the one that it shows.
    fn skip(&self, shown: Now, now: Now) {
        let (mono, unix) = (now.mono_us.wrapping_sub(shown.mono_us) as i64, now.unix_us - shown.unix_us);
        self.mono_ahead.set(self.mono_ahead.get() + mono);
        self.unix_ahead.set(self.unix_ahead.get() + unix);
        self.wall_offset.set(self.wall_offset.get() + unix - mono);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing::run;

    const HOUR: u64 = 3_600_000_000;

    /// Whether a clock shows the machine's time and so much more. Clocks are read one after the other: it may have been
    /// set to a time that was right at `earliest`.
    fn is_ahead(clock: &Clock, earliest: Now, mono_us: i64, unix_us: i64) -> bool {
        let (before, now, after) = (time::now(), clock.moment().0, time::now());
        let mono = now.mono_us as i64 - mono_us;
        let mono = earliest.mono_us as i64 <= mono && mono <= after.mono_us as i64;
        // The wall clock was looked at before, and may have been corrected a little since.
        mono && (now.unix_us - unix_us - before.unix_us).abs() < HOUR as i64 / 60
    }

    #[test]
    fn left_alone_it_is_the_machines() {
        run(async {
            let clock = Clock::of_machine();
            assert!(is_ahead(&clock, time::now(), 0, 0));
            assert_eq!((clock.machine_us(123), clock.ahead_us()), (123, 0));
        });
    }

    #[test]
    fn time_passes_at_once_and_deadlines_come_nearer() {
        run(async {
            let clock = Clock::of_machine();
            let deadline = clock.moment().0.mono_us + 2 * HOUR;
            clock.step(ClockStep::Advance(HOUR));
            assert!(is_ahead(&clock, time::now(), HOUR as i64, HOUR as i64));
            assert_eq!(clock.machine_us(deadline), deadline - HOUR);
            assert_eq!(clock.machine_us(u64::MAX), u64::MAX);
        });
    }

    #[test]
    fn a_step_back_moves_the_wall_clock_alone() {
        run(async {
            let (clock, begun) = (Clock::of_machine(), time::now());
            let then = clock.moment().0.unix_us - HOUR as i64;
            clock.step(ClockStep::Set(then));
            assert!(is_ahead(&clock, time::now(), 0, -(HOUR as i64)));
            let then = clock.moment().0.unix_us + 2 * HOUR as i64;
            clock.step(ClockStep::Set(then));
            assert!(is_ahead(&clock, begun, 2 * HOUR as i64, HOUR as i64));
        });
    }

    #[test]
    fn it_stands_still_and_goes_on_from_there() {
        run(async {
            let clock = Clock::of_machine();
            clock.step(ClockStep::Freeze);
            let frozen = clock.moment().0;
            time::sleep(std::time::Duration::from_micros(50)).await;
            clock.follow_wall();
            assert_eq!(clock.moment().0, frozen);
            // Who waits for a moment is called as if it were to come.
            assert!(clock.machine_us(frozen.mono_us + HOUR) >= time::now().mono_us + HOUR - 1_000_000);
            clock.step(ClockStep::Advance(HOUR));
            assert_eq!(clock.moment().0, frozen.later(HOUR));
            clock.step(ClockStep::Freeze);
            clock.step(ClockStep::Resume);
            let resumed = clock.moment().0;
            assert!(resumed.mono_us >= frozen.mono_us + HOUR && resumed.mono_us < frozen.mono_us + 2 * HOUR);
            assert!((resumed.unix_us - frozen.later(HOUR).unix_us).unsigned_abs() < HOUR);
            assert!(!clock.is_frozen());
        });
    }
}
