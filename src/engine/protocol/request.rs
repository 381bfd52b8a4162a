//! Cuts bytes into requests: arrays of bulk strings, or inline commands, without copying arguments.
//!
//! The parser is resumable: what has not arrived yet costs nothing to wait for, and a request that
//! arrives byte by byte is never scanned twice. All offsets are relative to the first byte of the
//! request, which the caller keeps at the front of the buffer until the request is complete.

use super::header;
use std::ops::Index;

/// A request of this many arguments is refused from a client that has not authenticated.
const UNAUTHENTICATED_ARGS: i64 = 10;
/// An argument of this many bytes is refused from a client that has not authenticated.
const UNAUTHENTICATED_BULK: i64 = 16 * 1024;
/// The longest line (inline request, or a length) in bytes: Redis's `PROTO_INLINE_MAX_SIZE`.
pub const LINE_MAX: usize = 64 * 1024;
/// Arguments reserved up front: a hostile count must not allocate before the bytes arrive.
const ARGS_UP_FRONT: usize = 64;

/// Where an argument lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The arguments of one request, command name first.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    buffer: &'a [u8],
    ranges: &'a [Range],
}

impl<'a> Args<'a> {
    /// Arguments that lie at `ranges` of `buffer`.
    pub fn new(buffer: &'a [u8], ranges: &'a [Range]) -> Self {
        Args { buffer, ranges }
    }
    /// How many, name included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }
    /// The argument at this index, unless there are fewer.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.ranges.get(index).map(|r| &self.buffer[r.start..r.end])
    }
    /// The argument at this index. Panics if there are fewer; the arity was checked before.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let range = self.ranges[index];
        &self.buffer[range.start..range.end]
    }
    /// All arguments, name included.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + use<'a> {
        let buffer = self.buffer;
        self.ranges.iter().map(move |r| &buffer[r.start..r.end])
    }
    /// The arguments from `index` on (none if there are fewer).
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { buffer: self.buffer, ranges: &self.ranges[index.min(self.ranges.len())..] }
    }
    /// The first `count` arguments (all if there are fewer).
    pub fn first(&self, count: usize) -> Args<'a> {
        Args { buffer: self.buffer, ranges: &self.ranges[..count.min(self.ranges.len())] }
    }
    /// Bytes from the first argument's beginning to the last one's end.
    #[inline]
    pub fn span(&self) -> usize {
        match self.ranges {
            [] => 0,
            [first, ..] => self.ranges[self.ranges.len() - 1].end - first.start,
        }
    }
    /// Bytes of all arguments together.
    pub fn bytes(&self) -> usize {
        self.ranges.iter().map(|r| r.end - r.start).sum()
    }
    /// A copy that outlives the input buffer.
    pub fn to_owned(&self) -> Argv {
        Argv::of(self.iter())
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// Arguments that own their bytes: queued transactions, propagation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argv {
    buffer: Vec<u8>,
    ranges: Vec<Range>,
}

impl Argv {
    /// A copy of these arguments.
    pub fn of<'a>(args: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut argv = Argv::default();
        for arg in args {
            argv.push(arg);
        }
        argv
    }
    /// Adds one argument.
    pub fn push(&mut self, arg: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(arg);
        self.ranges.push(Range { start, end: self.buffer.len() });
    }
    /// Removes all arguments, and buffers that take more than `kept` bytes.
    pub fn clear(&mut self, kept: usize) {
        self.buffer.clear();
        self.ranges.clear();
        if self.memory() > kept {
            *self = Argv::default();
        }
    }
    /// The arguments.
    pub fn args(&self) -> Args<'_> {
        Args { buffer: &self.buffer, ranges: &self.ranges }
    }
    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.buffer.capacity() + self.ranges.capacity() * size_of::<Range>()
    }
}

/// Writes a request as a client would send it.
#[inline]
pub fn encode<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    header(out, b'*', args.len());
    for arg in args {
        out.reserve(arg.len() + 16);
        header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// A request whose arguments come one by one: their number stands in front of them, and is known when all have come.
#[derive(Debug, Default)]
pub struct Builder {
    args: Vec<u8>,
    count: usize,
}

impl Builder {
    /// Adds an argument.
    pub fn arg(&mut self, arg: &[u8]) {
        header(&mut self.args, b'$', arg.len());
        self.args.extend_from_slice(arg);
        self.args.extend_from_slice(b"\r\n");
        self.count += 1;
    }
    /// Bytes of the arguments so far.
    pub fn bytes(&self) -> usize {
        self.args.len()
    }
    /// Writes the request, and begins another.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        header(out, b'*', self.count);
        out.extend_from_slice(&self.args);
        self.args.clear();
        self.count = 0;
    }
}

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest argument in bytes (`proto-max-bulk-len`).
    pub bulk: i64,
    /// Whether the client has authenticated.
    pub authenticated: bool,
}

