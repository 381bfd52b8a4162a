//! The server's log, kept for whoever asks why it did not start.

use std::fmt::{Debug, Write};
use std::sync::Mutex;

use seedis::runtime::simulation::SimClock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::super::{film, lock};
use crate::output::say;

/// A process runs one world.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keeper {
    verbose: bool,
}

/// Keeps what is logged from now on.
pub fn keep(verbose: bool) {
    // A test may have come before.
    _ = tracing::subscriber::set_global_default(Keeper { verbose });
}

/// Forgets everything.
pub fn clear() {
    lock(&LINES).clear();
}

/// The lines since.
pub fn lines() -> Vec<String> {
    lock(&LINES).clone()
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            _ = write!(self.0, "{value:?}");
        }
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "seedis" && (*metadata.level() <= Level::INFO || film::is_on())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if self.verbose {
            let at = SimClock::current().true_ns() as f64 / 1e9;
            say!("{at:>12.6} log: {}", text.0);
        }
        let level = event.metadata().level();
        film::mark("server", &level.as_str().to_lowercase(), 0, || text.0.clone());
        if *level <= Level::INFO {
            lock(&LINES).push(text.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
