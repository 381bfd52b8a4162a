//! The 80-bit floating-point numbers of x86, in which Redis computes INCRBYFLOAT and HINCRBYFLOAT.
//!
//! Computed in software, so that every machine and every run gives the digits that Redis gives on x86.

use super::number::Literal;
use rustc_apfloat::{Float, ieee::X87DoubleExtended};

/// Redis reads into a buffer of 5 KiB, so longer text is no number.
const TEXT_MAX: usize = 5 * 1024 - 1;

/// Digits printed after the point, before trailing zeros are cut off.
const FRACTION_DIGITS: u32 = 17;

/// Digits of the general format.
const SIGNIFICANT_DIGITS: usize = 17;

/// A number that is not NaN.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct LongDouble(X87DoubleExtended);

impl From<i64> for LongDouble {
    /// Exact: 64 bits of mantissa hold every `i64`.
    fn from(value: i64) -> Self {
        Self(X87DoubleExtended::from_i128(i128::from(value)).value)
    }
}

impl LongDouble {
    /// A number as C's `strtold` reads it, the whole text being one: decimal or hexadecimal, `inf` and
    /// `infinity` in any case. No spaces, no NaN; out of range, or too small to be told from zero, is
    /// no number either.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let literal = Literal::read(text)?;
        let value: X87DoubleExtended = match &literal {
            Literal::Infinity { negative: false } => return Some(Self(X87DoubleExtended::INFINITY)),
            Literal::Infinity { negative: true } => return Some(Self(-X87DoubleExtended::INFINITY)),
            Literal::Decimal(text) => text.parse().ok()?,
            Literal::Hexadecimal(text) => text.parse().ok()?,
        };
        let in_range = value.is_finite() && (!value.is_zero() || literal.is_zero());
        in_range.then_some(Self(value))
    }

    /// The largest finite number.
    pub fn largest() -> Self {
        Self(X87DoubleExtended::largest())
    }

    /// The finite number that is furthest below zero.
    pub fn lowest() -> Self {
        Self(-X87DoubleExtended::largest())
    }

    /// Whether it is not infinite.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.0.is_negative() && !self.0.is_zero()
    }

    /// The sum of two finite numbers, which may be infinite.
    pub fn saturating_add(self, other: Self) -> Self {
        Self((self.0 + other.0).value)
    }

    /// The sum, unless it is not a number.
    pub fn plus(self, other: Self) -> Option<Self> {
        let sum = (self.0 + other.0).value;
        (!sum.is_nan()).then_some(Self(sum))
    }

    /// The sum, unless it is infinite or not a number: then the reply is "increment would produce NaN
    /// or Infinity".
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let sum = (self.0 + other.0).value;
        sum.is_finite().then_some(Self(sum))
    }

    /// The difference, unless it is infinite or not a number.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self(-other.0))
    }

    /// The number as INCRBYFLOAT stores it: decimal without exponent, at most 17 digits after the
    /// point (ties to even), no zeros at the end, no `-0`.
    pub fn to_human_string(self) -> String {
        if self.0.is_infinite() {
            return if self.0.is_negative() { "-inf" } else { "inf" }.to_owned();
        }
        let text = self.digits();
        if self.0.is_negative() && text != "0" { format!("-{text}") } else { text }
    }

    /// The number as C's `%.17Lg` prints it: 17 significant digits, without zeros at the end, with an
    /// exponent where that is below -4 or above 16.
    pub fn to_general_string(self) -> String {
        if self.0.is_infinite() || self.0.is_zero() {
            return self.to_human_string();
        }
        let sign = if self.0.is_negative() { "-" } else { "" };
        let (digits, exponent) = self.significant_digits();
        let digits = digits.trim_end_matches('0');
        let pointed = |whole: &str, rest: &str| match rest {
            "" => format!("{sign}{whole}"),
            rest => format!("{sign}{whole}.{rest}"),
        };
        match exponent {
            -4..0 => format!("{sign}0.{}{digits}", "0".repeat(-exponent as usize - 1)),
            0..17 => {
                let whole = format!("{digits:0<width$}", width = exponent as usize + 1);
                let (whole, rest) = whole.split_at(exponent as usize + 1);
                pointed(whole, rest)
            }
            _ => {
                let direction = if exponent < 0 { '-' } else { '+' };
                let (first, rest) = digits.split_at(1);
                format!("{}e{direction}{:02}", pointed(first, rest), exponent.abs())
            }
        }
    }

    /// The first digits of a finite number, rounded, and the power of ten of the first of them.
    fn significant_digits(self) -> (String, i32) {
        // More digits than wanted, since what it leaves out it does not always round. Some numbers come
        // with an exponent: `-1.2345E+29`.
        let text = format!("{:0.40}", self.0);
        let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: String = whole.chars().chain(fraction.chars()).filter(char::is_ascii_digit).collect();
        let zeros = all.len() - all.trim_start_matches('0').len();
        let whole = whole.trim_start_matches('-').len() as i32;
        let exponent = exponent.parse().unwrap_or(0) + whole - 1 - zeros as i32;
        let digits: String = all.chars().skip(zeros).take(38).collect();
        let unit = 10u128.pow(digits.len().saturating_sub(SIGNIFICANT_DIGITS) as u32);
        let number: u128 = digits.parse().unwrap_or(0);
        let rounded = (number + unit / 2) / unit;
        // 9.99... became 10.0...
        let carried = rounded.to_string().len() > digits.len().min(SIGNIFICANT_DIGITS);
        (rounded.to_string(), exponent + i32::from(carried))
    }

    /// The whole part, if it fits 64 bits with a sign.
    pub fn truncated(self) -> Option<i64> {
        let mut exact = false;
        let whole = self.0.to_i128_r(64, rustc_apfloat::Round::TowardZero, &mut exact);
        (!whole.status.contains(rustc_apfloat::Status::INVALID_OP)).then_some(whole.value as i64)
    }

    /// The absolute value of a finite number in decimal.
    fn digits(self) -> String {
        let bits = self.0.to_bits();
        let significand = bits as u64;
        // Bias of the format, and the point behind the significand; denormals share the smallest exponent.
        let exponent = ((bits >> 64) as i32 & 0x7fff).max(1) - 16383 - 63;
        if exponent >= 0 {
            return shifted(significand, exponent as u32);
        }
        let unit = 10u128.pow(FRACTION_DIGITS);
        // Below 2^121, so that a shift by 128 or more leaves less than half a unit.
        let scaled = round_shift(u128::from(significand) * unit, -exponent as u32);
        let (whole, fraction) = (scaled / unit, scaled % unit);
        if fraction == 0 {
            return whole.to_string();
        }
        let fraction = format!("{fraction:017}");
        format!("{whole}.{}", fraction.trim_end_matches('0'))
    }
}

