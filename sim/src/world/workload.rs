//! What clients ask for.

use seedis::engine::command::GROUPS;
use seedis::runtime::simulation::Draws;

use super::plan::Plan;
use crate::model::{Call, Key};

/// A type of values: the letter its keys have, and commands with places to be filled, see
/// [`Workload::words`].
#[derive(Debug)]
pub struct Topic {
    key: char,
    commands: &'static [&'static str],
}

/// All types of values.
pub const TOPICS: [Topic; 8] = [
    Topic { key: 'k', commands: STRINGS },
    Topic { key: 'l', commands: LISTS },
    Topic { key: 'h', commands: HASHES },
    Topic { key: 'S', commands: SETS },
    Topic { key: 'z', commands: SORTED_SETS },
    Topic { key: 'b', commands: BITMAPS },
    Topic { key: 'p', commands: SKETCHES },
    Topic { key: 'x', commands: STREAMS },
];

impl Topic {
    /// The topic whose keys have this letter.
    pub fn of(key: char) -> &'static Topic {
        TOPICS.iter().find(|topic| topic.key == key).expect("a letter of a topic")
    }

    pub fn has_key(&self, key: char) -> bool {
        self.key == key
    }

    /// Whether the server has this type.
    pub fn is_known(&self) -> bool {
        self.commands.iter().any(|pattern| known_pattern(pattern))
    }
}

const STRINGS: &[&str] = &[
    "GET k",
    "GET k",
    "SET k v",
    "SET k v",
    "SET k n",
    "SET k v NX",
    "SET k v XX",
    "SET k v GET",
    "SET k v IFEQ n",
    "SETNX k v",
    "GETSET k v",
    "GETDEL k",
    "STRLEN k",
    "APPEND k v",
    "GETRANGE k i i",
    "SETRANGE k n v",
    "INCR k",
    "INCR k",
    "DECR k",
    "INCRBY k n",
    "DECRBY k n",
    "MGET k k",
    "MSET k v k v",
    "MSETNX k v k v",
    "DELEX k IFEQ n",
];

/// Commands for keys of any type.
const KEYS: &[&str] = &[
    "DEL a",
    "DEL a a",
    "UNLINK a",
    "EXISTS a a",
    "TYPE a",
    "RENAME a a",
    "RENAMENX a a",
    "COPY a a",
    "COPY a a REPLACE",
    "TOUCH a",
    "PERSIST a",
];

const LISTS: &[&str] = &[
    "LPUSH l v",
    "LPUSH l v",
    "RPUSH l v",
    "RPUSH l v v v",
    "LPUSHX l v",
    "LPOP l",
    "RPOP l",
    "RPOP l n",
    "LLEN l",
    "LINDEX l i",
    "LRANGE l i i",
    "LRANGE l 0 -1",
    "LTRIM l i i",
    "LSET l i v",
    "LINSERT l BEFORE n v",
    "RPUSH l n n",
    "LREM l 1 n",
    "LMOVE l l LEFT RIGHT",
    "RPOPLPUSH l l",
    "BLPOP l w",
    "BLPOP l l w",
    "BRPOP l w",
    "BLMOVE l l RIGHT LEFT w",
];

const HASHES: &[&str] = &[
    "HSET h f v",
    "HSET h f v f v",
    "HSET h f n",
    "HSETNX h f v",
    "HMSET h f v",
    "HGET h f",
    "HMGET h f f",
    "HGETALL h",
    "HKEYS h",
    "HVALS h",
    "HLEN h",
    "HEXISTS h f",
    "HSTRLEN h f",
    "HDEL h f",
    "HDEL h f f",
    "HINCRBY h f n",
    "HRANDFIELD h",
];

const SETS: &[&str] = &[
    "SADD S f",
    "SADD S n n n",
    "SADD S v",
    "SREM S f",
    "SREM S n n",
    "SCARD S",
    "SISMEMBER S f",
    "SMISMEMBER S n f",
    "SMEMBERS S",
    "SPOP S",
    "SRANDMEMBER S",
    "SMOVE S S f",
    "SINTER S S",
    "SUNION S S",
    "SDIFF S S",
    "SINTERSTORE S S S",
    "SUNIONSTORE S S S",
    "SDIFFSTORE S S S",
    "SINTERCARD 2 S S",
    "SINTERCARD 2 S S LIMIT 1",
    "SUNIONCARD 2 S S",
    "SDIFFCARD 2 S S",
];

