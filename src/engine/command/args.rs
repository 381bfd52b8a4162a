//! Reading arguments: numbers with Redis's errors, keywords, options in any order.

use super::{Error, Result};
use crate::engine::protocol::Args;
use crate::engine::text::long_double::LongDouble;
use crate::engine::text::number;
use crate::engine::time::Now;

/// A whole number.
pub fn int(arg: &[u8]) -> Result<i64> {
    number::parse_i64(arg).ok_or(Error::NOT_INTEGER)
}

/// A whole number between two bounds.
pub fn int_between(arg: &[u8], low: i64, high: i64, error: Error) -> Result<i64> {
    Some(int(arg)?).filter(|n| (low..=high).contains(n)).ok_or(error)
}

/// A whole number that is not negative.
pub fn not_negative(arg: &[u8]) -> Result<i64> {
    number::parse_i64(arg).filter(|n| *n >= 0).ok_or(Error::MUST_BE_POSITIVE)
}

/// A floating-point number.
pub fn double(arg: &[u8]) -> Result<f64> {
    number::parse_f64(arg).ok_or(Error::NOT_FLOAT)
}

/// A timeout in seconds, possibly with a fraction: the deadline in monotonic microseconds, `None` for
/// zero (for ever). It counts in whole milliseconds, rounded up.
pub fn timeout_seconds(arg: &[u8], now: Now) -> Result<Option<u64>> {
    let seconds = timeout(arg).ok_or(Error::new("ERR timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    if ms >= i64::MAX as f64 {
        return Err(Error::new("ERR timeout is out of range"));
    }
    deadline(ms as i64, now)
}

/// A number of seconds. What a double cannot hold may be one all the same, as long as a `long double` can:
/// an infinity then, or the smallest number that is not zero.
fn timeout(arg: &[u8]) -> Option<f64> {
    number::parse_f64(arg).or_else(|| {
        let long = LongDouble::parse(arg)?;
        let tiny = if long.is_negative() { -f64::MIN_POSITIVE } else { f64::MIN_POSITIVE };
        number::parse_f64_bound(arg).map(|near| if near == 0.0 { tiny } else { near })
    })
}

/// A timeout in milliseconds: the deadline in monotonic microseconds, `None` for zero (for ever).
pub fn timeout_ms(arg: &[u8], now: Now) -> Result<Option<u64>> {
    let ms = number::parse_i64(arg).ok_or(Error::new("ERR timeout is not an integer or out of range"))?;
    deadline(ms, now)
}

fn deadline(ms: i64, now: Now) -> Result<Option<u64>> {
    if ms < 0 {
        return Err(Error::new("ERR timeout is negative"));
    }
    // The end must be a time of the wall clock.
    if ms.checked_add(now.unix_ms()).is_none() {
        return Err(Error::new("ERR timeout is out of range"));
    }
    Ok((ms > 0).then(|| now.mono_us.saturating_add((ms as u64).saturating_mul(1000))))
}

/// Walks over arguments from left to right.
pub struct Cursor<'a> {
    args: Args<'a>,
    next: usize,
}

impl<'a> Cursor<'a> {
    /// Begins at this argument.
    pub fn new(args: Args<'a>, next: usize) -> Self {
        Cursor { args, next }
    }
    /// Arguments left.
    pub fn left(&self) -> usize {
        self.args.len().saturating_sub(self.next)
    }
    /// The index of the next argument.
    pub fn position(&self) -> usize {
        self.next
    }
    /// The next argument, which stays next.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.args.get(self.next)
    }
    /// The next argument, or a syntax error.
    pub fn value(&mut self) -> Result<&'a [u8]> {
        let arg = self.peek().ok_or(Error::SYNTAX)?;
        self.next += 1;
        Ok(arg)
    }
    /// Whether the next argument is this keyword, in any case; steps over it if so.
    pub fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|arg| arg.eq_ignore_ascii_case(keyword.as_bytes()));
        self.next += found as usize;
        found
    }
    /// Like `keyword`, but only if a value follows.
    pub fn keyword_with_value(&mut self, keyword: &str) -> Option<&'a [u8]> {
        if self.left() < 2 || !self.keyword(keyword) {
            return None;
        }
        self.value().ok()
    }
    /// The next argument as a whole number.
    pub fn int(&mut self) -> Result<i64> {
        int(self.value()?)
    }
    /// An error unless all was read.
    pub fn finish(&self) -> Result {
        if self.left() == 0 { Ok(()) } else { Err(Error::SYNTAX) }
    }
}
