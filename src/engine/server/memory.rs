//! `maxmemory`: how much is used, what to forget when it is too much, and freeing without a pause.

use super::Server;
use crate::engine::command::call::Event;
use crate::engine::config::{KeyspaceEvents, MaxmemoryPolicy};
use crate::engine::keyspace::eviction::Clock;
use crate::engine::keyspace::{Entry, Garbage, Object};
use crate::engine::protocol::Argv;
use crate::engine::time::Now;

const EVICTED: Event = Event { class: KeyspaceEvents::EVICTED, name: "evicted" };

/// Elements that are freed at once; what has more is freed in slices.
const FREE_AT_ONCE: usize = 64;
/// Entries freed in one slice.
const SLICE: usize = 512;
/// Keys evicted for one command at the most; the next command goes on.
const EVICTIONS: usize = 256;

impl Server {
    /// Bytes allocated now.
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

    /// Evicts until there is room under `maxmemory`. Returns whether there is.
    #[cold]
    pub fn make_room(&mut self, now: Now) -> bool {
        let limit = self.config.maxmemory;
        if self.used_memory() <= limit {
            return true;
        }
        if self.config.maxmemory_policy == MaxmemoryPolicy::Noeviction {
            return false;
        }
        for _ in 0..EVICTIONS {
            if self.used_memory() <= limit {
                return true;
            }
            if !self.evict_one(now) {
                return self.free_all_garbage(limit);
            }
        }
        // More than one command may do: let it pass, the next one goes on.
        true
    }

    fn evict_one(&mut self, now: Now) -> bool {
        let clock = self.clock(now);
        let samples = self.config.maxmemory_samples as usize;
        let Some(victim) = self.evictor.victim(&self.databases, &clock, samples, &mut self.rng) else {
            return false;
        };
        let Some(entry) = self.databases[victim.database].remove(&victim.key) else { return false };
        let verb: &[u8] = if self.config.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
        self.propagation.also(victim.database, || Argv::of([verb, &victim.key]));
        self.stats.evicted_keys += 1;
        self.touch(victim.database, &victim.key);
        self.notify(victim.database, &victim.key, EVICTED);
        self.discard_entry(entry);
        true
    }

    /// Frees an entry, at once if that is quick.
    pub fn discard_entry(&mut self, entry: Entry) {
        if entry.free_effort() > FREE_AT_ONCE {
            let mut garbage = Garbage::new();
            garbage.push(entry);
            self.discard_all(garbage);
        }
    }

    /// Frees a value that was replaced.
    pub fn discard(&mut self, object: Box<Object>) {
        drop(object);
    }

    /// Frees what a flush left behind, slice by slice.
    pub fn discard_all(&mut self, garbage: Garbage) {
        self.garbage.push_back(garbage);
    }

    /// Frees one slice of what was discarded. Returns whether there is more.
    pub fn free_slice(&mut self) -> bool {
        if let Some(garbage) = self.garbage.front_mut()
            && garbage.free_some(SLICE)
        {
            self.garbage.pop_front();
            self.stats.lazyfreed_objects += 1;
        }
        !self.garbage.is_empty()
    }

    /// Nothing is left to evict: only what waits to be freed can make room.
    fn free_all_garbage(&mut self, limit: u64) -> bool {
        while self.used_memory() > limit && self.free_slice() {}
        self.used_memory() <= limit
    }
}
