//! Strings: integers and short ones live inside the entry, long ones in a growable buffer.

/// The longest string kept inside its entry. Beyond it APPEND and SETRANGE would copy too much, and
/// the 8 + 32 bytes of a separate buffer no longer count.
pub const INLINE_MAX: usize = 1024;

/// Above this, spare room grows by an eighth instead of doubling.
const DOUBLING_MAX: usize = 1 << 20;

/// Room for the digits of one integer.
#[derive(Default)]
pub struct IntBuf(itoa::Buffer);

impl IntBuf {
    /// Room for one integer.
    pub fn new() -> Self {
        Self::default()
    }
    /// The decimal digits of `value`.
    pub fn format(&mut self, value: i64) -> &[u8] {
        self.0.format(value).as_bytes()
    }
}

/// A long string. Growing it costs amortised constant time a byte.
#[derive(Clone, Debug)]
pub struct LargeString(Vec<u8>);

impl LargeString {
    /// A string of these bytes, without spare room.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// Its bytes, to be changed in place.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
    /// Its bytes, with their spare room.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }
    /// Adds `tail` at the end.
    pub fn append(&mut self, tail: &[u8]) {
        self.reserve(tail.len());
        self.0.extend_from_slice(tail);
    }
    /// Makes it at least `len` bytes long, with zeros at the end.
    pub fn grow_to(&mut self, len: usize) {
        if len > self.0.len() {
            self.reserve(len - self.0.len());
            self.0.resize(len, 0);
        }
    }
    fn reserve(&mut self, more: usize) {
        let len = self.0.len();
        if self.0.capacity() - len < more {
            let needed = len + more;
            let spare = if needed < DOUBLING_MAX { needed } else { needed / 8 };
            self.0.reserve_exact(more + spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_strings_grow_in_few_steps() {
        let mut string = LargeString::new(vec![b'x'; 1025]);
        let mut growths = 0;
        for _ in 0..4_000_000 {
            let before = string.capacity();
            string.append(b"y");
            growths += usize::from(string.capacity() != before);
        }
        assert!(growths < 40, "{growths}");
        assert_eq!(string.as_bytes().len(), 4_001_025);
    }
}
