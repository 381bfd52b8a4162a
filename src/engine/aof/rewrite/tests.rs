//! What each type is written as. That it makes the same value again, whatever the value, is shown where snapshots are tested.

use super::Rewrite;
use crate::engine::config::Config;
use crate::engine::keyspace::value::stream::StreamId;
use crate::engine::loopback::Loopback;
use crate::engine::protocol::{Limits, Parser, Range, Step, request};
use crate::engine::text::crc64::crc64;

/// The requests in some bytes, as lines of words.
fn lines(bytes: &[u8]) -> Vec<String> {
    let limits = Limits { bulk: i64::MAX, authenticated: true };
    let (mut at, mut lines) = (0, Vec::new());
    while at < bytes.len() {
        let mut ranges = Vec::<Range>::new();
        let step = Parser::default().step(&bytes[at..], 0, limits, &mut ranges);
        let Ok(Step::Request { length }) = step else { panic!("no request: {step:?}") };
        let words = ranges.iter().map(|range| bytes[at..][range.start..range.end].escape_ascii().to_string());
        lines.push(words.collect::<Vec<_>>().join(" "));
        at += length;
    }
    lines
}

/// What the key `k` is written as, that these requests make, in steps of so many bytes.
fn rewritten(requests: &[&str], about: usize) -> Vec<String> {
    let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
    world.now.unix_us = 1_700_000_000_000_000;
    let client = world.connect();
    for request in requests {
        world.send(client, format!("{request}\r\n").as_bytes());
        let heard = world.take_heard(client);
        assert!(!heard.starts_with(b"-"), "{request}: {}", heard.escape_ascii());
    }
    let entry = world.server.databases[0].lookup(b"k").expect("the key").duplicate(b"k");
    let (mut rewrite, mut out) = (Rewrite::new(entry), Vec::new());
    while !rewrite.step(&mut out, about, true) {}
    lines(&out)
}

#[test]
fn each_type_in_its_own_commands() {
    for (requests, expected) in [
        (&["SET k 12"][..], &["SET k 12"][..]),
        (&["SET k v PXAT 1700000009000"], &["SET k v", "PEXPIREAT k 1700000009000"]),
        (&["RPUSH k a 3 a 1.5"], &["RPUSH k a 3 a 1.5"]),
        (&["SADD k 3 1 2"], &["SADD k 1 2 3"]),
        (&["SADD k b a"], &["SADD k b a"]),
        (&["ZADD k 2.5 b -inf c 1 a"], &["ZADD k -inf c 1 a 2.5 b"]),
        (&["HSET k f 1 g 2"], &["HMSET k f 1 g 2"]),
        (
            &["HSET k f 1 g 2", "HPEXPIREAT k 1700000009000 FIELDS 1 g"],
            &["HMSET k g 2 f 1", "HPEXPIREAT k 1700000009000 FIELDS 1 g"],
        ),
        (&["ARMSET k 5 a 100000 b"], &["ARMSET k 5 a 100000 b"]),
        (&["ARINSERT k a b"], &["ARMSET k 0 a 1 b", "ARSEEK k 2"]),
    ] {
        assert_eq!(rewritten(requests, 1 << 20), expected);
    }
}

#[test]
fn long_collections_are_cut_into_commands_of_64_elements_and_long_elements_into_fewer() {
    let words: String = (0..1000).map(|n| format!(" {n} w{n}")).collect();
    for verb in ["RPUSH k", "SADD k", "HSET k", "ZADD k", "ARMSET k"] {
        let (mut whole, stepwise) =
            (rewritten(&[&format!("{verb}{words}")], usize::MAX), rewritten(&[&format!("{verb}{words}")], 1));
        let parts = if ["RPUSH k", "SADD k"].contains(&verb) { 1 } else { 2 };
        let counts: Vec<usize> = whole.iter().map(|line| (line.split(' ').count() - 2) / parts).collect();
        let elements = 2000 / parts;
        assert_eq!(counts[..elements / 64], vec![64; elements / 64]);
        assert_eq!(counts.iter().sum::<usize>(), elements);
        assert_eq!(whole, stepwise);
        whole.dedup();
        assert_eq!(whole.len(), counts.len());
    }
    let numbers: String = (0..200).map(|n| format!(" {n}")).collect();
    let stepwise = rewritten(&[&format!("SADD k{numbers}")], 1);
    assert_eq!(stepwise, rewritten(&[&format!("SADD k{numbers}")], usize::MAX));
    assert_eq!(stepwise.len(), 4);
    let long = "x".repeat(40_000);
    assert_eq!(rewritten(&[&format!("RPUSH k {long} {long} {long}")], 1).len(), 2);
}

