//! DEBUG: what tests of Redis reach into a server with. Only what makes sense here does something; what
//! steers parts that do not exist (dict resizing, listpack sizes) is accepted.

use super::SERVER;
use super::{config, debug_clock, debug_protocol, digest, save};
use crate::engine::command::args::{int, not_negative};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::config::ProtectedAction;
use crate::engine::effect::{Effect, Level};
use crate::engine::keyspace::{Expiry, IntBuf, NewValue, Object, ValueRef};
use crate::engine::server::clients::ReplyBuffers;
use crate::engine::spec::{Arity::AtLeast, Flags, string};
use crate::engine::text::ascii;
use crate::engine::text::number::parse_f64;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "DEBUG",
    arity: AtLeast(2),
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE).or(Flags::SYSTEM),
    since: "1.0.0",
    complexity: "Depends on subcommand.",
    summary: "Looks and reaches into the server, for its tests.",
    args: &[string("subcommand"), string("arg").multiple().optional()],
    run: debug,
    ..SERVER
}];

/// The longest nap of DEBUG SLEEP: a day.
const SLEEP_MAX_SECONDS: f64 = 86_400.0;

/// The error of a command that the configuration forbids unless the client is local.
pub(super) fn not_allowed(command: &str, option: &str) -> Error {
    Error::text(format!(
        "ERR {command} command not allowed. If the {option} option is set to \"local\", you can run it \
         from a local connection, otherwise you need to set this option in the configuration file, and then \
         restart the server."
    ))
}

fn debug(call: &mut Call) -> Result {
    if debug_clock::is_meant(call) {
        return debug_clock::step(call);
    }
    let allowed: ProtectedAction = call.server.config.enable_debug_command;
    if !allowed.allows(call.session.peer.is_local()) {
        return Err(not_allowed("DEBUG", "enable-debug-command"));
    }
    let subcommand = ascii::lower(call.args.at(1));
    match (subcommand.as_slice(), call.args.len()) {
        (b"help", 2) => help(call),
        (b"sleep", 3) => sleep(call),
        (b"set-disable-deny-scripts", 3) => {
            call.server.scripting.allows_all = int(call.args.at(2))? != 0;
            ok(call)
        }
        (b"object", 3..=4) => object(call),
        (b"sdslen", 3) => sdslen(call),
        (b"digest", 2) => digest::all(call),
        (b"digest-value", 2..) => digest::values(call),
        (b"populate", 3..=5) => populate(call),
        (b"protocol", 3) => debug_protocol::reply(call),
        (b"error", 3) => Err(Error::bytes(call.args.at(2).to_vec())),
        (b"log", 3) => log(call),
        (b"htstats", 3..) => htstats(call),
        (b"htstats-key", 3..) => htstats_key(call),
        (b"listpack", 3) => listpack(call),
        (b"structsize", 2) => structsize(call),
        (b"change-repl-id", 2) => change_repl_id(call),
        (b"set-active-expire", 3) => {
            call.server.active_expire_off = int(call.args.at(2))? == 0;
            ok(call)
        }
        (b"set-allow-access-expired", 3) => {
            call.server.allows_expired = int(call.args.at(2))? != 0;
            ok(call)
        }
        (b"set-skip-checksum-validation", 3) => {
            call.server.persistence.skips_checksums = int(call.args.at(2))? != 0;
            ok(call)
        }
        (b"pause-cron", 3) => {
            call.server.cron_paused = int(call.args.at(2))? != 0;
            ok(call)
        }
        (b"replybuffer", 4) => replybuffer(call),
        (b"config-rewrite-force-all", 2) => config::rewrite_file(call, true),
        (b"segfault", 2) => crash(call, "segfault"),
        (b"panic", 2) => crash(call, "panic"),
        (b"assert", 2) => crash(call, "assert"),
        (b"oom", 2) => crash(call, "oom"),
        (b"restart" | b"crash-and-recover", 2..=3) => {
            call.server.ask(Effect::Restart);
            ok(call)
        }
        (b"fail-job", 2) => save::fail_job(call),
        (b"reload", 2..) => save::reload(call),
        (b"loadaof", 2) => save::load_aof(call),
        (b"replicate", 3..) => {
            Err(Error::new("ERR DEBUG REPLICATE needs replication, which this server does not have yet"))
        }
        (b"leak", 3) => ok(call),
        (name, argc) if ACCEPTED.contains(&(name, argc)) => ok(call),
        _ => Err(call.subcommand_error()),
    }
}

