//! Primaries and replicas.

macro_rules! replication {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Replication" {
        /// Primary to copy: host and port.
        replicaof ("slaveof"): ReplicaOf = ReplicaOf::default() => Immutable;
        /// Password to log in to the primary with.
        masterauth ("primaryauth"): Vec<u8> = text(""), Optional => Sensitive | Inert;
        /// User to log in to the primary as.
        masteruser ("primaryuser"): Vec<u8> = text(""), Optional => Sensitive | Inert;
        /// Answer while there is no connection to the primary or no complete data yet.
        replica_serve_stale_data ("slave-serve-stale-data"): bool = true => Inert;
        /// Refuse writes of clients on a replica.
        replica_read_only ("slave-read-only"): bool = true => Inert;
        /// Free a replica's old data in the background before a full copy.
        replica_lazy_flush ("slave-lazy-flush"): bool = false => Inert;
        /// Leave eviction on a replica to its primary.
        replica_ignore_maxmemory ("slave-ignore-maxmemory"): bool = true => Inert;
        /// Go on as a replica when writing to disk fails.
        replica_ignore_disk_write_errors: bool = false => Inert;
        /// Rank for promotion, the lowest first; 0 is never promoted.
        replica_priority ("slave-priority"): u64 = 100, Int(0, INT) => Inert;
        /// Let Sentinel and `ROLE` list this replica.
        replica_announced: bool = true => Inert;
        /// Address that the primary is told.
        replica_announce_ip ("slave-announce-ip"): Vec<u8> = text(""), Optional => Inert;
        /// Port that the primary is told; 0 is the one listened on.
        replica_announce_port ("slave-announce-port"): u16 = 0, Int(0, 65535) => Inert;
        /// Bytes of writes that a replica holds back during a full copy; 0 follows the output buffer limit.
        replica_full_sync_buffer_limit: u64 = 0, Memory(0, LONG) => Inert;
        /// Send full copies straight to the socket.
        repl_diskless_sync: bool = true => Inert;
        /// Seconds to wait for more replicas before sending.
        repl_diskless_sync_delay: u64 = 5, Int(0, INT) => Inert;
        /// Replicas at which to stop waiting; 0 always waits.
        repl_diskless_sync_max_replicas: u64 = 0, Int(0, INT) => Inert;
        /// How a replica receives a full copy.
        repl_diskless_load: ReplDisklessLoad = ReplDisklessLoad::Disabled => NotWhileLoading | Inert;
        /// Send full copies over a connection of their own, as Redis does.
        repl_rdb_channel: bool = true => Hidden | Inert;
        /// Send full copies over a connection of their own, as Valkey does.
        dual_channel_replication_enabled: bool = false => Inert;
        /// Seconds between pings to replicas.
        repl_ping_replica_period ("repl-ping-slave-period"): u64 = 10, Int(1, INT) => Inert;
        /// Seconds of silence after which the other side is given up.
        repl_timeout: u64 = 60, Int(1, INT) => Inert;
        /// Collect small writes into fewer packets to replicas.
        repl_disable_tcp_nodelay: bool = false => Inert;
        /// Use Multipath TCP to the primary where the kernel can.
        repl_mptcp: bool = false => Immutable | Hidden | Inert;
        /// Bytes of past writes from which a replica can go on after a broken connection.
        repl_backlog_size: u64 = 1 << 20, Memory(1, LONG);
        /// Seconds without replicas after which the backlog is freed; 0 keeps it.
        repl_backlog_ttl: u64 = 3600, Int(0, LONG) => Inert;
        /// Replicas below which writes are refused; 0 never refuses.
        min_replicas_to_write ("min-slaves-to-write"): u64 = 0, Int(0, INT) => Inert;
        /// Seconds of lag up to which a replica counts.
        min_replicas_max_lag ("min-slaves-max-lag"): u64 = 10, Int(0, INT) => Inert;
        /// What a replicated command that fails does.
        propagation_error_behavior: PropagationErrorBehavior = PropagationErrorBehavior::Ignore => Inert;
        /// Take writes as an import: expiry and eviction wait until it ends.
        import_mode: bool = false;
    } } };
}
