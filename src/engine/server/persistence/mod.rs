//! What the engine knows of its files: snapshots, the append-only file, loading. Actors do the work; here are the rules:
//! when something begins, what may not happen meanwhile, and what its end means.
//!
//! One job reads the keyspace's snapshot at a time: a save to an RDB file, or a rewrite of the append-only file.

mod aof;
mod backup;
mod job;
mod load;

pub use crate::engine::effect::JobKind;
use crate::engine::mark::sometimes;
pub use aof::{Aof, AofState};
pub use backup::{Backup, BackupState};
pub use job::{Job, Outcome, Saves};
pub use load::Loading;

use super::Server;
use super::pause::Scope;
use crate::engine::config::Appendfsync;
use crate::engine::effect::{Effect, Level};
use crate::engine::session::{ClientId, Session, Waiting};
use crate::engine::time::Now;

/// The state of all files.
#[derive(Debug)]
pub struct Persistence {
    /// Data is being loaded; commands that need it are refused.
    pub loading: Option<Loading>,
    /// What reads the snapshot now.
    pub job: Option<Job>,
    /// How many of those there were.
    pub jobs: u64,
    /// RDB files.
    pub saves: Saves,
    /// The append-only file.
    pub aof: Aof,
    /// The backup.
    pub backup: Backup,
    /// The server is going to stop, unless somebody calls that off or its data cannot be saved.
    pub is_stopping: bool,
    /// It does so without the script that is busy, which gets no more work: nobody is told of changes that no file has.
    pub leaves_script: bool,
    /// CLIENT PAUSE before writes were made to wait for the end of the server.
    pause_before_stop: Option<(Scope, u64)>,
    /// `DEBUG SET-SKIP-CHECKSUM-VALIDATION`: what is loaded or restored may have any checksum.
    pub skips_checksums: bool,
    /// When the log was told how far a load or a job is, in monotonic microseconds.
    reported: u64,
    /// Keys that the last load dropped since their time was over, and keys that it kept.
    pub last_load: (u64, u64),
}

impl Persistence {
    /// A server that has saved and loaded nothing.
    pub fn new(started: Now) -> Self {
        Persistence {
            loading: None,
            job: None,
            jobs: 0,
            saves: Saves::new(started),
            aof: Aof::default(),
            backup: Backup::default(),
            is_stopping: false,
            leaves_script: false,
            pause_before_stop: None,
            skips_checksums: false,
            reported: 0,
            last_load: (0, 0),
        }
    }
}

/// Microseconds between lines in the log that say how far a load or a job is.
const REPORT_US: u64 = 1_000_000;

/// Why writes are refused.
const CANNOT_SAVE: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
    Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if \
    RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

impl Server {
    /// The error for writes while files cannot be written.
    pub fn refuses_writes(&self) -> Option<String> {
        // Before its first base there is nothing that writes could be missing from.
        if let Err(why) = &self.persistence.aof.written
            && self.persistence.aof.state == AofState::On
        {
            sometimes!("refused-write");
            return Some(format!("MISCONF Errors writing to the AOF file: {why}"));
        }
        let saves = self.config.stop_writes_on_bgsave_error && !self.config.save.0.is_empty();
        (saves && !self.persistence.saves.last_ok).then(|| CANNOT_SAVE.to_owned())
    }

    /// What happens by the clock: save points, growth of the append-only file, what was put off.
    pub(super) fn look_after_files(&mut self, now: Now) {
        self.expire_backup(now);
        // What a script that is not at its end has done belongs into no snapshot: its unit follows as a whole.
        if self.persistence.loading.is_some() || self.is_saving() || self.is_busy() {
            return;
        }
        // No rewrite may replace the files that a backup is about to link.
        let may_rewrite = !self.persistence.backup.pins_aof();
        let aof = &self.persistence.aof;
        if self.persistence.backup.state == BackupState::Pending {
            self.begin_backup(now);
        } else if (aof.scheduled && may_rewrite) || (aof.must_be_rewritten() && now.mono_us >= aof.retry_at) {
            self.start_rewrite(now);
        } else if self.persistence.saves.scheduled {
            self.start_save(None, now);
        } else if let Some((changes, seconds)) = self.due_save_point(now) {
            self.log(Level::Notice, format!("{changes} changes in {seconds} seconds. Saving..."));
            self.start_save(None, now);
        } else if may_rewrite && let Some(growth) = self.rewrite_growth(now) {
            self.log(Level::Notice, format!("Starting automatic rewriting of AOF on {growth}% growth"));
            self.start_rewrite(now);
        }
    }

