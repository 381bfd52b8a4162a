//! Small whole files and appended logs, whose every call takes no time. For data there is [`File`]. All are on
//! the [`SimDisk`](super::simulation::SimDisk) of the node.

mod file;

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, absolute};

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
    Path::new("/tmp").join(name)
}

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let path = absolute(path);
    Access::current().now(|volume| Ok(volume.content(volume.find_file(&path)?).bytes().to_vec()))
}

/// Fails with `InvalidData` if it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Nothing: nobody writes to a simulated process.
pub fn read_standard_input() -> io::Result<Vec<u8>> {
    Ok(Vec::new())
}

/// Replaces a file so that a crash leaves the old or the new content, never a mixture: a temporary file
/// beside it, fsync, rename, fsync of the directory.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = absolute(path);
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = path.clone().into_os_string();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    write(&temporary, content)?;
    let access = Access::current();
    let renamed = access
        .now(|volume| {
            let file = volume.find_file(&temporary)?;
            volume.content_mut(file).sync();
            Ok(())
        })
        .and_then(|()| access.now(|volume| volume.rename(&temporary, &path)));
    if renamed.is_err() {
        // The first error is the one to report.
        _ = remove(&temporary);
        return renamed;
    }
    access.now(|volume| volume.sync_directory(volume.find(directory)?))
}

/// A file that only grows, made if it is missing.
#[derive(Debug)]
pub struct Appender(PathBuf);

impl Appender {
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = absolute(path);
        Access::current().now(|volume| volume.find_or_create(&path))?;
        Ok(Self(path))
    }

    /// A file, since a simulated process has no terminal.
    pub fn standard_output() -> io::Result<Self> {
        Self::open(Path::new("/run/stdout"))
    }

    /// Adds all bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        Access::current().now(|volume| {
            let file = volume.find_or_create(&self.0)?;
            let end = volume.content(file).len();
            volume.content_mut(file).write(end, bytes);
            Ok(())
        })
    }
}

/// Creates or overwrites a file without the care of [`write_atomically`] (a pid file).
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = absolute(path);
    Access::current().now(|volume| {
        let file = volume.find_or_create(&path)?;
        volume.content_mut(file).set_len(0);
        volume.content_mut(file).write(0, content);
        Ok(())
    })
}

pub fn remove(path: &Path) -> io::Result<()> {
    let path = absolute(path);
    Access::current().now(|volume| volume.unlink(&path))
}

pub fn exists(path: &Path) -> bool {
    metadata(path).is_ok()
}

pub fn metadata(path: &Path) -> io::Result<Metadata> {
    let path = absolute(path);
    Access::current().now(|volume| {
        let (is_dir, len) = volume.describe(volume.find(&path)?);
        Ok(Metadata { is_dir, len })
    })
}

/// Makes a directory and those above it; one that exists is no error.
pub fn create_dir(path: &Path) -> io::Result<()> {
    let path = absolute(path);
    Access::current().now(|volume| volume.create_directories(&path))
}

/// The paths a pattern matches, sorted; a pattern without wildcards gives itself whether it exists or
/// not, so that a missing include is an error with a name.
pub fn glob(pattern: &str) -> io::Result<Vec<PathBuf>> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![PathBuf::from(pattern)]);
    }
    let absolute = absolute(Path::new(pattern));
    let pattern = ::glob::Pattern::new(&absolute.to_string_lossy())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    // As a shell does: a star stays within one directory.
    let options = ::glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    let mut paths = Access::current().now(|volume| Ok(volume.paths()))?;
    paths.retain(|path| pattern.matches_path_with(path, options));
    Ok(paths)
}
