//! MurmurHash64A, which decides where HyperLogLogs keep an element:
//! <https://github.com/aappleby/smhasher/blob/master/src/MurmurHash2.cpp>.

const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// The hash of these bytes.
pub fn hash64a(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}

#[cfg(test)]
mod tests {
    use super::hash64a;

    #[test]
    fn hashes_are_those_of_the_reference() {
        assert_eq!(hash64a(b"", 0), 0);
        assert_eq!(hash64a(b"a", 0xadc83b19), 0x53d2470a9b43b1a7);
        assert_eq!(hash64a(b"12345678", 0xadc83b19), 0x95ebb86389132953);
        assert_eq!(hash64a(b"text of nineteen by", 0x0), 0x8e66e4b6d200febf);
    }
}
