//! Every row against what Redis and Valkey say, and what holds for all rows alike.

use proptest::prelude::*;
use std::collections::BTreeSet;

use super::*;
use crate::engine::text::split::split_args;

/// CONFIG GET * of Redis 8.10.2 without a configuration file, one name and value a line.
const REDIS: &str = include_str!("facts/redis-8.10.txt");
/// The parameters that Redis 8.10.2 hides, from DEBUG CONFIG-REWRITE-FORCE-ALL, with their defaults.
const REDIS_HIDDEN: &str = include_str!("facts/redis-8.10-hidden.txt");
/// The names that Valkey 9.1.2 knows.
const VALKEY: &str = include_str!("facts/valkey-9.1.txt");

fn no_includes(_: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    Err("no such file".into())
}

fn load(text: &str) -> Result<Config, String> {
    let mut config = Config::default();
    config.load(text.as_bytes(), None, &mut no_includes).map_err(|error| error.reason.into_owned())?;
    Ok(config)
}

fn get(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8(found[0].1.clone()).unwrap()
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<Param>, String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    config.set(&pairs, Origin::default()).map_err(|error| error.to_string())
}

fn rewrite(config: &Config, old: &str) -> String {
    String::from_utf8(config.rewrite(old.as_bytes(), &[], false)).unwrap()
}

#[test]
fn defaults_are_those_of_redis() {
    let config = Config::default();
    for line in REDIS.lines().chain(REDIS_HIDDEN.lines()) {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        assert_eq!(get(&config, name), value, "{name}");
    }
}

#[test]
fn every_name_of_both_is_known_and_shown_alike() {
    let config = Config::default();
    let all: BTreeSet<_> = config.get(&[b"*"]).into_iter().map(|(name, _)| name).collect();
    for name in REDIS.lines().map(|line| line.split(' ').next().unwrap()) {
        assert!(all.contains(name.as_bytes()), "{name}");
    }
    for name in VALKEY.lines() {
        assert!(find(name.as_bytes()).is_some(), "{name}");
    }
    // Ours alone.
    const OWN: &str = "aof-checksums\ntest-clock";
    let known: BTreeSet<_> = [REDIS, REDIS_HIDDEN, VALKEY, OWN]
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    for row in TABLE {
        assert!(known.contains(row.name), "neither server knows {}", row.name);
    }
}

/// Redis's own tests, and tools like them, set all that CONFIG GET * shows to what it shows, but for a list
/// of what they know to be immutable. What only Valkey has and cannot be set is therefore hidden.
#[test]
fn what_a_pattern_shows_can_be_set_unless_redis_says_so() {
    let known: BTreeSet<_> = REDIS.lines().map(|line| line.split(' ').next().unwrap()).collect();
    for row in TABLE.iter().filter(|row| row.is(Flag::Immutable) && !row.is(Flag::Hidden)) {
        assert!(known.contains(row.name), "{}", row.name);
    }
    let mut config = load("enable-protected-configs yes\nport 7").unwrap();
    for (name, value) in config.get(&[b"*"]) {
        if !find(&name).unwrap().is(Flag::Immutable) {
            config.set(&[(&name, &value)], Origin::default()).unwrap();
        }
    }
    assert_eq!(config, load("enable-protected-configs yes\nport 7").unwrap());
}

#[test]
fn names_are_unique_and_found() {
    for pair in NAMES.windows(2) {
        assert!(pair[0].0 < pair[1].0, "{} twice", pair[0].0);
    }
    for (at, row) in TABLE.iter().enumerate() {
        assert_eq!(row.id as usize, at);
        assert_eq!(find(row.name.to_uppercase().as_bytes()).unwrap().id, row.id);
        assert_eq!(row.alias.map(|alias| find(alias.as_bytes()).unwrap().id), row.alias.map(|_| row.id));
        assert_eq!(row.id.row().name, row.name);
        assert!(row.summary.ends_with('.'), "{}", row.name);
    }
    assert!(find(b"no-such-parameter").is_none());
    assert!(find(b"").is_none());
}

