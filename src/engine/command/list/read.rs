//! Reading lists.

use super::{LIST, READ, index, indexes, write_element};
use crate::engine::command::args::{Cursor, int, int_between, not_negative};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::spec::Arity::{AtLeast, Exactly};
use crate::engine::spec::{Flags, KEY, KeyFlags, int as int_arg, key_at, string};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "LLEN",
        arity: Exactly(2),
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RO)],
        since: "1.0.0",
        summary: "Returns the length of a list.",
        args: &[KEY],
        run: llen,
        ..LIST
    },
    Command {
        name: "LINDEX",
        arity: Exactly(3),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "1.0.0",
        complexity: "O(log(N)) where N is the length of the list.",
        summary: "Returns the element of a list at an index.",
        args: &[KEY, int_arg("index")],
        run: lindex,
        ..LIST
    },
    Command {
        name: "LRANGE",
        arity: Exactly(4),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "1.0.0",
        complexity: "O(log(N)+M) where N is the length of the list and M is the number of elements in the range.",
        summary: "Returns the elements of a list between two indexes.",
        args: &[KEY, int_arg("start"), int_arg("stop")],
        run: lrange,
        ..LIST
    },
    Command {
        name: "LPOS",
        arity: AtLeast(3),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements that are looked at: those up to the last match that is asked for, or MAXLEN.",
        summary: "Returns the indexes of the elements of a list that equal a value.",
        args: &[
            KEY,
            string("element"),
            int_arg("rank").token("RANK").optional(),
            int_arg("num-matches").token("COUNT").optional(),
            int_arg("len").token("MAXLEN").optional(),
        ],
        run: lpos,
        ..LIST
    },
];

fn llen(call: &mut Call) -> Result {
    let entry = call.server.read_as(call.access(), call.args.at(1), Type::List)?;
    let len = entry.map_or(0, |entry| entry.list().len());
    call.reply.int(len as i64);
    Ok(())
}

fn lindex(call: &mut Call) -> Result {
    let Some(entry) = call.server.read_as(call.access(), call.args.at(1), Type::List)? else {
        call.reply.null();
        return Ok(());
    };
    let (list, wanted) = (entry.list(), int(call.args.at(2))?);
    match index(wanted, list.len()).and_then(|index| list.get(index)) {
        Some(element) => write_element(call.reply, element),
        None => call.reply.null(),
    }
    Ok(())
}

fn lrange(call: &mut Call) -> Result {
    let (start, stop) = (int(call.args.at(2))?, int(call.args.at(3))?);
    let Some(entry) = call.server.read_as(call.access(), call.args.at(1), Type::List)? else {
        call.reply.array(0);
        return Ok(());
    };
    let list = entry.list();
    let range = indexes(start, stop, list.len());
    call.reply.array(range.len());
    list.elements(range).for_each(|element| write_element(call.reply, element));
    Ok(())
}

/// What LPOS is to look for.
struct Search {
    backward: bool,
    /// Matches to leave out.
    skip: u64,
    /// How many to return; `None` for the first alone, not in an array.
    count: Option<u64>,
    /// How many elements to look at.
    most: u64,
}

impl Search {
    fn read(cursor: &mut Cursor) -> Result<Self> {
        let mut search = Search { backward: false, skip: 0, count: None, most: u64::MAX };
        // In the words of each option, as Redis has it.
        let natural = |arg: &[u8], error| not_negative(arg).map(|n| n as u64).map_err(|_| Error::new(error));
        while cursor.left() > 0 {
            if let Some(arg) = cursor.keyword_with_value("RANK") {
                let rank = int_between(arg, -i64::MAX, i64::MAX, TOO_LOW)?;
                if rank == 0 {
                    return Err(RANK_ZERO);
                }
                (search.backward, search.skip) = (rank < 0, rank.unsigned_abs() - 1);
            } else if let Some(arg) = cursor.keyword_with_value("COUNT") {
                let count = natural(arg, "ERR COUNT can't be negative")?;
                search.count = Some(if count == 0 { u64::MAX } else { count });
            } else if let Some(arg) = cursor.keyword_with_value("MAXLEN") {
                let most = natural(arg, "ERR MAXLEN can't be negative")?;
                search.most = if most == 0 { u64::MAX } else { most };
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(search)
    }

    /// The places of the matches among elements in the order of the search.
    fn matches<'a>(
        &self,
        elements: impl Iterator<Item = Element<'a>>,
        wanted: Element<'a>,
    ) -> impl Iterator<Item = usize> {
        let looked_at = elements.take(usize::try_from(self.most).unwrap_or(usize::MAX));
        let matches = looked_at.enumerate().filter(move |(_, element)| *element == wanted);
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let count = usize::try_from(self.count.unwrap_or(1)).unwrap_or(usize::MAX);
        matches.map(|(place, _)| place).skip(skip).take(count)
    }
}

/// The error for the one integer that has no opposite.
pub(super) const TOO_LOW: Error =
    Error::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
const RANK_ZERO: Error = Error::new(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
     start from the end of the list",
);

fn lpos(call: &mut Call) -> Result {
    let search = Search::read(&mut Cursor::new(call.args, 3))?;
    let wanted = Element::from_bytes(call.args.at(2));
    let entry = call.server.read_as(call.access(), call.args.at(1), Type::List)?;
    let mark = call.reply.mark();
    let mut found = 0;
    if let Some(entry) = entry {
        let list = entry.list();
        let len = list.len();
        let mut write = |index: usize| {
            call.reply.int(index as i64);
            found += 1;
        };
        if search.backward {
            search.matches(list.elements_backward(0..len), wanted).for_each(|place| write(len - 1 - place));
        } else {
            search.matches(list.elements(0..len), wanted).for_each(write);
        }
    }
    match search.count {
        Some(_) => call.reply.array_at(mark, found),
        None if found == 0 => call.reply.null(),
        None => {}
    }
    Ok(())
}
