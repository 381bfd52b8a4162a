//! Saves and rewrites: how they begin and end.

use super::Server;
use super::aof::AofState;
use crate::engine::effect::{Effect, JobKind, Level, Order};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::Reply;
use crate::engine::rdb;
use crate::engine::server::snapshot::Chunk;
use crate::engine::session::ClientId;
use crate::engine::time::Now;

/// Seconds after a failed save before the clock tries again.
const RETRY_SECS: i64 = 5;
/// Microseconds after a rewrite before the clock begins another.
const RETRY_US: u64 = 1_000_000;
/// After so many failures in a row it waits a minute, then twice as long each time, up to the maximum.
const FAILURES_IN_A_ROW: u64 = 3;
const MINUTE_US: u64 = 60_000_000;
const MINUTES_MAX: u64 = 60;

/// A save or rewrite under way.
#[derive(Debug)]
pub struct Job {
    /// Which of them.
    pub kind: JobKind,
    /// When it began.
    pub started: Now,
    /// The count of changes when it began.
    dirty: u64,
    /// Clients that get their reply at its end.
    waiting: Vec<ClientId>,
    /// Nobody waits for it, so that its failure is a reason to refuse writes.
    background: bool,
    /// It is being given up: this counts as its end, whatever comes of it.
    given_up: Option<Outcome>,
    /// How it ended, while its snapshot is still being cleared away.
    ended: Option<Outcome>,
    /// The most memory that captured entries have taken.
    extra: u64,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file is in its place, and on the medium.
    Done {
        /// Its size in bytes.
        bytes: u64,
    },
    /// It is not, and why.
    Failed(String),
    /// It was told to end.
    Stopped,
}

/// RDB files: how saving went.
#[derive(Debug)]
pub struct Saves {
    /// When the last one succeeded, Unix seconds; the start of the server before.
    pub last_time: i64,
    /// Whether the last one succeeded.
    pub last_ok: bool,
    /// Seconds that it took; -1 before there was one.
    pub last_secs: i64,
    /// When the last one began, Unix seconds.
    last_try: i64,
    /// How many succeeded.
    pub count: u64,
    /// How many failed since one succeeded.
    pub failures: u64,
    /// One is to begin as soon as possible.
    pub scheduled: bool,
    /// Clients that wait for its end.
    waiting: Vec<ClientId>,
    /// The most extra memory of the last job, in bytes.
    pub last_extra: u64,
}

impl Saves {
    pub(super) fn new(started: Now) -> Self {
        Saves {
            last_time: started.unix_secs(),
            last_ok: true,
            last_secs: -1,
            last_try: 0,
            count: 0,
            failures: 0,
            scheduled: false,
            waiting: Vec::new(),
            last_extra: 0,
        }
    }
}

impl Server {
    /// A save point that is due: changes and seconds.
    pub(super) fn due_save_point(&self, now: Now) -> Option<(u64, u64)> {
        let saves = &self.persistence.saves;
        if !saves.last_ok && now.unix_secs() - saves.last_try <= RETRY_SECS {
            return None;
        }
        let elapsed = now.unix_secs() - saves.last_time;
        let due = |point: &&crate::engine::config::SavePoint| {
            self.dirty >= point.changes && elapsed > point.seconds as i64
        };
        let point = self.config.save.0.iter().find(due)?;
        Some((point.changes, point.seconds))
    }

    /// Begins to save to the RDB file, as of now. `client` gets its reply at the end. Only while no job runs.
    pub fn start_save(&mut self, client: Option<ClientId>, now: Now) {
        let saves = &mut self.persistence.saves;
        saves.scheduled = false;
        saves.last_try = now.unix_secs();
        let waiting = Vec::from_iter(std::mem::take(&mut saves.waiting).into_iter().chain(client));
        let background = waiting.is_empty();
        if background {
            let pid = self.environment.pid;
            self.log(Level::Notice, format!("Background saving started by pid {pid}"));
        }
        self.start_job(JobKind::Save, background, waiting, now);
    }

    /// The same for the server itself, which waits for it: it stops, or reloads its data.
    pub fn start_own_save(&mut self, now: Now) {
        self.start_job(JobKind::Save, false, Vec::new(), now);
    }

