//! Scripts of strangers: nothing panics or hangs, what runs for long can be ended, no other script sees anything of them,
//! and no memory is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::config::{Config, Origin};
use seedis::engine::loopback::Loopback;
use seedis::engine::server::Environment;
use seedis_fuzz::{Counting, DECLARED, live, request};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Nanoseconds; each look at the clock takes one hundred thousand, so that scripts run for long soon.
static CLOCK: AtomicU64 = AtomicU64::new(0);

fn stopwatch() -> u64 {
    CLOCK.fetch_add(100_000, Relaxed)
}

/// What any script finds: every global with all that it holds, and the metatable of strings.
const FOUND: &str = "
    local seen, lines = {}, {}
    local function look(name, value)
        if type(value) ~= 'table' then lines[#lines + 1] = name .. ' ' .. type(value) return end
        if seen[value] then return end
        seen[value] = true
        for key, inner in pairs(value) do look(name .. '.' .. tostring(key), inner) end
    end
    look('_G', _G)
    look('string', getmetatable('') or 'none')
    table.sort(lines)
    return redis.sha1hex(table.concat(lines, '\\n'))";

/// Searches in C cannot be interrupted, here as little as in Redis, and can take for ever.
const ENDLESS: [&[u8]; 4] = [b"find", b"match", b"gsub", b"rep"];

fn ask(world: &mut Loopback, client: usize, words: &[&[u8]]) -> Vec<u8> {
    world.send(client, &request(words));
    world.take_heard(client)
}

/// What a script finds when there was none before it.
static UNTOUCHED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut world = world();
    let client = world.connect();
    let found = ask(&mut world, client, &[b"EVAL", FOUND.as_bytes(), b"0"]);
    assert!(found.starts_with(b"$40"), "{}", String::from_utf8_lossy(&found));
    found
});

fn world() -> Loopback {
    let mut config = Config::default();
    let slow: [(&[u8], &[u8]); 1] = [(b"busy-reply-threshold", b"2")];
    config.set(&slow, Origin::default()).expect("it can be set");
    // The smallest limit that an interpreter has.
    let environment = Environment { memory: live, stopwatch, total_memory: 4, ..Environment::bare(1) };
    Loopback::sharing(&DECLARED, config, environment).expect("the configuration is fine")
}

fn run(source: &[u8]) {
    CLOCK.store(0, Relaxed);
    let mut world = world();
    let (stranger, other) = (world.connect(), world.connect());
    ask(&mut world, stranger, &[b"EVAL", source, b"2", b"k1", b"k2", b"a1", b"a2"]);
    let mut slices = 0;
    while world.server.is_busy() {
        ask(&mut world, other, &[b"SCRIPT", b"KILL"]);
        world.advance(10_000);
        slices += 1;
        if slices == 20 {
            // It has written: only the end of the server ends it.
            return;
        }
    }
    world.server.databases.iter().for_each(|database| database.check());
    let third = world.connect();
    assert_eq!(
        ask(&mut world, third, &[b"EVAL", FOUND.as_bytes(), b"0"]),
        *UNTOUCHED,
        "a script has changed others"
    );
}

fuzz_target!(|source: &[u8]| {
    if ENDLESS.iter().any(|word| source.windows(word.len()).any(|window| window == *word)) {
        return;
    }
    LazyLock::force(&UNTOUCHED);
    let outside = live();
    run(source);
    assert_eq!(live(), outside, "memory is lost");
});