#[test]
fn get_takes_patterns_and_gives_each_name_once() {
    let config = Config::default();
    let names = |patterns: &[&str]| -> Vec<String> {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        config.get(&patterns).into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    };
    assert_eq!(names(&["MAXMEMORY-POL*", "maxmemory-policy"]), ["maxmemory-policy"]);
    assert_eq!(names(&["MaxMemory", "none", "maxmemory"]), ["MaxMemory"]);
    assert_eq!(names(&["slaveof", "*of"]), ["slaveof", "replicaof"]);
    assert_eq!(names(&["key-load-del?y"]), [""; 0]);
    assert_eq!(names(&["key-load-delay"]), ["key-load-delay"]);
}

#[test]
fn set_is_all_or_nothing() {
    let mut config = Config::default();
    let changed = set(&mut config, &[("MaxMemory", "10mb"), ("port", "6379"), ("hz", "9999")]);
    assert_eq!(changed, Ok(vec![Param::maxmemory, Param::hz]));
    assert_eq!((config.maxmemory, config.hz), (10 << 20, 500));

    let before = config.clone();
    let failed = |name: &str, reason: &str| {
        Err(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
    };
    for (pairs, expected) in [
        (
            &[("maxmemory", "1"), ("port", "x")][..],
            failed("port", "argument couldn't be parsed into an integer"),
        ),
        (&[("port", "1"), ("port", "2")], failed("port", "duplicate parameter")),
        (&[("slaveof", "a 1")], failed("slaveof", "can't set immutable config")),
        (&[("dir", "/")], failed("dir", "can't set protected config")),
        (&[("timeout", "-1")], failed("timeout", "argument must be between 0 and 2147483647 inclusive")),
        (&[("TIMEOUT", "x")], failed("timeout", "argument couldn't be parsed into an integer")),
        (&[("TIMEOUT", "1"), ("timeout", "2")], failed("timeout", "duplicate parameter")),
        (&[("timeout", "01")], failed("timeout", "argument couldn't be parsed into an integer")),
        (&[("maxmemory", "1tb")], failed("maxmemory", "argument must be a memory value")),
        (
            &[("maxmemory-clients", "101%")],
            failed("maxmemory-clients", "percentage argument must be less or equal to 100"),
        ),
        (
            &[("array-slice-size", "1000")],
            failed("array-slice-size", "array-slice-size must be a power of two"),
        ),
        (
            &[("array-sparse-kmin", "10")],
            failed("array-sparse-kmin", "array-sparse-kmin must be less than array-sparse-kmax"),
        ),
        (
            &[("array-sparse-kmin", "6"), ("array-sparse-kmax", "5")],
            failed(
                "array-sparse-kmax",
                "array-sparse-kmax must be greater than array-sparse-kmin when non-zero",
            ),
        ),
        (&[("appendonly", "1")], failed("appendonly", "argument must be 'yes' or 'no'")),
        (&[("save", "60")], failed("save", "Invalid save parameters")),
        (&[("save", "60  1")], failed("save", "Invalid save parameters")),
        (
            &[("maxmemory-policy", "lru")],
            failed(
                "maxmemory-policy",
                "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, \
                 volatile-ttl, volatile-lrm, allkeys-lru, allkeys-lfu, allkeys-random, allkeys-lrm, noeviction",
            ),
        ),
        (
            &[("shutdown-on-sigint", "save nosave")],
            failed("shutdown-on-sigint", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        ),
        (
            &[("port", "1"), ("nosuch", "1")],
            Err("ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'".into()),
        ),
    ] {
        assert_eq!(set(&mut config, pairs), expected);
        assert_eq!(config, before);
    }
}

#[test]
fn set_knows_who_and_when() {
    let mut config = load("enable-protected-configs local").unwrap();
    let dir: &[(&[u8], &[u8])] = &[(b"dir", b"/data")];
    assert!(config.set(dir, Origin::default()).is_err());
    assert_eq!(config.set(dir, Origin { local: true, loading: true }), Err(SetError::Loading));
    assert_eq!(config.set(dir, Origin { local: true, loading: false }), Ok(vec![Param::dir]));
    let same: &[(&[u8], &[u8])] = &[(b"tls-cert-file", b"")];
    assert_eq!(config.set(same, Origin::default()), Ok(vec![Param::tls_cert_file]));
}

#[test]
fn values_are_shown_as_redis_shows_them() {
    let mut config = Config::default();
    for (name, value, shown) in [
        ("save", "900 1 60 5", "900 1 60 5"),
        ("save", "", ""),
        ("bind", "", ""),
        ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
        (
            "client-output-buffer-limit",
            "replica 1gb 1 2 REPLICA 5 5 5 normal 1k 2K 3",
            "normal 1000 2000 3 slave 5 5 5 pubsub 33554432 8388608 60",
        ),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "nocaKEmSTIVd", "danocKEmSTIV"),
        ("notify-keyspace-events", "g$lshzxetd", "g$lshzxetd"),
        ("oom-score-adj", "relative", "yes"),
        ("oom-score-adj-values", "-1 +2 3", "-1 2 3"),
        ("latency-tracking-info-percentiles", "99.90 50.0 0.1234567", "99.9 50 0.123457"),
        ("latency-tracking-info-percentiles", "", ""),
        ("shutdown-on-sigterm", "FORCE nosave NOW", "nosave now force"),
        ("cluster-slot-stats-enabled", "no net cpu", "cpu net"),
        ("cluster-slot-stats-enabled", "mem net cpu", "yes"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "0%", "0"),
        ("maxmemory", "99999999999gb", "18446744073709551615"),
        ("maxmemory", "gb", "0"),
        ("repl-diskless-load", "flush-before-load", "flushdb"),
        ("slot-migration-max-failover-repl-bytes", "-1", "-1"),
        ("lua-time-limit", "7", "7"),
        ("repl-backlog-size", "1", "16384"),
        ("proc-title-template", "{{{title}", "{{{title}"),
    ] {
        set(&mut config, &[(name, value)]).unwrap();
        assert_eq!(get(&config, name), shown, "{name} {value}");
    }
    assert!(config.notify_keyspace_events.contains(KeyspaceEvents::LIST));
    assert_eq!(load("unixsocketperm 0700").unwrap().unixsocketperm, 0o700);
    assert_eq!(load("unixsocketperm 7770"), Err("argument must be between 0 and 777 inclusive".into()));
}

#[test]
fn files_quote_repeat_and_skip() {
    let config = load(
        "# comment\r\n\n  MAXMEMORY  '1GB'  \nrequirepass \"a\\x41\\n\"\nsave 1 2 3 4\nsave 5 6\n\
         bind \"::1 127.0.0.1\"\nuser alice on >pw\nrename-command CONFIG \"\"\nio-threads-do-reads yes\n\
         client-output-buffer-limit normal 1 2 3\nclient-output-buffer-limit pubsub 4 5 6\n\
         loadmodule m.so x\nreplicaof no one",
    )
    .unwrap();
    assert_eq!(config.maxmemory, 1 << 30);
    assert_eq!(config.requirepass, b"aA\n");
    assert_eq!(get(&config, "save"), "1 2 3 4 5 6");
    assert_eq!(get(&config, "bind"), "::1 127.0.0.1");
    assert_eq!(config.client_output_buffer_limit.normal, BufferLimit { hard: 1, soft: 2, soft_seconds: 3 });
    assert_eq!(config.client_output_buffer_limit.pubsub.hard, 4);
    assert_eq!(config.directives.user[0].args, [&b"alice"[..], b"on", b">pw"]);
    assert_eq!(config.directives.rename_command[0].place.line, 9);
    assert_eq!(get(&load("save 1 2\nsave \"\"\nsave 3 4").unwrap(), "save"), "3 4");
    assert_eq!(get(&load("save 1 2\nsave \"\"").unwrap(), "save"), "");
    assert_eq!(get(&load("cluster-enabled yes").unwrap(), "databases"), "1");
    assert_eq!(load("cluster-enabled yes\ncluster-databases 4").unwrap().databases, 4);
}

#[test]
fn a_bad_line_is_shown_with_its_place() {
    let mut config = Config::default();
    let error = config.load(b"port 1\n\n  maxmemory    zz  \n", None, &mut no_includes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.4.7) ***\n\
         Reading the configuration file, at line 3\n\
         >>> 'maxmemory    zz'\n\
         argument must be a memory value\n"
    );
    assert_eq!(config, Config::default());
    for (text, reason) in [
        ("port \"1", "Unbalanced quotes in configuration line"),
        ("port 1 2", "wrong number of arguments"),
        ("bogus 1", "Bad directive or wrong number of arguments"),
        ("rename-command get", "Bad directive or wrong number of arguments"),
        ("replicaof a b", "Invalid master port"),
        ("sentinel monitor a", "sentinel directive while not in sentinel mode"),
        ("cluster-enabled yes\nreplicaof a 1", "replicaof directive not allowed in cluster mode"),
        ("proc-title-template \" {title}\"", "template format is invalid or contains unknown variables"),
        ("cluster-announce-human-nodename \"a b\"", "Announced human node name contained invalid character"),
        ("array-sparse-kmin 50", "array-sparse-kmin must be less than array-sparse-kmax"),
        ("appendfilename a/b", "appendfilename can't be a path, just a filename"),
    ] {
        assert_eq!(load(text).unwrap_err(), reason, "{text}");
    }
}

