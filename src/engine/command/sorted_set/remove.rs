//! Removing members, by name or by range.

use super::bounds::{
    member_bounds, positions_of_members, positions_of_ranks, positions_of_scores, score_bounds,
};
use super::{SORTED_SET, sorted_set_event};
use crate::engine::command::args::int;
use crate::engine::command::call::Event;
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::{Entry, SortedSetRef, Type};
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, KeyFlags, double, int as int_arg, key_at, string};
use std::ops::Range;

const DELETE: KeyFlags = KeyFlags::RW.or(KeyFlags::DELETE);

const BY_RANGE: Command = Command {
    arity: Exactly(4),
    flags: Flags::WRITE,
    keys: &[key_at(1, DELETE)],
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
    ..SORTED_SET
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ZREM",
        arity: AtLeast(3),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, DELETE)],
        member: Some(2),
        since: "1.2.0",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
        summary: "Removes members from a sorted set.",
        history: &[("2.4.0", "Accepts multiple elements.")],
        args: &[KEY, string("member").multiple()],
        run: zrem,
        ..SORTED_SET
    },
    Command {
        name: "ZREMRANGEBYRANK",
        since: "2.0.0",
        summary: "Removes the members of a sorted set between two ranks.",
        args: &[KEY, int_arg("start"), int_arg("stop")],
        run: zremrangebyrank,
        ..BY_RANGE
    },
    Command {
        name: "ZREMRANGEBYSCORE",
        since: "1.2.0",
        summary: "Removes the members of a sorted set between two scores.",
        args: &[KEY, double("min"), double("max")],
        run: zremrangebyscore,
        ..BY_RANGE
    },
    Command {
        name: "ZREMRANGEBYLEX",
        since: "2.8.9",
        summary: "Removes the members of a sorted set between two members.",
        args: &[KEY, string("min"), string("max")],
        run: zremrangebylex,
        ..BY_RANGE
    },
];

fn zrem(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let mut removed = 0;
    if let Some(mut entry) = call.server.write_as(access, key, Type::SortedSet)? {
        let members = call.args.from(2);
        removed = members.iter().filter(|member| entry.remove_member(member).is_some()).count() as u64;
    }
    if removed > 0 {
        call.removed_members(key, removed, sorted_set_event("zrem"));
    }
    call.reply.int(removed as i64);
    Ok(())
}

fn zremrangebyrank(call: &mut Call) -> Result {
    let (start, stop) = (int(call.args.at(2))?, int(call.args.at(3))?);
    let positions = |set: &SortedSetRef| positions_of_ranks(set.len(), start, stop);
    remove_range(call, sorted_set_event("zremrangebyrank"), positions)
}

fn zremrangebyscore(call: &mut Call) -> Result {
    let bounds = score_bounds(call.args.at(2), call.args.at(3))?;
    remove_range(call, sorted_set_event("zremrangebyscore"), |set| positions_of_scores(set, bounds))
}

fn zremrangebylex(call: &mut Call) -> Result {
    let bounds = member_bounds(call.args.at(2), call.args.at(3))?;
    remove_range(call, sorted_set_event("zremrangebylex"), |set| positions_of_members(set, bounds))
}

fn remove_range(
    call: &mut Call,
    event: Event,
    positions: impl FnOnce(&SortedSetRef) -> Range<u64>,
) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let mut entry = call.server.write_as(access, key, Type::SortedSet)?;
    let set = entry.as_deref().and_then(Entry::sorted_set);
    let range = set.map_or(0..0, |set| positions(&set));
    let removed = range.end - range.start;
    if removed > 0 {
        let garbage = entry.as_mut().and_then(|entry| entry.remove_positions(range));
        garbage.into_iter().for_each(|object| call.server.discard(object));
        call.removed_members(key, removed, event);
    }
    call.reply.int(removed as i64);
    Ok(())
}
