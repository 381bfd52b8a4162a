//! What the clients know, and what must be found again after a crash.
//!
//! Each client is the only one that writes its keys, one unit after the other. So what is found again of its
//! keys must be what they were after some unit: how many units that were is compared with
//!
//! - its *floor*: the units that were promised to last;
//! - those of the others: of two units, if one was answered before the other was sent, the second cannot
//!   be there without the first.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use seedis::runtime::simulation::SimClock;

use super::super::{film, lock};
use super::data::{Data, SHARED, Value};
use super::workload::{Frame, Unit, counter};
use crate::output::say;
use crate::resp::Reply;

/// A unit that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    unit: Unit,
    sent_ns: u64,
    answered_ns: Option<u64>,
    /// The server said that it did nothing.
    refused: bool,
}

/// What a client did since a moment at which its keys were known.
#[derive(Clone, Debug, Default)]
pub struct History {
    base: Data,
    sent: Vec<Sent>,
    /// Where each of them is in the film.
    films: Vec<Option<usize>>,
    /// Units that must be found again.
    floor: usize,
    /// What the keys were after so many units, which the others have seen.
    seen: Option<(usize, Data)>,
    /// It has a client now.
    is_written: bool,
}

/// When promises hold.
#[derive(Clone, Copy, Debug, Default)]
struct Promises {
    /// Since when what is answered is durable.
    durable_ns: Option<u64>,
    /// Since when what is answered is durable some time later.
    soon_ns: Option<u64>,
}

/// The notebook of all clients.
pub struct Notes {
    clock: std::sync::Arc<SimClock>,
    verbose: bool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    histories: Vec<History>,
    promises: Promises,
    /// Since when nothing fails any more, in this life.
    healed_ns: Option<u64>,
    complaints: Vec<Finding>,
    answered: u64,
}

/// Something that no right server shows: the check that found it, and what it is, for a person.
pub type Finding = (&'static str, String);

/// What must be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promised {
    /// What was promised to last.
    Floor,
    /// All that was answered.
    All,
    /// Nothing in particular, but no half.
    Nothing,
}

/// What was found of a client's keys, and between which moments of the server's clock.
pub struct Found {
    pub data: Data,
    pub from_ms: i64,
    pub until_ms: i64,
}

/// The clock of a server and that of a check may differ by its cached time.
const SLACK_MS: i64 = 1_200;

impl Notes {
    pub fn new(clients: usize, verbose: bool) -> Self {
        let inner = Inner { histories: vec![History::default(); clients], ..Inner::default() };
        Self { clock: SimClock::current(), verbose, inner: Mutex::new(inner) }
    }

    /// Something happened that is worth a line.
    pub fn tell(&self, what: impl Fn() -> String) {
        film::mark("server", "note", 0, &what);
        if self.verbose {
            say!("{:>12.6} {}", self.now_ns() as f64 / 1e9, what());
        }
    }

    pub fn now_ns(&self) -> u64 {
        self.clock.true_ns()
    }

    /// A client sends a unit. Returns where it is noted.
    pub fn send(&self, client: usize, unit: Unit) -> usize {
        let film = film::begin(|| filmed(client, &unit, self.now_ns()));
        let sent = Sent { unit, sent_ns: self.now_ns(), answered_ns: None, refused: false };
        let history = &mut lock(&self.inner).histories[client];
        history.films.push(film);
        history.sent.push(sent);
        history.sent.len() - 1
    }

    /// The reply is there.
    pub fn answer(&self, client: usize, index: usize, reply: &Reply) {
        let now_ns = self.now_ns();
        let mut inner = lock(&self.inner);
        inner.answered += 1;
        let durable_ns = inner.promises.durable_ns;
        let history = &mut inner.histories[client];
        let sent = &mut history.sent[index];
        sent.answered_ns = Some(now_ns);
        film::end(history.films[index], || format!("{reply:?}"), None);
        sent.refused = is_refusal(reply);
        // A refusal says nothing of what came before, which another policy may have let go.
        if !sent.refused && durable_ns.is_some_and(|since_ns| sent.sent_ns >= since_ns) {
            history.floor = history.floor.max(index + 1);
        }
        if let Reply::Array(items) = reply
            && items.iter().any(is_refusal)
        {
            let what = format!("client {client}: half of a transaction was refused: {reply:?}");
            inner.complaints.push(("whole transactions", what));
        }
    }

