//! The server as a table of its promises: a sorted map, the simplest code that can be right.
//!
//! It is told what the client saw and answers with the states that could have shown that: the time a
//! command ran at is known only to lie between question and answer, so an expiry may have come or not.

mod bitmap;
mod generic;
mod hash;
mod hyperloglog;
mod list;
mod set;
mod sorted_set;
mod stream;
mod string;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::resp::Reply;
use value::{Value, WrongType};

pub type Key = Vec<u8>;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// One command with its arguments.
    Command(Vec<Vec<u8>>),
    /// MULTI, these commands, EXEC.
    Transaction {
        /// The keys its session watches: its outcome depends on them.
        watched: Vec<Key>,
        commands: Vec<Vec<Vec<u8>>>,
    },
    /// These commands as one script, which goes on after one that fails.
    Script(Vec<Vec<Vec<u8>>>),
    /// The server loses all it knows.
    Crash,
}

impl Call {
    /// A command without blanks in its arguments.
    pub fn command(words: &str) -> Self {
        Call::Command(words.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect())
    }

    /// What kind of call it is: its command and the types that its keys are for, or that it is several commands.
    pub fn kind(&self) -> String {
        match self {
            Call::Command(arguments) => {
                // Behind the group, see the workload.
                let letter = |key: &Key| key.split(|byte| *byte == b':').nth(1)?.first().copied();
                let letters: BTreeSet<char> =
                    keys(arguments).iter().filter_map(letter).map(char::from).collect();
                letters.iter().fold(name(arguments), |kind, letter| format!("{kind} {letter}"))
            }
            Call::Transaction { .. } => "EXEC".to_owned(),
            Call::Script(_) => "EVAL".to_owned(),
            Call::Crash => String::new(),
        }
    }

    /// The keys it names.
    pub fn keys(&self) -> Vec<Key> {
        match self {
            Call::Command(arguments) => keys(arguments),
            Call::Transaction { watched, commands } => {
                let named = commands.iter().flat_map(|command| keys(command));
                watched.iter().cloned().chain(named).collect()
            }
            Call::Script(commands) => commands.iter().flat_map(|command| keys(command)).collect(),
            Call::Crash => Vec::new(),
        }
    }

    /// Whether it can change nothing, so that losing its reply loses nothing.
    pub fn is_read(&self) -> bool {
        const READS: &[&str] = &[
            "GET",
            "MGET",
            "STRLEN",
            "GETRANGE",
            "EXISTS",
            "TYPE",
            "TTL",
            "PTTL",
            "EXPIRETIME",
            "PEXPIRETIME",
            "TOUCH",
            "PING",
            "HGET",
            "HMGET",
            "HGETALL",
            "HKEYS",
            "HVALS",
            "HLEN",
            "HEXISTS",
            "HSTRLEN",
            "HRANDFIELD",
            "LLEN",
            "LINDEX",
            "LRANGE",
            "SCARD",
            "SISMEMBER",
            "SMISMEMBER",
            "SMEMBERS",
            "SRANDMEMBER",
            "SINTER",
            "SUNION",
            "SDIFF",
            "SINTERCARD",
            "SUNIONCARD",
            "SDIFFCARD",
            "ZCARD",
            "ZSCORE",
            "ZRANK",
            "ZREVRANK",
            "ZCOUNT",
            "ZRANGE",
            "ZREVRANGE",
            "ZRANGEBYSCORE",
            "GETBIT",
            "BITCOUNT",
            "BITPOS",
            "BITFIELD_RO",
            "XLEN",
            "XRANGE",
            "XREVRANGE",
            "XREAD",
            "XPENDING",
        ];
        match self {
            Call::Command(arguments) => READS.contains(&name(arguments).as_str()),
            Call::Transaction { .. } | Call::Script(_) | Call::Crash => false,
        }
    }

    /// For how many seconds it waits for something to come, if it is a command that does.
    pub fn waits(&self) -> Option<f64> {
        let Call::Command(arguments) = self else { return None };
        if name(arguments).starts_with("XREAD") {
            return stream::option(arguments, "BLOCK").map(|ms| ms as f64 / 1e3);
        }
        let last = arguments.last().map(|timeout| String::from_utf8_lossy(timeout).into_owned());
        BLOCKING.contains(&name(arguments).as_str()).then(|| last?.parse().ok()).flatten()
    }
}

