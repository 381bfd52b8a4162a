//! Streams into bytes.

use crate::engine::keyspace::value::listpack::Elements;
use crate::engine::keyspace::value::stream::{Group, Idempotency, Node, Stream, StreamId};
use crate::engine::rdb::{Options, Writer, kind};

/// The kind that a stream is written as: the oldest one that holds all that it has.
pub fn kind(stream: &Stream, _: Options) -> u8 {
    if stream.groups().any(|(_, group)| group.released() > 0) {
        kind::STREAM_LISTPACKS_5
    } else if stream.idempotency.is_some() {
        kind::STREAM_LISTPACKS_4
    } else {
        kind::STREAM_LISTPACKS_3
    }
}

/// How far a stream has been written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    kind: u8,
    part: Part,
    /// The group, and the consumer in it, that are being written.
    group: usize,
    consumer: usize,
    /// The first id that was not written: of a node or a pending entry.
    from: StreamId,
    /// How many released entries of the group, or idempotent producers, were written.
    at: usize,
}

/// What is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    Nodes,
    Group,
    Pending,
    Consumer,
    Owned,
    Released,
    Producers,
    End,
}

/// Writes until `writer.out` has about `until` bytes; `true` when all was written.
pub fn encode(stream: &Stream, progress: &mut Progress, writer: &mut Writer, until: usize) -> bool {
    let mut encoder = Encoder { stream, progress, writer, until };
    while !encoder.is_full() {
        match encoder.progress.part {
            Part::Head => encoder.head(),
            Part::Nodes => encoder.nodes(),
            Part::Group => encoder.group(),
            Part::Pending => encoder.pending(),
            Part::Consumer => encoder.consumer(),
            Part::Owned => encoder.owned(),
            Part::Released => encoder.released(),
            Part::Producers => encoder.producers(),
            Part::End => return true,
        }
    }
    encoder.progress.part == Part::End
}

/// Writes one part after another. Each function writes what is left of its part, or as much as there is
/// room for, and notes what comes next.
struct Encoder<'a> {
    stream: &'a Stream,
    progress: &'a mut Progress,
    writer: &'a mut Writer,
    until: usize,
}

impl<'a> Encoder<'a> {
    fn is_full(&self) -> bool {
        self.writer.out.len() >= self.until
    }

    fn count(&mut self, count: usize) {
        self.writer.length(count as u64);
    }

    fn id(&mut self, StreamId { ms, seq }: StreamId) {
        self.writer.length(ms);
        self.writer.length(seq);
    }

    fn raw_id(&mut self, id: StreamId) {
        self.writer.out.extend_from_slice(&raw(id));
    }

    fn head(&mut self) {
        self.progress.kind = kind(self.stream, self.writer.options());
        self.count(self.stream.nodes_len());
        self.progress.part = Part::Nodes;
    }

    fn nodes(&mut self) {
        let stream = self.stream;
        for node in stream.nodes_from(self.progress.from) {
            if self.is_full() {
                self.progress.from = node.id();
                return;
            }
            self.node(node);
        }
        self.writer.length(stream.len());
        self.id(stream.last_id);
        self.id(stream.first_id());
        self.id(stream.max_deleted_id);
        self.writer.length(stream.entries_added);
        self.count(stream.groups_len());
        self.progress.part = Part::Group;
    }

    fn node(&mut self, node: &Node) {
        self.writer.plain(&raw(node.id()));
        self.writer.listpack(node.run(), Elements::new(node.run()).count());
    }

    /// The group that is being written, with its name.
    fn current(&self) -> Option<(&'a [u8], &'a Group)> {
        self.stream.group_at(self.progress.group)
    }

    /// What comes before the pending entries of a group, or what comes after the last group.
    fn group(&mut self) {
        let Some((name, group)) = self.current() else { return self.producers_head() };
        self.writer.string(name);
        self.id(group.last_id);
        self.writer.length(group.entries_read.unwrap_or(-1) as u64);
        self.count(group.pending_len());
        *self.progress = Progress { part: Part::Pending, from: StreamId::MIN, ..*self.progress };
    }

    fn pending(&mut self) {
        let Some((_, group)) = self.current() else { return };
        for (id, pending) in group.pending_from(self.progress.from) {
            if self.is_full() {
                self.progress.from = id;
                return;
            }
            self.raw_id(id);
            self.writer.i64(pending.time());
            self.writer.length(pending.deliveries as u64);
        }
        self.count(group.consumers_len());
        *self.progress = Progress { part: Part::Consumer, consumer: 0, ..*self.progress };
    }

    /// What comes before the pending entries of a consumer, or what comes after the last consumer.
    fn consumer(&mut self) {
        let Some((_, group)) = self.current() else { return };
        let Some((_, consumer)) = group.consumer_at(self.progress.consumer) else {
            return self.released_head(group);
        };
        self.writer.string(&consumer.name);
        self.writer.i64(consumer.seen);
        self.writer.i64(consumer.active);
        self.count(consumer.pending);
        *self.progress = Progress { part: Part::Owned, from: StreamId::MIN, ..*self.progress };
    }

    fn owned(&mut self) {
        let Some((_, group)) = self.current() else { return };
        let Some((owner, _)) = group.consumer_at(self.progress.consumer) else { return };
        for (id, _) in group.pending_of(owner, self.progress.from) {
            if self.is_full() {
                self.progress.from = id;
                return;
            }
            self.raw_id(id);
        }
        self.progress.consumer += 1;
        self.progress.part = Part::Consumer;
    }

    fn released_head(&mut self, group: &Group) {
        if self.progress.kind >= kind::STREAM_LISTPACKS_5 {
            self.count(group.released());
        }
        *self.progress = Progress { part: Part::Released, at: 0, ..*self.progress };
    }

    fn released(&mut self) {
        let Some((_, group)) = self.current() else { return };
        for id in group.released_from(self.progress.at) {
            if self.is_full() {
                return;
            }
            self.raw_id(id);
            self.progress.at += 1;
        }
        self.progress.group += 1;
        self.progress.part = Part::Group;
    }

    fn producers_head(&mut self) {
        if self.progress.kind < kind::STREAM_LISTPACKS_4 {
            self.progress.part = Part::End;
            return;
        }
        let known = self.stream.idempotency.as_deref();
        let (duration, size) = known.map_or(Idempotency::DEFAULT, |known| (known.duration, known.max_size));
        self.writer.length(duration);
        self.writer.length(size);
        self.count(known.map_or(0, Idempotency::producers));
        *self.progress = Progress { part: Part::Producers, at: 0, ..*self.progress };
    }

    fn producers(&mut self) {
        let (known, at) = (self.stream.idempotency.as_deref(), self.progress.at);
        for (name, messages) in known.into_iter().flat_map(|known| known.messages_from(at)) {
            if self.is_full() {
                return;
            }
            self.writer.string(name);
            self.count(messages.len());
            for (name, id) in messages.iter() {
                self.writer.string(name);
                self.id(id);
            }
            self.progress.at += 1;
        }
        self.writer.length(known.map_or(0, |known| known.added));
        self.writer.length(known.map_or(0, |known| known.duplicates));
        self.progress.part = Part::End;
    }
}

fn raw(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}
