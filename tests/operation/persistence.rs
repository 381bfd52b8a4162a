//! Files, as operators meet them: stops that wait for them, saves that fail, loading that lasts.

use super::server::{Client, PROGRAM, Server};
use std::process::Command;

/// The value of an INFO field.
fn info(client: &mut Client, field: &str) -> String {
    let all = client.call(&["INFO", "everything"]);
    let line = all.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field}")).to_owned()
}

fn wait_until(client: &mut Client, field: &str, value: &str) {
    while info(client, field) != value {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

const TESTS: [&str; 2] = ["--enable-debug-command", "yes"];
/// Saves last for ever.
const SLOW: [&str; 4] = ["CONFIG", "SET", "rdb-key-save-delay", "1000000000"];

fn start(arguments: &[&str]) -> (Server, Client) {
    let server = Server::start(&[&TESTS[..], arguments].concat());
    let mut client = server.connect();
    assert_eq!(client.call(&["SET", "key", "value"]), "OK");
    (server, client)
}

#[test]
fn a_stop_can_be_called_off_and_insisted_on() {
    let (mut server, mut client) = start(&["--save", "900 1"]);
    let temporary = server.directory.0.join(format!("temp-{}.rdb", server.pid()));
    assert_eq!(client.call(&["SHUTDOWN", "ABORT"]), "ERR No shutdown in progress.");
    // Signals are a matter of the clock.
    assert_eq!(client.call(&["DEBUG", "PAUSE-CRON", "1"]), "OK");
    server.send_signal("TERM");
    server.wait_for("User requested shutdown...");
    assert_eq!(client.call(&["SHUTDOWN", "ABORT"]), "OK");
    server.wait_for("Shutdown manually aborted.");
    assert_eq!(client.call(&["DEBUG", "PAUSE-CRON", "0"]), "OK");
    assert_eq!(client.call(&["SET", "key", "other"]), "OK");
    // The last save can be called off as well.
    assert_eq!(client.call(&SLOW), "OK");
    let mut stopping = server.connect();
    stopping.send(&super::server::request(&["SHUTDOWN"]));
    server.wait_for("Saving the final RDB snapshot before exiting.");
    assert_eq!(client.call(&["GET", "key"]), "other");
    assert_eq!(client.call(&["SHUTDOWN", "ABORT"]), "OK");
    assert_eq!(stopping.reply(), "ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(client.call(&["SET", "key", "again"]), "OK");
    // Who presses the keys twice does not want to wait.
    server.send_signal("INT");
    server.wait_for("Saving the final RDB snapshot before exiting.");
    while !temporary.exists() {}
    assert_eq!(server.signal("INT").code(), Some(1));
    assert!(server.log.contains("You insist... exiting now."), "{}", server.log);
    assert!(!temporary.exists());
}

#[test]
fn a_last_save_that_fails_keeps_the_server() {
    let (mut server, mut client) = start(&["--save", "900 1"]);
    std::fs::create_dir(server.directory.0.join("dump.rdb")).unwrap();
    server.send_signal("INT");
    server.wait_for("Error trying to save the DB, can't exit.");
    assert_eq!(client.call(&["SHUTDOWN"]), "ERR Errors trying to SHUTDOWN. Check logs.");
    // Whoever waited knows: no reason to refuse writes, unlike after a save that nobody waited for.
    assert_eq!(client.call(&["SET", "key", "other"]), "OK");
    assert_eq!(client.call(&["BGSAVE"]), "Background saving started");
    wait_until(&mut client, "rdb_last_bgsave_status", "err");
    assert!(client.call(&["SET", "key", "again"]).starts_with("MISCONF "));
    client.send(&super::server::request(&["SHUTDOWN", "NOSAVE"]));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_save_that_somebody_waits_for_is_not_called_one_in_the_background() {
    let (mut server, mut client) = start(&["--save", "900 1"]);
    assert_eq!(client.call(&["SAVE"]), "OK");
    assert_eq!(server.signal("TERM").code(), Some(0));
    assert_eq!(server.log.matches("DB saved on disk").count(), 2, "{}", server.log);
    assert!(!server.log.contains("Background saving"), "{}", server.log);
}

/// A client that debugs a script on the data, which has written and stops before it writes again.
fn debug(server: &Server) -> Client {
    let mut client = server.connect();
    assert_eq!(client.call(&["SCRIPT", "DEBUG", "SYNC"]), "OK");
    let script = "redis.call('INCR', 'k')\nredis.call('INCR', 'k')\nreturn 'end'";
    assert!(client.call(&["EVAL", script, "0"]).contains("Stopped at 1"));
    assert!(client.call(&["s"]).contains("<reply> 1"));
    client
}

#[test]
fn a_stop_waits_for_what_a_script_has_begun() {
    let (mut server, _) = start(&["--save", "900 1"]);
    let mut debugger = debug(&server);
    assert_eq!(server.signal("TERM").code(), Some(0), "{}", server.log);
    assert!(debugger.reply().contains("<endsession>"));
    assert_eq!(debugger.reply(), "end");
    let server = Server::start_in(&server.directory, &TESTS);
    assert_eq!(server.connect().call(&["GET", "k"]), "2");
}

#[test]
fn a_script_without_an_end_keeps_the_server_until_nobody_wants_the_data() {
    let (mut server, mut client) = start(&["--save", "900 1", "--busy-reply-threshold", "1"]);
    let mut busy = server.connect();
    busy.send(&super::server::request(&["EVAL", "redis.call('INCR', 'k') while true do end", "0"]));
    server.wait_for("Slow script detected");
    server.send_signal("TERM");
    server.wait_for("Waiting for the end of a script before shutting down.");
    assert!(client.call(&["SHUTDOWN"]).starts_with("BUSY "));
    client.send(&super::server::request(&["SHUTDOWN", "NOSAVE"]));
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.log.contains("shutting down without what it did"), "{}", server.log);
    assert!(!server.directory.0.join("dump.rdb").exists());
}

#[test]
fn a_script_that_is_left_at_once_is_not_waited_for() {
    let (mut server, mut client) = start(&["--save", "900 1", "--busy-reply-threshold", "1"]);
    let mut busy = server.connect();
    busy.send(&super::server::request(&["EVAL", "redis.call('INCR', 'k') while true do end", "0"]));
    server.wait_for("Slow script detected");
    client.send(&super::server::request(&["SHUTDOWN", "NOSAVE"]));
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.log.contains("shutting down without what it did"), "{}", server.log);
    assert!(!server.log.contains("Waiting for the end of a script"), "{}", server.log);
}

#[test]
fn a_script_that_has_changed_nothing_keeps_no_server() {
    let (mut server, _) = start(&["--save", "900 1", "--busy-reply-threshold", "1"]);
    let mut busy = server.connect();
    busy.send(&super::server::request(&[
        "EVAL",
        "while true do pcall(function() while true do end end) end",
        "0",
    ]));
    server.wait_for("Slow script detected");
    assert_eq!(server.signal("TERM").code(), Some(0), "{}", server.log);
    assert!(busy.reply().starts_with("ERR Script killed by the shutdown of the server."));
    let server = Server::start_in(&server.directory, &TESTS);
    assert_eq!(server.connect().call(&["GET", "key"]), "value");
}

#[test]
fn signals_stop_as_configured() {
    let (mut server, mut client) = start(&["--save", "900 1", "--shutdown-on-sigterm", "nosave force"]);
    assert_eq!(client.call(&SLOW), "OK");
    assert_eq!(client.call(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
    // The first rewrite is under way, without which the file is worth nothing.
    server.send_signal("INT");
    server.wait_for("Writing initial AOF, can't exit.");
    assert_eq!(server.signal("TERM").code(), Some(0));
    assert!(!server.directory.0.join("dump.rdb").exists());
}

#[test]
fn what_is_given_up_leaves_no_file() {
    let (mut server, mut client) = start(&["--save", "900 1"]);
    let temporary = server.directory.0.join(format!("temp-{}.rdb", server.pid()));
    assert_eq!(client.call(&SLOW), "OK");
    assert_eq!(client.call(&["BGSAVE"]), "Background saving started");
    while !temporary.exists() {}
    assert_eq!(client.call(&["FLUSHALL"]), "OK");
    // That there is nothing is saved at once.
    wait_until(&mut client, "rdb_saves", "1");
    assert_eq!(client.call(&["SET", "key", "value"]), "OK");
    assert_eq!(client.call(&["BGSAVE"]), "Background saving started");
    while !temporary.exists() {}
    client.send(&super::server::request(&["SHUTDOWN", "NOSAVE"]));
    assert_eq!(server.wait().code(), Some(0));
    assert!(!temporary.exists());
}

#[test]
fn failures_are_counted_and_put_the_next_rewrite_off() {
    let (mut server, mut client) = start(&["--appendonly", "yes"]);
    assert_eq!(client.call(&["DEBUG", "FAIL-JOB"]), "ERR No save or rewrite is running");
    assert_eq!(client.call(&SLOW), "OK");
    for failures in ["1", "2", "3"] {
        assert_eq!(client.call(&["BGREWRITEAOF"]), "Background append only file rewriting started");
        assert_eq!(client.call(&["DEBUG", "FAIL-JOB"]), "OK");
        wait_until(&mut client, "aof_rewrites_consecutive_failures", failures);
    }
    let small = ["CONFIG", "SET", "auto-aof-rewrite-min-size", "1", "auto-aof-rewrite-percentage", "1"];
    assert_eq!(client.call(&small), "OK");
    assert_eq!(client.call(&["SET", "key", &"x".repeat(1000)]), "OK");
    server.wait_for("has repeatedly failed and triggered the limit, will retry in 1 minutes");
    assert_eq!(info(&mut client, "total_forks"), "3");
    assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "err");
    assert_eq!(client.call(&["CONFIG", "SET", "rdb-key-save-delay", "0"]), "OK");
    assert_eq!(client.call(&["BGREWRITEAOF"]), "Background append only file rewriting started");
    wait_until(&mut client, "aof_rewrites", "1");
    assert_eq!(info(&mut client, "aof_rewrites_consecutive_failures"), "0");
}

#[test]
fn loading_lasts_as_long_as_tests_want_and_sees_what_is_configured() {
    let (mut server, mut client) = start(&[]);
    assert_eq!(client.call(&["DEBUG", "POPULATE", "1000"]), "OK");
    assert_eq!(client.call(&["SAVE"]), "OK");
    let slow = [&TESTS[..], &["--key-load-delay", "1000000"]].concat();
    server.kill();
    let mut server = Server::launch(Command::new(PROGRAM), &server.directory, &slow);
    server.wait_for("Server initialized");
    let mut client = server.connect();
    assert!(client.call(&["GET", "key"]).starts_with("LOADING "));
    assert_eq!(info(&mut client, "loading"), "1");
    assert_eq!(client.call(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
    assert_eq!(client.call(&["CONFIG", "SET", "key-load-delay", "0"]), "OK");
    server.wait_for("Ready to accept connections");
    assert_eq!(client.call(&["DBSIZE"]), "1001");
    assert_eq!(info(&mut client, "aof_enabled"), "1");
    wait_until(&mut client, "aof_rewrites", "1");
}

#[test]
fn history_stays_as_long_as_configured() {
    let (server, mut client) = start(&["--appendonly", "yes", "--aof-disable-auto-gc", "yes"]);
    let directory = server.directory.0.join("appendonlydir");
    let manifest = || std::fs::read_to_string(directory.join("appendonly.aof.manifest")).unwrap();
    assert_eq!(client.call(&["BGREWRITEAOF"]), "Background append only file rewriting started");
    wait_until(&mut client, "aof_rewrites", "1");
    assert!(manifest().contains("file appendonly.aof.1.base.rdb seq 1 type h\n"), "{}", manifest());
    assert!(directory.join("appendonly.aof.1.incr.aof").exists());
    assert_eq!(client.call(&["CONFIG", "SET", "aof-disable-auto-gc", "no"]), "OK");
    while manifest().contains("type h") {}
    assert!(!directory.join("appendonly.aof.1.incr.aof").exists());
}

#[test]
fn files_of_commands_begin_as_configured() {
    let commands = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--aof-timestamp-enabled", "yes"];
    let (server, mut client) = start(&commands);
    let file = |name: &str| server.directory.0.join("appendonlydir").join(name);
    // Nothing but who wrote it.
    let base = std::fs::read_to_string(file("appendonly.aof.1.base.aof")).unwrap();
    assert!(base.starts_with("#seedis-ver:") && base.lines().count() == 1, "{base}");
    assert_eq!(client.call(&["BGREWRITEAOF"]), "Background append only file rewriting started");
    wait_until(&mut client, "aof_rewrites", "1");
    let base = std::fs::read(file("appendonly.aof.2.base.aof")).unwrap();
    assert!(base.starts_with(b"#TS:"), "{}", base.escape_ascii());
    let digest = client.call(&["DEBUG", "DIGEST"]);
    assert_eq!(client.call(&["DEBUG", "LOADAOF"]), "OK");
    assert_eq!(client.call(&["DEBUG", "DIGEST"]), digest);
}

#[test]
fn what_nobody_appends_to_can_be_loaded_as_well() {
    let (server, mut client) = start(&["--appendonly", "yes"]);
    assert_eq!(client.call(&["CONFIG", "SET", "appendonly", "no"]), "OK");
    assert_eq!(client.call(&["RPUSH", "list", "a", "b"]), "2");
    assert_eq!(client.call(&["BGREWRITEAOF"]), "Background append only file rewriting started");
    wait_until(&mut client, "aof_rewrite_in_progress", "0");
    // Who has seen the end of a rewrite sees no files of before.
    let manifest = server.directory.0.join("appendonlydir/appendonly.aof.manifest");
    assert!(!std::fs::read_to_string(manifest).unwrap().contains("type h"));
    assert_eq!(client.call(&["DEL", "list"]), "1");
    assert_eq!(client.call(&["DEBUG", "LOADAOF"]), "OK");
    assert_eq!(client.call(&["LRANGE", "list", "0", "-1"]), "a b");
    assert_eq!(client.call(&["GET", "key"]), "value");
}

/// `dir` moves while files are written: they end where they began.
#[test]
fn files_stay_where_they_began_when_dir_moves() {
    let (mut server, mut client) = start(&["--appendonly", "yes", "--enable-protected-configs", "yes"]);
    let before = server.directory.0.clone();
    let after = before.join("elsewhere");
    std::fs::create_dir(&after).unwrap();
    let slow = ["CONFIG", "SET", "rdb-key-save-delay", "1000000"];
    assert_eq!(client.call(&slow), "OK");
    assert_eq!(client.call(&["BGSAVE"]), "Background saving started");
    assert_eq!(client.call(&["CONFIG", "SET", "dir", after.to_str().unwrap()]), "OK");
    server.wait_for("The append-only file stays in the directory that it was opened in.");
    wait_until(&mut client, "rdb_saves", "1");
    assert!(before.join("dump.rdb").exists() && !after.join("dump.rdb").exists());
    // Nor does a rewrite need to move its file to another device.
    let temporary = format!("temp-rewriteaof-bg-{}.aof", server.pid());
    assert_eq!(client.call(&["BGREWRITEAOF"]), "Background append only file rewriting started");
    while !before.join(&temporary).exists() {}
    wait_until(&mut client, "aof_rewrites", "1");
    assert!(before.join("appendonlydir/appendonly.aof.2.base.rdb").exists());
    assert_eq!(client.call(&["DEBUG", "LOADAOF"]), "OK");
    assert_eq!(client.call(&["GET", "key"]), "value");
    // It moves when it begins anew, and so does what is saved.
    assert_eq!(client.call(&["CONFIG", "SET", "rdb-key-save-delay", "0"]), "OK");
    assert_eq!(client.call(&["CONFIG", "SET", "appendonly", "no"]), "OK");
    assert_eq!(client.call(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
    while !after.join("appendonlydir/appendonly.aof.manifest").exists() {}
    assert_eq!(client.call(&["SAVE"]), "OK");
    assert!(after.join("dump.rdb").exists());
}
