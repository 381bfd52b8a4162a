//! A key with all that belongs to it, in one allocation behind one thin pointer.
//!
//! ```text
//! byte 0        flags: kind of value, has expiry, changed in place, width of an integer
//!               or form of a packed collection, epoch (see `snapshot.rs`)
//! bytes 1..4    access clock, 24 bits (LRU seconds or LFU minutes and counter)
//! 8 bytes       expiry in Unix milliseconds, only if flagged
//! varint        length of the key (seven bits a byte, lowest first)
//!               key
//!               value: integer    its significant bytes, 1 to 8, two's complement
//!                      string     varint length, bytes
//!                      packed     varint length, varint count, bytes
//!                      object     pointer to a boxed Object
//! ```
//!
//! The allocation is the smallest allocator size class that holds this, so its size follows from its
//! contents, and a change that stays within the class happens in place. The layout is why this is
//! `unsafe`: 16-byte keys with 32-byte values take 64 bytes, where separate key and value objects
//! would take 96 and one more cache miss a lookup.
#![allow(unsafe_code)]

use super::value::{Form, INLINE_MAX, LargeString, Object, Packed, Type, ValueRef};
use crate::engine::prefetch::prefetch;
use crate::engine::text::number::parse_i64;
use std::alloc::{Layout, handle_alloc_error};
use std::marker::PhantomData;
use std::ops::Range;
use std::{fmt, mem, ptr, ptr::NonNull, slice};

const HEADER: usize = 4;
const EXPIRY: usize = 8;
/// The alignment every allocator gives for free; the header is read as one `u32`.
const ALIGN: usize = 8;
/// Strings that are no longer than this together with their key are reported as `embstr`: what has room beside
/// the headers in the 64 bytes that Redis (since 8.2) gives one object of both.
const EMBSTR_MAX: usize = 41;

const KIND: u32 = 0b11;
const INT: u32 = 0;
const STR: u32 = 1;
const OBJECT: u32 = 2;
const PACKED: u32 = 3;
const HAS_EXPIRY: u32 = 1 << 2;
const RAW: u32 = 1 << 3;
const WIDTH_SHIFT: u32 = 4; // three bits: width of an integer, less one; form of a packed collection
const VALUE_FLAGS: u32 = KIND | RAW | 0b111 << WIDTH_SHIFT;
const EPOCH: u32 = 1 << 7;
const CLOCK_SHIFT: u32 = 8;
/// What an entry that is built anew takes over from the header of the old one.
const KEPT: u32 = EPOCH | !0 << CLOCK_SHIFT;

/// What a key is set to.
#[derive(Debug)]
pub enum NewValue<'a> {
    /// An integer.
    Int(i64),
    /// A string that is not looked into.
    Str(&'a [u8]),
    /// A small collection.
    Packed(Packed<'a>),
    /// Anything.
    Object(Box<Object>),
}

impl<'a> NewValue<'a> {
    /// A string as SET stores it: as an integer if it spells one canonically.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        // 20 characters hold any 64-bit integer.
        match if bytes.len() <= 20 { parse_i64(bytes) } else { None } {
            Some(integer) => NewValue::Int(integer),
            None => NewValue::Str(bytes),
        }
    }
}

/// A value ready to be written: its flags and its bytes in the entry are decided.
enum Encoded<'a> {
    Int(i64),
    Str(&'a [u8]),
    /// The run comes in parts, so that a splice need not put it together first.
    Packed {
        form: Form,
        count: usize,
        run: [&'a [u8]; 3],
    },
    Object(NonNull<Object>),
}

impl<'a> From<NewValue<'a>> for Encoded<'a> {
    fn from(value: NewValue<'a>) -> Self {
        match value {
            NewValue::Int(integer) => Encoded::Int(integer),
            NewValue::Str(bytes) if bytes.len() <= INLINE_MAX => Encoded::Str(bytes),
            NewValue::Str(bytes) => {
                let object = Object::LargeString(LargeString::new(bytes.to_vec()));
                Encoded::Object(NonNull::from(Box::leak(Box::new(object))))
            }
            NewValue::Packed(packed) => packed.into(),
            NewValue::Object(object) => Encoded::Object(NonNull::from(Box::leak(object))),
        }
    }
}