const SORTED_SETS: &[&str] = &[
    "ZADD z n f",
    "ZADD z n v",
    "ZADD z n f n f",
    "ZADD z NX n f",
    "ZADD z XX CH n f",
    "ZADD z GT CH n f",
    "ZINCRBY z n f",
    "ZREM z f",
    "ZCARD z",
    "ZSCORE z f",
    "ZRANK z f",
    "ZREVRANK z f",
    "ZCOUNT z n n",
    "ZRANGE z i i",
    "ZREVRANGE z 0 -1",
    "ZRANGEBYSCORE z n n",
    "ZREMRANGEBYRANK z i i",
    "ZPOPMIN z",
    "ZPOPMAX z",
    "BZPOPMIN z w",
    "BZPOPMAX z z w",
];

const BITMAPS: &[&str] = &[
    "SETBIT b n 1",
    "SETBIT b n 1",
    "SETBIT b n 0",
    "GETBIT b n",
    "BITCOUNT b",
    "BITCOUNT b i i",
    "BITCOUNT b i i BIT",
    "BITPOS b 1",
    "BITPOS b 0",
    "BITPOS b 0 i",
    "BITPOS b 1 i i",
    "BITPOS b 0 i i BIT",
    "BITOP AND b b b",
    "BITOP OR b b b",
    "BITOP XOR b b b",
    "BITOP NOT b b",
    "BITOP DIFF b b b",
    "BITOP DIFF1 b b b",
    "BITOP ANDOR b b b",
    "BITOP ONE b b b",
    "BITFIELD b GET u8 n GET i5 n",
    "BITFIELD b SET u4 n n GET i7 n",
    "BITFIELD b INCRBY u5 n i",
    "BITFIELD b OVERFLOW SAT INCRBY i3 n i",
    "BITFIELD b OVERFLOW FAIL INCRBY u2 n n",
    "BITFIELD_RO b GET u3 n",
    "GET b",
];

/// By ids that no clock decides: of the few that begin with 1.
const STREAMS: &[&str] = &[
    "XADD x 1-* f v",
    "XADD x 1-* f v",
    "XADD x 1-* f v",
    "XADD x 1-* f v",
    "XADD x NOMKSTREAM 1-* f v",
    "XADD x MAXLEN n 1-* f v",
    "XADD x e f v",
    "XLEN x",
    "XRANGE x - +",
    "XREVRANGE x + - COUNT 3",
    "XDEL x e e",
    "XDEL x e e e",
    "XTRIM x MAXLEN n",
    "XTRIM x MINID e",
    "XREAD COUNT 2 STREAMS x e",
    "XREAD BLOCK m STREAMS x e",
    "XGROUP CREATE x g 0 MKSTREAM",
    "XGROUP CREATE x g 0 MKSTREAM",
    "XGROUP CREATE x g 0 MKSTREAM",
    "XGROUP CREATE x g 0 MKSTREAM",
    "XGROUP CREATE x g $ MKSTREAM",
    "XGROUP DESTROY x g",
    "XGROUP SETID x g e",
    "XGROUP DELCONSUMER x g c",
    "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
    "XREADGROUP GROUP g c COUNT 2 STREAMS x >",
    "XREADGROUP GROUP g c STREAMS x >",
    "XREADGROUP GROUP g c NOACK STREAMS x >",
    "XREADGROUP GROUP g c COUNT 2 BLOCK m STREAMS x >",
    "XREADGROUP GROUP g c BLOCK m STREAMS x >",
    "XREADGROUP GROUP g c STREAMS x 0",
    "XREADGROUP GROUP g c COUNT 2 STREAMS x 0",
    "XACK x g e e e",
    "XACK x g e e e",
    "XCLAIM x g c 0 e e e",
    "XCLAIM x g c 0 e e JUSTID",
    "XAUTOCLAIM x g c 0 0 COUNT 2",
    "XAUTOCLAIM x g c 0 0 COUNT 2",
    "XPENDING x g",
    "XPENDING x g - + 10",
];

