//! Requests in arbitrary pieces: whatever the split, the same replies, the same end, the same data; and
//! no more memory than the input justifies.
//!
//! The first byte chooses RESP2 or RESP3, the next eight where to cut; the rest is what a client sends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::command::GROUPS;
use seedis::engine::config::{Config, Directive, Place};
use seedis::engine::loopback::Loopback;
use seedis::engine::server::Environment;
use seedis_fuzz::{Counting, DECLARED, live, peak, reset_peak};
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Commands whose replies tell how the input came (reads, buffers), whose cost is not in the bytes
/// (SETRANGE may ask for half a gigabyte by right, COMMAND replies with much), or that change limits of
/// requests which may have been parsed already.
const REMOVED: [&str; 12] = [
    "INFO",
    "CLIENT",
    "MEMORY",
    "SLOWLOG",
    "LATENCY",
    "COMMANDLOG",
    "COMMAND",
    "CONFIG",
    "SETRANGE",
    "LCS",
    "DEBUG",
    "RESET",
];

/// What a client could tell apart.
#[derive(PartialEq, Debug)]
struct Outcome {
    heard: Vec<u8>,
    open: bool,
    keys: Vec<usize>,
}

fn world() -> Loopback {
    let mut config = Config::default();
    let known = |name: &str| {
        GROUPS
            .iter()
            .flat_map(|group| group.iter())
            .flat_map(|topic| topic.iter())
            .any(|row| row.name == name)
    };
    for name in REMOVED.into_iter().filter(|name| known(name)) {
        let place = Place { file: None, line: 0, text: Vec::new() };
        let directive = Directive { args: vec![name.into(), Vec::new()], place };
        config.directives.rename_command.push(directive);
    }
    Loopback::sharing(&DECLARED, config, Environment::bare(7)).expect("the names are those of commands")
}

fn play<'a>(resp3: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut world = world();
    let client = world.connect();
    if resp3 {
        world.send(client, b"HELLO 3\r\n");
    }
    for piece in pieces {
        world.send(client, piece);
    }
    world.server.databases.iter().for_each(|database| database.check());
    Outcome {
        heard: world.take_heard(client),
        open: world.is_open(client),
        keys: world.server.databases.iter().map(|database| database.len()).collect(),
    }
}

/// Cuts the input by the bits of `cuts`: short pieces and long ones.
fn pieces(mut input: &[u8], cuts: u64) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut state = cuts | 1;
    while !input.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = 1 + (state >> 60 & 7) as usize * if state >> 59 & 1 == 1 { 1 } else { 30 };
        let (now, later) = input.split_at(length.min(input.len()));
        pieces.push(now);
        input = later;
    }
    pieces
}

fuzz_target!(|data: &[u8]| {
    let Some((head, input)) = data.split_at_checked(9) else { return };
    let resp3 = head[0] & 1 == 1;
    let cuts = head[1..].iter().fold(0, |cuts, byte| cuts << 8 | u64::from(*byte));
    LazyLock::force(&DECLARED);
    reset_peak();
    let before = live();
    let whole = play(resp3, std::iter::once(input));
    let used = peak() - before;
    let justified = (4 << 20) + 100 * (input.len() + whole.heard.len()) as u64;
    assert!(used < justified, "{used} bytes for {} of input", input.len());
    assert_eq!(whole, play(resp3, pieces(input, cuts).into_iter()));
    if input.len() < 600 {
        assert_eq!(whole, play(resp3, input.chunks(1)));
    }
});
