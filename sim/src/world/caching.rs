//! Clients that keep what they have read and are told when it changes (client-side caching).
//!
//! Whatever was invalidated before the server answered a PING comes before that answer. So what a client still has then
//! is what a GET would have shown, and is judged as one: an operation between PING and its answer that read the cached
//! value. Keys that expire are not kept, since a server may tell of their end late.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::runtime::net::Address;
use seedis::runtime::simulation::Draws;
use seedis::runtime::time;

use super::client::{Connection, Seat};
use super::recorder::Recorder;
use crate::model::{Call, Key};
use crate::resp::Reply;

/// Rounds of each client once nothing goes wrong any more.
const PEACEFUL_ROUNDS: usize = 5;

/// A client that caches, on a node.
pub fn start(
    node: &NodeHandle,
    seed: u64,
    number: usize,
    (rounds, groups): (usize, u64),
    address: Address,
    recorder: &Arc<Recorder>,
) -> Seat {
    let name = format!("caching client {number}");
    let draws = Draws::named(seed, &name);
    let mut life = Life { name: name.clone(), draws, groups, address, recorder: recorder.clone() };
    Seat::new(name, node, async move { life.live(rounds).await })
}

struct Life {
    name: String,
    draws: Draws,
    groups: u64,
    address: Address,
    recorder: Arc<Recorder>,
}

/// How a client is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Reads,
    OptIn,
    Broadcast,
}

/// A connection and what is known through it.
struct Cache {
    connection: Connection,
    mode: Mode,
    values: BTreeMap<Key, Reply>,
}

impl Life {
    async fn live(&mut self, rounds: usize) {
        let (mut done, mut in_peace) = (0, 0);
        while in_peace < PEACEFUL_ROUNDS {
            let opened_in_peace = self.recorder.is_quiet();
            let Ok(mut cache) = self.open().await else {
                time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            while in_peace < PEACEFUL_ROUNDS {
                let peace = self.recorder.is_quiet();
                if !peace && done >= rounds {
                    time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                if let Err(error) = self.round(&mut cache).await {
                    if opened_in_peace {
                        self.recorder.miss(format!("a caching client in a healthy world: {error}"));
                    }
                    break;
                }
                done += 1;
                in_peace += usize::from(peace);
                let pause_us = self.draws.below(50_000);
                time::sleep(Duration::from_micros(pause_us)).await;
            }
        }
    }

    /// One of the keys that hold strings, see the workload of others.
    fn key(&mut self, group: u64) -> Key {
        format!("g{group}:k{}", self.draws.below(3)).into_bytes()
    }

    async fn open(&mut self) -> io::Result<Cache> {
        let mut connection = Connection::open(&self.address, &self.recorder, &self.name).await?;
        connection.greet(true).await?;
        let mode = *self.draws.pick(&[Mode::Reads, Mode::Reads, Mode::OptIn, Mode::Broadcast]);
        let options: &[&str] = match mode {
            Mode::Reads => &[],
            Mode::OptIn => &["OPTIN"],
            Mode::Broadcast => &["BCAST", "PREFIX", "g"],
        };
        let mut cache = Cache { connection, mode, values: BTreeMap::new() };
        cache.connection.send(&[&[&["CLIENT", "TRACKING", "ON"], options].concat()]).await?;
        match cache.reply().await? {
            reply if reply == Reply::ok() => Ok(cache),
            other => Err(cache.connection.complain(format!("CLIENT TRACKING is answered by {other:?}"))),
        }
    }

    async fn round(&mut self, cache: &mut Cache) -> io::Result<()> {
        let group = self.draws.below(self.groups);
        match self.draws.below(10) {
            0 => {
                let words = [b"INCR".to_vec(), self.key(group)];
                cache.run(&self.recorder, &words).await?;
            }
            1..6 => {
                let words = match self.draws.chance(300_000) {
                    true => vec![b"MGET".to_vec(), self.key(group), self.key(group)],
                    false => vec![b"GET".to_vec(), self.key(group)],
                };
                let by_script = self.draws.chance(250_000);
                cache.read(&self.recorder, &words, by_script).await?;
            }
            _ => cache.serve(&self.recorder).await?,
        }
        Ok(())
    }
}

impl Cache {
    /// The next reply; what is told before it is not kept.
    async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            let reply = self.connection.reply().await?;
            let Reply::Push(items) = reply else { return Ok(reply) };
            match items.as_slice() {
                [Reply::Bulk(kind), Reply::Array(keys)] if kind == b"invalidate" => {
                    for key in keys {
                        if let Reply::Bulk(key) = key {
                            self.values.remove(key);
                        }
                    }
                }
                [Reply::Bulk(kind), Reply::Null] if kind == b"invalidate" => self.values.clear(),
                other => return Err(self.connection.complain(format!("a caching client is told {other:?}"))),
            }
        }
    }

