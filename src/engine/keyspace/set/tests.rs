//! A set in its entry against an ordered set, across every threshold.

use super::*;
use crate::engine::hash::Seed;
use crate::engine::keyspace::value::IntBuf;
use proptest::prelude::*;
use std::ops::ControlFlow;

type Model = BTreeSet<Vec<u8>>;

fn limits(entries: usize) -> SetLimits {
    SetLimits {
        intset_entries: entries,
        listpack_entries: entries,
        listpack_value: 8,
        hasher: Arc::new(Hasher::new(Seed::new(7))),
    }
}

fn bytes(member: Element) -> Vec<u8> {
    member.bytes(&mut IntBuf::new()).to_vec()
}

fn members(entry: &Entry) -> Vec<Vec<u8>> {
    entry.set().expect("a set").iter().map(bytes).collect()
}

fn set_of(limits: &SetLimits, members: impl IntoIterator<Item = Vec<u8>>) -> (Entry, Model) {
    let mut entry = Entry::new(b"k", NewValue::Packed(Packed::empty(Form::IntSet)), None, 0);
    let mut model = Model::new();
    for member in members {
        assert_eq!(entry.set_add(Element::from_bytes(&member), limits), model.insert(member));
    }
    (entry, model)
}

fn check(entry: &Entry, model: &Model) {
    let set = entry.set().expect("a set");
    let all = members(entry);
    assert_eq!((set.len(), set.is_empty(), all.len()), (model.len(), model.is_empty(), model.len()));
    assert_eq!(all.iter().cloned().collect::<Model>(), *model);
    for (position, member) in all.iter().enumerate() {
        assert!(set.has(Element::from_bytes(member)));
        if position % 7 == 0 {
            assert_eq!(bytes(set.get(position)), *member);
        }
    }
    let mut picked = Vec::new();
    set.pick((0..all.len()).step_by(3), &mut |member| picked.push(bytes(member)));
    assert_eq!(picked, all.iter().step_by(3).cloned().collect::<Vec<_>>());
    if let SetRef::Big(set) = set {
        set.check();
    }
}

/// Numbers of different widths, short texts and long ones.
fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-40..40i64).prop_map(|n| n.to_string().into_bytes()),
        1 => prop_oneof![Just(i64::MIN), Just(70_000), Just(-40_000)].prop_map(|n| n.to_string().into_bytes()),
        2 => (0..60u32).prop_map(|n| format!("m{n}").into_bytes()),
        1 => (0..20u32).prop_map(|n| format!("member:{n}").into_bytes()),
        1 => (500..520usize).prop_map(|len| vec![b'x'; len]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u8>),
    Remove(Vec<u8>),
    RemoveAt(usize),
    RemoveMany(Vec<usize>),
    Expect(usize),
    Narrow,
    Copy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => member().prop_map(Step::Add),
        6 => member().prop_map(Step::Remove),
        2 => any::<usize>().prop_map(Step::RemoveAt),
        1 => prop::collection::vec(any::<usize>(), 1..40).prop_map(Step::RemoveMany),
        1 => (0..40usize).prop_map(Step::Expect),
        1 => Just(Step::Narrow),
        1 => Just(Step::Copy),
    ]
}

