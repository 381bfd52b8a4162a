//! Files for data, on a disk that takes its time and can fail.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use super::Metadata;
use crate::runtime::madsim::disk::{Access, EBADF, Inode, Operation, Volume, absolute, error};

/// An open file with a position of its own.
pub struct File {
    access: Access,
    inode: Inode,
    writable: bool,
    position: u64,
    sync_every: Option<u64>,
    /// Bytes written since the last sync.
    unsynced: u64,
}

impl File {
    /// For reading, from the start.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (access, path) = (Access::current(), absolute(path));
        let inode = access.now(Operation::Open, |disk| disk.open(&path))?;
        Ok(Self { access, inode, writable: false, position: 0, sync_every: None, unsynced: 0 })
    }

    /// For writing and reading, empty, made if it is missing.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::for_writing(path, true)
    }

    /// For writing and reading, from its end, made if it is missing.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        Self::for_writing(path, false)
    }

    fn for_writing(path: &Path, truncate: bool) -> io::Result<Self> {
        let (access, path) = (Access::current(), absolute(path));
        let (inode, position) = access.now(Operation::Open, |disk| {
            let inode = disk.open_for_writing(&path, truncate)?;
            Ok((inode, disk.volume.content(inode).len()))
        })?;
        Ok(Self { access, inode, writable: true, position, sync_every: None, unsynced: 0 })
    }

    /// Reads some bytes, perhaps fewer than there are; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.access.now(Operation::Read, |disk| disk.read(self.inode, self.position, buffer))?;
        self.position += read as u64;
        Ok(read)
    }

    /// Goes on at `position`, counted from the start, which may lie behind the end.
    pub fn seek(&mut self, position: u64) -> io::Result<()> {
        self.position = position;
        Ok(())
    }

    /// Has what is read from now on come from the disk, as it does here anyway.
    pub fn forget_cached(&self) {}

    /// Bytes in the file.
    #[expect(clippy::len_without_is_empty, reason = "it asks the disk and can fail")]
    pub fn len(&self) -> io::Result<u64> {
        self.access.look(|volume| Ok(volume.content(self.inode).len()))
    }

    /// Has written data go to the disk each time `bytes` more have been written, so that the last sync of
    /// a long file does not have it all to do.
    pub fn sync_every(&mut self, bytes: u64) {
        self.sync_every = Some(bytes);
    }

    /// Writes some bytes, perhaps fewer than given, and tells how many.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_writable()?;
        let (inode, position) = (self.inode, self.position);
        let writing = self.access.operate(Operation::Write, |disk| disk.write(inode, position, bytes));
        let written = writing.await?;
        self.position += written as u64;
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
        let inode = self.inode;
        self.access.operate(Operation::Sync, |disk| disk.sync(inode)).await?;
        self.unsynced = 0;
        Ok(())
    }

    /// As [`File::sync_data`], with times and permissions.
    pub async fn sync_all(&mut self) -> io::Result<()> {
        self.sync_data().await
    }

    /// Cuts the file, or lets it grow by zeros. The position stays.
    pub async fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let inode = self.inode;
        self.access.operate(Operation::Write, |disk| disk.set_len(inode, len)).await
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(error(EBADF)) }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Fails if the process that opened it is gone, and then there is nothing to close.
        _ = self.access.look(|volume| {
            volume.close(self.inode);
            Ok(())
        });
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("inode", &self.inode).field("position", &self.position).finish()
    }
}

/// Gives a file another name, taking it from whatever had it. Durable after [`sync_dir`].
pub async fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (absolute(from), absolute(to));
    change_names(|volume| volume.rename(&from, &to)).await
}

/// Takes a name from a file. Durable after [`sync_dir`].
pub async fn remove_file(path: &Path) -> io::Result<()> {
    let path = absolute(path);
    change_names(|volume| volume.unlink(&path)).await
}

/// Gives a file a second name, which must be free. Durable after [`sync_dir`].
pub async fn link(original: &Path, link: &Path) -> io::Result<()> {
    let (original, link) = (absolute(original), absolute(link));
    change_names(|volume| volume.link(&original, &link)).await
}

/// Returns once the names in a directory are on the disk.
pub async fn sync_dir(path: &Path) -> io::Result<()> {
    let path = absolute(path);
    Access::current().operate(Operation::SyncDirectory, |disk| disk.sync_directory(&path)).await
}

async fn change_names(act: impl FnOnce(&mut Volume) -> io::Result<()>) -> io::Result<()> {
    Access::current().operate(Operation::Name, |disk| disk.change_names(act)).await
}

/// What is in a directory, sorted by name.
pub fn list(path: &Path) -> io::Result<Vec<(OsString, Metadata)>> {
    let path = absolute(path);
    Access::current().look(|volume| {
        let names = volume.names(volume.find(&path)?)?;
        let describe = |inode| {
            let (is_dir, len) = volume.describe(inode);
            Metadata { is_dir, len }
        };
        Ok(names.iter().map(|(name, inode)| (name.clone(), describe(*inode))).collect())
    })
}
