//! SORT: the elements of a list, a set or a sorted set in another order, by themselves or by values that
//! keys named after them hold.

use super::{DEL, GENERIC};
use crate::engine::command::args::Cursor;
use crate::engine::command::call::Event;
use crate::engine::command::keys::Access;
use crate::engine::command::{Call, Command, Error, Result, permission};
use crate::engine::config::KeyspaceEvents;
use crate::engine::keyspace::list::{Batch, End, Limits};
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::{Entry, Expiry, IntBuf, Type};
use crate::engine::protocol::{Args, Argv};
use crate::engine::server::Server;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{
    Arg, Begin, Categories, Find, Flags, KEY, KeyFlags, Keys, block, int, key, key_at, key_pattern, one_of,
    token,
};
use crate::engine::text::number::parse_f64;
use std::cmp::Ordering;
use std::ops::Range;

const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
/// Keys that patterns name, or an option.
const SOMEWHERE: Keys = Keys { flags: READ, begin: Begin::Unknown, find: Find::Unknown };

const BY: Arg = key_pattern("by-pattern", 1).token("BY").shown("pattern").optional();
const LIMIT: Arg = block("limit", &[int("offset"), int("count")]).token("LIMIT").optional();
const GET: Arg = key_pattern("get-pattern", 1).token("GET").shown("pattern").multiple_token().optional();
const ORDER: Arg = one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional();
const ALPHA: Arg = token("sorting", "ALPHA").optional();

const SORTS: Command = Command {
    arity: AtLeast(2),
    categories: Categories::SET.or(Categories::SORTEDSET).or(Categories::LIST).or(Categories::DANGEROUS),
    complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).",
    ..GENERIC
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SORT",
        flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::MOVABLE_KEYS),
        keys: &[key_at(1, READ), SOMEWHERE, Keys { flags: KeyFlags::OW.or(KeyFlags::UPDATE), ..SOMEWHERE }],
        since: "1.0.0",
        summary: "Sorts the elements of a list, a set or a sorted set, and returns or stores them.",
        args: &[KEY, BY, LIMIT, GET, ORDER, ALPHA, key("destination", 2).token("STORE").optional()],
        run: |call| sort(call, true),
        ..SORTS
    },
    Command {
        name: "SORT_RO",
        flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
        keys: &[key_at(1, READ), SOMEWHERE],
        since: "7.0.0",
        summary: "Sorts the elements of a list, a set or a sorted set, and returns them.",
        args: &[KEY, BY, LIMIT, GET, ORDER, ALPHA],
        run: |call| sort(call, false),
        ..SORTS
    },
];

const NO_NUMBER: Error = Error::new("ERR One or more scores can't be converted into double");
const BY_DENIED: Error = Error::new("ERR BY option of SORT denied due to insufficient ACL permissions.");
const GET_DENIED: Error = Error::new("ERR GET option of SORT denied due to insufficient ACL permissions.");
const STORED: Event = Event { class: KeyspaceEvents::LIST, name: "sortstore" };

/// What stands for an element: `w_*`, `object_*->field`, `#`.
#[derive(Clone, Copy, Debug)]
enum Pattern<'a> {
    /// The element itself.
    Element,
    /// Nothing: the same key for all makes no sense.
    Nothing,
    /// The string at a key that has the element's bytes in its middle, or a field of the hash there.
    Key { prefix: &'a [u8], suffix: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    fn read(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = text.iter().position(|byte| *byte == b'*') else { return Pattern::Nothing };
        let (prefix, rest) = (&text[..star], &text[star + 1..]);
        match rest.windows(2).position(|pair| pair == b"->") {
            Some(arrow) if arrow + 2 < rest.len() => {
                Pattern::Key { prefix, suffix: &rest[..arrow], field: Some(&rest[arrow + 2..]) }
            }
            _ => Pattern::Key { prefix, suffix: rest, field: None },
        }
    }

    /// Shows the value that stands for an element, if there is one.
    fn resolve<R>(
        self,
        (server, access): (&mut Server, Access),
        element: &[u8],
        seen: impl FnOnce(Option<&[u8]>) -> R,
    ) -> R {
        let Pattern::Key { prefix, suffix, field } = self else {
            return seen(matches!(self, Pattern::Element).then_some(element));
        };
        let key = [prefix, element, suffix].concat();
        let Some(entry) = server.read(access, &key) else { return seen(None) };
        match field {
            None => seen(entry.string(&mut IntBuf::new())),
            Some(name) => {
                let (mut digits, found) = (IntBuf::new(), entry.hash().and_then(|hash| hash.get(name)));
                let live = found.filter(|field| !field.is_expired(access.now.unix_ms()));
                seen(live.as_ref().map(|field| field.value.bytes(&mut digits)))
            }
        }
    }
}

