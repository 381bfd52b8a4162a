//! What is on disk.

use super::{SECTION, Section, View, fields};
use crate::engine::server::persistence::{AofState, JobKind, Loading};
use std::fmt::Write;

/// What a job of this kind has taken so far, in seconds; -1 while there is none.
fn seconds(view: &View, kind: JobKind) -> i64 {
    match &view.server.persistence.job {
        Some(job) if job.kind == kind => ((view.now.mono_us - job.started.mono_us) / 1_000_000) as i64,
        _ => -1,
    }
}

fn status(good: bool) -> &'static str {
    if good { "ok" } else { "err" }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

pub(super) const PERSISTENCE: Section = Section {
    title: "Persistence",
    fields: fields! { view;
        loading: u8::from(view.server.persistence.loading.is_some()),
        async_loading: 0,
        current_cow_peak: view.server.snapshot_memory(),
        current_cow_size: view.server.snapshot_memory(),
        current_cow_size_age: 0,
        current_fork_perc: format_args!("{:.2}", {
            let progress = view.server.snapshot_progress();
            percent(progress.done, progress.total)
        }),
        current_save_keys_processed: view.server.snapshot_progress().done,
        current_save_keys_total: view.server.snapshot_progress().total,
        rdb_changes_since_last_save: view.server.dirty,
        rdb_bgsave_in_progress: u8::from(view.server.runs(JobKind::Save)),
        rdb_last_save_time: view.server.persistence.saves.last_time,
        rdb_last_bgsave_status: status(view.server.persistence.saves.last_ok),
        rdb_last_bgsave_time_sec: view.server.persistence.saves.last_secs,
        rdb_current_bgsave_time_sec: seconds(view, JobKind::Save),
        rdb_saves: view.server.persistence.saves.count,
        rdb_saves_consecutive_failures: view.server.persistence.saves.failures,
        rdb_last_cow_size: view.server.persistence.saves.last_extra,
        rdb_last_load_keys_expired: view.server.persistence.last_load.0,
        rdb_last_load_keys_loaded: view.server.persistence.last_load.1,
        aof_enabled: u8::from(view.server.persistence.aof.is_on()),
        aof_rewrite_in_progress: u8::from(view.server.runs(JobKind::Rewrite)),
        aof_rewrite_scheduled: u8::from(view.server.persistence.aof.scheduled),
        aof_last_rewrite_time_sec: view.server.persistence.aof.last_secs,
        aof_current_rewrite_time_sec: seconds(view, JobKind::Rewrite),
        aof_last_bgrewrite_status: status(view.server.persistence.aof.rewritten),
        aof_rewrites: view.server.persistence.aof.rewrites,
        aof_rewrites_consecutive_failures: view.server.persistence.aof.failures,
        aof_last_write_status: status(view.server.persistence.aof.written.is_ok()),
        aof_last_cow_size: view.server.persistence.saves.last_extra,
        backup_in_progress: u8::from(view.server.persistence.backup.is_running()),
        module_fork_in_progress: 0,
        module_fork_last_cow_size: 0,
        slot_migration_fork_in_progress: 0,
    },
    lines: |view, out| {
        let aof = &view.server.persistence.aof;
        if aof.is_on() {
            let pending = view.server.propagation.waiting();
            let rewrite = u8::from(aof.state == AofState::Starting && aof.scheduled);
            _ = write!(
                out,
                "aof_current_size:{}\r\naof_base_size:{}\r\naof_pending_rewrite:{rewrite}\r\naof_buffer_length:{pending}\r\n\
                 aof_pending_bio_fsync:0\r\naof_delayed_fsync:{}\r\n",
                aof.size, aof.base_size, aof.delayed_fsyncs
            );
        }
        if let Some(loading) = &view.server.persistence.loading {
            write_loading(loading, view, out);
        }
    },
    ..SECTION
};

fn write_loading(loading: &Loading, view: &View, out: &mut String) {
    let (total, loaded) = (loading.total_bytes, loading.loaded_bytes);
    let elapsed = (view.now.mono_us.saturating_sub(loading.started.mono_us)).div_ceil(1_000_000);
    let eta = (elapsed * total.saturating_sub(loaded)).checked_div(loaded).unwrap_or(1);
    _ = write!(
        out,
        "loading_start_time:{}\r\nloading_total_bytes:{total}\r\nloading_rdb_used_mem:0\r\nloading_loaded_bytes:{loaded}\r\n\
         loading_loaded_perc:{:.2}\r\nloading_eta_seconds:{eta}\r\n",
        loading.started.unix_secs(),
        percent(loaded, total)
    );
}
