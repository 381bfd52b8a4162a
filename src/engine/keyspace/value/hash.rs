//! Big hashes: records of field, value and expiry in the order of the fields' hashes, and, where fields
//! expire, the moments at which they do.

use super::hashed::{Hashed, Hasher};
use super::listpack::{Buffer, Element, element_at};
use super::tree::{Leaf, SplitAt, Tree};
use std::sync::Arc;

/// A field with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Element<'a>,
    /// Its value.
    pub value: Element<'a>,
    /// When it expires, in Unix milliseconds.
    pub expires_at: Option<i64>,
}

impl Field<'_> {
    /// Whether its time is over. It lives through the millisecond it expires at, as keys do.
    #[inline]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at.is_some_and(|at| now_ms > at)
    }
}

/// A hash of many fields, or of long ones. A clone is O(1).
#[derive(Clone, Debug)]
pub struct Hash {
    fields: Hashed,
    /// When fields expire: moments and hashes of names.
    due: Tree<DueLeaf>,
}

impl Hash {
    /// An empty one.
    pub fn new(hasher: Arc<Hasher>) -> Self {
        Self { fields: Hashed::new(hasher), due: Tree::new() }
    }
    /// A hash of these records, each with the hash of its field's name, in the order of hashes: name and
    /// value, and when the field expires if it does, as encoded elements. Names differ.
    pub fn from_sorted<'a>(
        records: impl Iterator<Item = (u64, &'a [u8])> + Clone,
        hasher: Arc<Hasher>,
    ) -> Self {
        let due = records.clone().filter_map(|(hash, record)| Some((field_of(record).expires_at?, hash)));
        let mut due: Vec<(i64, u64)> = due.collect();
        due.sort_unstable();
        let leaves = due.chunks(DueLeaf::FILLED).map(|due| DueLeaf(due.to_vec()));
        Self { due: Tree::from_leaves(leaves), fields: Hashed::from_sorted(records, hasher) }
    }
    /// How many fields it has.
    #[inline]
    pub fn len(&self) -> usize {
        self.fields.len()
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
    /// The allocations it takes, about.
    pub fn free_effort(&self) -> usize {
        self.fields.leaves() + self.due.leaves()
    }
    /// Frees about so many allocations; `true` when nothing is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.due.free_some(budget) && self.fields.free_some(budget)
    }
    /// Bytes on the heap.
    pub fn memory_usage(&self) -> usize {
        self.fields.memory_usage() + self.due.memory_usage()
    }

    /// Has the memory fetched that searches for these fields will read.
    pub fn prefetch<'m>(&self, names: impl Iterator<Item = &'m [u8]>) {
        self.fields.prefetch(names);
    }

    /// A field, by its name as an encoded element.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        self.fields.get(name).map(field_of)
    }
    /// The field at a position. There must be one.
    pub fn at(&self, position: usize) -> Field<'_> {
        field_of(self.fields.at(position))
    }
    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter().map(field_of)
    }
    /// The fields from a position on.
    pub fn iter_from(&self, position: usize) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter_from(position).map(field_of)
    }
    /// Shows about `count` fields and returns the cursor for the next step: see [`Hashed::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, seen: &mut dyn FnMut(Field<'a>)) -> u64 {
        self.fields.scan(cursor, count, &mut |record| seen(field_of(record)))
    }

    /// Sets a field, given as encoded elements, and when it expires. Returns whether it is new.
    pub fn put(&mut self, name: &[u8], value: &[u8], expires_at: Option<i64>) -> bool {
        if !self.due.is_empty() {
            self.forget_expiry(name);
        }
        let mut expiry = Buffer::new();
        if let Some(at) = expires_at {
            Element::Int(at).encode(&mut expiry);
            self.due.edit_for(
                |key| *key <= (at, self.fields.hash(name)),
                |leaf| leaf.insert((at, self.fields.hash(name))),
            );
        }
        self.fields.put(name, [value, &expiry])
    }

    /// Takes a field out. Returns whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        if !self.due.is_empty() {
            self.forget_expiry(name);
        }
        self.fields.remove(name)
    }

    fn forget_expiry(&mut self, name: &[u8]) {
        if let Some(at) = self.get(name).and_then(|field| field.expires_at) {
            let due = (at, self.fields.hash(name));
            self.due.edit_for(|key| *key <= due, |leaf| leaf.remove(due));
        }
    }

    /// When the next field expires.
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        self.due.first().and_then(|leaf| leaf.0.first()).map(|(at, _)| *at)
    }

    /// The field that expires next, if its time is over.
    pub fn first_due(&self, now_ms: i64) -> Option<Field<'_>> {
        let (at, hash) = *self.due.first()?.0.first()?;
        let mut alike = self.fields.with_hash(hash).map(field_of);
        if at < now_ms { alike.find(|field| field.expires_at == Some(at)) } else { None }
    }

    /// Checks every invariant; panics on the first that does not hold.
    #[cfg(test)]
    pub fn check(&self) {
        self.fields.check();
        let due: Vec<_> = self.due.iter().flat_map(|leaf| leaf.0.iter().copied()).collect();
        assert!(due.is_sorted());
        let hash = |field: &Field| {
            self.fields.hash(&super::listpack::encoded(field.name.bytes(&mut super::IntBuf::new())))
        };
        let mut expected: Vec<_> =
            self.iter().filter_map(|field| Some((field.expires_at?, hash(&field)))).collect();
        expected.sort_unstable();
        assert_eq!(due, expected);
    }
}

/// Reads a record: the expiry is there only if the field has one.
#[inline]
fn field_of(record: &[u8]) -> Field<'_> {
    let (name, at) = element_at(record, 0);
    let (value, end) = element_at(record, at);
    let expires_at = if end < record.len() { element_at(record, end).0.integer() } else { None };
    Field { name, value, expires_at }
}

/// Moments and hashes, in order. There may be equal ones.
#[derive(Clone, Default)]
struct DueLeaf(Vec<(i64, u64)>);

impl DueLeaf {
    /// How many moments leaves have that are built at once.
    const FILLED: usize = Self::MAX_WEIGHT * 3 / 4 / size_of::<(i64, u64)>();

    fn insert(&mut self, due: (i64, u64)) {
        let at = self.0.partition_point(|other| *other <= due);
        self.0.insert(at, due);
    }
    fn remove(&mut self, due: (i64, u64)) {
        if let Ok(at) = self.0.binary_search(&due) {
            self.0.remove(at);
        }
    }
}

impl Leaf for DueLeaf {
    type Shared = triomphe::Arc<Self>;
    type Key = (i64, u64);
    const MAX_WEIGHT: usize = 2048;

    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn weight(&self) -> usize {
        size_of_val(&*self.0)
    }
    fn memory_usage(&self) -> usize {
        self.0.capacity() * size_of::<(i64, u64)>()
    }
    fn split(&mut self, at: SplitAt) -> Self {
        let at = match at {
            SplitAt::Middle => self.0.len() / 2,
            SplitAt::End => self.0.len() - 1,
            SplitAt::Start => 1,
            SplitAt::Offset(at) => at as usize,
        };
        Self(self.0.split_off(at))
    }
    fn absorb(&mut self, right: Self) {
        self.0.extend(right.0);
    }
    fn lower_key(&self) -> (i64, u64) {
        self.0[0]
    }
}
