//! Finding keys without knowing their names.

use super::GENERIC;
use crate::engine::command::scan_options::{self, Over, ScanOptions};
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::Entry;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Categories, Flags, int, pattern, string};
use crate::engine::text::glob;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "KEYS",
        arity: Exactly(2),
        flags: Flags::READONLY,
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        since: "1.0.0",
        complexity: "O(N) in the number of keys of the database, if keys and pattern are short.",
        summary: "Lists all keys that match a pattern, at once.",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        args: &[pattern("pattern")],
        run: keys,
        ..GENERIC
    },
    Command {
        name: "RANDOMKEY",
        arity: Exactly(1),
        flags: Flags::READONLY.or(Flags::ARBITRARY_KEYS),
        since: "1.0.0",
        summary: "Returns some key of the database.",
        tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
        run: random_key,
        ..GENERIC
    },
    Command {
        name: "SCAN",
        arity: AtLeast(2),
        flags: Flags::READONLY.or(Flags::ARBITRARY_KEYS),
        since: "2.8.0",
        complexity: "O(1) for a call, O(N) for a whole iteration over the N keys of the database.",
        summary: "Lists keys little by little: each call returns the cursor for the next.",
        history: &[("6.0.0", "Added the `TYPE` subcommand.")],
        tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        args: &[
            int("cursor"),
            pattern("pattern").token("MATCH").optional(),
            int("count").token("COUNT").optional(),
            string("type").token("TYPE").optional().since("6.0.0"),
        ],
        run: scan,
        ..GENERIC
    },
];

/// Draws after which RANDOMKEY shows an expired key if such keys may not be removed just now.
const DRAWS: usize = 100;

fn keys(call: &mut Call) -> Result {
    let (pattern, now_ms) = (call.args.at(1), call.now.unix_ms());
    let (all, mark) = (pattern == b"*", call.reply.mark());
    let mut found = 0;
    for entry in call.server.databases[call.session.db].iter() {
        let there = call.server.allows_expired || !entry.is_expired(now_ms);
        if there && (all || glob::matches(pattern, entry.key(), false)) {
            call.reply.bulk(entry.key());
            found += 1;
        }
    }
    call.reply.array_at(mark, found);
    Ok(())
}

fn random_key(call: &mut Call) -> Result {
    let (access, now_ms) = (call.access(), call.now.unix_ms());
    let may_expire = !call.server.pause.is_on() && !call.server.allows_expired;
    let mut draws = 0;
    loop {
        let drawn = call.server.databases[access.db].random(&mut call.server.rng);
        let Some(entry) = drawn else {
            call.reply.null();
            return Ok(());
        };
        draws += 1;
        if !entry.is_expired(now_ms) || (!may_expire && draws == DRAWS) {
            call.reply.bulk(entry.key());
            return Ok(());
        }
        if may_expire {
            let key: Box<[u8]> = entry.key().into();
            call.server.expire(access.db, &key);
        }
    }
}

fn scan(call: &mut Call) -> Result {
    let mut cursor = scan_options::cursor(call.args.at(1))?;
    let wanted = ScanOptions::read(call.args, 2, Over::Keys)?;
    let access = call.access();
    let (mut found, mut sampled) = (Vec::new(), 0);
    // A table with many empty buckets must not hold everybody up: the same bound as Redis has.
    for _ in 0..=wanted.count.saturating_mul(10) {
        cursor = call.server.databases[access.db].scan(cursor, &mut |entry| {
            sampled += 1;
            if admits(&wanted, entry) {
                found.push(Box::<[u8]>::from(entry.key()));
            }
        });
        if cursor == 0 || sampled >= wanted.count {
            break;
        }
    }
    found.retain(|key| call.server.live(access, key));
    call.reply.array(2);
    call.reply.bulk(cursor.to_string().as_bytes());
    call.reply.array(found.len());
    found.iter().for_each(|key| call.reply.bulk(key));
    Ok(())
}

fn admits(wanted: &ScanOptions, entry: &Entry) -> bool {
    wanted.admits(entry.key())
        && wanted.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(entry.type_name().as_bytes()))
}
