//! Checksum lines: what they say, and how they are written.
//!
//! A line covers all bytes of its file since the previous such line, or since the file's beginning. Its own
//! offset and its name go into the checksum too, so that bytes that were moved are noticed, as are lines
//! that were lost together with what they cover.

use crate::engine::text::crc32c;

/// Bytes of a checksum line.
pub const LINE: usize = 15;
/// The line before a group of commands that only the next checksum line makes good.
pub const GROUP: &[u8] = b"#GRP\r\n";

/// What a line says beside the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `#CRC:` Nothing: it was written together with what it covers.
    Written,
    /// `#SYN:` All before the line was on the medium when the line was written. What is found damaged
    /// before such a line was damaged there; it is not the end that a power failure tore.
    Durable,
}

impl Mark {
    const fn name(self) -> &'static [u8; 5] {
        match self {
            Mark::Written => b"#CRC:",
            Mark::Durable => b"#SYN:",
        }
    }
}

/// Bytes that no checksum line covers yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncovered {
    /// Offset of the first.
    pub start: u64,
    /// CRC32C of those so far.
    crc: u32,
}

impl Uncovered {
    /// None yet, from this offset on.
    pub fn from(start: u64) -> Self {
        Uncovered { start, crc: 0 }
    }

    /// Goes on with the bytes that follow.
    pub fn add(&mut self, bytes: &[u8]) {
        self.crc = crc32c::append(self.crc, bytes);
    }

    /// The checksum in a line at `offset`, where these bytes end.
    pub fn sum(&self, mark: Mark, offset: u64) -> u32 {
        let sum = crc32c::append(self.crc, &offset.to_le_bytes());
        crc32c::append(sum, mark.name())
    }

    /// The line that covers these bytes and stands at `offset`.
    pub fn line(&self, mark: Mark, offset: u64) -> [u8; LINE] {
        let mut line = *b"#___:________\r\n";
        line[..5].copy_from_slice(mark.name());
        let sum = self.sum(mark, offset);
        for (at, digit) in line[5..13].iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(sum >> (28 - 4 * at)) as usize & 15];
        }
        line
    }
}

/// A line that begins with `#`, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A checksum.
    Checksum(Mark, u32),
    /// Something that begins like a checksum and is none.
    Malformed,
    /// Something else.
    Other,
}

/// Reads an annotation, its end included.
pub fn read(line: &[u8]) -> Line {
    let Some(mark) = [Mark::Written, Mark::Durable].into_iter().find(|mark| line.starts_with(mark.name()))
    else {
        return Line::Other;
    };
    let digits = line.get(5..13).filter(|_| line.len() == LINE && line.ends_with(b"\r\n"));
    // Only lower case: a bit that flips within the number must never leave the same number.
    let value = digits.and_then(|digits| {
        digits.iter().try_fold(0u32, |value, digit| {
            let digit = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some(value << 4 | u32::from(digit))
        })
    });
    value.map_or(Line::Malformed, |value| Line::Checksum(mark, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        let mut covered = Uncovered::from(7);
        covered.add(b"abc");
        for mark in [Mark::Written, Mark::Durable] {
            let line = covered.line(mark, 10);
            assert_eq!(read(&line), Line::Checksum(mark, covered.sum(mark, 10)));
            assert_ne!(covered.sum(mark, 10), covered.sum(mark, 11));
        }
        assert_ne!(covered.sum(Mark::Written, 10), covered.sum(Mark::Durable, 10));
    }

    #[test]
    fn only_one_way_to_write_them() {
        let line = Uncovered::from(0).line(Mark::Written, 0);
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut flipped = line;
                flipped[at] ^= 1 << bit;
                assert_ne!(read(&flipped), read(&line));
            }
        }
        assert_eq!(read(b"#TS:1\r\n"), Line::Other);
        assert_eq!(read(b"#CRC:1234567\r\n"), Line::Malformed);
        assert_eq!(read(b"#SYN:ABCDEF01\r\n"), Line::Malformed);
    }
}
