//! HGETEX, HSETEX and HGETDEL: fields read or set together with when they expire.

use super::expire::propagate_expiry;
use super::write::{PAIRS, after_removal, put, remove};
use super::{FAST_GROWING, FAST_WRITE, FIELDS, HASH, UPDATE, counted, element, hash_event, limits, moment};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::hash::{EXPIRY_MAX, FieldExpiry};
use crate::engine::keyspace::{Entry, Type};
use crate::engine::protocol::Args;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, KEY, KeyFlags, block, int as int_arg, key_at, one_of, token, unix_time};
use smallvec::SmallVec;
use std::collections::BTreeSet;

const EX: Arg = int_arg("seconds").token("EX");
const PX: Arg = int_arg("milliseconds").token("PX");
const EXAT: Arg = unix_time("unix-time-seconds").token("EXAT");
const PXAT: Arg = unix_time("unix-time-milliseconds").token("PXAT");

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "HGETEX",
        arity: AtLeast(5),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        since: "8.0.0",
        complexity: "O(N) in the number of fields named.",
        summary: "Returns the values of fields and changes when the fields expire.",
        args: &[
            KEY,
            one_of("expiration", &[EX, PX, EXAT, PXAT, token("persist", "PERSIST")]).optional(),
            FIELDS,
        ],
        run: hgetex,
        ..HASH
    },
    Command {
        name: "HSETEX",
        arity: AtLeast(6),
        flags: FAST_GROWING,
        keys: UPDATE,
        since: "8.0.0",
        complexity: "O(N) in the number of fields set.",
        summary: "Sets fields to values, and when the fields expire.",
        args: &[
            KEY,
            one_of("condition", &[token("fnx", "FNX"), token("fxx", "FXX")]).optional(),
            one_of("expiration", &[EX, PX, EXAT, PXAT, token("keepttl", "KEEPTTL")]).optional(),
            block("fields", &[int_arg("numfields"), PAIRS]).token("FIELDS"),
        ],
        run: hsetex,
        ..HASH
    },
    Command {
        name: "HGETDEL",
        arity: AtLeast(5),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        since: "8.0.0",
        complexity: "O(N) in the number of fields named.",
        summary: "Returns the values of fields and removes the fields.",
        args: &[KEY, FIELDS],
        run: hgetdel,
        ..HASH
    },
];

/// The latest moment that a client may have fields expire at: 46 bits of milliseconds, as in Redis. What it restored from a
/// payload may be later.
const LATEST: i64 = (1 << 46) - 1;

/// Fields that one call may name at most.
const COUNT_MAX: i64 = i32::MAX as i64;

/// A time in seconds or milliseconds after `base` as Unix milliseconds.
pub(super) fn unix_ms(call: &Call, time: i64, seconds: bool, base: i64) -> Result<i64> {
    if time < 0 {
        return Err(Error::new("ERR invalid expire time, must be >= 0"));
    }
    let ms = if seconds { time.checked_mul(1000) } else { Some(time) };
    let latest = if call.is_replayed() { EXPIRY_MAX } else { LATEST };
    let at = ms.and_then(|ms| ms.checked_add(base)).filter(|at| *at <= latest);
    at.ok_or_else(|| Error::invalid_expire(call.name()))
}

/// Under which conditions a field gets its expiry.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Conditions {
    #[default]
    None,
    /// Only if it has none.
    Nx,
    /// Only if it has one.
    Xx,
    /// Only if the new one is later. None at all is the latest.
    Gt,
    /// Only if the new one is earlier.
    Lt,
}

impl Conditions {
    /// The word that says it, if one does.
    pub fn word(self) -> Option<&'static [u8]> {
        match self {
            Conditions::None => None,
            Conditions::Nx => Some(b"NX"),
            Conditions::Xx => Some(b"XX"),
            Conditions::Gt => Some(b"GT"),
            Conditions::Lt => Some(b"LT"),
        }
    }

    pub fn hold(self, at: i64, current: Option<i64>) -> bool {
        match self {
            Conditions::None => true,
            Conditions::Nx => current.is_none(),
            Conditions::Xx => current.is_some(),
            Conditions::Gt => current.is_some_and(|current| at > current),
            Conditions::Lt => current.is_none_or(|current| at < current),
        }
    }
}

/// What becomes of the fields' expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    At(i64),
    Keep,
    Persist,
}

/// The arguments after the key, in whatever order they came.
pub(super) struct Given<'a> {
    /// Names, or names and values in turn.
    pub fields: Args<'a>,
    pub conditions: Conditions,
    lifetime: Option<Lifetime>,
    /// FNX or FXX: only if none of the fields, or each of them, is there.
    wanted: Option<bool>,
    /// Where the option lies that says when, with its number, if it has one.
    when: Option<usize>,
}

