//! Values of any type: which file knows which kind.

use super::hash::Templates;
use super::source::{Error, Source};
use super::{Dialect, Options, Reader, Writer, array, hash, kind, list, set, sorted_set, stream};
use crate::engine::keyspace::hash::HashLimits;
use crate::engine::keyspace::list::Limits as ListLimits;
use crate::engine::keyspace::{Entry, Form, NewValue, Object, Packed, SetLimits, SortedSetLimits, ValueRef};

/// Up to which sizes collections are small: a loaded one gets the form that this server would give it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of lists.
    pub list: ListLimits,
    /// Of sets.
    pub set: SetLimits,
    /// Of sorted sets.
    pub sorted_set: SortedSetLimits,
    /// Of hashes.
    pub hash: HashLimits,
}

/// What a value's bytes alone do not say.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who wrote it.
    pub dialect: Dialect,
    /// What sizes are small.
    pub limits: &'a Limits,
    /// Names of fields that came before.
    pub templates: &'a Templates,
}

/// A value that was read, other than a string.
#[derive(Debug)]
pub enum Value {
    /// A small collection.
    Packed {
        /// What it is.
        form: Form,
        /// How many members, fields or elements it has.
        count: usize,
        /// Their bytes.
        run: Vec<u8>,
    },
    /// Anything else.
    Object(Box<Object>),
    /// A collection without elements, which cannot be: old versions wrote some by mistake.
    Empty,
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(Box::new(object))
    }
}

/// Reads the value of a key and makes an entry of both; nothing if it is an empty collection.
pub fn decode<S: Source>(
    reader: &mut Reader<S>,
    kind: u8,
    context: Context,
    key: &[u8],
    expires_at: Option<i64>,
    clock: u32,
) -> Result<Option<Entry>, Error> {
    if kind == kind::STRING {
        reader.reading("a string");
        let value = NewValue::from_bytes(reader.string()?);
        return Ok(Some(Entry::new(key, value, expires_at, clock)));
    }
    Ok(match decode_collection(reader, kind, context)? {
        Value::Packed { form, count, run } => {
            let packed = Packed { form, count, run: &run };
            Some(Entry::new(key, NewValue::Packed(packed), expires_at, clock))
        }
        Value::Object(object) => Some(Entry::new(key, NewValue::Object(object), expires_at, clock)),
        Value::Empty => None,
    })
}

fn decode_collection<S: Source>(reader: &mut Reader<S>, kind: u8, context: Context) -> Result<Value, Error> {
    let limits = context.limits;
    match kind {
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            reader.reading("a list");
            list::decode(reader, kind, limits.list)
        }
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => {
            reader.reading("a set");
            set::decode(reader, kind, &limits.set)
        }
        kind::ZSET | kind::ZSET_2 | kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => {
            reader.reading("a sorted set");
            sorted_set::decode(reader, kind, &limits.sorted_set)
        }
        kind::HASH
        | kind::HASH_ZIPMAP
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::HASH_EXPIRING_22..=kind::HASH_LISTPACK_EX
        | kind::HASH_TEMPLATE_LISTPACK..=kind::HASH_TEMPLATE_ARRAY_REF => {
            reader.reading("a hash");
            hash::decode(reader, kind, context)
        }
        kind::STREAM_LISTPACKS
        | kind::STREAM_LISTPACKS_2
        | kind::STREAM_LISTPACKS_3
        | kind::STREAM_LISTPACKS_4
        | kind::STREAM_LISTPACKS_5 => {
            reader.reading("a stream");
            stream::decode(reader, kind)
        }
        kind::ARRAY => {
            reader.reading("an array");
            array::decode(reader)
        }
        kind::MODULE | kind::MODULE_2 => {
            let module = reader.length()?;
            Err(reader.unsupported(format!("the type {} of a module", module_name(module))))
        }
        _ => Err(reader.unsupported(format!("a value of kind {kind}"))),
    }
}

/// The name that a module's number stands for: nine letters of six bits above a version of ten.
pub fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|place| LETTERS[(id >> (10 + 6 * place)) as usize & 63] as char).collect()
}

/// How far a value has been written.
#[derive(Debug, Default)]
pub struct Progress {
    /// Whether what comes before all elements was written.
    pub begun: bool,
    /// How many elements, or bytes of a string, were written.
    pub at: usize,
    /// How far a stream has been written.
    pub stream: stream::Progress,
}