impl<'a> From<Packed<'a>> for Encoded<'a> {
    fn from(Packed { form, count, run }: Packed<'a>) -> Self {
        Encoded::Packed { form, count, run: [run, &[], &[]] }
    }
}

impl Encoded<'_> {
    fn flags(&self) -> u32 {
        match self {
            Encoded::Int(integer) => INT | (int_width(*integer) as u32 - 1) << WIDTH_SHIFT,
            Encoded::Str(_) => STR,
            Encoded::Packed { form, .. } => PACKED | (*form as u32) << WIDTH_SHIFT,
            Encoded::Object(_) => OBJECT,
        }
    }
    fn len(&self) -> usize {
        match self {
            Encoded::Int(integer) => int_width(*integer),
            Encoded::Str(bytes) => varint_len(bytes.len()) + bytes.len(),
            Encoded::Packed { count, run, .. } => {
                let len = total_len(run);
                varint_len(len) + varint_len(*count) + len
            }
            Encoded::Object(_) => size_of::<NonNull<Object>>(),
        }
    }
}

/// A key, its value, its expiry and its access clock. `Option<Entry>` is eight bytes too.
pub struct Entry {
    allocation: NonNull<u8>,
    owns: PhantomData<Box<Object>>,
}

// SAFETY: an entry is the only owner of its allocation and of the object in it, and `Object` is `Send`
// (checked below). It is not `Sync`: `set_clock` writes through a shared reference.
unsafe impl Send for Entry {}
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Object>();
};

impl Entry {
    /// An entry of its own.
    pub fn new(key: &[u8], value: NewValue<'_>, expires_at: Option<i64>, clock: u32) -> Self {
        Self::build(key, &value.into(), expires_at, clock << CLOCK_SHIFT)
    }

    /// Builds an entry that takes the place of one with the header `old`: clock and epoch stay.
    fn build(key: &[u8], value: &Encoded<'_>, expires_at: Option<i64>, old: u32) -> Self {
        let key_at = HEADER + if expires_at.is_some() { EXPIRY } else { 0 };
        let used = key_at + varint_len(key.len()) + key.len() + value.len();
        let mut entry = Self { allocation: memory::allocate(size_class(used)), owns: PhantomData };
        let flags = value.flags() | if expires_at.is_some() { HAS_EXPIRY } else { 0 };
        // SAFETY: the allocation has `used` bytes, and the writes go from 0 to `used` in layout order.
        unsafe {
            entry.write_header(flags | old & KEPT);
            if let Some(at) = expires_at {
                entry.at(HEADER).cast::<i64>().write_unaligned(at);
            }
            let start = key_at + entry.write_varint(key_at, key.len());
            ptr::copy_nonoverlapping(key.as_ptr(), entry.at(start), key.len());
            entry.write_value(start + key.len(), value);
        }
        entry
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        let (start, len) = self.key_span();
        self.slice(start, len)
    }

    /// When it expires, in Unix milliseconds.
    #[inline]
    pub fn expires_at(&self) -> Option<i64> {
        // SAFETY: the flag says that an expiry follows the header.
        self.has_expiry().then(|| unsafe { self.at(HEADER).cast::<i64>().read_unaligned() })
    }

    /// Whether it expires at all.
    #[inline]
    pub fn has_expiry(&self) -> bool {
        self.header() & HAS_EXPIRY != 0
    }

    /// Whether it holds a hash whose fields may expire: `false` for all other values, told by the header.
    #[inline]
    pub(super) fn may_have_expiring_fields(&self) -> bool {
        let header = self.header();
        match header & KIND {
            PACKED => header >> WIDTH_SHIFT & 7 == Form::ExpiringHash as u32,
            kind => kind == OBJECT,
        }
    }

