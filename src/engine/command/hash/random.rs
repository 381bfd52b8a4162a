//! Fields by chance.

use super::{HASH, READ, element, moment};
use crate::engine::command::args::int_between;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::hash::HashRef;
use crate::engine::keyspace::value::Field;
use crate::engine::keyspace::{Entry, Type};
use crate::engine::protocol::Reply;
use crate::engine::rng::Rng;
use crate::engine::server::Server;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, block, int, token};
use std::collections::BTreeSet;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "HRANDFIELD",
    arity: AtLeast(2),
    flags: Flags::READONLY,
    keys: READ,
    since: "6.2.0",
    complexity: "O(N) in the number of fields returned.",
    summary: "Returns some fields of a hash, taken by chance.",
    tips: &["nondeterministic_output"],
    args: &[KEY, block("options", &[int("count"), token("withvalues", "WITHVALUES").optional()]).optional()],
    run: hrandfield,
    ..HASH
}];

const RANGE: Error =
    Error::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
/// Expired fields that are removed first, so that draws do not hit them.
const REMOVED_FIRST: usize = 1000;
/// Draws that hit expired fields before one that lives is looked for in order.
const DRAWS: usize = 100;

fn hrandfield(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let count = call.args.get(2).map(|arg| int_between(arg, -i64::MAX, i64::MAX, RANGE)).transpose()?;
    let values = match call.args.len() {
        ..=3 => false,
        4 if call.args.at(3).eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return Err(Error::SYNTAX),
    };
    if values && count.is_some_and(|count| count < -i64::MAX / 2) {
        return Err(Error::OUT_OF_RANGE);
    }
    let now_ms = moment(call);
    let entry = call.server.read_as(access, key, Type::Hash)?;
    let expired = |entry: &Entry| entry.fields_due().is_some_and(|at| at < now_ms);
    if entry.is_some_and(expired) && !call.server.pause.is_on() {
        call.server.expire_due_fields(access.db, key, now_ms, REMOVED_FIRST);
    }
    let Server { databases, rng, config, .. } = &mut *call.server;
    let hash = databases[access.db].lookup(key).and_then(Entry::hash);
    let reply = &mut *call.reply;
    let Some(hash) = hash else {
        if count.is_some() {
            reply.array(0)
        } else {
            reply.null()
        }
        return Ok(());
    };
    match count {
        None => match draw(&hash, rng, now_ms) {
            Some(field) => element(reply, field.name),
            None => reply.null(),
        },
        Some(count @ 0..) => different(reply, &hash, rng, (count as usize, values), now_ms),
        Some(count) => {
            let count = count.unsigned_abs() as usize;
            let (mark, longest) = (reply.mark(), config.proto_max_bulk_len as usize);
            if draw(&hash, rng, now_ms).is_none() {
                reply.array(0);
                return Ok(());
            }
            reply.array(if values && !reply.is_resp3() { count * 2 } else { count });
            for _ in 0..count {
                let Some(field) = draw(&hash, rng, now_ms) else { break };
                show(reply, &field, values);
                // Nobody may ask for more than a request could ever say.
                if reply.since(mark).len() > longest {
                    return Err(Error::OUT_OF_RANGE);
                }
            }
        }
    }
    Ok(())
}

/// A field, each with the same chance.
fn draw<'a>(hash: &HashRef<'a>, rng: &mut Rng, now_ms: i64) -> Option<Field<'a>> {
    let living = |field: &Field| !field.is_expired(now_ms);
    for _ in 0..DRAWS {
        let field = hash.at(rng.below(hash.len() as u64) as usize);
        if living(&field) {
            return Some(field);
        }
    }
    (0..hash.len()).map(|at| hash.at(at)).find(living)
}

/// Writes so many different fields, or all if there are fewer.
fn different(reply: &mut Reply, hash: &HashRef, rng: &mut Rng, (count, values): (usize, bool), now_ms: i64) {
    let (mark, mut shown) = (reply.mark(), 0);
    let len = hash.len();
    let mut write = |field: Field| {
        if !field.is_expired(now_ms) {
            show(reply, &field, values);
            shown += 1;
        }
    };
    if count >= len {
        hash.for_each(write);
    } else {
        // Floyd's algorithm: one draw for each position that is taken.
        let mut taken = BTreeSet::new();
        for last in len - count..len {
            let drawn = rng.below(last as u64 + 1) as usize;
            if !taken.insert(drawn) {
                taken.insert(last);
            }
        }
        taken.into_iter().for_each(|at| write(hash.at(at)));
    }
    let flat = values && !reply.is_resp3();
    reply.array_at(mark, if flat { shown * 2 } else { shown });
}

/// Writes a name, or a name and a value: a pair of its own in RESP3.
fn show(reply: &mut Reply, field: &Field, values: bool) {
    if values && reply.is_resp3() {
        reply.array(2);
    }
    element(reply, field.name);
    if values {
        element(reply, field.value);
    }
}
