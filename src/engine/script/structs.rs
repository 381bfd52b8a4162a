//! The library `struct`: values to binary layouts and back.

use super::library::{Fallible, Outcome, bytes, integer, number, string};
use crate::engine::text::ascii::c_string;
use mlua::{Lua, Value};

pub(super) const FUNCTIONS: &[(&str, Fallible)] = &[("pack", pack), ("unpack", unpack), ("size", size)];

/// The largest size of an integer.
const MAX_INTEGER: usize = 32;
/// The alignment of `!` without a number.
const MAX_ALIGNMENT: usize = 8;
/// Bytes of a packed value: what a string may have.
const LONGEST: usize = 512 * 1024 * 1024;

/// Goes through a format.
struct Format<'a> {
    text: &'a [u8],
    /// Of the function that has it.
    name: &'static str,
    little: bool,
    alignment: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Integer {
        size: usize,
        signed: bool,
    },
    Float,
    Double,
    /// `s`: up to and with a zero.
    Text,
    /// `c`: so many bytes.
    Bytes(usize),
    Padding,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8], name: &'static str) -> Self {
        Format { text, name, little: cfg!(target_endian = "little"), alignment: 1 }
    }

    /// The number that stands next, or this one.
    fn count(&mut self, otherwise: usize) -> Result<usize, String> {
        let digits = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut count = 0_usize;
        for digit in &self.text[..digits] {
            count = count * 10 + usize::from(digit - b'0');
            if count > i32::MAX as usize {
                return Err("integral size overflow".into());
            }
        }
        self.text = &self.text[digits..];
        Ok(if digits == 0 { otherwise } else { count })
    }

    /// The next item and the padding before it, at this place of the layout.
    fn next(&mut self, at: usize) -> Result<Option<(Item, usize)>, String> {
        while let [code, rest @ ..] = self.text {
            self.text = rest;
            let integer = |size, signed| Item::Integer { size, signed };
            let (item, size) = match code {
                b' ' => continue,
                b'>' | b'<' => {
                    self.little = *code == b'<';
                    continue;
                }
                b'!' => {
                    let alignment = self.count(MAX_ALIGNMENT)?;
                    if !alignment.is_power_of_two() {
                        return Err(format!("alignment {alignment} is not a power of 2"));
                    }
                    self.alignment = alignment;
                    continue;
                }
                b'b' | b'B' => (integer(1, *code == b'b'), 1),
                b'h' | b'H' => (integer(2, *code == b'h'), 2),
                b'l' | b'L' | b'T' => (integer(8, *code == b'l'), 8),
                b'i' | b'I' => {
                    let size = self.count(4)?;
                    if size > MAX_INTEGER {
                        return Err(format!("integral size {size} is larger than limit of {MAX_INTEGER}"));
                    }
                    (integer(size, *code == b'i'), size)
                }
                b'f' => (Item::Float, 4),
                b'd' => (Item::Double, 8),
                b's' => (Item::Text, 0),
                b'c' => (Item::Bytes(self.count(1)?), 0),
                b'x' => (Item::Padding, 1),
                other => {
                    return Err(format!(
                        "bad argument #1 to '{}' (invalid format option '{}')",
                        self.name, *other as char
                    ));
                }
            };
            let padding = if *code == b'x' { 0 } else { self.padding(at, size)? };
            return Ok(Some((item, padding)));
        }
        Ok(None)
    }

    fn padding(&self, at: usize, size: usize) -> Result<usize, String> {
        let align = size.min(self.alignment);
        if size == 0 || align <= 1 {
            return Ok(0);
        }
        Ok((align - (at & (align - 1))) & (align - 1))
    }

    fn ordered(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if !self.little {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, args: &[Value]) -> Outcome {
    let text = string(lua, args, 0, "pack")?;
    let text = text.as_bytes();
    let text = c_string(&text);
    // What is not given is nil.
    let args = &[args, &[Value::Nil]].concat();
    let mut format = Format::new(text, "pack");
    let (mut out, mut arg) = (Vec::new(), 1);
    while let Some((item, padding)) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        match item {
            Item::Padding => {
                out.push(0);
                continue;
            }
            Item::Integer { size, .. } => {
                let value = number(args, arg, "pack")?;
                // As C converts: negative numbers as signed, large ones as unsigned.
                let value = if value < 0.0 { i128::from(value as i64) } else { i128::from(value as u64) };
                let mut integer = [if value < 0 { 0xff } else { 0 }; MAX_INTEGER];
                integer[..8].copy_from_slice(&value.to_le_bytes()[..8]);
                if size > 8 && value < 0 {
                    integer[8..].fill(0);
                }
                out.extend(format.ordered(integer[..size].to_vec()));
            }
            Item::Float => {
                let value = number(args, arg, "pack")? as f32;
                out.extend(format.ordered(value.to_le_bytes().into()));
            }
            Item::Double => out.extend(format.ordered(number(args, arg, "pack")?.to_le_bytes().into())),
            Item::Text => {
                out.extend_from_slice(&string(lua, args, arg, "pack")?.as_bytes());
                out.push(0);
            }
            Item::Bytes(count) => {
                let value = string(lua, args, arg, "pack")?;
                let value = value.as_bytes();
                let count = if count == 0 { value.len() } else { count };
                if count > value.len() {
                    return Err(format!("bad argument #{} to 'pack' (string too short)", arg + 2).into());
                }
                out.extend_from_slice(&value[..count]);
            }
        }
        if out.len() > LONGEST {
            return Err("format result too large".into());
        }
        arg += 1;
    }
    Ok(vec![bytes(lua, &out)?])
}

