//! DIGEST and the `IFDEQ` family: XXH3 with 64 bits and seed 0, printed in hexadecimal.

/// How many digits a digest has.
pub const DIGITS: usize = 16;

/// The digest of a value as DIGEST prints it: 16 lower-case hexadecimal digits, most significant first.
pub fn digest(bytes: &[u8]) -> [u8; DIGITS] {
    let hash = xxhash_rust::xxh3::xxh3_64(bytes);
    std::array::from_fn(|i| b"0123456789abcdef"[(hash >> (60 - 4 * i)) as usize & 15])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL_BYTES: [u8; 256] = {
        let mut bytes = [0; 256];
        let mut i = 0;
        while i < 256 {
            bytes[i] = i as u8;
            i += 1;
        }
        bytes
    };

    #[test]
    fn digests_as_redis_prints_them() {
        let table: [(&[u8], &[u8; DIGITS]); 6] = [
            (b"", b"2d06800538d394c2"),
            (b"a", b"e6c632b61e964e1f"),
            (b"abc", b"78af5f94892f3950"),
            (b"0123456789abcdef0", b"c92e2385daf36034"),
            (&ALL_BYTES, b"9408a4433b952d71"),
            (&[b'x'; 1000], b"c0a4877b962cba82"),
        ];
        for (value, expected) in table {
            assert_eq!(&digest(value), expected, "{}", String::from_utf8_lossy(value));
        }
    }

    proptest! {
        #[test]
        fn prints_the_hash(bytes: Vec<u8>) {
            let printed = digest(&bytes);
            let number = u64::from_str_radix(std::str::from_utf8(&printed).unwrap(), 16).unwrap();
            prop_assert_eq!(number, xxhash_rust::xxh3::xxh3_64(&bytes));
        }
    }
}
