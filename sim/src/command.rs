//! The command line: one seed in this process, or many seeds in a process each.
//!
//! A process each, because tokio's channels and madsim's task ids count across worlds: a seed must not
//! depend on those that ran before it. This file runs outside of all worlds, on the real clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use seedis::engine::{buggify, mark, mutant};
use seedis::runtime::simulation::FaultKind;

use crate::campaign::{BUGGIFIED, Campaign, FAULTS, MARKS, UNDECIDED, processors};
use crate::census::Census;
use crate::mutants::Hunt;
use crate::output::say;
use crate::replay;
use crate::report::{self, Head};
use crate::scenario::{Expectation, Scenario, number};
use crate::shrink;
use crate::world::{self, Failure, Kind, Options, Profile, film};

const USAGE: &str = "\
usage: cargo sim run --seed N [--profile NAME] [--mutant NAME] [--verbose]
       cargo sim run [--seeds A..B] [--time 10m] [--profile NAME] [--jobs N] [--mutant NAME]
                     [--keep-going] [--twice] [--against PROGRAM]
       cargo sim crash (the same options): power failures and the files that outlive them
       cargo sim faults --seeds A..B [--profile NAME] [--jobs N]: which kinds really happened
       cargo sim mutants [NAME or AREA ...] [--seeds A..B] [--profile NAME] [--jobs N]
       cargo sim mutants --list
       cargo sim shrink --seed N [--crash] [--profile NAME] [--mutant NAME] [--jobs N] [-o FILE],
                        or FILE instead of the seed
       cargo sim replay FILE [--mutant NAME | --no-mutant] [--verbose]
       cargo sim report --seed N [--mutant NAME] [--crash] [-o FILE], or FILE instead of the seed
       cargo sim scenarios: replays those in sim/scenarios

One seed decides a whole world. Exit codes: 127 the server crashed, 128 it stopped answering,
129 it answered wrongly, 1 the run itself went wrong, or left out a situation that it must reach.
Profiles: ci, night, protocol, blocking, expiry, persistence, scripts, streams, tracking, eviction.";

/// Parses the command line and runs.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Task::One(seed, options)) => one(seed, &options),
        Ok(Task::Many(campaign)) => campaign.run(),
        Ok(Task::Hunt(hunt)) => hunt.run(),
        Ok(Task::Faults(census)) => census.run(),
        Ok(Task::Replay { file, scenario, options, no_mutant }) => {
            replay::one(&file, *scenario, *options, no_mutant)
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
        Ok(Task::List) => {
            mutant::all().for_each(|one| say!("{:20} {:22} {}", one.area, one.name, one.what));
            ExitCode::SUCCESS
        }
        Ok(Task::Help) => {
            say!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("error: {complaint}\n(cargo sim --help says what there is.)");
            ExitCode::FAILURE
        }
    }
}

/// Begins the line of a failure that says what in particular failed its check.
pub const CULPRIT: &str = "culprit: ";

/// The most that a world may take of a processor, and of real time: a machine may have much else to do.
const HANG: Duration = Duration::from_secs(120);
const STANDSTILL: Duration = Duration::from_secs(1200);

enum Task {
    One(u64, Box<Options>),
    Many(Box<Campaign>),
    Hunt(Hunt),
    Faults(Box<Census>),
    Replay { file: String, scenario: Box<Scenario>, options: Box<Options>, no_mutant: bool },
    Shrink(Box<shrink::Task>),
    Report { title: String, again: String, seed: u64, options: Box<Options>, output: PathBuf },
    Scenarios,
    List,
    Help,
}

