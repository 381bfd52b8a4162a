//! How values are written: quoting, memory units, numbers.
//!
//! The rules are those of redis.conf (<https://redis.io/docs/latest/operate/oss_and_stack/management/config/>).

use crate::engine::text::quote;

/// Appends one argument of a directive, quoted only where it would not read back otherwise.
pub(super) fn argument_into(out: &mut Vec<u8>, value: &[u8]) {
    let plain = |&byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !value.is_empty() && value.iter().all(plain) {
        out.extend(value);
    } else {
        quote::append(out, value);
    }
}

/// Reads an amount of memory: digits and a unit of 1000s (`k`, `m`, `g`) or 1024s (`kb`, `mb`, `gb`).
///
/// As in Redis, no digits mean zero and an amount too large for 64 bits is the largest one.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit = text[digits..].to_ascii_lowercase();
    let factor: u64 = match unit.as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let amount = text[..digits]
        .iter()
        .fold(0u64, |amount, digit| amount.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(amount.saturating_mul(factor))
}

/// Writes an amount of memory in the largest unit that divides it, as CONFIG REWRITE does.
pub fn format_memory(bytes: u64) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Reads an integer as C's `strtoll` does where all of the text must be used: leading spaces, a sign,
/// no digits at all (zero), and a value out of range becomes the nearest one.
pub(super) fn parse_loose_integer(text: &[u8], radix: u32) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0i64, |value, &digit| {
        let digit = i64::from(char::from(digit).to_digit(radix)?);
        let value = value.saturating_mul(i64::from(radix));
        Some(if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) })
    })
}
