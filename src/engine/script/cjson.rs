//! The library `cjson`: values to JSON and back, with the limits and the words of Lua CJSON.

mod decode;
mod encode;

use super::library::{self, Outcome, bad_argument, bytes, number};
use super::stack::{self, Answer, Stack};
use mlua::{Lua, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;

/// What scripts can set. It stays until the interpreter is replaced, as it does in Redis.
#[derive(Clone, Debug)]
struct Settings {
    /// Sparse arrays become objects instead of errors.
    sparse_convert: bool,
    /// An array is too sparse if its largest index is more than this many times the count of its elements; 0: never.
    sparse_ratio: f64,
    /// ... and larger than this.
    sparse_safe: f64,
    encode_depth: usize,
    decode_depth: usize,
    precision: usize,
    /// NaN and infinities: refused, encoded as they are, or as null.
    encode_invalid: Invalid,
    decode_invalid: bool,
    keep_buffer: bool,
    /// Arrays that are decoded are told from objects when they are encoded again, also while they are empty.
    marks_arrays: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Invalid {
    Refuse,
    Encode,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2.0,
            sparse_safe: 10.0,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            encode_invalid: Invalid::Refuse,
            decode_invalid: true,
            keep_buffer: true,
            marks_arrays: false,
        }
    }
}

/// Values that a table needs room for on Lua's stack beside those in it.
const ROOM: i32 = 8;
/// The field of a metatable that makes its table an array.
const ARRAY: &str = "__is_cjson_array";
const NO_MEMORY: &str = "not enough memory";
/// Nesting beyond which nothing goes, whatever scripts set: the native stack is finite.
const DEEPEST: usize = 4000;

/// The functions of the library.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let settings = Rc::new(RefCell::new(Settings::default()));
    let table = lua.create_table()?;
    let add = |name: &'static str, function: fn(&mut Settings, &Lua, &[Value]) -> Outcome| {
        let settings = settings.clone();
        let most = if name == "encode_sparse_array" { 3 } else { 1 };
        let function = move |lua: &Lua, args: &[Value]| match args.len() > most {
            true => Err(format!("bad argument #{} to '{name}' (found too many arguments)", most + 1).into()),
            false => function(&mut settings.borrow_mut(), lua, args),
        };
        table.raw_set(name, library::wrap(lua, function)?)
    };
    add("encode_sparse_array", sparse_array)?;
    add("encode_max_depth", |settings, _, args| depth(&mut settings.encode_depth, args, "encode_max_depth"))?;
    add("decode_max_depth", |settings, _, args| depth(&mut settings.decode_depth, args, "decode_max_depth"))?;
    add("encode_number_precision", precision)?;
    add("encode_keep_buffer", |settings, _, args| {
        switch(&mut settings.keep_buffer, args, "encode_keep_buffer")
    })?;
    add("encode_invalid_numbers", encode_invalid)?;
    add("decode_invalid_numbers", |settings, _, args| {
        switch(&mut settings.decode_invalid, args, "decode_invalid_numbers")
    })?;
    add("decode_array_with_array_mt", |settings, _, args| {
        switch(&mut settings.marks_arrays, args, "decode_array_with_array_mt")
    })?;
    let add = |name: &'static str, convert: fn(&Settings, &mut Stack) -> Result<(), String>| {
        let settings = settings.clone();
        let function = stack::native(lua, move |stack| {
            let outcome = match stack.len() {
                1 => convert(&settings.borrow(), stack),
                _ => Err(format!("bad argument #1 to '{name}' (expected 1 argument)")),
            };
            outcome.map_err(|text| library::raised(stack.lua(), &text)).map(|()| Answer::Pushed)
        })?;
        table.raw_set(name, function)
    };
    add("encode", encode::encode)?;
    add("decode", decode::decode)?;
    Ok(table)
}

fn sparse_array(settings: &mut Settings, _: &Lua, args: &[Value]) -> Outcome {
    if let Some(convert) = args.first().filter(|value| !value.is_nil()) {
        settings.sparse_convert = boolean(convert, "encode_sparse_array")?;
    }
    if args.len() > 1 {
        settings.sparse_ratio = whole(args, 1, "encode_sparse_array", 0.0, i32::MAX.into())?;
    }
    if args.len() > 2 {
        settings.sparse_safe = whole(args, 2, "encode_sparse_array", 0.0, i32::MAX.into())?;
    }
    Ok(vec![
        Value::Boolean(settings.sparse_convert),
        Value::Number(settings.sparse_ratio),
        Value::Number(settings.sparse_safe),
    ])
}

fn depth(setting: &mut usize, args: &[Value], name: &str) -> Outcome {
    if !args.is_empty() {
        *setting = whole(args, 0, name, 1.0, i32::MAX.into())? as usize;
    }
    Ok(vec![Value::Number(*setting as f64)])
}

fn precision(settings: &mut Settings, _: &Lua, args: &[Value]) -> Outcome {
    if !args.is_empty() {
        settings.precision = whole(args, 0, "encode_number_precision", 1.0, 14.0)? as usize;
    }
    Ok(vec![Value::Number(settings.precision as f64)])
}

fn switch(setting: &mut bool, args: &[Value], name: &str) -> Outcome {
    if let Some(value) = args.first() {
        *setting = boolean(value, name)?;
    }
    Ok(vec![Value::Boolean(*setting)])
}

fn encode_invalid(settings: &mut Settings, lua: &Lua, args: &[Value]) -> Outcome {
    match args.first() {
        None => {}
        Some(Value::String(word)) if word.as_bytes() == b"null" => settings.encode_invalid = Invalid::Null,
        Some(value) => {
            settings.encode_invalid =
                if boolean(value, "encode_invalid_numbers")? { Invalid::Encode } else { Invalid::Refuse };
        }
    }
    Ok(vec![match settings.encode_invalid {
        Invalid::Refuse => Value::Boolean(false),
        Invalid::Encode => Value::Boolean(true),
        Invalid::Null => bytes(lua, b"null")?,
    }])
}

/// A truth value, or a word for one.
fn boolean(value: &Value, name: &str) -> Result<bool, String> {
    match value {
        Value::Boolean(on) => Ok(*on),
        Value::String(word) if word.as_bytes() == b"on" => Ok(true),
        Value::String(word) if word.as_bytes() == b"off" => Ok(false),
        Value::String(word) => {
            let word = String::from_utf8_lossy(&word.as_bytes()).into_owned();
            Err(format!("bad argument #1 to '{name}' (invalid option '{word}')"))
        }
        Value::Integer(_) | Value::Number(_) => {
            let word = value.to_string().unwrap_or_default();
            Err(format!("bad argument #1 to '{name}' (invalid option '{word}')"))
        }
        other => Err(bad_argument(std::slice::from_ref(other), 0, name, "string")),
    }
}

fn whole(args: &[Value], index: usize, name: &str, least: f64, most: f64) -> Result<f64, String> {
    let value = number(args, index, name)?.trunc();
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(format!("bad argument #{} to '{name}' (expected integer between {least} and {most})", index + 1))
}

/// Appends a number with so many significant digits, as `%.14g` prints it.
fn append_digits(out: &mut Vec<u8>, value: f64, precision: usize) {
    let whole = value as i64;
    if (whole as f64).to_bits() == value.to_bits() && value.abs() < 10_f64.powi(precision as i32) {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        let text = crate::engine::text::number::format_significant(value, precision);
        out.extend_from_slice(text.as_bytes());
    }
}
