//! Random commands on a server and on maps that know nothing of tables, ticks or laziness. Beside
//! them stands a server that hears only what the first one propagates, and must hold the same.

use crate::engine::config::Config;
use crate::engine::effect::Effect;
use crate::engine::keyspace::Database;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::loopback::Loopback;
use crate::engine::protocol::Args;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const DATABASES: usize = 3;
const KEYS: [&str; 5] = ["a", "b", "c", "dd", "a-rather-long-name-that-needs-more-room"];

/// A value and when it expires.
type Held = (String, Option<i64>);

/// What a server holds, said as plainly as possible.
#[derive(Default)]
struct Model {
    databases: [BTreeMap<String, Held>; DATABASES],
    now_ms: i64,
    /// Keys that changed since somebody looked: what WATCH must notice.
    touched: [BTreeSet<(usize, String)>; 2],
}

fn int(value: i64) -> String {
    format!(":{value}\r\n")
}
fn bulk(value: Option<&String>) -> String {
    value.map_or("$-1\r\n".into(), |value| format!("${}\r\n{value}\r\n", value.len()))
}
fn ok() -> String {
    "+OK\r\n".into()
}
fn no_such_key() -> String {
    "-ERR no such key\r\n".into()
}

impl Model {
    fn touch(&mut self, db: usize, key: &str) {
        self.touched.iter_mut().for_each(|all| {
            all.insert((db, key.into()));
        });
    }

    fn put(&mut self, db: usize, key: &str, held: Option<Held>) {
        self.touch(db, key);
        match held {
            Some(held) => self.databases[db].insert(key.into(), held),
            None => self.databases[db].remove(key),
        };
    }

    fn advance_to(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        for db in 0..DATABASES {
            let over = |(_, at): &Held| at.is_some_and(|at| now_ms > at);
            let gone: Vec<String> =
                self.databases[db].iter().filter(|(_, h)| over(h)).map(|(k, _)| k.clone()).collect();
            gone.iter().for_each(|key| self.put(db, key, None));
        }
    }

    /// The reply.
    fn run(&mut self, db: usize, words: &[String]) -> String {
        let word = |n: usize| words.get(n).map_or("", String::as_str);
        let (key, held) = (word(1), self.databases[db].get(word(1)).cloned());
        let counted = words[1..].iter().filter(|key| self.databases[db].contains_key(*key)).count() as i64;
        match word(0) {
            "GET" => bulk(held.as_ref().map(|(value, _)| value)),
            "SET" => {
                let expiry = match word(3) {
                    "PX" => Some(self.now_ms + word(4).parse::<i64>().expect("a number")),
                    "KEEPTTL" => held.and_then(|(_, at)| at),
                    _ => None,
                };
                self.put(db, key, Some((word(2).into(), expiry)));
                ok()
            }
            "DEL" | "UNLINK" => {
                let found: BTreeSet<_> =
                    words[1..].iter().filter(|key| self.databases[db].contains_key(*key)).collect();
                found.iter().for_each(|key| self.put(db, key, None));
                int(found.len() as i64)
            }
            "EXISTS" | "TOUCH" => int(counted),
            "TYPE" => format!("+{}\r\n", if held.is_some() { "string" } else { "none" }),
            "RENAME" => self.rename(db, key, word(2), true).map_or_else(no_such_key, |_| ok()),
            "RENAMENX" => self.rename(db, key, word(2), false).map_or_else(no_such_key, int),
            "MOVE" => self.transfer(held, (db, key), (word(2).parse().expect("a number"), key), false, true),
            "COPY" => {
                let to = word(4).parse().unwrap_or(db);
                self.transfer(held, (db, key), (to, word(2)), word(5) == "REPLACE", false)
            }
            "EXPIRE" => self.expire(db, key, held, self.now_ms + number(word(2)) * 1000, word(3)),
            "PEXPIRE" => self.expire(db, key, held, self.now_ms + number(word(2)), word(3)),
            "PEXPIREAT" => self.expire(db, key, held, number(word(2)), word(3)),
            "PERSIST" => {
                let volatile = held.filter(|(_, at)| at.is_some());
                let reply = int(volatile.is_some().into());
                volatile.into_iter().for_each(|(value, _)| self.put(db, key, Some((value, None))));
                reply
            }
            "TTL" => self.remaining(held, |at, now| (at - now + 500) / 1000),
            "PTTL" => self.remaining(held, |at, now| at - now),
            "EXPIRETIME" => self.remaining(held, |at, _| (at + 500) / 1000),
            "PEXPIRETIME" => self.remaining(held, |at, _| at),
            "FLUSHDB" => {
                self.flush(db);
                ok()
            }
            "FLUSHALL" => {
                (0..DATABASES).for_each(|db| self.flush(db));
                ok()
            }
            "SWAPDB" => {
                let (first, second) = (number(key) as usize, number(word(2)) as usize);
                self.swap(first, second);
                ok()
            }
            other => panic!("{other} is not modelled"),
        }
    }

