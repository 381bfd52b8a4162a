//! BACKUP: a copy of the append-only file at a moment that the operator chooses.
//!
//! ```text
//! idle ──START──> pending ──> snapshotting ──> incrementing ──SEAL──> sealed ──CLEANUP──> idle
//!                 until a     a rewrite makes  its base is            with what
//!                 job is over the base         in the directory       followed it
//! ```
//!
//! Until it is sealed it can fail, or be given up (ABORT). The files are hard links to those of the append-only file, which
//! is not rewritten meanwhile. Where there is none, one is kept for the duration of the backup.

use super::{AofState, Outcome};
use crate::engine::effect::{BackupStep, Effect, JobKind, Level};
use crate::engine::protocol::Reply;
use crate::engine::server::Server;
use crate::engine::session::ClientId;
use crate::engine::time::Now;

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackupState {
    /// There is none.
    #[default]
    Idle,
    /// It begins as soon as nothing else is saved.
    Pending,
    /// Its base is being written.
    Snapshotting,
    /// It has its base, and what follows is written.
    Incrementing,
    /// It is complete.
    Sealed,
    /// Nothing came of it.
    Failed,
}

impl BackupState {
    /// Its name in BACKUP STATUS.
    pub fn name(self) -> &'static str {
        match self {
            BackupState::Idle => "idle",
            BackupState::Pending => "pending",
            BackupState::Snapshotting => "snapshotting",
            BackupState::Incrementing => "incrementing",
            BackupState::Sealed => "sealed",
            BackupState::Failed => "failed",
        }
    }
}

/// The backup.
#[derive(Debug, Default)]
pub struct Backup {
    /// How far it is.
    pub state: BackupState,
    /// Why nothing came of it.
    pub error: String,
    /// When its snapshot began, and when it was sealed, Unix seconds.
    pub times: (i64, i64),
    /// What `dir` was when it began: there it stays.
    pub dir: Vec<u8>,
    /// Names of the files that are in its directory for good.
    pub files: Vec<Vec<u8>>,
    /// When it was sealed, in monotonic microseconds.
    sealed_at: u64,
    /// The append-only file is there for its sake only.
    borrows_aof: bool,
}

impl Backup {
    /// Whether it is under way.
    pub fn is_running(&self) -> bool {
        use BackupState::*;
        matches!(self.state, Pending | Snapshotting | Incrementing)
    }

    /// Whether the append-only file is to stay as it is.
    pub fn pins_aof(&self) -> bool {
        matches!(self.state, BackupState::Snapshotting | BackupState::Incrementing)
    }
}

impl Server {
    /// The directory of a new backup was found empty, or why it cannot be used.
    pub fn backup_prepared(&mut self, client: ClientId, outcome: Result<(), String>, now: Now) {
        // Another may have begun meanwhile.
        let outcome = outcome.and_then(|()| self.may_start_backup().map_err(str::to_owned));
        if outcome.is_ok() {
            let dir = self.config.dir.clone();
            self.persistence.backup = Backup { state: BackupState::Pending, dir, ..Backup::default() };
            self.begin_backup(now);
        }
        self.finish_outside(client, outcome);
    }

