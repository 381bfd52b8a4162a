//! Published holes of Redis and Valkey, 2021 to 2026, each tried here: what once read or wrote memory, aborted, ran for
//! ever or went past a check gets an answer, and the server goes on. Those of Lua are in `src/engine/script/tests.rs`,
//! those of ACL rules in `src/engine/command/server/acl_audit.test`; what `src/engine/text/glob.rs` promises of patterns
//! is proved there, and damaged payloads of all kinds are the matter of the fuzz targets `rdb` and `restore`.

use seedis::engine::config::{Config, Origin};
use seedis::engine::loopback::Loopback;
use seedis::engine::protocol::request::encode;
use seedis::engine::server::batch::Flow;
use seedis::engine::text::crc64::crc64;
use std::process::Command;

struct World {
    world: Loopback,
    client: usize,
}

impl World {
    fn new(parameters: &[(&str, &str)]) -> Self {
        let mut config = Config::default();
        let pairs: Vec<(&[u8], &[u8])> =
            parameters.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        config.set(&pairs, Origin::default()).unwrap();
        let mut world = Loopback::new(config, 1).unwrap();
        let client = world.connect();
        World { world, client }
    }

    /// Calls a command; gives the reply as it came.
    fn call(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.world.send(self.client, &request(words));
        self.world.take_heard(self.client)
    }

    /// The same with words separated by blanks, and a reply that is text.
    fn run(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.call(&words)).into_owned()
    }

    /// Has all these refused, with an error that says so.
    fn refuses(&mut self, error: &str, lines: &[&str]) {
        for line in lines {
            let reply = self.run(line);
            assert!(reply.starts_with('-') && reply.contains(error), "{line}: {reply}");
        }
        assert_eq!(self.run("PING"), "+PONG\r\n");
    }
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, words.iter().copied());
    bytes
}

/// CVE-2021-29477, CVE-2021-32625: the table of LCS, whose size overflowed.
#[test]
fn lcs_of_long_strings() {
    let mut world = World::new(&[]);
    let long = vec![b'x'; 70_000];
    for key in [b"a", b"b"] {
        world.call(&[b"SET", key, &long]);
    }
    let reply = world.run("LCS a b LEN");
    assert!(reply == ":70000\r\n" || reply.starts_with("-ERR Insufficient memory"), "{reply}");
}

/// CVE-2021-21309, CVE-2021-32687, CVE-2021-32761, CVE-2021-41099, CVE-2022-35977: offsets and lengths that overflow.
#[test]
fn offsets_and_lengths() {
    let mut world = World::new(&[]);
    world.refuses(
        "string exceeds maximum allowed size",
        &["SETRANGE k 536870912 x", "SETRANGE k 4294967295 x", "SETRANGE k 9223372036854775807 x"],
    );
    world.refuses("offset is out of range", &["SETRANGE k -1 x"]);
    world.refuses(
        "bit offset is not an integer or out of range",
        &[
            "SETBIT k 4294967296 1",
            "SETBIT k 18446744073709551615 1",
            "GETBIT k -1",
            "BITFIELD k SET u8 4294967296 1",
        ],
    );
    assert_eq!(world.run("GETRANGE k 9223372036854775807 -9223372036854775808"), "$0\r\n\r\n");
    assert_eq!(world.run("EXISTS k"), ":0\r\n");
    world.run("RPUSH l 2 1");
    assert_eq!(world.run("SORT l LIMIT 1 9223372036854775807"), "*1\r\n$1\r\n2\r\n");
    assert_eq!(world.run("SORT l LIMIT 9223372036854775807 9223372036854775807"), "*0\r\n");
    assert_eq!(
        world.run("LRANGE l -9223372036854775808 9223372036854775807"),
        "*2\r\n$1\r\n2\r\n$1\r\n1\r\n"
    );
}

