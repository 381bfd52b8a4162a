//! What an entry can hold.

mod string;

pub use string::{INLINE_MAX, IntBuf, LargeString};

/// A value that does not fit inside its entry. Each data type adds its variant here, and its arm to
/// the few methods below; nothing else in the keyspace asks what an object is.
#[derive(Clone, Debug)]
pub enum Object {
    /// A string longer than [`INLINE_MAX`], with room to grow.
    LargeString(LargeString),
}

impl Object {
    /// The type's name, as TYPE reports it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Object::LargeString(_) => "string",
        }
    }

    /// The encoding's name, as OBJECT ENCODING reports it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Object::LargeString(_) => "raw",
        }
    }

    /// Bytes of memory held, this enum included.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>()
            + match self {
                Object::LargeString(string) => string.capacity(),
            }
    }

    /// How many steps freeing this takes, in allocations: lazy freeing counts its budget in these.
    pub fn free_effort(&self) -> usize {
        match self {
            Object::LargeString(_) => 1,
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
    /// Anything else.
    Object(&'a Object),
}
