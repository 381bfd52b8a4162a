//! Replies as people write them in transcripts.
//!
//! ```text
//! +OK  -ERR no such key  :1  "bulk"  ,1.5  (true)  (nil)  (nil-array)  (big 123)  (txt "verbatim")
//! ["a" :1 [(nil)]]   {"k" :1}   ~["set"]   push ["message" "c" "m"]   |{"attribute" :1}
//! *                  anything
//! like "ERR *"       text that matches a glob
//! unordered ["a" "b"]
//! ```
//!
//! Inside brackets, status and error texts with spaces are quoted: `[+"a b" -"ERR no"]`. Whatever is
//! longer than a line has one element a line, indented.

use super::quoting;
use super::reply::{Value, pair_up};

/// Longer replies are broken into lines.
const WIDTH: usize = 100;

/// Writes a reply.
pub fn format(value: &Value) -> String {
    match value {
        Value::Simple(text) | Value::Error(text) if is_line(text) => {
            format!(
                "{}{}",
                if matches!(value, Value::Simple(_)) { '+' } else { '-' },
                String::from_utf8_lossy(text)
            )
        }
        _ => indented(value, 0),
    }
}

/// Reads one reply at the start of `text`; returns what follows it.
pub fn parse(text: &str) -> Result<(Value, &str), String> {
    if let Some(line) = text.strip_prefix(['+', '-']).filter(|rest| !rest.starts_with('"')) {
        let end = line.find('\n').unwrap_or(line.len());
        let words = line.as_bytes()[..end].to_vec();
        let value = if text.starts_with('+') { Value::Simple(words) } else { Value::Error(words) };
        return Ok((value, &line[end..]));
    }
    nested(text)
}

fn is_line(text: &[u8]) -> bool {
    text.iter().all(|byte| (b' '..=b'~').contains(byte)) && !text.starts_with(b"\"") && !text.ends_with(b" ")
}

fn indented(value: &Value, depth: usize) -> String {
    let flat = flat(value);
    let (open, close, elements) = match parts(value) {
        Some(parts) if flat.len() + 2 * depth > WIDTH => parts,
        _ => return flat,
    };
    let pad = "  ".repeat(depth + 1);
    let lines: Vec<String> = match elements {
        Elements::Single(list) => list.iter().map(|e| format!("{pad}{}\n", indented(e, depth + 1))).collect(),
        Elements::Pairs(list) => {
            let line = |(key, value): &(Value, Value)| {
                format!("{pad}{} {}\n", indented(key, depth + 1), indented(value, depth + 1))
            };
            list.iter().map(line).collect()
        }
    };
    format!("{open}\n{}{}{close}", lines.concat(), "  ".repeat(depth))
}

enum Elements<'a> {
    Single(&'a [Value]),
    Pairs(&'a [(Value, Value)]),
}

fn parts(value: &Value) -> Option<(&'static str, &'static str, Elements<'_>)> {
    Some(match value {
        Value::Array(list) => ("[", "]", Elements::Single(list)),
        Value::Set(list) => ("~[", "]", Elements::Single(list)),
        Value::Push(list) => ("push [", "]", Elements::Single(list)),
        Value::Unordered(list) => ("unordered [", "]", Elements::Single(list)),
        Value::Map(list) => ("{", "}", Elements::Pairs(list)),
        Value::Attribute(list) => ("|{", "}", Elements::Pairs(list)),
        _ => return None,
    })
}

fn flat(value: &Value) -> String {
    if let Some((open, close, elements)) = parts(value) {
        let words: Vec<String> = match elements {
            Elements::Single(list) => list.iter().map(flat).collect(),
            Elements::Pairs(list) => {
                list.iter().map(|(key, value)| format!("{} {}", flat(key), flat(value))).collect()
            }
        };
        return format!("{open}{}{close}", words.join(" "));
    }
    let text = |text: &[u8]| {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\[]{}".contains(byte);
        if text.iter().all(plain) {
            String::from_utf8_lossy(text).into_owned()
        } else {
            quoting::quoted(text)
        }
    };
    match value {
        Value::Simple(words) => format!("+{}", text(words)),
        Value::Error(words) => format!("-{}", text(words)),
        Value::Integer(number) => format!(":{number}"),
        Value::Bulk(bytes) => quoting::quoted(bytes),
        Value::Nil => "(nil)".to_owned(),
        Value::NilArray => "(nil-array)".to_owned(),
        Value::Double(number) => format!(",{number}"),
        Value::Boolean(truth) => format!("({truth})"),
        Value::BigNumber(number) => format!("(big {number})"),
        Value::Verbatim(kind, bytes) => format!("({kind} {})", quoting::quoted(bytes)),
        Value::Like(pattern) => format!("like {}", quoting::quoted(pattern)),
        _ => "*".to_owned(),
    }
}

fn nested(text: &str) -> Result<(Value, &str), String> {
    let list =
        |rest, wrap: fn(Vec<Value>) -> Value| elements(rest, ']').map(|(list, rest)| (wrap(list), rest));
    let pairs = |rest, wrap: fn(Vec<(Value, Value)>) -> Value| {
        let (list, rest) = elements(rest, '}')?;
        if list.len() % 2 == 1 {
            Err("a key without value".to_owned())
        } else {
            Ok((wrap(pair_up(list)), rest))
        }
    };
    let starts = |prefix: &str| text.strip_prefix(prefix);
    if let Some(rest) = starts("unordered [") {
        list(rest, Value::Unordered)
    } else if let Some(rest) = starts("push [") {
        list(rest, Value::Push)
    } else if let Some(rest) = starts("~[") {
        list(rest, Value::Set)
    } else if let Some(rest) = starts("[") {
        list(rest, Value::Array)
    } else if let Some(rest) = starts("|{") {
        pairs(rest, Value::Attribute)
    } else if let Some(rest) = starts("{") {
        pairs(rest, Value::Map)
    } else if let Some(rest) = starts("like ") {
        quoting::double_quoted(rest).map(|(pattern, rest)| (Value::Like(pattern), rest))
    } else if starts("\"").is_some() {
        quoting::double_quoted(text).map(|(bytes, rest)| (Value::Bulk(bytes), rest))
    } else if let Some(rest) = starts("(") {
        parenthesis(rest)
    } else {
        scalar(text)
    }
}

fn elements(mut rest: &str, close: char) -> Result<(Vec<Value>, &str), String> {
    let mut list = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(close) {
            return Ok((list, after));
        }
        if rest.is_empty() {
            return Err(format!("no closing {close}"));
        }
        let (value, after) = nested(rest)?;
        list.push(value);
        rest = after;
    }
}

