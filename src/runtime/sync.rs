//! Channels and locks between tasks. They are plain data structures, so both runtimes share them.
//!
//! `watch` and `select!` without `biased` are left out: they draw from a process-wide counter, so a
//! seed would not replay.

pub use ::tokio::sync::{Notify, Semaphore, mpsc, oneshot};
