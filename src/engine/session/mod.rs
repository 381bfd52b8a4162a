//! One client's state: what it speaks, where it is, what it waits for, what it is still to get.
//!
//! Knows nothing about sockets: bytes come in through `Server::handle_input`, and what is to be sent
//! lies in [`Session::reply`].

pub mod clients;

use super::protocol::{Argv, Parser, Reply};
use std::collections::BTreeSet;

/// Names a connection for as long as the server lives. `id` is what clients see; `slot` finds it fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// Grows by one with each connection; never used again.
    pub id: u64,
    /// Place in the table of clients; used again after the connection ends.
    pub slot: u32,
}

/// What the network knows about a connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The client's address: `127.0.0.1:5000`, or the path of a unix socket with `:0`.
    pub address: String,
    /// The server's address, likewise.
    pub local: String,
    /// The socket's number, for CLIENT LIST.
    pub fd: i32,
    /// Came over a unix socket.
    pub unix: bool,
    /// Came from this machine.
    pub loopback: bool,
    /// Came over TLS.
    pub tls: bool,
}

/// Whether and when a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// It goes on.
    #[default]
    No,
    /// After what is pending was sent.
    AfterReply,
    /// At once.
    Now,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// No replies.
    Off,
    /// The reply of this command is dropped (set by the SKIP of the one before).
    Skip,
    /// The next command's reply will be dropped.
    SkipNext,
}

/// MULTI: the commands so far.
#[derive(Debug, Default)]
pub struct Transaction {
    /// What EXEC will run, with the command's number.
    pub queue: Vec<(u16, Argv)>,
    /// A command was refused while queueing: EXEC will abort.
    pub aborted: bool,
    /// Some queued command writes.
    pub writes: bool,
    /// Some queued command is refused when memory is full.
    pub denied_on_oom: bool,
}

/// A key that WATCH guards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: Box<[u8]>,
}

/// What a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// WAIT: replicas to acknowledge.
    Replicas,
    /// WAITAOF: disks to acknowledge.
    Disks,
    /// CLIENT PAUSE to end; the command is still unread.
    Unpause,
    /// FLUSHALL SYNC and FLUSHDB SYNC: everything discarded to be freed.
    Freed,
    /// Something the outside does (`Effect::RewriteConfig`, ...).
    Outside,
}

/// A client that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// For what.
    pub on: Waiting,
    /// Until when, in microseconds of the monotonic clock; `None`: for ever.
    pub deadline: Option<u64>,
}

/// Counters of one connection, as CLIENT LIST shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Bytes received.
    pub input: u64,
    /// Bytes sent.
    pub output: u64,
    /// Commands run.
    pub commands: u64,
    /// Batches received.
    pub reads: u64,
}

/// The sizes of a connection's input buffer, as its owner reports them with each batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputBuffer {
    /// Bytes that wait to be parsed.
    pub used: usize,
    /// Bytes allocated.
    pub capacity: usize,
}

/// One client.
#[derive(Debug, Default)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// Its place.
    pub slot: u32,
    /// Where it comes from.
    pub peer: Peer,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_version: Vec<u8>,
    /// The selected database.
    pub db: usize,
    /// The user's name; "default" until AUTH says otherwise.
    pub user: String,
    /// May run commands that need authentication.
    pub authenticated: bool,
    /// What it is still to get, in the protocol it speaks.
    pub reply: Reply,
    /// The request that is arriving.
    pub parser: Parser,
    /// Bytes waiting to be parsed and allocated for them.
    pub input: InputBuffer,
    /// Between MULTI and EXEC.
    pub transaction: Option<Box<Transaction>>,
    /// WATCH.
    pub watched: Vec<Watched>,
    /// SUBSCRIBE.
    pub channels: BTreeSet<Box<[u8]>>,
    /// PSUBSCRIBE.
    pub patterns: BTreeSet<Box<[u8]>>,
    /// SSUBSCRIBE.
    pub shard_channels: BTreeSet<Box<[u8]>>,
    /// Waits for something.
    pub blocked: Option<Blocked>,
    /// Is to be closed.
    pub closing: Closing,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// MONITOR.
    pub monitor: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// READONLY.
    pub readonly: bool,
    /// ASKING, for the next command.
    pub asking: bool,
    /// CLIENT CAPA REDIRECT (Valkey).
    pub capa_redirect: bool,
    /// CLIENT IMPORT-SOURCE (Valkey).
    pub import_source: bool,
    /// When it connected, monotonic microseconds.
    pub created: u64,
    /// When it last sent something, monotonic microseconds.
    pub active: u64,
    /// The last command it ran.
    pub command: Option<u16>,
    /// Counters.
    pub traffic: Traffic,
    /// Output over the soft limit since, monotonic microseconds.
    pub soft_limit_since: Option<u64>,
    /// Output taken by the connection's owner and not yet sent.
    pub in_flight: usize,
    /// The owner was told that there is something to do.
    pub woken: bool,
    /// The largest reply seen lately, for sizing the buffer.
    pub reply_peak: usize,
}

impl Session {
    /// Its name.
    pub fn client(&self) -> ClientId {
        ClientId { id: self.id, slot: self.slot }
    }
    /// Subscriptions of all kinds but shard channels.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
    /// In RESP2 a subscriber may only run a few commands.
    pub fn only_subscribes(&self) -> bool {
        !self.reply.is_resp3() && (self.subscriptions() > 0 || !self.shard_channels.is_empty())
    }
    /// Is subscribed to anything.
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions() > 0 || !self.shard_channels.is_empty()
    }
    /// Bytes of output that wait.
    pub fn output_bytes(&self) -> usize {
        self.reply.len() + self.in_flight
    }
}
