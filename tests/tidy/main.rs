//! Style as a test: which room may know which, how long a file and a function may be, and the like.
//!
//! Every check is a function from sources to complaints, and every complaint says what to do instead.
//! Beneath each check a test seeds a violation, which proves that the check can fail. Limits are
//! ratchets: offenders of today are listed in [`limits`] with their size, which may only shrink.

// The tests read the sources; the rule is for what they read.
#![allow(clippy::disallowed_methods)]

mod arrows;
mod layout;
mod limits;
mod parameters;
mod source;
mod switches;

use seedis::engine::config::{Flag, TABLE};
use source::Source;

/// Fails with all complaints, one a line.
fn check(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

#[test]
fn rooms_import_only_what_their_row_allows() {
    check(arrows::between_rooms(&Source::all()));
}

#[test]
fn only_the_door_reaches_outside() {
    check(arrows::to_the_outside(&Source::all()));
}

#[test]
fn every_file_says_what_it_is() {
    check(layout::headers(&Source::all()));
}

#[test]
fn every_file_is_reached() {
    check(layout::orphans(&Source::all()));
}

#[test]
fn unsafe_is_fenced() {
    check(layout::unsafe_code(&Source::all(), layout::UNSAFE));
}

#[test]
fn names_say_what_a_thing_is() {
    check(layout::names(&Source::all()));
}

#[test]
fn mutants_and_marks_are_listed() {
    for switch in switches::SWITCHES {
        check(switches::names(&Source::all(), &switch));
    }
}

#[test]
fn parameters_that_do_nothing_say_so() {
    let rows = TABLE.iter().map(|row| (row.name, row.is(Flag::Inert)));
    check(parameters::inert(&Source::all(), rows));
}

#[test]
fn files_are_short() {
    check(limits::files(&Source::all(), limits::LONG_FILES));
}

#[test]
fn functions_fit_a_screen() {
    check(limits::functions(&Source::all(), limits::LONG_FUNCTIONS));
}
