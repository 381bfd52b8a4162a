//! The real binary over real sockets: what the simulator cannot see, that is threads, processes and the
//! kernel.
//!
//! Random choices come from a fixed seed, and nothing waits for time to pass.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod backup;
mod clock;
mod crash;
mod disk;
mod functions;
mod history;
mod interchange;
mod loading;
mod migrate;
mod persistence;
mod process;
mod server;
mod stress;
mod system;
mod tls;
mod tools;
