//! DEBUG DIGEST: one number for all data, whatever its order in memory, so that tests can tell whether
//! two servers, or a server before and after a restart, hold the same.

use crate::engine::command::{Call, Result};
use crate::engine::keyspace::hash::HashRef;
use crate::engine::keyspace::value::stream::{Stream, StreamId};
use crate::engine::keyspace::{Entry, IntBuf, Type};
use crate::engine::text::sha256;

/// Hexadecimal digits: as many as Redis shows.
const DIGITS: usize = 40;

type Digest = [u8; DIGITS / 2];

pub(super) fn all(call: &mut Call) -> Result {
    let mut total = Digest::default();
    for (index, database) in call.server.databases.iter().enumerate() {
        for entry in database.iter() {
            let mut bytes = (index as u64).to_be_bytes().to_vec();
            part(&mut bytes, entry.key());
            bytes.push(entry.has_expiry() as u8);
            bytes.extend(value(entry));
            mix(&mut total, digest(&bytes));
        }
    }
    show(call, total);
    Ok(())
}

pub(super) fn values(call: &mut Call) -> Result {
    call.reply.array(call.args.len() - 2);
    for key in call.args.from(2).iter() {
        let entry = call.server.databases[call.session.db].lookup(key);
        let digest = entry.map(value).unwrap_or_default();
        show(call, digest);
    }
    Ok(())
}

/// The digest of a value: its type and what commands see of it.
fn value(entry: &Entry) -> Digest {
    let mut bytes = Vec::new();
    part(&mut bytes, entry.type_name().as_bytes());
    let mut digits = IntBuf::new();
    if let Some(string) = entry.string(&mut digits) {
        part(&mut bytes, string);
    }
    if entry.type_of() == Type::List {
        let list = entry.list();
        list.elements(0..list.len()).for_each(|element| part(&mut bytes, element.bytes(&mut digits)));
    }
    if let Some(set) = entry.set() {
        // The order of its members says nothing.
        let mut members = Digest::default();
        set.iter().for_each(|member| mix(&mut members, digest(member.bytes(&mut digits))));
        bytes.extend(members);
    }
    if let Some(set) = entry.sorted_set() {
        for (member, score) in set.iter() {
            part(&mut bytes, member.bytes(&mut digits));
            // The two zeros are the same score.
            bytes.extend((score + 0.0).to_be_bytes());
        }
    }
    if let Some(stream) = entry.stream() {
        stream_parts(&mut bytes, stream);
    }
    if let Some(hash) = entry.hash() {
        bytes.extend(fields_of(hash));
    }
    if let Some(array) = entry.array() {
        for (index, element) in array.elements_from(0) {
            bytes.extend(index.to_be_bytes());
            part(&mut bytes, element.bytes(&mut digits));
        }
    }
    digest(&bytes)
}

/// The fields of a hash, whose order says nothing.
fn fields_of(hash: HashRef) -> Digest {
    let (mut fields, mut digits) = (Digest::default(), IntBuf::new());
    hash.for_each(|field| {
        let mut record = Vec::new();
        part(&mut record, field.name.bytes(&mut digits));
        part(&mut record, field.value.bytes(&mut digits));
        record.extend(field.expires_at.unwrap_or(0).to_be_bytes());
        mix(&mut fields, digest(&record));
    });
    fields
}

/// Entries, and what groups have read and not acknowledged. When that was, and how often, is not the same
/// on replicas.
fn stream_parts(bytes: &mut Vec<u8>, stream: &Stream) {
    let mut digits = IntBuf::new();
    let id = |bytes: &mut Vec<u8>, id: StreamId| bytes.extend([id.ms, id.seq].map(u64::to_be_bytes).concat());
    id(bytes, stream.last_id);
    for entry in stream.entries(StreamId::MIN, StreamId::MAX) {
        id(bytes, entry.id);
        bytes.extend((entry.fields() as u64).to_be_bytes());
        for (field, value) in entry.pairs() {
            part(bytes, field.bytes(&mut digits));
            part(bytes, value.bytes(&mut digits));
        }
    }
    for (name, group) in stream.groups() {
        part(bytes, name);
        id(bytes, group.last_id);
        for (of, pending) in group.pending_from(StreamId::MIN) {
            let consumer = pending.owner.and_then(|owner| group.consumer(owner));
            id(bytes, of);
            part(bytes, consumer.map_or(b"", |consumer| &consumer.name));
        }
    }
}

/// Appends bytes with their length, so that parts cannot be confused.
fn part(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u64).to_be_bytes());
    to.extend(bytes);
}

fn digest(bytes: &[u8]) -> Digest {
    let hex = sha256::hex(bytes);
    let nibble = |digit: u8| if digit < b'a' { digit - b'0' } else { digit - b'a' + 10 };
    std::array::from_fn(|i| nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]))
}

fn mix(total: &mut Digest, digest: Digest) {
    total.iter_mut().zip(digest).for_each(|(total, byte)| *total ^= byte);
}

fn show(call: &mut Call, digest: Digest) {
    let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    call.reply.simple(&text);
}
