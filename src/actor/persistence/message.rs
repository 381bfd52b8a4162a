//! What the keyspace and the threads of files tell each other.

use crate::engine::config::{Appendfsync, Config};
use crate::engine::rdb;
use crate::runtime::sync::oneshot;
use std::path::PathBuf;

/// How the append-only file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When it is flushed to the medium.
    pub fsync: Appendfsync,
    /// The time is noted.
    pub timestamps: bool,
    /// Checksums are.
    pub checksums: bool,
    /// `everysec` does not flush while something is saved.
    pub spare_saves: bool,
    /// Files that are no longer needed stay.
    pub keep_history: bool,
}

impl From<&Config> for Policy {
    fn from(config: &Config) -> Self {
        Policy {
            fsync: config.appendfsync,
            timestamps: config.aof_timestamp_enabled,
            checksums: config.aof_checksums,
            spare_saves: config.no_appendfsync_on_rewrite,
            keep_history: config.aof_disable_auto_gc,
        }
    }
}

/// What the keyspace tells the writer of the append-only file. The queue is as long as the medium is slow; it
/// counts as used memory.
#[derive(Debug)]
pub enum ToAof {
    /// Append this part of the propagated stream.
    Append {
        /// Whole units.
        bytes: Vec<u8>,
        /// The stream's position after them.
        end: u64,
    },
    /// Write like this from now on.
    Policy(Policy),
    /// A snapshot is being written, or no longer.
    Saving(bool),
    /// A rewrite began: what follows goes into another file.
    Rotate,
    /// The rewrite's snapshot is written: it becomes the base. The answer is its size, or why it is not.
    Commit {
        /// Where it is.
        base: PathBuf,
        /// Whether it is an RDB file.
        is_rdb: bool,
        /// Who wants to know.
        done: oneshot::Sender<Result<u64, String>>,
    },
    /// Link the base into this directory too. The answer is its name, or why it is not there.
    Pin {
        /// The directory.
        into: PathBuf,
        /// Who wants to know.
        done: oneshot::Sender<Result<Vec<u8>, String>>,
    },
    /// Flush everything, link all files into this directory, with a manifest, and go on in a new file. The answer is
    /// their names, or why they are not there.
    Seal {
        /// The directory.
        into: PathBuf,
        /// Who wants to know.
        done: oneshot::Sender<Result<Vec<Vec<u8>>, String>>,
    },
    /// Flush everything, and say whether that worked.
    Flush(oneshot::Sender<Result<(), String>>),
    /// The same, and then end.
    Close(oneshot::Sender<Result<(), String>>),
}

/// What the writer of the append-only file reports.
#[derive(Debug)]
pub enum FromAof {
    /// The stream is on the medium up to this position.
    Durable {
        /// The position.
        position: u64,
        /// Bytes of all files.
        size: u64,
    },
    /// It could not be written.
    Failed {
        /// Why.
        why: String,
        /// What was written before may be lost too.
        lost: bool,
    },
    /// It could be written again.
    Recovered,
    /// A new base is in place: whatever failed before is healed.
    Committed,
}

/// What a loader brings, in order.
#[derive(Debug)]
pub enum Loaded {
    /// Entries of a database.
    Entries {
        /// Its number.
        db: usize,
        /// They.
        entries: Vec<rdb::Loaded>,
        /// Where in the file they have ended at the latest.
        end: u64,
    },
    /// The text of a library of functions.
    Library {
        /// Its bytes.
        source: Box<[u8]>,
        /// Where it ends in the file.
        end: u64,
    },
    /// Bytes of commands, cut anywhere.
    Commands {
        /// The bytes.
        bytes: Vec<u8>,
        /// Where they are in the file.
        offset: u64,
        /// Its name.
        file: Box<[u8]>,
    },
    /// Whether what follows leaves keys out whose time is over.
    DropExpired(bool),
    /// So many bytes are to be loaded.
    Total(u64),
    /// So many of them are done.
    Progress(u64),
}
