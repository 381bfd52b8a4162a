//! Starting and stopping as operators and supervisors do it.

use super::server::{Directory, PROGRAM, Server, request};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output};
use std::sync::Arc;

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn it_tells_its_version_and_how_to_call_it() {
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert!(version.stdout.starts_with(b"Redis server v="));
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(1));
    assert!(stderr(&help).starts_with("Usage: "));
}

#[test]
fn what_it_cannot_do_it_says() {
    for name in ["redis-sentinel", "/usr/bin/valkey-sentinel"] {
        let output = Command::new(PROGRAM).arg0(name).arg("file").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(stderr(&output).contains("not part of Seedis"), "{}", stderr(&output));
    }
}

#[test]
fn a_bad_configuration_stops_the_start_with_line_and_reason() {
    let directory = Directory::new();
    let file = directory.0.join("bad.conf");
    std::fs::write(&file, "port 0\nhz ten\n").unwrap();
    let output = run(&[file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("at line 2") && text.contains(">>> 'hz ten'"), "{text}");

    let missing = run(&["/nonexistent/redis.conf"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("can't open config file '/nonexistent/redis.conf': No such file"));
}

#[test]
fn a_module_stops_the_start_unless_it_is_to_become_part_of_the_server() {
    let directory = Arc::new(Directory::new());
    let log = Server::refused_in(&directory, &["--loadmodule", "/opt/x/redisbloom.so", "A", "1"]);
    assert!(
        log.contains("# Module /opt/x/redisbloom.so failed to load: this server loads no modules."),
        "{log}"
    );
    assert!(log.contains("# Can't load module from /opt/x/redisbloom.so: server aborting"), "{log}");
    let server = Server::start(&["--loadmodule", "/opt/x/rejson.so", "--loadmodule", "redisearch.so"]);
    assert!(server.log.contains("loadmodule /opt/x/rejson.so does not have an effect yet"), "{}", server.log);
    assert!(server.log.contains("loadmodule redisearch.so does not have an effect yet"), "{}", server.log);
}

#[test]
fn what_replicates_nothing_is_no_replica() {
    let server = Server::start(&["--replicaof", "127.0.0.1", "1"]);
    assert!(server.log.contains("# replicaof does not have an effect yet"), "{}", server.log);
    assert!(server.log.lines().all(|line| !line.contains(":S ")), "{}", server.log);
    let mut client = server.connect();
    assert!(client.call(&["ROLE"]).contains("master"));
    assert_eq!(client.call(&["SET", "k", "v"]), "OK");
}

#[test]
fn what_is_no_cluster_says_so() {
    let server = Server::start(&["--cluster-enabled", "yes"]);
    assert!(server.log.contains("# cluster-enabled does not have an effect yet"), "{}", server.log);
    assert!(server.log.contains("Running mode=standalone, port=0."), "{}", server.log);
}

#[test]
fn an_address_that_is_taken_stops_the_start() {
    let directory = Directory::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["--port", &port, "--bind", "127.0.0.1", "--dir", directory.0.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(log.contains(&format!("Failed listening on port {port} (tcp), aborting.")), "{log}");
}

#[test]
fn it_serves_until_sigterm_and_cleans_up() {
    let mut server = Server::start(&["--unixsocketperm", "700", "--always-show-logo", "yes"]);
    let pid = std::fs::read_to_string(server.directory.0.join("pid")).unwrap();
    assert!(server.log.contains(&format!(" PID: {}", pid.trim())), "{}", server.log);
    assert!(server.log.contains("Server initialized"));
    let mode = std::fs::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(server.connect().call(&["PING"]), "PONG");
    let status = server.signal("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(server.log.contains("# Received SIGTERM scheduling shutdown..."), "{}", server.log);
    assert!(server.log.contains("ready to exit, bye bye..."), "{}", server.log);
    assert!(!server.socket().exists());
    assert!(!server.directory.0.join("pid").exists());
}

#[test]
fn connections_end_when_the_server_does() {
    for threads in ["1", "3"] {
        let mut server = Server::start(&["--io-threads", threads]);
        let mut client = server.connect();
        assert_eq!(client.call(&["PING"]), "PONG");
        assert_eq!(server.signal("INT").code(), Some(0));
        assert_eq!(client.try_reply(), None);
    }
}

#[test]
fn under_the_name_of_redis_it_reads_a_file_and_standard_input() {
    let directory = Directory::new();
    let program = directory.0.join("redis-server");
    symlink(PROGRAM, &program).unwrap();
    std::fs::write(directory.0.join("included.conf"), "unixsocket nowhere\n").unwrap();
    std::fs::write(directory.0.join("redis.conf"), "port 0\ninclude included*.conf\n").unwrap();
    let mut child = Command::new(&program)
        .args(["redis.conf", "--logfile", "log", "--loglevel", "verbose", "-"])
        .current_dir(&directory.0)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // What comes later wins; without a socket there is nothing to listen on, which ends the server.
    child.stdin.take().unwrap().write_all(b"unixsocket \"\"\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let log = std::fs::read_to_string(directory.0.join("log")).unwrap();
    assert!(log.contains("Configured to not listen anywhere, exiting."), "{log}");
}

#[test]
fn an_append_only_file_that_is_turned_on_while_it_runs_has_everything() {
    for io_threads in ["1", "2"] {
        let mut server = Server::start(&["--io-threads", io_threads, "--save", ""]);
        let mut client = server.connect();
        assert!(client.call(&["WAITAOF", "1", "0", "0"]).starts_with("ERR WAITAOF cannot be used"));
        assert_eq!(client.call(&["MSET", "before", "1", "both", "1"]), "OK");
        assert_eq!(client.call(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
        assert_eq!(client.call(&["MSET", "after", "2", "both", "2"]), "OK");
        assert_eq!(client.call(&["WAITAOF", "1", "0", "0"]), "1 0");
        server.kill();
        let server = Server::start_in(&server.directory, &["--appendonly", "yes", "--save", ""]);
        assert_eq!(server.connect().call(&["MGET", "before", "after", "both"]), "1 2 2");
    }
}

#[test]
fn what_arrives_while_a_client_waits_is_counted() {
    for io_threads in ["1", "2"] {
        let server = Server::start(&["--port", "0", "--io-threads", io_threads]);
        let (mut waiting, mut other) = (server.connect(), server.connect());
        let id = waiting.call(&["CLIENT", "ID"]);
        let wait = request(&["WAIT", "1", "0"]);
        let ping = request(&["PING"]);
        let info = request(&["CLIENT", "INFO"]);
        let sent = request(&["CLIENT", "ID"]).len() + wait.len() + ping.len() + info.len();
        let line = |other: &mut super::server::Client| other.call(&["CLIENT", "LIST", "ID", &id]);
        waiting.send(&wait);
        while !line(&mut other).contains(" flags=bU ") {}
        waiting.send(&ping);
        while io_threads == "1" && !line(&mut other).contains(&format!(" qbuf={} ", ping.len())) {}
        assert_eq!(other.call(&["CLIENT", "UNBLOCK", &id]), "1");
        assert_eq!((waiting.reply(), waiting.reply()), ("0".into(), "PONG".into()));
        waiting.send(&info);
        let shown = waiting.reply();
        assert!(shown.contains(&format!(" tot-net-in={sent} ")), "{shown}: {sent} bytes");
    }
}

/// A TCP port that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_port_changes_while_it_runs_or_not_at_all() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, free) = (other.local_addr().unwrap().port().to_string(), free_port());
    for io_threads in ["1", "2"] {
        let mut server = Server::start(&["--bind", "127.0.0.1", "--io-threads", io_threads]);
        let mut client = server.connect();
        assert_eq!(client.call(&["CONFIG", "SET", "port", &free.to_string()]), "OK");
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", free)).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut reply = [0; 7];
        std::io::Read::read_exact(&mut stream, &mut reply).unwrap();
        assert_eq!(&reply, b"+PONG\r\n");
        assert_eq!(
            client.call(&["CONFIG", "SET", "port", &taken]),
            "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. \
             Check server logs."
        );
        server.wait_for("Could not create server TCP listening socket 127.0.0.1");
        assert_eq!(client.call(&["CONFIG", "GET", "port"]), format!("port {free}"));
        assert!(std::net::TcpStream::connect(("127.0.0.1", free)).is_ok());
        assert_eq!(client.call(&["CONFIG", "SET", "port", "0"]), "OK");
        assert!(std::net::TcpStream::connect(("127.0.0.1", free)).is_err());
    }
}

#[test]
fn what_the_system_refuses_is_not_set() {
    let server = Server::start(&["--enable-protected-configs", "yes"]);
    let mut client = server.connect();
    let before = client.call(&["CONFIG", "GET", "maxclients"]);
    let error = client.call(&["CONFIG", "SET", "maxclients", "4000000000"]);
    assert!(error.contains("The operating system is not able to handle the specified number"), "{error}");
    assert_eq!(client.call(&["CONFIG", "GET", "maxclients"]), before);
    let error = client.call(&["CONFIG", "SET", "dir", "/nonexistent"]);
    assert!(error.contains("argument 'dir') - No such file or directory"), "{error}");
    let here = std::fs::canonicalize(&server.directory.0).unwrap();
    assert_eq!(client.call(&["CONFIG", "GET", "dir"]), format!("dir {}", here.display()));
}

#[test]
fn an_append_only_file_that_cannot_begin_is_not_turned_on() {
    let mut server = Server::start(&[]);
    std::fs::write(server.directory.0.join("appendonlydir"), "in the way").unwrap();
    let mut client = server.connect();
    let error = client.call(&["CONFIG", "SET", "appendonly", "yes"]);
    assert!(error.contains("argument 'appendonly') - Unable to turn on AOF. Check server logs."), "{error}");
    server.wait_for("# Can't open or create append-only dir appendonlydir: Not a directory");
    assert_eq!(client.call(&["CONFIG", "GET", "appendonly"]), "appendonly no");
    assert_eq!(client.call(&["SET", "key", "value"]), "OK");
    assert!(server.signal("TERM").success());
}

#[test]
fn the_log_changes_its_face_while_it_runs() {
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.call(&["CONFIG", "SET", "loglevel", "warning", "log-format", "json"]), "OK");
    assert_eq!(server.signal("TERM").code(), Some(0));
    let line = "\"level\":\"warning\",\"message\":\"Received SIGTERM scheduling shutdown...\"}";
    assert!(server.log.contains(line), "{}", server.log);
    assert!(!server.log.contains("User requested shutdown..."), "{}", server.log);
}

#[test]
fn clients_are_shown_on_the_thread_that_serves_them() {
    for (io_threads, thread) in [("1", 0), ("2", 1)] {
        let server = Server::start(&["--io-threads", io_threads]);
        let mut client = server.connect();
        assert!(client.call(&["CLIENT", "LIST"]).contains(&format!(" io-thread={thread} ")));
        assert!(
            client.call(&["INFO", "threads"]).contains(&format!("io_thread_{thread}:clients=1,reads=2,"))
        );
        let threaded = if thread == 0 { 0 } else { 3 };
        let field = format!("io_threaded_reads_processed:{threaded}\r\n");
        assert!(client.call(&["INFO", "stats"]).contains(&field));
    }
}

#[test]
fn the_log_tells_who_comes_and_goes() {
    for io_threads in ["1", "2"] {
        let mut server = Server::start(&["--loglevel", "verbose", "--io-threads", io_threads]);
        let mut client = server.connect();
        assert_eq!(client.call(&["CLIENT", "SETNAME", "somebody"]), "OK");
        server.wait_for("- Accepted connection to socket");
        drop(client);
        server.wait_for("- Client closed connection id=1 addr=");
        assert!(server.log.contains(" name=somebody "), "{}", server.log);
        let mut client = server.connect();
        client.send(&request(&["PING"]).repeat(1000));
        drop(client);
        // Whether it is noticed while reading or while writing is up to the system.
        server.wait_for(" client: ");
    }
}

#[test]
fn a_crash_leaves_a_report() {
    let mut server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.stream.write_all(&request(&["DEBUG", "SEGFAULT"])).unwrap();
    assert_eq!(client.try_reply(), None);
    let status = server.wait();
    assert!(status.signal().is_some(), "{status}");
    assert!(server.log.contains("=== SEEDIS BUG REPORT START"), "{}", server.log);
    assert!(server.log.contains("------ STACK TRACE ------"));
}

#[test]
fn a_crash_leaves_a_line_where_no_report_is_wanted() {
    for how in ["SEGFAULT", "PANIC", "ASSERT"] {
        let mut server = Server::start(&["--enable-debug-command", "yes"]);
        let mut client = server.connect();
        assert_eq!(client.call(&["CONFIG", "SET", "crash-log-enabled", "no"]), "OK");
        client.stream.write_all(&request(&["DEBUG", how])).unwrap();
        assert_eq!(client.try_reply(), None);
        let status = server.wait();
        assert!(status.signal().is_some(), "{status}");
        let cause = format!(" crashed by {}\n", how.to_lowercase());
        assert!(server.log.ends_with(&cause) && !server.log.contains("BUG REPORT"), "{}", server.log);
    }
}

#[test]
fn it_starts_again_under_the_same_number() {
    let mut server = Server::start(&["--enable-debug-command", "yes"]);
    let pid = std::fs::read_to_string(server.directory.0.join("pid")).unwrap();
    let mut client = server.connect();
    client.stream.write_all(&request(&["DEBUG", "RESTART"])).unwrap();
    assert_eq!(client.try_reply(), None);
    server.wait_for("Restarting.");
    server.wait_for("Ready to accept connections");
    assert_eq!(server.connect().call(&["PING"]), "PONG");
    assert_eq!(std::fs::read_to_string(server.directory.0.join("pid")).unwrap(), pid);
}

#[test]
fn what_is_declared_wrong_is_told_before_the_server_goes_to_the_background() {
    for (line, why) in [
        ("user alice on nope", "Error in user declaration 'nope': Syntax error"),
        ("user alice on +nope", "Error loading ACL rule '+nope' for the user named 'alice'"),
        ("rename-command NOPE x", "No such command in rename-command"),
    ] {
        let directory = Directory::new();
        let file = directory.0.join("redis.conf");
        let dir = directory.0.display();
        std::fs::write(&file, format!("port 0\ndaemonize yes\ndir {dir}\nlogfile log\n{line}\n")).unwrap();
        let output = run(&[file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(!directory.0.join("log").exists());
    }
}
