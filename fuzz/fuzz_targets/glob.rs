//! Glob patterns: a short pattern agrees with the obvious recursive matcher, a long one ends in time.
//!
//! The first byte says where the pattern ends and whether case counts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::text::glob::matches;

/// Beyond this the recursive matcher could take for ever.
const NAIVE_STARS: usize = 4;

/// By definition: a star is nothing, or one byte and a star.
fn naive(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => {
            naive(rest, text, nocase) || !text.is_empty() && naive(pattern, &text[1..], nocase)
        }
        (_, []) => false,
        ([b'?', rest @ ..], [_, text @ ..]) => naive(rest, text, nocase),
        ([b'[', rest @ ..], [byte, text @ ..]) => {
            let (matched, rest) = class(rest, *byte, nocase);
            matched && naive(rest, text, nocase)
        }
        ([b'\\', escaped, rest @ ..], [byte, text @ ..]) | ([escaped, rest @ ..], [byte, text @ ..]) => {
            fold(*escaped, nocase) == fold(*byte, nocase) && naive(rest, text, nocase)
        }
    }
}

fn fold(byte: u8, nocase: bool) -> u8 {
    if nocase { byte.to_ascii_lowercase() } else { byte }
}

/// Whether the class that follows a bracket has the byte, and what follows the class.
fn class(mut pattern: &[u8], byte: u8, nocase: bool) -> (bool, &[u8]) {
    let negated = pattern.first() == Some(&b'^');
    pattern = &pattern[negated as usize..];
    let mut found = false;
    loop {
        pattern = match pattern {
            [] => return (found != negated, pattern),
            [b']', rest @ ..] => return (found != negated, rest),
            [b'\\', escaped, rest @ ..] => {
                // Redis does not fold an escaped member.
                found |= *escaped == byte;
                rest
            }
            [low, b'-', high, rest @ ..] => {
                // C's `char` is signed where Redis is at home.
                let (low, high) = (*low as i8, *high as i8);
                let fold = |byte: i8| fold(byte as u8, nocase) as i8;
                found |= (fold(low.min(high))..=fold(low.max(high))).contains(&fold(byte as i8));
                rest
            }
            [one, rest @ ..] => {
                found |= fold(*one, nocase) == fold(byte, nocase);
                rest
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((head, data)) = data.split_first() else { return };
    let nocase = head & 1 == 1;
    let (pattern, text) = data.split_at(data.len() * usize::from(head >> 1) / 127);
    let matched = matches(pattern, text, nocase);
    let stars = pattern.iter().filter(|byte| **byte == b'*').count();
    if stars <= NAIVE_STARS && text.len() <= 64 && !text.is_empty() {
        assert_eq!(matched, naive(pattern, text, nocase), "{:?}", pattern.escape_ascii().to_string());
    }
    assert_eq!(matches(pattern, b"", nocase), pattern.is_empty());
});
