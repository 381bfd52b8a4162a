//! Replies as values, read from RESP2 and RESP3.

/// One reply; the last three stand in expectations only.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+OK`
    Simple(Vec<u8>),
    /// `-ERR ...`, without the dash; RESP3's blob errors too.
    Error(Vec<u8>),
    /// `:1`
    Integer(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// `$-1` or `_`
    Nil,
    /// `*-1`
    NilArray,
    /// `*2`
    Array(Vec<Value>),
    /// `%2`
    Map(Vec<(Value, Value)>),
    /// `|1`: not a reply, but stands before one.
    Attribute(Vec<(Value, Value)>),
    /// `~2`
    Set(Vec<Value>),
    /// `>2`
    Push(Vec<Value>),
    /// `,1.5`, as it was printed.
    Double(String),
    /// `#t`
    Boolean(bool),
    /// `(123`
    BigNumber(String),
    /// `=8 txt:text`
    Verbatim(String, Vec<u8>),
    /// Anything.
    Any,
    /// Text that matches a glob.
    Like(Vec<u8>),
    /// These elements in any order.
    Unordered(Vec<Value>),
}

/// What stands at the start of `bytes`: a reply and its length, `None` if it is not all there yet.
pub fn parse(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
    let mut reader = Reader { bytes, at: 0 };
    Ok(reader.value()?.map(|value| (value, reader.at)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Option<Value>, String> {
        let Some(line) = self.line() else { return Ok(None) };
        let Some((&kind, text)) = line.split_first() else { return Err("an empty line".to_owned()) };
        let string = || String::from_utf8_lossy(text).into_owned();
        let value = match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Integer(number(text)?),
            b',' => Value::Double(string()),
            b'(' => Value::BigNumber(string()),
            b'#' => Value::Boolean(text == b"t"),
            b'_' => Value::Nil,
            b'$' | b'!' | b'=' => return self.sized(kind, number(text)?),
            b'*' | b'~' | b'>' | b'%' | b'|' => return self.collection(kind, number(text)?),
            _ => return Err(format!("not a reply: {}", String::from_utf8_lossy(line))),
        };
        Ok(Some(value))
    }

    fn sized(&mut self, kind: u8, length: i64) -> Result<Option<Value>, String> {
        let Ok(length) = usize::try_from(length) else { return Ok(Some(Value::Nil)) };
        let Some(bytes) = self.bytes.get(self.at..self.at + length + 2) else { return Ok(None) };
        let (bytes, end) = bytes.split_at(length);
        if end != b"\r\n" {
            return Err("a string is longer than it says".to_owned());
        }
        self.at += length + 2;
        Ok(Some(match kind {
            b'$' => Value::Bulk(bytes.to_vec()),
            b'!' => Value::Error(bytes.to_vec()),
            _ if length < 4 => return Err("a verbatim string without format".to_owned()),
            _ => Value::Verbatim(String::from_utf8_lossy(&bytes[..3]).into_owned(), bytes[4..].to_vec()),
        }))
    }

    fn collection(&mut self, kind: u8, length: i64) -> Result<Option<Value>, String> {
        let Ok(length) = usize::try_from(length) else { return Ok(Some(Value::NilArray)) };
        let pairs = kind == b'%' || kind == b'|';
        let mut elements = Vec::new();
        for _ in 0..length * if pairs { 2 } else { 1 } {
            let Some(element) = self.value()? else { return Ok(None) };
            elements.push(element);
        }
        Ok(Some(match kind {
            b'*' => Value::Array(elements),
            b'~' => Value::Set(elements),
            b'>' => Value::Push(elements),
            b'%' => Value::Map(pair_up(elements)),
            _ => Value::Attribute(pair_up(elements)),
        }))
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += end + 2;
        Some(&rest[..end])
    }
}

/// Elements two by two.
pub fn pair_up(elements: Vec<Value>) -> Vec<(Value, Value)> {
    let mut elements = elements.into_iter();
    std::iter::from_fn(|| Some((elements.next()?, elements.next()?))).collect()
}

fn number(text: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| format!("not a number: {text}"))
}

