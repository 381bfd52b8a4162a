//! Every message between actors of different threads (`io-threads` above 1). On one thread they call
//! each other directly and no message exists.
//!
//! A thread of connections collects what its connections have to say in one turn of its loop and sends it
//! as one message; the keyspace answers each such message, or several, with one. So the price of a
//! message, above all of waking a thread, is shared by all connections that were busy.

use super::connection::socket::Detached;
use crate::engine::server::batch::Flow;
use crate::engine::session::ClientId;

/// What the connections of a thread did in one turn.
#[derive(Debug)]
pub struct Turn {
    /// Which thread.
    pub thread: usize,
    /// In order.
    pub reports: Vec<Report>,
}

/// What a connection tells the keyspace.
#[derive(Debug)]
pub struct Report {
    /// Whose connection.
    pub client: ClientId,
    /// Bytes of output sent since the last report.
    pub written: usize,
    /// What else.
    pub news: News,
}

/// What happened to a connection.
#[derive(Debug)]
pub enum News {
    /// Nothing but that output was sent.
    Written,
    /// There is input to run. A connection has one batch under way at a time, which bounds the queue.
    Input(Batch),
    /// It ended.
    Ended {
        /// The peer sent no more.
        by_peer: bool,
    },
}

/// Input on its way to the keyspace, and buffers that come back.
#[derive(Debug)]
pub struct Batch {
    /// The input.
    pub bytes: Vec<u8>,
    /// Its first byte that was not consumed yet.
    pub start: usize,
    /// How many of the last bytes are new.
    pub arrived: usize,
    /// An empty buffer for the replies.
    pub spare: Vec<u8>,
}

/// What the keyspace tells a connection.
#[derive(Debug)]
pub struct Letter {
    /// Whose connection.
    pub client: ClientId,
    /// What about.
    pub order: Order,
}

/// What a connection is to do. The queue is bounded by the client's output-buffer limit: what is in it
/// counts as output that waits.
#[derive(Debug)]
pub enum Order {
    /// Serve this new connection.
    Serve(Detached),
    /// A batch was run.
    Done {
        /// The input.
        bytes: Vec<u8>,
        /// Its first byte that was not consumed.
        start: usize,
        /// Replies, and pushes that came before them.
        output: Vec<u8>,
        /// What comes next.
        flow: Flow,
    },
    /// Output between batches.
    Push(Vec<u8>),
    /// So many bytes of output are still held back: they will come.
    Held(usize),
    /// Give memory for input back, down to this many bytes.
    Trim(usize),
    /// A wait ended: input that was held back can run.
    Resume,
    /// Close after what was sent before.
    Close,
    /// Close at once.
    Drop,
}
