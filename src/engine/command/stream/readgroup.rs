//! XREADGROUP.

use super::claim::propagate_claim;
use super::ids::id;
use super::read::{
    BLOCK, COUNT, MAXCOUNT, MAXSIZE, Options, STREAMS, Streams, keys_after_streams, wait, write_deleted,
};
use super::{STREAM, event, noted, read, write, write_entry, write_id, write_pairs};
use crate::engine::command::call::Event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::stream::{Group, Owner, Pending, Stream, StreamId};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::Reply;
use crate::engine::session::Awaited;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, block, int, string, token};
use crate::engine::text::ascii::c_string;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "XREADGROUP",
    arity: AtLeast(7),
    flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS),
    keys: &[keys_after_streams(4)],
    since: "5.0.0",
    complexity: "O(M*log(N)) with M being the number of entries returned and N that of the pending ones.",
    summary: "Returns entries of streams that no other consumer of the group was given, and waits for some if there are none.",
    history: &[
        ("8.4.0", "Added the `CLAIM` option."),
        ("8.10.0", "Added the `MAXCOUNT` and `MAXSIZE` options."),
    ],
    args: &[
        block("group-block", &[string("group"), string("consumer")]).token("GROUP"),
        COUNT,
        MAXCOUNT,
        MAXSIZE,
        BLOCK,
        int("min-idle-time").token("CLAIM").optional().since("8.4.0"),
        token("noack", "NOACK").optional(),
        STREAMS,
    ],
    run: xreadgroup,
    ..STREAM
}];

/// A consumer came into being.
pub(super) const CONSUMER_CREATED: Event = event("xgroup-createconsumer");

/// What is read of a stream.
#[derive(Clone, Copy)]
enum From {
    /// What nobody was given yet.
    New,
    /// What the consumer was given after this id and has not acknowledged.
    History(StreamId),
}

/// What a group's reading of one stream changed.
#[derive(Default)]
struct Delivery {
    /// The consumer is new.
    created: bool,
    /// The group was given something that nobody had.
    advanced: bool,
    /// When there will be an entry to be claimed, if nobody acknowledges it, in Unix milliseconds.
    claimable_at: Option<i64>,
    /// Entries that the consumer now has to acknowledge.
    assigned: Vec<(StreamId, Pending)>,
}

fn xreadgroup(call: &mut Call) -> Result {
    let options = Options::read(call, true)?;
    let Some((group, consumer)) = options.group else {
        return Err(Error::new("ERR Missing GROUP option for XREADGROUP"));
    };
    let mut positions = Vec::with_capacity(options.streams);
    for n in 0..options.streams {
        let (key, access) = (options.key(call, n), call.access());
        let stream = read(call.server, access, key)?;
        if stream.and_then(|stream| stream.group(group)).is_none() {
            return Err(Error::bytes(
                [
                    b"NOGROUP No such key '",
                    key,
                    b"' or consumer group '",
                    group,
                    b"' in XREADGROUP with GROUP option",
                ]
                .concat(),
            ));
        }
        positions.push(match c_string(call.args.at(options.id_at(n))) {
            b">" => From::New,
            b"$" => return Err(meaningless('$')),
            b"+" => return Err(meaningless('+')),
            _ => match id(call.args.at(options.id_at(n)), 0)? {
                // Nothing can come after it.
                StreamId::MAX => From::New,
                after => From::History(after),
            },
        });
    }
    call.server.propagation.nothing();
    let mut streams = Streams::new(&options, call.reply);
    let mut claimable_at: Option<i64> = None;
    for (n, from) in positions.into_iter().enumerate() {
        let key = options.key(call, n);
        let reader = Reader { key, consumer, options: &options, now: call.now.unix_ms() };
        let access = call.access();
        let Some(mut entry) = write(call.server, access, key)? else { continue };
        let stream = entry.stream_mut().expect("the type was checked");
        let mut taken = stream.take_group(group).expect("it was there");
        let before = taken.last_id;
        let delivery = reader.read(stream, &mut taken, from, call.reply, &mut streams);
        let after = delivery.advanced.then_some((taken.last_id, taken.entries_read));
        stream.add_group(group, taken);
        claimable_at = claimable_at.into_iter().chain(delivery.claimable_at).min();
        tell(call, (key, group, consumer), delivery, before, after);
    }
    if !streams.finish(call.reply) {
        wait(call, &options, Awaited::Group, &[]);
        if let Some(at) = claimable_at {
            let ms = at.saturating_sub(call.now.unix_ms()).max(1) as u64;
            call.run_again_at(call.now.mono_us.saturating_add(ms.saturating_mul(1000)));
        }
    }
    Ok(())
}

fn meaningless(id: char) -> Error {
    Error::text(format!(
        "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this \
         consumer by specifying a proper ID, or use the > ID to get new messages. The {id} ID would just \
         return an empty result set."
    ))
}

/// Who reads, and what of.
struct Reader<'a> {
    key: &'a [u8],
    consumer: &'a [u8],
    options: &'a Options<'a>,
    now: i64,
}

