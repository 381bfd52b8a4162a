//! Reading members by rank, score or bytes.

use super::bounds::{
    MemberBound, ScoreBound, member_bounds, positions_of_members, positions_of_ranks, positions_of_scores,
    score_bounds,
};
use super::{GROWING, Pair, READ, SORTED_SET, STORE, reply_pair, reply_pairs_header, sorted_set_event};
use crate::engine::command::args::{Cursor, int};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{IntBuf, SortedSetRef};
use crate::engine::protocol::Args;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{
    Arg, Flags, KEY, block, double, int as int_arg, key, key_at, one_of, string, token,
};
use std::ops::Range;

const SORT_BY: Arg = one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")]).optional();
const REV: Arg = token("rev", "REV").optional();
const LIMIT: Arg = block("limit", &[int_arg("offset"), int_arg("count")]).token("LIMIT").optional();
const WITH_SCORES: Arg = token("withscores", "WITHSCORES").optional();

const BY_VALUE: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).";

const BY_RANK: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.";

const RANGE: Command = Command {
    arity: AtLeast(4),
    flags: Flags::READONLY,
    keys: &[key_at(1, READ)],
    complexity: BY_VALUE,
    ..SORTED_SET
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ZRANGE",
        since: "1.2.0",
        complexity: BY_RANK,
        summary: "Returns the members of a sorted set between two ranks, scores or members.",
        history: &[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")],
        args: &[
            KEY,
            string("start"),
            string("stop"),
            SORT_BY.since("6.2.0"),
            REV.since("6.2.0"),
            LIMIT.since("6.2.0"),
            WITH_SCORES,
        ],
        run: |call| range(call, None, None),
        ..RANGE
    },
    Command {
        name: "ZRANGESTORE",
        arity: AtLeast(5),
        flags: GROWING,
        keys: &[key_at(1, STORE), key_at(2, READ)],
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
        summary: "Stores the members of a sorted set between two ranks, scores or members in a key.",
        args: &[key("dst", 0), key("src", 1), string("min"), string("max"), SORT_BY, REV, LIMIT],
        run: zrangestore,
        ..SORTED_SET
    },
];

/// What ZRANGE replaces.
pub(super) const OLDER_COMMANDS: &[Command] = &[
    Command {
        name: "ZREVRANGE",
        since: "1.2.0",
        complexity: BY_RANK,
        summary: "Returns the members of a sorted set between two ranks, the highest score first.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
        args: &[KEY, int_arg("start"), int_arg("stop"), WITH_SCORES],
        run: |call| range(call, Some(Kind::Rank), Some(true)),
        ..RANGE
    },
    Command {
        name: "ZRANGEBYSCORE",
        since: "1.0.5",
        summary: "Returns the members of a sorted set between two scores.",
        history: &[("2.0.0", "Added the `WITHSCORES` modifier.")],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
        args: &[KEY, double("min"), double("max"), WITH_SCORES.since("2.0.0"), LIMIT],
        run: |call| range(call, Some(Kind::Score), Some(false)),
        ..RANGE
    },
    Command {
        name: "ZREVRANGEBYSCORE",
        since: "2.2.0",
        summary: "Returns the members of a sorted set between two scores, the highest first.",
        history: &[("2.1.6", "`min` and `max` can be exclusive.")],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
        args: &[KEY, double("max"), double("min"), WITH_SCORES, LIMIT],
        run: |call| range(call, Some(Kind::Score), Some(true)),
        ..RANGE
    },
    Command {
        name: "ZRANGEBYLEX",
        since: "2.8.9",
        summary: "Returns the members of a sorted set between two members.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
        args: &[KEY, string("min"), string("max"), LIMIT],
        run: |call| range(call, Some(Kind::Member), Some(false)),
        ..RANGE
    },
    Command {
        name: "ZREVRANGEBYLEX",
        since: "2.8.9",
        summary: "Returns the members of a sorted set between two members, the last first.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
        args: &[KEY, string("max"), string("min"), LIMIT],
        run: |call| range(call, Some(Kind::Member), Some(true)),
        ..RANGE
    },
];

/// What the ends of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rank,
    Score,
    Member,
}

/// The ends of a range.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Members(MemberBound<'a>, MemberBound<'a>),
}

