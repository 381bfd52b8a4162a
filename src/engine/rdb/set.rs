//! Sets.
//!
//! ```text
//! SET            count, then members as strings
//! SET_LISTPACK   a listpack of members, as a string
//! SET_INTSET     a string: width[4] count[4], then integers of that width in order, lowest byte first
//! ```

use super::reader::listpack_run;
use super::records::Records;
use super::source::{Error, Source};
use super::value::{Progress, Value};
use super::{Reader, Writer, kind};
use crate::engine::keyspace::value::Hashed;
use crate::engine::keyspace::value::intset::{self, IntSet};
use crate::engine::keyspace::value::listpack::{Element, Elements, element_at};
use crate::engine::keyspace::{Form, Object, Packed, SetLimits};

pub(super) fn decode<S: Source>(
    reader: &mut Reader<S>,
    kind: u8,
    limits: &SetLimits,
) -> Result<Value, Error> {
    let mut members = Records::new(&limits.hasher);
    match kind {
        kind::SET => {
            for _ in 0..reader.count()? {
                members.push(Element::from_bytes(reader.string()?));
            }
        }
        kind::SET_LISTPACK => match listpack_run(reader.string()?) {
            Ok((run, _)) => Elements::new(&run).for_each(|member| members.push(member)),
            Err(what) => return Err(reader.invalid(what)),
        },
        _ => {
            let (run, count) = match integers(reader.string()?) {
                Ok(found) => found,
                Err(what) => return Err(reader.invalid(what)),
            };
            if count == 0 {
                return Ok(Value::Empty);
            }
            if count <= limits.intset_entries {
                return Ok(Value::Packed { form: Form::IntSet, count, run: run.to_vec() });
            }
            IntSet::new(run, count).iter().for_each(|value| members.push(Element::Int(value)));
        }
    }
    build(members, kind, limits).map_err(|what| reader.invalid(what))
}

/// The integers of an intset, and how many they are.
fn integers(blob: &[u8]) -> Result<(&[u8], usize), &'static str> {
    let broken = "a set of integers that is broken";
    let (head, run) = blob.split_first_chunk::<8>().ok_or(broken)?;
    let [width, count] =
        [0, 4].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    let fits = [2, 4, 8].contains(&width) && run.len() as u64 == u64::from(width) * u64::from(count);
    let sound = fits && (count == 0 || intset::is_valid(run, count as usize));
    if sound { Ok((run, count as usize)) } else { Err(broken) }
}

fn build(mut members: Records, kind: u8, limits: &SetLimits) -> Result<Value, &'static str> {
    let (count, longest) = (members.len(), members.longest());
    if count == 0 {
        return Ok(Value::Empty);
    }
    // A set that has lost its last string stays a listpack, as in Redis.
    let integers = if kind == kind::SET_LISTPACK || count > limits.intset_entries {
        None
    } else {
        members.iter().map(|member| element_at(member, 0).0.integer()).collect::<Option<Vec<i64>>>()
    };
    let as_they_came = |members: &Records| members.iter().flatten().copied().collect();
    let fits = count <= limits.listpack_entries && longest <= limits.listpack_value;
    let run: Vec<u8> = if fits { as_they_came(&members) } else { Vec::new() };
    let sorted = members.sorted()?;
    if let Some(mut integers) = integers {
        integers.sort_unstable();
        return Ok(Value::Packed { form: Form::IntSet, count, run: intset::run_of(&integers) });
    }
    if fits {
        return Ok(Value::Packed { form: Form::Set, count, run });
    }
    Ok(Object::Set(Hashed::from_sorted(sorted, limits.hasher.clone())).into())
}

pub(super) fn encode_integers(packed: Packed, writer: &mut Writer) {
    let width = packed.run.len().checked_div(packed.count).unwrap_or(2);
    let head = [width as u32, packed.count as u32].map(u32::to_le_bytes);
    writer.string(&[head.as_flattened(), packed.run].concat());
}

pub(super) fn encode(set: &Hashed, progress: &mut Progress, writer: &mut Writer, until: usize) -> bool {
    if !progress.begun {
        writer.length(set.len() as u64);
        progress.begun = true;
    }
    for record in set.iter_from(progress.at) {
        if writer.out.len() >= until {
            return false;
        }
        writer.element(element_at(record, 0).0);
        progress.at += 1;
    }
    true
}
