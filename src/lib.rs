//! Seedis: a Redis-compatible data server whose whole stack runs inside a deterministic simulator.
//!
//! Read the rooms in this order:
//!
//! - [`engine`] is the server as a value: requests, ticks and reports go in, replies and effects come
//!   out. It knows nothing about sockets, files, clocks, threads or async.
//! - `actor` decides who owns what and who talks to whom. It is the only async code.
//! - `cli` is the process: arguments, configuration files, the log, exit codes.
//! - `runtime` is the only door to the outside: network, files, time, tasks, randomness, signals,
//!   over tokio in production and over madsim in the simulator.
//! - `simulation` has programs that live on a server tested with a simulated one; only with `--cfg madsim`.
//!
//! The feature `server` (on by default) brings the last four. Without it the library is the engine
//! alone, so the compiler proves that the engine cannot reach outside.

pub mod engine;

#[cfg(feature = "server")]
pub mod actor;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod runtime;
#[cfg(all(feature = "server", madsim))]
pub mod simulation;
