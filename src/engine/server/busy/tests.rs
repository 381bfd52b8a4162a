//! Scripts that run for long, in a world whose stopwatch stands still: their work is counted instead.

use crate::engine::config::Config;
use crate::engine::effect::Effect;
use crate::engine::loopback::Loopback;
use crate::engine::protocol::request;

fn world() -> (Loopback, usize, usize) {
    let config = Config { busy_reply_threshold: 2, ..Config::default() };
    let mut world = Loopback::new(config, 1).expect("the configuration is sound");
    let (a, b) = (world.connect(), world.connect());
    (world, a, b)
}

fn ask(world: &mut Loopback, client: usize, request: &str) -> String {
    world.send(client, format!("{request}\r\n").as_bytes());
    String::from_utf8_lossy(&world.take_heard(client)).into_owned()
}

#[test]
fn others_are_told_that_a_script_runs_and_can_end_it() {
    let (mut world, a, b) = world();
    assert_eq!(ask(&mut world, a, "EVAL 'while true do pcall(function() while true do end end) end' 0"), "");
    assert!(ask(&mut world, b, "GET k").starts_with("-BUSY"));
    assert!(ask(&mut world, b, "FUNCTION KILL").starts_with("-BUSY"));
    world.advance(5_000);
    assert!(ask(&mut world, b, "PING").starts_with("-BUSY"));
    assert_eq!(ask(&mut world, b, "SCRIPT KILL"), "+OK\r\n");
    world.advance(5_000);
    assert_eq!(ask(&mut world, b, "PING"), "+PONG\r\n");
    assert!(ask(&mut world, a, "PING").starts_with("-ERR Script killed by user with SCRIPT KILL..."));
    assert_eq!(ask(&mut world, a, "EVAL 'return 1' 0"), ":1\r\n");
}

#[test]
fn a_script_that_has_written_comes_to_its_end_within_its_transaction() {
    let (mut world, a, b) = world();
    let long =
        "EVAL \"redis.call('SET', 'k', 1) for i = 1, 4000000 do end return redis.call('INCR', 'k')\" 0";
    ask(&mut world, a, "MULTI");
    ask(&mut world, a, "SET first 1");
    ask(&mut world, a, long);
    ask(&mut world, a, "INCR k");
    assert_eq!(ask(&mut world, a, "EXEC"), "*3\r\n+OK\r\n");
    assert!(ask(&mut world, b, "SCRIPT KILL").starts_with("-UNKILLABLE"));
    world.server.propagation.record();
    world.advance(50_000);
    assert_eq!(ask(&mut world, a, "GET k"), ":2\r\n:3\r\n$1\r\n3\r\n");
    assert_eq!(ask(&mut world, b, "MULTI\r\nEXEC"), "+OK\r\n*0\r\n");
}

#[test]
fn a_script_outlives_its_client() {
    let (mut world, a, b) = world();
    ask(&mut world, b, "WATCH k");
    ask(&mut world, a, "EVAL \"for i = 1, 4000000 do end redis.call('SET', 'k', 1)\" 0");
    world.disconnect(a);
    assert!(ask(&mut world, b, "GET k").starts_with("-BUSY"));
    world.advance(50_000);
    assert_eq!(ask(&mut world, b, "GET k"), "$1\r\n1\r\n");
}

#[test]
fn a_library_that_never_ends_is_refused() {
    let (mut world, a, _) = world();
    let found = ask(&mut world, a, "FUNCTION LOAD \"#!lua name=x\\nwhile true do end\"");
    assert_eq!(found, "-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n");
    let load =
        "FUNCTION LOAD \"#!lua name=x\\nredis.register_function('f', function() while true do end end)\"";
    assert_eq!(ask(&mut world, a, load), "$1\r\nx\r\n");
    assert_eq!(ask(&mut world, a, "FCALL f 0"), "");
    let other = world.connect();
    assert!(ask(&mut world, other, "SCRIPT KILL").starts_with("-BUSY"));
    assert!(ask(&mut world, other, "FUNCTION STATS").contains("FCALL"));
    assert_eq!(ask(&mut world, other, "FUNCTION KILL"), "+OK\r\n");
    world.advance(5_000);
    assert!(ask(&mut world, a, "PING").starts_with("-ERR Script killed by user with SCRIPT KILL..."));
}

