//! The manifest: which files make up the append-only file, and in which order they are read.
//!
//! The rules are Redis 7's, its texts included, since operators search for them.

use crate::engine::text::{quote, split::split_args};
use std::fmt;

/// The longest line in bytes, its end included.
const LINE_MAX: usize = 1024;

/// The highest number that is read, so that those that follow never run out.
const SEQ_MAX: i64 = i64::MAX / 2;

/// What a file is to the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The snapshot that all begins with.
    Base,
    /// Commands since.
    Incremental,
    /// No longer needed, and to be deleted.
    History,
}

/// How a base is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As an RDB file.
    Rdb,
    /// As commands.
    Commands,
}

/// A line of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in the directory.
    pub name: Vec<u8>,
    /// Its number; bases and incremental files are counted apart.
    pub seq: i64,
    /// What it is.
    pub kind: Kind,
}

impl File {
    /// How the manifest has it.
    fn line(&self) -> Vec<u8> {
        let mut line = b"file ".to_vec();
        // A single quote needs quotes too, or the name would not read back.
        if self.name.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte)) {
            line.extend(&self.name);
        } else {
            quote::append(&mut line, &self.name);
        }
        let kind = match self.kind {
            Kind::Base => 'b',
            Kind::History => 'h',
            Kind::Incremental => 'i',
        };
        line.extend(format!(" seq {} type {kind}\n", self.seq).into_bytes());
        line
    }
}

/// The files of one history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `appendfilename`, which all names begin with.
    prefix: Vec<u8>,
    base: Option<File>,
    /// The newest first.
    history: Vec<File>,
    /// In the order in which they are read, numbers ascending.
    incremental: Vec<File>,
    /// The last number given to a base.
    base_seq: i64,
    /// The last number given to an incremental file.
    incremental_seq: i64,
}

impl Manifest {
    /// Of no files. `prefix` is `appendfilename`.
    pub fn new(prefix: &[u8]) -> Self {
        Manifest {
            prefix: prefix.to_vec(),
            base: None,
            history: Vec::new(),
            incremental: Vec::new(),
            base_seq: 0,
            incremental_seq: 0,
        }
    }

    /// Reads a manifest. Keys that are not known are read over, as Redis does, and not kept.
    pub fn parse(prefix: &[u8], text: &[u8]) -> Result<Self, Error> {
        let mut manifest = Manifest::new(prefix);
        if text.is_empty() {
            return Err(Error { line: None, problem: Problem::Empty });
        }
        let (mut rest, mut number) = (text, 0);
        while !rest.is_empty() {
            // A line that is too long goes on as the next one, which matters for comments alone.
            let bounded = &rest[..rest.len().min(LINE_MAX)];
            let length = memchr::memchr(b'\n', bounded).map_or(bounded.len(), |at| at + 1);
            let (line, after) = rest.split_at(length);
            (rest, number) = (after, number + 1);
            if line[0] == b'#' {
                continue;
            }
            if !line.ends_with(b"\n") || line.contains(&0) {
                return Err(Error { line: None, problem: Problem::LineTooLong });
            }
            let line = line.trim_ascii();
            manifest
                .read_line(line)
                .map_err(|problem| Error { line: Some((number, line.to_vec())), problem })?;
        }
        Ok(manifest)
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), Problem> {
        let file = parse_line(line)?;
        if file.line().len() > LINE_MAX {
            // Quoted, its name would not be read again.
            return Err(Problem::LineTooLong);
        }
        match file.kind {
            Kind::Base if self.base.is_some() => return Err(Problem::DuplicateBase),
            Kind::Base => {
                self.base_seq = file.seq;
                self.base = Some(file);
            }
            Kind::History => self.history.push(file),
            Kind::Incremental if file.seq <= self.incremental_seq => return Err(Problem::Sequence),
            Kind::Incremental => {
                self.incremental_seq = file.seq;
                self.incremental.push(file);
            }
        }
        Ok(())
    }

