//! Which score a member has, by the member's hash.

use super::super::tree::{Leaf, SplitAt};
use super::grow;
use crate::engine::prefetch::{prefetch, prefetch_all};
use std::ops::Range;

/// Hashes of members with their scores, in the order of the hashes. The members themselves lie in the
/// other tree: whoever finds a score here makes sure there. Only where many members have the same score,
/// so that the score would not lead to the member, is it here as well.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    hashes: Vec<u32>,
    scores: Vec<f64>,
    /// Where each member's bytes end; empty as long as no member is here.
    ends: Vec<u32>,
    members: Vec<u8>,
}

/// Bytes that an entry takes at most, its member's own bytes aside.
const PER_MEMBER: usize = size_of::<u32>() + size_of::<f64>() + size_of::<u32>();

impl Scores {
    /// The hash at an offset, with the score.
    #[inline]
    pub fn pair(&self, at: usize) -> (u32, f64) {
        (self.hashes[at], self.scores[at])
    }

    /// The member at an offset; empty if it is not here.
    #[inline]
    pub fn member(&self, at: usize) -> &[u8] {
        if self.ends.is_empty() { &[] } else { &self.members[self.span(at)] }
    }

    fn span(&self, at: usize) -> Range<usize> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        start as usize..self.ends[at] as usize
    }

    /// Has the score at an offset fetched, if there is one.
    #[inline]
    pub fn prefetch_score(&self, at: usize) {
        prefetch(self.scores.as_ptr().wrapping_add(at));
    }

    /// How many hashes are lower.
    #[inline]
    pub fn lower_bound(&self, hash: u32) -> usize {
        self.hashes.partition_point(|other| *other < hash)
    }

    /// How many hashes are there.
    #[inline]
    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    /// Adds a hash after all that are not higher, without its member.
    pub fn insert(&mut self, hash: u32, score: f64) {
        let at = self.hashes.partition_point(|other| *other <= hash);
        grow(&mut self.hashes, 1);
        self.hashes.insert(at, hash);
        grow(&mut self.scores, 1);
        self.scores.insert(at, score);
        if !self.ends.is_empty() {
            let start = if at == 0 { 0 } else { self.ends[at - 1] };
            grow(&mut self.ends, 1);
            self.ends.insert(at, start);
        }
    }

    /// Adds an entry after all others; `false` if a leaf that is filled at once has enough.
    pub fn push(&mut self, hash: u32, score: f64, member: &[u8]) -> bool {
        if self.count() > 0 && self.weight() + PER_MEMBER + member.len() > Self::MAX_WEIGHT * 3 / 4 {
            return false;
        }
        self.insert(hash, score);
        if !member.is_empty() {
            self.set_member(self.count() - 1, member);
        }
        true
    }

    /// Notes the member at an offset.
    pub fn set_member(&mut self, at: usize, member: &[u8]) {
        if self.ends.is_empty() {
            self.ends = vec![0; self.hashes.len()];
        }
        let span = self.span(at);
        if span.len() == member.len() {
            return;
        }
        grow(&mut self.members, member.len());
        self.members.splice(span.clone(), member.iter().copied());
        let more = (member.len() - span.len()) as u32;
        self.ends[at..].iter_mut().for_each(|end| *end += more);
    }

    /// Takes out what is at an offset.
    pub fn remove(&mut self, at: usize) {
        self.hashes.remove(at);
        self.scores.remove(at);
        if !self.ends.is_empty() {
            let span = self.span(at);
            self.ends.remove(at);
            self.ends[at..].iter_mut().for_each(|end| *end -= span.len() as u32);
            self.members.drain(span);
        }
    }

    /// Changes the score at an offset.
    pub fn set_score(&mut self, at: usize, score: f64) {
        self.scores[at] = score;
    }
}

impl Leaf for Scores {
    type Shared = triomphe::Arc<Self>;
    type Key = u32;

    const MAX_WEIGHT: usize = if cfg!(test) { 160 } else { 1280 };

    fn len(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// As if members were noted, so that two leaves that fit into one do whether or not they are.
    fn weight(&self) -> usize {
        self.hashes.len() * PER_MEMBER + self.members.len()
    }

    fn memory_usage(&self) -> usize {
        (self.hashes.capacity() + self.ends.capacity()) * size_of::<u32>()
            + self.scores.capacity() * size_of::<f64>()
            + self.members.capacity()
    }

    fn split(&mut self, at: SplitAt) -> Self {
        let at = match at {
            SplitAt::Offset(offset) => offset as usize,
            // New members come anywhere.
            SplitAt::Middle | SplitAt::End | SplitAt::Start => self.count() / 2,
        };
        let mut right = Scores {
            hashes: self.hashes.split_off(at),
            scores: self.scores.split_off(at),
            ..Scores::default()
        };
        if !self.ends.is_empty() {
            let start = self.ends[at - 1];
            right.ends = self.ends.split_off(at).into_iter().map(|end| end - start).collect();
            right.members = self.members.split_off(start as usize);
            self.ends.shrink_to_fit();
            self.members.shrink_to_fit();
        }
        self.hashes.shrink_to_fit();
        self.scores.shrink_to_fit();
        right
    }

    fn absorb(&mut self, right: Self) {
        if !self.ends.is_empty() || !right.ends.is_empty() {
            self.ends.resize(self.hashes.len(), 0);
            let start = self.members.len() as u32;
            match right.ends.is_empty() {
                true => self.ends.resize(self.hashes.len() + right.hashes.len(), start),
                false => self.ends.extend(right.ends.iter().map(|end| end + start)),
            }
            self.members.extend_from_slice(&right.members);
        }
        self.hashes.extend_from_slice(&right.hashes);
        self.scores.extend_from_slice(&right.scores);
    }

    fn prefetch(&self) {
        prefetch_all(&self.hashes);
    }

    /// Equal hashes may lie on both sides.
    fn lower_key(&self) -> u32 {
        self.hashes[0]
    }
}
