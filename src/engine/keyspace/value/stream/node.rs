//! The nodes of a stream: runs of entries, byte for byte as Redis's listpacks hold them (but for their
//! header and end mark).
//!
//! ```text
//! node      count, deleted, number of fields, field ..., 0
//!           then entries, in the order of their ids
//! entry     flags, milliseconds, sequence, value ..., n       its fields are those of the node
//!           flags, milliseconds, sequence, number of fields, field, value ..., n
//! flags     1 deleted, 2 has the node's fields
//! ```
//!
//! All of these are listpack elements. The fields of a node are those of its first entry. Milliseconds and
//! sequence are differences from the node's own id, which is that of its first entry as well. The last
//! element of an entry says how many come before it, so that it can be read backwards. A deleted entry only
//! gets its flag; a node without any other is removed.

mod check;
mod run;

use super::StreamId;
use crate::engine::keyspace::value::listpack::{self, Buffer, Element, Elements};
use crate::engine::keyspace::value::tree::{Itself, Leaf, SplitAt};
use run::Run;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Bytes of the header and the end mark that a listpack has in Redis: they count towards the limit.
const LISTPACK_FRAME: usize = 7;

/// The most bytes that the fields and values of an entry may have, and about the most of a node.
pub const BYTES_MAX: usize = 1 << 30;

/// When a node is full.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes; 0 is no limit.
    pub bytes: u64,
    /// Entries, deleted ones included; 0 is no limit.
    pub entries: u64,
}

/// Entries that follow one another.
#[derive(Clone, Debug, Default)]
pub struct Node(Run);

/// What stands at the beginning of a node.
#[derive(Clone, Copy)]
struct Header {
    live: i64,
    deleted: i64,
    fields: usize,
    /// Where the first field begins.
    fields_at: usize,
}

/// An entry of a node.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    node: &'a Node,
    /// Where its flags are.
    at: usize,
    flags: i64,
    fields: usize,
    /// Where its values begin, or its fields and values.
    body: usize,
}

impl Leaf for Node {
    type Shared = Itself<Self>;
    type Key = StreamId;
    // What a node holds is a setting, so the tree is to leave all nodes as they are that have entries.
    const MAX_WEIGHT: usize = 4;

    fn len(&self) -> u64 {
        if self.run().is_empty() { 0 } else { self.header().live as u64 }
    }

    fn weight(&self) -> usize {
        if self.is_empty() { 0 } else { 2 }
    }

    fn memory_usage(&self) -> usize {
        self.0.memory_usage()
    }

    fn split(&mut self, _: SplitAt) -> Self {
        unreachable!("a node is never too heavy, and streams are cut between nodes")
    }

    fn absorb(&mut self, _: Self) {
        unreachable!("a node with entries is never too light")
    }

    fn lower_key(&self) -> StreamId {
        self.id()
    }
}

impl Node {
    /// A node of one entry, with room for so many bytes.
    pub fn new(id: StreamId, pairs: &[&[u8]], room: usize) -> Self {
        let mut run = Buffer::new();
        for count in [1, 0, pairs.len() as i64 / 2] {
            Element::Int(count).encode(&mut run);
        }
        pairs.iter().step_by(2).for_each(|field| Element::from_bytes(field).encode(&mut run));
        Element::Int(0).encode(&mut run);
        encode_entry(&mut run, (0, 0), pairs, true);
        Node(Run::with_room(id, &run, room))
    }

    /// The id from which those of its entries are counted.
    pub fn id(&self) -> StreamId {
        self.0.id()
    }

    /// Its bytes.
    #[inline]
    pub fn run(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Whether an entry whose fields and values have so many `bytes` belongs into a node of its own.
    pub fn is_full(&self, bytes: usize, limits: Limits) -> bool {
        let most = Some(limits.bytes as usize).filter(|most| (1..BYTES_MAX).contains(most));
        let Header { live, deleted, .. } = self.header();
        self.run().len() + LISTPACK_FRAME + bytes >= most.unwrap_or(BYTES_MAX)
            || limits.entries > 0 && (live + deleted) as u64 >= limits.entries
    }

    /// Adds an entry at the end. Its id is greater than all others.
    pub fn append(&mut self, id: StreamId, pairs: &[&[u8]]) {
        let header = self.header();
        let mut entry = Buffer::new();
        // Differences wrap: the sequence is often less than that of the node.
        let base = self.id();
        let delta = (id.ms.wrapping_sub(base.ms) as i64, id.seq.wrapping_sub(base.seq) as i64);
        encode_entry(&mut entry, delta, pairs, self.has_fields(&header, pairs));
        self.0.append(&entry);
        self.count(header.live + 1, header.deleted);
    }

    /// Gives spare memory back: nothing will be appended any more.
    pub fn shrink(&mut self) {
        self.0.shrink();
    }

    /// The entries, deleted ones too.
    pub fn entries(&self) -> Entries<'_> {
        let header = self.header();
        let run = self.run();
        let terminator = listpack::skip(run, header.fields_at, header.fields);
        let front = listpack::next(run, terminator);
        Entries { node: self, fields: header.fields, front, back: run.len() }
    }

