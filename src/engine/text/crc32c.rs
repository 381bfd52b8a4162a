//! CRC-32C (Castagnoli: polynomial 0x1edc6f41, reflected), which processors compute themselves.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of the bytes whose checksum is `crc` (0 for none) and of those that follow. Costs some
/// nanoseconds a call.
pub fn append(crc: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!crc));
    digest.update(bytes);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, a bit at a time.
    fn bitwise(bytes: &[u8]) -> u32 {
        let reflected = 0x1edc_6f41_u32.reverse_bits();
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { reflected } else { 0 })
        })
    }

    #[test]
    fn published_check_value() {
        assert_eq!(append(0, b"123456789"), 0xe306_9283);
        assert_eq!(append(0, b""), 0);
    }

    proptest! {
        #[test]
        fn equals_definition_however_it_is_cut(bytes in prop::collection::vec(any::<u8>(), 0..2000), cut: usize) {
            let (left, right) = bytes.split_at(cut % (bytes.len() + 1));
            prop_assert_eq!(append(append(0, left), right), bitwise(&bytes));
        }
    }
}
