//! Counting bits, and finding the first one.

use super::BITMAP;
use crate::engine::command::args::int;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::value::bits::{self, Range};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, Flags, KEY, KeyFlags, block, int as int_arg, key_at, one_of, token};

const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const UNIT: Arg = one_of("unit", &[token("byte", "BYTE"), token("bit", "BIT")]).optional().since("7.0.0");

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "BITCOUNT",
        arity: AtLeast(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "2.6.0",
        complexity: "O(N) in the length of the range.",
        summary: "Counts the bits of a string, or of a part of it, that are 1.",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        args: &[KEY, block("range", &[int_arg("start"), int_arg("end"), UNIT]).optional()],
        run: bitcount,
        ..BITMAP
    },
    Command {
        name: "BITPOS",
        arity: AtLeast(3),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "2.8.7",
        complexity: "O(N) in the length of the range.",
        summary: "Finds the first bit of a string, or of a part of it, that is 1, or that is 0.",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        args: &[
            KEY,
            int_arg("bit"),
            block("range", &[int_arg("start"), block("end-unit-block", &[int_arg("end"), UNIT]).optional()])
                .optional(),
        ],
        run: bitpos,
        ..BITMAP
    },
];

/// What the numbers of a range count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    /// The keyword at this argument, which may be missing.
    fn read(call: &Call, at: usize) -> Result<Self> {
        match call.args.get(at) {
            None => Ok(Unit::Byte),
            Some(word) if word.eq_ignore_ascii_case(b"byte") => Ok(Unit::Byte),
            Some(word) if word.eq_ignore_ascii_case(b"bit") => Ok(Unit::Bit),
            Some(_) => Err(Error::SYNTAX),
        }
    }

    /// The bits from `start` to `end`, both included, of a string of `length` bytes, as far as there are any.
    /// Negative numbers count from the end.
    fn range(self, start: i64, end: i64, length: usize) -> Option<Range> {
        let bits = if self == Unit::Bit { 1 } else { 8 };
        let total = (length as u64 * 8 / bits) as i64;
        let place = |at: i64| if at < 0 { (total + at.max(-total)).max(0) } else { at };
        let (first, last) = (place(start), place(end).min(total - 1));
        (first <= last).then(|| Range::new(first as u64 * bits, last as u64 * bits + bits - 1))
    }
}

fn bitcount(call: &mut Call) -> Result {
    let (start, end, unit) = match call.args.len() {
        2 => (0, -1, Unit::Byte),
        4 | 5 => (int(call.args.at(2))?, int(call.args.at(3))?, Unit::read(call, 4)?),
        _ => return Err(Error::SYNTAX),
    };
    let entry = call.server.read_string(call.access(), call.args.at(1))?;
    let mut digits = IntBuf::new();
    let string = entry.and_then(|entry| entry.string(&mut digits)).unwrap_or_default();
    let upside_down = start < 0 && end < 0 && start > end;
    let range = unit.range(start, end, string.len()).filter(|_| !upside_down);
    call.reply.int(range.map_or(0, |range| bits::count(string, range)) as i64);
    Ok(())
}

fn bitpos(call: &mut Call) -> Result {
    let bit = match int(call.args.at(2))? {
        0 => false,
        1 => true,
        _ => return Err(Error::new("ERR The bit argument must be 1 or 0.")),
    };
    if call.args.len() > 6 {
        return Err(Error::SYNTAX);
    }
    let start = call.args.get(3).map_or(Ok(0), int)?;
    let unit = Unit::read(call, 5)?;
    let end = call.args.get(4).map(int).transpose()?;
    let Some(entry) = call.server.read_string(call.access(), call.args.at(1))? else {
        // No key is like zeros without an end.
        call.reply.int(if bit { -1 } else { 0 });
        return Ok(());
    };
    let mut digits = IntBuf::new();
    let string = entry.string(&mut digits).unwrap_or_default();
    let found = unit.range(start, end.unwrap_or(-1), string.len()).and_then(|range| {
        // Without an end of the range, zeros follow the string.
        let after = (!bit && end.is_none()).then_some(range.last() + 1);
        bits::position(string, bit, range).or(after)
    });
    call.reply.int(found.map_or(-1, |at| at as i64));
    Ok(())
}
