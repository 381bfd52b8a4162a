//! Members one by one, or all of them.

use super::{FAST_READ, FAST_WRITE, READ, SET, TAKE, limits, remove_empty, set_event};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::{Entry, Expiry, Type};
use crate::engine::protocol::Reply;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, KeyFlags, key, key_at, string};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SADD",
        arity: AtLeast(3),
        flags: FAST_WRITE.or(Flags::DENYOOM),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        member: Some(2),
        complexity: "O(log(N)) for each member, where N is the number of members of the set.",
        summary: "Adds members to a set, which is created if it is not there.",
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        args: &[KEY, string("member").multiple()],
        run: sadd,
        ..SET
    },
    Command {
        name: "SREM",
        arity: AtLeast(3),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        member: Some(2),
        complexity: "O(log(N)) for each member, where N is the number of members of the set.",
        summary: "Takes members out of a set, which ceases to exist with its last one.",
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        args: &[KEY, string("member").multiple()],
        run: srem,
        ..SET
    },
    Command {
        name: "SMOVE",
        arity: Exactly(4),
        flags: FAST_WRITE,
        keys: &[key_at(1, TAKE), key_at(2, KeyFlags::RW.or(KeyFlags::INSERT))],
        complexity: "O(log(N)) where N is the number of members of the larger set.",
        summary: "Moves a member from one set to another.",
        args: &[key("source", 0), key("destination", 1), string("member")],
        run: smove,
        ..SET
    },
    Command {
        name: "SCARD",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, KeyFlags::RO)],
        summary: "Returns the number of members of a set.",
        args: &[KEY],
        run: scard,
        ..SET
    },
    Command {
        name: "SISMEMBER",
        arity: Exactly(3),
        flags: FAST_READ,
        keys: &[key_at(1, KeyFlags::RO)],
        member: Some(2),
        complexity: "O(log(N)) where N is the number of members of the set.",
        summary: "Tells whether a set has a member.",
        args: &[KEY, string("member")],
        run: sismember,
        ..SET
    },
    Command {
        name: "SMISMEMBER",
        arity: AtLeast(3),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        since: "6.2.0",
        complexity: "O(log(N)) for each member, where N is the number of members of the set.",
        summary: "Tells for each of several members whether a set has it.",
        args: &[KEY, string("member").multiple()],
        run: smismember,
        ..SET
    },
    Command {
        name: "SMEMBERS",
        arity: Exactly(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        complexity: "O(N) where N is the number of members of the set.",
        summary: "Returns all members of a set.",
        tips: &["nondeterministic_output_order"],
        args: &[KEY],
        run: smembers,
        ..SET
    },
];

/// Writes a member as a bulk string.
#[inline]
pub(super) fn write_member(reply: &mut Reply, member: Element) {
    match member {
        Element::Int(value) => reply.bulk_int(value),
        Element::Str(bytes) => reply.bulk(bytes),
    }
}

/// Adds members to a set, which is created if it is not there. Returns how many were new.
fn add<'m>(call: &mut Call, key: &[u8], members: impl ExactSizeIterator<Item = &'m [u8]>) -> Result<usize> {
    let (access, limits, expected) = (call.access(), limits(call.server), members.len());
    let mut members = members.map(Element::from_bytes).peekable();
    let Some(first) = members.peek().copied() else { return Ok(0) };
    let entry = match call.server.write_as(access, key, Type::Set)? {
        Some(entry) => entry,
        None => {
            call.server.set(access, key, limits.new_set(first, expected), Expiry::Never);
            // Only a mutant of the simulator loses what was set.
            let Some(entry) = call.server.write(access, key) else { return Ok(0) };
            entry
        }
    };
    let entry = entry.into_mut();
    entry.set_expect(expected, &limits);
    Ok(members.filter(|member| entry.set_add(*member, &limits)).count())
}

fn sadd(call: &mut Call) -> Result {
    let (key, members) = (call.args.at(1), call.args.from(2).iter());
    let added = add(call, key, members)?;
    if added > 0 {
        call.changed(key, set_event("sadd"));
    }
    call.reply.int(added as i64);
    Ok(())
}

fn srem(call: &mut Call) -> Result {
    let (access, key, members) = (call.access(), call.args.at(1), call.args.from(2).iter());
    let Some(mut entry) = call.server.write_as(access, key, Type::Set)? else {
        call.reply.int(0);
        return Ok(());
    };
    let removed = members.filter(|member| entry.set_remove(Element::from_bytes(member))).count();
    let empty = entry.set().is_some_and(|set| set.is_empty());
    if removed > 0 {
        call.changed(key, set_event("srem"));
    }
    if empty {
        remove_empty(call, key);
    }
    call.reply.int(removed as i64);
    Ok(())
}

fn smove(call: &mut Call) -> Result {
    let (access, from, to, member) = (call.access(), call.args.at(1), call.args.at(2), call.args.at(3));
    let Some(source) = call.server.write(access, from) else {
        call.reply.int(0);
        return Ok(());
    };
    let is_set = source.type_of() == Type::Set;
    call.server.write_as(access, to, Type::Set)?;
    let source = call.server.databases[access.db].lookup_mut(from);
    let Some(mut source) = source.filter(|_| is_set) else { return Err(Error::WRONG_TYPE) };
    let element = Element::from_bytes(member);
    let moves = if from == to { source.set_has(element) } else { source.set_remove(element) };
    let empty = source.set().is_some_and(|set| set.is_empty());
    call.reply.int(moves as i64);
    if !moves || from == to {
        return Ok(());
    }
    call.changed(from, set_event("srem"));
    if empty {
        remove_empty(call, from);
    }
    if add(call, to, std::iter::once(member))? > 0 {
        call.changed(to, set_event("sadd"));
    }
    Ok(())
}

fn scard(call: &mut Call) -> Result {
    let entry = call.server.read_as(call.access(), call.args.at(1), Type::Set)?;
    let len = entry.and_then(Entry::set).map_or(0, |set| set.len());
    call.reply.int(len as i64);
    Ok(())
}

fn sismember(call: &mut Call) -> Result {
    let entry = call.server.read_as(call.access(), call.args.at(1), Type::Set)?;
    let there = entry.is_some_and(|entry| entry.set_has(Element::from_bytes(call.args.at(2))));
    call.reply.int(there as i64);
    Ok(())
}

fn smismember(call: &mut Call) -> Result {
    let entry = call.server.read_as(call.access(), call.args.at(1), Type::Set)?;
    let members = call.args.from(2);
    call.reply.array(members.len());
    for member in members.iter() {
        let there = entry.is_some_and(|entry| entry.set_has(Element::from_bytes(member)));
        call.reply.int(there as i64);
    }
    Ok(())
}

fn smembers(call: &mut Call) -> Result {
    let entry = call.server.read_as(call.access(), call.args.at(1), Type::Set)?;
    let set = entry.and_then(Entry::set);
    call.reply.set(set.map_or(0, |set| set.len()));
    set.into_iter().flat_map(|set| set.iter()).for_each(|member| write_member(call.reply, member));
    Ok(())
}
