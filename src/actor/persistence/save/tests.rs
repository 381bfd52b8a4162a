//! The writer, alone with a file.

use super::*;
use crate::engine::loopback::Loopback;
use crate::runtime::testing::{Directory as Fresh, run};

/// A list of so many elements of a kilobyte.
fn list(elements: usize) -> (Loopback, Entry) {
    let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
    let client = world.connect();
    let element = "x".repeat(1000);
    for _ in 0..elements {
        world.send(client, format!("RPUSH k {element}\r\n").as_bytes());
    }
    let entry = world.server.databases[0].lookup(b"k").expect("the key").duplicate(b"k");
    (world, entry)
}

#[test]
fn a_writer_that_nobody_wants_any_more_ends_within_a_value() {
    for rdb in [true, false] {
        run(async move {
            let directory = Fresh::fresh();
            let (world, entry) = list(8 * BUFFER / 1000);
            let config = Config { aof_use_rdb_preamble: rdb, rdbcompression: false, ..Config::default() };
            let order = Order {
                kind: JobKind::Rewrite,
                position: 0,
                sizes: vec![(1, 0)],
                version: crate::engine::rdb::VERSION,
                unix_secs: 0,
                used_memory: 0,
                libraries: Vec::new(),
            };
            let place = Directory { path: directory.join("aof"), prefix: b"a".to_vec(), keep_history: false };
            let plan = Plan::new(&order, &config, world.server.clock(world.now), &place);
            // The file is removed, but not what it is linked to.
            let link = directory.join("link");
            drop(fs::File::create(&plan.temporary).expect("a file"));
            fs::link(&plan.temporary, &link).await.expect("a link");
            let (chunks, inbox) = mpsc::channel(QUEUE);
            let (wanted, given_up) = oneshot::channel();
            let chunk = Chunk { db: 0, entries: vec![entry], bytes: 0, last: true };
            assert!(chunks.send(chunk).await.is_ok());
            drop(wanted);
            let temporary = plan.temporary.clone();
            assert_eq!(write(plan, Source { chunks: inbox, given_up }).await, Err(Stop::Asked));
            assert!(!fs::exists(&temporary));
            let written = fs::metadata(&link).expect("the link").len;
            assert!((1..3 * BUFFER as u64).contains(&written), "{written} bytes");
        });
    }
}
