//! The hash slot of a key, as cluster clients compute it: CRC16 (XMODEM: polynomial 0x1021, initial
//! value 0, no reflection) modulo 16384. See <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.

/// How many hash slots a cluster has.
pub const SLOTS: u16 = 16384;

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// CRC16 (XMODEM) of `bytes`.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// The slot of `key`. Only the hash tag counts where there is one: the bytes between the first `{`
/// and the first `}` after it, unless there are none.
pub fn key_slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOTS
}

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let rest = &key[memchr::memchr(b'{', key)? + 1..];
    let length = memchr::memchr(b'}', rest)?;
    (length > 0).then(|| &rest[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_check_value() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn slots_as_cluster_keyslot_reports_them() {
        let table: [(&[u8], u16); 10] = [
            (b"", 0),
            (b"foo", 12182),
            (b"bar", 5061),
            (b"somekey", 11058),
            (b"foo{hash_tag}", 2515),
            (b"bar{hash_tag}", 2515),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", 4015),
            (b"foo{bar}{zap}", 5061),
            (b"{}", 15257),
        ];
        for (key, slot) in table {
            assert_eq!(key_slot(key), slot, "{}", String::from_utf8_lossy(key));
        }
    }

    /// The definition, a bit at a time.
    fn bitwise(bytes: &[u8]) -> u16 {
        let mut crc = 0u16;
        for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1 == 1)) {
            let carry = (crc & 0x8000 != 0) != bit;
            crc = (crc << 1) ^ if carry { 0x1021 } else { 0 };
        }
        crc
    }

    proptest! {
        #[test]
        fn table_equals_definition(bytes: Vec<u8>) {
            prop_assert_eq!(crc16(&bytes), bitwise(&bytes));
        }

        #[test]
        fn a_tag_decides_alone(before in "[^{]{0,8}", tag in "[^}]{1,8}", after in ".{0,8}") {
            let key = format!("{before}{{{tag}}}{after}");
            prop_assert_eq!(key_slot(key.as_bytes()), crc16(tag.as_bytes()) % SLOTS);
        }
    }
}
