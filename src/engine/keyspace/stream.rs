//! Entries that hold streams.

use super::entry::Entry;
use super::value::{Object, Stream, ValueRef};

/// What can be done with an entry that holds a stream. `None` means that it holds another type.
impl Entry {
    /// The stream.
    #[inline]
    pub fn stream(&self) -> Option<&Stream> {
        match self.value() {
            ValueRef::Object(Object::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    /// The stream, to be changed.
    #[inline]
    pub fn stream_mut(&mut self) -> Option<&mut Stream> {
        match self.object_mut()? {
            Object::Stream(stream) => Some(stream),
            _ => None,
        }
    }
}