    /// The text of the manifest.
    pub fn serialize(&self) -> Vec<u8> {
        self.base.iter().chain(&self.history).chain(&self.incremental).flat_map(File::line).collect()
    }

    /// The base, if there is one.
    pub fn base(&self) -> Option<&File> {
        self.base.as_ref()
    }

    /// The incremental files in the order in which they are read; the last one is appended to.
    pub fn incremental(&self) -> &[File] {
        &self.incremental
    }

    /// What is no longer needed. It is deleted after the manifest that says so is on the medium, and only
    /// then forgotten, so that a crash in between leaves no file that nobody knows.
    pub fn history(&self) -> &[File] {
        &self.history
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incremental.is_empty()
    }

    /// All files to be read, in order.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = &File> {
        self.base.iter().chain(&self.incremental)
    }

    /// Adds an incremental file: what is written from now on goes there.
    pub fn open_incremental(&mut self) -> &File {
        let (name, seq) = self.unused(self.incremental_seq, |manifest, seq| {
            [&manifest.prefix, format!(".{seq}.incr.aof").as_bytes()].concat()
        });
        self.incremental_seq = seq;
        self.incremental.push(File { name, seq, kind: Kind::Incremental });
        &self.incremental[self.incremental.len() - 1]
    }

    /// Puts a new base in place of the old one and of the incremental files before number `since`, which
    /// was opened when the snapshot began. All these become history.
    pub fn replace_base(&mut self, format: Format, since: i64) -> &File {
        let suffix = match format {
            Format::Rdb => "rdb",
            Format::Commands => "aof",
        };
        let (name, seq) = self.unused(self.base_seq, |manifest, seq| {
            [&manifest.prefix, format!(".{seq}.base.{suffix}").as_bytes()].concat()
        });
        self.base_seq = seq;
        let old_base = self.base.take();
        let kept = self.incremental.partition_point(|file| file.seq < since);
        for old in old_base.into_iter().chain(self.incremental.drain(..kept).rev()) {
            self.history.insert(0, File { kind: Kind::History, ..old });
        }
        // Redis takes the newest incremental file first, so that the oldest stands in front.
        self.base.insert(File { name, seq, kind: Kind::Base })
    }

    /// Nobody knows whether `new`, which has another base, is on the medium. The name of its base is not used again, and
    /// the file is deleted once a manifest is known to be.
    pub fn give_up_base(&mut self, new: &Manifest) {
        self.base_seq = new.base_seq;
        self.history.extend(new.base.clone().map(|base| File { kind: Kind::History, ..base }));
    }

    /// Takes an incremental file back that was opened but never became part of the history. Its number is free again if it
    /// was the last.
    pub fn close_incremental(&mut self, seq: i64) {
        self.incremental.retain(|file| file.seq != seq);
        if self.incremental_seq == seq {
            self.incremental_seq -= 1;
        }
    }

    /// Makes the single file of Redis before 7 the base. The manifest is written first and the file moved
    /// into the directory then.
    pub fn adopt_single_file(&mut self) {
        *self = Manifest::new(&self.prefix);
        self.base_seq = 1;
        self.base = Some(File { name: self.prefix.clone(), seq: 1, kind: Kind::Base });
    }

    /// Whether the single file of Redis before 7, which exists outside the directory, is to be adopted:
    /// there is nothing else, or an adoption was interrupted before the file was moved. `moved` says
    /// whether a file of that name lies in the directory.
    pub fn adopts_single_file(&self, moved: bool) -> bool {
        match &self.base {
            None => self.incremental.is_empty(),
            Some(base) => self.incremental.is_empty() && base.name == self.prefix && !moved,
        }
    }

    /// Forgets the history, once its files are deleted.
    pub fn forget_history(&mut self) {
        self.history.clear();
    }

    /// The next number after `last` whose name is free. A history that was not deleted yet may still hold
    /// a name when the manifest was edited by hand.
    fn unused(&self, last: i64, name: impl Fn(&Self, i64) -> Vec<u8>) -> (Vec<u8>, i64) {
        let taken = |name: &[u8]| self.files().chain(&self.history).any(|file| file.name == name);
        let mut candidates =
            (last.max(0) + 1..).map(|seq| (name(self, seq), seq)).skip_while(|(name, _)| taken(name));
        candidates.next().expect("numbers do not end")
    }
}

