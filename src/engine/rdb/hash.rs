//! Hashes.
//!
//! ```text
//! HASH                     count, then names and values in turn, as strings
//! HASH_LISTPACK            a listpack of the same, as a string; HASH_ZIPLIST, HASH_ZIPMAP: older forms of it
//! HASH_METADATA            first expiry[8] count, then fields: expiry name value
//!                          expiry: 0 never, else milliseconds after the first, plus one, as a length
//! HASH_LISTPACK_EX         first expiry[8], a listpack of names, values and expiries (0: never), by expiry
//! HASH_EXPIRING_22         of Redis: HASH_METADATA without the first expiry, the others being absolute
//!                          of Valkey: count, then fields: name value expiry[8], -1 for never
//! HASH_LISTPACK_EX_PRE_GA  HASH_LISTPACK_EX without the first expiry
//! HASH_TEMPLATE_LISTPACK   count, names, a listpack of values
//! HASH_TEMPLATE_ARRAY      count, then names and values in turn
//! ```

use super::old::{ziplist, zipmap};
use super::reader::listpack_run;
use super::records::Records;
use super::source::{Error, Source};
use super::value::{Progress, Value};
use super::{Dialect, Reader, Writer, kind};
use crate::engine::keyspace::hash::HashLimits;
use crate::engine::keyspace::value::Hash;
use crate::engine::keyspace::value::listpack::{self, Element, Elements, element_at};
use crate::engine::keyspace::{Form, Object, Packed};

const HALF: &str = "a field without a value";
const NO_TIME: &str = "an expiry that is no time";

/// Redis's latest expiry of a field.
const EXPIRY_MAX: i64 = (1 << 48) - 1;

/// An expiry as it is kept, if it is one.
fn expiry(at: i64) -> Result<Option<i64>, &'static str> {
    match at {
        0 => Ok(None),
        1..=EXPIRY_MAX => Ok(Some(at)),
        _ => Err(NO_TIME),
    }
}

pub(super) fn decode<S: Source>(
    reader: &mut Reader<S>,
    kind: u8,
    dialect: Dialect,
    limits: &HashLimits,
) -> Result<Value, Error> {
    let mut fields = Records::new(&limits.hasher);
    match kind {
        kind::HASH | kind::HASH_TEMPLATE_ARRAY => {
            for _ in 0..reader.count()? {
                fields.push(Element::from_bytes(reader.string()?));
                fields.add(Element::from_bytes(reader.string()?));
            }
        }
        kind::HASH_EXPIRING_22 if dialect == Dialect::Valkey => {
            for _ in 0..reader.count()? {
                fields.push(Element::from_bytes(reader.string()?));
                fields.add(Element::from_bytes(reader.string()?));
                let at = match reader.i64()? {
                    -1 => None,
                    at => expiry(at).map_err(|what| reader.invalid(what))?,
                };
                at.into_iter().for_each(|at| fields.add_uncounted(Element::Int(at)));
            }
        }
        kind::HASH_EXPIRING_22 | kind::HASH_METADATA => decode_expiring(reader, kind, &mut fields)?,
        kind::HASH_TEMPLATE_LISTPACK => decode_template(reader, &mut fields)?,
        kind::HASH_TEMPLATE_LISTPACK_REF | kind::HASH_TEMPLATE_ARRAY_REF => {
            return Err(reader.unsupported("a hash whose names of fields are elsewhere"));
        }
        _ => decode_small(reader, kind, &mut fields)?,
    }
    build(fields, limits).map_err(|what| reader.invalid(what))
}

/// Fields that may expire, one by one.
fn decode_expiring<S: Source>(reader: &mut Reader<S>, kind: u8, fields: &mut Records) -> Result<(), Error> {
    let first = if kind == kind::HASH_METADATA { Some(reader.i64()?) } else { None };
    for _ in 0..reader.count()? {
        let after = i64::try_from(reader.length()?).map_err(|_| reader.invalid(NO_TIME))?;
        let at = match first {
            Some(first) if after > 0 => first.checked_add(after - 1).filter(|at| *at > 0),
            _ => Some(after),
        };
        let at = at.ok_or(NO_TIME).and_then(expiry).map_err(|what| reader.invalid(what))?;
        fields.push(Element::from_bytes(reader.string()?));
        fields.add(Element::from_bytes(reader.string()?));
        at.into_iter().for_each(|at| fields.add_uncounted(Element::Int(at)));
    }
    Ok(())
}