/// CVE-2021-29478, CVE-2021-32627, CVE-2021-32628, CVE-2021-32762: sizes that parameters and requests announce.
#[test]
fn announced_sizes() {
    let mut world = World::new(&[]);
    world.refuses(
        "",
        &[
            "CONFIG SET set-max-intset-entries 18446744073709551615",
            "CONFIG SET hash-max-listpack-value 9223372036854775808",
            "CONFIG SET proto-max-bulk-len 9223372036854775808",
        ],
    );
    for header in
        ["*2147483648\r\n", "*1\r\n$9223372036854775807\r\n", "*-9223372036854775808\r\n*1\r\n$-2\r\n"]
    {
        let client = world.world.connect();
        world.world.send(client, header.as_bytes());
        let reply = String::from_utf8_lossy(&world.world.take_heard(client)).into_owned();
        assert!(reply.starts_with("-ERR Protocol error: invalid"), "{header:?}: {reply}");
        assert!(!world.world.is_open(client));
    }
}

/// CVE-2022-31144, CVE-2022-35951: the room that XAUTOCLAIM made for as many entries as it was asked for.
#[test]
fn xautoclaim_of_too_many() {
    let mut world = World::new(&[]);
    world.run("XADD s 1-1 f v");
    world.run("XGROUP CREATE s g 0");
    world.run("XREADGROUP GROUP g a STREAMS s >");
    world.run("XDEL s 1-1");
    world.refuses(
        "",
        &[
            "XAUTOCLAIM s g b 0 0 COUNT 9223372036854775807",
            "XAUTOCLAIM s g b 0 0 COUNT 0",
            "XAUTOCLAIM s g b 0 0 COUNT -1",
        ],
    );
    assert_eq!(
        world.run("XAUTOCLAIM s g b 0 0 COUNT 1000000"),
        "*3\r\n$3\r\n0-0\r\n*0\r\n*1\r\n$3\r\n1-1\r\n"
    );
}

/// CVE-2023-22458, CVE-2023-25155: counts whose negation overflows, and replies of their size.
#[test]
fn random_elements_without_end() {
    let mut world = World::new(&[]);
    world.run("HSET h f v");
    world.run("ZADD z 1 m");
    world.run("SADD s m");
    world.refuses(
        "value is out of range",
        &[
            "HRANDFIELD h -9223372036854775808",
            "HRANDFIELD h -4611686018427387905 WITHVALUES",
            "ZRANDMEMBER z -9223372036854775808",
            "ZRANDMEMBER z -4611686018427387905 WITHSCORES",
            "SRANDMEMBER s -9223372036854775808",
        ],
    );
}

/// CVE-2023-36824: numbers of keys that COMMAND GETKEYS believed.
#[test]
fn keys_of_calls_that_lie() {
    let mut world = World::new(&[]);
    world.refuses(
        "Invalid",
        &[
            "COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 9223372036854775807 k",
            "COMMAND GETKEYS XREADGROUP GROUP g c STREAMS",
        ],
    );
    // Of a script Redis says that it has none.
    for line in ["COMMAND GETKEYS EVAL x 2147483647 k", "COMMAND GETKEYS EVAL x -1 k"] {
        assert_eq!(world.run(line), "*0\r\n", "{line}");
    }
}

/// CVE-2023-41056: values that grow beyond what their buffer was made for.
#[test]
fn values_that_grow() {
    let mut world = World::new(&[]);
    let mut len = 0;
    for round in 1..200 {
        world.call(&[b"APPEND", b"k", &vec![b'x'; round * 37]]);
        world.run(&format!("SETRANGE k {} y", round * 41));
        len = (len + round * 37).max(round * 41 + 1);
        assert_eq!(world.run("STRLEN k"), format!(":{len}\r\n"));
    }
}

