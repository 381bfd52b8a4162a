//! Who else is there while a script is debugged, in a world whose stopwatch stands still.

use crate::engine::config::Config;
use crate::engine::effect::Effect;
use crate::engine::keyspace::{Expiry, NewValue};
use crate::engine::loopback::Loopback;
use crate::engine::server::Environment;
use std::cell::Cell;

thread_local! {
    /// Bytes in use, and how many more there are each time that somebody looks.
    static MEMORY: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn memory() -> u64 {
    let (used, more) = MEMORY.get();
    MEMORY.set((used + more, more));
    used + more
}

fn world() -> (Loopback, usize, usize) {
    let config = Config { busy_reply_threshold: 2, ..Config::default() };
    let environment = Environment { memory, ..Environment::bare(1) };
    let mut world = Loopback::in_environment(config, environment).expect("the configuration is sound");
    let (a, b) = (world.connect(), world.connect());
    (world, a, b)
}

fn ask(world: &mut Loopback, client: usize, line: &str) -> String {
    world.send(client, format!("{line}\r\n").as_bytes());
    String::from_utf8_lossy(&world.take_heard(client)).into_owned()
}

/// Has a client debug a script.
fn debug(world: &mut Loopback, client: usize, mode: &str, script: &str) -> String {
    assert_eq!(ask(world, client, &format!("SCRIPT DEBUG {mode}")), "+OK\r\n");
    world
        .send(client, format!("*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n", script.len()).as_bytes());
    String::from_utf8_lossy(&world.take_heard(client)).into_owned()
}

const WRITES: &str = "redis.call('INCR', 'k')\nredis.call('INCR', 'k')\nreturn 1";
const ENDLESS: &str = "local i = 0\nwhile true do\n i = i + 1\nend";

#[test]
fn on_the_data_all_others_wait_and_what_it_does_is_one_unit() {
    let (mut world, a, b) = world();
    assert!(debug(&mut world, a, "SYNC", WRITES).starts_with("*2\r\n+* Stopped at 1"));
    assert!(ask(&mut world, b, "GET k").starts_with("-BUSY"));
    world.server.propagation.record();
    assert!(ask(&mut world, a, "s").contains("+<reply> 1\r\n"));
    world.advance(1_000_000);
    assert!(ask(&mut world, b, "GET k").starts_with("-BUSY"));
    world.take_effects();
    assert_eq!(ask(&mut world, a, "c"), "*1\r\n+<endsession>\r\n:1\r\n");
    let propagated = world.take_effects().into_iter().filter_map(|effect| match effect {
        Effect::Propagate { argv, .. } => Some(String::from_utf8_lossy(argv.args().at(0)).into_owned()),
        _ => None,
    });
    assert_eq!(propagated.collect::<Vec<_>>(), ["MULTI", "INCR", "INCR", "EXEC"]);
    assert!(!world.is_open(a));
    assert_eq!(ask(&mut world, b, "GET k"), "$1\r\n2\r\n");
}

#[test]
fn it_can_be_ended_by_others_though_it_has_written() {
    let (mut world, a, b) = world();
    debug(&mut world, a, "SYNC", WRITES);
    ask(&mut world, a, "s");
    assert_eq!(ask(&mut world, b, "SCRIPT KILL"), "+OK\r\n");
    world.advance(5_000);
    let heard = String::from_utf8_lossy(&world.take_heard(a)).into_owned();
    assert!(heard.starts_with("*1\r\n+<endsession>\r\n-ERR Script killed by user"), "{heard}");
    assert!(!world.is_open(a));
    assert_eq!(ask(&mut world, b, "GET k"), "$1\r\n1\r\n");
    assert_eq!(ask(&mut world, b, "EVAL 'return 1' 0"), ":1\r\n");
}

#[test]
fn a_line_that_comes_too_late_does_not_save_it() {
    let (mut world, a, b) = world();
    debug(&mut world, a, "SYNC", WRITES);
    let idle = world.server.next_deadline(world.now);
    assert_eq!(ask(&mut world, b, "SCRIPT KILL"), "+OK\r\n");
    assert!(world.server.next_deadline(world.now) < idle, "it is ended soon");
    assert!(ask(&mut world, a, "c").contains("-ERR Script killed by user with SCRIPT KILL..."));
    assert_eq!(ask(&mut world, b, "GET k"), "$-1\r\n");
}

#[test]
fn who_has_lost_its_script_does_not_drive_that_of_another() {
    let (mut world, a, b) = world();
    debug(&mut world, a, "SYNC", WRITES);
    // As after a panic.
    world.server.recover_interpreters();
    world.server.propagation.depth = 0;
    assert!(debug(&mut world, b, "SYNC", WRITES).contains("Stopped at 1"));
    assert_eq!(ask(&mut world, a, "s"), "");
    assert!(!world.is_open(a));
    assert!(ask(&mut world, b, "s").contains("<reply> 1"), "it is where it was");
}

#[test]
fn a_session_ends_with_the_server_and_does_not_leave_a_half() {
    let (mut world, a, b) = world();
    debug(&mut world, a, "SYNC", WRITES);
    world.server.pause_for_stop();
    world.advance(5_000);
    let heard = String::from_utf8_lossy(&world.take_heard(a)).into_owned();
    assert!(heard.starts_with("*1\r\n+<endsession>\r\n-ERR Script killed by the shutdown"), "{heard}");
    assert!(!world.is_open(a) && !world.server.is_busy());
    world.server.refuse_shutdown();

    // What has begun to write writes all of it.
    debug(&mut world, b, "SYNC", "redis.call('INCR', 'k')\nredis.breakpoint()\nredis.call('INCR', 'k')");
    world.server.propagation.record();
    ask(&mut world, b, "c");
    world.server.pause_for_stop();
    world.advance(5_000);
    assert_eq!(world.take_heard(b), b"*1\r\n+<endsession>\r\n$-1\r\n");
    assert!(!world.server.is_busy());
    let units = world.take_effects().into_iter().filter(|it| matches!(it, Effect::Propagate { .. }));
    assert_eq!(units.count(), 4, "MULTI, two commands, EXEC");
    world.server.refuse_shutdown();

    // For ever is too long: it is late then.
    let c = world.connect();
    debug(&mut world, c, "SYNC", "redis.call('INCR', 'k')\nwhile true do\nend");
    ask(&mut world, c, "s");
    world.server.pause_for_stop();
    world.advance(50_000);
    let heard = String::from_utf8_lossy(&world.take_heard(c)).into_owned();
    assert!(heard.contains("-ERR timeout during Lua debugging"), "{heard}");
    assert!(!world.server.is_busy());
}

#[test]
fn its_memory_is_limited_and_costs_nobody_their_data() {
    const MIB: u64 = 1 << 20;
    let (mut world, a, b) = world();
    MEMORY.set((100 * MIB, 0));
    ask(&mut world, b, "CONFIG SET maxmemory-policy allkeys-random");
    ask(&mut world, b, "CONFIG SET maxmemory 110mb");
    ask(&mut world, b, "SET k 1");
    let greedy = "for i = 1, 50 do redis.call('INCR', 'k') end redis.breakpoint()\n\
                  while true do redis.call('INCR', 'k') end";
    debug(&mut world, a, "YES", greedy);
    MEMORY.set((MEMORY.get().0, MIB));
    assert!(ask(&mut world, a, "c").contains("Stopped at 2"));
    MEMORY.set((MEMORY.get().0, 0));
    assert!(world.server.debugging.bytes() >= 50 * MIB);
    assert_eq!(ask(&mut world, b, "SET other 1"), "+OK\r\n");
    assert_eq!(ask(&mut world, b, "DBSIZE"), ":2\r\n", "nothing was evicted");
    MEMORY.set((MEMORY.get().0, MIB));
    let heard = ask(&mut world, a, "c");
    assert!(heard.starts_with("*1\r\n+<endsession>\r\n-ERR Script killed: beside its copy"), "{heard}");
    assert!(!world.is_open(a) && world.server.debugging.apart.is_empty());
}

#[test]
fn what_others_remove_while_a_copy_still_has_it_does_not_count() {
    const MIB: u64 = 1 << 20;
    let (mut world, a, b) = world();
    MEMORY.set((world.server.startup_memory + 100 * MIB, 0));
    ask(&mut world, b, "CONFIG SET maxmemory-policy allkeys-random");
    let most = world.server.startup_memory + 101 * MIB;
    ask(&mut world, b, &format!("CONFIG SET maxmemory {most}"));
    ask(&mut world, b, "SET k 1");
    debug(&mut world, a, "YES", WRITES);
    // All of it is replaced by as much again.
    MEMORY.set((MEMORY.get().0 + 100 * MIB, 0));
    ask(&mut world, b, "SET other 1");
    assert_eq!(ask(&mut world, b, "DBSIZE"), ":2\r\n");
    world.disconnect(a);
    ask(&mut world, b, "SET other 1");
    assert_eq!(ask(&mut world, b, "DBSIZE"), ":0\r\n", "without the copy it would be too much");
}

#[test]
fn data_is_copied_only_for_what_can_run() {
    let (mut world, a, b) = world();
    ask(&mut world, b, "SET k 1");
    let server = world.server.new_for_debugger().expect("there is room");
    assert!(server.databases.iter().all(|database| database.is_empty()));
    for (script, why) in
        [("return )", "Error compiling script"), ("#!lua flags=x\nreturn 1", "Unexpected flag")]
    {
        let c = world.connect();
        let heard = debug(&mut world, c, "YES", script);
        assert!(heard.starts_with("*1\r\n+<endsession>\r\n-ERR ") && heard.contains(why), "{heard}");
        assert!(!world.is_open(c) && world.server.debugging.apart.is_empty());
    }
    assert!(debug(&mut world, a, "YES", "return redis.call('GET', 'k')").contains("Stopped at 1"));
    assert_eq!(ask(&mut world, a, "c"), "*1\r\n+<endsession>\r\n$1\r\n1\r\n");
}

#[test]
fn nobody_waits_for_a_copy_of_too_much() {
    let (mut world, a, b) = world();
    for key in 0..=super::KEYS {
        world.server.databases[0].set(key.to_string().as_bytes(), NewValue::Int(1), Expiry::Never, 0);
    }
    let refused = |heard: &str| heard.starts_with("-ERR Fork() failed") && heard.contains("SYNC");
    assert!(refused(&debug(&mut world, a, "YES", WRITES)));
    ask(&mut world, b, "DEL 0");
    assert!(debug(&mut world, a, "YES", WRITES).contains("Stopped at 1"));
    ask(&mut world, a, "c");

    MEMORY.set((0, super::COPIED / 500));
    assert!(refused(&debug(&mut world, b, "YES", WRITES)), "the values are too large");
    MEMORY.set((0, 0));
    assert!(world.server.debugging.apart.is_empty());
    assert_eq!(ask(&mut world, b, "EVAL 'return 1' 0"), ":1\r\n", "it is no session then");
}

#[test]
fn apart_others_go_on_and_nothing_of_it_stays() {
    let (mut world, a, b) = world();
    let members: String = (0..1000).map(|member| format!(" m{member}")).collect();
    ask(&mut world, b, &format!("SADD big{members}"));
    ask(&mut world, b, "SET k 5");
    assert!(debug(&mut world, a, "YES", WRITES).starts_with("*2\r\n+* Stopped at 1"));
    assert_eq!(ask(&mut world, b, "SET k 10"), "+OK\r\n");
    assert_eq!(ask(&mut world, b, "SREM big m1"), ":1\r\n");
    assert!(ask(&mut world, a, "s").contains("+<reply> 6\r\n"));
    assert!(ask(&mut world, a, "r SCARD big").contains("+<reply> 1000\r\n"));
    assert!(ask(&mut world, a, "r SADD big x y").contains("+<reply> 2\r\n"));
    assert!(ask(&mut world, a, "r FLUSHALL").contains("+OK"));
    assert_eq!(ask(&mut world, a, "c"), "*1\r\n+<endsession>\r\n:1\r\n");
    assert!(!world.is_open(a));
    world.advance(1_000_000);
    assert_eq!(ask(&mut world, b, "GET k"), "$2\r\n10\r\n");
    assert_eq!(ask(&mut world, b, "SCARD big"), ":999\r\n");
    assert!(world.server.debugging.apart.is_empty());
    world.server.databases.iter().for_each(|database| database.check());
}

#[test]
fn a_script_that_works_for_long_is_stopped_while_others_go_on() {
    let (mut world, a, b) = world();
    debug(&mut world, a, "YES", ENDLESS);
    assert_eq!(ask(&mut world, a, "c"), "");
    assert_eq!(ask(&mut world, b, "PING"), "+PONG\r\n");
    world.advance(50_000);
    let heard = String::from_utf8_lossy(&world.take_heard(a)).into_owned();
    assert!(heard.contains("stop reason = timeout reached, infinite loop?"), "{heard}");
    assert!(ask(&mut world, a, "p").starts_with("*1\r\n+<value> i = "));
    let endless = ask(&mut world, a, "e while true do pcall(function() while true do end end) end");
    assert!(endless.is_empty());
    world.advance(50_000);
    let heard = String::from_utf8_lossy(&world.take_heard(a)).into_owned();
    assert_eq!(heard, "*1\r\n+<error> the code ran for too long\r\n");
    assert!(ask(&mut world, a, "e 1").contains("<retval> 1"));
    world.disconnect(a);
    assert!(world.server.debugging.apart.is_empty());
}

#[test]
fn a_client_that_goes_leaves_nothing_behind() {
    let (mut world, a, b) = world();
    debug(&mut world, a, "YES", WRITES);
    world.disconnect(a);
    assert!(world.server.debugging.apart.is_empty());

    let a = world.connect();
    debug(&mut world, a, "SYNC", WRITES);
    world.disconnect(a);
    assert_eq!(ask(&mut world, b, "GET k"), "$1\r\n2\r\n", "it goes on to its end");

    let a = world.connect();
    debug(&mut world, a, "SYNC", "while true do redis.breakpoint() end");
    world.disconnect(a);
    world.advance(100_000);
    assert_eq!(ask(&mut world, b, "PING"), "+PONG\r\n", "or until it is late");

    let a = world.connect();
    debug(&mut world, a, "YES", WRITES);
    let id = world.client(a).id;
    assert_eq!(ask(&mut world, b, &format!("CLIENT KILL ID {id}")), ":1\r\n");
    assert!(!world.is_open(a) && world.server.debugging.apart.is_empty());
}

#[test]
fn so_many_run_apart_and_no_more() {
    let (mut world, _, b) = world();
    let clients: Vec<usize> = (0..super::APART).map(|_| world.connect()).collect();
    clients.iter().for_each(|client| _ = debug(&mut world, *client, "YES", "return 1"));
    assert!(debug(&mut world, b, "YES", "return 1").starts_with("-ERR Fork() failed"));
    assert_eq!(ask(&mut world, b, "EVAL 'return 1' 0"), ":1\r\n", "it is no session then");
    assert_eq!(ask(&mut world, clients[0], "c"), "*1\r\n+<endsession>\r\n:1\r\n");
    assert!(debug(&mut world, b, "YES", "return 1").starts_with("*2\r\n"));
}

#[test]
fn lines_that_come_together_are_done_in_order() {
    let (mut world, a, b) = world();
    debug(&mut world, a, "YES", WRITES);
    let heard = ask(&mut world, a, "s\r\np\r\nr GET k\r\nc\r\nPING");
    assert!(
        heard.contains("+<reply> \"1\"\r\n") && heard.ends_with("*1\r\n+<endsession>\r\n:1\r\n"),
        "{heard}"
    );
    ask(&mut world, b, "MULTI");
    ask(&mut world, b, "PING");
    assert_eq!(ask(&mut world, b, "EXEC"), "*1\r\n+PONG\r\n");
}
