//! Numbers as text: what Redis accepts as an integer or a double, and how it prints a double.

use super::ascii::c_string;
use rustc_apfloat::{Float, ieee::Double};

/// An `i64` in its one canonical form: no plus sign, no leading zeros, no `-0`, no spaces.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] if digits != b"0" => 0i64.checked_sub_unsigned(parse_u64(digits)?),
        digits => i64::try_from(parse_u64(digits)?).ok(),
    }
}

/// A `u64` in its one canonical form: digits without leading zeros.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        b"0" => Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => text.iter().try_fold(0u64, |total, &byte| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            total.checked_mul(10)?.checked_add(u64::from(digit))
        }),
        _ => None,
    }
}

/// A `u64` as C's `strtoull` takes a whole text: with leading spaces, zeros or a sign, and up to a zero byte.
/// What is below zero counts from the end of the range, as there, unless it is written the one canonical way.
pub fn parse_loose_u64(text: &[u8]) -> Option<u64> {
    let text = c_string(text);
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let spaces = text.iter().take_while(|byte| matches!(byte, b'\t'..=b'\r' | b' ')).count();
    let (negative, digits) = match &text[spaces..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let significant = digits.iter().position(|digit| *digit != b'0');
    let number = match significant {
        None if digits.is_empty() => return None,
        None => 0,
        Some(start) => parse_u64(&digits[start..])?,
    };
    Some(if negative { number.wrapping_neg() } else { number })
}

/// A double as C's `strtod` reads it, the whole text being one: decimal or hexadecimal, `inf` and
/// `infinity` in any case. No spaces, no NaN; out of range, or too small to be told from zero, is no
/// number either.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Fifteen digits make a number that a double holds exactly.
    if text.len() <= 15
        && let Some(whole) = parse_i64(text)
    {
        return Some(whole as f64);
    }
    let literal = Literal::read(text)?;
    let value = literal.round()?;
    let in_range = matches!(literal, Literal::Infinity { .. })
        || value.is_finite() && (value != 0.0 || literal.is_zero());
    in_range.then_some(value)
}

/// A double as the end of a range may give it: like `parse_f64`, but with leading spaces, with what is out
/// of range rounded to infinity or zero, and with nothing at all as zero.
pub fn parse_f64_bound(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let spaces = text.iter().take_while(|byte| matches!(byte, b'\t'..=b'\r' | b' ')).count();
    Literal::read(&text[spaces..])?.round()
}

/// A floating-point number's text, checked but not yet rounded to any format.
pub(super) enum Literal<'a> {
    /// `inf` or `infinity`.
    Infinity { negative: bool },
    /// `[+-]ddd.ddd[e[+-]dd]`, with at least one digit.
    Decimal(&'a str),
    /// `[-]0xhhhp[-]dd`, shortened: 24 to 32 significant digits, of which the last bit is set if what
    /// was cut off is not zero. No format here keeps more than 64 bits, so it rounds as the original.
    Hexadecimal(String),
}

