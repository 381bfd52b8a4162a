//! Scripts: which are cached, which one runs, and what it may do.
//!
//! The interpreter (`engine/script`) says what it wants; here is who decides and does it. A script's commands run one by
//! one through the same door as those of clients, as one unit of propagation, at the one moment at which it began.

use super::Server;
use super::busy::Busy;
use super::debugging::Debugged;
use super::functions::Functions;
use crate::engine::acl::{Context, UserId};
use crate::engine::command::table::CommandId;
use crate::engine::command::{Error, Result};
use crate::engine::command::{dispatch, permission};
use crate::engine::effect::Level;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::{Args, Argv, Reply};
use crate::engine::script::{Callee, Command, Digest, Input, Interpreter, Options, Output, Run, SLICE_NS};
use crate::engine::session::{Peer, SCRIPT_ADDRESS, Session};
use crate::engine::spec::Flags;
use crate::engine::text::sha1::sha1;
use crate::engine::time::Now;
use std::collections::BTreeMap;

/// Scripts that came with EVAL and are kept, as Redis keeps them.
const KEPT: usize = 500;
/// Bytes that scripts may use in all if nobody knows how much memory there is.
const MEMORY: u64 = 256 * 1024 * 1024;

/// How a script may be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags {
    /// It said nothing about itself: each of its commands is judged on its own.
    pub compatible: bool,
    /// It changes nothing.
    pub no_writes: bool,
    /// It may run while memory is full.
    pub allow_oom: bool,
}

impl ScriptFlags {
    /// The names that a script may give.
    pub const NAMES: [&'static str; 5] =
        ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

    /// Adds the flag of this name; says whether there is one.
    pub fn add(&mut self, name: &[u8]) -> bool {
        match name {
            b"no-writes" => self.no_writes = true,
            b"allow-oom" => self.allow_oom = true,
            _ if Self::NAMES.iter().any(|known| known.as_bytes() == name) => {}
            _ => return false,
        }
        true
    }
}

/// Texts that came with EVAL lately, and what they are called: to see that one has come again takes less than to hash it.
struct Texts([(Vec<u8>, Digest); Texts::COUNT]);

impl Default for Texts {
    fn default() -> Self {
        Texts(std::array::from_fn(|_| (Vec::new(), sha1(b""))))
    }
}

impl Texts {
    const COUNT: usize = 8;
    /// Bytes of a text that is remembered.
    const LONGEST: usize = 4096;

    fn digest(&mut self, text: &[u8]) -> Digest {
        // Those of one application mostly differ in length.
        let (known, digest) = &mut self.0[text.len() % Self::COUNT];
        if *known == text {
            return *digest;
        }
        if text.len() > Self::LONGEST {
            return sha1(text);
        }
        known.clear();
        known.extend_from_slice(text);
        *digest = sha1(text);
        *digest
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(text, _)| text.capacity()).sum()
    }
}

/// A cached script.
#[derive(Debug)]
struct Script {
    bytes: usize,
    flags: ScriptFlags,
    /// When it was last used, if it may be evicted: those that came with SCRIPT LOAD may not.
    used: Option<u64>,
}

/// All about scripts.
#[derive(Default)]
pub struct Scripting {
    pub(super) interpreter: Option<Interpreter>,
    scripts: BTreeMap<Digest, Script>,
    /// Scripts that may be evicted, by their last use as it was known when one was looked for: a use of a script
    /// only writes down that it took place.
    by_use: BTreeMap<u64, Digest>,
    uses: u64,
    texts: Texts,
    /// Bytes of the cached scripts' texts.
    bytes: usize,
    /// Libraries of functions.
    pub functions: Functions,
    /// The last run, for the next one.
    pub spare: Option<Box<Run>>,
    /// The client of the last script, for the next one.
    stand_in: Option<Box<Session>>,
    /// What runs and was left alone for a while.
    pub(super) busy: Option<Box<Busy>>,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may run every command.
    pub allows_all: bool,
}

