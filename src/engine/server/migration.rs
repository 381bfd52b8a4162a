//! MIGRATE: keys on their way to another server.
//!
//! Redis stands still while it talks to the target. Here only those wait who could see a key at both servers or change
//! what was sent: all who write, as in CLIENT PAUSE WRITE, and readers that name one of the keys. So a key that was
//! handed over is deleted exactly as it was sent. A copy holds up nobody.
//!
//! What is said to the target, and what its answers mean, is here; who says it is `actor/migrate.rs`.

use super::Server;
use crate::engine::command::call::{Event, generic_event};
use crate::engine::command::key_specs::keys_of;
use crate::engine::command::keys::Access;
use crate::engine::command::table::CommandId;
use crate::engine::effect::Effect;
use crate::engine::keyspace::Entry;
use crate::engine::protocol::{Args, Argv, Reply, request};
use crate::engine::rdb::payload;
use crate::engine::session::{ClientId, Session};
use crate::engine::time::Now;

/// A line that is longer than this is no answer to what is sent.
const LONGEST_LINE: usize = 64 << 10;
const DEL: Event = generic_event("del");

/// Another server, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: Vec<u8>,
    /// Port.
    pub port: u16,
    /// Arguments of AUTH, if it is to be sent.
    pub credentials: Vec<Vec<u8>>,
}

/// Keys that are to be handed over.
#[derive(Debug)]
pub struct Migration {
    /// Who waits for it.
    pub client: ClientId,
    /// To whom.
    pub target: Target,
    /// The target's database, as it was given.
    pub db: i64,
    /// Milliseconds for which the target may keep us waiting each time.
    pub timeout_ms: u64,
    /// Keys that the target has may be replaced.
    pub replace: bool,
    /// The target may be importing their slot.
    pub asking: bool,
    /// Payloads are compressed.
    pub compress: bool,
    /// The keys as they are now, in the order of their names.
    pub entries: Vec<Entry>,
}

/// Keys that are deleted once the target has them.
#[derive(Debug)]
pub struct Moving {
    client: ClientId,
    db: usize,
    /// In the order of the entries that were sent.
    keys: Vec<Box<[u8]>>,
}

/// How a migration went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Which of the entries the target has now.
    pub restored: Vec<usize>,
    /// What went wrong, as the client is told.
    pub error: Option<Vec<u8>>,
}

/// What the target says to one request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Ok,
    /// No, and why.
    Error(Vec<u8>),
}

/// The target speaks another language.
#[derive(Debug, PartialEq, Eq)]
pub struct Gibberish;

impl Migration {
    /// What comes before all else, and how many answers it gets. Values are sent only once they are good: a target that
    /// refuses the database must not put the keys into another one.
    pub fn greeting(&self) -> (Vec<u8>, usize) {
        let (mut out, credentials) = (Vec::new(), &self.target.credentials);
        if !credentials.is_empty() {
            let mut auth = Argv::of([b"AUTH".as_slice()]);
            credentials.iter().for_each(|word| auth.push(word));
            request::encode(&mut out, auth.args().iter());
        }
        let db = self.db.to_string();
        request::encode(&mut out, [b"SELECT".as_slice(), db.as_bytes()].into_iter());
        (out, 1 + usize::from(!credentials.is_empty()))
    }

    /// A RESTORE for each of the entries, which have done their duty then, and how many answers that gets.
    pub fn restores(&mut self, now: Now) -> (Vec<u8>, usize) {
        let (mut out, entries) = (Vec::new(), std::mem::take(&mut self.entries));
        let verb: &[u8] = if self.asking { b"RESTORE-ASKING" } else { b"RESTORE" };
        let count = entries.len();
        for entry in entries {
            let key: Box<[u8]> = entry.key().into();
            // What has expired on the way lives a moment longer there: zero would mean for ever.
            let ttl = entry.expires_at().map_or(0, |at| (at - now.unix_ms()).max(1)).to_string();
            let payload = payload::dump(entry, self.compress);
            let words: [&[u8]; 5] = [verb, &key, ttl.as_bytes(), &payload, b"REPLACE"];
            let count = words.len() - usize::from(!self.replace);
            request::encode(&mut out, words[..count].iter().copied());
        }
        (out, count)
    }
}

