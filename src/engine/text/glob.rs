//! Redis's glob patterns: KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET, ACL key patterns.
//!
//! `*` any bytes, `?` one byte, `[abc]` one of, `[^abc]` none of, `[a-z]` a range, `\x` the byte `x`.
//! A class without `]` ends with the pattern, a reversed range is turned round, and a backslash at the
//! very end stands for itself.
//!
//! When a part between two stars has matched, an earlier star never needs a longer stretch: whatever
//! follows could as well have been taken by the later star. So only the last star is retried, and the
//! time is at most the product of the two lengths, whatever the pattern (CVE-2022-36021), in constant
//! stack (CVE-2024-31228).

/// More stars than this match nothing, as in Redis. A star that ends the pattern is not counted.
const STARS_MAX: usize = 1000;

/// Whether the whole of `text` matches `pattern`; with `nocase`, ASCII letters match in either case.
///
/// As in Redis the empty text matches the empty pattern alone, not even `*`.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut rest, mut at) = (pattern, 0);
    // The pattern after the last star and the place in `text` where its next trial begins.
    let mut retry: Option<(&[u8], usize)> = None;
    let mut stars = 0;
    while at < text.len() {
        if rest.first() == Some(&b'*') {
            rest = skip_stars(rest);
            if rest.is_empty() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((rest, at + 1));
        } else if let Some(after) = match_one(rest, text[at], nocase) {
            (rest, at) = (after, at + 1);
        } else if let Some((after_star, next)) = retry {
            (rest, at) = (after_star, next);
            retry = Some((after_star, next + 1));
        } else {
            return false;
        }
    }
    // Where pattern is left over, a later trial of the last star would run out of text even sooner.
    skip_stars(rest).is_empty()
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    let stars = pattern.iter().take_while(|&&byte| byte == b'*').count();
    &pattern[stars..]
}

/// Matches one byte against the element that `pattern` begins with (never a star); on success the
/// pattern after that element.
fn match_one(pattern: &[u8], byte: u8, nocase: bool) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => match_class(rest, byte, nocase),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => same(*literal, byte, nocase).then_some(rest),
    }
}

/// Matches one byte against a class whose `[` has been read.
fn match_class(class: &[u8], byte: u8, nocase: bool) -> Option<&[u8]> {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    let rest = loop {
        class = match class {
            [] => break class,
            [b']', rest @ ..] => break rest,
            [b'\\', literal, rest @ ..] => {
                // Redis compares an escaped member exactly, even where case does not count.
                found |= *literal == byte;
                rest
            }
            [low, b'-', high, rest @ ..] => {
                found |= in_range(*low, *high, byte, nocase);
                rest
            }
            [member, rest @ ..] => {
                found |= same(*member, byte, nocase);
                rest
            }
        }
    };
    (found != negated).then_some(rest)
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    if nocase { a.eq_ignore_ascii_case(&b) } else { a == b }
}

/// Ranges compare bytes as C's `char` on the machines Redis runs on most: signed, so that those above
/// 127 come before the rest. Ends are put in order first and folded to lower case second.
fn in_range(a: u8, b: u8, byte: u8, nocase: bool) -> bool {
    let fold = |byte: u8| (if nocase { byte.to_ascii_lowercase() } else { byte }) as i8;
    let (low, high) = if a as i8 > b as i8 { (b, a) } else { (a, b) };
    (fold(low)..=fold(high)).contains(&fold(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_elements() {
        let table: [(&str, &str, bool); 44] = [
            ("", "", true),
            ("", "a", false),
            ("*", "", false),
            ("*", "a", true),
            ("**", "abc", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("*a", "a", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("*aab", "aaab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("?", "a", true),
            ("??", "a", false),
            ("h?llo", "hello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hbllo", true),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("[a-", "a", true),
            ("[a-", "-", true),
            ("[a-]", "`", true),
            ("[a-]x", "a", true),
            ("[a-]x", "ax", false),
            ("[]", "]", false),
            ("[]]", "]", false),
            ("[^]]", "x]", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("[abc", "b", true),
            ("[\\]]", "]", true),
            ("[\\", "\\", true),
            ("[\\a-c]", "b", false),
            ("[\\a-c]", "-", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("a\\bc", "abc", true),
            ("*\\", "x\\", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn without_case() {
        let table = [
            ("ABC", "abc", true),
            ("[A-C]x", "BX", true),
            ("[abc]", "B", true),
            ("[\\a]", "A", false),
            ("\\a", "A", true),
            ("[Z-a]", "Z", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), true), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn bytes_above_127_sort_before_the_others() {
        assert!(matches(b"[a-\xff]", b"\xff", false));
        assert!(matches(b"[a-\xff]", b"A", false));
        assert!(!matches(b"[a-\xff]", b"b", false));
        assert!(matches(b"[\x80-\xff]", b"\xc0", false));
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let text = vec![b'a'; 20_000];
        let pattern = [b"a*".repeat(900), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &text, false));
        assert!(!matches(&[b"*[a-z]".repeat(900), b"b".to_vec()].concat(), &text, false));
        assert!(matches(&b"*a".repeat(STARS_MAX), &text, false));
        assert!(!matches(&b"*a".repeat(STARS_MAX + 1), &text, false));
        assert!(matches(&[b"*a".repeat(STARS_MAX), b"*".to_vec()].concat(), &text, false));
    }

    /// The definition: a star takes every number of bytes in turn.
    fn naive(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', ..], _) => (0..=text.len()).any(|taken| naive(&pattern[1..], &text[taken..], nocase)),
            (_, []) => false,
            (_, [byte, text @ ..]) => {
                match_one(pattern, *byte, nocase).is_some_and(|rest| naive(rest, text, nocase))
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn as_the_naive_matcher(pattern in r"[abAB?*\[\]^\\*-]{0,9}", text in r"[abAB\]\\-]{1,9}", nocase: bool) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(pattern, text, nocase), naive(pattern, text, nocase));
        }

        #[test]
        fn an_escaped_text_matches_itself(text: Vec<u8>) {
            let escaped: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
            prop_assert!(matches(&escaped, &text, false));
        }

        #[test]
        fn any_bytes_are_a_pattern(pattern: Vec<u8>, text: Vec<u8>, nocase: bool) {
            matches(&pattern, &text, nocase);
        }
    }
}
