//! Members taken by chance: each has the same one.

use super::member::write_member;
use super::{FAST_WRITE, READ, SET, TAKE, limits, remove_empty, set_event};
use crate::engine::command::args::{int_between, not_negative};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::{Entry, Type};
use crate::engine::protocol::{Argv, Reply};
use crate::engine::rng::Rng;
use crate::engine::server::Server;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, int as int_arg, key_at};
use std::collections::BTreeSet;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SPOP",
        arity: AtLeast(2),
        flags: FAST_WRITE,
        keys: &[key_at(1, TAKE)],
        complexity: "O(log(N)) for each member that is taken out, where N is the number of members of the set.",
        summary: "Takes members out of a set by chance and returns them.",
        history: &[("3.2.0", "Added the `count` argument.")],
        tips: &["nondeterministic_output"],
        args: &[KEY, int_arg("count").optional().since("3.2.0")],
        run: spop,
        ..SET
    },
    Command {
        name: "SRANDMEMBER",
        arity: AtLeast(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        complexity: "O(log(N)) for each member that is returned, where N is the number of members of the set.",
        summary: "Returns members of a set by chance.",
        history: &[("2.6.0", "Added the optional `count` argument.")],
        tips: &["nondeterministic_output"],
        args: &[KEY, int_arg("count").optional().since("2.6.0")],
        run: srandmember,
        ..SET
    },
];

/// Members that one propagated SREM names at most.
const BATCH: usize = 1024;

const COUNT_RANGE: Error =
    Error::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
/// With a negative count, SRANDMEMBER would go on until memory is used up.
const TOO_MUCH: Error = Error::new("ERR value is out of range, the reply would exceed proto-max-bulk-len");

fn spop(call: &mut Call) -> Result {
    match call.args.len() {
        2 => pop_one(call),
        3 => pop_several(call),
        _ => Err(Error::SYNTAX),
    }
}

/// SPOP without a count.
fn pop_one(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    if call.server.write_as(access, key, Type::Set)?.is_none() {
        call.reply.null();
        return Ok(());
    }
    let wanted = call.server.propagation.wanted();
    let Server { databases, rng, .. } = &mut *call.server;
    let Some(mut entry) = databases[access.db].lookup_mut(key) else { return Err(Error::NO_SUCH_KEY) };
    let Some(set) = entry.set() else { return Err(Error::WRONG_TYPE) };
    let (position, empty) = (rng.below(set.len() as u64) as usize, set.len() == 1);
    let member = set.get(position);
    write_member(call.reply, member);
    let removal = wanted.then(|| Argv::of([b"SREM", key, member.bytes(&mut IntBuf::new())]));
    entry.set_remove_at(position);
    call.changed(key, set_event("spop"));
    propagate_all(call, removal);
    if empty {
        remove_empty(call, key);
    }
    Ok(())
}

/// SPOP with a count.
fn pop_several(call: &mut Call) -> Result {
    let count = usize::try_from(not_negative(call.args.at(2))?).unwrap_or(usize::MAX);
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.write_as(access, key, Type::Set)?;
    let len = entry.and_then(|entry| entry.set().map(|set| set.len())).unwrap_or(0);
    if count == 0 || len == 0 {
        call.reply.set(0);
        return Ok(());
    }
    if count >= len {
        return pop_all(call, key);
    }
    let (limits, wanted) = (limits(call.server), call.server.propagation.wanted());
    let Server { databases, rng, .. } = &mut *call.server;
    let Some(mut entry) = databases[access.db].lookup_mut(key) else { return Err(Error::NO_SUCH_KEY) };
    let Some(set) = entry.set() else { return Err(Error::WRONG_TYPE) };
    let positions = sample(rng, len, count);
    let mut removals = Vec::new();
    call.reply.set(count);
    set.pick(positions.iter().copied(), &mut |member| {
        write_member(call.reply, member);
        if wanted {
            add_to_batch(&mut removals, key, member.bytes(&mut IntBuf::new()));
        }
    });
    let displaced = entry.set_remove_positions(&positions, &limits);
    displaced.into_iter().for_each(|object| call.server.discard(object));
    call.changed(key, set_event("spop"));
    propagate_all(call, removals);
    Ok(())
}

