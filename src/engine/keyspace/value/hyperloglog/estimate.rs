//! From registers to the number of elements: Otmar Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches", arXiv:1702.01284, algorithm 6.

use super::{REGISTERS, VALUE_MAX};

/// How many registers have each value. Corrupt ones may have values that no hash gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram([u32; 64]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Histogram {
    /// That of these registers, each below 64.
    pub fn of(registers: &[u8; REGISTERS]) -> Self {
        // The values lie close together, so that counting one after the other, many registers at a time, is
        // faster than looking at each register.
        let low = registers.iter().copied().fold(63, u8::min);
        let high = registers.iter().copied().fold(low, u8::max);
        let mut histogram = Self::default();
        (low..=high).for_each(|value| histogram.add(value, count(registers, value)));
        histogram
    }

    /// So many more registers have this value.
    pub fn add(&mut self, value: u8, registers: usize) {
        self.0[usize::from(value)] += registers as u32;
    }
}

/// How many registers have this value.
fn count(registers: &[u8; REGISTERS], value: u8) -> usize {
    // As many as a byte can count in each lane: half of all, in 64 lanes.
    let halves = registers.as_chunks::<{ REGISTERS / 2 }>().0.iter();
    let in_half = |half: &[u8; REGISTERS / 2]| {
        let mut lanes = [0_u8; 64];
        for part in half.as_chunks::<64>().0 {
            lanes.iter_mut().zip(part).for_each(|(lane, register)| *lane += u8::from(*register == value));
        }
        lanes.iter().map(|lane| usize::from(*lane)).sum::<usize>()
    };
    halves.map(in_half).sum()
}

/// The estimate, in whole elements.
pub fn cardinality(histogram: &Histogram) -> i64 {
    /// 1 / (2 ln 2)
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let counts = &histogram.0;
    let all = REGISTERS as f64;
    let mut sum = all * tau((all - f64::from(counts[usize::from(VALUE_MAX)])) / all);
    for value in (1..usize::from(VALUE_MAX)).rev() {
        sum = (sum + f64::from(counts[value])) * 0.5;
    }
    sum += all * sigma(f64::from(counts[0]) / all);
    let estimate = (ALPHA * all * all / sum).round();
    // Only corrupt registers lead beyond; what Redis says then is what x86 makes of the conversion.
    if estimate < i64::MAX as f64 { estimate as i64 } else { i64::MIN }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