    /// Whether its time is over. A key lives through the millisecond it expires at, as in Redis.
    #[inline]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at().is_some_and(|at| now_ms > at)
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        let (start, key_len) = self.key_span();
        let at = start + key_len;
        match self.header() & KIND {
            INT => ValueRef::Int(self.read_int(at)),
            STR => {
                let (len, width) = self.read_varint(at);
                ValueRef::Str(self.slice(at + width, len))
            }
            PACKED => ValueRef::Packed(self.packed_at(at)),
            // SAFETY: the kind says that a pointer to an object we own lies here.
            _ => ValueRef::Object(unsafe { self.object_at(at).as_ref() }),
        }
    }

    /// The object, to be changed in place; `None` if the value is an integer or a short string.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        let (start, key_len) = self.key_span();
        // SAFETY: the kind says that a pointer to an object we own lies here; we are borrowed mutably.
        (self.header() & KIND == OBJECT).then(|| unsafe { self.object_at(start + key_len).as_mut() })
    }

    /// Replaces the value, in place if the allocation suits it, and gives back a displaced object, for
    /// the caller to free when it likes.
    pub fn set_value(&mut self, value: NewValue<'_>) -> Option<Box<Object>> {
        self.overwrite(value, self.expires_at())
    }

    /// Replaces value and expiry at once. Not public: the table counts expiries.
    pub(super) fn overwrite(&mut self, value: NewValue<'_>, expires_at: Option<i64>) -> Option<Box<Object>> {
        let value = Encoded::from(value);
        let displaced = self.take_object();
        if expires_at.is_some() == self.has_expiry() {
            let (start, key_len) = self.key_span();
            let at = start + key_len;
            if size_class(at + value.len()) == self.size() {
                let header = self.header() & !VALUE_FLAGS | value.flags();
                // SAFETY: the value ends within the allocation, whose size class stays the same; the
                // object that lay here, if any, has been taken.
                unsafe {
                    self.write_header(header);
                    if let Some(expiry) = expires_at {
                        self.at(HEADER).cast::<i64>().write_unaligned(expiry);
                    }
                    self.write_value(at, &value);
                }
                return displaced;
            }
        }
        *self = Self::build(self.key(), &value, expires_at, self.header());
        displaced
    }

    /// Changes the expiry. Not public: the table counts expiries.
    pub(super) fn set_expiry(&mut self, expires_at: Option<i64>) {
        let used = self.used();
        let (from, to) = match (self.has_expiry(), expires_at.is_some()) {
            (false, true) => (HEADER, HEADER + EXPIRY),
            (true, false) => (HEADER + EXPIRY, HEADER),
            _ => (HEADER, HEADER),
        };
        if size_class(used - from + to) != size_class(used) {
            *self = self.rebuilt(None, expires_at);
            return;
        }
        let header = self.header() & !HAS_EXPIRY | if expires_at.is_some() { HAS_EXPIRY } else { 0 };
        // SAFETY: what follows the expiry moves within the allocation, whose class stays the same.
        unsafe {
            ptr::copy(self.at(from), self.at(to), used - from);
            self.write_header(header);
            if let Some(at) = expires_at {
                self.at(HEADER).cast::<i64>().write_unaligned(at);
            }
        }
    }

    /// The same entry under another key.
    pub fn with_key(mut self, key: &[u8]) -> Self {
        self.rebuilt(Some(key), self.expires_at())
    }

    /// A copy under another key.
    pub fn duplicate(&self, key: &[u8]) -> Self {
        let copy;
        let value = match self.value() {
            ValueRef::Int(integer) => Encoded::Int(integer),
            ValueRef::Str(bytes) => Encoded::Str(bytes),
            ValueRef::Packed(packed) => packed.into(),
            ValueRef::Object(object) => {
                copy = NonNull::from(Box::leak(Box::new(object.clone())));
                Encoded::Object(copy)
            }
        };
        let entry = Self::build(key, &value, self.expires_at(), self.header());
        entry.write_header(entry.header() | self.header() & RAW);
        entry
    }

    /// A copy for a snapshot, which costs O(1) where the value is big: it shares what it can.
    pub(super) fn capture(&mut self) -> Self {
        if let Some(Object::LargeString(string)) = self.object_mut() {
            string.share();
        }
        self.duplicate(self.key())
    }

    /// Moves the value into a new allocation; what remains of this entry holds a dummy.
    fn rebuilt(&mut self, key: Option<&[u8]>, expires_at: Option<i64>) -> Self {
        let object = self.take_object();
        let value = match (object, self.value()) {
            (Some(object), _) => Encoded::Object(NonNull::from(Box::leak(object))),
            (None, ValueRef::Int(integer)) => Encoded::Int(integer),
            (None, ValueRef::Str(bytes)) => Encoded::Str(bytes),
            (None, ValueRef::Packed(packed)) => packed.into(),
            (None, ValueRef::Object(_)) => unreachable!("the object was taken"),
        };
        let entry = Self::build(key.unwrap_or(self.key()), &value, expires_at, self.header());
        entry.write_header(entry.header() | self.header() & RAW);
        entry
    }

    /// Moves the value out, for another entry. What remains of this one is good for nothing but to be dropped.
    pub fn take_value(&mut self) -> NewValue<'_> {
        if let Some(object) = self.take_object() {
            return NewValue::Object(object);
        }
        match self.value() {
            ValueRef::Int(integer) => NewValue::Int(integer),
            ValueRef::Str(bytes) => NewValue::Str(bytes),
            ValueRef::Packed(packed) => NewValue::Packed(packed),
            ValueRef::Object(_) => unreachable!("the object was taken"),
        }
    }

    /// Takes the object out; in its place lies an 8-byte dummy integer, so the size stays as it was.
    fn take_object(&mut self) -> Option<Box<Object>> {
        if self.header() & KIND != OBJECT {
            return None;
        }
        let (start, key_len) = self.key_span();
        let object = self.object_at(start + key_len);
        self.write_header(self.header() & !VALUE_FLAGS | INT | 7 << WIDTH_SHIFT);
        // SAFETY: the pointer came from a box, and the entry no longer counts it as its own.
        Some(unsafe { Box::from_raw(object.as_ptr()) })
    }

    /// Grows a short string with zeros to `len` bytes (at most [`INLINE_MAX`], not less than it has)
    /// and marks it as changed in place.
    pub(super) fn grow_inline(&mut self, len: usize) -> &mut [u8] {
        let (start, key_len) = self.key_span();
        let at = start + key_len;
        let (old, old_width) = self.read_varint(at);
        assert!(self.header() & KIND == STR && (old..=INLINE_MAX).contains(&len), "not a string that fits");
        let width = varint_len(len);
        if size_class(at + width + len) != self.size() {
            let mut grown = [0; INLINE_MAX];
            grown[..old].copy_from_slice(self.slice(at + old_width, old));
            *self = Self::build(self.key(), &Encoded::Str(&grown[..len]), self.expires_at(), self.header());
            let (start, key_len) = self.key_span();
            debug_assert_eq!(self.read_varint(start + key_len), (len, width));
            return self.mark_raw(start + key_len + width, len);
        }
        // SAFETY: the longer string ends within the allocation; the old bytes move if the length field
        // gets wider, the rest is zeroed.
        unsafe {
            ptr::copy(self.at(at + old_width), self.at(at + width), old);
            ptr::write_bytes(self.at(at + width + old), 0, len - old);
        }
        self.write_varint(at, len);
        self.mark_raw(at + width, len)
    }

    /// Replaces a part of a packed collection's run; it has `count` members, fields or elements then.
    pub fn splice(&mut self, part: Range<usize>, with: &[u8], count: usize) {
        let (start, key_len) = self.key_span();
        let at = start + key_len;
        assert!(self.header() & KIND == PACKED, "not a packed collection");
        let Packed { form, count: old_count, run } = self.packed_at(at);
        assert!(part.start <= part.end && part.end <= run.len(), "not a part of the run");
        let (old_len, tail) = (run.len(), run.len() - part.end);
        let len = old_len - part.len() + with.len();
        let old_head = varint_len(old_len) + varint_len(old_count);
        let head = varint_len(len) + varint_len(count);
        if size_class(at + head + len) != self.size() {
            let run = [&run[..part.start], with, &run[part.end..]];
            let value = Encoded::Packed { form, count, run };
            *self = Self::build(self.key(), &value, self.expires_at(), self.header());
            return;
        }
        // SAFETY: the new run ends within the allocation, whose class stays the same. What stays moves
        // before anything is written over it: first the side that could be overwritten by the other's move.
        unsafe {
            let (old_run, new_run) = (at + old_head, at + head);
            let (from, to) = (self.at(old_run + part.end), self.at(new_run + part.start + with.len()));
            if head > old_head {
                ptr::copy(from, to, tail);
                ptr::copy(self.at(old_run), self.at(new_run), part.start);
            } else {
                ptr::copy(self.at(old_run), self.at(new_run), part.start);
                ptr::copy(from, to, tail);
            }
            ptr::copy_nonoverlapping(with.as_ptr(), self.at(new_run + part.start), with.len());
        }
        let width = self.write_varint(at, len);
        self.write_varint(at + width, count);
    }

    fn mark_raw(&mut self, at: usize, len: usize) -> &mut [u8] {
        self.write_header(self.header() | RAW);
        // SAFETY: the string's bytes are initialised and lie within our allocation, borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.at(at), len) }
    }

    /// The 24 bits that say when, or how often, it was used.
    #[inline]
    pub fn clock(&self) -> u32 {
        self.header() >> CLOCK_SHIFT
    }

    /// Sets the access clock; only the lower 24 bits count. Reading a key sets it, hence `&self`.
    #[inline]
    pub fn set_clock(&self, clock: u32) {
        self.write_header(self.header() & 0xff | clock << CLOCK_SHIFT);
    }

    /// The epoch bit, which tells old entries from those that a snapshot need not capture.
    #[inline]
    pub(super) fn epoch(&self) -> bool {
        self.header() & EPOCH != 0
    }

    /// Sets the epoch bit.
    #[inline]
    pub(super) fn set_epoch(&self, epoch: bool) {
        self.write_header(self.header() & !EPOCH | if epoch { EPOCH } else { 0 });
    }

    /// Bytes of memory that it shares with no other entry, not counting what trees have of their own.
    pub(super) fn unshared_bytes(&self) -> usize {
        let object = match self.value() {
            ValueRef::Object(Object::LargeString(string)) => size_of::<Object>() + string.unshared_bytes(),
            ValueRef::Object(_) => size_of::<Object>(),
            _ => 0,
        };
        self.size() + object
    }

    /// Bytes of memory held by key and value, the table's slot not counted.
    pub fn memory_usage(&self) -> usize {
        let object = match self.value() {
            ValueRef::Object(object) => object.memory_usage(),
            _ => 0,
        };
        self.size() + object
    }

    /// How many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        match self.value() {
            ValueRef::Object(object) => 1 + object.free_effort(),
            _ => 1,
        }
    }

    /// The type of the value.
    pub fn type_of(&self) -> Type {
        match self.value() {
            ValueRef::Int(_) | ValueRef::Str(_) => Type::String,
            ValueRef::Packed(packed) => packed.form.type_of(),
            ValueRef::Object(object) => object.type_of(),
        }
    }

    /// The type's name, as TYPE reports it.
    pub fn type_name(&self) -> &'static str {
        self.type_of().name()
    }

    /// The encoding's name, as OBJECT ENCODING reports it.
    pub fn encoding_name(&self) -> &'static str {
        match self.value() {
            ValueRef::Int(_) => "int",
            ValueRef::Str(bytes)
                if self.key().len() + bytes.len() <= EMBSTR_MAX && self.header() & RAW == 0 =>
            {
                "embstr"
            }
            ValueRef::Str(_) => "raw",
            ValueRef::Packed(packed) => packed.form.encoding_name(),
            ValueRef::Object(object) => object.encoding_name(),
        }
    }

    /// Where the allocation begins, for prefetching.
    #[inline]
    pub(super) fn address(&self) -> *const u8 {
        self.allocation.as_ptr()
    }

    /// Starts loading the lines behind the first: the processor's own foresight finds them late.
    pub(super) fn prefetch_value(&self) {
        /// A longer one it finds by itself.
        const MOST: usize = 1024;
        let lines = (64..self.used().min(MOST)).step_by(64);
        lines.for_each(|line| prefetch(self.address().wrapping_add(line)));
    }

    /// Bytes allocated.
    fn size(&self) -> usize {
        size_class(self.used())
    }

    fn used(&self) -> usize {
        let (start, key_len) = self.key_span();
        let at = start + key_len;
        at + match self.header() & KIND {
            INT => (self.header() >> WIDTH_SHIFT & 7) as usize + 1,
            STR => {
                let (len, width) = self.read_varint(at);
                width + len
            }
            PACKED => {
                let (len, width) = self.read_varint(at);
                width + self.read_varint(at + width).1 + len
            }
            _ => size_of::<NonNull<Object>>(),
        }
    }

    #[inline]
    fn key_span(&self) -> (usize, usize) {
        let at = HEADER + if self.has_expiry() { EXPIRY } else { 0 };
        let (len, width) = self.read_varint(at);
        (at + width, len)
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: callers pass offsets within the allocation.
        unsafe { self.allocation.as_ptr().add(offset) }
    }

    #[inline]
    fn header(&self) -> u32 {
        // SAFETY: every allocation begins with an aligned header.
        u32::from_le(unsafe { self.allocation.cast::<u32>().read() })
    }

    #[inline]
    fn write_header(&self, header: u32) {
        // SAFETY: as in `header`; no reference into the header ever exists, and an entry is not `Sync`.
        unsafe { self.allocation.cast::<u32>().write(header.to_le()) }
    }

    #[inline]
    fn slice(&self, start: usize, len: usize) -> &[u8] {
        // SAFETY: callers pass the span of the key or of a string, initialised when the entry was built;
        // changing them needs `&mut self`.
        unsafe { slice::from_raw_parts(self.at(start), len) }
    }

    #[inline]
    fn read_varint(&self, at: usize) -> (usize, usize) {
        // SAFETY: a complete varint lies here.
        let first = unsafe { self.at(at).read() };
        if first < 0x80 { (first.into(), 1) } else { self.read_long_varint(at) }
    }

    fn read_long_varint(&self, at: usize) -> (usize, usize) {
        let (mut value, mut width) = (0, 0);
        loop {
            // SAFETY: a complete varint lies here, and its last byte ends the loop.
            let byte = unsafe { self.at(at + width).read() };
            value |= usize::from(byte & 0x7f) << (7 * width);
            width += 1;
            if byte < 0x80 {
                return (value, width);
            }
        }
    }

    fn write_varint(&mut self, at: usize, mut value: usize) -> usize {
        let mut width = 0;
        loop {
            let more = value >= 0x80;
            // SAFETY: callers have room for `varint_len(value)` bytes here.
            unsafe { self.at(at + width).write(value as u8 & 0x7f | if more { 0x80 } else { 0 }) };
            value >>= 7;
            width += 1;
            if !more {
                return width;
            }
        }
    }

    fn read_int(&self, at: usize) -> i64 {
        let width = (self.header() >> WIDTH_SHIFT & 7) as usize + 1;
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.slice(at, width));
        let unused = 64 - 8 * width;
        i64::from_le_bytes(bytes) << unused >> unused
    }

    #[inline]
    fn packed_at(&self, at: usize) -> Packed<'_> {
        let (len, len_width) = self.read_varint(at);
        let (count, count_width) = self.read_varint(at + len_width);
        let form = Form::ALL[(self.header() >> WIDTH_SHIFT & 7) as usize];
        Packed { form, count, run: self.slice(at + len_width + count_width, len) }
    }

    #[inline]
    fn object_at(&self, at: usize) -> NonNull<Object> {
        // SAFETY: only called when the kind says that an object's pointer lies here.
        unsafe { self.at(at).cast::<NonNull<Object>>().read_unaligned() }
    }

    /// # Safety
    /// The allocation must have `value.len()` bytes from `at` on, without an owned object in them.
    unsafe fn write_value(&mut self, at: usize, value: &Encoded<'_>) {
        match value {
            Encoded::Int(integer) => {
                let width = int_width(*integer);
                // SAFETY: promised by the caller.
                unsafe { ptr::copy_nonoverlapping(integer.to_le_bytes().as_ptr(), self.at(at), width) };
            }
            Encoded::Str(bytes) => {
                let start = at + self.write_varint(at, bytes.len());
                // SAFETY: promised by the caller; an entry's own bytes are never passed for itself.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(start), bytes.len()) };
            }
            Encoded::Packed { count, run, .. } => {
                let count_at = at + self.write_varint(at, total_len(run));
                let mut start = count_at + self.write_varint(count_at, *count);
                for part in run {
                    // SAFETY: promised by the caller; an entry's own bytes are never passed for itself.
                    unsafe { ptr::copy_nonoverlapping(part.as_ptr(), self.at(start), part.len()) };
                    start += part.len();
                }
            }
            // SAFETY: promised by the caller.
            Encoded::Object(object) => unsafe {
                self.at(at).cast::<NonNull<Object>>().write_unaligned(*object);
            },
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        drop(self.take_object());
        memory::free(self.allocation, self.size());
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value", &self.value())
            .field("expires_at", &self.expires_at())
            .finish()
    }
}

