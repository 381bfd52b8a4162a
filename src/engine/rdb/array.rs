//! Arrays.
//!
//! ```text
//! array     count, 0 | 1 index of the last insertion, element...
//! element   index, 0 string | 1 integer[8] | 2 double[8] | 3 string of up to seven bytes
//! ```
//!
//! Indexes ascend. Which form an element has makes no difference to what it is: Redis chooses by how it
//! holds it, and takes doubles only where they spell what was set.

use super::source::{Error, Source};
use super::value::{Progress, Value};
use super::{Reader, Writer};
use crate::engine::keyspace::value::array::{Builder, INDEX_MAX};
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::{Array, IntBuf, Object};
use crate::engine::text::number::format_f64;

const STRING: u8 = 0;
const INTEGER: u8 = 1;
const DOUBLE: u8 = 2;
const SHORT_STRING: u8 = 3;

/// The longest string that is a short one.
const SHORT_MAX: usize = 7;

/// Reads an array.
pub fn decode<S: Source>(reader: &mut Reader<S>) -> Result<Value, Error> {
    let (count, next) = (reader.count()?, next(reader)?);
    let (mut array, mut lowest) = (Builder::default(), 0);
    for _ in 0..count {
        let index = reader.length()?;
        if !(lowest..=INDEX_MAX).contains(&index) {
            return Err(reader.invalid("indexes that do not ascend"));
        }
        lowest = index + 1;
        element(reader, index, &mut array)?;
    }
    Ok(if count == 0 { Value::Empty } else { Object::Array(Box::new(array.finish(next))).into() })
}

/// Where the next insertion goes.
fn next<S: Source>(reader: &mut Reader<S>) -> Result<u64, Error> {
    match reader.byte()? {
        0 => Ok(0),
        1 => match reader.length()? {
            last @ 0..=INDEX_MAX => Ok(last + 1),
            _ => Err(reader.invalid("an impossible place of the last insertion")),
        },
        _ => Err(reader.invalid("neither a place of the last insertion nor none")),
    }
}

fn element<S: Source>(reader: &mut Reader<S>, index: u64, array: &mut Builder) -> Result<(), Error> {
    match reader.byte()? {
        STRING | SHORT_STRING => array.push(index, reader.string()?),
        INTEGER => array.push(index, IntBuf::new().format(reader.i64()?)),
        DOUBLE => array.push(index, spelled(reader.double()?).as_bytes()),
        _ => return Err(reader.invalid("an element of an unknown form")),
    }
    Ok(())
}

/// A double as Redis spells it in arrays: with a point, unless it has an exponent or is not finite.
fn spelled(value: f64) -> String {
    let mut text = format_f64(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

/// Writes until `writer.out` has about `until` bytes; `true` when all was written.
pub fn encode(array: &Array, progress: &mut Progress, writer: &mut Writer, until: usize) -> bool {
    if !progress.begun {
        head(array, writer);
        progress.begun = true;
    }
    for (index, element) in array.elements_from(progress.at as u64) {
        if writer.out.len() >= until {
            return false;
        }
        writer.length(index);
        match element {
            Element::Int(integer) => {
                writer.byte(INTEGER);
                writer.i64(integer);
            }
            Element::Str(bytes) => {
                writer.byte(if bytes.len() > SHORT_MAX { STRING } else { SHORT_STRING });
                writer.string(bytes);
            }
        }
        progress.at += 1;
    }
    true
}

fn head(array: &Array, writer: &mut Writer) {
    writer.length(array.count());
    match array.next.checked_sub(1) {
        None => writer.byte(0),
        Some(last) => {
            writer.byte(1);
            writer.length(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_spelled_as_in_redis() {
        let cases: [(u64, &str); 14] = [
            (0.0f64.to_bits(), "0.0"),
            ((-0.0f64).to_bits(), "-0.0"),
            (3.0f64.to_bits(), "3.0"),
            (1e18f64.to_bits(), "1000000000000000000.0"),
            ((2.0f64.powi(60)).to_bits(), "1152921504606846976.0"),
            (1e21f64.to_bits(), "1e+21"),
            (0x4480_f0cf_064d_d590, "9999999999999996000000.0"),
            (0x3f1a_36e2_eb1c_432c, "9.999999999999999e-5"),
            (0x40fe_240c_9fbe_76c8, "1.2345678899999999e+5"),
            (0.001f64.to_bits(), "0.001"),
            (2.0f64.powi(-20).to_bits(), "9.5367431640625e-7"),
            ((-2.5f64).to_bits(), "-2.5"),
            (f64::INFINITY.to_bits(), "inf"),
            (f64::NAN.to_bits(), "nan"),
        ];
        for (bits, text) in cases {
            assert_eq!(spelled(f64::from_bits(bits)), text);
        }
    }
}
