//! One client's state: what it speaks, where it is, what it waits for, what it is still to get.
//!
//! Knows nothing about sockets: bytes come in through `Server::handle_input`, and what is to be sent
//! lies in [`Session::reply`].

pub mod clients;
mod fieldsets;
mod waiting;

pub use fieldsets::Fieldsets;
pub use waiting::{Awaited, Blocked, KeyWait, Waiting};

use super::acl::UserId;
use super::protocol::{Argv, Parser, Reply};
use std::collections::{BTreeSet, VecDeque};

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
    pub address: Box<str>,
    /// The server's address, likewise.
    pub local: Box<str>,
    /// The socket's number, for CLIENT LIST.
    pub fd: i32,
    /// Came over a unix socket.
    pub unix: bool,
    /// Came from this machine.
    pub loopback: bool,
    /// Came over TLS.
    pub tls: bool,
}

impl Peer {
    /// On this machine.
    pub fn is_local(&self) -> bool {
        self.unix || self.loopback
    }
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

/// SCRIPT DEBUG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScriptDebug {
    /// Scripts run as usual.
    #[default]
    No,
    /// The next one is debugged, on a copy of the data.
    Yes,
    /// The next one is debugged, on the data.
    Sync,
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
    /// Bytes of the queued arguments.
    pub bytes: usize,
}

/// What a client says about itself.
#[derive(Debug, Default)]
pub struct Identity {
    /// CLIENT SETNAME.
    pub name: Box<[u8]>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Box<[u8]>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_version: Box<[u8]>,
}

/// What a client listens to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// SUBSCRIBE.
    pub channels: BTreeSet<Box<[u8]>>,
    /// PSUBSCRIBE.
    pub patterns: BTreeSet<Box<[u8]>>,
    /// SSUBSCRIBE.
    pub shards: BTreeSet<Box<[u8]>>,
}

/// CLIENT LIST TYPE, and the classes of `client-output-buffer-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Everybody else, monitors too.
    Normal,
    /// Follows this server's data.
    Replica,
    /// Subscribed to something.
    Pubsub,
    /// This server follows its data.
    Primary,
}

/// A key that WATCH guards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: Box<[u8]>,
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

/// Output that waits until what it may show is durable. Places count from the beginning of the connection.
#[derive(Debug)]
pub struct Held {
    /// Output before this place may leave.
    pub released: u64,
    /// Positions of the propagated stream, and where the output ends that each releases.
    pub marks: VecDeque<(u64, u64)>,
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
    /// The thread that reads and writes for it; 0 is that of the keyspace.
    pub thread: u16,
    /// What it says about itself: boxed, as most clients say nothing.
    pub identity: Option<Box<Identity>>,
    /// The selected database.
    pub db: usize,
    /// Its user: the default one until AUTH says otherwise.
    pub user: UserId,
    /// May run commands that need authentication.
    pub authenticated: bool,
    /// What it is still to get, in the protocol it speaks. Elsewhere while a command runs.
    pub reply: Reply,
    /// The part of `reply` that may not leave yet.
    pub held: Option<Box<Held>>,
    /// Where its last write ends in the propagated stream.
    pub wrote: u64,
    /// It speaks RESP3, also while `reply` is elsewhere.
    pub resp3: bool,
    /// The request that is arriving.
    pub parser: Parser,
    /// Bytes waiting to be parsed and allocated for them.
    pub input: InputBuffer,
    /// Between MULTI and EXEC.
    pub transaction: Option<Box<Transaction>>,
    /// WATCH.
    pub watched: Vec<Watched>,
    /// HIMPORT PREPARE: boxed, as most clients prepare nothing.
    pub fieldsets: Option<Box<Fieldsets>>,
    /// What it listens to: boxed, as most clients listen to nothing.
    pub subscriptions: Option<Box<Subscriptions>>,
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
    /// SCRIPT DEBUG.
    pub script_debug: ScriptDebug,
    /// Its script is debugged: what it sends are lines for the debugger.
    pub is_debugging: bool,
    /// CLIENT TRACKING: what it reads may have to be remembered.
    pub tracks_reads: bool,
    /// What the prefixes of CLIENT TRACKING cost, in bytes.
    pub prefix_bytes: usize,
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
    /// What follows the running command must wait for the next turn.
    pub yields: bool,
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
    /// Others wrote into its output.
    pub was_told: bool,
    /// The owner is to give input memory back, down to this many bytes.
    pub trim_input: Option<u32>,
    /// The largest output lately, for sizing the buffer.
    pub reply_peak: usize,
    /// When `reply_peak` began to be measured, monotonic microseconds.
    pub reply_peak_since: u64,
    /// Bytes that the reply buffer may keep.
    pub reply_size: u32,
    /// The most input that waited lately.
    pub input_peak: usize,
    /// What it adds to `Server::client_memory`; 0 while nobody counts.
    pub counted: usize,
}

