//! Regular expressions in time that is linear in the text, whatever the pattern.
//!
//! The crate's syntax is that of POSIX extended expressions and Perl's classes, without back references,
//! which no linear matcher can follow.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{ErrorKind, parse::ParserBuilder};

/// Bytes that a compiled pattern may take.
const SIZE_MAX: usize = 1 << 20;
/// Levels to which groups may nest.
const NESTING_MAX: u32 = 100;

/// A compiled regular expression.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern, or says what is wrong with it, in the words that POSIX implementations use.
    pub fn parse(text: &[u8], ignore_case: bool) -> Result<Self, String> {
        let invalid = |why: &str| format!("invalid regular expression: {why}");
        if text.is_empty() {
            return Err("regular expression is empty".into());
        }
        let text = &of_bytes(text);
        if let Err(error) = ParserBuilder::new().nest_limit(NESTING_MAX).build().parse(text) {
            return Err(match error.kind() {
                ErrorKind::UnsupportedBackreference => {
                    "regular expression backreferences are not supported".into()
                }
                kind => invalid(reason(kind)),
            });
        }
        let mut builder = RegexBuilder::new(text);
        builder.unicode(false).case_insensitive(ignore_case).size_limit(SIZE_MAX).nest_limit(NESTING_MAX);
        match builder.build() {
            Ok(regex) => Ok(Self(regex)),
            Err(regex::Error::CompiledTooBig(_)) => Err(invalid("Out of memory")),
            Err(_) => Err(invalid("Invalid regexp")),
        }
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

/// The pattern with bytes beyond ASCII as escapes: what matches is bytes, not characters.
fn of_bytes(text: &[u8]) -> String {
    let (mut pattern, mut escaped) = (String::with_capacity(text.len()), false);
    for byte in text {
        if !byte.is_ascii() {
            if escaped {
                pattern.pop();
            }
            pattern.push_str(&format!("\\x{byte:02x}"));
        } else {
            pattern.push(char::from(*byte));
        }
        escaped = *byte == b'\\' && !escaped;
    }
    pattern
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::GroupUnclosed | ErrorKind::GroupUnopened => "Missing ')'",
        ErrorKind::ClassUnclosed => "Missing ']'",
        ErrorKind::RepetitionCountUnclosed => "Missing '}'",
        ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountDecimalEmpty
        | ErrorKind::DecimalInvalid => "Invalid contents of {}",
        ErrorKind::RepetitionMissing => "Invalid use of repetition operators",
        ErrorKind::ClassRangeInvalid => "Invalid character range",
        ErrorKind::EscapeUnexpectedEof => "Trailing backslash",
        ErrorKind::NestLimitExceeded(_) => "Out of memory",
        _ => "Invalid regexp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_as_others_say_it() {
        for (text, why) in [
            ("(", "Missing ')'"),
            ("[", "Missing ']'"),
            ("a{2", "Missing '}'"),
            ("a\\", "Trailing backslash"),
            ("[b-a]", "Invalid character range"),
            ("((((((a{1000}){1000}){1000}){1000}){1000}){1000})", "Out of memory"),
        ] {
            let expected = format!("invalid regular expression: {why}");
            assert_eq!(Pattern::parse(text.as_bytes(), false).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn matches_bytes() {
        let pattern = Pattern::parse(br"^a\d.$", true).expect("it is right");
        assert!(pattern.is_in(b"A1\xff") && !pattern.is_in(b"xA1\xff"));
        for text in [b"^\xff.$" as &[u8], b"^[\xff].$", b"^\\\xff.$", b"^\\\\?\xff.$"] {
            let pattern = Pattern::parse(text, false).expect("it is right");
            assert!(pattern.is_in(b"\xff\xfe") && !pattern.is_in(b"\xfe\xff"), "{text:?}");
        }
        let slow = Pattern::parse(b"(a*)*b", false).expect("it is right");
        assert!(!slow.is_in(&[b'a'; 10_000]));
    }
}
