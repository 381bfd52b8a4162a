//! Runs of packed elements, in the element encoding of Redis's listpacks, so that RDB files can take
//! them as they are.
//!
//! ```text
//! element   head, payload, back length
//! head      0xxxxxxx                       integer 0 to 127
//!           10xxxxxx bytes                 string of up to 63 bytes
//!           110xxxxx xxxxxxxx              integer of 13 bits, two's complement, high byte first
//!           1110xxxx xxxxxxxx bytes        string of up to 4,095 bytes
//!           f0 length[4] bytes             longer string, length lowest byte first
//!           f1, f2, f3, f4 integer[2,3,4,8]    lowest byte first
//! back      length of head and payload, seven bits a byte, highest first; all but the first byte have
//!           their top bit set, so that it can be read backwards
//! ```
//!
//! A run has neither the listpack's header nor its end mark: whoever holds it knows its length and count.
//! What spells an integer is always stored as one, so equal elements have equal bytes.
//! Source: <https://github.com/antirez/listpack/blob/master/listpack.md>.

use super::IntBuf;
use crate::engine::text::number::parse_i64;
use smallvec::SmallVec;
use std::ops::Range;

/// Where elements are encoded before they go to their place.
pub type Buffer = SmallVec<[u8; 256]>;

/// What elements are encoded into.
pub trait Sink {
    /// Adds bytes at the end.
    fn add(&mut self, bytes: &[u8]);
    /// How many bytes there are.
    fn size(&self) -> usize;
}

impl Sink for Buffer {
    #[inline]
    fn add(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn add(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
}

/// Bytes that a listpack has beside its elements: a header of six and an end mark.
pub const FRAME: usize = 7;

/// The longest string that an element can hold.
pub const ELEMENT_MAX: usize = u32::MAX as usize;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A canonical decimal integer.
    Int(i64),
    /// Any other string.
    Str(&'a [u8]),
}

impl<'a> Element<'a> {
    /// The element that holds these bytes.
    #[inline]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        // 20 characters hold any 64-bit integer.
        match if bytes.len() <= 20 { parse_i64(bytes) } else { None } {
            Some(integer) => Element::Int(integer),
            None => Element::Str(bytes),
        }
    }

    /// Its bytes; an integer is written into `buf`.
    #[inline]
    pub fn bytes<'b>(&'b self, buf: &'b mut IntBuf) -> &'b [u8] {
        match self {
            Element::Int(value) => buf.format(*value),
            Element::Str(bytes) => bytes,
        }
    }

    /// How many bytes it spells.
    pub fn len(&self) -> usize {
        match self {
            Element::Int(value) => IntBuf::new().format(*value).len(),
            Element::Str(bytes) => bytes.len(),
        }
    }

    /// Whether it is the empty string.
    pub fn is_empty(&self) -> bool {
        matches!(self, Element::Str([]))
    }

    /// The integer it spells, if it does.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Element::Int(value) => Some(*value),
            Element::Str(_) => None,
        }
    }

    /// Its encoding.
    #[inline]
    pub fn encoded(&self) -> Buffer {
        let mut out = Buffer::new();
        self.encode(&mut out);
        out
    }

    /// Adds its encoding to `out`.
    #[inline]
    pub fn encode(&self, out: &mut impl Sink) {
        let start = out.size();
        self.encode_head_and_payload(out);
        let len = out.size() - start;
        encode_back_len(len, out);
    }

    fn encode_head_and_payload(&self, out: &mut impl Sink) {
        match *self {
            Element::Str(bytes) => {
                match bytes.len() {
                    len @ 0..64 => out.add(&[0x80 | len as u8]),
                    len @ 64..4096 => out.add(&[0xe0 | (len >> 8) as u8, len as u8]),
                    len => {
                        out.add(&[0xf0]);
                        let len = u32::try_from(len).expect("a string of at most 512 MB");
                        out.add(&len.to_le_bytes());
                    }
                }
                out.add(bytes);
            }
            Element::Int(value @ 0..=127) => out.add(&[value as u8]),
            Element::Int(value @ -4096..=4095) => {
                out.add(&[0xc0 | (value >> 8) as u8 & 0x1f, value as u8]);
            }
            Element::Int(value) => {
                let (head, width) = match value {
                    -0x8000..0x8000 => (0xf1, 2),
                    -0x80_0000..0x80_0000 => (0xf2, 3),
                    -0x8000_0000..0x8000_0000 => (0xf3, 4),
                    _ => (0xf4, 8),
                };
                out.add(&[head]);
                out.add(&value.to_le_bytes()[..width]);
            }
        }
    }
}

