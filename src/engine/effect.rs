//! What the outside must do: plain data, in the order in which it came about.

use super::config::{Config, Loglevel, ShutdownOnSignal};
use super::protocol::Argv;
use super::session::ClientId;
use super::time::Now;

/// How important a log line is, as `loglevel` orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Debug,
    /// Much that is rarely useful.
    Verbose,
    /// What an operator wants to know.
    Notice,
    /// What an operator must know.
    Warning,
}

impl Level {
    /// Whether lines of this level are written if those from `least` on are.
    pub fn is_logged_at(self, least: Loglevel) -> bool {
        match least {
            Loglevel::Debug => true,
            Loglevel::Verbose => self >= Level::Verbose,
            Loglevel::Notice => self >= Level::Notice,
            Loglevel::Warning => self >= Level::Warning,
            Loglevel::Nothing => false,
        }
    }
}

/// How SHUTDOWN was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Save even without save points.
    pub save: bool,
    /// Do not save even with save points.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Go even if saving fails.
    pub force: bool,
}

impl From<ShutdownOnSignal> for Shutdown {
    fn from(set: ShutdownOnSignal) -> Self {
        Shutdown {
            save: set.contains(ShutdownOnSignal::SAVE),
            nosave: set.contains(ShutdownOnSignal::NOSAVE),
            now: set.contains(ShutdownOnSignal::NOW),
            force: set.contains(ShutdownOnSignal::FORCE),
        }
    }
}

/// Who reads a snapshot of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// An RDB file is written.
    Save,
    /// The append-only file gets a new base.
    Rewrite,
}

/// What the outside needs to know to carry a job out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which.
    pub kind: JobKind,
    /// Where the propagated stream was when the snapshot began: what follows belongs into the next file.
    pub position: u64,
    /// How many keys each database has, and how many of them expire.
    pub sizes: Vec<(usize, usize)>,
    /// The version of the RDB format that the data needs.
    pub version: u32,
    /// The moment, Unix seconds.
    pub unix_secs: i64,
    /// Bytes in use at that moment, noted in the file.
    pub used_memory: u64,
    /// The texts of the libraries of functions.
    pub libraries: Vec<Box<[u8]>>,
}

/// A file that holds all data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFile {
    /// The RDB file.
    Rdb,
    /// The append-only file.
    Aof,
}

/// What is to be done with the files of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupStep {
    /// See that its directory is there and empty (`Server::backup_prepared`).
    Prepare(ClientId),
    /// Have the base of the append-only file there too (`Server::backup_pinned`).
    Pin,
    /// Have everything up to a position of the stream there too, with a manifest, and go on in a new file
    /// (`Server::backup_sealed`).
    Seal {
        /// Who waits for it.
        client: ClientId,
        /// The position.
        position: u64,
    },
    /// Delete all files in its directory; then answer the client, if one waits.
    Clear(Option<ClientId>),
    /// Delete the append-only file, which is closed.
    DeleteAof,
}

/// What DEBUG CLOCK does to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// It stands still.
    Freeze,
    /// It goes on from where it is.
    Resume,
    /// So many microseconds pass at once.
    Advance(u64),
    /// It shows this moment, in microseconds since the Unix epoch.
    Set(i64),
}

impl ClockStep {
    /// What a clock shows afterwards. Time passes with a step forward; a step back moves the wall clock alone, as
    /// somebody does who corrects it.
    pub fn applied_to(self, now: Now) -> Now {
        match self {
            ClockStep::Freeze | ClockStep::Resume => now,
            ClockStep::Advance(us) => now.later(us),
            ClockStep::Set(unix_us) => {
                let forward = u64::try_from(unix_us.saturating_sub(now.unix_us)).unwrap_or(0);
                Now { unix_us, ..now.later(forward) }
            }
        }
    }
}

/// One thing that the outside must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Append to the log and send to replicas: a write, in the form that replays to the same state. What
    /// is no write (PUBLISH) concerns replicas only.
    Propagate {
        /// The database it applies to.
        db: usize,
        /// The command.
        argv: Argv,
    },
    /// A keyspace event. Only recorded when asked for: transcripts and the simulator's checkers read it.
    Event {
        /// The database of the key.
        db: usize,
        /// The event's name.
        name: &'static str,
        /// The key.
        key: Vec<u8>,
    },
    /// Write a log line.
    Log(Level, String),
    /// Parameters changed: listen elsewhere, log elsewhere, ... and tell the engine how it went
    /// (`Server::finish_config`).
    Configured {
        /// Which ones.
        names: Vec<&'static str>,
        /// What it was before, to go back to.
        before: Box<Config>,
        /// Who waits for it.
        client: Option<ClientId>,
    },
    /// Rewrite the config file and tell the engine how it went (`Server::finish_outside`).
    RewriteConfig {
        /// Who waits for it.
        client: ClientId,
        /// Write parameters that have their default too.
        all: bool,
    },
    /// Read the file of users and hand it over (`Server::load_users`), then answer the client.
    LoadUsers(ClientId),
    /// Write the file of users (`Server::users_file`) and tell the engine how it went (`Server::finish_outside`).
    SaveUsers(ClientId),
    /// Carry out a save or a rewrite: fetch the snapshot that was begun, write it, and tell the engine how it went
    /// (`Server::job_ended`).
    Job(Order),
    /// End the running job: what it wrote is not wanted.
    StopJob,
    /// A backup is to go on.
    Backup(BackupStep),
    /// The parameters of the append-only file may have changed.
    AofPolicy,
    /// Write the rest of the stream, and close the append-only file.
    CloseAof {
        /// The rest.
        rest: Vec<u8>,
    },
    /// Empty the databases and load them from the RDB file or the append-only file; then answer the client
    /// (DEBUG RELOAD, DEBUG LOADAOF).
    Reload {
        /// From which file.
        file: DataFile,
        /// Write it first.
        save: bool,
        /// Empty the databases before.
        flush: bool,
        /// Keys that are there already are replaced instead of being an error.
        merge: bool,
        /// Who waits for it.
        client: ClientId,
    },
    /// Hand keys over to another server: fetch the migration that this client began, and tell the engine how it went
    /// (`Server::migrated`).
    Migrate(ClientId),
    /// Do nothing at all for so many microseconds (DEBUG SLEEP).
    Stall(u64),
    /// Move the clock that the engine is told, and tell it so (`Server::clock_moved`). Only with `test-clock`.
    Clock {
        /// How.
        step: ClockStep,
        /// Who waits for it.
        client: ClientId,
    },
    /// Stop the server.
    Shutdown(Shutdown),
    /// Go on, although a stop has begun.
    AbortShutdown,
    /// End the process at once, as a crash would (DEBUG SEGFAULT and friends).
    Crash(&'static str),
    /// Start the process again (DEBUG RESTART).
    Restart,
}
