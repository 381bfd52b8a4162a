//! Reads an append-only file: commands, annotations, and what is wrong with it, where.
//!
//! Bytes go in as they are read, items come out. No more is held than the command that is arriving. The
//! rules are those of redis-check-aof, which are stricter than those of Redis's loader, since a flipped bit
//! is to be noticed where the file has no checksums.

use super::checksum::{self, Line, Mark, Uncovered};
use super::frame::UNMARKED;
use crate::engine::protocol::request::{Args, Range};
use std::fmt;

/// The longest annotation in bytes, its end included.
pub const ANNOTATION_MAX: usize = 1024;
/// The longest line of a count or length: a sign, twenty digits, the line's end.
const HEADER_MAX: usize = 23;
/// What RDB files begin with: Redis's, and Valkey's since 9.
const RDB_MAGICS: [&[u8]; 2] = [b"REDIS", b"VALKEY"];
/// A buffer larger than this is given back when what filled it is gone.
const BUFFER_KEPT: usize = 4 << 20;

/// Whether a file that begins with these bytes is an RDB file, or begins with one.
pub fn begins_rdb(front: &[u8]) -> bool {
    RDB_MAGICS.iter().any(|magic| front.starts_with(magic))
}

/// What stands in a file.
#[derive(Debug)]
pub enum Item<'a> {
    /// A command. MULTI and EXEC are commands like others; what stands between belongs together.
    Command(Args<'a>),
    /// A line that begins with `#`, its end included. A checksum has been verified.
    Annotation(&'a [u8]),
    /// An RDB file begins here. The scanner goes no further: the caller decodes it, and has another scanner
    /// read what follows it.
    Preamble,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it was noticed.
    pub offset: u64,
    /// All before is whole: commands, annotations, MULTI with their EXEC. What is cut off begins here.
    pub good: u64,
    /// The same where the file is this server's own. The commands of a short group are good before its checksum is reached,
    /// since those of other servers have none. Where something follows that is no command, what the last one seems to be
    /// may come from the same damage.
    pub good_own: u64,
    /// What it is.
    pub problem: Problem,
}

impl Damage {
    /// As it is to be seen in a file that is this server's `own`, or is not.
    pub fn of_file(&self, own: bool) -> Damage {
        Damage { good: if own { self.good_own } else { self.good }, ..self.clone() }
    }
}

/// Kinds of damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file ends within a command or an annotation.
    Truncated {
        /// Bytes that were to follow, where their number is known.
        expected: Option<u64>,
        /// Bytes that did.
        found: u64,
    },
    /// The file ends between MULTI and EXEC.
    Unfinished,
    /// The file ends before the checksum of a group.
    UnfinishedGroup,
    /// Something else than a command or an annotation.
    Start(u8),
    /// Something else than `*` or `$`.
    Prefix {
        /// What was to stand there.
        expected: u8,
        /// What does.
        found: u8,
    },
    /// A count of arguments, or a length, that is none.
    Number,
    /// Something else than the end of a line.
    LineEnd([u8; 2]),
    /// An annotation without end.
    LongAnnotation,
    /// An annotation that is no line of text: it began before a hole and ends behind it.
    BinaryAnnotation,
    /// MULTI after MULTI.
    NestedMulti,
    /// EXEC without MULTI.
    Exec,
    /// A checksum line that is none.
    MalformedChecksum,
    /// A checksum that differs.
    Checksum {
        /// Offset of the first byte it covers; the last one stands before the line.
        from: u64,
        /// The sum in the line.
        expected: u32,
        /// The sum of the bytes.
        found: u32,
    },
}

impl Problem {
    /// Whether the file only ends too early.
    pub fn is_truncation(&self) -> bool {
        matches!(self, Problem::Truncated { .. } | Problem::Unfinished | Problem::UnfinishedGroup)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated { expected: Some(expected), found } => {
                write!(f, "Expected to read {expected} bytes, got {found} bytes")
            }
            Problem::Truncated { expected: None, .. } => f.write_str("Reached EOF before the end of a line"),
            Problem::Unfinished => f.write_str("Reached EOF before reading EXEC for MULTI"),
            Problem::UnfinishedGroup => f.write_str("Reached EOF before the checksum of a group"),
            Problem::Start(found) => {
                write!(f, "Expected a command or an annotation, got: '{}'", char::from(*found))
            }
            Problem::Prefix { expected, found } => {
                write!(f, "Expected prefix '{}', got: '{}'", char::from(*expected), char::from(*found))
            }
            Problem::Number => f.write_str("Expected a number in the suitable range"),
            Problem::LineEnd([first, second]) => {
                write!(f, "Expected \\r\\n, got: {first:02x}{second:02x}")
            }
            Problem::LongAnnotation => f.write_str("Annotation without end"),
            Problem::BinaryAnnotation => f.write_str("Annotation with a control character"),
            Problem::NestedMulti => f.write_str("Unexpected MULTI"),
            Problem::Exec => f.write_str("Unexpected EXEC"),
            Problem::MalformedChecksum => f.write_str("Malformed checksum"),
            Problem::Checksum { from, expected, found } => write!(
                f,
                "Checksum mismatch of the bytes from {from}: expected {expected:08x}, got {found:08x}"
            ),
        }
    }
}

