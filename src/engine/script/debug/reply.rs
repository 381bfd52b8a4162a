//! How replies of commands are shown.

use crate::engine::text::number::parse_i64;
use crate::engine::text::quote;

/// Appends a reply, as the server wrote it, until `out` is longer than `room`.
pub(super) fn append(out: &mut Vec<u8>, reply: &[u8], room: usize) {
    Writer { out, rest: reply, room }.value();
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    rest: &'a [u8],
    room: usize,
}

impl<'a> Writer<'a> {
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = &self.rest[(end + 2).min(self.rest.len())..];
        line
    }

    fn bytes(&mut self, count: i64) -> &'a [u8] {
        let count = (count.max(0) as usize).min(self.rest.len());
        let bytes = &self.rest[..count];
        self.rest = &self.rest[(count + 2).min(self.rest.len())..];
        bytes
    }

    fn value(&mut self) {
        let whole = self.rest;
        let line = self.line();
        let Some((kind, text)) = line.split_first() else { return };
        let count = parse_i64(text).unwrap_or_default();
        match kind {
            b'+' | b'-' => quote::append(self.out, line),
            b':' | b'(' => self.out.extend(text),
            b'$' | b'*' if count < 0 => self.out.extend(b"NULL"),
            b'$' => {
                let bytes = self.bytes(count);
                self.quoted(bytes);
            }
            // Without the name of its format.
            b'=' => {
                let bytes = self.bytes(count);
                self.quoted(bytes.get(4..).unwrap_or_default());
            }
            b'*' | b'>' => self.all("[", count, "]", Self::value),
            b'~' => self.all("~(", count, ")", Self::value),
            b'%' => self.all("{", count, "}", |writer| {
                writer.value();
                writer.out.extend(b" => ");
                writer.value();
            }),
            b'_' => self.out.extend(b"(null)"),
            b'#' => self.out.extend(if text == b"t" { &b"#true"[..] } else { b"#false" }),
            b',' => {
                self.out.extend(b"(double) ");
                self.out.extend(text);
            }
            _ => self.out.extend(&whole[..line.len()]),
        }
    }

    fn quoted(&mut self, bytes: &[u8]) {
        quote::append(self.out, &bytes[..bytes.len().min(self.room)]);
    }

    fn all(&mut self, begin: &str, count: i64, end: &str, item: impl Fn(&mut Self)) {
        self.out.extend(begin.bytes());
        for index in 0..count {
            if self.out.len() > self.room {
                return;
            }
            if index > 0 {
                self.out.push(b',');
            }
            item(self);
        }
        self.out.extend(end.bytes());
    }
}
