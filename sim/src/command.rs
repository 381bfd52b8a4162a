//! The command line: one seed in this process, or many seeds in a process each.
//!
//! A process each, because tokio's channels and madsim's task ids count across worlds: a seed must not
//! depend on those that ran before it. This file runs outside of all worlds, on the real clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use seedis::engine::mutant;

use crate::replay;
use crate::report::{self, Head};
use crate::scenario::Scenario;
use crate::shrink;
use crate::world::{self, Failure, Kind, Options, film};

const USAGE: &str = "\
usage: cargo sim run --seed N [--mutant NAME] [--verbose]
       cargo sim run --seeds A..B [--jobs N] [--mutant NAME] [--keep-going] [--twice] [--against PROGRAM]
       cargo sim crash (the same options): power failures and the files that outlive them
       cargo sim shrink --seed N [--mutant NAME] [--jobs N] [-o FILE], or FILE instead of the seed
       cargo sim replay FILE [--mutant NAME | --no-mutant] [--verbose]
       cargo sim report --seed N [--mutant NAME] [--crash] [-o FILE], or FILE instead of the seed
       cargo sim scenarios: replays those in sim/scenarios
       cargo sim mutants

One seed decides a whole world. Exit codes: 127 the server crashed, 128 it stopped answering,
129 it answered wrongly, 1 the run itself went wrong.";

