//! Generated calls against a whole server.

use super::*;
use crate::engine::config::Config;
use crate::engine::loopback::Loopback;
use crate::engine::rng::Rng;
use proptest::prelude::*;

/// Errors that a call which fits the grammar must not give, as they begin or contain it.
const MISFITS: [&str; 6] = [
    "syntax error",
    "wrong number of arguments",
    "unknown command",
    "nknown subcommand",
    "nknown option",
    "nknown argument",
];

/// What the grammar of COMMAND DOCS cannot say: calls that it allows and the command refuses.
fn is_beyond_grammar(request: &[Vec<u8>]) -> bool {
    let has = |word: &str| request.iter().any(|argument| argument.eq_ignore_ascii_case(word.as_bytes()));
    match &request[0].to_ascii_uppercase()[..] {
        b"ZRANGE" | b"ZRANGESTORE" => has("LIMIT") || has("BYLEX") && has("WITHSCORES"),
        b"INCREX" => has("ENX") && has("PERSIST"),
        b"SHUTDOWN" => has("ABORT"),
        b"RESTORE" => has("IDLETIME") && has("FREQ"),
        // LIMIT needs `~`, and idempotent producers leave the id to the server.
        b"XADD" | b"XTRIM" => ["LIMIT", "IDMP", "IDMPAUTO"].into_iter().any(has),
        // How many ids follow is a number before them.
        b"XDELEX" | b"XACKDEL" => true,
        // How many metrics follow is a number before them, and slots are for clusters.
        b"HOTKEYS" => true,
        // The names of parameters and of DEBUG's subcommands are just strings to it.
        b"CONFIG" | b"DEBUG" => true,
        _ => false,
    }
}

fn world(seed: u64) -> (Loopback, usize) {
    let mut world = Loopback::new(Config::default(), seed).expect("the defaults are fine");
    let client = world.connect();
    for line in [
        "SET k0 1\r\n",
        "SET k1 text\r\n",
        "SET k2 0.5 EX 100\r\n",
        "SELECT 1\r\n",
        "SET k3 1\r\n",
        "SELECT 0\r\n",
    ] {
        world.send(client, line.as_bytes());
    }
    world.take_heard(client);
    (world, client)
}

fn shown(request: &[Vec<u8>]) -> String {
    let words: Vec<_> = request.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    words.join(" ").chars().take(300).collect()
}

/// Sends a call; dispatch asserts on the way that it changed what it may.
fn reply(request: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let (mut world, client) = world(seed);
    world.send(client, &encode(request));
    let heard = world.take_heard(client);
    world.advance(1_000_000);
    world.server.databases.iter().for_each(|database| database.check());
    heard
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn valid_calls_fit(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut complaints = String::new();
        for row in rows() {
            let request = valid(row, &mut rng);
            prop_assert!(row.arity.accepts(request.len()), "{}", shown(&request));
            let heard = reply(&request, seed);
            let text = String::from_utf8_lossy(&heard[..heard.len().min(200)]).into_owned();
            let fits = !heard.starts_with(b"-") || !MISFITS.iter().any(|misfit| text.contains(misfit));
            if !fits && !is_beyond_grammar(&request) {
                complaints += &format!("{}\n{text}", shown(&request));
            }
        }
        prop_assert!(complaints.is_empty(), "{}", complaints);
    }

    #[test]
    fn broken_calls_are_answered(seed: u64) {
        let mut rng = Rng::new(seed);
        for row in rows() {
            let request = broken(row, &mut rng);
            reply(&request, seed);
        }
    }

    #[test]
    fn any_bytes_make_a_call(bytes: Vec<u8>) {
        let mut bytes = Bytes(&bytes);
        let all: Vec<_> = rows().collect();
        let row = *pick(&all, &mut bytes);
        let request = valid(row, &mut bytes);
        prop_assert!(row.arity.accepts(request.len()), "{}", shown(&request));
    }
}

#[test]
fn the_same_decisions_make_the_same_call() {
    let calls = |seed| rows().map(|row| broken(row, &mut Rng::new(seed))).collect::<Vec<_>>();
    assert_eq!(calls(1), calls(1));
    assert_ne!(calls(1), calls(2));
}
