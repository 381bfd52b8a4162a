//! What strings can do, wherever the entry keeps them.

use super::entry::{Entry, NewValue};
use super::value::{INLINE_MAX, IntBuf, LargeString, Object, Type, ValueRef};
use crate::engine::text::number::parse_i64;

/// What can be done with an entry that holds a string. `None` means that it holds another type.
impl Entry {
    /// Whether it holds a string.
    pub fn is_string(&self) -> bool {
        self.type_of() == Type::String
    }

    /// The string's bytes; an integer is written into `buf`.
    #[inline]
    pub fn string<'a>(&'a self, buf: &'a mut IntBuf) -> Option<&'a [u8]> {
        match self.value() {
            ValueRef::Int(value) => Some(buf.format(value)),
            ValueRef::Str(bytes) => Some(bytes),
            ValueRef::Object(Object::LargeString(string)) => Some(string.as_bytes()),
            ValueRef::Packed(_) | ValueRef::Object(_) => None,
        }
    }

    /// The string's length in bytes.
    pub fn string_len(&self) -> Option<usize> {
        self.string(&mut IntBuf::new()).map(<[u8]>::len)
    }

    /// The string as an integer, if it spells one canonically. The outer `None` means another type.
    pub fn string_integer(&self) -> Option<Option<i64>> {
        match self.value() {
            ValueRef::Int(value) => Some(Some(value)),
            _ => self.string(&mut IntBuf::new()).map(parse_i64),
        }
    }

    /// Appends to the string and gives its new length. Its encoding becomes `raw`.
    pub fn append(&mut self, tail: &[u8]) -> Option<usize> {
        let old = self.string_len()?;
        let new = old + tail.len();
        if new <= INLINE_MAX || self.large_string().is_none() {
            // A first growth beyond the inline size converts; from then on the buffer doubles.
            self.string_mut(new)?[old..].copy_from_slice(tail);
        } else if let Some(string) = self.large_string() {
            string.append(tail);
        }
        Some(new)
    }

    /// The string's bytes to be changed in place, grown with zeros to at least `min_len`: what
    /// SETRANGE, SETBIT and BITFIELD need. Its encoding becomes `raw`.
    pub fn string_mut(&mut self, min_len: usize) -> Option<&mut [u8]> {
        let mut digits = IntBuf::new();
        if self.large_string().is_none() {
            let integer = match self.value() {
                ValueRef::Int(value) => Some(value),
                _ => None,
            };
            let len = self.string_len()?.max(min_len);
            if len > INLINE_MAX {
                // Zeros of a new allocation cost nothing until they are touched.
                let mut bytes = vec![0; len];
                let old = self.string(&mut digits)?;
                bytes[..old.len()].copy_from_slice(old);
                self.set_value(NewValue::Object(Box::new(Object::LargeString(LargeString::new(bytes)))));
            } else {
                if let Some(value) = integer {
                    self.set_value(NewValue::Str(digits.format(value)));
                }
                return Some(self.grow_inline(len));
            }
        }
        let string = self.large_string()?;
        string.grow_to(min_len);
        Some(string.as_mut_bytes())
    }

    /// Replaces all bytes of a string. Its encoding becomes `raw`, its expiry stays.
    pub fn replace_string(&mut self, bytes: Vec<u8>) {
        if bytes.len() <= INLINE_MAX {
            self.set_value(NewValue::Str(&bytes));
            self.string_mut(0);
        } else if let Some(string) = self.large_string() {
            *string = LargeString::new(bytes);
        } else {
            self.set_value(NewValue::Object(Box::new(Object::LargeString(LargeString::new(bytes)))));
        }
    }

    /// Takes the bytes out of a long string, which is empty then: for a command that replaces it.
    pub fn take_string(&mut self) -> Option<Vec<u8>> {
        self.large_string().map(|string| std::mem::replace(string, LargeString::new(Vec::new())).into_bytes())
    }

    /// Sets a string to an integer: what INCR does.
    pub fn set_integer(&mut self, value: i64) -> Option<Box<Object>> {
        self.set_value(NewValue::Int(value))
    }

    fn large_string(&mut self) -> Option<&mut LargeString> {
        match self.object_mut()? {
            Object::LargeString(string) => Some(string),
            _ => None,
        }
    }
}
