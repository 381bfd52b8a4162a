//! SHA-1, which DEBUG DIGEST is made of. Not for anything that must resist attacks.

use sha1::{Digest, Sha1};

/// Bytes of a hash.
pub const BYTES: usize = 20;

/// SHA-1 of `bytes`.
pub fn sha1(bytes: &[u8]) -> [u8; BYTES] {
    Sha1::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        let hex = |bytes: &[u8]| sha1(bytes).map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