#[test]
fn lines_are_counted_from_the_file_to_the_arguments() {
    for (file, stdin, arguments, line) in [
        (None, Some("foo\n"), "", 1),
        (None, None, "foo", 2),
        (Some("port 1\n"), Some("foo\n"), "", 2),
        (Some("port 1\n"), Some("timeout 1\nfoo\n"), "", 3),
        (Some("port 1"), Some("foo"), "", 2),
        (Some("port 1\n"), None, "foo", 3),
        (Some("port 1\n"), Some("timeout 1\n"), "foo", 4),
        (Some("foo"), None, "", 1),
    ] {
        let sources = Sources {
            file: file.map(|text| ("redis.conf", text.as_bytes())),
            stdin: stdin.map(str::as_bytes),
            arguments: arguments.as_bytes(),
        };
        let error = Config::default().load_sources(sources, &mut no_includes).unwrap_err();
        let place = error.place.expect("it has a place");
        assert_eq!((place.line, &place.text[..]), (line, &b"foo"[..]), "{file:?} {stdin:?} {arguments:?}");
    }
}

#[test]
fn includes_are_read_in_place_and_not_forever() {
    let mut config = Config::default();
    let mut depth = 0;
    let mut files = |pattern: &[u8]| match pattern {
        b"conf.d/*" => Ok(vec![
            ("conf.d/1".to_owned(), b"port 1\nsave 1 1".to_vec()),
            ("conf.d/2".to_owned(), b"timeout 2\nhz x".to_vec()),
        ]),
        b"none*" => Ok(Vec::new()),
        b"self" => Ok(vec![("self".to_owned(), b"include self".to_vec())]),
        b"twice" if depth < 30 => {
            depth += 1;
            Ok(vec![("twice".to_owned(), b"include twice\ninclude leaf\ninclude leaf".to_vec())])
        }
        b"twice" => Ok(Vec::new()),
        b"leaf" => Ok(vec![("leaf".to_owned(), b"port 4".to_vec()); 400]),
        _ => Err("can't open".to_owned()),
    };
    let error = config.load(b"save 2 2\ninclude conf.d/*", Some("main"), &mut files).unwrap_err();
    assert!(error.to_string().contains("at line 2 of conf.d/2\n>>> 'hz x'\n"), "{error}");
    config.load(b"include none*\nport 3", None, &mut files).unwrap();
    assert_eq!(config.port, 3);
    assert_eq!(config.load(b"include lost", None, &mut files).unwrap_err().reason, "can't open");
    for endless in ["include self", "include twice"] {
        let error = config.load(endless.as_bytes(), None, &mut files).unwrap_err();
        assert_eq!(error.reason, "Too many included files", "{endless}");
    }
}

