//! Streams out of bytes.

use crate::engine::keyspace::Object;
use crate::engine::keyspace::value::stream::{
    Consumer, Delivered, Group, Idempotency, Node, Sent, Stream, StreamId,
};
use crate::engine::rdb::reader::listpack_run;
use crate::engine::rdb::value::Value;
use crate::engine::rdb::{Error, Reader, Source, kind};
use std::sync::Arc;

/// Reads a stream of any version.
pub fn decode<S: Source>(reader: &mut Reader<S>, kind: u8) -> Result<Value, Error> {
    Ok(Object::Stream(Box::new(stream(reader, kind)?)).into())
}

fn stream<S: Source>(reader: &mut Reader<S>, kind: u8) -> Result<Stream, Error> {
    let mut stream = nodes(reader)?;
    reader.reading("a stream's counts");
    let stored_last = stream.last_id;
    let len = reader.length()?;
    stream.last_id = id(reader)?;
    if len != stream.len() {
        return Err(reader.invalid("another number of entries than the nodes have"));
    }
    if kind >= kind::STREAM_LISTPACKS_2 {
        // The first id is what the nodes say.
        id(reader)?;
        stream.max_deleted_id = id(reader)?;
        stream.entries_added = reader.length()?;
    } else {
        stream.entries_added = len;
    }
    if stream.last_id < stored_last.max(stream.max_deleted_id) {
        return Err(reader.invalid("a last id that is not the last"));
    }
    if !(len..=i64::MAX as u64).contains(&stream.entries_added) {
        return Err(reader.invalid("an impossible number of entries that were added"));
    }
    for _ in 0..reader.count()? {
        reader.reading("a consumer group");
        let name: Box<[u8]> = reader.string()?.into();
        if stream.group(&name).is_some() {
            return Err(reader.invalid("a group of the same name as another"));
        }
        let group = group(reader, kind, &stream)?;
        stream.add_group(&name, group);
    }
    if kind >= kind::STREAM_LISTPACKS_4 {
        stream.idempotency = idempotency(reader)?.map(Box::new);
    }
    Ok(stream)
}

fn nodes<S: Source>(reader: &mut Reader<S>) -> Result<Stream, Error> {
    reader.reading("a stream's nodes");
    let mut nodes = Vec::new();
    for _ in 0..reader.count()? {
        let id = reader.string()?.try_into().map(u128::from_be_bytes);
        let id = id.map_err(|_| reader.invalid("a node's id that is none"))?;
        let run = listpack_run(reader.string()?).map(|(run, _)| run);
        let node = run.and_then(|run| Node::from_run(from_u128(id), &run));
        nodes.push(node.map_err(|fault| reader.invalid(fault))?);
    }
    Stream::from_nodes(nodes).map_err(|fault| reader.invalid(fault))
}

fn id<S: Source>(reader: &mut Reader<S>) -> Result<StreamId, Error> {
    Ok(StreamId::new(reader.length()?, reader.length()?))
}

fn raw_id<S: Source>(reader: &mut Reader<S>) -> Result<StreamId, Error> {
    Ok(from_u128(u128::from_be_bytes(reader.array()?)))
}

fn from_u128(id: u128) -> StreamId {
    StreamId::new((id >> 64) as u64, id as u64)
}

/// A time, from `earliest` on.
fn time<S: Source>(reader: &mut Reader<S>, earliest: i64) -> Result<i64, Error> {
    let time = reader.i64()?;
    if time < earliest { Err(reader.invalid("a time before 1970")) } else { Ok(time) }
}

fn group<S: Source>(reader: &mut Reader<S>, kind: u8, stream: &Stream) -> Result<Group, Error> {
    let last_id = id(reader)?;
    let entries_read = if kind >= kind::STREAM_LISTPACKS_2 {
        match reader.length()? as i64 {
            -1 => None,
            read @ 0.. => Some(read),
            _ => return Err(reader.invalid("an impossible number of entries that were read")),
        }
    } else {
        stream.entries_up_to(last_id)
    };
    let mut pending = pending(reader)?;
    let consumers = consumers(reader, kind, &mut pending)?;
    let owned: usize = consumers.iter().map(|consumer| consumer.pending).sum();
    if kind >= kind::STREAM_LISTPACKS_5 {
        released(reader, &mut pending)?;
    } else if owned < pending.len() {
        return Err(reader.invalid("a pending entry that no consumer has"));
    }
    Ok(Group::from_parts(last_id, entries_read, consumers, &pending))
}

