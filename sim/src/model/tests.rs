//! Facts about Redis that the model must know.

use super::*;

fn moment(earliest: i64, latest: i64) -> Moment {
    Moment { earliest, latest, peak: latest }
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.as_bytes().to_vec())
}

fn ints(numbers: &[i64]) -> Reply {
    Reply::Array(numbers.iter().copied().map(Reply::Int).collect())
}

/// Plays commands one after the other at 1000 ms; each must answer as said.
fn play(state: &State, lines: &[(&str, Reply)]) -> State {
    lines.iter().fold(state.clone(), |state, (words, reply)| {
        let mut after = state.after(1, &Call::command(words), moment(1000, 1000), Some(reply));
        assert_eq!(after.len(), 1, "{words} gives {reply:?} in {state:?}");
        after.remove(0)
    })
}

#[test]
fn strings() {
    play(
        &State::default(),
        &[
            ("SET a 1 NX", Reply::ok()),
            ("SET a 2 NX", Reply::Null),
            ("SET a 2 XX GET", bulk("1")),
            ("SET a 3 IFEQ 1", Reply::Null),
            ("SET a 3 IFEQ 2", Reply::ok()),
            ("INCRBY a 4", Reply::Int(7)),
            ("APPEND a x", Reply::Int(2)),
            ("INCR a", Reply::error("ERR value is not an integer or out of range")),
            ("SETRANGE a 4 yz", Reply::Int(6)),
            ("GETRANGE a -2 -1", bulk("yz")),
            ("GETRANGE a 5 100", bulk("z")),
            ("GETRANGE a 3 2", bulk("")),
            ("MSETNX a 1 b 1", Reply::Int(0)),
            ("MSETNX c 1 b 1", Reply::Int(1)),
            ("MGET b none c", Reply::Array(vec![bulk("1"), Reply::Null, bulk("1")])),
            ("DELEX b IFEQ 2", Reply::Int(0)),
            ("DELEX b IFEQ 1", Reply::Int(1)),
            ("GETDEL b", Reply::Null),
            ("SET n 9223372036854775807", Reply::ok()),
            ("INCR n", Reply::error("ERR increment or decrement would overflow")),
        ],
    );
}

#[test]
fn bitmaps() {
    play(
        &State::default(),
        &[
            ("SETBIT a 7 1", Reply::Int(0)),
            ("SETBIT a 7 1", Reply::Int(1)),
            ("GET a", Reply::Bulk(vec![1])),
            ("BITCOUNT a 0 5 BIT", Reply::Int(0)),
            ("BITCOUNT a -1 -2", Reply::Int(0)),
            ("BITPOS a 1", Reply::Int(7)),
            ("BITPOS none 0", Reply::Int(0)),
            ("SET f zz", Reply::ok()),
            ("BITOP OR f f a", Reply::Int(2)),
            ("BITPOS f 0 1 -1", Reply::Int(8)),
            ("BITPOS f 0 2", Reply::Int(-1)),
            ("BITOP NOT a none", Reply::Int(0)),
            ("EXISTS a", Reply::Int(0)),
            ("BITFIELD a SET u8 0 300 INCRBY i4 4 5 GET u8 0", ints(&[0, 1, 33])),
            ("BITFIELD a OVERFLOW FAIL INCRBY u2 16 4", Reply::Array(vec![Reply::Null])),
            ("STRLEN a", Reply::Int(3)),
            ("BITFIELD a OVERFLOW SAT INCRBY i3 16 -9 GET u3 16", ints(&[-4, 4])),
        ],
    );
}

#[test]
fn sketches() {
    play(
        &State::default(),
        &[
            ("PFADD a 1 2 3", Reply::Int(1)),
            ("PFADD a 1", Reply::Int(0)),
            ("PFCOUNT a", Reply::Int(3)),
            ("PFADD b 3 4", Reply::Int(1)),
            ("PFCOUNT a b none", Reply::Int(4)),
            ("PFMERGE c a b", Reply::ok()),
            ("PFCOUNT c", Reply::Int(4)),
            ("TYPE c", Reply::Status(b"string".to_vec())),
            ("SET d text", Reply::ok()),
            ("PFADD d 1", Reply::error("WRONGTYPE Key is not a valid HyperLogLog string value.")),
        ],
    );
}

