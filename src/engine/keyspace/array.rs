//! What arrays can do, in their entries.

use super::entry::Entry;
use super::value::{Array, Object, ValueRef};

impl Entry {
    /// The array it holds; `None` if it holds another type.
    pub fn array(&self) -> Option<&Array> {
        match self.value() {
            ValueRef::Object(Object::Array(array)) => Some(array),
            _ => None,
        }
    }

    /// The array it holds, to be changed.
    pub fn array_mut(&mut self) -> Option<&mut Array> {
        match self.object_mut()? {
            Object::Array(array) => Some(array),
            _ => None,
        }
    }
}