    /// Begins to rewrite the append-only file, as of now. Only while no job runs.
    pub fn start_rewrite(&mut self, now: Now) {
        self.persistence.aof.scheduled = false;
        let pid = self.environment.pid;
        self.log(Level::Notice, format!("Background append only file rewriting started by pid {pid}"));
        self.start_job(JobKind::Rewrite, true, Vec::new(), now);
    }

    fn start_job(&mut self, kind: JobKind, background: bool, waiting: Vec<ClientId>, now: Now) {
        debug_assert!(!self.is_busy(), "a snapshot would have a half of what a script does");
        self.begin_snapshot();
        self.persistence.jobs += 1;
        let dirty = self.dirty;
        self.persistence.job = Some(Job {
            kind,
            started: now,
            dirty,
            waiting,
            background,
            given_up: None,
            ended: None,
            extra: 0,
        });
        if kind == JobKind::Rewrite {
            // What follows goes into another file.
            if !mutant::is_on("missing-select") {
                self.propagation.forget_selected();
            }
            self.persistence.aof.size_at_rewrite = self.persistence.aof.size;
        }
        let position = self.propagation.offset();
        let used_memory = self.used_memory();
        let sizes = self.databases.iter().map(|db| (db.len(), db.expires())).collect();
        let timed = self.databases.iter().any(|db| db.timed_hashes() > 0);
        let version = if timed { rdb::VERSION } else { rdb::VERSION_UNTIMED };
        let unix_secs = now.unix_secs();
        let libraries = self.scripting.functions.sources();
        self.ask(Effect::Job(Order { kind, position, sizes, version, unix_secs, used_memory, libraries }));
    }

    /// Whether a job runs, so that no other can begin.
    pub fn is_saving(&self) -> bool {
        self.persistence.job.is_some()
    }

    /// Has a save begin as soon as possible. `client` gets its reply at its end.
    pub fn schedule_save(&mut self, client: Option<ClientId>) {
        self.persistence.saves.scheduled = true;
        self.persistence.saves.waiting.extend(client);
    }

    /// FLUSHALL: where data is saved by itself, so is that there is none.
    pub fn save_nothing(&mut self) {
        if self.runs(JobKind::Save) {
            self.stop_job();
        }
        if !self.config.save.0.is_empty() && self.persistence.loading.is_none() {
            self.dirty = 0;
            self.persistence.saves.scheduled = true;
        }
    }

    /// Whether a job of this kind runs.
    pub fn runs(&self, kind: JobKind) -> bool {
        self.persistence.job.as_ref().is_some_and(|job| job.kind == kind)
    }

    /// The next part of the snapshot for the running job.
    pub fn next_chunk(&mut self) -> Option<Chunk> {
        let extra = self.snapshot_memory() as u64;
        let job = self.persistence.job.as_mut()?;
        job.extra = job.extra.max(extra);
        self.snapshot_step()
    }

    /// Whether nobody waits for the running job.
    pub fn job_has_time(&self) -> bool {
        self.persistence.job.as_ref().is_some_and(|job| job.background)
    }

    /// Gives the running job up.
    pub fn stop_job(&mut self) {
        self.end_job_early(Outcome::Stopped);
    }

    /// Has the running job fail, for tests; whether there is one.
    pub fn fail_job(&mut self) -> bool {
        self.end_job_early(Outcome::Failed("terminated by DEBUG FAIL-JOB".to_owned()));
        self.persistence.job.is_some()
    }

    fn end_job_early(&mut self, outcome: Outcome) {
        if let Some(job) = &mut self.persistence.job
            && job.given_up.is_none()
            && job.ended.is_none()
        {
            job.given_up = Some(outcome);
            self.ask(Effect::StopJob);
        }
    }

    /// The running job ended.
    pub fn job_ended(&mut self, outcome: Outcome, now: Now) {
        self.abort_snapshot();
        if let Some(job) = &mut self.persistence.job {
            job.ended = Some(job.given_up.take().unwrap_or(outcome));
        }
        self.conclude_job(now);
    }

