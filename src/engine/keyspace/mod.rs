//! Databases and what they are made of.
//!
//! - [`Entry`] is one allocation that holds key, expiry, access clock and value.
//! - [`Table`] finds entries by key: extendible hashing that never moves more than a segment at once.
//! - [`Database`] is what commands see: one table, or one per cluster hash slot.
//! - `snapshot` captures it as it was at one moment, while it goes on changing.
//! - [`value`] is what an entry can hold.
//! - [`eviction`] chooses what to forget when memory is short.

mod ahead;
mod array;
pub mod database;
pub mod entry;
pub mod eviction;
pub mod hash;
pub mod list;
pub mod set;
mod snapshot;
pub mod sorted_set;
mod stream;
mod string;
pub mod table;
mod tables;
pub mod value;

pub use ahead::Named;
pub use database::{Database, EntryMut, Expiry, KeyHash, Layout, Place, SetOutcome};
pub use entry::{Entry, NewValue};
pub use set::{SetLimits, SetRef};
pub use sorted_set::{NewSortedSet, SortedSetLimits, SortedSetRef};
pub use table::{Due, ExpireStep, Garbage, Table};
pub use value::{Array, Form, Hasher, IntBuf, Object, Packed, Type, ValueRef};
