//! What sets and hashes are collected in while they are read.

use super::reader::DUPLICATE;
use crate::engine::keyspace::Hasher;
use crate::engine::keyspace::value::listpack::{self, Element};

/// Members with what belongs to them, as encoded elements, in the order in which they came.
pub struct Records<'a> {
    hasher: &'a Hasher,
    bytes: Vec<u8>,
    index: Vec<Record>,
    longest: usize,
}

/// Where a record lies.
#[derive(Clone, Copy)]
struct Record {
    hash: u64,
    start: usize,
    end: usize,
}

impl<'a> Records<'a> {
    pub fn new(hasher: &'a Hasher) -> Self {
        Self { hasher, bytes: Vec::new(), index: Vec::new(), longest: 0 }
    }

    /// Adds a member; what belongs to it is added to it then.
    #[inline]
    pub fn push(&mut self, member: Element) {
        let start = self.bytes.len();
        member.encode(&mut self.bytes);
        let hash = self.hasher.hash(&self.bytes[start..]);
        self.longest = self.longest.max(member.len());
        self.index.push(Record { hash, start, end: self.bytes.len() });
    }

    /// Adds an element to the last member, counting its length.
    #[inline]
    pub fn add(&mut self, element: Element) {
        self.longest = self.longest.max(element.len());
        self.add_uncounted(element);
    }

    /// Adds an element to the last member.
    pub fn add_uncounted(&mut self, element: Element) {
        element.encode(&mut self.bytes);
        if let Some(last) = self.index.last_mut() {
            last.end = self.bytes.len();
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// How long the longest element is.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The members with what belongs to them, as they came.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.index.iter().map(|record| &self.bytes[record.start..record.end])
    }

    /// The records by hash, each with its hash; an error if a member came twice. They are in another order
    /// then.
    pub fn sorted(&mut self) -> Result<impl Iterator<Item = (u64, &[u8])> + Clone, &'static str> {
        self.index.sort_unstable_by_key(|record| record.hash);
        for alike in self.index.chunk_by(|a, b| a.hash == b.hash).filter(|alike| alike.len() > 1) {
            let mut members: Vec<&[u8]> = alike.iter().map(|record| self.member(record)).collect();
            members.sort_unstable();
            if members.windows(2).any(|two| two[0] == two[1]) {
                return Err(DUPLICATE);
            }
        }
        Ok(self.index.iter().map(|record| (record.hash, &self.bytes[record.start..record.end])))
    }

    fn member(&self, record: &Record) -> &[u8] {
        &self.bytes[record.start..listpack::next(&self.bytes, record.start)]
    }
}
