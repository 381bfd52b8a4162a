//! Interchange of values with real servers.
//!
//! `cases.txt` has commands that make a key of every type and encoding. What DUMP gave for it on Redis 7.0,
//! Redis 8.10 and Valkey 9.1, with the encoding and the digest there, is in a file for each: what this server
//! restores from it must have the same digest, and so must what the commands make here.
//!
//! Where `REDIS70`, `REDIS810` or `VALKEY91` hold a command line with `{port}` and `{dir}`, the other
//! direction is played as well: that server restores what DUMP gives here. `UPDATE=1` writes the files anew.

// Tests talk to real servers and rewrite files; the rule is for what they test.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod server;
#[path = "../support/mod.rs"]
mod support;

use seedis::engine::config::Config;
use seedis::engine::loopback::Loopback;
use server::Server;
use std::path::PathBuf;
use support::quoting;
use support::reply::{self, Value};

/// The real servers, each with the variable that says how to start it.
const SERVERS: [(&str, &str); 3] =
    [("redis-7.0", "REDIS70"), ("redis-8.10", "REDIS810"), ("valkey-9.1", "VALKEY91")];

/// Whoever answers commands.
trait Answers {
    fn ask(&mut self, words: &[&[u8]]) -> Value;
}

/// The commands that make a key.
#[derive(Default)]
struct Case {
    name: String,
    only: Option<Vec<String>>,
    config: Vec<(String, String)>,
    commands: Vec<Vec<Vec<u8>>>,
}

impl Case {
    fn is_for(&self, server: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|other| other == server))
    }

    /// Makes the key, alone in its database.
    fn play(&self, server: &mut dyn Answers) {
        server.ask(&[b"FLUSHALL"]);
        for command in &self.commands {
            let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            let answer = server.ask(&words);
            assert!(!matches!(answer, Value::Error(_)), "{}: {answer:?}", self.name);
        }
    }
}

