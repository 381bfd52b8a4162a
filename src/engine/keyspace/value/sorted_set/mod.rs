//! Large sorted sets: members in order, and an index of their scores.

mod index;
mod order;

use super::hashed::Hasher;
use super::tree::{AHEAD, Cursor, Path, Tree};
use arrayvec::ArrayVec;
use index::Scores;
use order::Run;
pub use order::compare;
use std::ops::Range;
use std::sync::Arc;

/// A large sorted set. Its members lie in the tree that is ordered by score and member; the index, ordered
/// by the members' hashes, has 12 bytes for each: part of the hash, and the score, with which the member is
/// found in the other tree. Where more than [`GROUP_MAX`] members have the same score, the index has them
/// too, since ZSCAN could not find them by their scores. A clone costs O(1) and shares everything.
#[derive(Clone, Debug)]
pub struct SortedSet {
    order: Tree<Run>,
    index: Tree<Scores>,
    hasher: Arc<Hasher>,
}

/// Members of one score beyond which the index has them too.
const GROUP_MAX: u64 = if cfg!(test) { 4 } else { 32 };

/// What a change did to a member's score: what it was and what it is, if it was and is a member.
pub type Change = (Option<f64>, Option<f64>);

impl SortedSet {
    /// A set of these members, which are in order and differ.
    pub fn from_pairs<'a>(pairs: impl Iterator<Item = (&'a [u8], f64)>, hasher: Arc<Hasher>) -> Self {
        let pairs: Vec<_> = pairs.collect();
        let index = index_of(&pairs, &hasher);
        Self { order: order_of(&pairs), index, hasher }
    }

    /// A set of these members, which are in order; `None` if some are the same.
    pub fn from_untrusted(pairs: &[(&[u8], f64)], hasher: Arc<Hasher>) -> Option<Self> {
        let mut members: Vec<(u64, &[u8])> =
            pairs.iter().map(|(member, _)| (hasher.hash(member), *member)).collect();
        members.sort_unstable();
        let differ = members.windows(2).all(|two| two[0] != two[1]);
        differ.then(|| Self { order: order_of(pairs), index: index_of(pairs, &hasher), hasher })
    }

    /// How many members it has.
    pub fn len(&self) -> u64 {
        self.order.len()
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Has the memory fetched that searches for these members will read.
    pub fn prefetch<'m>(&self, members: impl Iterator<Item = &'m [u8]>) {
        let hashes = members.map(|member| (hash(&self.hasher, member), member));
        let leaves = self.index.fetch(hashes, |key, (hash, _)| *key < hash);
        let places =
            leaves.iter().map(|((hash, member), scores)| (*member, *scores, scores.lower_bound(*hash)));
        let places: ArrayVec<_, AHEAD> = places.collect();
        places.iter().for_each(|(_, scores, at)| scores.prefetch_score(*at));
        let likely = places.iter().filter(|(_, scores, at)| *at < scores.count());
        let scores = likely.map(|(member, scores, at)| (scores.pair(*at).1, *member));
        self.prefetch_places(scores);
    }

    /// Has the memory fetched where members with these scores are, or belong.
    pub fn prefetch_places<'m>(&self, pairs: impl Iterator<Item = (f64, &'m [u8])>) {
        let runs = self.order.fetch(pairs, |bound, (score, member)| bound.is_at_or_before(score, member));
        runs.iter().for_each(|((score, _), run)| run.prefetch_member(*score));
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|found| found.score)
    }

    /// A member's rank from the lowest score up, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(u64, f64)> {
        let Found { order: (path, at), score, .. } = self.find(member)?;
        Some((self.order.base_of(&path) + at as u64, score))
    }

    /// How many members have a lower score, or with `inclusive` no higher one.
    pub fn count_below_score(&self, score: f64, inclusive: bool) -> u64 {
        let found = self.order.leaf_for(|bound| bound.is_before_score(score, inclusive));
        found.map_or(0, |(run, base)| base + run.count_below_score(score, inclusive) as u64)
    }

    /// How many members sort before these bytes, or with `inclusive` not after. Has a meaning only if all
    /// scores are equal.
    pub fn count_below_member(&self, member: &[u8], inclusive: bool) -> u64 {
        let found = self.order.leaf_for(|bound| bound.member() <= member);
        found.map_or(0, |(run, base)| base + run.count_below_member(member, inclusive) as u64)
    }

    /// The members at these positions, the last first if `reverse`.
    pub fn pairs(&self, positions: Range<u64>, reverse: bool) -> Pairs<'_> {
        let left = positions.end.min(self.len()).saturating_sub(positions.start);
        let first = if reverse { positions.start + left.saturating_sub(1) } else { positions.start };
        let cursor = if left == 0 { None } else { self.order.cursor_at(first) };
        let at = cursor.as_ref().map_or(0, |cursor| (first - cursor.base()) as usize);
        Pairs { cursor, at, left, reverse }
    }

    /// Asks what the score of a member becomes, given what it is. `None` leaves all as it is.
    pub fn update(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) -> Change {
        let hash = hash(&self.hasher, member);
        let found = self.find_hashed(hash, member);
        let old = found.as_ref().map(|found| found.score);
        let Some(new) = decide(old) else { return (old, old) };
        match found {
            Some(found) if found.score == new => return (old, old),
            Some(Found { order, index: (path, at), .. }) => {
                self.index.edit_on(&path, |scores| scores.set_score(at, new));
                self.rescore(member, &order, new);
            }
            None => {
                self.index.edit_for(|key| *key <= hash, |scores| scores.insert(hash, new));
                self.insert_in_order(member, new);
            }
        }
        (old, Some(new))
    }

    /// Removes a member; gives the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let Found { order: (run, run_at), index: (scores, at), score } = self.find(member)?;
        self.order.edit_on(&run, |run| run.remove(run_at));
        self.index.edit_on(&scores, |scores| scores.remove(at));
        Some(score)
    }

    /// Removes the members at these positions; what comes back is to be freed. O(removed), or O(left) if
    /// less is left.
    pub fn remove_range(&mut self, positions: Range<u64>) -> SortedSet {
        let removed = self.order.remove_range(positions.start, positions.end);
        if removed.len() > self.len() {
            let pairs: Vec<_> = self.pairs(0..self.len(), false).collect();
            let index = index_of(&pairs, &self.hasher);
            let index = std::mem::replace(&mut self.index, index);
            return SortedSet { order: removed, index, hasher: self.hasher.clone() };
        }
        for run in removed.iter() {
            for (member, score) in (0..run.count()).map(|at| run.pair(at)) {
                if let Some(((path, at), _)) = self.entry(hash(&self.hasher, member), score, member) {
                    self.index.edit_on(&path, |scores| scores.remove(at));
                }
            }
        }
        SortedSet { order: removed, index: Tree::new(), hasher: self.hasher.clone() }
    }

    /// Shows about `count` members from a place in the order of hashes on, and gives the place to go on
    /// from; 0 is where to begin, and the end. A member that stays is seen once, whatever its score does.
    pub fn scan(&self, from: u64, count: usize, seen: &mut dyn FnMut(&[u8], f64)) -> u64 {
        let Ok(from) = u32::try_from(from) else { return 0 };
        let Some(mut cursor) = self.index.cursor_for(|key| *key < from) else { return 0 };
        let (mut wanted, mut next) = (Vec::<(u32, f64, &[u8])>::new(), 0);
        let mut at = cursor.leaf().lower_bound(from);
        loop {
            let scores = cursor.leaf();
            if at == scores.count() {
                if !cursor.move_next() {
                    break;
                }
                at = 0;
                continue;
            }
            let (hash, score) = scores.pair(at);
            if wanted.len() >= count && wanted.last().is_some_and(|(last, ..)| *last != hash) {
                next = u64::from(hash);
                break;
            }
            wanted.push((hash, score, scores.member(at)));
            at += 1;
        }
        self.resolve(wanted, seen);
        next
    }

    /// Shows the members that these entries of the index belong to, all those of a hash being there.
    fn resolve(&self, mut wanted: Vec<(u32, f64, &[u8])>, seen: &mut dyn FnMut(&[u8], f64)) {
        wanted.sort_unstable_by(|a, b| compare((a.1, a.2), (b.1, b.2)));
        for entries in wanted.chunk_by(|a, b| a.1 == b.1) {
            let score = entries[0].1;
            let (unnamed, named) = entries.split_at(entries.partition_point(|entry| entry.2.is_empty()));
            named.iter().for_each(|(_, _, member)| seen(member, score));
            if unnamed.is_empty() {
                continue;
            }
            let group = self.group(score);
            // In a larger group only the empty member, which is the first, has no name.
            let group = group.start..group.end.min(group.start + GROUP_MAX);
            for (member, score) in self.pairs(group, false) {
                let hash = hash(&self.hasher, member);
                let is_wanted = unnamed.iter().any(|(wanted, ..)| *wanted == hash);
                if is_wanted && named.iter().all(|(.., other)| *other != member) {
                    seen(member, score);
                }
            }
        }
    }

    #[inline]
    fn find(&self, member: &[u8]) -> Option<Found> {
        self.find_hashed(hash(&self.hasher, member), member)
    }

    #[inline]
    fn find_hashed(&self, hash: u32, member: &[u8]) -> Option<Found> {
        let mut found = None;
        self.candidates(hash, |path, at, score, name| {
            if (name.is_empty() || name == member)
                && let Some(order) = self.place(score, member)
            {
                found = Some(Found { order, index: (path.clone(), at), score });
            }
            name.is_empty() || name != member
        });
        found
    }

    /// The place in the index of a member with this score, and whether the index has the member itself.
    fn entry(&self, hash: u32, score: f64, member: &[u8]) -> Option<(Place, bool)> {
        let mut found = None;
        self.candidates(hash, |path, at, other, name| {
            let is_it = name == member && !name.is_empty();
            if other == score && (is_it || name.is_empty()) {
                found = Some(((path.clone(), at), is_it));
            }
            !is_it
        });
        found
    }

    /// Shows the places in the index with a hash, their scores, and the members if they are there, as long
    /// as `seen` wants more. Where a member is told by its hash and score alone it does not matter which
    /// of several equal entries is taken, as long as none is that has the member itself.
    #[inline]
    fn candidates(&self, hash: u32, mut seen: impl FnMut(&Path, usize, f64, &[u8]) -> bool) {
        let Some((scores, path)) = self.index.path_for(|key| *key < hash) else { return };
        for at in scores.lower_bound(hash)..scores.count() {
            let (other, score) = scores.pair(at);
            if other != hash || !seen(&path, at, score, scores.member(at)) {
                return;
            }
        }
        self.later_candidates(hash, seen);
    }

    /// Goes on where a leaf ended before the hashes became higher.
    #[cold]
    fn later_candidates(&self, hash: u32, mut seen: impl FnMut(&Path, usize, f64, &[u8]) -> bool) {
        let Some(mut cursor) = self.index.cursor_for(|key| *key < hash) else { return };
        while cursor.move_next() {
            let (scores, path) = (cursor.leaf(), cursor.path());
            for at in 0..scores.count() {
                let (other, score) = scores.pair(at);
                if other != hash || !seen(&path, at, score, scores.member(at)) {
                    return;
                }
            }
        }
    }

    /// Where a member is in order, if it is there with this score.
    #[inline]
    fn place(&self, score: f64, member: &[u8]) -> Option<Place> {
        let (run, path) = self.order.path_for(|bound| bound.is_at_or_before(score, member))?;
        run.find(score, member).ok().map(|at| (path, at))
    }

    /// Puts a member, which is in the index already, where it belongs.
    fn insert_in_order(&mut self, member: &[u8], score: f64) {
        let at_or_before = |bound: &order::Bound| bound.is_at_or_before(score, member);
        let group = self.order.edit_for(at_or_before, |run| match run.find(score, member) {
            Ok(_) => unreachable!("it was not there"),
            Err(at) => {
                run.insert(at, score, member);
                run.group_len(at)
            }
        });
        match group {
            Some(len) if len <= GROUP_MAX => {}
            None if self.ends_with(member, score) => {}
            _ => self.name_group(member, score),
        }
    }

    /// Whether a member is the last, and the only one of its score, as far as the last run shows.
    fn ends_with(&self, member: &[u8], score: f64) -> bool {
        self.order.last().is_some_and(|run| {
            let last = run.count() - 1;
            last > 0 && run.pair(last) == (member, score) && run.pair(last - 1).1 < score
        })
    }

    /// The positions of all members with a score.
    fn group(&self, score: f64) -> Range<u64> {
        self.count_below_score(score, false)..self.count_below_score(score, true)
    }

    /// Sees to it that the index has the members of a score if there are many, one of which is new.
    fn name_group(&mut self, member: &[u8], score: f64) {
        let group = self.group(score);
        let size = group.end - group.start;
        if size == GROUP_MAX + 1 {
            let members: Vec<Box<[u8]>> = self.pairs(group, false).map(|(member, _)| member.into()).collect();
            members.iter().for_each(|member| self.name(member, score));
        } else if size > GROUP_MAX {
            self.name(member, score);
        }
    }

    fn name(&mut self, member: &[u8], score: f64) {
        if let Some(((path, at), false)) = self.entry(hash(&self.hasher, member), score, member) {
            self.index.edit_on(&path, |scores| scores.set_member(at, member));
        }
    }

    /// Moves a member from its place to where it belongs with another score.
    fn rescore(&mut self, member: &[u8], (path, at): &Place, new: f64) {
        let done = self.order.edit_on(path, |run| {
            let stays = run.rescore_in_place(*at, new);
            if !stays {
                run.remove(*at);
            }
            stays
        });
        if !done {
            self.insert_in_order(member, new);
        }
    }

    /// Bytes of memory held beside the struct itself.
    pub fn memory_usage(&self) -> usize {
        self.order.memory_usage() + self.index.memory_usage()
    }

    /// The number of leaves, which freeing takes time for.
    pub fn leaves(&self) -> usize {
        self.order.leaves() + self.index.leaves()
    }

    /// Frees about `budget` leaves; `true` when nothing is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.order.free_some(budget) && self.index.free_some(budget)
    }

    /// Checks every invariant; panics on the first that does not hold.
    #[cfg(test)]
    pub fn check(&self) {
        self.order.check(order::Bound::is_less);
        self.index.check(|a, b| a < b);
        assert_eq!(self.order.len(), self.index.len());
        let pairs: Vec<_> = self.pairs(0..self.len(), false).collect();
        assert!(pairs.windows(2).all(|two| compare((two[0].1, two[0].0), (two[1].1, two[1].0)).is_lt()));
        for (rank, (member, score)) in pairs.into_iter().enumerate() {
            assert_eq!(self.rank(member), Some((rank as u64, score)), "{member:?}");
            let group = self.group(score);
            let named = self.entry(hash(&self.hasher, member), score, member).is_some_and(|(_, named)| named);
            assert!(named || member.is_empty() || group.end - group.start <= GROUP_MAX, "{member:?}");
        }
    }
}

