//! `redis-check-aof`: says whether append-only files are whole, and cuts off what is not.
//!
//! Output and exit codes are those of Redis's tool, which scripts read. Checksums are compared besides.

use super::load::path;
use crate::actor::log::reason;
use crate::engine::aof::manifest::{File as Listed, Manifest};
use crate::engine::aof::message;
use crate::engine::aof::recovery::{is_lost_base, is_rdb_base};
use crate::engine::aof::scan::{Damage, Item, Problem, Scanner, begins_rdb};
use crate::engine::rdb;
use crate::runtime::fs::File;
use crate::runtime::{fs, task};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;
/// The least that an RDB file has.
const RDB_MIN: u64 = 8;

/// The check ends here with a failure; why has been said.
struct Failed;

type Outcome<T> = Result<T, Failed>;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Check,
    /// Cut off what is damaged.
    Fix,
    /// Cut off what came after this second.
    TruncateTo(i64),
}

/// How a file was found, or left.
enum Found {
    Valid,
    Empty,
    Fixed,
    TruncatedTo(i64),
}

/// What a file is, by its first bytes.
enum Content {
    Manifest,
    Commands,
    Rdb,
}

/// Does what the arguments ask for, the program's name first.
pub fn run(command_line: &[Vec<u8>]) -> ExitCode {
    match Tool::new(&mut io::stdin().lock(), &mut io::stdout().lock()).run(command_line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed) => ExitCode::FAILURE,
    }
}

struct Tool<'a> {
    mode: Mode,
    /// Whether there were checksums in a file.
    checksummed: bool,
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

impl<'a> Tool<'a> {
    fn new(input: &'a mut dyn BufRead, output: &'a mut dyn Write) -> Self {
        Tool { mode: Mode::Check, checksummed: false, input, output }
    }

    fn run(&mut self, command_line: &[Vec<u8>]) -> Outcome<()> {
        let words: Vec<&[u8]> = command_line.iter().skip(1).map(Vec::as_slice).collect();
        let file = match words[..] {
            [file] => file,
            [b"--fix", file] => {
                self.mode = Mode::Fix;
                file
            }
            [b"--truncate-to-timestamp", second, file] => {
                let second = std::str::from_utf8(second).ok().and_then(|text| text.parse().ok());
                let Some(second) = second else { return self.fail("Invalid timestamp, aborting...") };
                self.mode = Mode::TruncateTo(second);
                file
            }
            _ => {
                let program =
                    command_line.first().map(|name| String::from_utf8_lossy(name)).unwrap_or_default();
                return self.fail(&format!(
                    "Usage: {program} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"
                ));
            }
        };
        let shown = String::from_utf8_lossy(file);
        let content = match content(path(file)) {
            Ok(content) => content,
            Err(error) => return self.fail(&format!("Cannot open file {shown}: {}", reason(&error))),
        };
        match content {
            Content::Manifest => self.manifest(path(file)),
            Content::Commands | Content::Rdb => {
                self.say("Start checking Old-Style AOF");
                let found = self.file(&shown, path(file), true, matches!(content, Content::Rdb))?;
                self.conclude("AOF", &shown, &found);
                Ok(())
            }
        }
    }

    fn manifest(&mut self, place: &Path) -> Outcome<()> {
        self.say("Start checking Multi Part AOF");
        let text = match fs::read(place) {
            Ok(text) => text,
            Err(error) => {
                let text = format!(
                    "Fatal error: can't open the AOF manifest file {} for reading: {}",
                    place.display(),
                    reason(&error)
                );
                return self.fail(&text);
            }
        };
        let manifest = match Manifest::parse(b"", &text) {
            Ok(manifest) => manifest,
            Err(error) => return self.fail(&error.to_string()),
        };
        let folder = place.parent().unwrap_or(Path::new(""));
        let last = manifest.files().next_back().map(|file| &file.name);
        let is_last = |file: &Listed| Some(&file.name) == last;
        let mut empty_base = None;
        if let Some(base) = manifest.base() {
            let place = folder.join(path(&base.name));
            let rdb = matches!(content(&place), Ok(Content::Rdb));
            self.say(&format!("Start to check BASE AOF ({} format).", if rdb { "RDB" } else { "RESP" }));
            let found = self.part("BASE AOF", base, place, is_last(base), rdb)?;
            empty_base = Some(base).filter(|_| matches!(found, Found::Empty));
        }
        if !manifest.incremental().is_empty() {
            self.say("Start to check INCR files.");
        }
        for file in manifest.incremental() {
            self.part("INCR AOF", file, folder.join(path(&file.name)), is_last(file), false)?;
            if let Some(base) = empty_base.filter(|base| is_lost_base(&base.name, self.checksummed)) {
                return self.fail(&message::lost_base(&base.name));
            }
        }
        self.say("All AOF files and manifest are valid");
        Ok(())
    }