    /// Draws the consequences of a job's end, once nothing is left of its snapshot: from then on another can begin.
    pub(in crate::engine::server) fn conclude_job(&mut self, now: Now) {
        if self.snapshot_is_busy() {
            return;
        }
        let Some(mut job) = self.persistence.job.take_if(|job| job.ended.is_some()) else { return };
        let Some(outcome) = job.ended.take() else { return };
        self.persistence.saves.last_extra = job.extra;
        let seconds = (now.mono_us - job.started.mono_us).div_ceil(1_000_000) as i64;
        match job.kind {
            JobKind::Save => self.save_ended(&outcome, job.background, job.dirty, seconds, now),
            JobKind::Rewrite => {
                self.rewrite_ended(&outcome, seconds, now);
                self.base_ended(&outcome);
            }
        }
        for client in job.waiting {
            let Some(mut session) = self.clients.take(client) else { continue };
            match &outcome {
                Outcome::Done { .. } => _ = self.answer(&mut session, Reply::ok),
                Outcome::Failed(_) | Outcome::Stopped => self.fail_wait(&mut session, b"ERR", now),
            }
            self.clients.put_back(session);
        }
        self.look_after_files(now);
    }

    fn save_ended(&mut self, outcome: &Outcome, background: bool, dirty: u64, seconds: i64, now: Now) {
        let saves = &mut self.persistence.saves;
        saves.last_secs = seconds;
        // As in Redis, where those that somebody waits for are done by the server itself.
        let what = if background { "Background saving" } else { "Saving" };
        match outcome {
            Outcome::Done { .. } => {
                (saves.last_time, saves.failures) = (now.unix_secs(), 0);
                saves.last_ok |= !mutant::is_on("kept-failure");
                saves.count += 1;
                self.dirty = self.dirty.saturating_sub(dirty);
                self.log(Level::Notice, "DB saved on disk".into());
                if background {
                    self.log(Level::Notice, "Background saving terminated with success".into());
                }
            }
            Outcome::Failed(why) => {
                sometimes!("save-failed");
                // Who waits for it is told, and may try again.
                saves.last_ok &= !background;
                saves.failures += 1;
                self.log(Level::Warning, format!("{what} error: {why}"));
            }
            // As when an operator kills the process that saves: no reason to refuse writes.
            Outcome::Stopped => {
                sometimes!("save-stopped");
                let how = if background { "terminated by signal 10" } else { "stopped" };
                self.log(Level::Warning, format!("{what} {how}"));
            }
        }
    }

    fn rewrite_ended(&mut self, outcome: &Outcome, seconds: i64, now: Now) {
        let aof = &mut self.persistence.aof;
        aof.last_secs = seconds;
        match outcome {
            Outcome::Done { bytes } => {
                (aof.rewritten, aof.failures) = (true, 0);
                aof.rewrites += 1;
                (aof.base_size, aof.size) = (*bytes, *bytes + aof.size.saturating_sub(aof.size_at_rewrite));
                if aof.state == AofState::Starting {
                    aof.state = AofState::On;
                }
                self.log(Level::Notice, "Background AOF rewrite terminated with success".into());
                self.log(Level::Notice, "Background AOF rewrite finished successfully".into());
                self.follow_fsync_policy();
                self.answer_disk_waits(now);
            }
            Outcome::Failed(why) => {
                sometimes!("rewrite-failed");
                aof.rewritten = false;
                aof.failures += 1;
                self.log(Level::Warning, format!("Background AOF rewrite terminated with error: {why}"));
            }
            Outcome::Stopped => {
                self.log(Level::Warning, "Background AOF rewrite terminated by signal 10".into());
            }
        }
        self.put_rewrites_off(now);
    }

    /// After some failures in a row, each of which leaves a file behind, the clock waits longer each time; not when only a
    /// rewrite can bring the file back.
    fn put_rewrites_off(&mut self, now: Now) {
        let aof = &mut self.persistence.aof;
        let more = aof.failures.checked_sub(FAILURES_IN_A_ROW).filter(|_| !aof.must_be_rewritten());
        aof.retry_at = now.mono_us + RETRY_US;
        aof.is_put_off = false;
        if let Some(more) = more {
            let minutes = 1u64.checked_shl(more as u32).unwrap_or(u64::MAX).min(MINUTES_MAX);
            aof.retry_at = now.mono_us + minutes * MINUTE_US;
            aof.is_put_off = true;
        }
    }
}
