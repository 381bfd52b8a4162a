//! Entries as commands: a rewritten base where it is to be no RDB file.
//!
//! Each value is said in the commands of its type, those that Redis would write, so that every server that has the type
//! reads it. Three things are told otherwise:
//!
//! - Redis leaves out what a group was given and the stream no longer has. Here such entries are added, claimed and removed
//!   again.
//! - A stream that commands cannot make as it is (one with idempotent producers: their counts, and messages whose entry is
//!   gone) is one RESTORE.
//! - A command has fewer elements than Redis's 64 if they are long, so that little lies in memory encoded.
//!
//! When consumers were last seen is forgotten, as in Redis. What Redis writes and does not take back when it loads it, this
//! server does: expiries of fields beyond 46 bits of milliseconds, and deliveries later than the clock says it is.

mod stream;
#[cfg(test)]
mod tests;

use crate::engine::keyspace::hash::HashRef;
use crate::engine::keyspace::value::Field;
use crate::engine::keyspace::value::listpack::{Element, element_at};
use crate::engine::keyspace::{Array, Entry, IntBuf, Object, SetRef, ValueRef};
use crate::engine::protocol::request::{self, Builder};
use crate::engine::rdb::payload;
use crate::engine::text::number::format_f64;

/// Elements of a command, as in Redis.
const ELEMENTS: usize = 64;
/// Bytes of elements after which a command takes no more.
const BYTES: usize = 64 << 10;

/// The commands that make an entry, step by step.
pub struct Rewrite {
    entry: Entry,
    /// How many elements were written.
    at: usize,
    stream: Option<stream::Progress>,
}

impl Rewrite {
    /// Nothing was written yet.
    pub fn new(entry: Entry) -> Self {
        Rewrite { entry, at: 0, stream: None }
    }

    /// Writes about so many bytes more, whole commands; `true` when those were all. Payloads are compressed if `compress`.
    pub fn step(&mut self, out: &mut Vec<u8>, about: usize, compress: bool) -> bool {
        let until = out.len().saturating_add(about);
        let Rewrite { entry, at, stream } = self;
        if let Some(value) = entry.stream() {
            let progress = stream.get_or_insert_with(|| stream::Progress::new(value));
            if progress.is_beyond_commands() {
                restore(entry, out, compress);
                return true;
            }
            if !stream::write(entry.key(), value, progress, out, until) {
                return false;
            }
        } else if !write(entry, at, out, until) {
            return false;
        }
        if let Some(expires_at) = entry.expires_at() {
            let expires_at = expires_at.to_string();
            request::encode(out, [b"PEXPIREAT", entry.key(), expires_at.as_bytes()].into_iter());
        }
        true
    }
}

/// One command that says everything.
fn restore(entry: &Entry, out: &mut Vec<u8>, compress: bool) {
    let expires_at = entry.expires_at().unwrap_or(0).to_string();
    let value = payload::dump(entry.duplicate(entry.key()), compress);
    let args = [b"RESTORE", entry.key(), expires_at.as_bytes(), &value, b"ABSTTL"];
    request::encode(out, args.into_iter());
}

/// Commands of one kind, with as many elements as are good for a command.
struct Row<'a> {
    verb: &'a [u8],
    key: &'a [u8],
    out: &'a mut Vec<u8>,
    until: usize,
    command: Builder,
    elements: usize,
    /// What comes after the command.
    after: Vec<u8>,
}

impl<'a> Row<'a> {
    fn new(verb: &'a str, key: &'a [u8], out: &'a mut Vec<u8>, until: usize) -> Self {
        let verb = verb.as_bytes();
        Row { verb, key, out, until, command: Builder::default(), elements: 0, after: Vec::new() }
    }

    /// Whether enough is written, between two commands.
    fn is_enough(&self) -> bool {
        self.elements == 0 && self.out.len() >= self.until
    }

    /// Adds an element, which may have several parts.
    fn element(&mut self, parts: &[Element]) {
        if self.elements == 0 {
            self.command.arg(self.verb);
            self.command.arg(self.key);
        }
        let mut digits = IntBuf::new();
        parts.iter().for_each(|part| self.command.arg(part.bytes(&mut digits)));
        self.elements += 1;
    }

