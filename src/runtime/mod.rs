//! Layer 3: the only door to the outside.
//!
//! Two folders give the same names: `tokio/` over the operating system, `madsim/` over the
//! simulated world. The rest of the server says `runtime::net::Stream` and cannot tell which it got.
//! `contract.rs` holds the tests that both sides must pass.
//!
//! | module    | what it opens                                                                  |
//! |-----------|--------------------------------------------------------------------------------|
//! | `net`     | [`net::Listener`], [`net::Stream`]: TCP and unix sockets, for use in poll functions |
//! | `fs`      | small whole files, appended logs; [`fs::File`]: data, synced and renamed         |
//! | `time`    | [`time::now`], [`time::stopwatch`], [`time::Sleep`], [`time::timeout`]          |
//! | `task`    | [`task::spawn_local`], [`task::yield_now`], [`task::block_on_main`]             |
//! | `thread`  | [`thread::spawn_runtime`]: a thread with a runtime of its own                   |
//! | `sync`    | bounded channels, one-shot, notify, semaphore                                   |
//! | `rng`     | [`rng::seed`], [`rng::fill`]: entropy                                           |
//! | `signal`  | [`signal::Signals`]: being asked to stop                                        |
//! | `process` | ids, limits, usage, heap, daemon, systemd                                       |
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod address;
mod panic;
pub mod sync;

#[cfg(not(madsim))]
mod tokio;
#[cfg(not(madsim))]
use self::tokio as chosen;

#[cfg(madsim)]
mod madsim;
#[cfg(madsim)]
use self::madsim as chosen;

pub use chosen::{fs, net, process, rng, signal, task, thread, time};

#[cfg(madsim)]
pub use chosen::simulation;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub mod testing;
