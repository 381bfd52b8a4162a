//! Streams as commands: entries, what XSETID says, and each group with its pending entries and consumers.
//!
//! An entry that is pending and gone (a *ghost*) cannot be claimed. It is added among the others with a field of no
//! meaning, claimed, and removed the way it went: with XDEL what was deleted, with XTRIM what was trimmed, which the greatest
//! deleted id does not tell of.

use super::Row;
use crate::engine::keyspace::IntBuf;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::value::stream::{Group, IdBuf, Stream, StreamId};
use crate::engine::protocol::request::{self, Builder};
use std::collections::BTreeSet;

/// How far a stream has been written.
#[derive(Default)]
pub struct Progress {
    part: Part,
    /// The group that is being written.
    group: usize,
    /// The first id that was not written: of an entry or a pending one.
    from: Option<StreamId>,
    /// How many ghosts, or released entries or consumers of the group, were written.
    at: usize,
    ghosts: Vec<StreamId>,
    beyond_commands: bool,
}

/// What is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Entries,
    Group,
    Pending,
    Released,
    Consumers,
    Ghosts,
    End,
}

impl Progress {
    /// Nothing was written yet. O(pending entries).
    pub fn new(stream: &Stream) -> Self {
        let pending = stream.groups().flat_map(|(_, group)| group.pending_from(StreamId::MIN));
        let gone = pending.map(|(id, _)| id).filter(|id| stream.get(*id).is_none());
        let ghosts: Vec<StreamId> = gone.collect::<BTreeSet<_>>().into_iter().collect();
        // Trimming takes what is first.
        let first = if stream.is_empty() { StreamId::MAX } else { stream.first_id() };
        let removable = |id: &StreamId| *id <= stream.max_deleted_id || *id < first;
        let beyond_commands = stream.idempotency.is_some()
            || ghosts.first() == Some(&StreamId::MIN)
            || (!stream.is_empty() && first == StreamId::MIN)
            || !ghosts.iter().all(removable);
        let part = Part::Entries;
        Progress { part, group: 0, from: Some(StreamId::MIN), at: 0, ghosts, beyond_commands }
    }

    /// Whether no commands make this stream.
    pub fn is_beyond_commands(&self) -> bool {
        self.beyond_commands
    }
}

/// Writes until `out` has about `until` bytes; `true` when all was written.
pub fn write(key: &[u8], stream: &Stream, progress: &mut Progress, out: &mut Vec<u8>, until: usize) -> bool {
    let mut writer = Writer { key, stream, progress, out, until };
    while !writer.is_full() {
        match writer.progress.part {
            Part::Entries => writer.entries(),
            Part::Group => writer.group(),
            Part::Pending => writer.pending(),
            Part::Released => writer.released(),
            Part::Consumers => writer.consumers(),
            Part::Ghosts => writer.ghosts(),
            Part::End => return true,
        }
    }
    writer.progress.part == Part::End
}

/// Writes one part after another. Each function writes what is left of its part, or as much as there is room for, and notes
/// what comes next.
struct Writer<'a> {
    key: &'a [u8],
    stream: &'a Stream,
    progress: &'a mut Progress,
    out: &'a mut Vec<u8>,
    until: usize,
}

impl<'a> Writer<'a> {
    fn is_full(&self) -> bool {
        self.out.len() >= self.until
    }

    fn command<const N: usize>(&mut self, args: [&[u8]; N]) {
        request::encode(self.out, args.into_iter());
    }

    fn entries(&mut self) {
        let (stream, mut command, mut digits) = (self.stream, Builder::default(), IntBuf::new());
        let Some(from) = self.progress.from else { return self.head() };
        for entry in stream.entries(from, StreamId::MAX) {
            self.ghosts_before(entry.id);
            if self.is_full() {
                self.progress.from = Some(entry.id);
                return;
            }
            command.arg(b"XADD");
            command.arg(self.key);
            command.arg(entry.id.write(&mut IdBuf::default()));
            for (field, value) in entry.pairs() {
                command.arg(field.bytes(&mut digits));
                command.arg(value.bytes(&mut digits));
            }
            command.finish(self.out);
        }
        self.progress.from = None;
    }

    /// Adds the ghosts up to an id, if there is room.
    fn ghosts_before(&mut self, id: StreamId) {
        while !self.is_full()
            && let Some(ghost) = self.progress.ghosts.get(self.progress.at).filter(|ghost| **ghost <= id)
        {
            let mut buf = IdBuf::default();
            let ghost = ghost.write(&mut buf);
            request::encode(self.out, [b"XADD", self.key, ghost, b"x", b"y"].into_iter());
            self.progress.at += 1;
        }
    }

