//! Commands about the server: <https://redis.io/docs/latest/commands/?group=server>.

mod command;
mod command_docs;
mod config;
mod debug;
mod debug_protocol;
mod digest;
mod info;
mod keyspace;

use super::{BASE, Command, Group};

/// The topics of this group.
pub const TOPICS: &[&[Command]] =
    &[command::COMMANDS, config::COMMANDS, debug::COMMANDS, info::COMMANDS, keyspace::COMMANDS];

const SERVER: Command = Command { group: Group::Server, ..BASE };
