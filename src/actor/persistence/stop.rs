//! The end of the server: what is written before it, and what is waited for.
//!
//! No file may hold a half of what a script does, and none may lack what a client was told is done. So the end waits for
//! a script that is under way. One that has changed nothing is killed (`engine/server/busy.rs`). One that has gets
//! `shutdown-timeout`; after that the server leaves without it, if all but its unit is in the append-only file, or
//! nothing is kept anyway. Where only an RDB file can have the data there is no other way than to wait, as Redis does, or to be
//! told not to save.

use super::{Persistence, SLICE_US};
use crate::actor::log;
use crate::engine::effect::{JobKind, Level, Shutdown};
use crate::engine::server::Server;
use crate::engine::server::persistence::AofState;
use crate::runtime::time;
use std::time::Duration;

/// How long the writer of a file that nobody wants any more is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(1);

impl Persistence {
    /// The server is to stop: saves what is to be saved. Fails if that does, and nobody insists.
    pub async fn finish(&self, how: Shutdown) -> Result<(), String> {
        self.forgoes_save.set(how.nosave);
        // What is written from now on would be lost.
        self.keyspace.with(self.keyspace.now(), Server::pause_for_stop);
        let is_whole = self.wait_for_last_script(how).await;
        let (saves, state, broken, rewrites) = self.keyspace.with_quiet(|server| {
            let saves = is_whole && self.saves_at_end(server, how);
            let rewrites = server.persistence.job.as_ref().is_some_and(|job| job.kind == JobKind::Rewrite);
            (saves, server.persistence.aof.state, server.persistence.aof.broken, rewrites)
        });
        if state == AofState::Starting && rewrites {
            if !how.force {
                log::write(Level::Warning, "Writing initial AOF, can't exit.");
                return Err("Writing initial AOF".to_owned());
            }
            log::write(Level::Warning, "Writing initial AOF. Exit anyway.");
        }
        if !how.force && state == AofState::On && broken {
            // What is answered may be lost until then, and the rewrite is under way.
            log::write(Level::Warning, "The AOF has to be rewritten after a write error, can't exit.");
            return Err("Rewriting AOF".to_owned());
        }
        let outcome = self.finish_files(saves, state, how.force).await;
        if how.force { Ok(()) } else { outcome }
    }

    /// The server is to stop at once and without saving, whatever was said before.
    pub fn forgo_save(&self) {
        self.forgoes_save.set(true);
    }

    fn saves_at_end(&self, server: &Server, how: Shutdown) -> bool {
        let is_wanted = how.save || !server.config.save.0.is_empty();
        is_wanted && !self.forgoes_save.get() && server.persistence.loading.is_none()
    }

    /// Waits for the end of a script, as long as it takes or is worth it. Says whether no script is in its middle.
    async fn wait_for_last_script(&self, how: Shutdown) -> bool {
        let began = time::now().mono_us;
        let mut waits = false;
        while self.keyspace.with_quiet(|server| server.is_busy()) {
            let us = time::now().mono_us - began;
            if self.keyspace.with_quiet(|server| self.leaves_script(server, how, us)) {
                let text = "A script has not come to its end: shutting down without what it did.";
                log::write(Level::Warning, text);
                return false;
            }
            if !std::mem::replace(&mut waits, true) {
                log::write(Level::Notice, "Waiting for the end of a script before shutting down.");
            }
            time::sleep_until(time::now().mono_us + SLICE_US).await;
        }
        true
    }

    /// Decides whether a script that is still busy after `us` is left alone.
    fn leaves_script(&self, server: &mut Server, how: Shutdown, us: u64) -> bool {
        let aof = &server.persistence.aof;
        let has_all = aof.state == AofState::On && !aof.broken;
        let must_end = self.saves_at_end(server, how) && !has_all && !how.force;
        let is_late = how.now || us / 1_000_000 >= server.config.shutdown_timeout;
        server.persistence.leaves_script = self.forgoes_save.get() || is_late && !must_end;
        server.persistence.leaves_script
    }

    /// Gives up what runs, and waits a moment until nothing is left of it.
    pub async fn give_up_job(&self) {
        let now = self.keyspace.now();
        let was_saving = self.keyspace.with(now, |server| {
            if let Some(job) = &server.persistence.job {
                let what = if job.kind == JobKind::Rewrite { "rewriting the AOF" } else { "saving an .rdb" };
                server.log(Level::Warning, format!("There is a child {what}. Killing it!"));
                server.stop_job();
            }
            server.is_saving()
        });
        if was_saving {
            // A medium that is stuck does not keep the server from stopping.
            let _ = time::timeout(PATIENCE, self.wait_for_job()).await;
        }
    }

    async fn finish_files(&self, saves: bool, state: AofState, force: bool) -> Result<(), String> {
        self.give_up_job().await;
        if state == AofState::On {
            log::write(Level::Notice, "Calling fsync() on the AOF file.");
            let flush = self.flush_aof();
            let flushed = match force {
                // Whoever insists does not wait for a medium that is stuck.
                true => time::timeout(PATIENCE, flush).await.unwrap_or(Ok(())),
                false => flush.await,
            };
            if let Err(why) = flushed {
                log::write(Level::Warning, &format!("Fail to fsync the AOF file: {why}."));
                if !force {
                    return Err(why);
                }
            }
        }
        if saves {
            log::write(Level::Notice, "Saving the final RDB snapshot before exiting.");
            if let Err(why) = self.save_now().await {
                log::write(Level::Warning, "Error trying to save the DB, can't exit.");
                return Err(why);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
