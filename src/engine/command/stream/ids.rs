//! Ids as arguments.

use crate::engine::command::{Error, Result};
use crate::engine::keyspace::value::stream::{LONGEST_ID, Sequence, StreamId};
use crate::engine::protocol::Args;
use crate::engine::text::ascii::c_string;
use smallvec::SmallVec;

const INVALID: Error = Error::new("ERR Invalid stream ID specified as stream command argument");

/// Some ids; few need no allocation.
pub(super) type Ids = SmallVec<[StreamId; 8]>;

/// An id whose second half may be left out, and is then `missing`.
pub(super) fn id(text: &[u8], missing: u64) -> Result<StreamId> {
    match StreamId::read(text) {
        Some((ms, Sequence::Given(seq))) => Ok(StreamId::new(ms, seq)),
        Some((ms, Sequence::Missing)) => Ok(StreamId::new(ms, missing)),
        _ => Err(INVALID),
    }
}

/// The same, or one of the ends: `-` and `+`.
pub(super) fn id_or_end(text: &[u8], missing: u64) -> Result<StreamId> {
    match c_string(text) {
        b"-" if text.len() <= LONGEST_ID => Ok(StreamId::MIN),
        b"+" if text.len() <= LONGEST_ID => Ok(StreamId::MAX),
        _ => id(text, missing),
    }
}

/// The id of a new entry, and whether its second half is given.
pub(super) fn id_to_add(text: &[u8]) -> Result<(StreamId, bool)> {
    match StreamId::read(text) {
        Some((ms, Sequence::Next)) => Ok((StreamId::new(ms, 0), false)),
        _ => Ok((id(text, 0)?, true)),
    }
}

/// All of these arguments.
pub(super) fn ids(args: Args) -> Result<Ids> {
    args.iter().map(|text| id(text, 0)).collect()
}

/// The lower end of a range; `(` excludes the id itself.
pub(super) fn range_start(text: &[u8]) -> Result<StreamId> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => {
            id(rest, 0)?.next().ok_or(Error::new("ERR invalid start ID for the interval"))
        }
        text => id_or_end(text, 0),
    }
}

/// The upper end of a range; `(` excludes the id itself.
pub(super) fn range_end(text: &[u8]) -> Result<StreamId> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => {
            id(rest, u64::MAX)?.previous().ok_or(Error::new("ERR invalid end ID for the interval"))
        }
        text => id_or_end(text, u64::MAX),
    }
}
