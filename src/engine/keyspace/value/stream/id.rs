//! The ids of entries: 128 bits that sort as numbers do.

use crate::engine::text::ascii::c_string;
use crate::engine::text::number::parse_loose_u64;
use std::fmt;

/// Bytes of the longest text that is read as an id.
pub const LONGEST_ID: usize = 127;

/// The id of an entry: milliseconds, usually of the Unix epoch, and a number among those of one
/// millisecond. Written `ms-seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

/// The second half of an id as somebody wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// A number.
    Given(u64),
    /// Left out, with the dash before it.
    Missing,
    /// `*`: whatever comes next.
    Next,
}

/// Room for the text of an id.
pub struct IdBuf {
    text: [u8; 41],
    digits: itoa::Buffer,
}

impl Default for IdBuf {
    fn default() -> Self {
        IdBuf { text: [0; 41], digits: itoa::Buffer::new() }
    }
}

impl StreamId {
    /// The lowest; no entry has it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The highest.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// An id of these two numbers.
    pub fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The id right after this one.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id right before this one.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Reads `ms-seq`, `ms` or `ms-*`; as in Redis no text that is longer than the buffer there, and what stands
    /// before a zero byte.
    pub fn read(text: &[u8]) -> Option<(u64, Sequence)> {
        if text.len() > LONGEST_ID {
            return None;
        }
        let text = c_string(text);
        let Some(dash) = text.iter().position(|byte| *byte == b'-') else {
            return Some((parse_loose_u64(text)?, Sequence::Missing));
        };
        let sequence = match &text[dash + 1..] {
            b"*" => Sequence::Next,
            digits => Sequence::Given(parse_loose_u64(digits)?),
        };
        Some((parse_loose_u64(&text[..dash])?, sequence))
    }

    /// Its text.
    #[inline]
    pub fn write(self, buf: &mut IdBuf) -> &[u8] {
        let IdBuf { text, digits } = buf;
        let ms = digits.format(self.ms).as_bytes();
        let mut len = ms.len();
        text[..len].copy_from_slice(ms);
        text[len] = b'-';
        len += 1;
        let seq = digits.format(self.seq).as_bytes();
        text[len..len + seq.len()].copy_from_slice(seq);
        &text[..len + seq.len()]
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        let read = |text: &str| StreamId::read(text.as_bytes());
        assert_eq!(read("5-7"), Some((5, Sequence::Given(7))));
        assert_eq!(read("005"), Some((5, Sequence::Missing)));
        assert_eq!(read("5-*"), Some((5, Sequence::Next)));
        assert_eq!(
            read("18446744073709551615-18446744073709551615"),
            Some((u64::MAX, Sequence::Given(u64::MAX)))
        );
        for bad in
            ["", "-", "+", "5-", "-5", "*", "5-*1", "1-2-3", "18446744073709551616", "1 ", "a-1", "1--1"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read("5\0-7"), Some((5, Sequence::Missing)));
        assert_eq!(read("5-7\0x"), Some((5, Sequence::Given(7))));
        assert_eq!(read("5-*\0x"), Some((5, Sequence::Next)));
        let zeros = |count| "0".repeat(count);
        assert_eq!(read(&format!("{}5-7", zeros(124))), Some((5, Sequence::Given(7))));
        assert_eq!(read(&format!("{}5-7", zeros(125))), None);
        for id in [StreamId::MIN, StreamId::MAX, StreamId::new(10, 0)] {
            assert_eq!(id.write(&mut IdBuf::default()), id.to_string().as_bytes());
        }
    }

    #[test]
    fn neighbours() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
    }
}
