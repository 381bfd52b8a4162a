//! What writing clients ask for: commands of every type on keys of their own.
//!
//! A scenario has them as calls, with a few words of its own: SELECT is followed by the commands of one of a client's two
//! databases (without it they go to the first), SWAPDB swaps these two, INCR counts a counter of the client's own in a
//! database that all share, and a moment `+N` is N milliseconds after the command is sent.

use std::collections::BTreeSet;

use seedis::runtime::simulation::Draws;

use super::data::{self, Bytes, Data, SHARED, Words};
use super::plan::Plan;
use crate::model::Call;

/// Commands of one client that happen together or not at all, each in a database of that client.
#[derive(Clone, Debug)]
pub struct Unit {
    pub commands: Vec<(usize, Words)>,
    pub frame: Frame,
}

/// What makes one of several commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// There is one only.
    None,
    Transaction,
    Script,
}

impl Unit {
    pub fn run(&self, data: &mut Data) {
        self.commands.iter().for_each(|(database, words)| data.run(*database, words));
    }

    /// Whether one of its commands names a key of a database.
    pub fn names(&self, database: usize, key: &Bytes) -> bool {
        self.commands.iter().any(|(of, words)| *of == database && words[1..].contains(key))
    }
}

/// The number that the server knows a client's database by.
pub fn number(client: usize, database: usize) -> usize {
    if database == SHARED { SHARED } else { 2 * client + database }
}

/// The key in the shared database that a client counts up, and that others look at.
pub fn counter(client: usize) -> Bytes {
    format!("seq:{client}").into_bytes()
}

/// Asks whether all that a client wrote is on the disk.
pub const WAIT: &str = "WAITAOF 1 0 3000";

/// Milliseconds after which no world lives any more: what ends later is there to the end.
const LONG_MS: i64 = 3_600_000;

/// What a client asks for.
pub enum Asked {
    Unit(Unit),
    /// Whether all that it wrote is on the disk.
    Durability,
}

/// What some calls ask for, with moments counted from `now_ms`.
pub fn asked(client: usize, calls: &[Call], now_ms: i64) -> Vec<Asked> {
    let mut reader = Reader { client, now_ms, database: SHARED + 1, commands: Vec::new() };
    let mut asked = Vec::new();
    for call in calls {
        let frame = match call {
            Call::Command(words) if words[0] == b"WAITAOF" => {
                asked.push(Asked::Durability);
                continue;
            }
            Call::Command(_) => Frame::None,
            Call::Transaction { .. } => Frame::Transaction,
            Call::Script(_) => Frame::Script,
            Call::Crash => continue,
        };
        commands(call).into_iter().for_each(|words| reader.command(words));
        let commands = std::mem::take(&mut reader.commands);
        // SELECT alone is none.
        if !commands.is_empty() {
            asked.push(Asked::Unit(Unit { commands, frame }));
        }
    }
    asked
}

struct Reader {
    client: usize,
    now_ms: i64,
    /// Which one the next commands are for.
    database: usize,
    commands: Vec<(usize, Words)>,
}

impl Reader {
    fn command(&mut self, words: &Words) {
        match words[0].as_slice() {
            b"SELECT" => self.database = if words[1] == b"2" { SHARED + 2 } else { SHARED + 1 },
            b"SWAPDB" => {
                let numbers = [1, 2].map(|database| number(self.client, database).to_string());
                self.commands.push((self.database, self::words(&format!("SWAPDB {}", numbers.join(" ")))));
            }
            b"INCR" => self.commands.push((SHARED, vec![b"INCR".to_vec(), counter(self.client)])),
            b"FLUSHALL" => self.commands.push((SHARED, words.clone())),
            _ => {
                let words = words.iter().map(|word| self.moment(word)).collect();
                self.commands.push((self.database, words));
            }
        }
    }

    fn moment(&self, word: &Bytes) -> Bytes {
        until(word).map_or_else(|| word.clone(), |ms| (self.now_ms + ms).to_string().into_bytes())
    }
}

/// After how many milliseconds a moment `+N` comes.
fn until(word: &Bytes) -> Option<i64> {
    let digits = std::str::from_utf8(word.strip_prefix(b"+")?).ok()?;
    digits.parse::<u32>().ok().map(i64::from)
}