    /// Says in the log how far a load or a job is that takes longer than a moment.
    pub(super) fn report_progress(&mut self, now: Now) {
        let Persistence { loading, job, reported, .. } = &mut self.persistence;
        let (started, what, unit, done, total) = if let Some(loading) = loading {
            (loading.started, "Loading", "bytes", loading.loaded_bytes, loading.total_bytes)
        } else if let Some(job) = job {
            let what = if job.kind == JobKind::Save { "Saving" } else { "Rewriting the AOF" };
            let progress = self.snapshot.as_ref().map(|snapshot| snapshot.progress()).unwrap_or_default();
            (job.started, what, "keys", progress.done, progress.total)
        } else {
            return;
        };
        if now.mono_us >= started.mono_us.max(*reported) + REPORT_US && total > 0 {
            *reported = now.mono_us;
            let percent = done * 100 / total;
            self.log(Level::Notice, format!("{what}: {percent}% done ({done} of {total} {unit})"));
        }
    }

    /// Has writes wait for the end of the server, or until that is called off, and a script come to its end.
    pub fn pause_for_stop(&mut self) {
        self.persistence.is_stopping = true;
        self.persistence.pause_before_stop = Some((self.pause.scope, self.pause.until));
        self.pause.extend(Scope::Writes, u64::MAX);
    }

    /// The server goes on, since its data could not be saved or somebody called the stop off: whoever asked hears of it.
    pub fn refuse_shutdown(&mut self) {
        (self.persistence.is_stopping, self.persistence.leaves_script) = (false, false);
        self.pause.end(None);
        if let Some(before) = self.persistence.pause_before_stop.take() {
            (self.pause.scope, self.pause.until) = before;
        }
        self.wake_paused();
        let asked = |session: &&Session| session.blocked.as_ref().is_some_and(|b| b.on == Waiting::Shutdown);
        let clients: Vec<ClientId> = self.clients.iter().filter(asked).map(Session::client).collect();
        for client in clients {
            self.finish_outside(client, Err("Errors trying to SHUTDOWN. Check logs.".to_owned()));
        }
    }

    /// Takes over what CONFIG SET or the start says of files.
    pub fn follow_file_config(&mut self, now: Now) {
        if self.persistence.loading.is_some() {
            return;
        }
        let on = self.wants_aof();
        if on && self.persistence.aof.state == AofState::Off {
            self.start_aof(now);
        } else if !on && self.persistence.aof.state != AofState::Off {
            self.stop_aof();
            self.fail_backup("appendonly is stopped".to_owned());
        }
        self.follow_fsync_policy();
    }

    /// `everysec` promises to lose no more than a second or two: when a flush takes longer, output waits for it.
    pub(super) fn watch_medium(&mut self, now: Now) {
        let aof = &self.persistence.aof;
        let promised = self.config.appendfsync == Appendfsync::Everysec
            && aof.state == AofState::On
            && aof.written.is_ok();
        let spared = self.config.no_appendfsync_on_rewrite && self.persistence.job.is_some();
        let is_late = promised && !spared && self.is_overdue(now);
        if is_late && !self.holds_output() {
            self.persistence.aof.delayed_fsyncs += 1;
            self.hold_output(true);
        } else if !is_late && self.config.appendfsync != Appendfsync::Always && self.holds_output() {
            self.hold_output(false);
        }
    }

    fn follow_fsync_policy(&mut self) {
        let always = self.config.appendfsync == Appendfsync::Always;
        self.hold_output(always && self.persistence.aof.state == AofState::On);
        if self.persistence.aof.state != AofState::Off {
            self.ask(Effect::AofPolicy);
        }
    }
}