/// What the command line says, as it was read.
#[derive(Default)]
struct Words<'a> {
    seed: Option<u64>,
    seeds: Option<Range<u64>>,
    jobs: Option<usize>,
    time: Option<Duration>,
    keep_going: bool,
    twice: bool,
    against: Option<PathBuf>,
    list: bool,
    no_mutant: bool,
    output: Option<PathBuf>,
    options: Options,
    names: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn read(arguments: &'a [String]) -> Result<Self, String> {
        let mut read = Words::default();
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word {
                "--seed" => read.seed = Some(number(value()?)?),
                "--seeds" => read.seeds = Some(range(value()?)?),
                "--jobs" => read.jobs = Some((number(value()?)? as usize).max(1)),
                "--time" => read.time = Some(duration(value()?)?),
                "--mutant" => read.options.mutant = Some(known_mutant(value()?)?),
                "--profile" => read.options.profile = known_profile(value()?)?,
                "--keep-going" => read.keep_going = true,
                "--twice" => read.twice = true,
                "--verbose" => read.options.verbose = true,
                "--list" => read.list = true,
                "--crash" => read.options.kind = Kind::Crash,
                "--against" => read.against = Some(PathBuf::from(value()?)),
                "--no-mutant" => read.no_mutant = true,
                "-o" | "--output" => read.output = Some(PathBuf::from(value()?)),
                MARKS => read.options.tells_marks = true,
                other if other.starts_with('-') && other != "-" => {
                    return Err(format!("unknown option {other:?}"));
                }
                name => read.names.push(name),
            }
        }
        Ok(read)
    }

    fn replay(self) -> Result<Task, String> {
        let [file] = self.names[..] else { return Err("which file?".to_owned()) };
        let scenario = Box::new(replay::read(file)?);
        let (file, options) = (file.to_owned(), Box::new(self.options));
        Ok(Task::Replay { file, scenario, options, no_mutant: self.no_mutant })
    }

    fn report(mut self) -> Result<Task, String> {
        let options = &mut self.options;
        let (seed, name, again) = match (self.seed, &self.names[..]) {
            (Some(seed), []) => (seed, format!("seed {seed}"), replay_line(seed, options)),
            (None, [file]) => {
                let scenario = replay::read(file)?;
                let seed = scenario.seed;
                let again = replay::adopt(file, scenario, options, self.no_mutant);
                (seed, (*file).to_owned(), again)
            }
            _ => return Err("give one of --seed and a file".to_owned()),
        };
        let title = options.mutant.map_or(name.clone(), |mutant| format!("{name} with {mutant}"));
        let output = self.output.unwrap_or_else(|| PathBuf::from("report.html"));
        Ok(Task::Report { title, again, seed, options: Box::new(self.options), output })
    }

    fn shrink(self, jobs: usize) -> Result<Task, String> {
        let scenario = match (self.seed, &self.names[..]) {
            (Some(seed), []) => crate::scenario::of(seed, self.options.kind, self.options.profile),
            (None, [file]) => replay::read(file)?,
            _ => return Err("give one of --seed and a file".to_owned()),
        };
        let own = scenario.expectation.as_ref().map(|expected| expected.mutant);
        let mutant = self.options.mutant.or(own.filter(|_| !self.no_mutant));
        Ok(Task::Shrink(Box::new(shrink::Task { scenario, mutant, jobs, output: self.output })))
    }
}

fn parse(arguments: &[String]) -> Result<Task, String> {
    let asks = |word: &String| ["--help", "-h"].contains(&word.as_str());
    if arguments.iter().any(asks) || arguments.first().is_some_and(|word| word == "help") {
        return Ok(Task::Help);
    }
    let (command, rest) = arguments.split_first().ok_or("what shall I do?")?;
    let mut read = Words::read(rest)?;
    let jobs = read.jobs.unwrap_or_else(processors);
    match command.as_str() {
        "run" => read.options.kind = Kind::Run,
        "crash" => read.options.kind = Kind::Crash,
        "scenarios" => return Ok(Task::Scenarios),
        "faults" => {
            let seeds = read.seeds.ok_or("give --seeds")?;
            return Ok(Task::Faults(Box::new(Census { seeds, jobs, profile: read.options.profile })));
        }
        "replay" => return read.replay(),
        "shrink" => return read.shrink(jobs),
        "report" => return read.report(),
        "mutants" if read.list => return Ok(Task::List),
        "mutants" => {
            let seeds = read.seeds.unwrap_or(0..1000);
            return Hunt::of(&read.names, seeds, jobs, read.options.profile).map(Task::Hunt);
        }
        other => return Err(format!("unknown command {other:?}")),
    }
    if let Some(name) = read.names.first() {
        return Err(format!("what is {name:?}?"));
    }
    if read.options.profile == Profile::Persistence {
        read.options.kind = Kind::Crash;
    }
    let seeds = match (read.seed, read.seeds, read.time) {
        (Some(seed), None, None) => return Ok(Task::One(seed, Box::new(read.options))),
        (None, Some(seeds), _) => seeds,
        (None, None, Some(_)) => 0..u64::MAX,
        _ => return Err("give one of --seed and --seeds, or --time".to_owned()),
    };
    let Words { options, keep_going, twice, against, time, .. } = read;
    let campaign = Campaign { seeds, jobs, options, keep_going, twice, against, time, quiet: false };
    Ok(Task::Many(Box::new(campaign)))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not a range A..B"))?;
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err(format!("{text:?} is an empty range")) } else { Ok(range) }
}

