//! Clients that wait: who waits for which keys, who is served when a key is ready, how any wait ends.
//!
//! A command that finds nothing calls `Call::block_on` and is kept as it came. A change to a key that
//! somebody waits for (`Server::changed`) only notes the key. Once the command, the transaction or the
//! tick that made the change is over, `Server::serve_ready` runs the kept commands again, those first
//! that came first, each as its own unit of propagation.

use super::Server;
use crate::engine::command::dispatch;
use crate::engine::effect::Effect;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::Reply;
use crate::engine::session::{Awaited, Blocked, ClientId, Closing, KeyWait, Session, Waiting};
use crate::engine::time::Now;
use std::collections::{BTreeMap, VecDeque};

/// Who waits for keys, and which keys are to be looked at.
#[derive(Debug, Default)]
pub struct Blocking {
    /// By number of the database, as far as anybody waits there.
    databases: Vec<BTreeMap<Box<[u8]>, Queue>>,
    /// Keys that may have what somebody waits for, in the order in which they got it.
    ready: VecDeque<(usize, Box<[u8]>)>,
    /// Clients that wait for keys.
    clients: usize,
    last_ticket: u64,
    /// The command that is being run again.
    pub resumed: Option<Resumed>,
}

/// Those who wait for one key.
#[derive(Debug, Default)]
struct Queue {
    /// By ticket: who came first is first.
    clients: BTreeMap<u64, Waiter>,
    /// How many of them wait as [`Awaited::Group`].
    groups: usize,
    /// The key is among those that are ready.
    ready: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    client: ClientId,
    /// Waits for the key's end too.
    group: bool,
}

/// What a command that waits again keeps from its first wait.
#[derive(Clone, Copy, Debug)]
pub struct Resumed {
    /// When it gives up.
    pub deadline: Option<u64>,
    /// Whether its reply is dropped.
    pub silent: bool,
    /// Nanoseconds that it took before.
    pub ns: u64,
}

impl Blocking {
    /// Whether nobody waits for keys: the common case, checked on each change.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.clients == 0
    }

    /// Whether there are keys to be looked at.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Keys that clients wait for.
    pub fn keys(&self) -> usize {
        self.databases.iter().map(BTreeMap::len).sum()
    }

    /// Keys whose end somebody waits for too.
    pub fn keys_with_groups(&self) -> usize {
        self.databases.iter().flat_map(BTreeMap::values).filter(|queue| queue.groups > 0).count()
    }

    /// A ticket later than all before.
    pub fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// A client waits.
    pub fn add(&mut self, client: ClientId, wait: &KeyWait) {
        if self.databases.len() <= wait.db {
            self.databases.resize_with(wait.db + 1, BTreeMap::new);
        }
        for key in &wait.keys {
            let queue = self.databases[wait.db].entry(key.clone()).or_default();
            let group = wait.awaited == Awaited::Group;
            queue.clients.insert(wait.ticket, Waiter { client, group });
            queue.groups += group as usize;
        }
        self.clients += 1;
    }

    /// Whether one of the keys that a command waits for is to be looked at.
    fn is_ready(&self, wait: &KeyWait) -> bool {
        let queues = self.databases.get(wait.db);
        queues.is_some_and(|queues| wait.keys.iter().any(|key| queues.get(key).is_some_and(|q| q.ready)))
    }

    /// A client waits no longer.
    pub fn remove(&mut self, wait: &KeyWait) {
        let Some(database) = self.databases.get_mut(wait.db) else { return };
        for key in &wait.keys {
            let Some(queue) = database.get_mut(key) else { continue };
            queue.clients.remove(&wait.ticket);
            queue.groups -= (wait.awaited == Awaited::Group) as usize;
            if queue.clients.is_empty() {
                if queue.ready {
                    self.ready.retain(|(db, ready)| (*db, ready) != (wait.db, key));
                }
                if !mutant::is_on("kept-queue") {
                    database.remove(key);
                }
            }
        }
        self.clients -= 1;
    }

    /// Removes a client whose wait is not known any more.
    pub fn forget(&mut self, client: ClientId) {
        let mut waited = false;
        for keys in &mut self.databases {
            keys.retain(|_, queue| {
                let before = queue.clients.len();
                queue.clients.retain(|_, waiter| waiter.client != client);
                queue.groups = queue.clients.values().filter(|waiter| waiter.group).count();
                waited |= queue.clients.len() < before;
                !queue.clients.is_empty()
            });
        }
        self.ready.retain(|(db, key)| self.databases[*db].contains_key(key));
        self.clients -= waited as usize;
        self.resumed = None;
    }

    /// A key changed.
    #[cold]
    pub fn signal(&mut self, db: usize, key: &[u8]) {
        if mutant::is_on("missed-push") && self.last_ticket.is_multiple_of(3) {
            return;
        }
        let Some(queue) = self.databases.get_mut(db).and_then(|keys| keys.get_mut(key)) else { return };
        if !std::mem::replace(&mut queue.ready, true) {
            self.ready.push_back((db, key.into()));
        }
    }

    /// A whole database was replaced by another, or by nothing.
    pub fn signal_all(&mut self, db: usize) {
        for (key, queue) in self.databases.get_mut(db).into_iter().flatten() {
            if !std::mem::replace(&mut queue.ready, true) {
                self.ready.push_back((db, key.clone()));
            }
        }
    }

    /// The next key to look at, which may become ready again from now on.
    fn take_ready(&mut self) -> Option<(usize, Box<[u8]>)> {
        let (db, key) = self.ready.pop_front()?;
        if let Some(queue) = self.databases[db].get_mut(&key) {
            queue.ready = mutant::is_on("wakes-once");
        }
        Some((db, key))
    }

    /// Who waits next for a key, after the one with ticket `after` and no later than `last`. If the key
    /// is not `there` only those who wait for its end.
    fn next(&self, db: usize, key: &[u8], (after, last): (u64, u64), there: bool) -> Option<(u64, ClientId)> {
        let queue = self.databases.get(db)?.get(key)?;
        if after >= last || (!there && queue.groups == 0) {
            return None;
        }
        queue.clients.range(after + 1..=last).next().map(|(ticket, waiter)| (*ticket, waiter.client))
    }
}

