//! Other servers.

use super::{SECTION, Section, fields};

const NO_ID: &str = "0000000000000000000000000000000000000000";

pub(super) const REPLICATION: Section = Section {
    title: "Replication",
    fields: fields! { view;
        role: "master",
        connected_slaves: 0,
        replicas_waiting_psync: 0,
        master_failover_state: "no-failover",
        master_replid: view.server.replication_id,
        master_replid2: NO_ID,
        master_repl_offset: 0,
        second_repl_offset: -1,
        repl_backlog_active: 0,
        repl_backlog_size: view.server.config.repl_backlog_size,
        repl_backlog_first_byte_offset: 0,
        repl_backlog_histlen: 0,
    },
    ..SECTION
};

pub(super) const CLUSTER: Section =
    Section { title: "Cluster", fields: fields! { view; cluster_enabled: 0, }, ..SECTION };
