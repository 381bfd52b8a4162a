//! How values of Lua are shown.

use crate::engine::text::quote;
use mlua::{Table, Value};

/// Tables in tables, beyond which nothing is shown.
const DEEPEST: usize = 10;
const TOO_DEEP: &[u8] = b"<max recursion level reached! Nested table?>";

/// Appends a value until `out` is longer than `room`.
pub(super) fn append(out: &mut Vec<u8>, value: &Value, room: usize) -> mlua::Result<()> {
    // So few that looking at keys costs no more than showing values.
    let looks = room.saturating_mul(4);
    Writer { out, room, looks }.value(value, 0)
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    room: usize,
    /// Keys that may be looked at to tell arrays from other tables; then the first of each table must do.
    looks: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        if depth == DEEPEST {
            self.out.extend(TOO_DEEP);
            return Ok(());
        }
        match value {
            Value::Nil => self.out.extend(b"nil"),
            Value::Boolean(on) => self.out.extend(on.to_string().bytes()),
            Value::Integer(number) => self.out.extend(number_as_c(*number as f64).bytes()),
            Value::Number(number) => self.out.extend(number_as_c(*number).bytes()),
            Value::String(text) => {
                let bytes = text.as_bytes();
                quote::append(self.out, &bytes[..bytes.len().min(self.room)]);
            }
            Value::Table(table) => self.table(table, depth + 1)?,
            Value::Function(_) => self.pointer("function", value),
            Value::Thread(_) => self.pointer("thread", value),
            Value::LightUserData(_) => self.pointer("light-userdata", value),
            _ => self.pointer("userdata", value),
        }
        Ok(())
    }

    fn pointer(&mut self, kind: &str, value: &Value) {
        let at = match value {
            Value::LightUserData(data) => data.0.cast_const(),
            _ => value.to_pointer(),
        };
        let at = if at.is_null() { "(nil)".to_owned() } else { format!("{at:p}") };
        self.out.extend(format!("\"{kind}@{at}\"").bytes());
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let is_array = self.is_array(table)?;
        self.out.push(b'{');
        for (index, pair) in table.pairs::<Value, Value>().enumerate() {
            let (key, value) = pair?;
            if self.out.len() > self.room {
                return Ok(());
            }
            if index > 0 {
                self.out.extend(b"; ");
            }
            if !is_array {
                self.out.push(b'[');
                self.value(&key, depth)?;
                self.out.extend(b"]=");
            }
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Whether its keys are 1, 2, ..., in this order.
    fn is_array(&mut self, table: &Table) -> mlua::Result<bool> {
        for (index, pair) in table.pairs::<Value, Value>().enumerate() {
            let expected = index as i64 + 1;
            match pair?.0 {
                Value::Integer(number) if number == expected => {}
                Value::Number(number) if number == expected as f64 => {}
                _ => return Ok(false),
            }
            self.looks = self.looks.saturating_sub(1);
            if self.looks == 0 {
                break;
            }
        }
        Ok(true)
    }
}

/// A number with six digits, as `%g` of C prints it.
fn number_as_c(number: f64) -> String {
    const DIGITS: i32 = 6;
    if !number.is_finite() {
        let text = if number.is_nan() { "nan" } else { "inf" };
        return format!("{}{text}", if number.is_sign_negative() { "-" } else { "" });
    }
    let scientific = format!("{number:.*e}", DIGITS as usize - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if !(-4..DIGITS).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    trimmed(&format!("{number:.*}", (DIGITS - 1 - exponent) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lua: &mlua::Lua, expression: &str, room: usize) -> String {
        let mut out = Vec::new();
        append(&mut out, &lua.load(expression).eval().expect("sound Lua"), room)
            .expect("values can be shown");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn long_arrays_are_shown_until_there_is_no_room() {
        let lua = mlua::Lua::new();
        let array = "(function() local t = {} for i = 1, 5000 do t[i] = {i % 10} end return t end)()";
        let text = shown(&lua, array, 100);
        assert!(text.starts_with("{{1}; {2}; {3}; ") && (101..120).contains(&text.len()), "{text}");
        assert!(shown(&lua, array, 1 << 20).ends_with("; {8}; {9}; {0}}"));
        assert_eq!(shown(&lua, "{1, {2, x = 3}}", 100), "{1; {[1]=2; [\"x\"]=3}}");
    }

    #[test]
    fn numbers_are_those_of_c() {
        let shown = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (100_000.0, "100000"),
            (999_999.5, "1e+06"),
            (1_234_567.0, "1.23457e+06"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1e100, "1e+100"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (number, text) in shown {
            assert_eq!(number_as_c(number), text);
        }
    }
}