    /// All that a client was answered so far lasts.
    pub fn raise_own(&self, client: usize) {
        self.tell(|| format!("client {client}: what it wrote is on the disk"));
        let history = &mut lock(&self.inner).histories[client];
        let answered = history.sent.iter().take_while(|sent| sent.answered_ns.is_some()).count();
        history.floor = history.floor.max(answered);
    }

    /// All that was answered up to a moment lasts.
    pub fn raise(&self, until_ns: u64) {
        lock(&self.inner).raise(0, until_ns);
    }

    /// A client looked at the counter of another. What it saw lasts, if what is answered does.
    pub fn saw(&self, whose: usize, count: i64, asked_ns: u64) {
        let mut inner = lock(&self.inner);
        if inner.promises.durable_ns.is_none_or(|since_ns| asked_ns < since_ns) {
            return;
        }
        let history = &mut inner.histories[whose];
        let (mut units, mut data) = history.seen.take().unwrap_or_else(|| (0, history.base.clone()));
        let counted = |data: &Data| match data.get(SHARED, &counter(whose)).map(|item| &item.value) {
            Some(Value::Text(text)) => String::from_utf8_lossy(text).parse().unwrap_or(0),
            _ => 0,
        };
        while counted(&data) < count {
            let Some(sent) = history.sent.get(units) else {
                let what = format!("the counter of client {whose} shows {count}, which it did not count");
                inner.complaints.push(("counters", what));
                return;
            };
            if !sent.refused {
                sent.unit.run(&mut data);
            }
            units += 1;
        }
        history.floor = history.floor.max(units);
        history.seen = Some((units, data));
    }

    /// From now on what is answered is durable, or durable soon, or neither.
    pub fn promise(&self, durable: bool, soon: bool) {
        let now_ns = self.now_ns();
        let promises = &mut lock(&self.inner).promises;
        promises.durable_ns = durable.then(|| promises.durable_ns.unwrap_or(now_ns));
        promises.soon_ns = soon.then(|| promises.soon_ns.unwrap_or(now_ns));
    }

    pub fn complain(&self, check: &'static str, what: String) {
        lock(&self.inner).complaints.push((check, what));
    }

    pub fn complaint(&self) -> Option<Finding> {
        lock(&self.inner).complaints.first().cloned()
    }

    /// Units that were answered.
    pub fn answered(&self) -> u64 {
        lock(&self.inner).answered
    }

    /// A client begins to write.
    pub fn works(&self, client: usize) {
        lock(&self.inner).histories[client].is_written = true;
    }

    /// From now on nothing fails any more.
    pub fn healed(&self) {
        lock(&self.inner).healed_ns = Some(self.now_ns());
    }

    /// Whether nothing fails any more.
    pub fn is_healed(&self) -> bool {
        lock(&self.inner).healed_ns.is_some()
    }

    /// Whether a client has, since nothing fails any more, sent something and got an answer that is no refusal.
    pub fn is_served(&self, client: usize) -> bool {
        let inner = lock(&self.inner);
        inner.histories[client].is_served_since(inner.healed_ns)
    }

    /// Whether every client that writes has.
    pub fn are_all_served(&self) -> bool {
        let inner = lock(&self.inner);
        let mut written = inner.histories.iter().filter(|history| history.is_written);
        written.all(|history| history.is_served_since(inner.healed_ns))
    }

    /// Whether a client may have had all flushed since a moment.
    pub fn flushed_since(&self, moment_ns: u64) -> bool {
        let flushes = |sent: &Sent| {
            let late = sent.answered_ns.is_none_or(|answered_ns| answered_ns >= moment_ns);
            late && sent.unit.commands.iter().any(|(_, words)| words[0] == b"FLUSHALL")
        };
        lock(&self.inner).histories.iter().any(|history| history.sent.iter().any(flushes))
    }

