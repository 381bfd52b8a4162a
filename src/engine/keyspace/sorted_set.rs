//! What sorted sets can do, wherever the entry keeps them.

use super::entry::{Entry, NewValue};
use super::value::listpack::{self, Buffer, Element, Elements, Sink};
use super::value::sorted_set::{Change, Pairs as LargePairs, SortedSet, compare};
use super::value::{Form, Hasher, IntBuf, Object, Packed, ValueRef};
use crate::engine::text::number::format_f64;
use std::ops::Range;
use std::sync::Arc;

/// Up to which size a sorted set stays packed, and what a large one needs to begin with.
#[derive(Clone, Debug)]
pub struct SortedSetLimits {
    /// Members at most.
    pub entries: usize,
    /// Bytes of a member at most.
    pub value: usize,
    /// What large ones hash their members with: the same in the whole server.
    pub hasher: Arc<Hasher>,
}

/// A sorted set to be read.
#[derive(Clone, Copy, Debug)]
pub enum SortedSetRef<'a> {
    /// A small one.
    Packed(Packed<'a>),
    /// A large one.
    Large(&'a SortedSet),
}

/// A score as a listpack holds it: as an integer if it is one, which the sign of zero is lost to.
pub fn encode_score(score: f64, out: &mut impl Sink) {
    if score.abs() <= (i64::MAX / 2) as f64 && score.trunc() == score {
        return Element::Int(score as i64).encode(out);
    }
    Element::from_bytes(format_f64(score).as_bytes()).encode(out);
}

/// The score that a listpack element spells.
#[inline]
fn decode_score(element: Element<'_>) -> f64 {
    match element {
        Element::Int(integer) => integer as f64,
        Element::Str(text) => {
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0)
        }
    }
}

/// The encoding of a member and its score.
fn encode_pair(member: &[u8], score: f64, out: &mut Buffer) {
    Element::from_bytes(member).encode(out);
    encode_score(score, out);
}

/// The order of members, as their bytes are.
fn compare_pairs(a: (Element<'_>, f64), b: (&[u8], f64)) -> std::cmp::Ordering {
    compare((a.1, a.0.bytes(&mut IntBuf::new())), (b.1, b.0))
}

/// Where in a run a member with this score belongs; the pair in `skip` does not count.
fn place_for(run: &[u8], member: &[u8], score: f64, skip: &Range<usize>) -> usize {
    let mut at = 0;
    while at < run.len() {
        if at == skip.start && !skip.is_empty() {
            at = skip.end;
            continue;
        }
        let score_at = listpack::next(run, at);
        let (its_score, next) = listpack::element_at(run, score_at);
        let its_score = decode_score(its_score);
        if its_score > score
            || its_score == score
                && compare_pairs((listpack::element_at(run, at).0, its_score), (member, score)).is_gt()
        {
            return at;
        }
        at = next;
    }
    at
}

impl<'a> SortedSetRef<'a> {
    /// How many members it has.
    pub fn len(&self) -> u64 {
        match self {
            Self::Packed(packed) => packed.count as u64,
            Self::Large(set) => set.len(),
        }
    }
    /// Whether it has none, as only new ones do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(packed) => {
                let at = listpack::find(packed.run, &listpack::encoded(member), 2)?;
                let score_at = listpack::next(packed.run, at);
                Some(decode_score(listpack::element_at(packed.run, score_at).0))
            }
            Self::Large(set) => set.score(member),
        }
    }

    /// A member's rank from the lowest score up, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(u64, f64)> {
        match self {
            Self::Packed(packed) => {
                let wanted = Element::from_bytes(member);
                let mut pairs = self.pairs(0..packed.count as u64, false).enumerate();
                let (rank, (_, score)) = pairs.find(|(_, (member, _))| *member == wanted)?;
                Some((rank as u64, score))
            }
            Self::Large(set) => set.rank(member),
        }
    }

    /// How many members have a lower score, or with `inclusive` no higher one.
    pub fn count_below_score(&self, score: f64, inclusive: bool) -> u64 {
        match self {
            Self::Packed(_) => self.count_while(|(_, other)| other < score || inclusive && other == score),
            Self::Large(set) => set.count_below_score(score, inclusive),
        }
    }

    /// How many members sort before these bytes, or with `inclusive` not after. Has a meaning only if all
    /// scores are equal.
    pub fn count_below_member(&self, member: &[u8], inclusive: bool) -> u64 {
        match self {
            Self::Packed(_) => self.count_while(|(other, _)| {
                let mut digits = IntBuf::new();
                let other = other.bytes(&mut digits);
                other < member || inclusive && other == member
            }),
            Self::Large(set) => set.count_below_member(member, inclusive),
        }
    }

    fn count_while(&self, belongs: impl Fn((Element<'a>, f64)) -> bool) -> u64 {
        self.pairs(0..self.len(), false).take_while(|pair| belongs(*pair)).count() as u64
    }

    /// The members at these positions with their scores, the last first if `reverse`.
    pub fn pairs(&self, positions: Range<u64>, reverse: bool) -> Pairs<'a> {
        match self {
            Self::Packed(Packed { run, count, .. }) => {
                let end = positions.end.min(*count as u64) as usize;
                let start = (positions.start as usize).min(end);
                let from = listpack::locate(run, 2 * count, 2 * start);
                let to = if end == *count { run.len() } else { listpack::skip(run, from, 2 * (end - start)) };
                Pairs::Packed { elements: Elements::between(run, from..to), reverse }
            }
            Self::Large(set) => Pairs::Large(set.pairs(positions, reverse)),
        }
    }

    /// Every member with its score, in order.
    pub fn iter(&self) -> Pairs<'a> {
        self.pairs(0..self.len(), false)
    }

    /// Shows about `count` members from a place on and gives the place to go on from; 0 is where to begin,
    /// and the end. A member that stays is seen once.
    pub fn scan(&self, from: u64, count: usize, seen: &mut dyn FnMut(&[u8], f64)) -> u64 {
        match self {
            Self::Packed(_) => {
                self.iter().for_each(|(member, score)| seen(member.bytes(&mut IntBuf::new()), score));
                0
            }
            Self::Large(set) => set.scan(from, count, seen),
        }
    }
}

