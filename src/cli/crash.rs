//! What is written down when something breaks that must not.

use super::journal::Journal;
use crate::engine::VERSION;
use crate::engine::effect::Level;
use crate::runtime::thread;
use std::backtrace::Backtrace;
use std::panic::{PanicHookInfo, set_hook};
use std::sync::Arc;

/// Has every panic reported before it unwinds: the task that panicked ends, the server goes on. `detailed`
/// is `crash-log-enabled`.
pub fn watch(journal: Arc<Journal>, detailed: bool) {
    set_hook(Box::new(move |panic| {
        let cause = describe(panic);
        if detailed {
            report(&journal, &cause);
        } else {
            journal.line(Level::Warning, &cause);
            journal.flush();
        }
    }));
}

/// Writes the report of a crash, stack included.
pub fn report(journal: &Journal, cause: &str) {
    journal.raw(format!(
        "\n\n=== SEEDIS BUG REPORT START: Cut & paste starting from here ===\n\
         Seedis {VERSION} crashed by {cause}\n\n\
         ------ STACK TRACE ------\n{}\n\
         === SEEDIS BUG REPORT END. Make sure to include from START to END. ===\n\n",
        Backtrace::force_capture()
    ));
    journal.flush();
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
    let message = panic.payload_as_str().unwrap_or("(no message)");
    format!("a panic of thread {}{}: {message}", thread::name(), place.unwrap_or_default())
}
