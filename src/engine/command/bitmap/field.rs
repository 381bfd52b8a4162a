//! BITFIELD: integers of any width at any place of a string.

use super::{BITMAP, FAST_READ, GROWING, offset};
use crate::engine::command::args::Cursor;
use crate::engine::command::call::string_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::value::bits;
use crate::engine::protocol::Reply;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, KEY, KeyFlags, block, int as int_arg, key_at, one_of, string, token};
use crate::engine::text::number::parse_i64;

const GET: Arg = block("get-block", &[string("encoding"), int_arg("offset")]).token("GET");
const OVERFLOW: Arg =
    one_of("overflow-block", &[token("wrap", "WRAP"), token("sat", "SAT"), token("fail", "FAIL")])
        .token("OVERFLOW")
        .optional();
const SET: Arg = block("set-block", &[string("encoding"), int_arg("offset"), int_arg("value")]).token("SET");
const INCRBY: Arg =
    block("incrby-block", &[string("encoding"), int_arg("offset"), int_arg("increment")]).token("INCRBY");

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "BITFIELD",
        arity: AtLeast(2),
        flags: GROWING,
        keys: &[key_at(
            1,
            KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE).or(KeyFlags::VARIABLE_FLAGS),
        )],
        since: "3.2.0",
        complexity: "O(1) for each operation.",
        summary: "Reads, sets and increments integers of given widths at given bits of a string.",
        args: &[
            KEY,
            one_of(
                "operation",
                &[GET, block("write", &[OVERFLOW, one_of("write-operation", &[SET, INCRBY])])],
            )
            .multiple()
            .optional(),
        ],
        run: bitfield,
        ..BITMAP
    },
    Command {
        name: "BITFIELD_RO",
        arity: AtLeast(2),
        flags: FAST_READ,
        keys: &[key_at(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        since: "6.0.0",
        complexity: "O(1) for each operation.",
        summary: "Reads integers of given widths at given bits of a string.",
        args: &[KEY, GET.multiple_token().optional()],
        run: bitfield_ro,
        ..BITMAP
    },
];

const TYPE: Error = Error::new(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

/// An integer's type: `i64`, `u63` and narrower ones.
#[derive(Clone, Copy)]
struct Type {
    signed: bool,
    width: u32,
}

impl Type {
    fn parse(text: &[u8]) -> Result<Self> {
        let (signed, width) = match text {
            [b'i', width @ ..] => (true, width),
            [b'u', width @ ..] => (false, width),
            _ => return Err(TYPE),
        };
        let widest = if signed { 64 } else { 63 };
        let width = parse_i64(width).filter(|width| (1..=widest).contains(width)).ok_or(TYPE)?;
        Ok(Type { signed, width: width as u32 })
    }

    fn min(self) -> i128 {
        if self.signed { -(1 << (self.width - 1)) } else { 0 }
    }

    fn max(self) -> i128 {
        (1 << (self.width - u32::from(self.signed))) - 1
    }

    /// What the lowest bits of `bits` say.
    fn interpret(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { (bits as i64) << unused >> unused } else { (bits << unused >> unused) as i64 }
    }

    /// The number as SET takes it: an unsigned type reads a negative one as a large one.
    fn argument(self, number: i64) -> i128 {
        if self.signed { number.into() } else { (number as u64).into() }
    }

    fn read(self, bytes: &[u8], offset: u64) -> i64 {
        self.interpret(bits::read_field(bytes, offset, self.width))
    }
}

/// What becomes of a number that does not fit.
#[derive(Clone, Copy)]
enum Overflow {
    /// Its lowest bits.
    Wrap,
    /// The nearest number that fits.
    Saturate,
    /// Nothing is written.
    Fail,
}

impl Overflow {
    fn parse(text: &[u8]) -> Result<Self> {
        match &*text.to_ascii_uppercase() {
            b"WRAP" => Ok(Overflow::Wrap),
            b"SAT" => Ok(Overflow::Saturate),
            b"FAIL" => Ok(Overflow::Fail),
            _ => Err(Error::new("ERR Invalid OVERFLOW type specified")),
        }
    }

    fn apply(self, number: i128, kind: Type) -> Option<i64> {
        let fits = (kind.min()..=kind.max()).contains(&number);
        match self {
            Overflow::Fail if !fits => None,
            Overflow::Saturate => Some(number.clamp(kind.min(), kind.max()) as i64),
            _ => Some(kind.interpret(number as u64)),
        }
    }
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

/// One operation of a call.
#[derive(Clone, Copy)]
struct Operation {
    kind: Type,
    offset: u64,
    action: Action,
}

impl Operation {
    /// All operations of a call.
    fn parse_all(call: &Call) -> Result<Vec<Self>> {
        let mut cursor = Cursor::new(call.args, 2);
        let (mut operations, mut overflow) = (Vec::new(), Overflow::Wrap);
        while cursor.left() > 0 {
            let arguments = cursor.left() - 1;
            if arguments >= 2 && cursor.keyword("GET") {
                let (kind, offset) = Self::place(call, &mut cursor)?;
                operations.push(Operation { kind, offset, action: Action::Get });
            } else if arguments >= 3 && cursor.keyword("SET") {
                let (kind, offset) = Self::place(call, &mut cursor)?;
                operations.push(Operation { kind, offset, action: Action::Set(cursor.int()?, overflow) });
            } else if arguments >= 3 && cursor.keyword("INCRBY") {
                let (kind, offset) = Self::place(call, &mut cursor)?;
                let action = Action::Increment(cursor.int()?, overflow);
                operations.push(Operation { kind, offset, action });
            } else if arguments >= 1 && cursor.keyword("OVERFLOW") {
                overflow = Overflow::parse(cursor.value()?)?;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(operations)
    }

    /// A type and an offset, which `#` makes one in units of the type's width.
    fn place(call: &Call, cursor: &mut Cursor) -> Result<(Type, u64)> {
        let kind = Type::parse(cursor.value()?)?;
        let offset = match cursor.value()? {
            [b'#', index @ ..] => offset(call, index, kind.width.into())?,
            bits => offset(call, bits, 1)?,
        };
        Ok((kind, offset))
    }

    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// How many bytes the string must have for it.
    fn bytes(&self) -> u64 {
        (self.offset + u64::from(self.kind.width) - 1) / 8 + 1
    }

    /// Carries it out and writes its reply; says whether it wrote, and something other than was there.
    fn run(&self, bytes: &mut [u8], reply: &mut Reply) -> (bool, bool) {
        let old = self.kind.read(bytes, self.offset);
        let (new, returns_old) = match self.action {
            Action::Get => {
                reply.int(old);
                return (false, false);
            }
            Action::Set(number, overflow) => (overflow.apply(self.kind.argument(number), self.kind), true),
            Action::Increment(by, overflow) => {
                (overflow.apply(i128::from(old) + i128::from(by), self.kind), false)
            }
        };
        let Some(new) = new else {
            reply.null();
            return (false, false);
        };
        bits::write_field(bytes, self.offset, self.kind.width, new as u64);
        reply.int(if returns_old { old } else { new });
        (true, old != new)
    }
}

fn bitfield(call: &mut Call) -> Result {
    let operations = Operation::parse_all(call)?;
    let needed = operations.iter().filter(|operation| operation.writes()).map(Operation::bytes).max();
    let Some(needed) = needed else { return read_only(call, &operations) };
    let (access, key) = (call.access(), call.args.at(1));
    let (bytes, grown) = call.server.string_to_change(access, key, needed)?;
    let mut changes = 0;
    call.reply.array(operations.len());
    for operation in &operations {
        let (wrote, differs) = operation.run(bytes, call.reply);
        changes += u64::from(wrote && (grown || differs));
    }
    if changes > 0 {
        call.changed(key, string_event("setbit"));
        call.server.dirty += changes - 1;
    } else if grown {
        // Every number overflowed and failed, but the string is longer: no event tells of that.
        call.changed_in_silence(key);
    }
    Ok(())
}

fn bitfield_ro(call: &mut Call) -> Result {
    let operations = Operation::parse_all(call)?;
    if operations.iter().any(Operation::writes) {
        return Err(Error::new("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read_only(call, &operations)
}

fn read_only(call: &mut Call, operations: &[Operation]) -> Result {
    let entry = call.server.read_string(call.access(), call.args.at(1))?;
    let mut digits = IntBuf::new();
    let string = entry.and_then(|entry| entry.string(&mut digits)).unwrap_or_default();
    call.reply.array(operations.len());
    operations.iter().for_each(|operation| call.reply.int(operation.kind.read(string, operation.offset)));
    Ok(())
}
