//! Many clients at once, on one thread and on several.

use super::server::{Client, Server, request};
use std::io::Write;
use std::net::Shutdown;
use std::thread;

/// SplitMix64, for choices that are the same on every run.
pub struct Choices(pub u64);

impl Choices {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Sends pipelines of random commands on keys of its own, cut at random, and checks every reply.
fn work(mut client: Client, number: u64, rounds: u64) {
    let mut choices = Choices(number);
    let mut model = [const { String::new() }; 4];
    for round in 0..rounds {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..=choices.below(60) {
            let slot = choices.below(4) as usize;
            let key = format!("{number}:{slot}");
            let value = &mut model[slot];
            match choices.below(3) {
                0 => {
                    *value = "v".repeat(choices.below(2000) as usize) + &round.to_string();
                    bytes.extend(request(&["SET", &key, value]));
                    expected.push("OK".to_owned());
                }
                1 => {
                    bytes.extend(request(&["GET", &key]));
                    expected.push(if value.is_empty() { "(nil)".to_owned() } else { value.clone() });
                }
                _ => {
                    value.push('+');
                    bytes.extend(request(&["APPEND", &key, "+"]));
                    expected.push(value.len().to_string());
                }
            }
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(1 + choices.below(rest.len() as u64) as usize);
            client.stream.write_all(now).unwrap();
            rest = later;
        }
        for reply in expected {
            assert_eq!(client.reply(), reply);
        }
    }
}

/// Connects, sends part of a pipeline and goes without reading, again and again.
fn annoy(server: &Server, number: u64) {
    let mut choices = Choices(number);
    let noise = request(&["SET", "noise", "x"]).repeat(200);
    for _ in 0..50 {
        let mut client = server.connect();
        let cut = 1 + choices.below(noise.len() as u64) as usize;
        // The server may be quicker to close than we are to write.
        let _ = client.stream.write_all(&noise[..cut]);
    }
}

fn stress(io_threads: &str) {
    const MESSAGES: u64 = 2000;
    let mut server = Server::start(&["--io-threads", io_threads, "--io-threads-always-active", "yes"]);
    let mut subscriber = server.connect();
    assert_eq!(subscriber.call(&["SUBSCRIBE", "news"]), "subscribe news 1");
    let server_ref = &server;
    thread::scope(|scope| {
        for number in 0..12 {
            scope.spawn(move || work(server_ref.connect(), number, 60));
        }
        for number in 100..102 {
            scope.spawn(move || annoy(server_ref, number));
        }
        scope.spawn(move || {
            let mut publisher = server_ref.connect();
            for number in 0..MESSAGES {
                assert_eq!(publisher.call(&["PUBLISH", "news", &number.to_string()]), "1");
            }
        });
        for number in 0..MESSAGES {
            assert_eq!(subscriber.reply(), format!("message news {number}"));
        }
    });
    assert_eq!(server.signal("TERM").code(), Some(0));
    assert!(!server.log.contains("BUG REPORT"), "{}", server.log);
}

#[test]
fn many_clients_on_one_thread() {
    stress("1");
}

#[test]
fn many_clients_on_four_threads() {
    stress("4");
}

#[test]
fn a_half_closed_pipeline_is_answered_in_full() {
    for io_threads in ["1", "2"] {
        let server = Server::start(&["--io-threads", io_threads]);
        let mut client = server.connect();
        let value = "x".repeat(100_000);
        assert_eq!(client.call(&["SET", "big", &value]), "OK");
        // More output than the server lets wait, and none of it is read before all is sent.
        const GETS: usize = 100;
        client.stream.write_all(&request(&["GET", "big"]).repeat(GETS)).unwrap();
        client.stream.shutdown(Shutdown::Write).unwrap();
        for _ in 0..GETS {
            assert!(client.reply() == value);
        }
        assert_eq!(client.try_reply(), None);
    }
}

#[test]
fn a_pipeline_of_a_million_commands_from_a_client_that_reads_last() {
    const COMMANDS: usize = 1_000_000;
    for io_threads in ["1", "2"] {
        let server = Server::start(&["--io-threads", io_threads]);
        let mut client = server.connect();
        let mut sender = client.stream.try_clone().unwrap();
        let sending = thread::spawn(move || {
            let block = request(&["INCR", "counter"]).repeat(1000);
            for _ in 0..COMMANDS / 1000 {
                sender.write_all(&block).unwrap();
            }
        });
        // The other clients are served meanwhile.
        assert_eq!(server.connect().call(&["PING"]), "PONG");
        for number in 1..=COMMANDS {
            assert_eq!(client.reply().parse(), Ok(number));
        }
        sending.join().unwrap();
    }
}

#[test]
fn a_large_value_arrives_whole() {
    for io_threads in ["1", "2"] {
        let server = Server::start(&["--io-threads", io_threads]);
        let mut client = server.connect();
        let value = "0123456789abcdef".repeat(1 << 20);
        assert_eq!(client.call(&["SET", "large", &value]), "OK");
        assert!(client.call(&["GET", "large"]) == value);
    }
}
