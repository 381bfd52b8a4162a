//! Reading scores, ranks and counts.

use super::bounds::{member_bounds, positions_of_members, positions_of_scores, score_bounds};
use super::{FAST_READ, READ, SORTED_SET};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{KEY, KeyFlags, double, key_at, string, token};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ZCARD",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, KeyFlags::RO)],
        since: "1.2.0",
        summary: "Returns the number of members of a sorted set.",
        args: &[KEY],
        run: zcard,
        ..SORTED_SET
    },
    Command {
        name: "ZSCORE",
        arity: Exactly(3),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        member: Some(2),
        since: "1.2.0",
        summary: "Returns the score of a member of a sorted set.",
        args: &[KEY, string("member")],
        run: zscore,
        ..SORTED_SET
    },
    Command {
        name: "ZMSCORE",
        arity: AtLeast(3),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Returns the scores of several members of a sorted set.",
        args: &[KEY, string("member").multiple()],
        run: zmscore,
        ..SORTED_SET
    },
    Command {
        name: "ZRANK",
        arity: AtLeast(3),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        member: Some(2),
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns the rank of a member of a sorted set, from the lowest score up.",
        history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
        args: &[KEY, string("member"), token("withscore", "WITHSCORE").optional()],
        run: |call| rank(call, false),
        ..SORTED_SET
    },
    Command {
        name: "ZREVRANK",
        arity: AtLeast(3),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns the rank of a member of a sorted set, from the highest score down.",
        history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
        args: &[KEY, string("member"), token("withscore", "WITHSCORE").optional()],
        run: |call| rank(call, true),
        ..SORTED_SET
    },
    Command {
        name: "ZCOUNT",
        arity: Exactly(4),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        since: "2.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Counts the members of a sorted set whose scores lie between two.",
        args: &[KEY, double("min"), double("max")],
        run: zcount,
        ..SORTED_SET
    },
    Command {
        name: "ZLEXCOUNT",
        arity: Exactly(4),
        flags: FAST_READ,
        keys: &[key_at(1, READ)],
        since: "2.8.9",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Counts the members of a sorted set that lie between two.",
        args: &[KEY, string("min"), string("max")],
        run: zlexcount,
        ..SORTED_SET
    },
];

fn zcard(call: &mut Call) -> Result {
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    call.reply.int(set.map_or(0, |set| set.len()) as i64);
    Ok(())
}

fn zscore(call: &mut Call) -> Result {
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    match set.and_then(|set| set.score(call.args.at(2))) {
        Some(score) => call.reply.double(score),
        None => call.reply.null(),
    }
    Ok(())
}

fn zmscore(call: &mut Call) -> Result {
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.from(2).iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => call.reply.double(score),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn rank(call: &mut Call, reverse: bool) -> Result {
    if call.args.len() > 4 {
        return Err(call.arity_error());
    }
    let option = call.args.get(3);
    if option.is_some_and(|option| !option.eq_ignore_ascii_case(b"WITHSCORE")) {
        return Err(Error::SYNTAX);
    }
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    let found = set.and_then(|set| Some((set.len(), set.rank(call.args.at(2))?)));
    let Some((len, (rank, score))) = found else {
        if option.is_some() {
            call.reply.null_array()
        } else {
            call.reply.null()
        };
        return Ok(());
    };
    if option.is_some() {
        call.reply.array(2);
    }
    call.reply.int(if reverse { len - 1 - rank } else { rank } as i64);
    if option.is_some() {
        call.reply.double(score);
    }
    Ok(())
}

fn zcount(call: &mut Call) -> Result {
    let bounds = score_bounds(call.args.at(2), call.args.at(3))?;
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    let range = set.map_or(0..0, |set| positions_of_scores(&set, bounds));
    call.reply.int((range.end - range.start) as i64);
    Ok(())
}

fn zlexcount(call: &mut Call) -> Result {
    let bounds = member_bounds(call.args.at(2), call.args.at(3))?;
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    let range = set.map_or(0..0, |set| positions_of_members(&set, bounds));
    call.reply.int((range.end - range.start) as i64);
    Ok(())
}
