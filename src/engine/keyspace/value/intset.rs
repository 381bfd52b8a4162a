//! Runs of sorted integers: small sets all of whose members are integers, as Redis's intsets lay them
//! out, so that RDB files can take them as they are.
//!
//! ```text
//! run   the integers in ascending order, each of 2, 4 or 8 bytes, lowest byte first
//! ```
//!
//! All have the width that the widest ever needed, which follows from the run's length and count. The
//! header that Redis stores, width and count, is left to whoever writes a file.

use smallvec::SmallVec;
use std::ops::Range;

/// Bytes to put in the place of a part of a run. A set of the default size stays on the stack.
pub type Bytes = SmallVec<[u8; 64]>;

/// A look at a run.
#[derive(Clone, Copy, Debug)]
pub struct IntSet<'a> {
    run: &'a [u8],
    width: usize,
}

/// A change of a run: `part` gives way to `with`.
#[derive(Debug, PartialEq, Eq)]
pub struct Splice {
    /// Bytes of the old run.
    pub part: Range<usize>,
    /// What takes their place.
    pub with: Bytes,
}

/// Bytes that an integer needs.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

fn push(value: i64, width: usize, to: &mut Bytes) {
    to.extend_from_slice(&value.to_le_bytes()[..width]);
}

impl<'a> IntSet<'a> {
    /// A run of `count` integers.
    #[inline]
    pub fn new(run: &'a [u8], count: usize) -> Self {
        Self { run, width: run.len().checked_div(count).unwrap_or(2) }
    }
    /// How many integers there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.run.len() / self.width
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.run.is_empty()
    }
    /// The `index`-th in ascending order. There must be one.
    #[inline]
    pub fn get(&self, index: usize) -> i64 {
        let at = index * self.width;
        match self.run[at..at + self.width] {
            [a, b] => i16::from_le_bytes([a, b]).into(),
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => unreachable!("widths are 2, 4 and 8"),
        }
    }
    /// All, in ascending order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + use<'a> {
        (0..self.len()).map(move |index| self.get(index))
    }
    /// The index of a value, or the one it would have.
    #[inline]
    pub fn find(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
    /// What adds a value; `None` if it is there.
    pub fn insert(&self, value: i64) -> Option<Splice> {
        let index = self.find(value).err()?;
        let (width, mut with) = (width_of(value), Bytes::new());
        if width <= self.width {
            push(value, self.width, &mut with);
            let at = index * self.width;
            return Some(Splice { part: at..at, with });
        }
        // Wider than all others: it comes first or last, and the others get wider.
        with.reserve((self.len() + 1) * width);
        if value < 0 {
            push(value, width, &mut with);
        }
        self.iter().for_each(|value| push(value, width, &mut with));
        if value >= 0 {
            push(value, width, &mut with);
        }
        Some(Splice { part: 0..self.run.len(), with })
    }
    /// The bytes of the `index`-th integer, to be taken out.
    pub fn span(&self, index: usize) -> Range<usize> {
        index * self.width..(index + 1) * self.width
    }
    /// The run with only these of its integers, whose indices ascend.
    pub fn only(&self, indices: impl IntoIterator<Item = usize>) -> Vec<u8> {
        indices.into_iter().flat_map(|index| &self.run[self.span(index)]).copied().collect()
    }
}

/// The run of some integers, which come in ascending order and each once.
pub fn run_of(sorted: &[i64]) -> Vec<u8> {
    let width = sorted.iter().map(|value| width_of(*value)).max().unwrap_or(2);
    sorted.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect()
}

/// Checks a run from outside: whether it is sorted, without doubles, and of a width that Redis knows.
pub fn is_valid(run: &[u8], count: usize) -> bool {
    let fits = [2, 4, 8].iter().any(|width| count.checked_mul(*width) == Some(run.len()));
    fits && count > 0 && IntSet::new(run, count).iter().is_sorted_by(|a, b| a < b)
}

#[cfg(test)]
mod tests;
