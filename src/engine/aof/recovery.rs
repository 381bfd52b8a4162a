//! What becomes of a file that is damaged: cut back, or refused.
//!
//! What a power failure tears off was not durable, so that nothing is lost by cutting it off. What was
//! durable and is damaged all the same must not be cut off unasked, with everything after it. Redis tells
//! the two apart by whether the file ends too early. The server's own files say more: a [`Mark::Durable`]
//! line behind the damage proves that it was durable; without one it is the torn end, whatever it looks like.
//!
//! A checksum is compared after the commands that it covers were read. Whoever loads a file either scans it
//! to its end first, or takes back what came after [`Damage::good`].

use super::checksum::{self, LINE, Line, Mark};
use super::message;
use super::scan::{Damage, Problem};

/// What stands after damage: fed with all bytes from [`Damage::good`] to the end of the file.
#[derive(Clone, Debug)]
pub struct Aftermath {
    /// Offset of the bytes that come next.
    offset: u64,
    /// Where the damage was noticed.
    damage: u64,
    /// The last bytes, in which a line may have begun.
    last: Vec<u8>,
    durable: bool,
    zeros: bool,
}

impl Aftermath {
    /// Of this damage.
    pub fn new(damage: &Damage) -> Self {
        let offset = damage.good;
        Aftermath { offset, damage: damage.offset, last: Vec::new(), durable: false, zeros: true }
    }

    /// Takes the bytes that follow.
    pub fn push(&mut self, bytes: &[u8]) {
        let skipped = self.damage.saturating_sub(self.offset).min(bytes.len() as u64) as usize;
        self.zeros &= bytes[skipped..].iter().all(|byte| *byte == 0);
        self.offset += bytes.len() as u64;
        // A line that two pieces share is found in what is kept of the first and the front of the second.
        self.last.extend(&bytes[..bytes.len().min(LINE - 1)]);
        self.durable |= has_durable_line(&self.last) || has_durable_line(bytes);
        if bytes.len() >= LINE {
            self.last.clear();
            self.last.extend(&bytes[bytes.len() - (LINE - 1)..]);
        } else {
            let surplus = self.last.len().saturating_sub(LINE - 1);
            self.last.drain(..surplus);
        }
    }
}

fn has_durable_line(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"#SYN:").any(|at| {
        let line = bytes.get(at..at + LINE);
        line.is_some_and(|line| matches!(checksum::read(line), Line::Checksum(Mark::Durable, _)))
    })
}

/// What is known besides the damage.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The file's name.
    pub name: &'a [u8],
    /// Its bytes.
    pub length: u64,
    /// Whether it is the last one of the history, the only one that may be cut.
    pub last: bool,
    /// Whether this server wrote it: it has checksum lines, or belongs to a base that says so.
    pub own: bool,
    /// Whether it was on the medium before the manifest named it, as the bases of this server are: no end of it was torn.
    pub durable: bool,
    /// `aof-load-truncated`
    pub load_truncated: bool,
    /// `aof-load-corrupt-tail-max-size`
    pub corrupt_tail_max: u64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Cut the file to `length`, make that durable, and go on.
    Cut {
        /// Bytes to keep.
        length: u64,
        /// Warnings to log once it is done.
        log: Vec<String>,
    },
    /// Do not start.
    Refuse {
        /// Warnings to log.
        log: Vec<String>,
    },
}

/// Decides on a damaged file.
pub fn judge(damage: &Damage, aftermath: &Aftermath, file: &Circumstances<'_>) -> Verdict {
    let damage = &damage.of_file(file.own);
    let dropped = file.length.saturating_sub(damage.good);
    // No torn end has EXEC without MULTI: that one is there, and damaged.
    let torn = if aftermath.durable || file.durable || damage.problem == Problem::Exec {
        false
    } else {
        // Zeros are what a file system shows of a page that was not written, whoever appended it.
        file.own || aftermath.zeros || damage.problem.is_truncation()
    };
    let mut log = Vec::new();
    if damage.problem == Problem::Unfinished {
        log.push(message::revert_transaction(file.name));
    }
    let detail = message::damage(file.name, damage, dropped);
    if torn {
        if !file.load_truncated {
            log.push(message::unexpected_end(file.name));
        } else if file.last {
            log.extend([message::short_read(file.name), message::truncating(file.name, damage.good), detail]);
            log.push(message::loaded_truncated(file.name));
            return Verdict::Cut { length: damage.good, log };
        } else {
            log.push(message::NOT_LAST.to_owned());
        }
    } else if dropped < file.corrupt_tail_max {
        if file.last {
            log.push(message::CORRUPT_TAIL.to_owned());
            log.extend([message::truncating_corrupt(file.name, damage.good, dropped), detail]);
            log.push(message::loaded_corrupt(file.name));
            return Verdict::Cut { length: damage.good, log };
        }
        log.push(message::NOT_LAST.to_owned());
    } else {
        log.push(message::bad_format(file.name, damage.good, dropped));
    }
    log.push(detail);
    Verdict::Refuse { log }
}

/// Whether a base without a byte has lost its data. In RDB format nobody writes such a file. Commands of no keys are none,
/// but this server then writes a line that says so: see [`EMPTY_BASE`]. `checksummed`: what follows has its checksums.
pub fn is_lost_base(name: &[u8], checksummed: bool) -> bool {
    checksummed || is_rdb_base(name)
}

/// Whether a base is to be in RDB format by its name.
pub fn is_rdb_base(name: &[u8]) -> bool {
    name.ends_with(b".base.rdb")
}

/// What the empty base of another server gets before anything of this one follows it.
pub const EMPTY_BASE: &[u8] = b"#empty\r\n";

#[cfg(test)]
mod tests;
