//! Calls made from the grammar in the rows, valid and broken: property tests, fuzz targets and the
//! simulator draw their commands here, so there is no second list of what a command takes.
//!
//! It stands beside the rows, below all who use it; a server that does not call it does not link it.

use super::{Command, GROUPS};
use crate::engine::rng::Rng;
use crate::engine::spec::{Arg, ArgKind};
use std::collections::BTreeSet;

/// Where decisions come from: a generator of chance, or the bytes a fuzzer made up.
pub trait Choice {
    /// A number in `0..n`; `n` is not 0.
    fn below(&mut self, n: u64) -> u64;
}

impl Choice for Rng {
    fn below(&mut self, n: u64) -> u64 {
        Rng::below(self, n)
    }
}

/// Decisions read from bytes; once they are used up, each is the first of its kind, so that whatever is
/// being made ends soon.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    /// Whether all bytes were used.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Choice for Bytes<'_> {
    fn below(&mut self, n: u64) -> u64 {
        let width = if n <= 1 << 8 { 1 } else { 8 };
        let (now, later) = self.0.split_at(self.0.len().min(width));
        self.0 = later;
        now.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) % n.max(1)
    }
}

/// A request: the command's name, that of the subcommand if there is one, the arguments.
pub type Request = Vec<Vec<u8>>;

/// Keys: few, so that commands meet.
const KEYS: [&[u8]; 10] = [
    b"k0",
    b"k1",
    b"k2",
    b"k3",
    b"{tag}a",
    b"{tag}b",
    b"",
    b"\0\xff key",
    b"a key of more than sixty-four bytes, which no longer fits in a single cache line",
    b"9",
];
const PATTERNS: [&[u8]; 8] = [b"*", b"k*", b"k?", b"k[0-1]", b"c0", b"[^k]*", b"", b"\\*"];
const CHANNELS: [&[u8]; 4] = [b"c0", b"c1", b"{tag}c", b""];

/// Whole numbers around every threshold. None lies between 100,000 and 2^29, which as an offset or a
/// count would be allowed and cost much.
const INTEGERS: [i64; 24] = [
    1,
    0,
    2,
    -1,
    3,
    5,
    10,
    -10,
    44,
    64,
    100,
    128,
    1000,
    65_535,
    100_000,
    1 << 31,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 32,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
    i64::MAX / 1000,
    i64::MAX / 1000 + 1,
];
const DOUBLES: [&str; 16] = [
    "0.5",
    "1",
    "-1.5",
    "0",
    "-0",
    "3.0e3",
    "1e17",
    "1e-17",
    "0.1",
    "1e300",
    "-1e300",
    "1e4000",
    "inf",
    "-inf",
    "nan",
    "9007199254740993",
];
/// Unix times in seconds: long gone, in 2023 where tests begin, far away, too far.
const TIMES: [i64; 8] =
    [4_102_444_800, 1, 1_700_000_000, 1_700_000_001, 1_700_000_100, 0, -1, 9_223_372_036_854_776];
const TYPES: [&str; 7] = ["string", "list", "set", "zset", "hash", "stream", "nonsense"];
const PARAMETERS: [&str; 12] = [
    "maxmemory-samples",
    "hz",
    "notify-keyspace-events",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-expire",
    "maxmemory-policy",
    "lfu-log-factor",
    "slowlog-max-len",
    "slowlog-log-slower-than",
    "latency-tracking",
    "client-output-buffer-limit",
    "*",
];
/// Types of BITFIELD's integers, the last of them too wide.
const INTEGER_TYPES: [&str; 8] = ["u8", "i8", "u1", "i1", "i13", "u63", "i64", "u64"];
/// The last two are HyperLogLogs, an empty one and a corrupt one.
const TEXTS: [&[u8]; 6] = [
    b"a",
    b"b",
    b"yes",
    b"KEA",
    b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff",
    b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x84\x7f\xff",
];
/// Lengths at which the inside changes: embedded or not (44), inline or not (1024).
const LENGTHS: [usize; 6] = [44, 45, 1024, 1025, 1, 4096];

/// All commands and subcommands that can be called: containers alone cannot.
pub fn rows() -> impl Iterator<Item = &'static Command> {
    let all = || GROUPS.iter().flat_map(|group| group.iter()).flat_map(|topic| topic.iter());
    let containers: BTreeSet<&str> = all().filter_map(|row| row.parent).collect();
    all().filter(move |row| row.parent.is_some() || !containers.contains(row.name))
}

