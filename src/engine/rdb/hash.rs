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
//! HASH_TEMPLATE_LISTPACK   names, a listpack of a number and the values
//! HASH_TEMPLATE_ARRAY      names, values as strings
//!                          names: 0 and a listpack, or 1, count and strings
//! ..._REF                  the same without names; the number, in front, says which TEMPLATE item has them
//! ```

use super::old::{ziplist, zipmap};
use super::reader::listpack_run;
use super::records::Records;
use super::source::{Error, Source};
use super::value::{Context, Progress, Value};
use super::{Dialect, Reader, Writer, kind};
use crate::engine::keyspace::hash::{EXPIRY_MAX, HashLimits};
use crate::engine::keyspace::value::Hash;
use crate::engine::keyspace::value::listpack::{self, Element, Elements, element_at};
use crate::engine::keyspace::{Form, Object, Packed};
use std::collections::BTreeMap;

const HALF: &str = "a field without a value";
const DISORDER: &str = "fields that are not in the order in which they expire";
const NO_TIME: &str = "an expiry that is no time";

/// An expiry as it is kept, if it is one.
fn expiry(at: i64) -> Result<Option<i64>, &'static str> {
    match at {
        0 => Ok(None),
        1..=EXPIRY_MAX => Ok(Some(at)),
        _ => Err(NO_TIME),
    }
}

pub(super) fn decode<S: Source>(reader: &mut Reader<S>, kind: u8, context: Context) -> Result<Value, Error> {
    let limits = &context.limits.hash;
    let mut fields = Records::new(&limits.hasher);
    match kind {
        kind::HASH => {
            for _ in 0..reader.count()? {
                fields.push(Element::from_bytes(reader.string()?));
                fields.add(Element::from_bytes(reader.string()?));
            }
        }
        kind::HASH_EXPIRING_22 if context.dialect == Dialect::Valkey => {
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
        kind::HASH_TEMPLATE_LISTPACK..=kind::HASH_TEMPLATE_ARRAY_REF => {
            decode_template(reader, kind, context.templates, &mut fields)?;
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

/// Names of fields that many hashes share.
#[derive(Clone, Debug, Default)]
pub struct Template {
    names: Vec<u8>,
    count: usize,
}

/// Templates by number.
pub type Templates = BTreeMap<u64, Template>;

/// Names in a file are not believed to be longer in all: every hash that refers to them gets a copy.
const NAMES_MAX: usize = 64 << 10;

/// A template of a file, with its number.
pub fn decode_shared_template<S: Source>(reader: &mut Reader<S>) -> Result<(u64, Template), Error> {
    let number = reader.length()?;
    let template = names(reader)?;
    if template.names.len() > NAMES_MAX {
        return Err(reader.unsupported("a template whose names are longer than 64 KB"));
    }
    Ok((number, template))
}

/// Names as strings.
fn names<S: Source>(reader: &mut Reader<S>) -> Result<Template, Error> {
    let mut template = Template::default();
    for _ in 0..reader.count()? {
        Element::from_bytes(reader.string()?).encode(&mut template.names);
        template.count += 1;
    }
    Ok(template)
}

/// Names, or a reference to them, and values.
fn decode_template<S: Source>(
    reader: &mut Reader<S>,
    kind: u8,
    templates: &Templates,
    fields: &mut Records,
) -> Result<(), Error> {
    let is_shared = matches!(kind, kind::HASH_TEMPLATE_LISTPACK_REF | kind::HASH_TEMPLATE_ARRAY_REF);
    let mut template = None;
    if !is_shared {
        template = Some(match reader.length()? {
            0 => match listpack_run(reader.string()?) {
                Ok((run, count)) => Template { names: run.into_owned(), count },
                Err(what) => return Err(reader.invalid(what)),
            },
            1 => names(reader)?,
            _ => return Err(reader.invalid("names of an unknown form")),
        });
    }
    let values = values(reader, kind, template.as_ref().map(|template| template.count), templates)?;
    let template = match &template {
        Some(template) => template,
        None => templates.get(&values.number).ok_or_else(|| reader.invalid("an unknown template"))?,
    };
    if template.count != values.count {
        return Err(reader.invalid("not as many values as fields"));
    }
    for (name, value) in Elements::new(&template.names).zip(Elements::new(&values.run)) {
        fields.push(name);
        fields.add(value);
    }
    Ok(())
}

/// The values of a hash whose names are elsewhere, and the number of the template that has them.
struct Values {
    number: u64,
    run: Vec<u8>,
    count: usize,
}

fn values<S: Source>(
    reader: &mut Reader<S>,
    kind: u8,
    count: Option<usize>,
    templates: &Templates,
) -> Result<Values, Error> {
    if matches!(kind, kind::HASH_TEMPLATE_LISTPACK | kind::HASH_TEMPLATE_LISTPACK_REF) {
        let (mut run, count) = match listpack_run(reader.string()?) {
            Ok((run, count)) => (run.into_owned(), count),
            Err(what) => return Err(reader.invalid(what)),
        };
        let number = Elements::new(&run).next().and_then(|number| number.integer());
        let number = number.and_then(|number| u64::try_from(number).ok());
        let number = number.ok_or_else(|| reader.invalid("a number of a template that is none"))?;
        run.drain(..listpack::next(&run, 0));
        return Ok(Values { number, run, count: count - 1 });
    }
    let number = if count.is_none() { reader.length()? } else { 0 };
    let count = count.or_else(|| templates.get(&number).map(|template| template.count));
    let mut values = Values { number, run: Vec::new(), count: 0 };
    while values.count < count.unwrap_or(0) {
        Element::from_bytes(reader.string()?).encode(&mut values.run);
        values.count += 1;
    }
    Ok(values)
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
    let (mut elements, mut before) = (Elements::new(run), 0);
    while let Some(name) = elements.next() {
        fields.push(name);
        fields.add(elements.next().ok_or(HALF)?);
        if stride == 3 {
            let at = elements.next().and_then(|at| at.integer()).ok_or(NO_TIME)?;
            let at = expiry(at)?;
            at.into_iter().for_each(|at| fields.add_uncounted(Element::Int(at)));
            // Those that stay are last.
            let due = at.unwrap_or(i64::MAX);
            if std::mem::replace(&mut before, due) > due {
                return Err(DISORDER);
            }
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
