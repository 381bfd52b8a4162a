//! An entry's list against a plain one, across every threshold and both ways.

use super::*;
use crate::engine::keyspace::value::IntBuf;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

type Model = Vec<Vec<u8>>;

#[derive(Clone, Debug)]
enum Op {
    Push(End, Model),
    Pop(End),
    Set(Index, Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    /// Removes elements equal to the one there.
    RemoveEqual(End, Index, usize),
    /// Keeps a copy, which must not change any more.
    Copy,
    /// The configuration changes.
    Limits(usize),
}

/// Elements of every encoding, from empty to larger than a leaf.
fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..20i64).prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        4 => vec(any::<u8>(), 0..12),
        2 => vec(any::<u8>(), 50..80),
        1 => vec(any::<u8>(), 120..400),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Left), Just(End::Right)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (end(), vec(element(), 1..5)).prop_map(|(end, elements)| Op::Push(end, elements)),
        1 => (end(), vec(element(), 5..60)).prop_map(|(end, elements)| Op::Push(end, elements)),
        8 => end().prop_map(Op::Pop),
        4 => (any::<Index>(), element()).prop_map(|(at, element)| Op::Set(at, element)),
        4 => (any::<Index>(), element()).prop_map(|(at, element)| Op::Insert(at, element)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Op::Remove(from, to)),
        2 => (end(), any::<Index>(), prop_oneof![Just(usize::MAX), 1..4usize])
            .prop_map(|(end, at, most)| Op::RemoveEqual(end, at, most)),
        1 => Just(Op::Copy),
        1 => (0..LIMITS.len()).prop_map(Op::Limits),
    ]
}

const LIMITS: [Limits; 5] = [
    Limits { bytes: 100, count: usize::MAX },
    Limits { bytes: 600, count: usize::MAX },
    Limits { bytes: 8192, count: 1 },
    Limits { bytes: 8192, count: 9 },
    Limits { bytes: 8192, count: usize::MAX },
];

/// All elements, as the list gives them.
fn contents(entry: &Entry) -> Model {
    let list = entry.list();
    let mut digits = IntBuf::new();
    let forward: Model = list.elements(0..list.len()).map(|e| e.bytes(&mut digits).to_vec()).collect();
    let mut backward: Model =
        list.elements_backward(0..list.len()).map(|e| e.bytes(&mut digits).to_vec()).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    forward
}

/// Does the same to both.
fn apply(entry: &mut Entry, model: &mut Model, op: &Op, limits: Limits) {
    let len = model.len();
    match op {
        Op::Push(end, elements) => {
            let batch = Batch::new(elements.iter().map(Vec::as_slice));
            assert_eq!(entry.list_push(*end, &batch, limits), len + elements.len());
            let at = if *end == End::Left { 0 } else { len };
            model.splice(at..at, elements.iter().cloned());
        }
        Op::Pop(end) if len > 0 => {
            let expected = model.remove(if *end == End::Left { 0 } else { len - 1 });
            let mut digits = IntBuf::new();
            let mut seen = 0;
            entry.list_pop(*end, limits, &mut |element| {
                assert_eq!(element.bytes(&mut digits), expected);
                seen += 1;
            });
            assert_eq!(seen, 1);
        }
        Op::Set(at, element) if len > 0 => {
            entry.list_set(at.index(len), element, limits);
            model[at.index(len)] = element.clone();
        }
        Op::Insert(at, element) => {
            assert_eq!(entry.list_insert(at.index(len + 1), element, limits), len + 1);
            model.insert(at.index(len + 1), element.clone());
        }
        Op::Remove(from, to) => {
            let (from, to) = (from.index(len + 1), to.index(len + 1));
            let range = from.min(to)..from.max(to);
            entry.list_remove(range.clone(), limits);
            model.drain(range);
        }
        Op::RemoveEqual(end, at, most) if len > 0 => {
            let element = model[at.index(len)].clone();
            let mut left = *most;
            let mut keep = |other: &Vec<u8>| {
                let goes = *other == element && left > 0;
                left -= usize::from(goes);
                !goes
            };
            match end {
                End::Left => model.retain(&mut keep),
                End::Right => {
                    model.reverse();
                    model.retain(&mut keep);
                    model.reverse();
                }
            }
            let (removed, _) = entry.list_remove_equal(*end, &element, *most, limits);
            assert_eq!(removed, len - model.len());
        }
        _ => {}
    }
}