/// Commands whose last argument is how long they wait, in seconds.
const BLOCKING: &[&str] = &["BLPOP", "BRPOP", "BLMOVE", "BZPOPMIN", "BZPOPMAX"];

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn words(command: &[Vec<u8>]) -> String {
            let shown = command.iter().map(|word| match word.len() {
                0..60 => word.escape_ascii().to_string(),
                length => format!("{}...({length} bytes)", word[..20].escape_ascii()),
            });
            shown.collect::<Vec<_>>().join(" ")
        }
        match self {
            Call::Command(arguments) => f.write_str(&words(arguments)),
            Call::Transaction { commands, .. } => {
                let commands: Vec<_> = commands.iter().map(|command| words(command)).collect();
                write!(f, "MULTI {{ {} }} EXEC", commands.join("; "))
            }
            Call::Script(commands) => {
                let commands: Vec<_> = commands.iter().map(|command| words(command)).collect();
                write!(f, "a script {{ {} }}", commands.join("; "))
            }
            Call::Crash => f.write_str("the server crashes"),
        }
    }
}

fn name(arguments: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&arguments[0]).to_ascii_uppercase()
}

fn keys(arguments: &[Vec<u8>]) -> Vec<Key> {
    let rest = &arguments[1..];
    match name(arguments).as_str() {
        "MSET" | "MSETNX" => rest.iter().step_by(2).cloned().collect(),
        "MGET" | "DEL" | "UNLINK" | "EXISTS" | "TOUCH" | "WATCH" => rest.to_vec(),
        "PFCOUNT" | "PFMERGE" => rest.to_vec(),
        "BITOP" => rest[1..].to_vec(),
        "SINTER" | "SUNION" | "SDIFF" | "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => rest.to_vec(),
        "SINTERCARD" | "SUNIONCARD" | "SDIFFCARD" => rest[1..=argument(&rest[0]) as usize].to_vec(),
        "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" => rest[..rest.len() - 1].to_vec(),
        "RENAME" | "RENAMENX" | "COPY" | "SMOVE" | "RPOPLPUSH" | "LMOVE" | "BLMOVE" => rest[..2].to_vec(),
        "XREAD" | "XREADGROUP" | "XGROUP" => vec![stream::key(&name(arguments), rest).to_vec()],
        "PING" | "UNWATCH" | "FLUSHALL" => Vec::new(),
        _ => rest[..1].to_vec(),
    }
}

/// What the server's wall clock may have shown while a command ran, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    pub earliest: i64,
    pub latest: i64,
    /// The latest it has shown at any time before: a clock that went back leaves keys gone that it
    /// would now call alive.
    pub peak: i64,
}

/// A moment in milliseconds, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Between {
    low: i64,
    high: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    value: Value,
    expires: Option<Between>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Watch {
    /// With whether the key had expired already, but not been removed: its end is no change then.
    keys: BTreeMap<Key, bool>,
    /// One of them has changed.
    touched: bool,
}

/// All a server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    entries: BTreeMap<Key, Entry>,
    watches: BTreeMap<u32, Watch>,
    forgets: Forgets,
}

/// What the server may forget when its memory is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forgets {
    /// Its memory is never full.
    #[default]
    Nothing,
    /// Keys that expire, if any: if there are none, it refuses commands.
    Volatile,
    /// Any key.
    Anything,
}

/// What a command must have answered.
#[derive(Clone, Debug)]
enum Expected {
    Exactly(Reply),
    /// An integer between these, both included; what it tells about a key's expiry is not used.
    Int(i64, i64),
    Array(Vec<Expected>),
    /// These in any order.
    Unordered(Vec<Reply>),
    /// An array of these pairs one after the other, the pairs in any order.
    Pairs(Vec<(Reply, Reply)>),
    /// Any of these.
    OneOf(Vec<Reply>),
    /// An error that begins so.
    Error(&'static str),
}

impl Expected {
    /// Any of these, or nil if there is none.
    fn one_of(replies: Vec<Reply>) -> Self {
        if replies.is_empty() { Reply::Null.into() } else { Expected::OneOf(replies) }
    }

