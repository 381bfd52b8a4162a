//! What a command's function gets: its arguments, its client, the server, the moment, and a place to
//! write its reply.

use super::dispatch::unknown_subcommand;
use super::keys::Access;
use super::{Error, Result};
use crate::engine::acl::Context;
use crate::engine::config::KeyspaceEvents;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::{Args, Argv, Reply};
use crate::engine::server::Server;
use crate::engine::session::{Awaited, Blocked, KeyWait, Session, Waiting};
use crate::engine::time::Now;

/// One call of a command. There is no other parameter, ever.
pub struct Call<'a> {
    /// The request, name first.
    pub args: Args<'a>,
    /// Where the reply goes.
    pub reply: &'a mut Reply,
    /// The client that asks. It is not in `server.clients` meanwhile.
    pub session: &'a mut Session,
    /// Everything else.
    pub server: &'a mut Server,
    /// The moment of the batch.
    pub now: Now,
    /// The number of the command.
    pub command: u16,
}

impl Call<'_> {
    /// How lookups of this call are to be done.
    #[inline]
    pub fn access(&self) -> Access {
        Access { db: self.session.db, touch: !self.session.no_touch, now: self.now }
    }
    /// The command's name as error texts show it: lower case, `client|list`.
    pub fn name(&self) -> &str {
        &self.server.commands.entry(self.command).full_name
    }
    /// The error for a wrong number of arguments.
    pub fn arity_error(&self) -> Error {
        Error::arity(self.name())
    }
    /// The error for arguments that a subcommand has no place for, and for one that is no row of the table (DEBUG).
    pub fn subcommand_error(&self) -> Error {
        unknown_subcommand("ERR unknown subcommand or wrong number of arguments for '", self.args)
    }
    /// The one verb for changes: `key` changed, and `event` says how. Everything that follows from a
    /// change (WATCH, the count of changes, keyspace notification, propagation) follows from this.
    #[inline]
    pub fn changed(&mut self, key: &[u8], event: Event) {
        self.server.changed(self.session.db, key, event);
    }
    /// `key` changed in a way that Redis keeps from subscribers: WATCH, the count of changes and propagation
    /// follow, a notification does not.
    pub fn changed_in_silence(&mut self, key: &[u8]) {
        self.server.dirty += 1;
        self.server.touch(self.session.db, key);
    }
    /// Propagates this instead of the request as it came. May be called several times.
    pub fn propagate(&mut self, argv: &[&[u8]]) {
        self.server.propagation.instead(self.session.db, || Argv::of(argv.iter().copied()));
    }
    /// Whether it comes from an append-only file: then it says what is the case, whatever a client may ask for.
    pub fn is_replayed(&self) -> bool {
        self.server.persistence.loading.is_some()
    }
    /// Whether a moment that something is to expire at (Unix milliseconds) has come, so that it is removed instead. While
    /// an append-only file is replayed it has not: what was done to the key before it expired is still to come.
    pub fn is_past(&self, at: i64) -> bool {
        at <= self.now.unix_ms() && !self.is_replayed()
    }
    /// Removes a key that is there, and says so: event `del`, propagated as DEL.
    pub fn delete(&mut self, key: &[u8]) {
        self.server.remove(self.access(), key);
        self.changed(key, generic_event("del"));
        let verb: &[u8] = if self.server.config.lazyfree_lazy_user_del { b"UNLINK" } else { b"DEL" };
        self.propagate(&[verb, key]);
    }
    /// Where what is refused in this call comes from.
    pub fn context(&self) -> Context {
        if self.server.propagation.depth > 0 { Context::Multi } else { Context::Toplevel }
    }
    /// Whether the client may be made to wait: not in the middle of a transaction or a script.
    pub fn may_block(&self) -> bool {
        sometimes!("wait-in-transaction", self.server.propagation.depth > 0);
        self.server.propagation.depth == 0
    }
    /// The client waits; the reply will come later.
    pub fn block(&mut self, on: Waiting, deadline: Option<u64>) {
        let silent = self.session.is_silent();
        self.server.deadlines.extend(deadline.map(|at| (at, self.session.client())));
        self.session.blocked = Some(Blocked { on, deadline, silent });
    }
    /// The client waits until one of the keys holds what is `awaited`, and then its request is run again
    /// as it came. If the time is up first, the reply is a null array. Only if `may_block`.
    pub fn block_on<'k>(
        &mut self,
        awaited: Awaited,
        keys: impl IntoIterator<Item = &'k [u8]>,
        deadline: Option<u64>,
    ) {
        self.block_on_to_run(self.args.to_owned(), awaited, keys, deadline);
    }
    /// The same, but then another request to the same command is run, such as one in which `$` has
    /// become an id.
    pub fn block_on_to_run<'k>(
        &mut self,
        request: Argv,
        awaited: Awaited,
        keys: impl IntoIterator<Item = &'k [u8]>,
        deadline: Option<u64>,
    ) {
        let Server { blocking, deadlines, .. } = &mut *self.server;
        let mut keys: Vec<Box<[u8]>> = keys.into_iter().map(Into::into).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.truncate(if mutant::is_on("one-key-wait") { 1 } else { usize::MAX });
        sometimes!("repeated-wait", blocking.resumed.is_some());
        let (ticket, db, client) = (blocking.ticket(), self.session.db, self.session.client());
        let command = self.command;
        let wait = KeyWait { awaited, db, keys, ticket, request, command, again_at: None, ns: 0 };
        blocking.add(client, &wait);
        // A command that is run again and waits again does not wait longer for it.
        let (deadline, silent) = match &blocking.resumed {
            Some(resumed) => (resumed.deadline, resumed.silent),
            None if mutant::is_on("endless-wait") => (None, self.session.is_silent()),
            None if mutant::is_on("hasty-timeout") => {
                let now = self.now.mono_us;
                (deadline.map(|at| now + (at - now) / 2), self.session.is_silent())
            }
            None => (deadline, self.session.is_silent()),
        };
        deadlines.extend(deadline.map(|at| (at, client)));
        self.session.blocked = Some(Blocked { on: Waiting::Keys(Box::new(wait)), deadline, silent });
    }
    /// What a client waits for may come about by itself: then its command is run again, if not before.
    pub fn run_again_at(&mut self, at: u64) {
        let client = self.session.client();
        if let Some(Blocked { on: Waiting::Keys(wait), .. }) = &mut self.session.blocked {
            wait.again_at = Some(at);
            self.server.deadlines.insert((at, client));
        }
    }
    /// Writes the lines of a HELP subcommand, framed as Redis frames them.
    pub fn help(&mut self, lines: &[&str]) -> Result {
        let command = String::from_utf8_lossy(self.args.at(0)).to_uppercase();
        let opening = format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        self.reply.array(lines.len() + 3);
        self.reply.simple(&opening);
        lines.iter().for_each(|line| self.reply.simple(line));
        self.reply.simple("HELP");
        self.reply.simple("    Print this help.");
        Ok(())
    }
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its class.
    pub class: KeyspaceEvents,
    /// Its name, as subscribers of keyspace notifications get it.
    pub name: &'static str,
}

impl Event {
    /// Whether whoever waits for the key may have been waiting for this. Most of what happens to a
    /// stream changes nothing for its readers.
    #[inline]
    pub fn can_end_waits(self) -> bool {
        let wakes =
            |name| matches!(name, "xadd" if !mutant::is_on("unwoken-group")) || name == "xgroup-destroy";
        self.class != KeyspaceEvents::STREAM || wakes(self.name)
    }
}

/// An event of class `$`.
pub const fn string_event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::STRING, name }
}
/// An event of class `g`.
pub const fn generic_event(name: &'static str) -> Event {
    Event { class: KeyspaceEvents::GENERIC, name }
}