/// What must hold after every change.
fn check(entry: &Entry, model: &Model, limits: Limits, before: &str) {
    let list = entry.list();
    assert_eq!(list.len(), model.len());
    if let ListRef::Big(list) = list {
        list.check();
    }
    let run: usize = model.iter().map(|element| listpack::encoded(element).len()).sum();
    let encoding = entry.encoding_name();
    if encoding == "listpack" && before == "quicklist" {
        assert!(limits.halved().allow(run, model.len()), "it went back too early");
    }
    if encoding == "quicklist" && before == "listpack" {
        // The estimate of a change counts bytes as text, and what is replaced as well.
        let text: usize = model.iter().map(Vec::len).sum();
        assert!(!limits.allow(2 * (run + text), model.len() + 1), "it left its entry too early");
    }
}

proptest! {
    #[test]
    fn an_entry_agrees_with_a_plain_list(ops in vec(op(), 1..120), first in 0..LIMITS.len()) {
        let mut limits = LIMITS[first];
        let mut entry = Entry::new(b"key", NewValue::Packed(Packed::empty(Form::List)), None, 0);
        let (mut model, mut copies) = (Model::new(), Vec::new());
        for op in &ops {
            let before = entry.encoding_name();
            match op {
                Op::Limits(other) => limits = LIMITS[*other],
                Op::Copy => copies.push((entry.duplicate(b"copy"), model.clone())),
                op => {
                    apply(&mut entry, &mut model, op, limits);
                    check(&entry, &model, limits, before);
                }
            }
        }
        prop_assert_eq!(contents(&entry), model);
        for (copy, model) in copies {
            prop_assert_eq!(contents(&copy), model);
        }
    }

    #[test]
    fn ranges_and_indexes_agree(elements in vec(element(), 1..80), small: bool, from: Index, to: Index) {
        let batch = Batch::new(elements.iter().map(Vec::as_slice));
        let limits = if small { Limits::new(-5) } else { Limits::new(0) };
        let entry = Entry::new(b"key", batch.to_value(End::Right, limits), None, 0);
        let list = entry.list();
        let (from, to) = (from.index(elements.len() + 1), to.index(elements.len() + 1));
        let range = from.min(to)..from.max(to);
        let mut digits = IntBuf::new();
        let mut found: Model =
            list.elements(range.clone()).map(|element| element.bytes(&mut digits).to_vec()).collect();
        prop_assert_eq!(&found, &elements[range.clone()]);
        found = list.elements_backward(range.clone()).map(|e| e.bytes(&mut digits).to_vec()).collect();
        found.reverse();
        prop_assert_eq!(&found, &elements[range]);
        for (index, element) in elements.iter().enumerate() {
            let found = list.get(index).map(|found| found.bytes(&mut digits).to_vec());
            prop_assert_eq!(found.as_ref(), Some(element));
        }
        prop_assert_eq!(list.get(elements.len()), None);
    }
}

#[test]
fn limits_are_those_of_redis() {
    let sizes = [-1, -2, -3, -4, -5, -6].map(|size| Limits::new(size).bytes);
    assert_eq!(sizes, [4096, 8192, 16384, 32768, 65536, 65536]);
    assert_eq!([0, 1, 128].map(|size| Limits::new(size).count), [1, 1, 128]);
    assert_eq!(Limits::new(i64::MIN), Limits::new(-5));
}
