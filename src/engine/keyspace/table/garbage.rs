//! What was flushed or deleted and waits to be freed in slices.

use super::Table;
use super::bucket::Bucket;
use super::segment::Segment;
use crate::engine::keyspace::entry::Entry;

/// Memory to be freed a little at a time, or on another thread.
#[derive(Default)]
pub struct Garbage {
    entries: Vec<Entry>,
    buckets: Vec<Bucket>,
    segments: Vec<Vec<Segment>>,
}

impl Garbage {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one entry.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Adds all entries of a table.
    pub fn push_table(&mut self, table: Table) {
        if !table.segments.is_empty() {
            self.segments.push(table.segments);
        }
    }

    /// Adds what is in `other`.
    pub fn absorb(&mut self, mut other: Garbage) {
        self.entries.append(&mut other.entries);
        self.buckets.append(&mut other.buckets);
        self.segments.append(&mut other.segments);
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.buckets.is_empty() && self.segments.is_empty()
    }

    /// Takes out one entry, whichever.
    pub fn pop(&mut self) -> Option<Entry> {
        while self.entries.is_empty() && !self.is_empty() {
            self.unpack();
        }
        self.entries.pop()
    }

    /// Turns a bucket into entries, or a segment into buckets.
    fn unpack(&mut self) {
        if let Some(bucket) = self.buckets.pop() {
            // Two buckets ahead, so that misses overlap.
            if let Some(next) = self.buckets.len().checked_sub(2) {
                self.buckets[next].prefetch_entries();
            }
            self.entries.extend(bucket.into_entries());
        } else if let Some(segments) = self.segments.last_mut() {
            match segments.pop() {
                Some(segment) => self.buckets = segment.into_buckets(),
                None => drop(self.segments.pop()),
            }
        }
    }

    /// Frees about `budget` allocations, at least one entry if there is any; `true` when nothing is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let mut effort = 0;
        while effort <= budget {
            if let Some(entry) = self.entries.last_mut() {
                let (whole, left) = (entry.free_effort(), budget.saturating_sub(effort));
                if whole > left && entry.object_mut().is_some_and(|object| !object.free_some(left.max(1))) {
                    return false;
                }
                self.entries.pop();
                effort += whole.min(left.max(1));
            } else if self.is_empty() {
                (self.entries, self.buckets) = (Vec::new(), Vec::new());
                return true;
            } else {
                effort += usize::from(self.buckets.is_empty());
                self.unpack();
            }
        }
        self.is_empty()
    }
}
