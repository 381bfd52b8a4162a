//! Many seeds, each in a process of its own, and what they came to.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use seedis::engine::mark;

use crate::command::{arguments, replay_line};
use crate::output::say;
use crate::replay;
use crate::scenario;
use crate::world::{Kind, Options, Profile};

/// The word for a run in which the search for an order was given up somewhere: not known to be right.
pub const UNDECIDED: &str = "undecided";

/// Has a process say which situations it reached, and begins the line in which it does.
pub const MARKS: &str = "--marks";

/// Begins the line that says which kinds of faults happened, and that of the rare choices that were taken.
pub const FAULTS: &str = "--faults";
pub const BUGGIFIED: &str = "--buggified";

/// Situations that a campaign is not blamed for if it does not reach them: too rare for the number of seeds below.
const RARE: &[&str] = &[
    "claimed-from-other",
    "claimed-gone",
    "expired-before-watch",
    "expired-watch",
    "flushed-watch",
    "output-limit",
    "refused-oom",
    "save-stopped",
    "type-change",
    "unended-wait",
];

/// How often progress is told where there is no terminal.
const PROGRESS: Duration = Duration::from_secs(30);

pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Seeds to be run.
pub struct Campaign {
    pub seeds: Range<u64>,
    pub jobs: usize,
    pub options: Options,
    /// Go on after a failure.
    pub keep_going: bool,
    /// Run each seed twice and compare.
    pub twice: bool,
    /// Another build of this program, to compare with.
    pub against: Option<PathBuf>,
    /// Begin no seed after this.
    pub time: Option<Duration>,
    /// Say nothing.
    pub quiet: bool,
}

/// What a seed in a process of its own came to.
struct Outcome {
    seed: u64,
    ended: replay::Outcome,
}

