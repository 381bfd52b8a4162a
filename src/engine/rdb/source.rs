//! Where bytes come from, and what can be wrong with them.

use crate::engine::text::crc64::{Crc64, crc64};
use std::fmt;

/// Gives bytes in order.
pub trait Source {
    /// The next `len` bytes.
    fn take(&mut self, len: usize) -> Result<&[u8], Lack>;
    /// How many bytes were taken.
    fn position(&self) -> u64;
    /// The CRC-64 of all bytes that were taken.
    fn checksum(&mut self) -> u64;
}

/// Why there are no more bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// They end here.
    End,
    /// They could not be read.
    Failed(String),
}

/// Bytes that lie in memory.
#[derive(Clone, Debug)]
pub struct Slice<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Slice<'a> {
    /// All of these.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Source for Slice<'_> {
    #[inline]
    fn take(&mut self, len: usize) -> Result<&[u8], Lack> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len()).ok_or(Lack::End)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
    fn position(&self) -> u64 {
        self.at as u64
    }
    fn checksum(&mut self) -> u64 {
        crc64(&self.bytes[..self.at])
    }
}

/// Bytes that come in pieces: `read` fills a part of a buffer and says how many bytes it has written, 0 at
/// the end.
pub struct Buffered<F> {
    read: F,
    buffer: Vec<u8>,
    /// What is in the buffer and not taken yet.
    start: usize,
    end: usize,
    /// Up to where the checksum has been computed.
    summed: usize,
    sum: Crc64,
    /// Bytes that were in the buffer before.
    before: u64,
}

/// Bytes that are read at once: enough for the disk, few enough for the cache.
const CHUNK: usize = 256 << 10;

impl<F: FnMut(&mut [u8]) -> Result<usize, String>> Buffered<F> {
    /// Whatever `read` gives.
    pub fn new(read: F) -> Self {
        Self { read, buffer: vec![0; CHUNK], start: 0, end: 0, summed: 0, sum: Crc64::default(), before: 0 }
    }

    /// Reads until there are `len` bytes. The buffer grows only as bytes come.
    #[cold]
    fn refill(&mut self, len: usize) -> Result<(), Lack> {
        self.checksum();
        self.buffer.copy_within(self.start..self.end, 0);
        self.before += self.start as u64;
        self.end -= self.start;
        (self.start, self.summed) = (0, 0);
        if self.buffer.len() > CHUNK && len.max(self.end) <= CHUNK {
            self.buffer.truncate(CHUNK);
            self.buffer.shrink_to_fit();
        }
        while self.end < len {
            if self.end == self.buffer.len() {
                let more = self.buffer.len().min((len - self.end).max(CHUNK));
                self.buffer.resize(self.buffer.len() + more, 0);
            }
            let count = (self.read)(&mut self.buffer[self.end..]).map_err(Lack::Failed)?;
            if count == 0 {
                return Err(Lack::End);
            }
            self.end += count.min(self.buffer.len() - self.end);
        }
        Ok(())
    }
}

impl<F: FnMut(&mut [u8]) -> Result<usize, String>> Source for Buffered<F> {
    #[inline]
    fn take(&mut self, len: usize) -> Result<&[u8], Lack> {
        if self.end - self.start < len {
            self.refill(len)?;
        }
        let start = self.start;
        self.start += len;
        Ok(&self.buffer[start..self.start])
    }
    #[inline]
    fn position(&self) -> u64 {
        self.before + self.start as u64
    }
    fn checksum(&mut self) -> u64 {
        self.sum.update(&self.buffer[self.summed..self.start]);
        self.summed = self.start;
        self.sum.value()
    }
}

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Where: so many bytes come before.
    pub offset: u64,
    /// What was being read.
    pub reading: &'static str,
    /// What was wrong.
    pub problem: Problem,
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes end too early.
    End,
    /// The source failed.
    Source(String),
    /// The bytes cannot be right.
    Invalid(&'static str),
    /// It is something that this server does not have.
    Unsupported(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::End => f.write_str("the data ends too early"),
            Problem::Source(error) => f.write_str(error),
            Problem::Invalid(what) => f.write_str(what),
            Problem::Unsupported(what) => write!(f, "{what} is not supported"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}, reading {}: {}", self.offset, self.reading, self.problem)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_as_good_as_a_slice(
            len in 0usize..1_000_000,
            pieces in prop::collection::vec(1usize..300_000, 1..6),
            takes in prop::collection::vec(0usize..400_000, 0..8),
        ) {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + at / 256) as u8).collect();
            let (mut rest, mut next) = (&bytes[..], 0);
            let mut buffered = Buffered::new(|space: &mut [u8]| {
                next += 1;
                let count = pieces[next % pieces.len()].min(space.len()).min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                Ok(count)
            });
            let mut slice = Slice::new(&bytes);
            for take in takes {
                prop_assert_eq!(buffered.take(take), slice.take(take));
                prop_assert_eq!(buffered.position(), slice.position());
                prop_assert_eq!(buffered.checksum(), slice.checksum());
            }
        }
    }

    #[test]
    fn a_long_claim_allocates_nothing() {
        let mut buffered = Buffered::new(|space: &mut [u8]| {
            assert!(space.len() <= CHUNK);
            Ok(0)
        });
        assert_eq!(buffered.take(usize::MAX), Err(Lack::End));
        assert_eq!(buffered.buffer.len(), CHUNK);
    }
}
