//! Layer 1: the deterministic server as a value.
//!
//! No async, no I/O, no clock, no globals: the same calls with the same arguments give the same bytes,
//! on every run. Time comes in as [`time::Now`], chance as a seeded generator, and what the outside
//! must do comes out as data, in order.

pub mod acl;
pub mod aof;
pub mod buggify;
pub mod command;
pub mod config;
pub mod effect;
pub mod hash;
pub mod hotkeys;
pub mod info;
pub mod keyspace;
pub mod loopback;
pub mod mark;
pub mod memory;
pub mod mutant;
pub mod prefetch;
pub mod protocol;
pub mod pubsub;
pub mod rdb;
pub mod rng;
pub mod script;
pub mod server;
pub mod session;
pub mod spec;
pub mod text;
pub mod time;
pub mod tracking;

pub use config::REDIS_VERSION;

/// The version of Seedis.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