    /// Why no backup can begin now.
    pub fn may_start_backup(&self) -> Result<(), &'static str> {
        match self.persistence.backup.state {
            BackupState::Sealed => Err("A sealed backup exists, CLEANUP it first"),
            _ if self.persistence.backup.is_running() => {
                Err("A backup is already in progress, ABORT it first")
            }
            _ => Ok(()),
        }
    }

    /// Begins the snapshot of a backup that waits for that, if it can begin now.
    pub(super) fn begin_backup(&mut self, now: Now) {
        let reuses = self.runs(JobKind::Rewrite) && self.persistence.aof.is_on();
        if self.persistence.backup.state != BackupState::Pending || (self.is_saving() && !reuses) {
            return;
        }
        self.persistence.backup.state = BackupState::Snapshotting;
        self.persistence.backup.times.0 = now.unix_secs();
        if self.persistence.aof.state == AofState::Off {
            self.persistence.backup.borrows_aof = true;
            self.start_aof(now);
            self.follow_fsync_policy();
        } else if !reuses {
            self.start_rewrite(now);
        }
    }

    /// A rewrite ended: it may have made the base.
    pub(super) fn base_ended(&mut self, outcome: &Outcome) {
        if self.persistence.backup.state != BackupState::Snapshotting {
            return;
        }
        match outcome {
            Outcome::Done { .. } => self.ask(Effect::Backup(BackupStep::Pin)),
            Outcome::Failed(why) => self.fail_backup(why.clone()),
            Outcome::Stopped => self.fail_backup("the rewrite was stopped".to_owned()),
        }
    }

    /// The base is in the directory of the backup, under this name, or why it is not.
    pub fn backup_pinned(&mut self, outcome: Result<Vec<u8>, String>) {
        if self.persistence.backup.state != BackupState::Snapshotting {
            return;
        }
        match outcome {
            Ok(base) => {
                let name = String::from_utf8_lossy(&base);
                let text = format!("BACKUP: snapshot pinned ({name}), now accumulating writes");
                self.log(Level::Notice, text);
                self.persistence.backup.state = BackupState::Incrementing;
                self.persistence.backup.files = vec![base];
            }
            Err(why) => self.fail_backup(why),
        }
    }

    /// Has everything until now become part of the backup, and the backup complete. `client` waits for it.
    pub fn seal_backup(&mut self, client: ClientId) {
        // The next file knows nothing of the one before.
        self.propagation.forget_selected();
        let position = self.propagation.offset();
        self.ask(Effect::Backup(BackupStep::Seal { client, position }));
    }

    /// The files of the backup are complete, under these names, or why they are not.
    pub fn backup_sealed(&mut self, client: ClientId, outcome: Result<Vec<Vec<u8>>, String>, now: Now) {
        let outcome = match outcome {
            // It was given up meanwhile.
            _ if self.persistence.backup.state != BackupState::Incrementing => {
                Err("No backup ready to seal (must be in the incrementing state)".to_owned())
            }
            Ok(files) => {
                let backup = &mut self.persistence.backup;
                backup.state = BackupState::Sealed;
                backup.times.1 = now.unix_secs();
                (backup.files, backup.sealed_at) = (files, now.mono_us);
                let directory = String::from_utf8_lossy(&self.config.backupdirname);
                self.log(Level::Notice, format!("BACKUP: sealed backup in {directory}"));
                self.give_aof_back(true);
                Ok(())
            }
            Err(why) => {
                self.fail_backup(why.clone());
                Err(why)
            }
        };
        self.finish_outside(client, outcome);
    }

    /// Gives the backup up.
    pub fn fail_backup(&mut self, why: String) {
        if !self.persistence.backup.is_running() {
            return;
        }
        self.log(Level::Warning, format!("BACKUP: failed: {why}"));
        let has_base = self.persistence.backup.state == BackupState::Incrementing;
        let backup = &mut self.persistence.backup;
        (backup.state, backup.error) = (BackupState::Failed, why);
        backup.files = Vec::new();
        self.ask(Effect::Backup(BackupStep::Clear(None)));
        self.give_aof_back(has_base);
    }

    /// Ends the append-only file that was there for the backup only, and deletes it if its base is in place: before, what
    /// lies there is another.
    fn give_aof_back(&mut self, deletes: bool) {
        if std::mem::take(&mut self.persistence.backup.borrows_aof) {
            self.stop_aof();
            self.hold_output(false);
            if deletes {
                self.ask(Effect::Backup(BackupStep::DeleteAof));
            }
        }
    }

    /// What CONFIG SET says of the append-only file, while a backup may have borrowed it.
    pub(super) fn wants_aof(&mut self) -> bool {
        let backup = &mut self.persistence.backup;
        if self.config.appendonly {
            backup.borrows_aof = false;
        }
        self.config.appendonly || backup.borrows_aof
    }

    /// Deletes a backup that was sealed long enough ago (`backup-sealed-ttl`).
    pub(super) fn expire_backup(&mut self, now: Now) {
        let (seconds, backup) = (self.config.backup_sealed_ttl, &self.persistence.backup);
        let age = now.mono_us.saturating_sub(backup.sealed_at);
        if seconds > 0 && backup.state == BackupState::Sealed && age >= seconds.saturating_mul(1_000_000) {
            self.log(Level::Notice, format!("BACKUP: auto cleaning sealed backup after {seconds} seconds"));
            self.clear_backup(None);
        }
    }

    /// Forgets a backup that is not under way, and has its files deleted. `client` waits for it.
    pub fn clear_backup(&mut self, client: Option<ClientId>) {
        self.persistence.backup = Backup::default();
        self.ask(Effect::Backup(BackupStep::Clear(client)));
    }

    /// BACKUP STATUS.
    pub fn describe_backup(&self, reply: &mut Reply) {
        let backup = &self.persistence.backup;
        reply.map(4);
        for (name, text) in [("state", backup.state.name()), ("error", &backup.error)] {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
        }
        for (name, time) in [("start_time", backup.times.0), ("end_time", backup.times.1)] {
            reply.bulk(name.as_bytes());
            reply.int(time);
        }
    }
}
