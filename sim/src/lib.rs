//! The simulator: whole worlds of servers and clients, each decided by one seed.
//!
//! - [`resp`] is the client's side of the protocol.
//! - [`history`] is what clients saw, [`model`] what a right server would have shown them,
//!   [`linearizability`] decides whether the one can be explained by the other.
//!
//! These stand alone. [`scenario`] is what is decided about a world before it begins, [`world`] lets it
//! happen; they exist only in builds with `--cfg madsim`, which `cargo sim` makes.

// `output::say!` ends quietly when nobody reads any more.
#![deny(clippy::print_stdout)]

pub mod history;
pub mod linearizability;
pub mod model;
pub mod resp;

#[cfg(madsim)]
mod campaign;
#[cfg(madsim)]
mod census;
#[cfg(madsim)]
pub mod command;
#[cfg(madsim)]
mod mutants;
#[cfg(madsim)]
mod output;
#[cfg(madsim)]
pub mod replay;
#[cfg(madsim)]
pub mod report;
#[cfg(madsim)]
pub mod scenario;
#[cfg(madsim)]
pub mod shrink;
#[cfg(madsim)]
pub mod world;