#[test]
fn arguments_follow_the_rules_of_redis() {
    let lines = |args: &[&str]| String::from_utf8(Arguments::parse(args).directives).unwrap();
    let fails = |args: &[&str], line: &str, reason: &str| {
        let error = Config::default().apply_args(args, &mut no_includes).unwrap_err();
        let place = error.place.unwrap();
        assert_eq!(String::from_utf8(place.text).unwrap(), line);
        assert!(error.reason.contains(reason), "{args:?}: {}", error.reason);
    };
    fails(&["--invalid"], "invalid", "Bad directive or wrong number of arguments");
    fails(&["--port"], "port", "wrong number of arguments");
    fails(&["--port", "6380", "--loglevel"], "loglevel", "wrong number of arguments");
    fails(&["--port", "6379", "6380"], "port \"6379\" \"6380\"", "wrong number of arguments");
    fails(&["--port", "--loglevel", "verbose"], "port \"--loglevel\" \"verbose\"", "wrong number");
    fails(&["--port", "--bla", "--loglevel", "verbose"], "port \"--bla\"", "parsed into an integer");
    fails(&["--logfile", "--my--log", "--loglevel", "--bla"], "loglevel \"--bla\"", "one of the following");
    fails(&["--shutdown-on-sigint"], "shutdown-on-sigint", "one of the following");
    fails(&["--replicaof", "127.0.0.1", "abc"], "replicaof \"127.0.0.1\" \"abc\"", "Invalid master port");
    fails(&["--replicaof", "--127.0.0.1", "--abc"], "replicaof \"--127.0.0.1\"", "wrong number");

    let applied = |args: &[&str]| {
        let mut config = Config::default();
        config.apply_args(args, &mut no_includes).unwrap();
        config
    };
    let config = applied(&["--maxmemory 700mb", "--maxmemory-policy 'volatile-lru'", "--port", "1"]);
    assert_eq!((config.maxmemory, config.port), (700 << 20, 1));
    assert_eq!(config.maxmemory_policy, MaxmemoryPolicy::VolatileLru);
    for args in [
        &["--save", "--loglevel", "verbose"][..],
        &["--loglevel", "verbose", "--save"],
        &["--save", "", "--loglevel", "verbose"],
        &["--loglevel", "verbose", "--save", ""],
        &["--proc-title-template", "--save", "--save", "", "--loglevel", "verbose"],
    ] {
        assert_eq!((get(&applied(args), "save").as_str(), applied(args).loglevel), ("", Loglevel::Verbose));
    }
    assert_eq!(get(&applied(&["--save", "60", "1", "--save", "30 2"]), "save"), "60 1 30 2");
    let config =
        applied(&["--shutdown-on-sigint", "nosave", "force", "now", "--shutdown-on-sigterm", "nosave force"]);
    assert_eq!(get(&config, "shutdown-on-sigint"), "nosave now force");
    assert_eq!(get(&config, "shutdown-on-sigterm"), "nosave force");
    assert_eq!(lines(&["--sentinel", "--port", "1"]), "sentinel \nport \"1\" ");

    let parsed = Arguments::parse(&["my.conf", "--port", "1", "-"]);
    assert_eq!((parsed.file.as_deref(), parsed.stdin), (Some(&b"my.conf"[..]), true));
    assert!(Arguments::parse(&["-", "--port", "1"]).stdin);
}

