//! A vector of unsigned integers that all take as many bytes as the largest needs.

use std::ops::Range;

/// Integers of one width: 1, 2, 4 or 8 bytes, lowest byte first.
#[derive(Clone, Debug)]
pub struct Ints {
    width: usize,
    bytes: Vec<u8>,
}

impl Default for Ints {
    fn default() -> Self {
        Self { width: 1, bytes: Vec::new() }
    }
}

impl Ints {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The integer at an index.
    #[inline]
    pub fn get(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..self.width].copy_from_slice(&self.bytes[at * self.width..(at + 1) * self.width]);
        u64::from_le_bytes(bytes)
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u64> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Puts an integer before the one at an index.
    pub fn insert(&mut self, at: usize, value: u64) {
        self.widen(value);
        let at = at * self.width;
        super::reserve(&mut self.bytes, self.width);
        self.bytes.splice(at..at, value.to_le_bytes()[..self.width].iter().copied());
    }

    /// Takes out some.
    pub fn remove(&mut self, range: Range<usize>) {
        self.bytes.drain(range.start * self.width..range.end * self.width);
    }

    /// Adds `by`, modulo 2^64, to those from an index on.
    pub fn shift(&mut self, from: usize, by: u64) {
        if by == 0 || from == self.len() {
            return;
        }
        self.widen(self.get(self.len() - 1).wrapping_add(by));
        for at in from..self.len() {
            let value = self.get(at).wrapping_add(by).to_le_bytes();
            self.bytes[at * self.width..(at + 1) * self.width].copy_from_slice(&value[..self.width]);
        }
    }

    /// The index of the first that is not less than `value`: they are in order.
    #[inline]
    pub fn lower_bound(&self, value: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle) < value {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Takes more bytes for each if `value` needs them.
    fn widen(&mut self, value: u64) {
        let width = match value {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        if width > self.width {
            let bytes = self.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect();
            (self.bytes, self.width) = (bytes, width);
        }
    }
}

impl FromIterator<u64> for Ints {
    fn from_iter<T: IntoIterator<Item = u64>>(values: T) -> Self {
        let mut ints = Ints::default();
        values.into_iter().for_each(|value| ints.insert(ints.len(), value));
        ints
    }
}
