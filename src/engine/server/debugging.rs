//! SCRIPT DEBUG: scripts that a client runs line by line.
//!
//! The debugger lives where the script does, in the interpreter (`script/debug`). Here is who speaks with it. A client whose
//! script is debugged sends command lines instead of commands, and hears what there is to tell, until the script has
//! ended and its connection is closed.
//!
//! - SYNC: the script runs on the data. It is a script that takes long (`busy.rs`): others are told that the server is
//!   busy, and what it changes is one unit. Redis answers nobody meanwhile.
//! - YES: the script runs apart, in a server of its own, since the engine is a value. That server begins with a copy of
//!   the data, and nothing comes out of it but lines for the log, as of the process that Redis forks. The copy is made at
//!   once: big collections and strings are shared, so that it takes the time and the memory of the keys alone. To take
//!   changes back between two lines instead would cost nothing at first, but others would shine through, and a mistake
//!   would cost them their data.
//!
//! A client that goes takes what runs apart along; a script that runs on the data goes on without stops, to its end or
//! until it is late, as in Redis.

use super::Server;
use super::busy::Busy;
use super::scripting::{Order, Patience, Running};
use crate::engine::command::table::CommandId;
use crate::engine::command::{Error, Result, dispatch};
use crate::engine::effect::{Effect, Level};
use crate::engine::keyspace::{Database, Garbage, Layout};
use crate::engine::protocol::{Args, Argv, Reply};
use crate::engine::script::{Input, Run};
use crate::engine::session::{Blocked, ClientId, Closing, ScriptDebug, Session, Waiting};
use crate::engine::time::Now;

/// Scripts that may be debugged apart at the same time: each has a copy of the data.
const APART: usize = 8;
/// Words of a command line, and bytes of a word, beyond which it is none.
const WORDS: usize = 1024;
const WORD: usize = 1024;
/// Milliseconds that a script may go on without a stop where scripts are never busy.
const LATE_MS: u64 = 5000;

/// Debugged scripts that run apart.
#[derive(Default)]
pub struct Debugging {
    apart: Vec<Apart>,
}

struct Apart {
    client: ClientId,
    server: Box<Server>,
    /// Bytes that its copy of the data takes.
    bytes: u64,
}

/// A script that is debugged.
#[derive(Default)]
pub(super) struct Debugged {
    /// What there is to tell since it has stopped, until it is told.
    told: Option<Vec<Vec<u8>>>,
    /// It has stopped.
    waits: bool,
    /// When it went on, by the stopwatch, and its work since.
    since: u64,
    slices: u64,
    pub commands: u64,
}

impl Debugged {
    pub(super) fn stop(&mut self, told: Vec<Vec<u8>>) {
        (self.told, self.waits) = (Some(told), true);
    }
}

/// What became of a script that was let go on.
enum Turn {
    /// It has stopped, and has this to tell.
    Stopped(Vec<Vec<u8>>),
    /// It works.
    Works,
    /// A panic took it along.
    Lost,
    /// It has ended.
    Ended(Box<Run>, Box<Call>),
}

/// The call of a script that was debugged.
struct Call {
    /// The script's client, as its commands saw it.
    session: Box<Session>,
    /// The command, and its number.
    request: (Argv, CommandId),
    began: Now,
}

impl Debugging {
    fn find(&self, client: ClientId) -> Option<usize> {
        self.apart.iter().position(|apart| apart.client == client)
    }
    /// Whether a script works apart, so that ticks should come soon.
    pub(super) fn works(&self) -> bool {
        self.apart.iter().any(|apart| !apart.server.waits_for_line())
    }
    /// Bytes that copies of the data take, which are no data.
    pub(super) fn bytes(&self) -> u64 {
        self.apart.iter().map(|apart| apart.bytes).sum()
    }
    /// A client is gone whose state nobody knows.
    pub(super) fn forget(&mut self, client: ClientId) {
        self.apart.retain(|apart| apart.client != client);
    }
}

impl Server {
    /// A server in which a script can be debugged apart: with the same data, and nobody else in it.
    pub fn copy_for_debugger(&mut self) -> Result<Box<Server>> {
        let refuse = |why: &str| {
            Err(Error::text(format!("ERR Fork() failed: can't run EVAL in debugging mode: {why}")))
        };
        if self.debugging.apart.len() >= APART {
            return refuse("Resource temporarily unavailable");
        }
        let data = self.used_memory().saturating_sub(self.startup_memory);
        if self.environment.total_memory > 0 && self.used_memory() + data > self.environment.total_memory {
            return refuse("Cannot allocate memory");
        }
        let mut config = self.config.clone();
        // It takes the room of nobody, and writes nothing.
        (config.maxmemory, config.appendonly) = (0, false);
        let mut environment = self.environment.clone();
        environment.seed = self.rng.next_u64();
        let mut server = Box::new(Server::new(config, environment).map_err(Error::text)?);
        (server.acl, server.hasher) = (self.acl.clone(), self.hasher.clone());
        (server.mono_us, server.lap) = (self.mono_us, self.lap);
        server.allows_expired = self.allows_expired;
        for (number, database) in self.databases.iter().enumerate() {
            let mut copy = Database::new(server.rng.next_u64(), Layout::Single);
            database.iter().for_each(|entry| _ = copy.put(entry.duplicate(entry.key())));
            server.databases[number] = copy;
        }
        Ok(server)
    }

