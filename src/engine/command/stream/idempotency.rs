//! XCFGSET and XIDMPRECORD: messages of idempotent producers, which XADD adds only once.

use super::options::Sender;
use super::{FAST_GROWING, FAST_WRITE, STREAM, ids, write};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::config::Config;
use crate::engine::keyspace::value::stream::Idempotency;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{KEY, KeyFlags, int, key_at, string};
use crate::engine::text::sha256;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XCFGSET",
        arity: AtLeast(2),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "8.6.0",
        summary: "Sets how long a stream remembers messages of idempotent producers, and how many.",
        args: &[
            KEY,
            int("idmp-duration").token("IDMP-DURATION").optional(),
            int("idmp-maxsize").token("IDMP-MAXSIZE").optional(),
        ],
        run: xcfgset,
        ..STREAM
    },
    Command {
        name: "XIDMPRECORD",
        arity: Exactly(5),
        flags: FAST_GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "8.6.2",
        summary: "Notes which entry holds a message of an idempotent producer; used when data is loaded.",
        args: &[KEY, string("pid"), string("iid"), string("stream-id")],
        run: xidmprecord,
        ..STREAM
    },
];

/// What a stream remembers as long as nobody has sent anything.
pub(super) fn new_memory(config: &Config) -> Idempotency {
    Idempotency::new(config.stream_idmp_duration, config.stream_idmp_maxsize)
}

/// What a message is recognised by: the name that it was given, or its fields and values, whose order
/// does not matter.
pub(super) fn message_name(sender: Sender, pairs: &[&[u8]]) -> Vec<u8> {
    if let Some(name) = sender.message {
        return name.to_vec();
    }
    let digest = |pair: &[&[u8]]| {
        let length = (pair[0].len() as u64).to_le_bytes();
        sha256::hex(&[&length, pair[0], pair[1]].concat())
    };
    let mut digests: Vec<_> = pairs.chunks_exact(2).map(digest).collect();
    digests.sort_unstable();
    sha256::hex(&digests.concat()).to_vec()
}

fn xcfgset(call: &mut Call) -> Result {
    let (key, access) = (call.args.at(1), call.access());
    let memory = new_memory(&call.server.config);
    let mut entry = write(call.server, access, key)?.ok_or(Error::NO_SUCH_KEY)?;
    let mut cursor = Cursor::new(call.args, 2);
    let (mut duration, mut max_size) = (None, None);
    while cursor.left() > 0 {
        if let Some(value) = cursor.keyword_with_value("IDMP-DURATION") {
            parameter(&mut duration, value, ("IDMP-DURATION", Idempotency::DURATION_MAX, "seconds"))?;
        } else if let Some(value) = cursor.keyword_with_value("IDMP-MAXSIZE") {
            parameter(&mut max_size, value, ("IDMP-MAXSIZE", Idempotency::SIZE_MAX, "entries"))?;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    if duration.is_none() && max_size.is_none() {
        return Err(Error::new("ERR At least one parameter must be specified"));
    }
    let stream = entry.stream_mut().expect("the type was checked");
    let known = stream.idempotency.get_or_insert_with(|| memory.into());
    let wanted = (duration.unwrap_or(known.duration), max_size.unwrap_or(known.max_size));
    if wanted != (known.duration, known.max_size) {
        known.configure(wanted.0, wanted.1);
        call.server.dirty += 1;
    }
    call.reply.ok();
    Ok(())
}

fn parameter(slot: &mut Option<u64>, text: &[u8], (name, max, unit): (&str, u64, &str)) -> Result {
    if slot.is_some() {
        return Err(Error::text(format!("ERR {name} specified multiple times")));
    }
    let value = crate::engine::command::args::int(text)?;
    let value = u64::try_from(value).ok().filter(|value| (1..=max).contains(value));
    let range = || Error::text(format!("ERR {name} must be between 1 and {max} {unit}"));
    *slot = Some(value.ok_or_else(range)?);
    Ok(())
}

fn xidmprecord(call: &mut Call) -> Result {
    let id = ids::id(call.args.at(4), 0)?;
    let (key, producer, message) = (call.args.at(1), call.args.at(2), call.args.at(3));
    if producer.is_empty() {
        return Err(Error::new("ERR producer ID must be non-empty"));
    }
    if message.is_empty() {
        return Err(Error::new("ERR idempotent ID must be non-empty"));
    }
    let (access, now) = (call.access(), call.now.unix_ms());
    let memory = new_memory(&call.server.config);
    let mut entry = write(call.server, access, key)?.ok_or(Error::NO_SUCH_KEY)?;
    let stream = entry.stream_mut().expect("the type was checked");
    if stream.get(id).is_none() {
        return Err(Error::new("ERR No such message in stream"));
    }
    let known = stream.idempotency.get_or_insert_with(|| memory.into());
    match known.find(producer, message, now) {
        Some(other) if other != id => {
            return Err(Error::new("ERR IID already exists for this producer with a different stream ID"));
        }
        Some(_) => {}
        None => {
            known.note(producer, message, id, now);
            call.server.dirty += 1;
        }
    }
    call.reply.ok();
    Ok(())
}