fn parenthesis(rest: &str) -> Result<(Value, &str), String> {
    if let Some((kind, quoted)) =
        rest.split_once(' ').filter(|(kind, rest)| kind.len() == 3 && rest.starts_with('"'))
    {
        let (bytes, rest) = quoting::double_quoted(quoted)?;
        let rest = rest.strip_prefix(')').ok_or("no closing parenthesis")?;
        return Ok((Value::Verbatim(kind.to_owned(), bytes), rest));
    }
    let (word, rest) = rest.split_once(')').ok_or("no closing parenthesis")?;
    let value = match word {
        "nil" => Value::Nil,
        "nil-array" => Value::NilArray,
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => Value::BigNumber(
            word.strip_prefix("big ").ok_or_else(|| format!("not a reply: ({word})"))?.to_owned(),
        ),
    };
    Ok((value, rest))
}

fn scalar(text: &str) -> Result<(Value, &str), String> {
    let kind = text.chars().next().ok_or("a reply is missing")?;
    let rest = &text[kind.len_utf8()..];
    if "+-".contains(kind) && rest.starts_with('"') {
        let (bytes, rest) = quoting::double_quoted(rest)?;
        return Ok((if kind == '+' { Value::Simple(bytes) } else { Value::Error(bytes) }, rest));
    }
    let end = rest.find(|c: char| c.is_whitespace() || "]}".contains(c)).unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    let value = match kind {
        '+' => Value::Simple(word.as_bytes().to_vec()),
        '-' => Value::Error(word.as_bytes().to_vec()),
        ':' => Value::Integer(word.parse().map_err(|_| format!("not a number: {word}"))?),
        ',' => Value::Double(word.to_owned()),
        '*' if word.is_empty() => Value::Any,
        _ => return Err(format!("not a reply: {kind}{word}")),
    };
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_has_its_form() {
        for text in [
            "+OK",
            "+a b [c",
            "-ERR no such key",
            ":-1",
            "\"a b\\r\\n\"",
            "(nil)",
            "(nil-array)",
            "(true)",
            ",1.5",
            ",-inf",
            "(big 123456789012345678901234567890)",
            "(txt \"some text\")",
            "[]",
            "[\"a\" :1 [(nil) +OK -\"ERR no\"] {\"k\" ~[:1]}]",
            "push [\"message\" \"c\" \"m\"]",
            "|{\"ttl\" :3}",
            "*",
            "[* :1]",
            "like \"ERR *\"",
            "unordered [\"a\" \"b\"]",
        ] {
            let (value, rest) = parse(text).unwrap();
            assert_eq!(rest, "", "{text}");
            assert_eq!(format(&value), text);
        }
    }

    #[test]
    fn what_is_no_reply() {
        for text in ["", "[", "[:1", "{:1}", "\"a", "(what)", ":x", "hello", "like x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..30);
        let leaf = prop_oneof![
            bytes().prop_map(Value::Simple),
            bytes().prop_map(Value::Error),
            bytes().prop_map(Value::Bulk),
            any::<i64>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Boolean),
            bytes().prop_map(|bytes| Value::Verbatim("txt".to_owned(), bytes)),
            bytes().prop_map(Value::Like),
            Just(Value::Nil),
            Just(Value::Any),
            "-?[0-9]{1,5}".prop_map(Value::Double),
        ];
        leaf.prop_recursive(4, 60, 8, |inner| {
            let list = || proptest::collection::vec(inner.clone(), 0..8);
            prop_oneof![
                list().prop_map(Value::Array),
                list().prop_map(Value::Set),
                list().prop_map(Value::Push),
                list().prop_map(Value::Unordered),
                list().prop_map(|list| Value::Map(pair_up(list))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            let text = format!("{}\nrest", format(&value));
            let (read, rest) = parse(&text).unwrap();
            prop_assert_eq!(read, value, "{}", text);
            prop_assert_eq!(rest, "\nrest");
        }
    }
}
