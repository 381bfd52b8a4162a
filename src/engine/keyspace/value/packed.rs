//! Small collections: a run of bytes that lies inside its entry.

use super::Type;

/// What a packed value is, and with it what its run looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// A hash: fields and values in turn, as listpack elements.
    Hash = 0,
    /// A hash some of whose fields expire: field, value and expiry in turn, by expiry.
    ExpiringHash = 1,
    /// A list: its elements as listpack elements.
    List = 2,
    /// A set: its members as listpack elements.
    Set = 3,
    /// A set of integers: sorted, all of the same width, lowest byte first.
    IntSet = 4,
    /// A sorted set: members and scores in turn, by score and member, as listpack elements.
    SortedSet = 5,
}

impl Form {
    /// All of them, by number.
    pub const ALL: [Form; 6] =
        [Form::Hash, Form::ExpiringHash, Form::List, Form::Set, Form::IntSet, Form::SortedSet];

    /// The type of such values.
    pub fn type_of(self) -> Type {
        match self {
            Form::Hash | Form::ExpiringHash => Type::Hash,
            Form::List => Type::List,
            Form::Set | Form::IntSet => Type::Set,
            Form::SortedSet => Type::SortedSet,
        }
    }

    /// The encoding's name, as OBJECT ENCODING reports it.
    pub fn encoding_name(self) -> &'static str {
        match self {
            Form::ExpiringHash => "listpackex",
            Form::IntSet => "intset",
            Form::Hash | Form::List | Form::Set | Form::SortedSet => "listpack",
        }
    }
}

/// A small collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed<'a> {
    /// What it is.
    pub form: Form,
    /// How many members, fields or elements it has.
    pub count: usize,
    /// Their bytes.
    pub run: &'a [u8],
}

impl<'a> Packed<'a> {
    /// An empty one.
    pub fn empty(form: Form) -> Self {
        Self { form, count: 0, run: &[] }
    }
}
