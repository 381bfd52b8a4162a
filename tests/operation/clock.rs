//! `--test-clock`: what takes a month is tested at once.

use super::server::{Client, Server};

const MONTH_S: &str = "2592000";

fn advance(client: &mut Client, ms: &str) {
    assert_eq!(client.call(&["DEBUG", "CLOCK", "ADVANCE", ms]), "OK");
}

/// A server whose clock stands still, and a client.
fn frozen(arguments: &[&str]) -> (Server, Client) {
    let server = Server::start(&[&["--test-clock", "--save", ""], arguments].concat());
    let mut client = server.connect();
    assert_eq!(client.call(&["DEBUG", "CLOCK", "FREEZE"]), "OK");
    (server, client)
}

#[test]
fn a_key_that_lives_for_a_month_is_gone_and_was_told_of() {
    for threads in ["1", "2"] {
        let (server, mut client) = frozen(&["--io-threads", threads, "--notify-keyspace-events", "Ex"]);
        let mut other = server.connect();
        assert_eq!(
            other.call(&["SUBSCRIBE", "__keyevent@0__:expired"]),
            "subscribe __keyevent@0__:expired 1"
        );
        assert_eq!(client.call(&["SET", "k", "v", "EX", MONTH_S]), "OK");
        advance(&mut client, "2591999999");
        assert_eq!(client.call(&["PTTL", "k"]), "1");
        // It is over once its last millisecond has passed.
        advance(&mut client, "2");
        assert_eq!(other.reply(), "message __keyevent@0__:expired k");
        assert_eq!((client.call(&["DBSIZE"]), client.call(&["EXISTS", "k"])), ("0".into(), "0".into()));
    }
}

#[test]
fn all_that_is_over_has_ended_when_the_reply_comes() {
    let (_server, mut client) = frozen(&["--enable-debug-command", "yes"]);
    assert_eq!(client.call(&["DEBUG", "POPULATE", "5000"]), "OK");
    for key in 0..5000 {
        assert_eq!(client.call(&["PEXPIRE", &format!("key:{key}"), &(10 * key + 10).to_string()]), "1");
    }
    advance(&mut client, "11");
    assert_eq!(client.call(&["DBSIZE"]), "4999");
    advance(&mut client, "49980");
    assert_eq!(client.call(&["DBSIZE"]), "1");
}

#[test]
fn ids_of_streams_follow() {
    let (_server, mut client) = frozen(&[]);
    assert_eq!(client.call(&["DEBUG", "CLOCK", "SET", "4000000000000"]), "OK");
    assert_eq!(client.call(&["XADD", "s", "*", "f", "v"]), "4000000000000-0");
    advance(&mut client, "1500");
    assert_eq!(client.call(&["XADD", "s", "*", "f", "v"]), "4000000001500-0");
    assert_eq!(client.call(&["TIME"]), "4000000001 500000");
    // What the clock showed before stays the last id, as after any correction.
    assert_eq!(client.call(&["DEBUG", "CLOCK", "SET", "1000"]), "OK");
    assert_eq!(client.call(&["XADD", "s", "*", "f", "v"]), "4000000001500-1");
}

#[test]
fn keys_idle_and_their_counters_decay() {
    let (_server, mut client) = frozen(&[]);
    assert_eq!(client.call(&["SET", "k", "v"]), "OK");
    advance(&mut client, "100000");
    assert_eq!(client.call(&["OBJECT", "IDLETIME", "k"]), "100");
    let (_server, mut client) = frozen(&["--maxmemory-policy", "allkeys-lfu", "--lfu-decay-time", "1"]);
    assert_eq!(client.call(&["SET", "k", "v"]), "OK");
    assert_eq!(client.call(&["OBJECT", "FREQ", "k"]), "5");
    advance(&mut client, "180000");
    assert_eq!(client.call(&["OBJECT", "FREQ", "k"]), "2");
}

#[test]
fn waits_end_when_their_time_has_come() {
    for threads in ["1", "2"] {
        let (server, mut client) = frozen(&["--io-threads", threads]);
        let mut waiting = server.connect();
        waiting.send(&super::server::request(&["BLPOP", "list", "10"]));
        let blocked = |client: &mut Client| client.call(&["INFO", "clients"]).contains("blocked_clients:1\r");
        while !blocked(&mut client) {}
        advance(&mut client, "9999");
        assert!(blocked(&mut client));
        advance(&mut client, "1");
        assert!(!blocked(&mut client));
        assert_eq!(waiting.reply(), "");
    }
}

#[test]
fn clients_idle_but_not_the_one_that_makes_time_pass() {
    let (server, mut client) = frozen(&["--timeout", "300"]);
    let mut other = server.connect();
    assert_eq!(other.call(&["PING"]), "PONG");
    advance(&mut client, "301000");
    assert_eq!(other.try_reply(), None);
    assert_eq!(client.call(&["PING"]), "PONG");
}

#[test]
fn save_points_are_reached() {
    let (mut server, mut client) = frozen(&["--save", "900 1"]);
    assert_eq!(client.call(&["SET", "k", "v"]), "OK");
    let begun: u64 = client.call(&["LASTSAVE"]).parse().unwrap();
    let frozen: u64 = client.call(&["TIME"]).split(' ').next().unwrap().parse().unwrap();
    advance(&mut client, "901000");
    server.wait_for("1 changes in 900 seconds. Saving...");
    // It ends though time stands still again, and bears the date of then.
    while client.call(&["INFO", "persistence"]).contains("rdb_bgsave_in_progress:1") {}
    let saved: u64 = client.call(&["LASTSAVE"]).parse().unwrap();
    assert!((begun + 901..=frozen + 901).contains(&saved), "{begun} {frozen} {saved}");
    assert!(server.directory.0.join("dump.rdb").exists());
}

#[test]
fn time_stands_still_and_goes_on_from_there() {
    let (_server, mut client) = frozen(&[]);
    let time = client.call(&["TIME"]);
    for _ in 0..100 {
        assert_eq!(client.call(&["TIME"]), time);
    }
    assert_eq!(client.call(&["DEBUG", "CLOCK", "FREEZE"]), "OK");
    advance(&mut client, "3600000");
    assert_eq!(client.call(&["DEBUG", "CLOCK", "RESUME"]), "OK");
    let seconds = |time: &str| time.split(' ').next().unwrap().parse::<u64>().unwrap();
    let passed = seconds(&client.call(&["TIME"])) - seconds(&time);
    assert!((3600..7200).contains(&passed), "{passed}");
    let then = client.call(&["TIME"]);
    while client.call(&["TIME"]) == then {}
}

#[test]
fn nobody_has_it_who_did_not_ask_for_it() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    let unknown = "ERR unknown subcommand or wrong number of arguments for 'CLOCK'. Try DEBUG HELP.";
    assert_eq!(client.call(&["DEBUG", "CLOCK", "FREEZE"]), unknown);
    assert_eq!(client.call(&["CONFIG", "GET", "test-clock"]), "test-clock no");
    let refused =
        "ERR CONFIG SET failed (possibly related to argument 'test-clock') - can't set immutable config";
    assert_eq!(client.call(&["CONFIG", "SET", "test-clock", "yes"]), refused);
    assert!(!server.log.contains("test-clock"));
    let (server, mut client) = frozen(&[]);
    assert!(server.log.contains("WARNING: test-clock is on"), "{}", server.log);
    assert_eq!(client.call(&["CONFIG", "GET", "test-clock"]), "test-clock yes");
    assert!(client.call(&["DEBUG", "SLEEP", "0"]).starts_with("ERR DEBUG command not allowed."));
}
