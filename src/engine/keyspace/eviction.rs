//! Choosing what to forget when memory is short.
//!
//! Approximations, as in Redis: a few entries are sampled, the best candidates of many samples wait in a
//! pool, and the best of the pool goes. The 24-bit access clock of an entry means one of two things:
//!
//! ```text
//! LRU, LRM   seconds, wrapping after 194 days: last use, or last change
//! LFU        16 bits: minutes, wrapping after 45 days, of the last decay | 8 bits: logarithmic count
//! ```

use super::database::Database;
use super::entry::Entry;
use crate::engine::mutant;
use crate::engine::rng::Rng;

/// Milliseconds in a tick of the LRU clock.
pub const LRU_RESOLUTION_MS: i64 = 1000;
const LRU_CLOCK_MAX: u32 = (1 << 24) - 1;
/// The count a new key starts with, so that it is not the first to go.
pub const LFU_INITIAL: u8 = 5;
/// How many candidates wait in the pool.
const POOL_SIZE: usize = 16;

/// What `maxmemory-policy` can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing is evicted; writes are refused.
    #[default]
    NoEviction,
    /// Least recently used of all keys.
    AllKeysLru,
    /// Least frequently used of all keys.
    AllKeysLfu,
    /// Least recently modified of all keys.
    AllKeysLrm,
    /// Any key.
    AllKeysRandom,
    /// Least recently used of the keys that expire.
    VolatileLru,
    /// Least frequently used of the keys that expire.
    VolatileLfu,
    /// Least recently modified of the keys that expire.
    VolatileLrm,
    /// Any key that expires.
    VolatileRandom,
    /// The key that expires first.
    VolatileTtl,
}

impl Policy {
    /// Every policy with the name Redis gives it.
    pub const NAMES: [(Policy, &'static str); 10] = [
        (Policy::NoEviction, "noeviction"),
        (Policy::AllKeysLru, "allkeys-lru"),
        (Policy::AllKeysLfu, "allkeys-lfu"),
        (Policy::AllKeysLrm, "allkeys-lrm"),
        (Policy::AllKeysRandom, "allkeys-random"),
        (Policy::VolatileLru, "volatile-lru"),
        (Policy::VolatileLfu, "volatile-lfu"),
        (Policy::VolatileLrm, "volatile-lrm"),
        (Policy::VolatileRandom, "volatile-random"),
        (Policy::VolatileTtl, "volatile-ttl"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(policy, _)| *policy == self).map_or("", |(_, name)| name)
    }
    /// The policy of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(policy, _)| *policy)
    }
    /// Whether only keys that expire are evicted.
    pub fn is_volatile(self) -> bool {
        use Policy::*;
        let is_volatile =
            matches!(self, VolatileLru | VolatileLfu | VolatileLrm | VolatileRandom | VolatileTtl);
        is_volatile && !mutant::is_on("evicted-anything")
    }
    /// Whether access clocks count uses instead of telling the time.
    pub fn is_lfu(self) -> bool {
        matches!(self, Policy::AllKeysLfu | Policy::VolatileLfu)
    }
    /// Whether only changes, not reads, set the access clock.
    pub fn is_lrm(self) -> bool {
        matches!(self, Policy::AllKeysLrm | Policy::VolatileLrm)
    }
    fn is_random(self) -> bool {
        matches!(self, Policy::AllKeysRandom | Policy::VolatileRandom)
    }
}

/// What the access clocks depend on: policy, time and the LFU parameters.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// `maxmemory-policy`.
    pub policy: Policy,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// `lfu-log-factor`: the higher, the more uses until the count saturates.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`: minutes in which a count loses one; 0 for never.
    pub lfu_decay_minutes: u32,
}

impl Clock {
    fn lru(&self) -> u32 {
        (self.now_ms / LRU_RESOLUTION_MS) as u32 & LRU_CLOCK_MAX
    }
    fn lfu_minutes(&self) -> u32 {
        (self.now_ms / 60_000) as u32 & 0xffff
    }

