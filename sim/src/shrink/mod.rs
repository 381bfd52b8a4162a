//! Makes a failing scenario small: leaves out halves of what there is, then quarters, down to single things,
//! as long as what is left fails in the same way (Zeller's delta debugging, 2002).
//!
//! Every try is a process. One thing less reshuffles the small print, so a failure that depends on it may
//! hide: once nothing more can be left out, the same is tried with other seeds.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod parts;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::output::say;
use crate::replay::{self, Outcome};
use crate::scenario::{Expectation, Scenario};
use parts::{LEVELS, Level};

/// Other seeds that are tried for a scenario that passes with its own: more of them the smaller it is.
const OTHER_SEEDS: [u64; 3] = [0, 3, 30];

/// What to make smaller, and how.
pub struct Task {
    pub scenario: Scenario,
    pub mutant: Option<&'static str>,
    /// Processes at a time.
    pub jobs: usize,
    /// Where to write the result; under `sim/scenarios` unless told.
    pub output: Option<PathBuf>,
}

struct Shrinker {
    best: Scenario,
    mutant: Option<&'static str>,
    jobs: usize,
    failure: Outcome,
    runs: usize,
    /// Other seeds to try.
    others: u64,
    began: Instant,
}

impl Task {
    /// Shrinks, and writes the file. Says what it did, or why it cannot.
    pub fn run(self) -> Result<(), String> {
        let original = Scenario { expectation: None, ..self.scenario };
        let failure = replay::scenario(&original, self.mutant)?;
        if failure.code == 0 {
            return Err(format!("nothing to shrink: {}", failure.said));
        }
        say!("{}", failure.said.lines().next().unwrap_or_default());
        let mut shrinker = Shrinker {
            best: original.clone(),
            mutant: self.mutant,
            jobs: self.jobs,
            failure,
            runs: 1,
            others: 0,
            began: Instant::now(),
        };
        for others in OTHER_SEEDS {
            shrinker.others = others;
            shrinker.exhaust()?;
        }
        shrinker.finish(&original, self.output)
    }
}

impl Shrinker {
    /// Tries everything until nothing helps any more.
    fn exhaust(&mut self) -> Result<(), String> {
        loop {
            let before = self.best.clone();
            for level in LEVELS {
                self.reduce(level)?;
                self.progress(true);
            }
            while let Some((_, simpler)) = self.first_failing(parts::simpler(&self.best))? {
                self.best = simpler;
            }
            if self.best == before {
                return Ok(());
            }
        }
    }

    /// Leaves out things of one kind.
    fn reduce(&mut self, level: Level) -> Result<(), String> {
        let mut size = parts::count(&self.best, level);
        while size > 0 {
            let mut from = 0;
            while from < parts::count(&self.best, level) {
                // The next few pieces of this size, one of which may go.
                let starts = (0..self.jobs).map(|turn| from + turn * size);
                let without = starts.map(|start| {
                    parts::without(&self.best, level, &|number| (start..start + size).contains(&number))
                });
                let candidates: Vec<Scenario> = without.filter(|rest| *rest != self.best).collect();
                let tried = candidates.len().max(1);
                match self.first_failing(candidates)? {
                    Some((turn, smaller)) => {
                        from += turn * size;
                        self.best = smaller;
                    }
                    None => from += tried * size,
                }
            }
            size /= 2;
        }
        Ok(())
    }

    /// The first that fails as the original did, if one does, and its place.
    fn first_failing(&mut self, candidates: Vec<Scenario>) -> Result<Option<(usize, Scenario)>, String> {
        for (turn, chunk) in candidates.chunks(self.jobs).enumerate() {
            let tries = std::thread::scope(|scope| {
                let running: Vec<_> =
                    chunk.iter().map(|candidate| scope.spawn(|| self.failing(candidate))).collect();
                let ended = running.into_iter().map(|thread| thread.join().expect("no try panics"));
                ended.collect::<Vec<_>>()
            });
            self.runs += tries.len();
            self.progress(false);
            for (place, tried) in tries.into_iter().enumerate() {
                if let Some(failing) = tried? {
                    return Ok(Some((turn * self.jobs + place, failing)));
                }
            }
        }
        Ok(None)
    }

    /// The scenario, with a seed under which it fails.
    fn failing(&self, candidate: &Scenario) -> Result<Option<Scenario>, String> {
        for other in 0..=self.others {
            let tried = Scenario { seed: candidate.seed.wrapping_add(other), ..candidate.clone() };
            if replay::scenario(&tried, self.mutant)?.fails_like(&self.failure) {
                return Ok(Some(tried));
            }
        }
        Ok(None)
    }

    fn progress(&self, whole_line: bool) {
        let now = format!(
            "{:>5.0} s, {} tries: {}",
            self.began.elapsed().as_secs_f64(),
            self.runs,
            size(&self.best)
        );
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{now}");
        } else if whole_line {
            eprintln!("{now}");
        }
    }

    fn finish(self, original: &Scenario, output: Option<PathBuf>) -> Result<(), String> {
        let mut best = self.best;
        // The file is what counts, and the clean tree.
        let last = replay::scenario(&best, self.mutant)?;
        if !last.fails_like(&self.failure) {
            return Err("the result does not fail: the run is not deterministic".to_owned());
        }
        let clean = match self.mutant {
            None => None,
            Some(_) => Some(replay::scenario(&best, None)?).filter(|clean| clean.code != 0),
        };
        let (code, check) = (self.failure.code, self.failure.check.clone());
        best.expectation = self.mutant.map(|mutant| Expectation { mutant, code, check });
        let name = match self.mutant {
            Some(mutant) => format!("{mutant}.scenario"),
            None => format!("seed-{}.scenario", original.seed),
        };
        let file = output.unwrap_or_else(|| replay::folder().join(name));
        write(&file, original, &best, &self.failure)?;
        if std::io::stderr().is_terminal() {
            eprintln!();
        }
        say!("from {}\nto   {}", size(original), size(&best));
        say!("in {} tries, {:.0} s", self.runs, self.began.elapsed().as_secs_f64());
        say!("{}\nreplay: cargo sim replay {}", last.without_replay(), file.display());
        if let Some(clean) = clean {
            return Err(format!(
                "it fails without the mutant as well, so it has found a bug:\n{}",
                clean.said
            ));
        }
        Ok(())
    }
}

fn write(file: &Path, original: &Scenario, best: &Scenario, failure: &Outcome) -> Result<(), String> {
    let first = failure.said.lines().next().unwrap_or_default();
    let first = first.split_once(" failed: ").map_or(first, |(_, how)| how);
    let text = format!(
        "# Shrunk from seed {}: {first}.\n# The words are explained in docs/simulation.md.\n{best}",
        original.seed
    );
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(file, text))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// How much there is in a scenario, for a person.
fn size(scenario: &Scenario) -> String {
    let count = |level| parts::count(scenario, level);
    format!(
        "{} clients, {} steps, {} calls, {} faults, {} lives, {} starts, {} settings",
        count(Level::Roles),
        count(Level::Steps),
        count(Level::Calls),
        count(Level::Faults),
        count(Level::Lives),
        count(Level::Starts),
        count(Level::Settings)
    )
}