/// Subcommands that tune what Redis is made of and this server is not, with their number of arguments.
const ACCEPTED: &[(&[u8], usize)] = &[
    (b"quicklist-packed-threshold", 3),
    (b"dict-resizing", 3),
    (b"client-enforce-reply-list", 3),
    (b"aof-flush-sleep", 3),
    (b"drop-cluster-packet-filter", 3),
    (b"keysizes-hist-assert", 3),
    (b"delay-rdb-client-free-second", 3),
    (b"repl-pause", 3),
    (b"script", 3),
];

fn ok(call: &mut Call) -> Result {
    call.reply.ok();
    Ok(())
}

/// How reply buffers follow what clients need.
fn replybuffer(call: &mut Call) -> Result {
    let value = call.args.at(3);
    match ascii::lower(call.args.at(2)).as_slice() {
        b"resizing" => call.server.reply_buffers.resizing = int(value)? != 0,
        b"peak-reset-time" => {
            call.server.reply_buffers.peak_reset = match ascii::lower(value).as_slice() {
                b"never" => None,
                b"reset" => ReplyBuffers::default().peak_reset,
                _ => Some((not_negative(value)? as u64).saturating_mul(1000)),
            };
        }
        _ => return Err(call.subcommand_error()),
    }
    ok(call)
}

/// The time counts as the command's own, though it passes after the batch.
fn sleep(call: &mut Call) -> Result {
    let seconds = parse_f64(call.args.at(2)).unwrap_or(0.0).clamp(0.0, SLEEP_MAX_SECONDS);
    let us = (seconds * 1e6) as u64;
    call.server.lap = call.server.lap.wrapping_sub(us * 1000);
    call.server.ask(Effect::Stall(us));
    call.session.yields = true;
    ok(call)
}

fn crash(call: &mut Call, how: &'static str) -> Result {
    call.server.ask(Effect::Crash(how));
    ok(call)
}

fn log(call: &mut Call) -> Result {
    let text = format!("DEBUG LOG: {}", String::from_utf8_lossy(call.args.at(2)));
    call.server.log(Level::Warning, text);
    ok(call)
}

/// Shows in the log what a small collection is made of.
fn listpack(call: &mut Call) -> Result {
    let database = &call.server.databases[call.session.db];
    let entry = database.lookup(call.args.at(2)).ok_or(Error::NO_SUCH_KEY)?;
    let text = match entry.value() {
        ValueRef::Packed(packed) if entry.encoding_name().starts_with("listpack") => {
            format!("{} in {} bytes: {}", packed.count, packed.run.len(), packed.run.escape_ascii())
        }
        _ => return Err(Error::new("ERR Not a listpack encoded object.")),
    };
    call.server.log(Level::Notice, format!("DEBUG LISTPACK: {text}"));
    call.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

fn change_repl_id(call: &mut Call) -> Result {
    call.server.log(Level::Notice, "Changing replication IDs after receiving DEBUG change-repl-id".into());
    call.server.replication_id = call.server.rng.hex_id();
    ok(call)
}

fn object(call: &mut Call) -> Result {
    let clock = call.server.clock(call.now);
    let database = &call.server.databases[call.session.db];
    let entry = database.lookup(call.args.at(2)).ok_or(Error::NO_SUCH_KEY)?;
    let idle_ms = clock.idle_ms(entry.clock());
    let lru = ((call.now.unix_ms() - idle_ms) / 1000) & 0xFF_FFFF;
    // No address: the engine's replies do not depend on where the allocator puts things.
    let text = format!(
        "Value at:0x0 refcount:1 encoding:{} serializedlength:{} lru:{lru} lru_seconds_idle:{}",
        entry.encoding_name(),
        serialized_length(entry.value()),
        idle_ms / 1000,
    );
    call.reply.simple(&text);
    Ok(())
}

/// How long the value is in an RDB file: <https://rdb.fnordig.de/file_format.html>, strings.
fn serialized_length(value: ValueRef) -> usize {
    let length_prefix = |length: usize| match length {
        0..64 => 1,
        64..16384 => 2,
        _ => 5,
    };
    match value {
        ValueRef::Int(value) => match value {
            -0x80..0x80 => 2,
            -0x8000..0x8000 => 3,
            -0x8000_0000..0x8000_0000 => 5,
            value => 1 + value.to_string().len(),
        },
        ValueRef::Str(bytes) => length_prefix(bytes.len()) + bytes.len(),
        // A listpack has a header of six bytes and an end mark.
        ValueRef::Packed(packed) => length_prefix(packed.run.len() + 7) + packed.run.len() + 7,
        ValueRef::Object(Object::LargeString(string)) => {
            let length = string.as_bytes().len();
            length_prefix(length) + length
        }
        // Packed in memory much as in the file.
        ValueRef::Object(object) => object.memory_usage(),
    }
}

fn sdslen(call: &mut Call) -> Result {
    let key = call.args.at(2);
    let entry = call.server.databases[call.session.db].lookup(key).ok_or(Error::NO_SUCH_KEY)?;
    let length = entry.string_len().ok_or(Error::new("ERR Not an sds encoded string."))?;
    let (spare, held) = match entry.value() {
        ValueRef::Object(Object::LargeString(string)) => (string.capacity() - length, string.capacity()),
        // Inside the entry.
        _ => (0, 0),
    };
    let text = format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{length}, val_sds_avail:{spare}, \
         val_zmalloc: {held}",
        key.len(),
        entry.memory_usage() - held,
    );
    call.reply.simple(&text);
    Ok(())
}

