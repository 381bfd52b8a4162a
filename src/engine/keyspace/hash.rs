//! What hashes can do, wherever and however the entry keeps them.
//!
//! A small hash is a run of listpack elements inside its entry: names and values in turn. Once a field of it
//! expires each has an expiry too, 0 for never, and those that expire first come first. A hash that grows
//! beyond the limits becomes a [`Hash`], and never small again.

use super::entry::{Entry, NewValue};
use super::value::hash::{Field, Hash};
use super::value::hashed::Hasher;
use super::value::listpack::{self, Buffer, Element, element_at};
use super::value::{Form, Object, Packed, ValueRef};
use std::sync::Arc;

/// The latest moment that a field can expire at, in Unix milliseconds: Redis's.
pub const EXPIRY_MAX: i64 = (1 << 48) - 1;

/// Up to which sizes hashes are small.
#[derive(Clone, Debug)]
pub struct HashLimits {
    /// Fields.
    pub entries: usize,
    /// Bytes of a name or a value.
    pub value: usize,
    /// What big hashes hash their fields with.
    pub hasher: Arc<Hasher>,
}

/// What becomes of a field's expiry when the field is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldExpiry {
    /// It does not expire.
    Never,
    /// It expires at this Unix time in milliseconds.
    At(i64),
    /// As before; a new field does not expire.
    Keep,
}

/// A hash to be read.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// Elements in a run, so many for each field.
    Small {
        /// The elements.
        run: &'a [u8],
        /// How many fields there are.
        count: usize,
        /// Elements of a field: 2, or 3 with an expiry.
        stride: usize,
    },
    /// A tree.
    Big(&'a Hash),
}

/// The field at a place in a run, and where the next one begins.
#[inline]
fn field_at(run: &[u8], at: usize, stride: usize) -> (Field<'_>, usize) {
    let (name, at) = element_at(run, at);
    let (value, at) = element_at(run, at);
    if stride == 2 {
        return (Field { name, value, expires_at: None }, at);
    }
    let (expiry, end) = element_at(run, at);
    (Field { name, value, expires_at: expiry.integer().filter(|at| *at != 0) }, end)
}

impl<'a> HashRef<'a> {
    /// How many fields there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            HashRef::Small { count, .. } => *count,
            HashRef::Big(hash) => hash.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A field.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'a>> {
        let name = listpack::encoded(name);
        match *self {
            HashRef::Small { run, stride, .. } => {
                listpack::find(run, &name, stride).map(|at| field_at(run, at, stride).0)
            }
            HashRef::Big(hash) => hash.get(&name),
        }
    }

    /// The field at a position. There must be one.
    pub fn at(&self, position: usize) -> Field<'a> {
        match *self {
            HashRef::Small { run, count, stride } => {
                field_at(run, listpack::locate(run, count * stride, position * stride), stride).0
            }
            HashRef::Big(hash) => hash.at(position),
        }
    }

    /// Shows all fields.
    #[inline]
    pub fn for_each(&self, mut seen: impl FnMut(Field<'a>)) {
        match *self {
            HashRef::Small { run, stride, .. } => {
                let mut at = 0;
                while at < run.len() {
                    let (field, next) = field_at(run, at, stride);
                    seen(field);
                    at = next;
                }
            }
            HashRef::Big(hash) => hash.iter().for_each(seen),
        }
    }

    /// Shows some fields and returns the cursor for the next step, 0 after the last: a small hash is shown
    /// at once.
    pub fn scan(&self, cursor: u64, count: usize, seen: &mut dyn FnMut(Field<'a>)) -> u64 {
        if let HashRef::Big(hash) = self {
            return hash.scan(cursor, count, seen);
        }
        self.for_each(seen);
        0
    }

    /// When the next field expires, in Unix milliseconds.
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        match *self {
            HashRef::Small { run, stride: 3, .. } if !run.is_empty() => field_at(run, 0, 3).0.expires_at,
            HashRef::Small { .. } => None,
            HashRef::Big(hash) => hash.next_due(),
        }
    }

    /// The field that expires next, if its time is over.
    pub fn first_due(&self, now_ms: i64) -> Option<Field<'a>> {
        match *self {
            HashRef::Small { run, stride: 3, .. } if !run.is_empty() => {
                Some(field_at(run, 0, 3).0).filter(|field| field.is_expired(now_ms))
            }
            HashRef::Small { .. } => None,
            HashRef::Big(hash) => hash.first_due(now_ms),
        }
    }
}

