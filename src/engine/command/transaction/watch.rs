//! WATCH and UNWATCH: a transaction that runs only if nobody changed certain keys.

use super::TRANSACTION;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::server::Server;
use crate::engine::session::{Session, Watched};
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags, KEY, KeyFlags, keys_from};
use crate::engine::time::Now;

const ALWAYS: Flags =
    Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "WATCH",
        arity: AtLeast(2),
        flags: ALWAYS,
        keys: &[keys_from(1, KeyFlags::RO)],
        since: "2.2.0",
        complexity: "O(1) for every key.",
        summary: "Makes the next EXEC fail if one of the keys changes before it.",
        args: &[KEY.multiple()],
        run: watch,
        ..TRANSACTION
    },
    Command {
        name: "UNWATCH",
        arity: Exactly(1),
        flags: ALWAYS,
        since: "2.2.0",
        summary: "Forgets all watched keys.",
        run: unwatch,
        ..TRANSACTION
    },
];

fn watch(call: &mut Call) -> Result {
    if call.session.transaction.is_some() {
        return Err(Error::new("ERR WATCH inside MULTI is not allowed"));
    }
    let (client, db) = (call.session.client(), call.session.db);
    // A client whose keys have changed already needs no more of them.
    if !call.server.watch.is_dirty(client) {
        let count = if mutant::is_on("first-watched") { 1 } else { usize::MAX };
        for key in call.args.from(1).iter().take(count) {
            if call.session.watched.iter().any(|watched| watched.db == db && *watched.key == *key) {
                continue;
            }
            let entry = call.server.databases[db].lookup(key);
            let expired = entry.is_some_and(|entry| entry.is_expired(call.now.unix_ms()));
            sometimes!("expired-before-watch", expired);
            call.server.watch.add(db, key, client, expired);
            call.session.watched.push(Watched { db, key: key.into() });
        }
    }
    call.reply.ok();
    Ok(())
}

fn unwatch(call: &mut Call) -> Result {
    call.server.unwatch(call.session);
    call.reply.ok();
    Ok(())
}

impl Server {
    /// Whether a guarded key has expired since WATCH, removed or not.
    pub fn watched_key_expired(&self, session: &Session, now: Now) -> bool {
        session.watched.iter().any(|Watched { db, key }| {
            let entry = self.databases[*db].lookup(key);
            let expired = entry.is_some_and(|entry| entry.is_expired(now.unix_ms()));
            expired && !self.watch.guards_expired(*db, key, session.client())
        })
    }
}
