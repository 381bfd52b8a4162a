//! XDEL, XDELEX and XSETID.

use super::add::CONDITION;
use super::ids::{Ids, id, ids};
use super::options::{counted_ids, references};
use super::{FAST_GROWING, FAST_WRITE, STREAM, event, noted, write};
use crate::engine::command::args::Cursor;
use crate::engine::command::call::Event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::stream::{References, Stream, StreamId};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, KEY, KeyFlags, block, int, key_at, string};

/// IDS and what follows.
pub(super) const IDS: Arg = block("ids", &[int("numids"), string("id").multiple()]).token("IDS");

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XDEL",
        arity: AtLeast(3),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        since: "5.0.0",
        complexity: "O(log(N)) for each id with N being the number of entries.",
        summary: "Deletes entries of a stream and returns how many were there.",
        args: &[KEY, string("id").multiple()],
        run: xdel,
        ..STREAM
    },
    Command {
        name: "XDELEX",
        arity: AtLeast(5),
        flags: FAST_WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        since: "8.2.0",
        complexity: "O(log(N)) for each id with N being the number of entries.",
        summary: "Deletes entries of a stream, with regard to the groups that refer to them.",
        args: &[KEY, CONDITION, IDS],
        run: xdelex,
        ..STREAM
    },
    Command {
        name: "XSETID",
        arity: AtLeast(3),
        flags: FAST_GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "5.0.0",
        summary: "Sets what a stream knows of its past; used by replication.",
        history: &[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")],
        args: &[
            KEY,
            string("last-id"),
            int("entries-added").token("ENTRIESADDED").optional().since("7.0.0"),
            string("max-deleted-id").token("MAXDELETEDID").optional().since("7.0.0"),
        ],
        run: xsetid,
        ..STREAM
    },
];

/// Entries were deleted one by one.
pub(super) const DELETED: Event = event("xdel");

fn xdel(call: &mut Call) -> Result {
    let (key, access) = (call.args.at(1), call.access());
    let Some(mut entry) = write(call.server, access, key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let ids = ids(call.args.from(2))?;
    let stream = entry.stream_mut().expect("the type was checked");
    let deleted = ids.into_iter().map(|id| u64::from(stream.delete(id))).sum();
    changed(call, key, deleted);
    call.reply.int(deleted as i64);
    Ok(())
}

/// So many entries were deleted.
pub(super) fn changed(call: &mut Call, key: &[u8], deleted: u64) {
    if deleted > 0 {
        call.changed(key, DELETED);
        call.server.dirty += deleted - 1;
    }
}

/// What XDELEX and XACKDEL say about an id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is none.
    Missing = -1,
    /// It is gone.
    Deleted = 1,
    /// A group has yet to be given or to acknowledge it.
    Referenced = 2,
}

/// The options of XDELEX and XACKDEL: KEEPREF, DELREF or ACKED, and ids.
pub(super) fn options<'a>(cursor: &mut Cursor<'a>) -> Result<(References, Vec<&'a [u8]>)> {
    let (mut kept, mut ids) = (None, None);
    while cursor.left() > 0 {
        if kept.is_none()
            && let Some(references) = references(cursor)
        {
            kept = Some(references);
        } else if cursor.keyword("IDS") {
            let not_positive = Error::new("ERR Number of IDs must be a positive integer");
            let no_match = Error::new("ERR The `numids` parameter must match the number of arguments");
            ids = Some(counted_ids(cursor, not_positive, no_match)?);
        } else {
            return Err(Error::SYNTAX);
        }
    }
    Ok((kept.unwrap_or_default(), ids.ok_or(Error::SYNTAX)?))
}

/// Deletes an entry as far as the groups allow; the second is whether it was there.
pub(super) fn delete(stream: &mut Stream, id: StreamId, references: References) -> (Outcome, bool) {
    match references {
        References::Spare if !stream.is_done_with(id) => return (Outcome::Referenced, false),
        References::Drop => stream.drop_references(id),
        References::Spare | References::Keep => {}
    }
    (Outcome::Deleted, stream.delete(id))
}

fn xdelex(call: &mut Call) -> Result {
    let (key, access) = (call.args.at(1), call.access());
    let entry = write(call.server, access, key)?;
    let (references, texts) = options(&mut Cursor::new(call.args, 2))?;
    let Some(mut entry) = entry else {
        write_missing(call, texts.len());
        return Ok(());
    };
    let ids: Ids = texts.into_iter().map(|text| id(text, 0)).collect::<Result<_>>()?;
    let stream = entry.stream_mut().expect("the type was checked");
    let mut deleted = 0;
    call.reply.array(ids.len());
    for id in ids {
        // References are looked at first: a group may have yet to be given an id that is not there.
        let (outcome, gone) = match delete(stream, id, references) {
            (Outcome::Deleted, false) => (Outcome::Missing, false),
            done => done,
        };
        deleted += u64::from(gone);
        call.reply.int(outcome as i64);
    }
    changed(call, key, deleted);
    Ok(())
}

/// No id is there.
pub(super) fn write_missing(call: &mut Call, count: usize) {
    call.reply.array(count);
    (0..count).for_each(|_| call.reply.int(Outcome::Missing as i64));
}

fn xsetid(call: &mut Call) -> Result {
    let last_id = id(call.args.at(2), 0)?;
    let mut cursor = Cursor::new(call.args, 3);
    let (mut added, mut max_deleted) = (None, StreamId::MIN);
    while cursor.left() > 0 {
        if let Some(text) = cursor.keyword_with_value("ENTRIESADDED") {
            let count = u64::try_from(crate::engine::command::args::int(text)?);
            added = Some(count.or(Err(Error::new("ERR entries_added must be positive")))?);
        } else if let Some(text) = cursor.keyword_with_value("MAXDELETEDID") {
            max_deleted = id(text, 0)?;
            if last_id < max_deleted {
                return Err(Error::new(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let (key, access) = (call.args.at(1), call.access());
    let mut entry = write(call.server, access, key)?.ok_or(Error::NO_SUCH_KEY)?;
    let stream = entry.stream_mut().expect("the type was checked");
    let why_not = if last_id < stream.max_deleted_id {
        Some("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    } else if last_id < stream.last_entry_id() {
        Some("ERR The ID specified in XSETID is smaller than the target stream top item")
    } else if added.is_some_and(|added| added < stream.len()) {
        Some("ERR The entries_added specified in XSETID is smaller than the target stream length")
    } else {
        None
    };
    if let Some(why_not) = why_not {
        return Err(Error::new(why_not));
    }
    stream.last_id = last_id;
    stream.entries_added = added.unwrap_or(stream.entries_added);
    if max_deleted != StreamId::MIN {
        stream.max_deleted_id = max_deleted;
    }
    noted(call, key, event("xsetid"));
    call.reply.ok();
    Ok(())
}
