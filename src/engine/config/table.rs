//! From the tables of the sections to [`Config`], [`Param`] and [`TABLE`].
//!
//! Each section is a macro that hands its rows on to the next one, so that a parameter is declared once
//! and yet becomes a typed field, an identity and a row.
//!
//! A row reads: summary, field ("alias"): type = default, rule => flags;

use super::check::*;
use super::choice::*;
use super::compound::*;
use super::row::Flag::*;
use super::row::Rule::*;
use super::row::{Row, Slot};
use super::scalar::MemoryOrPercent;
use super::text;

/// The highest value of C's `int`, the type behind most numbers of Redis.
const INT: i128 = i32::MAX as i128;
/// The highest value of C's `long long`.
const LONG: i128 = i64::MAX as i128;

/// Turns the name of a field into the name of its parameter.
const fn dashed<const N: usize>(field: &str) -> [u8; N] {
    let mut name = [0; N];
    let mut at = 0;
    while at < N {
        let byte = field.as_bytes()[at];
        name[at] = if byte == b'_' { b'-' } else { byte };
        at += 1;
    }
    name
}

/// The rule of a row, or the one that accepts every value of the type.
macro_rules! rule_or_any {
    () => {
        Any
    };
    ($rule:expr) => {
        $rule
    };
}

/// The alias of a row, if it has one.
macro_rules! alias_or_none {
    () => {
        None
    };
    ($alias:literal) => {
        Some($alias)
    };
}

macro_rules! define {
    ($($section:literal {$(
        $(#[doc = $doc:literal])+
        $field:ident $(($alias:literal))? : $type:ty = $default:expr
        $(, $rule:expr)? $(=> $($flag:ident)|+)?;
    )*})*) => {
        /// The value of every parameter. A field is named as its parameter, with `_` for `-`.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($($(#[doc = $doc])+ pub $field: $type,)*)*
            /// What configuration files say beyond parameters.
            pub directives: super::load::Directives,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($($field: $default,)*)* directives: Default::default() }
            }
        }

        /// The identity of a parameter, spelled as its field in [`Config`].
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Param { $($($field,)*)* }

        /// Every parameter, in the order of the sections and of [`Param`].
        pub static TABLE: &[Row] = &[$($(Row {
            id: Param::$field,
            name: {
                const NAME: [u8; stringify!($field).len()] = dashed(stringify!($field));
                const TEXT: &str = match core::str::from_utf8(&NAME) {
                    Ok(text) => text,
                    Err(_) => panic!(),
                };
                TEXT
            },
            alias: alias_or_none!($($alias)?),
            section: $section,
            summary: concat!($($doc),+).trim_ascii(),
            flags: &[$($($flag),+)?],
            rule: rule_or_any!($($rule)?),
            slot: |config| &config.$field as &dyn Slot,
            slot_mut: |config| &mut config.$field as &mut dyn Slot,
        },)*)*];
    };
}

/// Lets each section add its rows to those of the sections before it.
macro_rules! chain {
    ([] $($rows:tt)*) => { define! { $($rows)* } };
    ([$section:ident $($next:ident)*] $($rows:tt)*) => { $section! { [$($next)*] $($rows)* } };
}

chain! { [network tls general memory encodings persistence replication cluster security logging scripting] }

impl Param {
    /// What is known about the parameter.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}
