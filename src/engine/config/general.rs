//! The process: how it starts, stops and shows itself.

macro_rules! general {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Process" {
        /// Run in the background.
        daemonize: bool = false => Immutable;
        /// Supervisor to tell when the server is ready.
        supervised: Supervised = Supervised::No => Immutable;
        /// File that receives the process id.
        pidfile: Vec<u8> = text(""), Optional => Immutable;
        /// Databases to choose from with SELECT.
        databases: u64 = 16, Int(1, INT) => Immutable;
        /// Directory of all files of the server.
        dir: Vec<u8> = text("."), Directory => Protected | NotWhileLoading;
        /// Print the logo even where standard output is no terminal.
        always_show_logo: bool = false => Immutable;
        /// Show the server's state as the title of the process: overwriting its arguments takes pointers into its
        /// stack, which no safe interface gives.
        set_proc_title: bool = true => Immutable | Inert;
        /// What that title consists of; variables stand in braces.
        proc_title_template: Vec<u8> = text("{title} {listen-addr} {server-mode}"), TextIf(title_template) => Inert;
        /// Locale by which SORT ALPHA and scripts compare texts; empty takes that of the environment.
        locale_collate: Vec<u8> = text("") => Inert;
        /// Warnings at the start to ignore: `ARM64-COW-BUG`.
        ignore_warnings: Vec<u8> = text("") => Inert;
        /// Times a second that background work is done, 1 to 500; values beyond are brought within.
        hz: u64 = 10, Int(0, INT);
        /// Do background work more often with many clients.
        dynamic_hz: bool = true => Inert;
        /// What SIGINT does.
        shutdown_on_sigint: ShutdownOnSignal = ShutdownOnSignal::NONE;
        /// What SIGTERM does.
        shutdown_on_sigterm: ShutdownOnSignal = ShutdownOnSignal::NONE;
        /// Seconds to wait at a shutdown for replicas to catch up, and for a script that has written to end.
        shutdown_timeout: u64 = 10, Int(0, INT);
        /// Adjust the kernel's out-of-memory score of the processes.
        oom_score_adj: OomScoreAdj = OomScoreAdj::No;
        /// Scores for a primary, a replica and a background process.
        oom_score_adj_values: OomScoreAdjValues = OomScoreAdjValues::default();
        /// Turn off transparent huge pages for the process where the system gives them to everybody.
        disable_thp: bool = true => Immutable;
        /// CPUs of the main and I/O threads, and of those below that have no list of their own: `0,2,4-7`, `0-7:2`.
        server_cpulist ("server_cpulist"): Vec<u8> = text(""), Optional => Immutable;
        /// CPUs of the thread that writes the append-only file.
        bio_cpulist ("bio_cpulist"): Vec<u8> = text(""), Optional => Immutable;
        /// CPUs of the thread that rewrites the append-only file.
        aof_rewrite_cpulist ("aof_rewrite_cpulist"): Vec<u8> = text(""), Optional => Immutable;
        /// CPUs of the thread that saves.
        bgsave_cpulist ("bgsave_cpulist"): Vec<u8> = text(""), Optional => Immutable;
        /// Answer as Redis does where clients recognise Valkey by name.
        extended_redis_compatibility: bool = false => Inert;
        /// Name of the availability zone, told to clients by HELLO and INFO.
        availability_zone: Vec<u8> = text("");
        /// Let DEBUG CLOCK stop and move the server's clock, for tests of what takes long.
        test_clock: bool = false => Immutable | Hidden | Passing;
    } } };
}
