//! Deliberate bugs, to prove that the simulator finds bugs. One may be switched on for a run of a
//! simulation build; everywhere else the question is a constant and compiles to nothing.

#[cfg(madsim)]
use std::cell::Cell;

/// Every mutant, and what it does.
#[cfg(madsim)]
pub const ALL: &[(&str, &str)] = &[
    ("late-expiry", "a key lives on for some milliseconds after its end"),
    ("lost-set", "now and then a value is acknowledged but not stored"),
    ("watch-ignored", "EXEC runs although a watched key has changed"),
    ("lost-message", "the last of several subscribers misses a message"),
    ("short-write", "what a full socket did not take is forgotten"),
    ("split-request", "a request that arrives in two pieces loses the first"),
    ("missed-push", "now and then a client that waits for a key is not told that it has something"),
    ("skipped-fsync", "appendfsync always leaves out a flush now and then"),
    ("early-reply", "appendfsync always holds no reply back"),
    ("believed-fsync", "after a flush that failed, the next one that succeeds counts for all"),
    ("lost-expire", "a snapshot forgets when keys end"),
    ("forgetful-rewrite", "a rewrite forgets what was written since it began"),
    ("unsynced-directory", "names of files are not flushed"),
    ("torn-transaction", "a transaction is propagated without MULTI and EXEC"),
    ("missing-select", "a rewrite's new file does not say which database it begins in"),
    ("late-capture", "a snapshot captures keys after their change"),
    ("lost-wakeup", "a connection that waits for room to write is never woken"),
];

#[cfg(madsim)]
thread_local! {
    /// A world is one thread.
    static CHOSEN: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Switches a mutant on for the world of this thread.
#[cfg(madsim)]
pub fn choose(name: Option<&'static str>) {
    CHOSEN.set(name);
}

/// Whether a mutant is on.
#[cfg(madsim)]
pub fn is_on(name: &str) -> bool {
    CHOSEN.get() == Some(name)
}

/// Whether a mutant is on: never outside of simulations.
#[cfg(not(madsim))]
#[inline(always)]
pub const fn is_on(_: &str) -> bool {
    false
}