/// Members with their scores, forward or backward. Lives on the stack, so its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Pairs<'a> {
    /// Of a small sorted set.
    Packed {
        /// Members and scores.
        elements: Elements<'a>,
        /// Whether they are taken from the end.
        reverse: bool,
    },
    /// Of a large sorted set.
    Large(LargePairs<'a>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Pairs::Packed { elements, reverse: false } => {
                let member = elements.next()?;
                Some((member, decode_score(elements.next()?)))
            }
            Pairs::Packed { elements, reverse: true } => {
                let score = decode_score(elements.next_back()?);
                Some((elements.next_back()?, score))
            }
            Pairs::Large(pairs) => pairs.next().map(|(member, score)| (Element::Str(member), score)),
        }
    }
}

/// A sorted set made at once, in the form that its size asks for.
#[derive(Debug)]
pub enum NewSortedSet {
    /// A small one: the count and the run.
    Packed(usize, Vec<u8>),
    /// A large one.
    Large(Box<Object>),
}

impl NewSortedSet {
    /// From members that are in order and differ.
    pub fn from_pairs(pairs: &[(Box<[u8]>, f64)], limits: &SortedSetLimits) -> Self {
        let fits = |(member, _): &(Box<[u8]>, f64)| member.len() <= limits.value;
        if pairs.len() > limits.entries || !pairs.iter().all(fits) {
            let pairs = pairs.iter().map(|(member, score)| (&**member, *score));
            let set = SortedSet::from_pairs(pairs, limits.hasher.clone());
            return Self::Large(Box::new(Object::SortedSet(Box::new(set))));
        }
        let mut run = Vec::new();
        for (member, score) in pairs {
            let mut pair = Buffer::new();
            encode_pair(member, *score, &mut pair);
            run.extend_from_slice(&pair);
        }
        Self::Packed(pairs.len(), run)
    }

    /// What a key is set to.
    pub fn into_value(self, run: &mut Vec<u8>) -> NewValue<'_> {
        match self {
            Self::Packed(count, bytes) => {
                *run = bytes;
                NewValue::Packed(Packed { form: Form::SortedSet, count, run })
            }
            Self::Large(object) => NewValue::Object(object),
        }
    }
}

