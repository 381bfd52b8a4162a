//! What is appended to a file: commands, and between them the time and checksums.
//!
//! Commands come in groups: what is written, and with `appendfsync always` made durable, at once. Each group ends with
//! a checksum line, so that bits that rot on the medium and sectors that went astray are noticed. When power fails, any
//! sector of what was not durable may be missing, the last one there. Commands tell that by themselves where the hole is
//! not within one argument, so that a group longer than a sector also begins with a line that says so: nothing of it counts
//! until its checksum was compared. A line covers one group, lest a torn end take with it what was promised to be there; and
//! every [`DUE`] bytes, and once a file was read and is appended to, one proves that all before is durable, so that damage
//! there is not taken for a torn end.

use super::checksum::{self, LINE, Mark, Uncovered};
use super::scan::End;

/// So many bytes may stay unproven.
const DUE: u64 = 4096;
/// The smallest unit that a power failure leaves whole.
const SECTOR: u64 = 512;
/// The most bytes of a group that has no line in front that says so, the time included.
pub const UNMARKED: u64 = SECTOR + 32;

/// What to put between the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Annotations {
    /// The time (`aof-timestamp-enabled`).
    pub time: bool,
    /// Checksums.
    pub checksums: bool,
}

/// The end of a file that is appended to. A copy made before a write that fails is the state to go on with
/// once the file is cut back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Bytes of the file.
    offset: u64,
    uncovered: Uncovered,
    /// All before is durable.
    durable: u64,
    /// All before is known to have been durable from the file itself.
    proven: u64,
    /// When the file is as long, this is to be proven again.
    due: u64,
    /// The time noted last, in seconds.
    time: Option<u64>,
}

impl Writer {
    /// Of an empty file.
    pub fn new() -> Self {
        Self::resume(&End { offset: 0, uncovered: Uncovered::from(0), proven: 0, checksummed: false })
    }

    /// Of a file that was read to its end. The caller makes it durable, and says so, before it goes on.
    pub fn resume(end: &End) -> Self {
        let End { offset, uncovered, proven, .. } = *end;
        // What was read has been shown to clients: whatever comes next says that it was all there.
        let due = if proven < offset { offset } else { offset + DUE };
        Writer { offset, uncovered, durable: 0, proven, due, time: None }
    }

    /// Bytes of the file once all is written that was handed out.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes note that all that was handed out is durable.
    pub fn synced(&mut self) {
        self.durable = self.offset;
    }

    /// Appends to `out` what is to be written for a group: chunks of whole units, in order. `unix_s` is the
    /// time.
    pub fn group<'a>(
        &mut self,
        chunks: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
        unix_s: u64,
        annotations: Annotations,
        out: &mut Vec<u8>,
    ) {
        let chunks = chunks.into_iter();
        let length: u64 = chunks.clone().map(|chunk| chunk.len() as u64).sum();
        if length == 0 {
            return;
        }
        out.reserve(length as usize + 64);
        let torn_unnoticed = length > SECTOR;
        if annotations.checksums {
            // What came before without checksums must not share one with what may be torn.
            let due = self.pending() > 0 || self.offset >= self.due;
            if self.durable == self.offset && due {
                self.checksum(Mark::Durable, out);
            }
        }
        if annotations.time && self.time.is_none_or(|time| time < unix_s) {
            self.time = Some(unix_s);
            self.append(format!("#TS:{unix_s}\r\n").as_bytes(), out);
        }
        if annotations.checksums && torn_unnoticed {
            self.append(checksum::GROUP, out);
        }
        for chunk in chunks {
            self.append(chunk, out);
        }
        if annotations.checksums {
            self.checksum(Mark::Written, out);
        }
    }

    /// Appends to `out` what covers the rest, and proves it if it is durable: before the file is closed, or when
    /// nothing has come for long.
    pub fn seal(&mut self, annotations: Annotations, out: &mut Vec<u8>) {
        let durable = self.durable == self.offset;
        if annotations.checksums && (self.pending() > 0 || (durable && self.is_unproven())) {
            self.checksum(if durable { Mark::Durable } else { Mark::Written }, out);
        }
    }

    /// Whether damage of what it ends with would look like a torn end.
    pub fn is_unproven(&self) -> bool {
        self.proven < self.offset
    }

    /// Bytes that no line covers.
    pub fn pending(&self) -> u64 {
        self.offset - self.uncovered.start
    }

    fn append(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.uncovered.add(bytes);
        self.offset += bytes.len() as u64;
        out.extend_from_slice(bytes);
    }

    fn checksum(&mut self, mark: Mark, out: &mut Vec<u8>) {
        out.extend(self.uncovered.line(mark, self.offset));
        self.offset += LINE as u64;
        self.uncovered = Uncovered::from(self.offset);
        if mark == Mark::Durable {
            self.proven = self.offset;
            self.due = self.offset + DUE;
        }
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
