//! What a seed decides about a world of crashes.

use seedis::runtime::simulation::{DiskFaults, Draws, Schedule};

use super::super::plan::schedule;

/// How changes get to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Always,
    Everysec,
    No,
}

impl Policy {
    pub const ALL: [Policy; 3] = [Policy::Always, Policy::Everysec, Policy::No];

    /// As `appendfsync` says it.
    pub fn word(self) -> &'static str {
        match self {
            Policy::Always => "always",
            Policy::Everysec => "everysec",
            Policy::No => "no",
        }
    }
}

/// What is wrong with the disk, besides losing its power.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Operations take long, or are done in part: no reason for anything to fail.
    Slow(DiskFaults),
    /// Operations fail.
    Errors(DiskFaults),
    /// What was synced is damaged before the next start: flipped bits.
    Rot,
    /// Syncs put sectors in wrong places.
    Misdirected,
    /// Syncs report success and do nothing.
    Lies,
}

impl Trouble {
    /// Whether the disk damages what it was given to keep.
    pub fn damages(&self) -> bool {
        matches!(self, Trouble::Rot | Trouble::Misdirected | Trouble::Lies)
    }
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub clients: usize,
    /// The most units that a client has under way.
    pub pipeline: u64,
    /// The longest pause of a client between pipelines, in microseconds.
    pub pause_us: u64,
    /// Small keys that each client puts there first.
    pub prefilled: u64,
    /// Of a million values.
    pub long_values: u32,
    /// Whether there is an append-only file; otherwise there are RDB files alone.
    pub appendonly: bool,
    /// Whether a client gives orders: saves, rewrites, changes of the configuration.
    pub orders: bool,
    pub trouble: Trouble,
    /// Pace of the disk.
    pub pace: DiskFaults,
    /// How often the server lives and dies.
    pub rounds: usize,
    /// How often each death is repeated, with other survivors.
    pub repetitions: usize,
    /// Who of the server's tasks goes first, and whether it does rare things on purpose.
    pub schedule: Schedule,
    pub buggify: bool,
    pub config: String,
}

impl Plan {
    /// The disk while nothing fails that could be a reason not to start.
    pub fn quiet(&self) -> DiskFaults {
        match &self.trouble {
            Trouble::Slow(faults) => faults.clone(),
            _ => self.pace.clone(),
        }
    }

    /// The disk while the clients write.
    pub fn troubled(&self) -> DiskFaults {
        match &self.trouble {
            Trouble::Slow(faults) | Trouble::Errors(faults) => faults.clone(),
            Trouble::Misdirected => DiskFaults { misdirected_writes: 50_000, ..self.pace.clone() },
            Trouble::Lies => {
                DiskFaults { lying_syncs: 300_000, lost_directory_syncs: 300_000, ..self.pace.clone() }
            }
            Trouble::None | Trouble::Rot => self.pace.clone(),
        }
    }

    pub fn of(seed: u64) -> Self {
        let mut draws = Draws::named(seed, "plan of crashes");
        let appendonly = draws.chance(800_000);
        let policy = *draws.pick(&[Policy::Always, Policy::Always, Policy::Everysec, Policy::No]);
        let mut pace = DiskFaults::default();
        let slowest = *draws.pick(&[1, 1, 10, 50]);
        pace.latency_us.1 *= slowest;
        pace.sync_latency_us.1 *= slowest;
        let trouble = trouble(&pace, &mut draws);
        let mut ways = Draws::named(seed, "ways of the plan of crashes");
        let trouble = if ways.chance(50_000) { Trouble::Lies } else { trouble };
        // While the disk fails, a unit whose reply is lost may have been refused: one at a time keeps it simple.
        let most = if matches!(trouble, Trouble::Errors(_)) { 1 } else { 8 };
        Plan {
            schedule: schedule(&mut ways),
            buggify: ways.chance(500_000),
            clients: draws.between(1, 4) as usize,
            pipeline: draws.between(1, most),
            pause_us: *draws.pick(&[2_000, 5_000, 20_000, 20_000, 200_000]),
            prefilled: *draws.pick(&[0, 0, 100, 1_500]),
            long_values: *draws.pick(&[0, 20_000, 300_000]),
            appendonly,
            // A file that is lost as a whole cannot be told from one that was empty, which every rewrite begins with.
            orders: draws.chance(700_000) && trouble != Trouble::Lies,
            rounds: if trouble.damages() { 2 } else { draws.between(3, 8) as usize },
            repetitions: if trouble.damages() { 6 } else { draws.between(1, 4) as usize },
            config: config(appendonly, policy, &mut draws)
                + if trouble == Trouble::Lies { "auto-aof-rewrite-percentage 0\n" } else { "" },
            trouble,
            pace,
        }
    }
}

fn trouble(pace: &DiskFaults, draws: &mut Draws) -> Trouble {
    let mut faults = pace.clone();
    match draws.below(10) {
        0..4 => Trouble::None,
        4..6 => {
            faults.short_reads = *draws.pick(&[0, 100_000]);
            faults.short_writes = *draws.pick(&[0, 100_000]);
            faults.stalls = *draws.pick(&[0, 1_000, 20_000]);
            faults.stall_us = (1_000, 3_000_000);
            Trouble::Slow(faults)
        }
        6..8 => {
            let kinds = [
                &mut faults.open_errors,
                &mut faults.write_errors,
                &mut faults.name_errors,
                &mut faults.sync_errors,
                &mut faults.short_writes,
            ];
            for kind in kinds {
                if draws.chance(400_000) {
                    *kind = draws.between(5_000, 300_000) as u32;
                }
            }
            if draws.chance(250_000) {
                faults.capacity = Some(draws.between(4_000, 400_000));
            }
            Trouble::Errors(faults)
        }
        8 => Trouble::Rot,
        _ => Trouble::Misdirected,
    }
}

fn config(appendonly: bool, policy: Policy, draws: &mut Draws) -> String {
    let yes_no = ["yes", "no"];
    let mut text = format!("hz {}\n", draws.pick(&[1, 10, 100]));
    text += &format!("io-threads {}\n", draws.pick(&[1, 1, 2]));
    text += &format!("appendfsync {}\n", policy.word());
    text += &format!("auto-aof-rewrite-percentage {}\n", draws.pick(&[0, 50, 100, 300]));
    text += &format!("auto-aof-rewrite-min-size {}\n", draws.pick(&[1, 4_000, 100_000]));
    text += &format!("aof-use-rdb-preamble {}\n", draws.pick(&["yes", "yes", "no"]));
    text += &format!("aof-timestamp-enabled {}\n", draws.pick(&["no", "no", "yes"]));
    text += &format!("rdbcompression {}\n", draws.pick(&yes_no));
    text += &format!("aof-rewrite-incremental-fsync {}\n", draws.pick(&yes_no));
    text += &format!("rdb-key-save-delay {}\n", draws.pick(&[0, 0, 20, 200]));
    text += if appendonly { "appendonly yes\n" } else { "appendonly no\n" };
    let save = if appendonly { ["", "", "1 10"] } else { ["", "1 10", "3 1 1 100"] };
    text += &format!("save \"{}\"\n", draws.pick(&save));
    text
}
