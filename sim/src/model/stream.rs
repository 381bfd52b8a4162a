//! The group `stream`: entries, and what groups of consumers were given and have not acknowledged.
//!
//! Workloads choose ids so that no clock decides them, and claim whatever its idle time. A consumer counts only while it
//! has something to acknowledge: when one without came into being is not modelled.

use std::collections::BTreeMap;

use super::value::{Bytes, WrongType};
use super::{Expected, State, argument};
use crate::resp::Reply;

/// An id: milliseconds and sequence number.
pub type Id = (u64, u64);

/// A stream, which exists even if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    entries: BTreeMap<Id, Vec<Bytes>>,
    /// The last id that was ever added.
    last: Id,
    groups: BTreeMap<Bytes, Group>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    /// The last entry that it was given.
    last: Id,
    pending: BTreeMap<Id, Pending>,
    /// It was moved since the last entry came, which wakes nobody: who waits may know nothing of entries that are new to it.
    moved: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    consumer: Bytes,
    deliveries: i64,
}

const NO_GROUP: Expected = Expected::Error("NOGROUP");
const NO_STREAM: Expected = Expected::Error("ERR");

impl State {
    pub(super) fn stream(&mut self, name: &str, rest: &[Bytes]) -> Result<Option<Expected>, WrongType> {
        let key = key(name, rest);
        Ok(Some(match name {
            "XADD" => self.xadd(key, &rest[1..])?,
            "XLEN" => (self.stream_at(key)?.entries.len() as i64).into(),
            "XRANGE" | "XREVRANGE" => {
                let stream = self.stream_at(key)?;
                let mut entries: Vec<Reply> = stream.after((0, 0), usize::MAX).map(entry).collect();
                if name == "XREVRANGE" {
                    entries.reverse();
                }
                entries.truncate(option(rest, "COUNT").unwrap_or(usize::MAX));
                Reply::Array(entries).into()
            }
            "XDEL" => self.change(key, |stream| {
                let gone = rest[1..].iter().filter(|text| stream.entries.remove(&id(text)).is_some());
                (gone.count() as i64).into()
            })?,
            "XTRIM" => self.change(key, |stream| (stream.trim(&rest[1..]) as i64).into())?,
            "XREAD" => {
                let stream = self.stream_at(key)?;
                let count = option(rest, "COUNT").unwrap_or(usize::MAX);
                let entries: Vec<Reply> = stream.after(id(&rest[rest.len() - 1]), count).map(entry).collect();
                read(key, entries)
            }
            "XGROUP" => self.xgroup(rest)?,
            "XREADGROUP" => self.xreadgroup(key, rest)?,
            "XACK" => {
                let mut stream = self.stream_at(key)?.as_ref().clone();
                let Some(group) = stream.groups.get_mut(&rest[1]) else { return Ok(Some(0.into())) };
                let acknowledged = rest[2..].iter().filter(|text| group.pending.remove(&id(text)).is_some());
                let acknowledged = acknowledged.count() as i64;
                self.set_groups(key, stream);
                acknowledged.into()
            }
            "XCLAIM" => self.xclaim(key, rest)?,
            "XAUTOCLAIM" => self.xautoclaim(key, rest)?,
            "XPENDING" => {
                let stream = self.stream_at(key)?;
                let Some(group) = stream.groups.get(&rest[1]) else { return Ok(Some(NO_GROUP)) };
                if rest.len() > 2 { group.list(argument(&rest[4]) as usize) } else { group.summary() }
            }
            _ => return Ok(None),
        }))
    }

    /// Whether a read that waits may have found that there is nothing when its time was up, although now there is no group,
    /// since a key that has expired wakes nobody before it is removed, or one that was moved.
    pub(super) fn may_have_waited(&self, rest: &[Bytes]) -> bool {
        let stream = self.stream_at(key("XREADGROUP", rest));
        option(rest, "BLOCK").is_some()
            && stream.is_ok_and(|stream| stream.groups.get(&rest[1]).is_none_or(|group| group.moved))
    }

    /// Changes a stream that is there. Without one, what is done to it counts nothing.
    fn change(
        &mut self,
        key: &[u8],
        act: impl FnOnce(&mut Stream) -> Expected,
    ) -> Result<Expected, WrongType> {
        let before = self.stream_at(key)?;
        let mut stream = before.as_ref().clone();
        let expected = act(&mut stream);
        // Where nothing is deleted, nobody who watches is told.
        if stream != *before {
            self.set_stream(key, stream);
        }
        Ok(expected)
    }

