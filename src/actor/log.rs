//! Log lines, handed to `tracing`; the subscriber that the binary installs gives them Redis's form.

use crate::engine::effect::Level;

/// Writes one line.
pub fn write(level: Level, text: &str) {
    match level {
        Level::Debug => tracing::trace!(target: "seedis", "{text}"),
        Level::Verbose => tracing::debug!(target: "seedis", "{text}"),
        Level::Notice => tracing::info!(target: "seedis", "{text}"),
        Level::Warning => tracing::warn!(target: "seedis", "{text}"),
    }
}