fn total_len(parts: &[&[u8]; 3]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// Bytes that a varint of this value takes.
fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => (usize::BITS - value.leading_zeros()).div_ceil(7) as usize,
    }
}

/// The fewest bytes that hold `value` in two's complement.
fn int_width(value: i64) -> usize {
    let significant = 65 - (value ^ (value >> 63)).leading_zeros();
    significant.div_ceil(8) as usize
}

/// The size jemalloc rounds a request to: multiples of 16 up to 128, then four steps a doubling.
fn size_class(used: usize) -> usize {
    let step = match used {
        0..=8 => 8,
        9..=128 => 16,
        _ => used.next_power_of_two() / 8,
    };
    used.next_multiple_of(step)
}

mod memory {
    use super::{ALIGN, Layout, NonNull, handle_alloc_error, mem};
    use crate::engine::memory as heap;

    pub(super) fn allocate(size: usize) -> NonNull<u8> {
        const { assert!(mem::align_of::<u32>() <= ALIGN) };
        let layout = Layout::from_size_align(size, ALIGN).expect("a key of at most 512 MB");
        #[cfg(test)]
        super::tests::LIVE_BYTES.with(|live| live.set(live.get() + size as isize));
        heap::add(size as i64);
        // SAFETY: no class is empty.
        let allocation = unsafe { std::alloc::alloc(layout) };
        NonNull::new(allocation).unwrap_or_else(|| handle_alloc_error(layout))
    }

    pub(super) fn free(allocation: NonNull<u8>, size: usize) {
        #[cfg(test)]
        super::tests::LIVE_BYTES.with(|live| live.set(live.get() - size as isize));
        heap::add(-(size as i64));
        // SAFETY: it was allocated with this size: the class of an entry's contents never changes in
        // place. `Entry::drop` runs once.
        unsafe { std::alloc::dealloc(allocation.as_ptr(), Layout::from_size_align_unchecked(size, ALIGN)) }
    }
}

#[cfg(test)]
pub(super) mod tests;
