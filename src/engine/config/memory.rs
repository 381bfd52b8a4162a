//! Limits of memory, eviction, expiry and the freeing of values.

macro_rules! memory {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Memory, eviction and expiry" {
        /// Memory for the data set; 0 is no limit.
        maxmemory: u64 = 0, Memory(0, u64::MAX as i128);
        /// Which key gives way when memory is full.
        maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::Noeviction;
        /// Keys looked at to find the one to evict.
        maxmemory_samples: u64 = 5, Int(1, 64);
        /// How long an eviction may hold up commands, 0 hardly to 100 until done.
        maxmemory_eviction_tenacity: u64 = 10, Int(0, 100);
        /// How slowly the frequency counter of a key grows.
        lfu_log_factor: u64 = 10, Int(0, INT);
        /// Minutes after which the frequency counter of an idle key goes down by one; 0 never.
        lfu_decay_time: u64 = 1, Int(0, INT);
        /// How eagerly expired keys are looked for.
        active_expire_effort: u64 = 1, Int(1, 10);
        /// Free evicted values in the background.
        lazyfree_lazy_eviction: bool = false;
        /// Free expired values in the background.
        lazyfree_lazy_expire: bool = false;
        /// Free values replaced by commands such as RENAME in the background.
        lazyfree_lazy_server_del: bool = false;
        /// Let DEL free in the background, as UNLINK does.
        lazyfree_lazy_user_del: bool = false;
        /// Let FLUSHALL and FLUSHDB free in the background unless they say SYNC.
        lazyfree_lazy_user_flush: bool = false;
        /// Let scripts and modules expire keys that they did not declare.
        lazyexpire_nested_arbitrary_keys: bool = true => Hidden | Inert;
        /// Spend idle time on growing and shrinking hash tables.
        activerehashing: bool = true => Inert;
        /// Move values together to give memory back.
        activedefrag: bool = false => Inert;
        /// Wasted memory from which on values are moved.
        active_defrag_ignore_bytes: u64 = 100 << 20, Memory(1, LONG) => Inert;
        /// Percentage of waste at which moving starts.
        active_defrag_threshold_lower: u64 = 10, Int(0, 1000) => Inert;
        /// Percentage of waste at which moving takes the most effort.
        active_defrag_threshold_upper: u64 = 100, Int(0, 1000) => Inert;
        /// Least percentage of CPU time for moving.
        active_defrag_cycle_min: u64 = 1, Int(1, 99) => Inert;
        /// Greatest percentage of CPU time for moving.
        active_defrag_cycle_max: u64 = 25, Int(1, 99) => Inert;
        /// Microseconds that one step of moving may take.
        active_defrag_cycle_us: u64 = 500, Int(0, 100_000) => Inert;
        /// Elements from which on a collection is moved in steps.
        active_defrag_max_scan_fields: u64 = 1000, Int(1, LONG) => Inert;
        /// Let the allocator give memory back from a thread of its own.
        jemalloc_bg_thread: bool = true => Inert;
        /// Keep a histogram of the memory of keys.
        key_memory_histograms: bool = false => Inert;
    } } };
}