fn unpack(lua: &Lua, args: &[Value]) -> Outcome {
    const SHORT: &str = "bad argument #2 to 'unpack' (data string too short)";
    let text = string(lua, args, 0, "unpack")?;
    let data = string(lua, args, 1, "unpack")?;
    let (text, data) = (text.as_bytes(), data.as_bytes());
    let text = c_string(&text);
    let first = if args.get(2).is_none_or(Value::is_nil) { 1 } else { integer(args, 2, "unpack")? };
    if first == 0 {
        return Err("bad argument #3 to 'unpack' (offset must be 1 or greater)".into());
    }
    // A negative one is beyond any end.
    let mut at = first.wrapping_sub(1) as usize;
    if at > data.len() && !text.is_empty() {
        return Err(SHORT.into());
    }
    let mut format = Format::new(text, "unpack");
    let mut values: Vec<Value> = Vec::new();
    while let Some((item, padding)) = format.next(at)? {
        at = at.saturating_add(padding);
        let take = |count: usize| {
            let end = at.checked_add(count).filter(|end| *end <= data.len());
            end.map(|end| &data[at..end]).ok_or_else(|| SHORT.to_owned())
        };
        let (value, length) = match item {
            Item::Padding => {
                take(1)?;
                at += 1;
                continue;
            }
            Item::Integer { size, signed } => {
                (Value::Number(read(format.ordered(take(size)?.into()), signed)), size)
            }
            Item::Float => {
                let bytes: Vec<u8> = format.ordered(take(4)?.into());
                let value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                (Value::Number(value.into()), 4)
            }
            Item::Double => {
                let mut double = [0; 8];
                double.copy_from_slice(&format.ordered(take(8)?.into()));
                (Value::Number(f64::from_le_bytes(double)), 8)
            }
            Item::Text => {
                take(0)?;
                let rest = data.get(at..).unwrap_or_default();
                let length = memchr::memchr(0, rest).ok_or("unfinished string in data")?;
                (bytes(lua, &rest[..length])?, length + 1)
            }
            Item::Bytes(0) => {
                let count = match values.pop() {
                    Some(Value::Number(count)) if count >= 0.0 => count as usize,
                    _ => return Err("format 'c0' needs a previous size".into()),
                };
                (bytes(lua, take(count)?)?, count)
            }
            Item::Bytes(count) => (bytes(lua, take(count)?)?, count),
        };
        at += length;
        values.push(value);
        if values.len() >= 7998 {
            return Err("too many results to unpack".into());
        }
    }
    values.push(Value::Number((at as i64).wrapping_add(1) as f64));
    Ok(values)
}

/// An integer in little-endian order; of long ones, the lowest 8 bytes.
fn read(bytes: Vec<u8>, signed: bool) -> f64 {
    let width = bytes.len().min(8);
    let value = bytes[..width].iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if !signed {
        return value as f64;
    }
    let unused = 64 - 8 * width as u32;
    if unused == 64 { 0.0 } else { (((value << unused) as i64) >> unused) as f64 }
}

fn size(lua: &Lua, args: &[Value]) -> Outcome {
    let text = string(lua, args, 0, "size")?;
    let text = text.as_bytes();
    let text = c_string(&text);
    let mut format = Format::new(text, "size");
    let mut total = 0_usize;
    while let Some((item, padding)) = format.next(total)? {
        total += padding
            + match item {
                Item::Integer { size, .. } => size,
                Item::Float => 4,
                Item::Double => 8,
                Item::Padding => 1,
                Item::Text => return Err("bad argument #1 to 'size' (option 's' has no fixed size)".into()),
                Item::Bytes(0) => {
                    return Err("bad argument #1 to 'size' (option 'c0' has no fixed size)".into());
                }
                Item::Bytes(count) => count,
            };
        if total > i32::MAX as usize {
            return Err("bad argument #1 to 'size' (format result too large)".into());
        }
    }
    Ok(vec![Value::Number(total as f64)])
}