impl Scripting {
    /// Cached scripts.
    pub fn count(&self) -> usize {
        self.scripts.len()
    }
    /// What the cache costs, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes
            + self.texts.bytes()
            + self.scripts.len() * (size_of::<Digest>() + size_of::<Script>() + 32)
    }
    /// Has the interpreters free what is left behind, so that what they use is what scripts hold.
    pub fn tidy(&mut self) {
        let Scripting { interpreter, functions, .. } = self;
        interpreter.iter_mut().chain(&mut functions.interpreter).for_each(Interpreter::tidy);
    }
    /// What the interpreter uses, in bytes.
    pub fn interpreter_memory(&self) -> usize {
        self.interpreter.as_ref().map_or(0, Interpreter::memory)
    }
    /// What both interpreters use, in bytes.
    pub fn vm_memory(&self) -> usize {
        self.interpreter_memory() + self.functions.interpreter_memory()
    }
    /// What a script that came with EVAL is called: the same are likely to come again.
    pub fn digest(&mut self, text: &[u8]) -> Digest {
        self.texts.digest(text)
    }
    /// Whether a script is cached.
    pub fn has(&self, digest: &Digest) -> bool {
        self.scripts.contains_key(digest)
    }
    /// A script is going to run, if it is cached: its flags.
    pub fn use_script(&mut self, digest: &Digest) -> Option<ScriptFlags> {
        let script = self.scripts.get_mut(digest)?;
        if let Some(used) = &mut script.used {
            self.uses += 1;
            *used = self.uses;
        }
        Some(script.flags)
    }
    /// A script is to stay until all are flushed.
    pub fn pin(&mut self, digest: &Digest) {
        let used = self.scripts.get_mut(digest).and_then(|script| script.used.take());
        if used.is_some() {
            self.by_use.retain(|_, other| other != digest);
        }
    }
    /// The script that was not used for longest, if any may be evicted.
    fn least_used(&mut self) -> Option<Digest> {
        loop {
            let (known, digest) = self.by_use.pop_first()?;
            match self.scripts.get(&digest)?.used {
                Some(used) if used > known => _ = self.by_use.insert(used, digest),
                _ => return Some(digest),
            }
        }
    }
    /// Forgets all scripts, and the interpreter with them.
    pub fn flush(&mut self) {
        let functions = std::mem::take(&mut self.functions);
        *self = Scripting { functions, allows_all: self.allows_all, ..Scripting::default() };
    }
}

/// The script that runs.
pub(super) struct Running {
    /// Its client, as its commands see it.
    pub session: Box<Session>,
    /// What it is.
    pub callee: Callee,
    /// When it began, by the stopwatch.
    pub began: u64,
    /// What it is to be told next; `None` while it is debugged, has stopped, and waits for a line.
    pub next: Option<Input>,
    /// When it may be left alone.
    pub patience: Patience,
    /// Where the client really is, for who asks what was refused.
    address: Box<str>,
    /// The moment at which it began.
    pub now: Now,
    /// It may not write.
    read_only: bool,
    /// It may write although memory is full.
    allow_oom: bool,
    /// Memory was full when it began.
    full: bool,
    /// It has written, so that it must come to its end.
    pub wrote: bool,
    /// It is debugged.
    pub debugged: Option<Box<Debugged>>,
}

/// How long a script may work before others get their turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// To its end: it cannot be left alone.
    Endless,
    /// So many milliseconds, after which it is busy.
    First(u64),
    /// A slice: it is busy.
    Slice,
}

/// Commands that count as a millisecond of work where the stopwatch stands still.
const COMMANDS_A_MS: u64 = 10_000;

impl Patience {
    /// Whether it ends after `ns`, or so many slices and commands of work, which count where there is no clock.
    pub(super) fn ends(self, ns: u64, slices: u64, commands: u64) -> bool {
        match self {
            Patience::Endless => false,
            Patience::First(ms) => ns / 1_000_000 >= ms || slices + commands / COMMANDS_A_MS >= ms,
            Patience::Slice => slices > 0 || ns >= SLICE_NS || commands >= COMMANDS_A_MS,
        }
    }
}

/// What is to be run, and for whom.
pub struct Order<'a> {
    /// The run.
    pub run: Box<Run>,
    /// What the script said about itself.
    pub flags: ScriptFlags,
    /// It was called by a command that promises to change nothing.
    pub read_only: bool,
    /// The client.
    pub session: &'a Session,
    /// What it sent, and the number of its command.
    pub request: (Args<'a>, CommandId),
}

