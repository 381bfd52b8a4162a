//! Streams.
//!
//! ```text
//! stream       nodes (id[16] listpack)..., length, last id, [2: first id, greatest deleted id,
//!              entries added], groups group..., [4: idempotency]
//! group        name, last id, [2: entries read (all bits: unknown)], pending (id[16] time count)...,
//!              consumers consumer..., [5: released id[16]...]
//! consumer     name, time seen, [3: time active (all bits: never)], pending id[16]...
//! idempotency  duration, messages at most, producers (name messages (name id)...)..., added, duplicates
//! ```
//!
//! A plural stands for a count that comes first, an id for two lengths or for 16 bytes, highest first. What
//! is in brackets came with a version of the format: 2 is that of Redis 7.0, 3 of 7.2, 4 of 8.6, 5 of 8.8.
//! Version 3 is written, or the first that holds what the stream has.

mod decode;
mod encode;

pub use decode::decode;
pub use encode::{Progress, encode, kind};