/// CVE-2025-32023: a sketch whose runs of zeros go beyond its registers.
#[test]
fn sketches_that_overflow() {
    let mut world = World::new(&[]);
    let header = [&b"HYLL\x01\0\0\0"[..], &[0; 8]].concat();
    for runs in
        [&[0x7f, 0xff][..], &[0x7f, 0xff].repeat(4), &[0x7f, 0xff].repeat(400_000), &[0xff, 0x7f], &[]]
    {
        world.call(&[b"SET", b"k", &[&header[..], runs].concat()]);
        for call in [&[&b"PFADD"[..], b"k", b"x"][..], &[b"PFMERGE", b"d", b"k"], &[b"PFCOUNT", b"k", b"e"]] {
            let reply = world.call(call);
            // A register that lies in the first run can be set; what counts them all sees the rest.
            let fits = runs == [0x7f, 0xff] || call[0] == b"PFADD" && runs == [0x7f, 0xff].repeat(4);
            assert_eq!(reply.starts_with(b"-INVALIDOBJ"), !fits, "{}", String::from_utf8_lossy(&reply));
        }
        world.run("DEL k d");
    }
}

/// CVE-2025-62507: more ids than XACKDEL had room for.
#[test]
fn xackdel_of_many() {
    let mut world = World::new(&[]);
    world.run("XADD s 1-1 f v");
    world.run("XGROUP CREATE s g 0");
    world.run("XREADGROUP GROUP g a STREAMS s >");
    let ids = (1..=5000).map(|n| format!("{n}-1")).collect::<Vec<_>>().join(" ");
    let reply = world.run(&format!("XACKDEL s g IDS 5000 {ids}"));
    assert!(reply.starts_with("*5000\r\n:1\r\n:-1\r\n"), "{}", &reply[..20.min(reply.len())]);
    world.refuses("", &["XACKDEL s g IDS 5000 1-1", "XACKDEL s g IDS 9223372036854775807 1-1"]);
}

/// CVE-2026-23479: a client that is freed while it is being served.
#[test]
fn clients_that_go_while_they_are_served() {
    let (mut world, mut evicted) = (World::new(&[("maxmemory-clients", "1mb")]), 0);
    for round in 0..20 {
        let waiting = world.world.connect();
        world.world.send(waiting, &request(&[b"BLMOVE", b"l", b"m", b"LEFT", b"LEFT", b"0"]));
        let big = vec![b'x'; 100_000 * (round + 1)];
        let id = world.world.client(waiting).id.to_string();
        let calls: [&[&[u8]]; 4] =
            [&[b"MULTI"], &[b"RPUSH", b"l", &big], &[b"CLIENT", b"KILL", b"ID", id.as_bytes()], &[b"EXEC"]];
        for call in calls {
            world.call(call);
        }
        world.world.take_heard(waiting);
        if world.world.is_open(world.client) {
            assert!(!world.world.is_open(waiting));
        } else {
            // Evicted itself: what it sent was too much.
            evicted += 1;
            world.client = world.world.connect();
        }
        world.run("DEL l m");
    }
    assert!((1..20).contains(&evicted), "{evicted}");
    assert_eq!(world.run("PING"), "+PONG\r\n");
}

/// CVE-2026-25243, CVE-2026-66373: one pending entry in the hands of two consumers, in a payload that is else whole.
#[test]
fn pending_entries_of_two_consumers() {
    let mut world = World::new(&[]);
    world.run("XADD s 1-1 f v");
    world.run("XADD s 2-1 f v");
    world.run("XGROUP CREATE s g 0");
    world.run("XREADGROUP GROUP g a COUNT 1 STREAMS s >");
    world.run("XREADGROUP GROUP g b COUNT 1 STREAMS s >");
    let reply = world.call(&[b"DUMP", b"s"]);
    let start = reply.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let payload = &reply[start..reply.len() - 2];
    assert!(world.call(&[b"RESTORE", b"copy", b"0", payload]).starts_with(b"+OK"));
    let [one, two] = [1u64, 2].map(|ms| [ms.to_be_bytes(), 1u64.to_be_bytes()].concat());
    // The first place of each is in the entries or the group, the last one in its consumer.
    let last = |id: &[u8]| payload.windows(16).rposition(|window| window == id).unwrap();
    for (from, to) in [(&two, &one), (&one, &two)] {
        let mut forged = payload.to_vec();
        let place = last(from);
        forged[place..place + 16].copy_from_slice(to);
        let end = forged.len() - 8;
        let sum = crc64(&forged[..end]).to_le_bytes();
        forged[end..].copy_from_slice(&sum);
        let reply = world.call(&[b"RESTORE", b"forged", b"0", &forged]);
        assert_eq!(reply, b"-ERR Bad data format\r\n", "{}", String::from_utf8_lossy(&reply));
    }
}

