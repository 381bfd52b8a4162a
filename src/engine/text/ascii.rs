//! Case without regard to locale: command names, options and config words are ASCII. And where C sees texts end.

/// What comes before the first zero byte: where Redis takes an argument for a string of C.
pub fn c_string(text: &[u8]) -> &[u8] {
    &text[..text.iter().position(|byte| *byte == 0).unwrap_or(text.len())]
}

/// Whether `a` and `b` differ in nothing but the case of ASCII letters.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether `text` begins with `prefix`, the case of ASCII letters apart.
pub fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    text.len() >= prefix.len() && equal(&text[..prefix.len()], prefix)
}

/// A lower-case copy; other bytes stay as they are.
pub fn lower(text: &[u8]) -> Vec<u8> {
    text.to_ascii_lowercase()
}

/// An upper-case copy; other bytes stay as they are.
pub fn upper(text: &[u8]) -> Vec<u8> {
    text.to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_ascii_letters_fold() {
        assert!(equal(b"GetEx", b"gETeX"));
        assert!(!equal(b"get", b"gets"));
        assert!(!equal(b"[", b"{"));
        assert!(!equal(b"\xc4", b"\xe4"));
        assert!(starts_with(b"SKIPME", b"skip") && !starts_with(b"SK", b"skip"));
        assert_eq!(
            [c_string(b"ab"), c_string(b"a\0b\0"), c_string(b"\0"), c_string(b"")],
            [&b"ab"[..], b"a", b"", b""]
        );
        assert_eq!(lower(b"A\xc4Z["), b"a\xc4z[");
        assert_eq!(upper(b"a\xe4z{"), b"A\xe4Z{");
    }

    proptest! {
        #[test]
        fn folding_both_sides_is_equality(a: Vec<u8>, b: Vec<u8>) {
            prop_assert_eq!(equal(&a, &b), lower(&a) == lower(&b));
            prop_assert_eq!(equal(&a, &b), upper(&a) == upper(&b));
            prop_assert!(equal(&lower(&a), &upper(&a)));
            prop_assert_eq!(starts_with(&a, &b), lower(&a).starts_with(&lower(&b)));
        }
    }
}