/// The name of the manifest itself.
pub fn manifest_name(prefix: &[u8]) -> Vec<u8> {
    [prefix, b".manifest"].concat()
}

/// The name under which a manifest is written before it replaces the old one.
pub fn temporary_manifest_name(prefix: &[u8]) -> Vec<u8> {
    [b"temp-", prefix, b".manifest"].concat()
}

/// The name of the incremental file that gathers commands until the first base is there.
pub fn temporary_incremental_name(prefix: &[u8]) -> Vec<u8> {
    [b"temp-", prefix, b".incr"].concat()
}

/// The name under which a base is written before it counts; `id` tells attempts apart.
pub fn temporary_base_name(id: u64) -> Vec<u8> {
    format!("temp-rewriteaof-bg-{id}.aof").into_bytes()
}

fn parse_line(line: &[u8]) -> Result<File, Problem> {
    let words = split_args(line).filter(|words| words.len() >= 6 && words.len().is_multiple_of(2));
    let words = words.ok_or(Problem::Format)?;
    let (mut name, mut seq, mut kind) = (None, 0, None);
    for pair in words.chunks_exact(2) {
        let value = &pair[1];
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" if is_path(value) => return Err(Problem::Path),
            b"file" => name = Some(value.clone()),
            b"seq" => seq = leading_number(value),
            b"type" => kind = value.first().copied(),
            _ => {}
        }
    }
    let (Some(name), true, Some(kind)) = (name, seq != 0 && seq <= SEQ_MAX, kind) else {
        return Err(Problem::Format);
    };
    let kind = match kind {
        b'b' => Kind::Base,
        b'h' => Kind::History,
        b'i' => Kind::Incremental,
        _ => return Err(Problem::Type),
    };
    Ok(File { name, seq, kind })
}

/// Whether a name could lead out of the directory, or to no file.
fn is_path(name: &[u8]) -> bool {
    matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| b"/\\\0".contains(byte))
}

/// The number a text begins with, as C's `atoll` reads it; zero if there is none.
fn leading_number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -value } else { value }
}

/// What is wrong with a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not a single byte.
    Empty,
    /// Not pairs of names and values, or one that is needed is missing.
    Format,
    /// A name that is a path.
    Path,
    /// Numbers of incremental files that do not ascend.
    Sequence,
    /// A second base.
    DuplicateBase,
    /// A kind of file that is not known.
    Type,
    /// A line without end, or a name that makes one.
    LineTooLong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Empty => "Found an empty AOF manifest",
            Problem::Format => "Invalid AOF manifest file format",
            Problem::Path => "File can't be a path, just a filename",
            Problem::Sequence => "Found a non-monotonic sequence number",
            Problem::DuplicateBase => "Found duplicate base file information",
            Problem::Type => "Unknown AOF file type",
            Problem::LineTooLong => "The AOF manifest file contains too long line",
        })
    }
}

/// Why a manifest cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Number (counted from 1) and text of the line, where there is one to show.
    pub line: Option<(usize, Vec<u8>)>,
    /// What is wrong.
    pub problem: Problem,
}

impl Error {
    /// The lines to log, all as warnings.
    pub fn log(&self) -> Vec<String> {
        let mut log = vec!["*** FATAL AOF MANIFEST FILE ERROR ***".to_owned()];
        if let Some((number, text)) = &self.line {
            log.push(format!("Reading the manifest file, at line {number}"));
            log.push(format!(">>> '{}'", String::from_utf8_lossy(text)));
        }
        log.push(self.problem.to_string());
        log
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.log().join("\n"))
    }
}

#[cfg(test)]
mod tests;
