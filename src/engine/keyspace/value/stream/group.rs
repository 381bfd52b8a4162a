//! Consumer groups: which entries were delivered to whom and are not acknowledged yet (the pending entries
//! list, PEL).

use super::StreamId;
use crate::engine::keyspace::value::ordered::OrderedMap;
use crate::engine::mutant;
use std::num::NonZeroU64;

/// The time of entries that nobody owns: they come before all that somebody does.
const RELEASED: i64 = i64::MIN;

/// Who reads together. Cloning costs O(1).
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: StreamId,
    /// How many entries had been added up to that one, if that is known.
    pub entries_read: Option<i64>,
    pending: OrderedMap<StreamId, Pending>,
    by_owner: OrderedMap<(Owner, StreamId), ()>,
    /// By the time of delivery; among those of the same time, by when it was noted.
    by_time: OrderedMap<(i64, u64), StreamId>,
    consumers: OrderedMap<Owner, Consumer>,
    names: OrderedMap<Box<[u8]>, Owner>,
    released: usize,
    /// The last number given to a consumer.
    last_owner: u64,
    /// The last number given to a change of `by_time`.
    last_order: u64,
}

/// The number of a consumer, never used again in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(NonZeroU64);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whom it was delivered to; nobody if it was released.
    pub owner: Option<Owner>,
    /// How often.
    pub deliveries: i64,
    time: i64,
    order: u64,
}

impl Pending {
    /// When it was delivered, in Unix milliseconds; 0 if it was released.
    pub fn time(&self) -> i64 {
        if self.owner.is_some() { self.time } else { 0 }
    }
    /// For how many milliseconds it has waited; 0 if the clock went back since.
    pub fn idle(&self, now: i64) -> i64 {
        now.saturating_sub(self.time()).max(0)
    }
}

/// Who reads in a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// The name.
    pub name: Box<[u8]>,
    /// When it last tried to read or claim, in Unix milliseconds.
    pub seen: i64,
    /// When it last got something; -1 for never.
    pub active: i64,
    /// How many entries it has to acknowledge.
    pub pending: usize,
}

/// A pending entry on its way into a group that is built as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    /// Its id.
    pub id: StreamId,
    /// The index of the consumer it was delivered to; `None` if it was released.
    pub consumer: Option<usize>,
    /// When, in Unix milliseconds; of those that were released, which is how many-th.
    pub time: i64,
    /// How often.
    pub deliveries: i64,
}

impl Group {
    /// A group of these consumers, no two of one name, and these pending entries, in the order of their ids.
    /// How many entries its consumers have is counted. O(n log n).
    pub fn from_parts(
        last_id: StreamId,
        entries_read: Option<i64>,
        mut consumers: Vec<Consumer>,
        delivered: &[Delivered],
    ) -> Self {
        let owner = |index: usize| Owner(NonZeroU64::new(index as u64 + 1).expect("it counts from 1"));
        let mut by_time: Vec<usize> = (0..delivered.len()).collect();
        by_time.sort_by_key(|at| (delivered[*at].consumer.is_some(), delivered[*at].time, *at));
        let mut order = vec![0; delivered.len()];
        (1..).zip(&by_time).for_each(|(place, at)| order[*at] = place);
        let pending = |at: usize| {
            let Delivered { id, consumer, time, deliveries } = delivered[at];
            let time = consumer.map_or(RELEASED, |_| time.max(RELEASED + 1));
            (id, Pending { owner: consumer.map(owner), deliveries, time, order: order[at] })
        };
        let by_time = by_time.into_iter().map(|at| {
            let (id, Pending { time, order, .. }) = pending(at);
            ((time, order), id)
        });
        let owned = delivered.iter().filter_map(|entry| Some((owner(entry.consumer?), entry.id)));
        let mut owned: Vec<(Owner, StreamId)> = owned.collect();
        owned.sort_unstable();
        consumers.iter_mut().for_each(|consumer| consumer.pending = 0);
        delivered.iter().filter_map(|entry| entry.consumer).for_each(|index| consumers[index].pending += 1);
        let mut names: Vec<(Box<[u8]>, Owner)> = consumers
            .iter()
            .enumerate()
            .map(|(index, consumer)| (consumer.name.clone(), owner(index)))
            .collect();
        names.sort_unstable();
        Group {
            last_id,
            entries_read,
            released: delivered.len() - owned.len(),
            last_owner: consumers.len() as u64,
            last_order: delivered.len() as u64,
            pending: OrderedMap::from_sorted((0..delivered.len()).map(pending)),
            by_owner: OrderedMap::from_sorted(owned.into_iter().map(|key| (key, ()))),
            by_time: OrderedMap::from_sorted(by_time),
            consumers: OrderedMap::from_sorted((0..).map(owner).zip(consumers)),
            names: OrderedMap::from_sorted(names),
        }
    }

