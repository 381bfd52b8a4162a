//! How long one call of the engine holds the loop, at most: a table that grows, expires, is flushed, a snapshot
//! of all keys, and collections that grow, shrink and are deleted.
//!
//! `cargo bench --bench pauses`, or with a number of keys or elements, and of one part alone:
//! `cargo bench --bench pauses -- 1000000 list`
//!
//! Times are CPU time of the thread, so that other work on the machine does not count. What the
//! kernel does for us (page faults of fresh memory) does.

// A benchmark reads the clock; the rule is for the engine.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(not(madsim))]
use nix::time::{ClockId, clock_gettime};
use seedis::engine::config::Config;
use seedis::engine::loopback::Loopback;

/// A build for the simulator, which this is not to be run in, has no such clock.
#[cfg(madsim)]
fn cpu_us() -> f64 {
    0.0
}

#[cfg(not(madsim))]
fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3
}

/// The longest calls of one phase.
#[derive(Default)]
struct Phase {
    calls: usize,
    total: f64,
    longest: Vec<f64>,
}

impl Phase {
    fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = cpu_us();
        let result = call();
        let took = cpu_us() - start;
        self.calls += 1;
        self.total += took;
        self.longest.push(took);
        if self.longest.len() > 4096 {
            self.trim();
        }
        result
    }

    fn trim(&mut self) {
        self.longest.sort_by(|a, b| b.total_cmp(a));
        self.longest.truncate(16);
    }

    fn print(mut self, name: &str) {
        self.trim();
        let mean = self.total / self.calls as f64;
        let tenth = self.longest.get(9).unwrap_or(&0.0);
        let longest = self.longest.first().unwrap_or(&0.0);
        println!(
            "{name:32} {:>9} calls, mean {mean:7.2} us, tenth longest {tenth:8.1} us, longest {longest:8.1} us",
            self.calls
        );
    }
}

fn set(n: u64, expiry: &str) -> Vec<u8> {
    format!("SET key:{n:012} vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv {expiry}\r\n").into_bytes()
}

fn keys_left(server: &Loopback) -> usize {
    server.server.databases[0].len()
}

/// Ticks until `done`, a millisecond of the server's time apart.
fn tick_until(server: &mut Loopback, phase: &mut Phase, done: impl Fn(&Loopback) -> bool) {
    for _ in 0..10_000_000 {
        if done(server) {
            return;
        }
        server.now.mono_us += 1000;
        server.now.unix_us += 1000;
        let now = server.now;
        phase.time(|| server.server.tick(now));
    }
}

/// A type of collection: what adds and what removes the element of a number.
struct Collection {
    name: &'static str,
    add: fn(u64) -> String,
    remove: fn(u64) -> String,
}

const COLLECTIONS: [Collection; 6] = [
    Collection { name: "list", add: |n| format!("RPUSH c element:{n:08}"), remove: |_| "LPOP c".to_owned() },
    Collection {
        name: "hash",
        add: |n| format!("HSET c field:{n:08} vvvvvvvvvvvvvvvv"),
        remove: |n| format!("HDEL c field:{n:08}"),
    },
    Collection {
        name: "set",
        add: |n| format!("SADD c member:{n:08}"),
        remove: |n| format!("SREM c member:{n:08}"),
    },
    Collection {
        name: "zset",
        add: |n| format!("ZADD c {} member:{n:08}", n.wrapping_mul(0x9e37_79b9) % 1_000_000),
        remove: |n| format!("ZREM c member:{n:08}"),
    },
    Collection {
        name: "stream",
        add: |n| format!("XADD c {}-1 event job_applied user 123", n + 1),
        remove: |n| format!("XDEL c {}-1", n + 1),
    },
    Collection {
        name: "array",
        add: |n| format!("ARSET c {n} value:{n}"),
        remove: |n| format!("ARDEL c {n}"),
    },
];

/// A collection grows by one element at a time, shrinks to a half, and is deleted.
fn collection(kind: &Collection, elements: u64) {
    let mut server = Loopback::new(Config::default(), 1).expect("the defaults are valid");
    let client = server.connect();
    let mut repeat = |what: &str, range: std::ops::Range<u64>, request: &dyn Fn(u64) -> String| {
        let mut phase = Phase::default();
        for n in range {
            let request = request(n) + "\r\n";
            phase.time(|| server.send(client, request.as_bytes()));
            server.take_heard(client);
        }
        phase.print(&format!("{}: {what}", kind.name));
    };
    repeat("grows", 0..elements, &kind.add);
    repeat("shrinks to a half", 0..elements / 2, &kind.remove);
    repeat("COPY", 0..1, &|_| "COPY c d".to_owned());
    repeat("changes after COPY", 0..elements / 100, &|n| (kind.add)(elements + n));
    repeat("DEL", 0..1, &|_| "DEL c".to_owned());
    repeat("DEL of the copy", 0..1, &|_| "DEL d".to_owned());
    let mut phase = Phase::default();
    tick_until(&mut server, &mut phase, |server| server.server.garbage.is_empty());
    phase.print(&format!("{}: ticks while it is freed", kind.name));
}

