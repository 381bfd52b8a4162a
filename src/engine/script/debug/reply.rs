//! How replies of commands are shown.

use crate::engine::script::convert::Reader;
use crate::engine::text::number::parse_i64;
use crate::engine::text::quote;

/// Appends a reply, as the server wrote it, until `out` is longer than `room`.
pub(super) fn append(out: &mut Vec<u8>, reply: &[u8], room: usize) {
    Writer { out, reply: Reader { input: reply }, room }.value();
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    reply: Reader<'a>,
    room: usize,
}

impl Writer<'_> {
    fn value(&mut self) {
        let whole = self.reply.input;
        let line = self.reply.line();
        let Some((kind, text)) = line.split_first() else { return };
        let count = parse_i64(text).unwrap_or_default();
        match kind {
            b'+' | b'-' => quote::append(self.out, line),
            b':' | b'(' => self.out.extend(text),
            b'$' | b'*' if count < 0 => self.out.extend(b"NULL"),
            b'$' => {
                let bytes = self.reply.bytes(count);
                self.quoted(bytes);
            }
            // Without the name of its format.
            b'=' => {
                let bytes = self.reply.bytes(count);
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
