//! Writing strings whole.

use super::compare::{Comparison, Condition};
use super::expiry::{EX, EXAT, KEEPTTL, Lifetime, PX, PXAT, moment};
use super::{FAST_GROWING, GROWING, STRING};
use crate::engine::command::args::Cursor;
use crate::engine::command::call::{generic_event, string_event};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::{Expiry, NewValue};
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Arg, KEY, KeyFlags, int, key_at, one_of, string, token};

pub(super) const NX: Arg = token("nx", "NX");
pub(super) const XX: Arg = token("xx", "XX");
const OVERWRITE: KeyFlags = KeyFlags::OW.or(KeyFlags::UPDATE);
const ALL: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SET",
        arity: AtLeast(3),
        flags: GROWING,
        keys: &[key_at(1, ALL.or(KeyFlags::VARIABLE_FLAGS))],
        since: "1.0.0",
        summary: "Sets a key to a string, whatever it held.",
        history: &[
            ("2.6.12", "The options EX, PX, NX and XX."),
            ("6.0.0", "The option KEEPTTL."),
            ("6.2.0", "The options GET, EXAT and PXAT."),
            ("7.0.0", "NX and GET may be used together."),
            ("8.4.0", "The options IFEQ, IFNE, IFDEQ and IFDNE."),
        ],
        args: &[
            KEY,
            string("value"),
            one_of(
                "condition",
                &[
                    NX,
                    XX,
                    string("ifeq-value").token("IFEQ").since("8.4.0"),
                    string("ifne-value").token("IFNE").since("8.4.0"),
                    string("ifdeq-digest").token("IFDEQ").since("8.4.0"),
                    string("ifdne-digest").token("IFDNE").since("8.4.0"),
                ],
            )
            .optional()
            .since("2.6.12"),
            token("get", "GET").optional().since("6.2.0"),
            one_of(
                "expiration",
                &[
                    EX.since("2.6.12"),
                    PX.since("2.6.12"),
                    EXAT.since("6.2.0"),
                    PXAT.since("6.2.0"),
                    KEEPTTL.since("6.0.0"),
                ],
            )
            .optional(),
        ],
        run: set,
        ..STRING
    },
    Command {
        name: "SETEX",
        arity: Exactly(4),
        flags: GROWING,
        keys: &[key_at(1, OVERWRITE)],
        since: "2.0.0",
        summary: "Sets a key to a string that expires after some seconds.",
        deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
        args: &[KEY, int("seconds"), string("value")],
        run: setex,
        ..STRING
    },
    Command {
        name: "PSETEX",
        arity: Exactly(4),
        flags: GROWING,
        keys: &[key_at(1, OVERWRITE)],
        since: "2.6.0",
        summary: "Sets a key to a string that expires after some milliseconds.",
        deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
        args: &[KEY, int("milliseconds"), string("value")],
        run: psetex,
        ..STRING
    },
    Command {
        name: "SETNX",
        arity: Exactly(3),
        flags: FAST_GROWING,
        keys: &[key_at(1, KeyFlags::OW.or(KeyFlags::INSERT))],
        since: "1.0.0",
        summary: "Sets a key to a string if the key does not exist.",
        deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
        args: &[KEY, string("value")],
        run: setnx,
        ..STRING
    },
    Command {
        name: "GETSET",
        arity: Exactly(3),
        flags: FAST_GROWING,
        keys: &[key_at(1, ALL)],
        since: "1.0.0",
        summary: "Sets a key to a string and returns the string it held.",
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        args: &[KEY, string("value")],
        run: getset,
        ..STRING
    },
];

/// The options of SET.
#[derive(Default)]
struct Options<'a> {
    condition: Option<Condition<'a>>,
    get: bool,
    lifetime: Option<Lifetime<'a>>,
}