/// Creates keys that do not exist yet; no effects follow, as with Redis.
fn populate(call: &mut Call) -> Result {
    let count = not_negative(call.args.at(2))?;
    let prefix = call.args.get(3).unwrap_or(b"key");
    let size = call.args.get(4).map(not_negative).transpose()?.unwrap_or(0) as usize;
    if size as u64 > call.server.config.proto_max_bulk_len {
        return Err(Error::TOO_LONG);
    }
    let clock = call.server.clock(call.now).initial();
    let db = call.session.db;
    for number in 0..count {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if call.server.databases[db].contains(&key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        call.server.databases[db].set(&key, NewValue::from_bytes(&value), Expiry::Never, clock);
        call.server.touch(db, &key);
    }
    ok(call)
}

fn htstats(call: &mut Call) -> Result {
    let index = int(call.args.at(2))?;
    let databases = &call.server.databases;
    let database = usize::try_from(index).ok().and_then(|index| databases.get(index));
    let database = database.ok_or(Error::new("ERR Out of range database"))?;
    let text = format!(
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n\
         [Expires HT]\n number of elements: {}\n",
        database.table_memory(),
        database.len(),
        database.expires()
    );
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn htstats_key(call: &mut Call) -> Result {
    let key = call.args.at(2);
    call.server.databases[call.session.db].lookup(key).ok_or(Error::NO_SUCH_KEY)?;
    Err(Error::new("ERR The value stored at the specified key is not represented using an hash table"))
}

fn structsize(call: &mut Call) -> Result {
    let text = format!("bits:{} intbuf:{}", usize::BITS, size_of::<IntBuf>());
    call.reply.bulk(text.as_bytes());
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "ASSERT",
        "    Crashes as a failed assertion does.",
        "CHANGE-REPL-ID",
        "    Changes the replication id.",
        "CLOCK <FREEZE|ADVANCE <ms>|SET <ms>|RESUME>",
        "    Stops, moves or resumes the server's clock; only with --test-clock.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    As CONFIG REWRITE, with parameters that have their default too.",
        "CRASH-AND-RECOVER",
        "    Ends the process and starts it again.",
        "DIGEST",
        "    A hexadecimal digest of all data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Hexadecimal digests of some values.",
        "ERROR <string>",
        "    Replies with <string> as an error.",
        "FAIL-JOB",
        "    Has the running save or rewrite fail, as the death of a child does elsewhere.",
        "HTSTATS <dbid>",
        "    Figures about the table of a database.",
        "LISTPACK <key>",
        "    Shows in the log what a small collection is made of.",
        "LOADAOF",
        "    Empties the databases and loads the append-only file.",
        "LOG <message>",
        "    Writes <message> to the log.",
        "OBJECT <key>",
        "    Low-level facts about a key and its value.",
        "OOM",
        "    Crashes as running out of memory does.",
        "PANIC",
        "    Crashes as a panic does.",
        "PAUSE-CRON <0|1>",
        "    Stops or resumes what is done by the clock.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Creates <count> string keys named <prefix>:<number>.",
        "PROTOCOL <type>",
        "    Replies with a value of <type>.",
        "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
        "    Saves the data, empties the databases and loads it again.",
        "RESTART",
        "    Ends the process and starts it again.",
        "SDSLEN <key>",
        "    Lengths of a key and its string.",
        "SEGFAULT",
        "    Crashes as an invalid memory access does.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Stops or resumes the removal of expired keys that nobody asks for.",
        "SET-ALLOW-ACCESS-EXPIRED <0|1>",
        "    Lets commands see expired keys.",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    Takes files and payloads whatever their checksum.",
        "SLEEP <seconds>",
        "    Stops the server for so long; decimals allowed.",
        "STRUCTSIZE",
        "    Sizes of a few structures.",
    ])
}
