//! Passwords: stored as SHA-256, compared in constant time.

use sha2::{Digest, Sha256};

/// How many hexadecimal digits a password's hash has.
pub const DIGITS: usize = 64;

/// SHA-256 of `bytes` in lower-case hexadecimal, the form in which ACL rules and ACL LIST show passwords.
pub fn hex(bytes: &[u8]) -> [u8; DIGITS] {
    let hash = Sha256::digest(bytes);
    std::array::from_fn(|i| b"0123456789abcdef"[usize::from(hash[i / 2] >> (4 * (1 - i % 2)) & 15)])
}

/// Whether `a` equals `b`, in a time that depends on the lengths alone, so that a guess at a password
/// learns nothing from how long its refusal took.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    // The black box keeps the compiler from turning the fold into an early exit.
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |seen, (x, y)| seen | (x ^ y))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_values() {
        assert_eq!(&hex(b""), b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(&hex(b"abc"), b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    proptest! {
        #[test]
        fn equality_is_equality(a: Vec<u8>, b: Vec<u8>, flip: prop::sample::Index, bit in 0..8u8) {
            prop_assert_eq!(equal(&a, &b), a == b);
            prop_assert!(equal(&a, &a.clone()));
            if !a.is_empty() {
                let mut other = a.clone();
                other[flip.index(a.len())] ^= 1 << bit;
                prop_assert!(!equal(&a, &other));
            }
        }
    }
}
