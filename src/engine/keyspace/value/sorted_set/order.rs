//! Members in order: the leaves of the tree that ZRANGE walks.

use super::super::tree::{Leaf, SplitAt};
use super::grow;
use crate::engine::prefetch::{prefetch, prefetch_all};
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::ops::Range;

/// Members with their scores, in order of score and then of bytes.
#[derive(Clone, Debug, Default)]
pub struct Run {
    scores: Vec<f64>,
    /// Where each member's bytes end.
    ends: Vec<u32>,
    members: Vec<u8>,
    /// With how many bytes of its first member this run can be told from the one before it. Members
    /// that come first later need no more: they sort between the bound and the first.
    bound_len: u32,
}

/// What a run begins with, as the nodes above know it: a score and no more of a member than it takes.
#[derive(Clone, Debug)]
pub struct Bound {
    score: f64,
    member: SmallVec<[u8; 16]>,
}

impl Bound {
    /// Whether it is at or before this member.
    #[inline]
    pub fn is_at_or_before(&self, score: f64, member: &[u8]) -> bool {
        compare((self.score, &self.member), (score, member)).is_le()
    }
    /// Whether all members from it on have at least this score, or with `inclusive` a higher one.
    #[inline]
    pub fn is_before_score(&self, score: f64, inclusive: bool) -> bool {
        if inclusive { self.score <= score } else { self.score < score }
    }
    /// Whether it sorts before another.
    #[cfg(test)]
    pub fn is_less(&self, other: &Self) -> bool {
        compare((self.score, &self.member), (other.score, &other.member)).is_lt()
    }
    /// Its part of a member.
    #[inline]
    pub fn member(&self) -> &[u8] {
        &self.member
    }
}

/// The order of sorted sets. Scores are never NaN; the two zeros are equal.
#[inline]
pub fn compare(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(b.1))
}

impl Run {
    /// How many members it has.
    #[inline]
    pub fn count(&self) -> usize {
        self.scores.len()
    }

    /// The member at an offset, with its score.
    #[inline]
    pub fn pair(&self, at: usize) -> (&[u8], f64) {
        (&self.members[self.span(at)], self.scores[at])
    }

