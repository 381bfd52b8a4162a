//! Files of real servers here, and ours there: equal by `DEBUG DIGEST`.
//!
//! `REDIS70`, `REDIS810` and `VALKEY91` hold command lines with `{port}` and `{dir}`, as for the transcripts.

use super::server::{Client, Directory, PROGRAM, Server, request};
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

/// Values of all types and encodings; a server that lacks a command leaves its keys out.
const COMMANDS: &str = "
SET text hello|SET number -12345|SET large 123456789012345|SET expiring v PXAT 4102444800000|APPEND text more
RPUSH list a b 1 2 -300 70000 5000000000 {long}|RPUSH list2 {huge} x {huge}|LPUSH list3 {many}
SADD ints 1 2 3 70000|SADD ints64 1 5000000000|SADD set a b 1 {long}|SADD bigset {many}
ZADD zset 1 a 2.5 b -inf c inf d 1e30 e 3 {long}|ZADD bigz 0 {long} {scored}
HSET hash f v n 12 {long} {long}|HSET bighash {many}|HSET expfields a 1 b 2|HPEXPIREAT expfields 4102444800000 FIELDS 1 a
HSET bigexp {many}|HPEXPIREAT bigexp 4102444800000 FIELDS 1 m0|PEXPIREAT hash 4102444800000
XADD stream 1-1 f v g w|XADD stream 2-1 f x g y|XADD stream 3-0 other {long}|XADD stream 9-9 f 1 g 2|XDEL stream 2-1
XGROUP CREATE stream group 0|XREADGROUP GROUP group alice COUNT 2 STREAMS stream >|XACK stream group 1-1
XGROUP CREATE stream late $ |XADD gone 1-1 a b|XDEL gone 1-1|PFADD hll a b c|PFADD hll2 {many}|SETBIT bits 1000 1
GEOADD geo 13.361389 38.115556 palermo 15.087269 37.502669 catania
ARSET array 0 a b 3 {long}|ARSET array 1000000 far|SELECT 9|SET elsewhere {huge}|RPUSH list a|SELECT 0";

fn commands() -> Vec<Vec<String>> {
    let many: Vec<String> = (0..600).map(|number| format!("m{number}")).collect();
    let scored: Vec<String> =
        (0..300).flat_map(|number| [format!("{number}.5"), format!("m{number}")]).collect();
    let expand = |word: &str| match word {
        "{long}" => vec!["l".repeat(90)],
        "{huge}" => vec!["h".repeat(20_000)],
        "{many}" => many.clone(),
        "{scored}" => scored.clone(),
        word => vec![word.to_owned()],
    };
    let lines = COMMANDS.split(['|', '\n']).filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().flat_map(expand).collect()).collect()
}

fn write_all(client: &mut Client, reader: &Kind) {
    for command in commands() {
        if reader.lacks.contains(&&*command[0]) {
            continue;
        }
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        client.stream.write_all(&request(&words)).unwrap();
        client.reply();
    }
}

/// A server whose files are exchanged: this one, or a real one.
#[derive(Clone)]
struct Kind {
    name: &'static str,
    command: String,
    /// Commands it does not know.
    lacks: &'static [&'static str],
}

impl Kind {
    fn ours() -> Kind {
        Kind { name: "seedis", command: PROGRAM.to_owned(), lacks: &[] }
    }

    /// Those that are there.
    fn peers() -> Vec<Kind> {
        let known: [(_, &[&str]); 3] = [
            ("REDIS70", &["HPEXPIREAT", "ARSET"]),
            ("REDIS810", &[]),
            ("VALKEY91", &["HPEXPIREAT", "ARSET"]),
        ];
        let found = known.into_iter().filter_map(|(name, lacks)| {
            let command = std::env::var(name).ok()?.replace("{port}", "0").replace("{dir}", ".");
            Some(Kind { name, command, lacks })
        });
        let found: Vec<Kind> = found.collect();
        if found.is_empty() {
            // Past the capture of the test's output.
            let _ = std::io::stderr().write_all(b"interchange skipped: set REDIS70, REDIS810 or VALKEY91\n");
        }
        found
    }

    fn start(&self, directory: &Arc<Directory>, arguments: &[&str]) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec env {} \"$@\"", self.command), "sh"]);
        let arguments = [arguments, &["--enable-debug-command", "yes", "--save", ""]].concat();
        let mut server = Server::launch(command, directory, &arguments);
        server.wait_for("eady to accept connections");
        server
    }
}

/// What is exchanged.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `dump.rdb`.
    Snapshot,
    /// A base and what followed; the parameters that matter.
    Appended(&'static [&'static str]),
    /// The commands of such files in one, as before Redis 7.
    Single,
}

const APPENDED: &[&str] = &["--appendonly", "yes"];
const STAMPED: &[&str] = &["--appendonly", "yes", "--aof-timestamp-enabled", "yes"];
const COMMANDS_ONLY: &[&str] = &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];

