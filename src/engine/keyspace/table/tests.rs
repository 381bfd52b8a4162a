//! Tables against a map, SCAN against a table that changes, chance and time.

use super::*;
use crate::engine::keyspace::entry::tests::LIVE_BYTES;
use crate::engine::keyspace::value::ValueRef;
use crate::engine::rng::Rng;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn key(n: u32) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

fn expired(due: Due) -> Entry {
    match due {
        Due::Key(entry) => entry,
        Due::Fields(key) => panic!("{key:?} holds no hash"),
    }
}

/// No snapshot is being taken: those have tests of their own.
fn versions() -> Versions {
    Versions::default()
}

fn number(entry: &Entry) -> u32 {
    std::str::from_utf8(&entry.key()[4..]).expect("a number").parse().expect("a number")
}

fn insert(table: &mut Table, n: u32, value: i64, expires_at: Option<i64>) {
    let key = key(n);
    table.insert(table.hash(&key), Entry::new(&key, NewValue::Int(value), expires_at, 0), &mut versions());
}

fn remove(table: &mut Table, n: u32) -> Option<Entry> {
    let key = key(n);
    table.remove(table.hash(&key), &key, &mut versions())
}

fn filled(keys: u32) -> Table {
    let mut table = Table::new(42);
    (0..keys).for_each(|n| insert(&mut table, n, n.into(), None));
    table
}

fn scan_all(table: &Table) -> Vec<u32> {
    let (mut seen, mut cursor) = (Vec::new(), 0);
    loop {
        cursor = table.scan(cursor, &mut |entry| seen.push(number(entry)));
        if cursor == 0 {
            return seen;
        }
    }
}

#[test]
fn an_empty_table_allocates_nothing() {
    let table = Table::new(1);
    assert_eq!(table.memory_usage(), 0);
    assert_eq!(scan_all(&table), []);
    assert!(table.random(&mut Rng::new(1)).is_none());
    let mut small = filled(1);
    assert!(small.memory_usage() < 256, "{}", small.memory_usage());
    remove(&mut small, 0);
    assert_eq!(small.memory_usage(), 0);
}

#[test]
fn it_stays_full_while_it_grows_and_shrinks() {
    let mut table = Table::new(42);
    let (mut sum, mut worst) = (0.0, f64::MAX);
    for n in 0..100_000u32 {
        insert(&mut table, n, 0, None);
        let fill = f64::from(n + 1) * 64.0 / 7.0 / table.memory_usage() as f64;
        if n >= 50_000 {
            sum += fill;
            worst = worst.min(fill);
        }
    }
    table.check();
    assert!(sum / 50_000.0 > 0.78 && worst > 0.70, "mean {}, worst {worst}", sum / 50_000.0);
    for n in 0..99_000 {
        remove(&mut table, n);
    }
    table.check();
    assert!(table.memory_usage() < 1000 * 40, "{} bytes for 1000 keys", table.memory_usage());
    assert_eq!(scan_all(&table).into_iter().collect::<BTreeSet<_>>(), (99_000..100_000).collect());
}

#[test]
fn random_is_fair() {
    let mut table = filled(2000);
    (0..1000).for_each(|n| drop(remove(&mut table, n)));
    let mut rng = Rng::new(9);
    let mut drawn = BTreeMap::<u32, u32>::new();
    for _ in 0..100_000 {
        *drawn.entry(number(table.random(&mut rng).expect("some"))).or_default() += 1;
    }
    assert_eq!(drawn.len(), 1000);
    assert!(drawn.values().all(|n| (50..160).contains(n)), "{drawn:?}");
}