    /// The access clock of a new entry.
    pub fn initial(&self) -> u32 {
        if self.policy.is_lfu() { self.lfu_minutes() << 8 | u32::from(LFU_INITIAL) } else { self.lru() }
    }

    /// The access clock of an entry that was not used for so many seconds; of a new one where the policy
    /// counts uses.
    pub fn idle(&self, seconds: u64) -> u32 {
        let ticks = seconds.saturating_mul(1000) / LRU_RESOLUTION_MS as u64;
        let ticks = ticks.min(LRU_CLOCK_MAX.into()) as u32;
        if self.policy.is_lfu() { self.initial() } else { self.lru().wrapping_sub(ticks) & LRU_CLOCK_MAX }
    }

    /// The access clock of an entry that was used so often; of a new one where the policy counts time.
    pub fn used(&self, frequency: u8) -> u32 {
        if self.policy.is_lfu() { self.lfu_minutes() << 8 | u32::from(frequency) } else { self.initial() }
    }

    /// Notes that an entry was read.
    #[inline]
    pub fn touch_read(&self, entry: &Entry, rng: &mut Rng) {
        if !self.policy.is_lrm() {
            self.touch_write(entry, rng);
        }
    }

    /// Notes that an entry was changed.
    #[inline]
    pub fn touch_write(&self, entry: &Entry, rng: &mut Rng) {
        let clock = if self.policy.is_lfu() { self.lfu_used(entry.clock(), rng) } else { self.lru() };
        if clock != entry.clock() {
            entry.set_clock(clock);
        }
    }

    fn lfu_used(&self, clock: u32, rng: &mut Rng) -> u32 {
        let counter = self.lfu_counter(clock);
        // A Morris counter: the higher it is, the less likely it grows.
        let over = u64::from(counter.saturating_sub(LFU_INITIAL));
        let odds = over * u64::from(self.lfu_log_factor) + 1;
        let grows = counter < u8::MAX && (odds == 1 || rng.below(odds) == 0);
        self.lfu_minutes() << 8 | u32::from(counter + u8::from(grows))
    }

    /// The LFU count that an access clock stands for by now: OBJECT FREQ.
    pub fn lfu_counter(&self, clock: u32) -> u8 {
        let (then, counter) = (clock >> 8, (clock & 0xff) as u8);
        let elapsed = self.lfu_minutes().wrapping_sub(then) & 0xffff;
        let lost = elapsed.checked_div(self.lfu_decay_minutes).unwrap_or(0);
        counter.saturating_sub(lost.min(255) as u8)
    }

    /// Milliseconds since the last use, by the LRU clock: OBJECT IDLETIME has it in seconds.
    pub fn idle_ms(&self, clock: u32) -> i64 {
        i64::from(self.lru().wrapping_sub(clock) & LRU_CLOCK_MAX) * LRU_RESOLUTION_MS
    }

    /// How good a candidate for eviction an entry is; the highest goes first.
    fn score(&self, entry: &Entry) -> u64 {
        match self.policy {
            Policy::VolatileTtl => u64::MAX - entry.expires_at().unwrap_or(i64::MAX).max(0) as u64,
            policy if policy.is_lfu() => u64::from(u8::MAX - self.lfu_counter(entry.clock())),
            _ => self.idle_ms(entry.clock()) as u64,
        }
    }
}

/// A key to evict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// The index of its database.
    pub database: usize,
    /// The key.
    pub key: Box<[u8]>,
}

struct Candidate {
    score: u64,
    victim: Victim,
}

/// Chooses keys to evict, one at a time.
#[derive(Default)]
pub struct Evictor {
    /// Best last; at most [`POOL_SIZE`].
    pool: Vec<Candidate>,
    /// The database that random eviction takes next.
    next_database: usize,
    policy: Policy,
}

