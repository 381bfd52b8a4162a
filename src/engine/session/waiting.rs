//! What a client waits for, and what it needs to go on.

use crate::engine::protocol::Argv;

/// What a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// WAIT: replicas to acknowledge.
    Replicas,
    /// WAITAOF: disks to acknowledge.
    Disks {
        /// How many of replicas.
        replicas: u64,
        /// Whether this server's own is asked for.
        local: bool,
    },
    /// CLIENT PAUSE to end; the command is still unread.
    Unpause,
    /// FLUSHALL SYNC and FLUSHDB SYNC: everything discarded to be freed.
    Freed,
    /// Something the outside does (`Effect::RewriteConfig`, ...).
    Outside,
    /// The script that it called to end.
    Script,
    /// The end of the server.
    Shutdown,
    /// BLPOP and its kin: keys to hold something.
    Keys(Box<KeyWait>),
}

/// A client that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// For what.
    pub on: Waiting,
    /// Until when, in microseconds of the monotonic clock; `None`: for ever.
    pub deadline: Option<u64>,
    /// CLIENT REPLY OFF or SKIP was on when the command came: the reply is dropped.
    pub silent: bool,
}

/// A command that waits for keys, and is run again when one of them may have what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWait {
    /// What it wants them to hold.
    pub awaited: Awaited,
    /// Their database.
    pub db: usize,
    /// The keys, each once.
    pub keys: Vec<Box<[u8]>>,
    /// Its place in their queues: who came first is served first.
    pub ticket: u64,
    /// What is run again.
    pub request: Argv,
    /// The number of its command.
    pub command: u16,
    /// When it is run again even if nothing happens to the keys, in microseconds of the monotonic clock.
    pub again_at: Option<u64>,
    /// Nanoseconds that the command has taken so far; waiting does not count.
    pub ns: u64,
}

/// A kind of value that commands wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A list.
    List,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
    /// A stream with a group of consumers: the command also runs again, to fail, when the key is
    /// removed or gets another type.
    Group,
    /// Tests wait for what every server has.
    #[cfg(test)]
    String,
}

impl Awaited {
    /// The type's name, as TYPE reports it.
    pub fn type_name(self) -> &'static str {
        match self {
            Awaited::List => "list",
            Awaited::SortedSet => "zset",
            Awaited::Stream | Awaited::Group => "stream",
            #[cfg(test)]
            Awaited::String => "string",
        }
    }
}

impl Waiting {
    /// Whether the outside will answer, whatever happens to the client's rights meanwhile.
    pub fn is_outside(&self) -> bool {
        matches!(self, Waiting::Outside)
    }
    /// Bytes of the arguments of the request that will be run again.
    pub fn argument_bytes(&self) -> usize {
        let Waiting::Keys(wait) = self else { return 0 };
        wait.request.args().bytes()
    }
    /// Bytes that the wait costs beyond its place in the session.
    pub fn memory(&self) -> usize {
        /// Estimate of what a place in one queue costs beside the key's bytes.
        const PLACE: usize = 96;
        let Waiting::Keys(wait) = self else { return 0 };
        let keys: usize = wait.keys.iter().map(|key| 2 * key.len() + PLACE).sum();
        size_of::<KeyWait>() + wait.request.memory() + keys
    }
}