impl Value {
    /// Whether a reply is what this expectation asks for. A nil array is a plain nil in RESP3, so an
    /// expected nil array accepts both.
    pub fn accepts(&self, reply: &Value) -> bool {
        let all = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.accepts(b));
        match (self, reply) {
            (Value::Any, _) | (Value::NilArray, Value::Nil) => true,
            (Value::Like(pattern), _) => {
                reply.text().is_some_and(|text| seedis::engine::text::glob::matches(pattern, text, false))
            }
            (Value::Unordered(expected), Value::Array(have) | Value::Set(have) | Value::Push(have)) => {
                in_any_order(expected, have)
            }
            (Value::Array(a), Value::Array(b)) | (Value::Push(a), Value::Push(b)) => all(a, b),
            (Value::Set(a), Value::Set(b)) => in_any_order(a, b),
            (Value::Map(a), Value::Map(b)) | (Value::Attribute(a), Value::Attribute(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0.accepts(&b.0) && a.1.accepts(&b.1))
            }
            _ => self == reply,
        }
    }

    fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text) | Value::Error(text) | Value::Bulk(text) | Value::Verbatim(_, text) => {
                Some(text)
            }
            Value::Double(text) | Value::BigNumber(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
}

/// Whether each expectation finds a reply of its own. First fit: expectations that overlap are written
/// with the narrow ones first.
fn in_any_order(expected: &[Value], have: &[Value]) -> bool {
    let mut left: Vec<&Value> = have.iter().collect();
    expected.len() == have.len()
        && expected.iter().all(|value| {
            let found = left.iter().position(|reply| value.accepts(reply));
            found.map(|at| left.swap_remove(at)).is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"*4\r\n$3\r\na\r\n\r\n:-5\r\n%1\r\n+k\r\n,1.5\r\n~2\r\n#t\r\n=7\r\ntxt:abc\r\n";

    #[test]
    fn nested_replies_are_read_once_complete() {
        let expected = Value::Array(vec![
            Value::Bulk(b"a\r\n".to_vec()),
            Value::Integer(-5),
            Value::Map(vec![(Value::Simple(b"k".to_vec()), Value::Double("1.5".to_owned()))]),
            Value::Set(vec![Value::Boolean(true), Value::Verbatim("txt".to_owned(), b"abc".to_vec())]),
        ]);
        for end in 0..WIRE.len() {
            assert_eq!(parse(&WIRE[..end]), Ok(None), "{end}");
        }
        let more = [WIRE, b"+OK"].concat();
        assert_eq!(parse(&more), Ok(Some((expected, WIRE.len()))));
    }

    #[test]
    fn nonsense_is_an_error() {
        for wire in ["hello\r\n", "\r\n", ":x\r\n", "$1\r\nabc\r\n", "=2\r\nab\r\n"] {
            assert!(parse(wire.as_bytes()).is_err(), "{wire}");
        }
    }

    #[test]
    fn expectations_accept_what_they_say() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        assert!(Value::Any.accepts(&Value::Integer(1)));
        assert!(Value::Like(b"ERR *".to_vec()).accepts(&Value::Error(b"ERR no".to_vec())));
        assert!(!Value::Like(b"ERR *".to_vec()).accepts(&Value::Integer(1)));
        let unordered = Value::Unordered(vec![bulk("a"), bulk("b")]);
        assert!(unordered.accepts(&Value::Array(vec![bulk("b"), bulk("a")])));
        assert!(!unordered.accepts(&Value::Array(vec![bulk("b"), bulk("b")])));
        assert!(!unordered.accepts(&Value::Array(vec![bulk("b")])));
        assert!(Value::NilArray.accepts(&Value::Nil) && !Value::Nil.accepts(&Value::NilArray));
        assert!(!bulk("a").accepts(&Value::Simple(b"a".to_vec())));
        assert!(Value::Array(vec![Value::Any]).accepts(&Value::Array(vec![Value::Nil])));
        assert!(!Value::Array(vec![Value::Any]).accepts(&Value::Push(vec![Value::Nil])));
    }
}
