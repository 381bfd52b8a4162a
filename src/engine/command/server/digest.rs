//! DEBUG DIGEST: one number for all data, whatever its order in memory, so that tests can tell whether
//! two servers, or a server before and after a restart, hold the same. The numbers are Redis's, so that the
//! two servers may be of different makes (before Redis 8 scores with a fraction counted differently); what Redis leaves out (when a key expires, what groups of streams
//! have read) says nothing here either.

use crate::engine::command::{Call, Result};
use crate::engine::keyspace::value::stream::StreamId;
use crate::engine::keyspace::{Entry, IntBuf, Type};
use crate::engine::text::number::format_f64_digits;
use crate::engine::text::sha1::{self, sha1};

/// A number that bytes are added to.
#[derive(Clone, Copy, Default)]
struct Digest([u8; sha1::BYTES]);

impl Digest {
    /// Adds bytes of which the order does not matter.
    fn add(&mut self, bytes: &[u8]) {
        self.0.iter_mut().zip(sha1(bytes)).for_each(|(total, byte)| *total ^= byte);
    }

    /// Adds bytes after the others.
    fn append(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = sha1(&self.0);
    }

    fn show(&self, call: &mut Call) {
        call.reply.simple(&self.0.map(|byte| format!("{byte:02x}")).concat());
    }
}

pub(super) fn all(call: &mut Call) -> Result {
    let mut total = Digest::default();
    let databases = call.server.databases.iter().enumerate();
    for (index, database) in databases.filter(|(_, database)| !database.is_empty()) {
        total.append(&(index as u32).to_be_bytes());
        for entry in database.iter() {
            let mut digest = Digest::default();
            digest.append(entry.key());
            value(&mut digest, entry);
            total.add(&digest.0);
        }
    }
    total.show(call);
    Ok(())
}

pub(super) fn values(call: &mut Call) -> Result {
    call.reply.array(call.args.len() - 2);
    for key in call.args.from(2).iter() {
        let mut digest = Digest::default();
        let entry = call.server.databases[call.session.db].lookup(key);
        entry.into_iter().for_each(|entry| value(&mut digest, entry));
        digest.show(call);
    }
    Ok(())
}

/// The number that stands for a type.
fn number_of(kind: Type) -> u32 {
    match kind {
        Type::String => 0,
        Type::List => 1,
        Type::Set => 2,
        Type::SortedSet => 3,
        Type::Hash => 4,
        Type::Stream => 6,
        Type::Array => 7,
    }
}

/// Appends a value: its type and what commands see of it.
fn value(digest: &mut Digest, entry: &Entry) {
    digest.append(&number_of(entry.type_of()).to_be_bytes());
    let mut digits = IntBuf::new();
    match entry.type_of() {
        Type::String => entry.string(&mut digits).into_iter().for_each(|string| digest.append(string)),
        Type::List => {
            let list = entry.list();
            list.elements(0..list.len()).for_each(|element| digest.append(element.bytes(&mut digits)));
        }
        Type::Set => {
            let members = entry.set().into_iter().flat_map(|set| set.iter());
            members.for_each(|member| digest.add(member.bytes(&mut digits)));
        }
        Type::SortedSet => {
            for (member, score) in entry.sorted_set().into_iter().flat_map(|set| set.iter()) {
                let mut pair = Digest::default();
                pair.append(member.bytes(&mut digits));
                // The two zeros are the same score.
                pair.append(format_f64_digits(score + 0.0).as_bytes());
                digest.add(&pair.0);
            }
        }
        Type::Hash => fields(digest, entry),
        Type::Stream => entries(digest, entry),
        Type::Array => elements(digest, entry),
    }
    if entry.has_expiry() {
        digest.add(b"!!expire!!");
    }
}

/// Adds the fields of a hash, whose order says nothing.
fn fields(digest: &mut Digest, entry: &Entry) {
    let (Some(hash), mut digits) = (entry.hash(), IntBuf::new()) else { return };
    hash.for_each(|field| {
        let mut record = Digest::default();
        record.append(field.name.bytes(&mut digits));
        record.append(field.value.bytes(&mut digits));
        if field.expires_at.is_some() {
            record.add(b"!!hexpire!!");
        }
        digest.add(&record.0);
    });
}

/// Appends the elements of an array. How Redis counts gaps is not known; here it is by where they end.
fn elements(digest: &mut Digest, entry: &Entry) {
    let (mut digits, mut next) = (IntBuf::new(), 0);
    for (index, element) in entry.array().into_iter().flat_map(|array| array.range(0, u64::MAX)) {
        if index != next {
            digest.append(index.to_string().as_bytes());
        }
        digest.append(element.bytes(&mut digits));
        next = index + 1;
    }
}

/// Appends the entries of a stream.
fn entries(digest: &mut Digest, entry: &Entry) {
    let mut digits = IntBuf::new();
    for entry in entry.stream().into_iter().flat_map(|stream| stream.entries(StreamId::MIN, StreamId::MAX)) {
        digest.append(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
        for (field, value) in entry.pairs() {
            digest.append(field.bytes(&mut digits));
            digest.append(value.bytes(&mut digits));
        }
    }
}
