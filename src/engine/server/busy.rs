//! Scripts that run for long: they are left alone between slices of work, in which others are told that the server is
//! busy. Nothing else happens to the data meanwhile, so that the script is still one unit.

use super::Server;
use super::scripting::Running;
use crate::engine::command::table::CommandId;
use crate::engine::command::{Error, Result, dispatch};
use crate::engine::effect::Level;
use crate::engine::protocol::{Argv, Reply};
use crate::engine::script::{Callee, Input, Interpreter, Run};
use crate::engine::session::ClientId;
use crate::engine::time::Now;
use std::collections::VecDeque;

/// Microseconds after a slice until the next, for everybody else.
const PAUSE_US: u64 = 1000;
/// Microseconds until the next tick while a script that is debugged has stopped, for nobody.
const IDLE_US: u64 = 100_000;
/// The error for others while a script runs, and while a function does.
const BUSY_SCRIPT: Error =
    Error::new("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");
const BUSY_FUNCTION: Error =
    Error::new("BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.");

/// A script between two slices.
pub struct Busy {
    pub(super) interpreter: Interpreter,
    pub(super) running: Running,
    /// The command that called it, and its number.
    pub(super) request: (Argv, CommandId),
    pub(super) client: ClientId,
    /// What is left of the transaction that called it.
    rest: Option<VecDeque<(CommandId, Argv)>>,
}

impl Busy {
    pub(super) fn new(
        interpreter: Interpreter,
        running: Running,
        request: (Argv, CommandId),
        client: ClientId,
    ) -> Self {
        Busy { interpreter, running, request, client, rest: None }
    }
}

/// What became of a busy script that got a slice of work.
pub(super) enum Turn {
    /// It is not at its end.
    Works,
    /// It is debugged, has stopped, and has this to tell.
    Stopped(Vec<Vec<u8>>),
    /// It has ended.
    Ended(Box<Ended>),
    /// There is none: a panic took it along.
    Lost,
}

/// A script that was busy and has ended.
pub(super) struct Ended {
    pub run: Box<Run>,
    pub running: Running,
    pub request: (Argv, CommandId),
    pub client: ClientId,
    rest: Option<VecDeque<(CommandId, Argv)>>,
}

/// What FUNCTION STATS tells of a function that runs.
pub struct Shown<'a> {
    /// Its name.
    pub name: &'a str,
    /// The command that called it.
    pub request: &'a Argv,
    /// Milliseconds since.
    pub ms: u64,
}

impl Server {
    /// A script has worked for long: from now on it is busy.
    #[cold]
    pub(super) fn leave_alone(
        &mut self,
        interpreter: Interpreter,
        running: Running,
        request: (Argv, CommandId),
        client: ClientId,
    ) {
        let ms = (self.environment.stopwatch)().saturating_sub(running.began) / 1_000_000;
        let kill = if running.callee.is_function() { "FUNCTION KILL" } else { "SCRIPT KILL" };
        let text = format!(
            "Slow script detected: still in execution after {ms} milliseconds. You can try killing the script using \
             the {kill} command. Script name is: {}.",
            running.callee
        );
        self.log(Level::Warning, text);
        self.scripting.busy = Some(Box::new(Busy::new(interpreter, running, request, client)));
    }

