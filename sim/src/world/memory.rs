//! Two things about memory. `maxmemory` holds: once nothing happens any more, keys have been evicted until the rest fits.
//! And once all clients are gone and all keys are flushed, nothing is left: not of what keys take, and in none of the tables
//! of those who wait, watch, listen or cache.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::engine::memory as heap;
use seedis::runtime::net::Address;
use seedis::runtime::time;
use seedis::simulation::{Machine, Server};

use super::client::{Connection, Seat};
use super::recorder::Recorder;
use super::{Failure, How, PATIENCE};
use crate::resp::Reply;

/// For how long after the end of all faults clients may still write.
const WRITING: Duration = Duration::from_secs(30);

/// A client on a node that looks at the end.
pub fn start(node: &NodeHandle, address: Address, recorder: &Arc<Recorder>) -> Seat {
    let recorder = recorder.clone();
    Seat::new("auditor of memory".to_owned(), node, async move {
        while !recorder.is_quiet() {
            time::sleep(Duration::from_millis(500)).await;
        }
        time::sleep(WRITING).await;
        while look(&address, &recorder).await.is_err() {
            time::sleep(Duration::from_millis(500)).await;
        }
    })
}

async fn look(address: &Address, recorder: &Arc<Recorder>) -> io::Result<()> {
    let mut connection = Connection::open(address, recorder, "auditor").await?;
    let info = info(&mut connection, &["memory"]).await?;
    let (used, limit) = (field(&info, "used_memory"), field(&info, "maxmemory"));
    if used > limit {
        return Err(connection.complain(format!("{used} bytes are used where {limit} are the limit")));
    }
    Ok(())
}

async fn info(connection: &mut Connection, sections: &[&str]) -> io::Result<String> {
    let words = [&["INFO"][..], sections].concat();
    connection.send(&[&words[..]]).await?;
    match connection.reply().await? {
        Reply::Bulk(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        _ => Err(connection.complain("INFO is no text".to_owned())),
    }
}

fn field(info: &str, name: &str) -> u64 {
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// What must be zero when nobody is there but the one who asks.
const COUNTS: [&str; 9] = [
    "blocked_clients",
    "watching_clients",
    "total_blocking_keys",
    "total_blocking_keys_on_nokey",
    "pubsub_channels",
    "pubsub_patterns",
    "tracking_clients",
    "tracking_total_keys",
    "tracking_total_prefixes",
];

/// Connects to a server that may have to start first.
async fn enter(address: &Address, recorder: &Arc<Recorder>) -> io::Result<Connection> {
    for _ in 0..PATIENCE.as_millis() / 500 {
        if let Ok(connection) = Connection::open(address, recorder, "cleaner").await {
            return Ok(connection);
        }
        time::sleep(Duration::from_millis(500)).await;
    }
    Connection::open(address, recorder, "cleaner").await
}

/// Sends all clients away and flushes all, and sees that nothing is left of them.
pub async fn returns_to_its_start(server: &Server, recorder: &Arc<Recorder>) -> Result<(), Failure> {
    let (address, recorder) = (server.address(), recorder.clone());
    let cleaner = Machine::new("cleaner").spawn(async move {
        let mut connection = enter(&address, &recorder).await?;
        connection.wait_in_peace();
        let orders: [&[&str]; 3] =
            [&["CLIENT", "KILL", "TYPE", "normal"], &["CLIENT", "KILL", "TYPE", "pubsub"], &["FLUSHALL"]];
        connection.send(&orders).await?;
        for _ in orders {
            connection.reply().await?;
        }
        let mut left = Vec::new();
        for _ in 0..PATIENCE.as_millis() / 500 {
            // Not the section about memory: when Lua collects depends on where its objects lie, which no seed decides.
            let info = info(&mut connection, &["clients", "stats"]).await?;
            left =
                COUNTS.iter().filter(|name| field(&info, name) > 0).map(|name| (*name).to_owned()).collect();
            let bytes = Some(heap::of_entries()).filter(|bytes| *bytes > 0);
            left.extend(bytes.map(|bytes| format!("{bytes} bytes")));
            if left.is_empty() {
                break;
            }
            time::sleep(Duration::from_millis(500)).await;
        }
        Ok::<Vec<String>, io::Error>(left)
    });
    let fail = |how, text: String| Err(Failure::new(how, "all is given back", text));
    match cleaner.await {
        Ok(Ok(left)) if left.is_empty() => Ok(()),
        Ok(Ok(left)) => {
            let text = format!("all clients and keys are gone, but there are: {}", left.join(", "));
            fail(How::Correctness, text)
        }
        Ok(Err(error)) => fail(How::Liveness, format!("a client in a healthy world: {error}")),
        Err(_) => fail(How::Crash, "the last client panicked".to_owned()),
    }
}
