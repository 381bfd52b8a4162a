//! Writing several strings at once.

use super::compare::{Comparison, Condition};
use super::expiry::{EX, EXAT, KEEPTTL, Lifetime, PX, PXAT};
use super::set::{NX, XX, store};
use super::{GROWING, STRING};
use crate::engine::command::args::Cursor;
use crate::engine::command::call::{generic_event, string_event};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{Expiry, NewValue};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Begin, Find, Flags, KEY, KeyFlags, Keys, block, int, keys_every, one_of, string};
use crate::engine::text::number::parse_i64;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "MSET",
        arity: AtLeast(3),
        flags: GROWING,
        keys: &[keys_every(1, 2, KeyFlags::OW.or(KeyFlags::UPDATE))],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Sets several keys to strings.",
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        args: &[block("data", &[KEY, string("value")]).multiple()],
        run: mset,
        ..STRING
    },
    Command {
        name: "MSETNX",
        arity: AtLeast(3),
        flags: GROWING,
        keys: &[keys_every(1, 2, KeyFlags::OW.or(KeyFlags::INSERT))],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Sets several keys to strings if none of them exists.",
        args: &[block("data", &[KEY, string("value")]).multiple()],
        run: msetnx,
        ..STRING
    },
    Command {
        name: "MSETEX",
        arity: AtLeast(4),
        flags: GROWING.or(Flags::MOVABLE_KEYS),
        keys: &[Keys {
            flags: KeyFlags::OW.or(KeyFlags::UPDATE),
            begin: Begin::Index(1),
            find: Find::KeyNum { count: 0, first: 1, step: 2 },
        }],
        since: "8.4.0",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Sets several keys to strings that expire together, if all or none of them exist.",
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        args: &[
            int("numkeys"),
            block("data", &[KEY, string("value")]).multiple(),
            one_of("condition", &[NX, XX]).optional(),
            one_of("expiration", &[EX, PX, EXAT, PXAT, KEEPTTL]).optional(),
        ],
        run: msetex,
        ..STRING
    },
];

fn check_pairs(call: &Call) -> Result {
    if call.args.len().is_multiple_of(2) { Err(call.arity_error()) } else { Ok(()) }
}

/// Sets all keys, each to the argument after it.
fn store_pairs(call: &mut Call) {
    for at in (1..call.args.len()).step_by(2) {
        store(call, call.args.at(at), call.args.at(at + 1), Expiry::Never);
    }
}

fn mset(call: &mut Call) -> Result {
    check_pairs(call)?;
    store_pairs(call);
    call.reply.ok();
    Ok(())
}

fn msetnx(call: &mut Call) -> Result {
    check_pairs(call)?;
    let end = call.args.len();
    let absent = all(call, 1, end, Condition::Is(Comparison::Absent))?;
    if absent {
        store_pairs(call);
    }
    call.reply.int(absent as i64);
    Ok(())
}

/// Whether a condition holds of every key.
fn all(call: &mut Call, first: usize, end: usize, condition: Condition) -> Result<bool> {
    for at in (first..end).step_by(2) {
        if !condition.holds(call, call.args.at(at))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn msetex(call: &mut Call) -> Result {
    let count = parse_i64(call.args.at(1)).filter(|n| (1..=i32::MAX as i64).contains(n));
    let count = count.ok_or(Error::new("ERR invalid numkeys value"))? as usize;
    let end = 2 + 2 * count;
    if end > call.args.len() {
        return Err(Error::new("ERR wrong number of key-value pairs"));
    }
    let mut cursor = Cursor::new(call.args, end);
    let (mut condition, mut lifetime) = (None, None);
    while cursor.left() > 0 {
        let is_condition = matches!(cursor.peek(), Some(arg) if arg.eq_ignore_ascii_case(b"NX") || arg.eq_ignore_ascii_case(b"XX"));
        if is_condition
            && let Some(found) = Condition::read(&mut cursor)
            && found.may_follow(condition)
        {
            condition = Some(found);
        } else if let Some(found) = Lifetime::read(&mut cursor)
            && found.may_follow(lifetime)
            && found != Lifetime::Persist
        {
            lifetime = Some(found);
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let moment = lifetime.map(|lifetime| lifetime.moment(call.now, "msetex")).transpose()?.flatten();
    let holds = match condition {
        None => true,
        Some(condition) => all(call, 2, end, condition)?,
    };
    if holds {
        let expiry = match (moment, lifetime) {
            (Some(moment), _) => Expiry::At(moment),
            (None, Some(_)) => Expiry::Keep,
            (None, None) => Expiry::Never,
        };
        for at in (2..end).step_by(2) {
            let key = call.args.at(at);
            call.server.set(call.access(), key, NewValue::from_bytes(call.args.at(at + 1)), expiry);
            if moment.is_some() {
                call.server.notify(call.session.db, key, generic_event("expire"));
            }
            call.changed(key, string_event("set"));
        }
        if let Some(moment) = moment {
            let mut argv: Vec<&[u8]> = call.args.iter().take(end).collect();
            let mut digits = itoa::Buffer::new();
            argv.extend([b"PXAT" as &[u8], digits.format(moment).as_bytes()]);
            call.propagate(&argv);
        }
    }
    call.reply.int(holds as i64);
    Ok(())
}
