//! Scripts: <https://redis.io/docs/latest/develop/programmability/eval-intro/>.

mod eval;
mod function;
mod manage;

use super::{BASE, Command, Group};
use crate::engine::spec::{Categories, Flags};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[eval::COMMANDS, manage::COMMANDS, function::COMMANDS];

const SCRIPTING: Command =
    Command { group: Group::Scripting, categories: Categories::SCRIPTING, flags: Flags::NOSCRIPT, ..BASE };
