//! `maxmemory`: how much is used, what to forget when it is too much, and freeing without a pause.

use super::Server;
use crate::engine::buggify::buggify;
use crate::engine::command::call::Event;
use crate::engine::config::KeyspaceEvents;
use crate::engine::effect::Level;
use crate::engine::keyspace::eviction::Clock;
use crate::engine::keyspace::{Entry, Garbage, NewValue, Object};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::{Argv, Reply};
use crate::engine::session::Waiting;
use crate::engine::time::Now;

const EVICTED: Event = Event { class: KeyspaceEvents::EVICTED, name: "evicted" };

/// Allocations that are freed at once; what has more is freed in slices. The same bound as Redis has.
const FREE_AT_ONCE: usize = 64;
/// Allocations freed in one slice: some 50 us when none of them is in the cache.
const SLICE: usize = 512;
/// Slices in one tick.
const SLICES_A_TICK: usize = 4;
/// Keys that one command may evict for each point of `maxmemory-eviction-tenacity` up to 10, where
/// Redis spends 50 us: an eviction takes about two.
const EVICTIONS_A_POINT: usize = 25;

/// Removed keys that are still to be freed.
pub struct Discarded {
    garbage: Garbage,
    /// How many keys `lazyfree_pending_objects` shows.
    objects: u64,
}

/// What an attempt to get below `maxmemory` came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// There is room.
    Enough,
    /// More than one command may do: the next one, or the next tick, goes on.
    Later,
    /// There is nothing left that may be evicted.
    None,
}

impl Server {
    /// Bytes allocated now. Redis leaves replicas' output buffers and the append-only file's buffer out
    /// when it compares this with `maxmemory`; there are neither, but for what scripts take that are debugged apart.
    pub fn used_memory(&self) -> u64 {
        (self.environment.memory)()
    }

    /// How access clocks run now.
    #[inline]
    pub fn clock(&self, now: Now) -> Clock {
        Clock {
            policy: self.policy,
            now_ms: now.unix_ms(),
            lfu_log_factor: self.config.lfu_log_factor as u32,
            lfu_decay_minutes: self.config.lfu_decay_time as u32,
        }
    }

    /// `maxmemory` was set. What is too much goes with the next tick, which is due soon, since no command may come.
    pub fn follow_maxmemory(&mut self) {
        let excess = self.excess();
        if excess > 0 {
            self.evicting = true;
            let text = format!(
                "{excess} bytes more are in use than the new maxmemory: keys will be evicted, or commands that need \
                 memory refused, as maxmemory-policy says."
            );
            self.log(Level::Warning, text);
        }
    }

    /// Evicts until there is room under `maxmemory`, or as much as one command may. Returns whether
    /// commands that need memory may run.
    #[cold]
    pub fn make_room(&mut self, now: Now) -> bool {
        if self.pause.is_on() {
            return true;
        }
        let stopwatch = self.environment.stopwatch;
        let start = (self.config.latency_monitor_threshold > 0).then(stopwatch);
        let usual = evictions_at_once(self.config.maxmemory_eviction_tenacity);
        let mut left = if buggify!("few-evictions") { 1 } else { usual };
        // Only what evictions free counts: what clients are told of them takes memory, and would go on evicting.
        let mut excess = self.excess();
        let room = loop {
            if excess == 0 || mutant::is_on("endless-room") {
                break Room::Enough;
            }
            if left == 0 {
                break Room::Later;
            }
            left -= 1;
            // What is on its way out makes room without anything being lost.
            if !self.garbage.is_empty() {
                let before = self.used_memory();
                self.free_slice();
                excess = excess.saturating_sub(self.freed_since(before));
            } else if let Some(freed) = self.evict_one(now) {
                excess = excess.saturating_sub(freed);
            } else {
                break Room::None;
            }
        };
        if let Some(start) = start {
            self.note_latency("eviction-cycle", stopwatch().saturating_sub(start), now);
        }
        self.evicting = room == Room::Later;
        if room != Room::Enough {
            self.stats.eviction_exceeded_since.get_or_insert(now.mono_us);
        } else if let Some(since) = self.stats.eviction_exceeded_since.take() {
            self.stats.total_eviction_exceeded_us += now.mono_us.saturating_sub(since);
        }
        room != Room::None
    }

    /// Bytes in use beyond `maxmemory`.
    fn excess(&self) -> u64 {
        match self.config.maxmemory {
            0 => 0,
            most => self.used_memory().saturating_sub(self.not_counted()).saturating_sub(most),
        }
    }

    /// Bytes in use that do not count for `maxmemory`.
    pub fn not_counted(&self) -> u64 {
        self.debugging.bytes()
    }