    /// The server died. What had been answered so long before that it must be durable is.
    pub fn crashed(&self, died_ns: u64, soon_ns: u64) {
        let mut inner = lock(&self.inner);
        if let Some(since_ns) = inner.promises.soon_ns {
            inner.raise(since_ns, died_ns.saturating_sub(soon_ns));
        }
        inner.promises = Promises::default();
        inner.healed_ns = None;
    }

    /// Compares what was found with what may be. Returns how many units of each client there were.
    pub fn judge(&self, found: &[Found], promised: Promised) -> Result<Vec<usize>, Finding> {
        let inner = lock(&self.inner);
        let mut fewest = Vec::new();
        let mut most = Vec::new();
        for (client, (history, found)) in inner.histories.iter().zip(found).enumerate() {
            let matching = history.matching(found);
            let (Some(first), Some(last)) = (matching.first(), matching.last()) else {
                history.offend_writers(found);
                return Err(("whole units", format!("client {client}: {}", history.explain(found))));
            };
            let floor = match promised {
                Promised::Floor => history.floor,
                Promised::All => history.answered(),
                Promised::Nothing => 0,
            };
            if *last < floor {
                history.films[*last..floor].iter().for_each(|film| film::offend(*film));
                let next = &history.sent[*last];
                let what = format!(
                    "client {client}: {last} units are there, {floor} were promised; the next was {next}"
                );
                return Err(("promises", what));
            }
            fewest.push(*first);
            most.push(*last);
        }
        let newest = inner.histories.iter().zip(&fewest).filter_map(|(history, units)| {
            let there = history.sent[..*units].iter().rfind(|sent| !sent.refused)?;
            Some(there.sent_ns)
        });
        let newest_ns = newest.max().unwrap_or(0);
        for (client, (history, units)) in inner.histories.iter().zip(&most).enumerate() {
            let missing = history.sent[*units..].iter().position(|sent| {
                !sent.refused && sent.answered_ns.is_some_and(|answered_ns| answered_ns < newest_ns)
            });
            if let Some(missing) = missing.map(|place| place + units) {
                film::offend(history.films[missing]);
                let missing = &history.sent[missing];
                let what = format!(
                    "client {client}: {units} units are there; {missing} is not, although one is there that was sent at \
                     {newest_ns}"
                );
                return Err(("order of clients", what));
            }
        }
        Ok(most)
    }

    /// Goes on from what was found, so many units of each client. It is durable.
    pub fn go_on(&self, units: &[usize]) {
        for (history, units) in lock(&self.inner).histories.iter_mut().zip(units) {
            let mut base = history.base.clone();
            for sent in history.sent[..*units].iter().filter(|sent| !sent.refused) {
                sent.unit.run(&mut base);
            }
            *history = History { base, ..History::default() };
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, sent at {} ns", shown(&self.unit), self.sent_ns)?;
        self.answered_ns.map_or(Ok(()), |answered_ns| write!(f, ", answered at {answered_ns} ns"))
    }
}

/// A unit for a person.
fn shown(unit: &Unit) -> String {
    let words = |command: &[Vec<u8>]| {
        let words =
            command.iter().map(|word| String::from_utf8_lossy(&word[..word.len().min(40)]).into_owned());
        words.collect::<Vec<_>>().join(" ")
    };
    let commands: Vec<String> = unit.commands.iter().map(|(_, command)| words(command)).collect();
    let text = commands.join("; ");
    match unit.frame {
        Frame::None => text,
        Frame::Transaction => format!("MULTI {{ {text} }} EXEC"),
        Frame::Script => format!("a script {{ {text} }}"),
    }
}

/// The same in the film.
fn filmed(client: usize, unit: &Unit, begin_ns: u64) -> film::Span {
    let keys = unit.commands.iter().filter_map(|(_, command)| command.get(1));
    let keys: BTreeSet<_> = keys.collect();
    film::Span {
        lane: format!("client {client}"),
        text: shown(unit),
        keys: keys.into_iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect(),
        begin_ns,
        ..film::Span::default()
    }
}

impl Inner {
    fn raise(&mut self, since_ns: u64, until_ns: u64) {
        for history in &mut self.histories {
            let lasts = |sent: &Sent| {
                sent.sent_ns >= since_ns && sent.answered_ns.is_some_and(|answered_ns| answered_ns < until_ns)
            };
            let units = history.sent.iter().rposition(lasts).map_or(0, |index| index + 1);
            history.floor = history.floor.max(units);
        }
    }
}

/// Whether a server says with this that it did nothing.
pub fn is_refusal(reply: &Reply) -> bool {
    let starts = [&b"MISCONF"[..], b"LOADING", b"EXECABORT", b"NOAUTH", b"OOM"];
    matches!(reply, Reply::Error(text) if starts.iter().any(|start| text.starts_with(start)))
}

impl History {
    /// Not since a moment that never was.
    fn is_served_since(&self, moment_ns: Option<u64>) -> bool {
        let Some(moment_ns) = moment_ns else { return false };
        let served = |sent: &Sent| sent.sent_ns >= moment_ns && sent.answered_ns.is_some() && !sent.refused;
        self.sent.iter().rev().any(served)
    }

