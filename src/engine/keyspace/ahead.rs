//! Fetching ahead what requests for members of a big collection will read.

use super::entry::Entry;
use super::value::{Object, ValueRef};

/// What a request names of a collection.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// A member or field.
    pub member: &'a [u8],
    /// The score it is to get.
    pub score: Option<f64>,
}

impl Entry {
    /// Has the memory fetched in which a big collection has these members, or will have them.
    pub fn prefetch_members<'a>(&self, named: impl Iterator<Item = Named<'a>> + Clone) {
        let members = named.clone().map(|named| named.member);
        match self.value() {
            ValueRef::Object(Object::Hash(hash)) => hash.prefetch(members),
            ValueRef::Object(Object::Set(set)) => set.prefetch(members),
            ValueRef::Object(Object::SortedSet(set)) => {
                set.prefetch(members);
                set.prefetch_places(named.filter_map(|named| Some((named.score?, named.member))));
            }
            _ => {}
        }
    }
}