#[test]
fn later_sources_win_and_lines_are_counted_through() {
    let mut config = Config::default();
    let arguments = Arguments::parse(&["--port", "3"]).directives;
    let sources = Sources {
        file: Some(("a.conf", b"port 1\ntimeout 1\nsave 1 1")),
        stdin: Some(b"port 2\nhz 20"),
        arguments: &arguments,
    };
    config.load_sources(sources, &mut no_includes).unwrap();
    assert_eq!((config.port, config.hz, config.timeout), (3, 20, 1));
    let error = Config::default().apply_args(&["--port", "zzz"], &mut no_includes).unwrap_err();
    assert_eq!(error.place.unwrap().line, 2);
}

#[test]
fn what_holds_for_one_start_is_asked_for_by_its_name_and_not_written() {
    let mut config = Config::default();
    config.apply_args(&["--test-clock", "--port", "7"], &mut |_| Err("none".to_owned())).unwrap();
    assert!(config.test_clock && config.port == 7);
    assert_eq!(rewrite(&config, "").lines().filter(|line| line.starts_with("test-clock")).count(), 0);
    assert!(rewrite(&config, "test-clock no\n").contains("test-clock no\n"));
    let mut config = Config::default();
    config.apply_args(&["--test-clock", "no", "--hz", "20"], &mut |_| Err("none".to_owned())).unwrap();
    assert!(!config.test_clock && config.hz == 20);
    config.apply_args(&["--test-clock"], &mut |_| Err("none".to_owned())).unwrap();
    assert!(config.test_clock);
}