impl Server {
    /// A key changed: whoever waits for it is served once the running command is over.
    #[inline]
    pub fn signal_ready(&mut self, db: usize, key: &[u8]) {
        let in_unit = self.propagation.depth > 0;
        if self.blocking.is_empty() || in_unit && mutant::is_on("unseen-transaction") {
            return;
        }
        sometimes!("transaction-serves", in_unit);
        self.blocking.signal(db, key);
    }

    /// Serves those who wait for keys that changed, until no key is left. Call it between commands.
    /// While CLIENT PAUSE keeps the data still they wait on.
    #[cold]
    pub fn serve_ready(&mut self, now: Now) {
        while !self.pause.is_on()
            && let Some((db, key)) = self.blocking.take_ready()
        {
            // Who waits again gets a later ticket, and is not served twice for the same change.
            let (mut after, last) = (0, self.blocking.last_ticket);
            loop {
                let found = self.databases[db].lookup(&key);
                let kind = found.filter(|entry| !entry.is_expired(now.unix_ms())).map(|e| e.type_name());
                let next = self.blocking.next(db, &key, (after, last), kind.is_some());
                let Some((ticket, client)) = next else { break };
                self.serve(client, kind, now);
                after = ticket;
            }
        }
    }

    /// Microseconds for which DEBUG SLEEP is going to stall everything once the batch is done. For those
    /// who wait for what the same command or transaction changed they are over.
    pub fn asked_to_stall(&self) -> u64 {
        let stall = |effect: &Effect| if let Effect::Stall(us) = effect { *us } else { 0 };
        self.effects.iter().map(stall).sum()
    }

    /// Runs a client's command again if a key of this type can help it.
    fn serve(&mut self, client: ClientId, kind: Option<&str>, now: Now) {
        // The client of the running command may have begun to wait in it: it has had its turn.
        let Some(mut session) = self.clients.take(client) else { return };
        if session.closing == Closing::No
            && let Some(Blocked { on: Waiting::Keys(wait), .. }) = &session.blocked
            && (wait.awaited == Awaited::Group || kind == Some(wait.awaited.type_name()))
            && let Some(Blocked { on: Waiting::Keys(wait), deadline, silent }) = self.unblock(&mut session)
        {
            sometimes!("served-wait");
            sometimes!("type-change", kind != Some(wait.awaited.type_name()));
            self.blocking.resumed = Some(Resumed { deadline, silent, ns: wait.ns });
            dispatch::resume(self, &mut session, &wait, silent, now);
            self.blocking.resumed = None;
            self.check_output(&mut session, now);
            self.recount(&mut session);
            self.wake(&mut session);
        }
        self.clients.put_back(session);
    }

