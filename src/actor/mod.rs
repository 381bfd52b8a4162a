//! Layer 2: who owns what and who talks to whom. The only async code.
//!
//! An actor is one task that owns its state. Its loop waits for the next event, has the engine think
//! about it, and carries out what the engine asks for.
//!
//! - [`keyspace`] owns an [`crate::engine::server::Server`] and carries out its effects.
//! - [`clock`] says what time it is for the engine.
//! - [`connection`] owns a socket: bytes in, whole batches to the keyspace, replies out.
//! - [`post`] stands between the keyspace and connections on other threads ([`message`] is what they say).
//! - [`listener`] accepts connections; [`tls`] has some of them encrypted.
//! - [`migrate`] hands keys over to other servers.
//! - [`vital`] says which of them the server cannot be without.
//! - [`wiring`] builds, supervises and stops them all; only it knows them all.

pub mod clock;
pub mod connection;
pub mod keyspace;
pub mod listener;
pub mod log;
pub mod message;
mod migrate;
mod oom_score;
mod persistence;
pub mod post;
mod processors;
mod tls;
mod users;
mod vital;
pub mod wiring;

pub use wiring::{End, Start, run};
