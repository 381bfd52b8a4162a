//! Log lines, handed to `tracing`; the subscriber that the binary installs gives them Redis's form.

use crate::engine::config::{Config, LogFormat, LogTimestampFormat, Loglevel};
use crate::engine::effect::Level;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// Writes one line.
pub fn write(level: Level, text: &str) {
    match level {
        Level::Debug => tracing::trace!(target: "seedis", "{text}"),
        Level::Verbose => tracing::debug!(target: "seedis", "{text}"),
        Level::Notice => tracing::info!(target: "seedis", "{text}"),
        Level::Warning => tracing::warn!(target: "seedis", "{text}"),
    }
}

/// What is written, and how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Least important kind of line.
    pub level: Loglevel,
    /// Layout.
    pub format: LogFormat,
    /// How the time is given.
    pub timestamp: LogTimestampFormat,
    /// The server is a replica, which lines show.
    pub replica: bool,
    /// A crash is told in full.
    pub crash_reports: bool,
}

impl From<&Config> for Look {
    fn from(config: &Config) -> Self {
        Look {
            level: config.loglevel,
            format: config.log_format,
            timestamp: config.log_timestamp_format,
            // Whatever `replicaof` says: there is no replication yet, and ROLE and INFO tell of a primary.
            replica: false,
            crash_reports: config.crash_log_enabled,
        }
    }
}

/// The look of a server's log, shared with whoever writes it: CONFIG SET changes it while the server runs.
#[derive(Clone, Debug)]
pub struct Settings(Arc<RwLock<Look>>);

impl Settings {
    /// Takes over what the configuration says now.
    pub fn apply(&self, config: &Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config.into();
    }

    /// The look now.
    pub fn look(&self) -> Look {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings(Arc::new(RwLock::new((&Config::default()).into())))
    }
}

/// What the system says went wrong, in the words of C's `strerror` that operators know.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
