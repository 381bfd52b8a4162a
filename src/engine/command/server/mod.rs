//! Commands about the server: <https://redis.io/docs/latest/commands/?group=server>.

mod keyspace;

use super::{BASE, Command, Group};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[keyspace::COMMANDS];

const SERVER: Command = Command { group: Group::Server, ..BASE };
