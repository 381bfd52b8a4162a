//! Files for data. Writing, syncing and truncating block the calling thread although they are `async`:
//! only for tasks on a thread of their own.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Metadata;

/// An open file with a position of its own.
#[derive(Debug)]
pub struct File {
    file: std::fs::File,
    sync_every: Option<u64>,
    /// Bytes written since the last sync.
    unsynced: u64,
}

impl File {
    /// For reading, from the start.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::File::open(path).map(Self::from)
    }

    /// For writing and reading, empty, made if it is missing.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).open(path).map(Self::from)
    }

    /// For writing and reading, from its end, made if it is missing.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self::from(file))
    }

    /// Reads some bytes, perhaps fewer than there are; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Goes on at `position`, counted from the start, which may lie behind the end.
    pub fn seek(&mut self, position: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(position)).map(|_| ())
    }

    /// Has what is read from now on come from the disk and not from the system's cache, where it can: pages that are not
    /// written yet stay.
    pub fn forget_cached(&self) {
        // Advice, which may be ignored.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// Bytes in the file.
    #[expect(clippy::len_without_is_empty, reason = "it asks the disk and can fail")]
    pub fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|found| found.len())
    }

    /// Has written data go to the disk each time `bytes` more have been written, so that the last sync of
    /// a long file does not have it all to do.
    pub fn sync_every(&mut self, bytes: u64) {
        self.sync_every = Some(bytes);
    }

    /// Writes some bytes, perhaps fewer than given, and tells how many.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        self.unsynced += written as u64;
        if self.sync_every.is_some_and(|bytes| self.unsynced >= bytes) {
            self.sync_data().await?;
        }
        Ok(written)
    }

    /// Writes all bytes. After an error some of them may be in the file.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    /// Returns once the content and its length are on the disk. After an error nobody knows which part
    /// of what was written before is there, and a later success does not tell.
    pub async fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.unsynced = 0;
        Ok(())
    }

    /// As [`File::sync_data`], with times and permissions.
    pub async fn sync_all(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.unsynced = 0;
        Ok(())
    }

    /// Cuts the file, or lets it grow by zeros. The position stays.
    pub async fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self { file, sync_every: None, unsynced: 0 }
    }
}

/// Gives a file another name, taking it from whatever had it. Durable after [`sync_dir`].
pub async fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Takes a name from a file. Durable after [`sync_dir`].
pub async fn remove_file(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Gives a file a second name, which must be free. Durable after [`sync_dir`].
pub async fn link(original: &Path, link: &Path) -> io::Result<()> {
    std::fs::hard_link(original, link)
}

/// Returns once the names in a directory are on the disk.
pub async fn sync_dir(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// What is in a directory, sorted by name.
pub fn list(path: &Path) -> io::Result<Vec<(OsString, Metadata)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // Links are followed; one that leads nowhere is not there.
        match super::metadata(&entry.path()) {
            Ok(metadata) => found.push((entry.file_name(), metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}
