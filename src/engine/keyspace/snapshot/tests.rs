//! Snapshots of databases that change at random against maps, in both layouts.

use super::*;
use crate::engine::keyspace::entry::tests::LIVE_BYTES;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::{Expiry, Layout, NewValue};
use crate::engine::text::crc16::key_slot;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn key(n: u32) -> Vec<u8> {
    format!("{{{}}}:{n}", n % 7).into_bytes()
}

fn model(entries: impl IntoIterator<Item = impl std::borrow::Borrow<Entry>>) -> Model {
    let mut model = Model::new();
    for entry in entries {
        let entry = entry.borrow();
        let value = entry.string(&mut IntBuf::new()).expect("a string").to_vec();
        let old = model.insert(entry.key().to_vec(), (value, entry.expires_at()));
        assert!(old.is_none(), "{entry:?} is there twice");
    }
    model
}

/// What happens to a database.
#[derive(Clone, Debug)]
enum Step {
    Set(u32, u32, Option<i64>),
    SetAll(u32, u32),
    Append(u32),
    Expiry(u32, Option<i64>),
    Put(u32),
    Rename(u32, u32),
    Remove(u32),
    RemoveAll(u32, u32),
    Expire(i64),
    Flush,
    FlushSlot(u32),
    Begin,
    Walk(usize),
    Abort,
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..4000u32;
    prop_oneof![
        3 => (n.clone(), 0..1500u32, prop::option::of(0..50i64)).prop_map(|(n, len, at)| Step::Set(n, len, at)),
        4 => (n.clone(), 0..1500u32).prop_map(|(n, more)| Step::SetAll(n, n + more)),
        2 => n.clone().prop_map(Step::Append),
        2 => (n.clone(), prop::option::of(0..50i64)).prop_map(|(n, at)| Step::Expiry(n, at)),
        2 => n.clone().prop_map(Step::Put),
        2 => (n.clone(), n.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => n.clone().prop_map(Step::Remove),
        4 => (n.clone(), 0..2500u32).prop_map(|(n, more)| Step::RemoveAll(n, n + more)),
        2 => (0..50i64).prop_map(Step::Expire),
        1 => Just(Step::Flush),
        1 => n.prop_map(Step::FlushSlot),
        4 => Just(Step::Begin),
        9 => (1..600usize).prop_map(Step::Walk),
        1 => Just(Step::Abort),
    ]
}

/// A database, what it held when its snapshot began, and what that has come to.
struct World {
    db: Database,
    expected: Option<Model>,
    captured: Vec<Entry>,
    garbage: Garbage,
    snapshots: usize,
}

impl World {
    fn change(&mut self, step: &Step) {
        let World { db, garbage, .. } = self;
        let set = |db: &mut Database, n, len: u32, expiry| {
            db.set(&key(n), NewValue::from_bytes(&b"1".repeat(len as usize)), expiry, 0);
        };
        match *step {
            Step::Set(n, len, at) => set(db, n, len, at.map_or(Expiry::Keep, Expiry::At)),
            Step::SetAll(from, to) => (from..to).for_each(|n| set(db, n, n % 40, Expiry::Never)),
            Step::Append(n) => _ = db.lookup_or_create(&key(n), NewValue::Int(5), 0).append(b"tail"),
            Step::Expiry(n, at) => db.lookup_mut(&key(n)).into_iter().for_each(|mut e| e.set_expiry(at)),
            Step::Put(n) => drop(db.put(Entry::new(&key(n), NewValue::Str(b"put"), None, 0))),
            Step::Rename(from, to) => drop(db.rename(&key(from), &key(to))),
            Step::Remove(n) => drop(db.lookup_mut(&key(n)).map(|entry| entry.remove())),
            Step::RemoveAll(from, to) => (from..to).for_each(|n| drop(db.remove(&key(n)))),
            Step::Expire(now) => while !db.expire_step(now, 100, &mut |_| {}).complete {},
            Step::Flush => garbage.absorb(db.flush()),
            Step::FlushSlot(n) => garbage.absorb(db.flush_slot(key_slot(&key(n)))),
            Step::Begin | Step::Walk(_) | Step::Abort => unreachable!("no change"),
        }
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Begin => {
                if self.db.snapshot_number().is_none() {
                    assert!(self.expected.is_none());
                    self.expected = Some(model(self.db.iter()));
                    assert!(self.db.begin_snapshot(7));
                    self.finish();
                } else {
                    assert!(!self.db.begin_snapshot(8));
                }
            }
            Step::Walk(budget) => {
                self.db.snapshot_step(*budget, &mut self.garbage);
                assert!(self.db.snapshot_number().is_none_or(|number| number == 7));
                self.captured.extend(self.db.take_captured());
                self.finish();
            }
            Step::Abort => {
                self.garbage.absorb(self.db.abort_snapshot());
                (self.expected, self.captured) = (None, Vec::new());
            }
            change => self.change(change),
        }
    }

