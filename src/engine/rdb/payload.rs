//! What DUMP gives and RESTORE takes: a kind, a value, a version and a checksum.

use super::reader::Reader;
use super::source::{Error, Slice};
use super::value::{Context, Limits, ValueEncoder, decode};
use super::writer::{Options, Writer, version_of};
use super::{Dialect, VERSION, kind, opcode};
use crate::engine::keyspace::Entry;
use crate::engine::text::crc64::crc64;
use std::collections::BTreeMap;

/// Version and checksum.
const FOOTER: usize = 2 + 8;

/// The payload of an entry's value.
pub fn dump(entry: Entry, compress: bool) -> Vec<u8> {
    let options = Options { compress, version: VERSION };
    let (mut value, mut writer) = (ValueEncoder::new(entry), Writer::new(options));
    let kind = value.kind(options);
    writer.byte(kind);
    while !value.step(&mut writer, usize::MAX) {}
    let mut payload = writer.out;
    payload.extend_from_slice(&(version_of(kind) as u16).to_le_bytes());
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    payload
}

/// The payload of libraries of functions, given as their texts.
pub fn dump_functions(sources: &[Box<[u8]>]) -> Vec<u8> {
    let mut writer = Writer::new(Options { compress: true, version: VERSION });
    for source in sources {
        writer.byte(opcode::FUNCTION2);
        writer.string(source);
    }
    let mut payload = writer.out;
    payload.extend_from_slice(&(VERSION as u16).to_le_bytes());
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    payload
}

/// The texts of the libraries in a payload.
pub fn functions(payload: &[u8]) -> Result<Vec<Box<[u8]>>, Refusal> {
    let (body, _) = verified(payload, true)?;
    let mut reader = Reader::new(Slice::new(body));
    let mut sources = Vec::new();
    while reader.position() < body.len() as u64 {
        if reader.byte().map_err(Refusal::Value)? != opcode::FUNCTION2 {
            return Err(Refusal::NoValue);
        }
        sources.push(reader.string().map_err(Refusal::Value)?.into());
    }
    Ok(sources)
}

/// Why a payload is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its version is unknown, or its checksum another.
    Footer,
    /// Its value is broken.
    Value(Error),
    /// It is an empty collection, or more follows the value.
    NoValue,
}

/// The kind and value of a payload, and who wrote it.
pub fn verified(payload: &[u8], check_sum: bool) -> Result<(&[u8], Dialect), Refusal> {
    let (body, footer) = payload.split_last_chunk::<FOOTER>().ok_or(Refusal::Footer)?;
    let [low, high, sum @ ..] = *footer;
    let dialect = Dialect::of(u16::from_le_bytes([low, high]).into()).ok_or(Refusal::Footer)?;
    let computed = || crc64(&payload[..payload.len() - 8]).to_le_bytes();
    if !check_sum || computed() == sum { Ok((body, dialect)) } else { Err(Refusal::Footer) }
}

/// What the value of a payload says it is, in Redis's terms.
pub fn encoding(payload: &[u8]) -> &'static str {
    match payload.first() {
        Some(&(kind::LIST_ZIPLIST | kind::LIST_QUICKLIST)) => "List ziplist",
        Some(&kind::LIST_QUICKLIST_2) => "List listpack",
        Some(&kind::SET_INTSET) => "Intset",
        Some(&kind::SET_LISTPACK) => "Set listpack",
        Some(&kind::ZSET_ZIPLIST) => "Zset ziplist",
        Some(&kind::ZSET_LISTPACK) => "Zset listpack",
        Some(&kind::HASH_ZIPMAP) => "Zipmap",
        Some(&kind::HASH_ZIPLIST) => "Hash ziplist",
        Some(&(kind::HASH_LISTPACK | kind::HASH_LISTPACK_EX)) => "Hash listpack",
        Some(
            &(kind::STREAM_LISTPACKS
            | kind::STREAM_LISTPACKS_2
            | kind::STREAM_LISTPACKS_3
            | kind::STREAM_LISTPACKS_4
            | kind::STREAM_LISTPACKS_5),
        ) => "Stream listpack",
        _ => "Value",
    }
}

/// Makes an entry of a key and the value of a payload.
pub fn restore(
    payload: &[u8],
    check_sum: bool,
    limits: &Limits,
    key: &[u8],
    expires_at: Option<i64>,
    clock: u32,
) -> Result<Entry, Refusal> {
    let (body, dialect) = verified(payload, check_sum)?;
    let (kind, value) = body.split_first().ok_or(Refusal::NoValue)?;
    let mut reader = Reader::new(Slice::new(value));
    let context = Context { dialect, limits, templates: &BTreeMap::new() };
    let entry = decode(&mut reader, *kind, context, key, expires_at, clock);
    let whole = reader.position() == value.len() as u64;
    entry.map_err(Refusal::Value)?.filter(|_| whole).ok_or(Refusal::NoValue)
}