/// What can be done with an entry that holds a hash. One that holds something else has no fields and takes
/// none.
impl Entry {
    /// The hash.
    #[inline]
    pub fn hash(&self) -> Option<HashRef<'_>> {
        match self.value() {
            ValueRef::Packed(Packed { form: Form::Hash, count, run }) => {
                Some(HashRef::Small { run, count, stride: 2 })
            }
            ValueRef::Packed(Packed { form: Form::ExpiringHash, count, run }) => {
                Some(HashRef::Small { run, count, stride: 3 })
            }
            ValueRef::Object(Object::Hash(hash)) => Some(HashRef::Big(hash)),
            _ => None,
        }
    }

    /// Sets a field. Returns whether it is new. If a field expires, the table must know: change the entry
    /// through [`super::EntryMut::update`].
    #[inline]
    pub fn put_field(&mut self, name: &[u8], value: &[u8], expiry: FieldExpiry, limits: &HashLimits) -> bool {
        if name.len().max(value.len()) > limits.value {
            self.enlarge_hash(limits);
        }
        let (encoded_name, encoded_value) = (listpack::encoded(name), listpack::encoded(value));
        self.put_encoded(&encoded_name, &encoded_value, expiry, limits)
    }

    fn put_encoded(&mut self, name: &[u8], value: &[u8], expiry: FieldExpiry, limits: &HashLimits) -> bool {
        if let Some(Object::Hash(hash)) = self.object_mut() {
            let expires_at = match expiry {
                FieldExpiry::Never => None,
                FieldExpiry::At(at) => Some(at),
                FieldExpiry::Keep => hash.get(name).and_then(|field| field.expires_at),
            };
            return hash.put(name, value, expires_at);
        }
        let Some(HashRef::Small { run, count, stride }) = self.hash() else { return false };
        let found = listpack::find(run, name, stride);
        let Some(at) = found else {
            if count >= limits.entries {
                self.enlarge_hash(limits);
                return self.put_encoded(name, value, expiry, limits);
            }
            let expires_at = if let FieldExpiry::At(at) = expiry { Some(at) } else { None };
            self.insert_small(name, value, expires_at, count);
            return true;
        };
        let (field, end) = field_at(run, at, stride);
        let expires_at = match expiry {
            FieldExpiry::Never => None,
            FieldExpiry::At(at) => Some(at),
            FieldExpiry::Keep => field.expires_at,
        };
        if field.expires_at == expires_at {
            let value_at = at + name.len();
            self.splice(value_at..listpack::next(run, value_at), value, count);
        } else {
            self.splice(at..end, &[], count - 1);
            self.insert_small(name, value, expires_at, count - 1);
        }
        false
    }

    /// Adds a field that is not there to a small hash of `count`, in the order of expiries.
    fn insert_small(&mut self, name: &[u8], value: &[u8], expires_at: Option<i64>, count: usize) {
        if expires_at.is_some() {
            self.make_expiring();
        }
        let Some(HashRef::Small { run, stride, .. }) = self.hash() else { return };
        let mut record = Buffer::with_capacity(name.len() + value.len() + 11);
        record.extend_from_slice(name);
        record.extend_from_slice(value);
        let mut place = run.len();
        if stride == 3 {
            Element::Int(expires_at.unwrap_or(0)).encode(&mut record);
            let mut at = 0;
            while let Some(expiry) = expires_at
                && at < run.len()
            {
                let (field, next) = field_at(run, at, 3);
                if field.expires_at.is_none_or(|other| other > expiry) {
                    place = at;
                    break;
                }
                at = next;
            }
        }
        self.splice(place..place, &record, count + 1);
    }

    /// Gives each field of a small hash an expiry: never.
    #[cold]
    fn make_expiring(&mut self) {
        let Some(HashRef::Small { run, count, stride: 2 }) = self.hash() else { return };
        let mut wide = Buffer::with_capacity(run.len() + 2 * count);
        let mut at = 0;
        while at < run.len() {
            let end = listpack::skip(run, at, 2);
            wide.extend_from_slice(&run[at..end]);
            Element::Int(0).encode(&mut wide);
            at = end;
        }
        self.set_value(NewValue::Packed(Packed { form: Form::ExpiringHash, count, run: &wide }));
    }

    /// Takes a field out. Returns whether it was there. The hash may be empty then. If a field expires, the
    /// table must know: change the entry through [`super::EntryMut::update`].
    #[inline]
    pub fn remove_field(&mut self, name: &[u8]) -> bool {
        let name = listpack::encoded(name);
        if let Some(Object::Hash(hash)) = self.object_mut() {
            return hash.remove(&name);
        }
        let Some(HashRef::Small { run, count, stride }) = self.hash() else { return false };
        let Some(at) = listpack::find(run, &name, stride) else { return false };
        let end = listpack::skip(run, at, stride);
        self.splice(at..end, &[], count - 1);
        true
    }

    /// Changes when a field that is there expires. The table must know: change the entry through
    /// [`super::EntryMut::update`].
    pub fn set_field_expiry(&mut self, name: &[u8], expires_at: Option<i64>, limits: &HashLimits) {
        let Some(field) = self.hash().and_then(|hash| hash.get(name)) else { return };
        let mut value = Buffer::new();
        field.value.encode(&mut value);
        let expiry = expires_at.map_or(FieldExpiry::Never, FieldExpiry::At);
        self.put_encoded(&listpack::encoded(name), &value, expiry, limits);
    }

    /// Converts a small hash that so many more fields, were they all new, or one of these sizes would make
    /// too big.
    #[inline]
    pub fn expect_fields(&mut self, count: usize, longest: usize, limits: &HashLimits) {
        if count > limits.entries || longest > limits.value {
            self.enlarge_hash(limits);
        }
    }

    /// Makes a small hash a big one.
    #[cold]
    fn enlarge_hash(&mut self, limits: &HashLimits) {
        let Some(HashRef::Small { run, stride, .. }) = self.hash() else { return };
        let mut hash = Hash::new(limits.hasher.clone());
        let mut at = 0;
        while at < run.len() {
            let (field, end) = field_at(run, at, stride);
            let value_at = listpack::next(run, at);
            let value_end = listpack::next(run, value_at);
            hash.put(&run[at..value_at], &run[value_at..value_end], field.expires_at);
            at = end;
        }
        self.set_value(NewValue::Object(Box::new(Object::Hash(hash))));
    }

    /// When the next field of a hash expires, in Unix milliseconds.
    #[inline]
    pub fn fields_due(&self) -> Option<i64> {
        if self.may_have_expiring_fields() { self.hash().and_then(|hash| hash.next_due()) } else { None }
    }

    /// When the key or one of its fields expires next, in Unix milliseconds.
    #[inline]
    pub fn due(&self) -> Option<i64> {
        match (self.expires_at(), self.fields_due()) {
            (Some(key), Some(fields)) => Some(key.min(fields)),
            (key, fields) => key.or(fields),
        }
    }
}