    fn rename(&mut self, db: usize, from: &str, to: &str, overwrite: bool) -> Option<i64> {
        let held = self.databases[db].get(from)?.clone();
        if from == to || (!overwrite && self.databases[db].contains_key(to)) {
            return Some(0);
        }
        self.put(db, from, None);
        self.put(db, to, Some(held));
        Some(1)
    }

    fn transfer(
        &mut self,
        held: Option<Held>,
        from: (usize, &str),
        to: (usize, &str),
        replace: bool,
        leave: bool,
    ) -> String {
        if from == to {
            return "-ERR source and destination objects are the same\r\n".into();
        }
        let Some(held) = held.filter(|_| replace || !self.databases[to.0].contains_key(to.1)) else {
            return int(0);
        };
        self.put(to.0, to.1, Some(held));
        if leave {
            self.put(from.0, from.1, None);
        }
        int(1)
    }

    fn expire(&mut self, db: usize, key: &str, held: Option<Held>, at: i64, condition: &str) -> String {
        let Some((value, current)) = held else { return int(0) };
        let allowed = match condition {
            "NX" => current.is_none(),
            "XX" => current.is_some(),
            "GT" => current.is_some_and(|current| at > current),
            "LT" => current.is_none_or(|current| at < current),
            _ => true,
        };
        if allowed {
            self.put(db, key, (at > self.now_ms).then_some((value, Some(at))));
        }
        int(allowed.into())
    }

    fn remaining(&self, held: Option<Held>, shown: fn(i64, i64) -> i64) -> String {
        int(held.map_or(-2, |(_, at)| at.map_or(-1, |at| shown(at, self.now_ms))))
    }

    fn flush(&mut self, db: usize) {
        let keys: Vec<String> = self.databases[db].keys().cloned().collect();
        keys.iter().for_each(|key| self.put(db, key, None));
    }

