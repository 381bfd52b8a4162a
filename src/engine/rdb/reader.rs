//! What values and items are made of, out of bytes.

use super::lzf;
use super::source::{Error, Lack, Problem, Source};
use crate::engine::keyspace::IntBuf;
use crate::engine::keyspace::value::listpack::{self, Soundness};
use std::borrow::Cow;

/// Strings longer than this are not believed: no element of a collection can hold them.
const STRING_MAX: u64 = u32::MAX as u64;

/// Reads lengths, strings and numbers from a source.
pub struct Reader<S> {
    source: S,
    /// What is being read, for errors.
    reading: &'static str,
    digits: IntBuf,
    /// The last string that was compressed.
    plain: Vec<u8>,
}

/// A length, or how the string that follows is encoded instead.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<S: Source> Reader<S> {
    /// Reads from the beginning.
    pub fn new(source: S) -> Self {
        Self { source, reading: "the header", digits: IntBuf::new(), plain: Vec::new() }
    }

    /// Says what is read from here on, for errors. Returns what was read before.
    pub fn reading(&mut self, what: &'static str) -> &'static str {
        std::mem::replace(&mut self.reading, what)
    }

    /// Where the bytes come from.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        self.source.position()
    }

    /// The error that what was read just now cannot be right.
    #[cold]
    pub fn invalid(&self, what: &'static str) -> Error {
        self.error(Problem::Invalid(what))
    }

    /// The error that this server does not have what was read just now.
    #[cold]
    pub fn unsupported(&self, what: impl Into<String>) -> Error {
        self.error(Problem::Unsupported(what.into()))
    }

    #[cold]
    fn error(&self, problem: Problem) -> Error {
        Error { offset: self.position(), reading: self.reading, problem }
    }

    /// The next bytes.
    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<&[u8], Error> {
        let (offset, reading) = (self.source.position(), self.reading);
        self.source.take(len).map_err(|lack| lacking(offset, reading, lack))
    }

    /// The next bytes, of which there are so many.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// The next byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    fn any_length(&mut self) -> Result<Length, Error> {
        let first = self.byte()?;
        Ok(match first >> 6 {
            0 => Length::Plain(first.into()),
            1 => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            2 => match first {
                0x80 => Length::Plain(u32::from_be_bytes(self.array()?).into()),
                0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
                _ => return Err(self.invalid("a length of an unknown form")),
            },
            _ => Length::Encoded(first & 0x3f),
        })
    }

    /// A length, or any number that is written like one.
    #[inline]
    pub fn length(&mut self) -> Result<u64, Error> {
        match self.any_length()? {
            Length::Plain(len) => Ok(len),
            Length::Encoded(_) => Err(self.invalid("a string in the place of a length")),
        }
    }

    /// How many elements follow. Only what is really there may be allocated for.
    #[inline]
    pub fn count(&mut self) -> Result<usize, Error> {
        let count = self.length()?;
        usize::try_from(count).map_err(|_| self.invalid("an impossible number of elements"))
    }

    /// A string.
    #[inline]
    pub fn string(&mut self) -> Result<&[u8], Error> {
        match self.any_length()? {
            Length::Plain(len) if len > STRING_MAX => Err(self.invalid("an impossible length of a string")),
            Length::Plain(len) => self.bytes(len as usize),
            Length::Encoded(form) => self.encoded_string(form),
        }
    }

    fn encoded_string(&mut self, form: u8) -> Result<&[u8], Error> {
        let integer = match form {
            0 => i8::from_le_bytes(self.array()?).into(),
            1 => i16::from_le_bytes(self.array()?).into(),
            2 => i32::from_le_bytes(self.array()?).into(),
            3 => return self.compressed_string(),
            _ => return Err(self.invalid("a string of an unknown form")),
        };
        Ok(self.digits.format(integer))
    }

    fn compressed_string(&mut self) -> Result<&[u8], Error> {
        let (compressed, len) = (self.length()?, self.length()?);
        if compressed.max(len) > STRING_MAX {
            return Err(self.invalid("an impossible length of a string"));
        }
        let (offset, reading) = (self.source.position(), self.reading);
        let bytes = self.source.take(compressed as usize).map_err(|lack| lacking(offset, reading, lack))?;
        if !lzf::decompress(bytes, len as usize, &mut self.plain) {
            return Err(self.invalid("a string that was not compressed like this"));
        }
        Ok(&self.plain)
    }

    /// A number in the form in which times are written: eight bytes, lowest first.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, Error> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A number of eight bytes, lowest first.
    pub fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A double as its eight bytes.
    #[inline]
    pub fn double(&mut self) -> Result<f64, Error> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A double as old versions spelled it.
    pub fn spelled_double(&mut self) -> Result<f64, Error> {
        let len = match self.byte()? {
            253 => return Ok(f64::NAN),
            254 => return Ok(f64::INFINITY),
            255 => return Ok(f64::NEG_INFINITY),
            len => len,
        };
        let text = self.bytes(len.into())?;
        let number = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| self.invalid("a score that is no number"))
    }
}

#[cold]
fn lacking(offset: u64, reading: &'static str, lack: Lack) -> Error {
    let problem = match lack {
        Lack::End => Problem::End,
        Lack::Failed(error) => Problem::Source(error),
    };
    Error { offset, reading, problem }
}

/// What is wrong with a collection that has a member twice.
pub const DUPLICATE: &str = "a member that is there twice";

/// The elements of a listpack, each written in the shortest way, and how many they are.
pub fn listpack_run(blob: &[u8]) -> Result<(Cow<'_, [u8]>, usize), &'static str> {
    let broken = "a listpack that is broken";
    let (head, body) = blob.split_first_chunk::<6>().ok_or(broken)?;
    let Some((0xff, run)) = body.split_last() else { return Err(broken) };
    let (run, count) = match listpack::check(run) {
        Soundness::Sound(count) => (Cow::Borrowed(run), count),
        Soundness::Wordy(count) => (Cow::Owned(listpack::shortened(run)), count),
        Soundness::Broken(_) => return Err(broken),
    };
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let its_count = u16::from_le_bytes([head[4], head[5]]);
    let counted = its_count == u16::MAX || usize::from(its_count) == count;
    if len as usize == blob.len() && counted { Ok((run, count)) } else { Err(broken) }
}