    /// Deletes the entry of this id; whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let found = self.entries().find(|entry| entry.id >= id).filter(|entry| entry.id == id);
        let Some(at) = found.filter(|entry| !entry.is_deleted()).map(|entry| entry.at) else { return false };
        self.mark_deleted(at);
        let Header { live, deleted, .. } = self.header();
        self.count(live - 1, deleted + 1);
        true
    }

    /// Deletes so many entries, the first that are left.
    pub fn delete_first(&mut self, count: u64) {
        let live = self.entries().filter(|entry| !entry.is_deleted());
        let places: Vec<usize> = live.take(count as usize).map(|entry| entry.at).collect();
        let Header { live, deleted, .. } = self.header();
        let count = places.len() as i64;
        places.into_iter().for_each(|at| self.mark_deleted(at));
        self.count(live - count, deleted + count);
    }

    /// Flags are integers of one byte, all of them.
    fn mark_deleted(&mut self, at: usize) {
        let flags = self.run()[at] | DELETED as u8;
        self.0.replace(at, at + 1, &[flags]);
    }

    #[inline]
    fn header(&self) -> Header {
        let run = self.run();
        let (live, at) = listpack::element_at(run, 0);
        let (deleted, at) = listpack::element_at(run, at);
        let (fields, fields_at) = listpack::element_at(run, at);
        let int = |element: Element| element.integer().unwrap_or_default();
        Header { live: int(live), deleted: int(deleted), fields: int(fields) as usize, fields_at }
    }

    /// Writes the two counts.
    fn count(&mut self, live: i64, deleted: i64) {
        let mut counts = Buffer::new();
        Element::Int(live).encode(&mut counts);
        Element::Int(deleted).encode(&mut counts);
        let end = listpack::skip(self.run(), 0, 2);
        self.0.replace(0, end, &counts);
    }

    /// Whether these are the fields of the node.
    fn has_fields(&self, header: &Header, pairs: &[&[u8]]) -> bool {
        let (run, mut at) = (self.run(), header.fields_at);
        header.fields == pairs.len() / 2
            && pairs.iter().step_by(2).all(|field| {
                let (own, next) = listpack::element_at(run, at);
                at = next;
                match own {
                    Element::Str(bytes) => bytes == *field,
                    integer => integer == Element::from_bytes(field),
                }
            })
    }
}

fn encode_entry(out: &mut Buffer, (ms, seq): (i64, i64), pairs: &[&[u8]], same_fields: bool) {
    let fields = pairs.len() as i64 / 2;
    let mut int = |value| Element::Int(value).encode(out);
    int(if same_fields { SAME_FIELDS } else { 0 });
    int(ms);
    int(seq);
    if !same_fields {
        int(fields);
    }
    for pair in pairs.chunks_exact(2) {
        if !same_fields {
            Element::from_bytes(pair[0]).encode(out);
        }
        Element::from_bytes(pair[1]).encode(out);
    }
    let elements = if same_fields { 3 + fields } else { 4 + 2 * fields };
    Element::Int(elements).encode(out);
}

impl<'a> Entry<'a> {
    /// How many fields it has.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// Whether it was deleted.
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    /// Its fields with their values.
    pub fn pairs(&self) -> Pairs<'a> {
        let run = self.node.run();
        let same = self.flags & SAME_FIELDS != 0;
        let fields = same.then(|| Elements::between(run, self.node.header().fields_at..run.len()));
        Pairs { fields, values: Elements::between(run, self.body..run.len()), left: self.fields }
    }

    /// Where the next one begins.
    fn end(&self) -> usize {
        let elements = if self.flags & SAME_FIELDS != 0 { self.fields } else { 2 * self.fields };
        listpack::skip(self.node.run(), self.body, elements + 1)
    }
}

