//! Who else is there while a script is debugged, in a world whose stopwatch stands still.

use crate::engine::config::Config;
use crate::engine::effect::Effect;
use crate::engine::loopback::Loopback;

fn world() -> (Loopback, usize, usize) {
    let config = Config { busy_reply_threshold: 2, ..Config::default() };
    let mut world = Loopback::new(config, 1).expect("the configuration is sound");
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
