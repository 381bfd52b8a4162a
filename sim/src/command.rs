//! The command line: one seed in this process, or many seeds in a process each.
//!
//! A process each, because tokio's channels and madsim's task ids count across worlds: a seed must not
//! depend on those that ran before it. This file runs outside of all worlds, on the real clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::IsTerminal;
use std::ops::Range;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::world::{self, Failure, Options};

const USAGE: &str = "\
usage: cargo sim run --seed N [--mutant NAME] [--verbose]
       cargo sim run --seeds A..B [--jobs N] [--mutant NAME] [--keep-going]
       cargo sim mutants

One seed decides a whole world. Exit codes: 127 the server crashed, 128 it stopped answering,
129 it answered wrongly, 1 the run itself went wrong.";

/// Parses the command line and runs.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Task::One(seed, options)) => one(seed, &options),
        Ok(Task::Many(many)) => many.run(),
        Ok(Task::Mutants) => {
            world::MUTANTS.iter().for_each(|(name, what)| println!("{name:24} {what}"));
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

enum Task {
    One(u64, Options),
    Many(Many),
    Mutants,
}

struct Many {
    seeds: Range<u64>,
    jobs: usize,
    mutant: Option<String>,
    /// Go on after a failure.
    keep_going: bool,
}

fn parse(arguments: &[String]) -> Result<Task, String> {
    let mut words = arguments.iter().map(String::as_str);
    match words.next() {
        Some("run") => {}
        Some("mutants") => return Ok(Task::Mutants),
        Some(other) => return Err(format!("unknown command {other:?}")),
        None => return Err("what shall I do?".to_owned()),
    }
    let (mut seed, mut seeds, mut jobs, mut keep_going) = (None, None, None, false);
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word {
            "--seed" => seed = Some(number(value()?)?),
            "--seeds" => seeds = Some(range(value()?)?),
            "--jobs" => jobs = Some(number(value()?)? as usize),
            "--mutant" => options.mutant = Some(mutant(value()?)?),
            "--keep-going" => keep_going = true,
            "--verbose" => options.verbose = true,
            other => return Err(format!("unknown option {other:?}")),
        }
    }
    match (seed, seeds) {
        (Some(seed), None) => Ok(Task::One(seed, options)),
        (None, Some(seeds)) => {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let jobs = jobs.unwrap_or(processors).max(1);
            Ok(Task::Many(Many { seeds, jobs, mutant: options.mutant, keep_going }))
        }
        _ => Err("give one of --seed and --seeds".to_owned()),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not a range A..B"))?;
    Ok(number(from)?..number(to)?)
}

fn mutant(name: &str) -> Result<String, String> {
    match world::MUTANTS.iter().any(|(known, _)| *known == name) {
        true => Ok(name.to_owned()),
        false => Err(format!("unknown mutant {name:?}; see cargo sim mutants")),
    }
}

fn one(seed: u64, options: &Options) -> ExitCode {
    let line = replay(seed, options.mutant.as_deref());
    // A task that never yields stops simulated time, so only the real clock can notice.
    std::thread::spawn(move || {
        std::thread::sleep(HANG);
        println!("seed {seed} failed: a task runs for ever\nreplay: {line}");
        std::process::exit(128);
    });
    match world::run(seed, options) {
        Ok(summary) => {
            println!("seed {seed} passed: {summary}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let (code, what) = match &failure {
                Failure::Crash(_) => (127, "the server crashed"),
                Failure::Liveness(_) => (128, "it stopped answering"),
                Failure::Correctness(_) => (129, "it answered wrongly"),
            };
            let (Failure::Crash(text) | Failure::Liveness(text) | Failure::Correctness(text)) = &failure;
            println!(
                "seed {seed} failed: {what}\n{text}\nreplay: {}",
                replay(seed, options.mutant.as_deref())
            );
            ExitCode::from(code)
        }
    }
}

fn replay(seed: u64, mutant: Option<&str>) -> String {
    let mutant = mutant.map(|name| format!(" --mutant {name}")).unwrap_or_default();
    format!("cargo sim run --seed {seed}{mutant}")
}

/// A seed that runs in a process of its own.
struct Running {
    seed: u64,
    process: Child,
}

impl Many {
    fn run(self) -> ExitCode {
        let start = Instant::now();
        let (mut next, mut passed, mut failed) = (self.seeds.start, 0u64, Vec::new());
        let mut running: Vec<Running> = Vec::new();
        while next < self.seeds.end || !running.is_empty() {
            while next < self.seeds.end && running.len() < self.jobs && (self.keep_going || failed.is_empty())
            {
                match self.spawn(next) {
                    Ok(child) => running.push(child),
                    Err(error) => {
                        eprintln!("cannot start a process: {error}");
                        return ExitCode::FAILURE;
                    }
                }
                next += 1;
            }
            if running.is_empty() {
                break;
            }
            let Some((seed, code, output)) = reap(&mut running) else {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            };
            match code {
                0 => passed += 1,
                code => {
                    eprintln!("\n{}", output.trim_end());
                    failed.push((seed, code));
                }
            }
            if std::io::stderr().is_terminal() {
                let rate = (passed + failed.len() as u64) as f64 / start.elapsed().as_secs_f64();
                eprint!("\r{passed} passed, {} failed, {rate:.1} seeds/s", failed.len());
            }
        }
        println!("{passed} passed, {} failed in {:.1} s", failed.len(), start.elapsed().as_secs_f64());
        for (seed, code) in &failed {
            println!("exit code {code}: {}", replay(*seed, self.mutant.as_deref()));
        }
        failed.first().map_or(ExitCode::SUCCESS, |(_, code)| ExitCode::from(*code))
    }

    fn spawn(&self, seed: u64) -> std::io::Result<Running> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--seed", &seed.to_string()]);
        if let Some(mutant) = &self.mutant {
            command.args(["--mutant", mutant]);
        }
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Running { seed, process })
    }
}

/// Takes one that has ended, with its exit code and what it said.
fn reap(running: &mut Vec<Running>) -> Option<(u64, u8, String)> {
    let ended = running.iter_mut().position(|one| matches!(one.process.try_wait(), Ok(Some(_)) | Err(_)))?;
    let Running { seed, process } = running.swap_remove(ended);
    match process.wait_with_output() {
        Ok(output) => {
            // Killed by a signal is a crash.
            let code = output.status.code().map_or(127, |code| code as u8);
            let text = [output.stderr, output.stdout].concat();
            Some((seed, code, String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) => Some((seed, 1, error.to_string())),
    }
}
