//! What clients that track keys are told, when, and in what order.

use crate::engine::config::Config;
use crate::engine::keyspace::eviction::Policy;
use crate::engine::loopback::Loopback;
use crate::engine::server::Environment;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

fn world() -> Loopback {
    Loopback::new(Config::default(), 1).expect("the configuration is sound")
}

fn ask(world: &mut Loopback, client: usize, requests: &str) -> String {
    world.send(client, format!("{}\r\n", requests.replace("; ", "\r\n")).as_bytes());
    heard(world, client)
}

fn heard(world: &mut Loopback, client: usize) -> String {
    String::from_utf8_lossy(&world.take_heard(client)).replace("\r\n", " ").trim_end().to_owned()
}

fn resp3(world: &mut Loopback, options: &str) -> usize {
    let client = world.connect();
    ask(world, client, &format!("HELLO 3; CLIENT TRACKING ON {options}"));
    client
}

fn id(world: &Loopback, connection: usize) -> u64 {
    world.client(connection).id
}

fn invalidated(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("${} {key}", key.len())).collect();
    format!(">2 $10 invalidate *{} {}", keys.len(), keys.join(" "))
}

const ALL: &str = ">2 $10 invalidate _";

#[test]
fn own_changes_are_told_after_the_reply_and_others_at_once() {
    let mut world = world();
    let (a, b) = (resp3(&mut world, ""), world.connect());
    let k = invalidated(&["k"]);
    assert_eq!(ask(&mut world, a, "GET k; SET k 2; GET k"), format!("_ +OK {k} $1 2"));
    assert_eq!(ask(&mut world, b, "SET k 3; SET k 4"), "+OK +OK");
    assert_eq!(heard(&mut world, a), k, "once until it is read again");
    let reply = ask(&mut world, a, "MULTI; GET k; SET k 3; GET k; SET k 4; EXEC");
    assert_eq!(reply, format!("+OK +QUEUED +QUEUED +QUEUED +QUEUED *4 $1 4 +OK $1 3 +OK {k} {k}"));
    ask(&mut world, a, "GET k");
    ask(&mut world, b, "SELECT 3; SET k x");
    assert_eq!(heard(&mut world, a), k, "keys are known by name alone");
    assert_eq!(ask(&mut world, a, "CLIENT REPLY OFF; GET k; SET k 1; PING"), k, "pushes are no replies");
}

#[test]
fn own_invalidations_come_after_messages() {
    let mut world = world();
    let a = resp3(&mut world, "");
    ask(&mut world, a, "SUBSCRIBE c; GET k");
    let reply = ask(&mut world, a, "MULTI; SET k 1; PUBLISH c m; EXEC");
    let message = ">3 $7 message $1 c $1 m";
    assert_eq!(reply, format!("+OK +QUEUED +QUEUED *2 +OK :1 {message} {}", invalidated(&["k"])));
}

#[test]
fn whole_databases_are_told_as_nothing() {
    let mut world = world();
    let (a, b) = (resp3(&mut world, ""), world.connect());
    ask(&mut world, a, "GET k; GET l");
    assert_eq!(world.server.tracking.table.len(), 2);
    for request in ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1"] {
        ask(&mut world, b, request);
        assert_eq!(heard(&mut world, a), ALL, "{request}");
    }
    assert_eq!(world.server.tracking.table.len(), 0);
    assert_eq!(ask(&mut world, a, "MULTI; FLUSHDB; EXEC"), format!("+OK +QUEUED *1 +OK {ALL}"));
    ask(&mut world, b, "SWAPDB 1 1");
    assert_eq!(heard(&mut world, a), "");
    world.advance(200_000);
    assert!(!world.server.tracking.table.has_garbage());
}

#[test]
fn expired_keys_are_told_when_they_go() {
    let mut world = world();
    let a = resp3(&mut world, "NOLOOP");
    ask(&mut world, a, "SET k v PX 50; GET k");
    world.advance(500_000);
    assert_eq!(heard(&mut world, a), invalidated(&["k"]), "by the clock");
    world.server.active_expire_off = true;
    ask(&mut world, a, "SET k v PX 50; GET k");
    world.advance(500_000);
    assert_eq!(ask(&mut world, a, "GET k"), format!("_ {}", invalidated(&["k"])), "when it is looked up");
    ask(&mut world, a, "SET k v; GET k");
    assert_eq!(ask(&mut world, a, "DEL k; GET k"), ":1 _", "its own changes are not told");
}