impl Form {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Form::Snapshot => &[],
            Form::Appended(arguments) => arguments,
            Form::Single => APPENDED,
        }
    }
}

fn digests(client: &mut Client, timed: bool) -> Vec<String> {
    // Key by key, so that a difference can be named.
    ["0", "9"]
        .into_iter()
        .flat_map(|db| {
            client.call(&["SELECT", db]);
            let keys = client.call(&["KEYS", "*"]);
            let mut keys: Vec<String> = keys.split(' ').map(str::to_owned).collect();
            keys.sort();
            let digest = |key: String| {
                // How gaps in an array are counted is known to nobody but Redis.
                let digest = match &*key {
                    "array" => client.call(&["ARSCAN", "array", "0", "18446744073709551614"]),
                    // Valkey's digest leaves out that fields expire.
                    "expfields" if timed => {
                        client.call(&["HMGET", "expfields", "a", "b"])
                            + &client.call(&["HPEXPIRETIME", "expfields", "FIELDS", "2", "a", "b"])
                    }
                    "bigexp" if timed => {
                        client.call(&["HMGET", "bigexp", "m0", "m598"])
                            + &client.call(&["HPEXPIRETIME", "bigexp", "FIELDS", "2", "m0", "m1"])
                            + &client.call(&["HLEN", "bigexp"])
                    }
                    // Its digest leaves out groups.
                    "stream" if db == "0" => {
                        client.call(&["DEBUG", "DIGEST-VALUE", "stream"])
                            + &client.call(&["XPENDING", "stream", "group"])
                            + &client.call(&["XINFO", "GROUPS", "stream"])
                    }
                    key => client.call(&["DEBUG", "DIGEST-VALUE", key]),
                };
                format!("{db} {key} {digest} {}", client.call(&["PEXPIRETIME", &key]))
            };
            keys.into_iter().map(digest).collect::<Vec<_>>()
        })
        .collect()
}

/// Has one server write and the other read.
fn exchange(from: &Kind, to: &Kind, form: Form) {
    eprintln!("{} to {}: {form:?}", from.name, to.name);
    let directory = Arc::new(Directory::new());
    let timed = from.name != "REDIS70" && to.name != "REDIS70";
    let mut writer = from.start(&directory, form.arguments());
    let mut client = writer.connect();
    match form {
        Form::Snapshot => {
            write_all(&mut client, to);
            assert_eq!(client.call(&["SAVE"]), "OK");
        }
        Form::Appended(_) => {
            // Twice, so that the base and what follows it have all of it.
            write_all(&mut client, to);
            assert!(client.call(&["BGREWRITEAOF"]).starts_with("Background"));
            writer.wait_for("AOF rewrite finished successfully");
            client.call(&["DEL", "list", "zset", "stream", "hash", "array", "ints"]);
            write_all(&mut client, to);
        }
        Form::Single => write_all(&mut client, to),
    }
    let expected = digests(&mut client, timed);
    assert!(expected.len() > 20);
    // Seen from outside, a server ends in order only when its files are whole.
    assert_eq!(writer.signal("TERM").code(), Some(0));
    if matches!(form, Form::Single) {
        let here = &directory.0;
        std::fs::rename(here.join("appendonlydir/appendonly.aof.1.incr.aof"), here.join("appendonly.aof"))
            .unwrap();
        std::fs::remove_dir_all(here.join("appendonlydir")).unwrap();
    }
    let mut reader = to.start(&directory, form.arguments());
    let found = digests(&mut reader.connect(), timed);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found, "{} to {}: {form:?}", from.name, to.name);
    }
    assert_eq!(expected.len(), found.len());
    assert_eq!(reader.signal("TERM").code(), Some(0));
}

const ALL: [Form; 5] = [
    Form::Snapshot,
    Form::Appended(APPENDED),
    Form::Appended(STAMPED),
    Form::Appended(COMMANDS_ONLY),
    Form::Single,
];

#[test]
fn what_real_servers_wrote_is_read_here() {
    for peer in Kind::peers() {
        ALL.into_iter().for_each(|form| exchange(&peer, &Kind::ours(), form));
    }
}

#[test]
fn what_was_written_here_is_read_by_real_servers() {
    for peer in Kind::peers() {
        // Redis 7.0 reads no snapshot of a later version, but all commands that it has.
        let old = [Form::Single, Form::Appended(COMMANDS_ONLY)];
        let forms: &[Form] = if peer.name == "REDIS70" { &old } else { &ALL };
        forms.iter().for_each(|form| exchange(&Kind::ours(), &peer, *form));
    }
}

#[test]
fn what_was_written_here_is_read_here() {
    ALL.into_iter().for_each(|form| exchange(&Kind::ours(), &Kind::ours(), form));
}
