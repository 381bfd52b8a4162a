//! LZF, with which RDB files compress strings: <http://oldhome.schmorp.de/marc/liblzf.html>.
//!
//! ```text
//! 000nnnnn                      n + 1 literal bytes follow
//! nnnooooo oooooooo             n + 2 bytes (n from 1 to 6) as they stand o + 1 bytes before
//! 111ooooo nnnnnnnn oooooooo    n + 9 bytes as they stand o + 1 bytes before
//! ```

/// The farthest that a copy reaches back.
const WINDOW: usize = 1 << 13;
/// The longest copy.
const COPY_MAX: usize = 2 + 7 + 255;
/// The longest run of literals.
const LITERALS_MAX: usize = 32;
/// A byte of input stands for at most so many of output: no more need be believed.
const RATIO_MAX: usize = COPY_MAX / 3 + 1;

const HASH_BITS: u32 = 14;

/// Where three bytes were last seen. It serves for many inputs without being cleared.
pub struct Compressor {
    /// Counted from the beginning of all inputs.
    seen: Box<[u32]>,
    /// Where the current input begins in that count. Never 0, which stands for nowhere.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { seen: vec![0; 1 << HASH_BITS].into(), base: 1 }
    }
}

fn hash(input: &[u8], at: usize) -> usize {
    let three = u32::from(input[at]) << 16 | u32::from(input[at + 1]) << 8 | u32::from(input[at + 2]);
    (three.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

impl Compressor {
    /// Adds the compressed input to `out` and returns how long it is; `None`, and `out` as it was, if that
    /// would be more than `most` bytes. Depends on nothing but the input.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>, most: usize) -> Option<usize> {
        let len = u32::try_from(input.len()).ok().filter(|len| *len < u32::MAX / 2)?;
        if self.base > u32::MAX / 2 {
            *self = Self::default();
        }
        let start = out.len();
        let fits = self.compress_from(input, out, start.saturating_add(most));
        self.base += len;
        if !fits {
            out.truncate(start);
        }
        fits.then(|| out.len() - start)
    }

    fn compress_from(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> bool {
        let (mut at, mut literals) = (0, 0);
        while at + 2 < input.len() {
            let slot = &mut self.seen[hash(input, at)];
            let before = slot.checked_sub(self.base).map(|before| before as usize);
            *slot = self.base + at as u32;
            let usable =
                |before: &usize| at - before <= WINDOW && input[*before..*before + 3] == input[at..at + 3];
            let Some(before) = before.filter(usable) else {
                at += 1;
                continue;
            };
            let most = (input.len() - at).min(COPY_MAX);
            let len = 3 + common(&input[before + 3..], &input[at + 3..at + most]);
            push_literals(&input[literals..at], out);
            push_copy(at - before - 1, len, out);
            if out.len() > limit {
                return false;
            }
            at += len;
            literals = at;
            // What ends in the copy is worth remembering: the next copy may well continue there.
            for place in [at - 2, at - 1].into_iter().filter(|place| place + 2 < input.len()) {
                self.seen[hash(input, place)] = self.base + place as u32;
            }
        }
        push_literals(&input[literals..], out);
        out.len() <= limit
    }
}

/// How many bytes are alike: eight at a time.
fn common(a: &[u8], b: &[u8]) -> usize {
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let differs = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
    for (at, difference) in a_words.iter().zip(b_words).map(differs).enumerate() {
        if difference != 0 {
            return 8 * at + difference.trailing_zeros() as usize / 8;
        }
    }
    let at = 8 * a_words.len().min(b_words.len());
    at + a[at..].iter().zip(&b[at..]).take_while(|(a, b)| a == b).count()
}

fn push_literals(literals: &[u8], out: &mut Vec<u8>) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn push_copy(back: usize, len: usize, out: &mut Vec<u8>) {
    let (high, low) = ((back >> 8) as u8, back as u8);
    match len - 2 {
        n @ 0..7 => out.extend_from_slice(&[(n as u8) << 5 | high, low]),
        n => out.extend_from_slice(&[7 << 5 | high, (n - 7) as u8, low]),
    }
}

/// Puts what the input stands for into `out`, which is cleared before; `false` if the input is broken or
/// does not stand for exactly `len` bytes. Allocates in proportion to the input.
pub fn decompress(input: &[u8], len: usize, out: &mut Vec<u8>) -> bool {
    out.clear();
    if len > input.len().saturating_mul(RATIO_MAX) {
        return false;
    }
    out.reserve(len);
    decompress_some(input, len, out).is_some() && out.len() == len
}

fn decompress_some(mut input: &[u8], len: usize, out: &mut Vec<u8>) -> Option<()> {
    while let Some((&control, rest)) = input.split_first() {
        input = rest;
        if control < 32 {
            let (literals, rest) = input.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(literals);
            input = rest;
        } else {
            let mut count = usize::from(control >> 5) + 2;
            if count == 9 {
                let (&more, rest) = input.split_first()?;
                count += usize::from(more);
                input = rest;
            }
            let (&low, rest) = input.split_first()?;
            input = rest;
            let back = usize::from(control & 31) << 8 | usize::from(low);
            copy_back(out, back + 1, count)?;
        }
        if out.len() > len {
            return None;
        }
    }
    Some(())
}

/// Repeats what stands `back` bytes before the end; it may overlap what it makes.
fn copy_back(out: &mut Vec<u8>, back: usize, count: usize) -> Option<()> {
    let start = out.len().checked_sub(back)?;
    if count <= back {
        out.extend_from_within(start..start + count);
    } else {
        // What was repeated can be repeated with it: a run of one byte takes eight copies, not two hundred.
        let mut left = count;
        while left > 0 {
            let some = left.min(out.len() - start);
            out.extend_from_within(start..start + some);
            left -= some;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(compressor: &mut Compressor, input: &[u8]) -> usize {
        let mut packed = b"before".to_vec();
        let len = compressor.compress(input, &mut packed, usize::MAX / 2).expect("any size is allowed");
        assert_eq!(packed.len(), 6 + len);
        let mut plain = Vec::new();
        assert!(decompress(&packed[6..], input.len(), &mut plain));
        assert_eq!(plain, input);
        len
    }

    #[test]
    fn repetitions_become_short() {
        let mut compressor = Compressor::default();
        assert!(round_trip(&mut compressor, &[b'a'; 1000]) < 20);
        assert!(round_trip(&mut compressor, &b"user:1000 ".repeat(100)) < 40);
        let mut out = vec![1];
        assert_eq!(compressor.compress(b"abcdefghijklmnopqrstuvwxyz", &mut out, 22), None);
        assert_eq!(out, [1]);
    }

    proptest! {
        #[test]
        fn alike_is_what_stands_before_the_first_difference(
            a in proptest::collection::vec(any::<u8>(), 0..40),
            b in proptest::collection::vec(any::<u8>(), 0..40),
            alike in 0..40usize,
        ) {
            let mut b = b;
            let alike = alike.min(a.len()).min(b.len());
            b[..alike].copy_from_slice(&a[..alike]);
            let naive = (0..a.len().min(b.len())).find(|at| a[*at] != b[*at]);
            prop_assert_eq!(common(&a, &b), naive.unwrap_or(a.len().min(b.len())));
        }
    }

    #[test]
    fn what_redis_compressed_is_understood() {
        let mut plain = Vec::new();
        // 'a' twice as literals, then 98 times the byte before.
        assert!(decompress(&[0x01, 0x61, 0x61, 0xe0, 0x59, 0x00], 100, &mut plain));
        assert_eq!(plain, [b'a'; 100]);
    }

    #[test]
    fn lies_about_the_length_are_seen() {
        let mut plain = Vec::new();
        assert!(!decompress(&[0x01, 0x61, 0x61, 0xe0, 0x59, 0x00], 99, &mut plain));
        assert!(!decompress(&[0x01, 0x61, 0x61, 0xe0, 0x59, 0x00], 101, &mut plain));
        assert!(!decompress(&[0x00, 0x61], 1 << 40, &mut plain));
        assert!(!decompress(&[0x20, 0x00], 3, &mut plain), "reaches back before the beginning");
        assert!(plain.capacity() < 1000);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(inputs in prop::collection::vec(prop::collection::vec(0u8..4, 0..400), 1..8)) {
            let mut used = Compressor::default();
            for input in &inputs {
                let len = round_trip(&mut used, input);
                prop_assert_eq!(len, round_trip(&mut Compressor::default(), input), "no matter what came before");
            }
        }
        #[test]
        fn garbage_is_no_trouble(input: Vec<u8>, len in 0usize..5000) {
            let mut plain = Vec::new();
            prop_assert!(!decompress(&input, len, &mut plain) || plain.len() == len);
        }
    }
}