    /// If the snapshot is complete, compares it with what the database held when it began.
    fn finish(&mut self) {
        if self.db.snapshot_number().is_none()
            && let Some(expected) = self.expected.take()
        {
            assert!(model(std::mem::take(&mut self.captured)) == expected, "a snapshot is what was there");
            self.snapshots += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_snapshot_is_what_was_there(seed in any::<u64>(), steps in prop::collection::vec(step(), 0..120)) {
        for layout in [Layout::Single, Layout::BySlot] {
            let before = LIVE_BYTES.get();
            let db = Database::new(seed, layout);
            let mut world =
                World { db, expected: None, captured: Vec::new(), garbage: Garbage::new(), snapshots: 0 };
            for step in &steps {
                world.perform(step);
            }
            world.db.check();
            for step in [Step::Walk(usize::MAX), Step::Begin, Step::SetAll(5, 50), Step::Walk(usize::MAX)] {
                world.perform(&step);
            }
            prop_assert!(world.snapshots > 0 && world.db.captured() == (0, 0));
            world.db.check();
            drop(world);
            prop_assert_eq!(LIVE_BYTES.get(), before);
        }
    }
}

fn filled(keys: u32, value: &[u8]) -> Database {
    let mut db = Database::new(3, Layout::Single);
    (0..keys).for_each(|n| drop(db.set(&key(n), NewValue::Str(value), Expiry::Never, 0)));
    db
}

#[test]
fn steps_are_short_however_much_is_to_be_copied() {
    for (value, most) in [(vec![b'v'; 8], 2000), (vec![b'v'; 1000], 600), (vec![b'v'; 15 << 10], 20)] {
        let mut db = filled(5000, &value);
        db.begin_snapshot(0);
        let mut captured = 0;
        while !db.snapshot_step(512, &mut Garbage::new()) {
            let entries = db.take_captured();
            assert!((1..=most).contains(&entries.len()), "{} of {} bytes", entries.len(), value.len());
            captured += entries.len();
        }
        assert_eq!(captured + db.take_captured().len(), 5000);
    }
}

#[test]
fn what_is_only_read_is_not_captured_and_what_changes_is_once() {
    let mut db = filled(1000, b"value");
    db.begin_snapshot(0);
    for n in 0..100 {
        let entry = db.lookup_mut(&key(n)).expect("there");
        entry.set_clock(77);
        assert_eq!(entry.string_len(), Some(5));
    }
    assert_eq!(db.captured(), (0, 0));
    for n in (0..100).chain(0..100) {
        db.lookup_mut(&key(n)).expect("there").append(b"s");
    }
    let (count, bytes) = db.captured();
    let taken = db.take_captured();
    assert_eq!((count, bytes), (100, taken.iter().map(Entry::memory_usage).sum()));
    assert!(taken.iter().all(|entry| entry.string_len() == Some(5)));
    assert_eq!(db.captured(), (0, 0));
}

#[test]
fn a_flushed_database_is_freed_by_its_snapshot() {
    let before = LIVE_BYTES.get();
    let mut db = filled(3000, b"value");
    db.begin_snapshot(0);
    assert!(db.flush().is_empty(), "the snapshot has it");
    assert!(db.set(b"k", NewValue::Int(1), Expiry::Never, 0).displaced.is_none());
    assert!(!db.flush().free_some(0) || db.is_empty());
    let mut entries = Vec::new();
    while !db.snapshot_step(100, &mut Garbage::new()) {
        entries.extend(db.take_captured());
    }
    entries.extend(db.take_captured());
    assert_eq!(model(entries).len(), 3000);
    assert_eq!(LIVE_BYTES.get(), before);
}