    fn admits(&self, seen: &Reply) -> bool {
        match (self, seen) {
            (Expected::Exactly(reply), seen) => reply == seen,
            (Expected::Int(low, high), Reply::Int(number)) => (low..=high).contains(&number),
            (Expected::Array(expected), Reply::Array(seen)) => {
                expected.len() == seen.len()
                    && expected.iter().zip(seen).all(|(expected, seen)| expected.admits(seen))
            }
            (Expected::Unordered(expected), Reply::Array(seen)) => {
                let (mut expected, mut seen) = (expected.clone(), seen.clone());
                expected.sort();
                seen.sort();
                expected == seen
            }
            (Expected::Pairs(expected), Reply::Array(seen)) if seen.len().is_multiple_of(2) => {
                let mut expected = expected.clone();
                let mut seen: Vec<_> =
                    seen.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
                expected.sort();
                seen.sort();
                expected == seen
            }
            (Expected::OneOf(replies), seen) => replies.contains(seen),
            (Expected::Error(start), Reply::Error(text)) => text.starts_with(start.as_bytes()),
            _ => false,
        }
    }
}

impl Expected {
    /// What is left of it when a script has had it: Lua's numbers are doubles.
    fn through_lua(self) -> Self {
        match self {
            Expected::Exactly(Reply::Int(number)) => Expected::from(number as f64 as i64),
            Expected::Array(items) => Expected::Array(items.into_iter().map(Self::through_lua).collect()),
            other => other,
        }
    }
}

impl From<Reply> for Expected {
    fn from(reply: Reply) -> Self {
        Expected::Exactly(reply)
    }
}

impl From<i64> for Expected {
    fn from(number: i64) -> Self {
        Expected::Exactly(Reply::Int(number))
    }
}

impl From<bool> for Expected {
    fn from(yes: bool) -> Self {
        i64::from(yes).into()
    }
}

impl From<Option<Vec<u8>>> for Expected {
    fn from(value: Option<Vec<u8>>) -> Self {
        Expected::Exactly(value.map_or(Reply::Null, Reply::Bulk))
    }
}

impl State {
    /// An empty server.
    pub fn of(forgets: Forgets) -> Self {
        State { forgets, ..State::default() }
    }

    /// The states after a call that was answered by `seen`, or not at all. None: a right server could
    /// not have answered that.
    pub fn after(&self, session: u32, call: &Call, at: Moment, seen: Option<&Reply>) -> Vec<State> {
        let mut outcomes = Vec::new();
        match call {
            Call::Command(arguments) if name(arguments) == "WATCH" => {
                outcomes = self.watch(session, &arguments[1..], at);
            }
            Call::Command(_) if self.may_refuse(seen) => return vec![self.clone()],
            Call::Command(arguments) => {
                for state in self.as_of(&call.keys(), at) {
                    outcomes.extend(state.apply(session, arguments, at));
                }
                outcomes.extend(self.ended_early(session, arguments, at));
                if seen.is_none() && self.forgets == Forgets::Volatile {
                    // It may have been refused, for what the client knows.
                    outcomes.push((self.clone(), Reply::Null.into()));
                }
            }
            Call::Transaction { commands, .. } => {
                for state in self.ready(session, at) {
                    outcomes.extend(state.transaction(session, commands, at));
                }
            }
            Call::Script(commands) => {
                let all = self.all(session, commands, at).into_iter();
                outcomes = all.map(|(state, expected)| (state, expected.through_lua())).collect();
            }
            Call::Crash => outcomes.push((State::of(self.forgets), Reply::ok().into())),
        }
        let admitted =
            outcomes.into_iter().filter(|(_, expected)| seen.is_none_or(|seen| expected.admits(seen)));
        admitted.map(|(state, _)| state).collect()
    }

    /// Whether a reply says that there is no memory for a command, and may.
    fn may_refuse(&self, seen: Option<&Reply>) -> bool {
        self.forgets == Forgets::Volatile
            && matches!(seen, Some(Reply::Error(text)) if text.starts_with(b"OOM "))
    }

    /// Whether a key may be alive and may be gone by itself; nothing if it must be alive.
    fn doubt(&self, key: &[u8], at: Moment) -> Option<(bool, bool)> {
        let entry = self.entries.get(key)?;
        let evicted = match self.forgets {
            Forgets::Nothing => false,
            Forgets::Volatile => entry.expires.is_some(),
            Forgets::Anything => true,
        };
        let Some(expires) = entry.expires else { return evicted.then_some((true, true)) };
        // A key is gone once the clock shows more than its expiry.
        Some((at.earliest <= expires.high, evicted || at.peak > expires.low))
    }

    /// Begins to watch keys. Those that have expired are not removed by that.
    fn watch(&self, session: u32, keys: &[Key], at: Moment) -> Vec<(State, Expected)> {
        let mut states = vec![self.clone()];
        for key in keys {
            let (may_live, may_be_gone) = self.doubt(key, at).unwrap_or((true, false));
            let with = |expired: bool| {
                states.iter().map(move |state| {
                    let mut state = state.clone();
                    state.watches.entry(session).or_default().keys.entry(key.clone()).or_insert(expired);
                    state
                })
            };
            let alive: Vec<State> = with(false).filter(|_| may_live).collect();
            let gone: Vec<State> = with(true).filter(|_| may_be_gone).collect();
            states = [alive, gone].concat();
        }
        states.into_iter().map(|state| (state, Reply::ok().into())).collect()
    }

