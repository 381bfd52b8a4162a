//! Registers packed by words and by AVX2 against registers raised one by one.

use super::*;
use crate::engine::rng::Rng;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn all_ways_agree(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut values = || -> [u8; REGISTERS] { std::array::from_fn(|_| rng.below(64) as u8) };
        let (one, other) = (values(), values());
        let mut packed = [0; PACKED];
        for (register, value) in one.iter().enumerate() {
            raise(&mut packed, register, *value);
        }
        let highest: [u8; REGISTERS] = std::array::from_fn(|at| one[at].max(other[at]));
        let (mut by_words, mut by_any) = (other, other);
        portable::merge(&mut by_words, &packed);
        merge(&mut by_any, &packed);
        prop_assert_eq!(by_words, highest);
        prop_assert_eq!(by_any, highest);
        let (mut by_words, mut by_any) = ([0; PACKED], [0; PACKED]);
        portable::pack(&one, &mut by_words);
        pack(&one, &mut by_any);
        prop_assert_eq!(by_words, packed);
        prop_assert_eq!(by_any, packed);
    }
}
