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

fn hrandfield(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let count = call.args.get(2).map(|arg| int_between(arg, -i64::MAX, i64::MAX, RANGE)).transpose()?;
    let values = match call.args.len() {
        ..=3 => false,
        4 if call.args.at(3).eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return Err(Error::SYNTAX),
    };
    if values && count.is_some_and(|count| !(-i64::MAX / 2..=i64::MAX / 2).contains(&count)) {
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
    let pool = Pool::new(hash, now_ms, count.is_some_and(|count| count.unsigned_abs() > 1));
    match count {
        None => match pool.draw(rng) {
            Some(field) => element(reply, field.name),
            None => reply.null(),
        },
        Some(count @ 0..) => different(reply, &pool, rng, (count as usize, values)),
        Some(_) if pool.len() == 0 => reply.array(0),
        Some(count) => {
            let count = count.unsigned_abs() as usize;
            let (mark, longest) = (reply.mark(), config.proto_max_bulk_len as usize);
            reply.array(if values && !reply.is_resp3() { count * 2 } else { count });
            for field in std::iter::repeat_with(|| pool.draw(rng)).take(count).flatten() {
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

/// The fields to draw from.
struct Pool<'a> {
    hash: HashRef<'a>,
    /// Those that live, where a position does not lead to one at once: some fields have expired, or many are
    /// to be drawn from a run, in which every position means a walk.
    living: Option<Vec<Field<'a>>>,
}

impl<'a> Pool<'a> {
    fn new(hash: HashRef<'a>, now_ms: i64, many: bool) -> Self {
        let expired = hash.next_due().is_some_and(|at| at < now_ms);
        let walks = many && matches!(hash, HashRef::Small { .. });
        let living = (expired || walks).then(|| {
            let mut living = Vec::new();
            hash.for_each(|field| living.extend(Some(field).filter(|field| !field.is_expired(now_ms))));
            living
        });
        Self { hash, living }
    }

    fn len(&self) -> usize {
        self.living.as_ref().map_or(self.hash.len(), Vec::len)
    }

    fn at(&self, position: usize) -> Field<'a> {
        self.living.as_ref().map_or_else(|| self.hash.at(position), |living| living[position])
    }

    /// A field, each with the same chance.
    fn draw(&self, rng: &mut Rng) -> Option<Field<'a>> {
        let len = self.len() as u64;
        (len > 0).then(|| self.at(rng.below(len) as usize))
    }
}

/// Writes so many different fields, or all if there are fewer.
fn different(reply: &mut Reply, pool: &Pool, rng: &mut Rng, (count, values): (usize, bool)) {
    let len = pool.len();
    let shown = count.min(len);
    reply.array(if values && !reply.is_resp3() { shown * 2 } else { shown });
    if count >= len {
        match &pool.living {
            Some(living) => living.iter().for_each(|field| show(reply, field, values)),
            None => pool.hash.for_each(|field| show(reply, &field, values)),
        }
        return;
    }
    // Floyd's algorithm: one draw for each position that is taken.
    let mut taken = BTreeSet::new();
    for last in len - count..len {
        let drawn = rng.below(last as u64 + 1) as usize;
        if !taken.insert(drawn) {
            taken.insert(last);
        }
    }
    taken.into_iter().for_each(|at| show(reply, &pool.at(at), values));
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
