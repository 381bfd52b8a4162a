//! How long one call of the engine holds the loop, at most: a table that grows, expires, is flushed.
//!
//! `cargo bench --bench pauses`, or with a number of keys: `cargo bench --bench pauses -- 10000000`
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

fn main() {
    let keys = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(10_000_000);
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
