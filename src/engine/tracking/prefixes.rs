//! BCAST: which clients are told about all keys that begin with something, and what there is to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Keys that changed, each with the client that changed it last; 0 is nobody.
type Changed = BTreeMap<Box<[u8]>, u64>;

/// Clients by prefix.
#[derive(Debug, Default)]
pub struct Prefixes {
    clients: BTreeMap<Box<[u8]>, BTreeSet<u64>>,
    /// How many prefixes there are of each length: a key is looked up once for each.
    lengths: BTreeMap<usize, usize>,
    /// What changed since the last broadcast, by prefix.
    changed: BTreeMap<Box<[u8]>, Changed>,
}

/// What those who share a prefix are told.
#[derive(Debug)]
pub struct Broadcast {
    /// Them.
    pub clients: BTreeSet<u64>,
    changed: Changed,
}

impl Broadcast {
    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.changed.keys().map(|key| &**key)
    }
    /// Those that somebody else than `client` changed last.
    pub fn keys_of_others(&self, client: u64) -> impl Iterator<Item = &[u8]> {
        self.changed.iter().filter(move |(_, author)| **author != client).map(|(key, _)| &**key)
    }
}

/// Two prefixes of one client of which one begins with the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collision {
    /// The new one, and one that the client has.
    Existing(Box<[u8]>, Box<[u8]>),
    /// Two new ones.
    Provided(Box<[u8]>, Box<[u8]>),
}

impl Prefixes {
    /// How many there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.clients.len()
    }
    /// A client is to be told about keys with this prefix.
    pub(super) fn add(&mut self, prefix: &[u8], client: u64) {
        if !self.clients.contains_key(prefix) {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        self.clients.entry(prefix.into()).or_default().insert(client);
    }
    /// A client is not any more.
    pub(super) fn remove(&mut self, prefix: &[u8], client: u64) {
        let Some(clients) = self.clients.get_mut(prefix) else { return };
        clients.remove(&client);
        if !clients.is_empty() {
            return;
        }
        self.clients.remove(prefix);
        self.changed.remove(prefix);
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }
    /// A key changed.
    pub fn note(&mut self, key: &[u8], author: u64) {
        for length in self.lengths.range(..=key.len()).map(|(length, _)| *length) {
            let prefix = &key[..length];
            if self.clients.contains_key(prefix) {
                self.changed.entry(prefix.into()).or_default().insert(key.into(), author);
            }
        }
    }
    /// Whether there is something to tell.
    #[inline]
    pub fn has_news(&self) -> bool {
        !self.changed.is_empty()
    }
    /// What there is to tell, in the order of the prefixes.
    pub fn take_news(&mut self) -> Vec<Broadcast> {
        let news = std::mem::take(&mut self.changed).into_iter();
        news.filter_map(|(prefix, changed)| {
            Some(Broadcast { clients: self.clients.get(&prefix)?.clone(), changed })
        })
        .collect()
    }
}

/// The first of `provided` that overlaps with one of `existing`, which do not overlap among each other, or with one
/// that comes after it.
pub fn collision(existing: &BTreeSet<Box<[u8]>>, provided: &[&[u8]]) -> Option<Collision> {
    let overlapping = first_overlapping(provided);
    for (index, prefix) in provided.iter().enumerate() {
        if let Some(other) = overlap(existing, prefix) {
            return Some(Collision::Existing((*prefix).into(), other.into()));
        }
        if overlapping == Some(index) {
            let other = provided[index + 1..].iter().find(|other| overlaps(prefix, other))?;
            return Some(Collision::Provided((*prefix).into(), (*other).into()));
        }
    }
    None
}

fn overlaps(a: &[u8], b: &[u8]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// The first prefix of a set without overlaps that overlaps with this one: if it is shorter it comes right before.
fn overlap<'a>(existing: &'a BTreeSet<Box<[u8]>>, prefix: &[u8]) -> Option<&'a [u8]> {
    let before = existing.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(prefix))).next_back();
    let after = existing.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)).next();
    before.into_iter().chain(after).map(|other| &**other).find(|other| overlaps(prefix, other))
}

/// The first that overlaps with any other, in the time that sorting takes: those that begin with one follow it in order.
fn first_overlapping(provided: &[&[u8]]) -> Option<usize> {
    let mut sorted: Vec<(&[u8], usize)> =
        provided.iter().enumerate().map(|(index, prefix)| (*prefix, index)).collect();
    sorted.sort_unstable();
    let mut all = sorted.into_iter();
    let (mut shortest, mut first) = (all.next()?, None);
    for next in all {
        if next.0.starts_with(shortest.0) {
            let index = next.1.min(shortest.1);
            first = Some(first.map_or(index, |first: usize| first.min(index)));
        } else {
            shortest = next;
        }
    }
    first
}
