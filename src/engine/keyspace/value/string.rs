//! Strings: integers and short ones live inside the entry, long ones in a growable buffer.

use triomphe::Arc;

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

/// Below this, a copy costs less than what sharing would add to the string for good.
const SHARED_MIN: usize = 16 << 10;

/// A long string. Growing it costs amortised constant time a byte.
///
/// It owns its bytes until a snapshot asks for them; then both share them, and the first change after that
/// copies them, whole and once: 64 MB take some 20 ms. A string that nobody shares any more is changed in place.
#[derive(Clone, Debug)]
pub struct LargeString(Bytes);

#[derive(Clone, Debug)]
enum Bytes {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

// Being able to be shared must cost nothing where it is not.
const _: () = assert!(size_of::<LargeString>() == size_of::<Vec<u8>>());

impl LargeString {
    /// A string of these bytes, without spare room.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Bytes::Own(bytes))
    }
    /// Its bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes()
    }
    /// Its bytes, to be changed in place.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        self.own()
    }
    /// Its bytes, with their spare room.
    pub fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(self.own())
    }
    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.bytes().capacity()
    }
    /// Bytes allocated that no other string has too.
    pub fn unshared_bytes(&self) -> usize {
        if let Bytes::Own(bytes) = &self.0 { bytes.capacity() } else { 0 }
    }
    /// Has clones share the bytes from now on, if there are many.
    pub fn share(&mut self) {
        if let Bytes::Own(bytes) = &mut self.0
            && bytes.len() >= SHARED_MIN
        {
            self.0 = Bytes::Shared(Arc::new(std::mem::take(bytes)));
        }
    }
    /// Adds `tail` at the end.
    pub fn append(&mut self, tail: &[u8]) {
        self.reserve(tail.len()).extend_from_slice(tail);
    }
    /// Makes it at least `len` bytes long, with zeros at the end.
    pub fn grow_to(&mut self, len: usize) {
        let old = self.as_bytes().len();
        if len > old {
            self.reserve(len - old).resize(len, 0);
        }
    }
    fn reserve(&mut self, more: usize) -> &mut Vec<u8> {
        let bytes = self.own();
        let len = bytes.len();
        if bytes.capacity() - len < more {
            let needed = len + more;
            let spare = if needed < DOUBLING_MAX { needed } else { needed / 8 };
            bytes.reserve_exact(more + spare);
        }
        bytes
    }

    #[inline]
    fn bytes(&self) -> &Vec<u8> {
        match &self.0 {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }

    /// The bytes, to be changed: those of a shared string are copied unless the others are gone.
    #[inline]
    fn own(&mut self) -> &mut Vec<u8> {
        if let Bytes::Shared(shared) = &mut self.0 {
            let bytes = match Arc::get_mut(shared) {
                Some(bytes) => std::mem::take(bytes),
                None => shared.to_vec(),
            };
            self.0 = Bytes::Own(bytes);
        }
        match &mut self.0 {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(_) => unreachable!("it was made its own"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_string_is_copied_by_the_first_change_only() {
        let mut string = LargeString::new(vec![b'x'; 1 << 20]);
        let address = string.as_bytes().as_ptr();
        string.share();
        let copy = string.clone();
        assert_eq!((copy.as_bytes().as_ptr(), copy.unshared_bytes()), (address, 0));
        string.append(b"y");
        assert_eq!((copy.as_bytes().len(), string.as_bytes().len()), (1 << 20, (1 << 20) + 1));
        let address = string.as_bytes().as_ptr();
        string.as_mut_bytes()[0] = b'z';
        assert_eq!((string.as_bytes().as_ptr(), copy.as_bytes()[0]), (address, b'x'));
        string.share();
        drop(string.clone());
        string.as_mut_bytes()[1] = b'z';
        assert_eq!(string.as_bytes().as_ptr(), address, "nobody shares it any more");
        let mut short = LargeString::new(vec![b'x'; 1025]);
        short.share();
        assert_ne!(short.clone().as_bytes().as_ptr(), short.as_bytes().as_ptr());
    }

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