impl Server {
    /// A fresh interpreter, for scripts or for libraries of functions.
    pub(super) fn new_interpreter(&self, functions: bool) -> Result<Interpreter> {
        let memory = match self.environment.total_memory / 4 {
            0 => MEMORY,
            quarter => quarter.max(MEMORY / 4),
        };
        let options = Options {
            memory: memory as usize,
            stopwatch: self.environment.stopwatch,
            version: crate::engine::REDIS_VERSION,
            deprecated: self.config.lua_enable_deprecated_api || self.config.lua_enable_insecure_api,
            functions,
        };
        Interpreter::new(options).map_err(|why| Error::text(format!("ERR {why}")))
    }

    /// Compiles a script and caches it. One that comes with EVAL may be evicted when many others come.
    pub fn cache_script(&mut self, digest: Digest, source: &[u8], evictable: bool) -> Result<ScriptFlags> {
        let (flags, body) = shebang(source)?;
        let mut interpreter = match self.scripting.interpreter.take() {
            Some(interpreter) => interpreter,
            None => self.new_interpreter(false)?,
        };
        let compiled = interpreter.tell(Input::Compile(digest, body.to_vec()));
        self.scripting.interpreter = Some(interpreter);
        if let Output::Done(Err(why)) = compiled {
            return Err(Error::bytes(why));
        }
        let mut used = None;
        if evictable {
            while self.scripting.by_use.len() >= KEPT {
                self.evict_script();
            }
            self.scripting.uses += 1;
            used = Some(self.scripting.uses);
            self.scripting.by_use.insert(self.scripting.uses, digest);
        }
        self.scripting.bytes += source.len();
        self.scripting.scripts.insert(digest, Script { bytes: source.len(), flags, used });
        Ok(flags)
    }

    fn evict_script(&mut self) {
        let Some(digest) = self.scripting.least_used() else { return };
        if let Some(script) = self.scripting.scripts.remove(&digest) {
            self.scripting.bytes -= script.bytes;
        }
        if let Some(interpreter) = &mut self.scripting.interpreter {
            interpreter.tell(Input::Forget(digest));
        }
        self.stats.evicted_scripts += 1;
    }

    /// Runs a script, and returns how it ended. If that takes long it has not ended, and its client is to wait.
    pub fn run_script(&mut self, order: Order, now: Now) -> Result<Option<Box<Run>>> {
        let (client, (args, id)) = (order.session.client(), order.request);
        let (mut interpreter, mut running) = self.prepare_script(order, now)?;
        let is_function = running.callee.is_function();
        let began = self.lap;
        let ended = self.drive(&mut interpreter, &mut running);
        if ended.is_none() {
            running.patience = Patience::Slice;
            self.leave_alone(interpreter, running, (args.to_owned(), id), client);
            return Ok(None);
        }
        self.scripting.stand_in = Some(running.session);
        self.propagation.depth -= 1;
        self.lap = began;
        *self.interpreter_of(is_function) = Some(interpreter);
        Ok(ended)
    }

    /// Has everything ready for a script, which is a unit of propagation from then on; fails if it may not run.
    pub(super) fn prepare_script(&mut self, order: Order, now: Now) -> Result<(Interpreter, Running)> {
        let callee = order.run.callee.clone();
        let is_function = callee.is_function();
        let patience = match self.config.busy_reply_threshold {
            // Whoever has no client cannot wait, but for what is loaded.
            threshold if threshold > 0 && (order.session.id > 0 || self.persistence.loading.is_some()) => {
                Patience::First(threshold)
            }
            _ => Patience::Endless,
        };
        let full = self.config.maxmemory > 0 && !self.make_room(now);
        let flags = order.flags;
        if !flags.compatible && !flags.no_writes {
            if order.read_only {
                return Err(Error::new("ERR Can not execute a script with write flag using *_ro command."));
            }
            if let Some(why) = self.refuses_writes() {
                return Err(Error::text(why));
            }
            if full && !flags.allow_oom {
                return Err(Error::new(
                    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
                ));
            }
        }
        let Some(interpreter) = self.interpreter_of(is_function).take() else {
            return Err(Error::new("ERR no script is loaded"));
        };
        let mut stand_in = self.scripting.stand_in.take().unwrap_or_default();
        become_script(&mut stand_in, order.session);
        let running = Running {
            session: stand_in,
            callee,
            began: self.lap,
            next: Some(Input::Run(order.run)),
            patience,
            address: order.session.peer.address.clone(),
            now,
            read_only: order.read_only || flags.no_writes,
            allow_oom: flags.allow_oom,
            full,
            wrote: false,
            debugged: None,
        };
        self.propagation.depth += 1;
        Ok((interpreter, running))
    }

