//! Clients that send batches and note what comes back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::runtime::net::Address;
use seedis::runtime::time;

use super::film;
use super::line::{Line, READ, within};
use super::recorder::Recorder;
use super::workload::known;
use crate::model::{Call, Key};
use crate::resp::{self, Reply};
use crate::scenario::{Client as Script, Leave, Step};

/// A client that the world waits for.
pub struct Seat {
    pub name: String,
    pub done: Pin<Box<dyn Future<Output = ()>>>,
}

impl Seat {
    pub fn new(name: String, node: &NodeHandle, life: impl Future<Output = ()> + Send + 'static) -> Self {
        let running = node.spawn(life);
        // Its node may have been killed: then nobody waits for it.
        Seat { name, done: Box::pin(async move { drop(running.await) }) }
    }
}

/// How long a client waits before it gives a connection up.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long it waits in a healthy world, where nothing but the server can keep it waiting: enough for a
/// long pipeline through the smallest window.
const PEACEFUL_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts a client on its node.
pub fn start(
    node: &NodeHandle,
    number: usize,
    script: &Script,
    address: Address,
    recorder: &Arc<Recorder>,
) -> Seat {
    let name = format!("client {number}");
    let client = Client {
        name: name.clone(),
        script: script.clone(),
        steps: 0,
        peaceful: 0,
        connections: 0,
        watched: Vec::new(),
        address,
        recorder: recorder.clone(),
    };
    Seat::new(name, node, client.live())
}

struct Client {
    name: String,
    script: Script,
    /// Steps done while things may go wrong, and in peace.
    steps: usize,
    peaceful: usize,
    connections: usize,
    /// What the connection watches.
    watched: Vec<Key>,
    address: Address,
    recorder: Arc<Recorder>,
}

impl Client {
    /// Does what its script says, on one connection after the other. It is done once it was served in a
    /// world in which nothing goes wrong any more.
    async fn live(mut self) {
        loop {
            let opened_in_peace = self.recorder.is_quiet();
            let Ok(mut connection) = Connection::open(&self.address, &self.recorder, &self.name).await else {
                self.recorder.tell(|| "a client cannot connect".to_owned());
                time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            self.recorder.tell(|| format!("session {} begins", connection.session));
            film::mark(&self.name, "note", 0, || format!("session {} begins", connection.session));
            self.watched.clear();
            if opened_in_peace {
                connection.wait_in_peace();
            }
            if connection.greet(self.speaks_resp3()).await.is_err() {
                time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            let Err(error) = self.converse(&mut connection).await else { return };
            self.recorder.tell(|| format!("session {} ends: {error}", connection.session));
            film::give_up(&self.name, connection.session);
            film::mark(&self.name, "note", 0, || format!("session {} ends: {error}", connection.session));
            if opened_in_peace {
                self.recorder.miss(format!("session {} in a healthy world: {error}", connection.session));
            }
        }
    }

    fn speaks_resp3(&mut self) -> bool {
        let protocols = &self.script.resp3;
        let turn = self.connections;
        self.connections += 1;
        !protocols.is_empty() && protocols[turn % protocols.len()]
    }

    /// Goes on with the script until its end, or that of the connection.
    async fn converse(&mut self, connection: &mut Connection) -> io::Result<()> {
        loop {
            let peace = self.recorder.is_quiet();
            let (steps, done) = match peace {
                true => (Some(&self.script.peaceful), &mut self.peaceful),
                false => (self.script.steps.first(), &mut self.steps),
            };
            let Some(step) = steps.and_then(|steps| steps.get(*done)).cloned() else {
                if peace {
                    return connection.loaded().await;
                }
                time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            *done += 1;
            match step {
                Step::Send(calls) => {
                    let calls = self.watching(calls);
                    connection.serve(calls).await?;
                }
                Step::Leave { bytes, how, calls } => {
                    let calls = self.watching(calls);
                    connection.abandon(&calls, bytes, how).await?;
                }
                Step::Pause(for_us) => time::sleep(Duration::from_micros(for_us)).await,
            }
        }
    }

    /// Tells transactions what the connection watches when they are sent.
    fn watching(&mut self, mut calls: Vec<Call>) -> Vec<Call> {
        for call in &mut calls {
            match call {
                Call::Command(words) if words[0].eq_ignore_ascii_case(b"WATCH") => {
                    self.watched.extend_from_slice(&words[1..]);
                }
                Call::Command(words) if words[0].eq_ignore_ascii_case(b"UNWATCH") => self.watched.clear(),
                Call::Transaction { watched, .. } => *watched = std::mem::take(&mut self.watched),
                Call::Command(_) | Call::Script(_) | Call::Crash => {}
            }
        }
        calls
    }
}

/// One connection to the server.
pub struct Connection {
    line: Line,
    pub session: u32,
    pub whose: String,
    /// How long it waits for a reply, or for room to write.
    patience: Duration,
    recorder: Arc<Recorder>,
}

impl Connection {
    /// Connects, and waits until the server has loaded.
    pub async fn open(address: &Address, recorder: &Arc<Recorder>, whose: &str) -> io::Result<Self> {
        let line = Line::open(address, TIMEOUT, READ).await?;
        let session = recorder.session(whose, Some(line.stream.connection()));
        let mut connection =
            Self { line, session, whose: whose.to_owned(), patience: TIMEOUT, recorder: recorder.clone() };
        connection.loaded().await?;
        Ok(connection)
    }

    /// Waits longer from now on, as in a healthy world.
    pub fn wait_in_peace(&mut self) {
        self.patience = PEACEFUL_TIMEOUT;
    }

    /// Waits until a PING is answered by PONG.
    pub async fn loaded(&mut self) -> io::Result<()> {
        loop {
            self.send(&[&["PING"]]).await?;
            match self.reply().await? {
                Reply::Status(text) if text == b"PONG" => return Ok(()),
                Reply::Error(text) if text.starts_with(b"LOADING ") => {
                    time::sleep(Duration::from_millis(1)).await;
                }
                other => return Err(self.complain(format!("PING is answered by {other:?}"))),
            }
        }
    }

    /// Chooses the protocol.
    pub async fn greet(&mut self, resp3: bool) -> io::Result<()> {
        if !(resp3 && known("HELLO")) {
            return Ok(());
        }
        self.send(&[&["HELLO", "3"]]).await?;
        match self.reply().await? {
            Reply::Array(_) => Ok(()),
            other => Err(self.complain(format!("HELLO 3 is answered by {other:?}"))),
        }
    }

    pub async fn send<A: AsRef<[u8]>>(&mut self, requests: &[&[A]]) -> io::Result<()> {
        within(self.patience, self.line.send(requests)).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.patience, self.line.stream.write_all(bytes)).await
    }

    /// The next reply, within the time a client waits for it.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        let patience = self.patience;
        within(patience, self.next()).await
    }

    /// When the server wrote the last reply, if that is known.
    pub fn answered_ns(&self) -> Option<u64> {
        self.line.answered_ns()
    }

    /// The next reply, however long it takes.
    pub async fn next(&mut self) -> io::Result<Reply> {
        match self.line.reply().await {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(self.complain(format!("not RESP: {error}")))
            }
            reply => reply,
        }
    }