/// A new small hash, built before there is an entry for it.
pub struct NewHash {
    run: Buffer,
    count: usize,
}

impl NewHash {
    /// A hash of these names and values, in turn; `None` if the limits make it big.
    #[inline]
    pub fn small<'a>(
        pairs: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
        limits: &HashLimits,
    ) -> Option<Self> {
        if pairs.len() > limits.entries {
            return None;
        }
        let mut hash = NewHash { run: Buffer::new(), count: 0 };
        for (name, value) in pairs {
            if name.len().max(value.len()) > limits.value {
                return None;
            }
            hash.put(name, value);
        }
        Some(hash)
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        let start = self.run.len();
        Element::from_bytes(name).encode(&mut self.run);
        let name_end = self.run.len();
        Element::from_bytes(value).encode(&mut self.run);
        let (before, new) = self.run.split_at(start);
        let name_len = name_end - start;
        match listpack::find(before, &new[..name_len], 2) {
            None => self.count += 1,
            Some(at) => {
                // The name came before: its new value replaces the old one.
                let value_at = at + name_len;
                let end = listpack::next(before, value_at);
                let mut run = Buffer::from_slice(&before[..value_at]);
                run.extend_from_slice(&new[name_len..]);
                run.extend_from_slice(&before[end..]);
                self.run = run;
            }
        }
    }

    /// How many fields it has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The value for the entry.
    pub fn value(&self) -> NewValue<'_> {
        NewValue::Packed(Packed { form: Form::Hash, count: self.count, run: &self.run })
    }
}

#[cfg(test)]
mod tests;
