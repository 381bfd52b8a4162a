//! Conditions on what a key holds, and removing a key under a condition.

use super::STRING;
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, KeyFlags, key_at, one_of, string};
use crate::engine::text::xxh3;
use std::mem::discriminant;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "DELEX",
        arity: AtLeast(2),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE).or(KeyFlags::VARIABLE_FLAGS))],
        since: "8.4.0",
        complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
        summary: "Removes a key if its string, or the digest of it, is or is not a given one.",
        args: &[
            KEY,
            one_of(
                "condition",
                &[
                    string("ifeq-value").token("IFEQ"),
                    string("ifne-value").token("IFNE"),
                    string("ifdeq-digest").token("IFDEQ"),
                    string("ifdne-digest").token("IFDNE"),
                ],
            )
            .optional(),
        ],
        run: delex,
        ..STRING
    },
    Command {
        name: "DELIFEQ",
        arity: Exactly(3),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RM.or(KeyFlags::DELETE))],
        since: "9.0.0",
        summary: "Removes a key if its string is a given one (from Valkey).",
        args: &[KEY, string("value")],
        run: delifeq,
        ..STRING
    },
];

/// What is compared with what a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison<'a> {
    /// There is no key.
    Absent,
    /// The string is this one.
    Value(&'a [u8]),
    /// The string has this XXH3 digest.
    Digest(&'a [u8]),
}

/// A comparison, or its opposite. What is absent is like no value and no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    Is(Comparison<'a>),
    IsNot(Comparison<'a>),
}

impl<'a> Condition<'a> {
    /// Reads the option that comes next, if it is a condition.
    pub fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        use Comparison::*;
        if cursor.keyword("NX") {
            return Some(Condition::Is(Absent));
        }
        if cursor.keyword("XX") {
            return Some(Condition::IsNot(Absent));
        }
        Self::read_comparison(cursor)
    }

    fn read_comparison(cursor: &mut Cursor<'a>) -> Option<Self> {
        use Comparison::*;
        if let Some(value) = cursor.keyword_with_value("IFEQ") {
            return Some(Condition::Is(Value(value)));
        }
        if let Some(value) = cursor.keyword_with_value("IFNE") {
            return Some(Condition::IsNot(Value(value)));
        }
        if let Some(digest) = cursor.keyword_with_value("IFDEQ") {
            return Some(Condition::Is(Digest(digest)));
        }
        cursor.keyword_with_value("IFDNE").map(|digest| Condition::IsNot(Digest(digest)))
    }

    /// Whether it may be given after `earlier`: an option may be repeated, the last one counts.
    pub fn may_follow(self, earlier: Option<Self>) -> bool {
        let comparison = |condition| match condition {
            Condition::Is(comparison) | Condition::IsNot(comparison) => discriminant(&comparison),
        };
        earlier.is_none_or(|earlier| {
            discriminant(&self) == discriminant(&earlier) && comparison(self) == comparison(earlier)
        })
    }

    /// Whether it holds of the key. A comparison with a value needs a string.
    pub fn holds(self, call: &mut Call, key: &[u8]) -> Result<bool> {
        let (comparison, wanted) = match self {
            Condition::Is(comparison) => (comparison, true),
            Condition::IsNot(comparison) => (comparison, false),
        };
        let access = call.access();
        if comparison == Comparison::Absent {
            return Ok(call.server.live(access, key) != wanted);
        }
        let entry = call.server.write_string(access, key)?;
        let mut digits = IntBuf::new();
        let Some(string) = entry.as_ref().and_then(|entry| entry.string(&mut digits)) else {
            return Ok(!wanted);
        };
        let same = match comparison {
            Comparison::Absent => false,
            Comparison::Value(value) => string == value,
            Comparison::Digest(digest) => {
                check_digest(digest)?;
                digest.eq_ignore_ascii_case(&xxh3::digest(string))
            }
        };
        Ok(same == wanted)
    }
}

/// Only the length is looked at; other characters are like no digest.
fn check_digest(digest: &[u8]) -> Result {
    if digest.len() == 16 { Ok(()) } else { Err(Error::new("ERR must be exactly 16 hexadecimal characters")) }
}

fn delex(call: &mut Call) -> Result {
    let key = call.args.at(1);
    let condition = match call.args.len() {
        2 => None,
        4 => {
            let mut cursor = Cursor::new(call.args, 2);
            Some(Condition::read_comparison(&mut cursor))
        }
        _ => return Err(call.arity_error()),
    };
    let access = call.access();
    let Some(condition) = condition else {
        let live = call.server.live(access, key);
        return remove_if(call, key, live);
    };
    let holds = match call.server.read(access, key).map(|entry| entry.is_string()) {
        None => false,
        Some(false) => {
            return Err(Error::new("ERR Key should be of string type if conditions are specified"));
        }
        Some(true) => condition
            .ok_or(Error::new("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?
            .holds(call, key)?,
    };
    remove_if(call, key, holds)
}

fn delifeq(call: &mut Call) -> Result {
    let (key, value) = (call.args.at(1), call.args.at(2));
    let holds = Condition::Is(Comparison::Value(value)).holds(call, key)?;
    remove_if(call, key, holds)
}

fn remove_if(call: &mut Call, key: &[u8], holds: bool) -> Result {
    if holds {
        call.delete(key);
    }
    call.reply.int(holds as i64);
    Ok(())
}
