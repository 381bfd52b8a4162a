//! Encodings of small collections that Redis no longer writes.
//!
//! ```text
//! ziplist   length[4] offset of the last entry[4] count[2] entries ff
//! entry     length of the entry before: one byte, or fe and [4]
//!           00llllll | 01llllll l | 80 l[4], highest byte first    string
//!           c0 i[2] | d0 i[4] | e0 i[8] | f0 i[3] | fe i[1]        integer, lowest byte first
//!           f1 to fd                                               0 to 12
//! zipmap    count, then pairs, ff; a pair: length name length free value and so many free bytes
//!           length: one byte, or fe and [4], lowest byte first
//! ```

use crate::engine::keyspace::value::listpack::Element;

const BROKEN_ZIPLIST: &str = "a ziplist that is broken";
const BROKEN_ZIPMAP: &str = "a zipmap that is broken";

/// Shows the elements of a ziplist.
pub fn ziplist(blob: &[u8], seen: &mut dyn FnMut(Element)) -> Result<(), &'static str> {
    let (head, body) = blob.split_first_chunk::<10>().ok_or(BROKEN_ZIPLIST)?;
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let (len, last, count) = (number(0), number(4), u16::from_le_bytes([head[8], head[9]]));
    let Some((0xff, entries)) = body.split_last() else { return Err(BROKEN_ZIPLIST) };
    let (mut at, mut before, mut found) = (0, 0, 0);
    while at < entries.len() {
        let end = ziplist_entry(&entries[at..], at - before, seen).ok_or(BROKEN_ZIPLIST)? + at;
        (before, at) = (at, end);
        found += 1;
    }
    let counted = usize::from(count) == found || count == u16::MAX && found >= usize::from(u16::MAX);
    if len == blob.len() && last == before + head.len() && counted { Ok(()) } else { Err(BROKEN_ZIPLIST) }
}

/// Shows the first entry and says where it ends.
fn ziplist_entry(entry: &[u8], before: usize, seen: &mut dyn FnMut(Element)) -> Option<usize> {
    let (its_before, at) = short_or_long(entry)?;
    if its_before != before {
        return None;
    }
    let form = *entry.get(at)?;
    let (start, len) = match form >> 6 {
        0 => (at + 1, usize::from(form & 0x3f)),
        1 => (at + 2, usize::from(form & 0x3f) << 8 | usize::from(*entry.get(at + 1)?)),
        2 => {
            let len = entry.get(at + 1..)?.first_chunk::<4>()?;
            (at + 5, u32::from_be_bytes(*len) as usize)
        }
        _ => {
            let (integer, width) = ziplist_integer(form, entry.get(at + 1..)?)?;
            seen(Element::Int(integer));
            return Some(at + 1 + width);
        }
    };
    let end = start.checked_add(len)?;
    seen(Element::from_bytes(entry.get(start..end)?));
    Some(end)
}

/// An integer and how many bytes it takes.
fn ziplist_integer(form: u8, bytes: &[u8]) -> Option<(i64, usize)> {
    let width = match form {
        0xc0 => 2,
        0xd0 => 4,
        0xe0 => 8,
        0xf0 => 3,
        0xfe => 1,
        0xf1..=0xfd => return Some((i64::from(form) - 0xf1, 0)),
        _ => return None,
    };
    let mut wide = [0; 8];
    wide[..width].copy_from_slice(bytes.get(..width)?);
    let unused = 64 - 8 * width;
    Some((i64::from_le_bytes(wide) << unused >> unused, width))
}

/// A length of one byte, or of four after `fe`, and how many bytes it takes.
fn short_or_long(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        0xff => None,
        0xfe => Some((u32::from_le_bytes(*bytes[1..].first_chunk::<4>()?) as usize, 5)),
        short => Some((short.into(), 1)),
    }
}

/// Shows the names and values of a zipmap, in turn.
pub fn zipmap(blob: &[u8], seen: &mut dyn FnMut(Element)) -> Result<(), &'static str> {
    let (&count, mut rest) = blob.split_first().ok_or(BROKEN_ZIPMAP)?;
    let mut found = 0;
    while rest != [0xff] {
        rest = zipmap_pair(rest, seen).ok_or(BROKEN_ZIPMAP)?;
        found += 1;
    }
    // From 254 on the count is not kept.
    if count >= 254 || usize::from(count) == found { Ok(()) } else { Err(BROKEN_ZIPMAP) }
}

fn zipmap_pair<'a>(pair: &'a [u8], seen: &mut dyn FnMut(Element)) -> Option<&'a [u8]> {
    let (len, width) = short_or_long(pair)?;
    let (name, rest) = pair[width..].split_at_checked(len)?;
    let (len, width) = short_or_long(rest)?;
    let (&free, rest) = rest[width..].split_first()?;
    let (value, rest) = rest.split_at_checked(len)?;
    seen(Element::from_bytes(name));
    seen(Element::from_bytes(value));
    rest.get(free.into()..)
}
