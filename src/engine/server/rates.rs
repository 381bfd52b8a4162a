//! What the server did per second lately: the `instantaneous_` fields of INFO.

use super::Server;
use crate::engine::time::Now;

/// Something that is counted per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Commands.
    Commands,
    /// Bytes received.
    InputBytes,
    /// Bytes sent.
    OutputBytes,
    /// Turns of the loop.
    Turns,
    /// Nanoseconds spent on them.
    BusyNs,
}

const RATES: usize = 5;
/// Samples averaged, and the least time between two, as Redis has them: the last 1.6 seconds.
const SAMPLES: usize = 16;
const PERIOD_US: u64 = 100_000;

/// The latest samples.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    taken_at: u64,
    totals: [u64; RATES],
    samples: [[u64; RATES]; SAMPLES],
    next: usize,
}

impl Rates {
    /// Takes the totals of now; too early, it does nothing.
    fn sample(&mut self, now_us: u64, totals: [u64; RATES]) {
        let elapsed = now_us.saturating_sub(self.taken_at);
        if elapsed < PERIOD_US {
            return;
        }
        for (rate, total) in totals.iter().enumerate() {
            // CONFIG RESETSTAT lets totals shrink.
            let grown = total.saturating_sub(self.totals[rate]) as u128;
            self.samples[self.next][rate] = (grown * 1_000_000 / elapsed as u128) as u64;
        }
        self.next = (self.next + 1) % SAMPLES;
        self.totals = totals;
        self.taken_at = now_us;
    }
    /// The average of the samples.
    pub fn per_second(&self, rate: Rate) -> u64 {
        self.samples.iter().map(|sample| sample[rate as usize]).sum::<u64>() / SAMPLES as u64
    }
    /// How long a turn of the loop took.
    pub fn microseconds_per_turn(&self) -> u64 {
        self.per_second(Rate::BusyNs).checked_div(self.per_second(Rate::Turns)).unwrap_or(0) / 1000
    }
}

impl Server {
    /// Nanoseconds spent in commands since the last CONFIG RESETSTAT.
    pub fn commands_ns(&self) -> u64 {
        self.command_stats.iter().map(|stats| stats.ns).sum()
    }
    /// Nanoseconds spent in commands and ticks.
    pub fn busy_ns(&self) -> u64 {
        self.commands_ns() + self.stats.cron_ns
    }
    /// Batches and ticks: what an event loop would call its cycles.
    pub fn turns(&self) -> u64 {
        self.stats.threads.all().reads + self.stats.cron_ticks
    }
    /// Takes the samples that are due.
    pub(super) fn sample(&mut self, now: Now) {
        let stats = &self.stats;
        let totals = [
            stats.commands_processed,
            stats.net_input_bytes,
            stats.net_output_bytes,
            self.turns(),
            self.busy_ns(),
        ];
        self.rates.sample(now.mono_us, totals);
        self.stats.sampled_secs = now.unix_secs();
        let used = self.used_memory();
        if used > self.stats.peak_memory {
            self.stats.peak_memory = used;
            self.stats.peak_memory_time = now.unix_secs();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_load_is_its_own_average() {
        let mut rates = Rates::default();
        for tick in 0..=32u64 {
            rates.sample(tick * PERIOD_US + 50_000, [tick * 100, 0, 0, tick, tick * 7_000]);
            rates.sample(tick * PERIOD_US + 50_001, [u64::MAX; RATES]);
        }
        assert_eq!(rates.per_second(Rate::Commands), 1000);
        assert_eq!(rates.per_second(Rate::Turns), 10);
        assert_eq!(rates.microseconds_per_turn(), 7);
    }
}