/// The options as given.
#[derive(Default)]
struct Options<'a> {
    by: Option<Pattern<'a>>,
    /// BY a constant: the elements stay in their own order.
    nosort: bool,
    /// First and number, as they were given; a negative number is no limit.
    limit: Option<(i64, i64)>,
    gets: Vec<Pattern<'a>>,
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

fn options<'a>(call: &Call<'a>, may_store: bool) -> Result<Options<'a>> {
    let (mut options, mut cursor) = (Options::default(), Cursor::new(call.args, 2));
    // Which keys patterns lead to shows only with the elements.
    let may_look = permission::may_read_everything(call.server, call.session.user, call.command, call.args);
    while cursor.left() > 0 {
        if cursor.keyword("ASC") {
            options.descending = false;
        } else if cursor.keyword("DESC") {
            options.descending = true;
        } else if cursor.keyword("ALPHA") {
            options.alpha = true;
        } else if cursor.left() > 2 && cursor.keyword("LIMIT") {
            options.limit = Some((cursor.int()?, cursor.int()?));
        } else if may_store && let Some(target) = cursor.keyword_with_value("STORE") {
            options.store = Some(target);
        } else if let Some(text) = cursor.keyword_with_value("BY") {
            options.by = Some(Pattern::read(text));
            if !text.contains(&b'*') {
                options.nosort = true;
            } else if !may_look {
                return Err(BY_DENIED);
            }
        } else if let Some(text) = cursor.keyword_with_value("GET") {
            if !may_look {
                return Err(GET_DENIED);
            }
            options.gets.push(Pattern::read(text));
        } else {
            return Err(Error::SYNTAX);
        }
    }
    Ok(options)
}

