//! Writes replies: the same calls give RESP2 or RESP3, whichever the client speaks.

use crate::engine::mutant;

/// The bytes a client is still to get, and the protocol it speaks.
#[derive(Debug, Default)]
pub struct Reply {
    buffer: Vec<u8>,
    /// Bytes at the front that were written to the socket already.
    written: usize,
    /// Bytes that have left the buffer since the connection began.
    left: u64,
    resp3: bool,
}

/// A place in the output, for headers whose count is known later.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Reply {
    /// Whether the client speaks RESP3.
    pub fn is_resp3(&self) -> bool {
        self.resp3
    }
    /// Chooses the protocol of what follows.
    pub fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
    }
    /// What is still to be sent.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.written..]
    }
    /// Bytes still to be sent.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.written
    }
    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
    /// The first `count` pending bytes were sent.
    pub fn advance(&mut self, count: usize) {
        self.written += count;
        self.left += count as u64;
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.written = 0;
        }
    }
    /// Takes all pending bytes out, leaving `empty` (its capacity is reused) in their place.
    pub fn take(&mut self, mut empty: Vec<u8>) -> Vec<u8> {
        empty.clear();
        self.left += self.len() as u64;
        let mut bytes = std::mem::replace(&mut self.buffer, empty);
        bytes.drain(..std::mem::take(&mut self.written));
        bytes
    }
    /// Takes the first `count` pending bytes out.
    pub fn take_front(&mut self, count: usize) -> Vec<u8> {
        let bytes = self.pending()[..count].to_vec();
        self.advance(count);
        bytes
    }
    /// Where the first pending byte is in all output since the connection began.
    pub fn start(&self) -> u64 {
        self.left
    }
    /// Where all output since the connection began ends.
    pub fn end(&self) -> u64 {
        self.left + self.len() as u64
    }
    /// Gives memory back beyond `capacity` bytes when nothing is pending.
    pub fn shrink(&mut self, capacity: usize) {
        if self.buffer.is_empty() && self.buffer.capacity() > capacity {
            self.buffer = Vec::with_capacity(capacity);
        }
    }
    /// The current end.
    pub fn mark(&self) -> Mark {
        Mark(self.buffer.len())
    }
    /// Whether something was written since `mark`.
    pub fn grew(&self, mark: Mark) -> bool {
        self.buffer.len() > mark.0
    }
    /// Bytes written since `mark`.
    pub fn since(&self, mark: Mark) -> &[u8] {
        &self.buffer[mark.0..]
    }
    /// Forgets what was written since `mark`.
    pub fn truncate(&mut self, mark: Mark) {
        self.buffer.truncate(mark.0);
    }
    /// Bytes that are RESP already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
    fn header(&mut self, kind: u8, count: usize) {
        super::header(&mut self.buffer, kind, count);
    }
    /// `+OK`.
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }
    /// A simple string: text without line ends.
    pub fn simple(&mut self, text: &str) {
        self.simple_bytes(text.as_bytes());
    }
    /// A simple string from bytes; line ends become spaces.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }
    /// An error: its code and text, without the leading minus. Line ends become spaces.
    pub fn error(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }
    fn line(&mut self, kind: u8, text: &[u8]) {
        self.buffer.push(kind);
        self.buffer.extend(text.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
        self.raw(b"\r\n");
    }
    /// A whole number.
    pub fn int(&mut self, value: i64) {
        match value {
            0..10 => self.buffer.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']),
            -99..=-10 if mutant::is_on("unsigned") => self.int(-value),
            _ => {
                let mut digits = itoa::Buffer::new();
                self.buffer.push(b':');
                self.buffer.extend_from_slice(digits.format(value).as_bytes());
                self.raw(b"\r\n");
            }
        }
    }
    /// A bulk string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.buffer.reserve(bytes.len() + 16);
        self.header(b'$', bytes.len());
        self.buffer.extend_from_slice(bytes);
        self.buffer.extend_from_slice(b"\r\n");
    }
    /// A number as a bulk string.
    pub fn bulk_int(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(value).as_bytes());
    }
    /// No value: a null bulk in RESP2, a null in RESP3.
    pub fn null(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }
    /// No array: a null array in RESP2, a null in RESP3.
    pub fn null_array(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }
    /// Begins an array of `count` elements.
    pub fn array(&mut self, count: usize) {
        self.header(b'*', count);
    }
    /// Begins a map of `pairs`: a flat array in RESP2.
    pub fn map(&mut self, pairs: usize) {
        if self.resp3 { self.header(b'%', pairs) } else { self.header(b'*', pairs * 2) }
    }
    /// Begins a set of `count`: an array in RESP2.
    pub fn set(&mut self, count: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, count);
    }
    /// Begins an out-of-band push of `count`: an array in RESP2.
    pub fn push(&mut self, count: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, count);
    }
    /// A floating-point number: a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        // Most scores are whole numbers that need no more than their digits.
        let whole = value as i64;
        if whole as f64 == value && whole.unsigned_abs() < 1 << 53 && whole != 0 {
            return self.double_text(itoa::Buffer::new().format(whole));
        }
        self.double_text(&crate::engine::text::number::format_f64(value));
    }
    /// A floating-point number that is text already: its digits as a bulk string in RESP2.
    pub fn double_text(&mut self, text: &str) {
        if self.resp3 { self.line(b',', text.as_bytes()) } else { self.bulk(text.as_bytes()) }
    }
    /// A truth value: 1 or 0 in RESP2.
    pub fn bool(&mut self, value: bool) {
        match (self.resp3, value) {
            (true, true) => self.raw(b"#t\r\n"),
            (true, false) => self.raw(b"#f\r\n"),
            (false, value) => self.int(value as i64),
        }
    }
    /// Text with a three-letter format: a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() + 4);
        self.raw(format.as_bytes());
        self.raw(b":");
        self.raw(text);
        self.raw(b"\r\n");
    }
    /// An integer of any size, given as digits: a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.resp3 { self.line(b'(', digits) } else { self.bulk(digits) }
    }
    /// Begins attributes of `pairs` (RESP3 only).
    pub fn attribute(&mut self, pairs: usize) {
        self.header(b'|', pairs);
    }
    /// Inserts an array header of `count` at `mark`, before what was written since.
    pub fn array_at(&mut self, mark: Mark, count: usize) {
        self.insert(mark, |reply| reply.array(count));
    }
    /// Inserts a map header of `pairs` at `mark`.
    pub fn map_at(&mut self, mark: Mark, pairs: usize) {
        self.insert(mark, |reply| reply.map(pairs));
    }
    /// Inserts a set header of `count` at `mark`.
    pub fn set_at(&mut self, mark: Mark, count: usize) {
        self.insert(mark, |reply| reply.set(count));
    }
    fn insert(&mut self, mark: Mark, header: impl FnOnce(&mut Self)) {
        let end = self.buffer.len();
        header(self);
        let length = self.buffer.len() - end;
        self.buffer[mark.0..].rotate_right(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(resp3: bool, write: impl FnOnce(&mut Reply)) -> String {
        let mut reply = Reply::default();
        reply.set_resp3(resp3);
        write(&mut reply);
        String::from_utf8(reply.pending().to_vec()).expect("ASCII")
    }

    #[test]
    fn the_two_protocols_differ_in_types_only() {
        let both = |write: fn(&mut Reply)| (written(false, write), written(true, write));
        assert_eq!(both(|r| r.null()), ("$-1\r\n".into(), "_\r\n".into()));
        assert_eq!(both(|r| r.map(2)), ("*4\r\n".into(), "%2\r\n".into()));
        assert_eq!(both(|r| r.bool(true)), (":1\r\n".into(), "#t\r\n".into()));
        assert_eq!(both(|r| r.verbatim("txt", b"a")), ("$1\r\na\r\n".into(), "=5\r\ntxt:a\r\n".into()));
        assert_eq!(both(|r| r.int(-12)), (":-12\r\n".into(), ":-12\r\n".into()));
    }

    #[test]
    fn a_header_can_come_later() {
        let text = written(false, |r| {
            r.ok();
            let mark = r.mark();
            (0..12).for_each(|i| r.int(i));
            r.array_at(mark, 12);
        });
        assert!(text.starts_with("+OK\r\n*12\r\n:0\r\n") && text.ends_with(":11\r\n"));
    }

    #[test]
    fn errors_stay_on_one_line() {
        assert_eq!(written(false, |r| r.error(b"ERR a\r\nb")), "-ERR a  b\r\n");
    }
}