#[test]
fn evicted_keys_are_told_before_the_reply() {
    thread_local! {
        static USED: Cell<u64> = const { Cell::new(0) };
    }
    let environment = Environment { memory: || USED.get(), ..Environment::bare(1) };
    let mut world = Loopback::in_environment(Config::default(), environment).expect("it is sound");
    let a = resp3(&mut world, "");
    ask(&mut world, a, "SET k v; GET k");
    world.server.policy = Policy::from_name("allkeys-random").expect("a policy");
    world.server.config.maxmemory = 1;
    USED.set(2);
    let reply = ask(&mut world, a, "PING");
    assert_eq!(reply, format!("{} +PONG", invalidated(&["k"])));
}

#[test]
fn broadcasts_come_once_a_batch_in_order_of_the_prefixes() {
    let mut world = world();
    let (b, c) = (world.connect(), resp3(&mut world, "BCAST NOLOOP PREFIX k1 PREFIX l"));
    let a = resp3(&mut world, "BCAST");
    let (own, some) = (invalidated(&["k0", "k1", "k2", "l"]), [invalidated(&["k1"]), invalidated(&["l"])]);
    assert_eq!(
        ask(&mut world, a, "MSET k2 1 k1 1 l 1; SET k1 2; SET k0 1; PING"),
        format!("+OK +OK +OK +PONG {own}")
    );
    assert_eq!(heard(&mut world, c), some.join(" "));
    assert_eq!(ask(&mut world, c, "MULTI; SET k1 1; SET k2 2; EXEC"), "+OK +QUEUED +QUEUED *2 +OK +OK");
    assert_eq!(heard(&mut world, a), invalidated(&["k1", "k2"]));
    ask(&mut world, b, "SET k1 v PX 20");
    assert_eq!(heard(&mut world, c), invalidated(&["k1"]));
    world.advance(500_000);
    assert_eq!(heard(&mut world, c), invalidated(&["k1"]), "when it expires by the clock");
    ask(&mut world, a, "CLIENT TRACKING OFF");
    ask(&mut world, b, "SET k2 v");
    assert_eq!(heard(&mut world, a), "");
    assert_eq!(world.server.tracking.prefixes.len(), 2);
}

#[test]
fn another_client_is_told_in_place() {
    let mut world = world();
    let (a, b, c) = (world.connect(), world.connect(), world.connect());
    let (redirect, list) = (id(&world, b), format!("CLIENT LIST ID {}", id(&world, a)));
    assert_eq!(ask(&mut world, a, &format!("CLIENT TRACKING ON REDIRECT {redirect}")), "+OK");
    ask(&mut world, a, "GET k");
    ask(&mut world, c, "SET k 1");
    assert_eq!(heard(&mut world, b), "", "RESP2 has pushes for subscribers only");
    ask(&mut world, b, "SUBSCRIBE any");
    ask(&mut world, a, "GET k; SET k 2");
    let message = "*3 $7 message $20 __redis__:invalidate";
    assert_eq!(heard(&mut world, b), format!("{message} *1 $1 k"));
    ask(&mut world, c, "FLUSHALL");
    assert_eq!(heard(&mut world, b), format!("{message} $-1"));
    let line = ask(&mut world, a, &list);
    assert!(line.contains(" flags=t ") && line.contains(&format!(" redir={redirect} ")), "{line}");
    world.disconnect(b);
    ask(&mut world, a, "HELLO 3; GET k");
    ask(&mut world, c, "SET k 3");
    assert_eq!(heard(&mut world, a), format!(">2 $21 tracking-redir-broken :{redirect}"));
    let line = ask(&mut world, a, &list);
    assert!(line.contains(" flags=tR "), "{line}");
    assert_eq!(ask(&mut world, a, "RESET"), "+RESET");
    let tracking = &world.server.tracking;
    assert!(tracking.is_empty() && tracking.table.len() == 0);
}