/// Of few elements, which the estimate counts exactly.
const SKETCHES: &[&str] = &[
    "PFADD p",
    "PFADD p f",
    "PFADD p n",
    "PFADD p n n f",
    "PFCOUNT p",
    "PFCOUNT p",
    "PFCOUNT p p",
    "PFMERGE p p",
    "PFMERGE p p p",
    "DEL p",
    "DEL p p",
    "TYPE p",
    "EXISTS p p",
    "RENAME p p",
    "COPY p p REPLACE",
];

/// Those that give keys an expiry, or tell about it.
const EXPIRING: &[&str] = &[
    "SET k v PX t",
    "SET k v EX s",
    "SET k v KEEPTTL",
    "SETEX k s v",
    "PSETEX k t v",
    "GETEX k PX t",
    "GETEX k PERSIST",
    "GETEX k",
    "EXPIRE a s",
    "EXPIRE a 0",
    "PEXPIRE a t",
    "PEXPIRE a t NX",
    "PEXPIRE a t XX",
    "PERSIST a",
    "TTL a",
    "PTTL a",
    "EXPIRETIME a",
    "PEXPIRETIME a",
    "PEXPIRE p t",
    "PERSIST p",
    "PTTL p",
];

/// Whether the server has a command. What it does not have yet is left out of the workload.
pub fn known(name: &str) -> bool {
    GROUPS.iter().copied().flatten().copied().flatten().any(|row| row.name == name)
}

fn known_pattern(pattern: &str) -> bool {
    known(pattern.split(' ').next().unwrap_or_default())
}

/// A source of calls.
pub struct Workload {
    draws: Draws,
    plan: Plan,
    /// Makes every value written the only one of its kind, so that a read tells which write it saw.
    unique: u64,
    /// What the connection watches: keys of one group.
    watched: Vec<Key>,
    watched_group: u64,
}

impl Workload {
    pub fn new(seed: u64, client: usize, plan: &Plan) -> Self {
        let draws = Draws::named(seed, &format!("workload of client {client}"));
        let unique = client as u64 * 1_000_000;
        Self { draws, plan: plan.clone(), unique, watched: Vec::new(), watched_group: 0 }
    }

    pub fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    /// There is a new connection, which watches nothing.
    pub fn forget_watches(&mut self) {
        self.watched.clear();
    }

    /// The calls of one batch. Often it ends with WATCH, so that others can come between it and EXEC.
    pub fn batch(&mut self) -> Vec<Call> {
        let length = self.draws.between(1, self.plan.pipeline);
        let mut calls = Vec::new();
        for _ in 0..length {
            calls.push(self.call());
            if !self.watched.is_empty() && self.draws.chance(500_000) {
                break;
            }
        }
        calls
    }

    fn call(&mut self) -> Call {
        let group = self.draws.below(self.plan.groups);
        if self.plan.flushes && self.draws.chance(10_000) {
            return Call::command("FLUSHALL");
        }
        if self.plan.scripts && self.draws.chance(150_000) {
            let length = self.draws.between(1, 4);
            return Call::Script((0..length).map(|_| self.command_in_script(group)).collect());
        }
        if !self.plan.transactions {
            return Call::Command(self.command(group));
        }
        // Watched keys and those of the transaction are of one group, or all groups would become one.
        let inclined = if self.watched.is_empty() { 80_000 } else { 400_000 };
        if self.draws.chance(inclined) {
            let group = if self.watched.is_empty() { group } else { self.watched_group };
            let length = self.draws.between(1, 5);
            let commands = (0..length).map(|_| self.command(group)).collect();
            return Call::Transaction { watched: std::mem::take(&mut self.watched), commands };
        }
        if self.watched.is_empty() && self.draws.chance(100_000) {
            let pattern = if self.draws.chance(400_000) { "WATCH k k" } else { "WATCH k" };
            let words = self.words(group, pattern);
            self.watched = words[1..].to_vec();
            self.watched_group = group;
            return Call::Command(words);
        }
        Call::Command(self.command(group))
    }

