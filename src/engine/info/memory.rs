//! What memory is used for.

use super::{SECTION, Section, fields};
use crate::engine::server::Server;

/// Where the memory goes, computed once for INFO and MEMORY STATS.
#[derive(Clone, Debug, Default)]
pub struct MemoryFigures {
    /// Allocated now.
    pub used: u64,
    /// The most that was allocated.
    pub peak: u64,
    /// When that was, Unix seconds.
    pub peak_time: i64,
    /// Allocated before there were data and clients.
    pub startup: u64,
    /// All that is not data: what was there at the start, tables, clients.
    pub overhead: u64,
    /// Buffers of clients.
    pub clients: u64,
    /// Table memory of each database that has keys.
    pub tables: Vec<(usize, u64)>,
    /// Keys in all databases.
    pub keys: u64,
    /// Resident set.
    pub resident: u64,
    /// What the allocator handed out, holds in pages, and has mapped; pages lazily given back.
    pub allocator: [u64; 4],
}

impl MemoryFigures {
    /// The figures of this moment.
    pub fn of(server: &Server) -> Self {
        let used = server.used_memory();
        let tables: Vec<(usize, u64)> = (server.databases.iter().enumerate())
            .filter(|(_, database)| !database.is_empty())
            .map(|(index, database)| (index, database.table_memory() as u64))
            .collect();
        let clients = server.clients.iter().map(|client| client.memory(&client.reply) as u64).sum();
        let startup = server.startup_memory;
        let peaked = used > server.stats.peak_memory;
        MemoryFigures {
            used,
            peak: server.stats.peak_memory.max(used),
            peak_time: if peaked { server.stats.sampled_secs } else { server.stats.peak_memory_time },
            startup,
            overhead: startup + clients + tables.iter().map(|(_, bytes)| bytes).sum::<u64>(),
            clients,
            tables,
            keys: server.databases.iter().map(|database| database.len() as u64).sum(),
            resident: server.usage.rss,
            allocator: server.usage.allocator,
        }
    }
    /// Bytes of data.
    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead)
    }
    /// Data in percent of what was allocated since the start.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used.saturating_sub(self.startup))
    }
    /// What is allocated in percent of the most that was.
    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }
    /// Resident memory over allocated memory.
    pub fn fragmentation(&self) -> f64 {
        ratio(self.resident, self.used)
    }
    /// Allocated, active, resident and muzzy bytes; what the allocator does not tell is estimated as
    /// Redis does without jemalloc.
    pub fn allocator(&self) -> [u64; 4] {
        match self.allocator {
            [0, ..] => [self.used, self.resident, self.resident, 0],
            known => known,
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// `a / b`; 0 if there is no `b`.
pub fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

fn difference(a: u64, b: u64) -> i64 {
    a as i64 - b as i64
}

/// Bytes with a unit, as INFO's `_human` fields show them.
pub fn human(bytes: u64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = (bytes.ilog2() / 10).min(UNITS.len() as u32);
    format!("{:.2}{}", bytes as f64 / (1u64 << (10 * power)) as f64, UNITS[power as usize - 1])
}

pub(super) const MEMORY: Section = Section {
    title: "Memory",
    fields: fields! { view;
        used_memory: view.memory.used,
        used_memory_human: human(view.memory.used),
        used_memory_rss: view.memory.resident,
        used_memory_rss_human: human(view.memory.resident),
        used_memory_peak: view.memory.peak,
        used_memory_peak_human: human(view.memory.peak),
        used_memory_peak_time: view.memory.peak_time,
        used_memory_peak_perc: format!("{:.2}%", view.memory.peak_percent()),
        used_memory_overhead: view.memory.overhead,
        used_memory_startup: view.memory.startup,
        used_memory_dataset: view.memory.dataset(),
        used_memory_dataset_perc: format!("{:.2}%", view.memory.dataset_percent()),
        allocator_allocated: view.memory.allocator()[0],
        allocator_active: view.memory.allocator()[1],
        allocator_resident: view.memory.allocator()[2],
        allocator_muzzy: view.memory.allocator()[3],
        total_system_memory: view.server.environment.total_memory,
        total_system_memory_human: human(view.server.environment.total_memory),
        used_memory_lua: view.server.scripting.interpreter_memory(),
        used_memory_vm_eval: view.server.scripting.interpreter_memory(),
        used_memory_lua_human: human(view.server.scripting.interpreter_memory() as u64),
        used_memory_scripts_eval: view.server.scripting.memory(),
        number_of_cached_scripts: view.server.scripting.count(),
        number_of_functions: view.server.scripting.functions.count(),
        number_of_libraries: view.server.scripting.functions.libraries.len(),
        used_memory_vm_functions: view.server.scripting.functions.interpreter_memory(),
        used_memory_vm_total: view.server.scripting.vm_memory(),
        used_memory_vm_total_human: human(view.server.scripting.vm_memory() as u64),
        used_memory_functions: view.server.scripting.functions.memory(),
        used_memory_hash_templates: 0,
        used_memory_scripts: view.server.scripting.memory() + view.server.scripting.functions.memory(),
        used_memory_scripts_human: human(view.server.scripting.memory() as u64),
        maxmemory: view.server.config.maxmemory,
        maxmemory_human: human(view.server.config.maxmemory),
        maxmemory_policy: view.server.config.maxmemory_policy.word(),
        allocator_frag_ratio: format!("{:.2}", ratio(view.memory.allocator()[1], view.memory.allocator()[0])),
        allocator_frag_bytes: difference(view.memory.allocator()[1], view.memory.allocator()[0]),
        allocator_rss_ratio: format!("{:.2}", ratio(view.memory.allocator()[2], view.memory.allocator()[1])),
        allocator_rss_bytes: difference(view.memory.allocator()[2], view.memory.allocator()[1]),
        rss_overhead_ratio: format!("{:.2}", ratio(view.memory.resident, view.memory.allocator()[2])),
        rss_overhead_bytes: difference(view.memory.resident, view.memory.allocator()[2]),
        mem_fragmentation_ratio: format!("{:.2}", view.memory.fragmentation()),
        mem_fragmentation_bytes: difference(view.memory.resident, view.memory.used),
        mem_not_counted_for_evict: view.server.not_counted(),
        mem_replication_backlog: 0,
        mem_total_replication_buffers: 0,
        mem_replica_full_sync_buffer: 0,
        mem_replicas_repl_buffer: 0,
        mem_clients_slaves: 0,
        mem_clients_normal: view.memory.clients,
        mem_clients_normal_shared: 0,
        mem_clients_normal_unshared: view.memory.clients,
        mem_cluster_slot_migration_output_buffer: 0,
        mem_cluster_slot_migration_input_buffer: 0,
        mem_cluster_slot_migration_input_buffer_peak: 0,
        mem_cluster_links: 0,
        mem_cluster_slot_import: 0,
        mem_cluster_slot_export: 0,
        mem_aof_buffer: 0,
        mem_allocator: view.server.environment.allocator,
        mem_overhead_db_hashtable_rehashing: 0,
        active_defrag_running: 0,
        lazyfree_pending_objects: view.server.pending_objects(),
        lazyfreed_objects: view.server.stats.lazyfreed_objects,
    },
    ..SECTION
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        assert_eq!([0, 1023, 1024, 726608].map(human), ["0B", "1023B", "1.00K", "709.58K"]);
        assert_eq!(human(25276502016), "23.54G");
        assert_eq!(human(u64::MAX), "16384.00P");
    }
}