/// Why input cannot be understood. The connection is closed after the error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A line without end.
    InlineTooLong,
    /// The line of a count without end.
    CountLineTooLong,
    /// The line of a length without end.
    LengthLineTooLong,
    /// A count that is no number or too large.
    Count,
    /// A length that is no number or too large.
    Length,
    /// Too many arguments before authentication.
    UnauthenticatedCount,
    /// Too long an argument before authentication.
    UnauthenticatedLength,
    /// Something else than `$` before an argument.
    ExpectedDollar(u8),
    /// Unbalanced quotes in an inline request.
    Quotes,
}

impl Problem {
    /// What the log calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Problem::InlineTooLong => "too big inline request",
            Problem::CountLineTooLong => "too big mbulk count string",
            Problem::LengthLineTooLong => "too big bulk count string",
            Problem::Count => "invalid mbulk count",
            Problem::Length => "invalid bulk length",
            Problem::UnauthenticatedCount => "unauth mbulk count",
            Problem::UnauthenticatedLength => "unauth bulk length",
            Problem::ExpectedDollar(_) => "expected $ but got something else",
            Problem::Quotes => "unbalanced quotes in inline request",
        }
    }
}

impl std::fmt::Display for Problem {
    /// The text of the error reply after `ERR `.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protocol error: ")?;
        match self {
            Problem::Count => f.write_str("invalid multibulk length"),
            Problem::UnauthenticatedCount => f.write_str("unauthenticated multibulk length"),
            Problem::UnauthenticatedLength => f.write_str("unauthenticated bulk length"),
            Problem::ExpectedDollar(byte) => write!(f, "expected '$', got '{}'", *byte as char),
            Problem::Quotes => f.write_str("unbalanced quotes in request"),
            same => f.write_str(same.name()),
        }
    }
}

/// What one step of parsing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The request is not whole yet; `missing` bytes at least are still to come.
    Incomplete {
        /// A lower bound of the bytes to come.
        missing: usize,
    },
    /// A whole request of `length` bytes; its arguments were appended.
    Request {
        /// Bytes of the request in the buffer.
        length: usize,
    },
    /// A whole inline request: the line is `length` bytes of which `line` are text.
    Inline {
        /// Bytes up to and with the line's end.
        length: usize,
        /// Bytes without the line's end.
        line: usize,
    },
    /// A request of no arguments, to be skipped.
    Empty {
        /// Bytes to skip.
        length: usize,
    },
}

/// The state between two arrivals of bytes.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    /// Bytes of the request understood so far.
    position: usize,
    /// Arguments still to come; `None` before the count.
    remaining: Option<i64>,
    /// Length of the argument that is arriving.
    bulk: Option<usize>,
    /// Arguments of an incomplete request.
    args: Vec<Range>,
}

impl Parser {
    /// Bytes of the argument that is arriving, as announced.
    pub fn announced(&self) -> usize {
        self.bulk.unwrap_or(0)
    }

    /// Whether a request has begun and not ended.
    pub fn in_request(&self) -> bool {
        self.remaining.is_some() || self.position > 0
    }

    /// Bytes of an incomplete request that need not be looked at again.
    pub fn understood(&self) -> usize {
        self.position
    }

    /// Bytes allocated for an incomplete request.
    pub fn memory(&self) -> usize {
        self.args.capacity() * size_of::<Range>()
    }

    /// Bytes of arguments of an incomplete request that have arrived.
    pub fn argument_bytes(&self) -> usize {
        self.args.iter().map(|r| r.end - r.start).sum()
    }

    /// Goes on with the request that begins at `buffer[0]`; its arguments are appended to `args` with
    /// `base` added to their offsets once it is whole.
    pub fn step(
        &mut self,
        buffer: &[u8],
        base: usize,
        limits: Limits,
        args: &mut Vec<Range>,
    ) -> Result<Step, Problem> {
        let Some(&first) = buffer.first() else { return Ok(Step::Incomplete { missing: 1 }) };
        if self.remaining.is_none() {
            if first != b'*' {
                return self.inline(buffer);
            }
            match self.count(buffer, limits)? {
                None => return Ok(Step::Incomplete { missing: 1 }),
                Some(count) if count <= 0 => {
                    let length = self.position;
                    *self = Parser { args: std::mem::take(&mut self.args), ..Parser::default() };
                    return Ok(Step::Empty { length });
                }
                Some(count) => self.remaining = Some(count),
            }
        }
        if self.args.is_empty() && self.bulk.is_none() {
            return self.whole(buffer, base, limits, args);
        }
        let missing = self.arguments(buffer, limits)?;
        if missing > 0 {
            return Ok(Step::Incomplete { missing });
        }
        let length = self.position;
        args.extend(self.args.drain(..).map(|r| Range { start: r.start + base, end: r.end + base }));
        self.reset();
        Ok(Step::Request { length })
    }

