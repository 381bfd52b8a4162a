//! What one client's keys hold: a naive model of the commands that it sends.
//!
//! Each value has a hash, and their sum is the hash of all, so that the state after every operation can be
//! compared with what was recovered by comparing two numbers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3Default;

pub type Bytes = Vec<u8>;
pub type Words = Vec<Bytes>;

/// The databases of a client: one that all share, and two of its own.
pub const SHARED: usize = 0;
pub const DATABASES: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Text(Bytes),
    List(VecDeque<Bytes>),
    Hash(BTreeMap<Bytes, Bytes>),
    Set(BTreeSet<Bytes>),
    Sorted(BTreeMap<Bytes, i64>),
    Stream(Vec<(Bytes, Vec<Bytes>)>),
}

/// A value and, if it has one, the Unix time in milliseconds at which it ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub value: Value,
    pub until: Option<i64>,
}

impl Value {
    fn is_empty(&self) -> bool {
        match self {
            Value::List(items) => items.is_empty(),
            Value::Hash(fields) => fields.is_empty(),
            Value::Set(members) => members.is_empty(),
            Value::Sorted(members) => members.is_empty(),
            Value::Text(_) | Value::Stream(_) => false,
        }
    }
}

/// Whether a key may end at any moment. What is at such a key is only ever set or deleted as a whole.
pub fn is_volatile(key: &[u8]) -> bool {
    key.starts_with(b"v")
}

/// The keys of a client.
#[derive(Clone, Default)]
pub struct Data {
    databases: [BTreeMap<Bytes, Item>; DATABASES],
    /// Of all but the volatile keys.
    hash: u64,
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<usize> = self.databases.iter().map(BTreeMap::len).collect();
        write!(f, "keys {sizes:?}, hash {:016x}", self.hash)
    }
}

fn hash(database: usize, key: &[u8], item: &Item) -> u64 {
    if is_volatile(key) {
        return 0;
    }
    let mut hasher = Xxh3Default::new();
    (database, key, item).hash(&mut hasher);
    hasher.finish()
}

