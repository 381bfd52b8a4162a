//! What may be expected of the server's files: by its configuration, and by what its disk does.

use seedis::runtime::simulation::DiskFaults;

use super::plan::Policy;
use crate::scenario::Values;

/// What the disk may be blamed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Nothing,
    /// Operations fail.
    Errors,
    /// Syncs put sectors in wrong places.
    Misdirected,
    /// Syncs report success and do nothing.
    Lies,
}

#[derive(Clone, Debug)]
pub struct Files {
    pub policy: Policy,
    /// Whether there is an append-only file; otherwise there are RDB files alone.
    pub appendonly: bool,
    pub blame: Blame,
    /// Whether nothing keeps the disk from doing in time what it is asked.
    pub is_prompt: bool,
    /// How long what was answered with `everysec` may not be durable yet: it waits for a flush that waits for the one
    /// before, and for what else the writer of the file does.
    pub soon_ns: u64,
}

impl Files {
    pub fn of(values: &Values) -> Self {
        let Values { config, disk, trouble, .. } = values;
        let said = |name: &str| {
            let mut lines = config.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            lines.next_back().unwrap_or_default()
        };
        let policy = Policy::ALL.into_iter().find(|policy| policy.word() == said("appendfsync"));
        Files {
            policy: policy.unwrap_or(Policy::Everysec),
            appendonly: said("appendonly") == "yes",
            blame: blame(trouble),
            is_prompt: *trouble == disk.healed(),
            soon_ns: 2_000_000_000 + 20_000 * disk.sync_latency_us.1 + 50_000 * disk.latency_us.1,
        }
    }
}

fn blame(disk: &DiskFaults) -> Blame {
    if disk.lying_syncs + disk.lost_directory_syncs > 0 {
        return Blame::Lies;
    }
    if disk.misdirected_writes > 0 {
        return Blame::Misdirected;
    }
    let errors = [disk.open_errors, disk.read_errors, disk.write_errors, disk.name_errors, disk.sync_errors];
    if disk.capacity.is_some() || errors.iter().any(|errors| *errors > 0) {
        return Blame::Errors;
    }
    Blame::Nothing
}