/// What is known at the end of a file, and with which a writer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Bytes of the file.
    pub offset: u64,
    /// Bytes after the last checksum line.
    pub uncovered: Uncovered,
    /// All before was durable when the last line was written that says so.
    pub proven: u64,
    /// Whether there were checksum lines.
    pub checksummed: bool,
}

/// What a step found; its bytes stand at the front of the buffer.
enum Step {
    Incomplete,
    Command { length: usize },
    Annotation { length: usize },
    Preamble,
}

/// The part of a command that has arrived.
#[derive(Debug, Default)]
struct Partial {
    /// Bytes understood.
    position: usize,
    /// Arguments still to come; `None` before the count.
    remaining: Option<u64>,
    /// Length of the argument that is arriving.
    length: Option<usize>,
}

/// A file being read.
#[derive(Debug)]
pub struct Scanner {
    buffer: Vec<u8>,
    /// Where in the buffer the item begins that is next, or was given out last.
    head: usize,
    /// Bytes of the item given out last.
    given: usize,
    /// Offset in the file of `head`.
    offset: u64,
    /// Bytes of the file.
    file_length: u64,
    /// Whether an RDB file may begin at `offset`.
    at_start: bool,
    partial: Partial,
    /// Arguments of the command at `head`, relative to it.
    arguments: Vec<Range>,
    /// Line ends passed, those within arguments apart.
    lines: u64,
    /// After MULTI: what is good ends before it.
    in_multi: bool,
    /// Within a group that only its checksum makes good.
    in_group: bool,
    good: u64,
    /// Where the last of the units began that are good.
    last_unit: u64,
    /// What was good where `uncovered` begins.
    good_before: u64,
    uncovered: Uncovered,
    /// Where in the buffer the bytes begin that `uncovered` has not seen.
    unseen: usize,
    /// Where the last line ends that says that all before was durable.
    proven: u64,
    checksummed: bool,
}

impl Scanner {
    /// Reads a file of `file_length` bytes from `start` on: its beginning, or the end of an RDB file.
    pub fn new(start: u64, file_length: u64) -> Self {
        Scanner {
            buffer: Vec::new(),
            head: 0,
            given: 0,
            offset: start,
            file_length,
            at_start: start == 0,
            partial: Partial::default(),
            arguments: Vec::new(),
            lines: 0,
            in_multi: false,
            in_group: false,
            good: start,
            last_unit: start,
            good_before: start,
            uncovered: Uncovered::from(start),
            unseen: 0,
            proven: start,
            checksummed: false,
        }
    }

