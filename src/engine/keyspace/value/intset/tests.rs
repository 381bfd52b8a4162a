//! Runs against an ordered set.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn value() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => -20..20i64,
        1 => (i16::MIN as i64 - 2)..(i16::MIN as i64 + 2),
        1 => (i32::MAX as i64 - 2)..(i32::MAX as i64 + 2),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)],
    ]
}

proptest! {
    /// A run agrees with an ordered set, and its width never falls, as in Redis.
    #[test]
    fn agrees_with_an_ordered_set(steps in prop::collection::vec((any::<bool>(), value()), 0..120)) {
        let (mut run, mut model) = (Vec::new(), BTreeSet::new());
        let mut widest = 2;
        for (add, value) in steps {
            let set = IntSet::new(&run, model.len());
            prop_assert_eq!(set.find(value).is_ok(), model.contains(&value));
            if add {
                let splice = set.insert(value);
                prop_assert_eq!(splice.is_some(), model.insert(value));
                widest = widest.max(width_of(value));
                splice.into_iter().for_each(|splice| drop(run.splice(splice.part, splice.with)));
            } else if let Ok(index) = set.find(value) {
                let span = set.span(index);
                run.drain(span);
                model.remove(&value);
            }
            if model.is_empty() {
                widest = 2;
            } else {
                prop_assert_eq!(run.len(), model.len() * widest);
                prop_assert!(is_valid(&run, model.len()));
            }
            let set = IntSet::new(&run, model.len());
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(set.len(), model.len());
        }
        let sorted: Vec<i64> = model.into_iter().collect();
        prop_assert!(IntSet::new(&run_of(&sorted), sorted.len()).iter().eq(sorted.iter().copied()));
    }
}

#[test]
fn runs_look_as_in_redis() {
    // Read off DUMPs of a Redis 8 server.
    assert_eq!(run_of(&[-1, 1, 2]), b"\xff\xff\x01\x00\x02\x00");
    assert_eq!(run_of(&[1, 70_000]), b"\x01\x00\x00\x00\x70\x11\x01\x00");
    assert_eq!(run_of(&[1, 1 << 40]), b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0");
}

#[test]
fn broken_runs_are_refused() {
    assert!(is_valid(b"\x01\x00\x02\x00", 2));
    for (broken, count) in [
        (&b"\x02\x00\x01\x00"[..], 2),
        (b"\x01\x00\x01\x00", 2),
        (b"\x01\x00\x02", 1),
        (b"\x01\x00\x02\x00\x03\x00", 2),
        (b"", 0),
        (b"\x01\x00", usize::MAX),
    ] {
        assert!(!is_valid(broken, count), "{broken:?} {count}");
    }
}
