//! One table, or one for each cluster hash slot, behind the same face.

use super::entry::Entry;
use super::snapshot::{Frontier, Versions};
use super::table::{CURSOR_BITS, Due, ExpireStep, KeyHasher, Table};
use crate::engine::rng::Rng;
use crate::engine::text::crc16::key_slot;

/// Hash slots of a cluster.
pub const SLOTS: usize = 16_384;

/// Where a database keeps its entries.
pub(super) enum Tables {
    Single(Table),
    BySlot(Box<BySlot>),
}

/// A table for each slot that has keys, and how much there is in them.
pub(super) struct BySlot {
    hasher: KeyHasher,
    tables: Vec<Option<Box<Table>>>,
    keys: Counts,
    volatile: Counts,
    timed_hashes: Counts,
    expiry_sum: i128,
    /// The slot in which the active expiry goes on.
    expire_next: usize,
}

impl Tables {
    pub(super) fn single(hasher: KeyHasher) -> Self {
        Self::Single(Table::with_hasher(hasher))
    }

    pub(super) fn by_slot(hasher: KeyHasher) -> Self {
        Self::BySlot(Box::new(BySlot {
            hasher,
            tables: (0..SLOTS).map(|_| None).collect(),
            keys: Counts::new(),
            volatile: Counts::new(),
            timed_hashes: Counts::new(),
            expiry_sum: 0,
            expire_next: 0,
        }))
    }

    /// The slot whose table a key belongs to; 0 if there is but one table.
    #[inline]
    pub(super) fn slot(&self, key: &[u8]) -> u16 {
        match self {
            Self::Single(_) => 0,
            Self::BySlot(_) => key_slot(key),
        }
    }

    /// The table of a slot, if it has one.
    #[inline]
    pub(super) fn get(&self, slot: u16) -> Option<&Table> {
        match self {
            Self::Single(table) => Some(table),
            Self::BySlot(by_slot) => by_slot.tables[usize::from(slot)].as_deref(),
        }
    }

    /// The table of a slot, to change values in it: no entry may come or go, no expiry change.
    #[inline]
    pub(super) fn values_mut(&mut self, slot: u16) -> Option<&mut Table> {
        match self {
            Self::Single(table) => Some(table),
            Self::BySlot(by_slot) => by_slot.tables[usize::from(slot)].as_deref_mut(),
        }
    }

    /// Changes the table of a slot, made if it is missing, and keeps the totals.
    #[inline]
    pub(super) fn update<R>(&mut self, slot: u16, change: impl FnOnce(&mut Table) -> R) -> R {
        match self {
            Self::Single(table) => change(table),
            Self::BySlot(by_slot) => by_slot.update(slot.into(), change),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Single(table) => table.len(),
            Self::BySlot(by_slot) => by_slot.keys.total() as usize,
        }
    }

    pub(super) fn expires(&self) -> usize {
        match self {
            Self::Single(table) => table.expires(),
            Self::BySlot(by_slot) => by_slot.volatile.total() as usize,
        }
    }

    pub(super) fn timed_hashes(&self) -> usize {
        match self {
            Self::Single(table) => table.timed_hashes(),
            Self::BySlot(by_slot) => by_slot.timed_hashes.total() as usize,
        }
    }

    pub(super) fn expiry_sum(&self) -> i128 {
        match self {
            Self::Single(table) => table.expiry_sum(),
            Self::BySlot(by_slot) => by_slot.expiry_sum,
        }
    }

    pub(super) fn memory_usage(&self) -> usize {
        match self {
            Self::Single(table) => table.memory_usage(),
            Self::BySlot(by_slot) => {
                let tables: usize = by_slot
                    .tables
                    .iter()
                    .flatten()
                    .map(|table| size_of::<Table>() + table.memory_usage())
                    .sum();
                tables + size_of::<BySlot>() + SLOTS * 3 * size_of::<u64>() + SLOTS * size_of::<usize>()
            }
        }
    }