#[test]
fn keys_and_their_expiry() {
    play(
        &State::default(),
        &[
            ("RENAME a b", Reply::error("ERR no such key")),
            ("SET a 1 EX 10", Reply::ok()),
            ("PTTL a", Reply::Int(10_000)),
            ("APPEND a 1", Reply::Int(2)),
            ("TTL a", Reply::Int(10)),
            ("RENAME a b", Reply::ok()),
            ("TTL a", Reply::Int(-2)),
            ("PEXPIRETIME b", Reply::Int(11_000)),
            ("EXPIRE b 5 NX", Reply::Int(0)),
            ("SET b 2 KEEPTTL", Reply::ok()),
            ("COPY b c", Reply::Int(1)),
            ("PERSIST c", Reply::Int(1)),
            ("TTL c", Reply::Int(-1)),
            ("TTL b", Reply::Int(10)),
            ("GETEX b PERSIST", bulk("2")),
            ("TTL b", Reply::Int(-1)),
            ("EXPIRE b 0", Reply::Int(1)),
            ("EXISTS b c c", Reply::Int(2)),
        ],
    );
}

#[test]
fn an_expiry_within_the_time_of_a_reply_leaves_both_possible() {
    let state = play(&State::default(), &[("SET a 1 PX 100", Reply::ok())]);
    let seen = |earliest, latest, reply: Reply| {
        !state.after(1, &Call::command("GET a"), moment(earliest, latest), Some(&reply)).is_empty()
    };
    assert!(seen(1050, 1100, bulk("1")) && !seen(1050, 1100, Reply::Null));
    assert!(seen(1050, 1200, bulk("1")) && seen(1050, 1200, Reply::Null));
    assert!(!seen(1101, 1200, bulk("1")) && seen(1101, 1200, Reply::Null));
    // A clock that was further once may have removed it already.
    let back = Moment { earliest: 1000, latest: 1000, peak: 2000 };
    assert_eq!(state.after(1, &Call::command("GET a"), back, None).len(), 2);
}

#[test]
fn the_groups_of_a_watched_stream_may_change_and_nothing_be_deleted() {
    let commands = [
        ("XADD x 1-1 f v", bulk("1-1")),
        ("WATCH x", Reply::ok()),
        ("XGROUP CREATE x g 0 MKSTREAM", Reply::ok()),
        ("XACK x g 1-1", Reply::Int(0)),
        ("XGROUP DESTROY x g", Reply::Int(1)),
        ("XDEL x 1-2", Reply::Int(0)),
        ("XTRIM x MAXLEN 1", Reply::Int(0)),
    ];
    let state = play(&State::default(), &commands);
    let exec = Call::Transaction { watched: vec![b"x".to_vec()], commands: Vec::new() };
    let may = |state: &State, reply| state.after(1, &exec, moment(1000, 1000), Some(&reply)).len();
    assert_eq!((may(&state, Reply::Array(Vec::new())), may(&state, Reply::Null)), (1, 0));
    let state = play(&state, &[("XDEL x 1-1", Reply::Int(1))]);
    assert_eq!((may(&state, Reply::Array(Vec::new())), may(&state, Reply::Null)), (0, 1));
}

#[test]
fn a_watched_key_stops_a_transaction() {
    let commands = vec![vec![b"INCR".to_vec(), b"a".to_vec()]];
    let transaction = Call::Transaction { watched: vec![b"a".to_vec()], commands };
    let exec =
        |state: &State, reply: Reply| state.after(1, &transaction, moment(1000, 1000), Some(&reply)).len();
    let watched = play(&State::default(), &[("WATCH a", Reply::ok())]);
    assert_eq!(exec(&watched, Reply::Array(vec![Reply::Int(1)])), 1);
    assert_eq!(exec(&watched, Reply::Null), 0);
    let changed = watched.after(2, &Call::command("SET a 5"), moment(1000, 1000), None).remove(0);
    assert_eq!(exec(&changed, Reply::Null), 1);
    assert_eq!(exec(&changed, Reply::Array(vec![Reply::Int(6)])), 0);
    let unwatched = play(&changed, &[("UNWATCH", Reply::ok())]);
    assert_eq!(exec(&unwatched, Reply::Array(vec![Reply::Int(6)])), 1);
}

