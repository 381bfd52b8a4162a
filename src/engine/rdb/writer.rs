//! What values and items are made of, into bytes.

use super::lzf::Compressor;
use super::{VERSION, VERSION_UNTIMED, kind};
use crate::engine::keyspace::IntBuf;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::text::number::parse_i64;

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether strings of more than 20 bytes are compressed: `rdbcompression`.
    pub compress: bool,
    /// The version to write for. What it does not know (arrays, for instance) is written in the oldest form
    /// that there is: older servers refuse such a file at that key, newer ones read it.
    pub version: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { compress: true, version: VERSION }
    }
}

/// Strings up to this length are never compressed, as in Redis.
const COMPRESS_MIN: usize = 20;
/// Longer strings are not compressed: the length of the result, which comes first, would not be known
/// before all of it lies in memory.
pub const COMPRESS_MAX: usize = 16 << 20;

/// Bytes on their way out.
#[derive(Default)]
pub struct Writer {
    /// What was written and not taken away.
    pub out: Vec<u8>,
    options: Options,
    compressor: Option<Compressor>,
    /// Where listpacks are put together.
    blob: Vec<u8>,
}

impl Writer {
    /// Nothing yet.
    pub fn new(options: Options) -> Self {
        let compressor = options.compress.then(Compressor::default);
        Self { out: Vec::new(), options, compressor, blob: Vec::new() }
    }

    /// How it writes.
    pub fn options(&self) -> Options {
        self.options
    }

    /// A byte: an opcode or a kind.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// A length, or any number in the form of one.
    #[inline]
    pub fn length(&mut self, len: u64) {
        match len {
            0..0x40 => self.out.push(len as u8),
            0x40..0x4000 => self.out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
            0x4000..=0xffff_ffff => {
                self.out.push(0x80);
                self.out.extend_from_slice(&(len as u32).to_be_bytes());
            }
            _ => {
                self.out.push(0x81);
                self.out.extend_from_slice(&len.to_be_bytes());
            }
        }
    }

    /// A string: as an integer if it spells one, else compressed if that is worth it.
    #[inline]
    pub fn string(&mut self, bytes: &[u8]) {
        // What has more digits does not fit into 32 bits.
        if bytes.len() <= 11
            && let Some(integer) = parse_i64(bytes)
            && let Ok(integer) = i32::try_from(integer)
        {
            return self.small_integer(integer);
        }
        if bytes.len() > COMPRESS_MIN && bytes.len() <= COMPRESS_MAX && self.compressed(bytes) {
            return;
        }
        self.plain(bytes);
    }

    /// A string as it is.
    pub fn plain(&mut self, bytes: &[u8]) {
        self.length(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn compressed(&mut self, bytes: &[u8]) -> bool {
        let Some(compressor) = &mut self.compressor else { return false };
        // The lengths come first. Their forms are known only afterwards, so the widest is kept free.
        const ROOM: usize = 1 + 5 + 5;
        let start = self.out.len();
        self.out.resize(start + ROOM, 0);
        let Some(len) = compressor.compress(bytes, &mut self.out, bytes.len() - 4) else {
            self.out.truncate(start);
            return false;
        };
        let mut head = Writer::default();
        head.byte(0xc3);
        head.length(len as u64);
        head.length(bytes.len() as u64);
        self.out[start..start + head.out.len()].copy_from_slice(&head.out);
        self.out.copy_within(start + ROOM.., start + head.out.len());
        self.out.truncate(start + head.out.len() + len);
        true
    }

    /// A string that spells an integer.
    #[inline]
    pub fn integer(&mut self, integer: i64) {
        match i32::try_from(integer) {
            Ok(integer) => self.small_integer(integer),
            Err(_) => self.plain(IntBuf::new().format(integer)),
        }
    }

    fn small_integer(&mut self, integer: i32) {
        if let Ok(integer) = i8::try_from(integer) {
            self.out.extend_from_slice(&[0xc0, integer as u8]);
        } else if let Ok(integer) = i16::try_from(integer) {
            self.out.push(0xc1);
            self.out.extend_from_slice(&integer.to_le_bytes());
        } else {
            self.out.push(0xc2);
            self.out.extend_from_slice(&integer.to_le_bytes());
        }
    }

    /// An element as a string.
    #[inline]
    pub fn element(&mut self, element: Element) {
        match element {
            Element::Int(integer) => self.integer(integer),
            Element::Str(bytes) => self.string(bytes),
        }
    }

    /// A time in milliseconds, or any number of eight bytes.
    pub fn i64(&mut self, number: i64) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    /// A double.
    pub fn double(&mut self, number: f64) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    /// A string that is a listpack of this run.
    pub fn listpack(&mut self, run: &[u8], count: usize) {
        let mut blob = std::mem::take(&mut self.blob);
        blob.clear();
        listpack_blob(run, count, &mut blob);
        self.string(&blob);
        self.blob = blob;
    }
}

/// A listpack of a run: its length, its count (65,535 if it is not less) and an end mark.
pub fn listpack_blob(run: &[u8], count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(run.len() as u32 + 7).to_le_bytes());
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(run);
    out.push(0xff);
}

/// The version that first knew a kind of value, of those that are written.
pub fn version_of(kind: u8) -> u32 {
    match kind {
        kind::ARRAY => 15,
        kind::STREAM_LISTPACKS_5 => 14,
        kind::STREAM_LISTPACKS_4 => 13,
        kind::HASH_METADATA | kind::HASH_LISTPACK_EX => VERSION,
        kind::STREAM_LISTPACKS_3 | kind::SET_LISTPACK => VERSION_UNTIMED,
        // What is left is written as by Redis 7.0.
        _ => 10,
    }
}
