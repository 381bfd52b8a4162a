//! `redis-check-rdb`: says whether an RDB file is sound.

use super::load::path;
use crate::actor::log::reason;
use crate::engine::rdb::Buffered;
use crate::engine::rdb::check::check;
use crate::runtime::fs::File;
use crate::runtime::time;
use std::process::ExitCode;

/// Does what the arguments ask for, the program's name first.
pub fn run(command_line: &[Vec<u8>]) -> ExitCode {
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    match command_line {
        [_, flag] if flag == b"-v" || flag == b"--version" => {
            println!("redis-check-rdb {}", super::version());
            ExitCode::SUCCESS
        }
        [_, file] => {
            println!("[offset 0] Checking RDB file {}", name(file));
            if check_file(file) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        _ => {
            let program = command_line.first().map(|program| name(program)).unwrap_or_default();
            eprintln!("Usage: {program} <rdb-file-name>");
            ExitCode::FAILURE
        }
    }
}

fn check_file(file: &[u8]) -> bool {
    let mut file = match File::open(path(file)) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("Cannot open it: {}", reason(&error));
            return false;
        }
    };
    let source = Buffered::new(|space: &mut [u8]| file.read(space).map_err(|error| error.to_string()));
    check(source, time::now().unix_ms(), &mut |line| println!("{line}"))
}