    /// Has a script ready to be debugged, here; it has not begun yet.
    pub fn prepare_to_debug(&mut self, order: Order, now: Now) -> Result {
        let (client, (args, id)) = (order.session.client(), order.request);
        let request = (args.to_owned(), id);
        let (interpreter, mut running) = self.prepare_script(order, now)?;
        running.patience = Patience::Slice;
        running.debugged = Some(Box::new(Debugged { since: self.lap, ..Debugged::default() }));
        self.scripting.busy = Some(Box::new(Busy::new(interpreter, running, request, client)));
        Ok(())
    }

    /// Lets the script begin that is ready to be debugged: here, or apart in a server made for it; `used` is how many
    /// bytes were in use before that.
    pub fn begin_to_debug(
        &mut self,
        session: &mut Session,
        reply: &mut Reply,
        apart: Option<(Box<Server>, u64)>,
        now: Now,
    ) {
        session.is_debugging = true;
        let how = if apart.is_some() { "on a copy of the data" } else { "which all others wait for" };
        self.log(Level::Notice, format!("A client debugs a script, {how}"));
        if let Some((server, used)) = apart {
            let bytes = self.used_memory().saturating_sub(used);
            self.debugging.apart.push(Apart { client: session.client(), server, bytes });
        }
        self.go_on(session, reply, now);
    }

    /// The script could not even begin: the session is over at once.
    pub fn fail_to_debug(&mut self, session: &mut Session, reply: &mut Reply, error: &Error) {
        dispatch::count_error(self, error.as_bytes());
        self.tell_end(session, reply, Vec::new());
        reply.error(error.as_bytes());
    }

    /// A command line of a client whose script is debugged.
    #[cold]
    pub fn debug_line(&mut self, session: &mut Session, reply: &mut Reply, args: Args, now: Now) {
        let is_line = args.len() <= WORDS && args.iter().all(|word| (1..=WORD).contains(&word.len()));
        let input = match is_line {
            true => Input::Line(args.to_owned()),
            false => Input::Abort("ERR protocol error"),
        };
        self.tracking.author = session.id;
        self.tell_debugger(session.client(), input);
        if let Some(call) = self.go_on(session, reply, now) {
            self.conclude(session, *call);
            self.serve_ready(now);
        }
        self.flush_pushes(session, reply);
        self.tracking.author = 0;
    }

    /// Tells the debugger of a client's script something, after which it goes on.
    fn tell_debugger(&mut self, client: ClientId, input: Input) {
        let since = (self.environment.stopwatch)();
        let server = match self.debugging.find(client) {
            Some(index) => &mut *self.debugging.apart[index].server,
            None => self,
        };
        if let Some(busy) = &mut server.scripting.busy
            && busy.client == client
            && busy.running.debugged.is_some()
        {
            busy.running.next = input;
            busy.running.debugged = Some(Box::new(Debugged { since, ..Debugged::default() }));
        }
    }

    /// Whether the script that is busy here has stopped, and only its client can have it go on.
    pub(super) fn waits_for_line(&self) -> bool {
        let Some(busy) = &self.scripting.busy else { return false };
        !busy.is_killed() && busy.running.debugged.as_ref().is_some_and(|debugged| debugged.waits)
    }

    /// Whether a script that is debugged has worked for so long that it is to stop.
    pub(super) fn is_due_to_halt(&self, running: &mut Running) -> bool {
        let Some(debugged) = &mut running.debugged else { return false };
        debugged.slices += 1;
        let ms =
            if self.config.busy_reply_threshold > 0 { self.config.busy_reply_threshold } else { LATE_MS };
        let ns = self.lap.saturating_sub(debugged.since);
        Patience::First(ms).ends(ns, debugged.slices, debugged.commands)
    }

    /// Lets the script go on that is debugged here.
    fn turn(&mut self) -> Turn {
        let Some(mut busy) = self.scripting.busy.take() else { return Turn::Lost };
        self.lap = (self.environment.stopwatch)();
        let Some(run) = self.drive(&mut busy.interpreter, &mut busy.running) else {
            let told = busy.running.debugged.as_mut().and_then(|debugged| debugged.told.take());
            self.scripting.busy = Some(busy);
            return told.map_or(Turn::Works, Turn::Stopped);
        };
        let Busy { interpreter, running, request, .. } = *busy;
        *self.interpreter_of(false) = Some(interpreter);
        self.propagation.depth -= 1;
        Turn::Ended(run, Box::new(Call { session: running.session, request, began: running.now }))
    }