impl Options<'_> {
    /// The places of the elements that are wanted, of so many in all.
    fn range(&self, len: usize) -> Range<usize> {
        let (first, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(first.max(0)).map_or(len, |start| start.min(len));
        let count = usize::try_from(count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

fn sort(call: &mut Call, may_store: bool) -> Result {
    let mut options = options(call, may_store)?;
    let (access, source) = (call.access(), call.args.at(1));
    let entry = call.server.read(access, source);
    let kind = entry.map_or(Type::List, Entry::type_of);
    if !matches!(kind, Type::List | Type::Set | Type::SortedSet) {
        return Err(Error::WRONG_TYPE);
    }
    if options.nosort && kind == Type::Set && (options.store.is_some() || call.session.is_script()) {
        // What is stored, and what a script makes of it, must be the same wherever this is done again.
        options = Options { by: None, nosort: false, alpha: true, ..options };
    }
    let len = entry.map_or(0, len);
    let range = options.range(len);
    let elements = match entry {
        Some(entry) if options.nosort => {
            // A set has only one direction.
            load(entry, range.clone(), options.descending && kind != Type::Set)
        }
        Some(entry) => load(entry, 0..len, false),
        None => Argv::default(),
    };
    let elements = elements.args();
    let mut order: Vec<usize> = (0..elements.len()).collect();
    if !options.nosort {
        arrange(call, &options, elements, &mut order)?;
        order = order[range].to_vec();
    }
    let sorted = order.iter().map(|at| elements.at(*at));
    match options.store {
        Some(target) => store(call, target, &options.gets, sorted),
        None => reply(call, &options.gets, sorted),
    }
    Ok(())
}

/// How many elements a list, a set or a sorted set has.
fn len(entry: &Entry) -> usize {
    match (entry.set(), entry.sorted_set()) {
        (Some(set), _) => set.len(),
        (_, Some(sorted_set)) => sorted_set.len() as usize,
        _ => entry.list().len(),
    }
}

/// A range of the elements in their own order, or from their end.
fn load(entry: &Entry, range: Range<usize>, backward: bool) -> Argv {
    let (mut elements, mut digits) = (Argv::default(), IntBuf::new());
    let mut push = |element: Element| elements.push(element.bytes(&mut digits));
    let len = len(entry);
    let range = if backward { len - range.end..len - range.start } else { range };
    if let Some(set) = entry.set() {
        set.pick(range, &mut push);
    } else if let Some(sorted_set) = entry.sorted_set() {
        let positions = range.start as u64..range.end as u64;
        sorted_set.pairs(positions, backward).for_each(|(member, _)| push(member));
    } else if backward {
        entry.list().elements_backward(range).for_each(push);
    } else {
        entry.list().elements(range).for_each(push);
    }
    elements
}

/// Sorts `order`, the places of elements. Elements of the same weight are compared themselves.
fn arrange(call: &mut Call, options: &Options, elements: Args, order: &mut [usize]) -> Result {
    let access = call.access();
    let by = options.by.unwrap_or(Pattern::Element);
    let direction = |ordering: Ordering| if options.descending { ordering.reverse() } else { ordering };
    if options.alpha {
        let mut weight =
            |element| by.resolve((&mut *call.server, access), element, |value| value.map(Box::<[u8]>::from));
        let weights: Vec<_> = elements.iter().map(&mut weight).collect();
        order.sort_by(|a, b| direction(weights[*a].cmp(&weights[*b])));
        return Ok(());
    }
    let mut weight = |element| {
        by.resolve((&mut *call.server, access), element, |value| match value {
            Some(value) => parse_f64(value).ok_or(NO_NUMBER),
            None => Ok(0.0),
        })
    };
    let weights = elements.iter().map(&mut weight).collect::<Result<Vec<f64>>>()?;
    order.sort_by(|a, b| {
        let by_weight = weights[*a].partial_cmp(&weights[*b]).unwrap_or(Ordering::Equal);
        direction(by_weight.then_with(|| elements.at(*a).cmp(elements.at(*b))))
    });
    Ok(())
}

/// Replies with the elements, or with what stands for them.
fn reply<'e>(call: &mut Call, gets: &[Pattern], sorted: impl ExactSizeIterator<Item = &'e [u8]>) {
    let access = call.access();
    call.reply.array(sorted.len() * gets.len().max(1));
    for element in sorted {
        if gets.is_empty() {
            call.reply.bulk(element);
        }
        for pattern in gets {
            pattern.resolve((&mut *call.server, access), element, |value| match value {
                Some(value) => call.reply.bulk(value),
                None => call.reply.null(),
            });
        }
    }
}

/// Stores the elements, or what stands for them, as a list; what is missing is stored as an empty string.
fn store<'e>(call: &mut Call, target: &[u8], gets: &[Pattern], sorted: impl Iterator<Item = &'e [u8]>) {
    let (access, mut batch) = (call.access(), Batch::default());
    for element in sorted {
        if gets.is_empty() {
            batch.push(Element::from_bytes(element));
        }
        for pattern in gets {
            pattern.resolve((&mut *call.server, access), element, |value| {
                batch.push(Element::from_bytes(value.unwrap_or_default()));
            });
        }
    }
    call.reply.int(batch.len() as i64);
    if !batch.is_empty() {
        let limits = Limits::new(call.server.config.list_max_listpack_size);
        call.server.set(access, target, batch.to_value(End::Right, limits), Expiry::Never);
        call.changed(target, STORED);
    } else if call.server.remove(access, target) {
        call.changed(target, DEL);
    }
}