/// All keys of a client's databases of its own that it ever writes.
pub fn keys<'a>(calls: impl Iterator<Item = &'a Call>) -> Vec<Bytes> {
    let mut keys = BTreeSet::new();
    for words in calls.flat_map(commands) {
        match words[0].as_slice() {
            b"INCR" => {}
            b"MSET" => keys.extend(words[1..].iter().step_by(2).cloned()),
            b"RENAME" | b"COPY" => keys.extend(words[1..3].iter().cloned()),
            name => keys.extend(words.get(1).filter(|_| key_letters(name).is_some()).cloned()),
        }
    }
    keys.into_iter().collect()
}

fn commands(call: &Call) -> Vec<&Words> {
    match call {
        Call::Command(words) => vec![words],
        Call::Transaction { commands, .. } | Call::Script(commands) => commands.iter().collect(),
        Call::Crash => Vec::new(),
    }
}

// ---- what may be written

/// The letters with which keys of a command begin, which say their types; nothing if it has no key.
fn key_letters(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        b"SET" => "spv",
        b"APPEND" | b"MSET" => "sp",
        b"RPUSH" | b"LPUSH" | b"LPOP" => "l",
        b"HSET" | b"HDEL" => "h",
        b"SADD" | b"SREM" => "S",
        b"ZADD" | b"ZREM" => "z",
        b"XADD" => "x",
        b"RENAME" | b"COPY" | b"PEXPIREAT" | b"PERSIST" => "slhSzxp",
        b"DEL" | b"UNLINK" => "slhSzxpv",
        _ => return None,
    })
}

/// Whether a command has as many arguments as it needs.
fn is_long_enough(name: &[u8], arguments: usize) -> bool {
    match name {
        b"FLUSHALL" => arguments == 0,
        b"FLUSHDB" => arguments <= 1,
        b"INCR" | b"SELECT" | b"DEL" | b"UNLINK" | b"PERSIST" | b"LPOP" => arguments == 1,
        b"SWAPDB" | b"RENAME" | b"PEXPIREAT" | b"APPEND" => arguments == 2,
        b"WAITAOF" | b"COPY" => arguments == 3,
        b"SET" => arguments == 2 || arguments == 4,
        b"MSET" => arguments >= 2 && arguments.is_multiple_of(2),
        b"HSET" | b"ZADD" => arguments >= 3 && arguments % 2 == 1,
        b"XADD" => arguments >= 4 && arguments.is_multiple_of(2),
        b"RPUSH" | b"LPUSH" | b"HDEL" | b"SADD" | b"SREM" | b"ZREM" => arguments >= 2,
        _ => false,
    }
}

/// What is wrong with calls that a file has a client send: what the model of files does not know.
pub fn check(calls: &[Call]) -> Result<(), String> {
    for call in calls {
        commands(call).into_iter().try_for_each(check_command)?;
        let waits = |words: &&Words| words[0] == b"WAITAOF";
        if !matches!(call, Call::Command(_)) && commands(call).iter().any(waits) {
            return Err("WAITAOF stands neither in a transaction nor in a script".to_owned());
        }
    }
    Ok(())
}

/// Whether calls empty the databases of all clients.
pub fn flushes_all(calls: &[Call]) -> bool {
    calls.iter().flat_map(commands).any(|words| words[0] == b"FLUSHALL")
}

fn check_command(words: &Words) -> Result<(), String> {
    let shown = |word: &[u8]| word.escape_ascii().to_string();
    let (name, arguments) = (words[0].as_slice(), &words[1..]);
    let count = arguments.len();
    if !is_long_enough(name, count) {
        let s = if count == 1 { "" } else { "s" };
        return Err(format!("no client sends {} with {count} argument{s}", shown(name)));
    }
    let mut keys: Vec<&Bytes> = match (name, key_letters(name)) {
        (b"MSET", _) => arguments.iter().step_by(2).collect(),
        (b"RENAME" | b"COPY", _) => arguments[..2].iter().collect(),
        (b"INCR", _) | (_, Some(_)) => vec![&arguments[0]],
        (_, None) => Vec::new(),
    };
    let letters = key_letters(name).unwrap_or_default().as_bytes();
    // What is moved stays of its type.
    let moves = matches!(name, b"RENAME" | b"COPY");
    let first = keys.first().and_then(|key| key.first().copied());
    keys.retain(|key| match key.first() {
        _ if name == b"INCR" => *key != b"seq",
        Some(letter) => !letters.contains(letter) || (moves && Some(*letter) != first),
        None => true,
    });
    if let Some(key) = keys.first() {
        return Err(format!("\"{}\" is no key for {}", shown(key), shown(name)));
    }
    match (0..count).find(|&at| !is_understood(name, at, arguments)) {
        Some(at) => Err(format!("\"{}\" is no argument for {}", shown(&arguments[at]), shown(name))),
        None => Ok(()),
    }
}

