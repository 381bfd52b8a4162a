//! Databases in both layouts against a map.

use super::*;
use crate::engine::keyspace::entry::tests::LIVE_BYTES;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::text::crc16::key_slot;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LAYOUTS: [Layout; 2] = [Layout::Single, Layout::BySlot];

fn key(n: u32) -> Vec<u8> {
    format!("{{{}}}:{n}", n % 5).into_bytes()
}

fn text(entry: &Entry) -> Vec<u8> {
    entry.string(&mut IntBuf::new()).expect("a string").to_vec()
}

#[test]
fn set_keeps_or_drops_the_expiry() {
    for layout in LAYOUTS {
        let mut db = Database::new(1, layout);
        assert!(!db.set(b"k", NewValue::Str(b"a"), Expiry::At(100), 0).existed);
        assert!(db.set(b"k", NewValue::Str(b"b"), Expiry::Keep, 0).existed);
        assert_eq!(db.lookup(b"k").and_then(Entry::expires_at), Some(100));
        assert_eq!((db.expires(), db.avg_ttl(40)), (1, 60));
        db.set(b"k", NewValue::Str(b"c"), Expiry::Never, 0);
        assert_eq!((db.expires(), db.avg_ttl(40)), (0, 0));
        let mut entry = db.lookup_mut(b"k").expect("there");
        entry.set_expiry(Some(9));
        entry.append(b"def");
        assert_eq!(text(&entry), b"cdef");
        assert_eq!(entry.remove().expires_at(), Some(9));
        assert!(db.is_empty() && db.expires() == 0);
        let displaced = {
            db.set(b"k", NewValue::Str(&[7; 5000]), Expiry::Never, 0);
            db.set(b"k", NewValue::Int(1), Expiry::Never, 0).displaced
        };
        assert!(matches!(displaced.as_deref(), Some(Object::LargeString(s)) if s.as_bytes().len() == 5000));
        db.check();
    }
}

#[test]
fn rename_takes_value_and_expiry_along() {
    for layout in LAYOUTS {
        let mut db = Database::new(1, layout);
        db.set(b"a", NewValue::Str(b"1st"), Expiry::At(5), 0);
        db.set(b"b", NewValue::Str(b"2nd"), Expiry::Never, 0);
        let displaced = db.rename(b"a", b"b").expect("a exists").expect("b existed");
        assert_eq!((displaced.key(), text(&displaced)), (&b"b"[..], b"2nd".to_vec()));
        let entry = db.lookup(b"b").expect("there");
        assert_eq!((text(entry), entry.expires_at()), (b"1st".to_vec(), Some(5)));
        assert!(db.rename(b"a", b"c").is_none());
        assert!(db.rename(b"b", b"b").expect("b exists").is_none());
        assert_eq!(db.len(), 1);
        db.check();
    }
}

#[test]
fn slots_are_counted_listed_and_flushed() {
    let mut db = Database::new(1, Layout::BySlot);
    for n in 0..1000 {
        db.set(&key(n), NewValue::Int(n.into()), if n % 2 == 0 { Expiry::At(9) } else { Expiry::Never }, 0);
    }
    let slot = key_slot(b"{3}");
    assert_eq!(db.slot_len(slot), 200);
    assert!(db.slot_entries(slot).all(|entry| entry.key().starts_with(b"{3}:")));
    let mut garbage = db.flush_slot(slot);
    while !garbage.free_some(10) {}
    assert_eq!((db.slot_len(slot), db.len(), db.expires()), (0, 800, 400));
    db.check();
    let mut gone = 0;
    while !db.expire_step(10, 50, &mut |_| gone += 1).complete {}
    assert_eq!((gone, db.len()), (400, 400));
    db.check();
}

#[test]
fn databases_can_be_swapped_and_flushed() {
    for layout in LAYOUTS {
        let before = LIVE_BYTES.get();
        let mut a = Database::new(1, layout);
        let mut b = Database::new(1, layout);
        (0..1000).for_each(|n| drop(a.set(&key(n), NewValue::Int(1), Expiry::Never, 0)));
        std::mem::swap(&mut a, &mut b);
        assert_eq!((a.len(), b.len()), (0, 1000));
        assert!(b.contains(&key(7)));
        let mut garbage = b.flush();
        assert!(b.is_empty() && !b.contains(&key(7)));
        while !garbage.free_some(64) {}
        assert_eq!(LIVE_BYTES.get(), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn layouts_agree_with_a_map(
        seed in any::<u64>(),
        steps in prop::collection::vec((0..6u8, 0..300u32, prop::option::of(0..50i64)), 0..400),
    ) {
        for layout in LAYOUTS {
            let mut db = Database::new(seed, layout);
            let mut model = BTreeMap::<Vec<u8>, (Vec<u8>, Option<i64>)>::new();
            for &(step, n, at) in &steps {
                let key = key(n);
                match step {
                    0 | 1 => {
                        let value = b"x".repeat(n as usize * 5);
                        let expiry = at.map_or(Expiry::Never, Expiry::At);
                        let outcome = db.set(&key, NewValue::from_bytes(&value), expiry, 0);
                        let old = model.insert(key, (value, at));
                        prop_assert_eq!(outcome.existed, old.is_some());
                    }
                    2 => prop_assert_eq!(db.remove(&key).is_some(), model.remove(&key).is_some()),
                    3 => if let Some(mut entry) = db.lookup_mut(&key) {
                        entry.set_expiry(at);
                        model.get_mut(&key).expect("the model has it").1 = at;
                    },
                    4 => {
                        db.lookup_or_create(&key, NewValue::Str(b""), 0).append(b"tail");
                        model.entry(key).or_default().0.extend(b"tail");
                    }
                    _ => {
                        let now = at.unwrap_or(0);
                        while !db.expire_step(now, 7, &mut |_| {}).complete {}
                        model.retain(|_, (_, at)| at.is_none_or(|at| at >= now));
                    }
                }
                prop_assert_eq!(db.len(), model.len());
                prop_assert_eq!(db.expires(), model.values().filter(|(_, at)| at.is_some()).count());
            }
            db.check();
            let all: BTreeMap<_, _> =
                db.iter().map(|entry| (entry.key().to_vec(), (text(entry), entry.expires_at()))).collect();
            prop_assert_eq!(&all, &model);
            let (mut cursor, mut seen) = (0, Vec::new());
            loop {
                cursor = db.scan(cursor, &mut |entry| seen.push(entry.key().to_vec()));
                prop_assert!(cursor < 1 << 53);
                if cursor == 0 { break; }
            }
            prop_assert_eq!(seen.len(), model.len());
            prop_assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), model.into_keys().collect());
        }
    }
}
