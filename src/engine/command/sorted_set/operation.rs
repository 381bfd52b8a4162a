//! Union, intersection and difference of sorted sets and sets.

use super::{GROWING, Pair, READ, SORTED_SET, STORE, reply_pair, reply_pairs_header, sorted_set_event};
use crate::engine::command::args::{Cursor, int};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::hash::{Map, Seed};
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::value::sorted_set::compare;
use crate::engine::keyspace::{Entry, IntBuf, SetRef, SortedSetRef, Type};
use crate::engine::protocol::Args;
use crate::engine::server::Server;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, Flags, KEY, int as int_arg, key, key_at, keys_counted, one_of, token};
use crate::engine::text::number::parse_f64;
use std::ops::ControlFlow;

const NUMKEYS: Arg = int_arg("numkeys");
const DESTINATION: Arg = key("destination", 0);
const KEYS: Arg = key("key", 1).multiple();
const WEIGHTS: Arg = int_arg("weight").token("WEIGHTS").multiple().optional();
const AGGREGATE: Arg = one_of(
    "aggregate",
    &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX"), token("count", "COUNT").since("8.8.0")],
)
.token("AGGREGATE")
.optional();
const WITH_SCORES: Arg = token("withscores", "WITHSCORES").optional();

const COUNT_ADDED: &[(&str, &str)] = &[("8.8.0", "Added `COUNT` aggregate option.")];

const SHOWING: Command = Command {
    arity: AtLeast(3),
    flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
    keys: &[keys_counted(1, READ)],
    since: "6.2.0",
    ..SORTED_SET
};

const STORING: Command = Command {
    arity: AtLeast(4),
    flags: GROWING.or(Flags::MOVABLE_KEYS),
    keys: &[key_at(1, STORE), keys_counted(2, READ)],
    since: "2.0.0",
    ..SORTED_SET
};

const UNION_COST: &str = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.";
const INTER_COST: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.";
const DIFF_COST: &str = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ZUNION",
        complexity: UNION_COST,
        summary: "Returns the members of any of several sorted sets.",
        history: COUNT_ADDED,
        args: &[NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE, WITH_SCORES],
        run: |call| show(call, Operation::Union),
        ..SHOWING
    },
    Command {
        name: "ZINTER",
        complexity: INTER_COST,
        summary: "Returns the members of all of several sorted sets.",
        history: COUNT_ADDED,
        args: &[NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE, WITH_SCORES],
        run: |call| show(call, Operation::Intersection),
        ..SHOWING
    },
    Command {
        name: "ZDIFF",
        complexity: DIFF_COST,
        summary: "Returns the members of a sorted set that no other one has.",
        args: &[NUMKEYS, KEY.multiple(), WITH_SCORES],
        run: |call| show(call, Operation::Difference),
        ..SHOWING
    },
    Command {
        name: "ZINTERCARD",
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
        summary: "Counts the members of all of several sorted sets.",
        args: &[NUMKEYS, KEY.multiple(), int_arg("limit").token("LIMIT").optional()],
        run: zintercard,
        ..SHOWING
    },
    Command {
        name: "ZUNIONSTORE",
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
        summary: "Stores the members of any of several sorted sets in a key.",
        history: COUNT_ADDED,
        args: &[DESTINATION, NUMKEYS, KEYS, WEIGHTS, AGGREGATE],
        run: |call| store(call, Operation::Union),
        ..STORING
    },
    Command {
        name: "ZINTERSTORE",
        complexity: INTER_COST,
        summary: "Stores the members of all of several sorted sets in a key.",
        history: COUNT_ADDED,
        args: &[DESTINATION, NUMKEYS, KEYS, WEIGHTS, AGGREGATE],
        run: |call| store(call, Operation::Intersection),
        ..STORING
    },
    Command {
        name: "ZDIFFSTORE",
        since: "6.2.0",
        complexity: DIFF_COST,
        summary: "Stores the members of a sorted set that no other one has in a key.",
        args: &[DESTINATION, NUMKEYS, KEYS],
        run: |call| store(call, Operation::Difference),
        ..STORING
    },
];

/// What is done with the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of several scores for one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The sum of the weights.
    Count,
}

impl Aggregate {
    fn read(cursor: &mut Cursor) -> Result<Self> {
        let all = [("SUM", Self::Sum), ("MIN", Self::Min), ("MAX", Self::Max), ("COUNT", Self::Count)];
        let found = all.into_iter().find(|(name, _)| cursor.keyword(name));
        found.map(|(_, aggregate)| aggregate).ok_or(Error::SYNTAX)
    }

