//! `maxmemory` holds: once nothing happens any more, keys have been evicted until the rest fits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::runtime::net::Address;
use seedis::runtime::time;

use super::client::{Connection, Seat};
use super::recorder::Recorder;
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
    connection.send(&[&["INFO", "memory"]]).await?;
    let Reply::Bulk(text) = connection.reply().await? else {
        return Err(connection.complain("INFO is no text".to_owned()));
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0)
    };
    let (used, limit) = (field("used_memory"), field("maxmemory"));
    if used > limit {
        return Err(connection.complain(format!("{used} bytes are used where {limit} are the limit")));
    }
    Ok(())
}
