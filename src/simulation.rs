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

// It stands outside of the worlds that it makes.
#![allow(clippy::disallowed_methods)]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::madsim::runtime::{Handle, NodeHandle, Runtime};
use ::madsim::task::JoinHandle;
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::actor::log::Settings;
use crate::actor::wiring::{self, End, Start};
use crate::engine::config::Config;
use crate::engine::memory as heap;
use crate::runtime::net::Address;
use crate::runtime::simulation::{self, NodeId, Signal, SimMachine, SimNet};

pub use crate::runtime::net::Stream;
pub use crate::runtime::simulation::{Death, Draws, Link};
pub use crate::runtime::time::{Elapsed, sleep, timeout};

/// The port that a server listens on.
pub const PORT: u16 = 6379;

/// How a server begins that other machines may use.
const OPEN: &str = "bind *\nprotected-mode no\n";

/// Simulated time after which a world is taken for one that never ends.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Lets a test happen in the world of each seed.
///
/// # Panics
/// As the test does in the first world in which it does, whose seed is printed.
pub fn check<F>(seeds: Range<u64>, test: impl Fn(u64) -> F + Sync)
where
    F: Future<Output = ()> + 'static,
{
    for seed in seeds {
        if let Err(panic) = world(seed, &test) {
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
    seeds.into_iter().find(|&seed| world(seed, &test).is_err())
}

/// One world. On a thread of its own, because madsim seeds std's hashers once a thread.
fn world<F>(seed: u64, test: &(impl Fn(u64) -> F + Sync)) -> std::thread::Result<()>
where
    F: Future<Output = ()> + 'static,
{
    let life = || {
        let mut runtime = Runtime::with_seed_and_config(seed, ::madsim::Config::default());
        runtime.set_time_limit(LIMIT);
        simulation::install(&runtime);
        runtime.block_on(async {
            simulation::start();
            test(seed).await;
        });
    };
    std::thread::scope(|threads| threads.spawn(life).join())
}

/// A machine, with a clock and an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine(NodeId);

impl Machine {
    /// Sets one up on which nothing runs.
    pub fn new(name: &str) -> Self {
        Machine(Handle::current().create_node().name(name).build().id())
    }

    /// Starts a task on it.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.node().spawn(task)
    }

    /// All that runs on it ends in the middle of what it does. With its power goes what its disk was not told to keep.
    pub fn kill(&self, death: Death) {
        simulation::kill(self.0, death);
    }

    /// Starts it again after a [`Machine::kill`]. A server is there again; other tasks are not.
    pub fn restart(&self) {
        SimNet::current().power_on(self.0);
        Handle::current().restart(self.0);
    }

    /// Nothing gets through to another machine or back, until [`Machine::rejoin`].
    pub fn cut_off(&self, other: Machine) {
        let net = SimNet::current();
        net.partition(self.0, other.0);
        net.partition(other.0, self.0);
    }

    /// Undoes [`Machine::cut_off`]. What waits gets through with the next repetition of TCP.
    pub fn rejoin(&self, other: Machine) {
        let net = SimNet::current();
        net.heal(self.0, other.0);
        net.heal(other.0, self.0);
    }

    /// Resets a connection with another machine, if there is one.
    pub fn reset_connection(&self, other: Machine) {
        SimNet::current().reset_connection(self.0, other.0);
    }

    /// madsim's handle of it, for what is not here. One of before a restart starts no tasks.
    ///
    /// # Panics
    /// If it is a machine of another world.
    pub fn node(&self) -> NodeHandle {
        Handle::current().get_node(self.0).expect("a machine of this world")
    }
}

/// How a server ended, once it has.
pub type Ended = Arc<Mutex<Option<Result<End, String>>>>;

/// A server on a machine of its own.
pub struct Server {
    machine: Machine,
    ended: Ended,
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
        let ended = Ended::default();
        let at_end = ended.clone();
        let life = move || {
            let (config, at_end) = (parsed.clone(), at_end.clone());
            async move {
                // What a process had that has died belongs to nobody.
                heap::add(-(heap::of_entries() as i64));
                let how = wiring::run(Start { config, config_file: None, log: Settings::default() }).await;
                *lock(&at_end) = Some(how);
            }
        };
        let machine = Machine(Handle::current().create_node().name("server").init(life).build().id());
        Server { machine, ended }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (SimNet::ip(self.machine.0), PORT).into()
    }

    /// What it runs on.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> &Ended {
        &self.ended
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// If it ends in another way, or had ended before.
    pub async fn stop(self) {
        SimMachine::current().signal(self.machine.0, Signal::Terminate);
        loop {
            if let Some(how) = lock(&self.ended).take() {
                assert!(matches!(how, Ok(End::Stopped(_))), "asked to stop, it ended with {how:?}");
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects, from the machine that the calling task runs on.
pub async fn connect(address: SocketAddr) -> io::Result<Stream> {
    Stream::connect(&Address::Tcp(address)).await
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let read = ready!(Stream::poll_read(stream, context, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        loop {
            match stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(stream.poll_write_ready(context))?;
                }
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().shutdown_write())
    }
}
