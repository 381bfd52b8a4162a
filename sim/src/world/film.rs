//! What a world looked like from outside, written down for a person: see [`crate::report`]. Nothing is
//! written, and nothing costs time, unless somebody asked for it; the world never reads it.

use std::sync::Mutex;

use seedis::runtime::simulation::{DiskEvent, SimClock, SimDisk};

use super::lock;
use crate::history::Operation;

/// Something a client asked for.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// Who asked: `client 3`.
    pub lane: String,
    pub session: u32,
    pub text: String,
    pub keys: Vec<String>,
    pub begin_ns: u64,
    pub end_ns: Option<u64>,
    /// When its connection was given up, without a reply.
    pub gone_ns: Option<u64>,
    /// When the server wrote the reply.
    pub answered_ns: Option<u64>,
    pub reply: Option<String>,
    /// It cannot be explained.
    pub is_offending: bool,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Where: a client, `server` or `disk`.
    pub lane: String,
    /// What sort of thing: `fault`, `down`, `peace`, `message`, `disk`, `note`, or the level of a log line.
    pub kind: String,
    pub text: String,
    pub at_ns: u64,
    pub lasts_ns: u64,
}

/// All of a world.
#[derive(Clone, Debug, Default)]
pub struct Film {
    pub spans: Vec<Span>,
    pub marks: Vec<Mark>,
}

/// A process runs one world.
static FILM: Mutex<Option<Film>> = Mutex::new(None);

/// Begins to write down.
pub fn start() {
    *lock(&FILM) = Some(Film::default());
}

pub fn is_on() -> bool {
    lock(&FILM).is_some()
}

/// What was written, which ends it.
pub fn take() -> Film {
    lock(&FILM).take().unwrap_or_default()
}

/// A client asks for something. Returns where it is noted.
pub fn begin(span: impl FnOnce() -> Span) -> Option<usize> {
    let mut film = lock(&FILM);
    let film = film.as_mut()?;
    film.spans.push(span());
    Some(film.spans.len() - 1)
}

/// What it got.
pub fn end(index: Option<usize>, reply: impl FnOnce() -> String, answered_ns: Option<u64>) {
    let (Some(index), Some(film)) = (index, &mut *lock(&FILM)) else { return };
    let span = &mut film.spans[index];
    span.end_ns = Some(SimClock::current().true_ns());
    span.reply = Some(reply());
    span.answered_ns = answered_ns;
}

/// A client has given a connection up: what it still waits for there will not come.
pub fn give_up(lane: &str, session: u32) {
    if let Some(film) = &mut *lock(&FILM) {
        let now_ns = SimClock::current().true_ns();
        let of_session = |span: &&mut Span| span.session == session && span.lane == lane;
        for span in film.spans.iter_mut().filter(of_session).filter(|span| span.end_ns.is_none()) {
            span.gone_ns.get_or_insert(now_ns);
        }
    }
}

/// Something happens now.
pub fn mark(lane: &str, kind: &str, lasts_ns: u64, text: impl FnOnce() -> String) {
    if let Some(film) = &mut *lock(&FILM) {
        let at_ns = SimClock::current().true_ns();
        let [lane, kind] = [lane, kind].map(str::to_owned);
        film.marks.push(Mark { lane, kind, text: text(), at_ns, lasts_ns });
    }
}

/// Something that began at this moment ends now.
pub fn mark_since(lane: &str, kind: &str, at_ns: u64, text: impl FnOnce() -> String) {
    if let Some(film) = &mut *lock(&FILM) {
        let lasts_ns = SimClock::current().true_ns() - at_ns;
        let [lane, kind] = [lane, kind].map(str::to_owned);
        film.marks.push(Mark { lane, kind, text: text(), at_ns, lasts_ns });
    }
}

/// What a client asked for, by its place, cannot be explained.
pub fn offend(index: Option<usize>) {
    if let (Some(index), Some(film)) = (index, &mut *lock(&FILM)) {
        film.spans[index].is_offending = true;
    }
}

/// The same of operations that were judged.
pub fn offend_operations(operations: &[&Operation]) {
    let Some(film) = &mut *lock(&FILM) else { return };
    for operation in operations {
        let text = operation.call.to_string();
        for span in &mut film.spans {
            span.is_offending |= span.session == operation.session
                && span.begin_ns == operation.invoked_ns
                && span.end_ns == operation.returned.as_ref().map(|(at_ns, _)| *at_ns)
                && span.text == text;
        }
    }
}

/// What the disks did. At the end of the world, within it.
pub fn add_disks() {
    if let Some(film) = &mut *lock(&FILM) {
        for event in SimDisk::current().recorded() {
            let DiskEvent { at_ns, what, succeeded } = event;
            let kind = if succeeded { "disk" } else { "failed-disk" }.to_owned();
            let text = if succeeded { what.to_owned() } else { format!("{what} fails") };
            film.marks.push(Mark { lane: "disk".to_owned(), kind, text, at_ns, lasts_ns: 0 });
        }
    }
}