    /// Runs a command that is noted like any client's.
    async fn run(&mut self, recorder: &Recorder, words: &[Key]) -> io::Result<Reply> {
        let noted = recorder.invoke(self.connection.session, Call::Command(words.to_vec()));
        self.connection.send(&[words]).await?;
        let reply = self.reply().await?;
        recorder.settle(noted, reply.clone(), self.connection.answered_ns());
        Ok(reply)
    }

    /// Reads keys, and keeps the values of those that do not expire.
    async fn read(&mut self, recorder: &Recorder, words: &[Key], by_script: bool) -> io::Result<()> {
        if self.mode == Mode::OptIn {
            self.connection.send(&[&["CLIENT", "CACHING", "YES"]]).await?;
            self.reply().await?;
        }
        let keys = &words[1..];
        let reply = if by_script {
            self.read_by_script(recorder, words).await?
        } else {
            self.run(recorder, words).await?
        };
        let values = match reply {
            Reply::Array(values) => values,
            value => vec![value],
        };
        for (key, value) in keys.iter().zip(values) {
            // What is of another type, MGET does not show as it is.
            if matches!(value, Reply::Bulk(_)) {
                self.values.insert(key.clone(), value);
            }
        }
        for key in keys {
            let ttl = self.run(recorder, &[b"PTTL".to_vec(), key.clone()]).await?;
            if ttl != Reply::Int(-1) {
                self.values.remove(key);
            }
        }
        Ok(())
    }

    async fn read_by_script(&mut self, recorder: &Recorder, words: &[Key]) -> io::Result<Reply> {
        let noted = recorder.invoke(self.connection.session, Call::Command(words.to_vec()));
        let script = "return redis.pcall(ARGV[1], unpack(KEYS))";
        let count = (words.len() - 1).to_string();
        let mut call = vec![b"EVAL".to_vec(), script.into(), count.into()];
        call.extend(words[1..].iter().cloned());
        call.push(words[0].clone());
        self.connection.send(&[&call]).await?;
        let reply = self.reply().await?;
        recorder.settle(noted, reply.clone(), self.connection.answered_ns());
        Ok(reply)
    }

    /// Shows what is cached, after a PING has made sure that it has been told all.
    async fn serve(&mut self, recorder: &Recorder) -> io::Result<()> {
        let session = self.connection.session;
        let get = |key: &Key| Call::Command(vec![b"GET".to_vec(), key.clone()]);
        let shown: Vec<(usize, Key)> =
            self.values.keys().map(|key| (recorder.invoke(session, get(key)), key.clone())).collect();
        self.connection.send(&[&["PING"]]).await?;
        self.reply().await?;
        let answered_ns = self.connection.answered_ns();
        for (noted, key) in shown {
            // What was not shown in the end is as good as never asked.
            if let Some(value) = self.values.get(&key) {
                recorder.settle(noted, value.clone(), answered_ns);
            }
        }
        Ok(())
    }
}