    /// The states in which EXEC may find what its session watches.
    fn ready(&self, session: u32, at: Moment) -> Vec<State> {
        let Some(watch) = self.watches.get(&session) else { return vec![self.clone()] };
        let unexpired = watch.keys.iter().filter(|(_, expired)| !**expired);
        let doubts: Vec<_> = unexpired.filter_map(|(key, _)| self.doubt(key, at)).collect();
        let mut states = Vec::new();
        if doubts.iter().all(|(may_live, _)| *may_live) {
            states.push(self.clone());
        }
        if doubts.iter().any(|(_, may_be_gone)| *may_be_gone) {
            let mut touched = self.clone();
            touched.watches.entry(session).or_default().touched = true;
            states.push(touched);
        }
        states
    }

    /// The states this may be in at a moment, as far as keys can tell that are looked at: each has
    /// expired, and is removed, or has not.
    fn as_of(&self, keys: &[Key], at: Moment) -> Vec<State> {
        let mut states = vec![self.clone()];
        for key in keys.iter().collect::<BTreeSet<_>>() {
            let Some((may_live, may_be_gone)) = self.doubt(key, at) else { continue };
            let alive = if may_live { states.clone() } else { Vec::new() };
            if may_be_gone {
                states.iter_mut().for_each(|state| state.remove_expired(key));
            } else {
                states.clear();
            }
            states.extend(alive);
        }
        states
    }

    /// What a command may lead to that ends at the first key that is there. Those behind it have perhaps expired, but
    /// nobody has looked: if the clock goes back, they are alive again.
    fn ended_early(&self, session: u32, arguments: &[Vec<u8>], at: Moment) -> Vec<(State, Expected)> {
        let (width, behind) = match name(arguments).as_str() {
            "MSETNX" => (2, 0),
            "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" => (1, 1),
            _ => return Vec::new(),
        };
        let named = keys(arguments);
        let may_be_gone = |key: &Key| self.doubt(key, at).is_some_and(|(_, gone)| gone);
        let places = (1..named.len()).filter(|count| named[*count..].iter().any(may_be_gone));
        let ends = places.flat_map(|count| {
            let mut looked = arguments[..=count * width].to_vec();
            looked.extend_from_slice(&arguments[arguments.len() - behind..]);
            let states = self.as_of(&named[..count], at).into_iter();
            let ends = |state: &State| {
                named[..count].iter().position(|key| state.entries.contains_key(key)) == Some(count - 1)
            };
            states.filter(ends).flat_map(|state| state.apply(session, &looked, at)).collect::<Vec<_>>()
        });
        ends.collect()
    }

    fn transaction(&self, session: u32, commands: &[Vec<Vec<u8>>], at: Moment) -> Vec<(State, Expected)> {
        let mut unwatched = self.clone();
        if unwatched.watches.remove(&session).is_some_and(|watch| watch.touched) {
            return vec![(unwatched, Reply::Null.into())];
        }
        unwatched.all(session, commands, at)
    }

    /// The states that commands may lead to between which nothing else happens.
    fn all(&self, session: u32, commands: &[Vec<Vec<u8>>], at: Moment) -> Vec<(State, Expected)> {
        let named: Vec<Key> = commands.iter().flat_map(|command| keys(command)).collect();
        let run = |state: State| {
            let begun = vec![(state, Vec::new())];
            commands.iter().fold(begun, |reached, command| {
                let then = |(state, replies): (State, Vec<Expected>)| {
                    let outcomes = state.apply(session, command, at).into_iter();
                    outcomes
                        .map(|(state, reply)| {
                            let mut replies = replies.clone();
                            replies.push(reply);
                            (state, replies)
                        })
                        .collect::<Vec<_>>()
                };
                reached.into_iter().flat_map(then).collect()
            })
        };
        let ends = self.as_of(&named, at).into_iter().flat_map(run);
        ends.map(|(state, replies)| (state, Expected::Array(replies))).collect()
    }