fn main() {
    let number = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(10_000_000);
    let wanted = |part: &str| {
        let named = ["keys", "snapshot", "list", "hash", "set", "zset", "stream", "array"];
        !std::env::args().any(|arg| named.contains(&arg.as_str())) || std::env::args().any(|arg| arg == part)
    };
    if wanted("keys") {
        keyspace(number);
    }
    if wanted("snapshot") {
        snapshot(number);
    }
    COLLECTIONS.iter().filter(|kind| wanted(kind.name)).for_each(|kind| collection(kind, number));
}

/// A snapshot of all keys: alone, while keys are set between its steps, of a database that is flushed, and of one
/// big string that is changed.
fn snapshot(keys: u64) {
    let mut server = Loopback::new(Config::default(), 1).expect("the defaults are valid");
    let client = server.connect();
    for n in 0..keys {
        server.send(client, &set(n, ""));
        server.take_heard(client);
    }
    let sets = |server: &mut Loopback, phase: &mut Phase, count: u64| {
        for _ in 0..count {
            let n = server.server.rng.below(keys);
            let request = set(n, "");
            phase.time(|| server.send(client, &request));
            server.take_heard(client);
        }
    };
    let mut phase = Phase::default();
    sets(&mut server, &mut phase, 1_000_000);
    phase.print("SET of old keys, no snapshot");

    for sets_a_step in [0, 64] {
        let (mut steps, mut between, mut waiting) = (Phase::default(), Phase::default(), 0);
        assert!(server.server.begin_snapshot());
        while server.server.snapshot_wants_step() {
            // Somebody else encodes and frees the chunks: that is not part of the step.
            let chunk = steps.time(|| server.server.snapshot_step());
            sets(&mut server, &mut between, sets_a_step);
            waiting = waiting.max(server.server.snapshot_memory());
            drop(chunk);
        }
        steps.print(&format!("snapshot, {sets_a_step} SETs between steps"));
        if sets_a_step > 0 {
            between.print("SET while it is taken");
            println!("{:32} {waiting:>9} bytes captured before a change wait for a step, at most", "");
        }
    }

    let (mut flush, mut steps) = (Phase::default(), Phase::default());
    assert!(server.server.begin_snapshot());
    flush.time(|| server.send(client, b"FLUSHALL\r\n"));
    while server.server.snapshot_wants_step() {
        drop(steps.time(|| server.server.snapshot_step()));
    }
    flush.print("FLUSHALL during a snapshot");
    steps.print("snapshot of what was flushed");

    let (mut step, mut first, mut second) = (Phase::default(), Phase::default(), Phase::default());
    server.send(client, b"SETRANGE s 67108863 x\r\n");
    assert!(server.server.begin_snapshot());
    let chunk = step.time(|| server.server.snapshot_step());
    first.time(|| server.send(client, b"SETRANGE s 0 y\r\n"));
    second.time(|| server.send(client, b"SETRANGE s 1 y\r\n"));
    drop(chunk);
    step.print("snapshot of a string of 64 MB");
    first.print("its first change then");
    second.print("its second change");
}

/// All keys of a database.
fn keyspace(keys: u64) {
    let mut server = Loopback::new(Config::default(), 1).expect("the defaults are valid");
    let client = server.connect();

    let mut phase = Phase::default();
    for n in 0..keys {
        let request = set(n, "PX 60000000");
        phase.time(|| server.send(client, &request));
        server.take_heard(client);
    }
    phase.print(&format!("SET of {keys} new keys"));

    let mut phase = Phase::default();
    server.now.unix_us += 120_000_000_000;
    tick_until(&mut server, &mut phase, |server| keys_left(server) == 0 && server.server.garbage.is_empty());
    phase.print("ticks while all of them expire");

    for n in 0..keys {
        server.send(client, &set(n, "KEEPTTL"));
        server.take_heard(client);
    }
    let mut phase = Phase::default();
    phase.time(|| server.send(client, b"FLUSHALL ASYNC\r\n"));
    phase.print("FLUSHALL ASYNC");
    let mut phase = Phase::default();
    tick_until(&mut server, &mut phase, |server| server.server.garbage.is_empty());
    phase.print("ticks while it is freed");
}
