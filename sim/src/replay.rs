//! Scenarios on the command line: one is replayed in this process, many in a process each.
//!
//! Runs outside of all worlds, on the real clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::command;
use crate::output::say;
use crate::scenario::{Expectation, Scenario};
use crate::world::Options;

/// How a world in a process of its own ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: u8,
    /// The check that failed, if one did.
    pub check: String,
    /// What in particular did, if the check tells kinds of faults apart.
    pub culprit: Option<String>,
    /// All that it said.
    pub said: String,
}

impl Outcome {
    pub fn of(code: u8, said: String) -> Self {
        let check = said.lines().next().and_then(|line| line.rsplit_once("(check: "));
        let check = check.map_or("", |(_, check)| check.trim_end_matches(')')).to_owned();
        let culprit = said.lines().nth(1).and_then(|line| line.strip_prefix(command::CULPRIT));
        Outcome { code, check, culprit: culprit.map(str::to_owned), said }
    }

    /// The run itself went wrong.
    pub fn broken(said: String) -> Self {
        Outcome { code: 1, check: String::new(), culprit: None, said }
    }

    /// What it said, without the line that replays it.
    pub fn without_replay(&self) -> &str {
        self.said.split_once("\nreplay: ").map_or(&self.said[..], |(said, _)| said).trim_end()
    }

    /// Whether both failed, in the same way.
    pub fn fails_like(&self, other: &Outcome) -> bool {
        let way = |outcome: &Outcome| (outcome.code, outcome.check.clone(), outcome.culprit.clone());
        self.code != 0 && way(self) == way(other)
    }
}

/// Runs this program with a text to read.
pub fn process(arguments: &[&str], input: &str) -> Result<Outcome, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    process_of(&this, arguments, input)
}

/// Runs a build of this program with a text to read.
pub fn process_of(program: &Path, arguments: &[&str], input: &str) -> Result<Outcome, String> {
    let run = || {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut to) = child.stdin.take() {
            // It may end before it has read all.
            _ = to.write_all(input.as_bytes());
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    // Killed by a signal is a crash.
    let code = output.status.code().map_or(127, |code| code as u8);
    Ok(Outcome::of(code, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Runs a scenario in a process, with this mutant or none.
pub fn scenario(scenario: &Scenario, mutant: Option<&str>) -> Result<Outcome, String> {
    let mut arguments = vec!["replay", "-"];
    match mutant {
        Some(name) => arguments.extend(["--mutant", name]),
        None => arguments.push("--no-mutant"),
    }
    process(&arguments, &scenario.to_string())
}

/// Reads a scenario; `-` is what is piped in.
pub fn read(file: &str) -> Result<Scenario, String> {
    let text = if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| format!("cannot read {file}: {error}"))?;
    Scenario::parse(&text).map_err(|complaint| format!("{file}: {complaint}"))
}

/// Replays a file in this process: with its own mutant, unless another is asked for.
pub fn one(file: &str, scenario: Scenario, mut options: Options, no_mutant: bool) -> ExitCode {
    let seed = scenario.seed;
    let name = if file == "-" { format!("seed {seed}") } else { file.to_owned() };
    let again = adopt(file, scenario, &mut options, no_mutant);
    command::live(&name, &again, seed, &options)
}

/// Makes the options those of a scenario. Returns the command that runs it so.
pub fn adopt(file: &str, scenario: Scenario, options: &mut Options, no_mutant: bool) -> String {
    let own = scenario.expectation.as_ref().map(|expected| expected.mutant);
    options.mutant = options.mutant.or(own.filter(|_| !no_mutant));
    let mutant = match options.mutant {
        Some(name) if own != Some(name) => format!(" --mutant {name}"),
        None if own.is_some() => " --no-mutant".to_owned(),
        _ => String::new(),
    };
    options.scenario = Some(scenario);
    format!("cargo sim replay {file}{mutant}")
}

/// Seeds beside its own with which a scenario may find its mutant: a change of the server that draws once more
/// reshuffles the small print, and is no reason to make the scenario anew.
const NEIGHBOURS: u64 = 50;

/// Where found bugs are kept.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Replays all scenarios that are kept: each must pass, and fail with the mutant that it was found with.
pub fn all() -> ExitCode {
    let files = std::fs::read_dir(folder()).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "scenario")).collect();
    files.sort();
    let mut failed = 0;
    for file in &files {
        if let Err(what) = read(&file.to_string_lossy()).and_then(|scenario| check(&scenario)) {
            failed += 1;
            say!("{}: {what}", file.display());
        }
    }
    say!("{} scenarios as expected, {failed} not", files.len() - failed);
    // None at all is a folder that was not found.
    if failed > 0 || files.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn check(kept: &Scenario) -> Result<(), String> {
    let clean = scenario(kept, None)?;
    if clean.code != 0 {
        return Err(format!("fails without a mutant:\n{}", clean.said));
    }
    let Some(Expectation { mutant, code, check }) = &kept.expectation else { return Ok(()) };
    let mut last = String::new();
    for seed in kept.seed..=kept.seed.saturating_add(NEIGHBOURS) {
        let mutated = scenario(&Scenario { seed, ..kept.clone() }, Some(mutant))?;
        if (mutated.code, &mutated.check) == (*code, check) {
            return Ok(());
        }
        last = mutated.said;
    }
    Err(format!("should fail with {mutant} (exit code {code}, check: {check}):\n{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_alike_if_the_same_check_has_the_same_culprit() {
        let failed = |check: &str, culprit: &str| {
            let said =
                format!("seed 1 failed: it answered wrongly (check: {check})\n{culprit}a text\nreplay: it");
            Outcome::of(129, said)
        };
        let get = failed("linearizability", "culprit: GET k\n");
        assert_eq!(get.culprit.as_deref(), Some("GET k"));
        assert!(get.fails_like(&failed("linearizability", "culprit: GET k\n")));
        assert!(!get.fails_like(&failed("linearizability", "culprit: LPOP l\n")));
        assert!(!get.fails_like(&failed("messages", "culprit: GET k\n")));
        assert!(!get.fails_like(&Outcome { code: 128, ..get.clone() }));
        let plain = failed("a reply of its kind", "");
        assert!(plain.culprit.is_none() && plain.fails_like(&plain));
        let passed = Outcome::of(0, "seed 1 passed".to_owned());
        assert!(!passed.fails_like(&passed));
    }
}
