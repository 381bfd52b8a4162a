//! Arrays against a plain map.

use super::*;
use crate::engine::keyspace::value::IntBuf;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Set(u64, Vec<u8>),
    Remove(u64),
    RemoveRange(u64, u64),
    Ring(u64, Vec<Vec<u8>>),
    Next(u64),
    Snapshot,
}

fn index() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..600u64, 1 => 0..100_000u64, 1 => 0..=INDEX_MAX, 1 => INDEX_MAX - 3..=INDEX_MAX]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..30),
        (100..3000usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (index(), value()).prop_map(|(index, value)| Step::Set(index, value)),
        6 => index().prop_map(Step::Remove),
        1 => (index(), index()).prop_map(|(a, b)| Step::RemoveRange(a.min(b), a.max(b))),
        1 => (1..20u64, prop::collection::vec(value(), 1..5)).prop_map(|(size, values)| Step::Ring(size, values)),
        1 => prop_oneof![0..30u64, Just(u64::MAX)].prop_map(Step::Next),
        1 => Just(Step::Snapshot),
    ]
}

/// What a ring does, by the rules read off a Redis 8.10 server.
fn ring(model: &mut BTreeMap<u64, Vec<u8>>, next: &mut u64, size: u64, values: &[Vec<u8>]) {
    let length = model.last_key_value().map_or(0, |(index, _)| index + 1);
    if length > size || (*next > 0 && *next < length && size != length) {
        let mut kept = Vec::new();
        let mut place = *next % length;
        while (kept.len() as u64) < size.min(model.len() as u64) {
            place = if place == 0 { length } else { place } - 1;
            match model.get(&place) {
                Some(value) => kept.push(value.clone()),
                None => break,
            }
        }
        *next = kept.len() as u64;
        *model = kept.into_iter().rev().enumerate().map(|(index, value)| (index as u64, value)).collect();
    }
    for value in values {
        let index = *next % size;
        model.insert(index, value.clone());
        *next = index + 1;
    }
}

fn all(array: &Array) -> Vec<(u64, Vec<u8>)> {
    array
        .range(0, INDEX_MAX)
        .map(|(index, element)| (index, element.bytes(&mut IntBuf::new()).to_vec()))
        .collect()
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..300)) {
        let (mut array, mut model) = (Array::default(), BTreeMap::<u64, Vec<u8>>::new());
        let mut snapshots = Vec::new();
        for step in steps {
            match step {
                Step::Set(index, value) => {
                    prop_assert_eq!(array.set(index, &value), model.insert(index, value).is_none());
                }
                Step::Remove(index) => prop_assert_eq!(array.remove(index), model.remove(&index).is_some()),
                Step::RemoveRange(from, to) => {
                    let removed = array.remove_range(from, to);
                    let gone: Vec<_> = model.range(from..=to).map(|(i, v)| (*i, v.clone())).collect();
                    model.retain(|index, _| !(from..=to).contains(index));
                    prop_assert_eq!(all(&removed), gone);
                }
                Step::Ring(size, values) => {
                    let mut next = array.next;
                    ring(&mut model, &mut next, size, &values);
                    let last = array.ring(size, values.iter().map(Vec::as_slice));
                    prop_assert_eq!((array.next, last + 1), (next, next));
                }
                Step::Next(next) => array.next = next,
                Step::Snapshot => snapshots.push((array.clone(), model.clone())),
            }
            prop_assert_eq!(array.count(), model.len() as u64);
            prop_assert_eq!(array.len(), model.last_key_value().map_or(0, |(index, _)| index + 1));
            array.slices.check(|a, b| a < b);
        }
        snapshots.push((array, model));
        for (array, model) in snapshots {
            let expected: Vec<_> = model.into_iter().collect();
            prop_assert_eq!(&all(&array), &expected);
            let mut backwards: Vec<u64> = array.range(INDEX_MAX, 0).map(|(index, _)| index).collect();
            backwards.reverse();
            prop_assert_eq!(backwards, expected.iter().map(|(index, _)| *index).collect::<Vec<_>>());
            for (rank, (index, _)) in expected.iter().enumerate() {
                prop_assert_eq!(array.rank(*index), rank as u64);
            }
        }
    }
}

#[test]
fn a_dense_array_of_small_numbers_takes_few_bytes() {
    let mut array = Array::default();
    for index in 0..100_000u64 {
        array.set(index, (index % 100).to_string().as_bytes());
    }
    let each = array.memory_usage() as f64 / 100_000.0;
    assert!(each < 8.0, "{each}");
    let mut sparse = Array::default();
    for index in 0..1000u64 {
        sparse.set(index << 40, b"1");
    }
    assert!(sparse.memory_usage() < 20_000, "{}", sparse.memory_usage());
}