    /// Ends the command if it has enough elements.
    fn end_if_long(&mut self) {
        if self.elements >= ELEMENTS || self.command.bytes() >= BYTES {
            self.end();
        }
    }

    fn end(&mut self) {
        if self.elements > 0 {
            self.command.finish(self.out);
            self.out.append(&mut self.after);
            self.elements = 0;
        }
    }

    /// Writes elements, and counts them, until that is enough or all.
    fn elements<'e, const N: usize>(
        &mut self,
        elements: impl Iterator<Item = [Element<'e>; N]>,
        at: &mut usize,
    ) -> bool {
        for parts in elements {
            if self.is_enough() {
                return false;
            }
            self.element(&parts);
            self.end_if_long();
            *at += 1;
        }
        self.end();
        true
    }

    /// Writes a field, and when it expires.
    fn field(&mut self, field: Field) {
        self.element(&[field.name, field.value]);
        if let Some(expires_at) = field.expires_at {
            let (mut digits, expires_at) = (IntBuf::new(), expires_at.to_string());
            let name = field.name.bytes(&mut digits);
            let args = [b"HPEXPIREAT", self.key, expires_at.as_bytes(), b"FIELDS", b"1", name];
            request::encode(&mut self.after, args.into_iter());
        }
        self.end_if_long();
    }
}

/// Writes a value other than a stream from an element on; a small hash at once.
fn write(entry: &Entry, at: &mut usize, out: &mut Vec<u8>, until: usize) -> bool {
    let (key, mut digits) = (entry.key(), IntBuf::new());
    if let Some(string) = entry.string(&mut digits) {
        request::encode(out, [b"SET", key, string].into_iter());
        return true;
    }
    if let Some(set) = entry.set() {
        let mut row = Row::new("SADD", key, out, until);
        return match set {
            SetRef::Big(set) => {
                let records = set.iter_from(*at);
                row.elements(records.map(|record| [element_at(record, 0).0]), at)
            }
            small => row.elements(small.iter().skip(*at).map(|member| [member]), at),
        };
    }
    if let Some(set) = entry.sorted_set() {
        let mut row = Row::new("ZADD", key, out, until);
        for (member, score) in set.pairs(*at as u64..set.len(), false) {
            if row.is_enough() {
                return false;
            }
            row.element(&[Element::Str(format_f64(score).as_bytes()), member]);
            row.end_if_long();
            *at += 1;
        }
        row.end();
        return true;
    }
    if let Some(hash) = entry.hash() {
        return write_hash(hash, key, at, out, until);
    }
    if let ValueRef::Object(Object::Array(array)) = entry.value() {
        return write_array(array, key, at, out, until);
    }
    let list = entry.list();
    let elements = list.elements(*at..list.len()).map(|element| [element]);
    Row::new("RPUSH", key, out, until).elements(elements, at)
}

fn write_hash(hash: HashRef, key: &[u8], at: &mut usize, out: &mut Vec<u8>, until: usize) -> bool {
    let mut row = Row::new("HMSET", key, out, until);
    if let HashRef::Big(hash) = hash {
        for field in hash.iter_from(*at) {
            if row.is_enough() {
                return false;
            }
            row.field(field);
            *at += 1;
        }
    } else {
        hash.for_each(|field| row.field(field));
    }
    row.end();
    true
}

fn write_array(array: &Array, key: &[u8], at: &mut usize, out: &mut Vec<u8>, until: usize) -> bool {
    let mut row = Row::new("ARMSET", key, out, until);
    for (index, value) in array.elements_from(*at as u64) {
        if row.is_enough() {
            return false;
        }
        row.element(&[Element::Str(index.to_string().as_bytes()), value]);
        row.end_if_long();
        *at += 1;
    }
    row.end();
    if array.next > 0 {
        let next = array.next.to_string();
        request::encode(out, [b"ARSEEK", key, next.as_bytes()].into_iter());
    }
    true
}