/// Writes the value of an entry, step by step.
pub struct ValueEncoder {
    entry: Entry,
    progress: Progress,
}

impl ValueEncoder {
    /// Nothing was written yet.
    pub fn new(entry: Entry) -> Self {
        Self { entry, progress: Progress::default() }
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Gives the entry back.
    pub fn into_entry(self) -> Entry {
        self.entry
    }

    /// The kind of value that the steps write, for the byte before the key.
    pub fn kind(&self, options: Options) -> u8 {
        match self.entry.value() {
            ValueRef::Int(_) | ValueRef::Str(_) | ValueRef::Object(Object::LargeString(_)) => kind::STRING,
            ValueRef::Packed(packed) => match packed.form {
                Form::Hash => kind::HASH_LISTPACK,
                Form::ExpiringHash => kind::HASH_LISTPACK_EX,
                Form::List => kind::LIST_QUICKLIST_2,
                Form::Set => kind::SET_LISTPACK,
                Form::IntSet => kind::SET_INTSET,
                Form::SortedSet => kind::ZSET_LISTPACK,
            },
            ValueRef::Object(Object::List(_)) => kind::LIST_QUICKLIST_2,
            ValueRef::Object(Object::Set(_)) => kind::SET,
            ValueRef::Object(Object::SortedSet(_)) => kind::ZSET_2,
            ValueRef::Object(Object::Hash(hash)) => match hash.next_due() {
                Some(_) => kind::HASH_METADATA,
                None => kind::HASH,
            },
            ValueRef::Object(Object::Stream(stream)) => stream::kind(stream, options),
            ValueRef::Object(Object::Array(_)) => kind::ARRAY,
        }
    }

    /// Writes about so many bytes more, the value's own only; `true` when that was all.
    pub fn step(&mut self, writer: &mut Writer, about: usize) -> bool {
        let until = writer.out.len().saturating_add(about);
        let progress = &mut self.progress;
        match self.entry.value() {
            ValueRef::Int(integer) => {
                writer.integer(integer);
                true
            }
            ValueRef::Str(bytes) => {
                writer.string(bytes);
                true
            }
            ValueRef::Packed(packed) => {
                encode_packed(packed, writer);
                true
            }
            ValueRef::Object(Object::LargeString(string)) => {
                encode_string(string.as_bytes(), progress, writer, until)
            }
            ValueRef::Object(Object::List(list)) => list::encode(list, progress, writer, until),
            ValueRef::Object(Object::Set(set)) => set::encode(set, progress, writer, until),
            ValueRef::Object(Object::SortedSet(set)) => sorted_set::encode(set, progress, writer, until),
            ValueRef::Object(Object::Hash(hash)) => hash::encode(hash, progress, writer, until),
            ValueRef::Object(Object::Stream(stream)) => {
                stream::encode(stream, &mut progress.stream, writer, until)
            }
            ValueRef::Object(Object::Array(array)) => array::encode(array, progress, writer, until),
        }
    }
}

fn encode_packed(packed: Packed, writer: &mut Writer) {
    let Packed { form, count, run } = packed;
    match form {
        Form::Hash => writer.listpack(run, 2 * count),
        Form::ExpiringHash => hash::encode_expiring(packed, writer),
        Form::List => list::encode_small(packed, writer),
        Form::Set => writer.listpack(run, count),
        Form::IntSet => set::encode_integers(packed, writer),
        Form::SortedSet => writer.listpack(run, 2 * count),
    }
}

/// What is not going to be compressed is written in parts.
fn encode_string(bytes: &[u8], progress: &mut Progress, writer: &mut Writer, until: usize) -> bool {
    if bytes.len() <= super::writer::COMPRESS_MAX && writer.options().compress {
        writer.string(bytes);
        return true;
    }
    if !progress.begun {
        writer.length(bytes.len() as u64);
        progress.begun = true;
    }
    let part = until.saturating_sub(writer.out.len()).max(1).min(bytes.len() - progress.at);
    writer.out.extend_from_slice(&bytes[progress.at..progress.at + part]);
    progress.at += part;
    progress.at == bytes.len()
}