/// What can be done with an entry that holds a sorted set.
impl Entry {
    /// The sorted set, to be read; `None` if the entry holds another type.
    #[inline]
    pub fn sorted_set(&self) -> Option<SortedSetRef<'_>> {
        match self.value() {
            ValueRef::Packed(packed) if packed.form == Form::SortedSet => Some(SortedSetRef::Packed(packed)),
            ValueRef::Object(Object::SortedSet(set)) => Some(SortedSetRef::Large(set)),
            _ => None,
        }
    }

    fn large_sorted_set(&mut self) -> Option<&mut SortedSet> {
        match self.object_mut()? {
            Object::SortedSet(set) => Some(set),
            _ => None,
        }
    }

    /// Makes a small sorted set large if more than the limit is about to be added.
    pub fn expect_members(&mut self, more: usize, limits: &SortedSetLimits) {
        if more > limits.entries {
            self.make_sorted_set_large(limits);
        }
    }

    /// Asks what the score of a member becomes, given what it is. `None` leaves all as it is.
    pub fn update_score(
        &mut self,
        member: &[u8],
        limits: &SortedSetLimits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Change {
        if let Some(set) = self.large_sorted_set() {
            return set.update(member, decide);
        }
        let Some(SortedSetRef::Packed(packed)) = self.sorted_set() else { return (None, None) };
        let (run, count) = (packed.run, packed.count);
        let mut pair = Buffer::new();
        Element::from_bytes(member).encode(&mut pair);
        let found = listpack::find(run, &pair, 2).map(|at| {
            let score_at = listpack::next(run, at);
            let (score, end) = listpack::element_at(run, score_at);
            (at..end, decode_score(score))
        });
        let old = found.as_ref().map(|(_, score)| *score);
        let Some(new) = decide(old).filter(|new| old != Some(*new)) else { return (old, old) };
        if found.is_none() && (count + 1 > limits.entries || member.len() > limits.value) {
            self.make_sorted_set_large(limits);
            return self.large_sorted_set().map_or((None, None), |set| set.update(member, |_| Some(new)));
        }
        encode_score(new, &mut pair);
        let skip = found.map_or(0..0, |(span, _)| span);
        let place = place_for(run, member, new, &skip);
        if skip.is_empty() {
            self.splice(place..place, &pair, count + 1);
        } else if place < skip.start {
            pair.extend_from_slice(&run[place..skip.start]);
            self.splice(place..skip.end, &pair, count);
        } else {
            let mut moved = Buffer::from_slice(&run[skip.end..place]);
            moved.extend_from_slice(&pair);
            self.splice(skip.start..place, &moved, count);
        }
        (old, Some(new))
    }

    /// Removes a member; gives the score it had. The sorted set may be empty then.
    pub fn remove_member(&mut self, member: &[u8]) -> Option<f64> {
        if let Some(set) = self.large_sorted_set() {
            return set.remove(member);
        }
        let Some(SortedSetRef::Packed(Packed { run, count, .. })) = self.sorted_set() else { return None };
        let at = listpack::find(run, &listpack::encoded(member), 2)?;
        let score_at = listpack::next(run, at);
        let (score, end) = listpack::element_at(run, score_at);
        let score = decode_score(score);
        self.splice(at..end, &[], count - 1);
        Some(score)
    }

    /// Removes the members at these positions, of which there are some; what comes back is to be freed.
    pub fn remove_positions(&mut self, positions: Range<u64>) -> Option<Box<Object>> {
        if let Some(set) = self.large_sorted_set() {
            let removed = set.remove_range(positions);
            return Some(Box::new(Object::SortedSet(Box::new(removed))));
        }
        let Some(SortedSetRef::Packed(Packed { run, count, .. })) = self.sorted_set() else { return None };
        let removed = (positions.end - positions.start) as usize;
        let from = listpack::locate(run, 2 * count, 2 * positions.start as usize);
        let to = listpack::skip(run, from, 2 * removed);
        self.splice(from..to, &[], count - removed);
        None
    }

    fn make_sorted_set_large(&mut self, limits: &SortedSetLimits) {
        let Some(SortedSetRef::Packed(packed)) = self.sorted_set() else { return };
        let owned: Vec<(Box<[u8]>, f64)> = SortedSetRef::Packed(packed)
            .iter()
            .map(|(member, score)| (member.bytes(&mut IntBuf::new()).into(), score))
            .collect();
        let pairs = owned.iter().map(|(member, score)| (&**member, *score));
        let set = SortedSet::from_pairs(pairs, limits.hasher.clone());
        self.set_value(NewValue::Object(Box::new(Object::SortedSet(Box::new(set)))));
    }
}

#[cfg(test)]
mod tests;
