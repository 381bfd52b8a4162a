//! Hashes: <https://redis.io/docs/latest/develop/data-types/hashes/>.

mod counter;
mod expire;
mod expired;
mod import;
mod lifetime;
mod random;
mod read;
mod scan;
mod write;

use super::call::Event;
use super::{BASE, Call, Command, Error, Group, Result};
use crate::engine::config::KeyspaceEvents;
use crate::engine::keyspace::hash::HashLimits;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::protocol::{Args, Reply};
use crate::engine::server::Server;
use crate::engine::spec::{Arg, Categories, Flags, KeyFlags, Keys, block, int, key_at, string};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[
    write::COMMANDS,
    read::COMMANDS,
    counter::COMMANDS,
    random::COMMANDS,
    scan::COMMANDS,
    expire::COMMANDS,
    lifetime::COMMANDS,
    import::COMMANDS,
];

const HASH: Command = Command { group: Group::Hash, categories: Categories::HASH, ..BASE };
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.or(Flags::FAST);
const FAST_GROWING: Flags = FAST_WRITE.or(Flags::DENYOOM);
const READ: &[Keys] = &[key_at(1, KeyFlags::RO.or(KeyFlags::ACCESS))];
const UPDATE: &[Keys] = &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))];
const FIELDS: Arg = block("fields", &[int("numfields"), string("field").multiple()]).token("FIELDS");

/// An event of class `h`.
const fn hash_event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::HASH, name }
}

/// Up to which sizes hashes are small.
pub fn limits(server: &Server) -> HashLimits {
    HashLimits {
        entries: server.config.hash_max_listpack_entries as usize,
        value: server.config.hash_max_listpack_value as usize,
        hasher: server.hasher.clone(),
    }
}

/// The moment that tells which fields are still there, in Unix milliseconds.
#[inline]
fn moment(call: &Call) -> i64 {
    if call.server.allows_expired { i64::MIN } else { call.now.unix_ms() }
}

/// Writes a name or a value.
#[inline]
fn element(reply: &mut Reply, element: Element) {
    match element {
        Element::Int(value) => reply.bulk_int(value),
        Element::Str(bytes) => reply.bulk(bytes),
    }
}

/// The fields after FIELDS and their number, which stand at this argument and are all that is left.
fn counted<'a>(call: &Call<'a>, at: usize) -> Result<Args<'a>> {
    if !call.args.at(at).eq_ignore_ascii_case(b"FIELDS") {
        return Err(Error::new("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let count = super::args::int(call.args.at(at + 1)).ok().filter(|count| *count > 0);
    let count = count.ok_or(Error::new("ERR Number of fields must be a positive integer"))?;
    if usize::try_from(count) != Ok(call.args.len() - at - 2) {
        return Err(Error::new("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(call.args.from(at + 2))
}