impl<'a> Literal<'a> {
    /// Checks `text` against the grammar of `strtod`, NaN excepted.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
            return Self::read_hexadecimal(negative, digits.as_bytes());
        }
        if ["inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
            return Some(Self::Infinity { negative });
        }
        // Rust's grammar is that of `strtod` once hexadecimal digits, infinities and NaN are set aside.
        let begins_well = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
        (begins_well && unsigned.parse::<f64>().is_ok()).then_some(Self::Decimal(text))
    }

    fn read_hexadecimal(negative: bool, text: &[u8]) -> Option<Self> {
        let mut parts = text.splitn(2, |byte| byte.eq_ignore_ascii_case(&b'p'));
        let (digits, power) = (parts.next()?, parts.next());
        let mut exponent = power.map_or(Some(0), binary_exponent)?;
        let (mut mantissa, mut lost, mut seen, mut fraction) = (0u128, false, false, false);
        for &byte in digits {
            if byte == b'.' && !fraction {
                fraction = true;
                continue;
            }
            let digit = char::from(byte).to_digit(16)?;
            seen = true;
            let fits = mantissa < 1 << 124;
            if fits {
                mantissa = mantissa << 4 | u128::from(digit);
            } else {
                lost |= digit != 0;
            }
            exponent += 4 * (i64::from(!fits) - i64::from(fraction));
        }
        mantissa |= u128::from(lost);
        // Beyond this every format overflows or vanishes; the crate's exponents are 32 bits wide.
        let exponent = exponent.clamp(-100_000, 100_000);
        let sign = if negative { "-" } else { "" };
        seen.then(|| Self::Hexadecimal(format!("{sign}0x{mantissa:x}p{exponent}")))
    }

    /// The nearest double.
    fn round(&self) -> Option<f64> {
        match self {
            Self::Infinity { negative: true } => Some(f64::NEG_INFINITY),
            Self::Infinity { negative: false } => Some(f64::INFINITY),
            Self::Decimal(text) => text.parse().ok(),
            Self::Hexadecimal(text) => Some(f64::from_bits(text.parse::<Double>().ok()?.to_bits() as u64)),
        }
    }

    /// Whether the number is zero as written, not by rounding.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Infinity { .. } => false,
            Self::Decimal(text) => {
                let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
                !mantissa.contains(|digit| ('1'..='9').contains(&digit))
            }
            Self::Hexadecimal(text) => text.trim_start_matches('-').starts_with("0x0p"),
        }
    }
}

/// `[+-]dd`, kept within bounds that no digits before it can bring back into range.
fn binary_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let bound = 1 << 40;
    let size = digits.iter().fold(0, |total: i64, byte| (total * 10 + i64::from(byte - b'0')).min(bound));
    Some(if negative { -size } else { size })
}

/// A double as Redis prints it: an integer up to 2^62 and wherever at most six zeros would have to be
/// appended; in scientific form where a point among or before the digits would leave seven or more of
/// them behind it, small numbers apart.
///
/// The digits are always the fewest that give the same double back. Redis's algorithm (Grisu2) misses
/// those for about one double in a thousand and prints one digit more, or another last digit.
pub fn format_f64(value: f64) -> String {
    // Half the range of i64, within which Redis prints whole numbers as integers.
    if value != 0.0 && value.abs() <= (i64::MAX / 2) as f64 && value.trunc() == value {
        return (value as i64).to_string();
    }
    format_f64_digits(value)
}

/// The same without the form of integers.
pub fn format_f64_digits(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("a finite number has an exponent");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    format!("{sign}{}", lay_out(&digits, exponent))
}

/// A double with so many significant digits at most, as C's `%.14g` prints it.
pub fn format_significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return format_f64_digits(value);
    }
    let digits = digits.max(1);
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("a finite number has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    trimmed(&format!("{value:.*}", (digits as i32 - 1 - exponent) as usize))
}

