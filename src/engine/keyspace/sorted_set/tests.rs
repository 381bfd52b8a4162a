//! Sorted sets against a map, small and large, across the limits.

use super::*;
use crate::engine::hash::Seed;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn limits() -> SortedSetLimits {
    SortedSetLimits { entries: 12, value: 20, hasher: Arc::new(Hasher::new(Seed::new(7))) }
}

/// The naive model.
#[derive(Clone, Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn ordered(&self) -> Vec<(Vec<u8>, f64)> {
        let mut pairs: Vec<_> = self.0.iter().map(|(member, score)| (member.clone(), *score)).collect();
        pairs.sort_by(|a, b| compare((a.1, &a.0), (b.1, &b.0)));
        pairs
    }
}

fn entry() -> Entry {
    Entry::new(b"key", NewValue::Packed(Packed::empty(Form::SortedSet)), None, 0)
}

/// Everything that can be read must agree with the model.
fn assert_agrees(entry: &Entry, model: &Model) {
    let set = entry.sorted_set().expect("a sorted set");
    let ordered = model.ordered();
    let all = |pairs: Pairs<'_>| -> Vec<(Vec<u8>, f64)> {
        pairs.map(|(member, score)| (member.bytes(&mut IntBuf::new()).to_vec(), score)).collect()
    };
    assert_eq!(set.len(), ordered.len() as u64);
    assert_eq!(all(set.iter()), ordered);
    let reversed: Vec<_> = ordered.iter().rev().cloned().collect();
    assert_eq!(all(set.pairs(0..set.len(), true)), reversed);
    let (third, half) = (ordered.len() / 3, ordered.len() / 2);
    assert_eq!(all(set.pairs(third as u64..half as u64, false)), ordered[third..half]);
    for (rank, (member, score)) in ordered.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank as u64, *score)));
        assert_eq!(set.score(member), Some(*score));
        let below = |inclusive: bool| {
            let counts = |(_, other): &&(Vec<u8>, f64)| other < score || inclusive && other == score;
            ordered.iter().filter(counts).count() as u64
        };
        assert_eq!(set.count_below_score(*score, false), below(false));
        assert_eq!(set.count_below_score(*score, true), below(true));
    }
    assert_eq!(set.rank(b"nobody"), None);
    let (mut seen, mut place) = (Vec::new(), 0);
    loop {
        place = set.scan(place, 3, &mut |member, score| seen.push((member.to_vec(), score)));
        if place == 0 {
            break;
        }
    }
    seen.sort_by(|a, b| compare((a.1, &a.0), (b.1, &b.0)));
    assert_eq!(seen, ordered);
    if let SortedSetRef::Large(set) = set {
        set.check();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, f64),
    Add(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRange(u8, u8),
    Clone,
    Rebuild,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0u32..60).prop_map(|n| format!("m{n}").into_bytes()),
        4 => (0u32..40).prop_map(|n| n.to_string().into_bytes()),
        1 => (0usize..24).prop_map(|n| vec![b'x'; n]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-3i8..4).prop_map(f64::from),
        2 => (-30i8..30).prop_map(|n| f64::from(n) / 8.0),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e20), Just(5e18), Just(1e-300)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (member(), score()).prop_map(|(member, score)| Step::Set(member, score)),
        2 => (member(), score()).prop_map(|(member, score)| Step::Add(member, score)),
        4 => member().prop_map(Step::Remove),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Step::RemoveRange(from, to)),
        1 => Just(Step::Clone),
        1 => Just(Step::Rebuild),
    ]
}

