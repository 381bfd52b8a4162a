//! What lists can do, whether they lie in their entry or not.

use super::entry::{Entry, NewValue};
use super::value::listpack::{self, Buffer, Element, Elements};
use super::value::{Form, List, Object, Packed, ValueRef, without_equal};
use smallvec::SmallVec;
use std::ops::Range;

pub use super::value::End;

/// Up to which size a list lies in its entry (and is called a listpack): `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    bytes: usize,
    count: usize,
}

impl Limits {
    /// Bytes that a list of a limited number of elements may have.
    const BYTES_IF_COUNTED: usize = 8192;

    /// The limits that a value of `list-max-listpack-size` stands for: a number of elements, or with -1 to
    /// -5 a size of 4 to 64 KB.
    pub fn new(list_max_listpack_size: i64) -> Self {
        match list_max_listpack_size {
            0.. => Limits {
                bytes: Self::BYTES_IF_COUNTED,
                count: usize::try_from(list_max_listpack_size).map_or(usize::MAX, |count| count.max(1)),
            },
            size => Limits { bytes: 4096 << (-1 - size).min(4), count: usize::MAX },
        }
    }

    /// Whether a list whose elements take so many bytes, and are so many, lies in its entry.
    pub fn allow(self, run: usize, count: usize) -> bool {
        run.saturating_add(listpack::FRAME) <= self.bytes && count <= self.count
    }

    /// A big list becomes small again only well below the limits, so that it does not go back and forth.
    fn halved(self) -> Self {
        let counted = self.count < usize::MAX;
        let bytes = if counted { self.bytes } else { self.bytes / 2 };
        Limits { bytes, count: if counted { self.count / 2 } else { self.count } }
    }
}

/// Elements on their way into a list, in the order in which they will stand.
#[derive(Debug, Default)]
pub struct Batch {
    run: Buffer,
    count: usize,
    /// Bytes that the elements spell, which is what Redis estimates their size by.
    spelled: usize,
}

impl Batch {
    /// These elements in this order.
    #[inline]
    pub fn new<'a>(elements: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut batch = Self::default();
        elements.into_iter().for_each(|bytes| batch.add(Element::from_bytes(bytes), bytes.len()));
        batch
    }

    /// Adds an element after the others.
    #[inline]
    pub fn push(&mut self, element: Element) {
        self.add(element, element.len());
    }

    #[inline]
    fn add(&mut self, element: Element, len: usize) {
        element.encode(&mut self.run);
        self.count += 1;
        self.spelled += len;
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements.
    pub fn elements(&self) -> Elements<'_> {
        Elements::new(&self.run)
    }

    /// The value of a new list that is going to grow at an end.
    pub fn to_value(&self, end: End, limits: Limits) -> NewValue<'_> {
        if limits.allow(self.spelled, self.count) {
            NewValue::Packed(Packed { form: Form::List, count: self.count, run: &self.run })
        } else {
            NewValue::Object(Box::new(Object::List(List::new(&self.run, end))))
        }
    }
}

/// A look at a list.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// In its entry.
    Small(Packed<'a>),
    /// A tree.
    Big(&'a List),
}

impl<'a> ListRef<'a> {
    /// The number of elements.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ListRef::Small(packed) => packed.count,
            ListRef::Big(list) => list.len(),
        }
    }

    /// Whether there are none, which only a list that is about to go has.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at an index.
    pub fn get(self, index: usize) -> Option<Element<'a>> {
        match self {
            ListRef::Small(Packed { run, count, .. }) => {
                (index < count).then(|| listpack::element_at(run, listpack::locate(run, count, index)).0)
            }
            ListRef::Big(list) => list.get(index),
        }
    }

    /// The elements of a range of indexes.
    #[inline]
    pub fn elements(self, range: Range<usize>) -> impl Iterator<Item = Element<'a>> {
        self.pieces(range, false).flatten()
    }

    /// The elements of a range of indexes, the last first.
    #[inline]
    pub fn elements_backward(self, range: Range<usize>) -> impl Iterator<Item = Element<'a>> {
        self.pieces(range, true).flat_map(Iterator::rev)
    }

    fn pieces(self, range: Range<usize>, backward: bool) -> impl Iterator<Item = Elements<'a>> {
        let (small, big) = match self {
            ListRef::Small(packed) => (Some(Elements::between(packed.run, span(packed, range))), None),
            ListRef::Big(list) => (None, Some(list.pieces(range, backward))),
        };
        small.into_iter().chain(big.into_iter().flatten())
    }
}

/// The bytes of a range of elements.
fn span(Packed { run, count, .. }: Packed, range: Range<usize>) -> Range<usize> {
    let end = range.end.min(count);
    if range.start >= end {
        return 0..0;
    }
    let start = listpack::locate(run, count, range.start);
    let near = end - range.start <= count - end;
    start..if near {
        listpack::skip(run, start, end - range.start)
    } else {
        listpack::locate(run, count, end)
    }
}

