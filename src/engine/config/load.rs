//! Configuration files.

use std::collections::BTreeSet;
use std::fmt;

use super::row::Reason;
use super::{Config, Param, TABLE, find};
use crate::engine::text::split::split_args;

/// The version of Redis that HELLO, INFO and error texts name. Clients switch features on by it: below 7
/// some refuse to work, from 8 on they take JSON, search and vector sets for granted.
pub const REDIS_VERSION: &str = "7.4.7";

/// Files may include files; this many deep is taken for a file that includes itself.
const MAX_DEPTH: usize = 32;

/// Files read for one configuration at most: without it, files that include each other twice would go on
/// for as good as ever within the depth.
const MAX_FILES: usize = 10_000;

/// Directives of former versions that are read over: they have no meaning any more.
const OBSOLETE: [&[u8]; 4] = [
    b"list-max-ziplist-entries",
    b"list-max-ziplist-value",
    b"lua-replicate-commands",
    b"io-threads-do-reads",
];

/// Reads the files of an `include`, which may hold wildcards: path and text of each, in order. A path
/// without wildcards that cannot be read is an error, wildcards that match nothing are not.
pub type Include<'a> = &'a mut dyn FnMut(&[u8]) -> Result<Vec<(String, Vec<u8>)>, String>;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, or `None` for standard input and arguments.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: usize,
    /// The line.
    pub text: Vec<u8>,
}

/// A directive that is no parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// What follows its name.
    pub args: Vec<Vec<u8>>,
    /// Where it stands, for errors that show only later.
    pub place: Place,
}

/// What configuration files say beyond parameters, for the parts of the server that it concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `rename-command OLD NEW`; an empty new name removes the command.
    pub rename_command: Vec<Directive>,
    /// `user NAME RULES...`
    pub user: Vec<Directive>,
    /// `loadmodule PATH ARGUMENTS...`
    pub loadmodule: Vec<Directive>,
    /// `sentinel ...`
    pub sentinel: Vec<Directive>,
    /// The server is a Sentinel, so that directives for it are welcome. Set before loading.
    pub sentinel_mode: bool,
}

/// Why a configuration cannot be used; as text it is what the server prints before it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The directive at fault, unless it is a matter of several.
    pub place: Option<Place>,
    /// What is wrong.
    pub reason: Reason,
}

impl LoadError {
    /// A directive that was read without objection turned out to be wrong.
    pub fn of(directive: &Directive, reason: impl Into<Reason>) -> Self {
        Self { place: Some(directive.place.clone()), reason: reason.into() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***")?;
        if let Some(place) = &self.place {
            let of_file = place.file.as_ref().map(|file| format!(" of {file}")).unwrap_or_default();
            writeln!(f, "Reading the configuration file, at line {}{of_file}", place.line)?;
            writeln!(f, ">>> '{}'", String::from_utf8_lossy(&place.text))?;
        }
        writeln!(f, "{}", self.reason)
    }
}

impl std::error::Error for LoadError {}

/// The parts of a server's configuration at its start; later ones win.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// Path and text of the file.
    pub file: Option<(&'a str, &'a [u8])>,
    /// What standard input held, if it was to be read.
    pub stdin: Option<&'a [u8]>,
    /// The directives of the arguments: [`super::Arguments::directives`].
    pub arguments: &'a [u8],
}

impl Config {
    /// Reads the text of a file. On error nothing has changed.
    pub fn load(&mut self, text: &[u8], file: Option<&str>, include: Include<'_>) -> Result<(), LoadError> {
        self.load_pieces(&[(file, text)], include)
    }

    /// Reads everything that configures a server at its start as if it were one file, so that line numbers
    /// go on from the file to the arguments as in Redis. On error nothing has changed.
    pub fn load_sources(&mut self, sources: Sources<'_>, include: Include<'_>) -> Result<(), LoadError> {
        let (path, file) = sources.file.map_or((None, &b""[..]), |(path, text)| (Some(path), text));
        self.load_pieces(
            &[(path, file), (None, sources.stdin.unwrap_or_default()), (None, sources.arguments)],
            include,
        )
    }

