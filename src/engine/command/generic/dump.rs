//! Values as bytes, and keys out of them.

use super::rename::place;
use super::{DEL, GENERIC};
use crate::engine::command::args::{self, Cursor};
use crate::engine::command::call::generic_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::effect::Level;
use crate::engine::rdb::Access;
use crate::engine::rdb::payload::{self, Refusal};
use crate::engine::spec::{
    Arity::AtLeast, Arity::Exactly, Categories, Flags, KEY, KeyFlags, int, key_at, string, token,
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "DUMP",
        arity: Exactly(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        since: "2.6.0",
        complexity: "O(N) in the size of the value.",
        summary: "Returns a value as bytes.",
        tips: &["nondeterministic_output"],
        args: &[KEY],
        run: dump,
        ..GENERIC
    },
    Command {
        name: "RESTORE",
        arity: AtLeast(4),
        flags: Flags::WRITE.or(Flags::DENYOOM),
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        keys: &[key_at(1, KeyFlags::OW.or(KeyFlags::UPDATE))],
        since: "2.6.0",
        complexity: "O(N) in the size of the value, with a logarithm more for sorted sets.",
        summary: "Makes a key of what DUMP gave.",
        history: &[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ],
        args: &[
            KEY,
            int("ttl"),
            string("serialized-value"),
            token("replace", "REPLACE").optional().since("3.0.0"),
            token("absttl", "ABSTTL").optional().since("5.0.0"),
            int("seconds").token("IDLETIME").optional().since("5.0.0"),
            int("frequency").token("FREQ").optional().since("5.0.0"),
        ],
        run: restore,
        ..GENERIC
    },
];

fn dump(call: &mut Call) -> Result {
    let key = call.args.at(1);
    let compress = call.server.config.rdbcompression;
    let copy = call.server.read(call.access(), key).map(|entry| entry.duplicate(b""));
    match copy {
        Some(entry) => call.reply.bulk(&payload::dump(entry, compress)),
        None => call.reply.null(),
    }
    Ok(())
}

/// What RESTORE is asked to do beside setting the value.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    access: Option<Access>,
}

impl Options {
    fn parse(call: &Call) -> Result<Self> {
        let mut options = Options::default();
        let mut words = Cursor::new(call.args, 4);
        while words.left() > 0 {
            if words.keyword("REPLACE") {
                options.replace = true;
            } else if words.keyword("ABSTTL") {
                options.absolute = true;
            } else if !matches!(options.access, Some(Access::Frequency(_)))
                && let Some(seconds) = words.keyword_with_value("IDLETIME")
            {
                let seconds = u64::try_from(args::int(seconds)?);
                let error = Error::new("ERR Invalid IDLETIME value, must be >= 0");
                options.access = Some(Access::Idle(seconds.map_err(|_| error)?));
            } else if !matches!(options.access, Some(Access::Idle(_)))
                && let Some(counter) = words.keyword_with_value("FREQ")
            {
                let counter = u8::try_from(args::int(counter)?);
                let error = Error::new("ERR Invalid FREQ value, must be >= 0 and <= 255");
                options.access = Some(Access::Frequency(counter.map_err(|_| error)?));
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }
}

fn restore(call: &mut Call) -> Result {
    let (key, access) = (call.args.at(1), call.access());
    let options = Options::parse(call)?;
    if !options.replace && call.server.live(access, key) {
        return Err(Error::new("BUSYKEY Target key name already exists."));
    }
    let ttl = args::int(call.args.at(2))?;
    if ttl < 0 {
        return Err(Error::new("ERR Invalid TTL value, must be >= 0"));
    }
    let now = call.now.unix_ms();
    let expires_at = match ttl {
        0 => None,
        ttl if options.absolute => Some(ttl),
        ttl => Some(ttl.saturating_add(now)),
    };
    let clock = call.server.clock(call.now);
    let clock = match options.access {
        Some(Access::Idle(seconds)) => clock.idle(seconds),
        Some(Access::Frequency(counter)) => clock.used(counter),
        None => clock.initial(),
    };
    let limits = call.server.rdb_limits();
    let (bytes, checks) = (call.args.at(3), !call.server.persistence.skips_checksums);
    let restored = payload::restore(bytes, checks, &limits, key, expires_at, clock);
    let entry = restored.map_err(|refusal| refuse(call, bytes, &refusal))?;
    call.reply.ok();
    if expires_at.is_some_and(|at| call.is_past(at)) {
        restore_expired(call, key);
        return Ok(());
    }
    let displaced = place(call, access, entry);
    call.changed(key, generic_event("restore"));
    displaced.into_iter().for_each(|before| call.server.notify_overwritten(access.db, key, before));
    propagate(call, expires_at, options.absolute);
    Ok(())
}

/// The client hears no more than that it is broken, the log what is.
fn refuse(call: &mut Call, bytes: &[u8], refusal: &Refusal) -> Error {
    let what = match refusal {
        Refusal::Footer => return Error::new("ERR DUMP payload version or checksum are wrong"),
        Refusal::Value(error) => error.to_string(),
        Refusal::NoValue => "it is empty, or more follows".to_owned(),
    };
    let text = format!("RESTORE: {} integrity check failed: {what}", payload::encoding(bytes));
    call.server.log(Level::Warning, text);
    Error::new("ERR Bad data format")
}

/// What would expire at once is not stored, but what it replaces goes.
fn restore_expired(call: &mut Call, key: &[u8]) {
    if call.server.live(call.access(), key) {
        call.server.remove(call.access(), key);
        call.changed(key, DEL);
        let verb: &[u8] = if call.server.config.lazyfree_lazy_server_del { b"UNLINK" } else { b"DEL" };
        call.propagate(&[verb, key]);
    }
}

/// Propagates the request with an absolute expiry.
fn propagate(call: &mut Call, expires_at: Option<i64>, is_absolute: bool) {
    if let Some(at) = expires_at.filter(|_| !is_absolute) {
        let mut digits = itoa::Buffer::new();
        let mut argv: Vec<&[u8]> = call.args.iter().collect();
        argv[2] = digits.format(at).as_bytes();
        argv.push(b"ABSTTL");
        call.propagate(&argv);
    }
}
