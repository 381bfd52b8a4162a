//! Strings as rows of bits. Bit 0 is the highest one of the first byte, as SETBIT counts.

use crate::engine::prefetch::prefetch;
use pulp::Arch;

/// How far ahead memory is fetched: the processor's own foresight ends with the page.
const PAGE: usize = 4096;
/// How many source bytes BITOP works on at a time: little enough to stay in the first-level cache.
const BLOCK: usize = 4096;

/// The bit at an offset; beyond the end all are 0.
pub fn get(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset / 8).ok().and_then(|at| bytes.get(at));
    byte.is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets or clears the bit at an offset within the bytes, and says what it was.
pub fn put(bytes: &mut [u8], offset: u64, bit: bool) -> bool {
    let byte = &mut bytes[(offset / 8) as usize];
    let before = *byte & mask(offset) != 0;
    if bit {
        *byte |= mask(offset);
    } else {
        *byte &= !mask(offset);
    }
    before
}

fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// A run of bits within a string: the first and the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: u64,
    last: u64,
}

impl Range {
    /// The bits from `first` to `last`, which must not lie before it.
    pub fn new(first: u64, last: u64) -> Self {
        assert!(first <= last, "a range is not empty");
        Self { first, last }
    }

    /// Its last bit.
    pub fn last(self) -> u64 {
        self.last
    }

    /// The bytes it touches; of the first and the last, the bits that belong to it.
    fn bytes(self, bytes: &[u8]) -> (&[u8], u8, u8) {
        let touched = &bytes[(self.first / 8) as usize..=(self.last / 8) as usize];
        (touched, 0xff >> (self.first % 8), !(0x7f >> (self.last % 8)))
    }
}

/// How many bits of the range, which lies within the bytes, are 1.
pub fn count(bytes: &[u8], range: Range) -> u64 {
    let (touched, head, tail) = range.bytes(bytes);
    let outside = |byte: u8, inside: u8| u64::from((byte & !inside).count_ones());
    ones(touched) - outside(touched[0], head) - outside(touched[touched.len() - 1], tail)
}

/// How many bits are 1. The processor's widest registers count them.
fn ones(bytes: &[u8]) -> u64 {
    // A sum for each word of a block lets the compiler count whole blocks at a time.
    const WORDS: usize = 8;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (words, rest) = bytes.as_chunks();
            let (blocks, last) = words.as_chunks::<WORDS>();
            let ones = |word: &[u8; 8]| u64::from(u64::from_ne_bytes(*word).count_ones());
            let mut sums = [0; WORDS];
            for block in blocks {
                prefetch(block.as_ptr().wrapping_byte_add(PAGE));
                sums.iter_mut().zip(block).for_each(|(sum, word)| *sum += ones(word));
            }
            let rest = rest.iter().map(|byte| u64::from(byte.count_ones()));
            sums.into_iter().chain(last.iter().map(ones)).chain(rest).sum::<u64>()
        },
    )
}

/// Where the first bit of the range, which lies within the bytes, has this value.
pub fn position(bytes: &[u8], bit: bool, range: Range) -> Option<u64> {
    let (touched, head, tail) = range.bytes(bytes);
    let start = range.first / 8 * 8;
    // Looking for ones, bits that do not belong are made 0; looking for zeros, the byte is turned over first.
    let wanted = |byte: u8| if bit { byte } else { !byte };
    let found = |at: usize, byte: u8| start + 8 * at as u64 + u64::from(byte.leading_zeros());
    let end = touched.len() - 1;
    let first = wanted(touched[0]) & head & if end == 0 { tail } else { 0xff };
    if first != 0 {
        return Some(found(0, first));
    }
    if end == 0 {
        return None;
    }
    if let Some(at) = first_other(&touched[1..end], wanted(0)) {
        return Some(found(1 + at, wanted(touched[1 + at])));
    }
    let last = wanted(touched[end]) & tail;
    (last != 0).then(|| found(end, last))
}

/// Where the first byte stands that is not `skipped`, which is 0 or 255.
fn first_other(bytes: &[u8], skipped: u8) -> Option<usize> {
    const STRIDE: usize = 256;
    let blank = |block: &[u8; STRIDE]| block.iter().fold(0, |seen, byte| seen | (byte ^ skipped)) == 0;
    let (blocks, _) = bytes.as_chunks::<STRIDE>();
    let skip = Arch::new().dispatch(
        #[inline(always)]
        || blocks.iter().take_while(|block| blank(block)).count(),
    );
    let start = skip * STRIDE;
    bytes[start..].iter().position(|byte| *byte != skipped).map(|at| start + at)
}