#[test]
fn caching_holds_for_the_next_command_or_transaction() {
    let mut world = world();
    let (a, b) = (resp3(&mut world, "OPTIN"), world.connect());
    let told = |world: &mut Loopback| {
        ask(world, b, "MSET k 1 l 1 m 1");
        heard(world, a)
    };
    ask(&mut world, a, "GET k; CLIENT CACHING YES; CLIENT ID; GET l; GET m");
    assert_eq!(told(&mut world), invalidated(&["l"]));
    ask(&mut world, a, "CLIENT CACHING YES; MULTI; GET k; GET l; EXEC; GET m");
    assert_eq!(told(&mut world), format!("{} {}", invalidated(&["k"]), invalidated(&["l"])));
    ask(&mut world, a, "MULTI; GET k; CLIENT CACHING YES; GET l; EXEC; GET m");
    assert_eq!(told(&mut world), invalidated(&["l"]));
    ask(&mut world, a, "CLIENT TRACKING OFF; CLIENT TRACKING ON OPTOUT; GET k; CLIENT CACHING NO; GET l");
    assert_eq!(told(&mut world), invalidated(&["k"]));
}

#[test]
fn of_scripts_the_keys_that_their_commands_read() {
    let mut world = world();
    let (a, b) = (resp3(&mut world, ""), world.connect());
    ask(&mut world, a, "EVAL_RO \"return redis.call('GET', 'k')\" 2 k l");
    ask(&mut world, b, "MSET k 1 l 1");
    assert_eq!(heard(&mut world, a), invalidated(&["k"]));
    let own = ask(&mut world, a, "EVAL \"redis.call('GET', 'k') return redis.call('INCR', 'k')\" 1 k");
    assert_eq!(own, format!(":2 {}", invalidated(&["k"])));
}

#[test]
fn a_busy_script_does_not_change_the_order() {
    let config = Config { busy_reply_threshold: 2, ..Config::default() };
    let mut world = Loopback::new(config, 1).expect("the configuration is sound");
    let (a, b) = (resp3(&mut world, ""), resp3(&mut world, "BCAST"));
    ask(&mut world, a, "GET k");
    let long =
        "EVAL \"for i = 1, 4000000 do end redis.call('SET', 'k', 1) for i = 1, 4000000 do end return 1\" 0";
    assert_eq!(ask(&mut world, a, long), "");
    for _ in 0..1000 {
        assert!(heard(&mut world, b).is_empty() || !world.server.is_busy());
        world.advance(1_000);
    }
    assert!(!world.server.is_busy());
    assert_eq!(heard(&mut world, a), format!(":1 {}", invalidated(&["k"])));
}

#[test]
fn a_full_table_forgets_keys_and_says_so() {
    let mut world = world();
    let a = resp3(&mut world, "NOLOOP");
    world.server.cron_paused = true;
    let keys: Vec<String> = (0..350).map(|key| format!("key:{key}")).collect();
    ask(&mut world, a, &format!("MGET {}", keys.join(" ")));
    world.server.config.tracking_table_max_keys = 1;
    let mut told = 0;
    for expected in [100, 300, 349, 349] {
        let reply = ask(&mut world, a, "PING");
        told += reply.matches("invalidate").count();
        assert!(reply.ends_with("+PONG"));
        assert_eq!((told, world.server.tracking.table.len()), (expected, 350 - expected));
    }
}

#[test]
fn nothing_is_told_before_it_is_durable() {
    let mut world = world();
    let (a, b, c) = (resp3(&mut world, ""), resp3(&mut world, "BCAST"), world.connect());
    world.server.propagation.stream(true);
    world.server.hold_output(true);
    ask(&mut world, a, "GET k");
    ask(&mut world, c, "SET k 1");
    assert_eq!([a, b, c].map(|client| heard(&mut world, client)).concat(), "");
    let (offset, now) = (world.server.propagation.offset(), world.now);
    world.server.persisted(offset, now);
    for client in [a, b, c] {
        world.send(client, b"");
    }
    assert_eq!(heard(&mut world, a), invalidated(&["k"]));
    assert_eq!(heard(&mut world, b), invalidated(&["k"]));
    assert_eq!(heard(&mut world, c), "+OK");
}

