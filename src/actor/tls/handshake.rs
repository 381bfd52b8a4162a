//! The thread on which connections begin with TLS: its arithmetic takes a hundred times as long as a command.

use super::setup::Setup;
use super::stream::{Detached, TlsStream};
use crate::runtime::net::{self, Stream};
use crate::runtime::sync::mpsc;
use crate::runtime::thread::spawn_runtime;
use crate::runtime::{task, time};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a client may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Its stream.
    pub stream: Detached,
    /// The names that its certificate has for its user, if that is asked for and it has shown one.
    pub users: Option<Vec<Vec<u8>>>,
}

/// Where connections begin.
#[derive(Debug)]
pub struct Handshakes {
    to: mpsc::UnboundedSender<Order>,
    under_way: Arc<AtomicUsize>,
}

/// Counts a handshake for as long as it takes, however it ends.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Order {
    stream: net::Detached,
    /// Both ends, for the log.
    addresses: String,
    setup: Setup,
    counted: Counted,
}

/// What comes of handshakes: connections, and the reasons of those that failed.
pub type Outcomes = mpsc::UnboundedReceiver<Result<Begun, String>>;

impl Handshakes {
    /// Starts the thread. It ends by itself when nobody can begin any more.
    pub fn start() -> io::Result<(Self, Outcomes)> {
        let (to, inbox) = mpsc::unbounded_channel();
        let (out, outcomes) = mpsc::unbounded_channel();
        spawn_runtime("handshakes", move || run(inbox, out))?;
        Ok((Handshakes { to, under_way: Arc::default() }, outcomes))
    }

    /// Has a connection begin, unless `limit` others do already: then it is closed.
    pub fn begin(&self, stream: Stream, setup: Setup, limit: usize) -> io::Result<()> {
        if self.under_way.load(Ordering::Relaxed) >= limit {
            return Err(io::Error::other("too many connections begin at once"));
        }
        let shown = |address: io::Result<net::Address>| address.map(|a| a.to_string()).unwrap_or_default();
        let (peer, local) = (shown(stream.peer_address()), shown(stream.local_address()));
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.under_way.clone());
        let addresses = format!("addr={peer} laddr={local}");
        let order = Order { stream: stream.detach()?, addresses, setup, counted };
        self.to.send(order).map_err(|_| io::Error::other("the thread for handshakes is gone"))
    }
}

async fn run(mut inbox: mpsc::UnboundedReceiver<Order>, out: mpsc::UnboundedSender<Result<Begun, String>>) {
    while let Some(Order { stream, addresses, setup, counted }) = inbox.recv().await {
        let out = out.clone();
        task::spawn_local("handshake", async move {
            let begun = time::timeout(PATIENCE, begin(stream, setup)).await;
            let begun = begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            drop(counted);
            // Nobody waits only when the server stops.
            let _ = out.send(begun.map_err(|error| {
                format!("Error accepting a client connection: {} ({addresses})", told(&error))
            }));
        });
    }
}

/// Why a connection did not begin.
pub(super) fn told(error: &io::Error) -> String {
    // The library has no text for it, and `openssl x509 -req` makes such certificates unless it is given extensions.
    error.to_string().replace(
        "Other(OtherError(UnsupportedCertVersion))",
        "it is of X.509 version 1, which is not taken: make it with extensions (openssl x509 -req -extfile ...)",
    )
}

async fn begin(stream: net::Detached, setup: Setup) -> io::Result<Begun> {
    let stream = TlsStream::accept(stream.attach()?, setup.server.clone()).await?;
    let users = stream.peer_certificate().and_then(|certificate| setup.user_of(certificate));
    Ok(Begun { stream: stream.detach()?, users })
}
