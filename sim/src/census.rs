//! Which kinds of faults really happen, and in what share of the worlds.

use std::ops::Range;
use std::process::ExitCode;

use seedis::engine::buggify;
use seedis::runtime::simulation::FaultKind;

use crate::campaign::{Campaign, Tally};
use crate::output::say;
use crate::world::{Kind, Options, Profile};

/// The least share of worlds, of either kind, that a fault must happen in.
const LEAST_PERCENT: f64 = 1.0;

/// A count over worlds of both kinds.
pub struct Census {
    pub seeds: Range<u64>,
    pub jobs: usize,
    pub profile: Profile,
}

impl Census {
    /// Runs the worlds and prints a table. Fails if one of them does, or a kind is too rare.
    pub fn run(self) -> ExitCode {
        let tallies = [Kind::Run, Kind::Crash].map(|kind| self.tally(kind));
        for tally in &tallies {
            say!("{tally}");
        }
        say!(
            "\n| source | kind | worlds of clients | worlds of crashes | what happens |\n|---|---|---|---|---|"
        );
        let mut rare = Vec::new();
        for kind in FaultKind::ALL {
            let shares = tallies.each_ref().map(|tally| percent(tally, tally.kinds.get(kind.name())));
            if shares.iter().all(|share| *share < LEAST_PERCENT) {
                rare.push(kind.name());
            }
            let [run, crash] = shares;
            let source = kind.source().word();
            say!("| {source} | {} | {run:.1} % | {crash:.1} % | {} |", kind.name(), kind.what());
        }
        say!("\n{} kinds; in fewer than 1 % of the worlds: {rare:?}", FaultKind::ALL.len());
        say!("\n| rare choice | worlds of clients | worlds of crashes | what is chosen |\n|---|---|---|---|");
        for (name, what) in buggify::SITES {
            let [run, crash] = tallies.each_ref().map(|tally| percent(tally, tally.sites.get(*name)));
            say!("| {name} | {run:.1} % | {crash:.1} % | {what} |");
        }
        let failed = tallies.iter().any(|tally| !tally.failed.is_empty());
        if failed || !rare.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn tally(&self, kind: Kind) -> Tally {
        let options = Options { kind, profile: self.profile, ..Options::default() };
        let campaign = Campaign {
            seeds: self.seeds.clone(),
            jobs: self.jobs,
            options,
            keep_going: true,
            twice: false,
            against: None,
            time: None,
            quiet: false,
        };
        campaign.tally()
    }
}

fn percent(tally: &Tally, count: Option<&usize>) -> f64 {
    100.0 * count.copied().unwrap_or(0) as f64 / tally.count().max(1) as f64
}
