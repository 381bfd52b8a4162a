//! A clock of its own for every node: offset, drift and jumps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ::madsim::plugin::{self, Simulator};
use ::madsim::rand::GlobalRng;
use ::madsim::task::NodeId;
use ::madsim::time::TimeHandle;

use super::kind::FaultKind;
use crate::engine::time::Now;

/// The clocks of all nodes. Without a call of its methods every node has the true time.
pub struct SimClock {
    time: TimeHandle,
    clocks: Mutex<BTreeMap<NodeId, Clock>>,
}

/// A straight line from the true time to the node's monotonic time, and an offset to its wall clock.
#[derive(Clone, Copy, Default)]
struct Clock {
    /// True time at which the line begins.
    since_ns: u64,
    /// The node's monotonic time then.
    mono_ns: u64,
    /// Parts per million by which the node's clocks run fast.
    drift_ppm: i32,
    /// How far the wall clock is from monotonic time plus the world's epoch.
    offset_us: i64,
    /// Timers fire at multiples of this, if it is not 0.
    grain_us: u64,
}

impl Clock {
    fn mono_ns(&self, true_ns: u64) -> u64 {
        let span = u128::from(true_ns - self.since_ns);
        self.mono_ns + (span * self.rate() / 1_000_000) as u64
    }

    /// The first true moment at which the node's clock shows at least `mono_ns`.
    fn true_ns(&self, mono_ns: u64) -> u64 {
        let span = u128::from(mono_ns.saturating_sub(self.mono_ns));
        self.since_ns
            .saturating_add(u64::try_from((span * 1_000_000).div_ceil(self.rate())).unwrap_or(u64::MAX))
    }

    fn rate(&self) -> u128 {
        (1_000_000 + i64::from(self.drift_ppm)) as u128
    }
}

impl Simulator for SimClock {
    fn new(_: &GlobalRng, time: &TimeHandle, _: &::madsim::Config) -> Self {
        Self { time: time.clone(), clocks: Mutex::new(BTreeMap::new()) }
    }
}

impl SimClock {
    /// The clocks of the running world.
    pub fn current() -> Arc<Self> {
        plugin::simulator()
    }

    /// True time since the world began.
    pub fn true_ns(&self) -> u64 {
        self.time.elapsed().as_nanos() as u64
    }

    /// What a node's clocks show.
    pub fn now(&self, node: NodeId) -> Now {
        let clock = self.clock(node);
        let mono_us = clock.mono_ns(self.true_ns()) / 1000;
        let epoch = (self.time.now_time() - self.time.elapsed()).duration_since(SystemTime::UNIX_EPOCH);
        // The world begins in 2022.
        let epoch_us = epoch.map_or(0, |since| since.as_micros() as i64);
        Now { unix_us: epoch_us + mono_us as i64 + clock.offset_us, mono_us }
    }

    /// A node's monotonic clock in nanoseconds.
    pub fn mono_ns(&self, node: NodeId) -> u64 {
        self.clock(node).mono_ns(self.true_ns())
    }

    /// True time at which a node's monotonic clock will show `mono_us`.
    pub fn true_ns_of(&self, node: NodeId, mono_us: u64) -> u64 {
        let clock = self.clock(node);
        let tick_us = match clock.grain_us {
            0 => mono_us,
            grain_us => mono_us.checked_next_multiple_of(grain_us).unwrap_or(mono_us),
        };
        if tick_us > mono_us {
            FaultKind::CoarseTimers.fired();
        }
        clock.true_ns(tick_us.saturating_mul(1000))
    }

    /// Moves a node's wall clock by `delta_us`, as an operator or NTP does. Monotonic time goes on.
    pub fn jump(&self, node: NodeId, delta_us: i64) {
        match delta_us {
            0 => {}
            1.. => FaultKind::JumpForward.fired(),
            _ => FaultKind::JumpBack.fired(),
        }
        self.lock().entry(node).or_default().offset_us += delta_us;
    }

