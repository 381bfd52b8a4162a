//! The stream against a naive model: entries in a map, groups as maps.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Fields = Vec<Vec<u8>>;

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<StreamId, Fields>,
    last_id: StreamId,
    groups: BTreeMap<u8, ModelGroup>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ModelGroup {
    last_id: StreamId,
    /// Consumer (`None`: released), time and deliveries.
    pending: BTreeMap<StreamId, (Option<u8>, i64, i64)>,
}

#[derive(Clone, Debug)]
enum Change {
    Add { gap: u64, fields: Vec<String> },
    Delete(prop::sample::Index),
    Trim { keep: Keep, approximate: bool, limit: u64, references: References },
    CreateGroup { group: u8, from: Option<prop::sample::Index> },
    RemoveGroup(u8),
    Deliver { group: u8, consumer: u8, count: usize, time: i64 },
    Acknowledge { group: u8, id: prop::sample::Index },
    Release { group: u8, id: prop::sample::Index },
    RemoveConsumer { group: u8, consumer: u8 },
    DropReferences(prop::sample::Index),
    Clone,
}

#[derive(Clone, Debug)]
enum Keep {
    Length(u64),
    From(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    let keep = prop_oneof![(0u64..40).prop_map(Keep::Length), index().prop_map(Keep::From)];
    let references = prop_oneof![Just(References::Keep), Just(References::Drop), Just(References::Spare)];
    let trim =
        (keep, any::<bool>(), 0u64..20, references).prop_map(|(keep, approximate, limit, references)| {
            Change::Trim { keep, approximate, limit, references }
        });
    let (group, consumer) = (0u8..3, 0u8..3);
    prop_oneof![
        20 => (prop_oneof![Just(1u64), 1u64..300, Just(u64::MAX)], prop::collection::vec("[ab1-3]{0,2}", 1..4))
            .prop_map(|(gap, fields)| Change::Add { gap, fields }),
        5 => index().prop_map(Change::Delete),
        2 => trim,
        1 => (group.clone(), prop::option::of(index())).prop_map(|(group, from)| Change::CreateGroup { group, from }),
        1 => group.clone().prop_map(Change::RemoveGroup),
        6 => (group.clone(), consumer.clone(), 0usize..10, 0i64..50)
            .prop_map(|(group, consumer, count, time)| Change::Deliver { group, consumer, count, time }),
        4 => (group.clone(), index()).prop_map(|(group, id)| Change::Acknowledge { group, id }),
        2 => (group.clone(), index()).prop_map(|(group, id)| Change::Release { group, id }),
        1 => (group, consumer).prop_map(|(group, consumer)| Change::RemoveConsumer { group, consumer }),
        1 => index().prop_map(Change::DropReferences),
        1 => Just(Change::Clone),
    ]
}

impl Model {
    /// Some id: of an entry, of one that was, or of none.
    fn id(&self, index: prop::sample::Index) -> StreamId {
        let mut ids: Vec<StreamId> = self.entries.keys().copied().collect();
        ids.extend(self.groups.values().flat_map(|group| group.pending.keys().copied()));
        ids.extend([StreamId::MIN, self.last_id, StreamId::MAX]);
        *index.get(&ids)
    }

    fn is_done_with(&self, id: StreamId) -> bool {
        self.groups.values().all(|group| id <= group.last_id && !group.pending.contains_key(&id))
    }

