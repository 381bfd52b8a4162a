//! Starting on files: sound ones that take long, and damaged ones of each kind.

use super::server::{Client, Directory, Server};
use std::path::PathBuf;
use std::sync::Arc;

const BASE: &str = "appendonlydir/appendonly.aof.1.base.rdb";
const INCREMENTAL: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
const APPENDS: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
const KEYS: usize = 500;

fn value(key: usize) -> String {
    format!("{key}:").repeat(20)
}

fn fill(client: &mut Client) {
    for key in 0..KEYS {
        assert_eq!(client.call(&["SET", &key.to_string(), &value(key)]), "OK");
    }
}

/// Files of a server that was killed after its last answer.
struct Files(Arc<Directory>);

impl Files {
    /// With an append-only file.
    fn appended() -> Files {
        let mut server = Server::start(&APPENDS);
        fill(&mut server.connect());
        server.kill();
        Files(server.directory.clone())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        edit(&mut bytes);
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// A server that serves; how many keys it has, each with its own value.
    fn start(&self) -> (Server, usize) {
        let server = Server::start_in(&self.0, &APPENDS);
        let mut client = server.connect();
        let keys = client.call(&["DBSIZE"]).parse().unwrap();
        (0..keys).for_each(|key| assert_eq!(client.call(&["GET", &key.to_string()]), value(key)));
        (server, keys)
    }

    /// A server that will not serve, for this reason.
    fn refused(&self, reason: &str) -> String {
        let log = Server::refused_in(&self.0, &APPENDS);
        assert!(log.contains(reason), "{reason:?} is not in:\n{log}");
        log
    }
}

#[test]
fn a_torn_end_is_cut_off_and_named() {
    let files = Files::appended();
    let before = std::fs::read(files.path(INCREMENTAL)).unwrap();
    let last = last_command();
    let good = before.windows(last.len()).position(|window| window == last).expect("it is the last one");
    files.edit(INCREMENTAL, |bytes| bytes.truncate(good + last.len() - 3));
    let (mut server, keys) = files.start();
    assert_eq!(keys, KEYS - 1);
    let texts = [
        "AOF appendonly.aof.1.incr.aof is damaged at offset ".to_owned(),
        format!("{good} bytes are good"),
        format!("!!! Truncating the AOF appendonly.aof.1.incr.aof at offset {good} !!!"),
    ];
    for text in texts {
        assert!(server.log.contains(&text), "{text:?} is not in:\n{}", server.log);
    }
    server.kill();
    // Whatever it appended begins where what is good ends.
    let after = std::fs::read(files.path(INCREMENTAL)).unwrap();
    assert!(
        after[..good] == before[..good]
            && after[good..].starts_with(if after.len() > good { b"#" } else { b"" })
    );
    let (server, keys) = files.start();
    assert_eq!(keys, KEYS - 1);
    assert!(!server.log.contains("damaged"), "it was repaired:\n{}", server.log);
}

fn last_command() -> Vec<u8> {
    let key = (KEYS - 1).to_string();
    super::server::request(&["SET", &key, &value(KEYS - 1)])
}

#[test]
fn a_flipped_bit_in_what_was_durable_is_refused_with_its_place() {
    let files = Files::appended();
    files.edit(INCREMENTAL, |bytes| bytes[1000] ^= 1);
    let log =
        files.refused("Bad file format reading the append only file appendonly.aof.1.incr.aof at offset");
    assert!(log.contains("is damaged at offset"), "{log}");
    // Nothing was touched, so that it can be repaired.
    files.edit(INCREMENTAL, |bytes| bytes[1000] ^= 1);
    assert_eq!(files.start().1, KEYS);
}

#[test]
fn a_flipped_bit_in_a_base_is_refused_with_its_place() {
    let mut server = Server::start(&APPENDS);
    fill(&mut server.connect());
    assert!(server.connect().call(&["BGREWRITEAOF"]).starts_with("Background"));
    server.wait_for("Background AOF rewrite finished successfully");
    server.kill();
    let files = Files(server.directory.clone());
    let base = "appendonlydir/appendonly.aof.2.base.rdb";
    files.edit(base, |bytes| bytes[5000] ^= 4);
    let log = files.refused("Error reading the RDB base file appendonly.aof.2.base.rdb, AOF loading aborted");
    assert!(log.contains("at byte "), "{log}");
    files.edit(base, |bytes| bytes[5000] ^= 4);
    assert_eq!(files.start().1, KEYS);
}

#[test]
fn missing_and_damaged_parts_are_named() {
    let files = Files::appended();
    let away = files.path("away");
    for (name, reason) in [
        (INCREMENTAL, "Unable to obtain the AOF file appendonly.aof.1.incr.aof length. stat: No such file"),
        (BASE, "Unable to obtain the AOF file appendonly.aof.1.base.rdb length. stat: No such file"),
    ] {
        std::fs::rename(files.path(name), &away).unwrap();
        files.refused(reason);
        std::fs::rename(&away, files.path(name)).unwrap();
    }
    let manifest = std::fs::read(files.path(MANIFEST)).unwrap();
    for (damaged, reason) in [
        (&b""[..], "Found an empty AOF manifest"),
        (b"file appendonly.aof.1.base.rdb seq 1", "The AOF manifest file contains too long line"),
        (b"file appendonly.aof.1.base.rdb seq 1 type x\n", "Unknown AOF file type"),
        (b"fil appendonly.aof.1.base.rdb seq 1 type b\n", "Invalid AOF manifest file format"),
    ] {
        files.edit(MANIFEST, |bytes| *bytes = damaged.to_vec());
        files.refused(reason);
    }
    files.edit(MANIFEST, |bytes| *bytes = manifest);
    assert_eq!(files.start().1, KEYS);
}

#[test]
fn a_flipped_bit_in_a_snapshot_is_refused_with_its_place() {
    let server = Server::start(&["--save", ""]);
    let mut client = server.connect();
    fill(&mut client);
    assert_eq!(client.call(&["SAVE"]), "OK");
    let files = Files(server.directory.clone());
    drop(server);
    files.edit("dump.rdb", |bytes| bytes[5000] ^= 1);
    let log = Server::refused_in(&files.0, &["--save", ""]);
    assert!(log.contains("Error loading the RDB file dump.rdb: ") && log.contains("at byte "), "{log}");
    files.edit("dump.rdb", |bytes| bytes[0] ^= 1);
    let log = Server::refused_in(&files.0, &["--save", ""]);
    assert!(log.contains("this is not an RDB file. No data comes before that."), "{log}");
    assert!(log.contains("Fatal error loading the DB, check server logs. Exiting."), "{log}");
}

#[test]
fn who_comes_while_data_is_loaded_is_told_and_the_log_says_how_far_it_is() {
    let slowly = ["--save", "", "--enable-debug-command", "yes", "--rdb-key-save-delay", "500"];
    let mut server = Server::start(&slowly);
    let mut client = server.connect();
    assert_eq!(client.call(&["DEBUG", "POPULATE", "10000"]), "OK");
    assert_eq!(client.call(&["BGSAVE"]), "Background saving started");
    server.wait_for("Saving: ");
    assert!(server.log.contains("% done (") && server.log.contains(" of 10000 keys)"), "{}", server.log);
    server.kill();
    let directory = server.directory.clone();
    let server = Server::start_in(&directory, &["--save", "", "--enable-debug-command", "yes"]);
    let mut client = server.connect();
    assert_eq!(client.call(&["DEBUG", "POPULATE", "10000"]), "OK");
    assert_eq!(client.call(&["SAVE"]), "OK");
    drop(server);

    let program = std::process::Command::new(super::server::PROGRAM);
    let mut server = Server::launch(program, &directory, &["--save", "", "--key-load-delay", "1000"]);
    server.wait_for("Loading RDB produced by version");
    let mut client = server.connect();
    assert_eq!(client.call(&["GET", "key:1"]), "LOADING Redis is loading the dataset in memory");
    assert_eq!(client.call(&["SET", "key:1", "x"]), "LOADING Redis is loading the dataset in memory");
    let info = client.call(&["INFO", "persistence"]);
    for field in [
        "loading:1",
        "loading_start_time:",
        "loading_total_bytes:",
        "loading_loaded_bytes:",
        "loading_loaded_perc:",
        "loading_eta_seconds:",
    ] {
        assert!(info.contains(field), "{field} is not in {info}");
    }
    server.wait_for("Loading: ");
    assert!(server.log.contains("% done ("), "{}", server.log);
    assert_eq!(client.call(&["CONFIG", "SET", "key-load-delay", "0"]), "OK");
    server.wait_for("Ready to accept connections");
    assert_eq!(client.call(&["DBSIZE"]), "10000");
    assert!(server.log.contains("keys loaded: 10000"), "{}", server.log);
    assert!(client.call(&["INFO", "persistence"]).contains("loading:0"));
}
