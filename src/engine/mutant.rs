//! Deliberate bugs, to prove that the simulator finds bugs. One may be switched on for a run of a
//! simulation build; everywhere else the question is a constant and compiles to nothing.

#[cfg(madsim)]
use std::cell::Cell;

/// A deliberate bug.
#[cfg(madsim)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// What the command line calls it.
    pub name: &'static str,
    /// The part of the server it is in.
    pub area: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// Mutants of one area.
#[cfg(madsim)]
type Area = (&'static str, &'static [(&'static str, &'static str)]);

#[cfg(madsim)]
const AREAS: &[Area] = &[
    (
        "protocol",
        &[
            ("short-write", "what a full socket did not take is forgotten"),
            ("split-request", "a request that arrives in two pieces loses the first"),
            ("lost-wakeup", "a connection that waits for room to write is never woken"),
            ("unsigned", "a negative integer of two digits loses its sign"),
            ("forgotten-rest", "what a client sent while it waited stays there until it sends more"),
            ("lost-set", "now and then a value is acknowledged but not stored"),
        ],
    ),
    (
        "blocking",
        &[
            ("missed-push", "now and then a client that waits for a key is not told that it has something"),
            ("endless-wait", "no wait for a key ever ends by its time-out"),
            ("hasty-timeout", "a wait for a key ends after half its time"),
            ("one-key-wait", "a client that waits for several keys waits for the first only"),
            ("unsignalled-move", "RENAME and COPY tell nobody who waits for the new name"),
            ("wakes-once", "a key is looked at once only for those who wait for it"),
            ("unseen-transaction", "what a transaction or script pushes wakes nobody"),
        ],
    ),
    (
        "expiry",
        &[
            ("late-expiry", "a key lives on for some milliseconds after its end"),
            ("early-expiry", "a key is gone some milliseconds before its end"),
            ("eager-cycle", "the active expiry removes keys that still have some milliseconds"),
            ("ignored-persist", "PERSIST says that it did something and does nothing"),
            ("kept-expiry", "SET leaves the key the expiry it had"),
            ("endless-copy", "a copy of a key does not expire"),
            ("endless-rename", "a key that is renamed does not expire"),
        ],
    ),
    (
        "transactions",
        &[
            ("watch-ignored", "EXEC runs although a watched key has changed"),
            ("first-watched", "of the keys of one WATCH the first alone is watched"),
            ("sticky-watch", "EXEC leaves the keys watched"),
            ("unwatched-end", "that a key expired or was evicted is no change to who watches it"),
            ("reversed-exec", "queued commands run last to first"),
            ("unwatched-flush", "FLUSHALL is no change to who watches a key"),
            ("aborted-exec", "EXEC runs although a command could not be queued"),
        ],
    ),
    (
        "pub/sub",
        &[
            ("lost-message", "the last of several subscribers misses a message"),
            ("deaf-pattern", "who listens to a pattern misses messages of channels that others listen to"),
            ("sticky-subscription", "UNSUBSCRIBE is confirmed and changes nothing"),
            ("doubled-message", "a subscriber gets some messages twice"),
        ],
    ),
    (
        "streams",
        &[
            ("ignored-ack", "XACK counts an entry and leaves it pending"),
            ("double-delivery", "a group is given its newest entry again"),
            ("lost-delivery", "a group skips the entry after those that COUNT let it have"),
            ("shared-claim", "an entry that is claimed stays with its old consumer too"),
            ("unwoken-group", "XADD does not wake who waits for a stream"),
            ("reused-id", "an id is free again once its entry is deleted"),
            ("greedy-trim", "XTRIM by length removes one entry too many"),
            ("unpended", "what a group is given is not pending if it is more than one entry"),
        ],
    ),
    (
        "scripts",
        &[
            ("script-null", "a null within what a script returns ends the array"),
            ("script-error", "an error that redis.pcall gives back is returned as a string"),
            ("untracked-script", "what a script reads is not tracked"),
        ],
    ),
    (
        "script propagation",
        &[
            ("script-second-write", "of a script's changes the first alone reaches the append-only file"),
            ("torn-script", "a script is propagated command by command"),
            ("script-database", "a script begins in database 0"),
        ],
    ),
    (
        "tracking",
        &[
            ("first-reader", "of several clients that cache a key the first alone is told"),
            ("own-change", "nobody is told of a key that he changed himself"),
            ("untold-flush", "FLUSHALL invalidates nothing"),
            ("forgotten-reader", "what no longer fits the tracking table is forgotten without a word"),
            ("short-broadcast", "of several keys that changed in a batch the first alone is broadcast"),
            ("second-key", "of the keys of one read the first alone is tracked"),
        ],
    ),
    (
        "eviction",
        &[
            ("evicted-anything", "policies for keys that expire evict others too"),
            ("never-evicts", "nothing is evicted: writes are refused instead"),
            ("endless-room", "maxmemory is no limit"),
            ("silent-eviction", "those who cache or watch a key are not told that it was evicted"),
        ],
    ),
    (
        "memory",
        &[
            ("hoarded-entry", "what is big, and so freed later, never is"),
            ("kept-queue", "a key that nobody waits for any more stays in the table of waits"),
        ],
    ),
    (
        "ACL",
        &[
            ("acl-first-key", "of the keys of a command the first alone must be allowed"),
            ("acl-write", "who may read a key may write it"),
            ("acl-script", "scripts may do what their caller may not"),
            ("acl-exec", "rights that were taken after a command was queued do not count"),
            ("deleted-user", "clients of a deleted user stay"),
            ("acl-channel", "channels are not looked at"),
        ],
    ),
    (
        "snapshot",
        &[
            ("lost-expire", "a snapshot forgets when keys end"),
            ("late-capture", "a snapshot captures keys after their change"),
            ("uncaptured-removal", "a snapshot misses keys that are removed meanwhile"),
            ("uncaptured-flush", "a snapshot misses what is flushed meanwhile"),
            ("newcomers", "a snapshot has keys that came after it began"),
            ("short-snapshot", "the last part of a snapshot is not written"),
            ("unsynced-snapshot", "an RDB file is not flushed before it gets its name"),
            ("believed-save", "a save whose flush failed counts"),
            ("kept-failure", "a save that succeeds does not make up for one that failed"),
        ],
    ),
    (
        "AOF",
        &[
            ("forgetful-rewrite", "a rewrite forgets what was written since it began"),
            ("unsynced-directory", "names of files are not flushed"),
            ("unsynced-manifest", "a manifest is not flushed before it gets its name"),
            ("torn-transaction", "a transaction is propagated without MULTI and EXEC"),
            ("missing-select", "a rewrite's new file does not say which database it begins in"),
            ("transaction-select", "a transaction's propagation stays in the database it begins in"),
            ("uncut-write", "what was written of a group that failed stays in the file"),
            ("lost-retry", "a group that could not be written is forgotten"),
            ("kept-refusal", "writes stay refused although the file can be written again"),
        ],
    ),
    (
        "group commit",
        &[
            ("skipped-fsync", "appendfsync always leaves out a flush now and then"),
            ("early-reply", "appendfsync always holds no reply back"),
            ("believed-fsync", "after a flush that failed, the next one that succeeds counts for all"),
            ("unheld-reads", "appendfsync always holds back what the writer sees, not what others see"),
            ("hasty-release", "replies are released when all but the last bytes of their group are durable"),
            ("written-is-durable", "what was written counts as flushed"),
            ("lazy-everysec", "appendfsync everysec flushes every 20 seconds"),
            ("waitaof-lies", "WAITAOF waits for nothing"),
        ],
    ),
];

/// Every mutant.
#[cfg(madsim)]
pub fn all() -> impl Iterator<Item = Mutant> {
    AREAS.iter().flat_map(|(area, mutants)| mutants.iter().map(|(name, what)| Mutant { name, area, what }))
}

/// The mutant of this name, if there is one.
#[cfg(madsim)]
pub fn named(name: &str) -> Option<Mutant> {
    all().find(|known| known.name == name)
}

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
