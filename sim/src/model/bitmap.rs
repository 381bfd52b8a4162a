//! The group `bitmap`: a string as a list of its bits.

use super::value::WrongType;
use super::{Expected, State, argument};
use crate::resp::Reply;

/// The bits of a string, the highest of each byte first.
fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1)).collect()
}

/// The string of these bits, as long as they need.
fn bytes(bits: &[bool]) -> Vec<u8> {
    let byte =
        |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at));
    bits.chunks(8).map(byte).collect()
}

impl State {
    pub(super) fn bitmap(&mut self, name: &str, rest: &[Vec<u8>]) -> Result<Option<Expected>, WrongType> {
        if name == "BITOP" {
            return self.bitop(rest).map(Some);
        }
        if !["SETBIT", "GETBIT", "BITCOUNT", "BITPOS", "BITFIELD", "BITFIELD_RO"].contains(&name) {
            return Ok(None);
        }
        let string = self.string_at(&rest[0])?;
        let bits = bits(string.as_deref().unwrap_or_default());
        Ok(Some(match name {
            "SETBIT" => {
                let (offset, bit) = (argument(&rest[1]) as usize, rest[2] == b"1");
                let before = bits.get(offset) == Some(&true);
                self.write_bits(&rest[0], bits, &[(offset, bit)]);
                before.into()
            }
            "GETBIT" => (bits.get(argument(&rest[1]) as usize) == Some(&true)).into(),
            "BITCOUNT" => {
                let upside_down = rest.len() > 2 && {
                    let (start, end) = (argument(&rest[1]), argument(&rest[2]));
                    start < 0 && end < 0 && start > end
                };
                let range = range(&bits, &rest[1..]);
                let ones = bits[range].iter().filter(|bit| **bit).count();
                (if upside_down { 0 } else { ones } as i64).into()
            }
            "BITPOS" => bitpos(&bits, string.is_none(), &rest[1..]).into(),
            _ => self.bitfield(&rest[0], bits, &rest[1..]),
        }))
    }

    /// Sets bits; the string grows to hold them. What changes nothing is no change.
    fn write_bits(&mut self, key: &[u8], mut old: Vec<bool>, changes: &[(usize, bool)]) {
        let before = old.clone();
        for (offset, bit) in changes {
            old.resize(old.len().max(offset / 8 * 8 + 8), false);
            old[*offset] = *bit;
        }
        if old != before {
            self.set_string(key, bytes(&old));
        }
    }

    fn bitop(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let (operation, target) = (rest[0].as_slice(), &rest[1]);
        let mut sources = Vec::new();
        for key in &rest[2..] {
            sources.push(bits(&self.string_at(key)?.unwrap_or_default()));
        }
        let length = sources.iter().map(Vec::len).max().unwrap_or(0);
        sources.iter_mut().for_each(|source| source.resize(length, false));
        let combined = |at: usize| {
            let ones = sources.iter().filter(|source| source[at]).count();
            let (first, others) = (sources[0][at], sources[1..].iter().any(|source| source[at]));
            match operation {
                b"AND" => ones == sources.len(),
                b"OR" => ones > 0,
                b"XOR" => ones % 2 == 1,
                b"NOT" => !first,
                b"DIFF" => first && !others,
                b"DIFF1" => !first && others,
                b"ANDOR" => first && others,
                b"ONE" => ones == 1,
                other => panic!("the model does not know BITOP {}", other.escape_ascii()),
            }
        };
        let result: Vec<bool> = (0..length).map(combined).collect();
        if length > 0 {
            self.put_string(target, bytes(&result), None);
        } else {
            self.remove(target);
        }
        Ok((length as i64 / 8).into())
    }

    /// BITFIELD with operations GET, SET, INCRBY and OVERFLOW.
    fn bitfield(&mut self, key: &[u8], old: Vec<bool>, words: &[Vec<u8>]) -> Expected {
        let (mut bits, mut replies, mut overflow) = (old.clone(), Vec::new(), b"WRAP".as_slice());
        let mut needed = 0;
        let mut words = words.iter().map(Vec::as_slice);
        while let Some(operation) = words.next() {
            let mut next = || words.next().expect("an operation with its arguments");
            if operation == b"OVERFLOW" {
                overflow = next();
                continue;
            }
            let kind = next();
            let (signed, width) = (kind[0] == b'i', argument(&kind[1..]) as usize);
            let offset = argument(next()) as usize;
            let before = read(&bits, offset, width, signed);
            let wanted = match operation {
                b"GET" => {
                    replies.push((before as i64).into());
                    continue;
                }
                b"SET" => i128::from(argument(next())),
                _ => before + i128::from(argument(next())),
            };
            needed = needed.max((offset + width).div_ceil(8) * 8);
            let (low, high) =
                if signed { (-(1 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1 << width) - 1) };
            let fits = (low..=high).contains(&wanted);
            if !fits && overflow == b"FAIL" {
                replies.push(Reply::Null.into());
                continue;
            }
            let new = if overflow == b"SAT" { wanted.clamp(low, high) } else { wanted };
            bits.resize(bits.len().max(needed), false);
            for bit in 0..width {
                bits[offset + bit] = new >> (width - 1 - bit) & 1 == 1;
            }
            let stored = read(&bits, offset, width, signed);
            replies.push((if operation == b"SET" { before } else { stored } as i64).into());
        }
        // The string grows even where every write has failed.
        bits.resize(bits.len().max(needed), false);
        if bits != old {
            self.set_string(key, bytes(&bits));
        }
        Expected::Array(replies)
    }
}

/// The integer of so many bits at an offset; beyond the end all are 0.
fn read(bits: &[bool], offset: usize, width: usize, signed: bool) -> i128 {
    let bit = |at: usize| i128::from(bits.get(at) == Some(&true));
    let number = (0..width).fold(0, |number, at| number << 1 | bit(offset + at));
    if signed && bit(offset) == 1 { number - (1 << width) } else { number }
}

/// The bits that a start, an end and a unit select, each of which may be missing.
fn range(bits: &[bool], words: &[Vec<u8>]) -> std::ops::Range<usize> {
    let unit = if words.get(2).is_some_and(|unit| unit == b"BIT") { 1 } else { 8 };
    let total = (bits.len() / unit) as i64;
    let place = |at: i64| if at < 0 { (total + at).max(0) } else { at };
    let first = words.first().map_or(0, |start| place(argument(start)));
    let last = words.get(1).map_or(total - 1, |end| place(argument(end))).min(total - 1);
    if first > last { 0..0 } else { first as usize * unit..(last as usize + 1) * unit }
}

/// BITPOS: the bit, then what `range` takes.
fn bitpos(bits: &[bool], missing: bool, words: &[Vec<u8>]) -> i64 {
    let wanted = words[0] == b"1";
    let range = range(bits, &words[1..]);
    let found = bits[range.clone()].iter().position(|bit| *bit == wanted);
    match found {
        Some(at) => (range.start + at) as i64,
        None if missing && !wanted => 0,
        // Zeros follow a string, unless the range has an end.
        None if !wanted && words.len() < 3 && !range.is_empty() => range.end as i64,
        None => -1,
    }
}
