//! CRC-64 as RDB files and DUMP payloads have it (Jones: polynomial 0xad93d23594c935a9, initial value 0,
//! reflected).

use crc_fast::{CrcAlgorithm, Digest, checksum};

/// A checksum of bytes that come in pieces.
#[derive(Clone, Debug)]
pub struct Crc64(Digest);

impl Default for Crc64 {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Redis))
    }
}

impl Crc64 {
    /// Adds bytes. Costs some nanoseconds a call, so that pieces should not be tiny.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The checksum of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    checksum(CrcAlgorithm::Crc64Redis, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, a bit at a time.
    fn bitwise(bytes: &[u8]) -> u64 {
        let reflected = 0xad93_d235_94c9_35a9_u64.reverse_bits();
        bytes.iter().fold(0, |crc, byte| {
            (0..8)
                .fold(crc ^ u64::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { reflected } else { 0 })
        })
    }

    #[test]
    fn published_check_value() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(b""), 0);
    }

    proptest! {
        #[test]
        fn equals_definition_however_it_is_cut(bytes in prop::collection::vec(any::<u8>(), 0..2000), cut: usize) {
            let mut pieces = Crc64::default();
            let (left, right) = bytes.split_at(cut % (bytes.len() + 1));
            pieces.update(left);
            pieces.update(right);
            prop_assert_eq!(pieces.value(), bitwise(&bytes));
            prop_assert_eq!(crc64(&bytes), bitwise(&bytes));
        }
    }
}
