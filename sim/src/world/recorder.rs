//! Writes down what clients see, with the times that only the world knows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use madsim::task::NodeId;
use seedis::runtime::simulation::{SimClock, SimNet};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::pubsub::PubSub;
use super::{film, lock};
use crate::history::{FASTEST_CLOCK, Operation};
use crate::model::{Call, Moment};
use crate::output::say;
use crate::resp::Reply;

/// The longest between two ticks of the server: at `hz 1` by a slow clock, with some time to be late.
const TICK_NS: u64 = 1_500_000_000;

/// How long a batch may still be on its way from a thread of the server to another after its connection
/// is gone.
const LINGER_NS: u64 = 10_000_000;

/// The notebook of a world, shared by all its clients.
pub struct Recorder {
    clock: Arc<SimClock>,
    server: NodeId,
    verbose: bool,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    operations: Vec<Operation>,
    /// Where each of them is in the film.
    films: Vec<Option<usize>>,
    sessions: Vec<Session>,
    /// The latest that the server's clock has shown, in milliseconds.
    peak: i64,
    /// Up to when that holds.
    peaked_ns: u64,
    /// When the server has noticed at the latest that its clock has jumped, and by how many microseconds.
    jumps: Vec<(u64, i64)>,
    /// When a pause of the server ends or has ended.
    paused_until_ns: u64,
    quiet: bool,
    seen: Seen,
}

/// Whose a session is, and which connection of the network.
struct Session {
    whose: String,
    connection: Option<u64>,
}

/// What a world leaves to be judged.
#[derive(Clone, Default)]
pub struct Seen {
    pub operations: Vec<Operation>,
    pub pubsub: PubSub,
    /// What a client itself knows to be wrong.
    pub complaints: Vec<String>,
    /// Replies that did not come although nothing was in their way.
    pub misses: Vec<String>,
    /// Hash of every reply and when it came.
    pub trace: u64,
}

impl Recorder {
    pub fn new(server: NodeId, verbose: bool) -> Self {
        Self { clock: SimClock::current(), server, verbose, notes: Mutex::default() }
    }

    /// A number for a new session, which is a connection of the network if it is a client's.
    pub fn session(&self, whose: &str, connection: Option<u64>) -> u32 {
        let mut notes = lock(&self.notes);
        notes.sessions.push(Session { whose: whose.to_owned(), connection });
        let number = notes.sessions.len() as u32 - 1;
        drop(notes);
        self.tell(|| format!("session {number} is one of {whose}"));
        number
    }

    pub fn true_ns(&self) -> u64 {
        self.clock.true_ns()
    }

    /// The earliest and the latest that the server may take its clock to show. It reads the wall clock
    /// once a tick, and counts on by the monotonic one: so a jump that it has noticed at the latest since
    /// `since_ns` may have been unknown to it for all but the end of that time.
    fn server_ms(&self, notes: &Notes, since_ns: u64) -> (i64, i64) {
        let (now, true_ns) = (self.clock.now(self.server), self.clock.true_ns());
        let (mut low, mut high, mut before_us) = (now.unix_ms(), now.unix_ms(), now.unix_us);
        for &(noticed_ns, jump_us) in
            notes.jumps.iter().rev().take_while(|(noticed_ns, _)| *noticed_ns >= since_ns)
        {
            before_us -= jump_us;
            let ago_us = true_ns.saturating_sub(noticed_ns) as f64 / 1e3;
            let then_us = |rate: f64| before_us - (ago_us * rate) as i64;
            // Half a millisecond may decide.
            low = low.min(then_us(1.0 + FASTEST_CLOCK).div_euclid(1000) - 1);
            high = high.max(then_us(1.0 - FASTEST_CLOCK).div_euclid(1000) + 1);
        }
        (low, high)
    }

    /// Has the peak be what the server's clock may have shown up to now.
    fn follow_peak(&self, notes: &mut Notes) {
        notes.peak = notes.peak.max(self.server_ms(notes, notes.peaked_ns).1);
        notes.peaked_ns = self.clock.true_ns();
    }

    /// A client sends a call. Returns where it is noted.
    pub fn invoke(&self, session: u32, call: Call) -> usize {
        let mut notes = lock(&self.notes);
        self.follow_peak(&mut notes);
        let (earliest, latest) = self.server_ms(&notes, self.clock.true_ns());
        let moment = Moment { earliest, latest, peak: notes.peak };
        let begin_ns = self.clock.true_ns();
        let film = film::begin(|| film::Span {
            lane: notes.sessions[session as usize].whose.clone(),
            session,
            text: call.to_string(),
            keys: call.keys().iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect(),
            begin_ns,
            ..film::Span::default()
        });
        notes.films.push(film);
        notes.operations.push(Operation {
            session,
            call,
            invoked_ns: begin_ns,
            returned: None,
            until_ns: u64::MAX,
            answered_ns: None,
            moment,
        });
        notes.operations.len() - 1
    }