    fn reset(&mut self) {
        self.position = 0;
        self.remaining = None;
        self.bulk = None;
        self.args.clear();
        if self.args.capacity() > 1024 {
            self.args = Vec::new();
        }
    }

    /// The common case: nothing parsed yet and, mostly, the whole request there.
    fn whole(
        &mut self,
        buffer: &[u8],
        base: usize,
        limits: Limits,
        args: &mut Vec<Range>,
    ) -> Result<Step, Problem> {
        let mark = args.len();
        let mut position = self.position;
        let count = self.remaining.unwrap_or(0);
        args.reserve((count as usize).min(ARGS_UP_FRONT));
        for done in 0..count {
            let header = bulk_length(&buffer[position..], limits)?;
            let Some((header, length)) = header else {
                return Ok(self.suspend(args, mark, base, position, count - done, None, 1));
            };
            let start = position + header;
            let end = start + length;
            if end + 2 > buffer.len() {
                let missing = end + 2 - buffer.len();
                return Ok(self.suspend(args, mark, base, start, count - done, Some(length), missing));
            }
            args.push(Range { start: start + base, end: end + base });
            position = end + 2;
        }
        self.position = 0;
        self.remaining = None;
        Ok(Step::Request { length: position })
    }

    /// Keeps what was parsed of an incomplete request.
    #[allow(clippy::too_many_arguments)]
    fn suspend(
        &mut self,
        args: &mut Vec<Range>,
        mark: usize,
        base: usize,
        position: usize,
        remaining: i64,
        bulk: Option<usize>,
        missing: usize,
    ) -> Step {
        self.args.extend(args.drain(mark..).map(|r| Range { start: r.start - base, end: r.end - base }));
        self.position = position;
        self.remaining = Some(remaining);
        self.bulk = bulk;
        Step::Incomplete { missing }
    }

    /// Goes on with the arguments of a suspended request; returns how many bytes are missing.
    fn arguments(&mut self, buffer: &[u8], limits: Limits) -> Result<usize, Problem> {
        let mut remaining = self.remaining.unwrap_or(0);
        while remaining > 0 {
            let length = match self.bulk {
                Some(length) => length,
                None => match bulk_length(&buffer[self.position..], limits)? {
                    None => {
                        self.remaining = Some(remaining);
                        return Ok(1);
                    }
                    Some((header, length)) => {
                        self.position += header;
                        self.bulk = Some(length);
                        length
                    }
                },
            };
            let end = self.position + length;
            if end + 2 > buffer.len() {
                self.remaining = Some(remaining);
                return Ok(end + 2 - buffer.len());
            }
            self.args.push(Range { start: self.position, end });
            self.position = end + 2;
            self.bulk = None;
            remaining -= 1;
        }
        Ok(0)
    }

    /// The line `*count`.
    fn count(&mut self, buffer: &[u8], limits: Limits) -> Result<Option<i64>, Problem> {
        let Some((length, digits)) = line(buffer) else {
            return if buffer.len() > LINE_MAX { Err(Problem::CountLineTooLong) } else { Ok(None) };
        };
        let count = number(&digits[1..]).filter(|n| *n <= i32::MAX as i64).ok_or(Problem::Count)?;
        if count > UNAUTHENTICATED_ARGS && !limits.authenticated {
            return Err(Problem::UnauthenticatedCount);
        }
        self.position = length;
        Ok(Some(count))
    }

    fn inline(&mut self, buffer: &[u8]) -> Result<Step, Problem> {
        // A newline cannot stand before `position`: what was there has been searched.
        match memchr::memchr(b'\n', &buffer[self.position..]) {
            None if buffer.len() > LINE_MAX => Err(Problem::InlineTooLong),
            None => {
                self.position = buffer.len();
                Ok(Step::Incomplete { missing: 1 })
            }
            Some(at) => {
                let at = self.position + at;
                self.position = 0;
                let line = if at > 0 && buffer[at - 1] == b'\r' { at - 1 } else { at };
                Ok(Step::Inline { length: at + 1, line })
            }
        }
    }
}

