//! Numbers as text: parsing agrees with the standard library where the two mean the same, and what is
//! printed reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::config::syntax::{format_memory, parse_memory};
use seedis::engine::text::long_double::LongDouble;
use seedis::engine::text::number::{format_f64, parse_f64, parse_i64, parse_u64};

/// Redis takes the one canonical form only.
fn canonical<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|number| number.to_string() == text)
}

fuzz_target!(|data: &[u8]| {
    let text = std::str::from_utf8(data).ok();
    assert_eq!(parse_i64(data), text.and_then(canonical::<i64>));
    if let Some(number) = parse_u64(data) {
        assert_eq!(text.and_then(|text| text.parse().ok()), Some(number));
    }
    if let Some(number) = parse_f64(data) {
        assert!(!number.is_nan());
        let printed = format_f64(number);
        assert_eq!(parse_f64(printed.as_bytes()), Some(number), "{printed}");
        let plain = data.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte));
        if plain {
            assert_eq!(text.and_then(|text| text.parse().ok()), Some(number));
        }
    }
    if let Some(number) = LongDouble::parse(data) {
        let printed = number.to_human_string();
        if number.is_finite() {
            // Seventeen digits after the point: what is printed prints the same again, unless it is zero,
            // which small numbers become.
            let again = LongDouble::parse(printed.as_bytes()).expect("what was printed can be read");
            assert_eq!(again.to_human_string(), printed);
            assert!(number.checked_sub(number).is_some_and(|zero| zero == LongDouble::from(0)));
        }
    }
    if let Some(bytes) = parse_memory(data) {
        assert_eq!(parse_memory(format_memory(bytes).as_bytes()), Some(bytes));
    }
    if let Some(bits) = data.first_chunk::<8>() {
        let number = f64::from_bits(u64::from_le_bytes(*bits));
        if !number.is_nan() {
            assert_eq!(parse_f64(format_f64(number).as_bytes()), Some(number));
        }
        let whole = i64::from_le_bytes(*bits);
        assert_eq!(parse_i64(whole.to_string().as_bytes()), Some(whole));
        assert_eq!(LongDouble::from(whole).to_human_string(), whole.to_string());
    }
});
