//! Disks without room: a small file system where the tests may mount one, and a limit on the size of files everywhere.

use super::server::{Client, Directory, PROGRAM, Server, request};
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

/// Bytes that a server may write at first.
const ROOM: usize = 1 << 20;
/// Bytes of a value, and values that are too many.
const VALUE: usize = 8 << 10;
const VALUES: usize = 2 * ROOM / VALUE;

/// A place with little room.
enum Disk {
    /// A file system of its own: `ENOSPC`.
    Small(Arc<Directory>),
    /// A limit for each file: `EFBIG`.
    Limited(Arc<Directory>),
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

impl Disk {
    /// Those that can be had here.
    fn all() -> Vec<Disk> {
        let directory = Arc::new(Directory::new());
        let size = format!("size={ROOM}");
        let mounts =
            succeeds("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &directory.0.to_string_lossy()]);
        if !mounts {
            // Past the capture of the test's output, so that it is seen although the rest succeeds.
            let _ = std::io::stderr().write_all(b"small file system skipped: no root\n");
        }
        let small = mounts.then_some(Disk::Small(directory));
        small.into_iter().chain([Disk::Limited(Arc::new(Directory::new()))]).collect()
    }

    fn directory(&self) -> &Arc<Directory> {
        let (Disk::Small(directory) | Disk::Limited(directory)) = self;
        directory
    }

    fn start(&self, arguments: &[&str]) -> Server {
        let command = match self {
            Disk::Small(_) => Command::new(PROGRAM),
            Disk::Limited(_) => {
                // Redis, too, would end at the signal.
                let script = format!("trap '' XFSZ; exec prlimit --fsize={ROOM}:unlimited \"$@\"");
                let mut command = Command::new("sh");
                command.args(["-c", &script, "sh", PROGRAM]);
                command
            }
        };
        let mut server = Server::launch(command, self.directory(), arguments);
        server.wait_for("Ready to accept connections");
        server
    }

    fn make_room(&self, server: &Server) {
        let made = match self {
            Disk::Small(directory) => {
                succeeds("mount", &["-o", "remount,size=256m", &directory.0.to_string_lossy()])
            }
            Disk::Limited(_) => {
                succeeds("prlimit", &["--pid", &server.pid().to_string(), "--fsize=unlimited:unlimited"])
            }
        };
        assert!(made);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Disk::Small(directory) = self {
            succeeds("umount", &["-l", &directory.0.to_string_lossy()]);
        }
    }
}

fn value(number: usize) -> String {
    // Nothing that compresses.
    let mut choices = super::stress::Choices(number as u64);
    (0..VALUE).map(|_| char::from(b'0' + choices.below(75) as u8)).collect()
}

/// Sends more than there is room for, without waiting for answers.
fn fill(server: &Server) -> Client {
    let mut client = server.connect();
    for number in 0..VALUES {
        client.send(&request(&["SET", &number.to_string(), &value(number)]));
    }
    client
}

fn field(client: &mut Client, name: &str) -> String {
    let info = client.call(&["INFO", "persistence"]);
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
}

fn survives_a_full_disk(disk: &Disk, policy: &str) {
    let arguments = ["--appendonly", "yes", "--appendfsync", policy, "--save", ""];
    let mut server = disk.start(&arguments);
    assert_eq!(server.connect().call(&["SET", "before", "x"]), "OK");
    let mut writer = fill(&server);
    server.wait_for("Error writing to the AOF file");
    let mut client = server.connect();
    let refused = client.call(&["SET", "refused", "x"]);
    assert!(refused.starts_with("MISCONF Errors writing to the AOF file: "), "{refused}");
    assert_eq!(field(&mut client, "aof_last_write_status"), "err");
    if policy != "always" {
        assert_eq!(client.call(&["GET", "before"]), "x");
        assert_eq!(client.call(&["GET", "0"]), value(0));
    }
    disk.make_room(&server);
    server.wait_for("AOF write error looks solved");
    let mut kept = Vec::new();
    for number in 0..VALUES {
        match writer.reply().as_str() {
            "OK" => kept.push(number),
            refused => assert!(refused.starts_with("MISCONF"), "{refused}"),
        }
    }
    assert!(kept.len() > ROOM / VALUE / 2, "there was some room");
    assert_eq!(client.call(&["SET", "after", "x"]), "OK");
    assert_eq!(client.call(&["EXISTS", "refused"]), "0");
    if policy != "always" {
        assert_eq!(client.call(&["WAITAOF", "1", "0", "0"]), "1 0");
    }
    server.kill();
    let server = Server::start_in(disk.directory(), &arguments);
    let mut client = server.connect();
    assert_eq!(client.call(&["EXISTS", "before", "after", "refused"]), "2");
    for number in kept {
        assert!(client.call(&["GET", &number.to_string()]) == value(number), "{number} was lost");
    }
}

#[test]
fn a_full_disk_has_writes_refused_until_there_is_room() {
    for disk in Disk::all() {
        survives_a_full_disk(&disk, "everysec");
    }
}

#[test]
fn on_a_full_disk_nothing_is_answered_that_is_not_there_with_always() {
    for disk in Disk::all() {
        survives_a_full_disk(&disk, "always");
    }
}

#[test]
fn a_save_that_has_no_room_fails_and_leaves_the_old_file() {
    for disk in Disk::all() {
        let mut server = disk.start(&["--save", "3600 1000000", "--rdbcompression", "no"]);
        let mut client = server.connect();
        assert_eq!(client.call(&["SET", "old", "x"]), "OK");
        assert_eq!(client.call(&["SAVE"]), "OK");
        let mut writer = fill(&server);
        (0..VALUES).for_each(|_| assert_eq!(writer.reply(), "OK"));
        assert_eq!(client.call(&["BGSAVE"]), "Background saving started");
        server.wait_for("Background saving error: Write error saving DB on disk: ");
        assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "err");
        assert!(client.call(&["SAVE"]).starts_with("ERR"));
        assert!(client.call(&["SET", "refused", "x"]).starts_with("MISCONF Redis is configured to save RDB"));
        assert_eq!(client.call(&["GET", "old"]), "x");
        let here = std::fs::read_dir(&disk.directory().0).unwrap();
        let left: Vec<_> = here.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!left.iter().any(|name| name.starts_with("temp-")), "{left:?}");
        disk.make_room(&server);
        assert_eq!(client.call(&["SAVE"]), "OK");
        assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "ok");
        assert_eq!(client.call(&["SET", "after", "x"]), "OK");
        server.kill();
        let server = Server::start_in(disk.directory(), &["--save", ""]);
        let mut client = server.connect();
        assert_eq!(client.call(&["DBSIZE"]), (VALUES + 1).to_string());
        assert!(client.call(&["GET", "0"]) == value(0));
    }
}
