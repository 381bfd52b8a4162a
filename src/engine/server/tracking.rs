//! Telling clients that what they have cached is stale: invalidations to those who track keys.
//!
//! Others are told at once, the client whose command runs after its reply. Broadcasts are collected and sent when a
//! batch or a tick is over.

use super::Server;
use super::delivery::Message;
use crate::engine::buggify::buggify;
use crate::engine::command::key_specs::find_keys;
use crate::engine::command::{Command, Group};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::{Args, Reply};
use crate::engine::session::{ClientId, Closing, Session};
use crate::engine::spec::Flags;
use crate::engine::tracking::{Mode, Tracker};
use std::sync::Arc;

/// Keys that the first attempt to respect `tracking-table-max-keys` forgets, as in Redis; each further one in a row as many more.
const FORGET_AT_ONCE: usize = 100;

impl Server {
    /// CLIENT TRACKING ON.
    pub fn start_tracking(&mut self, session: &mut Session, tracker: Tracker) {
        session.tracks_reads = tracker.mode != Mode::Broadcast;
        self.tracking.start(session.id, tracker);
        session.prefix_bytes = self.tracking.get(session.id).map_or(0, Tracker::prefix_bytes);
    }

    /// CLIENT TRACKING OFF, and the end of a client.
    pub fn stop_tracking(&mut self, session: &mut Session) {
        session.tracks_reads = false;
        session.prefix_bytes = 0;
        self.tracking.stop(session.id);
    }

    /// A client that tracks what it reads ran a command.
    #[cold]
    pub fn track_reads(&mut self, session: &Session, row: &Command, args: Args) {
        // Of a script, what its commands read.
        if !row.flags.has(Flags::READONLY) || row.group == Group::Scripting || row.flags.has(Flags::PUBSUB) {
            return;
        }
        let mut keys = Vec::new();
        find_keys(row, args, &mut keys);
        keys.truncate(if mutant::is_on("second-key") { 1 } else { usize::MAX });
        self.tracking.remember(session.id, keys.iter().map(|key| args.at(key.index)));
    }

    /// A key changed.
    #[cold]
    pub(super) fn invalidate(&mut self, key: &[u8], author: u64) {
        self.tracking.prefixes.note(key, author);
        let readers = self.tracking.take_readers(key, author);
        if readers.is_empty() {
            return;
        }
        let keys = encoded([key].into_iter());
        sometimes!("invalidated");
        sometimes!("own-invalidation", author != 0 && readers.contains(&author));
        let count = if mutant::is_on("first-reader") { 1 } else { usize::MAX };
        readers.into_iter().take(count).for_each(|reader| self.tell(reader, Some(&keys)));
    }

    /// Whole databases changed, so that nothing that was read is sure any more.
    pub fn invalidate_all(&mut self) {
        let trackers = if mutant::is_on("untold-flush") { Vec::new() } else { self.tracking.ids() };
        trackers.into_iter().for_each(|tracker| self.tell(tracker, None));
        self.tracking.table.clear();
    }

    /// Sends what was collected for those who asked for prefixes. Call it when a batch or a tick is over.
    #[inline]
    pub(super) fn broadcast(&mut self) {
        // What a busy script has done is not done yet.
        if self.tracking.prefixes.has_news() && !self.is_busy() {
            self.broadcast_news();
        }
    }

    #[cold]
    fn broadcast_news(&mut self) {
        for news in self.tracking.prefixes.take_news() {
            sometimes!("broadcast");
            let all =
                encoded(news.keys().take(if mutant::is_on("short-broadcast") { 1 } else { usize::MAX }));
            for client in &news.clients {
                if self.tracking.get(*client).is_some_and(|tracker| tracker.noloop) {
                    if news.keys_of_others(*client).next().is_some() {
                        self.tell(*client, Some(&encoded(news.keys_of_others(*client))));
                    }
                } else {
                    self.tell(*client, Some(&all));
                }
            }
        }
        self.settle_deliveries();
    }

    /// Forgets keys by chance until there are no more than `tracking-table-max-keys`, or as many as one call may; who has
    /// read them is told, as nobody would be later.
    pub fn limit_tracking(&mut self) {
        let limit = self.config.tracking_table_max_keys;
        let is_over = |server: &Self| limit > 0 && server.tracking.table.len() as u64 > limit;
        if !is_over(self) && !buggify!("forgotten-readers") {
            self.tracking.attempts = 0;
            return;
        }
        self.tracking.attempts += 1;
        for _ in 0..FORGET_AT_ONCE * self.tracking.attempts {
            let Some(key) = self.tracking.table.random(&mut self.rng) else { return };
            sometimes!("forgotten-reader");
            let mut readers = self.tracking.take_readers(&key, 0);
            if mutant::is_on("forgotten-reader") {
                readers.clear();
            }
            let keys = encoded([&*key].into_iter());
            readers.into_iter().for_each(|reader| self.tell(reader, Some(&keys)));
            if !is_over(self) {
                self.tracking.attempts = 0;
                return;
            }
        }
    }

    /// Tells a client that tracks, or the one it has named, that keys are stale: an encoded array of them, or all.
    fn tell(&mut self, tracker: u64, keys: Option<&Arc<[u8]>>) {
        let Some(redirect) = self.tracking.get(tracker).map(|tracker| tracker.redirect) else { return };
        let Some(own) = self.clients.find(tracker) else { return };
        if redirect == 0 {
            return self.push(own, Message::Invalidation { keys: keys.cloned(), redirected: false });
        }
        match self.clients.find(redirect).filter(|client| self.is_there(*client)) {
            Some(client) => {
                self.push(client, Message::Invalidation { keys: keys.cloned(), redirected: true });
            }
            None => {
                if let Some(tracker) = self.tracking.get_mut(tracker) {
                    tracker.broken = true;
                }
                self.push(own, Message::RedirectBroken(redirect));
            }
        }
    }

    /// Whether a client is not about to be closed; the running one is not in the table.
    fn is_there(&self, client: ClientId) -> bool {
        self.clients.get(client).is_none_or(|session| session.closing == Closing::No)
    }
}

/// Keys as an array, which is the same in both protocols.
fn encoded<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Arc<[u8]> {
    let mut reply = Reply::default();
    let start = reply.mark();
    let mut count = 0;
    for key in keys {
        reply.bulk(key);
        count += 1;
    }
    reply.array_at(start, count);
    reply.take(Vec::new()).into()
}

#[cfg(test)]
mod tests;
