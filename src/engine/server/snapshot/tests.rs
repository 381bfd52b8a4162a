//! Random commands between the steps of a snapshot, which must be what was there when it began: compared value by
//! value with a description made at that moment.

use super::Chunk;
use crate::engine::aof::Rewrite;
use crate::engine::command::generate;
use crate::engine::config::Config;
use crate::engine::keyspace::eviction::Policy;
use crate::engine::keyspace::value::stream::{Stream, StreamId};
use crate::engine::keyspace::value::{IntBuf, array};
use crate::engine::keyspace::{Database, Entry};
use crate::engine::loopback::Loopback;
use crate::engine::protocol::request;
use crate::engine::rng::Rng;
use crate::engine::server::Environment;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;

thread_local! {
    /// What the server takes for the memory in use.
    static USED: Cell<u64> = const { Cell::new(0) };
}

/// What is not to run: it stops the server or its clients, takes long and changes nothing, or begins snapshots itself.
const LEFT_OUT: [&str; 8] =
    ["SHUTDOWN", "DEBUG", "MONITOR", "PAUSE", "LCS", "SAVE", "BGSAVE", "BGREWRITEAOF"];
const CLIENTS: usize = 4;

/// By the number of the database and the key.
type Contents = BTreeMap<(usize, Vec<u8>), String>;

/// Everything that can be seen of an entry, but for when it was last used.
fn describe(entry: &Entry) -> String {
    let mut text = format!("{} {:?} ", entry.encoding_name(), entry.expires_at());
    let mut digits = IntBuf::new();
    if let Some(string) = entry.string(&mut digits) {
        write!(text, "{}", string.escape_ascii()).expect("memory");
    } else if let Some(stream) = entry.stream() {
        describe_stream(&mut text, stream);
    } else if let Some(array) = entry.array() {
        write!(text, "{} {:?}", array.next, array.range(0, array::INDEX_MAX).collect::<Vec<_>>())
            .expect("memory");
    } else if let Some(set) = entry.sorted_set() {
        write!(text, "{:?}", set.iter().collect::<Vec<_>>()).expect("memory");
    } else if let Some(set) = entry.set() {
        write!(text, "{:?}", set.iter().collect::<Vec<_>>()).expect("memory");
    } else if let Some(hash) = entry.hash() {
        hash.for_each(|field| write!(text, "{field:?} ").expect("memory"));
    } else {
        let list = entry.list();
        write!(text, "{:?}", list.elements(0..list.len()).collect::<Vec<_>>()).expect("memory");
    }
    text
}

fn describe_stream(text: &mut String, stream: &Stream) {
    let state = (stream.last_id, stream.max_deleted_id, stream.entries_added, &stream.idempotency);
    write!(text, "{state:?}").expect("memory");
    for entry in stream.entries(StreamId::MIN, StreamId::MAX) {
        write!(text, "{:?} {:?} ", entry.id, entry.pairs().collect::<Vec<_>>()).expect("memory");
    }
    describe_groups(text, stream, true);
}

/// The groups of a stream; `seen`: also when consumers were last heard of.
fn describe_groups(text: &mut String, stream: &Stream, seen: bool) {
    for (name, group) in stream.groups() {
        let name_of = |owner| group.consumer(owner).map(|consumer| &consumer.name);
        let pending = group.pending_from(StreamId::MIN);
        let pending: Vec<_> = pending
            .map(|(id, pending)| (id, pending.owner.map(name_of), pending.time(), pending.deliveries))
            .collect();
        let consumers = group.consumers().map(|(_, consumer)| {
            let heard_of = seen.then_some((consumer.seen, consumer.active));
            (&consumer.name, consumer.pending, heard_of)
        });
        let (consumers, released): (Vec<_>, Vec<_>) = (consumers.collect(), group.released_from(0).collect());
        write!(text, "{name:?} {:?} {pending:?} {released:?}", (group.last_id, group.entries_read))
            .expect("memory");
        write!(text, "{consumers:?}").expect("memory");
    }
}

fn contents(databases: &[Database]) -> Contents {
    let numbered = databases.iter().enumerate();
    let entries = numbered.flat_map(|(db, database)| database.iter().map(move |entry| (db, entry)));
    entries.map(|(db, entry)| ((db, entry.key().to_vec()), describe(entry))).collect()
}

