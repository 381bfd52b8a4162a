//! `math.random` of scripts: the generator of `drand48`, whose numbers follow from its seed alone.

/// State of the generator: 48 bits.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

const MASK: u64 = (1 << 48) - 1;

impl Random {
    /// The generator that `srand48` gives for a seed.
    pub fn new(seed: u32) -> Self {
        Random((u64::from(seed) << 16) | 0x330E)
    }
    /// The next whole number below 2^31.
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & MASK;
        (self.0 >> 17) as u32
    }
    /// The next number from 0 to 1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        let most = i32::MAX as u32;
        f64::from(self.next() % most) / f64::from(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..5).map(|_| random.unit()).collect::<Vec<f64>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        // What `lrand48` gives first after `srand48(0)`.
        assert_eq!(Random::new(0).next(), 366_850_414);
        assert!(draw(3).iter().all(|number| (0.0..1.0).contains(number)));
    }
}
