//! Standard output, whose reader may go away before the end.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};

/// What a shell shows of a program that ends because nobody reads its output (SIGPIPE).
const NOBODY_READS: i32 = 141;

/// Like `println!`, but ends the program quietly when nobody reads what it says.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Writes a line.
#[allow(clippy::disallowed_methods)]
pub fn line(text: Arguments) {
    match writeln!(stdout(), "{text}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(NOBODY_READS),
        Err(error) => panic!("cannot write to standard output: {error}"),
    }
}