    /// What one input contributes.
    fn weigh(self, score: f64, weight: f64) -> f64 {
        if self == Self::Count { weight } else { weight * score }
    }

    /// Puts two contributions together. What would be no number is zero.
    fn join(self, total: f64, more: f64) -> f64 {
        match self {
            Self::Sum | Self::Count => not_nan(total + more),
            Self::Min => {
                if more < total {
                    more
                } else {
                    total
                }
            }
            Self::Max => {
                if more > total {
                    more
                } else {
                    total
                }
            }
        }
    }
}

fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// The options after the keys.
struct Options {
    /// One for each key, or none if all are 1.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// ZINTERCARD: count no further than this.
    limit: u64,
}

/// What may follow the keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Show,
    Store,
    Count,
}

impl Options {
    fn read(mut cursor: Cursor, keys: usize, operation: Operation, purpose: Purpose) -> Result<Self> {
        let mut options =
            Self { weights: Vec::new(), aggregate: Aggregate::Sum, with_scores: false, limit: u64::MAX };
        let weighed = operation != Operation::Difference && purpose != Purpose::Count;
        while cursor.left() > 0 {
            if weighed && cursor.left() > keys && cursor.keyword("WEIGHTS") {
                options.weights.clear();
                for _ in 0..keys {
                    let weight = parse_f64(cursor.value()?);
                    options.weights.push(weight.ok_or(Error::new("ERR weight value is not a float"))?);
                }
            } else if weighed && cursor.left() >= 2 && cursor.keyword("AGGREGATE") {
                options.aggregate = Aggregate::read(&mut cursor)?;
            } else if purpose == Purpose::Show && cursor.keyword("WITHSCORES") {
                options.with_scores = true;
            } else if purpose == Purpose::Count
                && let Some(limit) = cursor.keyword_with_value("LIMIT")
            {
                let limit = int(limit).ok().and_then(|limit| u64::try_from(limit).ok());
                let limit = limit.ok_or(Error::new("ERR LIMIT can't be negative"))?;
                options.limit = if limit == 0 { u64::MAX } else { limit };
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// An input: something with members, each with a score. Those of a set are all 1.
#[derive(Clone, Copy)]
enum Source<'a> {
    None,
    Set(SetRef<'a>),
    SortedSet(SortedSetRef<'a>),
}

impl<'a> Source<'a> {
    fn of(entry: Option<&'a Entry>) -> Self {
        let Some(entry) = entry else { return Source::None };
        match entry.sorted_set() {
            Some(set) => Source::SortedSet(set),
            None => entry.set().map_or(Source::None, Source::Set),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Source::None => 0,
            Source::Set(set) => set.len() as u64,
            Source::SortedSet(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::None => None,
            Source::Set(set) => set.has(Element::from_bytes(member)).then_some(1.0),
            Source::SortedSet(set) => set.score(member),
        }
    }

    /// Shows members with their scores until `seen` has enough.
    fn walk(&self, mut seen: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        let mut show = |member: Element, score| seen(member.bytes(&mut IntBuf::new()), score);
        // The outcome only says whether all were shown.
        let _ = match self {
            Source::None => ControlFlow::Continue(()),
            Source::Set(set) => set.iter().try_for_each(|member| show(member, 1.0)),
            Source::SortedSet(set) => set.iter().try_for_each(|(member, score)| show(member, score)),
        };
    }

    /// Shows all members with their scores.
    fn each(&self, mut seen: impl FnMut(&[u8], f64)) {
        self.walk(|member, score| {
            seen(member, score);
            ControlFlow::Continue(())
        });
    }
}

/// An input with its weight.
struct Input<'a> {
    source: Source<'a>,
    weight: f64,
}

impl Input<'_> {
    fn weigh(&self, score: f64, aggregate: Aggregate) -> f64 {
        aggregate.weigh(score, self.weight)
    }
}

/// What is asked for.
struct Request {
    /// The first key's argument.
    first: usize,
    /// Whether each key is there.
    there: Vec<bool>,
    options: Options,
}

impl Request {
    /// Reads the number of keys at the argument `at`, the keys and the options after them.
    fn read(call: &mut Call, at: usize, operation: Operation, purpose: Purpose) -> Result<Self> {
        let (count, first) = (int(call.args.at(at))?, at + 1);
        if count < 1 {
            let name = call.name();
            return Err(Error::text(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        let left = call.args.len() - first;
        let keys = usize::try_from(count).ok().filter(|keys| *keys <= left).ok_or(Error::SYNTAX)?;
        let (access, mut there) = (call.access(), Vec::with_capacity(keys));
        for key in call.args.from(first).iter().take(keys) {
            let entry = call.server.read(access, key);
            if entry.is_some_and(|entry| !matches!(entry.type_of(), Type::SortedSet | Type::Set)) {
                return Err(Error::WRONG_TYPE);
            }
            there.push(entry.is_some());
        }
        let options = Options::read(Cursor::new(call.args, first + keys), keys, operation, purpose)?;
        Ok(Self { first, there, options })
    }

    /// The inputs. A key that was not there when it was read may be hidden only.
    fn inputs<'a>(&self, server: &'a Server, db: usize, args: Args<'_>) -> Vec<Input<'a>> {
        let keys = args.from(self.first).iter().zip(&self.there);
        let input = |(at, (key, there)): (usize, (&[u8], &bool))| Input {
            source: Source::of(server.databases[db].lookup(key).filter(|_| *there)),
            weight: self.options.weights.get(at).copied().unwrap_or(1.0),
        };
        keys.enumerate().map(input).collect()
    }
}

/// Shows the members that all inputs have, with their scores, until `seen` has enough. `inputs` begins
/// with the smallest.
fn intersect(inputs: &[Input], aggregate: Aggregate, mut seen: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
    let Some((first, others)) = inputs.split_first() else { return };
    first.source.walk(|member, score| {
        let mut total = not_nan(first.weigh(score, aggregate));
        for other in others {
            let Some(score) = other.source.score(member) else { return ControlFlow::Continue(()) };
            total = aggregate.join(total, other.weigh(score, aggregate));
        }
        seen(member, total)
    });
}

/// What the operation comes to, in order.
fn result(mut inputs: Vec<Input>, operation: Operation, aggregate: Aggregate, seed: Seed) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    if operation != Operation::Difference {
        // Sums of fractions depend on the order.
        inputs.sort_by_key(|input| input.source.len());
    }
    match operation {
        Operation::Union => {
            let mut totals: Map<Box<[u8]>, f64> = seed.map();
            for input in &inputs {
                input.source.each(|member, score| {
                    let score = not_nan(input.weigh(score, aggregate));
                    match totals.get_mut(member) {
                        Some(total) => *total = aggregate.join(*total, score),
                        None => drop(totals.insert(member.into(), score)),
                    }
                });
            }
            pairs.extend(totals);
        }
        Operation::Intersection => intersect(&inputs, aggregate, |member, score| {
            pairs.push((member.into(), score));
            ControlFlow::Continue(())
        }),
        Operation::Difference => {
            if let Some((first, others)) = inputs.split_first() {
                first.source.each(|member, score| {
                    if others.iter().all(|other| other.source.score(member).is_none()) {
                        pairs.push((member.into(), score));
                    }
                });
            }
        }
    }
    pairs.sort_unstable_by(|a, b| compare((a.1, &a.0), (b.1, &b.0)));
    pairs
}

fn show(call: &mut Call, operation: Operation) -> Result {
    let request = Request::read(call, 1, operation, Purpose::Show)?;
    let inputs = request.inputs(call.server, call.session.db, call.args);
    let Options { aggregate, with_scores, .. } = request.options;
    let pairs = result(inputs, operation, aggregate, call.server.seed);
    reply_pairs_header(call.reply, pairs.len(), with_scores);
    for (member, score) in &pairs {
        reply_pair(call.reply, (Element::Str(member), *score), with_scores);
    }
    Ok(())
}

fn store(call: &mut Call, operation: Operation) -> Result {
    let request = Request::read(call, 2, operation, Purpose::Store)?;
    let inputs = request.inputs(call.server, call.session.db, call.args);
    let pairs = result(inputs, operation, request.options.aggregate, call.server.seed);
    let event = match operation {
        Operation::Union => "zunionstore",
        Operation::Intersection => "zinterstore",
        Operation::Difference => "zdiffstore",
    };
    call.store_sorted_set(call.args.at(1), &pairs, sorted_set_event(event));
    Ok(())
}

fn zintercard(call: &mut Call) -> Result {
    let request = Request::read(call, 1, Operation::Intersection, Purpose::Count)?;
    let mut inputs = request.inputs(call.server, call.session.db, call.args);
    inputs.sort_by_key(|input| input.source.len());
    let mut count = 0;
    intersect(&inputs, request.options.aggregate, |_, _| {
        count += 1;
        if count < request.options.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    call.reply.int(count as i64);
    Ok(())
}
