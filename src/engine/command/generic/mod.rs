//! Keys of any type: <https://redis.io/docs/latest/develop/using-commands/keyspace/>.

mod dump;
mod expire;
mod migrate;
mod names;
mod object;
mod rename;
mod scan;
mod sort;
mod ttl;
mod wait;

use super::call::{Event, generic_event};
use super::keys::Access;
use super::{BASE, Call, Command, Group};
use crate::engine::spec::Categories;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[
    names::COMMANDS,
    rename::COMMANDS,
    migrate::COMMANDS,
    dump::COMMANDS,
    scan::COMMANDS,
    sort::COMMANDS,
    expire::COMMANDS,
    ttl::COMMANDS,
    object::COMMANDS,
    wait::COMMANDS,
];

const GENERIC: Command = Command { group: Group::Generic, categories: Categories::KEYSPACE, ..BASE };

/// A key is gone, whatever took it away.
const DEL: Event = generic_event("del");

/// A lookup that counts in the statistics and leaves the key's access clock alone.
fn without_touch(call: &Call) -> Access {
    Access { touch: false, ..call.access() }
}

#[cfg(test)]
mod tests;
