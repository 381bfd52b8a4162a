//! What keys take, for simulations: there the server's heap is the simulator's, but `maxmemory` is to be a limit.

#[cfg(madsim)]
use std::cell::Cell;

#[cfg(madsim)]
thread_local! {
    /// A world is one thread.
    static ENTRIES: Cell<i64> = const { Cell::new(0) };
}

/// Entries take so many bytes more.
#[cfg(madsim)]
pub fn add(bytes: i64) {
    ENTRIES.set(ENTRIES.get() + bytes);
}

/// Entries take so many bytes more: nobody counts that outside of simulations, where the allocator knows.
#[cfg(not(madsim))]
#[inline(always)]
pub const fn add(_: i64) {}

/// What the entries of all servers in the world of this thread take.
#[cfg(madsim)]
pub fn of_entries() -> u64 {
    balance().max(0) as u64
}

/// The same as it was counted: below zero, more was given back than taken.
#[cfg(madsim)]
pub fn balance() -> i64 {
    ENTRIES.get()
}
