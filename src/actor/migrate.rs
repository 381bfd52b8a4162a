//! MIGRATE: talks to other servers, one after the other.
//!
//! Each talk has a thread of its own: a name may take long to find, and big values long to encode. Connections are kept
//! for a while, since keys often move in many small steps.

use super::keyspace::Keyspace;
use super::vital::Vital;
use crate::engine::server::migration::{Answer, Migration, Outcome, Target};
use crate::engine::time::Now;
use crate::runtime::net::{Address, Detached, Stream, resolve};
use crate::runtime::sync::mpsc;
use crate::runtime::{thread, time};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// Connections that are kept.
const KEPT: usize = 64;
/// Microseconds for which one is kept that nobody uses.
const KEPT_US: u64 = 10_000_000;
/// Bytes written at once: so many must leave within the time that a request allows.
const PIECE: usize = 64 << 10;

/// Why a target does not have what it was sent.
enum Failure {
    /// It said so.
    Refused(Vec<u8>),
    /// It did not answer in time.
    Late(Step),
    /// The connection is broken.
    Broken(Step),
}

/// What was being done.
#[derive(Clone, Copy)]
enum Step {
    Connect,
    Write,
    Read,
}

impl Failure {
    /// What the client is told.
    fn text(self) -> Vec<u8> {
        let what: &[u8] = match self {
            Failure::Refused(why) => {
                return [b"ERR Target instance replied with error: ".as_slice(), &why].concat();
            }
            Failure::Late(Step::Connect) | Failure::Broken(Step::Connect) => b"connecting to the client",
            Failure::Late(Step::Write) | Failure::Broken(Step::Write) => b"writing to target instance",
            Failure::Late(Step::Read) | Failure::Broken(Step::Read) => b"reading to target instance",
        };
        [b"IOERR error or timeout ".as_slice(), what].concat()
    }
}

/// A migration, and how far the engine's wall clock is ahead of this machine's, in microseconds.
pub type Errand = (Migration, i64);

/// Starts the task that carries out migrations.
pub fn start(keyspace: &Rc<Keyspace>) {
    let (migrations, inbox) = mpsc::unbounded_channel();
    keyspace.set_migrations(Some(migrations));
    Vital::Migrate.start(keyspace, serve(keyspace.clone(), inbox));
}

/// Connections that nobody uses, and since when; the longest first.
type Idle = VecDeque<(Target, Detached, u64)>;

async fn serve(keyspace: Rc<Keyspace>, mut inbox: mpsc::UnboundedReceiver<Errand>) {
    let mut idle = Idle::new();
    loop {
        let next = match idle.front() {
            None => Ok(inbox.recv().await),
            Some((.., since)) => {
                let left = (since + KEPT_US).saturating_sub(time::now().mono_us);
                time::timeout(Duration::from_micros(left), inbox.recv()).await
            }
        };
        match next {
            Ok(Some(errand)) => {
                let (client, outcome) = (errand.0.client, carry_out(errand, &mut idle).await);
                let now = keyspace.now();
                keyspace.with(now, |server| server.migrated(client, outcome, now));
            }
            Ok(None) => return,
            Err(_) => _ = idle.pop_front(),
        }
        keyspace.with_quiet(|server| server.stats.migrate_cached_sockets = idle.len() as u64);
    }
}

async fn carry_out(errand: Errand, idle: &mut Idle) -> Outcome {
    let target = errand.0.target.clone();
    let kept = idle.iter().position(|(of, ..)| *of == target).and_then(|place| idle.remove(place));
    let kept = kept.map(|(_, connection, _)| connection);
    let talk = match thread::spawn_runtime("migrate", move || talk(errand, kept)) {
        Ok(talk) => talk.join().await.ok(),
        Err(_) => None,
    };
    let lost =
        || (Outcome { error: Some(Failure::Broken(Step::Connect).text()), ..Outcome::default() }, None);
    let (outcome, connection) = talk.unwrap_or_else(lost);
    if let Some(connection) = connection {
        idle.push_back((target, connection, time::now().mono_us));
        idle.drain(..idle.len().saturating_sub(KEPT));
    }
    outcome
}

