//! What a server asks of the system that it runs on.

use super::server::{Directory, PROGRAM, Server};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::Arc;

/// The processors of a thread, from the file that tells its state.
fn processors(status: &str) -> String {
    let line = std::fs::read_to_string(status).unwrap();
    let list = line.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.expect("it tells the processors").trim().to_owned()
}

/// Names and processors of a server's threads.
fn threads(server: &Server) -> Vec<(String, String)> {
    let tasks = format!("/proc/{}/task", server.pid());
    let mut threads = Vec::new();
    for task in std::fs::read_dir(&tasks).unwrap() {
        let task = task.unwrap().path();
        // One that has ended meanwhile is none of interest.
        let Ok(name) = std::fs::read_to_string(task.join("comm")) else { continue };
        if ["aof", "log"].contains(&name.trim()) {
            threads.push((name.trim().to_owned(), processors(task.join("status").to_str().unwrap())));
        }
    }
    threads
}

#[test]
fn threads_stay_on_the_processors_that_lists_name() {
    let allowed = processors("/proc/self/status");
    let first = allowed.split(['-', ',']).next().unwrap();
    let last = allowed.split(['-', ',']).next_back().unwrap();
    let server = Server::start(&["--server-cpulist", first, "--bio-cpulist", last, "--appendonly", "yes"]);
    let mut client = server.connect();
    assert_eq!(client.call(&["SET", "key", "value"]), "OK");
    // By then the writer runs, and has its name.
    assert_eq!(client.call(&["WAITAOF", "1", "0", "0"]), "1 0");
    let threads = threads(&server);
    let of = |name: &str| &threads.iter().find(|(thread, _)| thread == name).expect("it is there").1;
    assert_eq!(of("aof"), last);
    assert_eq!(processors(&format!("/proc/{}/status", server.pid())), first);
    // It was there before.
    assert_eq!(*of("log"), allowed);
}

#[test]
fn a_list_that_is_none_is_told_and_changes_nothing() {
    let directory = Arc::new(Directory::new());
    let mut server = Server::launch(Command::new(PROGRAM), &directory, &["--server-cpulist", "0-x"]);
    server.wait_for("# Can't follow server-cpulist: it is no list of processors");
    server.wait_for("Ready to accept connections");
    assert_eq!(processors(&format!("/proc/{}/status", server.pid())), processors("/proc/self/status"));
}

#[test]
fn a_unix_socket_belongs_to_the_group_that_was_asked_for() {
    // A group of its own shows something only where whoever runs the test may give files away.
    let id = |what| String::from_utf8(Command::new("id").arg(what).output().unwrap().stdout).unwrap();
    let is_root = id("-u").trim() == "0";
    let (name, number) = match is_root {
        true => ("daemon".to_owned(), "1".to_owned()),
        false => (id("-gn").trim().to_owned(), id("-g").trim().to_owned()),
    };
    let directory = Arc::new(Directory::new());
    let socket = directory.0.join("socket");
    let socket_name = socket.to_str().unwrap();
    let server = Server::start_in(
        &directory,
        &["--unixsocket", socket_name, "--unixsocketgroup", &name, "--unixsocketperm", "770"],
    );
    let found = std::fs::metadata(&socket).unwrap();
    assert_eq!(found.gid().to_string(), number);
    assert_eq!(found.mode() & 0o777, 0o770);
    drop(server);
    let log =
        Server::refused_in(&directory, &["--unixsocket", socket_name, "--unixsocketgroup", "no such group"]);
    assert!(log.contains("there is no group no such group"), "{log}");
    assert!(!socket.exists());
}

#[test]
fn what_clients_send_stays_out_of_the_log_if_that_is_wanted() {
    let mut server = Server::start(&["--loglevel", "verbose"]);
    let mut client = server.connect();
    let told = "Query buffer during protocol error: ";
    for (hides, shown) in [("no", "'*1..$abc..'"), ("yes", "'*redacted*'")] {
        assert_eq!(client.call(&["CONFIG", "SET", "hide-user-data-from-log", hides]), "OK");
        let mut broken = server.connect();
        broken.send(b"*1\r\n$abc\r\n");
        assert!(broken.reply().starts_with("ERR Protocol error"));
        server.wait_for(&format!("{told}{shown}"));
    }
}