#[test]
fn samples_are_distinct_and_as_many_as_asked() {
    let mut table = filled(5000);
    for n in (0..5000).step_by(500) {
        insert(&mut table, n, 0, Some(1));
    }
    let mut rng = Rng::new(9);
    let mut ever = BTreeSet::new();
    for asked in 0..30usize {
        let mut some = Vec::new();
        table.sample(&mut rng, asked, &mut |entry| some.push(number(entry)));
        assert_eq!(some.iter().collect::<BTreeSet<_>>().len(), asked);
        let mut volatile = Vec::new();
        table.sample_volatile(&mut rng, asked, &mut |entry| volatile.push(number(entry)));
        assert!(volatile.iter().all(|n| n % 500 == 0));
        assert_eq!(volatile.iter().collect::<BTreeSet<_>>().len(), asked.min(10));
        ever.extend(volatile.into_iter().take(1));
    }
    assert!(ever.len() > 4, "they begin at different places: {ever:?}");
}

#[test]
fn expiry_takes_what_is_due_and_looks_no_further() {
    let mut table = filled(20_000);
    for n in 0..10_000 {
        insert(&mut table, n, 0, Some(i64::from(n)));
    }
    let mut gone = BTreeSet::new();
    let mut steps = 0;
    loop {
        let step = table.expire_step(5000, 100, &mut versions(), &mut |due| {
            gone.insert(number(&expired(due)));
        });
        table.check();
        assert!(step.effort < 100 + 1000, "at most a segment beyond the budget");
        steps += 1;
        if step.complete {
            break;
        }
    }
    assert_eq!(gone, (0..5000).collect());
    assert!(steps < 200, "{steps}");
    // Nothing is due now: one look at each segment.
    let step = table.expire_step(5000, usize::MAX, &mut versions(), &mut |_| panic!("nothing is due"));
    assert!(step.complete && step.effort <= table.segments.len(), "{step:?}");
    assert_eq!((table.len(), table.expires()), (15_000, 5000));
    assert_eq!(table.expiry_sum(), (5000..10_000).sum());
}

#[test]
fn garbage_is_freed_in_slices() {
    let before = LIVE_BYTES.get();
    let mut table = filled(10_000);
    let mut garbage = Garbage::new();
    garbage.push_table(table.take());
    assert_eq!((table.len(), scan_all(&table).len()), (0, 0));
    insert(&mut table, 1, 1, None);
    garbage.push(remove(&mut table, 1).expect("there"));
    let mut slices = 1;
    while !garbage.free_some(100) {
        slices += 1;
    }
    assert!((95..=110).contains(&slices), "{slices}");
    assert!(garbage.is_empty());
    assert_eq!(LIVE_BYTES.get(), before);
}

#[test]
fn any_cursor_is_answered() {
    let table = filled(5000);
    let mut rng = Rng::new(4);
    for _ in 0..10_000 {
        let cursor = rng.next_u64() >> rng.below(64);
        let next = table.scan(cursor, &mut |_| {});
        assert!(next == 0 || next > cursor & ((1 << CURSOR_BITS) - 1));
        assert!(next < 1 << CURSOR_BITS);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, i64, Option<i64>),
    Remove(u32),
    SetExpiry(u32, Option<i64>),
    Overwrite(u32, i64, Option<i64>),
    InsertRange(u32, u32),
    RemoveRange(u32, u32),
    Expire(i64),
}

fn expiry() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(0..1000i64)
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..4000u32;
    prop_oneof![
        3 => (n.clone(), any::<i64>(), expiry()).prop_map(|(n, value, at)| Step::Insert(n, value, at)),
        3 => n.clone().prop_map(Step::Remove),
        3 => (n.clone(), expiry()).prop_map(|(n, at)| Step::SetExpiry(n, at)),
        3 => (n.clone(), any::<i64>(), expiry()).prop_map(|(n, value, at)| Step::Overwrite(n, value, at)),
        2 => (n.clone(), 0..1500u32).prop_map(|(n, more)| Step::InsertRange(n, n + more)),
        2 => (n, 0..2500u32).prop_map(|(n, more)| Step::RemoveRange(n, n + more)),
        1 => (0..1000i64).prop_map(Step::Expire),
    ]
}

type Model = BTreeMap<u32, (i64, Option<i64>)>;