/// Hands the keys over; gives back the connection if it can be used again.
async fn talk((mut migration, ahead_us): Errand, kept: Option<Detached>) -> (Outcome, Option<Detached>) {
    let mut outcome = Outcome::default();
    let mut connection = match meet(&migration, kept).await {
        Ok(connection) => connection,
        Err(failure) => return (Outcome { error: Some(failure.text()), ..outcome }, None),
    };
    let now = time::now();
    let (requests, count) = migration.restores(Now { unix_us: now.unix_us + ahead_us, ..now });
    let exchanged = connection.exchange(&requests, count, |index, answer| match answer {
        Answer::Ok => outcome.restored.push(index),
        Answer::Error(why) => _ = outcome.error.get_or_insert_with(|| Failure::Refused(why).text()),
    });
    match exchanged.await {
        Ok(()) => (outcome, connection.stream.detach().ok()),
        Err(failure) => {
            outcome.error.get_or_insert_with(|| failure.text());
            (outcome, None)
        }
    }
}

/// A connection on which the target has agreed to what comes: the kept one unless it is broken.
async fn meet(migration: &Migration, kept: Option<Detached>) -> Result<Connection, Failure> {
    let patience = Duration::from_millis(migration.timeout_ms);
    if let Some(stream) = kept.and_then(|kept| kept.attach().ok()) {
        let mut connection = Connection { stream, patience, heard: Vec::new() };
        match connection.greet(migration).await {
            Err(Failure::Broken(_)) => {}
            greeted => return greeted.map(|()| connection),
        }
    }
    let stream = connect(&migration.target, patience).await?;
    let mut connection = Connection { stream, patience, heard: Vec::new() };
    connection.greet(migration).await?;
    Ok(connection)
}

/// Connects to the first of the target's addresses where somebody listens.
async fn connect(target: &Target, patience: Duration) -> Result<Stream, Failure> {
    let addresses = resolve(&String::from_utf8_lossy(&target.host), target.port);
    let mut failure = Failure::Broken(Step::Connect);
    for address in addresses.unwrap_or_default() {
        match time::timeout(patience, Stream::connect(&Address::Tcp(address))).await {
            Ok(Ok(stream)) => {
                // Small requests are not to wait for each other; without it they only take longer.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            // Redis notices only when it writes.
            Ok(Err(_)) => failure = Failure::Broken(Step::Write),
            Err(_) => failure = Failure::Late(Step::Connect),
        }
    }
    Err(failure)
}

struct Connection {
    stream: Stream,
    patience: Duration,
    /// What the target sent beyond the last answer.
    heard: Vec<u8>,
}

impl Connection {
    async fn greet(&mut self, migration: &Migration) -> Result<(), Failure> {
        let (requests, count) = migration.greeting();
        let mut refused = None;
        self.exchange(&requests, count, |_, answer| {
            if let Answer::Error(why) = answer {
                refused.get_or_insert(why);
            }
        })
        .await?;
        refused.map_or(Ok(()), |why| Err(Failure::Refused(why)))
    }

    /// Writes requests and reads their answers.
    async fn exchange(
        &mut self,
        requests: &[u8],
        count: usize,
        mut take: impl FnMut(usize, Answer),
    ) -> Result<(), Failure> {
        for piece in requests.chunks(PIECE) {
            let written = time::timeout(self.patience, self.stream.write_all(piece)).await;
            settle(written, Step::Write)?;
        }
        for index in 0..count {
            take(index, self.answer().await?);
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<Answer, Failure> {
        let mut room = [0; 4096];
        loop {
            match Answer::take(&mut self.heard) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(_) => return Err(Failure::Broken(Step::Read)),
            }
            let read = time::timeout(self.patience, self.stream.read(&mut room)).await;
            match settle(read, Step::Read)? {
                0 => return Err(Failure::Broken(Step::Read)),
                count => self.heard.extend_from_slice(&room[..count]),
            }
        }
    }
}

fn settle<T, E>(outcome: Result<io::Result<T>, E>, step: Step) -> Result<T, Failure> {
    match outcome {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Failure::Broken(step)),
        Err(_) => Err(Failure::Late(step)),
    }
}