/// An operation of BITOP. Strings are as long as the longest, with zeros at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bits that are 1 in all.
    And,
    /// Bits that are 1 in any.
    Or,
    /// Bits that are 1 in an odd number.
    Xor,
    /// Bits that are 0 in the first and only string.
    Not,
    /// Bits that are 1 in the first and in no other.
    Diff,
    /// Bits that are 1 in any but not in the first.
    Diff1,
    /// Bits that are 1 in the first and in any other.
    AndOr,
    /// Bits that are 1 in exactly one.
    One,
}

/// A string that BITOP combines.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// What the result replaces.
    Replaced,
}

/// Combines strings, of which there is at least one, bit by bit. The result takes the place of `into`: memory
/// that is there already costs a fraction of what new memory costs.
pub fn combine(operation: Operation, sources: &[Source], into: &mut Vec<u8>) {
    let old = into.len();
    let lengths = sources.iter().map(|source| match source {
        Source::Bytes(bytes) => bytes.len(),
        Source::Replaced => old,
    });
    let length = lengths.max().unwrap_or(0);
    into.reserve_exact(length.saturating_sub(old));
    let (mut result, mut scratch) = ([0; BLOCK], [0; BLOCK]);
    for from in (0..length).step_by(BLOCK) {
        let to = length.min(from + BLOCK);
        let mut parts = sources.iter().map(|source| {
            let bytes = match source {
                Source::Bytes(bytes) => bytes,
                Source::Replaced => &into[..old],
            };
            &bytes[from.min(bytes.len())..to.min(bytes.len())]
        });
        let first = parts.next().unwrap_or_default();
        let result = &mut result[..to - from];
        result[..first.len()].copy_from_slice(first);
        result[first.len()..].fill(0);
        combine_block(operation, result, parts, &mut scratch[..to - from]);
        let kept = old.clamp(from, to) - from;
        into[from..from + kept].copy_from_slice(&result[..kept]);
        into.extend_from_slice(&result[kept..]);
    }
    into.truncate(length);
    if into.capacity() / 2 > length {
        into.shrink_to_fit();
    }
}

/// Combines a block of the first string with the same block of the others, which may end early.
fn combine_block<'a>(
    operation: Operation,
    first: &mut [u8],
    others: impl Iterator<Item = &'a [u8]>,
    scratch: &mut [u8],
) {
    use Operation::*;
    scratch.fill(0);
    match operation {
        And => others.for_each(|other| {
            fold(first, other, |a, b| a & b);
            first[other.len()..].fill(0);
        }),
        Or => others.for_each(|other| fold(first, other, |a, b| a | b)),
        Xor => others.for_each(|other| fold(first, other, |a, b| a ^ b)),
        Not => first.iter_mut().for_each(|byte| *byte = !*byte),
        Diff | Diff1 | AndOr => {
            others.for_each(|other| fold(scratch, other, |a, b| a | b));
            match operation {
                Diff => fold(first, scratch, |a, b| a & !b),
                Diff1 => fold(first, scratch, |a, b| !a & b),
                _ => fold(first, scratch, |a, b| a & b),
            }
        }
        One => {
            // `scratch` holds the bits seen more than once, `first` those seen an odd number of times.
            for other in others {
                for ((twice, odd), other) in scratch.iter_mut().zip(&mut *first).zip(other) {
                    *twice |= *odd & other;
                    *odd ^= other;
                }
            }
            fold(first, scratch, |a, b| a & !b);
        }
    }
}

#[inline(always)]
fn fold(into: &mut [u8], from: &[u8], combine: impl Fn(u8, u8) -> u8) {
    into.iter_mut().zip(from).for_each(|(a, b)| *a = combine(*a, *b));
}

/// The unsigned integer of 1 to 64 bits at an offset; beyond the end all bits are 0.
pub fn read_field(bytes: &[u8], offset: u64, width: u32) -> u64 {
    // 64 bits that begin within a byte end within the ninth.
    let mut window = [0; 16];
    let start = usize::try_from(offset / 8).unwrap_or(usize::MAX).min(bytes.len());
    let taken = (bytes.len() - start).min(9);
    window[..taken].copy_from_slice(&bytes[start..start + taken]);
    let shift = 128 - (offset % 8) as u32 - width;
    (u128::from_be_bytes(window) >> shift) as u64 & (u64::MAX >> (64 - width))
}

/// Writes the lowest 1 to 64 bits of an integer at an offset; all of them lie within the bytes.
pub fn write_field(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    let start = (offset / 8) as usize;
    let taken = (offset % 8 + u64::from(width)).div_ceil(8) as usize;
    let shift = 128 - (offset % 8) as u32 - width;
    let mask = u128::from(u64::MAX >> (64 - width)) << shift;
    let mut window = [0; 16];
    window[..taken].copy_from_slice(&bytes[start..start + taken]);
    let kept = u128::from_be_bytes(window) & !mask;
    let window = (kept | u128::from(value) << shift & mask).to_be_bytes();
    bytes[start..start + taken].copy_from_slice(&window[..taken]);
}

#[cfg(test)]
mod tests;
