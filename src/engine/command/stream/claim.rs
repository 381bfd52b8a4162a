//! XCLAIM and XAUTOCLAIM: taking over what others were given.

use super::ids::{Ids, id, range_start};
use super::readgroup::{CONSUMER_CREATED, propagate_consumer, propagate_position};
use super::{FAST_WRITE, STREAM, no_group, noted, write, write_entry, write_id};
use crate::engine::command::args::{Cursor, int};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::stream::{Group, Owner, Pending, Stream, StreamId};
use crate::engine::mark::sometimes;
use crate::engine::protocol::Reply;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{KEY, KeyFlags, int as integer, key_at, string, token, unix_time};
use crate::engine::text::number::parse_i64;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XCLAIM",
        arity: AtLeast(6),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "5.0.0",
        complexity: "O(log(N)) for each id with N being the number of pending entries.",
        summary: "Makes a consumer the owner of pending entries.",
        tips: &["nondeterministic_output"],
        args: &[
            KEY,
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("id").multiple(),
            integer("ms").token("IDLE").optional(),
            unix_time("unix-time-milliseconds").token("TIME").optional(),
            integer("count").token("RETRYCOUNT").optional(),
            token("force", "FORCE").optional(),
            token("justid", "JUSTID").optional(),
            string("lastid").token("LASTID").optional(),
        ],
        run: xclaim,
        ..STREAM
    },
    Command {
        name: "XAUTOCLAIM",
        arity: AtLeast(6),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        since: "6.2.0",
        complexity: "O(M*log(N)) with M being ten times COUNT at most and N the number of pending entries.",
        summary: "Makes a consumer the owner of entries that have been pending for long.",
        history: &[(
            "7.0.0",
            "Added an element to the reply array, containing deleted entries the command cleared from the PEL",
        )],
        tips: &["nondeterministic_output"],
        args: &[
            KEY,
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("start"),
            integer("count").token("COUNT").optional(),
            token("justid", "JUSTID").optional(),
        ],
        run: xautoclaim,
        ..STREAM
    },
];

/// How an entry is claimed.
#[derive(Clone, Copy)]
struct Claim {
    min_idle: i64,
    now: i64,
    /// When it counts as delivered.
    time: i64,
    /// How often it counts as delivered.
    deliveries: Option<i64>,
    just_id: bool,
    /// Even if it is not pending.
    force: bool,
}

/// What became of an entry that was to be claimed.
enum Claimed {
    /// It is not pending, or not for long enough.
    Not,
    /// The consumer has it.
    Yes(Pending),
    /// The stream does not have it any more, and so it is not pending any more.
    Gone(Pending),
}

impl Claim {
    fn new(min_idle: i64, now: i64) -> Self {
        Claim { min_idle, now, time: now, deliveries: None, just_id: false, force: false }
    }

    fn apply(
        &self,
        stream: &Stream,
        group: &mut Group,
        owner: Owner,
        id: StreamId,
        reply: &mut Reply,
    ) -> Claimed {
        let pending = group.pending(id);
        let Some(entry) = stream.get(id) else {
            sometimes!("claimed-gone", pending.is_some());
            group.acknowledge(id);
            return pending.map_or(Claimed::Not, Claimed::Gone);
        };
        let deliveries = match pending {
            None if !self.force => return Claimed::Not,
            // Whoever forces an entry in is its first consumer, however it was asked for.
            None => 1,
            Some(pending) if pending.idle(self.now) < self.min_idle => return Claimed::Not,
            Some(pending) => pending.deliveries,
        };
        sometimes!("claimed-from-other", pending.is_some_and(|pending| pending.owner != Some(owner)));
        let counted = if self.just_id { deliveries } else { deliveries.saturating_add(1) };
        group.assign(id, owner, self.time, self.deliveries.unwrap_or(counted));
        group.served(owner, self.now);
        if self.just_id {
            write_id(reply, id);
        } else {
            write_entry(reply, &entry);
        }
        group.pending(id).map_or(Claimed::Not, Claimed::Yes)
    }
}

/// An entry that was claimed, or is gone.
struct Done {
    id: StreamId,
    pending: Pending,
    /// Who had it, if it is gone.
    had: Option<Box<[u8]>>,
}

/// Claims and the group they are made in.
struct Claims<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    /// The consumer is new.
    created: bool,
    done: Vec<Done>,
    /// The last id that the group was given.
    last_id: StreamId,
}

impl<'a> Claims<'a> {
    fn new(call: &Call<'a>) -> Self {
        let (key, group, consumer) = (call.args.at(1), call.args.at(2), call.args.at(3));
        let last_id = StreamId::MIN;
        Claims { key, group, consumer, created: false, done: Vec::new(), last_id }
    }

