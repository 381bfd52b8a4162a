//! Snapshots and the append-only file.

macro_rules! persistence {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Persistence" {
        /// When to save by itself: after so many seconds with at least so many changes.
        save: SavePoints = SavePoints::default();
        /// Name of the snapshot file.
        dbfilename: Vec<u8> = text("dump.rdb"), TextIf(dump_file) => Protected;
        /// Refuse writes after a snapshot failed.
        stop_writes_on_bgsave_error: bool = true;
        /// Compress strings in snapshots.
        rdbcompression: bool = true;
        /// Write and check a checksum at the end of snapshots.
        rdbchecksum: bool = true => Immutable;
        /// Whether snapshots of newer versions are read.
        rdb_version_check: RdbVersionCheck = RdbVersionCheck::Strict => Inert;
        /// Whether payloads from outside are checked in depth before use: they always are.
        sanitize_dump_payload: SanitizeDumpPayload = SanitizeDumpPayload::No => Inert;
        /// Delete snapshot files that served only replication, where nothing else persists.
        rdb_del_sync_files: bool = false => Inert;
        /// Flush a snapshot every few megabytes while it is written.
        rdb_save_incremental_fsync: bool = true;
        /// Microseconds to wait after each key of a snapshot, for tests; negative values for many keys.
        rdb_key_save_delay: i64 = 0, Int(-INT - 1, INT) => Hidden;
        /// Microseconds to wait after each key that is loaded, for tests; negative values for many keys.
        key_load_delay: i64 = 0, Int(-INT - 1, INT) => Hidden;
        /// Bytes loaded between looks at clients.
        loading_process_events_interval_bytes: u64 = 512 << 10, Int(1024, INT) => Hidden | Inert;
        /// File to load at the start in place of the usual ones: `rdb:NAME` or `aof:NAME`.
        preload_file: Vec<u8> = text(""), OptionalIf(preload_file) => Immutable;
        /// Directory of backups.
        backupdirname: Vec<u8> = text("backupdir"), TextIf(backup_directory) => Immutable;
        /// Seconds after which a finished backup is deleted; 0 keeps it.
        backup_sealed_ttl: u64 = 0, Int(0, LONG);
        /// Log every write to the append-only file.
        appendonly: bool = false;
        /// First part of the names of append-only files.
        appendfilename: Vec<u8> = text("appendonly.aof"), TextIf(append_file) => Immutable;
        /// Directory of the append-only files.
        appenddirname: Vec<u8> = text("appendonlydir"), TextIf(append_directory) => Immutable;
        /// When the append-only file is flushed to the medium.
        appendfsync: Appendfsync = Appendfsync::Everysec;
        /// Do not flush while a snapshot or a rewrite is being written.
        no_appendfsync_on_rewrite: bool = false;
        /// Growth in percent since the last rewrite at which the next one starts; 0 never.
        auto_aof_rewrite_percentage: u64 = 100, Int(0, INT);
        /// Size below which the file is not rewritten by itself.
        auto_aof_rewrite_min_size: u64 = 64 << 20, Memory(0, LONG);
        /// Flush a rewrite every few megabytes while it is written.
        aof_rewrite_incremental_fsync: bool = true;
        /// Start a file whose last command is cut off, without that command.
        aof_load_truncated: bool = true;
        /// Bytes of garbage at the end of a file that are cut off at the start; 0 refuses them.
        aof_load_corrupt_tail_max_size: u64 = 0, Int(0, LONG);
        /// Begin a rewritten file with a snapshot.
        aof_use_rdb_preamble: bool = true;
        /// Note the time in the append-only file.
        aof_timestamp_enabled: bool = false;
        /// Protect the append-only file by checksums, in lines that other servers read over.
        aof_checksums: bool = true;
        /// Keep append-only files that are no longer needed.
        aof_disable_auto_gc: bool = false => Hidden;
    } } };
}
