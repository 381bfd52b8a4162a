//! Backups: what is sealed is what was there then, with and without an append-only file.

use crate::server::{Client, Server};

fn state(client: &mut Client) -> String {
    let status = client.call(&["BACKUP", "STATUS"]);
    status.split(' ').nth(1).unwrap().to_owned()
}

fn wait_for(client: &mut Client, wanted: &str) {
    while state(client) != wanted {}
}

#[test]
fn a_backup_holds_what_was_there_when_it_was_sealed() {
    for appendonly in ["no", "yes"] {
        let server = Server::start(&["--appendonly", appendonly]);
        let mut client = server.connect();
        client.call(&["SET", "before", "1"]);
        assert_eq!(client.call(&["BACKUP", "START"]), "OK");
        wait_for(&mut client, "incrementing");
        client.call(&["SET", "meanwhile", "2"]);
        assert!(client.call(&["BGREWRITEAOF"]).ends_with("scheduled"), "the files must stay");
        assert_eq!(client.call(&["BACKUP", "SEAL"]), "OK");
        client.call(&["SET", "after", "3"]);
        assert_eq!(state(&mut client), "sealed");
        assert_eq!(client.call(&["BACKUP", "START"]), "ERR A sealed backup exists, CLEANUP it first");
        let files = client.call(&["BACKUP", "LIST"]);
        let names: Vec<&str> = files.split(' ').map(|path| path.rsplit('/').next().unwrap()).collect();
        assert_eq!(names[2], "appendonly.aof.manifest");
        let directory = server.directory.0.display();
        let restored = Server::start(&[
            "--appendonly",
            "yes",
            "--dir",
            &directory.to_string(),
            "--appenddirname",
            "backupdir",
            "--unixsocket",
            "restored",
        ]);
        let mut second = Client::connect(&server.directory.0.join("restored"));
        assert_eq!(second.call(&["MGET", "before", "meanwhile", "after"]), "1 2 (nil)");
        drop(restored);
        assert_eq!(client.call(&["BACKUP", "CLEANUP"]), "OK");
        assert_eq!(std::fs::read_dir(server.directory.0.join("backupdir")).unwrap().count(), 0);
        assert_eq!(client.call(&["MGET", "before", "meanwhile", "after"]), "1 2 3");
    }
}

#[test]
fn a_backup_that_is_given_up_leaves_nothing() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.call(&["SET", "k", "v"]);
    assert_eq!(client.call(&["BACKUP", "ABORT"]), "ERR No backup in progress");
    assert_eq!(client.call(&["BACKUP", "START"]), "OK");
    wait_for(&mut client, "incrementing");
    assert_eq!(client.call(&["BACKUP", "ABORT"]), "OK");
    assert_eq!(state(&mut client), "failed");
    assert_eq!(client.call(&["BACKUP", "START"]), "OK", "what was there is cleared away before");
    wait_for(&mut client, "incrementing");
    assert_eq!(client.call(&["BACKUP", "SEAL"]), "OK");
    assert_eq!(std::fs::read_dir(server.directory.0.join("backupdir")).unwrap().count(), 3);
}