    fn load_pieces(
        &mut self,
        pieces: &[(Option<&str>, &[u8])],
        include: Include<'_>,
    ) -> Result<(), LoadError> {
        let mut config = self.clone();
        let mut loader = Loader { config: &mut config, seen: BTreeSet::new(), include, depth: 0, files: 0 };
        let mut line = 0;
        for (index, (file, text)) in pieces.iter().enumerate() {
            line = loader.load(text, *file, line)?;
            // What follows a file begins on its last line, if that is empty; the arguments stand apart.
            let is_open = text.is_empty() || text.ends_with(b"\n");
            line -= usize::from(is_open && index + 2 < pieces.len());
        }
        config.check()?;
        *self = config;
        Ok(())
    }

    /// Conditions between parameters.
    fn check(&mut self) -> Result<(), LoadError> {
        if let Some(reason) = TABLE.iter().find_map(|row| self.conflict(row.id)) {
            return Err(LoadError { place: None, reason });
        }
        if self.cluster_enabled {
            if self.replicaof.0.is_some() {
                let reason = "replicaof directive not allowed in cluster mode".into();
                return Err(LoadError { place: None, reason });
            }
            self.databases = self.cluster_databases;
        }
        self.settle();
        Ok(())
    }
}

struct Loader<'a, 'b> {
    config: &'a mut Config,
    /// What was set by this configuration, rather than by default.
    seen: BTreeSet<Param>,
    include: Include<'b>,
    depth: usize,
    /// Included so far.
    files: usize,
}

impl Loader<'_, '_> {
    /// Reads a text whose first line comes after `line` others; gives the number of its last one.
    fn load(&mut self, text: &[u8], file: Option<&str>, mut line: usize) -> Result<usize, LoadError> {
        for text in text.split(|&byte| byte == b'\n') {
            line += 1;
            let text = trim(text);
            if matches!(text.first(), None | Some(b'#')) {
                continue;
            }
            let place = || Place { file: file.map(str::to_owned), line, text: text.to_vec() };
            let fail = |reason| LoadError { place: Some(place()), reason };
            let args =
                split_args(text).ok_or_else(|| fail("Unbalanced quotes in configuration line".into()))?;
            let Some((name, args)) = args.split_first() else { continue };
            match name.to_ascii_lowercase().as_slice() {
                b"include" if args.len() == 1 => self.include(&args[0], place)?,
                name => self.directive(name, args, place).map_err(fail)?,
            }
        }
        Ok(line)
    }

    fn include(&mut self, pattern: &[u8], place: impl Fn() -> Place) -> Result<(), LoadError> {
        let fail = |reason: Reason| LoadError { place: Some(place()), reason };
        let files = (self.include)(pattern).map_err(|reason| fail(reason.into()))?;
        self.files += files.len();
        if self.depth == MAX_DEPTH || self.files > MAX_FILES {
            return Err(fail("Too many included files".into()));
        }
        self.depth += 1;
        for (path, text) in files {
            self.load(&text, Some(&path), 0)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn directive(&mut self, name: &[u8], args: &[Vec<u8>], place: impl Fn() -> Place) -> Result<(), Reason> {
        if find(name).is_some() {
            return self.parameter(name, args);
        }
        let directives = &mut self.config.directives;
        let list = match name {
            b"rename-command" if args.len() == 2 => &mut directives.rename_command,
            b"user" if !args.is_empty() => &mut directives.user,
            b"loadmodule" if !args.is_empty() => &mut directives.loadmodule,
            // The word alone only chooses the mode, which is done before files are read.
            b"sentinel" if args.is_empty() => return Ok(()),
            b"sentinel" if directives.sentinel_mode => &mut directives.sentinel,
            b"sentinel" => return Err("sentinel directive while not in sentinel mode".into()),
            _ if OBSOLETE.contains(&name) && args.len() == 1 => return Ok(()),
            _ => return Err("Bad directive or wrong number of arguments".into()),
        };
        list.push(Directive { args: args.to_vec(), place: place() });
        Ok(())
    }

    fn parameter(&mut self, name: &[u8], args: &[Vec<u8>]) -> Result<(), Reason> {
        let Some(row) = find(name) else { return Ok(()) };
        let split;
        let args = match args {
            // Several arguments may come quoted as one, as in `--save "60 1"`.
            [all] if row.takes_many(self.config) && !all.is_empty() => {
                split = split_args(all).ok_or("Unbalanced quotes in configuration line")?;
                &split
            }
            _ => args,
        };
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let more = !self.seen.insert(row.id);
        row.set(self.config, &args, more)?;
        Ok(())
    }
}

/// Without the blanks that Redis trims from lines.
pub(super) fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|byte| !blank(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}