    /// Whether a script is between two slices.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.scripting.busy.is_some()
    }

    /// The error for a command that cannot run while a script does.
    #[cold]
    pub fn busy_error(&self) -> Error {
        match &self.scripting.busy {
            Some(busy) if busy.running.callee.is_function() => BUSY_FUNCTION,
            _ => BUSY_SCRIPT,
        }
    }

    /// A transaction called the script that is busy now: the rest of it comes after it.
    pub fn postpone(&mut self, rest: VecDeque<(CommandId, Argv)>) {
        if let Some(busy) = &mut self.scripting.busy {
            busy.rest = Some(rest);
        }
    }

    /// The function that runs, if any does. Fails if a script does.
    pub fn running_function(&self) -> Result<Option<Shown<'_>>> {
        let Some(busy) = &self.scripting.busy else { return Ok(None) };
        let Callee::Function(name) = &busy.running.callee else { return Err(BUSY_SCRIPT) };
        let ns = (self.environment.stopwatch)().saturating_sub(busy.running.began);
        Ok(Some(Shown { name, request: &busy.request.0, ms: ns / 1_000_000 }))
    }

    /// SCRIPT KILL and FUNCTION KILL: has what runs end, if it may.
    pub fn kill_script(&mut self, function: bool) -> Result {
        let Some(busy) = &mut self.scripting.busy else {
            return Err(Error::new("NOTBUSY No scripts in execution right now."));
        };
        // Whoever debugs a script can end it at any line, too.
        if busy.running.wrote && busy.running.debugged.is_none() {
            return Err(Error::new(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can \
                 either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE \
                 command.",
            ));
        }
        match (busy.running.callee.is_function(), function) {
            (true, false) => Err(BUSY_FUNCTION),
            (false, true) => Err(BUSY_SCRIPT),
            _ => {
                // Functions are told the same.
                busy.running.next = Some(Input::Kill("Script killed by user with SCRIPT KILL..."));
                self.log(Level::Notice, "Lua script killed by user with SCRIPT KILL.".to_owned());
                Ok(())
            }
        }
    }

    /// The server is to stop: a script that has changed nothing ends. One that has comes to its end, if it has one, and
    /// does not stop for its debugger.
    fn hasten_end(&mut self) {
        let may_kill = self.persistence.loading.is_none();
        let Some(busy) = &mut self.scripting.busy else { return };
        if may_kill && !busy.running.wrote {
            busy.running.next = Some(Input::Kill("Script killed by the shutdown of the server."));
        } else if busy.waits_for_line() {
            busy.tell_debugger(Input::HangUp, (self.environment.stopwatch)());
        }
    }

    /// When a busy script gets its next slice.
    pub(super) fn next_slice(&self, now: Now) -> u64 {
        let idles = self.waits_for_line() && !self.persistence.is_stopping;
        now.mono_us + if idles { IDLE_US } else { PAUSE_US }
    }

    /// Gives a busy script a slice of work.
    #[cold]
    pub(super) fn run_busy(&mut self, now: Now) {
        if self.persistence.is_stopping {
            self.hasten_end();
        }
        let Some(busy) = &self.scripting.busy else { return };
        let client = busy.client;
        if busy.waits_for_line() {
            return;
        }
        if busy.running.debugged.is_some() {
            return self.run_debugged(client, now);
        }
        self.tracking.author = client.id;
        if let Turn::Ended(ended) = self.turn(client) {
            self.end_busy(*ended, now);
        }
        self.tracking.author = 0;
    }

    /// Lets the busy script of a client go on.
    pub(super) fn turn(&mut self, client: ClientId) -> Turn {
        if self.persistence.leaves_script {
            return Turn::Works;
        }
        let busy = self.scripting.busy.take_if(|busy| busy.client == client);
        let Some(mut busy) = busy else { return Turn::Lost };
        self.lap = (self.environment.stopwatch)();
        let Some(run) = self.drive(&mut busy.interpreter, &mut busy.running) else {
            let told = busy.running.debugged.as_mut().and_then(|debugged| debugged.told.take());
            self.scripting.busy = Some(busy);
            return told.map_or(Turn::Works, Turn::Stopped);
        };
        let Busy { interpreter, running, request, client, rest } = *busy;
        *self.interpreter_of(running.callee.is_function()) = Some(interpreter);
        self.propagation.depth -= 1;
        Turn::Ended(Box::new(Ended { run, running, request, client, rest }))
    }

    /// Writes how a script has ended that was busy.
    pub(super) fn write_outcome(&mut self, reply: &mut Reply, run: &Run) {
        match &run.error {
            None => reply.raw(run.reply.pending()),
            Some((text, counted)) => {
                if !counted {
                    dispatch::count_error(self, text);
                }
                reply.error(text);
            }
        }
    }

    /// A busy script has ended: its client gets the reply, and everybody goes on.
    fn end_busy(&mut self, ended: Ended, now: Now) {
        let Ended { run, running, request, client, rest } = ended;
        let mut session = match self.clients.take(client) {
            Some(session) => session,
            None => match &mut self.persistence.loading {
                Some(loading) if client.id == 0 => loading.take_replayer(),
                // Its client is gone; what it began is still finished.
                _ => running.session,
            },
        };
        let is_there = self.clients.find(client.id) == Some(client);
        let silent = self.unblock(&mut session).is_some_and(|blocked| blocked.silent);
        let mut reply = std::mem::take(&mut session.reply);
        let mark = reply.mark();
        let failed = run.error.is_some();
        self.write_outcome(&mut reply, &run);
        let ns = (self.environment.stopwatch)().saturating_sub(running.began);
        let bytes = reply.since(mark).len();
        self.count_call(&session, request.0.args(), request.1, (ns, bytes, failed), now);
        if let Some(rest) = rest {
            self.finish_transaction(&mut session, &mut reply, rest, now);
        }
        if silent {
            reply.truncate(mark);
        }
        if !self.is_busy() {
            dispatch::settle(self, &mut session, true);
            // Not while a file is loaded: what they took would be in no file.
            if self.persistence.loading.is_none() {
                self.serve_ready(now);
            }
            self.flush_pushes(&session, &mut reply);
        }
        session.reply = reply;
        if is_there {
            self.wake(&mut session);
            self.clients.put_back(session);
        } else if client.id == 0
            && let Some(loading) = &mut self.persistence.loading
        {
            loading.put_back(session);
        }
    }

    /// A panic took an interpreter along: what it knew is lost, or told to another.
    pub(super) fn recover_interpreters(&mut self) {
        self.scripting.busy = None;
        if self.scripting.interpreter.is_none() {
            self.scripting.flush();
        }
        if self.scripting.functions.interpreter.is_none() {
            let sources = self.scripting.functions.sources();
            self.scripting.functions.flush();
            // They were loaded before.
            let _ = self.load_libraries(&sources, false, true);
        }
    }
}

#[cfg(test)]
mod tests;
