//! Arguments, config, runtime, run.

use std::process::ExitCode;

fn main() -> ExitCode {
    seedis::cli::run(&seedis::runtime::process::arguments())
}