/// The smallest reply buffer in bytes, which is what an idle client is allowed.
pub const REPLY_MIN: usize = 1024;
/// The largest reply buffer that is kept, in bytes; beyond it is overflow (`omem`).
pub const REPLY_MAX: usize = 16 * 1024;
/// The address of those that stand in for a client whose script calls commands, as monitors see it.
pub const SCRIPT_ADDRESS: &str = "lua";

/// Estimate of what one subscription costs: a name and its places in two trees and a table.
const SUBSCRIPTION: usize = 96;

impl Session {
    /// How many bytes of its output may leave now.
    pub fn visible(&self) -> usize {
        match &self.held {
            None => self.reply.len(),
            Some(held) => (held.released - self.reply.start()) as usize,
        }
    }
    /// Its name.
    pub fn client(&self) -> ClientId {
        ClientId { id: self.id, slot: self.slot }
    }
    /// CLIENT SETNAME, or empty.
    pub fn name(&self) -> &[u8] {
        self.identity.as_ref().map(|identity| &*identity.name).unwrap_or_default()
    }
    /// CLIENT SETINFO LIB-NAME, or empty.
    pub fn lib_name(&self) -> &[u8] {
        self.identity.as_ref().map(|identity| &*identity.lib_name).unwrap_or_default()
    }
    /// CLIENT SETINFO LIB-VER, or empty.
    pub fn lib_version(&self) -> &[u8] {
        self.identity.as_ref().map(|identity| &*identity.lib_version).unwrap_or_default()
    }
    /// What it says about itself, to be changed.
    pub fn identity_mut(&mut self) -> &mut Identity {
        self.identity.get_or_insert_default()
    }
    /// Subscriptions to channels, patterns and shard channels.
    pub fn subscribed(&self) -> (usize, usize, usize) {
        match &self.subscriptions {
            None => (0, 0, 0),
            Some(all) => (all.channels.len(), all.patterns.len(), all.shards.len()),
        }
    }
    /// In RESP2 a subscriber may only run a few commands.
    #[inline]
    pub fn only_subscribes(&self) -> bool {
        self.subscriptions.is_some() && !self.resp3
    }
    /// Whether it stands in for a client whose script calls commands.
    pub fn is_script(&self) -> bool {
        &*self.peer.address == SCRIPT_ADDRESS
    }
    /// Is subscribed to anything.
    #[inline]
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions.is_some()
    }
    /// Whether the reply of the running command is dropped (CLIENT REPLY).
    pub fn is_silent(&self) -> bool {
        matches!(self.reply_mode, ReplyMode::Off | ReplyMode::Skip)
    }
    /// Its class.
    pub fn class(&self) -> Class {
        if self.is_subscriber() { Class::Pubsub } else { Class::Normal }
    }
    /// Chooses the protocol; `reply` is the one being written.
    pub fn set_resp3(&mut self, resp3: bool, reply: &mut Reply) {
        self.resp3 = resp3;
        reply.set_resp3(resp3);
    }
    /// Bytes of output that wait.
    pub fn output_bytes(&self) -> usize {
        self.reply.len() + self.in_flight
    }
    /// Output beyond the reply buffer, which is what limits are about.
    pub fn overflow(&self) -> usize {
        overflow(self.output_bytes())
    }
    /// Bytes that this client costs, `reply` being what it is still to get. Constant time.
    pub fn memory(&self, reply: &Reply) -> usize {
        let (channels, patterns, shards) = self.subscribed();
        size_of::<Self>()
            + reply.capacity()
            + self.in_flight
            + self.input.capacity.max(self.input.used)
            + self.parser.memory()
            + self.fieldsets.as_ref().map_or(0, |sets| sets.memory())
            + self.transaction.as_ref().map_or(0, |transaction| transaction.memory())
            + self.prefix_bytes
            + self.watched.len() * (size_of::<Watched>() + 64)
            + (channels + patterns + shards) * SUBSCRIPTION
            + self.blocked.as_ref().map_or(0, |blocked| blocked.on.memory())
    }
}

/// Output that does not fit the reply buffer, all of it: it lies in one larger buffer then.
pub fn overflow(output: usize) -> usize {
    if output > REPLY_MAX { output } else { 0 }
}

impl Transaction {
    /// Bytes that the queue costs.
    pub fn memory(&self) -> usize {
        self.bytes + self.queue.capacity() * size_of::<(u16, Argv)>()
    }
}
