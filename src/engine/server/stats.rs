//! Counters behind INFO, per server and per command.

use super::Server;
use super::threads::Threads;
use crate::engine::hash::{Map, Seed};

/// Server-wide counters, named as INFO names them.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Stats {
    pub connections_received: u64,
    pub migrate_cached_sockets: u64,
    pub rejected_connections: u64,
    pub commands_processed: u64,
    pub net_input_bytes: u64,
    pub net_output_bytes: u64,
    pub expired_keys: u64,
    pub expired_keys_active: u64,
    /// Fields of hashes removed because their time was over, and how many of them by the clock.
    pub expired_fields: u64,
    pub expired_fields_active: u64,
    pub expired_time_cap_reached: u64,
    pub expired_stale_perc: f64,
    pub evicted_keys: u64,
    pub evicted_clients: u64,
    pub evicted_scripts: u64,
    pub total_eviction_exceeded_us: u64,
    /// Over `maxmemory` since, in monotonic microseconds.
    pub eviction_exceeded_since: Option<u64>,
    pub keyspace_hits: u64,
    pub keyspace_misses: u64,
    pub threads: Threads,
    pub error_replies: u64,
    pub unexpected_error_replies: u64,
    pub acl_denied_auth: u64,
    /// Certificates that named no user who may log in.
    pub acl_denied_tls_cert: u64,
    pub acl_denied_cmd: u64,
    pub acl_denied_key: u64,
    pub acl_denied_channel: u64,
    pub query_buffer_limit_disconnections: u64,
    pub output_buffer_limit_disconnections: u64,
    pub lazyfreed_objects: u64,
    pub peak_memory: u64,
    pub peak_memory_time: i64,
    pub cron_ticks: u64,
    pub cron_ns: u64,
    pub turn_ns_max: u64,
    pub turn_commands_max: u64,
    pub expire_cycle_us: u64,
    pub sampled_secs: i64,
}

impl Server {
    /// CONFIG RESETSTAT: all counters but those of the process begin anew.
    pub fn reset_stats(&mut self) {
        let old = std::mem::take(&mut self.stats);
        self.stats = Stats {
            peak_memory: old.peak_memory,
            peak_memory_time: old.peak_memory_time,
            sampled_secs: old.sampled_secs,
            threads: old.threads.anew(),
            ..Stats::default()
        };
        self.command_stats.fill(CommandStats::default());
        self.error_stats.reset();
    }
}

/// Buckets of a latency histogram: four per power of two of nanoseconds.
const BUCKETS: usize = 160;

/// How long calls took, in logarithmic buckets: at most 19 % wide, 1 ns to an hour.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl Histogram {
    /// Adds one call of so many nanoseconds.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        let ns = ns.max(4);
        let power = ns.ilog2() as usize;
        let quarter = (ns >> (power - 2)) as usize & 3;
        self.counts[(power * 4 + quarter - 8).min(BUCKETS - 1)] += 1;
        self.total += 1;
    }
    /// The largest duration of a bucket in nanoseconds.
    pub fn upper_ns(bucket: usize) -> u64 {
        let (power, quarter) = ((bucket + 8) / 4, (bucket % 4) as u64);
        ((5 + quarter) << (power - 2)) - 1
    }
    /// The duration in nanoseconds that `percent` of the calls did not exceed.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((self.total as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Self::upper_ns(bucket);
            }
        }
        0
    }
    /// Calls recorded.
    pub fn total(&self) -> u64 {
        self.total
    }
    /// Buckets with calls: the largest duration in nanoseconds, and how many calls.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(bucket, count)| (Self::upper_ns(bucket), *count))
    }
}

/// Counters of one command.
#[derive(Clone, Debug, Default)]
pub struct CommandStats {
    /// Calls that ran.
    pub calls: u64,
    /// Nanoseconds they took together.
    pub ns: u64,
    /// Calls refused before they ran.
    pub rejected: u64,
    /// Calls that ran and replied with an error.
    pub failed: u64,
    /// How long each took; made with the first call while `latency-tracking` is on.
    pub latency: Option<Histogram>,
}

/// Error replies by code: INFO errorstats.
#[derive(Clone, Debug)]
pub struct ErrorStats {
    counts: Map<Vec<u8>, u64>,
    /// Switched off after too many different codes, until CONFIG RESETSTAT.
    overflowed: bool,
}

/// Different codes after which counting by code stops, as Redis does.
const ERROR_CODES: usize = 128;

impl ErrorStats {
    /// No errors yet.
    pub fn new(seed: Seed) -> Self {
        ErrorStats { counts: seed.map(), overflowed: false }
    }
    /// One more error with this code. Returns false in the moment in which counting stops.
    pub fn count(&mut self, code: &[u8]) -> bool {
        if let Some(count) = self.counts.get_mut(code) {
            *count += 1;
        } else if !self.overflowed {
            self.overflowed = self.counts.len() >= ERROR_CODES;
            if self.overflowed {
                self.counts.clear();
                self.counts.insert(b"ERRORSTATS_DISABLED".to_vec(), 1);
                return false;
            }
            self.counts.insert(code.to_vec(), 1);
        }
        true
    }
    /// Codes and counts, by code.
    pub fn sorted(&self) -> Vec<(&[u8], u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(code, count)| (code.as_slice(), *count)).collect();
        all.sort_unstable();
        all
    }
    /// Forgets all.
    pub fn reset(&mut self) {
        self.counts.clear();
        self.overflowed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_recorded() {
        for ns in [0, 1, 4, 5, 7, 8, 100, 999, 1_000, 123_456, 1_000_000_000, 3_000_000_000_000] {
            let mut histogram = Histogram::default();
            histogram.record(ns);
            let upper = histogram.percentile(50.0);
            assert!(upper >= ns && (upper as f64) <= (ns.max(4) as f64) * 1.25, "{ns} in {upper}");
        }
    }

    #[test]
    fn percentiles_in_order() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.record(us * 1000));
        assert!((500_000..625_000).contains(&histogram.percentile(50.0)));
        assert!((990_000..1_250_000).contains(&histogram.percentile(99.0)));
    }
}
