//! ACL LOG: what was refused lately. What happens again within a minute is counted, not listed again.

use super::Reason;
use std::collections::VecDeque;

/// Where a refused call came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A client.
    Toplevel,
    /// A transaction.
    Multi,
    /// A script.
    Script,
    /// A module.
    Module,
}

impl Context {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Context::Toplevel => "toplevel",
            Context::Multi => "multi",
            Context::Script => "lua",
            Context::Module => "module",
        }
    }
}

impl Reason {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Auth => "auth",
            Reason::Channel => "channel",
            Reason::Certificate => "tls-cert",
        }
    }
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What was refused.
    pub reason: Reason,
    /// Where it came from.
    pub context: Context,
    /// The command, the key, the channel.
    pub object: Vec<u8>,
    /// Who was refused it, or tried to log in.
    pub user: Vec<u8>,
}

/// What the log says about a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// How often.
    pub count: u64,
    /// The client, the last time.
    pub client: String,
    /// Grows by one with each entry.
    pub id: u64,
    /// The first time, Unix milliseconds.
    pub created: i64,
    /// The last time, Unix milliseconds.
    pub updated: i64,
}

/// Entries within which the same event is looked for.
const LOOKED_AT: usize = 10;
/// Milliseconds after which the same event is another one.
const SAME_FOR: i64 = 60_000;

/// The latest entries first.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// Adds an event, or counts it with the same one of lately.
    pub fn add(&mut self, event: Event, client: String, now_ms: i64, max_len: u64) {
        let same = |entry: &Entry| (now_ms - entry.updated).abs() <= SAME_FOR && entry.event == event;
        let known = self.entries.iter().take(LOOKED_AT).position(same);
        if let Some(mut entry) = known.and_then(|at| self.entries.remove(at)) {
            entry.count += 1;
            (entry.client, entry.updated) = (client, now_ms);
            self.entries.push_front(entry);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(Entry { event, count: 1, client, id, created: now_ms, updated: now_ms });
        self.entries.truncate(usize::try_from(max_len).unwrap_or(usize::MAX));
    }
    /// The entries, the latest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }
    /// Forgets the entries; numbers go on.
    pub fn reset(&mut self) {
        self.entries = VecDeque::new();
    }
}
