//! Places on the map, kept in sorted sets: <https://redis.io/docs/latest/develop/data-types/geospatial/>.

mod area;
mod member;
mod place;
mod search;

use super::{BASE, Command, Error, Group, Result};
use crate::engine::spec::{Arg, Categories, KeyFlags, one_of, token};
use crate::engine::text::number::parse_f64;
use place::Place;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[member::COMMANDS, search::COMMANDS, search::OLDER_COMMANDS];

const GEO: Command = Command { group: Group::Geo, categories: Categories::GEO, ..BASE };
const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const STORE: KeyFlags = KeyFlags::OW.or(KeyFlags::UPDATE);

const UNIT: Arg = one_of("unit", &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")]);

/// How many metres a unit has.
fn unit(text: &[u8]) -> Result<f64> {
    const UNITS: [(&[u8], f64); 4] = [(b"m", 1.0), (b"km", 1000.0), (b"ft", 0.3048), (b"mi", 1609.34)];
    let found = UNITS.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    let unknown = Error::new("ERR unsupported unit provided. please use M, KM, FT, MI");
    found.map(|(_, metres)| metres).ok_or(unknown)
}

/// A length that is not negative.
fn length(text: &[u8], no_number: &'static str, negative: &'static str) -> Result<f64> {
    match parse_f64(text) {
        None => Err(Error::new(no_number)),
        Some(length) if length < 0.0 => Err(Error::new(negative)),
        Some(length) => Ok(length),
    }
}

/// A place given by its coordinates.
fn place(longitude: &[u8], latitude: &[u8]) -> Result<Place> {
    let number = |text| parse_f64(text).ok_or(Error::NOT_FLOAT);
    let (longitude, latitude) = (number(longitude)?, number(latitude)?);
    Place::new(longitude, latitude).ok_or_else(|| {
        let shown = |number: f64| match number.is_finite() {
            true => format!("{number:.6}"),
            false => crate::engine::text::number::format_f64(number),
        };
        Error::text(format!("ERR invalid longitude,latitude pair {},{}", shown(longitude), shown(latitude)))
    })
}

/// A distance as replies show it: with four digits after the point.
fn distance_text(distance: f64) -> String {
    let scaled = (distance * 10_000.0).round_ties_even() as i64;
    let (sign, scaled) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
    format!("{sign}{}.{:04}", scaled / 10_000, scaled % 10_000)
}
