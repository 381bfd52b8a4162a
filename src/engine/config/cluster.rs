//! Cluster mode.

macro_rules! cluster {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Cluster" {
        /// Be a node of a cluster.
        cluster_enabled: bool = false => Immutable;
        /// File in which the node keeps the cluster's state.
        cluster_config_file: Vec<u8> = text("nodes.conf") => Immutable | Inert;
        /// What a failure to save that state does.
        cluster_config_save_behavior: ClusterConfigSaveBehavior = ClusterConfigSaveBehavior::Sync => Inert;
        /// Databases of a node in cluster mode.
        cluster_databases: u64 = 1, Int(1, INT) => Immutable | Hidden;
        /// Port of the cluster bus; 0 is that for clients plus 10000.
        cluster_port: u16 = 0, Int(0, 65535) => Immutable | Inert;
        /// Close the cluster bus to other machines in protected mode.
        cluster_bus_port_protected_mode: bool = false => Inert;
        /// Milliseconds of silence after which a node is taken to have failed.
        cluster_node_timeout: u64 = 15_000, Int(0, LONG) => Inert;
        /// Milliseconds between pings to random nodes; 0 is the usual pace.
        cluster_ping_interval: u64 = 0, Int(0, LONG) => Hidden | Inert;
        /// Percentage of the nodes that a message tells about.
        cluster_message_gossip_perc: u64 = 10, Int(1, 100) => Hidden | Inert;
        /// Seconds for which a forgotten node may not come back.
        cluster_blacklist_ttl: u64 = 60, Int(0, LONG) => Inert;
        /// Bytes queued for another node at which its connection is dropped; 0 is no limit.
        cluster_link_sendbuf_limit: u64 = 0, Memory(0, u64::MAX as i128) => Inert;
        /// Refuse to serve unless every slot has a node.
        cluster_require_full_coverage: bool = true => Inert;
        /// Read while the cluster is down.
        cluster_allow_reads_when_down: bool = false => Inert;
        /// Serve sharded pub/sub while the cluster is down.
        cluster_allow_pubsubshard_when_down: bool = true => Inert;
        /// Let replicas move to primaries that have none.
        cluster_allow_replica_migration: bool = true => Inert;
        /// Replicas that a primary keeps when one moves away.
        cluster_migration_barrier: u64 = 1, Int(0, INT) => Inert;
        /// Multiple of the node timeout after which a replica's data is too old to take over; 0 is never.
        cluster_replica_validity_factor ("cluster-slave-validity-factor"): u64 = 10, Int(0, INT) => Inert;
        /// Keep this replica from taking over by itself.
        cluster_replica_no_failover ("cluster-slave-no-failover"): bool = false => Inert;
        /// Milliseconds that a failover by hand may take.
        cluster_manual_failover_timeout: u64 = 5000, Int(1, INT) => Inert;
        /// Endpoint that replies give first.
        cluster_preferred_endpoint_type: ClusterPreferredEndpointType = ClusterPreferredEndpointType::Ip => Inert;
        /// Address that other nodes are told.
        cluster_announce_ip: Vec<u8> = text(""), OptionalIf(announced_address) => Inert;
        /// Host name that other nodes are told.
        cluster_announce_hostname: Vec<u8> = text(""), OptionalIf(host_name) => Inert;
        /// Name of the node for people.
        cluster_announce_human_nodename: Vec<u8> = text(""), OptionalIf(node_name) => Inert;
        /// Port that other nodes are told; 0 is the one listened on.
        cluster_announce_port: u16 = 0, Int(0, 65535) => Inert;
        /// TLS port that other nodes are told; 0 is the one listened on.
        cluster_announce_tls_port: u16 = 0, Int(0, 65535) => Inert;
        /// Port of the cluster bus that other nodes are told; 0 is the one listened on.
        cluster_announce_bus_port: u16 = 0, Int(0, 65535) => Inert;
        /// IPv4 address that clients are told.
        cluster_announce_client_ipv4: Vec<u8> = text(""), OptionalIf(ipv4) => Inert;
        /// IPv6 address that clients are told.
        cluster_announce_client_ipv6: Vec<u8> = text(""), OptionalIf(ipv6) => Inert;
        /// Port that clients are told; 0 is that which other nodes are told.
        cluster_announce_client_port: u16 = 0, Int(0, 65535) => Inert;
        /// TLS port that clients are told; 0 is that which other nodes are told.
        cluster_announce_client_tls_port: u16 = 0, Int(0, 65535) => Inert;
        /// What is counted for each slot.
        cluster_slot_stats_enabled: ClusterSlotStats = ClusterSlotStats::NONE => Inert;
        /// Percentage of commands checked for whether they would work in a cluster.
        cluster_compatibility_sample_ratio: u64 = 0, Int(0, 100) => Inert;
        /// Lag in bytes at which a moving slot is handed over.
        cluster_slot_migration_handoff_max_lag_bytes: u64 = 1 << 20, Memory(0, LONG) => Inert;
        /// Milliseconds for which writes to a moving slot may pause.
        cluster_slot_migration_write_pause_timeout: u64 = 10_000, Int(0, LONG) => Inert;
        /// Finished slot migrations that are remembered, as Redis counts them.
        cluster_slot_migration_max_archived_tasks: u64 = 32, Int(1, INT) => Hidden | Inert;
        /// Milliseconds that a node may take for the writes buffered during a slot migration.
        cluster_slot_migration_sync_buffer_drain_timeout: u64 = 60_000, Int(0, LONG) => Hidden | Inert;
        /// Finished slot migrations that are remembered, as Valkey counts them.
        cluster_slot_migration_log_max_len: u64 = 1000, Int(0, LONG) => Inert;
        /// Bytes a node may send after a slot's writes paused, before the handover; -1 is no limit.
        slot_migration_max_failover_repl_bytes: i64 = 0, Memory(-1, LONG) => Inert;
    } } };
}