#[test]
fn an_increment_by_nothing_is_no_change() {
    let state = play(&State::default(), &[("ZADD z 7 m", Reply::Int(1)), ("WATCH z", Reply::ok())]);
    let exec = |increment: &str, reply: Reply| {
        let call = Call::command(&format!("ZINCRBY z {increment} m"));
        let other = state.after(2, &call, moment(1000, 1000), None).remove(0);
        let transaction = Call::Transaction { watched: vec![b"z".to_vec()], commands: Vec::new() };
        other.after(1, &transaction, moment(1000, 1000), Some(&reply)).len()
    };
    assert_eq!((exec("0", Reply::Array(Vec::new())), exec("0", Reply::Null)), (1, 0));
    assert_eq!((exec("1", Reply::Array(Vec::new())), exec("1", Reply::Null)), (0, 1));
}

#[test]
fn a_group_that_is_moved_wakes_nobody() {
    let state = play(
        &State::default(),
        &[
            ("XADD x 1-1 f v", bulk("1-1")),
            ("XGROUP CREATE x g $", Reply::ok()),
            ("XGROUP SETID x g 0", Reply::ok()),
        ],
    );
    let read = Call::command("XREADGROUP GROUP g c BLOCK 5 STREAMS x >");
    let in_vain = |state: &State| state.after(1, &read, moment(1000, 1000), Some(&Reply::Null));
    assert_eq!(in_vain(&state), std::slice::from_ref(&state), "and it has been given nothing");
    let woken = play(&state, &[("XADD x 1-2 f v", bulk("1-2"))]);
    assert_eq!(in_vain(&woken), []);
}

#[test]
fn a_crash_forgets_everything() {
    let state = play(&State::default(), &[("SET a 1", Reply::ok())]);
    let after = state.after(0, &Call::Crash, moment(1000, 1000), None).remove(0);
    assert_eq!(after, State::default());
}

fn array(items: &[&str]) -> Reply {
    Reply::Array(items.iter().map(|item| bulk(item)).collect())
}