#[test]
fn what_has_changed_nothing_ends_when_the_server_is_to_stop() {
    let (mut world, a, b) = world();
    ask(&mut world, a, "EVAL 'while true do pcall(function() while true do end end) end' 0");
    world.server.pause_for_stop();
    world.advance(5_000);
    assert!(!world.server.is_busy());
    let heard = String::from_utf8_lossy(&world.take_heard(a)).into_owned();
    assert!(heard.starts_with("-ERR Script killed by the shutdown of the server."), "{heard}");
    // Also if it begins then.
    ask(&mut world, b, "EVAL_RO 'while true do end' 0");
    assert!(world.server.is_busy());
    world.advance(5_000);
    assert!(!world.server.is_busy());
}

#[test]
fn what_has_written_comes_to_its_end_before_the_server_stops() {
    let (mut world, a, b) = world();
    let long =
        "EVAL \"redis.call('SET', 'k', 1) for i = 1, 4000000 do end return redis.call('INCR', 'k')\" 0";
    ask(&mut world, a, long);
    world.server.pause_for_stop();
    world.advance(50_000);
    assert_eq!(world.take_heard(a), b":2\r\n");
    world.server.refuse_shutdown();
    // Unless it is not waited for: then nobody is told of an end.
    ask(&mut world, a, long);
    world.server.pause_for_stop();
    world.server.persistence.leaves_script = true;
    world.advance(1_000_000);
    world.disconnect(a);
    assert!(ask(&mut world, b, "GET k").starts_with("-BUSY"));
    world.server.refuse_shutdown();
    world.advance(50_000);
    assert_eq!(ask(&mut world, b, "GET k"), "$1\r\n2\r\n");
}

#[test]
fn an_append_only_file_that_is_turned_on_meanwhile_begins_after_it() {
    let (mut world, a, _) = world();
    ask(&mut world, a, "MULTI");
    ask(&mut world, a, "CONFIG SET appendonly yes");
    ask(&mut world, a, "EVAL \"redis.call('SET', 'k', 1) for i = 1, 4000000 do end\" 0");
    ask(&mut world, a, "EXEC");
    // As the outside does once it has heard of it.
    world.server.follow_file_config(world.now);
    let mut begins = |us| {
        world.advance(us);
        assert_eq!(world.server.is_busy(), us == 0);
        world.take_effects().iter().any(|effect| matches!(effect, Effect::Job(_)))
    };
    assert!(!begins(0));
    assert!(begins(300_000));
}

#[test]
fn what_is_killed_and_catches_it_writes_nothing_any_more() {
    let (mut world, a, b) = world();
    let script = "pcall(function() while true do end end) pcall(redis.call, 'SET', 'k', 1)";
    ask(&mut world, a, &format!("EVAL \"{script}\" 0"));
    ask(&mut world, b, "SCRIPT KILL");
    world.advance(5_000);
    assert_eq!(ask(&mut world, b, "GET k"), "$-1\r\n");
}

/// A script in an append-only file: others are answered meanwhile, and what follows it waits.
#[test]
fn a_script_that_is_loaded_keeps_nobody_waiting() {
    let (mut world, a, _) = world();
    let script = "redis.call('SELECT', 2) redis.call('SET', 'k', 1) for i = 1, 4000000 do end return redis.call('INCR', 'k')";
    let mut file = Vec::new();
    for words in [
        &["SELECT", "1"][..],
        &["MULTI"],
        &["EVAL", script, "0"],
        &["SET", "after", "1"],
        &["EXEC"],
        &["SET", "last", "1"],
    ] {
        request::encode(&mut file, words.iter().map(|word| word.as_bytes()));
    }
    world.server.begin_loading(0, world.now);
    let (ran, count) = world.server.replay(&file, world.now).expect("commands");
    assert!(world.server.is_busy() && ran < file.len() && count == 5);
    assert!(ask(&mut world, a, "GET k").starts_with("-LOADING"));
    assert!(ask(&mut world, a, "INFO").starts_with("-BUSY"));
    world.advance(50_000);
    assert!(!world.server.is_busy());
    assert!(ask(&mut world, a, "INFO").contains("loading:1"));
    let (rest, count) = world.server.replay(&file[ran..], world.now).expect("commands");
    assert_eq!((ran + rest, count), (file.len(), 1));
    world.server.end_loading();
    assert_eq!(
        ask(&mut world, a, "SELECT 1\r\nMGET k after last"),
        "+OK\r\n*3\r\n$-1\r\n$1\r\n1\r\n$1\r\n1\r\n"
    );
    assert_eq!(ask(&mut world, a, "SELECT 2\r\nGET k"), "+OK\r\n$1\r\n2\r\n");
}