    #[inline]
    fn span(&self, at: usize) -> Range<usize> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        start as usize..self.ends[at] as usize
    }

    /// Where a member is, or where it belongs.
    #[inline]
    pub fn find(&self, score: f64, member: &[u8]) -> Result<usize, usize> {
        let low = self.scores.partition_point(|other| *other < score);
        // Few members share a score in most sorted sets.
        let equal = match &self.scores[low..] {
            [first, second, ..] if *first == score && *second == score => {
                self.scores[low..].partition_point(|other| *other == score)
            }
            [first, ..] => usize::from(*first == score),
            [] => 0,
        };
        let (mut low, mut high) = (low, low + equal);
        while low < high {
            let middle = low.midpoint(high);
            match self.members[self.span(middle)].cmp(member) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Has the first member fetched that has this score.
    #[inline]
    pub fn prefetch_member(&self, score: f64) {
        let at = self.scores.partition_point(|other| *other < score);
        if at < self.count() {
            prefetch(self.members.as_ptr().wrapping_add(self.span(at).start));
        }
    }

    /// How many members have a lower score, or with `inclusive` no higher one.
    #[inline]
    pub fn count_below_score(&self, score: f64, inclusive: bool) -> usize {
        self.scores.partition_point(|other| *other < score || inclusive && *other == score)
    }

    /// How many members sort before these bytes, all scores being equal; with `inclusive`, not after.
    pub fn count_below_member(&self, member: &[u8], inclusive: bool) -> usize {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            let other = &self.members[self.span(middle)];
            if other < member || inclusive && other == member {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Adds a member at the place that `find` gave.
    pub fn insert(&mut self, at: usize, score: f64, member: &[u8]) {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        let (old, len) = (self.members.len(), member.len());
        grow(&mut self.scores, 1);
        self.scores.insert(at, score);
        grow(&mut self.ends, 1);
        self.ends.insert(at, start as u32);
        self.ends[at..].iter_mut().for_each(|end| *end += len as u32);
        grow(&mut self.members, len);
        self.members.extend_from_slice(member);
        if start < old {
            self.members.copy_within(start..old, start + len);
            self.members[start..start + len].copy_from_slice(member);
        }
    }

    /// Takes out the member at an offset.
    pub fn remove(&mut self, at: usize) {
        let span = self.span(at);
        self.scores.remove(at);
        self.ends.remove(at);
        self.ends[at..].iter_mut().for_each(|end| *end -= span.len() as u32);
        self.members.drain(span);
    }

    /// How many members have the score of the one at an offset, if this run shows both ends of them.
    pub fn group_len(&self, at: usize) -> Option<u64> {
        let score = self.scores[at];
        let before = self.scores[..at].iter().rev().position(|other| *other != score)?;
        let after = self.scores[at..].iter().position(|other| *other != score)?;
        Some((before + after) as u64)
    }

    /// Gives the member at an offset another score, if it stays where it is for certain.
    #[inline]
    pub fn rescore_in_place(&mut self, at: usize, score: f64) -> bool {
        // At the ends only the neighbouring runs would know.
        let stays =
            at > 0 && at + 1 < self.count() && self.scores[at - 1] < score && score < self.scores[at + 1];
        if stays {
            self.scores[at] = score;
        }
        stays
    }

    /// How many bytes of the member at an offset, which is not the first, tell it from the one before.
    fn distinguishing_len(&self, at: usize) -> u32 {
        let ((before, low), (member, high)) = (self.pair(at - 1), self.pair(at));
        if low < high {
            return 0;
        }
        let common = before.iter().zip(member).take_while(|(a, b)| a == b).count();
        common as u32 + 1
    }

    /// Adds a member after all others.
    pub fn push(&mut self, score: f64, member: &[u8]) {
        self.insert(self.count(), score, member);
    }

    /// Whether one more member would make it too heavy.
    pub fn is_full(&self, member: &[u8]) -> bool {
        self.count() > 0 && self.weight() + PER_MEMBER + member.len() > Self::MAX_WEIGHT
    }

    /// Notes which member is the last of the run before.
    pub fn follows(&mut self, score: f64, member: &[u8]) {
        let mut joint = Run::default();
        joint.push(score, member);
        let (first, own) = self.pair(0);
        joint.push(own, first);
        self.bound_len = joint.distinguishing_len(1);
    }

    fn split_off(&mut self, at: usize) -> Self {
        let start = self.span(at).start;
        let mut right = Run { bound_len: self.distinguishing_len(at), ..Run::default() };
        right.scores = self.scores.split_off(at);
        right.ends = self.ends[at..].iter().map(|end| end - start as u32).collect();
        right.members = self.members.split_off(start);
        self.ends.truncate(at);
        self.shrink();
        right.shrink();
        right
    }

    fn shrink(&mut self) {
        self.scores.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.members.shrink_to_fit();
    }
}

/// Bytes of a member beside its own.
const PER_MEMBER: usize = size_of::<f64>() + size_of::<u32>();

impl Leaf for Run {
    type Shared = triomphe::Arc<Self>;
    type Key = Bound;

    /// Small enough that inserting in the middle, which moves half of it, is cheap.
    const MAX_WEIGHT: usize = if cfg!(test) { 256 } else { 2048 };

    fn len(&self) -> u64 {
        self.scores.len() as u64
    }

    fn weight(&self) -> usize {
        self.members.len() + self.scores.len() * PER_MEMBER
    }

    fn memory_usage(&self) -> usize {
        self.members.capacity()
            + self.scores.capacity() * size_of::<f64>()
            + self.ends.capacity() * size_of::<u32>()
    }

    fn split(&mut self, at: SplitAt) -> Self {
        let last = self.count() - 1;
        let half = self.weight() / 2;
        let middle = |at: &usize| self.ends[*at] as usize + (at + 1) * PER_MEMBER >= half;
        let at = match at {
            SplitAt::Offset(offset) => offset as usize,
            SplitAt::End => last,
            SplitAt::Start => 1,
            SplitAt::Middle => (0..last).find(middle).map_or(last, |at| at + 1),
        };
        self.split_off(at.clamp(1, last))
    }

    fn absorb(&mut self, right: Self) {
        let start = self.members.len() as u32;
        self.scores.extend_from_slice(&right.scores);
        self.ends.extend(right.ends.iter().map(|end| end + start));
        self.members.extend_from_slice(&right.members);
    }

    fn prefetch(&self) {
        prefetch_all(&self.scores);
        prefetch_all(&self.ends);
    }

    fn lower_key(&self) -> Bound {
        let (member, score) = self.pair(0);
        let len = member.len().min(self.bound_len as usize);
        Bound { score, member: SmallVec::from_slice(&member[..len]) }
    }
}