fn apply(entry: &mut Entry, model: &mut Model, step: Step, copies: &mut Vec<(Entry, Model)>) {
    let limits = limits();
    match step {
        Step::Set(member, score) => {
            let old = model.0.get(&member).copied();
            let change = entry.update_score(&member, &limits, |_| Some(score));
            assert_eq!(change, (old, Some(score)));
            model.0.insert(member, score);
        }
        Step::Add(member, more) => {
            let sum = |old: Option<f64>| Some(old.unwrap_or(0.0) + more).filter(|sum| !sum.is_nan());
            let old = model.0.get(&member).copied();
            let change = entry.update_score(&member, &limits, sum);
            assert_eq!(change, (old, sum(old).or(old)));
            if let Some(sum) = sum(old) {
                model.0.insert(member, sum);
            }
        }
        Step::Remove(member) => assert_eq!(entry.remove_member(&member), model.0.remove(&member)),
        Step::RemoveRange(from, to) => {
            let len = model.0.len() as u64;
            let (from, to) = (u64::from(from) % (len + 1), u64::from(to) % (len + 1));
            if from < to {
                entry.remove_positions(from..to);
                for (member, _) in &model.ordered()[from as usize..to as usize] {
                    model.0.remove(member);
                }
            }
        }
        Step::Clone => copies.push((entry.duplicate(b"copy"), model.clone())),
        Step::Rebuild => {
            let pairs: Vec<_> =
                model.ordered().into_iter().map(|(member, score)| (member.into(), score)).collect();
            let value = NewSortedSet::from_pairs(&pairs, &limits);
            entry.set_value(value.into_value(&mut Vec::new()));
            let long = model.0.keys().any(|member| member.len() > limits.value);
            let large = model.0.len() > limits.entries || long;
            assert_eq!(entry.encoding_name(), if large { "skiplist" } else { "listpack" });
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 0..150)) {
        let (mut entry, mut model, mut copies) = (entry(), Model::default(), Vec::new());
        for step in steps {
            apply(&mut entry, &mut model, step, &mut copies);
        }
        assert_agrees(&entry, &model);
        // What a copy shares with the original does not change with it.
        copies.iter().for_each(|(entry, model)| assert_agrees(entry, model));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn large_ones_agree_with_a_map(
        scores in prop::collection::vec(score(), 300..800),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (mut entry, mut model, mut copies) = (entry(), Model::default(), Vec::new());
        for (n, score) in scores.into_iter().enumerate() {
            let member = format!("member:{}", n % 500).into_bytes();
            apply(&mut entry, &mut model, Step::Set(member, score), &mut copies);
        }
        for step in steps {
            apply(&mut entry, &mut model, step, &mut copies);
        }
        assert_agrees(&entry, &model);
        copies.iter().for_each(|(entry, model)| assert_agrees(entry, model));
    }
}

#[test]
fn a_scan_sees_a_member_whose_score_changes_once() {
    let (mut entry, limits) = (entry(), limits());
    for n in 0..1000u32 {
        entry.update_score(n.to_string().as_bytes(), &limits, |_| Some(f64::from(n)));
    }
    let (mut seen, mut place, mut round) = (Vec::new(), 0, 0.0);
    loop {
        let set = entry.sorted_set().expect("a sorted set");
        place = set.scan(place, 10, &mut |member, _| seen.push(member.to_vec()));
        round += 1.0;
        for n in 0..1000u32 {
            let mixed = f64::from(n.wrapping_mul(7919) % 1000) * round;
            entry.update_score(n.to_string().as_bytes(), &limits, |_| Some(mixed));
        }
        if place == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
}

#[test]
fn members_by_bytes() {
    for count in [5u32, 300] {
        let (mut entry, limits) = (entry(), limits());
        for n in 0..count {
            entry.update_score(format!("{n:04}").as_bytes(), &limits, |_| Some(1.0));
        }
        let set = entry.sorted_set().expect("a sorted set");
        for n in 0..count {
            let member = format!("{n:04}");
            assert_eq!(set.count_below_member(member.as_bytes(), false), u64::from(n));
            assert_eq!(set.count_below_member(member.as_bytes(), true), u64::from(n) + 1);
        }
        assert_eq!(set.count_below_member(b"", true), 0);
        assert_eq!(set.count_below_member(b"z", false), u64::from(count));
    }
}

#[test]
fn scores_are_stored_as_redis_does() {
    for (score, element) in [
        (3.0, Element::Int(3)),
        (-0.0, Element::Int(0)),
        (1.5, Element::Str(b"1.5")),
        (f64::INFINITY, Element::Str(b"inf")),
        (5e18, Element::Str(b"5e+18")),
    ] {
        let mut out = Buffer::new();
        encode_score(score, &mut out);
        assert_eq!(listpack::element_at(&out, 0).0, element);
        assert_eq!(decode_score(element), score);
    }
}
