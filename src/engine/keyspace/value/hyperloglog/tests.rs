//! HyperLogLogs against plain registers, and against any bytes.

use super::*;
use crate::engine::rng::Rng;
use proptest::collection::vec;
use proptest::prelude::*;

const SPARSE_MAX: usize = 3000;

/// The registers as they should be: each the highest value that an element gave it.
fn naive(elements: &[u64]) -> [u8; REGISTERS] {
    let mut registers = [0; REGISTERS];
    for element in elements {
        let (register, value) = place(&element.to_le_bytes());
        registers[register] = value.max(registers[register]);
    }
    registers
}

fn registers(view: View) -> [u8; REGISTERS] {
    let mut union = Union::default();
    union.add(view).expect("it is whole");
    *union.registers()
}

fn sketch(elements: &[u64], sparse_max: usize) -> Sketch {
    let mut sketch = Sketch::empty();
    for element in elements {
        sketch.add(&element.to_le_bytes(), sparse_max).expect("it is whole");
    }
    sketch
}

/// Checks that a sketch has these registers, whatever its encoding, and what follows from them.
fn check(sketch: &Sketch, expected: &[u8; REGISTERS], sparse_max: usize) {
    let view = sketch.view();
    assert_eq!(registers(view), *expected);
    assert!(view.is_dense() || sketch.0.len() <= sparse_max.max(18), "{}", sketch.0.len());
    let mut histogram = estimate::Histogram::default();
    expected.iter().for_each(|value| histogram.add(*value, 1));
    assert_eq!(view.estimate(), Ok(estimate::cardinality(&histogram)));
}

#[test]
fn the_self_test_passes() {
    assert_eq!(self_test(&mut Rng::new(1), SPARSE_MAX), Ok(()));
}

#[test]
fn estimates_are_those_of_redis() {
    // PFADD of the numbers 0 to n - 1 as text, PFCOUNT, on Redis 8.10.
    let mut sketch = Sketch::empty();
    let mut seen = 0;
    let known = [
        (1, 1),
        (10, 10),
        (100, 100),
        (1000, 1001),
        (10_000, 9987),
        (100_000, 99_565),
        (1_000_000, 1_009_972),
    ];
    for (elements, estimate) in known {
        for number in seen..elements {
            sketch.add(number.to_string().as_bytes(), SPARSE_MAX).expect("it is whole");
        }
        seen = elements;
        assert_eq!(sketch.view().estimate(), Ok(estimate), "{elements}");
    }
}

