//! Lists: <https://redis.io/docs/latest/develop/data-types/lists/>.

mod blocking;
mod edit;
mod pop;
mod push;
mod read;
mod transfer;

use super::call::{Event, generic_event};
use super::{BASE, Call, Command, Error, Group, Result};
use crate::engine::config::KeyspaceEvents;
use crate::engine::keyspace::list::{End, Limits};
use crate::engine::keyspace::value::listpack::{ELEMENT_MAX, Element};
use crate::engine::keyspace::{EntryMut, Object, Type};
use crate::engine::protocol::Reply;
use crate::engine::server::Server;
use crate::engine::spec::{Arg, Categories, Flags, KeyFlags, one_of, token};
use std::ops::Range;

/// The topics of this group.
pub const TOPICS: &[&[Command]] =
    &[push::COMMANDS, pop::COMMANDS, read::COMMANDS, edit::COMMANDS, transfer::COMMANDS, blocking::COMMANDS];

const LIST: Command = Command { group: Group::List, categories: Categories::LIST, ..BASE };
const GROWING: Flags = Flags::WRITE.or(Flags::DENYOOM);
const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
/// How a key is used that elements are added to.
const INSERT: KeyFlags = KeyFlags::RW.or(KeyFlags::INSERT);
/// How a key is used that elements are taken from.
const TAKE: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);

const LEFT: Arg = token("left", "LEFT");
const RIGHT: Arg = token("right", "RIGHT");
const WHERE: Arg = one_of("where", &[LEFT, RIGHT]);
const WHERE_FROM: Arg = one_of("wherefrom", &[LEFT, RIGHT]);
const WHERE_TO: Arg = one_of("whereto", &[LEFT, RIGHT]);

/// An event of class `l`.
const fn list_event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::LIST, name }
}

const fn pushed(end: End) -> Event {
    list_event(match end {
        End::Left => "lpush",
        End::Right => "rpush",
    })
}

const fn popped(end: End) -> Event {
    list_event(match end {
        End::Left => "lpop",
        End::Right => "rpop",
    })
}

/// LEFT or RIGHT.
fn end(arg: &[u8]) -> Result<End> {
    match arg {
        _ if arg.eq_ignore_ascii_case(b"left") => Ok(End::Left),
        _ if arg.eq_ignore_ascii_case(b"right") => Ok(End::Right),
        _ => Err(Error::SYNTAX),
    }
}

/// Up to which size lists are small ones.
#[inline]
pub fn limits(server: &Server) -> Limits {
    Limits::new(server.config.list_max_listpack_size)
}

/// The list at a key, to be changed.
#[inline]
fn list_mut<'a>(call: &'a mut Call, key: &[u8]) -> Result<Option<EntryMut<'a>>> {
    let access = call.access();
    call.server.write_as(access, key, Type::List)
}

/// The length of the list at a key, if there is one. A look ahead: does not count as a use.
fn length(call: &mut Call, key: &[u8]) -> Result<Option<usize>> {
    match call.server.peek(call.access(), key) {
        Some(entry) if entry.type_of() != Type::List => Err(Error::WRONG_TYPE),
        entry => Ok(entry.map(|entry| entry.list().len())),
    }
}

/// Refuses requests with an argument that no list could hold, which take a raised `proto-max-bulk-len`.
#[inline]
fn check_sizes(call: &Call) -> Result {
    let fits = |argument: &[u8]| argument.len() <= ELEMENT_MAX;
    if call.args.span() <= ELEMENT_MAX || call.args.iter().all(fits) { Ok(()) } else { Err(Error::TOO_LONG) }
}

#[inline]
fn write_element(reply: &mut Reply, element: Element) {
    match element {
        Element::Int(value) => reply.bulk_int(value),
        Element::Str(bytes) => reply.bulk(bytes),
    }
}

/// Says that `count` elements were added or removed, which is how many changes it counts as.
#[inline]
fn changed(call: &mut Call, key: &[u8], event: Event, count: usize) {
    call.changed(key, event);
    call.server.dirty += count as u64 - 1;
}

/// Says that elements were removed from a list that has `left` now, and removes one without elements.
#[inline]
fn took(call: &mut Call, key: &[u8], event: Event, count: usize, left: usize) {
    changed(call, key, event, count);
    if left == 0 {
        call.server.remove(call.access(), key);
        call.server.notify(call.session.db, key, generic_event("del"));
    }
}

/// Frees what a change displaced.
fn discard(call: &mut Call, garbage: impl IntoIterator<Item = Box<Object>>) {
    garbage.into_iter().for_each(|object| call.server.discard(object));
}

/// The index that an element of a list of so many has, if there is one at `index`, which may count from the
/// end.
fn index(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

/// The indexes between two that may count from the end, both included, of so many.
fn indexes(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_start = |index: i64| if index < 0 { index + len } else { index };
    let (start, stop) = (from_start(start).max(0), from_start(stop).min(len - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// The indexes of up to `count` elements at an end, of so many.
fn indexes_at(end: End, count: usize, len: usize) -> Range<usize> {
    let count = count.min(len);
    match end {
        End::Left => 0..count,
        End::Right => len - count..len,
    }
}
