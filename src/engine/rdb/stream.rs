//! Streams.

use super::source::{Error, Source};
use super::value::Value;
use super::{Options, Reader, Writer};
use crate::engine::keyspace::value::Stream;

/// How far a stream has been written.
#[derive(Debug, Default)]
pub struct Progress;

/// Reads a stream of any version.
pub fn decode<S: Source>(reader: &mut Reader<S>, kind: u8) -> Result<Value, Error> {
    Err(reader.unsupported(format!("a stream of kind {kind}")))
}

/// The kind that a stream is written as.
pub fn kind(_stream: &Stream, _options: Options) -> u8 {
    super::kind::STREAM_LISTPACKS_3
}

/// Writes until `writer.out` has about `until` bytes; `true` when all was written.
pub fn encode(_stream: &Stream, _progress: &mut Progress, _writer: &mut Writer, _until: usize) -> bool {
    true
}