    /// The last ghosts, and what is true of the whole stream.
    fn head(&mut self) {
        self.ghosts_before(StreamId::MAX);
        let ghosts = self.progress.ghosts.len();
        if self.progress.at < ghosts {
            return;
        }
        if self.stream.is_empty() && ghosts == 0 {
            self.command([b"XADD", self.key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
        }
        // Groups may not have read more than was added.
        self.set_id(ghosts);
        (self.progress.part, self.progress.at) = (Part::Group, 0);
    }

    /// XSETID, as far as the ghosts that are still there allow it.
    fn set_id(&mut self, ghosts: usize) {
        let Stream { last_id, max_deleted_id, entries_added, .. } = *self.stream;
        let top = self.progress.ghosts.last().filter(|_| ghosts > 0);
        let last_id = top.map_or(last_id, |top| last_id.max(*top)).to_string();
        let added = entries_added.max(self.stream.len() + ghosts as u64).to_string();
        let deleted = max_deleted_id.to_string();
        let (last_id, added, deleted) = (last_id.as_bytes(), added.as_bytes(), deleted.as_bytes());
        self.command([b"XSETID", self.key, last_id, b"ENTRIESADDED", added, b"MAXDELETEDID", deleted]);
    }

    /// The group that is being written, with its name.
    fn current(&self) -> Option<(&'a [u8], &'a Group)> {
        self.stream.group_at(self.progress.group)
    }

    fn group(&mut self) {
        let Some((name, group)) = self.current() else {
            self.progress.part = Part::Ghosts;
            return;
        };
        let (last_id, read) = (group.last_id.to_string(), group.entries_read.unwrap_or(-1).to_string());
        let (last_id, read) = (last_id.as_bytes(), read.as_bytes());
        self.command([b"XGROUP", b"CREATE", self.key, name, last_id, b"ENTRIESREAD", read]);
        self.progress.from = Some(StreamId::MIN);
        self.progress.part = Part::Pending;
    }

    /// Entries that a consumer has.
    fn pending(&mut self) {
        let (Some((name, group)), Some(from)) = (self.current(), self.progress.from) else { return };
        let owned = group.pending_from(from).filter_map(|(id, pending)| Some((id, pending, pending.owner?)));
        for (id, pending, owner) in owned {
            if self.is_full() {
                self.progress.from = Some(id);
                return;
            }
            let Some(consumer) = group.consumer(owner) else { continue };
            let (time, count) = (pending.time().to_string(), pending.deliveries.to_string());
            self.command([
                b"XCLAIM",
                self.key,
                name,
                &consumer.name,
                b"0",
                id.write(&mut IdBuf::default()),
                b"TIME",
                time.as_bytes(),
                b"RETRYCOUNT",
                count.as_bytes(),
                b"JUSTID",
                b"FORCE",
            ]);
        }
        (self.progress.part, self.progress.at) = (Part::Released, 0);
    }

    /// Entries that were given back.
    fn released(&mut self) {
        let Some((name, group)) = self.current() else { return };
        for id in group.released_from(self.progress.at) {
            if self.is_full() {
                return;
            }
            let count = group.pending(id).map_or(0, |pending| pending.deliveries).to_string();
            let (mut buf, count) = (IdBuf::default(), count.as_bytes());
            let id = id.write(&mut buf);
            self.command([
                b"XNACK",
                self.key,
                name,
                b"FAIL",
                b"IDS",
                b"1",
                id,
                b"RETRYCOUNT",
                count,
                b"FORCE",
            ]);
            self.progress.at += 1;
        }
        (self.progress.part, self.progress.at) = (Part::Consumers, 0);
    }

    /// Consumers that have nothing, and so were not made by claims.
    fn consumers(&mut self) {
        let Some((name, group)) = self.current() else { return };
        while let Some((_, consumer)) = group.consumer_at(self.progress.at) {
            if self.is_full() {
                return;
            }
            if consumer.pending == 0 {
                self.command([b"XGROUP", b"CREATECONSUMER", self.key, name, &consumer.name]);
            }
            self.progress.at += 1;
        }
        self.progress.group += 1;
        (self.progress.part, self.progress.at) = (Part::Group, 0);
    }

    /// Removes the ghosts.
    fn ghosts(&mut self) {
        let ghosts = std::mem::take(&mut self.progress.ghosts);
        let deleted = ghosts.partition_point(|id| *id <= self.stream.max_deleted_id);
        let mut row = Row::new("XDEL", self.key, self.out, usize::MAX);
        let mut buf = IdBuf::default();
        for id in &ghosts[..deleted] {
            row.element(&[Element::Str(id.write(&mut buf))]);
            row.end_if_long();
        }
        row.end();
        if deleted < ghosts.len() {
            let length = self.stream.len().to_string();
            self.command([b"XTRIM", self.key, b"MAXLEN", length.as_bytes()]);
        }
        if !ghosts.is_empty() {
            self.set_id(0);
        }
        self.progress.part = Part::End;
    }
}
