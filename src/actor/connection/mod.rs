//! One client's socket: bytes in, whole batches to the keyspace, replies out in one write.
//!
//! [`direct`] shares a thread with the keyspace and calls it; [`remote`] lives on another thread and
//! sends it messages. Both keep input that is not a whole request yet, stop reading while too much
//! output waits, and end when either side closes.

pub mod direct;
mod input;
mod remote;
pub mod socket;
pub mod thread;

use crate::actor::log::{self, reason};
use crate::engine::buggify::buggify;
use crate::engine::effect::Level;
use crate::engine::session::Peer;
use crate::runtime::net::Address;
use socket::Socket;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::Poll;

/// Bytes read at once. All connections of a thread read into one buffer of this size, so that an idle
/// connection owns none.
pub const READ_SIZE: usize = 64 * 1024;
/// The most that one read of a large request asks for.
const LARGE_READ: usize = 1024 * 1024;
/// While this much output waits to be sent, no more input is read. High enough for `maxmemory-clients` and
/// `client-output-buffer-limit` to see a client that sends and never reads.
const OUTPUT_HIGH: usize = 16 * 1024 * 1024;
/// Turns of one connection before it lets others have theirs.
const TURNS: usize = 8;

/// The read buffer of a thread.
pub type ReadBuffer = Rc<RefCell<Box<[u8]>>>;

/// A read buffer for the connections of one thread.
pub fn read_buffer() -> ReadBuffer {
    Rc::new(RefCell::new(vec![0; READ_SIZE].into_boxed_slice()))
}

/// What the engine wants to know of a connection.
pub fn describe(socket: &Socket) -> Peer {
    let stream = socket.stream();
    let shown =
        |address: io::Result<Address>| address.map(|a| a.to_string().into_boxed_str()).unwrap_or_default();
    let peer = stream.peer_address();
    let unix = matches!(peer, Ok(Address::Unix(_)));
    Peer {
        loopback: peer.as_ref().is_ok_and(|a| a.ip().is_some_and(|ip| ip.to_canonical().is_loopback())),
        address: shown(peer),
        local: shown(stream.local_address()),
        fd: stream.descriptor(),
        unix,
        tls: socket.is_tls(),
    }
}

/// What of a buffer is read into at once: all, but where it is to be seen that less will do.
fn at_once(buffer: &mut [u8]) -> &mut [u8] {
    let most = if buggify!("small-read") { 5 } else { buffer.len() };
    &mut buffer[..most]
}

/// Ends a connection that does not work any more, and tells those who look into it why.
fn broken(doing: &str, error: &io::Error) -> Poll<()> {
    log::write(Level::Verbose, &format!("{doing}: {}", reason(error)));
    Poll::Ready(())
}

/// Whether an I/O error only means "not now".
fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
