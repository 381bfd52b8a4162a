//! What the libraries of scripts have in common: how their functions get arguments and fail.

use mlua::{Function, Lua, MultiValue, Table, Value};

/// What a function returns, or the error that it raises.
pub type Outcome = Result<Vec<Value>, Failure>;

/// An error.
#[derive(Debug)]
pub enum Failure {
    /// Of the function: the text follows where it was called.
    Function(String),
    /// Of the interpreter, about what the function asked of it: only the text.
    Interpreter(&'static str),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Failure::Function(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Failure::Function(text.to_owned())
    }
}

/// A function of a library.
pub type Fallible = fn(&Lua, &[Value]) -> Outcome;

/// A table of these functions.
pub fn table(lua: &Lua, functions: &[(&str, Fallible)]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, function) in functions {
        table.raw_set(*name, wrap(lua, *function)?)?;
    }
    Ok(table)
}

/// One such function.
pub fn wrap(lua: &Lua, function: impl Fn(&Lua, &[Value]) -> Outcome + 'static) -> mlua::Result<Function> {
    lua.create_function(move |lua, args: MultiValue| match function(lua, &args.into_vec()) {
        Ok(values) => Ok(MultiValue::from_vec(values)),
        Err(Failure::Function(text)) => Err(raised(lua, &text)),
        Err(Failure::Interpreter(text)) => Err(mlua::Error::runtime(text)),
    })
}

/// An error of the running function.
pub fn raised(lua: &Lua, text: &str) -> mlua::Error {
    mlua::Error::runtime(here(lua) + text)
}

/// Where the running function was called, as texts of errors begin.
fn here(lua: &Lua) -> String {
    let place = lua.inspect_stack(1, |frame| {
        let source = frame.source().short_src?.into_owned();
        frame.current_line().map(|line| format!("{source}:{line}: "))
    });
    place.flatten().unwrap_or_default()
}

/// The text of an error of the interpreter, without a stack trace.
pub fn text(error: mlua::Error) -> String {
    match error {
        mlua::Error::MemoryError(_) => "not enough memory".into(),
        mlua::Error::CallbackError { cause, .. } => text(mlua::Error::clone(&cause)),
        mlua::Error::RuntimeError(message) | mlua::Error::SyntaxError { message, .. } => message,
        other => other.to_string(),
    }
}

/// The error for an argument of the wrong type.
pub fn bad_argument(args: &[Value], index: usize, name: &str, wanted: &str) -> String {
    let got = args.get(index).map_or("no value", kind);
    format!("bad argument #{} to '{name}' ({wanted} expected, got {got})", index + 1)
}

/// The name of a value's type in Lua.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}

/// An argument that is a number, or text that reads as one.
pub fn number(args: &[Value], index: usize, name: &str) -> Result<f64, String> {
    let value = match args.get(index) {
        Some(Value::Integer(number)) => Some(*number as f64),
        Some(Value::Number(number)) => Some(*number),
        Some(Value::String(text)) => parse(&text.as_bytes()),
        _ => None,
    };
    value.ok_or_else(|| bad_argument(args, index, name, "number"))
}

fn parse(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|number| number as f64),
        None => text.parse().ok(),
    }
}

/// An argument that is a whole number; a fraction is cut off.
pub fn integer(args: &[Value], index: usize, name: &str) -> Result<i64, String> {
    number(args, index, name).map(|number| number as i64)
}

/// An argument that is a string, or a number as text.
pub fn string(lua: &Lua, args: &[Value], index: usize, name: &str) -> Result<mlua::LuaString, String> {
    match args.get(index) {
        Some(Value::String(string)) => Ok(string.clone()),
        Some(value @ (Value::Integer(_) | Value::Number(_))) => {
            lua.coerce_string(value.clone()).map_err(text)?.ok_or_else(String::new)
        }
        _ => Err(bad_argument(args, index, name, "string")),
    }
}

/// A string as a value.
pub fn bytes(lua: &Lua, bytes: &[u8]) -> Result<Value, String> {
    lua.create_string(bytes).map(Value::String).map_err(text)
}