    pub fn complain(&self, what: String) -> io::Error {
        self.recorder.complain(format!("session {}: {what}", self.session));
        io::ErrorKind::InvalidData.into()
    }

    /// Sends calls as one pipeline and notes the replies.
    async fn serve(&mut self, calls: Vec<Call>) -> io::Result<()> {
        let bytes = resp::pipeline(&calls);
        let noted: Vec<usize> =
            calls.iter().map(|call| self.recorder.invoke(self.session, call.clone())).collect();
        self.write(&bytes).await?;
        for (call, index) in calls.iter().zip(noted) {
            if let Call::Transaction { commands, .. } = call {
                self.expect("OK", "MULTI").await?;
                for _ in commands {
                    self.expect("QUEUED", "a command in MULTI").await?;
                }
            }
            let reply = self.reply().await?;
            self.recorder.settle(index, reply, self.answered_ns());
        }
        if self.line.has_more() {
            return Err(self.complain("more replies than requests".to_owned()));
        }
        Ok(())
    }

    async fn expect(&mut self, status: &str, what: &str) -> io::Result<()> {
        match self.reply().await? {
            Reply::Status(text) if text == status.as_bytes() => Ok(()),
            other => Err(self.complain(format!("{what} is answered by {other:?}"))),
        }
    }

    /// Sends a part of a pipeline and leaves, one way or another.
    async fn abandon(&mut self, calls: &[Call], bytes: usize, how: Leave) -> io::Result<()> {
        let pipeline = resp::pipeline(calls);
        for call in calls {
            self.recorder.invoke(self.session, call.clone());
        }
        self.write(&pipeline[..bytes.min(pipeline.len())]).await?;
        if how == Leave::Shutdown {
            self.line.stream.shutdown_write()?;
            // What comes back is not looked at, only waited for; a dead machine says nothing.
            while self.reply().await.is_ok() {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}
