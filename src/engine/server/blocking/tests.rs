//! Waiting for keys, with commands made for the test that do with strings what BLPOP, BLMOVE and
//! XREADGROUP do with lists and streams.

use super::*;
use crate::engine::command::call::string_event;
use crate::engine::command::{BASE, Call, Command, Error, Result, args};
use crate::engine::config::{Config, ProtectedAction};
use crate::engine::effect::Effect;
use crate::engine::keyspace::{Expiry, IntBuf, NewValue};
use crate::engine::loopback::Loopback;
use crate::engine::server::stats::CommandStats;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags};
use proptest::prelude::*;

static ROWS: [Command; 3] = [
    // TAKE key [key ...] timeout: takes the first that is there.
    Command { name: "TAKE", arity: AtLeast(3), flags: Flags::WRITE.or(Flags::BLOCKING), run: take, ..BASE },
    // PASS from to timeout: renames a key.
    Command { name: "PASS", arity: Exactly(4), flags: Flags::WRITE.or(Flags::BLOCKING), run: pass, ..BASE },
    // FOLLOW key timeout: takes a number above ten, fails without the key.
    Command {
        name: "FOLLOW",
        arity: Exactly(3),
        flags: Flags::WRITE.or(Flags::BLOCKING),
        run: follow,
        ..BASE
    },
];

