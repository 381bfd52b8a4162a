//! Streams: <https://redis.io/docs/latest/develop/data-types/streams/>.

mod add;
mod claim;
mod delete;
mod group;
mod idempotency;
mod ids;
mod info;
mod options;
mod pending;
mod range;
mod read;
mod readgroup;

use super::call::Event;
use super::keys::Access;
use super::{BASE, Call, Command, Error, Group, Result};
use crate::engine::config::{Config, KeyspaceEvents};
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::value::stream::{Entry, IdBuf, Limits, Stream, StreamId};
use crate::engine::keyspace::{EntryMut, Expiry, NewValue, Object, Type};
use crate::engine::protocol::Reply;
use crate::engine::server::Server;
use crate::engine::spec::{Categories, Flags};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[
    add::COMMANDS,
    delete::COMMANDS,
    range::COMMANDS,
    read::COMMANDS,
    readgroup::COMMANDS,
    group::COMMANDS,
    pending::COMMANDS,
    claim::COMMANDS,
    idempotency::COMMANDS,
    info::COMMANDS,
];

const STREAM: Command = Command { group: Group::Stream, categories: Categories::STREAM, ..BASE };
const FAST_WRITE: Flags = Flags::WRITE.or(Flags::FAST);
const GROWING: Flags = Flags::WRITE.or(Flags::DENYOOM);
const FAST_GROWING: Flags = GROWING.or(Flags::FAST);

/// An event of class `t`.
const fn event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::STREAM, name }
}

/// A stream to be read.
fn read<'a>(server: &'a mut Server, access: Access, key: &[u8]) -> Result<Option<&'a Stream>> {
    Ok(server.read_as(access, key, Type::Stream)?.and_then(|entry| entry.stream()))
}

/// The entry of a stream to be changed.
fn write<'a>(server: &'a mut Server, access: Access, key: &[u8]) -> Result<Option<EntryMut<'a>>> {
    server.write_as(access, key, Type::Stream)
}

/// Makes a key that is not there hold this stream.
fn create(call: &mut Call, key: &[u8], stream: Stream) {
    let value = NewValue::Object(Box::new(Object::Stream(Box::new(stream))));
    call.server.set(call.access(), key, value, Expiry::Never);
}

/// Something beside the entries changed: groups, or what is known of the past. Nothing that WATCH guards.
fn noted(call: &mut Call, key: &[u8], event: Event) {
    call.server.dirty += 1;
    call.server.notify(call.session.db, key, event);
}

/// When a node is full.
fn limits(config: &Config) -> Limits {
    Limits { bytes: config.stream_node_max_bytes, entries: config.stream_node_max_entries }
}

fn no_group(key: &[u8], group: &[u8]) -> Error {
    Error::bytes([b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"].concat())
}

fn no_group_of_key(key: &[u8], group: &[u8]) -> Error {
    Error::bytes([b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"].concat())
}

fn write_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(id.write(&mut IdBuf::default()));
}

/// An entry with its fields: an array of two.
fn write_entry(reply: &mut Reply, entry: &Entry) {
    reply.array(2);
    write_id(reply, entry.id);
    write_pairs(reply, entry);
}

/// The fields of an entry and their values: an array.
fn write_pairs(reply: &mut Reply, entry: &Entry) {
    reply.array(2 * entry.fields());
    for (field, value) in entry.pairs() {
        write_element(reply, field);
        write_element(reply, value);
    }
}

fn write_element(reply: &mut Reply, element: Element) {
    match element {
        Element::Int(value) => reply.bulk_int(value),
        Element::Str(bytes) => reply.bulk(bytes),
    }
}
