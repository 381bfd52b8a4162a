//! Sorted sets.
//!
//! ```text
//! ZSET_2          count, then members as strings, each with its score as a double; the highest first
//! ZSET            the same with scores spelled: length text, or 253 NaN, 254 infinity, 255 -infinity
//! ZSET_LISTPACK   a listpack of members and scores in turn, as a string
//! ZSET_ZIPLIST    a ziplist of the same
//! ```

use super::old::ziplist;
use super::reader::{DUPLICATE, listpack_run};
use super::source::{Error, Source};
use super::value::{Progress, Value};
use super::{Reader, Writer, kind};
use crate::engine::keyspace::sorted_set::encode_score;
use crate::engine::keyspace::value::SortedSet;
use crate::engine::keyspace::value::listpack::{Element, Elements};
use crate::engine::keyspace::value::sorted_set::compare;
use crate::engine::keyspace::{Form, IntBuf, Object, SortedSetLimits};

const NO_SCORE: &str = "a score that is no number";
const HALF: &str = "a member without a score";

/// Members with their scores, in the order in which they came.
#[derive(Default)]
struct Pairs {
    bytes: Vec<u8>,
    /// Score, and where the member ends.
    index: Vec<(f64, usize)>,
    longest: usize,
}

impl Pairs {
    #[inline]
    fn push_member(&mut self, member: &[u8]) {
        self.bytes.extend_from_slice(member);
        self.longest = self.longest.max(member.len());
    }

    #[inline]
    fn push_score(&mut self, score: f64) -> Result<(), &'static str> {
        self.index.push((score, self.bytes.len()));
        if score.is_nan() { Err(NO_SCORE) } else { Ok(()) }
    }

    /// Takes members and scores in turn.
    fn push_elements<'a>(&mut self, elements: impl Iterator<Item = Element<'a>>) -> Result<(), &'static str> {
        let (mut elements, mut digits) = (elements, IntBuf::new());
        while let Some(member) = elements.next() {
            self.push_member(member.bytes(&mut digits));
            let score = match elements.next().ok_or(HALF)? {
                Element::Int(integer) => integer as f64,
                Element::Str(text) => spelled(text).ok_or(NO_SCORE)?,
            };
            self.push_score(score)?;
        }
        Ok(())
    }

    fn build(&self, limits: &SortedSetLimits) -> Result<Value, &'static str> {
        let mut start = 0;
        let mut pairs: Vec<(&[u8], f64)> = Vec::with_capacity(self.index.len());
        for &(score, end) in &self.index {
            pairs.push((&self.bytes[start..end], score));
            start = end;
        }
        let order = |a: &(&[u8], f64), b: &(&[u8], f64)| compare((a.1, a.0), (b.1, b.0));
        // Redis writes the highest first.
        if pairs.first().zip(pairs.last()).is_some_and(|(first, last)| order(first, last).is_gt()) {
            pairs.reverse();
        }
        if !pairs.is_sorted_by(|a, b| order(a, b).is_lt()) {
            pairs.sort_unstable_by(order);
        }
        if pairs.is_empty() {
            return Ok(Value::Empty);
        }
        if pairs.len() <= limits.entries && self.longest <= limits.value {
            return pack(&pairs);
        }
        let set = SortedSet::from_untrusted(&pairs, limits.hasher.clone()).ok_or(DUPLICATE)?;
        Ok(Object::SortedSet(Box::new(set)).into())
    }
}

/// A score as text.
fn spelled(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
}

fn pack(pairs: &[(&[u8], f64)]) -> Result<Value, &'static str> {
    let mut members: Vec<&[u8]> = pairs.iter().map(|(member, _)| *member).collect();
    members.sort_unstable();
    if members.windows(2).any(|two| two[0] == two[1]) {
        return Err(DUPLICATE);
    }
    let mut run = Vec::new();
    for (member, score) in pairs {
        Element::from_bytes(member).encode(&mut run);
        encode_score(*score, &mut run);
    }
    Ok(Value::Packed { form: Form::SortedSet, count: pairs.len(), run })
}

pub(super) fn decode<S: Source>(
    reader: &mut Reader<S>,
    kind: u8,
    limits: &SortedSetLimits,
) -> Result<Value, Error> {
    let mut pairs = Pairs::default();
    let sound = match kind {
        kind::ZSET | kind::ZSET_2 => {
            for _ in 0..reader.count()? {
                pairs.push_member(reader.string()?);
                let score = if kind == kind::ZSET { reader.spelled_double()? } else { reader.double()? };
                pairs.push_score(score).map_err(|what| reader.invalid(what))?;
            }
            Ok(())
        }
        kind::ZSET_LISTPACK => {
            listpack_run(reader.string()?).and_then(|(run, _)| pairs.push_elements(Elements::new(&run)))
        }
        _ => {
            let mut run = Vec::new();
            ziplist(reader.string()?, &mut |element| element.encode(&mut run))
                .and_then(|()| pairs.push_elements(Elements::new(&run)))
        }
    };
    sound.and_then(|()| pairs.build(limits)).map_err(|what| reader.invalid(what))
}

pub(super) fn encode(set: &SortedSet, progress: &mut Progress, writer: &mut Writer, until: usize) -> bool {
    if !progress.begun {
        writer.length(set.len());
        progress.begun = true;
    }
    // The highest first, as Redis does, whose skiplist is built faster so.
    for (member, score) in set.pairs(0..set.len() - progress.at as u64, true) {
        if writer.out.len() >= until {
            return false;
        }
        writer.string(member);
        writer.double(score);
        progress.at += 1;
    }
    true
}
