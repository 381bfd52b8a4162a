//! Moving elements from one list to another.

use super::pop::element_count;
use super::push::add;
use super::{GROWING, INSERT, LIST, TAKE, WHERE_FROM, WHERE_TO};
use super::{
    changed, discard, end, indexes_at, length, limits, list_mut, popped, pushed, took, write_element,
};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::list::{Batch, End};
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Arg, Keys, block, int, key, key_at, one_of, token};

pub(super) const FROM_TO: &[Keys] = &[key_at(1, TAKE), key_at(2, INSERT)];
pub(super) const SOURCE: Arg = key("source", 0);
pub(super) const DESTINATION: Arg = key("destination", 1);
pub(super) const HOW_MANY: Arg = block(
    "how-many",
    &[
        one_of("selector", &[int("count").token("COUNT"), int("exactly").token("EXACTLY")]),
        one_of("ordering", &[token("obo", "OBO"), token("bulk", "BULK")]),
    ],
)
.optional();

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "LMOVE",
        arity: Exactly(5),
        flags: GROWING,
        keys: FROM_TO,
        since: "6.2.0",
        summary: "Moves an element from an end of a list to an end of another and returns it.",
        args: &[SOURCE, DESTINATION, WHERE_FROM, WHERE_TO],
        run: lmove,
        ..LIST
    },
    Command {
        name: "RPOPLPUSH",
        arity: Exactly(3),
        flags: GROWING,
        keys: FROM_TO,
        since: "1.2.0",
        summary: "Moves the last element of a list to the head of another and returns it.",
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        args: &[SOURCE, DESTINATION],
        run: rpoplpush,
        ..LIST
    },
    Command {
        name: "LMOVEM",
        arity: AtLeast(5),
        flags: GROWING,
        keys: FROM_TO,
        since: "8.10.0",
        complexity: "O(N) where N is the number of elements moved.",
        summary: "Moves several elements from an end of a list to an end of another and returns them.",
        args: &[SOURCE, DESTINATION, WHERE_FROM, WHERE_TO, HOW_MANY],
        run: lmovem,
        ..LIST
    },
];

/// From which end an element is taken, and at which it is added.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    from: End,
    to: End,
}

impl Ends {
    /// What RPOPLPUSH does.
    pub(super) const TAIL_TO_HEAD: Ends = Ends { from: End::Right, to: End::Left };

    /// Reads the two words after the keys.
    pub(super) fn read(call: &Call) -> Result<Self> {
        Ok(Ends { from: end(call.args.at(3))?, to: end(call.args.at(4))? })
    }
}

fn lmove(call: &mut Call) -> Result {
    let ends = Ends::read(call)?;
    move_or_null(call, ends)
}

fn rpoplpush(call: &mut Call) -> Result {
    move_or_null(call, Ends::TAIL_TO_HEAD)
}

fn move_or_null(call: &mut Call, ends: Ends) -> Result {
    if !move_one(call, ends)? {
        call.reply.null();
    }
    Ok(())
}

/// Moves an element from the list at the first key to that at the second and writes it; says whether there
/// was one.
pub(super) fn move_one(call: &mut Call, ends: Ends) -> Result<bool> {
    let (source, destination) = (call.args.at(1), call.args.at(2));
    let (access, limits) = (call.access(), limits(call.server));
    if length(call, source)?.is_none() {
        return Ok(false);
    }
    length(call, destination)?;
    let mut batch = Batch::default();
    let (mut garbage, mut left) = (None, 0);
    if let Some(mut entry) = call.server.write_as(access, source, Type::List)? {
        garbage = entry.list_pop(ends.from, limits, &mut |element| {
            batch.push(element);
            write_element(call.reply, element);
        });
        left = entry.list().len();
    }
    discard(call, garbage);
    add(call, destination, ends.to, &batch)?;
    announce_push(call, destination, ends.to);
    let left = if source == destination { left + 1 } else { left };
    took(call, source, popped(ends.from), 1, left);
    Ok(true)
}

/// Says that a list got elements; that they were taken from elsewhere is what counts as the change.
fn announce_push(call: &mut Call, key: &[u8], to: End) {
    call.server.touch(call.session.db, key);
    call.server.notify(call.session.db, key, pushed(to));
}

/// How many elements LMOVEM and BLMOVEM move, and in which order.
#[derive(Clone, Copy)]
pub(super) struct HowMany {
    count: usize,
    /// These or none.
    exactly: bool,
    /// In the order they had; otherwise as if moved one by one.
    bulk: bool,
}

impl HowMany {
    /// Reads the arguments from `position` on, which may be none.
    pub(super) fn read(call: &Call, position: usize) -> Result<Self> {
        let mut cursor = Cursor::new(call.args, position);
        if cursor.left() == 0 {
            return Ok(HowMany { count: 1, exactly: false, bulk: true });
        }
        if cursor.left() != 3 {
            return Err(Error::SYNTAX);
        }
        let exactly = cursor.keyword("EXACTLY");
        if !exactly && !cursor.keyword("COUNT") {
            return Err(Error::SYNTAX);
        }
        let count = element_count(cursor.value()?)?;
        let bulk = cursor.keyword("BULK");
        if !bulk && !cursor.keyword("OBO") {
            return Err(Error::SYNTAX);
        }
        Ok(HowMany { count, exactly, bulk })
    }

    /// The word for the order.
    pub(super) fn ordering(self) -> &'static [u8] {
        if self.bulk { b"BULK" } else { b"OBO" }
    }
}

fn lmovem(call: &mut Call) -> Result {
    let ends = Ends::read(call)?;
    let how_many = HowMany::read(call, 5)?;
    if move_several(call, ends, how_many)?.is_none() {
        call.reply.null_array();
    }
    Ok(())
}

/// Moves elements from the list at the first key to that at the second, writes them as they stand there,
/// and says how many; `None` if there are not enough.
pub(super) fn move_several(call: &mut Call, ends: Ends, how_many: HowMany) -> Result<Option<usize>> {
    let (source, destination) = (call.args.at(1), call.args.at(2));
    let limits = limits(call.server);
    let Some(len) = length(call, source)? else { return Ok(None) };
    if how_many.exactly && len < how_many.count {
        return Ok(None);
    }
    length(call, destination)?;
    let range = indexes_at(ends.from, how_many.count, len);
    let count = range.len();
    let mut batch = Batch::default();
    let mut garbage = None;
    if let Some(mut entry) = list_mut(call, source)? {
        let list = entry.list();
        if ends.from == ends.to && !how_many.bulk {
            list.elements_backward(range.clone()).for_each(|element| batch.push(element));
        } else {
            list.elements(range.clone()).for_each(|element| batch.push(element));
        }
        garbage = Some(entry.list_remove(range, limits));
    }
    discard(call, garbage.into_iter().flatten());
    add(call, destination, ends.to, &batch)?;
    if source == destination {
        changed(call, source, popped(ends.from), count);
        announce_push(call, destination, ends.to);
    } else {
        announce_push(call, destination, ends.to);
        took(call, source, popped(ends.from), count, len - count);
    }
    call.reply.array(count);
    batch.elements().for_each(|element| write_element(call.reply, element));
    Ok(Some(count))
}