    fn swap(&mut self, first: usize, second: usize) {
        if first != second {
            let keys: BTreeSet<String> =
                [first, second].iter().flat_map(|db| self.databases[*db].keys().cloned()).collect();
            keys.iter().for_each(|key| [first, second].iter().for_each(|db| self.touch(*db, key)));
            self.databases.swap(first, second);
        }
    }
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A client sends a command.
    Run(usize, Vec<String>),
    /// A client works in another database from now on.
    Select(usize, usize),
    /// A client guards a key.
    Watch(usize, &'static str),
    /// A client sends a transaction.
    Transaction(usize, Vec<Vec<String>>),
    /// So many milliseconds pass.
    Pass(u64),
    /// Expired keys go by themselves, or only when somebody looks.
    Lazy(bool),
}

fn command() -> impl Strategy<Value = Vec<String>> {
    let key = || proptest::sample::select(&KEYS[..]);
    let keys = move || proptest::collection::vec(key(), 1..4).prop_map(|keys| keys.join(" "));
    let db = || (0..DATABASES).prop_map(|db| db.to_string());
    let value = || {
        prop_oneof![Just("1".to_owned()), Just("word".into()), Just("x".repeat(100)), Just("y".repeat(5000))]
    };
    let condition = || proptest::sample::select(&["", "NX", "XX", "GT", "LT"][..]);
    let relative = || prop_oneof![-10i64..300, Just(100_000)];
    let text = prop_oneof![
        4 => (key(), value()).prop_map(|(k, v)| format!("SET {k} {v}")),
        4 => (key(), value(), 1..300i64).prop_map(|(k, v, ms)| format!("SET {k} {v} PX {ms}")),
        1 => (key(), value()).prop_map(|(k, v)| format!("SET {k} {v} KEEPTTL")),
        2 => key().prop_map(|k| format!("GET {k}")),
        1 => keys().prop_map(|k| format!("DEL {k}")),
        1 => keys().prop_map(|k| format!("UNLINK {k}")),
        1 => keys().prop_map(|k| format!("EXISTS {k}")),
        1 => keys().prop_map(|k| format!("TOUCH {k}")),
        1 => key().prop_map(|k| format!("TYPE {k}")),
        2 => (key(), key()).prop_map(|(a, b)| format!("RENAME {a} {b}")),
        1 => (key(), key()).prop_map(|(a, b)| format!("RENAMENX {a} {b}")),
        2 => (key(), db()).prop_map(|(k, db)| format!("MOVE {k} {db}")),
        1 => (key(), key()).prop_map(|(a, b)| format!("COPY {a} {b}")),
        1 => (key(), key(), db()).prop_map(|(a, b, db)| format!("COPY {a} {b} DB {db}")),
        1 => (key(), key(), db()).prop_map(|(a, b, db)| format!("COPY {a} {b} DB {db} REPLACE")),
        1 => (key(), -1..3i64, condition()).prop_map(|(k, n, c)| format!("EXPIRE {k} {n} {c}")),
        3 => (key(), relative(), condition()).prop_map(|(k, n, c)| format!("PEXPIRE {k} {n} {c}")),
        1 => (key(), 1_699_999_999_900..1_700_000_001_000i64, condition())
            .prop_map(|(k, n, c)| format!("PEXPIREAT {k} {n} {c}")),
        1 => key().prop_map(|k| format!("PERSIST {k}")),
        2 => (proptest::sample::select(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"][..]), key())
            .prop_map(|(name, k)| format!("{name} {k}")),
        1 => Just("FLUSHDB".to_owned()),
        1 => Just("FLUSHALL".to_owned()),
        1 => (db(), db()).prop_map(|(a, b)| format!("SWAPDB {a} {b}")),
    ];
    text.prop_map(|text| text.split_whitespace().map(str::to_owned).collect())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..2usize, command()).prop_map(|(client, words)| Step::Run(client, words)),
        1 => (0..2usize, 0..DATABASES).prop_map(|(client, db)| Step::Select(client, db)),
        2 => (0..2usize, proptest::sample::select(&KEYS[..])).prop_map(|(c, key)| Step::Watch(c, key)),
        3 => (0..2usize, proptest::collection::vec(command(), 0..4))
            .prop_map(|(client, all)| Step::Transaction(client, all)),
        4 => (1..200u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Lazy),
    ]
}

/// A server, its model, and the server that hears only what the first one propagates.
struct World {
    primary: Loopback,
    replica: Loopback,
    model: Model,
    watched: [BTreeSet<(usize, String)>; 2],
}

impl World {
    fn new() -> World {
        let [mut primary, mut replica] =
            [1, 2].map(|seed| Loopback::new(Config::default(), seed).expect("the defaults are fine"));
        primary.server.propagation.record();
        (0..2).for_each(|client| assert_eq!(primary.connect(), client));
        replica.connect();
        // It removes what it is told to remove, nothing else.
        replica.server.active_expire_off = true;
        replica.server.allows_expired = true;
        World { primary, replica, model: Model::default(), watched: Default::default() }
    }

    fn db(&self, client: usize) -> usize {
        self.primary.server.clients.get(self.primary.client(client)).expect("it is connected").db
    }

    fn send(world: &mut Loopback, client: usize, words: &[String]) -> String {
        world.send(client, format!("{}\r\n", words.join(" ")).as_bytes());
        String::from_utf8(world.take_heard(client)).expect("text")
    }

    fn perform(&mut self, step: &Step) {
        self.model.advance_to(self.primary.now.unix_ms());
        match step {
            Step::Run(client, words) => {
                let expected = self.model.run(self.db(*client), words);
                assert_eq!(Self::send(&mut self.primary, *client, words), expected, "{words:?}");
            }
            Step::Select(client, db) => {
                let id = self.primary.client(*client);
                self.primary.server.clients.get_mut(id).expect("it is connected").db = *db;
            }
            Step::Watch(client, key) => {
                let guarded = (self.db(*client), (*key).to_owned());
                // What happened before does not count, unless the key was guarded already.
                if !self.watched[*client].contains(&guarded) {
                    self.model.touched[*client].remove(&guarded);
                    self.watched[*client].insert(guarded);
                }
                self.send_ok(*client, &format!("WATCH {key}"));
            }
            Step::Transaction(client, commands) => self.transaction(*client, commands),
            Step::Pass(ms) => {
                self.primary.advance(ms * 1000);
                self.replica.now = self.primary.now;
                self.model.advance_to(self.primary.now.unix_ms());
            }
            Step::Lazy(lazy) => self.primary.server.active_expire_off = *lazy,
        }
        self.replicate();
        self.compare();
    }

    fn send_ok(&mut self, client: usize, text: &str) {
        assert_eq!(Self::send(&mut self.primary, client, &[text.to_owned()]), ok());
    }

