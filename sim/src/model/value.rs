//! What a key holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::State;
use super::stream::Stream;
use crate::resp::Reply;

pub type Bytes = Vec<u8>;

/// A value. What is large is shared by the many states that a search keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    String(Rc<Bytes>),
    List(Rc<VecDeque<Bytes>>),
    Hash(Rc<BTreeMap<Bytes, Bytes>>),
    Set(Rc<BTreeSet<Bytes>>),
    /// Workloads use whole numbers as scores.
    SortedSet(Rc<BTreeMap<Bytes, i64>>),
    Stream(Rc<Stream>),
    /// A HyperLogLog, to users a string: what it has seen, and whether its estimate is stored.
    Sketch {
        elements: Rc<BTreeSet<Bytes>>,
        counted: bool,
    },
}

impl Value {
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) | Value::Sketch { .. } => "string",
            Value::List(_) => "list",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::SortedSet(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// Collections without elements do not exist.
    fn is_empty_collection(&self) -> bool {
        match self {
            Value::String(_) | Value::Sketch { .. } | Value::Stream(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Hash(hash) => hash.is_empty(),
            Value::Set(set) => set.is_empty(),
            Value::SortedSet(set) => set.is_empty(),
        }
    }
}

/// The key holds another type.
#[derive(Debug)]
pub struct WrongType;

impl From<WrongType> for Reply {
    fn from(_: WrongType) -> Self {
        Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")
    }
}

/// Access to one type of value: reading gives a default for a missing key, writing an empty one removes
/// the key.
macro_rules! access {
    ($read:ident, $write:ident, $variant:ident, $type:ty) => {
        pub(super) fn $read(&self, key: &[u8]) -> Result<Rc<$type>, WrongType> {
            match self.entries.get(key).map(|entry| &entry.value) {
                None => Ok(Rc::default()),
                Some(Value::$variant(value)) => Ok(value.clone()),
                Some(_) => Err(WrongType),
            }
        }
        /// Changes the value and keeps the expiry.
        pub(super) fn $write(&mut self, key: &[u8], value: $type) {
            self.update(key, Value::$variant(Rc::new(value)));
        }
    };
}

impl State {
    access!(list_at, set_list, List, VecDeque<Bytes>);
    access!(hash_at, set_hash, Hash, BTreeMap<Bytes, Bytes>);
    access!(set_at, set_set, Set, BTreeSet<Bytes>);
    access!(sorted_at, set_sorted, SortedSet, BTreeMap<Bytes, i64>);
    access!(stream_at, set_stream, Stream, Stream);

    /// The string at a key.
    pub(super) fn string_at(&self, key: &[u8]) -> Result<Option<Bytes>, WrongType> {
        match self.entries.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::String(bytes)) => Ok(Some(bytes.to_vec())),
            Some(Value::Sketch { .. }) => panic!("the model does not know the bytes of a sketch"),
            Some(_) => Err(WrongType),
        }
    }

    /// Changes a value and keeps the expiry.
    pub(super) fn update(&mut self, key: &[u8], value: Value) {
        if value.is_empty_collection() {
            self.remove(key);
            return;
        }
        let expires = self.entries.get(key).and_then(|entry| entry.expires);
        self.put(key, value, expires);
    }

    /// Changes the groups of a stream that is there, which is no change to who watches it.
    pub(super) fn set_groups(&mut self, key: &[u8], stream: Stream) {
        self.entries.get_mut(key).expect("it has groups").value = Value::Stream(Rc::new(stream));
    }

    /// Changes a string and keeps its expiry.
    pub(super) fn set_string(&mut self, key: &[u8], value: Bytes) {
        self.update(key, Value::String(Rc::new(value)));
    }
}