/// The encoding of one element.
#[inline]
pub fn encoded(bytes: &[u8]) -> Buffer {
    Element::from_bytes(bytes).encoded()
}

fn encode_back_len(len: usize, out: &mut impl Sink) {
    let (bytes, width) = back_len(len);
    out.add(&bytes[..width]);
}

/// The back length of so many bytes of head and payload, and its width.
#[inline]
fn back_len(len: usize) -> ([u8; 5], usize) {
    let (mut bytes, width) = ([0; 5], back_len_width(len));
    for (place, byte) in bytes[..width].iter_mut().enumerate() {
        let more = if place > 0 { 0x80 } else { 0 };
        *byte = (len >> (7 * (width - 1 - place))) as u8 & 0x7f | more;
    }
    (bytes, width)
}

fn back_len_width(len: usize) -> usize {
    // The limits are Redis's, which are one short of what the bits would hold.
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Where the payload of the element at `at` lies, and where the element's head and payload end.
#[inline]
fn string_span(run: &[u8], at: usize) -> Option<Range<usize>> {
    let head = run[at];
    let (start, len) = match head {
        0x80..0xc0 => (at + 1, usize::from(head & 0x3f)),
        0xe0..0xf0 => (at + 2, usize::from(head & 0x0f) << 8 | usize::from(run[at + 1])),
        0xf0 => {
            let len = u32::from_le_bytes([run[at + 1], run[at + 2], run[at + 3], run[at + 4]]);
            (at + 5, len as usize)
        }
        _ => return None,
    };
    Some(start..start + len)
}

/// Bytes of an integer's head and payload.
#[inline]
fn integer_width(head: u8) -> usize {
    match head {
        0..0x80 => 1,
        0xc0..0xe0 => 2,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        _ => 9,
    }
}

#[inline]
fn integer(run: &[u8], at: usize) -> i64 {
    let head = run[at];
    match head {
        0..0x80 => i64::from(head),
        0xc0..0xe0 => {
            let bits = u16::from(head & 0x1f) << 8 | u16::from(run[at + 1]);
            i64::from((bits << 3) as i16 >> 3)
        }
        _ => {
            let width = integer_width(head) - 1;
            let mut bytes = [0; 8];
            bytes[..width].copy_from_slice(&run[at + 1..at + 1 + width]);
            let unused = 64 - 8 * width;
            i64::from_le_bytes(bytes) << unused >> unused
        }
    }
}

/// The element at `at` and where the next one begins. The run must have one there.
#[inline]
pub fn element_at(run: &[u8], at: usize) -> (Element<'_>, usize) {
    match string_span(run, at) {
        Some(span) => {
            let end = span.end;
            (Element::Str(&run[span]), end + back_len_width(end - at))
        }
        None => (Element::Int(integer(run, at)), at + integer_width(run[at]) + 1),
    }
}

/// Where the element after the one at `at` begins.
#[inline]
pub fn next(run: &[u8], at: usize) -> usize {
    match string_span(run, at) {
        Some(span) => span.end + back_len_width(span.end - at),
        None => at + integer_width(run[at]) + 1,
    }
}

/// Where the element that ends before `end` begins. There must be one.
#[inline]
pub fn previous(run: &[u8], end: usize) -> usize {
    let (mut len, mut width) = (0, 0);
    loop {
        let byte = run[end - 1 - width];
        len |= usize::from(byte & 0x7f) << (7 * width);
        width += 1;
        if byte < 0x80 {
            return end - width - len;
        }
    }
}

/// Skips `count` elements from `at` on.
pub fn skip(run: &[u8], mut at: usize, count: usize) -> usize {
    for _ in 0..count {
        at = next(run, at);
    }
    at
}

/// Where the `index`-th of `count` elements begins, from the nearer end.
pub fn locate(run: &[u8], count: usize, index: usize) -> usize {
    if index <= count / 2 {
        return skip(run, 0, index);
    }
    let mut at = run.len();
    for _ in index..count {
        at = previous(run, at);
    }
    at
}

/// Looks for an element among every `stride`-th from the first on; `encoded` is its encoding.
#[inline]
pub fn find(run: &[u8], encoded: &[u8], stride: usize) -> Option<usize> {
    let mut at = 0;
    while at < run.len() {
        if run[at..].starts_with(encoded) {
            return Some(at);
        }
        at = next(run, at);
        for _ in 1..stride {
            at = next(run, at);
        }
    }
    None
}

/// The elements of a run, from both ends.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    run: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Elements<'a> {
    /// All of a run.
    pub fn new(run: &'a [u8]) -> Self {
        Self { run, at: 0, end: run.len() }
    }
    /// Those between two places where elements begin.
    pub fn between(run: &'a [u8], range: Range<usize>) -> Self {
        Self { run, at: range.start, end: range.end }
    }
    /// Where the next element begins.
    pub fn place(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;
    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.at >= self.end {
            return None;
        }
        let (element, next) = element_at(self.run, self.at);
        self.at = next;
        Some(element)
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        self.end = previous(self.run, self.end);
        Some(element_at(self.run, self.end).0)
    }
}

