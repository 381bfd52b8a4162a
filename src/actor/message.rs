//! Every message between actors of different threads (`io-threads` above 1). On one thread they call
//! each other directly and no message exists.

use crate::engine::server::batch::Flow;
use crate::engine::session::{ClientId, Peer};
use crate::runtime::sync::{mpsc, oneshot};

/// What connections tell the keyspace.
#[derive(Debug)]
pub enum ToKeyspace {
    /// A client connected; its mailbox, and where to say its name or why it is refused.
    Connect {
        /// Where it comes from.
        peer: Peer,
        /// Where its replies go.
        mailbox: mpsc::UnboundedSender<ToConnection>,
        /// The answer.
        answer: oneshot::Sender<Result<ClientId, &'static str>>,
    },
    /// Run this input. One batch of a connection is under way at a time, which bounds the queue.
    Input {
        /// Whose.
        client: ClientId,
        /// The input, beginning with the first byte not yet consumed.
        bytes: Vec<u8>,
        /// How many of them are new.
        arrived: usize,
        /// An empty buffer for the replies.
        spare: Vec<u8>,
    },
    /// So many bytes of output were sent.
    Written {
        /// Whose.
        client: ClientId,
        /// How many.
        count: usize,
    },
    /// The connection ended.
    Disconnect(ClientId),
}

/// What the keyspace tells a connection. Bounded by the client's output-buffer limit: what is in the
/// mailbox counts as output that waits.
#[derive(Debug)]
pub enum ToConnection {
    /// A batch was run.
    Done {
        /// The input, with what was consumed removed.
        rest: Vec<u8>,
        /// Replies, and pushes that came before them.
        output: Vec<u8>,
        /// What comes next.
        flow: Flow,
    },
    /// Output between batches.
    Push(Vec<u8>),
    /// A wait ended: input that was held back can run.
    Resume,
    /// The engine wants the connection closed at once.
    Drop,
    /// The engine wants the connection closed after what was sent before.
    Close,
}
