//! Commands about the server: <https://redis.io/docs/latest/commands/?group=server>.

mod acl;
mod acl_audit;
mod backup;
mod command;
mod command_docs;
mod command_keys;
mod config;
mod control;
mod debug;
mod debug_clock;
mod debug_protocol;
mod digest;
mod facts;
mod hotkeys;
mod info;
mod keyspace;
mod latency;
mod memory;
mod save;
mod slowlog;

use super::{BASE, Command, Group};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[
    acl::COMMANDS,
    acl_audit::COMMANDS,
    backup::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    control::COMMANDS,
    debug::COMMANDS,
    facts::COMMANDS,
    hotkeys::COMMANDS,
    info::COMMANDS,
    keyspace::COMMANDS,
    latency::COMMANDS,
    memory::COMMANDS,
    save::COMMANDS,
    slowlog::COMMANDS,
];

const SERVER: Command = Command { group: Group::Server, ..BASE };