fn number(word: &[u8]) -> i64 {
    std::str::from_utf8(word).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The id of an entry of a stream, written out.
pub fn id(word: &[u8]) -> Option<(u64, u64)> {
    let (ms, seq) = std::str::from_utf8(word).ok()?.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

impl Data {
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn get(&self, database: usize, key: &[u8]) -> Option<&Item> {
        self.databases[database].get(key)
    }

    /// Its keys that may end at any moment.
    pub fn volatile(&self) -> impl Iterator<Item = (usize, &Bytes, &Item)> {
        let all = self.databases.iter().enumerate();
        all.flat_map(|(number, keys)| keys.iter().map(move |(key, item)| (number, key, item)))
            .filter(|(_, key, _)| is_volatile(key))
    }

    pub fn put(&mut self, database: usize, key: &[u8], item: Item) {
        self.take(database, key);
        if !item.value.is_empty() {
            self.hash = self.hash.wrapping_add(hash(database, key, &item));
            self.databases[database].insert(key.to_vec(), item);
        }
    }

    fn take(&mut self, database: usize, key: &[u8]) -> Option<Item> {
        let item = self.databases[database].remove(key)?;
        self.hash = self.hash.wrapping_sub(hash(database, key, &item));
        Some(item)
    }

    fn clear(&mut self, database: usize) {
        let keys = std::mem::take(&mut self.databases[database]);
        for (key, item) in keys {
            self.hash = self.hash.wrapping_sub(hash(database, &key, &item));
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        let (first, second) = (self.databases[one].clone(), self.databases[other].clone());
        self.clear(one);
        self.clear(other);
        second.into_iter().for_each(|(key, item)| self.put(one, &key, item));
        first.into_iter().for_each(|(key, item)| self.put(other, &key, item));
    }

    /// Changes what is at a key, or at first `empty`.
    fn change(&mut self, database: usize, key: &[u8], empty: Value, act: impl FnOnce(&mut Value)) {
        let mut item = self.take(database, key).unwrap_or(Item { value: empty, until: None });
        act(&mut item.value);
        self.put(database, key, item);
    }

    /// Runs a command.
    pub fn run(&mut self, database: usize, words: &[Bytes]) {
        let key = words.get(1).map_or(&[][..], Vec::as_slice);
        let rest = words.get(2..).unwrap_or_default();
        match words[0].as_slice() {
            b"FLUSHALL" => (0..DATABASES).for_each(|database| self.clear(database)),
            b"FLUSHDB" => self.clear(database),
            b"SWAPDB" => self.swap(SHARED + 1, SHARED + 2),
            b"DEL" | b"UNLINK" => _ = self.take(database, key),
            b"RENAME" => {
                if let Some(item) = self.take(database, key) {
                    self.put(database, &rest[0], item);
                }
            }
            b"COPY" => {
                if let Some(item) = self.get(database, key).cloned() {
                    self.put(database, &rest[0], item);
                }
            }
            b"PEXPIREAT" | b"PERSIST" => {
                if let Some(item) = self.take(database, key) {
                    let until = rest.first().map(|at| number(at));
                    self.put(database, key, Item { until, ..item });
                }
            }
            b"SET" => {
                let until = rest.get(2).map(|at| number(at));
                self.put(database, key, Item { value: Value::Text(rest[0].clone()), until });
            }
            b"MSET" => {
                for pair in words[1..].chunks(2) {
                    self.put(database, &pair[0], Item { value: Value::Text(pair[1].clone()), until: None });
                }
            }
            name => self.change_value(name, database, key, rest),
        }
    }

    fn change_value(&mut self, name: &[u8], database: usize, key: &[u8], rest: &[Bytes]) {
        let empty = match name {
            b"INCR" | b"APPEND" => Value::Text(Vec::new()),
            b"RPUSH" | b"LPUSH" | b"LPOP" => Value::List(VecDeque::new()),
            b"HSET" | b"HDEL" => Value::Hash(BTreeMap::new()),
            b"SADD" | b"SREM" => Value::Set(BTreeSet::new()),
            b"ZADD" | b"ZREM" => Value::Sorted(BTreeMap::new()),
            b"XADD" => Value::Stream(Vec::new()),
            other => unreachable!("no client sends {:?}", String::from_utf8_lossy(other)),
        };
        self.change(database, key, empty, |value| match (name, value) {
            (b"INCR", Value::Text(text)) => *text = (number(text) + 1).to_string().into_bytes(),
            (b"APPEND", Value::Text(text)) => text.extend_from_slice(&rest[0]),
            (b"RPUSH", Value::List(items)) => items.extend(rest.iter().cloned()),
            (b"LPUSH", Value::List(items)) => rest.iter().for_each(|item| items.push_front(item.clone())),
            (b"LPOP", Value::List(items)) => _ = items.pop_front(),
            (b"HSET", Value::Hash(fields)) => {
                fields.extend(rest.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())));
            }
            (b"HDEL", Value::Hash(fields)) => rest.iter().for_each(|field| _ = fields.remove(field)),
            (b"SADD", Value::Set(members)) => members.extend(rest.iter().cloned()),
            (b"SREM", Value::Set(members)) => rest.iter().for_each(|member| _ = members.remove(member)),
            (b"ZADD", Value::Sorted(members)) => {
                members.extend(rest.chunks(2).map(|pair| (pair[1].clone(), number(&pair[0]))));
            }
            (b"ZREM", Value::Sorted(members)) => rest.iter().for_each(|member| _ = members.remove(member)),
            // Ids grow; another is refused.
            (b"XADD", Value::Stream(entries))
                if entries.last().is_none_or(|last| id(&last.0) < id(&rest[0])) =>
            {
                entries.push((rest[0].clone(), rest[1..].to_vec()));
            }
            (b"XADD", Value::Stream(_)) => {}
            (name, value) => unreachable!("{} of {value:?}", String::from_utf8_lossy(name)),
        });
    }

    /// Keys at which this differs from `other`, but for those that may end at any moment.
    pub fn differing(&self, other: &Data) -> Vec<(usize, Bytes)> {
        let mut differing = Vec::new();
        for (number, (ours, theirs)) in self.databases.iter().zip(&other.databases).enumerate() {
            let keys: BTreeSet<&Bytes> = ours.keys().chain(theirs.keys()).collect();
            let keys = keys.into_iter().filter(|key| !is_volatile(key) && ours.get(*key) != theirs.get(*key));
            differing.extend(keys.map(|key| (number, key.clone())));
        }
        differing
    }

    /// The same for a person.
    pub fn differences(&self, other: &Data) -> String {
        let mut text = String::new();
        for (number, key) in self.differing(other) {
            let shown = |item: Option<&Item>| {
                let mut shown = item.map_or("nothing".to_owned(), |item| Shown(item).to_string());
                shown.truncate(200);
                shown
            };
            text += &format!(
                "  database {number}, key {}: {} / {}\n",
                key.escape_ascii(),
                shown(self.get(number, &key)),
                shown(other.get(number, &key))
            );
            if text.len() > 3000 {
                return text + "  and so on\n";
            }
        }
        text
    }
}

/// An item for a person.
struct Shown<'a>(&'a Item);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Bytes| bytes.escape_ascii().to_string();
        match &self.0.value {
            Value::Text(bytes) => write!(f, "{} bytes {}", bytes.len(), text(bytes))?,
            Value::List(items) => write!(f, "list of {}, last {:?}", items.len(), items.back().map(text))?,
            Value::Hash(fields) => write!(f, "hash of {}", fields.len())?,
            Value::Set(members) => write!(f, "set of {}", members.len())?,
            Value::Sorted(members) => write!(f, "sorted set of {}", members.len())?,
            Value::Stream(entries) => {
                write!(
                    f,
                    "stream of {}, last {:?}",
                    entries.len(),
                    entries.last().map(|last| text(&last.0))
                )?;
            }
        }
        write!(f, ", until {:?}", self.0.until)
    }
}