/// SPOP of all members: the key is gone.
fn pop_all(call: &mut Call, key: &[u8]) -> Result {
    write_all(call, key, Reply::set);
    call.changed(key, set_event("spop"));
    remove_empty(call, key);
    let verb: &[u8] = if call.server.config.lazyfree_lazy_server_del { b"UNLINK" } else { b"DEL" };
    call.propagate(&[verb, key]);
    Ok(())
}

/// Writes all members after the header that `frame` writes.
fn write_all(call: &mut Call, key: &[u8], frame: fn(&mut Reply, usize)) {
    let entry = call.server.databases[call.session.db].lookup(key);
    let Some(set) = entry.and_then(Entry::set) else { return };
    frame(call.reply, set.len());
    set.iter().for_each(|member| write_member(call.reply, member));
}

/// Adds a member to the last of the SREMs, or begins another if that is full.
fn add_to_batch(removals: &mut Vec<Argv>, key: &[u8], member: &[u8]) {
    match removals.last_mut() {
        Some(last) if last.args().len() < BATCH + 2 => last.push(member),
        _ => removals.push(Argv::of([b"SREM", key, member])),
    }
}

/// Propagates these instead of the request.
fn propagate_all(call: &mut Call, commands: impl IntoIterator<Item = Argv>) {
    call.server.propagation.nothing();
    for argv in commands {
        call.server.propagation.instead(call.session.db, || argv);
    }
}

/// `count` of the numbers below `len`, which are not fewer: each choice has the same chance. Floyd's
/// algorithm: one draw for each number that is taken, however many there are.
fn sample(rng: &mut Rng, len: usize, count: usize) -> BTreeSet<usize> {
    let mut taken = BTreeSet::new();
    for last in len - count..len {
        let drawn = rng.below(last as u64 + 1) as usize;
        if !taken.insert(drawn) {
            taken.insert(last);
        }
    }
    taken
}

fn srandmember(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let count = match call.args.len() {
        2 => None,
        3 => Some(int_between(call.args.at(2), -i64::MAX, i64::MAX, COUNT_RANGE)?),
        _ => return Err(Error::SYNTAX),
    };
    let there = call.server.read_as(access, key, Type::Set)?.is_some();
    match count {
        None if !there => call.reply.null(),
        Some(_) if !there => call.reply.array(0),
        Some(count @ 2..) => write_different(call, key, usize::try_from(count).unwrap_or(usize::MAX)),
        None => write_any(call, key, 1)?,
        Some(count) => {
            let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            call.reply.array(count);
            write_any(call, key, count)?;
        }
    }
    Ok(())
}

/// Writes `count` different members, or all if there are fewer.
fn write_different(call: &mut Call, key: &[u8], count: usize) {
    let Server { databases, rng, .. } = &mut *call.server;
    let entry = databases[call.session.db].lookup(key);
    let Some(set) = entry.and_then(Entry::set) else { return };
    if count >= set.len() {
        return write_all(call, key, Reply::array);
    }
    call.reply.array(count);
    set.pick(sample(rng, set.len(), count), &mut |member| write_member(call.reply, member));
}

/// Writes `count` members, each drawn from all of them.
fn write_any(call: &mut Call, key: &[u8], count: usize) -> Result {
    let mark = call.reply.mark();
    let Server { databases, rng, config, .. } = &mut *call.server;
    let longest = usize::try_from(config.proto_max_bulk_len).unwrap_or(usize::MAX);
    let entry = databases[call.session.db].lookup(key);
    let Some(set) = entry.and_then(Entry::set) else { return Err(Error::NO_SUCH_KEY) };
    // Finding a place in a listpack means to walk there: with many draws it pays to do so once.
    let walked: Vec<Element> = if set.is_walked() && count > 1 { set.iter().collect() } else { Vec::new() };
    for _ in 0..count {
        let drawn = rng.below(set.len() as u64) as usize;
        write_member(call.reply, walked.get(drawn).copied().unwrap_or_else(|| set.get(drawn)));
        if call.reply.since(mark).len() >= longest {
            return Err(TOO_MUCH);
        }
    }
    Ok(())
}
