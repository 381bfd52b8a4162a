//! Nodes that come from outside.

use super::{DELETED, Node, Run, SAME_FIELDS};
use crate::engine::keyspace::value::listpack::{Element, Elements};
use crate::engine::keyspace::value::stream::StreamId;

/// What is wrong with a node.
type Fault = &'static str;

impl Node {
    /// The node that `id` and these elements say, if they do: each in its place, ids in order and none before
    /// `id`, counts true. The elements themselves are sound.
    pub fn from_run(id: StreamId, run: &[u8]) -> Result<Node, Fault> {
        let mut reader = Reader { elements: Elements::new(run), end: run.len() };
        let (live, deleted, fields) = (reader.count()?, reader.count()?, reader.count()?);
        reader.skip(fields)?;
        if fields == 0 || reader.int()? != 0 {
            return Err("a node without an end of its fields");
        }
        if reader.entries(id, fields)? != (live, deleted) {
            return Err("a node with other entries than it counts");
        }
        Ok(Node(Run::new(id, run)))
    }
}

/// Elements as they have to follow one another.
struct Reader<'a> {
    elements: Elements<'a>,
    /// Where they end, which is more than any count of them can be.
    end: usize,
}

impl Reader<'_> {
    fn int(&mut self) -> Result<i64, Fault> {
        match self.elements.next() {
            Some(Element::Int(value)) => Ok(value),
            Some(Element::Str(_)) => Err("a node with text for a number"),
            None => Err("a node that ends within an entry"),
        }
    }

    fn count(&mut self) -> Result<usize, Fault> {
        match self.int()? {
            count if (0..self.end as i64).contains(&count) => Ok(count as usize),
            _ => Err("a node with an impossible count"),
        }
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        let skipped = self.elements.by_ref().take(count).count();
        if skipped == count { Ok(()) } else { Err("a node that ends within an entry") }
    }

    /// Reads all entries; how many are alive and how many are deleted.
    fn entries(&mut self, base: StreamId, node_fields: usize) -> Result<(usize, usize), Fault> {
        let (mut live, mut deleted, mut last) = (0, 0, None);
        while self.elements.place() < self.end {
            let flags = self.int()?;
            let (ms, seq) = (self.int()? as u64, self.int()? as u64);
            let (elements, extra) = match flags & SAME_FIELDS {
                _ if !(0..=DELETED | SAME_FIELDS).contains(&flags) => {
                    return Err("an entry with unknown flags");
                }
                0 => (2 * self.count()?, 4),
                _ => (node_fields, 3),
            };
            self.skip(elements)?;
            if elements == 0 || self.int()? != elements as i64 + extra {
                return Err("an entry of another length than it says");
            }
            let id = StreamId::new(base.ms.wrapping_add(ms), base.seq.wrapping_add(seq));
            if id == StreamId::MIN || id < base || last.is_some_and(|last| id <= last) {
                return Err("ids of entries that do not ascend");
            }
            last = Some(id);
            *if flags & DELETED == 0 { &mut live } else { &mut deleted } += 1;
        }
        Ok((live, deleted))
    }
}