    fn freed_since(&self, before: u64) -> u64 {
        before.saturating_sub(self.used_memory())
    }

    /// Evicts a key, if there is one that may go. Returns how many bytes that freed.
    fn evict_one(&mut self, now: Now) -> Option<u64> {
        let clock = self.clock(now);
        let samples = self.config.maxmemory_samples as usize;
        let victim = self.evictor.victim(&self.databases, &clock, samples, &mut self.rng);
        let victim = victim.filter(|_| !mutant::is_on("never-evicts"))?;
        sometimes!("evicted");
        let before = self.used_memory();
        let entry = self.databases[victim.database].remove(&victim.key)?;
        self.discard_entry(entry);
        let freed = self.freed_since(before);
        let verb: &[u8] = if self.config.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
        self.stats.evicted_keys += 1;
        if !mutant::is_on("silent-eviction") {
            self.touch_lapsed(victim.database, &victim.key);
        }
        self.notify(victim.database, &victim.key, EVICTED);
        self.propagation.also(victim.database, || Argv::of([verb, &victim.key]));
        // Not part of the command that needs the room.
        self.propagation.flush(false, &mut self.effects);
        self.settle_deliveries();
        Some(freed)
    }

    /// Frees an entry, at once if that is quick.
    pub fn discard_entry(&mut self, entry: Entry) {
        if entry.free_effort() > FREE_AT_ONCE || buggify!("free-later") {
            if mutant::is_on("hoarded-entry") {
                return std::mem::forget(entry);
            }
            let mut garbage = Garbage::new();
            garbage.push(entry);
            self.discard_all(garbage, 1);
        }
    }

    /// Frees a value that was replaced, at once if that is quick.
    pub fn discard(&mut self, object: Box<Object>) {
        if object.free_effort() > FREE_AT_ONCE || buggify!("free-later") {
            self.discard_entry(Entry::new(b"", NewValue::Object(object), None, 0));
        }
    }

    /// Frees what a flush left behind, slice by slice. `objects` is what statistics count it as.
    pub fn discard_all(&mut self, garbage: Garbage, objects: u64) {
        sometimes!("freed-later", objects > 0);
        self.garbage.push_back(Discarded { garbage, objects });
    }

    /// Gives all data away, and what is still to be freed.
    pub(super) fn take_garbage(&mut self) -> Garbage {
        let mut garbage = Garbage::new();
        self.databases.iter_mut().for_each(|database| garbage.absorb(database.flush()));
        self.garbage.drain(..).for_each(|discarded| garbage.absorb(discarded.garbage));
        garbage
    }

    /// Scripts or functions were to be freed later and went at once, with their interpreter: they count as Redis counts
    /// them, if they are so many that it would free them on a thread.
    pub fn count_as_freed(&mut self, objects: usize, beside: u64) {
        if objects > FREE_AT_ONCE {
            self.stats.lazyfreed_objects += objects as u64 + beside;
        }
    }

    /// Keys that are still to be freed: `lazyfree_pending_objects`.
    pub fn pending_objects(&self) -> u64 {
        self.garbage.iter().map(|discarded| discarded.objects).sum()
    }

    /// Frees one slice of what was discarded. Returns whether there is more.
    pub fn free_slice(&mut self) -> bool {
        let Some(discarded) = self.garbage.front_mut() else { return false };
        let slice = if buggify!("small-slice") { 1 } else { SLICE };
        if discarded.garbage.free_some(slice) {
            self.stats.lazyfreed_objects += discarded.objects;
            self.garbage.pop_front();
        }
        if self.garbage.is_empty() {
            self.all_is_freed();
        }
        !self.garbage.is_empty()
    }

    /// Frees what one tick may. Returns whether there is more.
    pub fn free_slices(&mut self) -> bool {
        (0..SLICES_A_TICK).all(|_| self.free_slice())
    }

    /// Answers those who wanted to wait until a flush has freed everything.
    fn all_is_freed(&mut self) {
        for client in std::mem::take(&mut self.flushing) {
            let Some(mut session) = self.clients.take(client) else { continue };
            if session.blocked.as_ref().is_some_and(|blocked| blocked.on == Waiting::Freed) {
                self.answer(&mut session, Reply::ok);
            }
            self.clients.put_back(session);
        }
    }
}