    fn transaction(&mut self, client: usize, commands: &[Vec<String>]) {
        self.send_ok(client, "MULTI");
        for words in commands {
            assert_eq!(Self::send(&mut self.primary, client, words), "+QUEUED\r\n");
        }
        let changed = !self.model.touched[client].is_disjoint(&self.watched[client]);
        let expected = if changed {
            "*-1\r\n".to_owned()
        } else {
            let db = self.db(client);
            let replies: String = commands.iter().map(|words| self.model.run(db, words)).collect();
            format!("*{}\r\n{replies}", commands.len())
        };
        assert_eq!(Self::send(&mut self.primary, client, &["EXEC".to_owned()]), expected, "{commands:?}");
        self.watched[client].clear();
        self.model.touched[client].clear();
    }

    fn replicate(&mut self) {
        let mut open = false;
        for effect in self.primary.take_effects() {
            let Effect::Propagate { db, argv } = effect else { continue };
            let frame = argv.args().at(0) == b"MULTI" || argv.args().at(0) == b"EXEC";
            assert!(!frame || (argv.args().at(0) == b"MULTI") != open, "frames open and close in turn");
            open ^= frame;
            if frame {
                continue;
            }
            let id = self.replica.client(0);
            self.replica.server.clients.get_mut(id).expect("it is connected").db = db;
            let heard = Self::send(&mut self.replica, 0, &[line(argv.args())]);
            assert!(!heard.starts_with('-'), "{:?}: {heard}", line(argv.args()));
        }
        assert!(!open, "every frame is closed");
    }

    /// The server shows what the model has; the replica has what the server has, expired or not.
    fn compare(&self) {
        let now_ms = self.primary.now.unix_ms();
        for db in 0..DATABASES {
            let (ours, theirs) = (&self.primary.server.databases[db], &self.replica.server.databases[db]);
            ours.check();
            let contents = contents(ours);
            assert_eq!(contents, self::contents(theirs), "database {db} of the replica");
            let live = |(_, (_, at)): &(String, Held)| at.is_none_or(|at| now_ms <= at);
            let live: BTreeMap<String, Held> = contents.into_iter().filter(live).collect();
            assert_eq!(live, self.model.databases[db], "database {db}");
        }
    }
}

fn line(args: Args) -> String {
    let words: Vec<_> = args.iter().map(String::from_utf8_lossy).collect();
    words.join(" ")
}

fn contents(database: &Database) -> BTreeMap<String, Held> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = |entry: &crate::engine::keyspace::Entry| {
        text(entry.string(&mut IntBuf::new()).expect("only strings were set"))
    };
    database.iter().map(|entry| (text(entry.key()), (value(entry), entry.expires_at()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn keys_live_and_die_as_in_plain_maps(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.perform(step));
    }
}

/// Found by the property above.
#[test]
fn an_expiry_that_is_over_is_not_kept() {
    let mut world = World::new();
    let run = |text: &str| Step::Run(0, text.split(' ').map(str::to_owned).collect());
    for step in [Step::Lazy(true), run("SET a 1 PX 1"), Step::Pass(2), run("SET a 2 KEEPTTL"), run("TTL a")] {
        world.perform(&step);
    }
}

#[test]
fn a_scan_shows_each_key_that_stays_once_whatever_else_happens() {
    let mut world = Loopback::new(Config::default(), 3).expect("the defaults are fine");
    let client = world.connect();
    let mut say = |text: String| {
        world.send(client, format!("{text}\r\n").as_bytes());
        String::from_utf8(world.take_heard(client)).expect("text")
    };
    (0..500).for_each(|n| drop(say(format!("SET stays:{n} 1"))));
    let (mut seen, mut cursor, mut round) = (Vec::new(), "0".to_owned(), 0);
    loop {
        let reply = say(format!("SCAN {cursor} COUNT 20"));
        let words: Vec<&str> = reply.split("\r\n").filter(|line| !line.starts_with(['*', '$'])).collect();
        cursor = words[0].to_owned();
        seen.extend(
            words[1..].iter().filter(|word| word.starts_with("stays:")).map(|word| (*word).to_owned()),
        );
        if cursor == "0" {
            break;
        }
        (0..200).for_each(|n| drop(say(format!("SET comes:{round}:{n} 1"))));
        (0..200).step_by(3).for_each(|n| drop(say(format!("DEL comes:{round}:{n}"))));
        round += 1;
    }
    let count = seen.len();
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 500);
    assert_eq!(count, 500, "none twice");
}