    pub(super) fn interpreter_of(&mut self, functions: bool) -> &mut Option<Interpreter> {
        if functions { &mut self.scripting.functions.interpreter } else { &mut self.scripting.interpreter }
    }

    /// Does what a script wants until it ends, or until others are to get their turn, or until it waits for a line.
    pub(super) fn drive(&mut self, interpreter: &mut Interpreter, running: &mut Running) -> Option<Box<Run>> {
        let (start, mut slices, mut commands) = (self.lap, 0, 0);
        loop {
            let next = match interpreter.tell(running.next.take()?) {
                Output::Command(mut command) => {
                    commands += 1;
                    self.run_for_script(running, &mut command);
                    match &mut running.debugged {
                        None => Input::Answer(command),
                        Some(debugged) => {
                            debugged.commands += 1;
                            self.judge_debugged(debugged, Input::Answer(command))
                        }
                    }
                }
                Output::Allowed(argv) => Input::Verdict(self.allows_script(running.session.user, argv)),
                Output::Log(level, text) => {
                    self.log_for_script(level, &text);
                    Input::Go
                }
                Output::Slice => {
                    slices += 1;
                    self.lap = (self.environment.stopwatch)();
                    match &mut running.debugged {
                        None => Input::Go,
                        Some(debugged) => self.judge_slice(debugged),
                    }
                }
                Output::Stopped(told) => {
                    if let Some(debugged) = &mut running.debugged {
                        debugged.told = Some(told);
                    }
                    return None;
                }
                Output::Ended(run) => return Some(run),
                Output::Done(outcome) => {
                    let error = outcome.err().unwrap_or_else(|| b"ERR the script did not run".into());
                    return Some(Box::new(Run { error: Some((error, false)), ..Run::default() }));
                }
                Output::Registered(_) => Input::Go,
            };
            running.next = Some(next);
            // Commands have set the lap.
            if running.patience.ends(self.lap.saturating_sub(start), slices, commands) {
                return None;
            }
        }
    }

    /// `redis.log`.
    pub(super) fn log_for_script(&mut self, level: u8, text: &[u8]) {
        self.log(log_level(level), String::from_utf8_lossy(text).into_owned());
    }

    /// `redis.acl_check_cmd`.
    fn allows_script(&mut self, user: UserId, argv: Argv) -> std::result::Result<bool, &'static str> {
        match dispatch::resolve(self, self.commands.find(argv.args().at(0)), argv.args()) {
            Ok(id) => Ok(permission::check(self, user, id, argv.args()).is_ok()),
            Err((Some(_), _)) => Err("Wrong number of args for redis.acl_check_cmd()"),
            Err((None, _)) => Err("Invalid command passed to redis.acl_check_cmd()"),
        }
    }

    /// Runs one command of a script.
    fn run_for_script(&mut self, running: &mut Running, command: &mut Command) {
        let (args, reply) = (command.argv.args(), &mut command.reply);
        running.session.set_resp3(command.resp3, reply);
        match self.gate_script(running, args) {
            Ok(id) => {
                let flags = self.commands.entry(id).row.flags;
                let second = running.wrote && mutant::is_on("script-second-write");
                running.wrote |= flags.has(Flags::WRITE);
                let muted = (!command.propagated || second).then(|| self.propagation.mute(true));
                let before = self.dirty;
                let failed = dispatch::call(self, &mut running.session, reply, args, id, running.now);
                sometimes!("script-failed", failed);
                sometimes!("script-wrote", self.dirty > before);
                if mutant::is_on("torn-script") {
                    self.propagation.flush(false, &mut self.effects);
                }
                if let Some(muted) = muted {
                    self.propagation.mute(muted);
                }
            }
            Err((id, error)) => {
                if let Some(id) = id {
                    self.command_stats[id as usize].rejected += 1;
                }
                dispatch::count_error(self, error.as_bytes());
                reply.error(error.as_bytes());
                command.refused = true;
            }
        }
    }

    /// Everything that can keep a command from running in a script.
    fn gate_script(
        &mut self,
        running: &mut Running,
        args: Args,
    ) -> std::result::Result<CommandId, (Option<CommandId>, Error)> {
        let id = match dispatch::resolve(self, self.commands.find(args.at(0)), args) {
            Ok(id) => id,
            Err((None, _)) => return Err((None, Error::new("ERR Unknown Redis command called from script"))),
            Err((id, _)) => {
                return Err((id, Error::new("ERR Wrong number of args calling Redis command from script")));
            }
        };
        let flags = self.commands.entry(id).row.flags;
        let refuse = |error| Err((Some(id), error));
        if flags.has(Flags::NOSCRIPT) && !self.scripting.allows_all {
            return refuse(Error::new("ERR This Redis command is not allowed from script"));
        }
        if let Err(denied) = permission::check(self, running.session.user, id, args)
            && !mutant::is_on("acl-script")
        {
            std::mem::swap(&mut running.session.peer.address, &mut running.address);
            let (who, denied) = ((&*running.session, &Reply::default()), (denied, Context::Script));
            let error = permission::refuse(self, who, id, args, denied, running.now);
            std::mem::swap(&mut running.session.peer.address, &mut running.address);
            return refuse(error);
        }
        if flags.has(Flags::WRITE) {
            if running.read_only {
                return refuse(Error::new("ERR Write commands are not allowed from read-only scripts."));
            }
            if !running.wrote
                && let Some(why) = self.refuses_writes()
            {
                return refuse(Error::text(why));
            }
        }
        if running.full && flags.has(Flags::DENYOOM) && !running.allow_oom && !running.wrote {
            return refuse(Error::OOM);
        }
        Ok(id)
    }
}

