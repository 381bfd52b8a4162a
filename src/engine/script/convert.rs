//! Replies of commands to values of Lua, and values of Lua to replies.

use crate::engine::protocol::Reply;
use mlua::{Lua, Table, Value};

/// Tables in tables beyond which nothing is converted: the native stack is finite.
const DEEPEST: usize = 2000;

/// Reads a whole reply, as the server wrote it itself.
pub struct Reader<'a> {
    lua: &'a Lua,
    input: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of this reply.
    pub fn new(lua: &'a Lua, input: &'a [u8]) -> Self {
        Reader { lua, input }
    }

    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.input).unwrap_or(self.input.len());
        let line = &self.input[..end];
        self.input = &self.input[(end + 2).min(self.input.len())..];
        line
    }

    fn count(&mut self) -> i64 {
        crate::engine::text::number::parse_i64(self.line()).unwrap_or_default()
    }

    fn bytes(&mut self, count: i64) -> &'a [u8] {
        let count = (count.max(0) as usize).min(self.input.len());
        let bytes = &self.input[..count];
        self.input = &self.input[(count + 2).min(self.input.len())..];
        bytes
    }

    fn field(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn string(&self, bytes: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(bytes).map(Value::String)
    }

    /// The next value.
    pub fn value(&mut self) -> mlua::Result<Value> {
        let Some((kind, rest)) = self.input.split_first() else { return Ok(Value::Nil) };
        self.input = rest;
        match kind {
            b'+' => {
                let text = self.string(self.peek_line())?;
                self.line();
                self.field("ok", text)
            }
            b'-' => {
                let text = self.line();
                let text = self.string(text)?;
                self.field("err", text)
            }
            b':' => Ok(Value::Integer(self.count())),
            b'$' => match self.count() {
                -1 => Ok(Value::Boolean(false)),
                length => {
                    let bytes = self.bytes(length);
                    self.string(bytes)
                }
            },
            b'*' | b'>' => match self.count() {
                -1 => Ok(Value::Boolean(false)),
                count => self.array(count),
            },
            b'%' => {
                let pairs = self.map()?;
                self.field("map", pairs)
            }
            b'~' => self.set(),
            b'#' => Ok(Value::Boolean(self.line() == b"t")),
            b',' => {
                let text = self.line();
                let number = crate::engine::text::number::parse_f64(text).unwrap_or(f64::NAN);
                self.field("double", Value::Number(number))
            }
            b'(' => {
                let digits = self.line();
                let digits = self.string(digits)?;
                self.field("big_number", digits)
            }
            b'=' => self.verbatim(),
            b'|' => {
                self.map()?;
                self.value()
            }
            _ => {
                self.line();
                Ok(Value::Nil)
            }
        }
    }

    fn peek_line(&self) -> &'a [u8] {
        &self.input[..memchr::memchr(b'\r', self.input).unwrap_or(self.input.len())]
    }

    fn array(&mut self, count: i64) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(count.clamp(0, 1 << 16) as usize, 0)?;
        for index in 1..=count {
            let value = self.value()?;
            table.raw_set(index, value)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        for _ in 0..self.count() {
            let (key, value) = (self.value()?, self.value()?);
            if !key.is_nil() {
                table.raw_set(key, value)?;
            }
        }
        Ok(Value::Table(table))
    }

    fn set(&mut self) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        for _ in 0..self.count() {
            let member = self.value()?;
            if !member.is_nil() {
                table.raw_set(member, true)?;
            }
        }
        self.field("set", Value::Table(table))
    }

    fn verbatim(&mut self) -> mlua::Result<Value> {
        let length = self.count();
        let bytes = self.bytes(length);
        let (format, text) = bytes.split_at(bytes.len().min(3));
        let table = self.lua.create_table()?;
        table.raw_set("format", self.string(format)?)?;
        table.raw_set("string", self.string(text.strip_prefix(b":").unwrap_or(text))?)?;
        self.field("verbatim_string", Value::Table(table))
    }
}

/// Writes what a script returned. Metamethods are not asked. `typed` is whether the script chose RESP3, in which truth
/// values are what they are.
pub fn write(reply: &mut Reply, value: &Value, typed: bool) -> mlua::Result<()> {
    write_nested(reply, value, typed, 0)
}

fn write_nested(reply: &mut Reply, value: &Value, typed: bool, depth: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => reply.bulk(&text.as_bytes()),
        Value::Integer(number) => reply.int(*number),
        Value::Number(number) => reply.int(whole(*number)),
        Value::Boolean(on) if typed => reply.bool(*on),
        Value::Boolean(true) => reply.int(1),
        Value::Table(_) if depth >= DEEPEST => reply.error(b"ERR reached lua stack limit"),
        Value::Table(table) => write_table(reply, table, typed, depth + 1)?,
        _ => reply.null(),
    }
    Ok(())
}

fn write_table(reply: &mut Reply, table: &Table, typed: bool, depth: usize) -> mlua::Result<()> {
    if let Value::String(text) = table.raw_get::<Value>("err")? {
        return error(reply, &text.as_bytes());
    }
    if let Value::String(text) = table.raw_get::<Value>("ok")? {
        reply.simple_bytes(&text.as_bytes());
        return Ok(());
    }
    match table.raw_get::<Value>("double")? {
        Value::Number(number) => {
            reply.double(number);
            return Ok(());
        }
        Value::Integer(number) => {
            reply.double(number as f64);
            return Ok(());
        }
        _ => {}
    }
    if let Value::Table(map) = table.raw_get::<Value>("map")? {
        return write_pairs(reply, &map, typed, depth, true);
    }
    if let Value::Table(set) = table.raw_get::<Value>("set")? {
        return write_pairs(reply, &set, typed, depth, false);
    }
    if let Value::String(digits) = table.raw_get::<Value>("big_number")? {
        let one_line = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        let digits: Vec<u8> = digits.as_bytes().iter().map(one_line).collect();
        reply.big_number(&digits);
        return Ok(());
    }
    if let Value::Table(verbatim) = table.raw_get::<Value>("verbatim_string")?
        && let Value::String(format) = verbatim.raw_get::<Value>("format")?
        && let Value::String(text) = verbatim.raw_get::<Value>("string")?
        && format.as_bytes().len() == 3
    {
        reply.verbatim(&format.to_string_lossy(), &text.as_bytes());
        return Ok(());
    }
    let mark = reply.mark();
    let mut count = 0;
    loop {
        let value = table.raw_get::<Value>(count + 1)?;
        if value.is_nil() {
            break;
        }
        write_nested(reply, &value, typed, depth)?;
        count += 1;
    }
    reply.array_at(mark, count);
    Ok(())
}

/// Writes a map, or a set whose members are keys.
fn write_pairs(reply: &mut Reply, table: &Table, typed: bool, depth: usize, map: bool) -> mlua::Result<()> {
    let mark = reply.mark();
    let mut count = 0;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        write_nested(reply, &key, typed, depth)?;
        if map {
            write_nested(reply, &value, typed, depth)?;
        }
        count += 1;
    }
    if map {
        reply.map_at(mark, count)
    } else {
        reply.set_at(mark, count)
    }
    Ok(())
}

/// A number without its fraction, as the processors that Redis runs on convert it.
fn whole(number: f64) -> i64 {
    let limit = 9_223_372_036_854_775_808.0;
    if (-limit..limit).contains(&number) { number as i64 } else { i64::MIN }
}

fn error(reply: &mut Reply, text: &[u8]) -> mlua::Result<()> {
    reply.error(text.strip_prefix(b"-").unwrap_or(text));
    Ok(())
}
