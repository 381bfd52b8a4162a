//! Fields little by little.

use super::{HASH, READ, element, moment};
use crate::engine::command::scan_options::{self, Over, ScanOptions};
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::{Entry, IntBuf, Type};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, int, pattern, token};

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "HSCAN",
    arity: AtLeast(3),
    flags: Flags::READONLY,
    keys: READ,
    since: "2.8.0",
    complexity: "O(log(N)) for a call, O(N) for a whole iteration over the N fields of the hash.",
    summary: "Lists fields of a hash little by little: each call returns the cursor for the next.",
    tips: &["nondeterministic_output"],
    args: &[
        KEY,
        int("cursor"),
        pattern("pattern").token("MATCH").optional(),
        int("count").token("COUNT").optional(),
        token("novalues", "NOVALUES").optional(),
    ],
    run: hscan,
    ..HASH
}];

fn hscan(call: &mut Call) -> Result {
    let cursor = scan_options::cursor(call.args.at(2))?;
    let (access, now_ms) = (call.access(), moment(call));
    let entry = call.server.read_as(access, call.args.at(1), Type::Hash)?;
    let Some(hash) = entry.and_then(Entry::hash) else {
        scan_options::write_nothing(call.reply);
        return Ok(());
    };
    let wanted = ScanOptions::read(call.args, 3, Over::Fields)?;
    let (mut found, mut digits) = (Vec::new(), IntBuf::new());
    let next = hash.scan(cursor, wanted.count, &mut |field| {
        if !field.is_expired(now_ms) && wanted.admits(field.name.bytes(&mut digits)) {
            found.push(field);
        }
    });
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(if wanted.no_values { found.len() } else { found.len() * 2 });
    for field in found {
        element(call.reply, field.name);
        if !wanted.no_values {
            element(call.reply, field.value);
        }
    }
    Ok(())
}
