//! Random streams. Each part of the world draws from a stream of its own, so that one draw more in one
//! part does not reshuffle the others.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A stream of random numbers (SplitMix64: one addition and a mix, every seed is a good one).
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The stream of this name under a seed.
    pub fn named(seed: u64, name: &str) -> Self {
        Self(xxh3_64_with_seed(name.as_bytes(), seed))
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low).saturating_add(1))
    }

    /// True with a probability of `parts` in a million.
    pub fn chance(&mut self, parts_per_million: u32) -> bool {
        // No draw for what cannot happen: a fault that is switched off costs nothing.
        parts_per_million > 0 && self.below(1_000_000) < u64::from(parts_per_million)
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.draw().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_name_alone() {
        let mut net = Draws::named(1, "net");
        let first = net.draw();
        assert_eq!(Draws::named(1, "net").draw(), first);
        assert_ne!(Draws::named(2, "net").draw(), first);
        assert_ne!(Draws::named(1, "clock").draw(), first);
    }

    #[test]
    fn bounds_hold_and_are_reached() {
        let mut draws = Draws::named(0, "bounds");
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| draws.between(3, 6)).collect();
        assert!(drawn.into_iter().eq(3..=6));
        assert_eq!(draws.below(0), 0);
        assert!(!draws.chance(0) && draws.chance(1_000_000));
    }
}