/// How much is right with a run from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// All: it has so many elements.
    Sound(usize),
    /// Its so many elements can be read, but some are not written in the shortest way, or integers as strings.
    Wordy(usize),
    /// The element at this place cannot be read.
    Broken(usize),
}

/// Checks a run from outside.
pub fn check(run: &[u8]) -> Soundness {
    let (mut at, mut count, mut wordy) = (0, 0, false);
    while at < run.len() {
        let Some((end, shortest)) = check_element(run, at) else { return Soundness::Broken(at) };
        wordy |= !shortest;
        at = end;
        count += 1;
    }
    if wordy { Soundness::Wordy(count) } else { Soundness::Sound(count) }
}

/// Where the element at a place ends, and whether it is written in the shortest way; `None` if it is broken.
#[inline]
fn check_element(run: &[u8], at: usize) -> Option<(usize, bool)> {
    let head_len = match run[at] {
        0xe0..0xf0 => 2,
        0xf0 => 5,
        0..0xc0 => 1,
        head @ (0xc0..0xe0 | 0xf1..=0xf4) => integer_width(head),
        _ => return None,
    };
    if run.len() - at < head_len {
        return None;
    }
    let (end, shortest) = match string_span(run, at) {
        None => (at + head_len, integer_width_of(integer(run, at)) == head_len),
        Some(span) => {
            let bytes = run.get(span.clone())?;
            let shortest_head = match bytes.len() {
                0..64 => 1,
                64..4096 => 2,
                _ => 5,
            };
            let is_string = matches!(Element::from_bytes(bytes), Element::Str(_));
            (span.end, is_string && shortest_head == head_len)
        }
    };
    let (back, width) = back_len(end - at);
    (run.get(end..end + width)? == &back[..width]).then_some((end + width, shortest))
}

/// Bytes of the head and payload of an integer in the shortest way.
fn integer_width_of(value: i64) -> usize {
    match value {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..0x8000 => 3,
        -0x80_0000..0x80_0000 => 4,
        -0x8000_0000..0x8000_0000 => 5,
        _ => 9,
    }
}

/// The elements of a run that can be read, written in the shortest way.
pub fn shortened(run: &[u8]) -> Vec<u8> {
    let mut short = Vec::with_capacity(run.len());
    let mut digits = IntBuf::new();
    Elements::new(run).for_each(|element| Element::from_bytes(element.bytes(&mut digits)).encode(&mut short));
    short
}

#[cfg(test)]
mod tests;
