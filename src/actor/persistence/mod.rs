//! Persistence: the threads of files, and what connects them with the keyspace.
//!
//! ```text
//! keyspace ── stream of propagated commands ──> `aof`    writes, flushes, reports how far it is durable
//!          ── chunks of a snapshot ───────────> `save`   encodes and writes an RDB file or a base
//!          <── entries and commands ─────────── `load`   reads, checks, decodes
//! ```

mod aof;
mod backup;
mod load;
mod message;
mod save;
mod stop;

use self::aof::{Directory, Log};
use self::message::{FromAof, Loaded, Policy, ToAof};
use super::keyspace::{Files, Keyspace};
use super::log;
use super::processors::Processors;
use super::vital::Vital;
use crate::engine::aof::message::directory_create;
use crate::engine::buggify::buggify;
use crate::engine::config::{Config, Param};
use crate::engine::effect::{DataFile, Effect, JobKind, Level, Order};
use crate::engine::server::Server;
use crate::engine::server::persistence::{AofState, Outcome};
use crate::engine::session::ClientId;
use crate::runtime::sync::{Notify, mpsc, oneshot};
use crate::runtime::task::{self, JoinHandle};
use crate::runtime::{fs, process, thread, time};
use save::{Plan, Stop};
use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Microseconds that `key-load-delay` waits at most before it looks at the configuration again.
const DELAY_STEP: u64 = 10_000;
/// Microseconds between looks at whether a script that is loaded has ended.
const SLICE_US: u64 = 1000;

/// The keyspace's side of all files.
pub struct Persistence {
    keyspace: Rc<Keyspace>,
    /// Itself, for its tasks.
    me: Weak<Persistence>,
    /// The writer of the append-only file, and where its thread stays.
    aof: RefCell<Option<mpsc::UnboundedSender<ToAof>>>,
    processors: Processors,
    /// What each of its writers, one after the other, reports.
    reports: mpsc::UnboundedSender<Reports>,
    /// Where the append-only file is, or was last: it stays there when `dir` changes.
    place: RefCell<Option<PathBuf>>,
    /// Where the files of the backup are.
    backup: RefCell<Option<PathBuf>>,
    /// One that was told to close answers here when it has.
    closing: RefCell<Option<oneshot::Receiver<Result<(), String>>>>,
    /// The position of the stream after what was sent there.
    sent: Cell<u64>,
    /// The stream grew and is to be sent at the end of the turn.
    grew: Cell<bool>,
    turn: Notify,
    /// The running job.
    running: RefCell<Option<Running>>,
    /// A job ended.
    job_ended: Notify,
    /// The server is to stop without saving.
    forgoes_save: Cell<bool>,
    /// What is to be done with the files of backups.
    steps: mpsc::UnboundedSender<backup::Step>,
}

/// What one writer of the append-only file reports.
type Reports = mpsc::UnboundedReceiver<FromAof>;

/// What a running job is made of.
struct Running {
    walk: JoinHandle<()>,
    /// Its writer stops when this is gone.
    _wanted: oneshot::Sender<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.walk.abort();
    }
}

/// Where a file is that a parameter names: `dir` may change while it is in use.
fn absolute(name: &[u8]) -> PathBuf {
    let name = PathBuf::from(OsStr::from_bytes(name));
    // Without a working directory nothing can be opened either way.
    process::working_directory().map_or(name.clone(), |dir| dir.join(name))
}

/// Where an append-only file would be now.
fn here(config: &Config) -> PathBuf {
    absolute(&config.appenddirname)
}

/// Sees whether an append-only file can be begun: its first base is written beside its directory.
pub fn try_to_begin(config: &Config) -> Result<(), String> {
    let directory = directory(here(config), config);
    let failed = |error| directory_create(directory.name(), log::reason(&error));
    fs::create_dir(&directory.path).map_err(failed)?;
    for place in [save::directory_of(&directory.path), &directory.path] {
        let file = place.join(format!("temp-rewriteaof-{}.aof", process::pid()));
        let made = fs::File::create(&file).and_then(|_| fs::remove(&file));
        made.map_err(|error| format!("Can't write in {}: {}", place.display(), log::reason(&error)))?;
    }
    Ok(())
}

/// The files of an append-only file in this directory.
fn directory(path: PathBuf, config: &Config) -> Directory {
    Directory { path, prefix: config.appendfilename.clone(), keep_history: config.aof_disable_auto_gc }
}

