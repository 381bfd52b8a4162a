//! What the server has done.

use super::{SECTION, Section, Shown, View, fields};
use crate::engine::server::rates::Rate;
use std::fmt::Write;

fn per_second(view: &View, rate: Rate) -> u64 {
    view.server.rates.per_second(rate)
}

fn kilobytes(view: &View, rate: Rate) -> String {
    format!("{:.2}", per_second(view, rate) as f64 / 1024.0)
}

fn reads(view: &View) -> u64 {
    view.server.stats.threads.all().reads
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2}", microseconds as f64 / 1000.0)
}

pub(super) const STATS: Section = Section {
    title: "Stats",
    fields: fields! { view;
        total_connections_received: view.server.stats.connections_received,
        total_commands_processed: view.server.stats.commands_processed,
        instantaneous_ops_per_sec: per_second(view, Rate::Commands),
        total_net_input_bytes: view.server.stats.net_input_bytes,
        total_net_output_bytes: view.server.stats.net_output_bytes,
        total_net_repl_input_bytes: 0,
        total_net_repl_output_bytes: 0,
        total_net_cluster_slot_import_bytes: 0,
        total_net_cluster_slot_export_bytes: 0,
        instantaneous_input_kbps: kilobytes(view, Rate::InputBytes),
        instantaneous_output_kbps: kilobytes(view, Rate::OutputBytes),
        instantaneous_input_repl_kbps: "0.00",
        instantaneous_output_repl_kbps: "0.00",
        rejected_connections: view.server.stats.rejected_connections,
        sync_full: 0,
        sync_partial_ok: 0,
        sync_partial_err: 0,
        expired_subkeys: view.server.stats.expired_fields,
        expired_subkeys_active: view.server.stats.expired_fields_active,
        expired_fields: view.server.stats.expired_fields,
        expired_keys: view.server.stats.expired_keys,
        expired_keys_active: view.server.stats.expired_keys_active,
        expired_stale_perc: format!("{:.2}", view.server.stats.expired_stale_perc),
        expired_keys_with_volatile_items_stale_perc: "0.00",
        expired_time_cap_reached_count: view.server.stats.expired_time_cap_reached,
        expire_cycle_cpu_milliseconds: view.server.stats.expire_cycle_us / 1000,
        evicted_keys: view.server.stats.evicted_keys,
        evicted_clients: view.server.stats.evicted_clients,
        evicted_scripts: view.server.stats.evicted_scripts,
        total_eviction_exceeded_time:
            (view.server.stats.total_eviction_exceeded_us + eviction_exceeded_us(view)) / 1000,
        current_eviction_exceeded_time: eviction_exceeded_us(view) / 1000,
        keyspace_hits: view.server.stats.keyspace_hits,
        keyspace_misses: view.server.stats.keyspace_misses,
        pubsub_channels: view.server.pubsub.channels.len(),
        pubsub_patterns: view.server.pubsub.patterns.len(),
        pubsubshard_channels: view.server.pubsub.shards.len(),
        latest_fork_usec: 0,
        total_forks: view.server.persistence.jobs,
        migrate_cached_sockets: view.server.stats.migrate_cached_sockets,
        slave_expires_tracked_keys: 0,
        active_defrag_hits: 0,
        active_defrag_misses: 0,
        active_defrag_key_hits: 0,
        active_defrag_key_misses: 0,
        total_active_defrag_time: 0,
        current_active_defrag_time: 0,
        tracking_total_keys: view.server.tracking.table.len(),
        tracking_total_items: view.server.tracking.table.items(),
        tracking_total_prefixes: view.server.tracking.prefixes.len(),
        unexpected_error_replies: view.server.stats.unexpected_error_replies,
        total_error_replies: view.server.stats.error_replies,
        dump_payload_sanitizations: 0,
        total_reads_processed: reads(view),
        total_writes_processed: view.server.stats.threads.all().writes,
        io_threaded_reads_processed: view.server.stats.threads.others().reads,
        io_threaded_writes_processed: view.server.stats.threads.others().writes,
        io_threaded_freed_objects: 0,
        io_threaded_accept_processed: 0,
        io_threaded_poll_processed: 0,
        io_threaded_total_prefetch_batches: 0,
        io_threaded_total_prefetch_entries: 0,
        client_query_buffer_limit_disconnections: view.server.stats.query_buffer_limit_disconnections,
        client_output_buffer_limit_disconnections: view.server.stats.output_buffer_limit_disconnections,
        reply_buffer_shrinks: 0,
        reply_buffer_expands: 0,
        eventloop_cycles: view.server.turns(),
        eventloop_duration_sum: view.server.busy_ns() / 1000,
        eventloop_duration_cmd_sum: view.server.commands_ns() / 1000,
        instantaneous_eventloop_cycles_per_sec: per_second(view, Rate::Turns),
        instantaneous_eventloop_duration_usec: view.server.rates.microseconds_per_turn(),
        eventloop_cycles_with_clients_processing: reads(view),
        total_client_processing_events: reads(view),
        avg_pipeline_length_sum: view.server.stats.commands_processed,
        avg_pipeline_length_cnt: reads(view),
        avg_pipeline_length: {
            format!("{:.2}", super::memory::ratio(view.server.stats.commands_processed, reads(view)))
        },
        slowlog_commands_count: view.server.call_logs.slow_count,
        slowlog_commands_time_ms_max: milliseconds(view.server.call_logs.slow_max_us),
        slowlog_commands_time_ms_sum: milliseconds(view.server.call_logs.slow_sum_us),
        hash_templates: 0,
        hash_template_keys: 0,
        acl_access_denied_auth: view.server.stats.acl_denied_auth,
        acl_access_denied_cmd: view.server.stats.acl_denied_cmd,
        acl_access_denied_key: view.server.stats.acl_denied_key,
        acl_access_denied_channel: view.server.stats.acl_denied_channel,
        acl_access_denied_tls_cert: view.server.stats.acl_denied_tls_cert,
        acl_access_denied_db: 0,
    },
    ..SECTION
};

