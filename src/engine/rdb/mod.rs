//! The RDB format, in both directions: what files, DUMP payloads and full synchronisations are made of.
//!
//! ```text
//! file      magic, then items, then EOF and the CRC-64 of all before (0: not computed)
//! magic     "REDIS" and four digits, or "VALKEY" and three: the version
//! item      AUX name value                   SELECTDB number      RESIZEDB keys expiring
//!           FUNCTION2 source                 MODULE_AUX ...       SLOT_INFO slot keys expiring
//!           [EXPIRETIME_MS time] [IDLE seconds | FREQ counter] kind key value
//! payload   kind value, version in two bytes, CRC-64 of all before
//! length    00nnnnnn | 01nnnnnn n | 80 n[4] | 81 n[8], highest byte first
//! string    length bytes | c0 i[1] | c1 i[2] | c2 i[4] | c3 length length lzf
//! ```
//!
//! Nothing here does I/O, and each direction goes in steps, so that neither a file nor a big value ever
//! lies in memory encoded as a whole.
//!
//! - [`Decoder`] takes bytes from a [`Source`] and yields [`Item`]s: aux fields, databases, whole entries.
//!   Every byte is distrusted: an [`Error`] says at which offset what was being read and what was wrong.
//!   Nothing is allocated out of proportion to the bytes that are really there.
//! - [`FileWriter`] makes a file of captured entries; [`ValueEncoder`] writes one value step by step.
//! - [`check`] is what `redis-check-rdb` says.
//! - [`payload`] is what DUMP gives and RESTORE takes.
//! - [`Reader`] and [`Writer`] have the primitives (lengths, strings, doubles) that the codec of each type
//!   is made of. There is one file a type, with both directions: `decode` makes a value of what a reader
//!   gives; `encode` writes a part of a value and remembers how far it came.

mod array;
pub mod check;
mod decoder;
mod file;
mod hash;
mod list;
mod lzf;
mod old;
pub mod payload;
mod reader;
mod records;
mod set;
mod sorted_set;
mod source;
mod stream;
mod value;
mod writer;

#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Item, Loaded};
pub use file::{Access, FileWriter, Header};
pub use hash::{Template, Templates};
pub use reader::Reader;
pub use source::{Buffered, Error, Lack, Problem, Slice, Source};
pub use value::{Context, Limits, Value, ValueEncoder, decode};
pub use writer::{Options, Writer};

/// The version that is written: the one of Redis 7.4, which all later ones read.
pub const VERSION: u32 = 12;

/// The version of files without fields that expire: the one of Redis 7.2, and the last that Valkey reads as well.
pub const VERSION_UNTIMED: u32 = 11;

/// The version of files without values: the one of Redis 7.0, whose append-only files begin with such a file.
pub const VERSION_EMPTY: u32 = 10;

/// The newest version of Redis that is read: the one of 8.10.
pub const VERSION_MAX: u32 = 15;

/// Versions that Redis leaves to others; Valkey's begin with 80.
const FOREIGN: std::ops::RangeInclusive<u32> = 16..=79;

/// The newest version of Valkey that is read.
const VALKEY_MAX: u32 = 80;

/// Who wrote a file or a payload: both gave the same numbers different meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Redis, whose versions up to 11 are Valkey's as well.
    Redis,
    /// Valkey 9 and later.
    Valkey,
}

impl Dialect {
    /// The dialect of a version; `None` if the version cannot be read.
    pub fn of(version: u32) -> Option<Self> {
        match version {
            1..=VERSION_MAX => Some(Dialect::Redis),
            version if version > *FOREIGN.end() && version <= VALKEY_MAX => Some(Dialect::Valkey),
            _ => None,
        }
    }
}