/// A server under random commands and the snapshot that is being taken of it.
struct World {
    server: Loopback,
    clients: [usize; CLIENTS],
    rng: Rng,
    expected: Contents,
    digest: Vec<u8>,
    chunks: Vec<Chunk>,
    complete: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        USED.set(0);
        let environment = Environment { memory: || USED.get(), ..Environment::bare(seed) };
        // The only snapshots are those of the test.
        let mut config = Config::default();
        config.save.0.clear();
        let mut server = Loopback::in_environment(config, environment).expect("fine");
        let mut world = World {
            clients: std::array::from_fn(|_| server.connect()),
            server,
            rng: Rng::new(seed),
            expected: Contents::new(),
            digest: Vec::new(),
            chunks: Vec::new(),
            complete: 0,
        };
        world.fill();
        world
    }

    /// Big values under the keys that commands use, and enough others for a walk of many steps.
    fn fill(&mut self) {
        let words = |from: usize| (from..from + 700).map(|n| format!(" w{n} {n}")).collect::<String>();
        let mut requests: Vec<String> = (0..3000).map(|n| format!("SET filler:{n} {n} EX 1000")).collect();
        for (command, key) in [("RPUSH", "k0"), ("HSET", "k1"), ("SADD", "k2"), ("ZADD", "k3")] {
            let words = words(self.rng.below(9) as usize);
            let words =
                if command == "ZADD" { words.replacen(" w", " ", 1).replace(" w", " ") } else { words };
            requests.push(format!("{command} {key}{words}"));
        }
        requests.extend((0..300).map(|n| format!("XADD {{tag}}a {}-1 f {n}", n + 1)));
        requests.push("XGROUP CREATE {tag}a a 0".into());
        requests.push("XREADGROUP GROUP a b COUNT 200 STREAMS {tag}a >".into());
        requests.push(format!("SET 9 {}", "v".repeat(40_000)));
        requests.push("HPEXPIRE k1 50 FIELDS 3 w10 w11 w12".into());
        requests.push("ARSET {tag}b 3 a b c d e f".into());
        requests.push("COPY k1 k1 DB 3".into());
        let client = self.server.connect();
        requests.iter().for_each(|request| drop(self.ask(client, request)));
        self.server.disconnect(client);
    }

    fn ask(&mut self, client: usize, request: &str) -> Vec<u8> {
        self.server.send(client, format!("{request}\r\n").as_bytes());
        self.server.take_heard(client)
    }

    fn begin(&mut self) {
        if self.server.server.begin_snapshot() {
            assert!(self.chunks.is_empty());
            self.expected = contents(&self.server.server.databases);
            self.digest = self.digest_of_all();
            let progress = self.server.server.snapshot_progress();
            assert_eq!((progress.done, progress.total), (0, self.expected.len() as u64));
        }
    }

    /// Asked for by a connection of its own: it must not wait for anything.
    fn digest_of_all(&mut self) -> Vec<u8> {
        let client = self.server.connect();
        let digest = self.ask(client, "DEBUG DIGEST");
        self.server.disconnect(client);
        digest
    }

    fn step(&mut self) {
        let Some(chunk) = self.server.server.snapshot_step() else { return };
        let last = chunk.last;
        self.chunks.push(chunk);
        if last {
            assert_eq!(self.server.server.snapshot_memory(), 0);
            self.compare();
            self.complete += 1;
        }
    }

    /// A complete snapshot: every key once, with all that it held; and a server that has it holds the same.
    fn compare(&mut self) {
        let mut found = Contents::new();
        let mut fresh = Loopback::new(Config::default(), 99).expect("fine");
        let mut commands = Vec::new();
        for Chunk { db, entries, .. } in std::mem::take(&mut self.chunks) {
            for entry in entries {
                let old = found.insert((db, entry.key().to_vec()), describe(&entry));
                assert!(old.is_none(), "{db} {entry:?} is there twice");
                let (name, mut rewrite) = (db.to_string(), Rewrite::new(entry.duplicate(entry.key())));
                request::encode(&mut commands, [b"SELECT", name.as_bytes()].into_iter());
                while !rewrite.step(&mut commands, self.rng.below(1000) as usize, false) {}
                fresh.server.databases[db].put(entry);
            }
        }
        for (key, value) in &self.expected {
            assert_eq!(found.get(key), Some(value), "{} {}", key.0, key.1.escape_ascii());
        }
        assert_eq!(found.len(), self.expected.len());
        let client = fresh.connect();
        fresh.send(client, b"DEBUG DIGEST\r\n");
        assert_eq!(fresh.take_heard(client), self.digest);
        self.compare_replayed(&commands, &fresh.server.databases);
    }

    /// The snapshot as commands: a server that runs them holds the same, but for when consumers were last heard of.
    fn compare_replayed(&self, commands: &[u8], expected: &[Database]) {
        let mut replayed = Loopback::new(Config::default(), 98).expect("fine");
        replayed.now = self.server.now;
        replayed.server.begin_loading(0, replayed.now);
        let mut waiting = Vec::new();
        // They come in pieces, cut anywhere.
        for piece in commands.chunks(1009) {
            waiting.extend_from_slice(piece);
            let (ran, _) = replayed.server.replay(&waiting, replayed.now).expect("commands");
            waiting.drain(..ran);
        }
        assert!(waiting.is_empty());
        replayed.server.end_loading();
        let client = replayed.connect();
        replayed.send(client, b"DEBUG DIGEST\r\n");
        assert_eq!(replayed.take_heard(client), self.digest);
        let streams = |databases: &[Database]| -> Contents {
            let numbered = databases.iter().enumerate();
            let entries = numbered.flat_map(|(db, database)| database.iter().map(move |entry| (db, entry)));
            let streams = entries.filter_map(|(db, entry)| Some((db, entry, entry.stream()?)));
            let described = streams.map(|(db, entry, stream)| {
                let state =
                    (stream.last_id, stream.max_deleted_id, stream.entries_added, &stream.idempotency);
                let mut text = format!("{state:?}");
                describe_groups(&mut text, stream, false);
                ((db, entry.key().to_vec()), text)
            });
            described.collect()
        };
        assert_eq!(streams(&replayed.server.databases), streams(expected));
    }

    /// Something that may change keys.
    fn disturb(&mut self) {
        let which = self.rng.below(CLIENTS as u64) as usize;
        let client = self.clients[which];
        match self.rng.below(60) {
            0 => drop(self.ask(client, "FLUSHDB")),
            1 => drop(self.ask(client, "SWAPDB 0 3")),
            2 => self.server.advance(self.rng.below(200_000)),
            3 => self.server.advance(self.rng.below(1_000_000_000)),
            4 => {
                let (from, count) = (self.rng.below(3000), self.rng.below(800));
                (from..from + count).for_each(|n| drop(self.ask(client, &format!("DEL filler:{n}"))));
            }
            5 => {
                let (from, count) = (self.rng.below(3000), self.rng.below(800));
                (from..from + count).for_each(|n| drop(self.ask(client, &format!("APPEND filler:{n} x"))));
            }
            6 => self.evict(),
            7 => {
                let db = self.rng.below(4);
                drop(self.ask(client, &format!("SELECT {db}")));
            }
            8 => self.fill(),
            // It may have been closed, or wait for ever.
            9 => {
                self.server.disconnect(client);
                self.clients[which] = self.server.connect();
            }
            _ => self.command(client),
        }
    }

    fn command(&mut self, client: usize) {
        let rows: Vec<_> = generate::rows()
            .filter(|row| !LEFT_OUT.contains(&row.name) && !row.parent.is_some_and(|p| LEFT_OUT.contains(&p)))
            .collect();
        let row = rows[self.rng.below(rows.len() as u64) as usize];
        let request = generate::valid(row, &mut self.rng);
        self.server.send(client, &generate::encode(&request));
        self.server.take_heard(client);
    }

    fn evict(&mut self) {
        USED.set(2);
        let server = &mut self.server.server;
        (server.config.maxmemory, server.policy) = (1, Policy::AllKeysRandom);
        server.make_room(self.server.now);
        self.server.server.config.maxmemory = 0;
        USED.set(0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn a_snapshot_is_what_was_there_when_it_began(seed: u64) {
        let mut world = World::new(seed);
        for _ in 0..400 {
            match world.rng.below(14) {
                0 => world.begin(),
                1..3 => world.step(),
                3 if world.rng.below(20) == 0 => {
                    world.server.server.abort_snapshot();
                    world.chunks.clear();
                    prop_assert!(!world.server.server.snapshot_wants_step());
                }
                _ => world.disturb(),
            }
        }
        // To the end, and then once more without any disturbance.
        while world.server.server.snapshot_wants_step() {
            world.step();
        }
        for _ in 0..100 {
            world.server.advance(1000);
        }
        world.begin();
        while world.server.server.snapshot_wants_step() {
            world.step();
        }
        prop_assert!(world.complete > 0 && world.chunks.is_empty());
        world.server.server.databases.iter().for_each(Database::check);
    }
}