/// The pending entries of a group, which nobody owns yet.
fn pending<S: Source>(reader: &mut Reader<S>) -> Result<Vec<Delivered>, Error> {
    reader.reading("pending entries");
    let mut pending: Vec<Delivered> = Vec::new();
    for _ in 0..reader.count()? {
        let (id, time) = (raw_id(reader)?, time(reader, 0)?);
        let Ok(deliveries) = i64::try_from(reader.length()?) else {
            return Err(reader.invalid("an impossible number of deliveries"));
        };
        if pending.last().is_some_and(|last| last.id >= id) {
            return Err(reader.invalid("pending entries that do not ascend"));
        }
        pending.push(Delivered { id, consumer: None, time, deliveries });
    }
    Ok(pending)
}

/// The consumers of a group; notes which of the pending entries they have.
fn consumers<S: Source>(
    reader: &mut Reader<S>,
    kind: u8,
    pending: &mut [Delivered],
) -> Result<Vec<Consumer>, Error> {
    reader.reading("the consumers of a group");
    let mut consumers = Vec::new();
    for index in 0..reader.count()? {
        let name: Box<[u8]> = reader.string()?.into();
        let seen = time(reader, -1)?;
        let active = if kind >= kind::STREAM_LISTPACKS_3 { time(reader, -1)? } else { seen };
        let count = reader.count()?;
        for _ in 0..count {
            match take(reader, pending)? {
                entry if entry.consumer.is_some() => {
                    return Err(reader.invalid("a pending entry that two consumers have"));
                }
                entry => entry.consumer = Some(index),
            }
        }
        consumers.push(Consumer { name, seen, active, pending: count });
    }
    let mut names: Vec<&[u8]> = consumers.iter().map(|consumer| &*consumer.name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(reader.invalid("Duplicate stream consumer detected"));
    }
    Ok(consumers)
}

/// The pending entries that were released, in their order. No others may be without a consumer.
fn released<S: Source>(reader: &mut Reader<S>, pending: &mut [Delivered]) -> Result<(), Error> {
    reader.reading("the released entries of a group");
    let unowned = pending.iter().filter(|entry| entry.consumer.is_none()).count();
    if reader.count()? != unowned {
        return Err(reader.invalid("another number of released entries than no consumer has"));
    }
    // No time is below zero, so that tells whether an entry was seen twice.
    for place in -(unowned as i64)..0 {
        match take(reader, pending)? {
            entry if entry.consumer.is_some() || entry.time < 0 => {
                return Err(reader.invalid("a released entry that a consumer has"));
            }
            entry => entry.time = place,
        }
    }
    Ok(())
}

/// Reads the id of one of the pending entries.
fn take<'p, S: Source>(
    reader: &mut Reader<S>,
    pending: &'p mut [Delivered],
) -> Result<&'p mut Delivered, Error> {
    let id = raw_id(reader)?;
    let at = pending.binary_search_by_key(&id, |entry| entry.id);
    at.map(|at| &mut pending[at]).map_err(|_| reader.invalid("an entry that is not pending in the group"))
}

fn idempotency<S: Source>(reader: &mut Reader<S>) -> Result<Option<Idempotency>, Error> {
    reader.reading("the idempotent producers of a stream");
    let (duration, size) = (reader.length()?, reader.length()?);
    if !(1..=Idempotency::DURATION_MAX).contains(&duration) || !(1..=Idempotency::SIZE_MAX).contains(&size) {
        return Err(reader.invalid("impossible limits"));
    }
    let mut known = Idempotency::new(duration, size);
    let mut messages = Vec::new();
    for _ in 0..reader.count()? {
        let producer: Arc<[u8]> = reader.string()?.into();
        for _ in 0..reader.count()? {
            let name = reader.string()?.into();
            messages.push(Sent { producer: producer.clone(), name, id: id(reader)? });
        }
    }
    if !known.restore(messages) {
        return Err(reader.invalid("a message that a producer sent twice, or too many of them"));
    }
    (known.added, known.duplicates) = (reader.length()?, reader.length()?);
    let fresh = known.tracked() == 0 && (known.added, known.duplicates) == (0, 0);
    // Streams that never met a producer follow the configuration.
    Ok((!fresh || (duration, size) != Idempotency::DEFAULT).then_some(known))
}