#[test]
fn registers_beyond_all_hashes_give_what_redis_gives() {
    let mut bytes = [MAGIC.as_slice(), &[DENSE], &[0; 11]].concat();
    bytes.resize(DENSE_LEN, 0xff);
    assert_eq!(View::of(&bytes).map(|view| view.estimate()), Some(Ok(i64::MIN)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn encodings_agree_with_plain_registers(
        seed: u64,
        elements in prop_oneof![0..50usize, 400..600usize, 1500..3000usize],
        sparse_max in prop_oneof![Just(0), 16..200usize, Just(SPARSE_MAX), Just(usize::MAX)],
    ) {
        let mut rng = Rng::new(seed);
        // Half of them come twice.
        let elements: Vec<u64> = (0..elements).map(|_| rng.below(elements as u64 * 2)).collect();
        let (expected, grown) = (naive(&elements), sketch(&elements, sparse_max));
        check(&grown, &expected, sparse_max);
        let mut dense = grown.clone();
        prop_assert_eq!(dense.make_dense(), Ok(()));
        prop_assert!(dense.view().is_dense());
        check(&dense, &expected, sparse_max);
    }

    #[test]
    fn a_union_has_the_highest_registers(
        seed: u64,
        sizes in vec(prop_oneof![0..30usize, 500..1500usize], 2..4),
        dense: bool,
        sparse_max in prop_oneof![Just(100usize), Just(SPARSE_MAX)],
    ) {
        let mut rng = Rng::new(seed);
        let sets: Vec<Vec<u64>> =
            sizes.iter().map(|size| (0..*size).map(|_| rng.below(3000)).collect()).collect();
        let expected = naive(&sets.concat());
        let mut union = Union::default();
        for set in &sets {
            prop_assert_eq!(union.add(sketch(set, sparse_max).view()), Ok(()));
        }
        prop_assert_eq!(union.registers(), &expected);
        let mut merged = sketch(&sets[0], sparse_max);
        if dense {
            prop_assert_eq!(merged.make_dense(), Ok(()));
            let mut in_place = merged.0.clone();
            add_all_in_place(&mut in_place, &union);
            prop_assert_eq!(registers(View::of(&in_place).expect("a header")), expected);
        }
        prop_assert_eq!(merged.add_all(&union, sparse_max), Ok(()));
        check(&merged, &expected, sparse_max);
        prop_assert_eq!(merged.view().estimate(), Ok(union.estimate()));
    }

    // The search for a register begins where the last one ended: equal bytes as from the beginning.
    #[test]
    fn a_later_start_changes_nothing(seed: u64, old in 0..100usize, new in 0..200usize) {
        let mut rng = Rng::new(seed);
        let raise = |hll: &mut Vec<u8>, raised: &[(usize, u8)], from_start: bool| {
            let mut from = sparse::Place::start();
            for (register, value) in raised {
                let mut start = sparse::Place::start();
                let from = if from_start { &mut start } else { &mut from };
                assert!(sparse::raise(hll, from, *register, *value, usize::MAX).is_ok());
            }
        };
        // Few registers and values, so that runs meet.
        let mut drawn = |n: usize| -> Vec<(usize, u8)> {
            (0..n).map(|_| (rng.below(120) as usize, 1 + rng.below(3) as u8)).collect()
        };
        let (old, mut new) = (drawn(old), drawn(new));
        new.sort_by_key(|(register, _)| *register);
        new.dedup_by_key(|(register, _)| *register);
        let mut one = Sketch::empty().into_bytes();
        raise(&mut one, &old, true);
        let mut other = one.clone();
        raise(&mut one, &new, true);
        raise(&mut other, &new, false);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn anything_behind_a_header_is_looked_at_and_changed_without_panic(
        encoding in 0..3u8,
        card: [u8; 8],
        body in prop_oneof![vec(any::<u8>(), 0..300), vec(any::<u8>(), dense::PACKED), Just(vec![0x7f, 0xff])],
        elements: Vec<u64>,
        sparse_max in prop_oneof![0..400usize, Just(usize::MAX)],
    ) {
        let bytes = [MAGIC.as_slice(), &[encoding, 0, 0, 0], &card, &body].concat();
        let Some(view) = View::of(&bytes) else { return Ok(()) };
        let mut union = Union::default();
        let whole = union.add(view).is_ok();
        prop_assert_eq!(view.estimate().is_ok(), whole);
        prop_assert_eq!(view.describe_runs().is_some(), !view.is_dense());
        let _ = (view.cached(), union.estimate());
        let mut sketch = Sketch::of(view);
        prop_assert_eq!(sketch.clone().make_dense().is_ok(), whole);
        for element in &elements {
            let added = sketch.add(&element.to_le_bytes(), sparse_max);
            prop_assert!(added.is_ok() || !whole);
        }
        prop_assert!(sketch.clone().add_all(&union, sparse_max).is_ok() || !whole);
        let mut in_place = bytes.clone();
        let added = elements.iter().filter(|element| add_in_place(&mut in_place, &element.to_le_bytes())).count();
        prop_assert!(view.is_dense() || added == 0 && in_place == bytes);
        add_all_in_place(&mut in_place, &union);
        invalidate(&mut in_place);
        set_cached(&mut in_place, 5);
        prop_assert_eq!(View::of(&in_place).and_then(|view| view.cached()), Some(5));
    }
}
