//! What a process is asked to do: the name it was called by, and its arguments.

use crate::engine::config::Arguments;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Serve.
    Serve(Arguments),
    /// Print the version.
    Version,
    /// Print how to call the server.
    Help,
    /// Check append-only files.
    CheckAof,
    /// Check an RDB file.
    CheckRdb,
    /// Look at the machine's settings.
    CheckSystem,
    /// Test the machine's memory.
    TestMemory,
    /// Something that this version does not do.
    Missing(&'static str),
}

/// The parts of a Redis installation that are the same program under other names, and what they do. The
/// name decides, whatever stands before and after it (`valkey-check-rdb-9.1`).
const ROLES: [(&str, Invocation); 3] =
    [("-sentinel", SENTINEL), ("-check-rdb", Invocation::CheckRdb), ("-check-aof", Invocation::CheckAof)];

const SENTINEL: Invocation = Invocation::Missing("sentinel mode");

/// Reads a command line, the program's name first.
pub fn read(command_line: &[Vec<u8>]) -> Invocation {
    let (program, arguments) = match command_line {
        [program, arguments @ ..] => (program.as_slice(), arguments),
        [] => (&b""[..], command_line),
    };
    let name = String::from_utf8_lossy(program);
    let name = name.rsplit('/').next().unwrap_or_default();
    if let Some((_, role)) = ROLES.iter().find(|(part, _)| name.contains(part)) {
        return role.clone();
    }
    if arguments.iter().any(|argument| argument == b"--sentinel") {
        return SENTINEL;
    }
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => Invocation::Version,
        Some(b"-h" | b"--help") => Invocation::Help,
        Some(b"--check-system") => Invocation::CheckSystem,
        Some(b"--test-memory") => Invocation::TestMemory,
        _ => Invocation::Serve(Arguments::parse(arguments)),
    }
}

/// How to call the server under the name it was called by.
pub fn usage(program: &str) -> String {
    format!(
        "Usage: {program} [FILE] [--NAME VALUE...]... [-]\n\
         \x20      {program} -v | --version\n\
         \x20      {program} -h | --help\n\
         \x20      {program} --check-system\n\
         \n\
         FILE is a configuration file as Redis and Valkey read it; without one, built-in defaults hold.\n\
         - reads more configuration from standard input; --NAME VALUE sets a parameter and wins.\n\
         \n\
         Examples:\n\
         \x20      {program}\n\
         \x20      {program} /etc/redis/redis.conf --loglevel verbose\n\
         \x20      {program} --port 7777 --maxmemory 128mb\n\
         \x20      echo 'maxmemory 128mb' | {program} -\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Invocation {
        super::read(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn the_name_chooses_the_role() {
        assert_eq!(read("/usr/bin/redis-sentinel x.conf"), Invocation::Missing("sentinel mode"));
        assert_eq!(read("valkey-sentinel"), Invocation::Missing("sentinel mode"));
        assert_eq!(read("redis-server x.conf --sentinel"), Invocation::Missing("sentinel mode"));
        assert_eq!(read("./redis-check-rdb dump.rdb"), Invocation::CheckRdb);
        assert_eq!(read("valkey-check-aof --fix x.manifest"), Invocation::CheckAof);
        // Only the program's own name counts, not the folder it lies in.
        assert_eq!(read("/opt/redis-sentinel/redis-server"), Invocation::Serve(Arguments::default()));
    }

    #[test]
    fn special_arguments_come_first_or_not_at_all() {
        assert_eq!(read("seedis --version"), Invocation::Version);
        assert_eq!(read("seedis -v"), Invocation::Version);
        assert_eq!(read("seedis -h"), Invocation::Help);
        assert_eq!(read("seedis --check-system"), Invocation::CheckSystem);
        assert_eq!(read("seedis --test-memory 100"), Invocation::TestMemory);
        assert!(matches!(read("seedis --port 1 --version"), Invocation::Serve(_)));
    }

    #[test]
    fn files_and_parameters_are_told_apart() {
        let Invocation::Serve(arguments) = read("redis-server a.conf --port 7777 -") else { panic!() };
        assert_eq!(arguments.file.as_deref(), Some(&b"a.conf"[..]));
        assert!(arguments.stdin);
        assert_eq!(arguments.directives, b"port \"7777\" ");
    }
}