    /// Takes the bytes that follow in the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.drop_given();
        if self.head > 0 {
            self.uncovered.add(&self.buffer[self.unseen..self.head]);
            self.buffer.drain(..self.head);
            self.unseen = 0;
            self.head = 0;
            if self.buffer.capacity() > BUFFER_KEPT {
                self.buffer.shrink_to(BUFFER_KEPT.max(self.buffer.len() + bytes.len()));
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next item, or `None` when more bytes are needed for it. After damage nothing else comes.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, Damage> {
        self.drop_given();
        let step = self.step()?;
        let item = &self.buffer[self.head..];
        match step {
            Step::Incomplete => Ok(None),
            Step::Preamble => Ok(Some(Item::Preamble)),
            Step::Annotation { length } => {
                self.given = length;
                Ok(Some(Item::Annotation(&item[..length])))
            }
            Step::Command { length } => {
                self.given = length;
                Ok(Some(Item::Command(Args::new(item, &self.arguments))))
            }
        }
    }

    /// Where the item given out last begins.
    pub fn item_offset(&self) -> u64 {
        self.offset
    }

    /// All before is whole; see [`Damage::good`].
    pub fn good(&self) -> u64 {
        self.good
    }

    /// Line ends passed, annotations and the content of arguments apart: what redis-check-aof counts.
    pub fn lines(&self) -> u64 {
        let Partial { remaining, length, .. } = self.partial;
        let arguments = if self.given == 0 { self.arguments.len() as u64 } else { 0 };
        self.lines + u64::from(remaining.is_some()) + u64::from(length.is_some()) + 2 * arguments
    }

    /// Whether there were checksum lines so far, all of them right.
    pub fn checksummed(&self) -> bool {
        self.checksummed
    }

    /// Says that the file ends here.
    pub fn finish(mut self) -> Result<End, Damage> {
        self.drop_given();
        let rest = self.buffer.len() - self.head;
        if rest > 0 {
            let found = (rest - self.partial.position) as u64;
            let expected = self.partial.length.map(|length| length as u64 + 2);
            return Err(self.damage(self.partial.position, Problem::Truncated { expected, found }));
        }
        if self.in_multi {
            return Err(self.damage(0, Problem::Unfinished));
        }
        if self.in_group {
            return Err(self.damage(0, Problem::UnfinishedGroup));
        }
        self.uncovered.add(&self.buffer[self.unseen..]);
        let Scanner { offset, uncovered, proven, checksummed, .. } = self;
        Ok(End { offset, uncovered, proven, checksummed })
    }

    fn drop_given(&mut self) {
        if self.given > 0 {
            self.head += self.given;
            self.offset += self.given as u64;
            self.given = 0;
            self.arguments.clear();
        }
    }

    fn damage(&self, at: usize, problem: Problem) -> Damage {
        let Scanner { good, good_before, last_unit, .. } = *self;
        let is_doubted = !problem.is_truncation() && last_unit.saturating_sub(good_before) <= UNMARKED;
        let good_own = if is_doubted { good_before } else { good };
        Damage { offset: self.offset + at as u64, good, good_own, problem }
    }

    fn step(&mut self) -> Result<Step, Damage> {
        let Some(&first) = self.buffer.get(self.head) else { return Ok(Step::Incomplete) };
        if self.at_start {
            let item = &self.buffer[self.head..];
            if begins_rdb(item) {
                return Ok(Step::Preamble);
            }
            let may_begin = RDB_MAGICS.iter().any(|magic| magic.starts_with(item));
            if may_begin && (item.len() as u64) < self.file_length {
                return Ok(Step::Incomplete);
            }
        }
        self.at_start = false;
        match first {
            b'#' => self.annotation(),
            b'*' => self.command(),
            _ => Err(self.damage(0, Problem::Start(first))),
        }
    }

    fn annotation(&mut self) -> Result<Step, Damage> {
        let item = &self.buffer[self.head..];
        let bounded = &item[..item.len().min(ANNOTATION_MAX)];
        let Some(end) = memchr::memchr(b'\n', bounded) else {
            let too_long = bounded.len() == ANNOTATION_MAX;
            return if too_long {
                Err(self.damage(0, Problem::LongAnnotation))
            } else {
                Ok(Step::Incomplete)
            };
        };
        let length = end + 1;
        let text = bounded[..end].strip_suffix(b"\r").unwrap_or(&bounded[..end]);
        if text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(self.damage(0, Problem::BinaryAnnotation));
        }
        match checksum::read(&item[..length]) {
            Line::Other => {}
            Line::Malformed => return Err(self.damage(0, Problem::MalformedChecksum)),
            Line::Checksum(mark, expected) => self.verify(mark, expected, length)?,
        }
        self.in_group |= &self.buffer[self.head..self.head + length] == checksum::GROUP;
        if !self.in_multi && !self.in_group {
            self.good = self.offset + length as u64;
        }
        self.good_before =
            if self.uncovered.start == self.offset + length as u64 { self.good } else { self.good_before };
        Ok(Step::Annotation { length })
    }

    /// Compares the checksum in the line at the head, and begins anew after it.
    fn verify(&mut self, mark: Mark, expected: u32, length: usize) -> Result<(), Damage> {
        self.uncovered.add(&self.buffer[self.unseen..self.head]);
        let found = self.uncovered.sum(mark, self.offset);
        if found != expected {
            let problem = Problem::Checksum { from: self.uncovered.start, expected, found };
            return Err(Damage {
                offset: self.offset,
                good: self.good_before,
                good_own: self.good_before,
                problem,
            });
        }
        self.uncovered = Uncovered::from(self.offset + length as u64);
        self.unseen = self.head + length;
        self.checksummed = true;
        if mark == Mark::Durable {
            self.proven = self.uncovered.start;
        }
        self.in_group = false;
        Ok(())
    }

    fn command(&mut self) -> Result<Step, Damage> {
        let mut remaining = match self.partial.remaining {
            Some(remaining) => remaining,
            None => match self.header(b'*')? {
                Some(0) => return Err(self.damage(1, Problem::Number)),
                Some(count) => count,
                None => return Ok(Step::Incomplete),
            },
        };
        while remaining > 0 {
            self.partial.remaining = Some(remaining);
            if !self.argument()? {
                return Ok(Step::Incomplete);
            }
            remaining -= 1;
        }
        let length = self.partial.position;
        self.partial = Partial::default();
        self.lines += 1 + 2 * self.arguments.len() as u64;
        self.unit(length)?;
        Ok(Step::Command { length })
    }

    /// Goes on with an argument; `false` when more bytes are needed.
    fn argument(&mut self) -> Result<bool, Damage> {
        let length = match self.partial.length {
            Some(length) => length,
            None => match self.header(b'$')? {
                None => return Ok(false),
                Some(length) => self.argument_length(length)?,
            },
        };
        let start = self.partial.position;
        let end = start + length;
        let Some(line_end) = self.buffer.get(self.head + end..self.head + end + 2) else { return Ok(false) };
        if line_end != b"\r\n" {
            let found = [line_end[0], line_end[1]];
            return Err(self.damage(end, Problem::LineEnd(found)));
        }
        self.arguments.push(Range { start, end });
        self.partial.position = end + 2;
        self.partial.length = None;
        Ok(true)
    }

    /// Checks a length against what is left of the file: nothing is gathered for an argument that cannot
    /// be there.
    fn argument_length(&mut self, length: u64) -> Result<usize, Damage> {
        let start = self.offset + self.partial.position as u64;
        let left = self.file_length.saturating_sub(start);
        let wanted = length.saturating_add(2);
        match usize::try_from(length) {
            Ok(length) if wanted <= left => {
                self.partial.length = Some(length);
                Ok(length)
            }
            _ => {
                let problem = Problem::Truncated { expected: Some(wanted), found: left };
                Err(self.damage(self.partial.position, problem))
            }
        }
    }

    /// Keeps track of transactions; the command at the head is `length` bytes.
    fn unit(&mut self, length: usize) -> Result<(), Damage> {
        // Both names in one comparison of lengths, since this runs for each command.
        let Range { start, end } = self.arguments[0];
        let name = &self.buffer[self.head + start..self.head + end];
        if name.len() == 5 && name.eq_ignore_ascii_case(b"multi") {
            if self.in_multi {
                return Err(self.damage(0, Problem::NestedMulti));
            }
            self.in_multi = true;
        } else if name.len() == 4 && name.eq_ignore_ascii_case(b"exec") {
            if !self.in_multi {
                return Err(self.damage(0, Problem::Exec));
            }
            self.in_multi = false;
        }
        if !self.in_multi && !self.in_group {
            self.last_unit = self.good;
            self.good = self.offset + length as u64;
        }
        Ok(())
    }

    /// The line of a count or length at the position; `None` when more bytes are needed.
    fn header(&mut self, prefix: u8) -> Result<Option<u64>, Damage> {
        let position = self.partial.position;
        let line = &self.buffer[self.head + position..];
        let line = &line[..line.len().min(HEADER_MAX)];
        let Some((&first, digits)) = line.split_first() else { return Ok(None) };
        if first != prefix {
            return Err(self.damage(position, Problem::Prefix { expected: prefix, found: first }));
        }
        let mut value = 0u64;
        for (at, &digit) in digits.iter().enumerate() {
            match digit {
                b'0'..=b'9' => {
                    let next =
                        value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
                    // Redis counts in signed 64 bits.
                    let fits = next.filter(|value| i64::try_from(*value).is_ok());
                    value = fits.ok_or_else(|| self.damage(position + 1, Problem::Number))?;
                }
                _ if at == 0 => return Err(self.damage(position + 1, Problem::Number)),
                _ => {
                    let Some(line_end) = digits.get(at..at + 2) else { break };
                    if line_end != b"\r\n" {
                        return Err(self.bad_line_end(position + 1 + at, [line_end[0], line_end[1]]));
                    }
                    self.partial.position = position + 1 + at + 2;
                    return Ok(Some(value));
                }
            }
        }
        if line.len() == HEADER_MAX { Err(self.damage(position + 1, Problem::Number)) } else { Ok(None) }
    }

    fn bad_line_end(&self, at: usize, found: [u8; 2]) -> Damage {
        self.damage(at, Problem::LineEnd(found))
    }
}

#[cfg(test)]
mod tests;
