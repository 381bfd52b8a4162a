//! The bytes of a node.

use crate::engine::keyspace::value::stream::StreamId;
use triomphe::{Arc, HeaderWithLength, ThinArc};

/// The elements of a node and its id, in one allocation behind one word: with a node for every hundred entries
/// or so, more would show. Clones share it until one of them is changed.
#[derive(Clone, Debug)]
pub struct Run(ThinArc<Head, u8>);

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    id: StreamId,
    /// How many bytes are in use; those behind them are spare.
    len: usize,
}

/// The least that is set aside when more is needed.
const SPARE: usize = 64;

impl Default for Run {
    fn default() -> Self {
        Run::new(StreamId::MIN, &[])
    }
}

impl Run {
    /// A run without spare room.
    pub fn new(id: StreamId, bytes: &[u8]) -> Self {
        Run(ThinArc::from_header_and_slice(Head { id, len: bytes.len() }, bytes))
    }

    /// A run with room for `room` bytes, if that is more than there are.
    pub fn with_room(id: StreamId, bytes: &[u8], room: usize) -> Self {
        let mut all = Vec::with_capacity(room.max(bytes.len()));
        all.extend_from_slice(bytes);
        Run::of_vec(Head { id, len: bytes.len() }, all)
    }

    /// All that the vector has allocated becomes room.
    fn of_vec(head: Head, mut bytes: Vec<u8>) -> Self {
        bytes.resize(bytes.capacity(), 0);
        let capacity = bytes.len();
        Run(Arc::into_thin(Arc::from_header_and_vec(HeaderWithLength::new(head, capacity), bytes)))
    }

    /// The node's id.
    #[inline]
    pub fn id(&self) -> StreamId {
        self.0.header.header.id
    }

    /// Its elements.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.0.slice[..self.0.header.header.len]
    }

    /// Bytes on the heap.
    pub fn memory_usage(&self) -> usize {
        // The count of owners and the length come first.
        2 * size_of::<usize>() + size_of::<Head>() + self.0.slice.len()
    }

    /// Puts `new` in the place of the bytes from `from` up to `to`.
    pub fn replace(&mut self, from: usize, to: usize, new: &[u8]) {
        let old = self.0.header.header.len;
        let len = old - (to - from) + new.len();
        if !self.change(len, |bytes| {
            if len != old {
                bytes.copy_within(to..old, from + new.len());
            }
            bytes[from..from + new.len()].copy_from_slice(new);
        }) {
            let mut bytes = Vec::with_capacity(len.next_power_of_two().max(SPARE));
            bytes.extend_from_slice(&self.bytes()[..from]);
            bytes.extend_from_slice(new);
            bytes.extend_from_slice(&self.bytes()[to..]);
            *self = Run::of_vec(Head { id: self.id(), len }, bytes);
        }
    }

    /// Appends bytes.
    pub fn append(&mut self, new: &[u8]) {
        let len = self.0.header.header.len;
        self.replace(len, len, new);
    }

    /// Gives spare room back.
    pub fn shrink(&mut self) {
        if self.bytes().len() < self.0.slice.len() {
            *self = Run::new(self.id(), self.bytes());
        }
    }

    /// Lets `change` edit the room of these bytes, of which `len` will be in use; `false`, and nothing is done, if there
    /// are fewer, or others share them.
    #[inline]
    fn change(&mut self, len: usize, change: impl FnOnce(&mut [u8])) -> bool {
        self.0.with_arc_mut(|shared| match Arc::get_mut(shared) {
            Some(own) if len <= own.length() => {
                own.header_mut().len = len;
                change(own.slice_mut());
                true
            }
            _ => false,
        })
    }
}
