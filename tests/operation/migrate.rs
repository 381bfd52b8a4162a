//! Keys move between two servers, and to targets that do not do their part.

use crate::process::free_port;
use crate::server::{Client, Server, request};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A server that also listens on a port of its own.
fn target(arguments: &[&str]) -> (Server, String) {
    let port = free_port().to_string();
    let server = Server::start(&[&["--port", &port], arguments].concat());
    (server, port)
}

fn migrate(client: &mut Client, port: &str, rest: &[&str]) -> String {
    client.call(&[&["MIGRATE", "127.0.0.1", port], rest].concat())
}

fn cached(client: &mut Client) -> String {
    let info = client.call(&["INFO", "stats"]);
    let line = info.lines().find_map(|line| line.strip_prefix("migrate_cached_sockets:"));
    line.unwrap().to_owned()
}

#[test]
fn keys_move_with_values_and_expiry() {
    for threads in ["1", "2"] {
        let (there, port) =
            target(&["--requirepass", "secret", "--enable-debug-command", "yes", "--io-threads", threads]);
        let mut there = there.connect();
        assert_eq!(there.call(&["AUTH", "secret"]), "OK");
        let server =
            Server::start(&["--io-threads", threads, "--appendonly", "yes", "--enable-debug-command", "yes"]);
        let mut here = server.connect();
        here.call(&["SET", "s", "text", "PX", "100000"]);
        let members: Vec<String> = (0..20_000).map(|n| format!("member {n}")).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        here.call(&[&["SADD", "big"], &members[..]].concat());
        let digest = here.call(&["DEBUG", "DIGEST-VALUE", "s", "big"]);
        assert!(!digest.contains("ERR"), "{digest}");
        let refused = migrate(&mut here, &port, &["s", "0", "5000"]);
        assert_eq!(refused, "ERR Target instance replied with error: NOAUTH Authentication required.");
        let refused = migrate(&mut here, &port, &["s", "99", "5000", "AUTH", "secret"]);
        assert_eq!(refused, "ERR Target instance replied with error: ERR DB index is out of range");
        assert_eq!(there.call(&["DBSIZE"]), "0", "nothing lands in another database");
        let all = ["", "0", "5000", "AUTH2", "default", "secret", "KEYS", "big", "s", "nothing"];
        assert_eq!(migrate(&mut here, &port, &all), "OK");
        assert_eq!(here.call(&["EXISTS", "s", "big"]), "0");
        assert_eq!(there.call(&["DEBUG", "DIGEST-VALUE", "s", "big"]), digest);
        let ttl: i64 = there.call(&["PTTL", "s"]).parse().unwrap();
        assert!((1..=100_000).contains(&ttl), "{ttl}");
        assert_eq!(migrate(&mut here, &port, &all), "NOKEY");

        here.call(&["MSET", "s", "other", "t", "new"]);
        let both = ["", "0", "5000", "AUTH", "secret", "KEYS", "s", "t"];
        let busy = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        assert_eq!(migrate(&mut here, &port, &both), busy);
        assert_eq!(here.call(&["MGET", "s", "t"]), "other (nil)", "the one that was there stays here");
        let replace = ["s", "0", "5000", "COPY", "REPLACE", "AUTH", "secret"];
        assert_eq!(migrate(&mut here, &port, &replace), "OK");
        assert_eq!(there.call(&["MGET", "s", "t"]), "other new");
        assert_eq!(here.call(&["GET", "s"]), "other");
        assert_ne!(cached(&mut here), "0");
        // What moved is gone for good, and what was copied is not.
        assert_eq!(here.call(&["DEBUG", "LOADAOF"]), "OK");
        assert_eq!(here.call(&["KEYS", "*"]), "s");
    }
}

#[test]
fn a_target_that_went_away_is_found_again() {
    let (first, port) = target(&[]);
    let server = Server::start(&[]);
    let mut here = server.connect();
    here.call(&["MSET", "a", "1", "b", "2"]);
    assert_eq!(migrate(&mut here, &port, &["a", "0", "5000"]), "OK");
    drop(first);
    let gone = "IOERR error or timeout writing to target instance";
    assert_eq!(migrate(&mut here, &port, &["b", "0", "5000"]), gone);
    let second = Server::start(&["--port", &port]);
    assert_eq!(migrate(&mut here, &port, &["b", "0", "5000"]), "OK");
    assert_eq!(second.connect().call(&["GET", "b"]), "2");
}

/// A target that agrees to everything but never says that it has the value.
#[test]
fn a_silent_target_costs_no_more_than_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let silent = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut room = [0; 1000];
        assert!(stream.read(&mut room).unwrap() > 0);
        stream.write_all(b"+OK\r\n").unwrap();
        while stream.read(&mut room).unwrap() > 0 {}
    });
    let server = Server::start(&[]);
    let (mut here, mut reader, mut writer) = (server.connect(), server.connect(), server.connect());
    here.call(&["MSET", "a", "1", "b", "2"]);
    let began = Instant::now();
    here.send(&request(&["MIGRATE", "127.0.0.1", &port, "a", "0", "500"]));
    // It has begun once its client waits.
    while reader.call(&["INFO", "clients"]).contains("blocked_clients:0") {}
    assert_eq!(reader.call(&["GET", "b"]), "2");
    assert!(began.elapsed() < Duration::from_millis(400), "others are served meanwhile");
    assert_eq!(writer.call(&["APPEND", "a", "!"]), "2", "it stays, and can be changed again");
    assert!(began.elapsed() >= Duration::from_millis(400), "but not meanwhile");
    assert_eq!(here.reply(), "IOERR error or timeout reading to target instance");
    silent.join().unwrap();
}