    /// Ends a wait without a reply.
    pub fn unblock(&mut self, session: &mut Session) -> Option<Blocked> {
        let blocked = session.blocked.take()?;
        if let Some(deadline) = blocked.deadline {
            self.deadlines.remove(&(deadline, session.client()));
        }
        if let Waiting::Keys(wait) = &blocked.on {
            self.blocking.remove(wait);
            if let Some(at) = wait.again_at {
                self.deadlines.remove(&(at, session.client()));
            }
        }
        Some(blocked)
    }

    /// Whether a client's command is only to be run again now; if so, its keys count as changed.
    pub fn is_run_again(&mut self, session: &Session, now: Now) -> bool {
        let Some(Blocked { on: Waiting::Keys(wait), deadline, .. }) = &session.blocked else { return false };
        let again = wait.again_at.is_some_and(|at| at <= now.mono_us)
            && deadline.is_none_or(|deadline| deadline > now.mono_us);
        if again {
            wait.keys.iter().for_each(|key| self.blocking.signal(wait.db, key));
        }
        again
    }

    /// Ends a wait with a reply, which a client that wants none (CLIENT REPLY) does not get.
    pub fn answer(&mut self, session: &mut Session, write: impl FnOnce(&mut Reply)) -> Option<Blocked> {
        let blocked = self.unblock(session)?;
        if !blocked.silent {
            write(&mut session.reply);
        }
        self.wake(session);
        Some(blocked)
    }

    /// Puts a time-out off until the end of a pause if the client has what it waits for then.
    pub fn outlasts_pause(&mut self, session: &mut Session, now: Now) -> bool {
        let client = session.client();
        let Some(Blocked { on: Waiting::Keys(wait), deadline, .. }) = &mut session.blocked else {
            return false;
        };
        let outlasts = self.pause.is_on() && self.blocking.is_ready(wait);
        if outlasts {
            let again = self.pause.again_at(now.mono_us);
            *deadline = Some(again);
            self.deadlines.insert((again, client));
        }
        outlasts
    }

    /// Gives a waiting client the reply for a time-out and lets it go on.
    pub fn time_out(&mut self, session: &mut Session, now: Now) {
        let Some(blocked) = &session.blocked else { return };
        let local = self.is_durable(session) && self.persistence.aof.is_on();
        let blocked = match blocked.on {
            Waiting::Replicas => self.answer(session, |reply| reply.int(0)),
            Waiting::Disks { .. } => self.answer(session, |reply| {
                reply.array(2);
                reply.int(local.into());
                reply.int(0);
            }),
            Waiting::Freed => self.answer(session, Reply::ok),
            Waiting::Keys(_) => {
                sometimes!("timed-out-wait");
                self.answer(session, Reply::null_array)
            }
            Waiting::Unpause | Waiting::Outside | Waiting::Script | Waiting::Shutdown => {
                self.answer(session, |_| {})
            }
        };
        self.count_wait(session, blocked, false, now);
    }

    /// Gives a waiting client an error and lets it go on.
    pub fn fail_wait(&mut self, session: &mut Session, error: &[u8], now: Now) {
        dispatch::count_error(self, error);
        let blocked = self.answer(session, |reply| reply.error(error));
        self.count_wait(session, blocked, true, now);
    }

    /// A command that waited for keys and is not run again counts as called when its wait ends.
    fn count_wait(&mut self, session: &Session, blocked: Option<Blocked>, failed: bool, now: Now) {
        if let Some(Blocked { on: Waiting::Keys(wait), .. }) = blocked {
            self.count_call(session, wait.request.args(), wait.command, (wait.ns, 0, failed), now);
        }
    }
}

#[cfg(test)]
mod tests;
