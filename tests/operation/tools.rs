//! `redis-check-aof` and `redis-check-rdb`: what they say and how they end, beside Redis's own where they are installed.

use super::server::{Directory, PROGRAM, Server};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Files of a server that was stopped: a snapshot, and an append-only file of its own format or without what Redis does not
/// write.
fn files(checksums: &str) -> Arc<Directory> {
    let mut server = Server::start(&["--appendonly", "yes", "--save", "", "--aof-checksums", checksums]);
    let mut client = server.connect();
    for key in 0..200 {
        assert_eq!(client.call(&["SET", &key.to_string(), &"value ".repeat(10)]), "OK");
    }
    assert_eq!(client.call(&["SAVE"]), "OK");
    assert_eq!(server.signal("TERM").code(), Some(0));
    server.directory.clone()
}

const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
const INCREMENTAL: &str = "appendonlydir/appendonly.aof.1.incr.aof";

/// Runs a tool; gives its exit code and output.
fn run(program: &str, name: &str, directory: &Directory, arguments: &[&str], answer: &str) -> (i32, String) {
    let mut child = Command::new(program)
        .arg0(name)
        .args(arguments)
        .current_dir(&directory.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A tool that asks nothing may be gone.
    let _ = child.stdin.take().unwrap().write_all(answer.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// Runs our tool, and compares what scripts look at with Redis's: the exit code, and lines that begin so.
fn check(name: &str, directory: &Directory, file: &str, alike: &[&str]) -> (i32, String) {
    let ours = run(PROGRAM, name, directory, &[file], "");
    let installed = format!("/usr/bin/{name}");
    if std::path::Path::new(&installed).exists() {
        let theirs = run(&installed, name, directory, &[file], "");
        assert_eq!(ours.0, theirs.0, "{name} {file}:\n{}\n{}", ours.1, theirs.1);
        let lines = |text: &str| -> Vec<String> {
            let matches = |line: &&str| alike.iter().any(|start| line.contains(start));
            // Lines are counted in another way where the file is damaged.
            let cut = |line: &str| line.split(", ok_up_to_line").next().unwrap().to_owned();
            text.lines().filter(matches).map(cut).collect()
        };
        assert_eq!(lines(&ours.1), lines(&theirs.1), "{name} {file}:\n{}\n{}", ours.1, theirs.1);
    }
    ours
}

fn edit(directory: &Directory, from: &str, to: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(directory.0.join(from)).unwrap();
    edit(&mut bytes);
    std::fs::write(directory.0.join(to), bytes).unwrap();
}

const SAID: &[&str] =
    &["AOF analyzed", "is valid", "not valid", "is empty", "format error", "Expected", "Start", "All"];

#[test]
fn append_only_files_are_judged_as_by_redis() {
    let files = files("no");
    edit(&files, INCREMENTAL, "cut", |bytes| bytes.truncate(bytes.len() - 3));
    edit(&files, INCREMENTAL, "flipped", |bytes| bytes[3000 / 99 * 99] = b'?');
    edit(&files, INCREMENTAL, "empty", Vec::clear);
    edit(&files, INCREMENTAL, "other", |bytes| *bytes = b"hello\n".to_vec());
    // Redis 7.0 knows no bases of later versions.
    assert_eq!(run(PROGRAM, "redis-check-aof", &files, &[MANIFEST], "").0, 0);
    for (file, code) in [(INCREMENTAL, 0), ("cut", 1), ("empty", 0), ("other", 1), ("missing", 1)] {
        assert_eq!(check("redis-check-aof", &files, file, SAID).0, code, "{file}");
    }
    check("redis-check-aof", &files, "flipped", &["not valid"]);
}

#[test]
fn damage_that_only_checksums_tell_is_found_and_cut_off() {
    let files = files("yes");
    assert_eq!(run(PROGRAM, "redis-check-aof", &files, &[MANIFEST], "").0, 0);
    edit(&files, INCREMENTAL, INCREMENTAL, |bytes| {
        let value = bytes.windows(5).rposition(|five| five == b"value").unwrap();
        bytes[value] ^= 1;
    });
    let (code, text) = run(PROGRAM, "redis-check-aof", &files, &[MANIFEST], "");
    assert_eq!(code, 1);
    assert!(text.contains("Checksum mismatch of the bytes from "), "{text}");
    let (code, text) = run(PROGRAM, "redis-check-aof", &files, &["--fix", MANIFEST], "n\n");
    assert!(code == 1 && text.contains("Aborting..."), "{text}");
    let (code, text) = run(PROGRAM, "redis-check-aof", &files, &["--fix", MANIFEST], "y\n");
    assert!(code == 0 && text.contains("Successfully truncated AOF appendonly.aof.1.incr.aof"), "{text}");
    let server = Server::start_in(&files, &["--appendonly", "yes", "--save", ""]);
    let keys: u32 = server.connect().call(&["DBSIZE"]).parse().unwrap();
    assert!(keys < 200, "{keys}");
}

#[test]
fn snapshots_are_judged_as_by_redis() {
    let files = files("yes");
    edit(&files, "dump.rdb", "cut.rdb", |bytes| bytes.truncate(bytes.len() - 12));
    edit(&files, "dump.rdb", "flipped.rdb", |bytes| *bytes.last_mut().unwrap() ^= 1);
    edit(&files, "dump.rdb", "other.rdb", |bytes| *bytes = b"hello, this is no snapshot at all".to_vec());
    // Redis 7.0 knows no files of later versions: its header is compared with one of its own.
    edit(&files, "dump.rdb", "old.rdb", |bytes| {
        *bytes = b"REDIS0009\xfe\x00\x00\x01a\x01b\xff\0\0\0\0\0\0\0\0".to_vec()
    });
    edit(&files, "old.rdb", "old-cut.rdb", |bytes| bytes.truncate(14));
    let said =
        ["looks OK", "keys read", " expires", "expired", "ERROR", "Unexpected EOF", "Selecting", "disabled"];
    assert_eq!(check("redis-check-rdb", &files, "old.rdb", &said).0, 0);
    let few = ["ERROR", "Unexpected EOF", "Selecting"];
    for (file, code) in [("old-cut.rdb", 1), ("other.rdb", 1), ("missing.rdb", 1)] {
        assert_eq!(check("redis-check-rdb", &files, file, &few).0, code, "{file}");
    }
    for (file, code, text) in [
        ("dump.rdb", 0, "\\o/ RDB looks OK! \\o/"),
        ("cut.rdb", 1, "Unexpected EOF reading RDB file"),
        ("flipped.rdb", 1, "RDB CRC error"),
    ] {
        let said = run(PROGRAM, "redis-check-rdb", &files, &[file], "");
        assert!(said.0 == code && said.1.contains(text), "{file}: {said:?}");
    }
}