impl<'a> Given<'a> {
    /// Reads them from this argument on. `option` takes those of the command; `each` is how many arguments
    /// a field has.
    fn read(
        call: &Call<'a>,
        first: usize,
        each: usize,
        bad_count: Error,
        mut option: impl FnMut(&mut Cursor<'a>, &mut Given<'a>) -> Result<bool>,
    ) -> Result<Self> {
        let mut cursor = Cursor::new(call.args, first);
        let mut given = Given {
            fields: call.args.first(0),
            conditions: Conditions::None,
            lifetime: None,
            wanted: None,
            when: None,
        };
        while cursor.left() > 0 {
            if cursor.keyword("FIELDS") {
                if given.fields.len() > 0 {
                    return Err(Error::new("ERR FIELDS keyword specified multiple times"));
                }
                if cursor.left() == 0 {
                    return Err(call.arity_error());
                }
                let count = cursor.int().ok().filter(|count| (1..=COUNT_MAX).contains(count));
                let count = count.ok_or(bad_count.clone())? as usize;
                let fields = call.args.from(cursor.position());
                if count * each > fields.len() {
                    return Err(Error::new("ERR wrong number of arguments"));
                }
                given.fields = fields.first(count * each);
                cursor = Cursor::new(call.args, cursor.position() + count * each);
            } else if !option(&mut cursor, &mut given)? {
                return Err(Error::bytes([b"ERR unknown argument: ", cursor.value()?].concat()));
            }
        }
        if given.fields.len() == 0 {
            return Err(Error::new("ERR Mandatory argument FIELDS is missing or not at the right position"));
        }
        Ok(given)
    }

    /// Those of HEXPIRE and its kin.
    pub fn of_expire(call: &Call<'a>) -> Result<Self> {
        let bad_count = Error::new("ERR Parameter `numFields` should be greater than 0");
        let last = call.args.at(call.args.len() - 2);
        if last.eq_ignore_ascii_case(b"FIELDS") {
            return Err(Error::new("ERR FIELDS requires at least numfields and one field argument"));
        }
        Self::read(call, 3, 1, bad_count, |cursor, given| {
            let condition = match () {
                () if cursor.keyword("NX") => Conditions::Nx,
                () if cursor.keyword("XX") => Conditions::Xx,
                () if cursor.keyword("GT") => Conditions::Gt,
                () if cursor.keyword("LT") => Conditions::Lt,
                () => return Ok(false),
            };
            let before = std::mem::replace(&mut given.conditions, condition);
            if before != Conditions::None && before != given.conditions {
                return Err(Error::new("ERR Multiple condition flags specified"));
            }
            Ok(true)
        })
    }

    /// Those of HGETEX and HSETEX: the option beside times is PERSIST or KEEPTTL. HSETEX has two arguments a
    /// field, and conditions.
    fn of_lifetime(call: &Call<'a>, each: usize, other: (&'static str, Lifetime)) -> Result<Self> {
        let now_ms = call.now.unix_ms();
        Self::read(call, 2, each, Error::new("ERR invalid number of fields"), |cursor, given| {
            if each == 2
                && let Some(wanted) = condition(cursor)
            {
                if given.wanted.replace(wanted).is_some() {
                    return Err(Error::new("ERR Only one of FXX or FNX arguments can be specified"));
                }
                return Ok(true);
            }
            let when = cursor.position();
            let forms = [("EX", true, now_ms), ("PX", false, now_ms), ("EXAT", true, 0), ("PXAT", false, 0)];
            let form = forms.into_iter().find(|(keyword, ..)| cursor.keyword(keyword));
            if form.is_none() && !cursor.keyword(other.0) {
                return Ok(false);
            }
            if given.lifetime.is_some() {
                let text =
                    format!("ERR Only one of EX, PX, EXAT, PXAT or {} arguments can be specified", other.0);
                return Err(Error::text(text));
            }
            given.lifetime = Some(match form {
                Some((_, seconds, base)) => Lifetime::At(unix_ms(call, cursor.int()?, seconds, base)?),
                None => other.1,
            });
            given.when = form.map(|_| when);
            Ok(true)
        })
    }
}

/// FXX or FNX, if it comes next: whether the fields must be there.
fn condition(cursor: &mut Cursor) -> Option<bool> {
    match () {
        () if cursor.keyword("FXX") => Some(true),
        () if cursor.keyword("FNX") => Some(false),
        () => None,
    }
}

/// Writes the values of fields, null for those that are not there. Returns the names of those that are, and
/// of those that have expired. Where each is `taken`, a name that is given again is not there any more.
fn show<'a>(
    call: &mut Call<'a>,
    key: &[u8],
    fields: Args<'a>,
    taken: bool,
) -> (Vec<&'a [u8]>, SmallVec<[&'a [u8]; 4]>) {
    let now_ms = moment(call);
    let hash = call.server.databases[call.session.db].lookup(key).and_then(Entry::hash);
    let (mut there, mut expired) = (Vec::new(), SmallVec::new());
    let mut seen = BTreeSet::new();
    call.reply.array(fields.len());
    for name in fields.iter() {
        match hash.and_then(|hash| hash.get(name)) {
            Some(_) if taken && !seen.insert(name) => call.reply.null(),
            Some(field) if !field.is_expired(now_ms) => {
                element(call.reply, field.value);
                there.push(name);
            }
            Some(_) => {
                call.reply.null();
                expired.push(name);
            }
            None => call.reply.null(),
        }
    }
    (there, expired)
}