/// A range as requested.
#[derive(Debug)]
struct Request<'a> {
    key: &'a [u8],
    bounds: Bounds<'a>,
    reverse: bool,
    offset: i64,
    /// Negative for no limit.
    limit: i64,
    with_scores: bool,
}

impl<'a> Request<'a> {
    /// Reads a request whose key is the argument `at`. A command's name may settle kind and direction.
    fn read(
        args: Args<'a>,
        at: usize,
        kind: Option<Kind>,
        reverse: Option<bool>,
        store: bool,
    ) -> Result<Self> {
        let (mut found_kind, mut found_reverse) = (kind, reverse);
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        let mut cursor = Cursor::new(args, at + 3);
        while cursor.left() > 0 {
            if !store && cursor.keyword("WITHSCORES") {
                with_scores = true;
            } else if cursor.left() >= 3 && cursor.keyword("LIMIT") {
                (offset, limit) = (cursor.int()?, cursor.int()?);
            } else if found_reverse.is_none() && cursor.keyword("REV") {
                found_reverse = Some(true);
            } else if found_kind.is_none() && cursor.keyword("BYLEX") {
                found_kind = Some(Kind::Member);
            } else if found_kind.is_none() && cursor.keyword("BYSCORE") {
                found_kind = Some(Kind::Score);
            } else {
                return Err(Error::SYNTAX);
            }
        }
        let (kind, reverse) = (found_kind.unwrap_or(Kind::Rank), found_reverse.unwrap_or(false));
        if limit != -1 && kind == Kind::Rank {
            return Err(Error::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && kind == Kind::Member {
            return Err(Error::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (first, second) = (args.at(at + 1), args.at(at + 2));
        let (min, max) = if reverse { (second, first) } else { (first, second) };
        let bounds = match kind {
            Kind::Rank => Bounds::Ranks(int(first)?, int(second)?),
            Kind::Score => score_bounds(min, max).map(|(min, max)| Bounds::Scores(min, max))?,
            Kind::Member => member_bounds(min, max).map(|(min, max)| Bounds::Members(min, max))?,
        };
        Ok(Self { key: args.at(at), bounds, reverse, offset, limit, with_scores })
    }

    /// The positions of what is requested.
    fn positions(&self, set: &SortedSetRef<'_>) -> Range<u64> {
        let len = set.len();
        let all = match self.bounds {
            Bounds::Ranks(start, stop) => {
                let ranks = positions_of_ranks(len, start, stop);
                return if self.reverse { len - ranks.end..len - ranks.start } else { ranks };
            }
            Bounds::Scores(min, max) => positions_of_scores(set, (min, max)),
            Bounds::Members(min, max) => positions_of_members(set, (min, max)),
        };
        let count = all.end - all.start;
        // A negative offset skips everything.
        let skipped = u64::try_from(self.offset).unwrap_or(count).min(count);
        let taken = u64::try_from(self.limit).unwrap_or(count).min(count - skipped);
        if self.reverse {
            let end = all.end - skipped;
            end - taken..end
        } else {
            let start = all.start + skipped;
            start..start + taken
        }
    }
}

fn range(call: &mut Call, kind: Option<Kind>, reverse: Option<bool>) -> Result {
    let request = Request::read(call.args, 1, kind, reverse, false)?;
    let Some(set) = call.server.read_sorted_set(call.access(), request.key)? else {
        call.reply.array(0);
        return Ok(());
    };
    let positions = request.positions(&set);
    let count = (positions.end - positions.start) as usize;
    reply_pairs_header(call.reply, count, request.with_scores);
    for pair in set.pairs(positions, request.reverse) {
        reply_pair(call.reply, pair, request.with_scores);
    }
    Ok(())
}

fn zrangestore(call: &mut Call) -> Result {
    let request = Request::read(call.args, 2, None, None, true)?;
    let set = call.server.read_sorted_set(call.access(), request.key)?;
    let pairs: Vec<Pair> = set.map_or_else(Vec::new, |set| {
        let pairs = set.pairs(request.positions(&set), false);
        pairs.map(|(member, score)| (member.bytes(&mut IntBuf::new()).into(), score)).collect()
    });
    call.store_sorted_set(call.args.at(1), &pairs, sorted_set_event("zrangestore"));
    Ok(())
}