impl Evictor {
    /// An evictor that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next key to evict; `None` if the policy allows none. `samples` is `maxmemory-samples`. The
    /// caller removes the key: a key not removed will be named again.
    pub fn victim(
        &mut self,
        databases: &[Database],
        clock: &Clock,
        samples: usize,
        rng: &mut Rng,
    ) -> Option<Victim> {
        if clock.policy != self.policy {
            // Scores of different policies do not compare.
            self.pool.clear();
            self.policy = clock.policy;
        }
        if self.policy == Policy::NoEviction {
            return None;
        }
        if self.policy.is_random() {
            return self.random(databases, rng);
        }
        let volatile = self.policy.is_volatile();
        let eligible = |db: &Database| if volatile { db.expires() > 0 } else { !db.is_empty() };
        while databases.iter().any(eligible) {
            for (index, database) in databases.iter().enumerate().filter(|(_, db)| eligible(db)) {
                self.populate(index, database, clock, samples, rng);
            }
            while let Some(Candidate { victim, .. }) = self.pool.pop() {
                // It may have been removed, or lost its expiry, while it waited.
                let entry = databases.get(victim.database).and_then(|db| db.lookup(&victim.key));
                if entry.is_some_and(|entry| !volatile || entry.has_expiry()) {
                    return Some(victim);
                }
            }
        }
        None
    }

    fn random(&mut self, databases: &[Database], rng: &mut Rng) -> Option<Victim> {
        for _ in 0..databases.len() {
            let database = self.next_database % databases.len();
            self.next_database = database + 1;
            let mut victim = None;
            let mut seen = |entry: &Entry| victim = Some(Victim { database, key: entry.key().into() });
            if self.policy.is_volatile() {
                databases[database].sample_volatile(rng, 1, &mut seen);
            } else if let Some(entry) = databases[database].random(rng) {
                seen(entry);
            }
            if victim.is_some() {
                return victim;
            }
        }
        None
    }

    /// Adds a sample to the pool.
    fn populate(&mut self, index: usize, database: &Database, clock: &Clock, samples: usize, rng: &mut Rng) {
        let samples = samples.max(1);
        let mut seen = |entry: &Entry| self.offer(clock.score(entry), index, entry.key());
        if clock.policy.is_volatile() {
            database.sample_volatile(rng, samples, &mut seen);
        } else {
            database.sample(rng, samples, &mut seen);
        }
    }