    fn part(&mut self, kind: &str, file: &Listed, place: PathBuf, last: bool, rdb: bool) -> Outcome<Found> {
        let name = String::from_utf8_lossy(&file.name);
        let found = self.file(&name, &place, last, rdb)?;
        self.conclude(kind, &name, &found);
        Ok(found)
    }

    /// Checks one file; only the last one of a history may be cut.
    fn file(&mut self, name: &str, place: &Path, last: bool, rdb: bool) -> Outcome<Found> {
        let opened = File::open(place).and_then(|file| Ok((file.len()?, file)));
        let (size, mut file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let text = format!("Cannot open file {}: {}, aborting...", place.display(), reason(&error));
                return self.fail(&text);
            }
        };
        if size == 0 {
            let lost = is_lost_base(name.as_bytes(), false);
            return if lost { self.fail(&message::lost_base(name.as_bytes())) } else { Ok(Found::Empty) };
        }
        let start = if rdb { self.preamble(&mut file)? } else { 0 };
        let mut scanner = Scanner::new(start, size);
        let end = match self.scan(&mut file, &mut scanner) {
            Ok(end) => end,
            Err(error) => {
                return self
                    .fail(&format!("Failed to read from AOF {name}, aborting... ({})", reason(&error)));
            }
        };
        self.checksummed |= scanner.checksummed();
        let lines = scanner.lines() + 1;
        let damage = match end {
            Stopped::Later(offset, limit) => return self.truncate_to(name, place, last, offset, limit),
            Stopped::Damage(damage) => Some(damage),
            Stopped::End => scanner.finish().err(),
        };
        let damage = damage.map(|damage| damage.of_file(self.checksummed));
        let good = damage.as_ref().map_or(size, |damage| damage.good);
        if let Some(damage) = &damage {
            self.say(&describe(name, damage));
        }
        let dropped = size - good;
        if good == 0 && damage.is_some() && is_rdb_base(name.as_bytes()) {
            return self.fail(&message::no_rdb_magic(name.as_bytes(), size.saturating_sub(9)));
        }
        if let (0, Mode::TruncateTo(limit)) = (dropped, self.mode) {
            self.say(&format!("Truncate nothing in AOF {name} to timestamp {limit}"));
            return Ok(Found::Valid);
        }
        self.say(&format!(
            "AOF analyzed: filename={name}, size={size}, ok_up_to={good}, ok_up_to_line={lines}, diff={dropped}"
        ));
        match (dropped, self.mode) {
            (0, _) => Ok(Found::Valid),
            (_, Mode::Fix) => self.fix(name, place, last, size, good),
            _ => self.fail(&format!("AOF {name} is not valid. Use the --fix option to try fixing it.")),
        }
    }

    /// Reads items up to the end, damage, or the first second that is to be cut off.
    fn scan(&self, file: &mut File, scanner: &mut Scanner) -> io::Result<Stopped> {
        let mut buffer = vec![0; CHUNK];
        loop {
            loop {
                let stamp = match scanner.next() {
                    Err(damage) => return Ok(Stopped::Damage(damage)),
                    Ok(None) => break,
                    // Only a base may be one, and a base has been read to its end.
                    Ok(Some(Item::Preamble)) => {
                        let problem = Problem::Start(b'R');
                        return Ok(Stopped::Damage(Damage { offset: 0, good: 0, good_own: 0, problem }));
                    }
                    Ok(Some(Item::Command(_))) => None,
                    Ok(Some(Item::Annotation(line))) => line.strip_prefix(b"#TS:").map(second),
                };
                if let (Some(stamp), Mode::TruncateTo(limit)) = (stamp, self.mode) {
                    let Some(stamp) = stamp else {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "Invalid timestamp annotation",
                        ));
                    };
                    if stamp > limit {
                        return Ok(Stopped::Later(scanner.item_offset(), limit));
                    }
                }
            }
            match file.read(&mut buffer)? {
                0 => return Ok(Stopped::End),
                read => scanner.push(&buffer[..read]),
            }
        }
    }

    /// Reads an RDB file at the beginning of `file`, which then stands at its end, and gives its length.
    fn preamble(&mut self, file: &mut File) -> Outcome<u64> {
        let (limits, mut sound);
        limits = rdb::Limits::any();
        let decoded = {
            let source = rdb::Buffered::new(|buffer| file.read(buffer).map_err(|error| reason(&error)));
            let mut decoder = rdb::Decoder::new(source, &limits, 0, true);
            loop {
                sound = decoder.position();
                match decoder.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(decoder.position()),
                    Err(error) => break Err(error),
                }
            }
        };
        let sought = decoded.map_err(|error| error.to_string()).and_then(|length| {
            file.seek(length).map_err(|error| reason(&error))?;
            Ok(length)
        });
        match sought {
            Ok(length) => {
                self.say("RDB preamble is OK, proceeding with AOF tail...");
                Ok(length)
            }
            Err(error) => {
                self.say("--- RDB ERROR DETECTED ---");
                self.say(&error);
                self.say(&format!("everything before offset {sound} can be read"));
                self.fail("RDB preamble of AOF file is not sane, aborting.")
            }
        }
    }

    fn truncate_to(
        &mut self,
        name: &str,
        place: &Path,
        last: bool,
        offset: u64,
        limit: i64,
    ) -> Outcome<Found> {
        if offset == 0 {
            return self.fail(&format!("AOF {name} has nothing before timestamp {limit}, aborting..."));
        }
        if !last {
            self.say(&format!(
                "Failed to truncate AOF {name} to timestamp {limit} to offset {offset} because it is not the last file."
            ));
            return self.fail(
                "If you insist, please delete all files after this file according to the manifest file and \
                 delete the corresponding records in manifest file manually. Then re-run redis-check-aof.",
            );
        }
        match cut(place, offset) {
            Ok(()) => Ok(Found::TruncatedTo(limit)),
            Err(_) => self.fail(&format!("Failed to truncate AOF {name} to timestamp {limit}")),
        }
    }

    fn fix(&mut self, name: &str, place: &Path, last: bool, size: u64, good: u64) -> Outcome<Found> {
        if !last {
            return self.fail(&format!("Failed to truncate AOF {name} because it is not the last file"));
        }
        let dropped = size - good;
        self.say(&format!(
            "This will shrink the AOF {name} from {size} bytes, with {dropped} bytes, to {good} bytes"
        ));
        _ = write!(self.output, "Continue? [y/N]: ");
        _ = self.output.flush();
        let mut answer = Vec::new();
        let read = self.input.read_until(b'\n', &mut answer);
        if read.is_err() || !answer.first().is_some_and(|first| first.eq_ignore_ascii_case(&b'y')) {
            return self.fail("Aborting...");
        }
        match cut(place, good) {
            Ok(()) => Ok(Found::Fixed),
            Err(_) => self.fail(&format!("Failed to truncate AOF {name}")),
        }
    }

    fn conclude(&mut self, kind: &str, name: &str, found: &Found) {
        self.say(&match found {
            Found::Valid => format!("{kind} {name} is valid"),
            Found::Empty => format!("{kind} {name} is empty"),
            Found::Fixed => format!("Successfully truncated AOF {name}"),
            Found::TruncatedTo(limit) => format!("Successfully truncated AOF {name} to timestamp {limit}"),
        });
    }

    fn say(&mut self, line: &str) {
        // Nobody is left to tell when standard output is gone.
        _ = writeln!(self.output, "{line}");
    }

    fn fail<T>(&mut self, line: &str) -> Outcome<T> {
        self.say(line);
        Err(Failed)
    }
}

