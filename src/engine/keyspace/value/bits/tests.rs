//! Bits against a look at each.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// The bits one by one.
fn unpack(bytes: &[u8]) -> Vec<bool> {
    (0..bytes.len() as u64 * 8).map(|offset| get(bytes, offset)).collect()
}

/// Strings with long stretches of equal bytes, so that searches come far.
fn strings() -> impl Strategy<Value = Vec<u8>> {
    let stretch = (prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..700usize);
    let parts = vec(stretch, 1..4);
    let flatten = |parts: Vec<(u8, usize)>| parts.iter().flat_map(|(byte, n)| vec![*byte; *n]).collect();
    prop_oneof![parts.prop_map(flatten), vec(any::<u8>(), 0..40)]
}

fn strings_and_ranges() -> impl Strategy<Value = (Vec<u8>, Range)> {
    (strings(), any::<(u64, u64)>()).prop_filter_map("empty", |(bytes, (a, b))| {
        let bits = bytes.len() as u64 * 8;
        (bits > 0).then(|| Range::new(a % bits.min(b % bits + 1), b % bits)).map(|range| (bytes, range))
    })
}

fn naive(operation: Operation, bits: &[bool]) -> bool {
    let (first, others) = (bits[0], bits[1..].contains(&true));
    match operation {
        Operation::And => !bits.contains(&false),
        Operation::Or => bits.contains(&true),
        Operation::Xor => bits.iter().filter(|bit| **bit).count() % 2 == 1,
        Operation::Not => !first,
        Operation::Diff => first && !others,
        Operation::Diff1 => !first && others,
        Operation::AndOr => first && others,
        Operation::One => bits.iter().filter(|bit| **bit).count() == 1,
    }
}

#[test]
fn bits_count_from_the_highest() {
    let mut bytes = [0, 0];
    assert!(!put(&mut bytes, 0, true));
    assert!(!put(&mut bytes, 15, true));
    assert!(put(&mut bytes, 15, true));
    assert_eq!(bytes, [0x80, 1]);
    assert!(get(&bytes, 0) && get(&bytes, 15) && !get(&bytes, 14) && !get(&bytes, u64::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counting_and_finding_agree_with_looking_at_each((bytes, range) in strings_and_ranges()) {
        let bits = unpack(&bytes);
        let inside = &bits[range.first as usize..=range.last as usize];
        prop_assert_eq!(count(&bytes, range), inside.iter().filter(|bit| **bit).count() as u64);
        for wanted in [false, true] {
            let found = inside.iter().position(|bit| *bit == wanted).map(|at| at as u64 + range.first);
            prop_assert_eq!(position(&bytes, wanted, range), found);
        }
    }

    #[test]
    fn combining_agrees_with_combining_each(
        sources in vec(prop_oneof![strings(), vec(any::<u8>(), BLOCK - 9..2 * BLOCK + 9)], 1..5),
        other in vec(any::<u8>(), 0..4 * BLOCK),
    ) {
        use Operation::*;
        let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
        let length = slices.iter().map(|source| source.len()).max().unwrap_or(0);
        for operation in [And, Or, Xor, Not, Diff, Diff1, AndOr, One] {
            let mut result = Vec::new();
            combine(operation, &slices.iter().copied().map(Source::Bytes).collect::<Vec<_>>(), &mut result);
            prop_assert_eq!(result.len(), length);
            for offset in 0..length as u64 * 8 {
                let bits: Vec<bool> = slices.iter().map(|source| get(source, offset)).collect();
                prop_assert_eq!(get(&result, offset), naive(operation, &bits), "{:?} {}", operation, offset);
            }
            // In the place of each of them, and of a string that is none of them.
            for (replaced, original) in sources.iter().enumerate() {
                let source = |(at, bytes)| if at == replaced { Source::Replaced } else { Source::Bytes(bytes) };
                let mixed: Vec<Source> = slices.iter().copied().enumerate().map(source).collect();
                let mut into = original.clone();
                combine(operation, &mixed, &mut into);
                prop_assert_eq!(&into, &result);
            }
            let mut into = other.clone();
            combine(operation, &slices.iter().copied().map(Source::Bytes).collect::<Vec<_>>(), &mut into);
            prop_assert_eq!(&into, &result);
        }
    }

    #[test]
    fn fields_are_their_bits(mut bytes in vec(any::<u8>(), 0..20), at: u64, width in 1..=64u32, value: u64) {
        let bits = bytes.len() as u64 * 8;
        let offset = if at % 7 == 0 { at } else { at % (bits + 70) };
        let read = (0..u64::from(width)).fold(0, |number, bit| {
            number << 1 | u64::from(get(&bytes, offset.saturating_add(bit)))
        });
        prop_assert_eq!(read_field(&bytes, offset, width), read);
        if offset < bits && offset + u64::from(width) <= bits {
            let mut expected = unpack(&bytes);
            for bit in 0..width {
                expected[(offset + u64::from(bit)) as usize] = value >> (width - 1 - bit) & 1 == 1;
            }
            write_field(&mut bytes, offset, width, value);
            prop_assert_eq!(unpack(&bytes), expected);
        }
    }
}