fn text(call: &mut Call, key: &[u8]) -> Result<Option<String>> {
    let entry = call.server.read_string(call.access(), key)?;
    let mut digits = IntBuf::default();
    let bytes = entry.and_then(|entry| entry.string(&mut digits));
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn take(call: &mut Call) -> Result {
    let timeout = call.args.len() - 1;
    let deadline = args::timeout_seconds(call.args.at(timeout), call.now)?;
    let keys: Vec<&[u8]> = call.args.iter().skip(1).take(timeout - 1).collect();
    for key in &keys {
        if let Some(value) = text(call, key)? {
            call.reply.array(2);
            call.reply.bulk(key);
            call.reply.bulk(value.as_bytes());
            call.delete(key);
            return Ok(());
        }
    }
    if call.may_block() {
        call.block_on(Awaited::String, keys, deadline);
    } else {
        call.reply.null_array();
    }
    Ok(())
}

fn pass(call: &mut Call) -> Result {
    let (from, to) = (call.args.at(1), call.args.at(2));
    let deadline = args::timeout_seconds(call.args.at(3), call.now)?;
    let Some(value) = text(call, from)? else {
        call.block_on(Awaited::String, [from], deadline);
        return Ok(());
    };
    call.server.set(call.access(), to, NewValue::Str(value.as_bytes()), Expiry::Never);
    call.changed(to, string_event("set"));
    call.delete(from);
    call.reply.bulk(value.as_bytes());
    Ok(())
}

fn follow(call: &mut Call) -> Result {
    let key = call.args.at(1);
    let deadline = args::timeout_seconds(call.args.at(2), call.now)?;
    let value = text(call, key)?.ok_or(Error::new("NOGROUP it is gone"))?;
    if value.parse::<i64>().is_ok_and(|number| number > 10) {
        call.reply.bulk(value.as_bytes());
        call.delete(key);
    } else {
        call.block_on(Awaited::Group, [key], deadline);
    }
    Ok(())
}

struct World(Loopback);

impl World {
    fn new() -> Self {
        let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
        for row in &ROWS {
            world.server.commands.add(row);
            world.server.command_stats.push(CommandStats::default());
        }
        world.server.propagation.record();
        World(world)
    }
    fn clients<const N: usize>(&mut self) -> [usize; N] {
        [(); N].map(|()| self.0.connect())
    }
    fn say(&mut self, client: usize, line: &str) {
        self.0.send(client, format!("{line}\r\n").as_bytes());
    }
    /// What a client has heard, line ends as spaces.
    fn heard(&mut self, client: usize) -> String {
        String::from_utf8(self.0.take_heard(client)).expect("ASCII").replace("\r\n", " ").trim_end().into()
    }
    fn ask(&mut self, client: usize, line: &str) -> String {
        self.say(client, line);
        self.heard(client)
    }
    fn propagated(&mut self) -> Vec<String> {
        let words = |argv: &crate::engine::protocol::Argv| {
            argv.args()
                .iter()
                .map(|arg| String::from_utf8_lossy(arg).into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let effects = self.0.take_effects();
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Propagate { argv, .. } => Some(words(argv)),
                _ => None,
            })
            .collect()
    }
    fn calls(&self, name: &str) -> (u64, u64) {
        let id = self.0.server.commands.find(name.as_bytes()).expect("it is there");
        let stats = &self.0.server.command_stats[id as usize];
        (stats.calls, stats.failed)
    }
    fn nobody_waits(&self) -> bool {
        let server = &self.0.server;
        server.blocking.is_empty() && server.blocking.keys() == 0 && server.deadlines.is_empty()
    }
}

#[test]
fn who_came_first_is_served_first() {
    let mut world = World::new();
    let [a, b, c] = world.clients();
    world.say(a, "TAKE k 0");
    world.say(b, "TAKE k x k 0\r\nPING");
    assert_eq!(world.ask(c, "SET k 1"), "+OK");
    assert_eq!((world.heard(a), world.heard(b)), ("*2 $1 k $1 1".into(), "".into()));
    assert_eq!(world.0.server.blocking.keys(), 2);
    assert_eq!(world.ask(c, "SET k 2\r\nGET k"), "+OK $-1");
    assert_eq!(world.heard(b), "*2 $1 k $1 2 +PONG");
    assert_eq!(world.propagated(), ["SET k 1", "DEL k", "SET k 2", "DEL k"]);
    assert!(world.nobody_waits());
}

#[test]
fn keys_are_served_in_the_order_in_which_they_came_and_after_the_transaction() {
    let mut world = World::new();
    let [a, b, c] = world.clients();
    world.say(a, "TAKE one 0");
    world.say(b, "TAKE two 0");
    world.say(c, "MULTI\r\nSET two 2\r\nSET one 1\r\nDEL two\r\nSET two 3\r\nTAKE three 0\r\nEXEC");
    assert!(world.heard(c).ends_with("*5 +OK +OK :1 +OK *-1"));
    assert_eq!((world.heard(a), world.heard(b)), ("*2 $3 one $1 1".into(), "*2 $3 two $1 3".into()));
    assert_eq!(
        world.propagated(),
        ["MULTI", "SET two 2", "SET one 1", "DEL two", "SET two 3", "EXEC", "DEL two", "DEL one"]
    );
    // What is gone again when the transaction ends was never there.
    world.say(a, "TAKE one 0");
    world.say(c, "MULTI\r\nSET one 1\r\nDEL one\r\nEXEC");
    assert_eq!(world.heard(a), "");
}

#[test]
fn what_expires_while_debug_sleep_stalls_serves_nobody() {
    let mut world = World::new();
    let [a, b] = world.clients();
    world.0.server.config.enable_debug_command = ProtectedAction::Yes;
    world.say(a, "TAKE k 0");
    world.say(b, "MULTI\r\nSET k 1 PX 199\r\nDEBUG SLEEP 0.2\r\nEXEC");
    assert_eq!(world.heard(a), "");
    world.say(b, "MULTI\r\nSET k 2 PX 200\r\nDEBUG SLEEP 0.2\r\nEXEC");
    assert_eq!(world.heard(a), "*2 $1 k $1 2");
    assert!(world.nobody_waits());
}

#[test]
fn who_is_served_can_have_others_served() {
    let mut world = World::new();
    let [a, b, c, d] = world.clients();
    world.say(a, "TAKE end 0");
    world.say(b, "PASS middle end 0");
    world.say(c, "PASS start middle 0");
    assert_eq!(world.ask(d, "SET start x"), "+OK");
    assert_eq!(
        (world.heard(a), world.heard(b), world.heard(c)),
        ("*2 $3 end $1 x".into(), "$1 x".into(), "$1 x".into())
    );
    assert_eq!(world.propagated(), ["SET start x", "DEL start", "DEL middle", "DEL end"]);
    assert!(world.nobody_waits());
}

#[test]
fn keys_that_come_from_elsewhere_are_noticed() {
    let mut world = World::new();
    let [a, b] = world.clients();
    let ways = [
        ("SET x 1", "RENAME x k"),
        ("SET x 1", "COPY x k REPLACE"),
        ("SELECT 1\r\nSET k 1", "MOVE k 0"),
        ("SELECT 1\r\nSET k 1", "SWAPDB 0 1"),
    ];
    for (before, way) in ways {
        world.say(a, "TAKE k 0");
        world.say(b, "SELECT 0");
        world.say(b, before);
        assert_eq!(world.heard(a), "");
        world.say(b, way);
        assert_eq!(world.heard(a), "*2 $1 k $1 1", "{way}");
        assert!(world.nobody_waits());
    }
}

#[test]
fn the_end_of_a_key_is_noticed_by_who_asks_for_it() {
    let mut world = World::new();
    let [a, b, c] = world.clients();
    for end in ["DEL k", "FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "RENAME k other", "PEXPIRE k 5", "MOVE k 2"] {
        world.say(c, "FLUSHALL\r\nSET k 1");
        world.say(a, "FOLLOW k 0");
        world.say(b, "TAKE none 0");
        let info = world.ask(c, "INFO clients");
        assert!(info.contains("blocked_clients:2") && info.contains("total_blocking_keys:2"), "{info}");
        assert!(info.contains("total_blocking_keys_on_nokey:1"), "{info}");
        world.say(c, end);
        world.0.advance(300_000);
        assert_eq!((world.heard(a), world.heard(b)), ("-NOGROUP it is gone".into(), "".into()), "{end}");
        assert_eq!(world.0.server.blocking.keys_with_groups(), 0);
        world.say(c, "SET none 1");
        assert_eq!(world.heard(b), "*2 $4 none $1 1");
        assert!(world.nobody_waits());
    }
    assert_eq!(world.calls("FOLLOW"), (7, 7));
}

#[test]
fn a_wait_ends_when_it_was_to_end_whatever_happens_meanwhile() {
    let mut world = World::new();
    let [a, b] = world.clients();
    world.say(b, "SET k 1");
    world.say(a, "HELLO 3");
    world.heard(a);
    world.say(a, "FOLLOW k 0.5");
    for number in 2..6 {
        world.0.advance(100_000);
        world.say(b, &format!("SET k {number}"));
        assert_eq!(world.heard(a), "");
    }
    world.0.advance(99_000);
    assert_eq!(world.heard(a), "");
    world.0.advance(1_000);
    assert_eq!(world.heard(a), "_");
    assert!(world.nobody_waits());
    assert_eq!(world.ask(a, "TAKE k 0.001\r\nTAKE k 0.001"), "*2 $1 k $1 5");
    world.0.advance(1_000);
    assert_eq!(world.heard(a), "_");
    assert_eq!((world.calls("TAKE"), world.calls("FOLLOW")), ((2, 0), (1, 0)));
}

#[test]
fn a_command_counts_once_and_when_it_is_over() {
    let mut world = World::new();
    let [a, b] = world.clients();
    let before = world.0.server.stats.commands_processed;
    world.say(a, "TAKE k 0");
    assert_eq!((world.calls("TAKE"), world.0.server.stats.commands_processed), ((0, 0), before));
    world.say(b, "SET k 1");
    assert_eq!((world.calls("TAKE"), world.0.server.stats.commands_processed), ((1, 0), before + 2));
    world.say(a, "TAKE k 0");
    let client = world.0.client(a).id;
    world.heard(b);
    assert_eq!(world.ask(b, &format!("CLIENT UNBLOCK {client} ERROR")), ":1");
    assert_eq!(world.heard(a), "*2 $1 k $1 1 -UNBLOCKED client unblocked via CLIENT UNBLOCK");
    assert_eq!(world.calls("TAKE"), (2, 1));
    world.say(a, "TAKE k 0");
    assert_eq!(world.ask(b, &format!("CLIENT UNBLOCK {client}")), ":1");
    assert_eq!((world.heard(a), world.calls("TAKE")), ("*-1".into(), (3, 1)));
    assert!(world.nobody_waits());
}

#[test]
fn who_leaves_takes_nothing_along() {
    let mut world = World::new();
    let [a, b, c, d] = world.clients();
    for client in [a, b, c] {
        world.say(client, "TAKE k 7");
    }
    world.0.disconnect(a);
    // The server has closed this one, which its connection does not know yet.
    let client = world.0.client(b);
    let mut session = world.0.server.clients.take(client).expect("it is there");
    session.closing = Closing::Now;
    world.0.server.clients.put_back(session);
    assert_eq!(world.ask(d, "SET k 1\r\nGET k"), "+OK $-1");
    assert_eq!(world.heard(c), "*2 $1 k $1 1");
    world.0.disconnect(b);
    world.say(c, "TAKE k 0");
    world.say(d, "CLIENT KILL TYPE normal");
    assert!(!world.0.is_open(c) && world.nobody_waits());
    assert!(world.ask(d, "SET k 1\r\nGET k").ends_with("+OK $1 1"));
}

#[test]
fn replies_that_nobody_wants_are_dropped_however_late() {
    let mut world = World::new();
    let [a, b] = world.clients();
    let client = world.0.client(a).id;
    for end in
        ["SET k 1".into(), format!("CLIENT UNBLOCK {client}"), format!("CLIENT UNBLOCK {client} ERROR")]
    {
        world.say(a, "CLIENT REPLY SKIP\r\nTAKE k 0\r\nPING");
        world.say(b, &end);
        assert_eq!(world.heard(a), "+PONG", "{end}");
    }
    world.say(a, "CLIENT REPLY OFF\r\nTAKE k 0.1\r\nWAIT 1 100\r\nCONFIG REWRITE\r\nCLIENT REPLY ON");
    world.0.advance(300_000);
    assert_eq!(world.heard(a), "+OK");
    world.say(b, "SET k 1");
    world.say(a, "CLIENT REPLY SKIP\r\nFOLLOW k 0");
    world.say(b, "SET k 2\r\nSET k 3");
    world.say(b, "SET k 30");
    assert_eq!(world.ask(a, "PING"), "+PONG");
}

#[test]
fn a_pause_keeps_what_is_ready() {
    let mut world = World::new();
    let [a, b] = world.clients();
    world.say(a, "TAKE k 0.1");
    let [c] = world.clients();
    world.say(c, "TAKE other 0.1");
    world.say(b, "MULTI\r\nSET k 1\r\nCLIENT PAUSE 300 WRITE\r\nEXEC\r\nGET k");
    assert!(world.heard(b).ends_with("$1 1"));
    world.0.advance(299_000);
    assert_eq!((world.heard(a), world.heard(c)), ("".into(), "*-1".into()));
    world.0.advance(1_000);
    assert_eq!(world.heard(a), "*2 $1 k $1 1");
    assert!(world.nobody_waits());
}

#[test]
fn what_has_expired_is_not_there() {
    let mut world = World::new();
    let [a, b] = world.clients();
    world.0.server.active_expire_off = true;
    world.say(a, "TAKE k 0");
    world.say(b, "MULTI\r\nSET k 1 PX 10\r\nCLIENT PAUSE 50\r\nEXEC");
    world.0.advance(200_000);
    assert!(!world.0.server.blocking.has_ready());
    assert_eq!((world.heard(a), world.0.server.databases[0].len()), ("".into(), 1));
}

#[test]
fn a_served_client_meets_the_rules_of_the_moment() {
    let mut world = World::new();
    let [a, b] = world.clients();
    world.say(a, "SUBSCRIBE __keyevent@0__:del");
    world.say(b, "CONFIG SET notify-keyspace-events KEA");
    world.heard(a);
    world.say(
        b,
        "SUBSCRIBE __keyevent@0__:del\r\nHELLO 3\r\nRESET\r\nHELLO 3\r\nSUBSCRIBE __keyevent@0__:del",
    );
    world.heard(b);
    let [c] = world.clients();
    world.say(c, "HELLO 3\r\nSUBSCRIBE __keyevent@0__:del\r\nTAKE k 0");
    world.heard(c);
    // Who had somebody served hears of it after the own reply, who was served after that one's.
    assert_eq!(world.ask(b, "SET k 1"), "+OK >3 $7 message $18 __keyevent@0__:del $1 k");
    assert_eq!(world.heard(c), "*2 $1 k $1 1 >3 $7 message $18 __keyevent@0__:del $1 k");
    assert_eq!(world.heard(a), "*3 $7 message $18 __keyevent@0__:del $1 k");
}

#[test]
fn a_lost_client_waits_for_nothing() {
    let mut world = World::new();
    let [a, b] = world.clients();
    world.say(b, "SET k 1");
    world.say(a, "FOLLOW k 0");
    let client = world.0.client(a);
    drop(world.0.server.clients.take(client).expect("it is connected"));
    world.0.server.disconnect(client);
    assert!(world.0.server.blocking.is_empty() && world.0.server.blocking.keys() == 0);
}

#[test]
fn who_waits_is_shown_with_what_it_waits_for() {
    let mut world = World::new();
    let [a, b] = world.clients();
    world.say(a, "PING\r\nTAKE some key 0\r\nPING");
    let line = world.ask(b, "CLIENT LIST");
    let line = line.split(" id=").nth(1).unwrap_or_default();
    for part in [" flags=b ", " cmd=take ", " argv-mem=12 ", " qbuf=6 ", " tot-cmds=1 "] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let session = world.0.server.clients.get(world.0.client(a)).expect("it is there");
    let without = Session { blocked: None, ..Session::default() };
    let with = Session { blocked: session.blocked.clone(), ..Session::default() };
    assert!(with.memory(&Reply::default()) > without.memory(&Reply::default()) + 100);
}

/// Who waits for what, kept the simplest way.
#[derive(Debug, Default)]
struct Model {
    waits: Vec<(ClientId, KeyWait)>,
    ready: Vec<(usize, Box<[u8]>)>,
}

impl Model {
    fn waiting(&self, db: usize, key: &[u8]) -> Vec<&(ClientId, KeyWait)> {
        let waits =
            self.waits.iter().filter(|(_, wait)| wait.db == db && wait.keys.iter().any(|k| **k == *key));
        let mut all: Vec<_> = waits.collect();
        all.sort_by_key(|(_, wait)| wait.ticket);
        all
    }
    fn signal(&mut self, db: usize, key: &[u8]) {
        if !self.waiting(db, key).is_empty() && !self.ready.iter().any(|(d, k)| (*d, &**k) == (db, key)) {
            self.ready.push((db, key.into()));
        }
    }
}

fn key(number: u8) -> Box<[u8]> {
    Box::new([b'a' + number % 4])
}

proptest! {
    #[test]
    fn it_knows_who_waits(steps in prop::collection::vec((0u8..8, 0usize..3, any::<u8>(), any::<u8>()), 1..200)) {
        let (mut blocking, mut model) = (Blocking::default(), Model::default());
        let mut next_id = 0;
        for (what, db, one, two) in steps {
            match what {
                0..3 => {
                    next_id += 1;
                    let client = ClientId { id: next_id, slot: one.into() };
                    let mut keys = vec![key(one), key(two)];
                    keys.dedup();
                    let awaited = if one > 99 { Awaited::Group } else { Awaited::List };
                    let (ticket, request) = (blocking.ticket(), Default::default());
                    let wait = KeyWait { awaited, db, keys, ticket, request, command: 0, again_at: None, ns: 0 };
                    blocking.add(client, &wait);
                    model.waits.push((client, wait));
                }
                3 if !model.waits.is_empty() => {
                    let (client, wait) = model.waits.remove(usize::from(one) % model.waits.len());
                    if two > 99 { blocking.remove(&wait) } else { blocking.forget(client) }
                    let ready = std::mem::take(&mut model.ready);
                    model.ready = ready.into_iter().filter(|(db, k)| !model.waiting(*db, k).is_empty()).collect();
                }
                4 => {
                    blocking.signal_all(db);
                    (0..4).for_each(|number| model.signal(db, &key(number)));
                }
                5 => {
                    let found = blocking.take_ready();
                    prop_assert_eq!(&found, &model.ready.first().cloned());
                    model.ready.drain(..model.ready.len().min(1));
                }
                _ => {
                    blocking.signal(db, &key(one));
                    model.signal(db, &key(one));
                }
            }
            let (mut keys, mut groups) = (0, 0);
            for (db, key) in (0..3).flat_map(|db| (0..4).map(move |number| (db, key(number)))) {
                let waiting = model.waiting(db, &key);
                let has_groups = waiting.iter().any(|(_, wait)| wait.awaited == Awaited::Group);
                keys += !waiting.is_empty() as usize;
                groups += has_groups as usize;
                let mut seen = Vec::new();
                let mut after = 0;
                while let Some((ticket, client)) = blocking.next(db, &key, (after, u64::MAX), true) {
                    seen.push(client);
                    after = ticket;
                }
                prop_assert_eq!(seen, waiting.iter().map(|(client, _)| *client).collect::<Vec<_>>());
                prop_assert_eq!(blocking.next(db, &key, (0, u64::MAX), false).is_some(), has_groups);
            }
            prop_assert_eq!((blocking.keys(), blocking.keys_with_groups()), (keys, groups));
            prop_assert_eq!(blocking.is_empty(), model.waits.is_empty());
        }
    }
}