#[test]
fn a_client_that_is_gone_leaves_nothing() {
    let mut world = world();
    let (a, b) = (resp3(&mut world, "BCAST PREFIX x"), resp3(&mut world, ""));
    ask(&mut world, b, "GET k");
    world.disconnect(a);
    assert_eq!((world.server.tracking.len(), world.server.tracking.prefixes.len()), (1, 0));
    let lost = world.client(b);
    drop(world.server.clients.take(lost));
    world.server.disconnect(lost);
    assert!(world.server.tracking.is_empty() && world.server.tracking.table.len() == 0);
}

const KEYS: [&str; 3] = ["k", "l", "m"];

/// A client with a cache, as libraries keep one.
struct Cache {
    connection: usize,
    values: BTreeMap<&'static str, String>,
}

impl Cache {
    /// Takes in what has come; gives the replies.
    fn take_in(&mut self, world: &mut Loopback) -> Vec<String> {
        let text = String::from_utf8_lossy(&world.take_heard(self.connection)).into_owned();
        let (mut words, mut replies) = (text.split("\r\n").filter(|word| !word.is_empty()), Vec::new());
        while let Some(word) = words.next() {
            if word != ">2" {
                let bulk = word.strip_prefix('$').and_then(|_| words.next());
                replies.push(bulk.unwrap_or(word).to_owned());
                continue;
            }
            let (_, _, count) = (words.next(), words.next(), words.next().unwrap_or_default());
            let Ok(count) = count.trim_start_matches('*').parse::<usize>() else {
                self.values.clear();
                continue;
            };
            for _ in 0..count {
                let key = words.nth(1).unwrap_or_default();
                self.values.remove(key);
            }
        }
        replies
    }
}

proptest! {
    /// Whatever happens: what is in a cache once all was delivered is what the server would answer.
    #[test]
    fn caches_are_never_stale(
        modes in prop::collection::vec(0..4usize, 2),
        steps in prop::collection::vec((0..10usize, 0..3usize, 0..3usize), 0..60),
    ) {
        let mut world = world();
        let mut caches: Vec<Cache> = modes
            .iter()
            .map(|mode| ["", "BCAST", "OPTIN", "BCAST PREFIX k PREFIX l PREFIX m"][*mode])
            .map(|options| Cache { connection: resp3(&mut world, options), values: BTreeMap::new() })
            .collect();
        let writer = world.connect();
        for (number, (what, key, who)) in steps.into_iter().enumerate() {
            let key = KEYS[key];
            let asker = caches.get(who).map_or(writer, |cache| cache.connection);
            let request = match what {
                0..=3 => {
                    if let Some(cache) = caches.get_mut(who) {
                        let before = if modes[who] == 2 { "CLIENT CACHING YES; " } else { "" };
                        world.send(asker, format!("{before}GET {key}\r\n").replace("; ", "\r\n").as_bytes());
                        let replies = cache.take_in(&mut world);
                        cache.values.insert(key, replies.last().cloned().unwrap_or_default());
                    }
                    continue;
                }
                4 => format!("SET {key} {number}"),
                5 => format!("SET {key} {number} PX 30"),
                6 => format!("MULTI; SET {key} {number}; DEL k; EXEC"),
                7 => ["FLUSHALL", "SWAPDB 0 1", "FLUSHDB"][number % 3].to_owned(),
                8 => format!("EVAL \"return redis.call('SET', KEYS[1], 'script')\" 1 {key}"),
                _ => {
                    world.advance(number as u64 * 1000);
                    continue;
                }
            };
            world.send(asker, format!("{}\r\n", request.replace("; ", "\r\n")).as_bytes());
            for cache in &mut caches {
                cache.take_in(&mut world);
            }
        }
        world.advance(1_000_000);
        for cache in &mut caches {
            cache.take_in(&mut world);
            for (key, value) in &cache.values {
                world.send(writer, format!("HELLO 3\r\nGET {key}\r\n").as_bytes());
                let heard = heard(&mut world, writer);
                prop_assert_eq!(heard.rsplit(' ').next(), Some(value.as_str()), "{}", key);
            }
        }
    }
}
