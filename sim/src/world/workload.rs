//! What clients ask for.

use seedis::engine::command::GROUPS;
use seedis::runtime::simulation::Draws;

use super::plan::Plan;
use crate::model::{Call, Key};

/// Commands with places to be filled: see [`Workload::words`].
const PLAIN: &[&str] = &[
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
    "DEL k",
    "DEL k k",
    "UNLINK k",
    "EXISTS k k",
    "TYPE k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k",
    "COPY k k REPLACE",
    "TOUCH k",
    "PERSIST k",
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
    "EXPIRE k s",
    "EXPIRE k 0",
    "PEXPIRE k t",
    "PEXPIRE k t NX",
    "PEXPIRE k t XX",
    "PERSIST k",
    "TTL k",
    "PTTL k",
    "EXPIRETIME k",
    "PEXPIRETIME k",
];

/// Whether the server has a command. What it does not have yet is left out of the workload.
pub fn known(name: &str) -> bool {
    GROUPS.iter().copied().flatten().copied().flatten().any(|row| row.name == name)
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
            let words = self.words(group, "WATCH k");
            self.watched = words[1..].to_vec();
            self.watched_group = group;
            return Call::Command(words);
        }
        Call::Command(self.command(group))
    }

    fn command(&mut self, group: u64) -> Vec<Vec<u8>> {
        let from = match self.plan.expiry && self.draws.chance(400_000) {
            true => EXPIRING,
            false => PLAIN,
        };
        let pattern = loop {
            let pattern = *self.draws.pick(from);
            if known(pattern.split(' ').next().unwrap_or_default()) {
                break pattern;
            }
        };
        self.words(group, pattern)
    }

    /// Fills a pattern: k a key, v a value, n and i numbers, t milliseconds, s seconds.
    fn words(&mut self, group: u64, pattern: &str) -> Vec<Vec<u8>> {
        // In COPY and RENAME of a key to itself lie rules of their own, which are none of ours here.
        let mut last = None;
        pattern
            .split(' ')
            .map(|word| match word {
                "k" => {
                    let key = loop {
                        let key = self.draws.below(3);
                        if last != Some(key) {
                            break key;
                        }
                    };
                    last = Some(key);
                    format!("g{group}:{key}").into_bytes()
                }
                "v" => self.value(),
                "n" => self.draws.below(20).to_string().into_bytes(),
                "i" => (self.draws.below(20) as i64 - 10).to_string().into_bytes(),
                "t" => self.draws.between(1, 1500).to_string().into_bytes(),
                "s" => self.draws.between(1, 2).to_string().into_bytes(),
                word => word.as_bytes().to_vec(),
            })
            .collect()
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
