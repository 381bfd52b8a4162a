//! Sorted sets: <https://redis.io/docs/latest/develop/data-types/sorted-sets/>.

mod add;
mod bounds;
mod operation;
mod pop;
mod random;
mod range;
mod remove;
mod score;

pub use add::{AddOptions, add_pairs};

use super::call::Event;
use super::keys::Access;
use super::{BASE, Call, Command, Group, Result};
use crate::engine::config::KeyspaceEvents;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::{Entry, Expiry, NewSortedSet, SortedSetLimits, SortedSetRef, Type};
use crate::engine::protocol::Reply;
use crate::engine::server::Server;
use crate::engine::spec::{Categories, Flags, KeyFlags};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[
    add::COMMANDS,
    score::COMMANDS,
    range::COMMANDS,
    range::OLDER_COMMANDS,
    remove::COMMANDS,
    pop::COMMANDS,
    random::COMMANDS,
    operation::COMMANDS,
];

const SORTED_SET: Command = Command { group: Group::SortedSet, categories: Categories::SORTEDSET, ..BASE };
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const GROWING: Flags = Flags::WRITE.or(Flags::DENYOOM);
const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const STORE: KeyFlags = KeyFlags::OW.or(KeyFlags::UPDATE);

/// A member and its score, on their way into a sorted set.
pub type Pair = (Box<[u8]>, f64);

/// An event of class `z`.
pub const fn sorted_set_event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::ZSET, name }
}

impl Server {
    /// Up to which size sorted sets stay small.
    pub fn sorted_set_limits(&self) -> SortedSetLimits {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        SortedSetLimits {
            entries: size(self.config.zset_max_listpack_entries),
            value: size(self.config.zset_max_listpack_value),
            hasher: self.hasher.clone(),
        }
    }

    /// A sorted set to be read, or the error for another type.
    #[inline]
    pub fn read_sorted_set(&mut self, access: Access, key: &[u8]) -> Result<Option<SortedSetRef<'_>>> {
        Ok(self.read_as(access, key, Type::SortedSet)?.and_then(Entry::sorted_set))
    }
}

impl Call<'_> {
    /// Sets a key to a sorted set of these members, which are in order and differ; without any, the key
    /// is removed. Replies with their number.
    pub fn store_sorted_set(&mut self, key: &[u8], pairs: &[Pair], event: Event) {
        let access = self.access();
        if !pairs.is_empty() {
            let set = NewSortedSet::from_pairs(pairs, &self.server.sorted_set_limits());
            self.server.set(access, key, set.into_value(&mut Vec::new()), Expiry::Never);
            self.changed(key, event);
        } else if self.server.remove(access, key) {
            self.changed(key, super::call::generic_event("del"));
        }
        self.reply.int(pairs.len() as i64);
    }

    /// What follows when `count` members were removed from a sorted set: if it is empty now, its key goes.
    pub fn removed_members(&mut self, key: &[u8], count: u64, event: Event) {
        let access = self.access();
        let set = self.server.peek(access, key).and_then(Entry::sorted_set);
        let empty = set.is_some_and(|set| set.is_empty());
        if empty {
            self.server.remove(access, key);
        }
        self.changed(key, event);
        self.server.dirty += count.saturating_sub(1);
        if empty {
            self.server.notify(access.db, key, super::call::generic_event("del"));
        }
    }
}

/// Writes a member.
#[inline]
pub fn reply_member(reply: &mut Reply, member: Element<'_>) {
    match member {
        Element::Int(integer) => reply.bulk_int(integer),
        Element::Str(bytes) => reply.bulk(bytes),
    }
}

/// Begins a list of members, or of members with scores: pairs in RESP3, flat in RESP2.
pub fn reply_pairs_header(reply: &mut Reply, count: usize, with_scores: bool) {
    reply.array(if with_scores && !reply.is_resp3() { 2 * count } else { count });
}

/// Writes one of them.
#[inline]
pub fn reply_pair(reply: &mut Reply, (member, score): (Element<'_>, f64), with_scores: bool) {
    if with_scores && reply.is_resp3() {
        reply.array(2);
    }
    reply_member(reply, member);
    if with_scores {
        reply.double(score);
    }
}
