//! The options that say when a key expires: EX, PX, EXAT, PXAT, KEEPTTL, PERSIST.

use crate::engine::command::args::{Cursor, int};
use crate::engine::command::{Error, Result};
use crate::engine::spec::{Arg, int as int_arg, token, unix_time};
use crate::engine::time::Now;

pub(super) const EX: Arg = int_arg("seconds").token("EX");
pub(super) const PX: Arg = int_arg("milliseconds").token("PX");
pub(super) const EXAT: Arg = unix_time("unix-time-seconds").token("EXAT");
pub(super) const PXAT: Arg = unix_time("unix-time-milliseconds").token("PXAT");
pub(super) const KEEPTTL: Arg = token("keepttl", "KEEPTTL");
pub(super) const PERSIST: Arg = token("persist", "PERSIST");

/// What is to become of a key's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime<'a> {
    /// The option as given, to be turned into a moment once it is clear that it is wanted.
    Until { number: &'a [u8], seconds: bool, relative: bool },
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
}

impl<'a> Lifetime<'a> {
    /// Reads the option that comes next, if it is one of these.
    pub fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        if cursor.keyword("KEEPTTL") {
            return Some(Lifetime::Keep);
        }
        if cursor.keyword("PERSIST") {
            return Some(Lifetime::Persist);
        }
        let forms = [("EX", true, true), ("PX", false, true), ("EXAT", true, false), ("PXAT", false, false)];
        forms.into_iter().find_map(|(keyword, seconds, relative)| {
            let number = cursor.keyword_with_value(keyword)?;
            Some(Lifetime::Until { number, seconds, relative })
        })
    }

    /// Whether it may be given after `earlier`: an option may be repeated, the last one counts.
    pub fn may_follow(self, earlier: Option<Self>) -> bool {
        let option = |lifetime| match lifetime {
            Lifetime::Until { seconds, relative, .. } => Lifetime::Until { number: b"", seconds, relative },
            other => other,
        };
        earlier.is_none_or(|earlier| option(self) == option(earlier))
    }

    /// The moment it stands for in Unix milliseconds, `None` for KEEPTTL and PERSIST; `command` is for
    /// the error text.
    pub fn moment(self, now: Now, command: &str) -> Result<Option<i64>> {
        match self {
            Lifetime::Until { number, seconds, relative } => {
                moment(number, seconds, relative, now, command).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// A positive number of seconds or milliseconds, from now or from the epoch, as Unix milliseconds.
pub(super) fn moment(number: &[u8], seconds: bool, relative: bool, now: Now, command: &str) -> Result<i64> {
    let value = int(number)?;
    let invalid = || Error::invalid_expire(command);
    if value <= 0 {
        return Err(invalid());
    }
    let ms = if seconds { value.checked_mul(1000).ok_or_else(invalid)? } else { value };
    if relative { ms.checked_add(now.unix_ms()).ok_or_else(invalid) } else { Ok(ms) }
}