/// A number of seconds, minutes or hours: 30s, 10m, 8h.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 30s, 10m or 8h");
    let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = count.parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

fn known_mutant(name: &str) -> Result<&'static str, String> {
    let known = mutant::named(name).map(|known| known.name);
    known.ok_or_else(|| format!("unknown mutant {name:?}; see cargo sim mutants --list"))
}

fn known_profile(name: &str) -> Result<Profile, String> {
    let found = Profile::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, profile)| *profile).ok_or_else(|| format!("unknown profile {name:?}"))
}

fn one(seed: u64, options: &Options) -> ExitCode {
    live(&format!("seed {seed}"), &replay_line(seed, options), seed, options)
}

/// Lets a world happen, and draws it.
fn show(title: String, again: String, seed: u64, options: &Options, output: &Path) -> ExitCode {
    film::start();
    let lived = world::run(seed, options);
    let film = film::take();
    let head = match &lived {
        Ok(summary) => Head {
            title,
            verdict: if summary.is_decided() { "passed" } else { UNDECIDED }.to_owned(),
            failed: false,
            facts: summary.to_string(),
            replay: again,
            explanation: String::new(),
        },
        Err(failure) => Head {
            title,
            verdict: failure.how.to_string(),
            failed: true,
            facts: format!("check: {}; {} operations", failure.check, film.spans.len()),
            replay: again,
            explanation: failure.text.clone(),
        },
    };
    if let Err(error) = std::fs::write(output, report::page(&head, &film)) {
        eprintln!("cannot write {}: {error}", output.display());
        return ExitCode::FAILURE;
    }
    say!("{}: {}; see {}", head.title, head.verdict, output.display());
    ExitCode::SUCCESS
}

/// Lets a world happen, and says how it ended and how to see it again.
pub fn live(name: &str, again: &str, seed: u64, options: &Options) -> ExitCode {
    let hanging = format!("{name} failed: a task runs for ever (check: hang)\nreplay: {again}");
    // A task that never yields stops simulated time, so only a real clock can notice.
    std::thread::spawn(move || {
        let began = Instant::now();
        while worked() < HANG && began.elapsed() < STANDSTILL {
            std::thread::sleep(Duration::from_secs(1));
        }
        say!("{hanging}");
        std::process::exit(128);
    });
    let lived = world::run(seed, options);
    let mut failed = None;
    let code = match lived {
        Ok(summary) => {
            let verdict = if summary.is_decided() { "passed" } else { UNDECIDED };
            say!("{name} {verdict}: {summary}");
            ExitCode::SUCCESS
        }
        Err(Failure { how, check, culprit, text }) => {
            let culprit = culprit.map(|culprit| format!("{CULPRIT}{culprit}\n")).unwrap_or_default();
            say!("{name} failed: {how} (check: {check})\n{culprit}{text}\nreplay: {again}");
            failed = Some((how.exit_code(), check));
            ExitCode::from(how.exit_code())
        }
    };
    if let Some(verdict) = compare(options, failed.as_ref().map(|(code, check)| (*code, &check[..]))) {
        say!("{verdict}");
    }
    if options.tells_marks {
        let marks = mark::take();
        world::note_pressure(&marks);
        say!("{MARKS} {}", Vec::from_iter(marks).join(" "));
        let faults = FaultKind::take_fired().into_iter().map(FaultKind::name);
        say!("{FAULTS} {}", Vec::from_iter(faults).join(" "));
        say!("{BUGGIFIED} {}", buggify::fired().join(" "));
    }
    code
}