/// Fields and values of an entry.
pub struct Pairs<'a> {
    fields: Option<Elements<'a>>,
    values: Elements<'a>,
    left: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field = self.fields.as_mut().unwrap_or(&mut self.values).next()?;
        Some((field, self.values.next()?))
    }
}

/// The entries of a node, from both ends.
#[derive(Clone)]
pub struct Entries<'a> {
    node: &'a Node,
    /// Fields of the node.
    fields: usize,
    front: usize,
    back: usize,
}

impl<'a> Entries<'a> {
    #[inline]
    fn entry_at(&self, at: usize) -> Entry<'a> {
        let run = self.node.run();
        let mut next = at;
        let mut int = || {
            let (element, after) = listpack::element_at(run, next);
            next = after;
            element.integer().unwrap_or_default()
        };
        let (flags, ms, seq) = (int(), int(), int());
        let fields = if flags & SAME_FIELDS != 0 { self.fields } else { int() as usize };
        let StreamId { ms: base_ms, seq: base_seq } = self.node.id();
        let id = StreamId::new(base_ms.wrapping_add(ms as u64), base_seq.wrapping_add(seq as u64));
        Entry { id, node: self.node, at, flags, fields, body: next }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let entry = self.entry_at(self.front);
        self.front = entry.end();
        Some(entry)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let run = self.node.run();
        let mut at = listpack::previous(run, self.back);
        let elements = listpack::element_at(run, at).0.integer().unwrap_or_default();
        for _ in 0..elements {
            at = listpack::previous(run, at);
        }
        self.back = at;
        Some(self.entry_at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(entry: Entry) -> Vec<Vec<u8>> {
        let mut buf = crate::engine::keyspace::value::IntBuf::new();
        let elements = entry.pairs().flat_map(|(field, value)| [field, value]);
        elements.map(|element| element.bytes(&mut buf).to_vec()).collect()
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut node = Node::new(StreamId::new(5, 9), &[b"f", b"1", b"10", b"value"], 0);
        node.append(StreamId::new(6, 0), &[b"f", b"x", b"10", b"-1"]);
        node.append(StreamId::new(6, 1), &[b"f", b"x"]);
        assert!(node.delete(StreamId::new(6, 0)));
        let expected = [
            &b"\x02\x01\x01\x01\x02\x01\x81f\x02\x0a\x01\x00\x01"[..],
            b"\x02\x01\x00\x01\x00\x01\x01\x01\x85value\x06\x05\x01",
            b"\x03\x01\x01\x01\xdf\xf7\x02\x81x\x02\xdf\xff\x02\x05\x01",
            b"\x00\x01\x01\x01\xdf\xf8\x02\x01\x01\x81f\x02\x81x\x02\x06\x01",
        ];
        assert_eq!(node.run(), expected.concat());
    }

    proptest! {
        #[test]
        fn entries_come_back(
            entries in prop::collection::vec(
                (any::<u8>(), prop::collection::vec("[a-c1-3]{0,3}", 1..5)), 1..200),
            deleted in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut id = StreamId::new(1, u64::MAX - 100);
            let mut node: Option<Node> = None;
            let mut model = Vec::new();
            for (step, texts) in entries {
                let pairs: Vec<&[u8]> = texts.iter().flat_map(|text| [text.as_bytes(), b"v"]).collect();
                match &mut node {
                    None => node = Some(Node::new(id, &pairs, 0)),
                    Some(node) => node.append(id, &pairs),
                }
                model.push((id, pairs.iter().map(|part| part.to_vec()).collect::<Vec<_>>(), false));
                id = if step % 3 == 0 { StreamId::new(id.ms + u64::from(step) + 1, 0) } else { id.next().expect("far from the end") };
            }
            let mut node = node.expect("an entry");
            for index in deleted {
                let (id, _, gone) = index.get(&model).clone();
                prop_assert_eq!(node.delete(id), !gone);
                model.iter_mut().filter(|entry| entry.0 == id).for_each(|entry| entry.2 = true);
            }
            prop_assert_eq!(node.len(), model.iter().filter(|entry| !entry.2).count() as u64);
            let read = |entry: Entry| (entry.id, texts(entry), entry.is_deleted());
            prop_assert_eq!(node.entries().map(read).collect::<Vec<_>>(), model.clone());
            prop_assert!(node.entries().rev().map(read).eq(model.into_iter().rev()));
        }
    }
}
