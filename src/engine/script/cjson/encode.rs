//! From values to JSON.

use super::{ARRAY, DEEPEST, Invalid, NO_MEMORY, ROOM, Settings, append_digits};
use crate::engine::script::stack::{Shown, Stack};

/// Pushes the value on top as JSON.
pub fn encode(settings: &Settings, stack: &mut Stack) -> Result<(), String> {
    let mut out = Vec::new();
    append(settings, &mut out, stack, 0)?;
    if stack.is_over_limit(out.len()) {
        return Err(NO_MEMORY.into());
    }
    stack.push_bytes(&out);
    Ok(())
}

/// Appends the value on top.
fn append(settings: &Settings, out: &mut Vec<u8>, stack: &mut Stack, depth: usize) -> Result<(), String> {
    match stack.show(stack.len()) {
        Shown::Bytes(text) => append_string(out, text),
        Shown::Number(number) => append_number(settings, out, number)?,
        Shown::Boolean(on) => out.extend_from_slice(if on { b"true" } else { b"false" }),
        Shown::Nil | Shown::Null => out.extend_from_slice(b"null"),
        Shown::Table => append_table(settings, out, stack, depth + 1)?,
        Shown::Other => return Err(not_supported(stack, "type not supported")),
    }
    Ok(())
}

/// The error for the value on top, which JSON has no form for.
fn not_supported(stack: &Stack, reason: &str) -> String {
    format!("Cannot serialise {}: {reason}", stack.kind(stack.len()))
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
    append_digits(out, number, settings.precision);
    Ok(())
}

fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | b'/' | 0..32 | 127);
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = rest.iter().take_while(|byte| is_plain(byte)).count();
        out.extend_from_slice(&rest[..plain]);
        let Some(byte) = rest.get(plain) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
        rest = &rest[plain + 1..];
    }
    out.push(b'"');
}

/// Appends the table on top.
fn append_table(
    settings: &Settings,
    out: &mut Vec<u8>,
    stack: &mut Stack,
    depth: usize,
) -> Result<(), String> {
    if depth > settings.encode_depth.min(DEEPEST) || !stack.has_room(ROOM) {
        return Err(format!("Cannot serialise, excessive nesting ({depth})"));
    }
    if stack.is_over_limit(out.len()) {
        return Err(NO_MEMORY.into());
    }
    let table = stack.len();
    let length = match stack.is_marked(table, ARRAY) {
        true => Some(stack.length(table)),
        false => array_length(settings, stack)?.filter(|length| *length > 0),
    };
    match length {
        Some(length) => {
            out.push(b'[');
            for index in 1..=length {
                if index > 1 {
                    out.push(b',');
                }
                stack.push_element(table, index);
                append(settings, out, stack, depth)?;
                stack.truncate(table);
            }
            out.push(b']');
        }
        None => {
            out.push(b'{');
            let mut first = true;
            stack.for_each(table, |stack| {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                append_key(settings, out, stack, table + 1)?;
                out.push(b':');
                append(settings, out, stack, depth)
            })?;
            stack.truncate(table);
            out.push(b'}');
        }
    }
    Ok(())
}

fn append_key(settings: &Settings, out: &mut Vec<u8>, stack: &mut Stack, key: i32) -> Result<(), String> {
    match stack.show(key) {
        Shown::Bytes(text) => append_string(out, text),
        Shown::Number(number) => {
            out.push(b'"');
            append_number(settings, out, number)?;
            out.push(b'"');
        }
        _ => {
            stack.truncate(key);
            return Err(not_supported(stack, "table key must be a number or string"));
        }
    }
    Ok(())
}

/// The largest index of the table on top if all keys are whole numbers from 1 on.
fn array_length(settings: &Settings, stack: &mut Stack) -> Result<Option<i32>, String> {
    let table = stack.len();
    let (mut largest, mut count) = (0.0_f64, 0.0);
    let all = stack.for_each(table, |stack| match stack.show(table + 1) {
        Shown::Number(index) if index >= 1.0 && index.fract() == 0.0 => {
            (largest, count) = (largest.max(index), count + 1.0);
            Ok(())
        }
        _ => Err(()),
    });
    stack.truncate(table);
    if all.is_err() {
        return Ok(None);
    }
    let sparse = settings.sparse_ratio > 0.0
        && largest > count * settings.sparse_ratio
        && largest > settings.sparse_safe;
    match (sparse, settings.sparse_convert) {
        (true, false) => Err("Cannot serialise table: excessively sparse array".into()),
        (true, true) => Ok(None),
        (false, _) => Ok(Some(largest as i32)),
    }
}
