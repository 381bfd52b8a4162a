//! Production: tokio, one current-thread runtime a thread, over the operating system.

pub mod fs;
mod heap;
pub mod net;
pub mod process;
pub mod rng;
pub mod signal;
pub mod task;
pub mod thread;
pub mod time;
