//! Servers that are killed while they write, save and rewrite, and started again on what is left.
//!
//! `SEEDIS_KILLS=100` has each test go so many rounds.

use super::history::History;
use super::server::{Client, Directory, Server, request};
use super::stress::Choices;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

/// Keys that are there all the time, so that saves and rewrites last.
const KEYS: u64 = 500;

fn rounds() -> u64 {
    std::env::var("SEEDIS_KILLS").map_or(10, |rounds| rounds.parse().expect("a number of rounds"))
}

/// Lets clients write until so many steps were answered, then kills the server.
fn write_and_kill(server: &mut Server, histories: &mut [History], steps: u64, choices: &mut Choices) {
    let (tell, told) = mpsc::channel();
    let answers = AtomicU64::new(0);
    let connections: Vec<Client> = histories.iter().map(|_| server.connect()).collect();
    thread::scope(|scope| {
        for (history, connection) in histories.iter_mut().zip(connections) {
            let (tell, answers, at_once) = (tell.clone(), &answers, 1 + choices.below(50));
            scope.spawn(move || {
                history.write(connection, at_once, || {
                    if answers.fetch_add(1, Ordering::Relaxed) + 1 == steps {
                        // Whoever waits is there until it is told.
                        tell.send(()).unwrap();
                    }
                });
            });
        }
        told.recv().unwrap();
        server.kill();
    });
}

/// Sets so many keys.
fn set_all(client: &mut Client, keys: u64, value: &str) {
    for key in 0..keys {
        client.send(&request(&["SET", &format!("key:{key}"), value]));
    }
    (0..keys).for_each(|_| assert_eq!(client.reply(), "OK"));
}

/// Kills a server again and again, some of its rewrites under way; gives the answered steps that were lost.
fn kill_again_and_again(policy: &str) -> u64 {
    let directory = Arc::new(Directory::new());
    let mut choices = Choices(policy.len() as u64);
    let mut histories: Vec<History> = (0..4).map(History::new).collect();
    let mut lost = 0;
    for round in 0..=rounds() {
        let threads = ["1", "2"][choices.below(2) as usize];
        let delay = ["0", "20", "300"][choices.below(3) as usize];
        let mut server = Server::start_in(
            &directory,
            &[
                "--appendonly",
                "yes",
                "--appendfsync",
                policy,
                "--save",
                "",
                "--io-threads",
                threads,
                "--enable-debug-command",
                "yes",
                "--rdb-key-save-delay",
                delay,
            ],
        );
        let mut client = server.connect();
        lost += histories.iter_mut().map(|history| history.check(&mut client)).sum::<u64>();
        if round == 0 {
            set_all(&mut client, KEYS, "filler");
            // They are to stay: `everysec` may lose the end of what it answered.
            assert_eq!(client.call(&["WAITAOF", "1", "0", "0"]), "1 0");
        }
        assert_eq!(
            client.call(&["DBSIZE"]).parse(),
            Ok(KEYS + histories.iter().map(History::keys).sum::<u64>())
        );
        if choices.below(3) > 0 {
            let reply = client.call(&["BGREWRITEAOF"]);
            assert!(reply.starts_with("Background append only file rewriting"), "{reply}");
        }
        let steps = 1 + choices.below(3000);
        write_and_kill(&mut server, &mut histories, steps, &mut choices);
    }
    let found: u64 = histories.iter().map(History::found).sum();
    assert!(found > rounds(), "something was written");
    lost
}

#[test]
fn nothing_that_was_answered_is_lost_with_always() {
    assert_eq!(kill_again_and_again("always"), 0);
}

/// The check of each history says that only its end may be missing, transactions whole.
#[test]
fn only_an_end_is_lost_with_everysec() {
    kill_again_and_again("everysec");
}

#[test]
fn a_save_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let directory = Arc::new(Directory::new());
    let mut choices = Choices(3);
    let (mut old, mut news) = (None, 0);
    for round in 0..=rounds() {
        let mut server = Server::start_in(
            &directory,
            &["--save", "", "--enable-debug-command", "yes", "--rdb-key-save-delay", "30"],
        );
        let mut client = server.connect();
        let digest = client.call(&["DEBUG", "DIGEST"]);
        if let Some((before, after)) = &old {
            assert!(digest == *before || digest == *after, "round {round}: neither the old data nor the new");
            news += u64::from(digest == *after);
        }
        set_all(&mut client, KEYS, &round.to_string());
        old = Some((digest, client.call(&["DEBUG", "DIGEST"])));
        assert_eq!(client.call(&["BGSAVE"]), "Background saving started");
        // Some of them only after the end.
        let enough = if round % 3 == 0 { u64::MAX } else { choices.below(KEYS) };
        loop {
            let info = client.call(&["INFO", "persistence"]);
            let done =
                |field: &str| info.lines().find_map(|line| line.strip_prefix(field)?.parse::<u64>().ok());
            let saved = done("rdb_bgsave_in_progress:") == Some(0);
            if saved || done("current_save_keys_processed:") >= Some(enough) {
                break;
            }
        }
        server.kill();
    }
    assert!(news >= rounds() / 3, "saves that ended are there");
}