    /// All tables.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = &Table> + '_> {
        match self {
            Self::Single(table) => Box::new(std::iter::once(table)),
            Self::BySlot(by_slot) => Box::new(by_slot.tables.iter().flatten().map(|table| &**table)),
        }
    }

    /// Empties everything.
    pub(super) fn take(&mut self) -> Vec<Table> {
        match self {
            Self::Single(table) => vec![table.take()],
            Self::BySlot(by_slot) => {
                let Self::BySlot(empty) = Self::by_slot(by_slot.hasher.clone()) else { unreachable!() };
                let old = std::mem::replace(by_slot, empty);
                old.tables.into_iter().flatten().map(|table| *table).collect()
            }
        }
    }

    /// One step of SCAN: a bucket of one table. By slot, the upper bits of the cursor are the slot.
    pub(super) fn scan(&self, cursor: u64, seen: &mut dyn FnMut(&Entry)) -> u64 {
        match self {
            Self::Single(table) => table.scan(cursor, seen),
            Self::BySlot(by_slot) => {
                let slot = ((cursor >> CURSOR_BITS) as usize).min(SLOTS - 1);
                let next = match &by_slot.tables[slot] {
                    Some(table) => table.scan(cursor & ((1 << CURSOR_BITS) - 1), seen),
                    None => 0,
                };
                match next {
                    0 => by_slot.keys.next(slot + 1).map_or(0, |slot| (slot as u64) << CURSOR_BITS),
                    next => (slot as u64) << CURSOR_BITS | next,
                }
            }
        }
    }

    pub(super) fn random(&self, rng: &mut Rng) -> Option<&Entry> {
        match self {
            Self::Single(table) => table.random(rng),
            Self::BySlot(by_slot) => by_slot.by_chance(&by_slot.keys, rng)?.random(rng),
        }
    }

    /// Shows at most `n` entries chosen by chance. By slot they come from one slot, or few.
    pub(super) fn sample(&self, volatile: bool, rng: &mut Rng, n: usize, seen: &mut dyn FnMut(&Entry)) {
        match self {
            Self::Single(table) if volatile => table.sample_volatile(rng, n, seen),
            Self::Single(table) => table.sample(rng, n, seen),
            Self::BySlot(by_slot) => {
                let counts = if volatile { &by_slot.volatile } else { &by_slot.keys };
                let mut left = n;
                // Slots may be small: a few draws fill the sample, with repeats at worst.
                for _ in 0..n {
                    let Some(table) = by_slot.by_chance(counts, rng) else { return };
                    let mut shown = 0;
                    let mut seen = |entry: &Entry| {
                        shown += 1;
                        seen(entry);
                    };
                    if volatile {
                        table.sample_volatile(rng, left, &mut seen);
                    } else {
                        table.sample(rng, left, &mut seen);
                    }
                    left -= shown;
                    if left == 0 {
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn expire_step(
        &mut self,
        now_ms: i64,
        budget: usize,
        versions: &mut Versions,
        due: &mut dyn FnMut(Due),
    ) -> ExpireStep {
        match self {
            Self::Single(table) => table.expire_step(now_ms, budget, versions, due),
            Self::BySlot(by_slot) => by_slot.expire_step(now_ms, budget, versions, due),
        }
    }

    /// Goes on with a walk at one segment, see [`Table::walk`]; where it goes on then is `None` after the last.
    pub(super) fn walk(
        &mut self,
        Frontier { slot, place }: Frontier,
        budget: usize,
        versions: &mut Versions,
    ) -> (usize, Option<Frontier>) {
        let (effort, place) =
            self.values_mut(slot).map_or((0, None), |table| table.walk(place, budget, versions));
        let next = match self {
            _ if place.is_some() => place.map(|place| Frontier { slot, place }),
            Self::Single(_) => None,
            Self::BySlot(by_slot) => {
                let next = by_slot.keys.next(usize::from(slot) + 1);
                next.map(|slot| Frontier { slot: slot as u16, place: 0 })
            }
        };
        (effort, next)
    }

    /// Checks every invariant; panics on the first that does not hold.
    pub(super) fn check(&self) {
        self.iter().for_each(Table::check);
        if let Self::BySlot(by_slot) = self {
            for (slot, table) in by_slot.tables.iter().enumerate() {
                let of = |count: fn(&Table) -> usize| table.as_deref().map_or(0, count) as u64;
                assert_eq!(by_slot.keys.get(slot), of(Table::len), "keys in slot {slot}");
                assert_eq!(by_slot.volatile.get(slot), of(Table::expires), "keys that expire in slot {slot}");
                let timed = (by_slot.timed_hashes.get(slot), of(Table::timed_hashes));
                assert_eq!(timed.0, timed.1, "hashes with fields that expire in slot {slot}");
                let strays =
                    table.iter().flat_map(|t| t.iter()).filter(|e| usize::from(key_slot(e.key())) != slot);
                assert_eq!(strays.count(), 0, "keys in the wrong slot");
            }
            assert_eq!(self.iter().map(Table::expiry_sum).sum::<i128>(), by_slot.expiry_sum);
        }
    }
}

impl BySlot {
    fn update<R>(&mut self, slot: usize, change: impl FnOnce(&mut Table) -> R) -> R {
        let table =
            self.tables[slot].get_or_insert_with(|| Box::new(Table::with_hasher(self.hasher.clone())));
        let counts = |table: &Table| (table.len(), table.expires(), table.expiry_sum(), table.timed_hashes());
        let before = counts(table);
        let result = change(table);
        let after = counts(table);
        if after.0 == 0 {
            self.tables[slot] = None;
        }
        if after.0 != before.0 {
            self.keys.add(slot, after.0 as i64 - before.0 as i64);
        }
        if after.1 != before.1 {
            self.volatile.add(slot, after.1 as i64 - before.1 as i64);
        }
        self.expiry_sum += after.2 - before.2;
        if after.3 != before.3 {
            self.timed_hashes.add(slot, after.3 as i64 - before.3 as i64);
        }
        result
    }

    /// The table of a slot drawn in proportion to its count.
    fn by_chance(&self, counts: &Counts, rng: &mut Rng) -> Option<&Table> {
        let total = counts.total();
        let slot = counts.find(if total == 0 { return None } else { rng.below(total) });
        self.tables[slot].as_deref()
    }

    fn expire_step(
        &mut self,
        now_ms: i64,
        budget: usize,
        versions: &mut Versions,
        due: &mut dyn FnMut(Due),
    ) -> ExpireStep {
        let mut step = ExpireStep::default();
        let first = self.expire_next;
        let mut wrapped = false;
        while step.effort < budget {
            let next = [&self.volatile, &self.timed_hashes].map(|counts| counts.next(self.expire_next));
            let slot = next.into_iter().flatten().min().filter(|&slot| !wrapped || slot < first);
            let Some(slot) = slot else {
                if wrapped || first == 0 {
                    (step.complete, self.expire_next) = (true, 0);
                    break;
                }
                (wrapped, self.expire_next) = (true, 0);
                continue;
            };
            let left = budget - step.effort;
            let done = self.update(slot, |table| table.expire_step(now_ms, left, versions, due));
            step.expired += done.expired;
            step.effort += done.effort.max(1);
            if done.complete {
                self.expire_next = slot + 1;
            } else {
                self.expire_next = slot;
                break;
            }
        }
        step
    }
}

/// A count for each slot, as a Fenwick tree: adding, finding the slot of the n-th item and the next
/// slot that has any take 14 steps each.
pub(super) struct Counts(Vec<u64>);

impl Counts {
    fn new() -> Self {
        Self(vec![0; SLOTS])
    }

    fn total(&self) -> u64 {
        self.0[SLOTS - 1]
    }

    fn add(&mut self, slot: usize, difference: i64) {
        let mut at = slot;
        while at < SLOTS {
            self.0[at] = self.0[at].wrapping_add_signed(difference);
            at |= at + 1;
        }
    }

    /// The sum of the slots before this one.
    fn before(&self, slot: usize) -> u64 {
        let (mut sum, mut at) = (0, slot);
        while at > 0 {
            sum += self.0[at - 1];
            at &= at - 1;
        }
        sum
    }

    /// The slot in which item `n` (from 0, below the total) is.
    fn find(&self, mut n: u64) -> usize {
        let (mut slot, mut step) = (0, SLOTS / 2);
        while step > 0 {
            if self.0[slot + step - 1] <= n {
                n -= self.0[slot + step - 1];
                slot += step;
            }
            step /= 2;
        }
        slot
    }

    /// The first slot from this one on whose count is not 0.
    fn next(&self, slot: usize) -> Option<usize> {
        let before = self.before(slot.min(SLOTS));
        (before < self.total()).then(|| self.find(before))
    }

    fn get(&self, slot: usize) -> u64 {
        self.before(slot + 1) - self.before(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_a_plain_list() {
        let mut rng = Rng::new(3);
        let mut counts = Counts::new();
        let mut plain = vec![0u64; SLOTS];
        for _ in 0..2000 {
            let slot = rng.below(SLOTS as u64) as usize;
            let n = rng.below(3);
            counts.add(slot, n as i64);
            plain[slot] += n;
        }
        let total: u64 = plain.iter().sum();
        assert_eq!(counts.total(), total);
        let items: Vec<usize> = (0..SLOTS).flat_map(|slot| (0..plain[slot]).map(move |_| slot)).collect();
        for n in 0..total {
            assert_eq!(counts.find(n), items[n as usize]);
        }
        for slot in 0..=SLOTS {
            assert_eq!(counts.next(slot), (slot..SLOTS).find(|&s| plain[s] > 0));
        }
    }
}