/// Whether the model of files knows what an argument at a place means, if it is neither key nor value.
fn is_understood(name: &[u8], at: usize, arguments: &[Bytes]) -> bool {
    let word = &arguments[at];
    let is_one_of = |known: &[&[u8]]| known.contains(&word.as_slice());
    match (name, at) {
        (b"SELECT", 0) => is_one_of(&[b"1", b"2"]),
        (b"SWAPDB", _) => is_one_of(&[b"1", b"2"]) && arguments[0] != arguments[1],
        (b"FLUSHDB", 0) => is_one_of(&[b"ASYNC", b"SYNC"]),
        (b"WAITAOF", _) => words(WAIT)[at + 1] == *word,
        (b"COPY", 2) => is_one_of(&[b"REPLACE"]),
        (b"SET", 2) => is_one_of(&[b"PXAT"]),
        (b"SET", 3) | (b"PEXPIREAT", 1) => {
            until(word).is_some_and(|ms| ms >= LONG_MS || data::is_volatile(&arguments[0]))
        }
        (b"ZADD", at) if at % 2 == 1 => is_score(word),
        (b"XADD", 1) => data::id(word).is_some_and(|id| id > (0, 0)),
        _ => true,
    }
}

/// Whether a score is a whole number that a float holds.
fn is_score(word: &[u8]) -> bool {
    let score = std::str::from_utf8(word).ok().and_then(|text| text.parse::<i64>().ok());
    score.is_some_and(|score| score.abs() < 1 << 53)
}

// ---- chance

/// A source of units.
pub struct Workload {
    draws: Draws,
    plan: Plan,
    /// Makes every value the only one of its kind.
    unique: u64,
    /// Keys that are still to be put there, before all else.
    unfilled: u64,
}

impl Workload {
    pub fn new(seed: u64, client: usize, plan: &Plan) -> Self {
        let draws = Draws::named(seed, &format!("writes of client {client}"));
        Self { draws, plan: plan.clone(), unique: 0, unfilled: plan.prefilled }
    }

    pub fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    /// The keys that were put there first are again: of what a flush left a snapshot has little to say.
    pub fn refill(&mut self) {
        self.unfilled = self.plan.prefilled;
    }

    /// So many units, as a scenario has them.
    pub fn batch(&mut self, count: u64) -> Vec<Call> {
        let (mut calls, mut selected) = (Vec::new(), SHARED + 1);
        for _ in 0..count {
            let Unit { commands, frame } = self.unit();
            let mut inner = Vec::new();
            for (database, command) in commands {
                if database != SHARED && std::mem::replace(&mut selected, database) != database {
                    inner.push(words(&format!("SELECT {database}")));
                }
                inner.push(command);
            }
            match frame {
                Frame::None => calls.extend(inner.into_iter().map(Call::Command)),
                Frame::Transaction => {
                    calls.push(Call::Transaction { watched: Vec::new(), commands: inner });
                }
                Frame::Script => calls.push(Call::Script(inner)),
            }
        }
        calls
    }

    fn unit(&mut self) -> Unit {
        if self.unfilled > 0 {
            return self.prefill();
        }
        if self.plan.clients == 1 && self.draws.chance(3_000) {
            return Unit { commands: vec![(SHARED, words("FLUSHALL"))], frame: Frame::None };
        }
        let frame = match self.draws.below(100) {
            0..15 => Frame::Transaction,
            15..25 => Frame::Script,
            _ => Frame::None,
        };
        let count = if frame == Frame::None { 1 } else { self.draws.between(1, 6) };
        let mut database = self.database();
        let commands = (0..count).map(|_| {
            if self.draws.chance(150_000) {
                database = self.database();
            }
            self.command(database)
        });
        let commands = commands.collect();
        Unit { commands, frame }
    }

