//! Small whole files and appended logs, whose every call blocks: they serve start-up, CONFIG REWRITE and the
//! log. For data there is [`File`].

mod file;

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

pub use file::{File, link, list, remove_file, rename, sync_dir};

/// What is known of a file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub is_dir: bool,
    /// Bytes.
    pub len: u64,
}

/// The path of a file of that name that need not last.
pub fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Fails with `InvalidData` if it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// All of standard input.
pub fn read_standard_input() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    Ok(text)
}

/// Replaces a file so that a crash leaves the old or the new content, never a mixture: a temporary file
/// beside it, fsync, rename, fsync of the directory.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = directory.join(temporary);
    let written = (|| {
        let mut file = std::fs::File::create(&temporary)?;
        if let Ok(old) = std::fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The first error is the one to report.
        _ = std::fs::remove_file(&temporary);
        return written;
    }
    std::fs::File::open(directory)?.sync_all()
}

/// A file that only grows, made if it is missing.
#[derive(Debug)]
pub struct Appender(std::fs::File);

impl Appender {
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// The standard output of the process.
    pub fn standard_output() -> io::Result<Self> {
        Ok(Self(std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    /// Adds all bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

/// Creates or overwrites a file without the care of [`write_atomically`] (a pid file).
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    std::fs::write(path, content)
}

pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

pub fn exists(path: &Path) -> bool {
    path.exists()
}

pub fn metadata(path: &Path) -> io::Result<Metadata> {
    std::fs::metadata(path).map(|found| Metadata { is_dir: found.is_dir(), len: found.len() })
}

/// Makes a directory and those above it; one that exists is no error.
pub fn create_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path).map_err(|error| match error.kind() {
        // A directory that is there is none; what is in its way is told as the system tells of it elsewhere.
        io::ErrorKind::AlreadyExists => nix::errno::Errno::ENOTDIR.into(),
        _ => error,
    })
}

/// The paths a pattern matches, sorted; a pattern without wildcards gives itself whether it exists or
/// not, so that a missing include is an error with a name.
pub fn glob(pattern: &str) -> io::Result<Vec<PathBuf>> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![PathBuf::from(pattern)]);
    }
    let found = ::glob::glob(pattern).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    // Sorted by the crate.
    found.map(|entry| entry.map_err(io::Error::from)).collect()
}