/// How many keys one command may evict: grows with `tenacity` as Redis's limit on the time does, linear
/// up to 10, by 15 % a point from there, without any limit at 100.
fn evictions_at_once(tenacity: u64) -> usize {
    match tenacity {
        0 => 1,
        1..=10 => EVICTIONS_A_POINT * tenacity as usize,
        11..=99 => (10..tenacity).fold(EVICTIONS_A_POINT * 10, |count, _| count + count * 15 / 100),
        _ => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::keyspace::Expiry;
    use crate::engine::server::Environment;
    use std::cell::Cell;

    thread_local! {
        static USED: Cell<u64> = const { Cell::new(0) };
    }

    fn server(policy: &str, maxmemory: u64) -> Server {
        let environment = Environment { memory: || USED.get(), ..Environment::bare(1) };
        let mut server = Server::new(Config::default(), environment).expect("defaults are sound");
        server.policy = crate::engine::keyspace::eviction::Policy::from_name(policy).expect("a policy");
        server.config.maxmemory = maxmemory;
        server
    }

    fn fill(server: &mut Server, keys: usize, expiry: Expiry) {
        for key in 0..keys {
            let key = format!("{expiry:?}:{key}");
            server.databases[key.len() % 2].set(key.as_bytes(), NewValue::Int(1), expiry, 0);
        }
    }

    #[test]
    fn tenacity_never_falls() {
        let limits: Vec<usize> = (0..=100).map(evictions_at_once).collect();
        assert!(limits.is_sorted() && limits[0] == 1 && limits[10] == 250 && limits[100] == usize::MAX);
    }

    #[test]
    fn evicts_a_bounded_number_of_keys_for_one_command_and_goes_on_in_ticks() {
        USED.set(2);
        let mut server = server("allkeys-random", 1);
        fill(&mut server, 1000, Expiry::Never);
        assert!(server.make_room(Now::default()), "the command may run although there is no room yet");
        assert_eq!(server.stats.evicted_keys, 250);
        let soon = server.next_deadline(Now::default());
        assert!(soon <= 1000, "the rest is not put off until the next round: {soon}");
        while server.databases.iter().any(|db| !db.is_empty()) {
            server.tick(Now::default());
        }
        assert!(!server.make_room(Now::default()), "nothing is left to evict");
        USED.set(1);
        assert!(server.make_room(Now { mono_us: 70, ..Now::default() }));
        assert_eq!(server.stats.total_eviction_exceeded_us, 70);
    }

    #[test]
    fn a_lower_limit_evicts_although_no_command_comes() {
        USED.set(2);
        let mut server = server("allkeys-random", 2);
        fill(&mut server, 1000, Expiry::Never);
        server.tick(Now::default());
        let in_time = server.next_deadline(Now::default());
        server.follow_maxmemory();
        assert_eq!(server.next_deadline(Now::default()), in_time, "all of it fits");
        server.config.maxmemory = 1;
        server.follow_maxmemory();
        assert!(server.next_deadline(Now::default()) < in_time);
        server.tick(Now::default());
        assert_eq!(server.stats.evicted_keys, 250, "the rest is left for the ticks after it");
        server.pause.extend(crate::engine::server::pause::Scope::Writes, 500_000);
        assert_eq!(server.next_deadline(Now::default()), in_time, "a pause has it wait");
    }

    #[test]
    fn volatile_policies_spare_what_does_not_expire() {
        USED.set(2);
        for policy in ["volatile-lru", "volatile-lfu", "volatile-lrm", "volatile-random", "volatile-ttl"] {
            let mut server = server(policy, 1);
            fill(&mut server, 100, Expiry::Never);
            fill(&mut server, 100, Expiry::At(1 << 50));
            assert!(!server.make_room(Now::default()), "{policy}");
            assert_eq!(server.databases.iter().map(|db| db.len()).sum::<usize>(), 100, "{policy}");
        }
    }

    #[test]
    fn many_functions_count_as_freed_later() {
        USED.set(0);
        let mut server = server("noeviction", 0);
        server.count_as_freed(FREE_AT_ONCE, 1);
        assert_eq!(server.stats.lazyfreed_objects, 0);
        server.count_as_freed(FREE_AT_ONCE + 1, 1);
        assert_eq!(server.stats.lazyfreed_objects, 66);
    }

    #[test]
    fn garbage_goes_before_keys() {
        USED.set(2);
        let mut server = server("allkeys-lru", 1);
        fill(&mut server, 20_000, Expiry::Never);
        server.empty(0..1, true);
        let rest = server.databases[1].len();
        server.config.maxmemory_eviction_tenacity = 0;
        assert!(server.make_room(Now::default()));
        assert_eq!((server.databases[1].len(), server.stats.evicted_keys), (rest, 0));
        let pending = server.pending_objects();
        assert!(pending > 0);
        while server.free_slice() {}
        assert_eq!((server.pending_objects(), server.stats.lazyfreed_objects), (0, pending));
    }
}