#[test]
fn lists() {
    play(
        &State::default(),
        &[
            ("RPUSH l a b c", Reply::Int(3)),
            ("LPUSH l z", Reply::Int(4)),
            ("LRANGE l 0 -1", array(&["z", "a", "b", "c"])),
            ("LRANGE l -2 10", array(&["b", "c"])),
            ("LRANGE l 3 1", array(&[])),
            ("LINSERT l AFTER a y", Reply::Int(5)),
            ("LREM l -1 y", Reply::Int(1)),
            ("LSET l -1 d", Reply::ok()),
            ("LSET l 9 d", Reply::error("ERR index out of range")),
            ("LMOVE l m LEFT RIGHT", bulk("z")),
            ("BLPOP none m 0.1", array(&["m", "z"])),
            ("BLPOP none m 0.1", Reply::Null),
            ("EXISTS m", Reply::Int(0)),
            ("LTRIM l 1 1", Reply::ok()),
            ("RPOP l 5", array(&["b"])),
            ("RPOP l 5", Reply::Null),
            ("SET s 1", Reply::ok()),
            ("LPUSH s 1", Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")),
        ],
    );
}

#[test]
fn hashes_and_sets_have_no_order() {
    play(
        &State::default(),
        &[
            ("HSET h a 1 b 2", Reply::Int(2)),
            ("HGETALL h", array(&["b", "2", "a", "1"])),
            ("HKEYS h", array(&["b", "a"])),
            ("HINCRBY h a 5", Reply::Int(6)),
            ("HDEL h a b", Reply::Int(2)),
            ("TYPE h", Reply::Status(b"none".to_vec())),
            ("SADD s x y z", Reply::Int(3)),
            ("SADD t y", Reply::Int(1)),
            ("SDIFF s t", array(&["z", "x"])),
            ("SMOVE s t y", Reply::Int(1)),
            ("SINTERSTORE u s t", Reply::Int(0)),
            ("SRANDMEMBER s", bulk("z")),
            ("SPOP s", bulk("x")),
            ("SMEMBERS s", array(&["z"])),
        ],
    );
    let state = play(&State::default(), &[("SADD s x y", Reply::Int(2))]);
    let popped = |reply| state.after(1, &Call::command("SPOP s"), moment(1000, 1000), reply).len();
    assert_eq!((popped(None), popped(Some(&bulk("y"))), popped(Some(&bulk("z")))), (2, 1, 0));
}

#[test]
fn sorted_sets() {
    play(
        &State::default(),
        &[
            ("ZADD z 2 b 1 c 1 a", Reply::Int(3)),
            ("ZRANGE z 0 -1", array(&["a", "c", "b"])),
            ("ZADD z GT CH 0 b 5 a", Reply::Int(1)),
            ("ZRANK z a", Reply::Int(2)),
            ("ZRANGEBYSCORE z 1 2", array(&["c", "b"])),
            ("ZPOPMAX z", array(&["a", "5"])),
            ("BZPOPMIN y z 0.1", array(&["z", "c", "1"])),
            ("ZINCRBY z 3 b", bulk("5")),
            ("ZREMRANGEBYRANK z 0 -1", Reply::Int(1)),
            ("BZPOPMIN z 0.1", Reply::Null),
        ],
    );
}

#[test]
fn a_wait_outlasts_a_value_of_another_type() {
    let state = play(&State::default(), &[("SADD s x", Reply::Int(1)), ("RPUSH l y", Reply::Int(1))]);
    let wrong = Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value");
    let answers = |words: &str, reply: &Reply| {
        !state.after(1, &Call::command(words), moment(1000, 1000), Some(reply)).is_empty()
    };
    assert!(answers("BLPOP s 0.1", &wrong) && answers("BLPOP s 0.1", &Reply::Null));
    assert!(answers("BLPOP s l 0.1", &wrong) && !answers("BLPOP s l 0.1", &Reply::Null));
    assert!(answers("BLMOVE s l LEFT LEFT 0.1", &Reply::Null));
    assert!(!answers("BLMOVE l s LEFT LEFT 0.1", &Reply::Null));
    assert!(answers("BZPOPMIN l 0.1", &Reply::Null) && !answers("LPOP s", &Reply::Null));
}

#[test]
fn a_wait_in_vain_ends_when_its_time_is_up() {
    use crate::history::Operation;
    let mut wait = Operation {
        session: 1,
        call: Call::command("BLPOP l 0.6"),
        invoked_ns: 1_000_000_000,
        returned: Some((1_700_000_000, Reply::Null)),
        until_ns: u64::MAX,
        answered_ns: None,
        moment: moment(1000, 1700),
    };
    assert_eq!(wait.earliest_ns(), 1_500_000_000);
    wait.returned = Some((1_700_000_000, array(&["l", "x"])));
    assert_eq!(wait.earliest_ns(), 1_000_000_000);
}

#[test]
fn streams_and_groups() {
    let id = |seq: u64| bulk(&format!("1-{seq}"));
    let entry =
        |seq: u64, value: &str| Reply::Array(vec![id(seq), Reply::Array(vec![bulk("f"), bulk(value)])]);
    let of_s = |entries: Vec<Reply>| Reply::Array(vec![bulk("s"), Reply::Array(entries)]);
    play(
        &State::default(),
        &[
            ("XADD s NOMKSTREAM 1-* f a", Reply::Null),
            ("XREADGROUP GROUP g c STREAMS s >", Reply::error("NOGROUP No such key")),
            ("XGROUP CREATE s g 0 MKSTREAM", Reply::ok()),
            ("XGROUP CREATE s g 0 MKSTREAM", Reply::error("BUSYGROUP Consumer Group name already exists")),
            ("XADD s 1-* f a", id(0)),
            ("XADD s 1-* f b", id(1)),
            ("XADD s MAXLEN 3 1-* f c", id(2)),
            ("XADD s 1-2 f c", Reply::error("ERR The ID specified in XADD is equal or smaller than the")),
            (
                "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
                Reply::Array(vec![of_s(vec![entry(0, "a"), entry(1, "b")])]),
            ),
            ("XREADGROUP GROUP g d STREAMS s >", of_s(vec![entry(2, "c")])),
            ("XREADGROUP GROUP g d STREAMS s >", Reply::Null),
            ("XDEL s 1-1 1-9", Reply::Int(1)),
            (
                "XREADGROUP GROUP g c STREAMS s 0",
                of_s(vec![entry(0, "a"), Reply::Array(vec![id(1), Reply::Null])]),
            ),
            ("XCLAIM s g d 0 1-0 1-1 1-7", Reply::Array(vec![entry(0, "a")])),
            (
                "XPENDING s g",
                Reply::Array(vec![
                    Reply::Int(2),
                    id(0),
                    id(2),
                    Reply::Array(vec![Reply::Array(vec![bulk("d"), bulk("2")])]),
                ]),
            ),
            ("XACK s g 1-0 1-1", Reply::Int(1)),
            (
                "XAUTOCLAIM s g e 0 0 COUNT 2",
                Reply::Array(vec![bulk("0-0"), Reply::Array(vec![entry(2, "c")]), Reply::Array(vec![])]),
            ),
            ("XTRIM s MAXLEN 1", Reply::Int(1)),
            ("XRANGE s - +", Reply::Array(vec![entry(2, "c")])),
            ("XDEL s 1-2", Reply::Int(1)),
            ("XREAD STREAMS s 1-0", Reply::Null),
            ("TYPE s", Reply::Status(b"stream".to_vec())),
        ],
    );
}

#[test]
fn what_may_be_evicted_may_be_gone() {
    let kept = play(&State::of(Forgets::Volatile), &[("SET k 1", Reply::ok()), ("GET k", bulk("1"))]);
    assert!(kept.after(1, &Call::command("GET k"), moment(0, 0), Some(&Reply::Null)).is_empty());
    let oom = Reply::error("OOM command not allowed");
    assert_eq!(
        kept.after(1, &Call::command("SET k 2"), moment(0, 0), Some(&oom)),
        std::slice::from_ref(&kept)
    );
    let forgets = State::of(Forgets::Anything);
    let set = forgets.after(1, &Call::command("SET k 1"), moment(0, 0), Some(&Reply::ok())).remove(0);
    let gone = set.after(1, &Call::command("GET k"), moment(0, 0), Some(&Reply::Null));
    assert_eq!(gone, [forgets], "and does not come back");
}

#[test]
fn nobody_looks_at_the_keys_behind_the_one_that_ends_a_command() {
    let begun =
        [("SET k 1 PXAT 100", Reply::ok()), ("RPUSH l 1", Reply::Int(1)), ("SET there 1", Reply::ok())];
    let begun = begun.iter().fold(State::default(), |state, (words, reply)| {
        state.after(1, &Call::command(words), moment(0, 0), Some(reply)).remove(0)
    });
    let popped = Reply::Array(vec![bulk("l"), bulk("1")]);
    let back = Moment { earliest: 50, latest: 50, peak: 200 };
    for (words, reply) in [("MSETNX there 2 k 2", &Reply::Int(0)), ("BLPOP l k 1", &popped)] {
        let late = begun.after(1, &Call::command(words), moment(200, 200), Some(reply));
        let finds = |found: &Reply| {
            late.iter().any(|state| !state.after(1, &Call::command("GET k"), back, Some(found)).is_empty())
        };
        assert!(finds(&bulk("1")) && finds(&Reply::Null), "after {words}");
    }
    let looked = begun.after(1, &Call::command("MSETNX k 2 there 2"), moment(200, 200), Some(&Reply::Int(0)));
    let alive = |state: &State| !state.after(1, &Call::command("GET k"), back, Some(&bulk("1"))).is_empty();
    assert!(!looked.iter().any(alive), "one that was looked at is removed");
}

#[test]
fn a_script_goes_on_after_an_error() {
    let commands = ["SET a x", "INCR a", "APPEND a y"].map(|words| match Call::command(words) {
        Call::Command(arguments) => arguments,
        _ => unreachable!("it is a command"),
    });
    let error = Reply::error("ERR value is not an integer or out of range");
    let replies = Reply::Array(vec![Reply::ok(), error, Reply::Int(2)]);
    let after = State::default().after(1, &Call::Script(commands.to_vec()), moment(0, 0), Some(&replies));
    assert_eq!(after.len(), 1);
}

#[test]
fn a_script_rounds_large_numbers_and_what_it_stores_is_exact() {
    let set = Call::command("SET a 2000018400003000017");
    let state = State::default().after(1, &set, moment(0, 0), Some(&Reply::ok())).remove(0);
    let decrement = Call::Script(vec![vec![b"DECR".to_vec(), b"a".to_vec()]]);
    let rounded = Reply::Array(vec![Reply::Int(2_000_018_400_003_000_064)]);
    let after = state.after(1, &decrement, moment(0, 0), Some(&rounded)).remove(0);
    let exact = Reply::Bulk(b"2000018400003000016".to_vec());
    assert_eq!(after.after(1, &Call::command("GET a"), moment(0, 0), Some(&exact)).len(), 1);
}

#[test]
fn what_was_not_answered_may_have_been_refused_where_memory_is_short() {
    let set = Call::command("SET k 1");
    assert_eq!(State::of(Forgets::Nothing).after(1, &set, moment(0, 0), None).len(), 1);
    let short = State::of(Forgets::Volatile);
    assert!(short.after(1, &set, moment(0, 0), None).contains(&short));
}