/// A call that fits the grammar. It may still fail: a key may hold another type, a number be out of
/// range.
pub fn valid(row: &Command, choice: &mut dyn Choice) -> Request {
    let mut call = Generator { request: Vec::new(), counts: Vec::new(), keys: 0, choice };
    for name in row.parent.into_iter().chain([row.name]) {
        call.word(name);
    }
    call.sequence(row.args);
    call.request
}

/// A call with something wrong in its arguments, mostly: a change may happen to fit.
pub fn broken(row: &Command, choice: &mut dyn Choice) -> Request {
    let mut request = valid(row, choice);
    for _ in 0..=choice.below(2) {
        damage(&mut request, choice);
    }
    request
}

/// A request as clients send it.
pub fn encode(request: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", request.len()).into_bytes();
    for argument in request {
        out.extend(format!("${}\r\n", argument.len()).bytes());
        out.extend(argument);
        out.extend(b"\r\n");
    }
    out
}

fn pick<'a, T>(all: &'a [T], choice: &mut dyn Choice) -> &'a T {
    &all[choice.below(all.len() as u64) as usize]
}

fn damage(request: &mut Request, choice: &mut dyn Choice) {
    let place = |request: &Request, choice: &mut dyn Choice| {
        // The name stays, or it would be another command.
        (request.len() > 1).then(|| 1 + choice.below(request.len() as u64 - 1) as usize)
    };
    match (place(request, choice), choice.below(7)) {
        (Some(at), 0) => drop(request.remove(at)),
        (Some(at), 1) => request.insert(at, request[at].clone()),
        (Some(at), 2) => {
            let other = place(request, choice).unwrap_or(at);
            request.swap(at, other);
        }
        (Some(at), 3) => request[at] = vec![b'x'; 20_000],
        (Some(at), 4) => request[at] = pick(&DOUBLES, choice).as_bytes().into(),
        (Some(at), 5) => request[at] = text(choice),
        (Some(at), _) => request.truncate(at),
        (None, _) => request.push(text(choice)),
    }
}

/// Any bytes.
fn text(choice: &mut dyn Choice) -> Vec<u8> {
    match choice.below(9) {
        0 => (*pick(&TEXTS, choice)).into(),
        1 => choice.below(10).to_string().into(),
        2 => pick(&INTEGERS, choice).to_string().into(),
        3 => pick(&DOUBLES, choice).as_bytes().into(),
        4 => vec![b'a' + choice.below(26) as u8; *pick(&LENGTHS, choice)],
        5 => Vec::new(),
        6 => b"\0\xff\r\n\"".into(),
        7 => i128::from(i64::MAX).saturating_add(1).to_string().into(),
        _ => (0..choice.below(20)).map(|_| choice.below(256) as u8).collect(),
    }
}

/// A call being made.
struct Generator<'a> {
    request: Request,
    /// Arguments that say how many of something follow; the number is known afterwards.
    counts: Vec<usize>,
    /// How many keys there are, for the weights of each.
    keys: u64,
    choice: &'a mut dyn Choice,
}