/// Makes `stand_in` a client that a script's commands run as: what it selects is its own affair.
fn become_script(stand_in: &mut Session, session: &Session) {
    let mut peer = Peer { fd: session.peer.fd, ..std::mem::take(&mut stand_in.peer) };
    (peer.unix, peer.loopback, peer.tls) = (session.peer.unix, session.peer.loopback, session.peer.tls);
    if peer.address.is_empty() {
        peer.address = SCRIPT_ADDRESS.into();
    }
    if peer.local != session.peer.local {
        peer.local = session.peer.local.clone();
    }
    *stand_in = Session {
        id: session.id,
        slot: session.slot,
        peer,
        thread: session.thread,
        db: if mutant::is_on("script-database") { 0 } else { session.db },
        user: session.user,
        authenticated: true,
        command: session.command,
        traffic: session.traffic,
        no_touch: session.no_touch,
        tracks_reads: session.tracks_reads && !mutant::is_on("untracked-script"),
        created: session.created,
        active: session.active,
        ..Session::default()
    };
}

fn log_level(level: u8) -> Level {
    match level {
        0 => Level::Debug,
        1 => Level::Verbose,
        2 => Level::Notice,
        _ => Level::Warning,
    }
}

/// What a script says about itself in its first line, and its text without that line's words.
fn shebang(source: &[u8]) -> Result<(ScriptFlags, &[u8])> {
    if !source.starts_with(b"#!") {
        return Ok((ScriptFlags { compatible: true, ..ScriptFlags::default() }, source));
    }
    let Some(end) = memchr::memchr(b'\n', source) else {
        return Err(Error::new("ERR Invalid script shebang"));
    };
    let words = crate::engine::text::split::split_args(&source[..end]).filter(|words| !words.is_empty());
    let Some(words) = words else { return Err(Error::new("ERR Invalid engine in script shebang")) };
    let unexpected =
        |what: &str, word: &[u8]| Err(Error::bytes([b"ERR ", what.as_bytes(), b": ", word].concat()));
    if words[0] != b"#!lua" {
        return unexpected("Unexpected engine in script shebang", &words[0]);
    }
    let mut flags = ScriptFlags::default();
    for word in &words[1..] {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return unexpected("Unknown lua shebang option", word);
        };
        for name in names.split(|byte| *byte == b',').filter(|name| !name.is_empty()) {
            if !flags.add(name) {
                return unexpected("Unexpected flag in script shebang", name);
            }
        }
    }
    Ok((flags, &source[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_remembered_is_called_what_it_hashes_to() {
        let mut texts = Texts::default();
        let long = vec![b' '; 2 * Texts::LONGEST];
        let all: [&[u8]; 6] = [b"return 1", b"return 2", b"", b"return 1", b"return 10", &long];
        for text in all.iter().chain(&all) {
            assert_eq!(texts.digest(text), sha1(text));
        }
        assert!(texts.bytes() <= 2 * "return 10".len().next_power_of_two(), "{}", texts.bytes());
    }
}
