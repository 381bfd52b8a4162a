//! How many seeds it takes to find each deliberate bug.
#![allow(clippy::disallowed_methods)]

use std::ops::Range;
use std::process::ExitCode;

use seedis::engine::mutant::{self, Mutant};

use crate::campaign::Campaign;
use crate::output::say;
use crate::world::{Kind, Options, Profile};

/// Areas whose mutants only files show.
const OF_FILES: [&str; 4] = ["snapshot", "AOF", "group commit", "script propagation"];

/// A search for mutants.
pub struct Hunt {
    mutants: Vec<Mutant>,
    seeds: Range<u64>,
    jobs: usize,
    profile: Profile,
}

impl Hunt {
    /// A search for those of these names or areas, or for all.
    pub fn of(names: &[&str], seeds: Range<u64>, jobs: usize, profile: Profile) -> Result<Self, String> {
        let is_meant = |one: &Mutant, name: &str| one.name == name || one.area == name;
        for name in names {
            if !mutant::all().any(|one| is_meant(&one, name)) {
                return Err(format!("unknown mutant or area {name:?}; see cargo sim mutants --list"));
            }
        }
        let meant = |one: &Mutant| names.is_empty() || names.iter().any(|name| is_meant(one, name));
        Ok(Hunt { mutants: mutant::all().filter(meant).collect(), seeds, jobs, profile })
    }

    /// Looks for them one after the other and prints a table. Fails if one is not found.
    pub fn run(self) -> ExitCode {
        say!("| area | mutant | seeds until caught | exit code |\n|---|---|---|---|");
        let mut needed = Vec::new();
        for mutant in &self.mutants {
            let found = self.find(mutant);
            let Mutant { area, name, .. } = mutant;
            match found {
                Some((seed, code)) => {
                    needed.push(seed - self.seeds.start + 1);
                    say!("| {area} | {name} | {} | {code} |", seed - self.seeds.start + 1);
                }
                None => say!("| {area} | {name} | not by {} | |", self.seeds.end - self.seeds.start),
            }
        }
        needed.sort_unstable();
        let median = needed.get(needed.len() / 2).copied().unwrap_or(0);
        let most = needed.last().copied().unwrap_or(0);
        say!("\n{} of {} caught, median {median}, most {most}", needed.len(), self.mutants.len());
        if needed.len() == self.mutants.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The first seed that finds a mutant, and how.
    fn find(&self, mutant: &Mutant) -> Option<(u64, u8)> {
        let kind = if OF_FILES.contains(&mutant.area) { Kind::Crash } else { Kind::Run };
        let options =
            Options { mutant: Some(mutant.name), kind, profile: self.profile, ..Options::default() };
        let (seeds, jobs) = (self.seeds.clone(), self.jobs);
        let campaign = Campaign {
            seeds,
            jobs,
            options,
            keep_going: false,
            twice: false,
            against: None,
            time: None,
            quiet: true,
        };
        campaign.tally().failed.first().copied()
    }
}
