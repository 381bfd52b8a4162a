//! Situations that a simulation is to reach at least sometimes: a world that never gets into one says nothing about it.
//! `sometimes!` notes that one happened; everywhere but in simulations it compiles to nothing.

#[cfg(madsim)]
use std::cell::RefCell;
#[cfg(madsim)]
use std::collections::BTreeSet;

/// Notes that a situation happened, if a condition holds that is only looked at in simulations.
macro_rules! sometimes {
    ($name:literal) => {
        $crate::engine::mark::reached($name)
    };
    ($name:literal, $condition:expr) => {
        if cfg!(madsim) && $condition {
            $crate::engine::mark::reached($name)
        }
    };
}
pub(crate) use sometimes;

/// Situations in worlds without files, and what they are.
#[cfg(madsim)]
pub const OF_CLIENTS: &[(&str, &str)] = &[
    ("short-write", "a socket took a part of what was to be sent"),
    ("full-socket", "a socket took nothing"),
    ("split-request", "a request arrived in pieces"),
    ("unended-wait", "a client left while it waited for a key"),
    ("output-limit", "the limit of an output buffer was hit"),
    ("served-wait", "a client got what it waited for"),
    ("repeated-wait", "a client whose key was ready had to wait on"),
    ("type-change", "a client was unblocked because its key is of another type, or gone"),
    ("timed-out-wait", "a client waited for a key in vain"),
    ("wait-in-transaction", "a command that would wait ran in a transaction or a script"),
    ("transaction-serves", "a transaction or a script changed a key that somebody waits for"),
    ("changed-watch", "EXEC failed since a watched key had changed"),
    ("expired-watch", "EXEC failed since a watched key had expired"),
    ("expired-before-watch", "WATCH came for a key that had expired and was still there"),
    ("expired-access", "a key was found to have expired when it was looked up"),
    ("expired-cycle", "the active expiry removed a key"),
    ("expired-in-unit", "a key expired in the middle of a transaction or script"),
    ("freed-later", "something was too big to be freed at once"),
    ("evicted", "a key was evicted"),
    ("refused-oom", "a command was refused since nothing could be evicted"),
    ("invalidated", "a client was told that a key it caches changed"),
    ("own-invalidation", "a client was told so of a key that it changed itself"),
    ("broadcast", "keys were broadcast to who asked for their prefix"),
    ("forgotten-reader", "the tracking table was full"),
    ("script-failed", "a command of a script failed"),
    ("script-wrote", "a script changed something"),
    ("denied", "a user was refused something"),
    ("denied-in-exec", "a right was gone when EXEC ran what it was needed for"),
    ("expelled", "clients of a user that was deleted were closed"),
    ("claimed-gone", "an entry was claimed that its stream no longer has"),
    ("claimed-from-other", "an entry was claimed from another consumer"),
    ("partial-delivery", "a group was given a part of what it has not read"),
    ("pattern-message", "a message reached who listens to a pattern"),
    ("flushed-watch", "a watched key was flushed"),
];

/// Situations in worlds of crashes.
#[cfg(madsim)]
pub const OF_FILES: &[(&str, &str)] = &[
    ("preserved", "a snapshot preserved an entry before a change"),
    ("preserved-flush", "a snapshot took over what was flushed"),
    ("preserved-swap", "a snapshot goes on in a database that has another number now"),
    ("rested-walk", "the walk of a snapshot rested since a command was executed"),
    ("given-up-snapshot", "a snapshot was given up"),
    ("write-failed", "the append-only file could not be written"),
    ("write-retried", "it could be written again"),
    ("fsync-failed", "a flush of the append-only file failed"),
    ("fsync-failed-in-rewrite", "a flush failed during a rewrite"),
    ("manifest-failed", "a manifest could not be replaced"),
    ("tainted-rotation", "a file with a hole was replaced by a new one"),
    ("rewrite-failed", "a rewrite failed"),
    ("save-failed", "a save failed"),
    ("save-stopped", "a save was stopped"),
    ("base-replaced", "a rewrite's base came to its place"),
    ("held-output", "output waited until it was durable"),
    ("held-for-others", "output of a client that wrote nothing waited"),
    ("waited-for-disk", "WAITAOF had to wait"),
    ("refused-write", "a write was refused since files could not be written"),
    ("mended", "a damaged end of the append-only file was cut off"),
    ("failed-start", "damaged files were a reason not to start"),
    ("framed-unit", "a unit of several commands was propagated between MULTI and EXEC"),
    ("select-in-unit", "a unit was propagated that changes several databases"),
    ("expired-in-load", "a key had expired when it was loaded"),
];

#[cfg(madsim)]
thread_local! {
    /// A world is one thread.
    static REACHED: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes a situation for the world of this thread.
#[cfg(madsim)]
pub fn reached(name: &'static str) {
    REACHED.with_borrow_mut(|reached| reached.insert(name));
}

/// Notes a situation: nothing outside of simulations.
#[cfg(not(madsim))]
#[inline(always)]
pub const fn reached(_: &str) {}

/// Takes out what the world of this thread has reached.
#[cfg(madsim)]
pub fn take() -> BTreeSet<&'static str> {
    REACHED.take()
}