impl Files for Persistence {
    fn stream_grew(&self) {
        if !self.grew.replace(true) {
            self.turn.notify_one();
        }
    }

    fn perform(&self, server: &mut Server, effect: Effect) {
        match effect {
            Effect::Job(order) => self.start_job(server, order),
            Effect::StopJob => *self.running.borrow_mut() = None,
            Effect::Backup(step) => self.begin_step(server, step),
            Effect::AofPolicy => self.tell_aof(ToAof::Policy(Policy::from(&server.config))),
            Effect::CloseAof { rest } => self.close_aof(server, rest),
            Effect::Reload { file, save, flush, merge, client } => {
                if let Some(me) = self.me.upgrade() {
                    Vital::Reload.start(&self.keyspace, async move {
                        me.reload(file, (save, flush, merge), client).await;
                    });
                }
            }
            other => debug_assert!(false, "{other:?} is not about files"),
        }
    }
}

impl Persistence {
    /// No files yet.
    pub fn new(keyspace: &Rc<Keyspace>) -> Rc<Self> {
        let (steps, inbox) = mpsc::unbounded_channel();
        let (reports, writers) = mpsc::unbounded_channel();
        let persistence = Rc::new_cyclic(|me| Persistence {
            keyspace: keyspace.clone(),
            me: me.clone(),
            aof: RefCell::default(),
            processors: keyspace.with_quiet(|server| Processors::of(Param::bio_cpulist, &server.config)),
            reports,
            place: RefCell::default(),
            backup: RefCell::default(),
            closing: RefCell::default(),
            sent: Cell::new(0),
            grew: Cell::new(false),
            turn: Notify::new(),
            running: RefCell::default(),
            job_ended: Notify::new(),
            forgoes_save: Cell::new(false),
            steps,
        });
        keyspace.set_files(Some(persistence.clone()));
        Vital::Backup.start(keyspace, persistence.clone().take_steps(inbox));
        Vital::Reports.start(keyspace, persistence.clone().take_reports(writers));
        persistence
    }