/// Why reading ended.
enum Stopped {
    End,
    Damage(Damage),
    /// Here begins what was written after that second.
    Later(u64, i64),
}

/// The line that says what is wrong, laid out as Redis's tool does.
fn describe(name: &str, damage: &Damage) -> String {
    let Damage { offset, problem, .. } = damage;
    match problem {
        Problem::Start(_) => format!("AOF {name} format error"),
        Problem::NestedMulti | Problem::Exec => format!("0x{offset:16x}: {problem} in AOF {name}"),
        _ => format!("0x{offset:16x}: {problem}"),
    }
}

/// The second in what follows `#TS:`.
fn second(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text.strip_suffix(b"\r\n")?).ok()?.parse().ok()
}

/// What a file is: a manifest has, comments apart, `file` in front.
fn content(place: &Path) -> io::Result<Content> {
    let mut file = File::open(place)?;
    let mut front = vec![0; CHUNK];
    let mut length = 0;
    while length < front.len() {
        match file.read(&mut front[length..])? {
            0 => break,
            read => length += read,
        }
    }
    let front = &front[..length];
    if begins_rdb(front) && length as u64 >= RDB_MIN {
        return Ok(Content::Rdb);
    }
    let mut lines = front.split(|byte| *byte == b'\n');
    let first = lines.find(|line| !line.starts_with(b"#"));
    let manifest = first.is_some_and(|line| line.starts_with(b"file"));
    Ok(if manifest { Content::Manifest } else { Content::Commands })
}

/// Cuts a file, and waits until the disk has it so.
fn cut(place: &Path, length: u64) -> io::Result<()> {
    task::block_on_main(async {
        let mut file = File::append_to(place)?;
        file.set_len(length).await?;
        file.sync_all().await
    })?
}

// The simulator's files exist only in its worlds.
#[cfg(all(test, not(madsim)))]
mod tests;
