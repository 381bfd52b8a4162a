//! An example of an application that lives on Redis: a queue of jobs, none of which may be lost.
//!
//! A worker takes a job from the list `jobs` into a list of its own, does it, and takes it from there. Whatever dies in
//! between, the job is in one of the lists. [`Worker::next_careless`] is how this is often written and loses jobs;
//! `tests/simulated.rs` has a simulator find that out, and cannot find anything wrong with [`Worker::next`].

mod client;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use client::Connection;
pub use client::Reply;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long to wait for a reply before trying over a new connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before trying again, and before looking for jobs again.
const PAUSE: Duration = Duration::from_millis(100);

/// What the application needs of the world. In production `tokio::net::TcpStream::connect` and `tokio::time::sleep`, in
/// tests those of the simulator.
pub trait Network: Clone {
    /// A connection to the server.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;
    /// Connects to the server.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// Waits.
    fn sleep(&self, span: Duration) -> impl Future<Output = ()> + Send;
}

/// A client that tries until it has a reply.
pub struct Redis<N: Network> {
    network: N,
    connection: Option<Connection<N::Stream>>,
}

impl<N: Network> Redis<N> {
    /// A client that connects when it must.
    pub fn new(network: N) -> Self {
        Redis { network, connection: None }
    }

    /// Has a command run, at least once: where no reply came, nobody knows whether it ran.
    pub async fn call(&mut self, words: &[&str]) -> Reply {
        loop {
            match self.attempt(words).await {
                // It has just started.
                Some(Ok(Reply::Error(why))) if why.starts_with("LOADING") => {}
                Some(Ok(reply)) => return reply,
                Some(Err(_)) | None => self.connection = None,
            }
            self.network.sleep(PAUSE).await;
        }
    }

    /// One attempt; nothing if it takes too long.
    async fn attempt(&mut self, words: &[&str]) -> Option<io::Result<Reply>> {
        let network = self.network.clone();
        let mut late = pin!(network.sleep(PATIENCE));
        let mut reply = pin!(async {
            if self.connection.is_none() {
                self.connection = Some(Connection::new(self.network.connect().await?));
            }
            let connection = self.connection.as_mut().expect("it was made above");
            connection.call(words).await
        });
        poll_fn(|context| match reply.as_mut().poll(context) {
            Poll::Ready(reply) => Poll::Ready(Some(reply)),
            Poll::Pending => late.as_mut().poll(context).map(|()| None),
        })
        .await
    }
}

/// Puts a job into the queue; it is there once this returns.
pub async fn push<N: Network>(redis: &mut Redis<N>, job: &str) {
    redis.call(&["LPUSH", "jobs", job]).await;
}

/// One of those who do the jobs.
pub struct Worker<N: Network> {
    redis: Redis<N>,
    /// The list of what it has begun.
    own: String,
}

impl<N: Network> Worker<N> {
    /// A worker; after a restart it goes by the same name.
    pub fn new(network: N, name: &str) -> Self {
        Worker { redis: Redis::new(network), own: format!("jobs:{name}") }
    }

    /// A job to do. What was begun comes first: it may be from a former life, or come with a reply that got lost.
    pub async fn next(&mut self) -> String {
        match self.redis.call(&["LINDEX", &self.own, "-1"]).await {
            Reply::Text(begun) => begun,
            _ => self.next_careless().await,
        }
    }

    /// A job to do. It is wrong to rely on this alone, since nobody looks again at what was begun.
    pub async fn next_careless(&mut self) -> String {
        loop {
            if let Reply::Text(job) = self.redis.call(&["RPOPLPUSH", "jobs", &self.own]).await {
                return job;
            }
            self.redis.network.sleep(PAUSE).await;
        }
    }

    /// A job is done.
    pub async fn finish(&mut self, job: &str) {
        self.redis.call(&["LREM", &self.own, "1", job]).await;
    }
}
