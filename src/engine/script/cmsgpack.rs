//! The library `cmsgpack`: values to MessagePack and back, with the choices of Redis's library.

use super::library::{Failure, Fallible, Outcome, bytes, integer, string, text};
use mlua::{Lua, Table, Value};

/// Nesting beyond which a packed table is nil.
const DEEPEST: usize = 16;
/// Nesting beyond which input is refused: the native stack is finite.
const DEEPEST_INPUT: usize = 1000;

pub(super) const FUNCTIONS: &[(&str, Fallible)] = &[
    ("pack", pack),
    ("unpack", |lua, args| unpack(lua, args, "unpack", 0, 0)),
    ("unpack_one", |lua, args| {
        let offset = if args.len() > 1 { integer(args, 1, "unpack_one")? } else { 0 };
        unpack(lua, args, "unpack_one", 1, offset)
    }),
    ("unpack_limit", |lua, args| {
        let limit = integer(args, 1, "unpack_limit")?;
        let offset = if args.len() > 2 { integer(args, 2, "unpack_limit")? } else { 0 };
        unpack(lua, args, "unpack_limit", limit, offset)
    }),
];

fn pack(lua: &Lua, args: &[Value]) -> Outcome {
    if args.is_empty() {
        return Err("bad argument #0 to 'pack' (MessagePack pack needs input.)".into());
    }
    let mut out = Vec::new();
    for value in args {
        append(&mut out, value, 0)?;
    }
    Ok(vec![bytes(lua, &out)?])
}

fn append(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::String(text) => append_string(out, &text.as_bytes()),
        Value::Boolean(on) => out.push(if *on { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => append_integer(out, *number),
        Value::Number(number) => append_number(out, *number),
        Value::Table(table) if depth < DEEPEST => append_table(out, table, depth + 1)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    match length {
        0..32 => out.push(0xa0 | length as u8),
        32..0x100 => out.extend([0xd9, length as u8]),
        0x100..0x1_0000 => append_sized(out, 0xda, &(length as u16).to_be_bytes()),
        _ => append_sized(out, 0xdb, &(length as u32).to_be_bytes()),
    }
    out.extend_from_slice(text);
}

fn append_sized(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(payload);
}

fn append_integer(out: &mut Vec<u8>, number: i64) {
    match number {
        0..128 => out.push(number as u8),
        128..0x100 => out.extend([0xcc, number as u8]),
        0x100..0x1_0000 => append_sized(out, 0xcd, &(number as u16).to_be_bytes()),
        0x1_0000..0x1_0000_0000 => append_sized(out, 0xce, &(number as u32).to_be_bytes()),
        0x1_0000_0000.. => append_sized(out, 0xcf, &number.to_be_bytes()),
        -32..0 => out.push(number as i8 as u8),
        -128..-32 => out.extend([0xd0, number as i8 as u8]),
        -0x8000..-128 => append_sized(out, 0xd1, &(number as i16).to_be_bytes()),
        -0x8000_0000..-0x8000 => append_sized(out, 0xd2, &(number as i32).to_be_bytes()),
        _ => append_sized(out, 0xd3, &number.to_be_bytes()),
    }
}

fn append_number(out: &mut Vec<u8>, number: f64) {
    if number.trunc() == number && (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&number) {
        return append_integer(out, number as i64);
    }
    let single = number as f32;
    if f64::from(single) == number {
        append_sized(out, 0xca, &single.to_be_bytes());
    } else {
        append_sized(out, 0xcb, &number.to_be_bytes());
    }
}

/// A table whose keys are 1 to its count is an array, another a map.
fn append_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> Result<(), String> {
    let (mut count, mut largest, mut array) = (0_u32, 0, true);
    for pair in table.pairs::<Value, Value>() {
        count += 1;
        match pair.map_err(text)?.0 {
            Value::Integer(index) if index > 0 => largest = largest.max(index),
            _ => array = false,
        }
    }
    if array && largest == i64::from(count) {
        append_count(out, count, (0x90, 0xdc, 0xdd));
        for index in 1..=largest {
            append(out, &table.raw_get(index).map_err(text)?, depth)?;
        }
        return Ok(());
    }
    append_count(out, count, (0x80, 0xde, 0xdf));
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(text)?;
        append(out, &key, depth)?;
        append(out, &value, depth)?;
    }
    Ok(())
}

fn append_count(out: &mut Vec<u8>, count: u32, (small, medium, large): (u8, u8, u8)) {
    match count {
        0..16 => out.push(small | count as u8),
        16..0x1_0000 => append_sized(out, medium, &(count as u16).to_be_bytes()),
        _ => append_sized(out, large, &count.to_be_bytes()),
    }
}

/// Reads at most `limit` values from `offset` on (0: all); with a limit, where to go on (or -1) comes first.
fn unpack(lua: &Lua, args: &[Value], name: &str, limit: i64, offset: i64) -> Outcome {
    let input = string(lua, args, 0, name)?;
    let input = input.as_bytes();
    if offset < 0 || limit < 0 {
        return Err(format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            input.len()
        )
        .into());
    }
    if offset as u64 > input.len() as u64 {
        return Err(format!("Start offset {offset} greater than input length {}.", input.len()).into());
    }
    let mut reader = Reader { lua, input: &input, at: offset as usize };
    let mut values = Vec::new();
    let all = limit == 0;
    while reader.at < input.len() && (all || (values.len() as i64) < limit) {
        values.push(reader.value(0)?);
        if values.len() >= 8000 {
            return Err("too many return values at once; use unpack_one or unpack_limit instead.".into());
        }
    }
    if !all {
        let next = if reader.at < input.len() { reader.at as i64 } else { -1 };
        values.insert(0, Value::Integer(next));
    }
    Ok(values)
}