    /// Has a node's wall clock be off by `offset_us` all the time.
    pub fn set_skew(&self, node: NodeId, offset_us: i64) {
        if offset_us != 0 {
            FaultKind::Skew.fired();
        }
        self.lock().entry(node).or_default().offset_us = offset_us;
    }

    /// Has the timers of a node fire at multiples of `grain_us` of its monotonic time only, as those of a kernel that
    /// counts in ticks; 0 for exact ones.
    pub fn set_timer_grain(&self, node: NodeId, grain_us: u64) {
        self.lock().entry(node).or_default().grain_us = grain_us;
    }

    /// Makes both clocks of a node run fast by parts per million (slow if negative) from now on. A
    /// timer that is already running keeps its true moment.
    ///
    /// # Panics
    /// If the clock would stop or run backwards.
    pub fn set_drift(&self, node: NodeId, parts_per_million: i32) {
        assert!(parts_per_million > -1_000_000);
        if parts_per_million != 0 {
            FaultKind::Drift.fired();
        }
        let since_ns = self.true_ns();
        let mut clocks = self.lock();
        let clock = clocks.entry(node).or_default();
        clock.mono_ns = clock.mono_ns(since_ns);
        clock.since_ns = since_ns;
        clock.drift_ppm = parts_per_million;
    }

    fn clock(&self, node: NodeId) -> Clock {
        self.lock().get(&node).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Clock>> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::{simulation, time};

    #[test]
    fn a_jump_moves_the_wall_clock_only() {
        simulation::run_on_node(1, async {
            let before = time::now();
            SimClock::current().jump(plugin::node(), -5_000_000);
            let after = time::now();
            assert!(after.mono_us >= before.mono_us && after.mono_us < before.mono_us + 1000);
            assert!((after.unix_us - before.unix_us + 5_000_000).abs() < 1000);
        });
    }

    #[test]
    fn a_skewed_clock_is_off_all_the_time_and_runs_on() {
        simulation::run_on_node(4, async {
            let truth = time::now();
            SimClock::current().set_skew(plugin::node(), -3_600_000_000);
            let start = time::now();
            assert!((start.unix_us - truth.unix_us + 3_600_000_000).abs() < 1000);
            time::sleep(Duration::from_secs(2)).await;
            assert!((time::now().unix_us - start.unix_us - 2_000_000).abs() < 1000);
        });
    }

    #[test]
    fn coarse_timers_are_late_and_never_early() {
        simulation::run_on_node(5, async {
            SimClock::current().set_timer_grain(plugin::node(), 10_000);
            let start = time::now().mono_us;
            time::sleep(Duration::from_micros(1)).await;
            let woken = time::now().mono_us;
            assert!(woken > start && woken % 10_000 < 100, "{start} {woken}");
            time::sleep(Duration::from_micros(10_001)).await;
            assert!(time::now().mono_us - woken >= 19_900);
        });
    }

    #[test]
    fn a_fast_clock_waits_less_and_is_never_early_by_its_own_time() {
        simulation::run_on_node(2, async {
            let clock = SimClock::current();
            clock.set_drift(plugin::node(), 500_000);
            let (own, truth) = (time::now(), clock.true_ns());
            time::sleep(Duration::from_secs(3)).await;
            assert!(time::now().mono_us >= own.mono_us + 3_000_000);
            assert!(time::now().unix_us >= own.unix_us + 3_000_000);
            let true_ns = clock.true_ns() - truth;
            assert!((2_000_000_000..2_001_000_000).contains(&true_ns), "{true_ns}");
        });
    }

    #[test]
    fn a_short_sleep_takes_less_than_the_scheduler_grants() {
        simulation::run_on_node(3, async {
            let start = SimClock::current().true_ns();
            time::sleep(Duration::from_micros(10)).await;
            let slept = SimClock::current().true_ns() - start;
            assert!((10_000..20_000).contains(&slept), "{slept}");
        });
    }
}
