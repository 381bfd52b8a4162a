//! Ranges of scores and of members, as arguments give them.

use crate::engine::command::{Error, Result};
use crate::engine::keyspace::SortedSetRef;
use crate::engine::text::ascii::c_string;
use crate::engine::text::number::parse_f64_bound;
use std::ops::Range;

/// One end of a range of scores.
#[derive(Clone, Copy, Debug)]
pub struct ScoreBound {
    score: f64,
    exclusive: bool,
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug)]
pub enum MemberBound<'a> {
    /// Before all.
    Lowest,
    /// After all.
    Highest,
    /// At this member, which belongs to the range.
    Inclusive(&'a [u8]),
    /// At this member, which does not.
    Exclusive(&'a [u8]),
}

/// A number, after `(` exclusive, both as C reads it: leading spaces and nothing at all are fine, and a zero
/// byte ends it.
fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    let (text, exclusive) = match c_string(text) {
        [b'(', rest @ ..] => (rest, true),
        text => (text, false),
    };
    Some(ScoreBound { score: parse_f64_bound(text)?, exclusive })
}

/// Both ends of a range of scores.
pub fn score_bounds(min: &[u8], max: &[u8]) -> Result<(ScoreBound, ScoreBound)> {
    let both = score_bound(min).zip(score_bound(max));
    both.ok_or(Error::new("ERR min or max is not a float"))
}

fn member_bound(text: &[u8]) -> Option<MemberBound<'_>> {
    match text {
        b"-" | [b'-', 0, ..] => Some(MemberBound::Lowest),
        b"+" | [b'+', 0, ..] => Some(MemberBound::Highest),
        [b'[', member @ ..] => Some(MemberBound::Inclusive(member)),
        [b'(', member @ ..] => Some(MemberBound::Exclusive(member)),
        _ => None,
    }
}

/// Both ends of a range of members.
pub fn member_bounds<'a>(min: &'a [u8], max: &'a [u8]) -> Result<(MemberBound<'a>, MemberBound<'a>)> {
    let both = member_bound(min).zip(member_bound(max));
    both.ok_or(Error::new("ERR min or max not valid string range item"))
}

/// The positions of the members with scores between two bounds.
pub fn positions_of_scores(set: &SortedSetRef<'_>, (min, max): (ScoreBound, ScoreBound)) -> Range<u64> {
    let from = set.count_below_score(min.score, min.exclusive);
    let to = set.count_below_score(max.score, !max.exclusive);
    from..to.max(from)
}

/// The positions of the members between two bounds.
pub fn positions_of_members(
    set: &SortedSetRef<'_>,
    (min, max): (MemberBound<'_>, MemberBound<'_>),
) -> Range<u64> {
    let below = |bound, if_inclusive: bool| match bound {
        MemberBound::Lowest => 0,
        MemberBound::Highest => set.len(),
        MemberBound::Inclusive(member) => set.count_below_member(member, if_inclusive),
        MemberBound::Exclusive(member) => set.count_below_member(member, !if_inclusive),
    };
    let (from, to) = (below(min, false), below(max, true));
    from..to.max(from)
}

/// The positions from `start` to `stop`, both included; negative ones count from the end.
pub fn positions_of_ranks(len: u64, start: i64, stop: i64) -> Range<u64> {
    let len = len as i64;
    let from = if start < 0 { len.saturating_add(start).max(0) } else { start };
    let to = if stop < 0 { len.saturating_add(stop) } else { stop.min(len - 1) };
    if from > to || from >= len { 0..0 } else { from as u64..to as u64 + 1 }
}