/// What a real server said about a case.
struct Captured {
    name: String,
    encoding: String,
    digest: String,
    payload: Vec<u8>,
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interchange").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn cases() -> Vec<Case> {
    let (text, mut cases) = (read("cases.txt"), Vec::<Case>::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (verb, rest) = line.split_once(' ').expect("a verb and more");
        if verb == "case" {
            cases.push(Case { name: rest.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with its name");
        match verb {
            "only" => case.only = Some(rest.split(' ').map(str::to_owned).collect()),
            "config" => case.config.extend(rest.split_once(' ').map(|(n, v)| (n.to_owned(), v.to_owned()))),
            ">" => case.commands.push(quoting::split(rest).expect("words")),
            _ => panic!("{line}"),
        }
    }
    cases
}

fn captured(server: &str) -> Vec<Captured> {
    let text = read(&format!("{server}.txt"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    // Redis 7.0 computed digests of sorted sets in another way, and Valkey does not count expiries of fields.
    let redis = if server == "redis-8.10" { Vec::new() } else { captured("redis-8.10") };
    let differs = |name: &str| match server {
        "redis-7.0" => name.starts_with("zset"),
        _ => name.starts_with("hash") && name.ends_with("ttl"),
    };
    let record = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, encoding, digest, payload] = words[..] else { panic!("{line}") };
        let payload = (0..payload.len() / 2).map(|at| u8::from_str_radix(&payload[2 * at..2 * at + 2], 16));
        let redis = redis.iter().find(|redis| redis.name == name && differs(name));
        Captured {
            name: name.to_owned(),
            encoding: encoding.to_owned(),
            digest: redis.map_or(digest, |redis| redis.digest.as_str()).to_owned(),
            payload: payload.collect::<Result<_, _>>().expect("hexadecimal digits"),
        }
    };
    lines.map(record).collect()
}

/// The server of this crate.
struct Engine(Loopback);

impl Engine {
    fn new(parameters: &[(String, String)]) -> Self {
        let mut config = Config::default();
        let debug = ("enable-debug-command".to_owned(), "yes".to_owned());
        for (name, value) in parameters.iter().chain([&debug]) {
            let line = format!("{name} {value}\n");
            config.load(line.as_bytes(), None, &mut |_: &[u8]| Ok(Vec::new())).expect("a parameter");
        }
        let mut loopback = Loopback::new(config, 1).expect("the parameters are fine");
        loopback.connect();
        Engine(loopback)
    }
}

impl Answers for Engine {
    fn ask(&mut self, words: &[&[u8]]) -> Value {
        self.0.send(0, &server::request(words));
        let heard = self.0.take_heard(0);
        reply::parse(&heard).expect("a reply").expect("a whole reply").0
    }
}

fn text(value: Value) -> String {
    match value {
        Value::Simple(text) | Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
        Value::Array(mut values) if values.len() == 1 => text(values.remove(0)),
        other => panic!("{other:?}"),
    }
}

fn digest(server: &mut dyn Answers, key: &[u8]) -> String {
    text(server.ask(&[b"DEBUG", b"DIGEST-VALUE", key]))
}

fn payload(server: &mut dyn Answers) -> Vec<u8> {
    match server.ask(&[b"DUMP", b"k"]) {
        Value::Bulk(payload) => payload,
        other => panic!("{other:?}"),
    }
}

/// The encoding that this server has where another one has this.
fn encoding_here(case: &str, there: &str) -> String {
    match there {
        "template-listpack" => "listpack".to_owned(),
        // This one has a limit of its own: hash-max-listpack-value.
        "template-array" => "listpack".to_owned(),
        // Redis 7.0 has no sets that are listpacks, and Valkey no small hashes with expiring fields.
        "hashtable" if case == "set-listpack" => "listpack".to_owned(),
        "hashtable" if case == "hash-listpack-ttl" => "listpackex".to_owned(),
        // Lists are small or big by the limits here.
        "quicklist" => "list".to_owned(),
        "skiplist" | "hashtable" | "listpack" | "intset" => there.to_owned(),
        there => there.to_owned(),
    }
}

/// Whether the digest is Redis's: how it counts the gaps of arrays is not known.
fn is_comparable(case: &str) -> bool {
    !case.ends_with("-gaps")
}

#[test]
fn what_real_servers_dump_is_restored() {
    for (server, _) in SERVERS {
        for Captured { name, encoding, digest: expected, payload } in captured(server) {
            let mut engine = Engine::new(&[]);
            let answer = engine.ask(&[b"RESTORE", b"k", b"0", &payload]);
            assert_eq!(answer, Value::Simple(b"OK".to_vec()), "{server}: {name}");
            if is_comparable(&name) {
                assert_eq!(digest(&mut engine, b"k"), expected, "{server}: {name}");
            }
            let here = text(engine.ask(&[b"OBJECT", b"ENCODING", b"k"]));
            let wanted = encoding_here(&name, &encoding);
            let is_list = wanted == "list" || name.starts_with("list");
            assert!(is_list || here == wanted, "{server}: {name} is {here}, not {wanted}");
        }
    }
}

#[test]
fn the_same_commands_make_the_same_here() {
    let cases = cases();
    for (server, _) in SERVERS {
        for Captured { name, digest: expected, .. } in captured(server) {
            let case = cases.iter().find(|case| case.name == name).expect("a case for each record");
            let mut engine = Engine::new(&case.config);
            case.play(&mut engine);
            let made = digest(&mut engine, b"k");
            let expected = if is_comparable(&name) { expected } else { made.clone() };
            assert_eq!(made, expected, "{server}: {name}");
            let dumped = payload(&mut engine);
            engine.ask(&[b"RESTORE", b"k", b"0", &dumped, b"REPLACE"]);
            assert_eq!(digest(&mut engine, b"k"), expected, "{server}: {name}, dumped and restored");
        }
    }
}

#[test]
fn what_is_dumped_here_real_servers_restore() {
    for (name, variable) in SERVERS {
        let Some(mut server) = Server::start(variable) else { continue };
        for case in cases().iter().filter(|case| case.is_for(name)) {
            let mut engine = Engine::new(&case.config);
            case.play(&mut engine);
            case.play(&mut server);
            let expected = digest(&mut server, b"k");
            server.ask(&[b"FLUSHALL"]);
            let mut dumped = payload(&mut engine);
            if name == "redis-7.0" {
                as_version(10, &mut dumped);
                // What 7.2 and later know.
                if matches!(dumped[0], 20 | 21) {
                    continue;
                }
            } else if name == "valkey-9.1" && dumped[0] > 21 {
                // Valkey refuses what only Redis writes, whatever the version says.
                continue;
            } else if name == "valkey-9.1" {
                as_version(11, &mut dumped);
            }
            let answer = server.ask(&[b"RESTORE", b"k", b"0", &dumped]);
            assert_eq!(answer, Value::Simple(b"OK".to_vec()), "{name}: {}", case.name);
            assert_eq!(digest(&mut server, b"k"), expected, "{name}: {}", case.name);
        }
    }
}

/// Gives a payload another version, since older servers refuse ours.
fn as_version(version: u16, payload: &mut Vec<u8>) {
    payload.truncate(payload.len() - 10);
    payload.extend(version.to_le_bytes());
    payload.extend(seedis::engine::text::crc64::crc64(payload).to_le_bytes());
}

#[test]
fn records_are_those_of_the_servers() {
    let update = std::env::var("UPDATE").is_ok_and(|update| update == "1");
    for (name, variable) in SERVERS {
        let cases = cases();
        let names: Vec<&str> =
            cases.iter().filter(|case| case.is_for(name)).map(|case| case.name.as_str()).collect();
        if let Some(mut server) = update.then(|| Server::start(variable)).flatten() {
            let mut lines = format!("# {name}: case, encoding, digest and payload\n");
            for case in cases.iter().filter(|case| case.is_for(name)) {
                lines.push_str(&record(case, &mut server));
            }
            std::fs::write(path(&format!("{name}.txt")), lines).expect("the file can be written");
        }
        let captured = captured(name);
        assert_eq!(captured.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), names);
    }
}

fn record(case: &Case, server: &mut Server) -> String {
    let mut before = Vec::new();
    for (name, value) in &case.config {
        if let Value::Array(pair) = server.ask(&[b"CONFIG", b"GET", name.as_bytes()]) {
            before.extend(pair.into_iter().nth(1).map(|value| (name, text(value))));
        }
        server.ask(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
    }
    case.play(server);
    let encoding = text(server.ask(&[b"OBJECT", b"ENCODING", b"k"]));
    let payload: String = payload(server).iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{} {encoding} {} {payload}\n", case.name, digest(server, b"k"));
    for (name, value) in before {
        server.ask(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
    }
    line
}
