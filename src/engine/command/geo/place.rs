//! Coordinates, the hashes they are kept as, and distances.
//!
//! A hash interleaves the bits of both coordinates, so places that share a prefix share a rectangle of
//! the map. With 26 bits for each it is a whole number that a double holds exactly: the score of a member.
//! The functions of trigonometry are those of the `libm` crate, whose results are the same on every
//! machine: distances become scores when they are stored.

use std::f64::consts::PI;

/// Bits of each coordinate in a score.
pub const STEPS_MAX: u32 = 26;

/// Longitudes, in degrees.
pub const LONGITUDES: Span = Span { min: -180.0, max: 180.0 };
/// Latitudes, in degrees: those of a square map of the web (EPSG:3857). The poles are not on it.
pub const LATITUDES: Span = Span { min: -85.051_128_78, max: 85.051_128_78 };
/// Latitudes of the geohashes that others use: <https://en.wikipedia.org/wiki/Geohash>.
const ALL_LATITUDES: Span = Span { min: -90.0, max: 90.0 };

const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

/// From one number to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// The lower one.
    pub min: f64,
    /// The higher one.
    pub max: f64,
}

impl Span {
    fn has(self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// Which of 2^steps equal parts a value is in.
    fn part_of(self, value: f64, steps: u32) -> u32 {
        let offset = (value - self.min) / (self.max - self.min);
        (offset * (1u64 << steps) as f64) as u32
    }

    /// One of 2^steps equal parts. The number wraps as Redis's does: broken scores show it.
    fn part(self, number: u32, steps: u32) -> Span {
        let (scale, parts) = (self.max - self.min, (1u64 << steps) as f64);
        let edge = |number: u32| self.min + (f64::from(number) / parts) * scale;
        Span { min: edge(number), max: edge(number.wrapping_add(1)) }
    }

    /// Its middle, or the nearest value that `within` has.
    fn middle(self, within: Span) -> f64 {
        ((self.min + self.max) / 2.0).min(within.max).max(within.min)
    }
}

/// A place on the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// In degrees.
    pub longitude: f64,
    /// In degrees.
    pub latitude: f64,
}

impl Place {
    /// Coordinates, if they are on the map.
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        (LONGITUDES.has(longitude) && LATITUDES.has(latitude)).then_some(Self { longitude, latitude })
    }

    /// The place that a score stands for: the middle of its rectangle. Any score stands for one.
    pub fn from_score(score: f64) -> Self {
        let tile = Tile { bits: score_bits(score), steps: STEPS_MAX };
        let (longitudes, latitudes) = tile.spans();
        Self { longitude: longitudes.middle(LONGITUDES), latitude: latitudes.middle(LATITUDES) }
    }

    /// The score that it is kept as.
    pub fn score(self) -> f64 {
        Tile::around(self, STEPS_MAX).bits as f64
    }

    /// The geohash that others use, 11 characters; the last one would need more bits than there are.
    pub fn geohash(self) -> String {
        const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let longitude = LONGITUDES.part_of(self.longitude, STEPS_MAX);
        let latitude = ALL_LATITUDES.part_of(self.latitude, STEPS_MAX);
        let bits = interleave(latitude, longitude);
        let digit = |at: u32| char::from(DIGITS[(bits >> (52 - (at + 1) * 5)) as usize & 31]);
        (0..10).map(digit).chain(['0']).collect()
    }

    /// Metres to another place on a globe (haversine formula).
    pub fn distance(self, other: Place) -> f64 {
        let v = libm::sin((radians(other.longitude) - radians(self.longitude)) / 2.0);
        if v == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let u = libm::sin((to - from) / 2.0);
        let a = u * u + libm::cos(from) * libm::cos(to) * v * v;
        2.0 * EARTH_RADIUS_M * libm::asin(libm::sqrt(a))
    }
}

/// Metres between two latitudes.
pub fn latitude_distance(one: f64, other: f64) -> f64 {
    EARTH_RADIUS_M * (radians(other) - radians(one)).abs()
}

/// Degrees that so many metres are along a meridian.
pub fn latitude_degrees(metres: f64) -> f64 {
    degrees(metres / EARTH_RADIUS_M)
}

/// Degrees that so many metres are along a parallel.
pub fn longitude_degrees(metres: f64, latitude: f64) -> f64 {
    degrees(metres / EARTH_RADIUS_M / libm::cos(radians(latitude)))
}

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