/// Writes `d.ddd * 10^exponent`, given as its digits, in the shape Redis chooses.
fn lay_out(digits: &str, exponent: i32) -> String {
    let count = digits.len() as i32;
    // The power of ten of the last digit.
    let last = exponent - count + 1;
    if last >= 0 && exponent.abs() < count + 7 {
        return format!("{digits}{}", "0".repeat(last as usize));
    }
    if last < 0 && (last > -7 || exponent.abs() < 4) {
        return match usize::try_from(count + last) {
            Ok(whole) if whole > 0 => format!("{}.{}", &digits[..whole], &digits[whole..]),
            _ => format!("0.{}{digits}", "0".repeat(-(count + last) as usize)),
        };
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn significant_digits_as_c_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (100.0, "100"),
            (2.72, "2.72"),
            (0.1 + 0.2, "0.3"),
            (1e14, "1e+14"),
            (99999999999999.0, "99999999999999"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.5e300, "-1.5e+300"),
            (1.0 / 3.0, "0.33333333333333"),
        ] {
            assert_eq!(format_significant(value, 14), expected);
        }
    }

    #[test]
    fn the_digits_of_debug_digest_as_redis_has_them() {
        for (value, expected) in [
            (0.0, "0"),
            (100.0, "100"),
            (2.5, "2.5"),
            (0.1, "0.1"),
            (1e17, "1e+17"),
            (123456789012345678.0, "123456789012345680"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(format_f64_digits(value), expected);
        }
    }

    #[test]
    fn integers_have_one_form() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("99999999999999999999", None),
            ("100000000000000000000", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "--1", "1\0"] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    #[test]
    fn doubles_that_redis_accepts() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("+5", 5.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1.e2", 100.0),
            ("+.5e-3", 0.0005),
            ("1E+20", 1e20),
            ("00012", 12.0),
            ("0e-999999", 0.0),
            ("5e-324", 5e-324),
            ("0x10", 16.0),
            ("0X1P3", 8.0),
            ("-0x.8", -0.5),
            ("0x1p-1074", 5e-324),
            ("0x0p99999999999999999999", 0.0),
            ("0x100000000000008000000000000000001", f64::from_bits(0x47F0_0000_0000_0001)),
            ("inFinity", f64::INFINITY),
            ("+inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            let value = parse_f64(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
        }
    }

    /// As ZCOUNT of Redis 8.10 takes them.
    #[test]
    fn ends_of_ranges() {
        for (text, expected) in [
            ("", Some(0.0)),
            (" \t1", Some(1.0)),
            ("1 ", None),
            ("  ", None),
            ("1e400", Some(f64::INFINITY)),
            ("-1e400", Some(f64::NEG_INFINITY)),
            ("1e-400", Some(0.0)),
            ("0x10", Some(16.0)),
            ("+inf", Some(f64::INFINITY)),
            ("nan", None),
            ("e", None),
        ] {
            assert_eq!(parse_f64_bound(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn doubles_that_redis_refuses() {
        for text in [
            "",
            " 1",
            "1 ",
            "1\0",
            "nan",
            "-nan",
            "nan(1)",
            "infinit",
            "e1",
            "1e",
            "1e+",
            ".",
            "-",
            "++1",
            "1_0",
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "0xg",
            "0x1.2.3",
            "1.2.3",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1p-1080",
            "0x1p99999999999999999999",
            "1e5000000000000000000000",
            "\u{ff11}",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    /// As ZADD INCR of Redis 8.10 answers.
    #[test]
    fn doubles_as_redis_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (1e20, "1e+20"),
            (1e18, "1000000000000000000"),
            (1e21, "1e+21"),
            (1.5e18, "1500000000000000000"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (863.25789123456, "863.25789123456"),
            (863770.12345678, "8.6377012345678e+5"),
            (4611686018427387904.0, "4611686018427387904"),
            (9223372036854775808.0, "9223372036854776000"),
        ] {
            assert_eq!(format_f64(value), expected);
        }
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: i64, unsigned: u64) {
            prop_assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
            prop_assert_eq!(parse_u64(unsigned.to_string().as_bytes()), Some(unsigned));
        }

        #[test]
        fn an_integer_prints_as_it_was_read(text in "[+-]?0?[0-9]{1,20}") {
            let canonical = |value: i64| value.to_string() == text;
            prop_assert_eq!(parse_i64(text.as_bytes()), text.parse().ok().filter(|&v| canonical(v)));
        }

        #[test]
        fn doubles_round_trip(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let text = format_f64(value);
            prop_assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(bits), "{}", text);
        }

        #[test]
        fn hexadecimal_is_exact(mantissa in 0u64..1 << 53, exponent in -1100i32..1000) {
            let text = format!("0x{mantissa:x}p{exponent}");
            let factor = |power: i32| 2f64.powi(power);
            // Two steps, of which only the last can round.
            let expected = mantissa as f64 * factor(exponent.max(-900)) * factor(exponent.min(-900) + 900);
            let expected = (expected.is_finite() && (expected != 0.0 || mantissa == 0)).then_some(expected);
            prop_assert_eq!(parse_f64(text.as_bytes()), expected, "{}", text);
        }

        #[test]
        fn any_bytes_are_refused_or_read(text in "[-+.0-9a-fxpinty]{0,12}", bytes: Vec<u8>) {
            parse_f64(&bytes);
            if let Some(value) = parse_f64(text.as_bytes()) {
                prop_assert!(!value.is_nan());
            }
        }
    }
}