    fn drop_references(&mut self, id: StreamId) {
        for group in self.groups.values_mut() {
            group.pending.remove(&id);
        }
    }
}

const LIMITS: Limits = Limits { bytes: 120, entries: 5 };

fn add(stream: &mut Stream, model: &mut Model, gap: u64, fields: &[String]) {
    let last = model.last_id;
    let next = match gap {
        u64::MAX => last.ms.checked_add(3).map(|ms| StreamId::new(ms, 7)),
        gap => last.seq.checked_add(gap).map(|seq| StreamId::new(last.ms, seq)),
    };
    let Some(id) = next.or(last.next()) else { return };
    let pairs: Vec<&[u8]> = fields.iter().flat_map(|field| [field.as_bytes(), b"12"]).collect();
    stream.append(id, &pairs, LIMITS);
    model.entries.insert(id, pairs.iter().map(|part| part.to_vec()).collect());
    model.last_id = id;
}

fn trim(stream: &mut Stream, model: &mut Model, trim: Trim, references: References) {
    let removed = stream.trim(trim, references);
    let left: Vec<StreamId> = stream.entries(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect();
    let gone: Vec<StreamId> = model.entries.keys().copied().filter(|id| !left.contains(id)).collect();
    assert_eq!(gone.len() as u64, removed.count);
    let wanted = match trim.keep {
        Retention::Length(length) => model.entries.len() - model.entries.len().min(length as usize),
        Retention::From(id) => model.entries.range(..id).count(),
    };
    let oldest: Vec<StreamId> = model.entries.keys().copied().collect();
    match (references, trim.approximate) {
        (References::Spare, false) => {
            let mut done: Vec<StreamId> = oldest.into_iter().filter(|id| model.is_done_with(*id)).collect();
            match trim.keep {
                Retention::Length(_) => done.truncate(wanted),
                Retention::From(from) => done.retain(|id| *id < from),
            }
            assert_eq!(gone, done);
        }
        (_, false) => assert_eq!(gone, oldest[..wanted]),
        (references, true) => {
            // Entries that others still need are passed over.
            assert!(references == References::Spare || gone == oldest[..gone.len()]);
            assert!(gone.len() <= wanted && (trim.limit == 0 || gone.len() as u64 <= trim.limit));
            assert!(references != References::Spare || gone.iter().all(|id| model.is_done_with(*id)));
            // What it leaves of that is in the first node, or beyond the limit.
            let enough = wanted - gone.len() < LIMITS.entries as usize;
            let limited = trim.limit > 0 && gone.len() as u64 + LIMITS.entries > trim.limit;
            assert!(enough || limited || references == References::Spare);
        }
    }
    for id in gone {
        model.entries.remove(&id);
        if references == References::Drop {
            model.drop_references(id);
        }
    }
}

fn deliver(stream: &mut Stream, model: &mut Model, (group, consumer): (u8, u8), count: usize, time: i64) {
    let (Some(mut taken), Some(own)) = (stream.take_group(&[group]), model.groups.get_mut(&group)) else {
        assert!(stream.group(&[group]).is_none());
        return;
    };
    let owner = taken.owner(&[consumer]).unwrap_or_else(|| taken.add_consumer(&[consumer], time));
    let start = taken.last_id.next().unwrap_or(StreamId::MAX);
    let ids: Vec<StreamId> = stream.entries(start, StreamId::MAX).take(count).map(|entry| entry.id).collect();
    for id in ids {
        stream.advance(&mut taken, id);
        taken.assign(id, owner, time, 1);
        own.last_id = id;
        own.pending.insert(id, (Some(consumer), time, 1));
    }
    stream.add_group(&[group], taken);
}

fn apply(stream: &mut Stream, model: &mut Model, change: Change) {
    match change {
        Change::Add { gap, fields } => add(stream, model, gap, &fields),
        Change::Delete(index) => {
            let id = model.id(index);
            assert_eq!(stream.delete(id), model.entries.remove(&id).is_some());
        }
        Change::Trim { keep, approximate, limit, references } => {
            let keep = match keep {
                Keep::Length(length) => Retention::Length(length),
                Keep::From(index) => Retention::From(model.id(index)),
            };
            trim(stream, model, Trim { keep, approximate, limit }, references);
        }
        Change::CreateGroup { group, from } => {
            let last_id = from.map_or(model.last_id, |index| model.id(index));
            stream.add_group(&[group], Group::new(last_id, None));
            model.groups.insert(group, ModelGroup { last_id, ..ModelGroup::default() });
        }
        Change::RemoveGroup(group) => {
            assert_eq!(stream.remove_group(&[group]).is_some(), model.groups.remove(&group).is_some());
        }
        Change::Deliver { group, consumer, count, time } => {
            deliver(stream, model, (group, consumer), count, time);
        }
        Change::Acknowledge { group, id } => {
            let id = model.id(id);
            let was = model.groups.get_mut(&group).map(|group| group.pending.remove(&id).is_some());
            assert_eq!(stream.edit_group(&[group], |group| group.acknowledge(id)), was);
        }
        Change::Release { group, id } => {
            let id = model.id(id);
            stream.edit_group(&[group], |group| group.release(id, 3));
            model.groups.get_mut(&group).map(|group| group.pending.insert(id, (None, 0, 3)));
        }
        Change::RemoveConsumer { group, consumer } => {
            stream.edit_group(&[group], |group| group.remove_consumer(&[consumer]));
            let keep = |_: &StreamId, pending: &mut (Option<u8>, i64, i64)| pending.0 != Some(consumer);
            model.groups.entry(group).and_modify(|group| group.pending.retain(keep));
        }
        Change::DropReferences(index) => {
            let id = model.id(index);
            stream.drop_references(id);
            model.drop_references(id);
        }
        Change::Clone => {}
    }
}

fn fields(entry: Entry) -> Fields {
    let mut digits = crate::engine::keyspace::value::IntBuf::new();
    let parts = entry.pairs().flat_map(|(field, value)| [field, value]);
    parts.map(|part| part.bytes(&mut digits).to_vec()).collect()
}

fn compare(stream: &Stream, model: &Model) {
    stream.check();
    let expected: Vec<(StreamId, Fields)> = model.entries.clone().into_iter().collect();
    let all = |entry: Entry| (entry.id, fields(entry));
    assert_eq!(stream.entries(StreamId::MIN, StreamId::MAX).map(all).collect::<Vec<_>>(), expected);
    assert!(stream.entries_back(StreamId::MIN, StreamId::MAX).map(all).eq(expected.into_iter().rev()));
    assert_eq!(stream.len(), model.entries.len() as u64);
    assert_eq!(stream.first_id(), model.entries.keys().next().copied().unwrap_or_default());
    assert_eq!(stream.last_entry_id(), model.entries.keys().next_back().copied().unwrap_or_default());
    assert_eq!(stream.last_id, model.last_id);
    if let (Some(first), Some(last)) = (model.entries.keys().next(), model.entries.keys().next_back()) {
        let (from, to) = (first.next().unwrap_or(*first), last.previous().unwrap_or(*last));
        let inside = |ids: Vec<StreamId>| {
            assert!(from > to || ids.iter().eq(model.entries.range(from..=to).map(|(id, _)| id)))
        };
        inside(stream.entries(from, to).map(|entry| entry.id).collect());
        let mut back: Vec<StreamId> = stream.entries_back(from, to).map(|entry| entry.id).collect();
        back.reverse();
        inside(back);
        assert!(stream.get(*first).is_some() && stream.get(StreamId::MAX).is_none());
    }
    assert_eq!(stream.groups_len(), model.groups.len());
    for (name, group) in &model.groups {
        let own = stream.group(&[*name]).expect("the model has it");
        assert_eq!(own.last_id, group.last_id);
        let seen = own.pending_from(StreamId::MIN).map(|(id, pending)| {
            let consumer =
                pending.owner.and_then(|owner| own.consumer(owner)).map(|consumer| consumer.name[0]);
            (id, (consumer, pending.time(), pending.deliveries))
        });
        assert_eq!(seen.collect::<BTreeMap<_, _>>(), group.pending);
        let times: Vec<i64> = own.pending_by_time().map(|(_, pending)| pending.time()).collect();
        assert!(
            times.is_sorted() && own.released() == group.pending.values().filter(|p| p.0.is_none()).count()
        );
        assert!(model.entries.keys().all(|id| {
            own.is_done_with(*id) == (*id <= group.last_id && !group.pending.contains_key(id))
        }));
    }
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(changes in prop::collection::vec(change(), 0..150)) {
        let (mut stream, mut model) = (Stream::new(), Model::default());
        let mut clones: Vec<(Stream, Model)> = Vec::new();
        for change in changes {
            if matches!(change, Change::Clone) {
                clones.push((stream.clone(), model.clone()));
            }
            apply(&mut stream, &mut model, change);
        }
        // What happened to the stream afterwards happened to none of its clones.
        clones.push((stream, model));
        for (stream, model) in clones {
            compare(&stream, &model);
        }
    }

    #[test]
    fn counts_of_what_was_read_are_right_or_unknown(
        reads in prop::collection::vec((1usize..5, any::<bool>(), any::<prop::sample::Index>()), 1..20),
    ) {
        let mut stream = Stream::new();
        stream.add_group(b"g", Group::new(StreamId::MIN, None));
        let mut ids: Vec<StreamId> = Vec::new();
        for (count, delete, index) in reads {
            for _ in 0..count {
                let id = StreamId::new(1, ids.len() as u64);
                stream.append(id, &[b"f", b"v"], LIMITS);
                ids.push(id);
            }
            if delete {
                stream.delete(*index.get(&ids));
            }
            let mut group = stream.take_group(b"g").expect("it is there");
            let start = group.last_id.next().expect("far from the end");
            let next = stream.entries(start, StreamId::MAX).next().map(|entry| entry.id);
            if let Some(id) = next {
                stream.advance(&mut group, id);
            }
            let known = group.entries_read;
            let read = ids.iter().filter(|id| **id <= group.last_id).count() as i64;
            stream.add_group(b"g", group);
            prop_assert!(delete || known.is_none_or(|known| known <= ids.len() as i64));
            prop_assert!(stream.max_deleted_id != StreamId::MIN || known.is_none_or(|known| known == read));
        }
    }
}

#[test]
fn big_streams_are_freed_in_slices() {
    let mut stream = Stream::new();
    for ms in 1..2000 {
        stream.append(StreamId::new(ms, 0), &[b"f", b"v"], LIMITS);
    }
    stream.add_group(b"g", Group::new(StreamId::MIN, None));
    stream.edit_group(b"g", |group| {
        let owner = group.add_consumer(b"c", 0);
        (1..2000).for_each(|ms| group.assign(StreamId::new(ms, 0), owner, 0, 1));
    });
    assert!(stream.free_effort() > 1000);
    let slices = (1..).find(|_| stream.free_some(50)).expect("it ends");
    assert!((10..200).contains(&slices), "{slices}");
}

#[test]
fn messages_are_remembered_for_a_while() {
    let mut known = Idempotency::new(10, 2);
    let id = |seq| StreamId::new(1, seq);
    known.note(b"p", b"1", id(1), 0);
    known.note(b"p", b"2", id(2), 4_000);
    known.note(b"q", b"1", id(3), 5_000);
    assert_eq!(known.find(b"p", b"1", 9_999), Some(id(1)));
    assert_eq!(known.find(b"p", b"1", 10_000), None);
    known.note(b"p", b"3", id(4), 6_000);
    assert_eq!((known.find(b"p", b"1", 6_000), known.find(b"q", b"1", 6_000)), (None, Some(id(3))));
    assert_eq!((known.producers(), known.tracked()), (2, 3));
    known.note(b"r", b"1", id(5), 20_000);
    assert_eq!((known.producers(), known.tracked(), known.added), (1, 1, 5));
    known.configure(10, 3);
    assert_eq!((known.producers(), known.tracked(), known.added), (0, 0, 5));
}

#[test]
fn an_entry_after_a_huge_one_takes_no_more_than_any_other() {
    let limits = Limits { bytes: 4096, entries: 100 };
    let mut stream = Stream::new();
    stream.append(StreamId::new(1, 0), &[b"f", &vec![b'v'; 1 << 20]], limits);
    let before = stream.memory_usage();
    stream.append(StreamId::new(1, 1), &[b"f", b"v"], limits);
    assert!(stream.memory_usage() - before < 2 * ROOM_MAX);
}
