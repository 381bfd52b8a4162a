//! The lives of a server in a world of crashes: how each ends, and how the server comes back from its files.

use std::fmt;

use seedis::runtime::simulation::{Death, Survivors};

use super::text::{Complaint, Line, death_word, seconds};

/// One life of the server, while clients write, and what comes after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    pub end: End,
    /// What a power failure leaves of what was not synced.
    pub keeps: Survivors,
    /// A task that makes files panics.
    pub panics: Option<&'static str>,
    /// So many microseconds after its beginning the disk is healed, and writes must work again.
    pub healed_us: Option<u64>,
    /// In their order. In the end it is started if it is not there.
    pub starts: Vec<Start>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The power fails in this operation of the disk, or after [`LONGEST_US`].
    InOperation(u64),
    /// It dies after so many microseconds.
    After { death: Death, after_us: u64 },
    /// After so many microseconds a task panics that the server cannot be without.
    Panics { task: &'static str, after_us: u64 },
    /// It is asked to stop after so many microseconds, in the middle of a job if there is one.
    Stopped { after_us: u64, job: Option<&'static str> },
}

/// How long it takes at most until the power fails in an operation.
pub const LONGEST_US: u64 = 8_000_000;

/// What is done with the server and its disk after the end of a life. One that is there is not started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Plain,
    /// The power fails once more, in this operation of the disk, unless it is ready before.
    Dying {
        operation: u64,
        keeps: Survivors,
    },
    /// Reads fail; then it is killed.
    Unreadable,
    /// Reads are given what is elsewhere in the file; then it is killed.
    Misread,
    /// All goes back to the moment of the end, and the power fails from there.
    Again {
        keeps: Survivors,
    },
    /// All goes back to the end, a bit is flipped, chosen by this number, and the server starts.
    Flipped(u64),
}

/// Tasks that make files: a panic of one is an error of its files, and no more.
pub const WRITERS: [&str; 4] = ["aof", "save", "snapshot", "job"];

/// Tasks without which a server must not go on.
pub const VITAL: [&str; 5] = ["clock", "stream", "reports", "job-end", "backup"];

/// What may run when the server is asked to stop.
pub const JOBS: [&str; 2] = ["BGREWRITEAOF", "BGSAVE"];

impl Life {
    /// How long it takes at most, in microseconds.
    pub fn lasts_us(&self) -> u64 {
        let until_end_us = match self.end {
            End::InOperation(_) => LONGEST_US,
            End::After { after_us, .. } | End::Panics { after_us, .. } | End::Stopped { after_us, .. } => {
                after_us
            }
        };
        self.healed_us.unwrap_or(0) + until_end_us
    }
}

// ---- writing

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            End::InOperation(operation) => write!(f, "life power in operation {operation}")?,
            End::After { death, after_us } => {
                write!(f, "life {} after {}", death_word(death), seconds(after_us))?;
            }
            End::Panics { task, after_us } => write!(f, "life panic {task} after {}", seconds(after_us))?,
            End::Stopped { after_us, job } => {
                let job = job.map(|job| format!(" in {job}")).unwrap_or_default();
                write!(f, "life stop{job} after {}", seconds(after_us))?;
            }
        }
        writeln!(f, "{}", Kept(self.keeps))?;
        if let Some(task) = self.panics {
            writeln!(f, "  panic {task}")?;
        }
        if let Some(healed_us) = self.healed_us {
            writeln!(f, "  heal after {}", seconds(healed_us))?;
        }
        self.starts.iter().try_for_each(|start| writeln!(f, "  {start}"))
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Plain => f.write_str("start"),
            Start::Dying { operation, keeps } => {
                write!(f, "start until operation {operation}{}", Kept(*keeps))
            }
            Start::Unreadable => f.write_str("start unreadable"),
            Start::Misread => f.write_str("start misread"),
            Start::Again { keeps } => write!(f, "again{}", Kept(*keeps)),
            Start::Flipped(which) => write!(f, "flip {which}"),
        }
    }
}

/// ` keeps ...`, unless the disk's own chance decides.
struct Kept(Survivors);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Survivors::Drawn => Ok(()),
            Survivors::All => f.write_str(" keeps all"),
            Survivors::None => f.write_str(" keeps none"),
            Survivors::Subset(units) => write!(f, " keeps {units}"),
        }
    }
}

// ---- reading

impl Life {
    /// The rest of a line that begins with `life`.
    pub(super) fn read(line: &mut Line<'_>) -> Result<Self, Complaint> {
        let end = match line.word()? {
            "stop" => {
                let job = match line.next_is("in") {
                    true => Some(line.choice(&JOBS.map(|job| (job, job)))?),
                    false => None,
                };
                End::Stopped { job, after_us: line.after()? }
            }
            "panic" => {
                let task = line.choice(&VITAL.map(|task| (task, task)))?;
                End::Panics { task, after_us: line.after()? }
            }
            "power" if line.next_is("in") => {
                line.exactly("operation")?;
                End::InOperation(line.number()?)
            }
            "power" => End::After { death: Death::Power, after_us: line.after()? },
            "process" => End::After { death: Death::Process, after_us: line.after()? },
            other => return Err(format!("a life ends by power, process, panic or stop, not by {other:?}")),
        };
        Ok(Life { end, keeps: kept(line)?, panics: None, healed_us: None, starts: Vec::new() })
    }

    /// A line below. Whether it is one.
    pub(super) fn read_more(&mut self, word: &str, line: &mut Line<'_>) -> Result<bool, Complaint> {
        match word {
            "panic" => self.panics = Some(line.choice(&WRITERS.map(|task| (task, task)))?),
            "heal" => self.healed_us = Some(line.after()?),
            "again" => self.starts.push(Start::Again { keeps: kept(line)? }),
            "flip" => self.starts.push(Start::Flipped(line.number()?)),
            "start" if line.next_is("until") => {
                line.exactly("operation")?;
                let operation = line.number()?;
                self.starts.push(Start::Dying { operation, keeps: kept(line)? });
            }
            "start" if line.next_is("unreadable") => self.starts.push(Start::Unreadable),
            "start" if line.next_is("misread") => self.starts.push(Start::Misread),
            "start" => self.starts.push(Start::Plain),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn kept(line: &mut Line<'_>) -> Result<Survivors, Complaint> {
    if !line.next_is("keeps") {
        return Ok(Survivors::Drawn);
    }
    if line.next_is("all") {
        Ok(Survivors::All)
    } else if line.next_is("none") {
        Ok(Survivors::None)
    } else {
        line.number().map(Survivors::Subset)
    }
}
