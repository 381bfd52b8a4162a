//! Commands of several clients while time passes: nothing panics, what dispatch asserts of each call
//! holds, the databases stay whole, and when all is deleted the memory is back at its start.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::command::Command;
use seedis::engine::command::generate::{Bytes, Choice, broken, encode, rows, valid};
use seedis::engine::config::{Config, Origin};
use seedis::engine::loopback::Loopback;
use seedis::engine::server::Environment;
use seedis::engine::server::persistence::{Aof, Outcome};
use seedis_fuzz::{Counting, DECLARED, live};
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a server may keep when all data and clients are gone: room in tables that it will use again.
const KEPT: u64 = 64 << 10;
/// Actions of one run.
const ACTIONS: usize = 400;

static ROWS: LazyLock<Vec<&'static Command>> = LazyLock::new(|| rows().collect());

struct Run<'a> {
    world: Loopback,
    clients: Vec<usize>,
    choice: Bytes<'a>,
}

impl Run<'_> {
    fn client(&mut self) -> usize {
        let which = self.choice.below(self.clients.len() as u64) as usize;
        if !self.world.is_open(self.clients[which]) {
            self.clients[which] = self.world.connect();
        }
        self.clients[which]
    }

    fn act(&mut self) {
        match self.choice.below(16) {
            0 => {
                let steps = [1_000, 50_000, 1_000_000, 100_000_000, 100_000_000_000];
                let step = steps[self.choice.below(steps.len() as u64) as usize];
                self.world.advance(step);
            }
            1 => {
                let client = self.client();
                self.world.disconnect(client);
            }
            2 => {
                let client = self.client();
                let line: Vec<u8> =
                    (0..self.choice.below(12)).map(|_| self.choice.below(256) as u8).collect();
                self.world.send(client, &line);
            }
            action => {
                let client = self.client();
                let calls = if action == 3 { 1 + self.choice.below(20) } else { 1 };
                let bytes: Vec<u8> = (0..calls).flat_map(|_| self.call()).collect();
                self.world.send(client, &bytes);
            }
        }
        for client in &self.clients {
            self.world.take_heard(*client);
        }
        self.world.take_effects();
    }

    fn call(&mut self) -> Vec<u8> {
        let row = ROWS[self.choice.below(ROWS.len() as u64) as usize];
        let make = if self.choice.below(8) == 7 { broken } else { valid };
        let mut request = make(row, &mut self.choice);
        // It takes nothing from the input, and what it does would be most of the time.
        if row.name == "PFSELFTEST" && request.len() == 1 {
            request.push(b"x".to_vec());
        }
        encode(&request)
    }

    fn check(&self) {
        self.world.server.databases.iter().for_each(|database| database.check());
    }

    /// Gives up what is saved: there is nobody here who writes files, and a snapshot keeps memory.
    fn end_job(&mut self) {
        let server = &mut self.world.server;
        server.config.save.0.clear();
        server.persistence.saves.scheduled = false;
        server.persistence.aof = Aof::default();
        server.propagation.take_stream(Vec::new());
        server.propagation.stream(false);
        server.job_ended(Outcome::Stopped, self.world.now);
        while self.world.server.snapshot_is_busy() {
            self.world.advance(1_000_000);
        }
    }

    /// Deletes everything, as a client could.
    fn clear(&mut self) {
        for client in std::mem::take(&mut self.clients) {
            self.world.disconnect(client);
            self.world.take_heard(client);
        }
        // A pause would hold FLUSHALL back; full memory would not.
        self.world.advance(1_000_000);
        self.world.server.pause.end(None);
        self.world.server.config.requirepass.clear();
        // A file without users leaves the default one, who may do everything.
        self.world.server.load_users(b"", "").expect("there is nothing wrong in it");
        self.end_job();
        let last = self.world.connect();
        self.world.send(last, b"FLUSHALL\r\nSCRIPT FLUSH SYNC\r\nFUNCTION FLUSH SYNC\r\nCONFIG RESETSTAT\r\nSLOWLOG RESET\r\nACL LOG RESET\r\n");
        self.world.disconnect(last);
        self.world.take_heard(last);
        while self.world.server.free_slice() {}
        self.world.take_effects();
        self.check();
        assert!(self.world.server.databases.iter().all(|database| database.is_empty()));
        assert_eq!(self.world.server.clients.len(), 0);
        assert_eq!(self.world.server.watch.len(), 0);
        assert!(!self.world.server.pubsub.has_listeners());
    }
}

fn config(choice: &mut Bytes) -> Config {
    let mut config = Config::default();
    let policies =
        ["noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl", "allkeys-random"];
    let policy = policies[choice.below(policies.len() as u64) as usize];
    let limit = if choice.below(4) == 1 { (live() + 400_000).to_string() } else { "0".to_owned() };
    let events = if choice.below(2) == 1 { "KEA" } else { "" };
    let pairs = [
        ("maxmemory-policy", policy),
        ("maxmemory", &limit),
        ("notify-keyspace-events", events),
        // Histograms of commands stay for ever.
        ("latency-tracking", "no"),
    ];
    let pairs: Vec<(&[u8], &[u8])> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    config.set(&pairs, Origin::default()).expect("these can be set");
    config
}

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&ROWS);
    LazyLock::force(&DECLARED);
    let outside = live();
    {
        let mut choice = Bytes(data);
        let config = config(&mut choice);
        let environment = Environment { memory: live, ..Environment::bare(3) };
        let world = Loopback::sharing(&DECLARED, config, environment).expect("the configuration is fine");
        let mut run = Run { world, clients: Vec::new(), choice };
        run.clear();
        let start = live();
        run.clients = (0..4).map(|_| run.world.connect()).collect();
        for action in 0..ACTIONS {
            if run.choice.is_empty() {
                break;
            }
            run.act();
            if action % 16 == 0 {
                run.check();
            }
        }
        run.clear();
        let end = live();
        assert!(end <= start + KEPT, "{} bytes stay", end - start);
    }
    assert_eq!(live(), outside, "memory is lost");
});
