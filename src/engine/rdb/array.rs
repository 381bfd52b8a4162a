//! Arrays.

use super::source::{Error, Source};
use super::value::{Progress, Value};
use super::{Reader, Writer};
use crate::engine::keyspace::Array;

/// Reads an array.
pub fn decode<S: Source>(reader: &mut Reader<S>) -> Result<Value, Error> {
    Err(reader.unsupported("an array"))
}

/// Writes until `writer.out` has about `until` bytes; `true` when all was written.
pub fn encode(_array: &Array, _progress: &mut Progress, _writer: &mut Writer, _until: usize) -> bool {
    true
}