    fn answered(&self) -> usize {
        self.sent.iter().rposition(|sent| sent.answered_ns.is_some()).map_or(0, |index| index + 1)
    }

    /// After how many units the keys were what was found.
    fn matching(&self, found: &Found) -> Vec<usize> {
        let mut data = self.base.clone();
        let mut matching = Vec::new();
        for units in 0..=self.sent.len() {
            if data.hash() == found.data.hash() && agree_on_volatile(&data, found) {
                matching.push(units);
            }
            if let Some(sent) = self.sent.get(units).filter(|sent| !sent.refused) {
                sent.unit.run(&mut data);
            }
        }
        matching
    }

    /// Shows which units wrote last to the keys that differ from what was promised.
    fn offend_writers(&self, found: &Found) {
        let mut data = self.base.clone();
        let done = &self.sent[..self.answered().max(self.floor)];
        done.iter().filter(|sent| !sent.refused).for_each(|sent| sent.unit.run(&mut data));
        for (database, key) in found.data.differing(&data) {
            let writes = |sent: &Sent| sent.unit.names(database, &key);
            film::offend(done.iter().rposition(writes).and_then(|place| self.films[place]));
        }
    }

    fn explain(&self, found: &Found) -> String {
        let mut data = self.base.clone();
        let mut text = String::new();
        for units in 0..=self.sent.len() {
            if data.hash() == found.data.hash() {
                text += &format!("after {units} units only keys with short lives differ: expected ");
                text += &format!("{:?}, found ", data.volatile().collect::<Vec<_>>());
                text += &format!("{:?}\n", found.data.volatile().collect::<Vec<_>>());
            }
            if units == self.floor || units == self.sent.len() {
                text += &format!("what is there is not what was after {units} units (found / expected):\n");
                text += &found.data.differences(&data);
            }
            if let Some(sent) = self.sent.get(units).filter(|sent| !sent.refused) {
                sent.unit.run(&mut data);
            }
        }
        format!("no prefix of its {} units, of which {} were promised:\n{text}", self.sent.len(), self.floor)
    }
}

/// Whether the keys that may have ended meanwhile can be what was found.
fn agree_on_volatile(data: &Data, found: &Found) -> bool {
    let alive = |until: Option<i64>, at_ms: i64| until.is_none_or(|until| until > at_ms);
    let expected = data.volatile().all(|(database, key, item)| match found.data.get(database, key) {
        Some(there) => there == item && alive(item.until, found.from_ms - SLACK_MS),
        None => !alive(item.until, found.until_ms + SLACK_MS),
    });
    expected && found.data.volatile().all(|(database, key, _)| data.get(database, key).is_some())
}