    /// The reply is there; the server wrote it at `answered_ns`.
    pub fn settle(&self, index: usize, reply: Reply, answered_ns: Option<u64>) {
        let true_ns = self.clock.true_ns();
        let mut notes = lock(&self.notes);
        self.follow_peak(&mut notes);
        let (earliest, latest) = self.server_ms(&notes, notes.operations[index].invoked_ns);
        let peak = notes.peak;
        film::end(notes.films[index], || format!("{reply:?}"), answered_ns);
        notes.seen.trace = xxh3_64_with_seed(format!("{true_ns} {reply:?}").as_bytes(), notes.seen.trace);
        let operation = &mut notes.operations[index];
        operation.moment.earliest = operation.moment.earliest.min(earliest);
        operation.moment.latest = operation.moment.latest.max(latest);
        operation.moment.peak = peak;
        operation.answered_ns = answered_ns;
        operation.returned = Some((true_ns, reply));
        if self.verbose {
            say!("{operation}");
        }
    }

    /// The server's clock jumps: what is under way may see both times.
    pub fn jump(&self, delta_us: i64) {
        self.clock.jump(self.server, delta_us);
        let mut notes = lock(&self.notes);
        let noticed_ns = self.clock.true_ns().max(notes.paused_until_ns) + TICK_NS;
        notes.jumps.push((noticed_ns, delta_us));
        self.follow_peak(&mut notes);
        let (low, high) = self.server_ms(&notes, self.clock.true_ns());
        for operation in notes.operations.iter_mut().filter(|operation| operation.returned.is_none()) {
            let moment = &mut operation.moment;
            moment.earliest = moment.earliest.min(low);
            moment.latest = moment.latest.max(high);
        }
    }

    /// The server will do nothing for so long: what it has not noticed yet, it notices later.
    pub fn pause(&self, lasts: Duration) {
        let (now_ns, mut notes) = (self.clock.true_ns(), lock(&self.notes));
        let lasts_ns = lasts.as_nanos() as u64;
        notes.paused_until_ns = now_ns + lasts_ns;
        notes
            .jumps
            .iter_mut()
            .filter(|(noticed_ns, _)| *noticed_ns >= now_ns)
            .for_each(|(at, _)| *at += lasts_ns);
    }

    /// A client has seen something that needs no checker to be wrong.
    pub fn complain(&self, what: String) {
        lock(&self.notes).seen.complaints.push(what);
    }

    /// A client was not served although nothing was in the way.
    pub fn miss(&self, what: String) {
        lock(&self.notes).seen.misses.push(what);
    }

    pub fn note_pubsub(&self, note: impl FnOnce(&mut PubSub)) {
        note(&mut lock(&self.notes).seen.pubsub);
    }

    /// Something happened that is worth a line.
    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.verbose {
            say!("{:>12.6} {}", self.clock.true_ns() as f64 / 1e9, what());
        }
    }

    /// Nothing will go wrong from now on.
    pub fn be_quiet(&self) {
        lock(&self.notes).quiet = true;
    }

    pub fn is_quiet(&self) -> bool {
        lock(&self.notes).quiet
    }

    /// Closes the notebook. What was never answered may have happened at any time up to now.
    pub fn finish(&self) -> Seen {
        let net = SimNet::current();
        let mut notes = lock(&self.notes);
        self.follow_peak(&mut notes);
        let peak = notes.peak;
        let mut seen = std::mem::take(&mut notes.seen);
        seen.operations = std::mem::take(&mut notes.operations);
        // A read without a reply tells nothing and changes nothing.
        seen.operations.retain(|operation| operation.returned.is_some() || !operation.call.is_read());
        for operation in seen.operations.iter_mut().filter(|operation| operation.returned.is_none()) {
            operation.moment.latest = operation.moment.latest.max(peak);
            operation.moment.peak = peak;
            let connection = notes.sessions[operation.session as usize].connection;
            let gone_ns = connection.and_then(|connection| net.gone_ns(connection));
            operation.until_ns = gone_ns.map_or(u64::MAX, |gone_ns| gone_ns + LINGER_NS);
        }
        seen
    }
}