#[test]
fn rewrite_keeps_the_file_and_changes_the_values() {
    let old = "# top\nport 1\n\n\ntimeout 5\nport 2\nbogus line\nsave 1 1\nsave 2 2\n\
               rename-command A B\ninclude x*\nslave-read-only yes\nuser alice on\n# end\n";
    let mut config = Config::default();
    set(&mut config, &[("port", "3"), ("maxmemory", "2gb"), ("requirepass", "a b\""), ("save", "9 9")])
        .unwrap();
    set(&mut config, &[("client-output-buffer-limit", "slave 1mb 1025 3"), ("maxmemory-clients", "5%")])
        .unwrap();
    config.replicaof = ReplicaOf(Some((b"::1".to_vec(), 7)));
    let users = [b"default on nopass".to_vec(), b"bob off".to_vec()];
    let text = String::from_utf8(config.rewrite(old.as_bytes(), &users, false)).unwrap();
    assert_eq!(
        text,
        "# top\nport 3\n\ntimeout 0\n\n# ??? bogus line\nsave 9 9\n\nrename-command A B\ninclude x*\n\
         replica-read-only yes\nuser default on nopass\n# end\n\n# Generated by CONFIG REWRITE\n\
         client-output-buffer-limit replica 1mb 1025 3\nmaxmemory-clients 5%\ndir \".\"\nmaxmemory 2gb\n\
         replicaof ::1 7\nrequirepass \"a b\\\"\"\nlatency-tracking-info-percentiles 50 99 99.9\nuser bob off\n"
    );
    assert_eq!(
        rewrite(&Config::default(), ""),
        "# Generated by CONFIG REWRITE\ndir \".\"\nsave 3600 1\n\
               save 300 100\nsave 60 10000\nlatency-tracking-info-percentiles 50 99 99.9\n"
    );
    config.aclfile = b"users.acl".to_vec();
    let text = String::from_utf8(config.rewrite(old.as_bytes(), &users, false)).unwrap();
    assert!(!text.contains("user "), "{text}");
}

#[test]
fn a_forced_rewrite_names_everything_that_has_a_value() {
    let text = String::from_utf8(Config::default().rewrite(b"", &[], true)).unwrap();
    for line in REDIS.lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let row = find(name.as_bytes()).unwrap();
        if row.name == name && !value.is_empty() && name != "bind" {
            assert!(text.contains(&format!("\n{name} ")), "{name}");
        }
    }
    let mut config = Config::default();
    config.load(text.as_bytes(), None, &mut no_includes).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn the_page_names_every_parameter() {
    let page = reference_page();
    for row in TABLE {
        assert!(page.contains(&format!("| `{}`", row.name)), "{}", row.name);
    }
    assert!(page.contains("| `maxmemory` | `0` | memory, 0 or more |"));
}