fn options<'a>(cursor: &mut Cursor<'a>) -> Result<Options<'a>> {
    let mut options = Options::default();
    while cursor.left() > 0 {
        if let Some(condition) = Condition::read(cursor) {
            if !condition.may_follow(options.condition) {
                return Err(Error::SYNTAX);
            }
            options.condition = Some(condition);
        } else if cursor.keyword("GET") {
            options.get = true;
        } else if let Some(lifetime) = Lifetime::read(cursor)
            && lifetime.may_follow(options.lifetime)
            && lifetime != Lifetime::Persist
        {
            options.lifetime = Some(lifetime);
        } else {
            return Err(Error::SYNTAX);
        }
    }
    Ok(options)
}

fn set(call: &mut Call) -> Result {
    let (key, value) = (call.args.at(1), call.args.at(2));
    if call.args.len() == 3 {
        store(call, key, value, Expiry::Never);
        call.reply.ok();
        return Ok(());
    }
    let options = options(&mut Cursor::new(call.args, 3))?;
    let moment = options.lifetime.map(|lifetime| lifetime.moment(call.now, "set")).transpose()?.flatten();
    if options.get {
        reply_with_old(call, key)?;
    }
    let holds = match options.condition {
        None => true,
        Some(condition) => condition.holds(call, key)?,
    };
    if !holds {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    if moment.is_some_and(|moment| call.is_past(moment)) {
        // Gone already: nobody shall see it.
        if call.server.live(call.access(), key) {
            call.delete(key);
        }
        if !options.get {
            call.reply.ok();
        }
        return Ok(());
    }
    let expiry = match (moment, options.lifetime) {
        (Some(moment), _) => Expiry::At(moment),
        (None, Some(Lifetime::Keep)) => Expiry::Keep,
        _ => Expiry::Never,
    };
    store(call, key, value, expiry);
    propagate(call, expiry, options.get);
    if !options.get {
        call.reply.ok();
    }
    Ok(())
}

/// The expiry as Unix milliseconds whatever the option was; no GET, which needs not be repeated, and with
/// it no condition, which held.
fn propagate(call: &mut Call, expiry: Expiry, get: bool) {
    let (key, value) = (call.args.at(1), call.args.at(2));
    match expiry {
        Expiry::At(moment) => {
            call.propagate(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(moment).as_bytes()]);
        }
        Expiry::Keep if get => call.propagate(&[b"SET", key, value, b"KEEPTTL"]),
        Expiry::Never if get => call.propagate(&[b"SET", key, value]),
        Expiry::Keep | Expiry::Never => {}
    }
}

/// Stores a string and says so.
pub(super) fn store(call: &mut Call, key: &[u8], value: &[u8], expiry: Expiry) {
    call.server.set(call.access(), key, NewValue::from_bytes(value), expiry);
    call.changed(key, string_event("set"));
    if let Expiry::At(_) = expiry {
        call.server.notify(call.session.db, key, generic_event("expire"));
    }
}

/// Writes what the key holds, or null.
fn reply_with_old(call: &mut Call, key: &[u8]) -> Result {
    match call.server.read_string(call.access(), key)? {
        Some(entry) => call.reply.bulk(entry.string(&mut IntBuf::new()).unwrap_or_default()),
        None => call.reply.null(),
    }
    Ok(())
}

fn setex(call: &mut Call) -> Result {
    set_until(call, true, "setex")
}

fn psetex(call: &mut Call) -> Result {
    set_until(call, false, "psetex")
}

fn set_until(call: &mut Call, seconds: bool, name: &str) -> Result {
    let (key, number, value) = (call.args.at(1), call.args.at(2), call.args.at(3));
    let moment = moment(number, seconds, true, call.now, name)?;
    store(call, key, value, Expiry::At(moment));
    call.propagate(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(moment).as_bytes()]);
    call.reply.ok();
    Ok(())
}

fn setnx(call: &mut Call) -> Result {
    let (key, value) = (call.args.at(1), call.args.at(2));
    let absent = Condition::Is(Comparison::Absent).holds(call, key)?;
    if absent {
        store(call, key, value, Expiry::Never);
    }
    call.reply.int(absent as i64);
    Ok(())
}

fn getset(call: &mut Call) -> Result {
    let (key, value) = (call.args.at(1), call.args.at(2));
    reply_with_old(call, key)?;
    store(call, key, value, Expiry::Never);
    call.propagate(&[b"SET", key, value]);
    Ok(())
}