    /// One that does not wait, which scripts may not.
    fn command_in_script(&mut self, group: u64) -> Vec<Vec<u8>> {
        loop {
            let command = self.command(group);
            if Call::Command(command.clone()).waits().is_none() {
                return command;
            }
        }
    }

    fn command(&mut self, group: u64) -> Vec<Vec<u8>> {
        let pattern = loop {
            let from = match self.plan.expiry && self.draws.chance(300_000) {
                true => EXPIRING,
                false if self.draws.chance(150_000) => KEYS,
                false => self.draws.pick(&self.plan.topics).commands,
            };
            let pattern = *self.draws.pick(from);
            if known_pattern(pattern) {
                break pattern;
            }
        };
        self.words(group, pattern)
    }

    /// Fills a pattern: k, l, h, S, z, b, p and x a key for a value of this type, a one for any, v a value that is
    /// unique, f one of a few fields or members, n and i numbers, t milliseconds, w seconds and
    /// m milliseconds to wait, e the id of an entry, g a group and c a consumer.
    pub fn words(&mut self, group: u64, pattern: &str) -> Vec<Vec<u8>> {
        // In COPY and RENAME of a key to itself lie rules of their own, which are none of ours here.
        let mut last = None;
        pattern
            .split(' ')
            .map(|word| match word {
                "k" | "l" | "h" | "S" | "z" | "b" | "p" | "x" | "a" => {
                    // What readers of a stream change is no change to who watches it.
                    let watched = pattern.starts_with("WATCH");
                    let kind = if watched { self.watchable() } else { self.kind(word) };
                    let key = loop {
                        let key = (kind, self.draws.below(3));
                        if last != Some(key) {
                            break key;
                        }
                    };
                    last = Some(key);
                    // What readers of a stream do to each other takes many commands on one stream.
                    let number = if pattern.starts_with('X') { key.1 / 2 } else { key.1 };
                    format!("g{group}:{}{number}", key.0).into_bytes()
                }
                "v" => self.value(),
                "f" => format!("f{}", self.draws.below(5)).into_bytes(),
                "w" => format!("0.{:02}", self.draws.between(1, 60)).into_bytes(),
                "m" => self.draws.between(10, 600).to_string().into_bytes(),
                "e" => format!("1-{}", self.draws.below(25)).into_bytes(),
                "g" => format!("group-{}", self.draws.below(2)).into_bytes(),
                "c" => format!("consumer-{}", self.draws.below(3)).into_bytes(),
                "n" => self.draws.below(20).to_string().into_bytes(),
                "i" => (self.draws.below(20) as i64 - 10).to_string().into_bytes(),
                "t" => self.draws.between(1, 1500).to_string().into_bytes(),
                "s" => self.draws.between(1, 2).to_string().into_bytes(),
                word => word.as_bytes().to_vec(),
            })
            .collect()
    }

    /// The type of value that a key is meant for; now and then another, for the error. Sketches are not mixed
    /// with others: the commands of strings would show their bytes, which the model does not know.
    fn kind(&mut self, word: &str) -> char {
        match word.chars().next() {
            Some('p') => 'p',
            Some(kind) if kind != 'a' && !self.draws.chance(20_000) => kind,
            _ => match self.draws.pick(&self.plan.topics).key {
                'p' => 'k',
                kind => kind,
            },
        }
    }

    fn watchable(&mut self) -> char {
        match self.draws.pick(&self.plan.topics).key {
            'x' | 'p' => 'k',
            kind => kind,
        }
    }

    fn value(&mut self) -> Vec<u8> {
        self.unique += 1;
        let mut value = self.unique.to_string().into_bytes();
        if self.plan.long_values && self.draws.chance(50_000) {
            let length = self.draws.between(1, 40_000) as usize;
            value.resize(value.len() + length, b'.');
        }
        value
    }
}