struct Reader<'a> {
    lua: &'a Lua,
    input: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], Failure> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.input.len());
        let end = end.ok_or("Missing bytes in input.")?;
        let bytes = &self.input[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn size(&mut self, width: usize) -> Result<usize, Failure> {
        Ok(self.take(width)?.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)))
    }

    fn string(&mut self, length: usize) -> Result<Value, Failure> {
        let lua = self.lua;
        Ok(bytes(lua, self.take(length)?)?)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Failure> {
        if depth > DEEPEST_INPUT {
            return Err("Bad data format in input.".into());
        }
        let [kind] = self.fixed()?;
        let number = |value: f64| Ok(Value::Number(value));
        match kind {
            0..0x80 => number(f64::from(kind)),
            0xe0.. => number(f64::from(kind as i8)),
            0x80..0x90 => self.map(usize::from(kind & 15), depth),
            0x90..0xa0 => self.array(usize::from(kind & 15), depth),
            0xa0..0xc0 => self.string(usize::from(kind & 31)),
            0xc0 => Ok(Value::Nil),
            0xc2 | 0xc3 => Ok(Value::Boolean(kind == 0xc3)),
            0xc4 | 0xd9 => self.size(1).and_then(|length| self.string(length)),
            0xc5 | 0xda => self.size(2).and_then(|length| self.string(length)),
            0xc6 | 0xdb => self.size(4).and_then(|length| self.string(length)),
            0xca => number(f32::from_be_bytes(self.fixed()?).into()),
            0xcb => number(f64::from_be_bytes(self.fixed()?)),
            0xcc => number(self.fixed::<1>()?[0].into()),
            0xcd => number(u16::from_be_bytes(self.fixed()?).into()),
            0xce => number(u32::from_be_bytes(self.fixed()?).into()),
            // As Redis converts it: large ones are negative.
            0xcf => number(i64::from_be_bytes(self.fixed()?) as f64),
            0xd0 => number(i8::from_be_bytes(self.fixed()?).into()),
            0xd1 => number(i16::from_be_bytes(self.fixed()?).into()),
            0xd2 => number(i32::from_be_bytes(self.fixed()?).into()),
            0xd3 => number(i64::from_be_bytes(self.fixed()?) as f64),
            0xdc => self.size(2).and_then(|count| self.array(count, depth)),
            0xdd => self.size(4).and_then(|count| self.array(count, depth)),
            0xde => self.size(2).and_then(|count| self.map(count, depth)),
            0xdf => self.size(4).and_then(|count| self.map(count, depth)),
            _ => Err("Bad data format in input.".into()),
        }
    }

    fn array(&mut self, count: usize, depth: usize) -> Result<Value, Failure> {
        let table = self.lua.create_table().map_err(text)?;
        for index in 1..=count {
            let value = self.value(depth + 1)?;
            table.raw_set(index, value).map_err(text)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, count: usize, depth: usize) -> Result<Value, Failure> {
        let table = self.lua.create_table().map_err(text)?;
        for _ in 0..count {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            if key.is_nil() {
                return Err(Failure::Interpreter("table index is nil"));
            }
            if key.as_number().is_some_and(f64::is_nan) {
                return Err(Failure::Interpreter("table index is NaN"));
            }
            table.raw_set(key, value).map_err(text)?;
        }
        Ok(Value::Table(table))
    }
}
