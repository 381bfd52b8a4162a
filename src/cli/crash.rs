//! What is written down when something breaks that must not.

use super::journal::Journal;
use crate::engine::VERSION;
use crate::engine::effect::Level;
use crate::runtime::thread;
use std::backtrace::Backtrace;
use std::panic::{PanicHookInfo, set_hook};
use std::sync::Arc;

/// Has every panic reported before it unwinds: the task that panicked ends, the server goes on.
pub fn watch(journal: Arc<Journal>) {
    set_hook(Box::new(move |panic| report(&journal, &describe(panic))));
}

/// Writes the report of a crash, stack included, or only its cause where `crash-log-enabled` says so.
pub fn report(journal: &Journal, cause: &str) {
    let line = format!("Seedis {VERSION} crashed by {cause}");
    if journal.wants_crash_reports() {
        journal.tell_system(Level::Warning, &line);
        journal.raw(full_report(&line));
    } else {
        journal.line(Level::Warning, &line);
    }
    journal.flush();
}

fn full_report(line: &str) -> String {
    format!(
        "\n\n=== SEEDIS BUG REPORT START: Cut & paste starting from here ===\n\
         {line}\n\n\
         ------ STACK TRACE ------\n{}\n\
         === SEEDIS BUG REPORT END. Make sure to include from START to END. ===\n\n",
        Backtrace::force_capture()
    )
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
    let message = panic.payload_as_str().unwrap_or("(no message)");
    format!("a panic of thread {}{}: {message}", thread::name(), place.unwrap_or_default())
}
