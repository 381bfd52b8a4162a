//! Sets: <https://redis.io/docs/latest/develop/data-types/sets/>.

mod combine;
mod member;
mod random;
mod scan;

use super::call::{Event, generic_event};
use super::{BASE, Call, Command, Group};
use crate::engine::config::KeyspaceEvents;
use crate::engine::keyspace::SetLimits;
use crate::engine::server::Server;
use crate::engine::spec::{Categories, Flags, KeyFlags};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[member::COMMANDS, random::COMMANDS, scan::COMMANDS, combine::COMMANDS];

const SET: Command = Command { group: Group::Set, categories: Categories::SET, ..BASE };
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.or(Flags::FAST);
const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const TAKE: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);

/// An event of class `s`.
const fn set_event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::SET, name }
}

/// Up to which sizes sets are small.
pub fn limits(server: &Server) -> SetLimits {
    let config = &server.config;
    let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    SetLimits {
        intset_entries: size(config.set_max_intset_entries),
        listpack_entries: size(config.set_max_listpack_entries),
        listpack_value: size(config.set_max_listpack_value),
        hasher: server.hasher.clone(),
    }
}

/// Removes a set that has lost its last member: event `del`, propagated as what took the member.
fn remove_empty(call: &mut Call, key: &[u8]) {
    call.server.remove(call.access(), key);
    call.changed(key, generic_event("del"));
}

#[cfg(test)]
mod tests;
