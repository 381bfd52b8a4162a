//! Stops in the middle of a script.

use super::*;
use crate::actor::keyspace::Keyspace;
use crate::engine::config::Config;
use crate::engine::server::Environment;
use crate::engine::session::Peer;
use crate::runtime::sync::mpsc;
use crate::runtime::testing::{Directory, run};
use crate::runtime::{fs, task};
use std::future::poll_fn;
use std::os::unix::ffi::OsStrExt;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// Writes, works for long, and writes again.
const LONG: &str = "redis.call('INCR', 'k') for i = 1, 4000000 do end return redis.call('INCR', 'k')";
const ENDLESS: &str = "redis.call('INCR', 'k') while true do end";

struct World {
    keyspace: Rc<Keyspace>,
    persistence: Rc<Persistence>,
    clock: task::JoinHandle<()>,
}

impl World {
    /// A server with the data of a directory.
    async fn start(fresh: &Directory, appendonly: bool) -> World {
        let name = |name: &str| fresh.join(name).as_os_str().as_bytes().to_vec();
        let mut config =
            Config { busy_reply_threshold: 1, shutdown_timeout: 0, appendonly, ..Config::default() };
        (config.dbfilename, config.appenddirname) = (name("dump.rdb"), name("aof"));
        let server = Server::new(config, Environment::bare(1)).expect("the configuration is sound");
        let (requests, _) = mpsc::unbounded_channel();
        let keyspace = Keyspace::new(server, requests, None);
        let persistence = Persistence::new(&keyspace);
        let clock = task::spawn_local("clock", keyspace.clone().keep_time());
        task::spawn_local("stream", persistence.clone().send_turns());
        persistence.start().await.expect("the files are whole");
        World { keyspace, persistence, clock }
    }

    /// What a new client hears at once.
    fn ask(&self, request: &str) -> String {
        let (now, request) = (self.keyspace.now(), format!("{request}\r\n"));
        self.keyspace.with(now, |server| {
            let peer = Peer { loopback: true, ..Peer::default() };
            let client = server.connect(peer, now).expect("there is room");
            server.handle_input(client, request.as_bytes(), request.len(), now);
            let session = server.clients.take(client).expect("it is there");
            let heard = String::from_utf8_lossy(session.reply.pending()).into_owned();
            server.clients.put_back(session);
            heard
        })
    }

    fn end(&self) {
        self.clock.abort();
        self.persistence.close();
    }
}

#[test]
fn a_script_that_has_written_is_saved_as_a_whole() {
    run(async {
        for appendonly in [false, true] {
            let fresh = Directory::fresh();
            let world = World::start(&fresh, appendonly).await;
            world.keyspace.with_quiet(|server| server.config.shutdown_timeout = 1000);
            assert_eq!(world.ask(&format!("EVAL \"{LONG}\" 0")), "");
            assert_eq!(world.persistence.finish(Shutdown::default()).await, Ok(()));
            world.end();
            let world = World::start(&fresh, appendonly).await;
            assert_eq!(world.ask("GET k"), "$1\r\n2\r\n");
            world.end();
        }
    });
}

#[test]
fn one_without_an_end_is_in_no_file() {
    run(async {
        let fresh = Directory::fresh();
        let world = World::start(&fresh, true).await;
        assert_eq!(world.ask("SET other 1"), "+OK\r\n");
        assert_eq!(world.ask(&format!("EVAL \"{ENDLESS}\" 0")), "");
        assert_eq!(world.persistence.finish(Shutdown::default()).await, Ok(()));
        assert!(fs::read(&fresh.join("dump.rdb")).is_err());
        world.end();
        let world = World::start(&fresh, true).await;
        assert_eq!(world.ask("MGET k other"), "*2\r\n$-1\r\n$1\r\n1\r\n");
        world.end();
    });
}

#[test]
fn without_an_append_only_file_it_is_waited_for_until_nobody_wants_the_data() {
    run(async {
        let fresh = Directory::fresh();
        let world = World::start(&fresh, false).await;
        assert_eq!(world.ask(&format!("EVAL \"{ENDLESS}\" 0")), "");
        let mut finished = pin!(world.persistence.finish(Shutdown::default()));
        for _ in 0..10 {
            let outcome = poll_fn(|context| Poll::Ready(finished.as_mut().poll(context))).await;
            assert!(outcome.is_pending());
            task::yield_now().await;
        }
        world.persistence.forgo_save();
        assert_eq!(finished.await, Ok(()));
        assert!(fs::read(&fresh.join("dump.rdb")).is_err());
        world.end();
    });
}
