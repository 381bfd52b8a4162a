//! Clients count while the server loses its power: nobody may be told a number that somebody was told before.
#![cfg(madsim)]

use std::{collections::BTreeSet, io, time::Duration};

use seedis::simulation::{Address, Death, Machine, Server, check, connect, find, sleep, timeout};

/// The workload: tries to count to 30, and gives the numbers it was told.
async fn count(server: Address) -> Vec<i64> {
    let mut told = Vec::new();
    for _ in 0..30 {
        match timeout(Duration::from_secs(1), increment(&server)).await {
            Ok(Ok(number)) => told.push(number),
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
    told
}

async fn increment(server: &Address) -> io::Result<i64> {
    let (mut stream, mut reply) = (connect(server).await?, Vec::new());
    stream.write_all(b"INCR counter\r\n").await?;
    while !reply.ends_with(b"\r\n") {
        reply.push(0);
        stream.read_exact(reply.last_mut().map(std::slice::from_mut).unwrap()).await?;
    }
    String::from_utf8_lossy(&reply[1..]).trim().parse().map_err(io::Error::other)
}

/// The world of a seed, and the checker: all that was told is distinct.
async fn life(seed: u64, config: &str) {
    let server = Server::start(config);
    let clients = [1, 2, 3].map(|n| Machine::new(&format!("client {n}")).spawn(count(server.address())));
    sleep(Duration::from_micros(400 * seed)).await;
    server.machine().kill(Death::Power);
    server.machine().restart();
    let mut told = Vec::new();
    for client in clients {
        told.extend(client.await.expect("nobody kills a client"));
    }
    assert_eq!(BTreeSet::from_iter(&told).len(), told.len(), "told twice: {told:?}");
}

#[test]
fn nobody_is_told_a_number_twice() {
    check(0..50, |seed| life(seed, "appendonly yes\nappendfsync always"));
    // It would be seen: without a file everything begins anew.
    assert!(find(0..50, |seed| life(seed, "")).is_some());
}