    /// The states a command may lead to, each with its reply: more than one where chance decides.
    fn apply(&self, session: u32, arguments: &[Vec<u8>], at: Moment) -> Vec<(State, Expected)> {
        let (name, rest) = (name(arguments), &arguments[1..]);
        let mut state = self.clone();
        let outcome = match name.as_str() {
            "UNWATCH" => {
                state.watches.remove(&session);
                Ok(Reply::ok().into())
            }
            "PING" => Ok(Reply::Status(b"PONG".to_vec()).into()),
            "SPOP" => match self.spop(&rest[0]) {
                Ok(outcomes) => return outcomes,
                Err(wrong_type) => Err(wrong_type),
            },
            _ => state.certain(&name, rest, at),
        };
        match outcome {
            Ok(expected) if name == "XREADGROUP" && self.may_have_waited(rest) => {
                vec![(state, expected), (self.clone(), Reply::Null.into())]
            }
            Ok(expected) => vec![(state, expected)],
            Err(wrong_type) => {
                let mut outcomes = vec![(self.clone(), Reply::from(wrong_type).into())];
                let waits = BLOCKING.contains(&name.as_str()) || stream::option(rest, "BLOCK").is_some();
                if waits && name != "XREADGROUP" && self.has_nothing_for(&name, rest) {
                    // It began to wait when there was no such key.
                    outcomes.push((self.clone(), Reply::Null.into()));
                }
                outcomes
            }
        }
    }

    /// Whether none of the keys has what a blocking command waits for. Of a key of another type it waits
    /// for the end.
    fn has_nothing_for(&self, name: &str, rest: &[Vec<u8>]) -> bool {
        if name == "XREAD" {
            return true;
        }
        let sources = if name == "BLMOVE" { &rest[..1] } else { &rest[..rest.len() - 1] };
        sources.iter().all(|key| match self.entries.get(key).map(|entry| &entry.value) {
            Some(Value::List(_)) => name.starts_with("BZ"),
            Some(Value::SortedSet(_)) => !name.starts_with("BZ"),
            _ => true,
        })
    }

    /// What a command that leaves nothing to chance does and answers.
    fn certain(&mut self, name: &str, rest: &[Vec<u8>], at: Moment) -> Result<Expected, WrongType> {
        if let Some(expected) = self.string(name, rest, at)? {
            return Ok(expected);
        }
        if let Some(expected) = self.bitmap(name, rest)? {
            return Ok(expected);
        }
        if let Some(expected) = self.hyperloglog(name, rest)? {
            return Ok(expected);
        }
        if let Some(expected) = self.list(name, rest)? {
            return Ok(expected);
        }
        if let Some(expected) = self.hash(name, rest)? {
            return Ok(expected);
        }
        if let Some(expected) = self.set_command(name, rest)? {
            return Ok(expected);
        }
        if let Some(expected) = self.sorted_set(name, rest)? {
            return Ok(expected);
        }
        if let Some(expected) = self.stream(name, rest)? {
            return Ok(expected);
        }
        Ok(self.generic(name, rest, at).unwrap_or_else(|| panic!("the model does not know {name}")))
    }

    // ---- the table

    fn put(&mut self, key: &[u8], value: Value, expires: Option<Between>) {
        self.entries.insert(key.to_vec(), Entry { value, expires });
        self.touch(key);
    }

    fn put_string(&mut self, key: &[u8], value: Vec<u8>, expires: Option<Between>) {
        self.put(key, Value::String(value.into()), expires);
    }

    fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let removed = self.entries.remove(key);
        if removed.is_some() {
            self.touch(key);
        }
        removed
    }

    /// Removes a key that has expired.
    fn remove_expired(&mut self, key: &[u8]) {
        self.entries.remove(key);
        for watch in self.watches.values_mut() {
            match watch.keys.get_mut(key) {
                Some(expired) if *expired => *expired = false,
                Some(_) => watch.touched = true,
                None => {}
            }
        }
    }

    /// Tells the transactions that watch a key that it has changed.
    fn touch(&mut self, key: &[u8]) {
        for watch in self.watches.values_mut() {
            watch.touched |= watch.keys.contains_key(key);
        }
    }
}

impl Between {
    /// `milliseconds` after a moment.
    fn after(at: Moment, milliseconds: i64) -> Self {
        Between { low: at.earliest + milliseconds, high: at.latest + milliseconds }
    }

    fn exactly(milliseconds: i64) -> Self {
        Between { low: milliseconds, high: milliseconds }
    }
}

/// An integer as the server reads it: no blanks, no plus, no leading zeros.
fn integer(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

/// An argument that the workload made to be a number.
fn argument(text: &[u8]) -> i64 {
    integer(text).expect("workloads write valid numbers")
}

#[cfg(test)]
mod tests;