    /// Lets `work` claim in the group, whose consumer is made if need be.
    fn run<R>(
        &mut self,
        call: &mut Call,
        work: impl FnOnce(&mut Self, &Stream, &mut Group, Owner, &mut Reply) -> R,
    ) -> Result<R> {
        let (access, now) = (call.access(), call.now.unix_ms());
        let mut entry = write(call.server, access, self.key)?;
        let stream = entry.as_mut().and_then(|entry| entry.stream_mut());
        let Some(stream) = stream else { return Err(no_group(self.key, self.group)) };
        let taken = stream.take_group(self.group);
        let mut group = taken.ok_or_else(|| no_group(self.key, self.group))?;
        let owner = group.owner(self.consumer).unwrap_or_else(|| {
            self.created = true;
            group.add_consumer(self.consumer, now)
        });
        group.saw(owner, now);
        let result = work(self, stream, &mut group, owner, call.reply);
        self.last_id = group.last_id;
        stream.add_group(self.group, group);
        Ok(result)
    }

    /// Notes what became of an entry; whether it was claimed.
    fn note(&mut self, group: &Group, id: StreamId, claimed: &Claimed) -> bool {
        match claimed {
            Claimed::Not => {}
            Claimed::Yes(pending) => self.done.push(Done { id, pending: *pending, had: None }),
            Claimed::Gone(pending) => {
                let had = pending.owner.and_then(|owner| group.consumer(owner));
                let had = had.map(|consumer| consumer.name.clone());
                self.done.push(Done { id, pending: *pending, had });
            }
        }
        matches!(claimed, Claimed::Yes(_))
    }

    /// Publishes and propagates what was done. An entry that is gone is propagated like one that was
    /// claimed: whoever carries that out finds it gone as well.
    fn tell(&self, call: &mut Call) {
        call.server.propagation.nothing();
        if self.created {
            noted(call, self.key, CONSUMER_CREATED);
            if !self.done.iter().any(|done| done.had.is_none()) {
                propagate_consumer(call, (self.key, self.group, self.consumer));
            }
        }
        call.server.dirty += self.done.len() as u64;
        for Done { id, pending, had } in &self.done {
            let consumer = had.as_deref().unwrap_or(self.consumer);
            propagate_claim(call, (self.key, self.group, consumer), *id, *pending, self.last_id);
        }
    }
}

/// Propagates that a consumer has an entry to acknowledge, so that it can be repeated without harm.
pub(super) fn propagate_claim(
    call: &mut Call,
    (key, group, consumer): (&[u8], &[u8], &[u8]),
    id: StreamId,
    pending: Pending,
    last_id: StreamId,
) {
    if !call.server.propagation.wanted() {
        return;
    }
    let (id, last_id) = (id.to_string(), last_id.to_string());
    let (time, deliveries) = (pending.time().to_string(), pending.deliveries.to_string());
    call.propagate(&[
        b"XCLAIM",
        key,
        group,
        consumer,
        b"0",
        id.as_bytes(),
        b"TIME",
        time.as_bytes(),
        b"RETRYCOUNT",
        deliveries.as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id.as_bytes(),
    ]);
}