#[test]
fn a_stream_with_its_groups() {
    let requests = [
        "XADD k 1-1 f 1 g 2",
        "XADD k 1-2 f 1",
        "XADD k 2-0 f 1",
        "XADD k 3-0 f 1",
        "XGROUP CREATE k g 0",
        "XREADGROUP GROUP g alice COUNT 3 STREAMS k >",
        "XNACK k g FAIL IDS 1 1-1",
        "XGROUP CREATECONSUMER k g idle",
        "XDEL k 1-2",
    ];
    let expected = [
        "XADD k 1-1 f 1 g 2",
        // A ghost.
        "XADD k 1-2 x y",
        "XADD k 2-0 f 1",
        "XADD k 3-0 f 1",
        "XSETID k 3-0 ENTRIESADDED 4 MAXDELETEDID 1-2",
        "XGROUP CREATE k g 2-0 ENTRIESREAD 3",
        "XCLAIM k g alice 0 1-2 TIME 1700000000000 RETRYCOUNT 1 JUSTID FORCE",
        "XCLAIM k g alice 0 2-0 TIME 1700000000000 RETRYCOUNT 1 JUSTID FORCE",
        "XNACK k g FAIL IDS 1 1-1 RETRYCOUNT 1 FORCE",
        "XGROUP CREATECONSUMER k g idle",
        "XDEL k 1-2",
        "XSETID k 3-0 ENTRIESADDED 4 MAXDELETEDID 1-2",
    ];
    assert_eq!(rewritten(&requests, 1 << 20), expected);
    assert_eq!(rewritten(&requests, 1), expected);
}

#[test]
fn what_was_trimmed_is_trimmed_again() {
    let requests = [
        "XADD k 1-1 f 1",
        "XADD k 2-1 f 1",
        "XGROUP CREATE k g 0",
        "XREADGROUP GROUP g a STREAMS k >",
        "XTRIM k MAXLEN 1",
    ];
    let written = rewritten(&requests, 1 << 20);
    assert_eq!(written[..2], ["XADD k 1-1 x y", "XADD k 2-1 f 1"]);
    assert_eq!(
        written[written.len() - 2..],
        ["XTRIM k MAXLEN 1", "XSETID k 2-1 ENTRIESADDED 2 MAXDELETEDID 0-0"]
    );
}

#[test]
fn a_stream_without_entries() {
    let requests = ["XADD k 5-5 f 1", "XDEL k 5-5"];
    let expected = ["XADD k MAXLEN 0 0-1 x y", "XSETID k 5-5 ENTRIESADDED 1 MAXDELETEDID 5-5"];
    assert_eq!(rewritten(&requests, 1), expected);
}

#[test]
fn what_commands_cannot_say_is_restored() {
    let producers = ["XADD k IDMP p 1 * f v", "PEXPIREAT k 1700000009000"];
    let above = [
        "XADD k 5-0 f v",
        "XGROUP CREATE k g 0",
        "XREADGROUP GROUP g a STREAMS k >",
        "XTRIM k MAXLEN 0",
        "XSETID k 1-0",
        "XADD k 2-0 f v",
    ];
    for (requests, expires_at) in [(&producers[..], "1700000009000"), (&above, "0")] {
        let written = rewritten(requests, 1);
        assert_eq!(written.len(), 1);
        assert!(
            written[0].starts_with(&format!("RESTORE k {expires_at} ")) && written[0].ends_with(" ABSTTL")
        );
    }
}

/// A payload may have a field expire later than a client could, and the clock may have gone back since an entry was
/// delivered: the file says what was the case.
#[test]
fn what_no_client_could_ask_for_is_kept() {
    let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
    world.now.unix_us = 1_700_000_000_000_000;
    let client = world.connect();
    let late = (1u64 << 48) - 1;
    let mut payload = [&b"\x18"[..], &late.to_le_bytes(), b"\x01\x01\x01f\x01v\x0c\0"].concat();
    payload.extend(crc64(&payload).to_le_bytes());
    let mut restore = Vec::new();
    request::encode(&mut restore, [b"RESTORE", b"h".as_slice(), b"0", &payload].into_iter());
    world.send(client, &restore);
    world.send(client, b"HPEXPIREAT h 70368744177664 FIELDS 1 f\r\n");
    let heard = world.take_heard(client);
    assert!(heard.starts_with(b"+OK\r\n-ERR invalid expire time"), "{}", heard.escape_ascii());
    world.send(client, b"XADD s 1-1 f v\r\nXGROUP CREATE s g 0\r\nXREADGROUP GROUP g a STREAMS s >\r\n");
    let mut commands = Vec::new();
    for key in [b"h", b"s"] {
        let entry = world.server.databases[0].lookup(key).expect("the key").duplicate(key);
        while !Rewrite::new(entry.duplicate(key)).step(&mut commands, usize::MAX, true) {}
    }
    let mut replayed = Loopback::new(Config::default(), 1).expect("the defaults are fine");
    replayed.now.unix_us = world.now.unix_us - 1_000_000_000;
    replayed.server.begin_loading(0, replayed.now);
    let (ran, _) = replayed.server.replay(&commands, replayed.now).expect("commands");
    assert_eq!(ran, commands.len());
    replayed.server.end_loading();
    let state = |world: &Loopback| {
        let entry = |key: &[u8]| world.server.databases[0].lookup(key).expect("the key");
        let expires_at = entry(b"h").hash().and_then(|hash| hash.get(b"f")?.expires_at);
        let group = entry(b"s").stream().and_then(|stream| stream.group_at(0)).expect("the group").1;
        (expires_at, group.pending_from(StreamId::MIN).map(|(_, pending)| pending.time()).collect::<Vec<_>>())
    };
    assert_eq!(state(&replayed), state(&world));
    assert_eq!(state(&world), (Some(late as i64), vec![1_700_000_000_000]));
}