/// The way to a leaf, and an offset there.
type Place = (Path, usize);

/// Where a member is in either tree.
struct Found {
    order: Place,
    index: Place,
    score: f64,
}

/// The part of a member's hash that the index is ordered by.
#[inline]
fn hash(hasher: &Hasher, member: &[u8]) -> u32 {
    (hasher.hash(member) >> 32) as u32
}

/// Runs of these members, which are in order.
fn order_of(pairs: &[(&[u8], f64)]) -> Tree<Run> {
    let mut runs = vec![Run::default()];
    for &(member, score) in pairs {
        let last = runs.last_mut().expect("there is always one");
        if !last.is_full(member) {
            last.push(score, member);
            continue;
        }
        let mut run = Run::default();
        run.push(score, member);
        let (before, its_score) = last.pair(last.count() - 1);
        run.follows(its_score, before);
        runs.push(run);
    }
    Tree::from_leaves(runs)
}

/// The index of these members, which are in order.
fn index_of(pairs: &[(&[u8], f64)], hasher: &Hasher) -> Tree<Scores> {
    let mut entries = Vec::with_capacity(pairs.len());
    for group in pairs.chunk_by(|a, b| a.1 == b.1) {
        let named = group.len() as u64 > GROUP_MAX;
        entries.extend(group.iter().map(|&(member, score)| {
            let name: &[u8] = if named { member } else { &[] };
            (hash(hasher, member), score, name)
        }));
    }
    entries.sort_unstable_by_key(|(hash, ..)| *hash);
    let mut leaves = vec![Scores::default()];
    for (hash, score, name) in entries {
        let full = leaves.last_mut().is_none_or(|last| !last.push(hash, score, name));
        if full {
            let mut next = Scores::default();
            next.push(hash, score, name);
            leaves.push(next);
        }
    }
    Tree::from_leaves(leaves)
}

/// Room for `more` items: up to the next size class of the allocator, which would be used up anyway.
#[inline]
fn grow<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() < more {
        let needed = (items.len() + more) * size_of::<T>();
        let class = needed.next_multiple_of((needed.next_power_of_two() / 8).max(16));
        items.reserve_exact(class / size_of::<T>() - items.len());
    }
}

/// Members with their scores, forward or backward.
pub struct Pairs<'a> {
    cursor: Option<Cursor<'a, Run>>,
    at: usize,
    left: u64,
    reverse: bool,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.cursor.as_mut().filter(|_| self.left > 0)?;
        let pair = cursor.leaf().pair(self.at);
        self.left -= 1;
        if self.left == 0 {
            return Some(pair);
        }
        if !self.reverse {
            self.at += 1;
            if self.at == cursor.leaf().count() {
                cursor.move_next();
                self.at = 0;
            }
        } else if self.at > 0 {
            self.at -= 1;
        } else {
            cursor.move_previous();
            self.at = cursor.leaf().count() - 1;
        }
        Some(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}
