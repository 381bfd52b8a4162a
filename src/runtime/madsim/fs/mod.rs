//! Small whole files and appended logs, whose every call takes no time. For data there is [`File`]. All are on
//! the [`SimDisk`](super::simulation::SimDisk) of the node.

mod file;

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Inode, Operation, absolute};

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
    let mut file = File::open(path)?;
    let mut content = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(content),
            count => content.extend_from_slice(&buffer[..count]),
        }
    }
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
    let access = Access::current();
    let written = opened(&access, &temporary, true, |file| {
        write_at(&access, file, 0, content)?;
        access.now(Operation::Sync, |disk| disk.sync(file))?;
        access.now(Operation::Name, |disk| disk.change_names(|volume| volume.rename(&temporary, &path)))
    });
    if written.is_err() {
        // The first error is the one to report.
        _ = remove(&temporary);
        return written;
    }
    access.now(Operation::SyncDirectory, |disk| disk.sync_directory(directory))
}

/// Does something with a file that is open meanwhile.
fn opened(
    access: &Access,
    path: &Path,
    truncate: bool,
    act: impl FnOnce(Inode) -> io::Result<()>,
) -> io::Result<()> {
    let file = access.now(Operation::Open, |disk| disk.open_for_writing(path, truncate))?;
    let outcome = act(file);
    // Nothing to close if the process is dead.
    _ = access.look(|volume| {
        volume.close(file);
        Ok(())
    });
    outcome
}

fn write_at(access: &Access, file: Inode, mut position: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = access.now(Operation::Write, |disk| disk.write(file, position, bytes))?;
        position += written as u64;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// A file that only grows, made if it is missing.
#[derive(Debug)]
pub struct Appender(PathBuf);

impl Appender {
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = absolute(path);
        opened(&Access::current(), &path, false, |_| Ok(()))?;
        Ok(Self(path))
    }

    /// A file, since a simulated process has no terminal.
    pub fn standard_output() -> io::Result<Self> {
        Self::open(Path::new("/run/stdout"))
    }

    /// Adds all bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let access = Access::current();
        opened(&access, &self.0, false, |file| {
            let end = access.look(|volume| Ok(volume.content(file).len()))?;
            write_at(&access, file, end, bytes)
        })
    }
}

/// Creates or overwrites a file without the care of [`write_atomically`] (a pid file).
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let access = Access::current();
    opened(&access, &absolute(path), true, |file| write_at(&access, file, 0, content))
}

pub fn remove(path: &Path) -> io::Result<()> {
    let path = absolute(path);
    Access::current().now(Operation::Name, |disk| disk.change_names(|volume| volume.unlink(&path)))
}

pub fn exists(path: &Path) -> bool {
    metadata(path).is_ok()
}

pub fn metadata(path: &Path) -> io::Result<Metadata> {
    let path = absolute(path);
    Access::current().look(|volume| {
        let (is_dir, len) = volume.describe(volume.find(&path)?);
        Ok(Metadata { is_dir, len })
    })
}

/// Makes a directory and those above it; one that exists is no error.
pub fn create_dir(path: &Path) -> io::Result<()> {
    let path = absolute(path);
    Access::current()
        .now(Operation::Name, |disk| disk.change_names(|volume| volume.create_directories(&path)))
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
    let mut paths = Access::current().look(|volume| Ok(volume.paths()))?;
    paths.retain(|path| pattern.matches_path_with(path, options));
    Ok(paths)
}
