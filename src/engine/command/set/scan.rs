//! Members little by little.

use super::member::write_member;
use super::{READ, SET};
use crate::engine::command::scan_options::{self, Over, ScanOptions};
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::{Entry, Type};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, int, key_at, pattern};

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "SSCAN",
    arity: AtLeast(3),
    flags: Flags::READONLY,
    keys: &[key_at(1, READ)],
    since: "2.8.0",
    complexity: "O(log(N)) for a call, O(N) for a whole iteration over the N members of the set.",
    summary: "Lists members of a set little by little: each call returns the cursor for the next.",
    tips: &["nondeterministic_output"],
    args: &[
        KEY,
        int("cursor"),
        pattern("pattern").token("MATCH").optional(),
        int("count").token("COUNT").optional(),
    ],
    run: sscan,
    ..SET
}];

fn sscan(call: &mut Call) -> Result {
    let cursor = scan_options::cursor(call.args.at(2))?;
    let hasher = call.server.hasher.clone();
    let entry = call.server.read_as(call.access(), call.args.at(1), Type::Set)?;
    let Some(set) = entry.and_then(Entry::set) else {
        scan_options::write_nothing(call.reply);
        return Ok(());
    };
    let wanted = ScanOptions::read(call.args, 3, Over::Members)?;
    let (mut found, mut digits) = (Vec::new(), IntBuf::new());
    let next = set.scan(cursor, wanted.count, &hasher, &mut |member| {
        if wanted.admits(member.bytes(&mut digits)) {
            found.push(member);
        }
    });
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(found.len());
    found.into_iter().for_each(|member| write_member(call.reply, member));
    Ok(())
}
