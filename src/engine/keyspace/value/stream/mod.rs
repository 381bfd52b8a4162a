//! Streams: entries by id, in nodes that a tree holds, and the groups that read them.

mod group;
mod id;
mod idempotency;
mod node;
#[cfg(test)]
mod tests;
mod trim;

pub use group::{Consumer, Delivered, Group, Owner, Pending};
pub use id::{IdBuf, LONGEST_ID, Sequence, StreamId};
pub use idempotency::{Idempotency, Messages, Sent};
pub use node::{BYTES_MAX, Entry, Limits, Node};
pub use trim::{References, Removed, Retention, Trim};

use super::ordered::OrderedMap;
use super::tree::Tree;

/// Bytes that a new node gets room for at most.
const ROOM_MAX: usize = 8192;

/// A stream. Cloning costs O(1), a change O(log n).
#[derive(Clone, Debug, Default)]
pub struct Stream {
    nodes: Tree<Node>,
    /// The id of the last entry that was added, or what XSETID made of it.
    pub last_id: StreamId,
    /// The greatest id that was deleted other than by trimming.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    groups: OrderedMap<Box<[u8]>, Group>,
    /// What idempotent producers have sent, once there are any.
    pub idempotency: Option<Box<Idempotency>>,
}

impl Stream {
    /// A stream without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of these nodes, if they follow one another; the last of their ids is its last id. O(nodes).
    pub fn from_nodes(nodes: Vec<Node>) -> Result<Self, &'static str> {
        let last_id = |node: &Node| node.entries().next_back().map_or(node.id(), |entry| entry.id);
        if nodes.windows(2).any(|pair| last_id(&pair[0]) >= pair[1].id()) {
            return Err("nodes that do not ascend");
        }
        let last_id = nodes.last().map_or(StreamId::MIN, last_id);
        Ok(Stream { nodes: Tree::from_leaves(nodes), last_id, ..Stream::default() })
    }

    /// How many entries it has.
    pub fn len(&self) -> u64 {
        self.nodes.len()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many nodes they lie in.
    pub fn nodes_len(&self) -> usize {
        self.nodes.leaves()
    }

    /// The nodes, in order, from the one on that has this id or could.
    pub fn nodes_from(&self, id: StreamId) -> impl Iterator<Item = &Node> {
        let cursor = self.nodes.cursor_for(|from| *from <= id);
        cursor.into_iter().flat_map(|cursor| cursor.forward()).map(|(node, _)| node)
    }

    /// The id of the first entry; 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.entries(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The id of the last entry; 0-0 if there is none.
    pub fn last_entry_id(&self) -> StreamId {
        self.entries_back(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The id of the first entry, one that is deleted but still in its node included.
    pub fn first_stored_id(&self) -> Option<StreamId> {
        self.nodes.first()?.entries().next().map(|entry| entry.id)
    }

    /// Adds an entry, whose id is greater than all before: fields and values in turn.
    pub fn append(&mut self, id: StreamId, pairs: &[&[u8]], limits: Limits) {
        debug_assert!(id > self.last_id, "ids ascend");
        let bytes = pairs.iter().map(|part| part.len()).sum();
        self.last_id = id;
        // XSETID may have set it to the most that replies can say, where it stays.
        self.entries_added = (self.entries_added + 1).min(i64::MAX as u64);
        let room = match self.nodes.last() {
            None => 0,
            Some(last) if last.is_full(bytes, limits) => {
                // The next node will probably need about as much, unless it was one large entry.
                let room = (last.run().len() / 16 * 17).min(ROOM_MAX);
                self.nodes.edit_last(Node::shrink);
                room
            }
            Some(_) => {
                self.nodes.edit_last(|last| last.append(id, pairs));
                return;
            }
        };
        self.nodes.append(Tree::from_leaves([Node::new(id, pairs, room)]));
    }

    /// The entry of this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let (node, _) = self.nodes.leaf_for(|from| *from <= id)?;
        let entry = node.entries().find(|entry| entry.id >= id)?;
        (entry.id == id && !entry.is_deleted()).then_some(entry)
    }

    /// The entries from `start` up to and with `end`, in order.
    pub fn entries(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let cursor = self.nodes.cursor_for(|from| *from <= start);
        let nodes = cursor.into_iter().flat_map(|cursor| cursor.forward());
        let entries = nodes.flat_map(|(node, _)| node.entries());
        let entries = entries.skip_while(move |entry| entry.id < start);
        entries.take_while(move |entry| entry.id <= end).filter(|entry| !entry.is_deleted())
    }

    /// The same, the last first.
    pub fn entries_back(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let cursor = self.nodes.cursor_for(|from| *from <= end);
        let nodes = cursor.into_iter().flat_map(|cursor| cursor.backward());
        let entries = nodes.flat_map(|(node, _)| node.entries().rev());
        let entries = entries.skip_while(move |entry| entry.id > end);
        entries.take_while(move |entry| entry.id >= start).filter(|entry| !entry.is_deleted())
    }

    /// Deletes an entry; whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let deleted = self.remove(id);
        if deleted {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        deleted
    }

    /// Takes an entry out, which leaves no trace that readers' counts depend on.
    fn remove(&mut self, id: StreamId) -> bool {
        self.get(id).is_some() && self.nodes.edit_for(|from| *from <= id, |node| node.delete(id))
    }

    /// The groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// How many groups there are.
    pub fn groups_len(&self) -> usize {
        self.groups.len()
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The group of this place in the order of names.
    pub fn group_at(&self, position: usize) -> Option<(&[u8], &Group)> {
        self.groups.iter_from(position).next().map(|(name, group)| (&**name, group))
    }

    /// Changes a group that is there.
    pub fn edit_group<R>(&mut self, name: &[u8], edit: impl FnOnce(&mut Group) -> R) -> Option<R> {
        self.groups.edit(name, edit)
    }

    /// Takes a group that is there out of its place, which is kept for it: what happens to it may depend on
    /// the rest of the stream. `add_group` puts it back.
    pub fn take_group(&mut self, name: &[u8]) -> Option<Group> {
        self.edit_group(name, std::mem::take)
    }

    /// Adds a group, in the place of the one that has its name.
    pub fn add_group(&mut self, name: &[u8], group: Group) {
        self.groups.insert(name.into(), group);
    }

    /// Removes a group, for the caller to free when it likes.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.groups.remove(name)
    }

    /// Whether every group was given this entry and has acknowledged it.
    pub fn is_done_with(&self, id: StreamId) -> bool {
        self.groups().all(|(_, group)| group.is_done_with(id))
    }

    /// Lets no group have this entry as pending any more.
    pub fn drop_references(&mut self, id: StreamId) {
        let having = self.groups().filter(|(_, group)| group.pending(id).is_some());
        let names: Vec<Box<[u8]>> = having.map(|(name, _)| name.into()).collect();
        for name in names {
            self.edit_group(&name, |group| group.acknowledge(id));
        }
    }

    /// Whether an entry from `start` on may have been deleted.
    fn has_gaps_from(&self, start: StreamId) -> bool {
        !self.is_empty() && self.max_deleted_id != StreamId::MIN && start <= self.max_deleted_id
    }

    /// A group was given the entry `id`, beyond its last one: moves it there, and counts as well as can be.
    pub fn advance(&self, group: &mut Group, id: StreamId) {
        group.entries_read = match group.entries_read {
            Some(read) if !self.has_gaps_from(group.last_id) => Some(read.saturating_add(1)),
            _ if self.entries_added > 0 => self.entries_up_to(id),
            read => read,
        };
        group.last_id = id;
    }

    /// How many entries were ever added up to this id, where that can be told: at either end of a stream
    /// of which nothing was deleted in between.
    pub fn entries_up_to(&self, id: StreamId) -> Option<i64> {
        let (added, len) = (self.entries_added as i64, self.len() as i64);
        if added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(added);
        }
        let first = self.first_id();
        let whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < first;
        match id.cmp(&first) {
            std::cmp::Ordering::Less if whole => Some(added - len),
            std::cmp::Ordering::Equal if whole => Some(added - len + 1),
            _ => None,
        }
    }

    /// How many entries a group has yet to be given, where that can be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let added = self.entries_added as i64;
        if added == 0 || self.is_empty() {
            return Some(0);
        }
        let first = self.first_id();
        if group.last_id < first && self.max_deleted_id < first {
            return Some(self.len() as i64);
        }
        match group.entries_read {
            Some(read) if !self.has_gaps_from(group.last_id) => Some(added.saturating_sub(read)),
            _ => self.entries_up_to(group.last_id).map(|read| added - read),
        }
    }

    /// Bytes on the heap.
    pub fn memory_usage(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(name, group)| name.len() + group.memory_usage()).sum();
        let idempotency = self.idempotency.as_ref().map_or(0, |known| known.memory_usage());
        self.nodes.memory_usage() + self.groups.memory_usage() + groups + idempotency
    }

    /// How many allocations it is made of, about.
    pub fn free_effort(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(_, group)| group.free_effort()).sum();
        let idempotency = self.idempotency.as_ref().map_or(0, |known| known.tracked());
        2 * self.nodes.leaves() + groups + self.groups.leaves() + idempotency
    }

    /// Frees about `budget` allocations; `true` when little is left. Good for nothing in between.
    pub fn free_some(&mut self, budget: usize) -> bool {
        if !self.nodes.free_some(budget / 2) {
            return false;
        }
        while let Some((name, _)) = self.groups.first() {
            let name = name.clone();
            if !self.groups.edit(&name, |group| group.free_some(budget)).unwrap_or(true) {
                return false;
            }
            self.groups.remove(&name);
        }
        true
    }

    /// Panics unless everything fits together.
    #[cfg(test)]
    pub fn check(&self) {
        self.nodes.check(|a, b| a < b);
        let ids: Vec<StreamId> = self.entries(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect();
        assert_eq!(ids.len() as u64, self.len());
        assert!(ids.is_sorted() && ids.last().is_none_or(|last| *last <= self.last_id));
        self.groups().for_each(|(_, group)| group.check());
    }
}