/// CVE-2025-27151: the path of a file that redis-check-aof copied to its stack.
#[test]
fn long_paths_of_tools() {
    let path = "x".repeat(10_000);
    for tool in ["redis-check-aof", "redis-check-rdb"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seedis"));
        std::os::unix::process::CommandExt::arg0(&mut command, tool);
        let output = command.arg(&path).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&text));
        assert!(!text.is_empty());
    }
}

/// CVE-2022-36021, CVE-2024-31228: patterns that take ages, or a stack without end. (That this test ends is what it shows.)
#[test]
fn patterns_that_take_long() {
    let mut world = World::new(&[]);
    let key = "a".repeat(5000);
    world.run(&format!("SET {key} v"));
    assert_eq!(world.run(&format!("KEYS {}b", "a*".repeat(2000))), "*0\r\n");
    assert_eq!(
        world.run(&format!("SCAN 0 COUNT 10 MATCH {}b", "*?".repeat(2400))),
        "*2\r\n$1\r\n0\r\n*0\r\n"
    );
    assert_eq!(world.run(&format!("KEYS {}", "*".repeat(100_000))), format!("*1\r\n$5000\r\n{key}\r\n"));
    assert_eq!(world.run(&format!("KEYS {}", "[".repeat(100_000))), "*0\r\n");
}

/// CVE-2023-28425, CVE-2023-28856: an assertion that a client could fail, and a field that nobody could read.
#[test]
fn fields_and_keys_that_should_not_be() {
    let mut world = World::new(&[]);
    assert_eq!(world.run("MSETNX a 1 a 2"), ":1\r\n");
    assert_eq!(world.run("GET a"), "$1\r\n2\r\n");
    world.refuses("", &["HINCRBYFLOAT h f nan", "HINCRBYFLOAT h f inf", "HINCRBYFLOAT h f 1e5000"]);
    assert_eq!(world.run("EXISTS h"), ":0\r\n");
    world.run("HSET h f 1.7e308");
    world.refuses("NaN or Infinity", &["INCRBYFLOAT k inf"]);
}

/// CVE-2021-32675, CVE-2025-21605, CVE-2025-48367, CVE-2026-27623: what somebody may do who has not logged in.
#[test]
fn strangers_cost_little() {
    let mut world = World::new(&[("requirepass", "secret")]);
    for (sent, why) in [
        ("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"),
        ("*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n"),
    ] {
        let client = world.world.connect();
        world.world.send(client, sent.as_bytes());
        assert_eq!(String::from_utf8_lossy(&world.world.take_heard(client)), why);
        assert!(!world.world.is_open(client));
    }
    // Nothing, in every way.
    let client = world.world.connect();
    world.world.send(client, b"*0\r\n\r\n*-1\r\n   \r\n*0\r\n");
    assert!(world.world.is_open(client));
    // Somebody who reads nothing is not kept.
    let id = world.world.client(client);
    let mut rounds = 0;
    let input = b"GET k\r\n".repeat(100);
    while world.world.server.handle_input(id, &input, input.len(), world.world.now).flow != Flow::Drop {
        assert!(world.world.server.output_waiting(id) < 64 * 1024);
        rounds += 1;
        assert!(rounds < 100, "it is still there");
    }
}
