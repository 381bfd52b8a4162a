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
//!   once: big collections are shared, so that it takes the time and the memory of keys and small values alone. To take
//!   changes back between two lines instead would cost nothing at first, but others would shine through, and a mistake
//!   would cost them their data.
//!
//! What runs apart costs nobody else their data: its memory does not count for `maxmemory`, and is limited.
//!
//! A client that goes takes what runs apart along; a script that runs on the data goes on without stops, to its end or
//! until it is late, as in Redis.

use super::Server;
use super::busy::{Busy, Ended, Turn};
use super::scripting::{Order, Patience};
use crate::engine::command::{Error, Result, dispatch};
use crate::engine::effect::{Effect, Level};
use crate::engine::keyspace::{Database, Layout};
use crate::engine::protocol::{Args, Reply};
use crate::engine::script::Input;
use crate::engine::session::{Blocked, ClientId, Closing, ScriptDebug, Session, Waiting};
use crate::engine::time::Now;

/// Scripts that may be debugged apart at the same time: each has a copy of the data.
const APART: usize = 8;
/// Keys, and bytes, that may be copied while everybody waits: half a second.
const KEYS: usize = if cfg!(test) { 1000 } else { 1_000_000 };
const COPIED: u64 = 256 << 20;
/// Words of a command line, and bytes of a word, beyond which it is none.
const WORDS: usize = 1024;
const WORD: usize = 1024;
/// Milliseconds that a script may go on without a stop where scripts are never busy.
const LATE_MS: u64 = 5000;
/// Bytes that a script may take beside its copy of the data.
const ROOM: u64 = 256 << 20;
const TOO_LARGE: &str = "there is too much data to be copied. SCRIPT DEBUG SYNC needs no copy.";
const OVERDRAWN: &str = "Script killed: beside its copy of the data it takes too much memory.";

/// Debugged scripts that run apart.
#[derive(Default)]
pub struct Debugging {
    apart: Vec<Apart>,
}

struct Apart {
    client: ClientId,
    server: Box<Server>,
    /// Bytes in use that were allocated for it, and how many that may become.
    bytes: u64,
    most: u64,
    /// Bytes that it shared with the data in the beginning. What others have removed since is its own, unseen.
    shared: u64,
}

/// A script that is debugged.
#[derive(Default)]
pub(super) struct Debugged {
    /// What there is to tell since it has stopped, until it is told.
    pub told: Option<Vec<Vec<u8>>>,
    /// When it went on, by the stopwatch, and its work since.
    since: u64,
    slices: u64,
    pub commands: u64,
    /// Bytes in use beyond which it must end.
    most: Option<u64>,
}

impl Debugging {
    fn find(&self, client: ClientId) -> Option<usize> {
        self.apart.iter().position(|apart| apart.client == client)
    }
    /// Whether a script works apart, so that ticks should come soon.
    pub(super) fn works(&self) -> bool {
        self.apart.iter().any(|apart| !apart.server.waits_for_line())
    }
    /// Bytes in use that are no data, or may be none: what would be evicted for them would be lost for nothing.
    pub(super) fn bytes(&self) -> u64 {
        self.apart.iter().map(|apart| apart.bytes + apart.shared).sum()
    }
    /// A client is gone whose state nobody knows.
    pub(super) fn forget(&mut self, client: ClientId) {
        self.apart.retain(|apart| apart.client != client);
    }
}

impl Busy {
    /// Whether the script is debugged and has stopped, so that only its client can have it go on.
    pub(super) fn waits_for_line(&self) -> bool {
        self.running.next.is_none()
    }
    /// Tells the debugger something, after which the script goes on, unless it does so already.
    pub(super) fn tell_debugger(&mut self, input: Input, since: u64) {
        if self.waits_for_line() {
            self.running.next = Some(input);
            self.running.debugged = Some(Box::new(Debugged { since, ..Debugged::default() }));
        }
    }
}

