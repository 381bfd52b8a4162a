//! AROP: one number about the elements in a range.

use super::{ARRAY, READ, index, write_index};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, block, int, key_at, one_of, string, token};
use crate::engine::text::long_double::LongDouble;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "AROP",
    arity: AtLeast(5),
    flags: Flags::READONLY,
    keys: &[key_at(1, READ)],
    complexity: "O(N) for N elements in the range",
    summary: "Sums up the elements in a range, or takes the least or largest, combines bits, or counts.",
    args: &[
        KEY,
        int("start"),
        int("end"),
        one_of(
            "operation",
            &[
                token("sum", "SUM"),
                token("min", "MIN"),
                token("max", "MAX"),
                token("and", "AND"),
                token("or", "OR"),
                token("xor", "XOR"),
                block("match", &[token("match", "MATCH"), string("value")]),
                token("used", "USED"),
            ],
        ),
    ],
    run: arop,
    ..ARRAY
}];

/// How two numbers become one.
enum Fold {
    /// Numbers with a fraction, in 80-bit floating point; what is no number is left out. `None` is what is
    /// no number any more.
    Numbers(fn(LongDouble, LongDouble) -> Option<LongDouble>),
    /// Their whole parts, as far as these fit 64 bits.
    Bits(fn(i64, i64) -> i64),
}

fn arop(call: &mut Call) -> Result {
    let (from, to) = (index(call.args.at(2))?, index(call.args.at(3))?);
    let operation = call.args.at(4).to_ascii_uppercase();
    let is_alone = call.args.len() == 5;
    let fold = match operation.as_slice() {
        b"SUM" => Fold::Numbers(LongDouble::plus),
        b"MIN" => Fold::Numbers(|a, b| Some(if b < a { b } else { a })),
        b"MAX" => Fold::Numbers(|a, b| Some(if b > a { b } else { a })),
        b"AND" => Fold::Bits(|a, b| a & b),
        b"OR" => Fold::Bits(|a, b| a | b),
        b"XOR" => Fold::Bits(|a, b| a ^ b),
        b"USED" if is_alone => return count(call, from, to, None),
        b"USED" => return Err(call.arity_error()),
        b"MATCH" if call.args.len() == 6 => return count(call, from, to, Some(call.args.at(5))),
        b"MATCH" => return Err(Error::new("ERR MATCH requires a value argument")),
        _ => return Err(Error::new("ERR unknown operation")),
    };
    if !is_alone {
        return Err(call.arity_error());
    }
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.read_as(access, key, Type::Array)?;
    let elements = entry.and_then(|entry| entry.array()).into_iter().flat_map(|array| array.range(from, to));
    let numbers = elements.filter_map(|(_, element)| LongDouble::parse(element.bytes(&mut IntBuf::new())));
    match fold {
        Fold::Numbers(fold) => match numbers.map(Some).reduce(|a, b| fold(a?, b?)) {
            Some(Some(number)) => call.reply.bulk(number.to_general_string().as_bytes()),
            Some(None) => call.reply.bulk(b"nan"),
            None => call.reply.null(),
        },
        Fold::Bits(fold) => match numbers.filter_map(LongDouble::truncated).reduce(fold) {
            Some(bits) => call.reply.int(bits),
            None => call.reply.null(),
        },
    }
    Ok(())
}

/// How many elements there are, or how many equal one value.
fn count(call: &mut Call, from: u64, to: u64, wanted: Option<&[u8]>) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.read_as(access, key, Type::Array)?;
    let array = entry.and_then(|entry| entry.array());
    let count = array.map_or(0, |array| match wanted {
        None => array.range(from, to).size_hint().0 as u64,
        Some(wanted) => {
            let wanted = Element::from_bytes(wanted);
            array.range(from, to).filter(|(_, element)| *element == wanted).count() as u64
        }
    });
    write_index(call.reply, count);
    Ok(())
}
