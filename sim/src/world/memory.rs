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

/// Asks for two of the numbers about memory. The others stay in the server: what Lua takes depends on when it collects, and
/// so on where its objects lie, which no seed decides.
const ASK: &str = "\
local info = redis.call('INFO', 'memory')
local function number(name)
    return tonumber(info:match('\\n' .. name .. ':(%d+)\\r'))
end
return {number('used_memory'), number('maxmemory')}";

async fn look(address: &Address, recorder: &Arc<Recorder>) -> io::Result<()> {
    let mut connection = Connection::open(address, recorder, "auditor").await?;
    connection.send(&[&["EVAL", ASK, "0"]]).await?;
    let what = match connection.reply().await? {
        Reply::Array(items) => match items[..] {
            [Reply::Int(used), Reply::Int(limit)] if used <= limit => return Ok(()),
            [Reply::Int(used), Reply::Int(limit)] => {
                format!("{used} bytes are used where {limit} are the limit")
            }
            _ => format!("memory and its limit are {items:?}"),
        },
        other => format!("asked for memory and its limit, the server answers {other:?}"),
    };
    Err(connection.complain(what))
}

async fn info(connection: &mut Connection, sections: &[&str]) -> io::Result<String> {
    let words = [&["INFO"][..], sections].concat();
    connection.send(&[&words[..]]).await?;
    match connection.reply().await? {
        Reply::Bulk(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        _ => Err(connection.complain("INFO is no text".to_owned())),
    }
}

/// Which of some counts are not zero, or are none.
fn left(info: &str, names: &[&str]) -> Vec<String> {
    let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let left = names.iter().map(|name| (name, value(name))).filter(|(_, value)| *value != Some("0"));
    left.map(|(name, value)| format!("{name} {}", value.unwrap_or("without a value"))).collect()
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
            let info = info(&mut connection, &["clients", "stats"]).await?;
            left = self::left(&info, &COUNTS);
            let bytes = Some(heap::balance()).filter(|bytes| *bytes != 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_zero_or_not_there_is_left() {
        let info = "# Clients\r\nblocked_clients:0\r\nwatching_clients:2\r\ntotal_blocking_keys:-1\r\n";
        assert!(left(info, &["blocked_clients"]).is_empty());
        let names = ["blocked_clients", "watching_clients", "total_blocking_keys", "tracking_clients"];
        let found = left(info, &names);
        assert_eq!(
            found,
            ["watching_clients 2", "total_blocking_keys -1", "tracking_clients without a value"]
        );
    }
}
