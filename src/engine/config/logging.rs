//! The log, the slow log, latency and notifications.

macro_rules! logging {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Logging and monitoring" {
        /// Least important kind of message that is logged.
        loglevel: Loglevel = Loglevel::Notice;
        /// File that receives the log; standard output if empty.
        logfile: Vec<u8> = text("") => Immutable;
        /// How log lines are laid out.
        log_format: LogFormat = LogFormat::Legacy;
        /// How log lines give the time.
        log_timestamp_format: LogTimestampFormat = LogTimestampFormat::Legacy;
        /// Log to syslog too.
        syslog_enabled: bool = false => Immutable;
        /// Name that syslog messages carry.
        syslog_ident: Vec<u8> = text("redis") => Immutable;
        /// Facility that syslog messages carry.
        syslog_facility: SyslogFacility = SyslogFacility::Local0 => Immutable;
        /// Log registers and stack when the server crashes.
        crash_log_enabled: bool = true;
        /// Test memory when the server crashes.
        crash_memcheck_enabled: bool = true => Inert;
        /// Exit rather than abort when an internal check fails.
        use_exit_on_panic: bool = false => Hidden | Inert;
        /// Milliseconds without progress after which the stack is logged, for debugging; 0 is off.
        watchdog_period: u64 = 0, Int(0, INT) => Hidden | Inert;
        /// A text added to crash logs.
        debug_context: Vec<u8> = text("") => Hidden | Inert;
        /// Microseconds from which on a command is slow; 0 logs all, -1 none.
        slowlog_log_slower_than ("commandlog-execution-slower-than"): i64 = 10_000, Int(-1, LONG);
        /// Slow commands that are remembered.
        slowlog_max_len ("commandlog-slow-execution-max-len"): u64 = 128, Int(0, LONG);
        /// Arguments of a command that the slow log keeps.
        slowlog_entry_max_argc: u64 = 32, Int(2, INT);
        /// Bytes of an argument that the slow log keeps.
        slowlog_entry_max_string_len: u64 = 128, Int(1, LONG);
        /// Bytes from which on a request is large; 0 logs all, -1 none.
        commandlog_request_larger_than: i64 = 1 << 20, Int(-1, LONG);
        /// Large requests that are remembered.
        commandlog_large_request_max_len: u64 = 128, Int(0, LONG);
        /// Bytes from which on a reply is large; 0 logs all, -1 none.
        commandlog_reply_larger_than: i64 = 1 << 20, Int(-1, LONG);
        /// Large replies that are remembered.
        commandlog_large_reply_max_len: u64 = 128, Int(0, LONG);
        /// Milliseconds from which on an event is remembered by LATENCY; 0 remembers none.
        latency_monitor_threshold: u64 = 0, Int(0, LONG);
        /// Keep a histogram of the time that each command takes.
        latency_tracking: bool = true;
        /// Percentiles that INFO LATENCYSTATS gives.
        latency_tracking_info_percentiles: Percentiles = Percentiles::default();
        /// Classes of events on keys that are published, by letter.
        notify_keyspace_events: KeyspaceEvents = KeyspaceEvents::default();
    } } };
}