    fn offer(&mut self, score: u64, database: usize, key: &[u8]) {
        let waits = |c: &Candidate| c.victim.database == database && *c.victim.key == *key;
        if let Some(known) = self.pool.iter().position(waits) {
            // Its score may have changed since.
            self.pool.remove(known);
        }
        let at = self.pool.partition_point(|candidate| candidate.score < score);
        if self.pool.len() == POOL_SIZE {
            if at == 0 {
                return;
            }
            self.pool.remove(0);
        }
        let at = self.pool.partition_point(|candidate| candidate.score < score);
        self.pool.insert(at, Candidate { score, victim: Victim { database, key: key.into() } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::keyspace::{Expiry, Layout, NewValue};
    use std::collections::BTreeSet;

    fn clock(policy: Policy, now_ms: i64) -> Clock {
        Clock { policy, now_ms, lfu_log_factor: 10, lfu_decay_minutes: 1 }
    }

    #[test]
    fn names_go_both_ways() {
        for (policy, name) in Policy::NAMES {
            assert_eq!(policy.name(), name);
            assert_eq!(Policy::from_name(&name.to_uppercase()), Some(policy));
        }
        assert_eq!(Policy::from_name("lru"), None);
    }

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let wrap = (1i64 << 24) * 1000;
        let before = clock(Policy::AllKeysLru, wrap - 5000).initial();
        assert_eq!(clock(Policy::AllKeysLru, wrap + 3000).idle_ms(before), 8000);
    }

    #[test]
    fn frequency_grows_with_the_logarithm_and_decays() {
        let (mut rng, at) = (Rng::new(1), 1_700_000_000_000);
        let now = clock(Policy::AllKeysLfu, at);
        let entry = Entry::new(b"k", NewValue::Int(1), None, now.initial());
        let mut counts = Vec::new();
        for hits in 1..=100_000 {
            now.touch_read(&entry, &mut rng);
            if [100, 1000, 100_000].contains(&hits) {
                counts.push(now.lfu_counter(entry.clock()));
            }
        }
        // The table in redis.conf for a factor of 10: 10, 18, 142.
        assert!((7..=13).contains(&counts[0]), "{counts:?}");
        assert!((14..=24).contains(&counts[1]), "{counts:?}");
        assert!((125..=160).contains(&counts[2]), "{counts:?}");
        let later = clock(Policy::AllKeysLfu, at + 60_000 * 7);
        assert_eq!(later.lfu_counter(entry.clock()), counts[2] - 7);
        let never = Clock { lfu_decay_minutes: 0, ..later };
        assert_eq!(never.lfu_counter(entry.clock()), counts[2]);
    }

    #[test]
    fn reads_do_not_count_as_modification() {
        let mut rng = Rng::new(1);
        let entry = Entry::new(b"k", NewValue::Int(1), None, 1);
        clock(Policy::VolatileLrm, 9000).touch_read(&entry, &mut rng);
        assert_eq!(entry.clock(), 1);
        clock(Policy::VolatileLrm, 9000).touch_write(&entry, &mut rng);
        assert_eq!(entry.clock(), 9);
        clock(Policy::VolatileLru, 11_000).touch_read(&entry, &mut rng);
        assert_eq!(entry.clock(), 11);
    }

    /// Two databases of 1000 keys; key n was used at second n, expires late if n is even.
    fn databases() -> Vec<Database> {
        let mut databases = vec![Database::new(1, Layout::Single), Database::new(2, Layout::BySlot)];
        for n in 0..2000u32 {
            let expiry = if n % 2 == 0 { Expiry::At(1_000_000_000 - i64::from(n)) } else { Expiry::Never };
            let db = &mut databases[n as usize % 4 / 2];
            db.set(format!("key:{n}").as_bytes(), NewValue::Int(1), expiry, n);
        }
        databases
    }

    fn evict_half(policy: Policy) -> Vec<u32> {
        let (mut databases, mut rng, mut evictor) = (databases(), Rng::new(5), Evictor::new());
        let now = clock(policy, 2_000_000);
        let mut order = Vec::new();
        for _ in 0..700 {
            let victim = evictor.victim(&databases, &now, 5, &mut rng).expect("there are keys");
            let entry = databases[victim.database].remove(&victim.key).expect("a victim exists");
            assert!(entry.has_expiry() || !policy.is_volatile(), "{policy:?} takes keys that expire");
            let name = std::str::from_utf8(&victim.key[4..]).expect("a number");
            order.push(name.parse().expect("a number"));
        }
        databases.iter().for_each(Database::check);
        order
    }

    #[test]
    fn the_oldest_go_first_more_or_less() {
        for policy in [Policy::AllKeysLru, Policy::VolatileLru, Policy::AllKeysLrm, Policy::VolatileLrm] {
            let order = evict_half(policy);
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 700);
            let mean = order[..200].iter().sum::<u32>() / 200;
            assert!(mean < 300, "{policy:?}: mean rank {mean} of 2000");
            assert_eq!(order, evict_half(policy), "the seed decides");
        }
    }

    #[test]
    fn ttl_takes_what_expires_soonest() {
        let mean = evict_half(Policy::VolatileTtl)[..200].iter().sum::<u32>() / 200;
        assert!(mean > 1700, "mean rank {mean} of 2000, where the highest expire first");
    }

    #[test]
    fn random_takes_from_all_databases_until_nothing_is_left() {
        for policy in [Policy::AllKeysRandom, Policy::VolatileRandom] {
            let order = evict_half(policy);
            let second = order.iter().filter(|n| *n % 4 / 2 == 1).count();
            assert_eq!(second, 350, "they take turns");
        }
        let mut evictor = Evictor::new();
        let empty = [Database::new(1, Layout::Single)];
        for (policy, _) in Policy::NAMES {
            assert_eq!(evictor.victim(&empty, &clock(policy, 0), 5, &mut Rng::new(1)), None);
        }
    }
}
