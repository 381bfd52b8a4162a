//! A simulated Seedis, for the tests of programs that live on one.
//!
//! A test is a function of a seed: it starts a [`Server`], gives the program some [`Machine`]s to run on, has things go
//! wrong, and looks at what comes of it. [`check`] lets that happen in the worlds of many seeds; time in them is
//! simulated and costs nothing, and a seed always does the same. [`Stream`] is a stream as tokio knows it, so that a
//! client that is generic over those needs no change. Exists in builds with `--cfg madsim`; docs/simulation.md has an
//! example.
//!
//! What a program under test does must come from its world as well: tasks from [`Machine::spawn`], time from [`sleep`]
//! and [`timeout`], streams from [`connect`], chance from [`Draws`].

use std::future::Future;
use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::actor::log::Settings;
use crate::actor::wiring::{self, End, Start};
use crate::engine::config::Config;
use crate::engine::memory as heap;
use crate::runtime::simulation::{Signal, SimMachine, SimNet, world};

pub use crate::runtime::net::{Address, Stream};
pub use crate::runtime::simulation::{Death, Draws, Link, Machine};
pub use crate::runtime::time::{Elapsed, sleep, timeout};

/// The port that a server listens on.
pub const PORT: u16 = 6379;

/// How a server begins that other machines may use.
const OPEN: &str = "bind *\nprotected-mode no\n";

/// Lets a test happen in the world of each seed.
///
/// # Panics
/// As the test does in the first world in which it does, whose seed is printed.
pub fn check<F>(seeds: Range<u64>, test: impl Fn(u64) -> F + Sync)
where
    F: Future<Output = ()> + 'static,
{
    for seed in seeds {
        if let Err(panic) = world(seed, || test(seed)) {
            eprintln!("it fails in the world of seed {seed}");
            resume_unwind(panic);
        }
    }
}

/// The first seed in whose world a test fails: for tests that a bug is found.
pub fn find<F>(seeds: Range<u64>, test: impl Fn(u64) -> F + Sync) -> Option<u64>
where
    F: Future<Output = ()> + 'static,
{
    seeds.into_iter().find(|&seed| world(seed, || test(seed)).is_err())
}

/// A server on a machine of its own.
#[derive(Clone)]
pub struct Server {
    machine: Machine,
    ended: Arc<Mutex<Option<Result<End, String>>>>,
}

impl Server {
    /// Starts one with a configuration, written as in a file; `""` is the default. It takes a moment to be ready.
    ///
    /// # Panics
    /// If the configuration is not valid.
    pub fn start(config: &str) -> Self {
        let mut parsed = Config::default();
        let mut no_includes = |_: &[u8]| Err("no includes here".to_owned());
        let config = format!("{OPEN}{config}");
        parsed.load(config.as_bytes(), None, &mut no_includes).expect("the configuration is valid");
        let ended = Arc::default();
        let at_end = Arc::clone(&ended);
        let life = move || {
            let (config, at_end) = (parsed.clone(), Arc::clone(&at_end));
            async move {
                // What a process had that has died belongs to nobody.
                heap::add(-heap::balance());
                let how = wiring::run(Start { config, config_file: None, log: Settings::default() }).await;
                *lock(&at_end) = Some(how);
            }
        };
        Server { machine: Machine::running("server", life), ended }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        Address::Tcp((SimNet::ip(self.machine.id()), PORT).into())
    }

    /// What it runs on.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<Result<End, String>> {
        lock(&self.ended).clone()
    }

    /// Starts it again after it has ended, or its machine was killed.
    pub fn restart(&self) {
        *lock(&self.ended) = None;
        self.machine.restart();
    }

    /// Asks it to stop, and does not wait.
    pub fn terminate(&self) {
        SimMachine::current().signal(self.machine.id(), Signal::Terminate);
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// If it ends in another way, or had ended before.
    pub async fn stop(self) {
        self.terminate();
        loop {
            if let Some(how) = self.ended() {
                assert!(matches!(how, Ok(End::Stopped(_))), "asked to stop, it ended with {how:?}");
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects, from the machine that the calling task runs on.
pub async fn connect(address: &Address) -> io::Result<Stream> {
    Stream::connect(address).await
}
