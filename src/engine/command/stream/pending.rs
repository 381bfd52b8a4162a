//! XACK, XACKDEL, XNACK and XPENDING: entries that were delivered and not acknowledged yet.

use super::add::CONDITION;
use super::delete::{self, IDS, Outcome, write_missing};
use super::ids::{Ids, id, ids, range_end, range_start};
use super::options::counted_ids;
use super::{FAST_WRITE, STREAM, no_group, read, write, write_id};
use crate::engine::command::args::{Cursor, int};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::stream::{Group, StreamId};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, KeyFlags, Keys, block, int as integer, key_at, one_of, string, token};

const UPDATED: &[Keys] = &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))];
const EACH: &str = "O(log(N)) for each id with N being the number of pending entries.";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XACK",
        arity: AtLeast(4),
        flags: FAST_WRITE,
        keys: UPDATED,
        since: "5.0.0",
        complexity: EACH,
        summary: "Acknowledges entries and returns how many were pending.",
        args: &[KEY, string("group"), string("id").multiple()],
        run: xack,
        ..STREAM
    },
    Command {
        name: "XACKDEL",
        arity: AtLeast(6),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE).or(KeyFlags::DELETE))],
        since: "8.2.0",
        complexity: EACH,
        summary: "Acknowledges entries and deletes them from the stream.",
        args: &[KEY, string("group"), CONDITION, IDS],
        run: xackdel,
        ..STREAM
    },
    Command {
        name: "XNACK",
        arity: AtLeast(7),
        flags: FAST_WRITE,
        keys: UPDATED,
        since: "8.8.0",
        complexity: EACH,
        summary: "Gives pending entries back to their group, for any consumer to claim.",
        args: &[
            KEY,
            string("group"),
            one_of("mode", &[token("silent", "SILENT"), token("fail", "FAIL"), token("fatal", "FATAL")]),
            IDS,
            integer("count").token("RETRYCOUNT").optional(),
            token("force", "FORCE").optional(),
        ],
        run: xnack,
        ..STREAM
    },
    Command {
        name: "XPENDING",
        arity: AtLeast(3),
        flags: Flags::READONLY,
        keys: &[key_at(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        since: "5.0.0",
        complexity: "O(log(N)+M) with N being the number of pending entries and M those looked at. A summary costs O(C), C being the number of consumers.",
        summary: "Returns which entries of a group are pending.",
        history: &[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")],
        tips: &["nondeterministic_output"],
        args: &[
            KEY,
            string("group"),
            block(
                "filters",
                &[
                    integer("min-idle-time").token("IDLE").optional().since("6.2.0"),
                    string("start"),
                    string("end"),
                    integer("count"),
                    string("consumer").optional(),
                ],
            )
            .optional(),
        ],
        run: xpending,
        ..STREAM
    },
];

fn xack(call: &mut Call) -> Result {
    let (key, group, access) = (call.args.at(1), call.args.at(2), call.access());
    let mut entry = write(call.server, access, key)?;
    let stream = entry.as_mut().and_then(|entry| entry.stream_mut());
    let Some(stream) = stream.filter(|stream| stream.group(group).is_some()) else {
        call.reply.int(0);
        return Ok(());
    };
    let ids = ids(call.args.from(3))?;
    let acknowledge = |group: &mut Group| ids.iter().map(|id| u64::from(group.acknowledge(*id))).sum();
    let count: u64 = stream.edit_group(group, acknowledge).unwrap_or_default();
    call.server.dirty += count;
    call.reply.int(count as i64);
    Ok(())
}

fn xackdel(call: &mut Call) -> Result {
    let (key, group, access) = (call.args.at(1), call.args.at(2), call.access());
    let mut entry = write(call.server, access, key)?;
    let (references, texts) = delete::options(&mut Cursor::new(call.args, 3))?;
    let stream = entry.as_mut().and_then(|entry| entry.stream_mut());
    let Some(stream) = stream.filter(|stream| stream.group(group).is_some()) else {
        write_missing(call, texts.len());
        return Ok(());
    };
    let ids: Ids = texts.into_iter().map(|text| id(text, 0)).collect::<Result<_>>()?;
    let (mut acknowledged, mut deleted) = (0, 0);
    call.reply.array(ids.len());
    for id in ids {
        let (outcome, gone) = match stream.edit_group(group, |group| group.acknowledge(id)) {
            Some(true) => {
                acknowledged += 1;
                delete::delete(stream, id, references)
            }
            _ => (Outcome::Missing, false),
        };
        deleted += u64::from(gone);
        call.reply.int(outcome as i64);
    }
    delete::changed(call, key, deleted);
    call.server.dirty += acknowledged;
    Ok(())
}

/// What XNACK says about why an entry comes back.
#[derive(Clone, Copy)]
enum Mode {
    /// As if it had not been delivered.
    Silent,
    /// The delivery counts.
    Fail,
    /// It is not to be delivered again.
    Fatal,
}

struct Release {
    ids: Ids,
    mode: Mode,
    deliveries: Option<i64>,
    force: bool,
}

impl Release {
    fn read(mut cursor: Cursor) -> Result<Self> {
        let modes = [("SILENT", Mode::Silent), ("FAIL", Mode::Fail), ("FATAL", Mode::Fatal)];
        let mode = modes.into_iter().find(|(name, _)| cursor.keyword(name)).map(|(_, mode)| mode);
        let mode = mode.ok_or(Error::new("ERR mode must be SILENT, FAIL, or FATAL"))?;
        let (mut texts, mut deliveries, mut force) = (None, None, false);
        while cursor.left() > 0 {
            if cursor.left() > 1 && cursor.keyword("IDS") {
                let not_positive = Error::new("ERR numids must be a positive integer");
                let no_match = Error::new("ERR number of IDs doesn't match numids");
                texts = Some(counted_ids(&mut cursor, not_positive, no_match)?);
            } else if let Some(count) = cursor.keyword_with_value("RETRYCOUNT") {
                match int(count)? {
                    count @ 0.. => deliveries = Some(count),
                    _ => return Err(Error::new("ERR Invalid RETRYCOUNT value, must be >= 0")),
                }
            } else if cursor.keyword("FORCE") {
                force = true;
            } else {
                let text = [b"ERR Unrecognized XNACK option '", cursor.value()?, b"'"].concat();
                return Err(Error::bytes(text));
            }
        }
        let texts = texts.ok_or(Error::new("ERR syntax error, expected IDS keyword"))?;
        let ids = texts.into_iter().map(|text| id(text, 0)).collect::<Result<_>>()?;
        Ok(Release { ids, mode, deliveries, force })
    }

    /// How often an entry counts as delivered from now on, that was delivered `before` times.
    fn deliveries(&self, before: i64) -> i64 {
        self.deliveries.unwrap_or(match self.mode {
            Mode::Silent => (before - 1).max(0),
            Mode::Fail => before,
            Mode::Fatal => i64::MAX,
        })
    }
}

fn xnack(call: &mut Call) -> Result {
    let (key, name, access) = (call.args.at(1), call.args.at(2), call.access());
    let mut entry = write(call.server, access, key)?;
    let stream = entry.as_mut().and_then(|entry| entry.stream_mut());
    let stream = stream.filter(|stream| stream.group(name).is_some());
    let stream = stream.ok_or_else(|| no_group(key, name))?;
    let release = Release::read(Cursor::new(call.args, 3))?;
    let mut released = 0;
    for id in &release.ids {
        let known = stream.group(name).and_then(|group| group.pending(*id));
        let forced = release.force && stream.get(*id).is_some();
        if known.is_some() || forced {
            let deliveries = release.deliveries(known.map_or(0, |pending| pending.deliveries));
            stream.edit_group(name, |group| group.release(*id, deliveries));
            released += 1;
        }
    }
    if released > 0 {
        call.server.dirty += released;
        // Somebody may wait to claim what others give back.
        call.server.signal_ready(call.session.db, key);
    }
    call.reply.int(released as i64);
    Ok(())
}

/// Which pending entries XPENDING is to list.
struct Filter<'a> {
    min_idle: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    fn read(call: &Call<'a>) -> Result<Self> {
        // What follows the consumer is not looked at, as long as there is little of it.
        if !(6..=9).contains(&call.args.len()) {
            return Err(Error::SYNTAX);
        }
        let mut cursor = Cursor::new(call.args, 3);
        let min_idle = if cursor.keyword("IDLE") { cursor.int()? } else { 0 };
        let (start, end) = (cursor.value()?, cursor.value()?);
        let count = cursor.int()?.max(0) as usize;
        let consumer = cursor.value().ok();
        Ok(Filter { min_idle, start: range_start(start)?, end: range_end(end)?, count, consumer })
    }
}

fn xpending(call: &mut Call) -> Result {
    let filter = if call.args.len() > 3 { Some(Filter::read(call)?) } else { None };
    let (key, name, access, now) = (call.args.at(1), call.args.at(2), call.access(), call.now.unix_ms());
    let group = read(call.server, access, key)?.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_group(key, name))?;
    let reply = &mut *call.reply;
    let Some(filter) = filter else {
        reply.array(4);
        reply.int(group.pending_len() as i64);
        let Some((first, last)) = group.pending_bounds() else {
            reply.null();
            reply.null();
            reply.null_array();
            return Ok(());
        };
        write_id(reply, first);
        write_id(reply, last);
        let (mark, mut busy) = (reply.mark(), 0);
        for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending > 0) {
            reply.array(2);
            reply.bulk(&consumer.name);
            reply.bulk_int(consumer.pending as i64);
            busy += 1;
        }
        reply.array_at(mark, busy);
        return Ok(());
    };
    let owner = filter.consumer.map(|name| group.owner(name));
    let everybodys = owner.is_none().then(|| group.pending_from(filter.start));
    let ones = owner.flatten().map(|owner| group.pending_of(owner, filter.start));
    let pending = everybodys.into_iter().flatten().chain(ones.into_iter().flatten());
    let pending = pending.take_while(|(id, _)| *id <= filter.end);
    let idle = pending.filter(|(_, pending)| pending.idle(now) >= filter.min_idle);
    let (mark, mut written) = (reply.mark(), 0);
    for (id, pending) in idle.take(filter.count) {
        let consumer = pending.owner.and_then(|owner| group.consumer(owner));
        reply.array(4);
        write_id(reply, id);
        reply.bulk(consumer.map_or(b"", |consumer| &consumer.name));
        reply.int(if consumer.is_some() { pending.idle(now) } else { -1 });
        reply.int(pending.deliveries);
        written += 1;
    }
    reply.array_at(mark, written);
    Ok(())
}