pub(super) const COMMANDSTATS: Section = Section {
    title: "Commandstats",
    shown: Shown::All,
    lines: |view, out| {
        for (id, entry) in view.server.commands.iter() {
            let stats = &view.server.command_stats[id as usize];
            if stats.calls == 0 && stats.rejected == 0 && stats.failed == 0 {
                continue;
            }
            let usec = stats.ns / 1000;
            let per_call = super::memory::ratio(stats.ns, stats.calls) / 1000.0;
            let _ = write!(
                out,
                "cmdstat_{}:calls={},usec={usec},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}\r\n",
                entry.full_name, stats.calls, stats.rejected, stats.failed
            );
        }
    },
    ..SECTION
};

pub(super) const ERRORSTATS: Section = Section {
    title: "Errorstats",
    lines: |view, out| {
        for (code, count) in view.server.error_stats.sorted() {
            let _ = write!(out, "errorstat_{}:count={count}\r\n", String::from_utf8_lossy(code));
        }
    },
    ..SECTION
};

pub(super) const HOTKEYS: Section = Section {
    title: "Hotkeys",
    lines: |view, out| {
        if let Some(hotkeys) = &view.server.hotkeys {
            let _ = write!(out, "hotkeys-tracking-active:{}\r\n", u8::from(hotkeys.is_active()));
            let _ = write!(out, "hotkeys-cmd-cpu-time:{}\r\n", hotkeys.all().ns / 1_000_000);
        }
    },
    ..SECTION
};

pub(super) const LATENCYSTATS: Section = Section {
    title: "Latencystats",
    shown: Shown::All,
    lines: |view, out| {
        if !view.server.config.latency_tracking {
            return;
        }
        for (id, entry) in view.server.commands.iter() {
            let Some(histogram) = &view.server.command_stats[id as usize].latency else { continue };
            let percentiles = &view.server.config.latency_tracking_info_percentiles.0;
            let values = percentiles.iter().map(|percent| {
                // Nanoseconds shown as microseconds; a whole percentage without its fraction.
                format!("p{percent}={:.3}", histogram.percentile(*percent) as f64 / 1000.0)
            });
            let values: Vec<String> = values.collect();
            let _ = write!(out, "latency_percentiles_usec_{}:{}\r\n", entry.full_name, values.join(","));
        }
    },
    ..SECTION
};

pub(super) const DEBUG: Section = Section {
    title: "Debug",
    shown: Shown::Named,
    fields: fields! { view;
        eventloop_duration_aof_sum: 0,
        eventloop_duration_cron_sum: view.server.stats.cron_ns / 1000,
        eventloop_duration_max: view.server.stats.turn_ns_max / 1000,
        eventloop_cmd_per_cycle_max: view.server.stats.turn_commands_max,
    },
    ..SECTION
};

/// For how long more memory has been in use than `maxmemory` allows.
fn eviction_exceeded_us(view: &View) -> u64 {
    let since = view.server.stats.eviction_exceeded_since;
    since.map_or(0, |since| view.now.mono_us.saturating_sub(since))
}
