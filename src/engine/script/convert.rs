//! Replies of commands to values of Lua, and values of Lua to replies.

use super::stack::{LARGEST, Shown, Stack};
use crate::engine::mutant;
use crate::engine::protocol::Reply;
use crate::engine::text::number::{format_f64_digits, parse_f64, parse_i64};

/// Tables in tables beyond which nothing is converted: the native stack is finite.
const DEEPEST: usize = 2000;
/// Values that a table needs room for beside those in it.
const ROOM: i32 = 8;
/// Elements after which it is asked whether there is memory for more.
const CHECKED: i64 = 1024;

/// Pushes a whole reply, as the server wrote it itself. Fails if there is no memory for it.
pub fn push(stack: &mut Stack, reply: &[u8]) -> mlua::Result<()> {
    if stack.is_over_limit(reply.len()) {
        return Err(mlua::Error::MemoryError("not enough memory".into()));
    }
    Reader { input: reply }.push(stack)
}

/// Takes a reply, as the server wrote it, apart.
pub(super) struct Reader<'a> {
    /// What is left of it.
    pub input: &'a [u8],
}

impl<'a> Reader<'a> {
    /// What stands before the next end of a line.
    pub fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.input).unwrap_or(self.input.len());
        let line = &self.input[..end];
        self.input = &self.input[(end + 2).min(self.input.len())..];
        line
    }

    fn count(&mut self) -> i64 {
        parse_i64(self.line()).unwrap_or_default()
    }

    /// So many bytes, which an end of a line follows.
    pub fn bytes(&mut self, count: i64) -> &'a [u8] {
        let count = (count.max(0) as usize).min(self.input.len());
        let bytes = &self.input[..count];
        self.input = &self.input[(count + 2).min(self.input.len())..];
        bytes
    }

    fn push(&mut self, stack: &mut Stack) -> mlua::Result<()> {
        let Some((kind, rest)) = self.input.split_first() else {
            stack.push_nil();
            return Ok(());
        };
        self.input = rest;
        match kind {
            b'+' => in_field(stack, "ok", |stack| stack.push_bytes(self.line())),
            b'-' => in_field(stack, "err", |stack| stack.push_bytes(self.line())),
            b':' => stack.push_number(self.count() as f64),
            b'$' => match self.count() {
                -1 => stack.push_boolean(false),
                length => stack.push_bytes(self.bytes(length)),
            },
            b'*' | b'>' => match self.count() {
                -1 => stack.push_boolean(false),
                count => self.push_array(stack, count)?,
            },
            b'%' => {
                stack.push_table(0, 1);
                self.push_map(stack)?;
                stack.set_field(stack.len() - 1, "map");
            }
            b'~' => {
                stack.push_table(0, 1);
                self.push_set(stack)?;
                stack.set_field(stack.len() - 1, "set");
            }
            b'#' => stack.push_boolean(self.line() == b"t"),
            b',' => {
                let number = parse_f64(self.line()).unwrap_or(f64::NAN);
                in_field(stack, "double", |stack| stack.push_number(number));
            }
            b'(' => in_field(stack, "big_number", |stack| stack.push_bytes(self.line())),
            b'=' => {
                let length = self.count();
                let bytes = self.bytes(length);
                in_field(stack, "verbatim_string", |stack| push_verbatim(stack, bytes));
            }
            b'|' => {
                self.push_map(stack)?;
                stack.truncate(stack.len() - 1);
                self.push(stack)?;
            }
            _ => {
                self.line();
                stack.push_nil();
            }
        }
        Ok(())
    }

    fn push_array(&mut self, stack: &mut Stack, count: i64) -> mlua::Result<()> {
        stack.push_table(count.clamp(0, LARGEST) as usize, 0);
        let table = stack.len();
        for index in 1..=count {
            check(stack, index)?;
            self.push(stack)?;
            stack.set_element(table, index as i32);
        }
        Ok(())
    }

    fn push_map(&mut self, stack: &mut Stack) -> mlua::Result<()> {
        self.push_keys(stack, Self::push)
    }

    fn push_set(&mut self, stack: &mut Stack) -> mlua::Result<()> {
        self.push_keys(stack, |_, stack| {
            stack.push_boolean(true);
            Ok(())
        })
    }

    /// A table whose values `push_value` pushes.
    fn push_keys(
        &mut self,
        stack: &mut Stack,
        push_value: impl Fn(&mut Self, &mut Stack) -> mlua::Result<()>,
    ) -> mlua::Result<()> {
        stack.push_table(0, 0);
        let table = stack.len();
        for index in 1..=self.count() {
            check(stack, index)?;
            self.push(stack)?;
            push_value(self, stack)?;
            stack.set_pair(table);
        }
        Ok(())
    }
}

/// Now and then: is there memory for the element of this index?
fn check(stack: &Stack, index: i64) -> mlua::Result<()> {
    let full = index > LARGEST || (index % CHECKED == 0 && stack.is_over_limit(0));
    if full { Err(mlua::Error::MemoryError("not enough memory".into())) } else { Ok(()) }
}

/// Pushes a table whose one field is what `push` pushes.
fn in_field(stack: &mut Stack, name: &str, push: impl FnOnce(&mut Stack)) {
    stack.push_table(0, 1);
    push(stack);
    stack.set_field(stack.len() - 1, name);
}

