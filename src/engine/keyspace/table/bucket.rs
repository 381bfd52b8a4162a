//! One cache line of a segment: seven entries with a tag each.

use crate::engine::keyspace::entry::Entry;
use crate::engine::prefetch::prefetch;

/// Entries in a bucket.
pub(super) const SLOTS: usize = 7;

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
/// The top bit of every tag; the eighth byte is not a tag.
const TAG_TOPS: u64 = 0x0080_8080_8080_8080;
const VOLATILE: u8 = 0x80;

/// Byte `i` of `meta` describes slot `i`: 0 if it is empty, else seven bits of the key's hash, and on
/// top whether the entry, or a field of its hash, expires. So a search reads entries that very likely match, and a search for
/// keys that expire reads no others. Byte 7 counts the entries that found this bucket full and
/// went on to a later one; at 255 it sticks.
#[repr(C, align(64))]
#[derive(Default)]
pub(super) struct Bucket {
    meta: u64,
    entries: [Option<Entry>; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// The slots whose tag's top bit is set in this mask, lowest first.
pub(super) struct Slots(u64);

impl Iterator for Slots {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        (self.0 != 0).then(|| {
            let slot = self.0.trailing_zeros() as usize / 8;
            self.0 &= self.0 - 1;
            slot
        })
    }
}

/// The tag of a key with this hash: never 0. Its bits take no part in choosing the bucket.
#[inline]
pub(super) fn tag(hash: u64) -> u8 {
    (hash as u8 & 0x7f).max(1)
}

impl Bucket {
    #[inline]
    fn equal(&self, tag: u8) -> Slots {
        let differing = (self.meta ^ (ONES * u64::from(tag))) & LOW_BITS;
        // Adding carries into the top bit of every byte that is not 0.
        Slots(!(differing + LOW_BITS) & TAG_TOPS)
    }

    /// Slots that may hold a key with this tag.
    #[inline]
    pub(super) fn candidates(&self, tag: u8) -> Slots {
        self.equal(tag)
    }

    /// The lowest empty slot.
    #[inline]
    pub(super) fn vacancy(&self) -> Option<usize> {
        self.equal(0).next()
    }

    /// Slots in use.
    pub(super) fn occupied(&self) -> Slots {
        Slots(!self.equal(0).0 & TAG_TOPS)
    }

    /// Slots whose entry expires, or has fields that do.
    pub(super) fn volatile(&self) -> Slots {
        Slots(self.meta & TAG_TOPS)
    }

    /// The entry in a slot in use.
    #[inline]
    pub(super) fn entry(&self, slot: usize) -> &Entry {
        self.entries[slot].as_ref().expect("the tag says that the slot is in use")
    }

    /// The entry in a slot that may be empty.
    #[inline]
    pub(super) fn get(&self, slot: usize) -> Option<&Entry> {
        self.entries[slot].as_ref()
    }

    /// The entry in a slot in use. After a change of expiry, `refresh` must follow.
    #[inline]
    pub(super) fn entry_mut(&mut self, slot: usize) -> &mut Entry {
        self.entries[slot].as_mut().expect("the tag says that the slot is in use")
    }

    /// Puts an entry into an empty slot.
    pub(super) fn put(&mut self, slot: usize, tag: u8, entry: Entry) {
        self.set_meta(slot, if entry.due().is_some() { tag | VOLATILE } else { tag });
        let old = self.entries[slot].replace(entry);
        debug_assert!(old.is_none(), "the slot was in use");
    }

    /// Empties a slot in use.
    pub(super) fn take(&mut self, slot: usize) -> Entry {
        self.set_meta(slot, 0);
        self.entries[slot].take().expect("the tag says that the slot is in use")
    }

    /// Notes anew whether the entry expires.
    pub(super) fn refresh(&mut self, slot: usize) {
        let tag = self.tag(slot) & !VOLATILE;
        self.set_meta(slot, if self.entry(slot).due().is_some() { tag | VOLATILE } else { tag });
    }

    /// The tag byte of a slot, with the mark of those that expire.
    pub(super) fn tag(&self, slot: usize) -> u8 {
        (self.meta >> (8 * slot)) as u8
    }

    fn set_meta(&mut self, index: usize, byte: u8) {
        self.meta = self.meta & !(0xff << (8 * index)) | u64::from(byte) << (8 * index);
    }

    /// How many entries went on from here (255: at least so many).
    #[inline]
    pub(super) fn overflow(&self) -> u8 {
        self.tag(SLOTS)
    }

    /// One more entry went on from here.
    pub(super) fn count_overflow(&mut self) {
        self.set_meta(SLOTS, self.overflow().saturating_add(1));
    }

    /// An entry that went on from here was removed.
    pub(super) fn uncount_overflow(&mut self) {
        debug_assert_ne!(self.overflow(), 0, "nothing went on from here");
        if self.overflow() != u8::MAX {
            self.set_meta(SLOTS, self.overflow() - 1);
        }
    }

    /// Starts loading its entries.
    pub(super) fn prefetch_entries(&self) {
        self.occupied().for_each(|slot| prefetch(self.entry(slot).address()));
    }

    /// Starts loading what follows in its entries, whose beginnings should have come by now.
    pub(super) fn prefetch_values(&self) {
        self.occupied().for_each(|slot| self.entry(slot).prefetch_value());
    }

    /// Its entries, in slot order.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.entries.into_iter().flatten()
    }
}