impl Answer {
    /// Takes the next answer out of what the target sent, if it is complete.
    pub fn take(heard: &mut Vec<u8>) -> Result<Option<Answer>, Gibberish> {
        let Some(end) = heard.iter().position(|byte| *byte == b'\n') else {
            return if heard.len() > LONGEST_LINE { Err(Gibberish) } else { Ok(None) };
        };
        let line: Vec<u8> = heard.drain(..=end).collect();
        match line.trim_ascii_end().split_first() {
            Some((b'+', _)) => Ok(Some(Answer::Ok)),
            Some((b'-', why)) => Ok(Some(Answer::Error(why.into()))),
            _ => Err(Gibberish),
        }
    }
}

impl Moving {
    /// Whether a request names one of the keys, in whatever database, or has queued one that does.
    pub fn concerns(&self, server: &Server, session: &Session, id: CommandId, args: Args) -> bool {
        let names = |id, args: Args| {
            let keys = keys_of(server.commands.entry(id).row, args).unwrap_or_default();
            let moves = |name: &[u8]| self.keys.binary_search_by(|key| (**key).cmp(name)).is_ok();
            keys.iter().any(|key| moves(args.at(key.index)))
        };
        let queued = session.transaction.iter().flat_map(|transaction| &transaction.queue);
        names(id, args) || queued.into_iter().any(|(id, argv)| names(*id, argv.args()))
    }
}

impl Server {
    /// Has keys handed over to another server. They are deleted here after that, unless they are only copied.
    pub fn migrate(&mut self, migration: Migration, moves_from: Option<usize>) {
        let client = migration.client;
        if let Some(db) = moves_from {
            debug_assert!(self.pause.moving.is_none(), "whoever writes waits for the other to be over");
            let keys = migration.entries.iter().map(|entry| entry.key().into()).collect();
            self.pause.moving = Some(Moving { client, db, keys });
        }
        self.migrations.push(migration);
        self.effects.push(Effect::Migrate(client));
    }

    /// What a client asked for with [`Effect::Migrate`].
    pub fn take_migration(&mut self, client: ClientId) -> Option<Migration> {
        let place = self.migrations.iter().position(|migration| migration.client == client)?;
        Some(self.migrations.swap_remove(place))
    }

    /// A migration is over: what the target has goes, whoever was held up goes on, and the client is answered.
    pub fn migrated(&mut self, client: ClientId, outcome: Outcome, now: Now) {
        if let Some(moving) = self.pause.moving.take_if(|moving| moving.client == client) {
            self.delete_moved(moving, &outcome.restored, now);
            self.wake_paused();
            self.serve_ready(now);
        }
        // It may have left.
        let Some(mut session) = self.clients.take(client) else { return };
        session.wrote = self.propagation.offset();
        match outcome.error {
            None => _ = self.answer(&mut session, Reply::ok),
            Some(why) => self.fail_wait(&mut session, &why, now),
        }
        self.clients.put_back(session);
    }

    fn delete_moved(&mut self, moving: Moving, restored: &[usize], now: Now) {
        let (db, mut del) = (moving.db, Argv::of([b"DEL".as_slice()]));
        let access = Access { db, touch: false, now };
        for key in restored.iter().filter_map(|index| moving.keys.get(*index)) {
            // It is gone if its time was over, which was propagated.
            if self.remove(access, key) {
                self.changed(db, key, DEL);
                del.push(key);
            }
        }
        if del.args().len() > 1 {
            self.propagation.also(db, || del);
        }
        self.propagation.flush(true, &mut self.effects);
        self.settle_deliveries();
    }
}

#[cfg(test)]
mod tests;
