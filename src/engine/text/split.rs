//! Lines cut into arguments, as in redis.conf, inline commands and the manifest of append-only files,
//! which all quote alike.

/// Whether C's `isspace` holds in the "C" locale; it also counts vertical tab and form feed.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Cuts a line into its arguments, undoing quotes: `"a\x41\n"` knows escapes, `'it\'s'` only the quote.
///
/// `None` when a quote is left open or something other than a space follows a closing one. The text
/// ends at the first NUL byte, as it does for Redis.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let line = line.split(|&byte| byte == 0).next().unwrap_or(line);
    let mut args = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Some(args);
        }
        let mut arg = Vec::new();
        rest = take_arg(rest, &mut arg)?;
        args.push(arg);
    }
}

/// Moves one argument from the front of `rest`, which is not empty, into `arg`.
fn take_arg<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            // Vertical tab and form feed separate nothing here, unlike between arguments.
            b' ' | b'\n' | b'\r' | b'\t' => break,
            b'"' => return closed(take_double_quoted(rest, arg)?),
            b'\'' => return closed(take_single_quoted(rest, arg)?),
            _ => arg.push(byte),
        }
    }
    Some(rest)
}

/// A closing quote must end its argument.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|&byte| is_space(byte)).then_some(rest)
}

fn take_double_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                arg.push(hex_value(*high) << 4 | hex_value(*low));
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                arg.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                arg.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => {
                arg.push(b'\'');
                rest = after;
            }
            [byte, after @ ..] => {
                arg.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts a line as [`split_args`] should, one state and one byte at a time.
    fn split_naively(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let blank = |byte: u8| b" \t\r\n\x0b\x0c".contains(&byte);
        let line: Vec<u8> = line.iter().copied().take_while(|&byte| byte != 0).chain([0, 0, 0, 0]).collect();
        let (mut args, mut arg, mut at, mut quote) = (Vec::new(), None::<Vec<u8>>, 0, None);
        loop {
            let byte = line[at];
            match (quote, arg.as_mut()) {
                (None, None) if byte == 0 => return Some(args),
                (None, None) if blank(byte) => {}
                (None, None) => {
                    arg = Some(Vec::new());
                    continue;
                }
                (None, Some(_)) if b" \t\r\n\0".contains(&byte) => {
                    args.extend(arg.take());
                    if byte == 0 {
                        continue;
                    }
                }
                (None, Some(_)) if byte == b'"' || byte == b'\'' => quote = Some(byte),
                (None, Some(arg)) => arg.push(byte),
                (Some(_), _) if byte == 0 => return None,
                (Some(open), _) if byte == open => {
                    if line[at + 1] != 0 && !blank(line[at + 1]) {
                        return None;
                    }
                    quote = None;
                    args.extend(arg.take());
                }
                (Some(b'"'), Some(arg)) if byte == b'\\' && line[at + 1] != 0 => {
                    let hex = std::str::from_utf8(&line[at + 2..at + 4]).unwrap_or("").to_owned();
                    if line[at + 1] == b'x'
                        && hex.bytes().all(|digit| digit.is_ascii_hexdigit())
                        && hex.len() == 2
                    {
                        arg.push(u8::from_str_radix(&hex, 16).unwrap());
                        at += 3;
                    } else {
                        at += 1;
                        let plain = b"nrtba".iter().position(|&escape| escape == line[at]);
                        arg.push(plain.map_or(line[at], |which| b"\n\r\t\x08\x07"[which]));
                    }
                }
                (Some(b'\''), Some(arg)) if byte == b'\\' && line[at + 1] == b'\'' => {
                    arg.push(b'\'');
                    at += 1;
                }
                (Some(_), Some(arg)) => arg.push(byte),
                (Some(_), None) => unreachable!(),
            }
            at += 1;
        }
    }

    proptest! {
        #[test]
        fn splitting_agrees_with_the_naive_way(line in "[a-f\"'\\\\ \t\x0bx0n\0é]{0,40}") {
            prop_assert_eq!(split_args(line.as_bytes()), split_naively(line.as_bytes()));
        }

        #[test]
        fn splitting_agrees_on_any_bytes(line: Vec<u8>) {
            prop_assert_eq!(split_args(&line), split_naively(&line));
        }
    }
}