/// A score's bits, as C converts it on the machines that Redis runs on. Only scores that are no places
/// show it.
fn score_bits(score: f64) -> u64 {
    const TWO_63: f64 = (1u64 << 63) as f64;
    match score {
        _ if score < TWO_63 => score as i64 as u64,
        _ if score < 2.0 * TWO_63 => score as u64,
        _ => 0,
    }
}

/// A rectangle of the map: one of 2^steps in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    bits: u64,
    /// Bits of each coordinate.
    pub steps: u32,
}

const EVEN: u64 = 0x5555_5555_5555_5555;

impl Tile {
    /// The tile that a place is in.
    pub fn around(place: Place, steps: u32) -> Self {
        let longitude = LONGITUDES.part_of(place.longitude, steps);
        let latitude = LATITUDES.part_of(place.latitude, steps);
        Self { bits: interleave(latitude, longitude), steps }
    }

    /// Its longitudes and latitudes.
    pub fn spans(self) -> (Span, Span) {
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        (LONGITUDES.part(longitude, self.steps), LATITUDES.part(latitude, self.steps))
    }

    /// The tile so many tiles east and north; the map wraps around in both directions.
    pub fn moved(self, east: i32, north: i32) -> Self {
        let moved = |part: u32, by: i32| match by {
            // The eastern and northern edges of the map are tiles of their own unless something moves.
            0 => part,
            by => part.wrapping_add_signed(by) & ((1u32 << self.steps) - 1),
        };
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        Self { bits: interleave(moved(latitude, north), moved(longitude, east)), steps: self.steps }
    }

    /// The scores of what is in it: from the first on and below the second.
    pub fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }
}

/// Puts the bits of `low` at the even places, those of `high` at the odd ones.
fn interleave(low: u32, high: u32) -> u64 {
    scatter(low) | scatter(high) << 1
}

/// Spreads 32 bits over the even places of 64.
fn scatter(bits: u32) -> u64 {
    let steps = [(16, 0x0000_ffff_0000_ffff), (8, 0x00ff_00ff_00ff_00ff), (4, 0x0f0f_0f0f_0f0f_0f0f)];
    let steps = steps.into_iter().chain([(2, 0x3333_3333_3333_3333), (1, EVEN)]);
    steps.fold(u64::from(bits), |bits, (shift, mask): (u32, u64)| (bits | bits << shift) & mask)
}

/// Gathers the bits at the even places.
fn gather(bits: u64) -> u32 {
    let steps = [(1, 0x3333_3333_3333_3333), (2, 0x0f0f_0f0f_0f0f_0f0f), (4, 0x00ff_00ff_00ff_00ff)];
    let steps = steps.into_iter().chain([(8, 0x0000_ffff_0000_ffff), (16, 0x0000_0000_ffff_ffff)]);
    steps.fold(bits & EVEN, |bits, (shift, mask): (u32, u64)| (bits | bits >> shift) & mask) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn palermo() {
        let place = Place::new(13.361389, 38.115556).expect("on the map");
        assert_eq!(place.score(), 3479099956230698.0);
        let kept = Place::from_score(place.score());
        assert_eq!((kept.longitude, kept.latitude), (13.361389338970184, 38.1155563954963));
        assert_eq!(kept.geohash(), "sqc8b49rny0");
        assert!(Place::new(0.0, 86.0).is_none());
    }

    proptest! {
        #[test]
        fn a_score_keeps_a_place(longitude in -180.0..180.0f64, latitude in -85.05..85.05f64) {
            let place = Place::new(longitude, latitude).expect("on the map");
            let kept = Place::from_score(place.score());
            prop_assert!(place.distance(kept) < 1.0);
            prop_assert_eq!(kept.score(), place.score());
        }

        #[test]
        fn a_tile_has_its_places(longitude in -180.0..180.0f64, latitude in -85.05..85.05f64, steps in 1..27u32) {
            let place = Place::new(longitude, latitude).expect("on the map");
            let tile = Tile::around(place, steps);
            let (from, to) = tile.scores();
            prop_assert!((from..to).contains(&place.score()));
            let (longitudes, latitudes) = tile.spans();
            prop_assert!(longitudes.has(longitude) && latitudes.has(latitude));
            prop_assert_eq!(tile.moved(1, -1).moved(-1, 1), tile);
        }

        #[test]
        fn any_score_is_somewhere(bits: u64) {
            let score = f64::from_bits(bits);
            prop_assume!(!score.is_nan());
            let place = Place::from_score(score);
            prop_assert!(LONGITUDES.has(place.longitude) && LATITUDES.has(place.latitude));
        }
    }
}