/// What can be done with an entry that holds a list; any other is taken for an empty one, so ask for the type first.
///
/// What changes the size may turn a small list into a big one or back. Whatever is displaced by that, or
/// removed in bulk, is given back for the caller to free when it likes. A list without elements is for the
/// caller to remove.
impl Entry {
    /// The list.
    #[inline]
    pub fn list(&self) -> ListRef<'_> {
        match self.value() {
            ValueRef::Packed(packed) if packed.form == Form::List => ListRef::Small(packed),
            ValueRef::Object(Object::List(list)) => ListRef::Big(list),
            _ => ListRef::Small(Packed::empty(Form::List)),
        }
    }

    fn big_list(&mut self) -> Option<&mut List> {
        match self.object_mut()? {
            Object::List(list) => Some(list),
            _ => None,
        }
    }

    /// Adds elements at an end and gives the new length.
    #[inline]
    pub fn list_push(&mut self, end: End, batch: &Batch, limits: Limits) -> usize {
        self.make_room_in_list(end, batch, limits);
        if let ListRef::Small(Packed { run, count, .. }) = self.list() {
            let (at, count) = (if end == End::Left { 0 } else { run.len() }, count + batch.count);
            self.splice(at..at, &batch.run, count);
            return count;
        }
        self.big_list().map_or(0, |list| {
            list.push(end, &batch.run, batch.count);
            list.len()
        })
    }

    /// Makes the list a big one if it would become too large for its entry.
    #[inline]
    fn make_room_in_list(&mut self, end: End, batch: &Batch, limits: Limits) {
        if let ListRef::Small(Packed { run, count, .. }) = self.list()
            && !limits.allow(run.len().saturating_add(batch.spelled), count + batch.count)
        {
            let list = List::new(run, end);
            self.set_value(NewValue::Object(Box::new(Object::List(list))));
        }
    }

    /// Puts a big list back into its entry if it has become small enough.
    fn shrink_list(&mut self, limits: Limits) -> Option<Box<Object>> {
        let limits = limits.halved();
        let list = self.big_list()?;
        let count = list.len();
        if count == 0 || count > limits.count {
            return None;
        }
        list.bytes_up_to(limits.bytes.saturating_sub(listpack::FRAME))?;
        let run: Vec<u8> = list.runs().flatten().copied().collect();
        self.set_value(NewValue::Packed(Packed { form: Form::List, count, run: &run }))
    }

    /// Removes the element at an end and shows it before. There must be one.
    #[inline]
    pub fn list_pop(
        &mut self,
        end: End,
        limits: Limits,
        seen: &mut dyn FnMut(Element),
    ) -> Option<Box<Object>> {
        if let ListRef::Small(Packed { run, count, .. }) = self.list() {
            let at = if end == End::Left { 0 } else { listpack::previous(run, run.len()) };
            let (element, next) = listpack::element_at(run, at);
            seen(element);
            self.splice(at..next, &[], count - 1);
            return None;
        }
        self.big_list()?.pop(end, seen);
        self.shrink_list(limits)
    }

    /// Removes a range of elements.
    pub fn list_remove(&mut self, range: Range<usize>, limits: Limits) -> SmallVec<[Box<Object>; 2]> {
        let mut garbage = SmallVec::new();
        if let ListRef::Small(packed) = self.list() {
            let part = span(packed, range.clone());
            let count = packed.count - range.len();
            self.splice(part, &[], count);
        } else if let Some(list) = self.big_list() {
            garbage.push(Box::new(Object::List(list.remove(range))));
            garbage.extend(self.shrink_list(limits));
        }
        garbage
    }

    /// Replaces the element at an index below the length.
    pub fn list_set(&mut self, index: usize, element: &[u8], limits: Limits) -> Option<Box<Object>> {
        let batch = Batch::new([element]);
        self.make_room_in_list(End::Right, &batch, limits);
        if let ListRef::Small(packed) = self.list() {
            let (part, count) = (span(packed, index..index + 1), packed.count);
            self.splice(part, &batch.run, count);
        } else if let Some(list) = self.big_list() {
            list.set(index, &batch.run);
        }
        self.shrink_list(limits)
    }

    /// Puts an element before the one at an index, or after all, and gives the new length.
    pub fn list_insert(&mut self, index: usize, element: &[u8], limits: Limits) -> usize {
        let batch = Batch::new([element]);
        self.make_room_in_list(End::Right, &batch, limits);
        if let ListRef::Small(Packed { run, count, .. }) = self.list() {
            let at = listpack::locate(run, count, index);
            self.splice(at..at, &batch.run, count + 1);
        } else if let Some(list) = self.big_list() {
            list.insert(index, &batch.run);
        }
        self.list().len()
    }

    /// Removes up to `most` elements equal to this one, from an end on, and says how many.
    pub fn list_remove_equal(
        &mut self,
        end: End,
        element: &[u8],
        most: usize,
        limits: Limits,
    ) -> (usize, Option<Box<Object>>) {
        let wanted = listpack::encoded(element);
        if let ListRef::Small(Packed { run, count, .. }) = self.list() {
            let Some((rest, removed)) = without_equal(run, end, &wanted, most) else { return (0, None) };
            let all = 0..run.len();
            self.splice(all, &rest, count - removed);
            return (removed, None);
        }
        let removed = self.big_list().map_or(0, |list| list.remove_equal(end, &wanted, most));
        (removed, self.shrink_list(limits))
    }
}

#[cfg(test)]
mod tests;
