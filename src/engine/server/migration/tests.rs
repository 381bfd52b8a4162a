//! What waits while keys move, and what is said to the target.

use super::*;
use crate::engine::config::Config;
use crate::engine::loopback::Loopback;

fn world() -> Loopback {
    let mut world = Loopback::new(Config::default(), 1).expect("the defaults are sound");
    world.server.propagation.record();
    let client = world.connect();
    world.send(client, b"MSET a 1 b 2 c 3\r\nPEXPIRE b 1000\r\n");
    world.take_heard(client);
    world.take_effects();
    world
}

/// Begins a migration that nobody carries out yet.
fn begin(world: &mut Loopback, request: &str) -> (ClientId, Migration) {
    let connection = world.connect();
    let (client, now) = (world.client(connection), world.now);
    world.server.handle_input(client, request.as_bytes(), request.len(), now);
    assert_eq!(world.server.take_effects(), [Effect::Migrate(client)]);
    let migration = world.server.take_migration(client).expect("it was begun");
    (client, migration)
}

fn heard(world: &mut Loopback, connection: usize, request: &str) -> String {
    world.send(connection, request.as_bytes());
    String::from_utf8(world.take_heard(connection)).expect("text")
}

#[test]
fn whoever_could_see_a_key_twice_waits_until_it_is_deleted() {
    let mut world = world();
    let trader = world.connect();
    assert_eq!(heard(&mut world, trader, "MULTI\r\nGET c\r\nGET b\r\n"), "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    let (mover, migration) = begin(&mut world, "MIGRATE h 1 \"\" 0 100 KEYS b a nothing\r\n");
    assert_eq!(migration.entries.iter().map(|entry| entry.key()).collect::<Vec<_>>(), [b"a", b"b"]);
    let [reader, bystander, writer] = [0; 3].map(|_| world.connect());
    assert_eq!(heard(&mut world, bystander, "GET c\r\nPING\r\n"), "$1\r\n3\r\n+PONG\r\n");
    assert_eq!(heard(&mut world, reader, "GET a\r\n"), "");
    assert_eq!(heard(&mut world, writer, "SET c 4\r\n"), "");
    assert_eq!(heard(&mut world, trader, "EXEC\r\n"), "");
    assert_eq!(heard(&mut world, bystander, "CLIENT UNPAUSE\r\n"), "+OK\r\n");
    world.advance(2_000_000);
    assert_eq!(heard(&mut world, reader, ""), "", "not even when time passes");
    let now = world.now;
    world.server.migrated(mover, Outcome { restored: vec![0], error: Some(b"ERR no b".to_vec()) }, now);
    assert_eq!(heard(&mut world, bystander, ""), "");
    assert_eq!(heard(&mut world, reader, ""), "$-1\r\n");
    assert_eq!(heard(&mut world, writer, ""), "+OK\r\n");
    assert_eq!(heard(&mut world, trader, ""), "*2\r\n$1\r\n3\r\n$-1\r\n", "b expired meanwhile");
    let sent = |effect: &Effect| match effect {
        Effect::Propagate { argv, .. } => {
            argv.args().iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    };
    let effects: Vec<String> = world.take_effects().iter().map(sent).collect();
    assert_eq!(effects, ["DEL a", "DEL b", "SET c 4"]);
}

#[test]
fn what_is_copied_holds_up_nobody() {
    let mut world = world();
    let (copier, migration) = begin(&mut world, "MIGRATE h 1 a 0 100 COPY\r\n");
    assert_eq!(migration.entries.len(), 1);
    let writer = world.connect();
    assert_eq!(heard(&mut world, writer, "SET a 5\r\n"), "+OK\r\n");
    let now = world.now;
    world.server.migrated(copier, Outcome { restored: vec![0], error: None }, now);
    assert_eq!(heard(&mut world, writer, "GET a\r\n"), "$1\r\n5\r\n");
}

#[test]
fn a_client_that_leaves_does_not_leave_the_keys_behind() {
    let mut world = world();
    let (mover, _) = begin(&mut world, "MIGRATE h 1 a 0 100\r\n");
    world.server.disconnect(mover);
    let writer = world.connect();
    assert_eq!(heard(&mut world, writer, "INCR a\r\n"), "");
    let now = world.now;
    world.server.migrated(mover, Outcome { restored: vec![0], error: None }, now);
    assert_eq!(heard(&mut world, writer, ""), ":1\r\n");
}

#[test]
fn what_is_said_to_the_target() {
    let mut world = world();
    let request = "MIGRATE h 7 \"\" 9 100 REPLACE AUTH2 me secret KEYS a b\r\n";
    let (_, mut migration) = begin(&mut world, request);
    let (greeting, answers) = migration.greeting();
    assert_eq!(answers, 2);
    let expected = "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n";
    assert_eq!(String::from_utf8_lossy(&greeting), expected);
    let (restores, answers) = migration.restores(world.now.later(400_000));
    assert_eq!(answers, 2);
    let mut target = Loopback::new(Config::default(), 2).expect("the defaults are sound");
    let client = target.connect();
    target.send(client, &restores);
    assert_eq!(target.take_heard(client), b"+OK\r\n+OK\r\n");
    target.send(client, b"MGET a b\r\nPTTL a\r\nPTTL b\r\n");
    assert_eq!(target.take_heard(client), b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n:-1\r\n:600\r\n");
}

#[test]
fn answers_are_single_lines() {
    let mut heard = b"+OK\r\n-ERR no\r\n+".to_vec();
    assert_eq!(Answer::take(&mut heard), Ok(Some(Answer::Ok)));
    assert_eq!(Answer::take(&mut heard), Ok(Some(Answer::Error(b"ERR no".to_vec()))));
    assert_eq!(Answer::take(&mut heard), Ok(None));
    for nonsense in ["$2\r\nOK\r\n", ":1\r\n", "\r\n", &"x".repeat(LONGEST_LINE + 1)] {
        assert_eq!(Answer::take(&mut nonsense.as_bytes().to_vec()), Err(Gibberish));
    }
}