fn push_verbatim(stack: &mut Stack, bytes: &[u8]) {
    let (format, text) = bytes.split_at(bytes.len().min(3));
    stack.push_table(0, 2);
    let table = stack.len();
    stack.push_bytes(format);
    stack.set_field(table, "format");
    stack.push_bytes(text.strip_prefix(b":").unwrap_or(text));
    stack.set_field(table, "string");
}

/// Tables that are in themselves many times over make a reply that is larger than scripts may be.
#[derive(Debug)]
pub struct TooLarge;

/// Writes the value on top, which a script returned, and pops it. Metamethods are not asked. `typed` is whether the script
/// chose RESP3, in which truth values are what they are.
pub fn write(reply: &mut Reply, stack: &mut Stack, typed: bool) -> Result<(), TooLarge> {
    write_nested(reply, stack, typed, 0)
}

fn write_nested(reply: &mut Reply, stack: &mut Stack, typed: bool, depth: usize) -> Result<(), TooLarge> {
    let top = stack.len();
    match stack.show(top) {
        Shown::Bytes(text) => reply.bulk(text),
        Shown::Number(number) => reply.int(whole(number)),
        Shown::Boolean(on) if typed => reply.bool(on),
        Shown::Boolean(true) => reply.int(1),
        Shown::Table => match depth < DEEPEST && stack.has_room(ROOM) {
            true => write_table(reply, stack, typed, depth + 1)?,
            false => reply.error(b"ERR reached lua stack limit"),
        },
        _ => reply.null(),
    }
    stack.truncate(top - 1);
    Ok(())
}

/// Writes the table on top.
fn write_table(reply: &mut Reply, stack: &mut Stack, typed: bool, depth: usize) -> Result<(), TooLarge> {
    let table = stack.len();
    if stack.is_over_limit(reply.len()) {
        return Err(TooLarge);
    }
    if !write_typed(reply, stack, typed, depth)? {
        let mark = reply.mark();
        let mut count = 0;
        loop {
            stack.truncate(table);
            stack.push_element(table, count + 1);
            let ends = mutant::is_on("script-null") && stack.show(table + 1) == Shown::Boolean(false);
            if ends || stack.show(table + 1) == Shown::Nil {
                break;
            }
            write_nested(reply, stack, typed, depth)?;
            count += 1;
        }
        reply.array_at(mark, count as usize);
    }
    Ok(())
}

/// Writes the table on top if one of its fields says what it is; says whether it is so.
fn write_typed(reply: &mut Reply, stack: &mut Stack, typed: bool, depth: usize) -> Result<bool, TooLarge> {
    let table = stack.len();
    let field = |stack: &mut Stack, name| {
        stack.truncate(table);
        stack.push_field(table, name);
    };
    field(stack, "err");
    if let Shown::Bytes(text) = stack.show(table + 1) {
        if mutant::is_on("script-error") {
            reply.bulk(text);
            return Ok(true);
        }
        reply.error(text.strip_prefix(b"-").unwrap_or(text));
        return Ok(true);
    }
    field(stack, "ok");
    if let Shown::Bytes(text) = stack.show(table + 1) {
        reply.simple_bytes(text);
        return Ok(true);
    }
    field(stack, "double");
    if let Shown::Number(number) = stack.show(table + 1) {
        reply.double(number);
        return Ok(true);
    }
    field(stack, "map");
    if stack.show(table + 1) == Shown::Table {
        write_pairs(reply, stack, typed, depth, true)?;
        return Ok(true);
    }
    field(stack, "set");
    if stack.show(table + 1) == Shown::Table {
        write_pairs(reply, stack, typed, depth, false)?;
        return Ok(true);
    }
    field(stack, "big_number");
    if let Shown::Bytes(digits) = stack.show(table + 1) {
        let one_line = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        let digits: Vec<u8> = digits.iter().map(one_line).collect();
        reply.big_number(&digits);
        return Ok(true);
    }
    field(stack, "verbatim_string");
    if stack.show(table + 1) == Shown::Table {
        stack.push_field(table + 1, "format");
        stack.push_field(table + 1, "string");
        if let (Shown::Bytes(format), Shown::Bytes(text)) = (stack.show(table + 2), stack.show(table + 3))
            && format.len() == 3
        {
            reply.verbatim(&String::from_utf8_lossy(format), text);
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes the map on top, or the set whose members are its keys.
fn write_pairs(
    reply: &mut Reply,
    stack: &mut Stack,
    typed: bool,
    depth: usize,
    map: bool,
) -> Result<(), TooLarge> {
    let table = stack.len();
    let mark = reply.mark();
    let mut count = 0;
    stack.for_each(table, |stack| {
        let (key, value) = (table + 1, table + 2);
        stack.push_copy(key);
        write_nested(reply, stack, typed, depth)?;
        if map {
            stack.push_copy(value);
            write_nested(reply, stack, typed, depth)?;
        }
        count += 1;
        Ok(())
    })?;
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

/// Appends a string, or a number as commands get it; says whether it is one.
pub fn append(out: &mut Vec<u8>, value: Shown) -> bool {
    match value {
        Shown::Bytes(text) => out.extend_from_slice(text),
        // Half the range of i64, within which Redis takes whole numbers for integers.
        Shown::Number(number) if number.abs() <= (i64::MAX / 2) as f64 && whole(number) as f64 == number => {
            out.extend_from_slice(itoa::Buffer::new().format(whole(number)).as_bytes())
        }
        Shown::Number(number) => out.extend_from_slice(format_f64_digits(number).as_bytes()),
        _ => return false,
    }
    true
}
