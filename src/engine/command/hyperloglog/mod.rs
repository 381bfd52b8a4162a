//! Estimates of how many different elements there are:
//! <https://redis.io/docs/latest/develop/data-types/probabilistic/hyperloglogs/>.

mod debug;
mod sketch;

use super::{BASE, Call, Command, Error, Group, Result};
use crate::engine::keyspace::Entry;
use crate::engine::keyspace::value::hyperloglog::{Corrupt, View};
use crate::engine::keyspace::value::{Object, ValueRef};
use crate::engine::spec::{Categories, Flags};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[sketch::COMMANDS, debug::COMMANDS];

const HYPERLOGLOG: Command =
    Command { group: Group::HyperLogLog, categories: Categories::HYPERLOGLOG, ..BASE };
const GROWING: Flags = Flags::WRITE.or(Flags::DENYOOM);

impl From<Corrupt> for Error {
    fn from(_: Corrupt) -> Self {
        Error::new("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// The HyperLogLog that a string is.
fn view(string: &Entry) -> Result<View<'_>> {
    let bytes = match string.value() {
        ValueRef::Str(bytes) => Some(bytes),
        ValueRef::Object(Object::LargeString(string)) => Some(string.as_bytes()),
        _ => None,
    };
    bytes.and_then(View::of).ok_or(Error::new("WRONGTYPE Key is not a valid HyperLogLog string value."))
}

/// Up to how many bytes a HyperLogLog may be sparse.
fn sparse_max(call: &Call) -> usize {
    usize::try_from(call.server.config.hll_sparse_max_bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
