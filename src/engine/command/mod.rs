//! Commands: a folder per group, a file per topic, a row and a function per command.
//!
//! A row ([`Command`]) declares everything that can be known about a command without running it; the
//! table, COMMAND and its subcommands, ACL categories, key routing and `docs/commands.md` derive from
//! it. The function gets one [`Call`] and writes its reply into it. Everything that must follow from a
//! change is triggered by one verb, [`crate::engine::server::Server::changed`].

pub mod args;
pub mod call;
pub mod dispatch;
pub mod error;
pub mod generate;
pub mod key_specs;
pub mod keys;
mod page;
pub mod permission;
pub mod scan_options;
pub mod table;

pub mod array;
pub mod bitmap;
pub mod connection;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod pubsub;
pub mod script;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod transaction;

pub use call::Call;
pub use error::{Error, Result};
pub use page::reference_page;

use super::spec::{Arg, Arity, Categories, Flags, Keys};

/// The families of commands, as COMMAND DOCS names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Keys of any type.
    Generic,
    /// Strings.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Hashes.
    Hash,
    /// Streams.
    Stream,
    /// Arrays.
    Array,
    /// Strings seen as bits.
    Bitmap,
    /// Cardinality estimates.
    HyperLogLog,
    /// Places on the map.
    Geo,
    /// Publish and subscribe.
    Pubsub,
    /// Scripts and functions.
    Scripting,
    /// MULTI, EXEC and WATCH.
    Transactions,
    /// About the connection itself.
    Connection,
    /// About the server.
    Server,
    /// Of the cluster.
    Cluster,
}

impl Group {
    /// The name COMMAND DOCS gives the group.
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Stream => "stream",
            Group::Array => "array",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Geo => "geo",
            Group::Pubsub => "pubsub",
            Group::Scripting => "scripting",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Cluster => "cluster",
        }
    }
}

/// What a command does.
pub type Run = fn(&mut Call) -> Result;

/// The row that declares a command.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Upper-case name; of a subcommand, its own name without the container's.
    pub name: &'static str,
    /// The container, for a subcommand.
    pub parent: Option<&'static str>,
    /// How many arguments, names included.
    pub arity: Arity,
    /// Flags as COMMAND reports them.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [Keys],
    /// Which argument names a member or field of the first key's value, if its memory is to be fetched ahead.
    pub member: Option<usize>,
    /// Which one is the score that this member gets.
    pub score: Option<usize>,
    /// ACL categories beyond those that follow from the flags.
    pub categories: Categories,
    /// The family.
    pub group: Group,
    /// The Redis (or Valkey) version that brought it.
    pub since: &'static str,
    /// Its cost.
    pub complexity: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What changed since, by version.
    pub history: &'static [(&'static str, &'static str)],
    /// What replaces it and since when, if it is deprecated.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Hints for clients and proxies.
    pub tips: &'static [&'static str],
    /// The grammar of its arguments.
    pub args: &'static [Arg],
    /// What it does.
    pub run: Run,
}

/// The row that others are written from: `Command { name: ..., ..BASE }`.
pub const BASE: Command = Command {
    name: "",
    parent: None,
    arity: Arity::AtLeast(1),
    flags: Flags::NONE,
    keys: &[],
    member: None,
    score: None,
    categories: Categories::NONE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "",
    history: &[],
    deprecated: None,
    tips: &[],
    args: &[],
    run: container,
};

/// The function of a command that only holds subcommands: dispatch never calls it with one it knows.
fn container(_: &mut Call) -> Result {
    Err(Error::SYNTAX)
}

/// Every row, group by group: the only list of commands.
pub const GROUPS: &[&[&[Command]]] = &[
    string::TOPICS,
    hash::TOPICS,
    list::TOPICS,
    set::TOPICS,
    stream::TOPICS,
    bitmap::TOPICS,
    hyperloglog::TOPICS,
    array::TOPICS,
    sorted_set::TOPICS,
    geo::TOPICS,
    generic::TOPICS,
    connection::TOPICS,
    transaction::TOPICS,
    pubsub::TOPICS,
    script::TOPICS,
    server::TOPICS,
];
