//! What an entry can hold.

pub mod array;
pub mod bits;
pub mod hash;
pub mod hashed;
pub mod hyperloglog;
pub mod intset;
mod list;
pub mod listpack;
pub mod ordered;
mod packed;
pub mod sorted_set;
pub mod stream;
mod string;
pub mod tree;

pub use array::Array;
pub use hash::{Field, Hash};
pub use hashed::{Hashed, Hasher};
pub use list::{End, List, without_equal};
pub use packed::{Form, Packed};
pub use sorted_set::SortedSet;
pub use stream::Stream;
pub use string::{INLINE_MAX, IntBuf, LargeString};

/// What users see as the type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Strings, bitmaps and HyperLogLogs.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets and places on the map.
    SortedSet,
    /// Hashes.
    Hash,
    /// Streams.
    Stream,
    /// Arrays.
    Array,
}

impl Type {
    /// The name, as TYPE reports it.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::SortedSet => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
            Type::Array => "array",
        }
    }
}

/// Allocations that a leaf of packed records is made of, about.
const LEAF_EFFORT: usize = 3;

/// A value that does not fit inside its entry. Each data type adds its variant here, and its arm to
/// the few methods below; nothing else in the keyspace asks what an object is.
#[derive(Clone, Debug)]
pub enum Object {
    /// A string longer than [`INLINE_MAX`], with room to grow.
    LargeString(LargeString),
    /// An array.
    Array(Box<Array>),
    /// A hash of many fields, or of long ones.
    Hash(Hash),
    /// A list that is too large for its entry.
    List(List),
    /// A set of many members, or of long ones.
    Set(Hashed),
    /// A sorted set that is too large to be packed.
    SortedSet(Box<SortedSet>),
    /// A stream.
    Stream(Box<Stream>),
}

impl Object {
    /// Its type.
    pub fn type_of(&self) -> Type {
        match self {
            Object::LargeString(_) => Type::String,
            Object::Array(_) => Type::Array,
            Object::Hash(_) => Type::Hash,
            Object::List(_) => Type::List,
            Object::Set(_) => Type::Set,
            Object::SortedSet(_) => Type::SortedSet,
            Object::Stream(_) => Type::Stream,
        }
    }

    /// The encoding's name, as OBJECT ENCODING reports it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Object::LargeString(_) => "raw",
            Object::Array(_) => "sliced-array",
            Object::Hash(_) => "hashtable",
            Object::List(_) => "quicklist",
            Object::Set(_) => "hashtable",
            Object::SortedSet(_) => "skiplist",
            Object::Stream(_) => "stream",
        }
    }

    /// Bytes of memory held, this enum included.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>()
            + match self {
                Object::LargeString(string) => string.capacity(),
                Object::Array(array) => size_of::<Array>() + array.memory_usage(),
                Object::Hash(hash) => hash.memory_usage(),
                Object::List(list) => list.memory_usage(),
                Object::Set(set) => set.memory_usage(),
                Object::SortedSet(set) => size_of::<SortedSet>() + set.memory_usage(),
                Object::Stream(stream) => size_of::<Stream>() + stream.memory_usage(),
            }
    }

    /// How many steps freeing this takes, in allocations: lazy freeing counts its budget in these.
    pub fn free_effort(&self) -> usize {
        match self {
            Object::LargeString(_) => 1,
            Object::Array(array) => array.slices(),
            Object::Hash(hash) => hash.free_effort(),
            Object::List(list) => list.free_effort(),
            Object::Set(set) => set.leaves() * LEAF_EFFORT,
            Object::SortedSet(set) => set.leaves() * LEAF_EFFORT,
            Object::Stream(stream) => 1 + stream.free_effort(),
        }
    }

    /// Frees about `budget` allocations of what it holds; `true` when little enough is left to be
    /// dropped at once. What is left in between is of no use to anybody.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Object::LargeString(_) => true,
            Object::Array(array) => array.free_some(budget),
            Object::Hash(hash) => hash.free_some(budget),
            Object::List(list) => list.free_some(budget),
            Object::Set(set) => set.free_some(budget / LEAF_EFFORT),
            Object::SortedSet(set) => set.free_some(budget / LEAF_EFFORT),
            Object::Stream(stream) => stream.free_some(budget),
        }
    }
}

/// A look at an entry's value.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string that is a canonical decimal integer.
    Int(i64),
    /// A string of at most [`INLINE_MAX`] bytes.
    Str(&'a [u8]),
    /// A small collection.
    Packed(Packed<'a>),
    /// Anything else.
    Object(&'a Object),
}
