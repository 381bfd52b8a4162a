//! The client's side of the protocol, written apart from the server's so that they cannot share a bug.

use std::fmt;

use crate::model::Call;

/// A reply, with the differences between RESP2 and RESP3 that carry no meaning removed: every null is
/// [`Reply::Null`], sets and maps are arrays.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    Null,
    Int(i64),
    Status(Vec<u8>),
    Error(Vec<u8>),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    /// Out of band: a published message, an invalidation.
    Push(Vec<Reply>),
}

impl Reply {
    pub fn ok() -> Self {
        Reply::Status(b"OK".to_vec())
    }

    pub fn error(text: &str) -> Self {
        Reply::Error(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Null => f.write_str("null"),
            Reply::Int(number) => write!(f, "{number}"),
            Reply::Status(text) => write!(f, "+{}", text.escape_ascii()),
            Reply::Error(text) => write!(f, "-{}", text.escape_ascii()),
            Reply::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Reply::Array(items) => f.debug_list().entries(items).finish(),
            Reply::Push(items) => {
                f.write_str(">")?;
                f.debug_list().entries(items).finish()
            }
        }
    }
}

/// What the server said is not RESP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

/// Appends a request as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(arguments: &[A], out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", arguments.len()).bytes());
    for argument in arguments {
        out.extend(format!("${}\r\n", argument.as_ref().len()).bytes());
        out.extend(argument.as_ref());
        out.extend(b"\r\n");
    }
}

/// The bytes of some calls, one after the other.
pub fn pipeline(calls: &[Call]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for call in calls {
        match call {
            Call::Command(arguments) => encode(arguments, &mut bytes),
            Call::Transaction { commands, .. } => {
                encode(&["MULTI"], &mut bytes);
                commands.iter().for_each(|command| encode(command, &mut bytes));
                encode(&["EXEC"], &mut bytes);
            }
            Call::Script(commands) => encode(&script(&call.keys(), commands), &mut bytes),
            Call::Crash => {}
        }
    }
    bytes
}

/// Runs the commands that it is given: how many there are, and of each how many words it has, and these. What one fails
/// with is its reply.
const SCRIPT: &str = "\
local replies, at = {}, 2
for n = 1, tonumber(ARGV[1]) do
    local words = tonumber(ARGV[at])
    replies[n] = redis.pcall(unpack(ARGV, at + 1, at + words))
    at = at + 1 + words
end
return replies";

/// EVAL of some commands.
fn script(keys: &[Vec<u8>], commands: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    let number = |count: usize| count.to_string().into_bytes();
    let mut words = vec![b"EVAL".to_vec(), SCRIPT.as_bytes().to_vec(), number(keys.len())];
    words.extend(keys.iter().cloned());
    words.push(number(commands.len()));
    for command in commands {
        words.push(number(command.len()));
        words.extend(command.iter().cloned());
    }
    words
}

/// The first reply in `bytes` and its length; nothing if it has not arrived whole.
pub fn decode(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut at = 0;
    Ok(reply(bytes, &mut at)?.map(|reply| (reply, at)))
}

fn reply(bytes: &[u8], at: &mut usize) -> Result<Option<Reply>, Malformed> {
    let Some(line) = line(bytes, at) else { return Ok(None) };
    let Some((&kind, rest)) = line.split_first() else {
        return Err(Malformed("an empty line".to_owned()));
    };
    Ok(Some(match kind {
        b'+' => Reply::Status(rest.to_vec()),
        b'-' => Reply::Error(rest.to_vec()),
        b':' => Reply::Int(number(rest)?),
        b'_' => Reply::Null,
        b'#' => Reply::Int(i64::from(rest == b"t")),
        b',' | b'(' => Reply::Bulk(rest.to_vec()),
        b'$' | b'=' | b'!' => match number(rest)? {
            -1 => Reply::Null,
            length => {
                let length = length as usize;
                let Some(body) = bytes.get(*at..*at + length + 2) else { return Ok(None) };
                if !body.ends_with(b"\r\n") {
                    return Err(Malformed(format!("a string of {length} bytes has no end")));
                }
                *at += length + 2;
                let body = body[..length].to_vec();
                if kind == b'!' { Reply::Error(body) } else { Reply::Bulk(body) }
            }
        },
        b'*' | b'~' | b'>' | b'%' => match number(rest)? {
            -1 => Reply::Null,
            length => {
                let length = if kind == b'%' { length * 2 } else { length };
                let mut items = Vec::new();
                for _ in 0..length {
                    let Some(item) = reply(bytes, at)? else { return Ok(None) };
                    items.push(item);
                }
                if kind == b'>' { Reply::Push(items) } else { Reply::Array(items) }
            }
        },
        other => return Err(Malformed(format!("a reply that starts with {:?}", other as char))),
    }))
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &bytes[*at..];
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

fn number(text: &[u8]) -> Result<i64, Malformed> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Malformed(format!("{:?} where a number belongs", text.escape_ascii().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_asks_for_more() {
        let whole = b"*3\r\n$5\r\na\r\nbc\r\n:-7\r\n*2\r\n$-1\r\n_\r\n";
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end]), Ok(None), "{end}");
        }
        let reply = Reply::Array(vec![
            Reply::Bulk(b"a\r\nbc".to_vec()),
            Reply::Int(-7),
            Reply::Array(vec![Reply::Null, Reply::Null]),
        ]);
        assert_eq!(decode(whole), Ok(Some((reply, whole.len()))));
    }

    #[test]
    fn nonsense_is_noticed() {
        for nonsense in ["?\r\n", "\r\n", ":x\r\n", "$1\r\nabc\r\n"] {
            assert!(decode(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }
}
