//! Publish and subscribe: <https://redis.io/docs/latest/develop/pubsub/>.

mod inspect;
mod publish;
mod subscribe;

use super::{BASE, Command, Group};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[subscribe::COMMANDS, publish::COMMANDS, inspect::COMMANDS];

const PUBSUB: Command = Command { group: Group::Pubsub, ..BASE };