    fn database(&mut self) -> usize {
        if self.draws.chance(800_000) { 1 } else { 2 }
    }

    fn prefill(&mut self) -> Unit {
        let count = self.unfilled.min(250);
        let mut command = words("MSET");
        for number in self.unfilled - count..self.unfilled {
            command.push(format!("p{number}").into_bytes());
            command.push(number.to_string().into_bytes());
        }
        self.unfilled -= count;
        Unit { commands: vec![(1, command)], frame: Frame::None }
    }

    fn command(&mut self, database: usize) -> (usize, Words) {
        const PATTERNS: &[&str] = &[
            "SET s# *",
            "SET s# *",
            "APPEND s# *",
            "APPEND s# *",
            "RPUSH l# *",
            "RPUSH l# * *",
            "LPUSH l# *",
            "LPOP l#",
            "HSET h# m *",
            "HSET h# m * m *",
            "HDEL h# m",
            "SADD S0 m",
            "SADD S0 m m m",
            "SREM S0 m",
            "ZADD z0 n m",
            "ZADD z0 n m n m",
            "ZREM z0 m",
            "XADD x0 i f *",
            "XADD x0 i f * g *",
            "DEL t",
            "UNLINK t",
            "RENAME s0 s1",
            "COPY h0 h1 REPLACE",
            "COPY l1 l0 REPLACE",
            "PEXPIREAT t later",
            "PEXPIREAT t later",
            "PERSIST t",
            "SET s# * PXAT later",
            "SET v? * PXAT soon",
            "SET v? * PXAT soon",
            "SET v? *",
            "DEL v?",
            "SET p *",
            "SET p *",
            "SET p * PXAT later",
            "DEL p",
            "APPEND p *",
        ];
        if self.draws.chance(250_000) {
            return (SHARED, words("INCR seq"));
        }
        match self.draws.below(1000) {
            0..3 => return (database, words("FLUSHDB")),
            3..6 => return (database, words("FLUSHDB ASYNC")),
            6..10 => return (database, words("SWAPDB 1 2")),
            _ => {}
        }
        let pattern = loop {
            let pattern = self.draws.pick(PATTERNS);
            if self.plan.prefilled > 0 || !pattern.split(' ').any(|word| word == "p") {
                break pattern;
            }
        };
        (database, pattern.split(' ').map(|word| self.fill(word)).collect())
    }

    /// Fills a place: # one of two keys, ? of three, t any of them, p one of many, * a value that is unique, m a member,
    /// n a score, i an id, later and soon a time.
    fn fill(&mut self, word: &str) -> Bytes {
        match word {
            "*" => self.value(),
            "t" => {
                self.draws.pick(&["s0", "s1", "l0", "l1", "h0", "h1", "S0", "z0", "x0"]).as_bytes().to_vec()
            }
            "p" => format!("p{}", self.draws.below(self.plan.prefilled)).into_bytes(),
            "m" => format!("m{}", self.draws.below(200)).into_bytes(),
            "n" => self.draws.below(1000).to_string().into_bytes(),
            "i" => {
                self.unique += 1;
                format!("{}-1", self.unique).into_bytes()
            }
            "later" => format!("+{}", 10_000_000 + self.draws.below(1_000_000)).into_bytes(),
            "soon" => format!("+{}", self.draws.between(1, 2_000)).into_bytes(),
            word => {
                let one = self.draws.below(2).to_string();
                let other = self.draws.below(3).to_string();
                word.replace('#', &one).replace('?', &other).into_bytes()
            }
        }
    }

    fn value(&mut self) -> Bytes {
        self.unique += 1;
        let mut value = format!("{}.", self.unique).into_bytes();
        if self.draws.chance(self.plan.long_values) {
            // What is written is not to be compressed to nothing.
            let mut more = vec![0; self.draws.between(1, 3000) as usize];
            self.draws.fill(&mut more);
            value.extend(more);
        }
        value
    }
}

pub fn words(line: &str) -> Words {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}