proptest! {
    /// Whatever its form, a set agrees with an ordered set; a copy stays as it was when it was made.
    #[test]
    fn sets_agree_with_an_ordered_set(
        entries in 0..30usize,
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let limits = limits(entries);
        let (mut entry, mut model) = set_of(&limits, []);
        let mut copy = (entry.duplicate(b"copy"), model.clone());
        for step in steps {
            let before = members(&entry);
            match step {
                Step::Add(member) => {
                    let added = entry.set_add(Element::from_bytes(&member), &limits);
                    prop_assert_eq!(added, model.insert(member));
                }
                Step::Remove(member) => {
                    let removed = entry.set_remove(Element::from_bytes(&member));
                    prop_assert_eq!(removed, model.remove(&member));
                }
                Step::RemoveAt(position) if !before.is_empty() => {
                    let position = position % before.len();
                    entry.set_remove_at(position);
                    model.remove(&before[position]);
                }
                Step::RemoveMany(positions) if !before.is_empty() => {
                    let positions = positions.into_iter().map(|at| at % before.len()).collect();
                    entry.set_remove_positions(&positions, &limits);
                    model.retain(|member| !positions.iter().any(|at| before[*at] == *member));
                }
                Step::Expect(more) => entry.set_expect(more, &limits),
                Step::Narrow => entry.set_narrow(&limits),
                Step::Copy => copy = (entry.duplicate(b"copy"), model.clone()),
                Step::RemoveAt(_) | Step::RemoveMany(_) => {}
            }
            check(&entry, &model);
        }
        check(&copy.0, &copy.1);
    }

    /// What is there all the while is scanned exactly once, whatever the set becomes in between.
    #[test]
    fn a_scan_shows_what_stays_once(
        entries in 0..60usize,
        count in 1..20usize,
        stay in prop::collection::btree_set(member(), 1..80),
        steps in prop::collection::vec((any::<bool>(), prop::collection::vec(0..400u32, 0..60)), 0..40),
    ) {
        let limits = limits(entries);
        let (mut entry, _) = set_of(&limits, stay.iter().cloned());
        let (mut cursor, mut seen, mut steps) = (0, Vec::new(), steps.into_iter());
        loop {
            let set = entry.set().expect("a set");
            cursor = set.scan(cursor, count, &limits.hasher, &mut |member| seen.push(bytes(member)));
            if cursor == 0 {
                break;
            }
            let Some((add, passing)) = steps.next() else { continue };
            let passing: Vec<Vec<u8>> = passing.iter().map(|n| format!("p{n}").into_bytes()).collect();
            let all = members(&entry);
            if add {
                for member in &passing {
                    entry.set_add(Element::from_bytes(member), &limits);
                }
            } else {
                // Enough of them for the rest to become small again.
                let gone = (0..all.len()).filter(|at| !stay.contains(&all[*at])).collect();
                entry.set_remove_positions(&gone, &limits);
            }
        }
        seen.retain(|member| stay.contains(member));
        seen.sort();
        prop_assert_eq!(seen, stay.into_iter().collect::<Vec<_>>());
    }

    /// Unions, intersections and differences agree with those of ordered sets, in whatever forms.
    #[test]
    fn combinations_agree_with_ordered_sets(
        entries in 0..60usize,
        sets in prop::collection::vec(prop::option::of(prop::collection::vec(member(), 1..60)), 1..14),
        enough in 1..100usize,
    ) {
        let limits = limits(entries);
        let sets: Vec<Option<(Entry, Model)>> =
            sets.into_iter().map(|set| set.map(|set| set_of(&limits, set))).collect();
        let views: Vec<_> = sets.iter().map(|set| set.as_ref().and_then(|(entry, _)| entry.set())).collect();
        let models: Vec<Model> =
            sets.iter().map(|set| set.as_ref().map(|(_, model)| model.clone()).unwrap_or_default()).collect();
        for how in [Combination::Union, Combination::Intersection, Combination::Difference] {
            let join = |a: Model, b: &Model| match how {
                Combination::Union => &a | b,
                Combination::Intersection => &a & b,
                Combination::Difference => &a - b,
            };
            let expected = models[1..].iter().fold(models[0].clone(), join);
            let mut seen = Vec::new();
            let _all = combine(how, &views, &limits, &mut |member| {
                seen.push(bytes(member));
                ControlFlow::Continue(())
            });
            prop_assert_eq!(seen.len(), expected.len(), "each once");
            prop_assert_eq!(seen.into_iter().collect::<Model>(), expected.clone());
            let mut counted = 0;
            let _enough = combine(how, &views, &limits, &mut |_| {
                counted += 1;
                if counted == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            prop_assert_eq!(counted, enough.min(expected.len()));
            check(&collect(how, &views, &limits), &expected);
        }
    }
}

#[test]
fn a_copy_of_a_big_set_stays_as_it_is() {
    let limits = limits(16);
    let number = |n: u32| format!("member:{n}").into_bytes();
    let (mut entry, mut model) = set_of(&limits, (0..20_000).map(number));
    let copy = (entry.duplicate(b"copy"), model.clone());
    for n in 0..5000 {
        entry.set_remove(Element::from_bytes(&number(n * 3)));
        model.remove(&number(n * 3));
        entry.set_add(Element::from_bytes(&number(20_000 + n)), &limits);
        model.insert(number(20_000 + n));
    }
    check(&entry, &model);
    check(&copy.0, &copy.1);
}

#[test]
fn many_integers_take_little_memory() {
    let limits = limits(512);
    let (entry, _) = set_of(&limits, (0..100_000).map(|n| (n * 7919 % 10_000_000).to_string().into_bytes()));
    let per_member = entry.memory_usage() as f64 / 100_000.0;
    assert!(per_member < 20.0, "{per_member} bytes a member");
}