    fn xadd(&mut self, key: &[u8], mut rest: &[Bytes]) -> Result<Expected, WrongType> {
        let mut stream = self.stream_at(key)?.as_ref().clone();
        if rest[0] == b"NOMKSTREAM" {
            if !self.entries.contains_key(key) {
                return Ok(Reply::Null.into());
            }
            rest = &rest[1..];
        }
        let trim = (rest[0] == b"MAXLEN").then(|| &rest[..2]);
        if trim.is_some() {
            rest = &rest[2..];
        }
        let text = String::from_utf8_lossy(&rest[0]).into_owned();
        let new = match text.strip_suffix("-*") {
            Some(ms) => match ms.parse().expect("workloads write valid ids") {
                ms if ms == stream.last.0 && stream.last != (0, 0) => (ms, stream.last.1 + 1),
                ms => (ms, 0),
            },
            None => id(&rest[0]),
        };
        if new <= stream.last {
            return Ok(Expected::Error("ERR The ID specified in XADD is equal or smaller"));
        }
        stream.last = new;
        stream.groups.values_mut().for_each(|group| group.moved = false);
        stream.entries.insert(new, rest[1..].to_vec());
        trim.into_iter().for_each(|trim| _ = stream.trim(trim));
        self.set_stream(key, stream);
        Ok(bulk_id(new).into())
    }

    fn xgroup(&mut self, rest: &[Bytes]) -> Result<Expected, WrongType> {
        let (verb, key, name) = (rest[0].as_slice(), &rest[1], &rest[2]);
        let makes = rest.last().is_some_and(|word| word == b"MKSTREAM");
        let mut stream = self.stream_at(key)?.as_ref().clone();
        if !self.entries.contains_key(key) && !makes {
            return Ok(NO_STREAM);
        }
        let place = |text: &Bytes| if text == b"$" { stream.last } else { id(text) };
        let expected = match verb {
            b"CREATE" if stream.groups.contains_key(name) => return Ok(Expected::Error("BUSYGROUP")),
            b"CREATE" => {
                let group = Group { last: place(&rest[3]), ..Group::default() };
                stream.groups.insert(name.clone(), group);
                Reply::ok().into()
            }
            b"DESTROY" => stream.groups.remove(name).is_some().into(),
            verb => {
                let Some(group) = stream.groups.get_mut(name) else { return Ok(NO_GROUP) };
                if verb == b"SETID" {
                    group.last = id(&rest[3]);
                    group.moved = true;
                    Reply::ok().into()
                } else {
                    let before = group.pending.len();
                    group.pending.retain(|_, pending| pending.consumer != rest[3]);
                    ((before - group.pending.len()) as i64).into()
                }
            }
        };
        if self.entries.contains_key(key) {
            self.set_groups(key, stream);
        } else {
            self.set_stream(key, stream);
        }
        Ok(expected)
    }

    fn xreadgroup(&mut self, key: &[u8], rest: &[Bytes]) -> Result<Expected, WrongType> {
        let mut stream = self.stream_at(key)?.as_ref().clone();
        let (consumer, count) = (&rest[2], option(rest, "COUNT").unwrap_or(usize::MAX));
        let Some(mut group) = stream.groups.remove(&rest[1]) else { return Ok(NO_GROUP) };
        let mut replies = Vec::new();
        let is_new = rest[rest.len() - 1] == b">";
        if is_new {
            for (id, words) in stream.after(group.last, count) {
                replies.push(entry((id, words)));
                group.last = *id;
                if !rest.iter().any(|word| word == b"NOACK") {
                    group.pending.insert(*id, Pending { consumer: consumer.clone(), deliveries: 1 });
                }
            }
        } else {
            let own = group.pending.iter_mut().filter(|(_, pending)| pending.consumer == *consumer);
            for (id, pending) in own.take(count) {
                let words = stream.entries.get(id);
                pending.deliveries += i64::from(words.is_some());
                replies.push(match words {
                    Some(words) => entry((id, words)),
                    None => Reply::Array(vec![bulk_id(*id), Reply::Null]),
                });
            }
        }
        stream.groups.insert(rest[1].clone(), group);
        self.set_groups(key, stream);
        if is_new {
            return Ok(read(key, replies));
        }
        Ok(of_stream(key, replies))
    }

    fn xclaim(&mut self, key: &[u8], rest: &[Bytes]) -> Result<Expected, WrongType> {
        let mut stream = self.stream_at(key)?.as_ref().clone();
        let Some(mut group) = stream.groups.remove(&rest[1]) else { return Ok(NO_GROUP) };
        let just_id = rest.iter().any(|word| word == b"JUSTID");
        let ids = rest[4..].iter().filter(|word| *word != b"JUSTID").map(|text| id(text));
        let claimed = ids.filter_map(|id| group.claim(&stream, id, &rest[2], just_id).ok().flatten());
        let claimed = Reply::Array(claimed.collect()).into();
        stream.groups.insert(rest[1].clone(), group);
        self.set_groups(key, stream);
        Ok(claimed)
    }

    /// With COUNT 2 always.
    fn xautoclaim(&mut self, key: &[u8], rest: &[Bytes]) -> Result<Expected, WrongType> {
        let mut stream = self.stream_at(key)?.as_ref().clone();
        let Some(mut group) = stream.groups.remove(&rest[1]) else { return Ok(NO_GROUP) };
        let ids: Vec<Id> = group.pending.keys().take(3).copied().collect();
        let (mut claimed, mut gone) = (Vec::new(), Vec::new());
        for id in ids.iter().take(2) {
            match group.claim(&stream, *id, &rest[2], false) {
                Ok(reply) => claimed.extend(reply),
                Err(Gone) => gone.push(bulk_id(*id)),
            }
        }
        let next = bulk_id(ids.get(2).copied().unwrap_or_default());
        stream.groups.insert(rest[1].clone(), group);
        self.set_groups(key, stream);
        Ok(Reply::Array(vec![next, Reply::Array(claimed), Reply::Array(gone)]).into())
    }
}