fn hgetex(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    call.server.write_as(access, key, Type::Hash)?;
    let given = Given::of_lifetime(call, 1, ("PERSIST", Lifetime::Persist))?;
    let (names, expired) = show(call, key, given.fields, false);
    if !expired.is_empty() {
        call.server.expire_fields(access.db, key, &expired);
    }
    let Some(lifetime) = given.lifetime.filter(|_| !names.is_empty()) else { return Ok(()) };
    let at = if let Lifetime::At(at) = lifetime { Some(at) } else { None };
    if at.is_some_and(|at| call.is_past(at)) {
        let (removed, emptied) = remove(call, key, &names)?;
        after_removal(call, key, removed, emptied);
        propagate_removal(call, key, &names);
        return Ok(());
    }
    let limits = limits(call.server);
    let Some(mut entry) = call.server.databases[access.db].lookup_mut(key) else { return Ok(()) };
    let had =
        |entry: &Entry, name| entry.hash().and_then(|hash| hash.get(name)).and_then(|field| field.expires_at);
    let changed: Vec<&[u8]> = names.into_iter().filter(|name| had(&entry, name) != at).collect();
    if changed.is_empty() {
        return Ok(());
    }
    entry.update(|entry| changed.iter().for_each(|name| entry.set_field_expiry(name, at, &limits)));
    call.changed(key, hash_event(if at.is_some() { "hexpire" } else { "hpersist" }));
    match at {
        Some(at) => propagate_expiry(call, key, at, Conditions::None, &changed),
        None => {
            let count = changed.len().to_string();
            let head: [&[u8]; 4] = [b"HPERSIST", key, b"FIELDS", count.as_bytes()];
            call.propagate(&[&head[..], &changed].concat());
        }
    }
    Ok(())
}

fn propagate_removal(call: &mut Call, key: &[u8], names: &[&[u8]]) {
    call.propagate(&[&[b"HDEL", key][..], names].concat());
}

fn hgetdel(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    call.server.write_as(access, key, Type::Hash)?;
    let fields = counted(call, 2)?;
    let (names, expired) = show(call, key, fields, true);
    if !expired.is_empty() {
        call.server.expire_fields(access.db, key, &expired);
    }
    let (removed, emptied) = remove(call, key, &names)?;
    if removed > 0 {
        after_removal(call, key, removed, emptied);
        propagate_removal(call, key, &names);
    }
    Ok(())
}

fn hsetex(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(1));
    let given = Given::of_lifetime(call, 2, ("KEEPTTL", Lifetime::Keep))?;
    call.server.write_as(access, key, Type::Hash)?;
    let names: Vec<&[u8]> = given.fields.iter().step_by(2).collect();
    if let Some(wanted) = given.wanted
        && !all_are(call, key, &names, wanted)
    {
        call.reply.int(0);
        return Ok(());
    }
    call.reply.int(1);
    let expiry = match given.lifetime {
        Some(Lifetime::At(at)) => FieldExpiry::At(at),
        Some(Lifetime::Keep) => FieldExpiry::Keep,
        _ => FieldExpiry::Never,
    };
    if let FieldExpiry::At(at) = expiry
        && call.is_past(at)
    {
        // Set and expired at once: what is there goes.
        let (removed, emptied) = remove(call, key, &names)?;
        if removed > 0 {
            after_removal(call, key, removed, emptied);
            propagate_removal(call, key, &names);
        }
        return Ok(());
    }
    put(call, key, given.fields, expiry)?;
    call.changed(key, hash_event("hset"));
    call.server.dirty += names.len() as u64 - 1;
    if let FieldExpiry::At(at) = expiry {
        call.server.notify(access.db, key, hash_event("hexpire"));
        let at = at.to_string();
        let mut argv: Vec<&[u8]> = call.args.iter().collect();
        if let Some(when) = given.when {
            (argv[when], argv[when + 1]) = (b"PXAT", at.as_bytes());
        }
        call.propagate(&argv);
    }
    Ok(())
}

/// Whether all these fields are there, or none of them. Expired ones are removed.
fn all_are(call: &mut Call, key: &[u8], names: &[&[u8]], there: bool) -> bool {
    let (access, now_ms) = (call.access(), moment(call));
    let hash = call.server.databases[access.db].lookup(key).and_then(Entry::hash);
    let mut expired = SmallVec::<[&[u8]; 4]>::new();
    let mut matching = 0;
    for name in names {
        let field = hash.and_then(|hash| hash.get(name));
        let gone = field.is_some_and(|field| field.is_expired(now_ms));
        if gone {
            expired.push(name);
        }
        matching += usize::from((field.is_some() && !gone) == there);
    }
    if !expired.is_empty() {
        call.server.expire_fields(access.db, key, &expired);
    }
    matching == names.len()
}
