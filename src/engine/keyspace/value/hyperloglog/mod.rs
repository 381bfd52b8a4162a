//! HyperLogLogs: strings that estimate how many different elements they have seen, within 0.81 %.
//!
//! An element's hash chooses one of 16,384 registers, which keeps the longest run of zeros seen in the rest
//! of such hashes (Flajolet and others, 2007; the estimate is that of Ertl, arXiv:1702.01284). The string is
//! Redis's byte for byte, so that dumps and GET carry it from server to server:
//!
//! ```text
//! byte 0   "HYLL"
//! byte 4   encoding: 0 dense, 1 sparse
//! byte 5   three unused bytes
//! byte 8   the last estimate, 64 bits, lowest byte first; its highest bit says that it no longer holds
//! byte 16  registers: see `dense` and `sparse`
//! ```
//!
//! Anybody can write such a string with SET, so nothing here trusts what follows the header.

mod dense;
mod estimate;
mod self_test;
mod sparse;

pub use self_test::self_test;

use crate::engine::text::murmur;

/// How many registers there are.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// The highest value that a hash gives a register: all its other 50 bits are 0.
const VALUE_MAX: u8 = 64 - INDEX_BITS as u8 + 1;
const SEED: u64 = 0xadc8_3b19;

const MAGIC: &[u8; 4] = b"HYLL";
const HEADER: usize = 16;
const ENCODING: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const DENSE_LEN: usize = HEADER + dense::PACKED;

/// The registers of a sparse string are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// A look at a string that is a HyperLogLog as far as its header tells.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
    registers: Encoded<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Encoded<'a> {
    Dense(&'a dense::Packed),
    Sparse(&'a [u8]),
}

impl<'a> View<'a> {
    /// Looks at a string, if it is one.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(HEADER)?;
        if !header.starts_with(MAGIC) {
            return None;
        }
        let registers = match header[ENCODING] {
            DENSE => Encoded::Dense(body.try_into().ok()?),
            SPARSE => Encoded::Sparse(body),
            _ => return None,
        };
        Some(View { bytes, registers })
    }

    /// Whether it is dense.
    pub fn is_dense(&self) -> bool {
        matches!(self.registers, Encoded::Dense(_))
    }

    /// The estimate in the header, if it still holds.
    pub fn cached(&self) -> Option<i64> {
        let cached = self.bytes[HEADER - 8..].first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
        cached.filter(|estimate| *estimate >= 0)
    }

    /// How many different elements it has seen, about.
    pub fn estimate(&self) -> Result<i64, Corrupt> {
        let histogram = match self.registers {
            Encoded::Dense(packed) => dense::histogram(packed),
            Encoded::Sparse(body) => sparse::histogram(body)?,
        };
        Ok(estimate::cardinality(&histogram))
    }

    /// The runs of a sparse one as PFDEBUG DECODE shows them.
    pub fn describe_runs(&self) -> Option<String> {
        match self.registers {
            Encoded::Dense(_) => None,
            Encoded::Sparse(body) => Some(sparse::describe(body)),
        }
    }
}

/// The registers of several HyperLogLogs put together: of each, the highest.
pub struct Union(Box<[u8; REGISTERS]>);

impl Default for Union {
    fn default() -> Self {
        Self(vec![0; REGISTERS].try_into().expect("the lengths are equal"))
    }
}

impl Union {
    /// Adds one more.
    pub fn add(&mut self, other: View) -> Result<(), Corrupt> {
        match other.registers {
            Encoded::Dense(packed) => {
                dense::merge(&mut self.0, packed);
                Ok(())
            }
            Encoded::Sparse(body) => sparse::merge(&mut self.0, body),
        }
    }

    /// How many different elements all of them have seen, about.
    pub fn estimate(&self) -> i64 {
        estimate::cardinality(&estimate::Histogram::of(&self.0))
    }

    /// The registers.
    pub fn registers(&self) -> &[u8; REGISTERS] {
        &self.0
    }
}

/// A HyperLogLog of its own, to be changed.
#[derive(Clone, Debug)]
pub struct Sketch(Vec<u8>);