    /// Loads the data that the configuration names, while clients are told to wait. Fails with the reason if it cannot
    /// be used.
    pub async fn start(self: &Rc<Self>) -> Result<(), String> {
        let config = self.keyspace.with_quiet(|server| server.config.clone());
        let now = self.keyspace.now();
        self.keyspace.with(now, |server| server.begin_loading(0, now));
        let started = now.mono_us;
        let preloads = |kind: &str| config.preload_file.strip_prefix(kind.as_bytes()).map(<[u8]>::to_vec);
        let loaded = if config.appendonly {
            self.load_aof(true).await
        } else {
            let name = preloads("rdb:").unwrap_or_else(|| config.dbfilename.clone());
            self.load_rdb(PathBuf::from(OsStr::from_bytes(&name))).await
        };
        if let Err(why) = &loaded {
            why.lines().for_each(|line| log::write(Level::Warning, line));
            if !config.appendonly {
                log::write(Level::Warning, "Terminating server after rdb file reading failure.");
            }
            return Err("Fatal error loading the DB, check server logs. Exiting.".to_owned());
        }
        let now = self.keyspace.now();
        let (expired, keys) = self.keyspace.with(now, |server| {
            server.end_loading();
            // It may have been turned on or off meanwhile.
            server.follow_file_config(now);
            server.persistence.last_load
        });
        if !config.appendonly && loaded == Ok(true) {
            let text = format!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}.");
            log::write(Level::Notice, &text);
            let seconds = (now.mono_us - started) as f64 / 1e6;
            log::write(Level::Notice, &format!("DB loaded from disk: {seconds:.3} seconds"));
        }
        Ok(())
    }

    /// Where the append-only file is, or was last.
    fn directory(&self, config: &Config) -> Directory {
        directory(self.place.borrow().clone().unwrap_or_else(|| here(config)), config)
    }

    /// Where an append-only file begins, and then stays.
    fn begin_directory(&self, config: &Config) -> Directory {
        *self.place.borrow_mut() = Some(here(config));
        self.directory(config)
    }

    fn setup(&self, mends: bool) -> load::Setup {
        let now = self.keyspace.now();
        self.keyspace.with_quiet(|server| load::Setup {
            limits: server.rdb_limits(),
            clock: server.clock(now).initial(),
            checksum: server.config.rdbchecksum && !server.persistence.skips_checksums,
            covers: server.config.aof_checksums,
            load_truncated: server.config.aof_load_truncated,
            corrupt_tail_max: server.config.aof_load_corrupt_tail_max_size,
            mends,
            rdb_base: server.config.aof_use_rdb_preamble,
        })
    }

    async fn load_rdb(&self, path: PathBuf) -> Result<bool, String> {
        let setup = self.setup(false);
        let (out, inbox) = mpsc::channel(load::QUEUE);
        let loader = thread::spawn_runtime("load", move || load::rdb(path, setup, out));
        self.take_loaded(inbox).await?;
        let loader = loader.map_err(|error| log::reason(&error))?;
        loader.join().await.unwrap_or_else(|panic| Err(panic.message))
    }

    /// Loads the append-only file; `opens`: and has it written from now on.
    async fn load_aof(self: &Rc<Self>, opens: bool) -> Result<bool, String> {
        let setup = self.setup(opens);
        let directory = self.keyspace.with_quiet(|server| match opens {
            true => self.begin_directory(&server.config),
            false => self.directory(&server.config),
        });
        let (out, inbox) = mpsc::channel(load::QUEUE);
        let loader = thread::spawn_runtime("load", move || load::aof(directory, setup, out));
        self.take_loaded(inbox).await?;
        let loader = loader.map_err(|error| log::reason(&error))?;
        let Some(opened) = loader.join().await.unwrap_or_else(|panic| Err(panic.message))? else {
            return Ok(true);
        };
        let (policy, position) =
            self.keyspace.with_quiet(|server| (Policy::from(&server.config), server.propagation.offset()));
        let (reports, inbox) = mpsc::unbounded_channel();
        let log = Log::new(opened, position, policy, reports);
        let (size, base_size) = (log.size(), log.base_size());
        self.spawn_aof(position, inbox, move |messages| log.run(messages))?;
        self.keyspace.with_news(|server| server.aof_opened(size, base_size));
        Ok(true)
    }

    /// Gives the keyspace what a loader brings, piece by piece, with clients told in between to wait.
    async fn take_loaded(&self, mut inbox: mpsc::Receiver<Loaded>) -> Result<(), String> {
        let mut commands = Vec::new();
        while let Some(loaded) = inbox.recv().await {
            let mut keys = 0;
            if let Loaded::Commands { bytes, offset, file } = loaded {
                let start = offset - commands.len() as u64;
                commands.extend_from_slice(&bytes);
                keys = self.replay(&mut commands, start, &file).await?;
            } else {
                let now = self.keyspace.now();
                let place = |end: u64| move |why| format!("{why} (before offset {end} of the file)");
                self.keyspace.with(now, |server| match loaded {
                    Loaded::Entries { db, entries, end } => {
                        keys = entries.len() as u64;
                        server.load_entries(db, entries, now).map_err(place(end))
                    }
                    Loaded::Library { source, end } => {
                        server.load_library_of_file(&source).map_err(place(end))
                    }
                    Loaded::DropExpired(drops) => {
                        server.drop_expired(drops);
                        Ok(())
                    }
                    Loaded::Total(bytes) => {
                        server.note_total(bytes);
                        Ok(())
                    }
                    Loaded::Progress(bytes) => {
                        server.note_loaded(bytes);
                        Ok(())
                    }
                    Loaded::Commands { .. } => Ok(()),
                })?;
            }
            self.delay(keys).await;
            task::yield_now().await;
        }
        Ok(())
    }

    /// Runs the commands of a file that are there as a whole, and takes them out; they began at `start` of it. Says how many
    /// they were.
    async fn replay(&self, commands: &mut Vec<u8>, mut start: u64, file: &[u8]) -> Result<u64, String> {
        let mut count = 0;
        loop {
            let now = self.keyspace.now();
            let ran = self.keyspace.with(now, |server| server.replay(commands, now));
            let (ran, more) = ran.map_err(|(at, why)| {
                let file = String::from_utf8_lossy(file);
                format!("{why} {file} at offset {}", start + at as u64)
            })?;
            commands.drain(..ran);
            (start, count) = (start + ran as u64, count + more);
            if !self.wait_for_script().await {
                return Ok(count);
            }
        }
    }

    /// Waits until no script is busy; says whether one was.
    async fn wait_for_script(&self) -> bool {
        let is_busy = || self.keyspace.with_quiet(|server| server.is_busy());
        let was_busy = is_busy();
        while is_busy() {
            time::sleep_until(time::now().mono_us + SLICE_US).await;
        }
        was_busy
    }

    /// `key-load-delay`: tests want loading to last, and to change that meanwhile.
    async fn delay(&self, mut keys: u64) {
        while keys > 0 {
            let (step, wait) = match self.keyspace.with_quiet(|server| server.config.key_load_delay) {
                0 => return,
                us @ 1.. => {
                    let step = (DELAY_STEP / us as u64).clamp(1, keys);
                    (step, step * us as u64)
                }
                per_us => (keys, keys / per_us.unsigned_abs()),
            };
            keys -= step;
            time::sleep_until(time::now().mono_us + wait).await;
        }
    }

    /// Starts the writer of the append-only file on a thread of its own.
    fn spawn_aof<F>(
        self: &Rc<Self>,
        position: u64,
        reports: Reports,
        run: impl FnOnce(mpsc::UnboundedReceiver<ToAof>) -> F + Send + 'static,
    ) -> Result<(), String>
    where
        F: Future<Output = ()> + 'static,
    {
        let (messages, inbox) = mpsc::unbounded_channel();
        let processors = self.processors.clone();
        // It ends by itself when it is told to, or nobody is left to tell.
        let writer = thread::spawn_runtime("aof", move || {
            processors.stay();
            run(inbox)
        });
        writer.map_err(|error| log::reason(&error))?;
        self.sent.set(position);
        *self.aof.borrow_mut() = Some(messages);
        // Whoever takes them is gone only when the server stops.
        let _ = self.reports.send(reports);
        Ok(())
    }

    /// Takes what the writers of the append-only file report: each begins when the one before has ended.
    async fn take_reports(self: Rc<Self>, mut writers: mpsc::UnboundedReceiver<Reports>) {
        while let Some(inbox) = writers.recv().await {
            self.take_reports_of_one(inbox).await;
        }
    }

    async fn take_reports_of_one(&self, mut inbox: Reports) {
        while let Some(report) = inbox.recv().await {
            let now = self.keyspace.now();
            self.keyspace.with(now, |server| match report {
                FromAof::Durable { position, size } => {
                    server.aof_is(size);
                    server.persisted(position, now);
                }
                FromAof::Failed { why, lost } => server.aof_failed(why, lost, now),
                FromAof::Recovered => server.aof_recovered(),
                FromAof::Committed => server.aof_healed(),
            });
        }
        // The writer has ended. If nobody told it to, it was a panic: a rewrite starts another.
        let is_lost = self.aof.borrow().as_ref().is_some_and(mpsc::UnboundedSender::is_closed);
        if is_lost {
            *self.aof.borrow_mut() = None;
            let (now, why) = (self.keyspace.now(), "the thread that writes it has ended".to_owned());
            self.keyspace.with(now, |server| server.aof_failed(why, true, now));
        }
    }

    fn tell_aof(&self, message: ToAof) {
        if let Some(aof) = &*self.aof.borrow() {
            // It is gone only when the server stops.
            let _ = aof.send(message);
        }
    }

    /// Sends what was propagated, once a turn: after all connections had theirs.
    pub async fn send_turns(self: Rc<Self>) {
        loop {
            self.turn.notified().await;
            if buggify!("late-stream") {
                task::yield_now().await;
            }
            self.grew.set(false);
            self.keyspace.with_quiet(|server| self.send_stream(server));
        }
    }

    fn send_stream(&self, server: &mut Server) {
        if server.propagation.has_stream() {
            let room = Vec::with_capacity(server.propagation.waiting());
            let (bytes, end) = (server.propagation.take_stream(room), server.propagation.offset());
            server.aof_grew(bytes.len() as u64);
            self.sent.set(end);
            self.tell_aof(ToAof::Append { bytes, end });
        }
    }

    /// Sends the stream up to a position, and has the rest wait.
    fn send_stream_until(&self, server: &mut Server, position: u64) {
        let before = (position - self.sent.get()) as usize;
        if before > 0 {
            let bytes = server.propagation.take_front(before);
            server.aof_grew(bytes.len() as u64);
            self.sent.set(position);
            self.tell_aof(ToAof::Append { bytes, end: position });
        }
    }

    fn start_job(&self, server: &mut Server, order: Order) {
        let Some(me) = self.me.upgrade() else { return };
        if order.kind == JobKind::Rewrite && server.persistence.aof.is_on() {
            if self.aof.borrow().is_none() {
                let (reports, inbox) = mpsc::unbounded_channel();
                // One whose thread has ended goes on where it was.
                let begins = server.persistence.aof.state == AofState::Starting;
                let directory = if begins || self.place.borrow().is_none() {
                    self.begin_directory(&server.config)
                } else {
                    self.directory(&server.config)
                };
                let policy = Policy::from(&server.config);
                // What was propagated before is in the snapshot.
                let waiting = server.propagation.waiting() as u64;
                let first = server.propagation.offset() - waiting;
                server.propagation.take_front((order.position - first) as usize);
                let (position, before) = (order.position, self.closing.borrow_mut().take());
                let started = me.spawn_aof(position, inbox, move |messages| async move {
                    // Two writers would get into each other's way.
                    if let Some(closed) = before {
                        let _ = closed.await;
                    }
                    aof::run_from_rewrite(directory, position, policy, messages, reports).await;
                });
                if let Err(why) = started {
                    log::write(
                        Level::Warning,
                        &format!("Can't start the thread for the append-only file: {why}"),
                    );
                }
            }
            self.send_stream_until(server, order.position);
            self.tell_aof(ToAof::Rotate);
        }
        self.tell_aof(ToAof::Saving(true));
        let clock = server.clock(self.keyspace.now());
        let alone =
            (!server.persistence.aof.is_on()).then(|| directory(here(&server.config), &server.config));
        let base = alone.clone().unwrap_or_else(|| self.directory(&server.config));
        let plan = Plan::new(&order, &server.config, clock, &base);
        let (chunks, inbox) = mpsc::channel(save::QUEUE);
        let walk = task::spawn_local("snapshot", save::walk(self.keyspace.clone(), chunks));
        let (wanted, given_up) = oneshot::channel();
        *self.running.borrow_mut() = Some(Running { walk, _wanted: wanted });
        let source = save::Source { chunks: inbox, given_up };
        Vital::JobEnd.start(&self.keyspace, me.finish_job(plan, source, alone));
    }

    /// Has a job done, and tells the keyspace how it went: also of a panic, or there would never be another one.
    async fn finish_job(self: Rc<Self>, plan: Plan, source: save::Source, alone: Option<Directory>) {
        let job = task::spawn_local("job", self.clone().do_job(plan, source, alone));
        let outcome = match job.await {
            Ok(Ok(bytes)) => Outcome::Done { bytes },
            // Whoever gives it up takes what it is made of.
            Ok(Err(Stop::Asked)) if self.running.borrow().is_none() => Outcome::Stopped,
            Ok(Err(Stop::Asked)) => Outcome::Failed("the walk of its snapshot ended early".to_owned()),
            Ok(Err(Stop::Failed(why))) => Outcome::Failed(why),
            Err(panic) => Outcome::Failed(panic.message),
        };
        *self.running.borrow_mut() = None;
        self.tell_aof(ToAof::Saving(false));
        let now = self.keyspace.now();
        self.keyspace.with(now, |server| server.job_ended(outcome, now));
        self.job_ended.notify_waiters();
    }

    /// Waits for the writer of a snapshot, and has a base put in its place.
    async fn do_job(
        self: Rc<Self>,
        plan: Plan,
        source: save::Source,
        alone: Option<Directory>,
    ) -> Result<u64, Stop> {
        let (temporary, is_rdb, is_base) = (plan.temporary.clone(), plan.is_rdb, plan.target.is_none());
        let written = match thread::spawn_runtime("save", move || save::write(plan, source)) {
            Ok(writer) => writer.join().await.unwrap_or_else(|panic| Err(Stop::Failed(panic.message))),
            Err(error) => Err(Stop::Failed(log::reason(&error))),
        };
        match (written, alone) {
            (Ok(_), alone) if is_base => {
                let committed = self.commit(temporary.clone(), is_rdb, alone).await;
                if committed.is_err() {
                    // It may have its place already.
                    let remove = move || async move {
                        fs::remove_file(&temporary).await.map_err(|error| log::reason(&error))
                    };
                    let _ = backup::on_thread(remove).await;
                }
                committed.map_err(Stop::Failed)
            }
            (written, _) => written,
        }
    }

    /// Has a base put in its place.
    async fn commit(&self, base: PathBuf, is_rdb: bool, alone: Option<Directory>) -> Result<u64, String> {
        if let Some(directory) = alone {
            let before = self.closing.borrow_mut().take();
            let committer = thread::spawn_runtime("save", move || async move {
                if let Some(closed) = before {
                    let _ = closed.await;
                }
                aof::commit_alone(&directory, &base, is_rdb).await
            });
            let committer = committer.map_err(|error| log::reason(&error))?;
            return committer.join().await.unwrap_or_else(|panic| Err(panic.message));
        }
        let (done, answer) = oneshot::channel();
        self.tell_aof(ToAof::Commit { base, is_rdb, done });
        answer.await.unwrap_or_else(|_| Err("the append-only file was closed".to_owned()))
    }

    fn close_aof(&self, server: &mut Server, rest: Vec<u8>) {
        let end = server.propagation.offset();
        self.tell_aof(ToAof::Append { bytes: rest, end });
        let (done, closed) = oneshot::channel();
        self.tell_aof(ToAof::Close(done));
        *self.aof.borrow_mut() = None;
        *self.closing.borrow_mut() = Some(closed);
    }

    /// Flushes the append-only file, if one is written.
    async fn flush_aof(&self) -> Result<(), String> {
        if self.aof.borrow().is_none() {
            let closed = self.closing.borrow_mut().take();
            return match closed {
                Some(closed) => closed.await.unwrap_or(Ok(())),
                None => Ok(()),
            };
        }
        self.keyspace.with_quiet(|server| self.send_stream(server));
        let (done, answer) = oneshot::channel();
        self.tell_aof(ToAof::Flush(done));
        answer.await.unwrap_or_else(|_| Err("nobody writes it".to_owned()))
    }

    /// DEBUG RELOAD and DEBUG LOADAOF.
    async fn reload(
        self: Rc<Self>,
        file: DataFile,
        (save, flush, merge): (bool, bool, bool),
        client: ClientId,
    ) {
        let outcome = self.reload_data(file, save, flush, merge).await;
        let now = self.keyspace.now();
        self.keyspace.with(now, |server| {
            server.end_loading();
            server.follow_file_config(now);
            let failed = |why: String| {
                why.lines().for_each(|line| log::write(Level::Warning, line));
                "Error trying to load the RDB dump, check server logs".to_owned()
            };
            server.finish_outside(client, outcome.map_err(failed));
        });
    }

    async fn reload_data(
        self: &Rc<Self>,
        file: DataFile,
        save: bool,
        flush: bool,
        merge: bool,
    ) -> Result<(), String> {
        let now = self.keyspace.now();
        if file == DataFile::Aof {
            self.flush_aof().await?;
        } else if save {
            self.save_now().await?;
        }
        self.keyspace.with(now, |server| {
            if flush {
                server.empty_for_load();
            }
            server.merge_loaded(merge);
        });
        let found = match file {
            DataFile::Aof => self.load_aof(false).await?,
            DataFile::Rdb => {
                let name = self.keyspace.with_quiet(|server| server.config.dbfilename.clone());
                self.load_rdb(PathBuf::from(OsStr::from_bytes(&name))).await?
            }
        };
        if !found {
            return Err("There is no RDB file to load".to_owned());
        }
        let text = if file == DataFile::Aof {
            "Append Only File loaded by DEBUG LOADAOF"
        } else {
            "DB reloaded by DEBUG RELOAD"
        };
        log::write(Level::Warning, text);
        Ok(())
    }

    /// Saves and waits until that is done, after what runs already.
    async fn save_now(&self) -> Result<(), String> {
        self.wait_for_job().await;
        while self.wait_for_script().await {
            self.wait_for_job().await;
        }
        let now = self.keyspace.now();
        let before = self.keyspace.with(now, |server| {
            server.start_own_save(now);
            server.persistence.saves.count
        });
        self.wait_for_job().await;
        let saves = self.keyspace.with_quiet(|server| server.persistence.saves.count);
        if saves > before { Ok(()) } else { Err("The RDB file could not be written".to_owned()) }
    }

    /// Waits until no job runs and nothing is left of one.
    async fn wait_for_job(&self) {
        loop {
            let ended = self.job_ended.notified();
            if !self.keyspace.with_quiet(|server| server.is_saving()) {
                return;
            }
            // What a job that was given up leaves is swept away by ticks.
            let _ = time::timeout(Duration::from_millis(1), ended).await;
        }
    }

    /// Lets go of the keyspace, and of the threads, which end by themselves.
    pub fn close(&self) {
        self.keyspace.set_files(None);
        *self.aof.borrow_mut() = None;
        *self.running.borrow_mut() = None;
    }
}
