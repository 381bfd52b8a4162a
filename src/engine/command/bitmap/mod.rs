//! Strings as rows of bits: <https://redis.io/docs/latest/develop/data-types/bitmaps/>.

mod bit;
mod combine;
mod field;
mod range;

use super::{BASE, Call, Command, Error, Group, Result};
use crate::engine::spec::{Categories, Flags};
use crate::engine::text::number::parse_i64;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[bit::COMMANDS, range::COMMANDS, combine::COMMANDS, field::COMMANDS];

const BITMAP: Command = Command { group: Group::Bitmap, categories: Categories::BITMAP, ..BASE };
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const GROWING: Flags = Flags::WRITE.or(Flags::DENYOOM);

const OFFSET: Error = Error::new("ERR bit offset is not an integer or out of range");

/// An offset in units of `width` bits, as one in bits: it must lie within the longest string allowed.
fn offset(call: &Call, arg: &[u8], width: i64) -> Result<u64> {
    let offset = parse_i64(arg).and_then(|offset| offset.checked_mul(width)).ok_or(OFFSET)?;
    let offset = u64::try_from(offset).map_err(|_| OFFSET)?;
    if offset / 8 >= call.server.config.longest_string() { Err(OFFSET) } else { Ok(offset) }
}
