//! Changing lists within.

use super::read::TOO_LOW;
use super::{
    GROWING, INSERT, LIST, check_sizes, discard, index, indexes, limits, list_event, list_mut, took,
};
use crate::engine::command::args::{int, int_between};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::list::End;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::spec::Arity::Exactly;
use crate::engine::spec::{Flags, KEY, KeyFlags, int as int_arg, key_at, one_of, string, token};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "LSET",
        arity: Exactly(4),
        flags: GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "1.0.0",
        complexity: "O(log(N)) where N is the length of the list.",
        summary: "Replaces the element of a list at an index.",
        args: &[KEY, int_arg("index"), string("element")],
        run: lset,
        ..LIST
    },
    Command {
        name: "LINSERT",
        arity: Exactly(5),
        flags: GROWING,
        keys: &[key_at(1, INSERT)],
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements before the pivot.",
        summary: "Inserts an element before or after the first one that equals a value.",
        args: &[
            KEY,
            one_of("where", &[token("before", "BEFORE"), token("after", "AFTER")]),
            string("pivot"),
            string("element"),
        ],
        run: linsert,
        ..LIST
    },
    Command {
        name: "LREM",
        arity: Exactly(4),
        flags: Flags::WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        since: "1.0.0",
        complexity: "O(N) where N is the length of the list.",
        summary: "Removes elements of a list that equal a value.",
        args: &[KEY, int_arg("count"), string("element")],
        run: lrem,
        ..LIST
    },
    Command {
        name: "LTRIM",
        arity: Exactly(4),
        flags: Flags::WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        since: "1.0.0",
        complexity: "O(log(N)) where N is the length of the list; what is removed is freed in the background.",
        summary: "Removes the elements of a list that are not between two indexes.",
        args: &[KEY, int_arg("start"), int_arg("stop")],
        run: ltrim,
        ..LIST
    },
];

fn lset(call: &mut Call) -> Result {
    check_sizes(call)?;
    let (key, element, limits) = (call.args.at(1), call.args.at(3), limits(call.server));
    let args = call.args;
    let mut entry = list_mut(call, key)?.ok_or(Error::NO_SUCH_KEY)?;
    let index = index(int(args.at(2))?, entry.list().len()).ok_or(Error::new("ERR index out of range"))?;
    let garbage = entry.list_set(index, element, limits);
    discard(call, garbage);
    call.changed(key, list_event("lset"));
    call.reply.ok();
    Ok(())
}

fn linsert(call: &mut Call) -> Result {
    check_sizes(call)?;
    let after = match call.args.at(2) {
        place if place.eq_ignore_ascii_case(b"after") => 1,
        place if place.eq_ignore_ascii_case(b"before") => 0,
        _ => return Err(Error::SYNTAX),
    };
    let (key, element, limits) = (call.args.at(1), call.args.at(4), limits(call.server));
    let pivot = Element::from_bytes(call.args.at(3));
    let Some(mut entry) = list_mut(call, key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let list = entry.list();
    let Some(index) = list.elements(0..list.len()).position(|element| element == pivot) else {
        call.reply.int(-1);
        return Ok(());
    };
    let len = entry.list_insert(index + after, element, limits);
    call.changed(key, list_event("linsert"));
    call.reply.int(len as i64);
    Ok(())
}

fn lrem(call: &mut Call) -> Result {
    let (key, element, limits) = (call.args.at(1), call.args.at(3), limits(call.server));
    let count = int_between(call.args.at(2), -i64::MAX, i64::MAX, TOO_LOW)?;
    let (end, most) = match count {
        0 => (End::Left, usize::MAX),
        1.. => (End::Left, count as usize),
        _ => (End::Right, count.unsigned_abs() as usize),
    };
    let Some(mut entry) = list_mut(call, key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let (removed, garbage) = entry.list_remove_equal(end, element, most, limits);
    let left = entry.list().len();
    discard(call, garbage);
    if removed > 0 {
        took(call, key, list_event("lrem"), removed, left);
    }
    call.reply.int(removed as i64);
    Ok(())
}

fn ltrim(call: &mut Call) -> Result {
    let (start, stop) = (int(call.args.at(2))?, int(call.args.at(3))?);
    let (key, limits) = (call.args.at(1), limits(call.server));
    let Some(mut entry) = list_mut(call, key)? else {
        call.reply.ok();
        return Ok(());
    };
    let len = entry.list().len();
    let kept = indexes(start, stop, len);
    let garbage = [entry.list_remove(kept.end..len, limits), entry.list_remove(0..kept.start, limits)];
    discard(call, garbage.into_iter().flatten());
    let removed = len - kept.len();
    if removed > 0 {
        took(call, key, list_event("ltrim"), removed, kept.len());
    } else {
        // Nothing to propagate, but Redis tells everybody all the same.
        call.server.touch(call.session.db, key);
        call.server.notify(call.session.db, key, list_event("ltrim"));
    }
    call.reply.ok();
    Ok(())
}
