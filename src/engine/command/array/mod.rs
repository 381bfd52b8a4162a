//! Arrays: values by index, most of which may be missing.
//! <https://redis.io/docs/latest/commands/?group=array>.

mod get;
mod grep;
mod insert;
mod op;
mod scan;
mod set;

use super::call::Event;
use super::keys::Access;
use super::{BASE, Call, Command, Error, Group, Result};
use crate::engine::config::KeyspaceEvents;
use crate::engine::keyspace::value::array::INDEX_MAX;
use crate::engine::keyspace::{Array, Expiry, NewValue, Object, Type};
use crate::engine::protocol::Reply;
use crate::engine::server::Server;
use crate::engine::spec::{Categories, Flags, KeyFlags};
use crate::engine::text::number::parse_loose_u64;

/// The topics of this group.
pub const TOPICS: &[&[Command]] =
    &[get::COMMANDS, set::COMMANDS, insert::COMMANDS, scan::COMMANDS, grep::COMMANDS, op::COMMANDS];

const ARRAY: Command = Command { group: Group::Array, categories: Categories::ARRAY, since: "8.8.0", ..BASE };
const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const UPDATE: KeyFlags = KeyFlags::RW.or(KeyFlags::UPDATE);
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const GROWING: Flags = Flags::WRITE.or(Flags::DENYOOM);

const BAD_INDEX: Error = Error::new("ERR invalid array index");

const fn array_event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::ARRAY, name }
}

/// The index of an element.
fn index(arg: &[u8]) -> Result<u64> {
    parse_loose_u64(arg).filter(|index| *index <= INDEX_MAX).ok_or(BAD_INDEX)
}

/// Pairs of an index and an argument, or of two indexes, from an argument on.
fn check_pairs(call: &Call, from: usize) -> Result {
    if call.args.from(from).len().is_multiple_of(2) { Ok(()) } else { Err(call.arity_error()) }
}

/// Writes an index: beyond 63 bits it is a big number.
fn write_index(reply: &mut Reply, index: u64) {
    match i64::try_from(index) {
        Ok(index) => reply.int(index),
        Err(_) => reply.big_number(itoa::Buffer::new().format(index).as_bytes()),
    }
}

/// The array at the key of a call, which is its first argument.
fn read<'c>(call: &'c mut Call) -> Result<Option<&'c Array>> {
    let (access, key) = (call.access(), call.args.at(1));
    Ok(call.server.read_as(access, key, Type::Array)?.and_then(|entry| entry.array()))
}

/// Lets `change` change the array at a key, which is made if there is none.
fn change<T>(
    server: &mut Server,
    access: Access,
    key: &[u8],
    change: impl FnOnce(&mut Array) -> T,
) -> Result<T> {
    if let Some(mut entry) = server.write_as(access, key, Type::Array)? {
        return Ok(change(entry.array_mut().expect("its type was asked for")));
    }
    let mut array = Box::<Array>::default();
    let result = change(&mut array);
    server.set(access, key, NewValue::Object(Box::new(Object::Array(array))), Expiry::Never);
    Ok(result)
}