impl Generator<'_> {
    fn below(&mut self, n: u64) -> u64 {
        self.choice.below(n)
    }

    /// A keyword, in either case.
    fn word(&mut self, word: &str) {
        let word = if self.below(4) == 0 { word.to_lowercase() } else { word.to_owned() };
        self.request.push(word.into());
    }

    /// Arguments in order. Options that begin with a keyword may come in any order among themselves.
    fn sequence(&mut self, args: &[Arg]) {
        let mut rest = args;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|arg| arg.optional && begins_with_keyword(arg)).count();
            let (now, later) = rest.split_at(run.max(1));
            rest = later;
            if run < 2 {
                self.perhaps(first);
                continue;
            }
            let start = self.below(run as u64) as usize;
            now.iter().cycle().skip(start).take(run).for_each(|arg| self.perhaps(arg));
        }
    }

    fn perhaps(&mut self, arg: &Arg) {
        if !arg.optional || self.below(3) == 0 {
            self.argument(arg);
        }
    }

    fn argument(&mut self, arg: &Arg) {
        if arg.kind == ArgKind::PureToken {
            return self.word(arg.token);
        }
        let times = match arg.name {
            "weight" => self.keys,
            _ if arg.multiple => 1 + self.below(3),
            _ => 1,
        };
        if arg.multiple
            && let Some(at) = self.counts.pop()
        {
            self.request[at] = times.to_string().into();
            self.keys = times;
        }
        for time in 0..times {
            if !arg.token.is_empty() && (time == 0 || arg.multiple_token) {
                self.word(arg.token);
            }
            match arg.kind {
                ArgKind::Block => self.sequence(arg.args),
                ArgKind::OneOf => {
                    let which = self.below(arg.args.len() as u64) as usize;
                    self.argument(&arg.args[which]);
                }
                _ => self.value(arg),
            }
        }
    }

    fn value(&mut self, arg: &Arg) {
        let choice = &mut *self.choice;
        let value: Vec<u8> = match arg.kind {
            ArgKind::Key(_) => (*pick(&KEYS, choice)).into(),
            ArgKind::Pattern | ArgKind::KeyPattern(_) => (*pick(&PATTERNS, choice)).into(),
            ArgKind::Double => pick(&DOUBLES, choice).as_bytes().into(),
            ArgKind::UnixTime => {
                let seconds = *pick(&TIMES, choice);
                let factor = if arg.name.contains("milli") { 1000 } else { 1 };
                seconds.saturating_mul(factor).to_string().into()
            }
            ArgKind::Integer => {
                if matches!(arg.name, "numkeys" | "numfields") {
                    self.counts.push(self.request.len());
                }
                let number = integer(arg.name, choice).to_string();
                let counts_fields = arg.name == "offset" && self.request[0].starts_with(b"BITFIELD");
                if counts_fields && choice.below(4) == 0 {
                    format!("#{number}").into()
                } else {
                    number.into()
                }
            }
            _ => string(arg.name, choice),
        };
        self.request.push(value);
    }
}

fn begins_with_keyword(arg: &Arg) -> bool {
    !arg.token.is_empty()
        || arg.kind == ArgKind::OneOf && arg.args.iter().all(begins_with_keyword)
        || arg.kind == ArgKind::Block && arg.args.first().is_some_and(begins_with_keyword)
}

/// A number that suits an argument of that name.
fn integer(name: &str, choice: &mut dyn Choice) -> i64 {
    match name {
        "protover" => 2 + choice.below(2) as i64,
        "client-id" | "clientid" => choice.below(6) as i64,
        "index" | "index1" | "index2" | "db" | "destination-db" => choice.below(17) as i64,
        "cursor" => *pick(&[0, 0, 0, 1, 1 << 40], choice),
        // As an offset of bits, gigabits would be allowed and cost much.
        "offset" => Some(*pick(&INTEGERS, choice)).filter(|n| !(1 << 20..1 << 32).contains(n)).unwrap_or(7),
        // Below 1 it is no count: SCAN calls that a syntax error.
        "count" => (*pick(&INTEGERS, choice)).max(1),
        _ if choice.below(2) == 0 => choice.below(12) as i64,
        _ => *pick(&INTEGERS, choice),
    }
}

/// Bytes that suit an argument of that name: COMMAND DOCS calls many a thing a string.
fn string(name: &str, choice: &mut dyn Choice) -> Vec<u8> {
    match name {
        "channel" | "shardchannel" => (*pick(&CHANNELS, choice)).into(),
        "type" => pick(&TYPES, choice).as_bytes().into(),
        "encoding" => pick(&INTEGER_TYPES, choice).as_bytes().into(),
        "parameter" => pick(&PARAMETERS, choice).as_bytes().into(),
        "command" | "command-name" | "subcommand" => {
            let all: Vec<_> = rows().collect();
            pick(&all, choice).name.as_bytes().into()
        }
        "lowerbound" | "upperbound" if choice.below(2) == 0 => {
            (choice.below(20) as i64 - 10).to_string().into()
        }
        "lowerbound" | "upperbound" => pick(&INTEGERS, choice).to_string().into(),
        _ if name.ends_with("digest") => {
            let digit = b'0' + choice.below(10) as u8;
            vec![digit; if choice.below(8) == 0 { 15 } else { 16 }]
        }
        _ => text(choice),
    }
}

#[cfg(test)]
mod tests;