/// `value / 2^by`, rounded to the nearest, ties to even.
fn round_shift(value: u128, by: u32) -> u128 {
    if by >= u128::BITS {
        return 0;
    }
    let (quotient, rest, half) = (value >> by, value & ((1 << by) - 1), 1 << (by - 1));
    quotient + u128::from(rest > half || rest == half && quotient & 1 == 1)
}

/// `value * 2^by` in decimal; `by` is at most 16320, which gives 4933 digits.
fn shifted(value: u64, by: u32) -> String {
    const BASE: u64 = 1_000_000_000;
    // Least significant limb first, nine decimal digits each.
    let mut limbs = vec![value % BASE, value / BASE % BASE, value / BASE / BASE];
    let mut left = by;
    while left > 0 {
        let step = left.min(32);
        let mut carry = 0;
        for limb in &mut limbs {
            let product = (*limb << step) + carry;
            (*limb, carry) = (product % BASE, product / BASE);
        }
        while carry > 0 {
            limbs.push(carry % BASE);
            carry /= BASE;
        }
        left -= step;
    }
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:09}")).collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_format_is_cs() {
        // What Redis 8.10 answers to AROP MAX and SUM, and what printf says.
        for (text, shown, whole) in [
            ("0.1", "0.1", Some(0)),
            ("1e-5", "1e-05", Some(0)),
            ("0.0001", "0.0001", Some(0)),
            ("123456789012345678901234567890", "1.2345678901234568e+29", None),
            ("1e21", "1e+21", None),
            ("9007199254741000.5", "9007199254741000.5", Some(9_007_199_254_741_000)),
            ("9223372036854775808", "9.2233720368547758e+18", None),
            ("9223372036854775807", "9.2233720368547758e+18", Some(i64::MAX)),
            ("-0.5", "-0.5", Some(0)),
            ("-1.9", "-1.9", Some(-1)),
            ("0x10", "16", Some(16)),
            ("12345678901234567", "12345678901234567", Some(12_345_678_901_234_567)),
            ("100", "100", Some(100)),
            ("0", "0", Some(0)),
            ("-inf", "-inf", None),
            ("2e300", "2e+300", None),
        ] {
            let number = LongDouble::parse(text.as_bytes()).expect(text);
            assert_eq!((number.to_general_string(), number.truncated()), (shown.to_owned(), whole), "{text}");
        }
    }
    use proptest::prelude::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let (a, b) = (LongDouble::parse(a.as_bytes())?, LongDouble::parse(b.as_bytes())?);
        Some(a.checked_add(b)?.to_human_string())
    }

    /// SET to the first, INCRBYFLOAT by the second, as Redis 8.10 on x86 answers.
    #[test]
    fn sums_as_redis_prints_them() {
        for (a, b, expected) in [
            ("0", "0", "0"),
            ("-0", "-0", "0"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "1.1", "4.1"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1.1", "-0.1"),
            ("-5", "-1.1", "-6.1"),
            ("1e-17", "0", "0.00000000000000001"),
            ("5e-18", "0", "0"),
            ("15e-18", "0", "0.00000000000000002"),
            ("-1e-18", "0", "0"),
            ("17179869185", "0.5", "17179869185.5"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("-9223372036854775808", "-1", "-9223372036854775809"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("1e20", "0.5", "100000000000000000000"),
            ("123456789.123456789", "987654321.987654321", "1111111111.11111110995989293"),
            ("0x1p3", "0x.8", "8.5"),
            ("0x1.8p-1", "1e1", "10.75"),
            ("1e25", "1e-25", "10000000000000000000000000"),
            ("3.14159265358979323846264338327950288", "0", "3.14159265358979324"),
            ("2.718281828459045235360287", "-1", "1.71828182845904524"),
            ("99999999999999999.99", "0.01", "100000000000000000"),
            ("0.000030517578125", "0", "0.000030517578125"),
            ("7e-4951", "0", "0"),
            ("1000000000000000000000.1", "0", "1000000000000000000000"),
            (".1e1", "5.", "6"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} {b}");
        }
    }

    #[test]
    fn the_largest_number() {
        let largest = LongDouble(X87DoubleExtended::largest());
        let text = largest.to_human_string();
        assert_eq!(text.len(), 4933);
        assert!(
            text.starts_with("1189731495357231765021263853030970205169063322294624200440323733891737005")
        );
        assert_eq!(LongDouble::parse(text.as_bytes()), Some(largest));
        assert_eq!(largest.checked_add(largest), None);
    }

    #[test]
    fn infinities_are_read_but_not_produced() {
        let infinity = LongDouble::parse(b"inf").unwrap();
        assert_eq!(infinity.to_human_string(), "inf");
        assert_eq!(LongDouble::parse(b"-INFINITY").unwrap().to_human_string(), "-inf");
        assert_eq!(infinity.checked_add(LongDouble::from(1)), None);
        assert_eq!(infinity.checked_add(LongDouble::parse(b"-inf").unwrap()), None);
    }

    #[test]
    fn what_is_no_number() {
        for text in
            ["", " 1", "1 ", "nan", "1e", "0x", "0x1p", "1e5000", "1e-5000", "0x1p99999", "0x1p-99999", "1,5"]
        {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
        }
        let long = format!("{}1", "0".repeat(TEXT_MAX - 1));
        assert_eq!(LongDouble::parse(long.as_bytes()), Some(LongDouble::from(1)));
        assert_eq!(LongDouble::parse(format!("0{long}").as_bytes()), None);
    }

    proptest! {
        #[test]
        fn integers_are_exact(a in i64::MIN / 2..i64::MAX / 2, b in i64::MIN / 2..i64::MAX / 2) {
            let total = LongDouble::from(a).checked_add(LongDouble::from(b)).unwrap();
            prop_assert_eq!(total.to_human_string(), (a + b).to_string());
            prop_assert_eq!(LongDouble::parse(a.to_string().as_bytes()), Some(LongDouble::from(a)));
        }

        #[test]
        fn large_numbers_are_powers_of_two(significand: u64, by in 0u32..64) {
            prop_assert_eq!(shifted(significand, by), (u128::from(significand) << by).to_string());
        }

        /// Whole numbers and quarters below 2^60 have an exact decimal form.
        #[test]
        fn quarters_print_exactly(quarters in 0u64..1 << 62) {
            let text = format!("{}{}", quarters / 4, ["", ".25", ".5", ".75"][quarters as usize % 4]);
            prop_assert_eq!(LongDouble::parse(text.as_bytes()).unwrap().to_human_string(), text);
        }

        #[test]
        fn short_decimals_come_back(whole in 0u32..128, fraction in "[0-9]{0,8}[1-9]", negative: bool) {
            let text = format!("{}{whole}.{fraction}", if negative { "-" } else { "" });
            prop_assert_eq!(LongDouble::parse(text.as_bytes()).unwrap().to_human_string(), text);
        }

        #[test]
        fn any_bytes_are_refused_or_read(text in "[-+.0-9a-fxpinty]{0,12}", bytes: Vec<u8>) {
            LongDouble::parse(&bytes);
            LongDouble::parse(text.as_bytes());
        }
    }
}