/// Parses the command line and runs.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Task::One(seed, options)) => one(seed, &options),
        Ok(Task::Many(many)) => many.run(),
        Ok(Task::Replay { file, scenario, options, no_mutant }) => {
            replay::one(&file, *scenario, options, no_mutant)
        }
        Ok(Task::Shrink(task)) => task.run().map_or_else(
            |complaint| {
                eprintln!("{complaint}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        ),
        Ok(Task::Report { title, again, seed, options, output }) => {
            show(title, again, seed, &options, &output)
        }
        Ok(Task::Scenarios) => replay::all(),
        Ok(Task::Mutants) => {
            mutant::ALL.iter().for_each(|(name, what)| println!("{name:24} {what}"));
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("{complaint}\n\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// The longest that a world may take, of real time.
const HANG: Duration = Duration::from_secs(120);

/// The word for a run in which the search for an order was given up somewhere: not known to be right.
const UNDECIDED: &str = "undecided";

enum Task {
    One(u64, Options),
    Many(Many),
    Replay { file: String, scenario: Box<Scenario>, options: Options, no_mutant: bool },
    Shrink(Box<shrink::Task>),
    Report { title: String, again: String, seed: u64, options: Options, output: PathBuf },
    Scenarios,
    Mutants,
}

struct Many {
    seeds: Range<u64>,
    jobs: usize,
    kind: Kind,
    mutant: Option<&'static str>,
    /// Go on after a failure.
    keep_going: bool,
    /// Run each seed twice and compare.
    twice: bool,
    /// Another build of this program, to compare with.
    against: Option<PathBuf>,
}

fn parse(arguments: &[String]) -> Result<Task, String> {
    let mut words = arguments.iter().map(String::as_str);
    let command = words.next();
    let kind = match command {
        Some("run" | "replay" | "shrink" | "report") => Kind::Run,
        Some("crash") => Kind::Crash,
        Some("mutants") => return Ok(Task::Mutants),
        Some("scenarios") => return Ok(Task::Scenarios),
        Some(other) => return Err(format!("unknown command {other:?}")),
        None => return Err("what shall I do?".to_owned()),
    };
    let (mut seed, mut seeds, mut jobs) = (None, None, None);
    let (mut keep_going, mut twice, mut no_mutant) = (false, false, false);
    let (mut file, mut output, mut against) = (None, None, None);
    let mut options = Options { kind, ..Options::default() };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word {
            "--seed" => seed = Some(number(value()?)?),
            "--seeds" => seeds = Some(range(value()?)?),
            "--jobs" => jobs = Some(number(value()?)? as usize),
            "--mutant" => options.mutant = Some(known_mutant(value()?)?),
            "--keep-going" => keep_going = true,
            "--twice" => twice = true,
            "--against" => against = Some(PathBuf::from(value()?)),
            "--verbose" => options.verbose = true,
            "--no-mutant" => no_mutant = true,
            "--crash" => options.kind = Kind::Crash,
            "-o" | "--output" => output = Some(PathBuf::from(value()?)),
            name if file.is_none() && (name == "-" || !name.starts_with('-')) => file = Some(name),
            other => return Err(format!("unknown option {other:?}")),
        }
    }
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    match command {
        Some("replay") => {
            let file = file.ok_or("which file?")?.to_owned();
            let scenario = Box::new(replay::read(&file)?);
            return Ok(Task::Replay { file, scenario, options, no_mutant });
        }
        Some("shrink") => {
            let scenario = match (seed, file) {
                (Some(seed), None) => crate::scenario::of(seed),
                (None, Some(file)) => replay::read(file)?,
                _ => return Err("give one of --seed and a file".to_owned()),
            };
            let own = scenario.expectation.as_ref().map(|expected| expected.mutant);
            let mutant = options.mutant.or(own.filter(|_| !no_mutant));
            return Ok(Task::Shrink(Box::new(shrink::Task { scenario, mutant, jobs, output })));
        }
        Some("report") => return reported(seed, file, options, no_mutant, output),
        _ => {}
    }
    match (seed, seeds) {
        (Some(seed), None) => Ok(Task::One(seed, options)),
        (None, Some(seeds)) => {
            Ok(Task::Many(Many { seeds, jobs, kind, mutant: options.mutant, keep_going, twice, against }))
        }
        _ => Err("give one of --seed and --seeds".to_owned()),
    }
}

/// The task of drawing a seed, or a file.
fn reported(
    seed: Option<u64>,
    file: Option<&str>,
    mut options: Options,
    no_mutant: bool,
    output: Option<PathBuf>,
) -> Result<Task, String> {
    let (seed, name, again) = match (seed, file) {
        (Some(seed), None) => (seed, format!("seed {seed}"), replay(seed, options.kind, options.mutant)),
        (None, Some(file)) => {
            let scenario = replay::read(file)?;
            let seed = scenario.seed;
            let again = replay::adopt(file, scenario, &mut options, no_mutant);
            (seed, file.to_owned(), again)
        }
        _ => return Err("give one of --seed and a file".to_owned()),
    };
    let title = options.mutant.map_or(name.clone(), |mutant| format!("{name} with {mutant}"));
    let output = output.unwrap_or_else(|| PathBuf::from("report.html"));
    Ok(Task::Report { title, again, seed, options, output })
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not a range A..B"))?;
    Ok(number(from)?..number(to)?)
}

fn known_mutant(name: &str) -> Result<&'static str, String> {
    let found = mutant::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(name, _)| *name).ok_or_else(|| format!("unknown mutant {name:?}; see cargo sim mutants"))
}

fn one(seed: u64, options: &Options) -> ExitCode {
    live(&format!("seed {seed}"), &replay(seed, options.kind, options.mutant), seed, options)
}

/// Lets a world happen, and draws it.
fn show(title: String, again: String, seed: u64, options: &Options, output: &Path) -> ExitCode {
    film::start();
    let lived = world::run(seed, options);
    let mut film = film::take();
    let head = match &lived {
        Ok(summary) => Head {
            title,
            verdict: if summary.is_decided() { "passed" } else { UNDECIDED }.to_owned(),
            failed: false,
            facts: summary.to_string(),
            replay: again,
            explanation: String::new(),
        },
        Err(failure) => {
            film.offend(&failure.offending);
            Head {
                title,
                verdict: failure.how.to_string(),
                failed: true,
                facts: format!("check: {}; {} operations", failure.check, film.spans.len()),
                replay: again,
                explanation: failure.text.clone(),
            }
        }
    };
    if let Err(error) = std::fs::write(output, report::page(&head, &film)) {
        eprintln!("cannot write {}: {error}", output.display());
        return ExitCode::FAILURE;
    }
    println!("{}: {}; see {}", head.title, head.verdict, output.display());
    ExitCode::SUCCESS
}

/// Lets a world happen, and says how it ended and how to see it again.
pub fn live(name: &str, again: &str, seed: u64, options: &Options) -> ExitCode {
    let hanging = format!("{name} failed: a task runs for ever (check: hang)\nreplay: {again}");
    // A task that never yields stops simulated time, so only the real clock can notice.
    std::thread::spawn(move || {
        std::thread::sleep(HANG);
        println!("{hanging}");
        std::process::exit(128);
    });
    match world::run(seed, options) {
        Ok(summary) => {
            let verdict = if summary.is_decided() { "passed" } else { UNDECIDED };
            println!("{name} {verdict}: {summary}");
            ExitCode::SUCCESS
        }
        Err(Failure { how, check, text, .. }) => {
            println!("{name} failed: {how} (check: {check})\n{text}\nreplay: {again}");
            ExitCode::from(how.exit_code())
        }
    }
}

/// The word of the command line for a kind of worlds.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Run => "run",
        Kind::Crash => "crash",
    }
}