/// How it ended beside what the scenario says of the mutant that it ran with, if it says something.
fn compare(options: &Options, failed: Option<(u8, &str)>) -> Option<String> {
    let expected = options.scenario.as_ref()?.expectation.as_ref()?;
    if options.mutant != Some(expected.mutant) {
        return None;
    }
    let Expectation { mutant, code, check } = expected;
    Some(match failed {
        Some(found) if found == (*code, check) => {
            format!("failed as expected: the scenario is kept for what {mutant} does")
        }
        Some(_) => format!("expected of {mutant}: another failure (exit code {code}, check: {check})"),
        None => format!("expected of {mutant}: a failure (exit code {code}, check: {check})"),
    })
}

/// What this process has had of a processor.
fn worked() -> Duration {
    let span = |time: TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or(Duration::ZERO, |usage| span(usage.user_time()) + span(usage.system_time()))
}

/// The options that have a process run a seed.
pub fn arguments(seed: u64, options: &Options) -> Vec<String> {
    let kind = match options.kind {
        Kind::Run => "run",
        Kind::Crash => "crash",
    };
    let mut arguments = vec![kind.to_owned(), "--seed".to_owned(), seed.to_string()];
    if options.profile != Profile::default() {
        arguments.extend(["--profile".to_owned(), options.profile.name().to_owned()]);
    }
    if let Some(mutant) = options.mutant {
        arguments.extend(["--mutant".to_owned(), mutant.to_owned()]);
    }
    arguments
}

/// The command that replays a seed.
pub fn replay_line(seed: u64, options: &Options) -> String {
    format!("cargo sim {}", arguments(seed, options).join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        parse(&Vec::from_iter(line.split_whitespace().map(str::to_owned)))
    }

    #[test]
    fn help_is_asked_for_anywhere_and_what_is_wrong_is_named() {
        for line in ["--help", "run --help", "replay x -h", "help"] {
            assert!(matches!(parsed(line), Ok(Task::Help)), "{line}");
        }
        let complaint = |line| parsed(line).err().unwrap_or_default();
        assert_eq!(complaint("run --sed 1"), "unknown option \"--sed\"");
        assert_eq!(complaint("run --seeds 5..2"), "\"5..2\" is an empty range");
        assert_eq!(complaint("run --seed x"), "\"x\" is not a number");
        let too_large = "18446744073709551616 is too large: at most 18446744073709551615";
        assert_eq!(complaint("run --seed 18446744073709551616"), too_large);
        assert_eq!(
            complaint("run --time 9999999999999999h"),
            "\"9999999999999999h\" is no time such as 30s, 10m or 8h"
        );
        assert!(complaint("replay /nonexistent").starts_with("cannot read /nonexistent: "));
    }

    #[test]
    fn a_scenario_that_fails_says_whether_it_is_kept_for_that() {
        let mut scenario = crate::scenario::of(1, Kind::Run, Profile::default());
        let expected = Expectation { mutant: "lost-set", code: 129, check: "linearizability".to_owned() };
        scenario.expectation = Some(expected);
        let options = |mutant| Options { mutant, scenario: Some(scenario.clone()), ..Options::default() };
        let said = |mutant, failed| compare(&options(mutant), failed).unwrap_or_default();
        let mutant = Some("lost-set");
        assert!(said(mutant, Some((129, "linearizability"))).starts_with("failed as expected: "));
        assert!(said(mutant, Some((128, "linearizability"))).contains("another failure"));
        assert!(said(mutant, None).contains(": a failure (exit code 129, check: linearizability)"));
        assert_eq!(said(None, None), "");
        assert_eq!(said(Some("lost-wakeup"), Some((129, "linearizability"))), "");
        assert_eq!(compare(&Options::default(), Some((129, "x"))), None);
    }
}
