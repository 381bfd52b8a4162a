//! Simulation: every node of the world sees only what the seed decides.
//!
//! madsim gives the scheduler, virtual time and nodes. What it lacks is ours, each part a plugin of
//! madsim with a random stream of its own: [`net`] is TCP down to the segment, [`clock`] gives each
//! node its own idea of time, [`disk`] its own files that a power failure can take, [`machine`] its entropy and its signals,
//! [`schedule`] says who of its tasks goes first. [`kind`] lists what can go wrong.

mod clock;
mod disk;
pub mod fs;
mod kind;
mod machine;
pub mod net;
pub mod process;
pub mod rng;
mod schedule;
pub mod signal;
pub mod simulation;
mod streams;
pub mod task;
pub mod thread;
pub mod time;
