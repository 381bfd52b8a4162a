//! Named lists of hash fields that a client has prepared for HIMPORT.

use std::collections::BTreeMap;

/// Estimate of what a name costs beside its bytes.
const NAME: usize = 32;

/// Names of fields, in the order in which values will come.
pub type Fields = Box<[Box<[u8]>]>;

/// The lists of one client, by name.
#[derive(Debug, Default)]
pub struct Fieldsets {
    by_name: BTreeMap<Box<[u8]>, Fields>,
    bytes: usize,
}

impl Fieldsets {
    /// The fields of a list.
    pub fn get(&self, name: &[u8]) -> Option<&[Box<[u8]>]> {
        self.by_name.get(name).map(|fields| &**fields)
    }

    /// Adds a list, or replaces the one of this name.
    pub fn insert(&mut self, name: &[u8], fields: Fields) {
        self.remove(name);
        self.bytes += cost(name, &fields);
        self.by_name.insert(name.into(), fields);
    }

    /// Removes a list; returns whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let removed = self.by_name.remove(name);
        self.bytes -= removed.as_ref().map_or(0, |fields| cost(name, fields));
        removed.is_some()
    }

    /// How many lists there are.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Bytes they cost. Constant time.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes
    }
}

fn cost(name: &[u8], fields: &[Box<[u8]>]) -> usize {
    2 * NAME + name.len() + fields.iter().map(|field| field.len() + NAME).sum::<usize>()
}