    /// Lets a client's script go on and tells the client what there is to tell. If it was one that ran here and has ended,
    /// returns its call.
    fn go_on(&mut self, session: &mut Session, reply: &mut Reply, now: Now) -> Option<Box<Call>> {
        let apart = self.debugging.find(session.client());
        let turn = match apart {
            None => self.turn(),
            Some(index) => {
                let server = &mut self.debugging.apart[index].server;
                server.mono_us = now.mono_us;
                let turn = server.turn();
                let lines = server.take_effects().into_iter().filter(|it| matches!(it, Effect::Log(..)));
                self.effects.extend(lines);
                turn
            }
        };
        match turn {
            // The script itself can have brought about the end of its client.
            Turn::Stopped(_) if !session.is_debugging => self.tell_debugger(session.client(), Input::HangUp),
            Turn::Stopped(told) => tell(reply, told),
            Turn::Lost => self.close(session),
            Turn::Works => {
                let on = Waiting::Script;
                session.blocked = Some(Blocked { on, deadline: None, silent: false });
            }
            Turn::Ended(mut run, call) => {
                let told = run.debugger.as_mut().map(|debugger| debugger.take_log()).unwrap_or_default();
                self.tell_end(session, reply, told);
                match &run.error {
                    None => reply.raw(run.reply.pending()),
                    Some((text, counted)) => {
                        if !counted {
                            dispatch::count_error(self, text);
                        }
                        reply.error(text);
                    }
                }
                if let Some(index) = apart {
                    self.bury(index);
                    return None;
                }
                return Some(call);
            }
        }
        None
    }

    /// The end of a session, of which nothing comes but the reply of the script.
    fn tell_end(&mut self, session: &mut Session, reply: &mut Reply, mut told: Vec<Vec<u8>>) {
        told.push(b"<endsession>".into());
        tell(reply, told);
        session.closing = Closing::AfterReply;
        (session.is_debugging, session.script_debug) = (false, ScriptDebug::No);
    }

    /// What ran apart is over; its copy of the data is freed like everything big.
    fn bury(&mut self, index: usize) {
        let Apart { mut server, .. } = self.debugging.apart.swap_remove(index);
        let mut garbage = Garbage::new();
        server.databases.iter_mut().for_each(|database| garbage.absorb(database.flush()));
        if !garbage.is_empty() {
            self.discard_all(garbage, 0);
        }
    }

    /// A script has ended that was debugged here: what follows every command follows now. Those who wait for keys may have
    /// got them.
    fn conclude(&mut self, session: &mut Session, call: Call) {
        let (request, id) = call.request;
        self.count_call(session, request.args(), id, (0, 0, false), call.began);
        dispatch::settle(self, session, true);
    }

    /// A tick: what is debugged apart and works gets its slice.
    pub(super) fn run_apart(&mut self, now: Now) {
        let works = |apart: &&Apart| !apart.server.waits_for_line();
        let clients: Vec<ClientId> =
            self.debugging.apart.iter().filter(works).map(|apart| apart.client).collect();
        clients.into_iter().for_each(|client| self.run_debugged(client, now));
    }

    /// Gives the script of a client a slice, and wakes the client if it has stopped or ended.
    pub(super) fn run_debugged(&mut self, client: ClientId, now: Now) {
        let Some(mut session) = self.clients.take(client) else { return self.run_deserted(client) };
        if !session.is_debugging {
            self.clients.put_back(session);
            return self.run_deserted(client);
        }
        self.unblock(&mut session);
        self.tracking.author = session.id;
        let mut reply = std::mem::take(&mut session.reply);
        if let Some(call) = self.go_on(&mut session, &mut reply, now) {
            self.conclude(&mut session, *call);
            self.serve_ready(now);
        }
        self.flush_pushes(&session, &mut reply);
        self.tracking.author = 0;
        session.reply = reply;
        if session.blocked.is_none() {
            self.wake(&mut session);
        }
        self.clients.put_back(session);
    }

    /// The same for a script that runs here and whose client is gone: it stops no more.
    fn run_deserted(&mut self, client: ClientId) {
        loop {
            match self.turn() {
                Turn::Stopped(_) => self.tell_debugger(client, Input::HangUp),
                Turn::Works | Turn::Lost => return,
                Turn::Ended(_, mut call) => {
                    let mut session = std::mem::take(&mut call.session);
                    return self.conclude(&mut session, *call);
                }
            }
        }
    }

    /// A client goes whose script is debugged. A script that has stopped goes on at once: others may come already.
    pub(super) fn desert_debugger(&mut self, session: &mut Session) {
        if !std::mem::take(&mut session.is_debugging) {
            return;
        }
        match self.debugging.find(session.client()) {
            Some(index) => self.bury(index),
            None if self.waits_for_line() => {
                self.tell_debugger(session.client(), Input::HangUp);
                self.run_deserted(session.client());
            }
            None => {}
        }
    }
}

/// Writes what there is to tell.
fn tell(reply: &mut Reply, told: Vec<Vec<u8>>) {
    reply.array(told.len());
    told.iter().for_each(|line| reply.simple_bytes(line));
}

#[cfg(test)]
mod tests;
