//! Clients that send batches and note what comes back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::runtime::net::{Address, Stream};
use seedis::runtime::time;

use super::plan::Plan;
use super::recorder::Recorder;
use super::workload::{Workload, known};
use crate::model::Call;
use crate::resp::{self, Reply};

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

/// Batches that each client sends once nothing goes wrong any more.
const PEACEFUL_BATCHES: usize = 10;

/// Starts a client on its node.
pub fn start(
    node: &NodeHandle,
    seed: u64,
    index: usize,
    plan: &Plan,
    address: Address,
    recorder: &Arc<Recorder>,
) -> Seat {
    let mut client = Client {
        workload: Workload::new(seed, index, plan),
        abandon: plan.faults.abandon,
        address,
        recorder: recorder.clone(),
    };
    let batches = plan.batches;
    Seat::new(format!("client {index}"), node, async move { client.live(batches).await })
}

struct Client {
    workload: Workload,
    abandon: u32,
    address: Address,
    recorder: Arc<Recorder>,
}

impl Client {
    /// Sends its batches while things may go wrong, and some more once they no longer can.
    async fn live(&mut self, batches: usize) {
        let mut sent = 0;
        let mut sent_in_peace = 0;
        while sent_in_peace < PEACEFUL_BATCHES {
            let opened_in_peace = self.recorder.is_quiet();
            let Ok(mut connection) = Connection::open(&self.address, &self.recorder).await else {
                self.recorder.tell(|| "a client cannot connect".to_owned());
                time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            self.recorder.tell(|| format!("session {} begins", connection.session));
            self.workload.forget_watches();
            connection.patience = if opened_in_peace { PEACEFUL_TIMEOUT } else { TIMEOUT };
            if connection.greet(self.workload.draws().chance(500_000)).await.is_err() {
                time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            while sent_in_peace < PEACEFUL_BATCHES {
                let peace = self.recorder.is_quiet();
                if !peace && sent >= batches {
                    time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                let calls = self.workload.batch();
                let leave = !peace && self.workload.draws().chance(self.abandon);
                let served = match leave {
                    true => connection.abandon(&calls, &mut self.workload).await,
                    false => connection.serve(calls).await,
                };
                sent += 1;
                if let Err(error) = served {
                    self.recorder.tell(|| format!("session {} ends: {error}", connection.session));
                    if opened_in_peace {
                        self.recorder
                            .miss(format!("session {} in a healthy world: {error}", connection.session));
                    }
                    break;
                }
                sent_in_peace += usize::from(peace);
                if self.workload.draws().chance(300_000) {
                    let pause = self.workload.draws().below(200_000);
                    time::sleep(Duration::from_micros(pause)).await;
                }
            }
        }
    }
}

/// One connection to the server.
pub struct Connection {
    stream: Stream,
    pub session: u32,
    /// How long it waits for a reply, or for room to write.
    patience: Duration,
    recorder: Arc<Recorder>,
    buffer: Vec<u8>,
    /// Bytes of replies decoded so far.
    decoded: u64,
}

impl Connection {
    /// Connects, and waits until the server has loaded.
    pub async fn open(address: &Address, recorder: &Arc<Recorder>) -> io::Result<Self> {
        let stream =
            time::timeout(TIMEOUT, Stream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let session = recorder.session(Some(stream.connection()));
        let mut connection = Self {
            stream,
            session,
            patience: TIMEOUT,
            recorder: recorder.clone(),
            buffer: Vec::new(),
            decoded: 0,
        };
        connection.loaded().await?;
        Ok(connection)
    }

    async fn loaded(&mut self) -> io::Result<()> {
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
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| resp::encode(request, &mut bytes));
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        time::timeout(self.patience, self.stream.write_all(bytes))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// The next reply, within the time a client waits for it.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        time::timeout(self.patience, self.next()).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// The next reply, however long it takes.
    pub async fn next(&mut self) -> io::Result<Reply> {
        loop {
            match resp::decode(&self.buffer) {
                Ok(Some((reply, length))) => {
                    self.buffer.drain(..length);
                    self.decoded += length as u64;
                    return Ok(reply);
                }
                Ok(None) => {}
                Err(malformed) => return Err(self.complain(format!("not RESP: {}", malformed.0))),
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend(&chunk[..read]),
            }
        }
    }

    fn complain(&self, what: String) -> io::Error {
        self.recorder.complain(format!("session {}: {what}", self.session));
        io::ErrorKind::InvalidData.into()
    }

    /// Sends calls as one pipeline and notes the replies.
    async fn serve(&mut self, calls: Vec<Call>) -> io::Result<()> {
        let mut bytes = Vec::new();
        calls.iter().for_each(|call| encode(call, &mut bytes));
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
            let answered_ns = self.stream.peer_wrote_ns(self.decoded);
            self.recorder.settle(index, reply, answered_ns);
        }
        if !self.buffer.is_empty() {
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
    async fn abandon(&mut self, calls: &[Call], workload: &mut Workload) -> io::Result<()> {
        let mut bytes = Vec::new();
        for call in calls {
            encode(call, &mut bytes);
            self.recorder.invoke(self.session, call.clone());
        }
        let cut = workload.draws().below(bytes.len() as u64 + 1) as usize;
        self.write(&bytes[..cut]).await?;
        if workload.draws().chance(300_000) {
            self.stream.shutdown_write()?;
            // What comes back is not looked at, only waited for; a dead machine says nothing.
            while self.reply().await.is_ok() {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

fn encode(call: &Call, bytes: &mut Vec<u8>) {
    match call {
        Call::Command(arguments) => resp::encode(arguments, bytes),
        Call::Transaction { commands, .. } => {
            resp::encode(&["MULTI"], bytes);
            commands.iter().for_each(|command| resp::encode(command, bytes));
            resp::encode(&["EXEC"], bytes);
        }
        Call::Crash => {}
    }
}
