//! From JSON to values.

use super::{DEEPEST, Settings};
use crate::engine::script::library;
use mlua::{Lua, Value};

/// The value that a text stands for.
pub fn decode(settings: &Settings, lua: &Lua, text: &[u8]) -> Result<Value, String> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err("JSON parser does not support UTF-16 or UTF-32".into());
    }
    let mut parser = Parser { settings, lua, text, at: 0, depth: 0, string: Vec::new() };
    let token = parser.token();
    let value = parser.value(token)?;
    let token = parser.token();
    if token.kind != Kind::End {
        return Err(parser.unexpected("the end", &token));
    }
    Ok(value)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::String => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Error(what) => what,
        }
    }
}

struct Token {
    kind: Kind,
    /// Where it begins.
    at: usize,
}

struct Parser<'a> {
    settings: &'a Settings,
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// The last string.
    string: Vec<u8>,
}

impl Parser<'_> {
    fn unexpected(&self, wanted: &str, token: &Token) -> String {
        format!("Expected {wanted} but found {} at character {}", token.kind.name(), token.at + 1)
    }

    fn value(&mut self, token: Token) -> Result<Value, String> {
        Ok(match token.kind {
            Kind::String => library::bytes(self.lua, &self.string)?,
            Kind::Number(number) => Value::Number(number),
            Kind::Boolean(on) => Value::Boolean(on),
            Kind::Null => Value::NULL,
            Kind::ObjectBegin => self.object()?,
            Kind::ArrayBegin => self.array()?,
            _ => return Err(self.unexpected("value", &token)),
        })
    }

    fn descend(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth.min(DEEPEST) {
            return Err(format!(
                "Found too many nested data structures ({}) at character {}",
                self.depth, self.at
            ));
        }
        Ok(())
    }

    fn object(&mut self) -> Result<Value, String> {
        self.descend()?;
        let table = self.lua.create_table().map_err(library::text)?;
        let mut token = self.token();
        if token.kind != Kind::ObjectEnd {
            loop {
                if token.kind != Kind::String {
                    return Err(self.unexpected("object key string", &token));
                }
                let key = library::bytes(self.lua, &self.string)?;
                let colon = self.token();
                if colon.kind != Kind::Colon {
                    return Err(self.unexpected("colon", &colon));
                }
                let next = self.token();
                let value = self.value(next)?;
                table.raw_set(key, value).map_err(library::text)?;
                token = self.token();
                match token.kind {
                    Kind::ObjectEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(self.unexpected("comma or object end", &token)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn array(&mut self) -> Result<Value, String> {
        self.descend()?;
        let table = self.lua.create_table().map_err(library::text)?;
        let mut token = self.token();
        if token.kind != Kind::ArrayEnd {
            for index in 1.. {
                let value = self.value(token)?;
                table.raw_set(index, value).map_err(library::text)?;
                token = self.token();
                match token.kind {
                    Kind::ArrayEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(self.unexpected("comma or array end", &token)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn token(&mut self) -> Token {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let at = self.at;
        let Some(byte) = self.text.get(at) else { return Token { kind: Kind::End, at } };
        let single = match byte {
            b'{' => Some(Kind::ObjectBegin),
            b'}' => Some(Kind::ObjectEnd),
            b'[' => Some(Kind::ArrayBegin),
            b']' => Some(Kind::ArrayEnd),
            b':' => Some(Kind::Colon),
            b',' => Some(Kind::Comma),
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Token { kind, at };
        }
        if *byte == b'"' {
            return match self.read_string() {
                Ok(()) => Token { kind: Kind::String, at },
                Err(what) => Token { kind: Kind::Error(what), at: self.at },
            };
        }
        for (word, kind) in
            [("true", Kind::Boolean(true)), ("false", Kind::Boolean(false)), ("null", Kind::Null)]
        {
            if self.text[at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Token { kind, at };
            }
        }
        if matches!(byte, b'-' | b'+' | b'0'..=b'9' | b'i' | b'I' | b'n' | b'N') {
            return self.number(at);
        }
        Token { kind: Kind::Error("invalid token"), at }
    }

    fn number(&mut self, at: usize) -> Token {
        let rest = &self.text[at..];
        if !self.settings.decode_invalid && is_invalid_number(rest) {
            return Token { kind: Kind::Error("invalid number"), at };
        }
        let Some((number, length)) = read_number(rest) else {
            let what =
                if matches!(rest[0], b'-' | b'+' | b'0'..=b'9') { "invalid number" } else { "invalid token" };
            return Token { kind: Kind::Error(what), at };
        };
        self.at += length;
        Token { kind: Kind::Number(number), at }
    }

    fn read_string(&mut self) -> Result<(), &'static str> {
        self.string.clear();
        self.at += 1;
        loop {
            let Some(byte) = self.text.get(self.at) else { return Err("unexpected end of string") };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    let Some(code) = self.text.get(self.at + 1) else {
                        return Err("unexpected end of string");
                    };
                    let plain = match code {
                        b'"' | b'\\' | b'/' => *code,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => {
                            self.read_unicode()?;
                            continue;
                        }
                        _ => return Err("invalid escape code"),
                    };
                    self.string.push(plain);
                    self.at += 2;
                }
                _ => {
                    self.string.push(*byte);
                    self.at += 1;
                }
            }
        }
    }

    /// `\uXXXX`, or two of them that form a pair.
    fn read_unicode(&mut self) -> Result<(), &'static str> {
        const INVALID: &str = "invalid unicode escape code";
        let unit = |at: usize| {
            let digits = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
            let digits =
                std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u32::from_str_radix(digits, 16).ok()
        };
        let first = unit(self.at).ok_or(INVALID)?;
        let mut length = 6;
        let code = match first {
            0xD800..0xDC00 => {
                let second =
                    unit(self.at + 6).filter(|unit| (0xDC00..0xE000).contains(unit)).ok_or(INVALID)?;
                length = 12;
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            other => other,
        };
        let character = char::from_u32(code).ok_or(INVALID)?;
        self.string.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Ok(())
    }
}

/// Whether a number is of a form that C reads and JSON does not have.
fn is_invalid_number(text: &[u8]) -> bool {
    let text = match text.strip_prefix(b"-") {
        Some(rest) => rest,
        None if text[0] == b'+' => return true,
        None => text,
    };
    match text {
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        [b'0'..=b'9', ..] => false,
        _ => true,
    }
}

/// A number as C's `strtod` reads it, and its length.
fn read_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text[0], b'-' | b'+'));
    let negate = |value: f64| if text[0] == b'-' { -value } else { value };
    let rest = &text[sign..];
    for (word, value) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes()) {
            return Some((negate(value), sign + word.len()));
        }
    }
    if let [b'0', b'x' | b'X', digits @ ..] = rest {
        let count = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if count > 0 {
            let value = digits[..count].iter().fold(0.0, |value, byte| {
                value * 16.0 + f64::from((*byte as char).to_digit(16).unwrap_or_default())
            });
            return Some((negate(value), sign + 2 + count));
        }
    }
    let digits =
        |from: usize| rest[from.min(rest.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut length = whole;
    if rest.get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        if whole + fraction > 0 {
            length += 1 + fraction;
        }
    }
    if length == 0 {
        return None;
    }
    if matches!(rest.get(length), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + signed);
        if exponent > 0 {
            length += 1 + signed + exponent;
        }
    }
    let value = std::str::from_utf8(&rest[..length]).ok()?.parse().ok()?;
    Some((negate(value), sign + length))
}