fn apply(table: &mut Table, model: &mut Model, step: Step) {
    match step {
        Step::Insert(n, value, at) => {
            insert(table, n, value, at);
            model.insert(n, (value, at));
        }
        Step::Remove(n) => assert_eq!(remove(table, n).is_some(), model.remove(&n).is_some()),
        Step::SetExpiry(n, at) => {
            let found = table.find(table.hash(&key(n)), &key(n));
            assert_eq!(found.is_some(), model.contains_key(&n));
            if let Some(position) = found {
                table.set_expiry(position, at, &mut versions());
                model.entry(n).and_modify(|entry| entry.1 = at);
            }
        }
        Step::Overwrite(n, value, at) => {
            let hash = table.hash(&key(n));
            let found = table.find(hash, &key(n));
            assert_eq!(found.is_some(), model.contains_key(&n));
            let new = || Entry::new(&key(n), NewValue::Int(0), None, 0);
            let position = found.unwrap_or_else(|| table.insert_new(hash, new(), &versions()));
            table.overwrite(position, NewValue::Int(value), at, &mut versions());
            model.insert(n, (value, at));
        }
        Step::InsertRange(from, to) => (from..to).for_each(|n| {
            insert(table, n, 7, None);
            model.insert(n, (7, None));
        }),
        Step::RemoveRange(from, to) => (from..to).for_each(|n| {
            assert_eq!(remove(table, n).is_some(), model.remove(&n).is_some());
        }),
        Step::Expire(now) => {
            let mut gone = BTreeSet::new();
            table.expire_step(now, usize::MAX, &mut versions(), &mut |due| {
                assert!(gone.insert(number(&expired(due))))
            });
            let due: BTreeSet<u32> =
                model.iter().filter(|(_, (_, at))| at.is_some_and(|at| now > at)).map(|(n, _)| *n).collect();
            assert_eq!(gone, due);
            model.retain(|n, _| !due.contains(n));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_a_map(seed in any::<u64>(), steps in prop::collection::vec(step(), 0..40)) {
        let before = LIVE_BYTES.get();
        let mut table = Table::new(seed);
        let mut model = Model::new();
        for step in steps {
            apply(&mut table, &mut model, step);
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.expires(), model.values().filter(|(_, at)| at.is_some()).count());
        }
        table.check();
        for (n, (value, at)) in &model {
            let entry = table.get(table.hash(&key(*n)), &key(*n)).expect("there");
            prop_assert!(matches!(entry.value(), ValueRef::Int(found) if found == *value));
            prop_assert_eq!(entry.expires_at(), *at);
        }
        prop_assert_eq!(scan_all(&table).len(), model.len());
        let bytes: usize = table.iter().map(Entry::memory_usage).sum();
        prop_assert_eq!(LIVE_BYTES.get() - before, bytes as isize);
        drop(table);
        prop_assert_eq!(LIVE_BYTES.get(), before);
    }

    /// Keys 0..1000 are there all the while; others come and go between the steps of the scan.
    #[test]
    fn a_scan_shows_what_stays_exactly_once(
        seed in any::<u64>(),
        start in 0..6000u32,
        steps in prop::collection::vec((any::<bool>(), 0..5000u32, 0..800u32), 0..60),
    ) {
        let mut table = Table::new(seed);
        (0..1000 + start).for_each(|n| insert(&mut table, n, 0, None));
        let mut seen = BTreeMap::<u32, u32>::new();
        let (mut cursor, mut steps) = (0, steps.into_iter());
        loop {
            cursor = table.scan(cursor, &mut |entry| *seen.entry(number(entry)).or_default() += 1);
            if cursor == 0 {
                break;
            }
            if let Some((add, from, count)) = steps.next() {
                for n in 1000 + from..1000 + from + count {
                    if add { insert(&mut table, n, 0, None) } else { drop(remove(&mut table, n)) }
                }
            }
        }
        table.check();
        prop_assert!((0..1000).all(|n| seen.get(&n) == Some(&1)), "{seen:?}");
    }
}
