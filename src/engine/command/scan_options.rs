//! What SCAN, SSCAN, HSCAN and ZSCAN have in common: a cursor and what of a collection is wanted.

use super::args::{self, Cursor};
use super::{Error, Result};
use crate::engine::protocol::{Args, Reply};
use crate::engine::text::glob;
use crate::engine::text::number::parse_loose_u64;

/// What is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The keys of a database.
    Keys,
    /// The fields of a hash.
    Fields,
    /// The members of a set or a sorted set.
    Members,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions<'a> {
    /// Only names that match; `None` is all.
    pub pattern: Option<&'a [u8]>,
    /// Only keys of this type.
    pub kind: Option<&'a [u8]>,
    /// How many to look at, at least one.
    pub count: usize,
    /// Only the fields of a hash.
    pub no_values: bool,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options, which begin at an argument.
    pub fn read(args: Args<'a>, first: usize, over: Over) -> Result<Self> {
        let mut wanted = ScanOptions { pattern: None, kind: None, count: 10, no_values: false };
        let mut options = Cursor::new(args, first);
        while options.left() > 0 {
            if let Some(count) = options.keyword_with_value("COUNT") {
                let count = args::int(count)?;
                wanted.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Error::SYNTAX)?;
            } else if let Some(pattern) = options.keyword_with_value("MATCH") {
                wanted.pattern = Some(pattern).filter(|pattern| *pattern != b"*");
            } else if over == Over::Keys
                && let Some(kind) = options.keyword_with_value("TYPE")
            {
                wanted.kind = Some(kind);
            } else if options.keyword("NOVALUES") {
                if over != Over::Fields {
                    return Err(Error::new("ERR NOVALUES option can only be used in HSCAN"));
                }
                wanted.no_values = true;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(wanted)
    }

    /// Whether a name matches.
    pub fn admits(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name, false))
    }
}

/// The reply of a scan through a collection that is not there.
pub fn write_nothing(reply: &mut Reply) {
    reply.array(2);
    reply.bulk(b"0");
    reply.array(0);
}

/// A cursor.
pub fn cursor(text: &[u8]) -> Result<u64> {
    parse_loose_u64(text).ok_or(Error::new("ERR invalid cursor"))
}
