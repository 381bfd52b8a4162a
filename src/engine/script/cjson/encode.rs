//! From values to JSON.

use super::{DEEPEST, Invalid, Settings, format_number, not_supported};
use mlua::{Table, Value};

/// A value as JSON.
pub fn encode(settings: &Settings, value: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    append(settings, &mut out, value, 0)?;
    Ok(out)
}

fn append(settings: &Settings, out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::String(text) => append_string(out, &text.as_bytes()),
        Value::Integer(number) => append_number(settings, out, *number as f64)?,
        Value::Number(number) => append_number(settings, out, *number)?,
        Value::Boolean(on) => out.extend_from_slice(if *on { b"true" } else { b"false" }),
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(pointer) if pointer.0.is_null() => out.extend_from_slice(b"null"),
        Value::Table(table) => append_table(settings, out, table, depth + 1)?,
        other => return Err(not_supported(other, "type not supported")),
    }
    Ok(())
}

fn append_number(settings: &Settings, out: &mut Vec<u8>, number: f64) -> Result<(), String> {
    if !number.is_finite() {
        match settings.encode_invalid {
            Invalid::Refuse => return Err("Cannot serialise number: must not be NaN or Inf".into()),
            Invalid::Null => {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            Invalid::Encode => {}
        }
    }
    out.extend_from_slice(format_number(number, settings.precision).as_bytes());
    Ok(())
}

fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..32 | 127 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

fn append_table(settings: &Settings, out: &mut Vec<u8>, table: &Table, depth: usize) -> Result<(), String> {
    if depth > settings.encode_depth.min(DEEPEST) {
        return Err(format!("Cannot serialise, excessive nesting ({depth})"));
    }
    let read = |error| super::library::text(error);
    match array_length(settings, table)? {
        Some(length) if length > 0 => {
            out.push(b'[');
            for index in 1..=length {
                if index > 1 {
                    out.push(b',');
                }
                append(settings, out, &table.raw_get(index).map_err(read)?, depth)?;
            }
            out.push(b']');
        }
        _ => {
            out.push(b'{');
            let mut first = true;
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair.map_err(read)?;
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                append_key(settings, out, &key)?;
                out.push(b':');
                append(settings, out, &value, depth)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn append_key(settings: &Settings, out: &mut Vec<u8>, key: &Value) -> Result<(), String> {
    match key {
        Value::String(text) => append_string(out, &text.as_bytes()),
        Value::Integer(_) | Value::Number(_) => {
            let number = key.as_number().or(key.as_integer().map(|n| n as f64)).unwrap_or_default();
            out.push(b'"');
            append_number(settings, out, number)?;
            out.push(b'"');
        }
        other => return Err(not_supported(other, "table key must be a number or string")),
    }
    Ok(())
}

/// The largest index if all keys are whole numbers from 1 on.
fn array_length(settings: &Settings, table: &Table) -> Result<Option<i64>, String> {
    let (mut largest, mut count) = (0_i64, 0_i64);
    for pair in table.pairs::<Value, Value>() {
        match pair.map_err(super::library::text)?.0 {
            Value::Integer(index) if index >= 1 => largest = largest.max(index),
            _ => return Ok(None),
        }
        count += 1;
    }
    let sparse = settings.sparse_ratio > 0.0
        && largest as f64 > count as f64 * settings.sparse_ratio
        && largest as f64 > settings.sparse_safe;
    match (sparse, settings.sparse_convert) {
        (true, false) => Err("Cannot serialise table: excessively sparse array".into()),
        (true, true) => Ok(None),
        (false, _) => Ok(Some(largest)),
    }
}