fn replay(seed: u64, kind: Kind, mutant: Option<&str>) -> String {
    let mutant = mutant.map(|name| format!(" --mutant {name}")).unwrap_or_default();
    format!("cargo sim {} --seed {seed}{mutant}", word(kind))
}

/// What a seed in a process of its own came to.
struct Outcome {
    seed: u64,
    ended: replay::Outcome,
}

impl Many {
    fn run(self) -> ExitCode {
        let start = Instant::now();
        let next = AtomicU64::new(self.seeds.start);
        let give_up = AtomicBool::new(false);
        let (report, outcomes) = mpsc::channel();
        let mut tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                let (report, next, give_up, many) = (report.clone(), &next, &give_up, &self);
                scope.spawn(move || {
                    while !give_up.load(Relaxed) {
                        let seed = next.fetch_add(1, Relaxed);
                        if seed >= many.seeds.end || report.send(many.judge(seed)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(report);
            for outcome in outcomes {
                tally.add(outcome);
                give_up.store(!self.keep_going && !tally.failed.is_empty(), Relaxed);
                if std::io::stderr().is_terminal() {
                    eprint!("\r{tally}, {:.1} seeds/s", tally.count() as f64 / start.elapsed().as_secs_f64());
                }
            }
        });
        println!("{tally} in {:.1} s", start.elapsed().as_secs_f64());
        for (seed, code) in &tally.failed {
            println!("exit code {code}: {}", replay(*seed, self.kind, self.mutant));
        }
        tally.failed.first().map_or(ExitCode::SUCCESS, |(_, code)| ExitCode::from(*code))
    }

    /// Runs a seed, and again if asked, to see that it says the same: the second time by another build, or from its
    /// scenario as text, where it has one.
    fn judge(&self, seed: u64) -> Outcome {
        let first = self.process(seed);
        if !self.twice && self.against.is_none() {
            return Outcome { seed, ended: first };
        }
        let second = match (&self.against, self.kind) {
            (Some(program), _) => self.process_of(program, seed),
            (None, Kind::Run) => {
                let again = replay::scenario(&crate::scenario::of(seed), self.mutant);
                again.unwrap_or_else(replay::Outcome::broken)
            }
            (None, Kind::Crash) => self.process(seed),
        };
        if first.without_replay() == second.without_replay() {
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
        let seed = seed.to_string();
        let mut arguments = vec![word(self.kind), "--seed", &seed];
        if let Some(mutant) = self.mutant {
            arguments.extend(["--mutant", mutant]);
        }
        replay::process_of(program, &arguments, "").unwrap_or_else(replay::Outcome::broken)
    }
}

#[derive(Default)]
struct Tally {
    passed: usize,
    /// What worlds of crashes went through.
    crashes: usize,
    recoveries: usize,
    /// Passed as far as the search for an order went.
    undecided: usize,
    /// Seeds and their exit codes.
    failed: Vec<(u64, u8)>,
}

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        let Outcome { seed, ended } = outcome;
        self.crashes += counted(&ended.said, "crash points");
        self.recoveries += counted(&ended.said, "recoveries");
        match ended.code {
            0 if ended.said.contains(UNDECIDED) => self.undecided += 1,
            0 => self.passed += 1,
            code => {
                eprintln!("\n{}", ended.said.trim_end());
                self.failed.push((seed, code));
            }
        }
    }

    fn count(&self) -> usize {
        self.passed + self.undecided + self.failed.len()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} undecided, {} failed", self.passed, self.undecided, self.failed.len())?;
        if self.crashes > 0 {
            write!(f, ", {} crash points, {} recoveries", self.crashes, self.recoveries)?;
        }
        Ok(())
    }
}

/// The number that a world said before a word.
fn counted(said: &str, what: &str) -> usize {
    let before = said.find(&format!(" {what}")).map_or("", |at| &said[..at]);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