/// Values that some parameter or other takes, and some that none does.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<Vec<u8>> = TABLE
        .iter()
        .flat_map(|row| {
            (row.slot)(&Config::default())
                .describe(row.rule)
                .replace("any of ", "")
                .into_bytes()
                .split(|&b| b == b',')
                .map(|word| word.trim_ascii().to_vec())
                .collect::<Vec<_>>()
        })
        .filter(|word| !word.contains(&b' '))
        .collect();
    prop_oneof![
        4 => prop::sample::select(words),
        4 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        6 => (0..70_000i64).prop_map(|number| number.to_string().into_bytes()),
        2 => (0..100u8, "%|[kmg]b?").prop_map(|(amount, unit)| format!("{amount}{unit}").into_bytes()),
        2 => "[Ag$lshzxeKEtmdnocaSTIV]{0,8}".prop_map(String::into_bytes),
        2 => "(normal|slave|replica|pubsub) [0-9]{1,4}[km]?b? [0-9]{1,4} [0-9]{1,3}".prop_map(String::into_bytes),
        2 => "[0-9]{1,3}(\\.[0-9]{1,8})? [0-9]{1,2}( [0-9]{1,2})?".prop_map(String::into_bytes),
        2 => any::<Vec<u8>>(),
        1 => Just(Vec::new()),
    ]
}

fn settings() -> impl Strategy<Value = Vec<(usize, Vec<u8>)>> {
    prop::collection::vec((0..TABLE.len(), value()), 0..60)
}

/// A configuration with whatever of the settings it takes, immutable ones included.
fn configured(settings: &[(usize, Vec<u8>)]) -> Config {
    let mut config = Config::default();
    for (row, value) in settings {
        let row = &TABLE[*row];
        let args =
            if row.takes_many(&config) { split_args(value).unwrap_or_default() } else { vec![value.clone()] };
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        // What is refused leaves the old value, which is as good.
        let before = config.clone();
        if row.set(&mut config, &args, false).is_err() {
            assert_eq!(config, before, "{}", row.name);
        }
    }
    config.settle();
    // Conditions between parameters, which only whole configurations are held to.
    config.cluster_enabled = false;
    config.array_sparse_kmax = 0;
    config
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(settings in settings()) {
        let config = configured(&settings);
        for row in TABLE {
            let shown = row.show(&config);
            let args: Vec<&[u8]> = match row.takes_many(&config) {
                // A host of several words cannot be told from several words.
                true if matches!(row.id, Param::bind | Param::replicaof) => continue,
                true if shown.is_empty() => Vec::new(),
                true => shown.split(|&byte| byte == b' ').collect(),
                false => vec![&shown],
            };
            let mut again = config.clone();
            prop_assert_eq!(row.set(&mut again, &args, false), Ok(false), "{}", row.name);
            prop_assert_eq!(&again, &config);
        }
    }

    #[test]
    fn a_rewritten_file_gives_the_same_configuration(settings in settings(), old in "([a-z# \"\\-0-9]{0,12}\n){0,6}") {
        // What holds for one start is not written.
        let config = Config { test_clock: false, ..configured(&settings) };
        let text = config.rewrite(old.as_bytes(), &[], false);
        let mut again = Config::default();
        again.load(&text, None, &mut no_includes).unwrap();
        prop_assert_eq!(&again, &config);
        prop_assert_eq!(again.rewrite(&text, &[], false), text);
    }

    #[test]
    fn no_bytes_break_anything(text: Vec<u8>, name in 0..TABLE.len(), words in prop::collection::vec(value(), 0..4)) {
        let mut config = Config::default();
        let _ = config.load(&text, None, &mut no_includes);
        let _ = config.apply_args(&words, &mut no_includes);
        let mut line = [TABLE[name].name.as_bytes(), b" "].concat();
        line.extend(words.join(&b" "[..]));
        let _ = config.load(&line, None, &mut no_includes);
        let _ = config.set(&[(TABLE[name].name.as_bytes(), &text)], Origin::default());
        config.get(&[&text]);
        config.rewrite(&text, &[], true);
    }
}

#[test]
fn no_string_outgrows_what_an_element_can_hold() {
    let long = Config { proto_max_bulk_len: 6 << 30, ..Config::default() };
    assert_eq!((Config::default().longest_string(), long.longest_string()), (512 << 20, u32::MAX as u64));
}