impl Sketch {
    /// One that has seen nothing: sparse, with an estimate that holds.
    pub fn empty() -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[ENCODING] = SPARSE;
        sparse::push_zeros(&mut bytes, REGISTERS);
        Self(bytes)
    }

    /// A copy.
    pub fn of(view: View) -> Self {
        // Room for some additions: one makes it at most three bytes longer.
        let mut bytes = Vec::with_capacity(view.bytes.len() + 16);
        bytes.extend_from_slice(view.bytes);
        Self(bytes)
    }

    /// A look at it.
    pub fn view(&self) -> View<'_> {
        View::of(&self.0).expect("a sketch keeps its header")
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Sees an element; says whether a register has changed. A sparse one becomes dense rather than have
    /// more than `sparse_max` bytes.
    pub fn add(&mut self, element: &[u8], sparse_max: usize) -> Result<bool, Corrupt> {
        let (register, value) = place(element);
        self.raise(&mut sparse::Place::start(), register, value, sparse_max)
    }

    /// Sees all that others have seen; it has been added to the union itself.
    pub fn add_all(&mut self, union: &Union, sparse_max: usize) -> Result<(), Corrupt> {
        let mut from = sparse::Place::start();
        let values = union.0.iter().enumerate().filter(|(_, value)| **value > 0);
        for (register, value) in values {
            if self.0[ENCODING] == DENSE {
                dense::pack(&union.0, self.packed());
                break;
            }
            self.raise(&mut from, register, *value, sparse_max)?;
        }
        Ok(())
    }

    /// Makes it dense.
    pub fn make_dense(&mut self) -> Result<(), Corrupt> {
        let Encoded::Sparse(body) = self.view().registers else { return Ok(()) };
        let mut registers = Union::default();
        sparse::merge(&mut registers.0, body)?;
        self.0.resize(DENSE_LEN, 0);
        self.0[ENCODING] = DENSE;
        dense::pack(&registers.0, self.packed());
        Ok(())
    }

    /// The estimate in the header no longer holds.
    pub fn invalidate(&mut self) {
        invalidate(&mut self.0);
    }

    /// Raises a register to a value, if it is lower.
    fn raise(
        &mut self,
        from: &mut sparse::Place,
        register: usize,
        value: u8,
        sparse_max: usize,
    ) -> Result<bool, Corrupt> {
        if self.0[ENCODING] == SPARSE {
            match sparse::raise(&mut self.0, from, register, value, sparse_max)? {
                sparse::Raised::Done(changed) => return Ok(changed),
                sparse::Raised::TooLarge => self.make_dense()?,
            }
        }
        Ok(dense::raise(self.packed(), register, value))
    }

    fn packed(&mut self) -> &mut dense::Packed {
        (&mut self.0[HEADER..]).try_into().expect("a dense sketch has its length")
    }
}

/// Lets a dense HyperLogLog see an element in place; says whether a register has changed. `false` also of
/// what is no dense one.
pub fn add_in_place(bytes: &mut [u8], element: &[u8]) -> bool {
    let (register, value) = place(element);
    packed_in(bytes).is_some_and(|packed| dense::raise(packed, register, value))
}

/// Lets a dense HyperLogLog, which has been added to the union itself, see in place all that the others have
/// seen. Nothing happens to what is no dense one.
pub fn add_all_in_place(bytes: &mut [u8], union: &Union) {
    if let Some(packed) = packed_in(bytes) {
        dense::pack(&union.0, packed);
        invalidate(bytes);
    }
}

/// The registers of a dense HyperLogLog.
fn packed_in(bytes: &mut [u8]) -> Option<&mut dense::Packed> {
    let dense = View::of(bytes).is_some_and(|view| view.is_dense());
    bytes.get_mut(HEADER..).filter(|_| dense)?.try_into().ok()
}

/// Writes an estimate into the header.
pub fn set_cached(bytes: &mut [u8], estimate: i64) {
    bytes[HEADER - 8..HEADER].copy_from_slice(&estimate.to_le_bytes());
}

/// The estimate in the header no longer holds.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[HEADER - 1] |= 0x80;
}

/// The register of an element, and the value it gives it: the zeros at the end of the hash's other bits, and
/// one.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur::hash64a(element, SEED);
    let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
    (hash as usize % REGISTERS, rest.trailing_zeros() as u8 + 1)
}

#[cfg(test)]
mod tests;
