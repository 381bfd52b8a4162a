//! The library `bit`: operations on 32-bit numbers.

use super::library::{Fallible, Outcome, number};
use mlua::{Lua, Value};

pub(super) const FUNCTIONS: &[(&str, Fallible)] = &[
    ("tobit", |_, args| result(bits(args, 0, "tobit")?)),
    ("bnot", |_, args| result(!bits(args, 0, "bnot")?)),
    ("band", |_, args| fold(args, "band", |a, b| a & b)),
    ("bor", |_, args| fold(args, "bor", |a, b| a | b)),
    ("bxor", |_, args| fold(args, "bxor", |a, b| a ^ b)),
    ("lshift", |_, args| shift(args, "lshift", |a, n| a << n)),
    ("rshift", |_, args| shift(args, "rshift", |a, n| a >> n)),
    ("arshift", |_, args| shift(args, "arshift", |a, n| ((a as i32) >> n) as u32)),
    ("rol", |_, args| shift(args, "rol", u32::rotate_left)),
    ("ror", |_, args| shift(args, "ror", u32::rotate_right)),
    ("bswap", |_, args| result(bits(args, 0, "bswap")?.swap_bytes())),
    ("tohex", to_hex),
];

/// The lowest 32 bits of a number, rounded to a whole one (ties to even).
fn bits(args: &[Value], index: usize, name: &str) -> Result<u32, String> {
    let value = number(args, index, name)?.round_ties_even();
    Ok(value.rem_euclid(4_294_967_296.0) as u32)
}

fn result(bits: u32) -> Outcome {
    Ok(vec![Value::Number(f64::from(bits as i32))])
}

fn fold(args: &[Value], name: &str, op: fn(u32, u32) -> u32) -> Outcome {
    let mut all = bits(args, 0, name)?;
    for index in 1..args.len() {
        all = op(all, bits(args, index, name)?);
    }
    result(all)
}

fn shift(args: &[Value], name: &str, op: fn(u32, u32) -> u32) -> Outcome {
    result(op(bits(args, 0, name)?, bits(args, 1, name)? & 31))
}

/// So many hex digits, capitals if the count is negative.
fn to_hex(lua: &Lua, args: &[Value]) -> Outcome {
    let value = bits(args, 0, "tohex")?;
    let count = if args.len() < 2 { 8 } else { bits(args, 1, "tohex")? as i32 };
    let digits = count.unsigned_abs().min(8) as usize;
    let text = if count < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    Ok(vec![Value::String(lua.create_string(&text[8 - digits..]).map_err(|error| error.to_string())?)])
}