/// Names, then their values in a listpack.
fn decode_template<S: Source>(reader: &mut Reader<S>, fields: &mut Records) -> Result<(), Error> {
    let (mut names, mut count) = (Vec::new(), 0);
    for _ in 0..reader.count()? {
        Element::from_bytes(reader.string()?).encode(&mut names);
        count += 1;
    }
    match listpack_run(reader.string()?) {
        Ok((values, found)) if found == count => {
            for (name, value) in Elements::new(&names).zip(Elements::new(&values)) {
                fields.push(name);
                fields.add(value);
            }
            Ok(())
        }
        Ok(_) => Err(reader.invalid("not as many values as fields")),
        Err(what) => Err(reader.invalid(what)),
    }
}

/// All fields in one string.
fn decode_small<S: Source>(reader: &mut Reader<S>, kind: u8, fields: &mut Records) -> Result<(), Error> {
    if kind == kind::HASH_LISTPACK_EX {
        // When the first field expires, which the fields say as well.
        reader.i64()?;
    }
    let blob = reader.string()?;
    let mut run = Vec::new();
    let sound = match kind {
        kind::HASH_ZIPMAP => {
            zipmap(blob, &mut |element| element.encode(&mut run)).and_then(|()| push_all(&run, 2, fields))
        }
        kind::HASH_ZIPLIST => {
            ziplist(blob, &mut |element| element.encode(&mut run)).and_then(|()| push_all(&run, 2, fields))
        }
        kind::HASH_LISTPACK => listpack_run(blob).and_then(|(run, _)| push_all(&run, 2, fields)),
        _ => listpack_run(blob).and_then(|(run, _)| push_all(&run, 3, fields)),
    };
    sound.map_err(|what| reader.invalid(what))
}

fn push_all(run: &[u8], stride: usize, fields: &mut Records) -> Result<(), &'static str> {
    let mut elements = Elements::new(run);
    while let Some(name) = elements.next() {
        fields.push(name);
        fields.add(elements.next().ok_or(HALF)?);
        if stride == 3 {
            let at = elements.next().and_then(|at| at.integer()).ok_or(NO_TIME)?;
            expiry(at)?.into_iter().for_each(|at| fields.add_uncounted(Element::Int(at)));
        }
    }
    Ok(())
}

fn build(mut fields: Records, limits: &HashLimits) -> Result<Value, &'static str> {
    let count = fields.len();
    if count == 0 {
        return Ok(Value::Empty);
    }
    let fits = count <= limits.entries && fields.longest() <= limits.value;
    let small = fits.then(|| pack(&fields));
    let sorted = fields.sorted()?;
    Ok(match small {
        Some((form, run)) => Value::Packed { form, count, run },
        None => Object::Hash(Hash::from_sorted(sorted, limits.hasher.clone())).into(),
    })
}

/// The run of a small hash: by expiry if any field has one.
fn pack(fields: &Records) -> (Form, Vec<u8>) {
    let end_of_value = |record: &[u8]| listpack::skip(record, 0, 2);
    if fields.iter().all(|record| end_of_value(record) == record.len()) {
        return (Form::Hash, fields.iter().flatten().copied().collect());
    }
    let expires_at = |record: &&[u8]| match record.get(end_of_value(record)..) {
        Some(expiry) if !expiry.is_empty() => element_at(expiry, 0).0.integer().unwrap_or(i64::MAX),
        _ => i64::MAX,
    };
    let mut records: Vec<&[u8]> = fields.iter().collect();
    records.sort_by_key(expires_at);
    let mut run = Vec::new();
    for record in records {
        run.extend_from_slice(record);
        if end_of_value(record) == record.len() {
            Element::Int(0).encode(&mut run);
        }
    }
    (Form::ExpiringHash, run)
}

pub(super) fn encode_expiring(packed: Packed, writer: &mut Writer) {
    let first = Elements::new(packed.run).nth(2).and_then(|expiry| expiry.integer());
    writer.i64(first.unwrap_or(0));
    writer.listpack(packed.run, 3 * packed.count);
}

pub(super) fn encode(hash: &Hash, progress: &mut Progress, writer: &mut Writer, until: usize) -> bool {
    let first = hash.next_due();
    if !progress.begun {
        first.into_iter().for_each(|first| writer.i64(first));
        writer.length(hash.len() as u64);
        progress.begun = true;
    }
    for field in hash.iter_from(progress.at) {
        if writer.out.len() >= until {
            return false;
        }
        if let Some(first) = first {
            writer.length(field.expires_at.map_or(0, |at| (at - first) as u64 + 1));
        }
        writer.element(field.name);
        writer.element(field.value);
        progress.at += 1;
    }
    true
}
