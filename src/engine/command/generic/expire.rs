//! Giving keys a time to live, and taking it away.

use super::{DEL, GENERIC};
use crate::engine::command::args::{self, Cursor};
use crate::engine::command::call::generic_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::mutant;
use crate::engine::spec::{
    Arg, Arity::AtLeast, Arity::Exactly, Flags, KEY, KeyFlags, Keys, int, key_at, one_of, token, unix_time,
};

const KEYS: &[Keys] = &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))];
const HISTORY: &[(&str, &str)] = &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")];
const CONDITION: Arg =
    one_of("condition", &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")])
        .optional()
        .since("7.0.0");
const SETS: Command = Command {
    arity: AtLeast(3),
    flags: Flags::WRITE.or(Flags::FAST),
    keys: KEYS,
    history: HISTORY,
    ..GENERIC
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "EXPIRE",
        since: "1.0.0",
        summary: "Sets after how many seconds a key expires.",
        args: &[KEY, int("seconds"), CONDITION],
        run: |call| expire(call, Unit::Seconds, call.now.unix_ms()),
        ..SETS
    },
    Command {
        name: "PEXPIRE",
        since: "2.6.0",
        summary: "Sets after how many milliseconds a key expires.",
        args: &[KEY, int("milliseconds"), CONDITION],
        run: |call| expire(call, Unit::Milliseconds, call.now.unix_ms()),
        ..SETS
    },
    Command {
        name: "EXPIREAT",
        since: "1.2.0",
        summary: "Sets the Unix time in seconds at which a key expires.",
        args: &[KEY, unix_time("unix-time-seconds"), CONDITION],
        run: |call| expire(call, Unit::Seconds, 0),
        ..SETS
    },
    Command {
        name: "PEXPIREAT",
        since: "2.6.0",
        summary: "Sets the Unix time in milliseconds at which a key expires.",
        args: &[KEY, unix_time("unix-time-milliseconds"), CONDITION],
        run: |call| expire(call, Unit::Milliseconds, 0),
        ..SETS
    },
    Command {
        name: "PERSIST",
        arity: Exactly(2),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: KEYS,
        since: "2.2.0",
        summary: "Makes a key live for ever.",
        args: &[KEY],
        run: persist,
        ..GENERIC
    },
];

/// What a time is given in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// Under which conditions a key gets its expiry.
#[derive(Default)]
struct Conditions {
    /// Only if it has none.
    none: bool,
    /// Only if it has one.
    some: bool,
    /// Only if the new one is later. None at all is the latest.
    later: bool,
    /// Only if the new one is earlier.
    earlier: bool,
}

impl Conditions {
    fn parse(call: &Call) -> Result<Self> {
        let mut conditions = Conditions::default();
        let mut options = Cursor::new(call.args, 3);
        while options.left() > 0 {
            match () {
                () if options.keyword("NX") => conditions.none = true,
                () if options.keyword("XX") => conditions.some = true,
                () if options.keyword("GT") => conditions.later = true,
                () if options.keyword("LT") => conditions.earlier = true,
                () => return Err(Error::bytes([b"ERR Unsupported option ", options.value()?].concat())),
            }
        }
        if conditions.none && (conditions.some || conditions.later || conditions.earlier) {
            return Err(Error::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if conditions.later && conditions.earlier {
            return Err(Error::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    fn hold(&self, at: i64, current: Option<i64>) -> bool {
        !(self.none && current.is_some()
            || self.some && current.is_none()
            || self.later && current.is_none_or(|current| at <= current)
            || self.earlier && current.is_some_and(|current| at >= current))
    }
}

/// The four commands that set an expiry: so much after `base`, which is now or the Unix epoch.
fn expire(call: &mut Call, unit: Unit, base: i64) -> Result {
    let conditions = Conditions::parse(call)?;
    let time = args::int(call.args.at(2))?;
    let ms = if unit == Unit::Seconds { time.checked_mul(1000) } else { Some(time) };
    let at = ms.and_then(|ms| ms.checked_add(base)).ok_or_else(|| Error::invalid_expire(call.name()))?;
    let (key, access, past) = (call.args.at(1), call.access(), call.is_past(at));
    let Some(mut entry) = call.server.write(access, key) else {
        call.reply.int(0);
        return Ok(());
    };
    if !conditions.hold(at, entry.expires_at()) {
        call.reply.int(0);
        return Ok(());
    }
    if past {
        let entry = entry.remove();
        call.server.discard_entry(entry);
        let verb: &[u8] = if call.server.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        call.propagate(&[verb, key]);
        call.changed(key, DEL);
    } else {
        entry.set_expiry(Some(at));
        let at = at.to_string();
        let mut argv: Vec<&[u8]> = vec![b"PEXPIREAT", key, at.as_bytes()];
        // The conditions go along, as Redis has it.
        argv.extend(call.args.from(3).iter());
        call.propagate(&argv);
        call.changed(key, generic_event("expire"));
    }
    call.reply.int(1);
    Ok(())
}

fn persist(call: &mut Call) -> Result {
    let key = call.args.at(1);
    let entry = call.server.write(call.access(), key);
    let kept = |at: Option<i64>| at.filter(|_| mutant::is_on("ignored-persist"));
    let volatile = entry.filter(|entry| entry.has_expiry());
    let volatile = volatile.map(|mut entry| entry.set_expiry(kept(entry.expires_at()))).is_some();
    if volatile {
        call.changed(key, generic_event("persist"));
    }
    call.reply.int(volatile.into());
    Ok(())
}
