//! Strings: <https://redis.io/docs/latest/develop/data-types/strings/>.

mod compare;
mod counter;
mod edit;
mod expiry;
mod get;
mod increx;
mod lcs;
mod multi;
mod set;

use super::{BASE, Command, Group};
use crate::engine::spec::{Categories, Flags};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[
    get::COMMANDS,
    set::COMMANDS,
    counter::COMMANDS,
    increx::COMMANDS,
    edit::COMMANDS,
    multi::COMMANDS,
    compare::COMMANDS,
    lcs::COMMANDS,
];

const STRING: Command = Command { group: Group::String, categories: Categories::STRING, ..BASE };
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const GROWING: Flags = Flags::WRITE.or(Flags::DENYOOM);
const FAST_GROWING: Flags = GROWING.or(Flags::FAST);
