//! ARGREP: which elements look like this?

use super::get::write_element;
use super::scan::limit;
use super::{ARRAY, READ, index, write_index};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Type;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, block, int, key_at, one_of, string, token};
use crate::engine::text::glob;
use crate::engine::text::pattern::Pattern;
use memchr::memmem;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "ARGREP",
    arity: AtLeast(6),
    flags: Flags::READONLY,
    keys: &[key_at(1, READ)],
    complexity: "O(N * C) for N elements in the range, where C is the cost of the predicates for one",
    summary: "Returns the indexes of elements in a range that meet any, or all, of some predicates.",
    args: &[
        KEY,
        string("start"),
        string("end"),
        one_of(
            "predicate",
            &[
                block("exact", &[token("exact", "EXACT"), string("string")]),
                block("match", &[token("match", "MATCH"), string("string")]),
                block("glob", &[token("glob", "GLOB"), string("pattern")]),
                block("re", &[token("re", "RE"), string("pattern")]),
            ],
        )
        .multiple(),
        one_of(
            "options",
            &[
                token("and", "AND"),
                token("or", "OR"),
                int("limit").token("LIMIT"),
                token("withvalues", "WITHVALUES"),
                token("nocase", "NOCASE"),
            ],
        )
        .optional()
        .multiple(),
    ],
    run: argrep,
    ..ARRAY
}];

/// What an element must look like.
enum Predicate<'a> {
    Exact(&'a [u8]),
    Contains(Vec<u8>),
    Glob(&'a [u8]),
    Pattern(Pattern),
}

impl Predicate<'_> {
    fn holds(&self, element: &[u8], nocase: bool) -> bool {
        match self {
            Predicate::Exact(wanted) if nocase => element.eq_ignore_ascii_case(wanted),
            Predicate::Exact(wanted) => element == *wanted,
            Predicate::Contains(part) if nocase => {
                memmem::find(&element.to_ascii_lowercase(), part).is_some()
            }
            Predicate::Contains(part) => memmem::find(element, part).is_some(),
            Predicate::Glob(pattern) => glob::matches(pattern, element, nocase),
            Predicate::Pattern(pattern) => pattern.is_in(element),
        }
    }
}

struct Search<'a> {
    predicates: Vec<Predicate<'a>>,
    all: bool,
    nocase: bool,
    with_values: bool,
    limit: usize,
}

impl<'a> Search<'a> {
    fn read(mut cursor: Cursor<'a>) -> Result<Self> {
        let mut search = Search {
            predicates: Vec::new(),
            all: false,
            nocase: false,
            with_values: false,
            limit: usize::MAX,
        };
        let mut texts = Vec::new();
        while cursor.left() > 0 {
            if cursor.keyword("AND") {
                search.all = true;
            } else if cursor.keyword("OR") {
                search.all = false;
            } else if cursor.keyword("NOCASE") {
                search.nocase = true;
            } else if cursor.keyword("WITHVALUES") {
                search.with_values = true;
            } else if cursor.keyword("LIMIT") {
                search.limit = limit(cursor.value()?)?;
            } else {
                texts.push((cursor.value()?, cursor.value()?));
            }
        }
        if texts.is_empty() {
            return Err(Error::SYNTAX);
        }
        // NOCASE counts for those before it, too.
        for (kind, text) in texts {
            search.predicates.push(predicate(kind, text, search.nocase)?);
        }
        Ok(search)
    }

    fn finds(&self, element: &[u8]) -> bool {
        let mut outcomes = self.predicates.iter().map(|predicate| predicate.holds(element, self.nocase));
        if self.all { outcomes.all(|holds| holds) } else { outcomes.any(|holds| holds) }
    }
}

fn predicate<'a>(kind: &[u8], text: &'a [u8], nocase: bool) -> Result<Predicate<'a>> {
    Ok(match kind.to_ascii_uppercase().as_slice() {
        b"EXACT" => Predicate::Exact(text),
        b"MATCH" if nocase => Predicate::Contains(text.to_ascii_lowercase()),
        b"MATCH" => Predicate::Contains(text.to_vec()),
        b"GLOB" => Predicate::Glob(text),
        b"RE" => {
            Predicate::Pattern(Pattern::parse(text, nocase).map_err(|why| Error::text(format!("ERR {why}")))?)
        }
        _ => return Err(Error::SYNTAX),
    })
}

fn argrep(call: &mut Call) -> Result {
    // `+` is the last index that there is, so that what begins after it goes backwards.
    let bound = |arg: &[u8]| match arg {
        b"-" => Ok(Some(0)),
        b"+" => Ok(None),
        arg => index(arg).map(Some),
    };
    let (from, to) = (bound(call.args.at(2))?, bound(call.args.at(3))?);
    let search = Search::read(Cursor::new(call.args, 4))?;
    let (access, key) = (call.access(), call.args.at(1));
    let entry = call.server.read_as(access, key, Type::Array)?;
    let array = entry.and_then(|entry| entry.array());
    let last = array.map_or(0, |array| array.len().saturating_sub(1));
    let (from, to) = (from.unwrap_or(last), to.unwrap_or(last));
    let elements = array.into_iter().flat_map(|array| array.range(from, to));
    let found = elements.filter(|(_, element)| search.finds(element.bytes(&mut IntBuf::new())));
    let (mark, mut count) = (call.reply.mark(), 0);
    for (index, element) in found.take(search.limit) {
        if search.with_values {
            call.reply.array(2);
        }
        write_index(call.reply, index);
        if search.with_values {
            write_element(call.reply, Some(element));
        }
        count += 1;
    }
    call.reply.array_at(mark, count);
    Ok(())
}
