//! Trimming: removing the oldest entries.

use super::node::Node;
use super::{Limits, Stream, StreamId};
use crate::engine::keyspace::value::tree::{Leaf, Tree};
use crate::engine::mutant;

/// What is to be left of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// The last entries, so many.
    Length(u64),
    /// Entries from this id on.
    From(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    /// What is to be left.
    pub keep: Retention,
    /// No more than `limit` entries are removed; and only whole nodes, unless the groups' references are
    /// regarded, for which each entry is looked at anyway.
    pub approximate: bool,
    /// Entries that are removed at most, if approximate; 0 is no limit. A node is not begun that has more
    /// than are left.
    pub limit: u64,
}

/// What becomes of the groups' references to entries that are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// They stay.
    #[default]
    Keep,
    /// They go too.
    Drop,
    /// There may be none: entries stay that a group has yet to be given or to acknowledge.
    Spare,
}

/// Entries that were taken out of a stream, to be freed in slices.
#[derive(Debug, Default)]
pub struct Removed {
    /// How many.
    pub count: u64,
    nodes: Tree<Node>,
}

impl Removed {
    /// A stream of nothing but what was removed, to be discarded.
    pub fn into_stream(self) -> Stream {
        Stream { nodes: self.nodes, ..Stream::default() }
    }
}

impl Trim {
    /// How many entries one call removes that is approximate and names no limit.
    pub fn default_limit(nodes: Limits) -> u64 {
        match nodes.entries.saturating_mul(100) {
            0 => 10_000,
            limit => limit.min(1_000_000),
        }
    }

    fn limit(&self) -> u64 {
        if self.approximate && self.limit > 0 { self.limit } else { u64::MAX }
    }
}

impl Stream {
    /// Removes the oldest entries.
    pub fn trim(&mut self, trim: Trim, references: References) -> Removed {
        if references == References::Spare {
            let ids = self.trimmable(trim);
            ids.iter().for_each(|id| assert!(self.remove(*id), "it was just seen"));
            return Removed { count: ids.len() as u64, ..Removed::default() };
        }
        let wanted = match trim.keep {
            Retention::Length(length) if mutant::is_on("greedy-trim") => {
                (self.len() + 1).saturating_sub(length)
            }
            Retention::Length(length) => self.len().saturating_sub(length),
            Retention::From(id) => self.rank(id),
        };
        let limit = trim.limit();
        let whole = self.node_boundary(wanted.min(limit));
        let next = self.nodes.leaf_at(whole).map_or(0, |(node, _)| node.len());
        let only_whole = trim.approximate && references == References::Keep;
        let rest = if only_whole || whole + next > limit { 0 } else { wanted - whole };
        if references == References::Drop && self.groups_len() > 0 {
            let first = self.entries(StreamId::MIN, StreamId::MAX).take((whole + rest) as usize);
            let ids: Vec<StreamId> = first.map(|entry| entry.id).collect();
            ids.into_iter().for_each(|id| self.drop_references(id));
        }
        let nodes = self.nodes.remove_range(0, whole);
        if rest > 0 {
            self.nodes.edit_first(|node| node.delete_first(rest));
        }
        Removed { count: whole + rest, nodes }
    }

    /// How many entries there are before this id.
    fn rank(&self, id: StreamId) -> u64 {
        let Some((node, before)) = self.nodes.leaf_for(|from| *from <= id) else { return 0 };
        let inside = node.entries().take_while(|entry| entry.id < id).filter(|entry| !entry.is_deleted());
        before + inside.count() as u64
    }

    /// The last position up to this one where a node begins or the stream ends.
    fn node_boundary(&self, position: u64) -> u64 {
        if position >= self.len() {
            return self.len();
        }
        self.nodes.leaf_at(position).map_or(0, |(_, offset)| position - offset)
    }

    /// The ids of the oldest entries that `trim` would remove if it spared those that a group has yet to
    /// be given or to acknowledge.
    fn trimmable(&self, trim: Trim) -> Vec<StreamId> {
        let (mut ids, len) = (Vec::new(), self.len());
        let kept = |id, removed: usize| match trim.keep {
            Retention::Length(length) => len - removed as u64 <= length,
            Retention::From(from) => id >= from,
        };
        for node in self.nodes.iter() {
            if ids.len() as u64 + node.len() > trim.limit() {
                break;
            }
            for entry in node.entries().filter(|entry| !entry.is_deleted()) {
                if kept(entry.id, ids.len()) {
                    return ids;
                }
                if self.is_done_with(entry.id) {
                    ids.push(entry.id);
                }
            }
        }
        ids
    }
}
