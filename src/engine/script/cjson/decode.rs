//! From JSON to values.

use super::{ARRAY, DEEPEST, NO_MEMORY, ROOM, Settings, append_digits};
use crate::engine::script::stack::{LARGEST, Shown, Stack};

/// Values after which it is asked whether there is memory for more.
const CHECKED: usize = 1024;

/// Pushes the value that the text on top stands for.
pub fn decode(settings: &Settings, stack: &mut Stack) -> Result<(), String> {
    let mut text = Vec::new();
    match stack.show(1) {
        Shown::Bytes(bytes) => text.extend_from_slice(bytes),
        Shown::Number(number) => append_digits(&mut text, number, 14),
        _ => {
            return Err(format!("bad argument #1 to 'decode' (string expected, got {})", stack.kind(1)));
        }
    }
    if stack.is_over_limit(text.len()) {
        return Err(NO_MEMORY.into());
    }
    parse(settings, stack, &text)
}

fn parse(settings: &Settings, stack: &mut Stack, text: &[u8]) -> Result<(), String> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err("JSON parser does not support UTF-16 or UTF-32".into());
    }
    let mut parser = Parser { settings, text, at: 0, depth: 0, string: Vec::new(), values: 0 };
    let token = parser.token();
    parser.value(stack, token)?;
    let token = parser.token();
    if token.kind != Kind::End {
        return Err(parser.unexpected("the end", &token));
    }
    Ok(())
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
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// The last string.
    string: Vec<u8>,
    /// Values so far.
    values: usize,
}

impl Parser<'_> {
    fn unexpected(&self, wanted: &str, token: &Token) -> String {
        format!("Expected {wanted} but found {} at character {}", token.kind.name(), token.at + 1)
    }

    /// Pushes the value that begins with this token.
    fn value(&mut self, stack: &mut Stack, token: Token) -> Result<(), String> {
        self.values += 1;
        let many = self.values as i64 > LARGEST;
        if many || (self.values.is_multiple_of(CHECKED) && stack.is_over_limit(0)) {
            return Err(NO_MEMORY.into());
        }
        match token.kind {
            Kind::String => stack.push_bytes(&self.string),
            Kind::Number(number) => stack.push_number(number),
            Kind::Boolean(on) => stack.push_boolean(on),
            Kind::Null => stack.push_null(),
            Kind::ObjectBegin => self.object(stack)?,
            Kind::ArrayBegin => self.array(stack)?,
            _ => return Err(self.unexpected("value", &token)),
        }
        Ok(())
    }

    fn descend(&mut self, stack: &mut Stack) -> Result<(), String> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth.min(DEEPEST) || !stack.has_room(ROOM) {
            return Err(format!(
                "Found too many nested data structures ({}) at character {}",
                self.depth, self.at
            ));
        }
        Ok(())
    }

    fn object(&mut self, stack: &mut Stack) -> Result<(), String> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        let table = stack.len();
        let mut token = self.token();
        if token.kind != Kind::ObjectEnd {
            loop {
                if token.kind != Kind::String {
                    return Err(self.unexpected("object key string", &token));
                }
                stack.push_bytes(&self.string);
                let colon = self.token();
                if colon.kind != Kind::Colon {
                    return Err(self.unexpected("colon", &colon));
                }
                let next = self.token();
                self.value(stack, next)?;
                stack.set_pair(table);
                token = self.token();
                match token.kind {
                    Kind::ObjectEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(self.unexpected("comma or object end", &token)),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, stack: &mut Stack) -> Result<(), String> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        if self.settings.marks_arrays {
            stack.mark(ARRAY);
        }
        let table = stack.len();
        let mut token = self.token();
        if token.kind != Kind::ArrayEnd {
            for index in 1.. {
                self.value(stack, token)?;
                stack.set_element(table, index);
                token = self.token();
                match token.kind {
                    Kind::ArrayEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(self.unexpected("comma or array end", &token)),
                }
            }
        }
        self.depth -= 1;
        Ok(())
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
            let rest = &self.text[self.at.min(self.text.len())..];
            let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            self.string.extend_from_slice(&rest[..plain]);
            self.at += plain;
            let Some(byte) = self.text.get(self.at) else { return Err("unexpected end of string") };
            match byte {
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
                    self.at += 1;
                    return Ok(());
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
