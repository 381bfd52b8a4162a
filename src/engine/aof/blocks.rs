//! What a file was like when it was scanned, block by block.
//!
//! A file is read once for its checksums and again for its commands, and its end perhaps once more, to be written where it
//! is. A medium may give other bytes the second time, which nothing that stands in the file would tell any more.

use crate::engine::text::crc32c;

/// Bytes of a block.
pub const BLOCK: usize = 128 << 10;

/// The sums of a file's blocks: four bytes for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Offset of the first.
    start: u64,
    /// Offset of the end.
    end: u64,
    /// The last one may be shorter than a block.
    sums: Vec<u32>,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Offset of its first byte.
    pub start: u64,
    /// How many there are.
    pub length: usize,
    sum: u32,
}

impl Blocks {
    /// None yet, from this offset on.
    pub fn from(start: u64) -> Self {
        Blocks { start, end: start, sums: Vec::new() }
    }

    /// Takes the bytes that follow.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let filled = ((self.end - self.start) % BLOCK as u64) as usize;
            let (piece, rest) = bytes.split_at(bytes.len().min(BLOCK - filled));
            match self.sums.last_mut().filter(|_| filled > 0) {
                Some(sum) => *sum = crc32c::append(*sum, piece),
                None => self.sums.push(crc32c::append(0, piece)),
            }
            self.end += piece.len() as u64;
            bytes = rest;
        }
    }

    /// The blocks from the one on that has this offset in it.
    pub fn from_offset(&self, offset: u64) -> impl Iterator<Item = Block> + '_ {
        let first = (offset.saturating_sub(self.start) / BLOCK as u64) as usize;
        self.sums.iter().enumerate().skip(first).map(|(number, sum)| {
            let start = self.start + (number * BLOCK) as u64;
            let length = (self.end - start).min(BLOCK as u64) as usize;
            Block { start, length, sum: *sum }
        })
    }
}

impl Block {
    /// Whether it has these bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length && crc32c::append(0, bytes) == self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_know_their_bytes_however_these_came(
            length in 0..3 * BLOCK,
            start in 0u64..100,
            pieces in prop::collection::vec(1..2 * BLOCK, 1..5),
            offset in 0..3 * BLOCK,
        ) {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (mut blocks, mut rest, mut next) = (Blocks::from(start), &bytes[..], 0);
            while !rest.is_empty() {
                let piece;
                (piece, rest) = rest.split_at(pieces[next % pieces.len()].min(rest.len()));
                blocks.push(piece);
                next += 1;
            }
            let mut at = 0;
            for block in blocks.from_offset(start) {
                prop_assert_eq!(block.start, start + at as u64);
                let mut copy = bytes[at..at + block.length].to_vec();
                prop_assert!(block.is(&copy));
                copy[block.length / 2] ^= 1;
                prop_assert!(!block.is(&copy) && !block.is(&copy[1..]));
                at += block.length;
            }
            prop_assert_eq!(at, length);
            let from = start + offset as u64;
            let expected = blocks.from_offset(0).skip_while(|block| block.start + block.length as u64 <= from);
            prop_assert!(offset >= length || blocks.from_offset(from).eq(expected));
        }
    }
}