impl Campaign {
    /// Runs the seeds and says what they came to.
    pub fn run(self) -> ExitCode {
        let tally = self.tally();
        say!("{tally}");
        for (seed, code) in &tally.failed {
            say!("exit code {code}: {}", replay_line(*seed, &self.options));
        }
        if let Some((_, code)) = tally.failed.first() {
            return ExitCode::from(*code);
        }
        if self.options.mutant.is_some() || self.tell_marks(&tally) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Runs the seeds.
    pub fn tally(&self) -> Tally {
        let next = AtomicU64::new(self.seeds.start);
        let give_up = AtomicBool::new(false);
        let (report, outcomes) = mpsc::channel();
        let mut tally = Tally::new();
        let (mut told, start) = (Instant::now(), Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                let (report, next, give_up) = (report.clone(), &next, &give_up);
                scope.spawn(move || {
                    while !give_up.load(Relaxed) && self.time.is_none_or(|time| start.elapsed() < time) {
                        let seed = next.fetch_add(1, Relaxed);
                        if seed >= self.seeds.end || report.send(self.judge(seed)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(report);
            for outcome in outcomes {
                if outcome.ended.code != 0 && !self.quiet {
                    eprintln!("\n{}", outcome.ended.said.trim_end());
                }
                tally.add(outcome);
                give_up.store(!self.keep_going && !tally.failed.is_empty(), Relaxed);
                if self.quiet {
                } else if std::io::stderr().is_terminal() {
                    eprint!("\r{tally}");
                } else if told.elapsed() >= PROGRESS {
                    told = Instant::now();
                    eprintln!("{tally}");
                }
            }
        });
        if !self.quiet && std::io::stderr().is_terminal() {
            eprintln!();
        }
        // Those of several jobs end in no order.
        tally.failed.sort_unstable();
        tally
    }

    /// Runs a seed, and again if asked, to see that it says the same: the second time by another build, or from its
    /// scenario as text, where it has one.
    fn judge(&self, seed: u64) -> Outcome {
        let first = self.process(seed);
        if !self.twice && self.against.is_none() {
            return Outcome { seed, ended: first };
        }
        let second = match &self.against {
            Some(program) => self.process_of(program, seed),
            None => {
                let scenario = scenario::of(seed, self.options.kind, self.options.profile);
                let again = replay::scenario(&scenario, self.options.mutant);
                again.unwrap_or_else(replay::Outcome::broken)
            }
        };
        let said = |outcome: &replay::Outcome| {
            let said = outcome.without_replay();
            said.split_once(&format!("\n{MARKS}")).map_or(said, |(said, _)| said).to_owned()
        };
        if said(&first) == said(&second) {
            return Outcome { seed, ended: first };
        }
        let said = format!("seed {seed} is not deterministic:\n{}\n{}", first.said, second.said);
        Outcome { seed, ended: replay::Outcome::broken(said) }
    }

    fn process(&self, seed: u64) -> replay::Outcome {
        match std::env::current_exe() {
            Ok(this) => self.process_of(&this, seed),
            Err(error) => replay::Outcome::broken(format!("cannot find this program: {error}")),
        }
    }

    fn process_of(&self, program: &Path, seed: u64) -> replay::Outcome {
        let mut arguments = arguments(seed, &self.options);
        arguments.push(MARKS.to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        replay::process_of(program, &arguments, "").unwrap_or_else(replay::Outcome::broken)
    }

    /// Says which situations no seed reached. Whether there were all that so many seeds must reach.
    fn tell_marks(&self, tally: &Tally) -> bool {
        let (marks, enough) = match self.options.kind {
            Kind::Run => (mark::OF_CLIENTS, 200),
            Kind::Crash => (mark::OF_FILES, 500),
        };
        let missed: Vec<_> = marks.iter().filter(|(name, _)| !tally.marks.contains_key(*name)).collect();
        say!("{} of {} situations reached", marks.len() - missed.len(), marks.len());
        if std::env::var_os("SIM_MARKS").is_some() {
            tally.marks.iter().for_each(|(name, count)| say!("{count:6} {name}"));
        }
        // Of few seeds it says nothing that some were not.
        if tally.count() < enough {
            if !missed.is_empty() {
                say!("(which ones were not is told from {enough} seeds on)");
            }
            return true;
        }
        let mut complete = true;
        for (name, what) in missed {
            let must = self.options.profile == Profile::Ci && !RARE.contains(name);
            complete &= !must;
            say!("{} {name}: {what}", if must { "never, and it must be:" } else { "never:" });
        }
        complete
    }
}

/// What seeds came to.
pub struct Tally {
    start: Instant,
    passed: usize,
    /// What worlds of crashes went through.
    crashes: u64,
    recoveries: u64,
    /// Faults of other worlds.
    faults: u64,
    /// What was judged.
    operations: u64,
    simulated_s: f64,
    /// Passed as far as the search for an order went.
    undecided: usize,
    /// Seeds and their exit codes.
    pub failed: Vec<(u64, u8)>,
    /// In how many worlds each situation was reached.
    marks: BTreeMap<String, usize>,
    /// In how many worlds each kind of fault happened, and each rare choice was taken.
    pub kinds: BTreeMap<String, usize>,
    pub sites: BTreeMap<String, usize>,
}

impl Tally {
    fn new() -> Self {
        Tally {
            start: Instant::now(),
            passed: 0,
            crashes: 0,
            recoveries: 0,
            faults: 0,
            operations: 0,
            simulated_s: 0.0,
            undecided: 0,
            failed: Vec::new(),
            marks: BTreeMap::new(),
            kinds: BTreeMap::new(),
            sites: BTreeMap::new(),
        }
    }

    fn add(&mut self, outcome: Outcome) {
        let said = &outcome.ended.said;
        self.crashes += counted(said, "crash points") as u64;
        self.recoveries += counted(said, "recoveries") as u64;
        self.faults += counted(said, "faults") as u64;
        self.operations += counted(said, "operations") as u64 + counted(said, "units") as u64;
        self.simulated_s += counted(said, "s simulated");
        let lists = [(MARKS, &mut self.marks), (FAULTS, &mut self.kinds), (BUGGIFIED, &mut self.sites)];
        for (head, counts) in lists {
            let names = said.lines().find_map(|line| line.strip_prefix(head));
            for name in names.unwrap_or_default().split_ascii_whitespace() {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        match outcome.ended.code {
            0 if said.contains(UNDECIDED) => self.undecided += 1,
            0 => self.passed += 1,
            code => self.failed.push((outcome.seed, code)),
        }
    }

    pub fn count(&self) -> usize {
        self.passed + self.undecided + self.failed.len()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.start.elapsed().as_secs_f64();
        write!(f, "{} passed, {} undecided, {} failed", self.passed, self.undecided, self.failed.len())?;
        write!(f, ", {} operations", self.operations)?;
        if self.crashes > 0 {
            write!(f, ", {} crash points, {} recoveries", self.crashes, self.recoveries)?;
        } else {
            write!(f, ", {} faults", self.faults)?;
        }
        let (worlds, simulated) = (self.count() as f64 / seconds, self.simulated_s / seconds);
        write!(f, ", {simulated:.0} simulated s/s, {worlds:.1} seeds/s in {seconds:.1} s")
    }
}

/// The number that a world said before a word.
fn counted(said: &str, what: &str) -> f64 {
    let before = said.find(&format!(" {what}")).map_or("", |at| &said[..at]);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