/// The line `$length`: bytes of the line, and the length. `None`: not whole yet.
#[inline]
fn bulk_length(buffer: &[u8], limits: Limits) -> Result<Option<(usize, usize)>, Problem> {
    // One or two digits are the rule: no search for the line's end.
    if let [b'$', a @ b'0'..=b'9', b'\r', _, ..] = *buffer {
        return Ok(Some((4, (a - b'0') as usize)));
    }
    if let [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..] = *buffer {
        return Ok(Some((5, ((a - b'0') * 10 + (b - b'0')) as usize)));
    }
    let Some((length, digits)) = line(buffer) else {
        return if buffer.len() > LINE_MAX { Err(Problem::LengthLineTooLong) } else { Ok(None) };
    };
    if digits.first() != Some(&b'$') {
        return Err(Problem::ExpectedDollar(*buffer.first().unwrap_or(&b' ')));
    }
    let bulk = number(&digits[1..]).filter(|n| (0..=limits.bulk).contains(n)).ok_or(Problem::Length)?;
    if bulk > UNAUTHENTICATED_BULK && !limits.authenticated {
        return Err(Problem::UnauthenticatedLength);
    }
    Ok(Some((length, bulk as usize)))
}

/// The first line: its bytes with the end, and its text. The end counts once the byte after `\r` is there.
#[inline]
fn line(buffer: &[u8]) -> Option<(usize, &[u8])> {
    let at = memchr::memchr(b'\r', buffer)?;
    (at + 1 < buffer.len()).then(|| (at + 2, &buffer[..at]))
}

/// A decimal number as Redis reads counts: an optional minus, no plus, no spaces.
fn number(digits: &[u8]) -> Option<i64> {
    crate::engine::text::number::parse_i64(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { bulk: 512 * 1024 * 1024, authenticated: true };

    /// Feeds `input` in the given pieces; returns the requests and the problem, if any.
    fn requests(input: &[u8], cuts: &[usize], limits: Limits) -> (Vec<Vec<Vec<u8>>>, Option<Problem>) {
        let (mut parser, mut buffer, mut found) = (Parser::default(), Vec::new(), Vec::new());
        let mut ends: Vec<usize> = cuts.iter().map(|c| c % (input.len() + 1)).collect();
        ends.push(input.len());
        ends.sort_unstable();
        let mut fed = 0;
        for end in ends {
            buffer.extend_from_slice(&input[fed..end]);
            fed = end;
            loop {
                let mut args = Vec::new();
                let length = match parser.step(&buffer, 0, limits, &mut args) {
                    Err(problem) => return (found, Some(problem)),
                    Ok(Step::Incomplete { .. }) => break,
                    Ok(Step::Empty { length }) => length,
                    Ok(Step::Inline { length, line }) => {
                        found.push(vec![buffer[..line].to_vec()]);
                        length
                    }
                    Ok(Step::Request { length }) => {
                        found.push(Args::new(&buffer, &args).iter().map(<[u8]>::to_vec).collect());
                        length
                    }
                };
                buffer.drain(..length);
            }
        }
        (found, None)
    }

    #[test]
    fn a_pipeline_of_both_kinds() {
        let (found, problem) =
            requests(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*0\r\n*1\r\n$4\r\nQUIT\r\n", &[], LIMITS);
        assert_eq!(problem, None);
        let text = |s: &str| s.as_bytes().to_vec();
        assert_eq!(found, [vec![text("GET"), text("k")], vec![text("PING")], vec![text("QUIT")]]);
    }

    #[test]
    fn limits_before_authentication() {
        let limits = Limits { authenticated: false, ..LIMITS };
        assert_eq!(requests(b"*11\r\n", &[], limits).1, Some(Problem::UnauthenticatedCount));
        assert_eq!(requests(b"*1\r\n$16385\r\n", &[], limits).1, Some(Problem::UnauthenticatedLength));
        assert_eq!(requests(b"*10\r\n$16384\r\n", &[], limits).1, None);
    }

    #[test]
    fn protocol_errors() {
        assert_eq!(
            requests(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", &[], LIMITS).1,
            Some(Problem::ExpectedDollar(b'f'))
        );
        assert_eq!(requests(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", &[], LIMITS).1, Some(Problem::Length));
        assert_eq!(requests(b"*x\r\n", &[], LIMITS).1, Some(Problem::Count));
        assert_eq!(requests(b"*3000000000\r\n", &[], LIMITS).1, Some(Problem::Count));
        assert_eq!(requests(&[b'a'; LINE_MAX + 2], &[], LIMITS).1, Some(Problem::InlineTooLong));
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let request =
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6).prop_map(|args| {
                let mut out = format!("*{}\r\n", args.len()).into_bytes();
                for arg in args {
                    out.extend(format!("${}\r\n", arg.len()).bytes());
                    out.extend(arg);
                    out.extend(b"\r\n");
                }
                out
            });
        let piece = prop_oneof![
            8 => request,
            2 => "[a-z ]{0,20}\r?\n".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(input in stream(), cuts in prop::collection::vec(any::<usize>(), 0..40)) {
            prop_assert_eq!(requests(&input, &cuts, LIMITS), requests(&input, &[], LIMITS));
        }
    }
}