    /// A group that has read up to this id.
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// The consumer of this name.
    pub fn owner(&self, name: &[u8]) -> Option<Owner> {
        self.names.get(name).copied()
    }

    /// What is known of a consumer that is there.
    pub fn consumer(&self, owner: Owner) -> Option<&Consumer> {
        self.consumers.get(&owner)
    }

    /// How many consumers there are.
    pub fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = (Owner, &Consumer)> {
        self.names.iter().filter_map(|(_, owner)| Some((*owner, self.consumers.get(owner)?)))
    }

    /// The consumer of this place in the order of names.
    pub fn consumer_at(&self, position: usize) -> Option<(Owner, &Consumer)> {
        let (_, owner) = self.names.iter_from(position).next()?;
        Some((*owner, self.consumers.get(owner)?))
    }

    /// Adds a consumer of a name that no other has.
    pub fn add_consumer(&mut self, name: &[u8], now: i64) -> Owner {
        self.last_owner += 1;
        let owner = Owner(NonZeroU64::new(self.last_owner).expect("it counts from 1"));
        self.names.insert(name.into(), owner);
        self.consumers.insert(owner, Consumer { name: name.into(), seen: now, active: -1, pending: 0 });
        owner
    }

    /// Removes a consumer and all that it has to acknowledge; how many that were. `None` if there is none.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let owner = self.names.remove(name)?;
        let ids: Vec<StreamId> = self.pending_of(owner, StreamId::MIN).map(|(id, _)| id).collect();
        for id in &ids {
            self.acknowledge(*id);
        }
        self.consumers.remove(&owner);
        Some(ids.len())
    }

    /// Notes that a consumer tried to get something.
    pub fn saw(&mut self, owner: Owner, now: i64) {
        self.consumers.edit(&owner, |consumer| consumer.seen = now);
    }

    /// Notes that a consumer got something.
    pub fn served(&mut self, owner: Owner, now: i64) {
        self.consumers.edit(&owner, |consumer| consumer.active = now);
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// How many of them nobody owns.
    pub fn released(&self) -> usize {
        self.released
    }

    /// The pending entry of this id.
    pub fn pending(&self, id: StreamId) -> Option<Pending> {
        self.pending.get(&id).copied()
    }

    /// The lowest and the highest id of those that are pending.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first()?.0, *self.pending.last()?.0))
    }

    /// The pending entries from `start` on, by id.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, Pending)> {
        self.pending.range_from(&start).map(|(id, pending)| (*id, *pending))
    }

    /// Those of one consumer.
    pub fn pending_of(&self, owner: Owner, start: StreamId) -> impl Iterator<Item = (StreamId, Pending)> {
        let own = self.by_owner.range_from(&(owner, start)).map(|(key, ())| *key);
        own.take_while(move |(who, _)| *who == owner).filter_map(|(_, id)| Some((id, self.pending(id)?)))
    }

    /// The pending entries that have waited longest first: those that were released, then the others by
    /// the time of their delivery.
    pub fn pending_by_time(&self) -> impl Iterator<Item = (StreamId, Pending)> {
        self.by_time.iter().filter_map(|(_, id)| Some((*id, self.pending(*id)?)))
    }

    /// The entries that were released, the first that was at first, from a place on.
    pub fn released_from(&self, position: usize) -> impl Iterator<Item = StreamId> {
        let left = self.released.saturating_sub(position);
        self.by_time.iter_from(position).take(left).map(|(_, id)| *id)
    }

    /// Gives an entry to a consumer, whoever had it.
    pub fn assign(&mut self, id: StreamId, owner: Owner, time: i64, deliveries: i64) {
        // A time below all others is kept for those that were released.
        self.note(id, Some(owner), time.max(RELEASED + 1), deliveries);
    }

    /// Takes an entry from its consumer: anybody may claim it.
    pub fn release(&mut self, id: StreamId, deliveries: i64) {
        self.note(id, None, RELEASED, deliveries);
    }

    fn note(&mut self, id: StreamId, owner: Option<Owner>, time: i64, deliveries: i64) {
        self.last_order += 1;
        let pending = Pending { owner, deliveries, time, order: self.last_order };
        let before = self.pending.insert(id, pending);
        if let Some(before) = before {
            self.by_time.remove(&(before.time, before.order));
        }
        self.by_time.insert((time, pending.order), id);
        if before.map(|before| before.owner) != Some(owner) {
            if let Some(before) = before.filter(|_| !mutant::is_on("shared-claim")) {
                self.disown(id, before.owner);
            }
            match owner {
                None => self.released += 1,
                Some(owner) => {
                    self.by_owner.insert((owner, id), ());
                    self.consumers.edit(&owner, |consumer| consumer.pending += 1);
                }
            }
        }
    }

    fn disown(&mut self, id: StreamId, owner: Option<Owner>) {
        match owner {
            None => self.released -= 1,
            Some(owner) => {
                self.by_owner.remove(&(owner, id));
                self.consumers.edit(&owner, |consumer| consumer.pending -= 1);
            }
        }
    }

    /// Forgets a pending entry; whether it was pending.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        if mutant::is_on("ignored-ack") {
            return self.pending(id).is_some();
        }
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.by_time.remove(&(pending.time, pending.order));
        self.disown(id, pending.owner);
        true
    }

    /// Whether nothing hinders that this entry is deleted: it was delivered and acknowledged.
    pub fn is_done_with(&self, id: StreamId) -> bool {
        id <= self.last_id && self.pending.get(&id).is_none()
    }

    /// Bytes on the heap.
    pub fn memory_usage(&self) -> usize {
        let names: usize = self.names.iter().take(64).map(|(name, _)| 2 * name.len()).sum();
        let sampled = self.names.len().clamp(1, 64);
        self.pending.memory_usage()
            + self.by_owner.memory_usage()
            + self.by_time.memory_usage()
            + self.consumers.memory_usage()
            + self.names.memory_usage()
            + names / sampled * self.names.len()
    }

    /// How many allocations it is made of, about.
    pub fn free_effort(&self) -> usize {
        let lists = self.pending.leaves() + self.by_owner.leaves() + self.by_time.leaves();
        lists + 2 * self.names.len()
    }

    /// Frees about `budget` leaves; `true` when nothing is left. Good for nothing in between.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.pending.free_some(budget)
            && self.by_owner.free_some(budget)
            && self.by_time.free_some(budget)
            && self.consumers.free_some(budget)
            && self.names.free_some(budget)
    }

    /// Panics unless the lists agree with one another.
    #[cfg(test)]
    pub fn check(&self) {
        assert_eq!((self.by_time.len(), self.consumers.len()), (self.pending.len(), self.names.len()));
        assert_eq!(self.by_owner.len() + self.released, self.pending.len());
        assert_eq!(self.pending_by_time().count(), self.pending.len());
        for (owner, consumer) in self.consumers() {
            assert_eq!(self.owner(&consumer.name), Some(owner));
            assert_eq!(self.pending_of(owner, StreamId::MIN).count(), consumer.pending);
            assert!(self.pending_of(owner, StreamId::MIN).all(|(_, pending)| pending.owner == Some(owner)));
        }
    }
}