impl Reader<'_> {
    fn read(
        &self,
        stream: &Stream,
        group: &mut Group,
        from: From,
        reply: &mut Reply,
        streams: &mut Streams,
    ) -> Delivery {
        let mut delivery = Delivery::default();
        let owner = group.owner(self.consumer).unwrap_or_else(|| {
            delivery.created = true;
            group.add_consumer(self.consumer, self.now)
        });
        group.saw(owner, self.now);
        match from {
            From::History(after) => {
                if streams.begin(reply, self.key) {
                    self.history(stream, group, (owner, after), reply, streams);
                    streams.end(reply);
                }
            }
            From::New => {
                let claimed = self.claimable(stream, group, streams.room());
                let is_behind = stream.last_entry_id() > group.last_id;
                delivery.claimable_at = self.next_claimable(stream, group);
                if (is_behind || !claimed.is_empty()) && streams.begin(reply, self.key) {
                    self.claim(stream, group, (owner, claimed), (reply, streams), &mut delivery);
                    self.deliver(stream, group, owner, (reply, streams), &mut delivery);
                    streams.end(reply);
                }
            }
        }
        delivery
    }

    /// Writes what the consumer was given before; that counts as another delivery.
    fn history(
        &self,
        stream: &Stream,
        group: &mut Group,
        (owner, after): (Owner, StreamId),
        reply: &mut Reply,
        streams: &mut Streams,
    ) {
        let Some(start) = after.next() else { return };
        let pending: Vec<_> = group.pending_of(owner, start).take(streams.room()).collect();
        for (id, pending) in pending {
            if !streams.takes(reply) {
                break;
            }
            match stream.get(id) {
                Some(entry) => {
                    write_entry(reply, &entry);
                    group.assign(id, owner, self.now, pending.deliveries.saturating_add(1));
                }
                None => write_deleted(reply, id),
            }
            streams.count();
        }
    }

    /// Entries that were delivered long ago, or given back, and that the stream still has.
    fn claimable(&self, stream: &Stream, group: &Group, count: usize) -> Vec<(StreamId, Pending)> {
        let Some(min_idle) = self.options.claim else { return Vec::new() };
        let oldest = group.pending_by_time();
        let idle = oldest.take_while(|(_, pending)| pending.idle(self.now) >= min_idle);
        idle.filter(|(id, _)| stream.get(*id).is_some()).take(count).collect()
    }

    /// When the oldest entry that the stream still has can be claimed.
    fn next_claimable(&self, stream: &Stream, group: &Group) -> Option<i64> {
        let min_idle = self.options.claim.filter(|_| self.options.block.is_some())?;
        let (_, oldest) = group.pending_by_time().find(|(id, _)| stream.get(*id).is_some())?;
        Some(oldest.time().saturating_add(min_idle))
    }

    fn claim(
        &self,
        stream: &Stream,
        group: &mut Group,
        (owner, claimed): (Owner, Vec<(StreamId, Pending)>),
        (reply, streams): (&mut Reply, &mut Streams),
        delivery: &mut Delivery,
    ) {
        for (id, pending) in claimed {
            let Some(entry) = stream.get(id).filter(|_| streams.takes(reply)) else { break };
            reply.array(4);
            write_id(reply, id);
            write_pairs(reply, &entry);
            reply.int(pending.idle(self.now));
            reply.int(pending.deliveries);
            streams.count();
            group.assign(id, owner, self.now, pending.deliveries.saturating_add(1));
            group.served(owner, self.now);
            delivery.assigned.extend(group.pending(id).map(|pending| (id, pending)));
        }
    }

    fn deliver(
        &self,
        stream: &Stream,
        group: &mut Group,
        owner: Owner,
        (reply, streams): (&mut Reply, &mut Streams),
        delivery: &mut Delivery,
    ) {
        let Some(start) = group.last_id.next() else { return };
        for entry in stream.entries(start, StreamId::MAX) {
            if !streams.takes(reply) {
                sometimes!("partial-delivery");
                if mutant::is_on("lost-delivery") {
                    stream.advance(group, entry.id);
                }
                break;
            }
            if !(mutant::is_on("double-delivery") && entry.id == stream.last_id) {
                stream.advance(group, entry.id);
            }
            delivery.advanced = true;
            if self.options.claim.is_some() {
                reply.array(4);
                write_id(reply, entry.id);
                write_pairs(reply, &entry);
                reply.int(0);
                reply.int(0);
            } else {
                write_entry(reply, &entry);
            }
            streams.count();
            let unpended = mutant::is_on("unpended") && !delivery.assigned.is_empty();
            if !self.options.no_ack && !unpended {
                group.assign(entry.id, owner, self.now, 1);
                group.served(owner, self.now);
                delivery.assigned.extend(group.pending(entry.id).map(|pending| (entry.id, pending)));
            }
        }
    }
}

/// Publishes and propagates what was delivered: each entry as the XCLAIM that has the same effect.
fn tell(
    call: &mut Call,
    names: (&[u8], &[u8], &[u8]),
    delivery: Delivery,
    before: StreamId,
    after: Option<(StreamId, Option<i64>)>,
) {
    let (key, group, _) = names;
    let Delivery { created, assigned, .. } = delivery;
    if created {
        noted(call, key, CONSUMER_CREATED);
    }
    if after.is_some() || !assigned.is_empty() {
        call.server.dirty += 1;
    }
    if !call.server.propagation.wanted() {
        return;
    }
    for (id, pending) in &assigned {
        propagate_claim(call, names, *id, *pending, before);
    }
    if let Some((last_id, entries_read)) = after {
        propagate_position(call, (key, group), last_id, entries_read);
    }
    if created && assigned.is_empty() {
        propagate_consumer(call, names);
    }
}

/// Propagates that a consumer came into being.
pub(super) fn propagate_consumer(call: &mut Call, (key, group, consumer): (&[u8], &[u8], &[u8])) {
    call.propagate(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
}

/// Propagates how far a group has read.
pub(super) fn propagate_position(
    call: &mut Call,
    (key, group): (&[u8], &[u8]),
    last_id: StreamId,
    entries_read: Option<i64>,
) {
    let (last_id, read) = (last_id.to_string(), entries_read.unwrap_or(-1).to_string());
    call.propagate(&[b"XGROUP", b"SETID", key, group, last_id.as_bytes(), b"ENTRIESREAD", read.as_bytes()]);
}