/// The stream no longer has the entry.
struct Gone;

impl Group {
    /// Gives a pending entry to a consumer; nothing if it is not pending.
    fn claim(
        &mut self,
        stream: &Stream,
        id: Id,
        consumer: &Bytes,
        just_id: bool,
    ) -> Result<Option<Reply>, Gone> {
        let Some(words) = stream.entries.get(&id) else {
            return if self.pending.remove(&id).is_some() { Err(Gone) } else { Ok(None) };
        };
        let Some(pending) = self.pending.get_mut(&id) else { return Ok(None) };
        pending.consumer = consumer.clone();
        pending.deliveries += i64::from(!just_id);
        Ok(Some(if just_id { bulk_id(id) } else { entry((&id, words)) }))
    }

    fn summary(&self) -> Expected {
        let (Some(first), Some(last)) = (self.pending.keys().next(), self.pending.keys().next_back()) else {
            return Reply::Array(vec![Reply::Int(0), Reply::Null, Reply::Null, Reply::Null]).into();
        };
        let mut counts: BTreeMap<&Bytes, usize> = BTreeMap::new();
        self.pending.values().for_each(|pending| *counts.entry(&pending.consumer).or_default() += 1);
        let counts = counts.into_iter().map(|(consumer, count)| {
            Reply::Array(vec![Reply::Bulk(consumer.clone()), Reply::Bulk(count.to_string().into_bytes())])
        });
        let total = Reply::Int(self.pending.len() as i64);
        Reply::Array(vec![total, bulk_id(*first), bulk_id(*last), Reply::Array(counts.collect())]).into()
    }

    fn list(&self, count: usize) -> Expected {
        let shown = self.pending.iter().take(count).map(|(id, pending)| {
            Expected::Array(vec![
                bulk_id(*id).into(),
                Reply::Bulk(pending.consumer.clone()).into(),
                Expected::Int(0, i64::MAX),
                pending.deliveries.into(),
            ])
        });
        Expected::Array(shown.collect())
    }
}

impl Stream {
    fn after(&self, last: Id, count: usize) -> impl DoubleEndedIterator<Item = (&Id, &Vec<Bytes>)> {
        // Nothing has the id 0-0.
        let from = self.entries.range((last.0, last.1 + 1)..);
        from.take(count).collect::<Vec<_>>().into_iter()
    }

    /// MAXLEN or MINID and its number; returns how many entries go.
    fn trim(&mut self, words: &[Bytes]) -> usize {
        let before = self.entries.len();
        if words[0] == b"MINID" {
            self.entries = self.entries.split_off(&id(&words[1]));
        } else {
            while self.entries.len() > argument(&words[1]) as usize {
                self.entries.pop_first();
            }
        }
        before - self.entries.len()
    }
}

/// The key that a command of streams names.
pub(super) fn key<'a>(name: &str, rest: &'a [Bytes]) -> &'a [u8] {
    match name {
        "XREAD" | "XREADGROUP" => &rest[rest.len() - 2],
        "XGROUP" => &rest[1],
        _ => rest.first().map(Vec::as_slice).unwrap_or_default(),
    }
}

/// The number after a word.
pub(super) fn option(rest: &[Bytes], name: &str) -> Option<usize> {
    let at = rest.iter().position(|word| word == name.as_bytes())?;
    Some(argument(&rest[at + 1]) as usize)
}

fn id(text: &[u8]) -> Id {
    let text = String::from_utf8_lossy(text);
    let (ms, seq) = text.split_once('-').unwrap_or((&text, "0"));
    let number = |text: &str| text.parse().expect("workloads write valid ids");
    (number(ms), number(seq))
}

fn bulk_id(id: Id) -> Reply {
    Reply::Bulk(format!("{}-{}", id.0, id.1).into_bytes())
}

fn entry((id, words): (&Id, &Vec<Bytes>)) -> Reply {
    let words = words.iter().map(|word| Reply::Bulk(word.clone()));
    Reply::Array(vec![bulk_id(*id), Reply::Array(words.collect())])
}

/// What was read of one stream, or nothing.
fn read(key: &[u8], entries: Vec<Reply>) -> Expected {
    if entries.is_empty() { Reply::Null.into() } else { of_stream(key, entries) }
}

/// In RESP2 an array of pairs, in RESP3 a map.
fn of_stream(key: &[u8], entries: Vec<Reply>) -> Expected {
    let pair = vec![Reply::Bulk(key.to_vec()), Reply::Array(entries)];
    Expected::OneOf(vec![Reply::Array(vec![Reply::Array(pair.clone())]), Reply::Array(pair)])
}