/// The ids and options of XCLAIM.
fn claim_options(call: &Call) -> Result<(Ids, Claim, StreamId)> {
    let now = call.now.unix_ms();
    let number = |text, error| int(text).or(Err(Error::new(error)));
    let min_idle = number(call.args.at(4), "ERR Invalid min-idle-time argument for XCLAIM")?;
    let mut claim = Claim::new(min_idle.max(0), now);
    let mut cursor = Cursor::new(call.args, 5);
    let (mut ids, mut last_id) = (Ids::new(), StreamId::MIN);
    while let Some(Ok(id)) = cursor.peek().map(|text| id(text, 0)) {
        cursor.value()?;
        ids.push(id);
    }
    let mut time = None;
    while cursor.left() > 0 {
        if cursor.keyword("FORCE") {
            claim.force = true;
        } else if cursor.keyword("JUSTID") {
            claim.just_id = true;
        } else if let Some(text) = cursor.keyword_with_value("IDLE") {
            let idle = number(text, "ERR Invalid IDLE option argument for XCLAIM")?;
            time = Some(now.saturating_sub(idle));
        } else if let Some(text) = cursor.keyword_with_value("TIME") {
            time = Some(number(text, "ERR Invalid TIME option argument for XCLAIM")?);
        } else if let Some(text) = cursor.keyword_with_value("RETRYCOUNT") {
            let count = number(text, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
            claim.deliveries = Some(count).filter(|count| *count >= 0);
        } else if let Some(text) = cursor.keyword_with_value("LASTID") {
            last_id = id(text, 0)?;
        } else {
            return Err(Error::bytes([b"ERR Unrecognized XCLAIM option '", cursor.value()?, b"'"].concat()));
        }
    }
    // A time that cannot be is taken for a clock that is a little off. What is replayed was the case: the clock may have
    // gone back since.
    let latest = if call.is_replayed() { i64::MAX } else { now };
    claim.time = time.filter(|time| (0..=latest).contains(time)).unwrap_or(now);
    Ok((ids, claim, last_id))
}

fn xclaim(call: &mut Call) -> Result {
    let mut claims = Claims::new(call);
    let access = call.access();
    let stream = super::read(call.server, access, claims.key)?;
    if stream.and_then(|stream| stream.group(claims.group)).is_none() {
        return Err(no_group(claims.key, claims.group));
    }
    let (ids, claim, last_id) = claim_options(call)?;
    let moved = claims.run(call, |claims, stream, group, owner, reply| {
        let moved = last_id > group.last_id;
        group.last_id = group.last_id.max(last_id);
        let (mark, mut written) = (reply.mark(), 0);
        for id in ids {
            let claimed = claim.apply(stream, group, owner, id, reply);
            written += usize::from(claims.note(group, id, &claimed));
        }
        reply.array_at(mark, written);
        moved.then_some(group.entries_read)
    })?;
    claims.tell(call);
    if let Some(entries_read) = moved
        && claims.done.is_empty()
    {
        call.server.dirty += 1;
        propagate_position(call, (claims.key, claims.group), claims.last_id, entries_read);
    }
    Ok(())
}

/// Pending entries that XAUTOCLAIM looks at for each one wanted.
const ATTEMPTS: usize = 10;

fn xautoclaim(call: &mut Call) -> Result {
    let min_idle =
        int(call.args.at(4)).or(Err(Error::new("ERR Invalid min-idle-time argument for XAUTOCLAIM")))?;
    let start = range_start(call.args.at(5))?;
    let mut claim = Claim::new(min_idle.max(0), call.now.unix_ms());
    let mut cursor = Cursor::new(call.args, 6);
    let mut count = 100;
    while cursor.left() > 0 {
        if let Some(text) = cursor.keyword_with_value("COUNT") {
            let wanted = parse_i64(text).filter(|count| (1..=i64::MAX / 16).contains(count));
            count = wanted.ok_or(Error::new("ERR COUNT must be > 0"))? as usize;
        } else if cursor.keyword("JUSTID") {
            claim.just_id = true;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let mut claims = Claims::new(call);
    claims.run(call, |claims, stream, group, owner, reply| {
        let ids: Vec<StreamId> = {
            let looked_at = group.pending_from(start).take(count.saturating_mul(ATTEMPTS));
            let wanted = looked_at.filter(|(id, pending)| {
                stream.get(*id).is_none() || pending.idle(claim.now) >= claim.min_idle
            });
            wanted.take(count).map(|(id, _)| id).collect()
        };
        let next = next_start(group, start, (count, &ids));
        reply.array(3);
        write_id(reply, next.unwrap_or_default());
        let (mark, mut written, mut gone) = (reply.mark(), 0, Vec::new());
        for id in ids {
            let claimed = claim.apply(stream, group, owner, id, reply);
            written += usize::from(claims.note(group, id, &claimed));
            gone.extend(matches!(claimed, Claimed::Gone(_)).then_some(id));
        }
        reply.array_at(mark, written);
        reply.array(gone.len());
        gone.into_iter().for_each(|id| write_id(reply, id));
    })?;
    claims.tell(call);
    Ok(())
}

/// Where the next XAUTOCLAIM is to begin: after the last one claimed if that were enough, else after all
/// that were looked at.
fn next_start(group: &Group, start: StreamId, (count, ids): (usize, &[StreamId])) -> Option<StreamId> {
    let next = match ids.last() {
        Some(last) if ids.len() == count => group.pending_from(last.next()?).next(),
        _ => group.pending_from(start).nth(count.saturating_mul(ATTEMPTS)),
    };
    next.map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use crate::engine::config::Config;
    use crate::engine::loopback::Loopback;

    #[test]
    fn what_may_be_claimed_at_once_may_be_so_after_the_clock_went_back() {
        let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
        world.now.unix_us = 1_700_000_000_000_000;
        let client = world.connect();
        world.send(client, b"XADD s 1-1 f v\r\nXGROUP CREATE s g 0\r\nXREADGROUP GROUP g a STREAMS s >\r\n");
        for request in [
            "XPENDING s g IDLE 0 - + 1",
            "XCLAIM s g b 0 1-1 JUSTID",
            "XAUTOCLAIM s g c 0 0 COUNT 1 JUSTID",
            "XREADGROUP GROUP g d CLAIM 0 STREAMS s >",
        ] {
            world.now.unix_us -= 60_000_000;
            world.take_heard(client);
            world.send(client, format!("{request}\r\n").as_bytes());
            let heard = world.take_heard(client);
            assert!(String::from_utf8_lossy(&heard).contains("1-1"), "{request}");
        }
    }
}
