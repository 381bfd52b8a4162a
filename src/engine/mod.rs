//! Layer 1: the deterministic server as a value.
//!
//! No async, no I/O, no clock, no globals: the same calls with the same arguments give the same bytes,
//! on every run. Time comes in as [`time::Now`], chance as a seeded generator, and what the outside
//! must do comes out as data, in order.

pub mod config;
pub mod keyspace;
pub mod protocol;
pub mod rng;
pub mod spec;
pub mod text;
pub mod time;
