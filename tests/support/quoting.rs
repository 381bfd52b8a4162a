//! Command lines in redis-cli's quoting: bare words, `"with \n \x00 escapes"`, `'as it is'`.

/// Splits a line into arguments.
pub fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut arguments = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (argument, after) = match rest.as_bytes()[0] {
            b'"' => double_quoted(rest)?,
            b'\'' => single_quoted(rest)?,
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest.as_bytes()[..end].to_vec(), &rest[end..])
            }
        };
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return Err(format!("a space is missing after a closing quote: {line}"));
        }
        arguments.push(argument);
        rest = after.trim_start();
    }
    Ok(arguments)
}

/// Arguments as a line that `split` takes apart again.
pub fn join<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> String {
    let words: Vec<String> = arguments.into_iter().map(word).collect();
    words.join(" ")
}

/// One argument: bare if it is a plain word, else quoted.
pub fn word(argument: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
    if !argument.is_empty() && argument.iter().all(plain) {
        String::from_utf8_lossy(argument).into_owned()
    } else {
        quoted(argument)
    }
}

/// Bytes in double quotes.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// The string in double quotes that `text` begins with, and what follows it.
pub fn double_quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 1);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => return Ok((out, &text[at + 1..])),
            (b'\\', Some(b'x')) => {
                let digits = text.get(at + 2..at + 4).ok_or("\\x needs two digits")?;
                out.push(u8::from_str_radix(digits, 16).map_err(|_| format!("not hexadecimal: {digits}"))?);
                at += 4;
            }
            (b'\\', Some(&escape)) => {
                let plain = b"nrtab".iter().position(|e| *e == escape).map(|i| b"\n\r\t\x07\x08"[i]);
                out.push(plain.unwrap_or(escape));
                at += 2;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Err(format!("no closing quote: {text}"))
}

fn single_quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let end = text[1..].find('\'').ok_or_else(|| format!("no closing quote: {text}"))? + 1;
    Ok((text.as_bytes()[1..end].to_vec(), &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_arguments() {
        let split = |line| {
            split(line)
                .map(|args| args.into_iter().map(|a| String::from_utf8(a).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(split(r#"  SET k "a b\n\x41" 'c "d"' "#).unwrap(), ["SET", "k", "a b\nA", "c \"d\""]);
        assert_eq!(split(r#"GET """#).unwrap(), ["GET", ""]);
        assert!(split(r#""a"#).is_err() && split(r#""a"b"#).is_err());
        let all: Vec<u8> = (0..=255).collect();
        let arguments: [&[u8]; 4] = [b"SET", b"", b"a b", &all];
        assert_eq!(super::split(&join(arguments)).unwrap(), arguments);
    }
}
