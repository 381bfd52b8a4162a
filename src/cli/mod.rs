//! The command line: from arguments to a running server and from its end to an exit code.

mod check_aof;
mod check_rdb;
mod crash;
mod invocation;
mod journal;
mod line;
mod load;
mod machine;
mod serve;
mod syslog;

use crate::engine::{REDIS_VERSION, VERSION};
use crate::runtime::process;
use invocation::Invocation;
use std::process::ExitCode;

/// Does what the arguments ask for, the program's name first.
pub fn run(command_line: &[Vec<u8>]) -> ExitCode {
    let program = command_line.first().map(|name| String::from_utf8_lossy(name)).unwrap_or_default();
    match invocation::read(command_line) {
        Invocation::Serve(arguments) => serve::serve(command_line, &arguments),
        Invocation::Version => {
            println!("Redis server {}", version());
            ExitCode::SUCCESS
        }
        Invocation::Help => {
            // As Redis does: to standard error, and not as a success.
            eprint!("{}", invocation::usage(&program));
            ExitCode::FAILURE
        }
        Invocation::CheckSystem => {
            let fine = machine::check(&mut |line| println!("{line}"));
            if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Invocation::CheckAof => check_aof::run(command_line),
        Invocation::CheckRdb => check_rdb::run(command_line),
        Invocation::TestMemory => {
            eprintln!("{program} does not test memory: use memtest86+ or memtester.");
            ExitCode::FAILURE
        }
        Invocation::Missing(what) => {
            eprintln!("{program}: {what} is not part of Seedis {VERSION} yet.");
            ExitCode::FAILURE
        }
    }
}

/// The version, in the layout that scripts cut Redis's version out of.
fn version() -> String {
    format!(
        "v={REDIS_VERSION} sha=00000000:0 malloc={} bits={} build=seedis-{VERSION}",
        process::allocator_name(),
        process::ARCH_BITS
    )
}