/// The byte before a key that says what its value is and how it is encoded.
pub mod kind {
    /// A string.
    pub const STRING: u8 = 0;
    /// A list, element by element.
    pub const LIST: u8 = 1;
    /// A set, member by member.
    pub const SET: u8 = 2;
    /// A sorted set whose scores are spelled in decimal.
    pub const ZSET: u8 = 3;
    /// A hash, field by field.
    pub const HASH: u8 = 4;
    /// A sorted set, member by member.
    pub const ZSET_2: u8 = 5;
    /// A module's value, which only that module can read.
    pub const MODULE: u8 = 6;
    /// A module's value that can be skipped.
    pub const MODULE_2: u8 = 7;
    /// A small hash before Redis 2.6.
    pub const HASH_ZIPMAP: u8 = 9;
    /// A small list before 3.2.
    pub const LIST_ZIPLIST: u8 = 10;
    /// A set of few integers.
    pub const SET_INTSET: u8 = 11;
    /// A small sorted set before 7.0.
    pub const ZSET_ZIPLIST: u8 = 12;
    /// A small hash before 7.0.
    pub const HASH_ZIPLIST: u8 = 13;
    /// A list as ziplists, before 7.0.
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream.
    pub const STREAM_LISTPACKS: u8 = 15;
    /// A small hash.
    pub const HASH_LISTPACK: u8 = 16;
    /// A small sorted set.
    pub const ZSET_LISTPACK: u8 = 17;
    /// A list as listpacks and large elements.
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream, with what 7.0 added.
    pub const STREAM_LISTPACKS_2: u8 = 19;
    /// A small set.
    pub const SET_LISTPACK: u8 = 20;
    /// A stream, with what 7.2 added.
    pub const STREAM_LISTPACKS_3: u8 = 21;
    /// A hash with expiring fields: of release candidates of Redis 7.4, and another one of Valkey 9.
    pub const HASH_EXPIRING_22: u8 = 22;
    /// A small hash with expiring fields, of release candidates of 7.4.
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    /// A hash with expiring fields.
    pub const HASH_METADATA: u8 = 24;
    /// A small hash with expiring fields.
    pub const HASH_LISTPACK_EX: u8 = 25;
    /// A stream, with idempotent producers.
    pub const STREAM_LISTPACKS_4: u8 = 26;
    /// A stream, with entries that were refused.
    pub const STREAM_LISTPACKS_5: u8 = 27;
    /// An array.
    pub const ARRAY: u8 = 28;
    /// A small hash that HIMPORT made, with its fields' names.
    pub const HASH_TEMPLATE_LISTPACK: u8 = 29;
    /// The same with a reference to names that the file has elsewhere.
    pub const HASH_TEMPLATE_LISTPACK_REF: u8 = 30;
    /// A hash that HIMPORT made, with its fields' names.
    pub const HASH_TEMPLATE_ARRAY: u8 = 31;
    /// The same with a reference to names that the file has elsewhere.
    pub const HASH_TEMPLATE_ARRAY_REF: u8 = 32;
}

/// The byte before any other item of a file.
pub mod opcode {
    /// Names of fields that hashes made by HIMPORT share.
    pub const TEMPLATE: u8 = 242;
    /// Redis: metadata of modules for the key that follows. Valkey: state of a slot's import.
    pub const KEY_META: u8 = 243;
    /// How many keys a slot has.
    pub const SLOT_INFO: u8 = 244;
    /// A library of functions.
    pub const FUNCTION2: u8 = 245;
    /// A library of functions, of release candidates of 7.0.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// What a module keeps beside keys.
    pub const MODULE_AUX: u8 = 247;
    /// How long the key that follows was not used.
    pub const IDLE: u8 = 248;
    /// How often the key that follows was used.
    pub const FREQ: u8 = 249;
    /// A field of information about the file.
    pub const AUX: u8 = 250;
    /// How many keys the database has.
    pub const RESIZEDB: u8 = 251;
    /// When the key that follows expires, in milliseconds.
    pub const EXPIRETIME_MS: u8 = 252;
    /// When the key that follows expires, in seconds.
    pub const EXPIRETIME: u8 = 253;
    /// Which database the keys that follow belong to.
    pub const SELECTDB: u8 = 254;
    /// The end.
    pub const EOF: u8 = 255;
}
