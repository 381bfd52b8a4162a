//! Members by chance, and all members little by little.

use super::{READ, SORTED_SET, reply_pair, reply_pairs_header};
use crate::engine::command::args::{Cursor, int_between};
use crate::engine::command::scan_options::{self, Over, ScanOptions};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::hash::Seed;
use crate::engine::keyspace::Entry;
use crate::engine::rng::Rng;
use crate::engine::server::Server;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, block, int, key_at, pattern, token};
use crate::engine::text::number::format_f64;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ZRANDMEMBER",
        arity: AtLeast(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "6.2.0",
        complexity: "O(N) where N is the number of members returned",
        summary: "Returns members of a sorted set chosen by chance.",
        tips: &["nondeterministic_output"],
        args: &[
            KEY,
            block("options", &[int("count"), token("withscores", "WITHSCORES").optional()]).optional(),
        ],
        run: zrandmember,
        ..SORTED_SET
    },
    Command {
        name: "ZSCAN",
        arity: AtLeast(3),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        summary: "Lists members and scores of a sorted set little by little.",
        tips: &["nondeterministic_output"],
        args: &[
            KEY,
            int("cursor"),
            pattern("pattern").token("MATCH").optional(),
            int("count").token("COUNT").optional(),
        ],
        run: zscan,
        ..SORTED_SET
    },
];

/// Members that may be drawn at once with repetition: the reply has to fit into memory.
const REPEATED_MAX: u64 = 1 << 24;

const COUNT_RANGE: Error =
    Error::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

fn zrandmember(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let request = match call.args.get(2) {
        Some(count) => {
            let count = int_between(count, -i64::MAX, i64::MAX, COUNT_RANGE)?;
            let mut cursor = Cursor::new(call.args, 3);
            let with_scores = cursor.keyword("WITHSCORES");
            cursor.finish()?;
            let half = i64::MAX as u64 / 2;
            if with_scores && count.unsigned_abs() > half || count < -(REPEATED_MAX as i64) {
                return Err(Error::OUT_OF_RANGE);
            }
            Some((count, with_scores))
        }
        None => None,
    };
    let there = call.server.read_sorted_set(access, key)?.is_some();
    let Server { databases, rng, seed, .. } = &mut *call.server;
    let set = databases[access.db].lookup(key).filter(|_| there).and_then(Entry::sorted_set);
    let (positions, with_scores) = match (&set, request) {
        (Some(set), Some((count, with_scores))) => (draw(set.len(), count, rng, *seed), with_scores),
        (None, Some(_)) => (Vec::new(), false),
        (Some(set), None) => {
            let position = rng.below(set.len());
            let pair = set.pairs(position..position + 1, false).next();
            pair.into_iter().for_each(|pair| reply_pair(call.reply, pair, false));
            return Ok(());
        }
        (None, None) => {
            call.reply.null();
            return Ok(());
        }
    };
    reply_pairs_header(call.reply, positions.len(), with_scores);
    for position in positions {
        let pair = set.and_then(|set| set.pairs(position..position + 1, false).next());
        pair.into_iter().for_each(|pair| reply_pair(call.reply, pair, with_scores));
    }
    Ok(())
}

/// `count` different positions below `len`, or all; with a negative count so many that may be the same.
fn draw(len: u64, count: i64, rng: &mut Rng, seed: Seed) -> Vec<u64> {
    let Ok(wanted) = u64::try_from(count) else {
        return (0..count.unsigned_abs()).map(|_| rng.below(len)).collect();
    };
    if wanted >= len {
        // Redis goes through all of them from the last one on.
        return (0..len).rev().collect();
    }
    if wanted > len / 3 {
        // Each position is taken with the chance that is left for it (Knuth's algorithm S).
        let mut left = wanted;
        let taken = |position: &u64| {
            let take = rng.below(len - position) < left;
            left -= u64::from(take);
            take
        };
        return (0..len).filter(taken).collect();
    }
    let mut drawn = seed.set();
    let mut positions = Vec::with_capacity(wanted as usize);
    while (positions.len() as u64) < wanted {
        let position = rng.below(len);
        if drawn.insert(position) {
            positions.push(position);
        }
    }
    positions
}

fn zscan(call: &mut Call) -> Result {
    let from = scan_options::cursor(call.args.at(2))?;
    let Some(set) = call.server.read_sorted_set(call.access(), call.args.at(1))? else {
        scan_options::write_nothing(call.reply);
        return Ok(());
    };
    let options = ScanOptions::read(call.args, 3, Over::Members)?;
    let mut found = Vec::new();
    let next = set.scan(from, options.count, &mut |member, score| {
        if options.admits(member) {
            found.push((Box::<[u8]>::from(member), score));
        }
    });
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(2 * found.len());
    for (member, score) in found {
        call.reply.bulk(&member);
        call.reply.bulk(format_f64(score).as_bytes());
    }
    Ok(())
}
