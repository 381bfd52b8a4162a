//! Bytes in double quotes, as MONITOR, the logs and DEBUG show them: what does not print is escaped.

/// Appends `bytes` to `out` in double quotes. Quote and backslash get a backslash, the control
/// characters that have a C escape use it, everything else outside ASCII 32 to 126 is `\xhh`.
pub fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x07 => out.extend(b"\\a"),
            0x08 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend([b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out.push(b'"');
}

/// `bytes` in double quotes; see [`append`].
pub fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out, bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_byte() {
        assert_eq!(quoted(b""), b"\"\"");
        assert_eq!(quoted(b"a \"b\" \\ ~"), br#""a \"b\" \\ ~""#);
        assert_eq!(quoted(b"\n\r\t\x07\x08"), br#""\n\r\t\a\b""#);
        assert_eq!(quoted(b"\0\x1b\x7f\x80\xff"), br#""\x00\x1b\x7f\x80\xff""#);
    }

    /// The reverse, as a reader of the log would do it.
    fn unquote(text: &[u8]) -> Vec<u8> {
        let mut rest = text.strip_prefix(b"\"").unwrap().strip_suffix(b"\"").unwrap();
        let mut out = Vec::new();
        while let [first, tail @ ..] = rest {
            (out, rest) = match (first, tail) {
                (b'\\', [b'x', a, b, tail @ ..]) => {
                    let hex = [*a, *b];
                    out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                    (out, tail)
                }
                (b'\\', [escape, tail @ ..]) => {
                    let plain = b"nrtab".iter().position(|e| e == escape).map(|i| b"\n\r\t\x07\x08"[i]);
                    out.push(plain.unwrap_or(*escape));
                    (out, tail)
                }
                _ => {
                    out.push(*first);
                    (out, tail)
                }
            };
        }
        out
    }

    proptest! {
        #[test]
        fn quoting_loses_nothing_and_prints(bytes: Vec<u8>) {
            let text = quoted(&bytes);
            prop_assert!(text.iter().all(|b| (b' '..=b'~').contains(b)));
            prop_assert_eq!(unquote(&text), bytes);
        }
    }
}