impl Server {
    /// A server in which a script can be debugged apart, still without data.
    pub fn new_for_debugger(&mut self) -> Result<Box<Server>> {
        if self.debugging.apart.len() >= APART {
            return Err(cannot_copy("Resource temporarily unavailable"));
        }
        if self.databases.iter().map(Database::len).sum::<usize>() > KEYS {
            return Err(cannot_copy(TOO_LARGE));
        }
        let data = self.used_memory().saturating_sub(self.startup_memory);
        if self.environment.total_memory > 0 && self.used_memory() + data > self.environment.total_memory {
            return Err(cannot_copy("Cannot allocate memory"));
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
        Ok(server)
    }

    /// Gives another server the same data, unless that is too much.
    fn copy_data(&self, server: &mut Server) -> Result {
        let most = self.used_memory() + COPIED;
        for (number, database) in self.databases.iter().enumerate() {
            server.databases[number] = Database::new(server.rng.next_u64(), Layout::Single);
            for entry in database.iter() {
                server.databases[number].put(entry.duplicate(entry.key()));
                if self.used_memory() > most {
                    return Err(cannot_copy(TOO_LARGE));
                }
            }
        }
        Ok(())
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

    /// Lets the script begin that is ready to be debugged: here, or apart in a server made for it, which gets its data now;
    /// `used` is how many bytes were in use before that. Fails if there is too much data.
    pub fn begin_to_debug(
        &mut self,
        session: &mut Session,
        reply: &mut Reply,
        apart: Option<(Box<Server>, u64)>,
        now: Now,
    ) -> Result {
        let apart = match apart {
            None => None,
            Some((mut server, used)) => {
                let copied = self.copy_data(&mut server);
                copied.inspect_err(|_| self.discard_all(server.take_garbage(), 0))?;
                Some((server, used))
            }
        };
        session.is_debugging = true;
        let how = if apart.is_some() { "on a copy of the data" } else { "which all others wait for" };
        self.log(Level::Notice, format!("A client debugs a script, {how}"));
        if let Some((server, used)) = apart {
            let bytes = self.used_memory().saturating_sub(used);
            let shared = used.saturating_sub(self.startup_memory).saturating_sub(bytes);
            let client = session.client();
            self.debugging.apart.push(Apart { client, server, bytes, most: bytes + ROOM, shared });
        }
        self.go_on(session, reply, now);
        Ok(())
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
        if let Some(ended) = self.go_on(session, reply, now) {
            self.conclude(session, *ended);
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
        {
            busy.tell_debugger(input, since);
        }
    }

    /// Whether the script that is busy here has stopped, and only its client can have it go on.
    pub(super) fn waits_for_line(&self) -> bool {
        self.scripting.busy.as_ref().is_some_and(|busy| busy.waits_for_line())
    }

    /// A script that is debugged has worked, and is to be told this: or to end.
    #[cold]
    pub(super) fn judge_debugged(&self, debugged: &Debugged, next: Input) -> Input {
        let is_overdrawn = debugged.most.is_some_and(|most| self.used_memory() > most);
        if is_overdrawn { Input::Kill(OVERDRAWN) } else { next }
    }

    /// The same after a slice of work, with which it may be late.
    #[cold]
    pub(super) fn judge_slice(&self, debugged: &mut Debugged) -> Input {
        debugged.slices += 1;
        let ms = match self.config.busy_reply_threshold {
            0 => LATE_MS,
            ms => ms,
        };
        let ns = self.lap.saturating_sub(debugged.since);
        let is_late = Patience::First(ms).ends(ns, debugged.slices, debugged.commands);
        self.judge_debugged(debugged, if is_late { Input::Halt } else { Input::Go })
    }

    /// Lets what runs apart go on, and counts what it allocates.
    fn turn_apart(&mut self, index: usize, now: Now) -> Turn {
        let used = self.used_memory();
        let Apart { client, server, bytes, most, .. } = &mut self.debugging.apart[index];
        server.mono_us = now.mono_us;
        if let Some(busy) = &mut server.scripting.busy
            && let Some(debugged) = &mut busy.running.debugged
        {
            debugged.most = Some(used + most.saturating_sub(*bytes));
        }
        let turn = server.turn(*client);
        server.free_slices();
        let effects = server.take_effects();
        self.count_apart(index, used);
        for effect in &effects {
            if let Effect::Log(level, text) = effect {
                self.log(*level, text.clone());
            }
        }
        self.release_apart(index, effects);
        turn
    }

    /// What was allocated and freed since `used` bytes were in use was so for what runs apart.
    fn count_apart(&mut self, index: usize, used: u64) {
        let now = self.used_memory();
        let apart = &mut self.debugging.apart[index];
        apart.bytes = (apart.bytes + now).saturating_sub(used);
    }

    /// What came from there, and was written down elsewhere, takes no memory any more.
    fn release_apart<T>(&mut self, index: usize, what: T) {
        let used = self.used_memory();
        drop(what);
        self.count_apart(index, used);
    }

    /// Lets a client's script go on and tells the client what there is to tell. If it was one that ran here and has ended,
    /// returns it.
    fn go_on(&mut self, session: &mut Session, reply: &mut Reply, now: Now) -> Option<Box<Ended>> {
        let apart = self.debugging.find(session.client());
        let turn = match apart {
            None => self.turn(session.client()),
            Some(index) => self.turn_apart(index, now),
        };
        match turn {
            // The script itself can have brought about the end of its client. Nor is there time for lines at the end.
            Turn::Stopped(_) if !session.is_debugging || self.persistence.is_stopping => {
                self.tell_debugger(session.client(), Input::HangUp);
            }
            Turn::Stopped(told) => {
                tell(reply, &told);
                if let Some(index) = apart {
                    self.release_apart(index, told);
                }
            }
            Turn::Lost => self.close(session),
            Turn::Works => {
                let on = Waiting::Script;
                session.blocked = Some(Blocked { on, deadline: None, silent: false });
            }
            Turn::Ended(mut ended) => {
                let told = ended.run.debugger.as_mut().map(|debugger| debugger.take_log());
                self.tell_end(session, reply, told.unwrap_or_default());
                self.write_outcome(reply, &ended.run);
                match apart {
                    Some(index) => self.bury(index),
                    None => return Some(ended),
                }
            }
        }
        None
    }

    /// The end of a session, of which nothing comes but the reply of the script.
    fn tell_end(&mut self, session: &mut Session, reply: &mut Reply, mut told: Vec<Vec<u8>>) {
        told.push(b"<endsession>".into());
        tell(reply, &told);
        session.closing = Closing::AfterReply;
        (session.is_debugging, session.script_debug) = (false, ScriptDebug::No);
    }

    /// What ran apart is over; its copy of the data is freed like everything big.
    fn bury(&mut self, index: usize) {
        let garbage = self.debugging.apart.swap_remove(index).server.take_garbage();
        if !garbage.is_empty() {
            self.discard_all(garbage, 0);
        }
    }

    /// A script has ended that was debugged here: what follows every command follows now. Those who wait for keys may have
    /// got them.
    fn conclude(&mut self, session: &mut Session, ended: Ended) {
        let (request, id) = ended.request;
        self.count_call(session, request.args(), id, (0, 0, false), ended.running.now);
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
        if let Some(ended) = self.go_on(&mut session, &mut reply, now) {
            self.conclude(&mut session, *ended);
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
            match self.turn(client) {
                Turn::Stopped(_) => self.tell_debugger(client, Input::HangUp),
                Turn::Works | Turn::Lost => return,
                Turn::Ended(mut ended) => {
                    let mut session = std::mem::take(&mut ended.running.session);
                    return self.conclude(&mut session, *ended);
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
            None => {
                self.tell_debugger(session.client(), Input::HangUp);
                self.run_deserted(session.client());
            }
        }
    }
}

fn cannot_copy(why: &str) -> Error {
    Error::text(format!("ERR Fork() failed: can't run EVAL in debugging mode: {why}"))
}

/// Writes what there is to tell.
fn tell(reply: &mut Reply, told: &[Vec<u8>]) {
    reply.array(told.len());
    told.iter().for_each(|line| reply.simple_bytes(line));
}

#[cfg(test)]
mod tests;
