//! The append-only file: whether it is written, how that goes, when it is rewritten.

use super::Server;
use crate::engine::effect::{Effect, JobKind, Level};
use crate::engine::mutant;
use crate::engine::time::Now;

/// Whether there is an append-only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AofState {
    /// No.
    #[default]
    Off,
    /// It was turned on and waits for its first base: what is written until then does not count.
    Starting,
    /// Yes.
    On,
}

/// The append-only file.
#[derive(Debug)]
pub struct Aof {
    /// Whether there is one.
    pub state: AofState,
    /// Whether it could be written lately, or why not.
    pub written: Result<(), String>,
    /// What was written may not be on the medium although it was flushed: only a rewrite heals that.
    pub broken: bool,
    /// Bytes of all its files, and of its base.
    pub size: u64,
    /// Bytes of its base.
    pub base_size: u64,
    /// Its size when the running rewrite began.
    pub(super) size_at_rewrite: u64,
    /// Whether the last rewrite succeeded.
    pub rewritten: bool,
    /// Seconds that it took; -1 before there was one.
    pub last_secs: i64,
    /// How many succeeded.
    pub rewrites: u64,
    /// How many failed since one succeeded.
    pub failures: u64,
    /// One is to begin as soon as possible.
    pub scheduled: bool,
    /// When the clock tries again after a rewrite that had to succeed, in monotonic microseconds.
    pub(super) retry_at: u64,
    /// It waits for minutes with that, which the log has yet to say.
    pub(super) is_put_off: bool,
    /// Flushes that took so long that writing had to wait.
    pub delayed_fsyncs: u64,
}

impl Default for Aof {
    fn default() -> Self {
        Aof {
            state: AofState::Off,
            written: Ok(()),
            broken: false,
            size: 0,
            base_size: 0,
            size_at_rewrite: 0,
            rewritten: true,
            last_secs: -1,
            rewrites: 0,
            failures: 0,
            scheduled: false,
            retry_at: 0,
            is_put_off: false,
            delayed_fsyncs: 0,
        }
    }
}

impl Aof {
    /// Whether there is one, be it still in the making.
    pub fn is_on(&self) -> bool {
        self.state != AofState::Off
    }

    /// Whether it is good for nothing until it was rewritten.
    pub(super) fn must_be_rewritten(&self) -> bool {
        self.state == AofState::Starting || (self.is_on() && self.broken)
    }

    /// How much it grew since the last rewrite, in percent.
    fn growth(&self) -> u64 {
        let base = self.base_size.max(1);
        self.size.saturating_sub(base).saturating_mul(100) / base
    }
}

impl Server {
    /// CONFIG SET appendonly yes: what is there now becomes its base.
    pub(super) fn start_aof(&mut self, now: Now) {
        self.persistence.aof = Aof { state: AofState::Starting, ..Aof::default() };
        self.propagation.stream(true);
        // The same transaction may have called a script that is in its middle.
        if self.is_saving() || self.is_busy() {
            self.persistence.aof.scheduled = true;
            let text = "AOF was enabled but there is already another background operation. An AOF background was \
                        scheduled to start when possible.";
            self.log(Level::Notice, text.into());
        } else {
            self.start_rewrite(now);
        }
    }

    /// The files of the start are there: everything goes into them from now on.
    pub fn aof_opened(&mut self, size: u64, base_size: u64) {
        self.persistence.aof = Aof { state: AofState::On, size, base_size, ..Aof::default() };
        self.propagation.stream(true);
        self.follow_fsync_policy();
    }

    /// CONFIG SET appendonly no.
    pub(super) fn stop_aof(&mut self) {
        if self.runs(JobKind::Rewrite) {
            let pid = self.environment.pid;
            self.log(Level::Notice, format!("Killing running AOF rewrite child: {pid}"));
            self.stop_job();
        }
        self.persistence.aof.state = AofState::Off;
        self.persistence.aof.scheduled = false;
        let rest = self.propagation.take_stream(Vec::new());
        self.propagation.stream(false);
        self.ask(Effect::CloseAof { rest });
    }

    /// Has the file rewritten as soon as possible.
    pub fn schedule_rewrite(&mut self) {
        self.persistence.aof.scheduled = true;
    }

    /// By how much the file grew, if that is enough to rewrite it.
    pub(super) fn rewrite_growth(&mut self, now: Now) -> Option<u64> {
        let (aof, config) = (&self.persistence.aof, &self.config);
        let due = aof.state == AofState::On
            && config.auto_aof_rewrite_percentage > 0
            && aof.size > config.auto_aof_rewrite_min_size
            && aof.growth() >= config.auto_aof_rewrite_percentage;
        let left = if aof.rewritten { 0 } else { aof.retry_at.saturating_sub(now.mono_us) };
        if due && left > 0 && std::mem::take(&mut self.persistence.aof.is_put_off) {
            let minutes = left.div_ceil(60_000_000);
            let text = format!(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes"
            );
            self.log(Level::Warning, text);
        }
        (due && left == 0).then(|| self.persistence.aof.growth())
    }

    /// So many bytes are in all files together.
    pub fn aof_is(&mut self, size: u64) {
        self.persistence.aof.size = size;
    }

    /// So many bytes are on their way into it.
    pub fn aof_grew(&mut self, bytes: u64) {
        self.persistence.aof.size += bytes;
    }

    /// The file could not be written. `lost`: what it was given before may be lost too.
    pub fn aof_failed(&mut self, why: String, lost: bool, now: Now) {
        let aof = &mut self.persistence.aof;
        aof.broken |= lost;
        aof.written = Err(why);
        if aof.must_be_rewritten() {
            aof.retry_at = now.mono_us;
        }
        if self.persistence.aof.broken {
            // A rewrite replaces what the backup would have linked.
            self.fail_backup("the append-only file could not be written".to_owned());
        }
    }

    /// A new base is in place, and with it all that failed before.
    pub fn aof_healed(&mut self) {
        self.persistence.aof.broken = false;
        if !mutant::is_on("kept-refusal") {
            self.persistence.aof.written = Ok(());
        }
    }

    /// The file could be written again.
    pub fn aof_recovered(&mut self) {
        let aof = &self.persistence.aof;
        if !aof.broken && aof.written.is_err() && !mutant::is_on("kept-refusal") {
            self.persistence.aof.written = Ok(());
            self.log(Level::Warning, "AOF write error looks solved. The server can write again.".into());
        }
    }
}
