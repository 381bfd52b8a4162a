//! The writer of a snapshot: a task on a thread of its own that encodes what the keyspace captured, and the walk that fetches
//! it.
//!
//! The queue between them is short: when the medium is slow, the walk waits, not the clients.

use super::absolute;
use super::aof::Directory;
use crate::actor::keyspace::Keyspace;
use crate::actor::log::reason;
use crate::actor::processors::Processors;
use crate::engine::VERSION;
use crate::engine::aof::Rewrite;
use crate::engine::aof::frame::{self, Annotations};
use crate::engine::buggify::buggify;
use crate::engine::config::{Config, Param, REDIS_VERSION};
use crate::engine::effect::{JobKind, Order};
use crate::engine::keyspace::Entry;
use crate::engine::keyspace::eviction::Clock;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::request;
use crate::engine::rdb::{Access, FileWriter, Header, Options};
use crate::engine::server::Server;
use crate::engine::server::snapshot::Chunk;
use crate::runtime::sync::{mpsc, oneshot};
use crate::runtime::{fs, process, task, thread, time};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Chunks that wait for the writer. Each is a segment of the table, and what was captured beside.
pub const QUEUE: usize = 4;
/// Entries after which the walk rests: a millisecond or two of work for it and the writer, unless they are large.
const STINT: usize = if cfg!(madsim) { 32 } else { 4096 };
/// For how long.
const REST: Duration = Duration::from_millis(1);
/// Bytes that are encoded before they are written.
const BUFFER: usize = 256 << 10;
/// Bytes after which they are sent to the medium (`rdb-save-incremental-fsync`).
const SYNC_EVERY: u64 = 4 << 20;

/// The field of an RDB file that says which server wrote it: a damaged end of commands behind it is judged by that.
pub const OWN: &[(&str, &str)] = &[("seedis-ver", VERSION)];

/// The same in a base of commands: a line that other servers read over.
pub fn own_line() -> String {
    OWN.iter().map(|(field, value)| format!("#{field}:{value}\r\n")).collect()
}

/// Whether an annotation says that this server wrote the file.
pub fn is_own_line(line: &[u8]) -> bool {
    OWN.iter()
        .any(|(field, _)| line[1..].strip_prefix(field.as_bytes()).is_some_and(|rest| rest.starts_with(b":")))
}

/// What is to be written, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it is written first.
    pub temporary: PathBuf,
    /// Where it belongs; the base of an append-only file is moved by its writer.
    pub target: Option<PathBuf>,
    /// An RDB file; otherwise commands.
    pub is_rdb: bool,
    compress: bool,
    checksum: bool,
    /// Of commands.
    checksums: bool,
    /// Commands begin with the time.
    timestamp: bool,
    sync_every: Option<u64>,
    order: Order,
    /// Microseconds to wait after each key; negative: after as many keys a microsecond.
    delay: i64,
    /// Says how entries were used, if eviction goes by that.
    clock: Option<Clock>,
    processors: Processors,
}

impl Plan {
    /// As the configuration says. What becomes the base of an append-only file is written beside its directory: `dir`
    /// may have moved to another device, and files cannot be moved between them.
    pub fn new(order: &Order, config: &Config, clock: Clock, aof: &Directory) -> Self {
        let pid = process::pid();
        let base = order.kind == JobKind::Rewrite;
        let (name, spaced) = if base {
            (format!("temp-rewriteaof-bg-{pid}.aof"), config.aof_rewrite_incremental_fsync)
        } else {
            (format!("temp-{pid}.rdb"), config.rdb_save_incremental_fsync)
        };
        Plan {
            temporary: if base { directory_of(&aof.path).join(name) } else { absolute(name.as_bytes()) },
            target: (!base).then(|| absolute(&config.dbfilename)),
            is_rdb: !base || config.aof_use_rdb_preamble,
            compress: config.rdbcompression,
            checksum: config.rdbchecksum,
            checksums: config.aof_checksums,
            timestamp: config.aof_timestamp_enabled,
            sync_every: spaced.then_some(SYNC_EVERY),
            order: order.clone(),
            delay: config.rdb_key_save_delay,
            clock: ["lru", "lfu"]
                .iter()
                .any(|kind| config.maxmemory_policy.word().ends_with(kind))
                .then_some(clock),
            processors: Processors::of(
                if base { Param::aof_rewrite_cpulist } else { Param::bgsave_cpulist },
                config,
            ),
        }
    }
}

/// Why a file did not come about.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// It could not be written.
    Failed(String),
    /// The walk was given up.
    Asked,
}

/// Walks the snapshot and hands its chunks over, with the clients served in between. Dropping it gives the snapshot up.
///
/// If nobody waits for the file, it rests after each `STINT` in which a command was executed: where processors are
/// scarce, clients would else compete with the walk and the writer for them without a break.
pub async fn walk(keyspace: Rc<Keyspace>, chunks: mpsc::Sender<Chunk>) {
    let (mut stint, mut seen) = (0, None);
    // The writer ends early only when it failed.
    while let Ok(place) = chunks.reserve().await {
        let step = |server: &mut Server| {
            Some((server.next_chunk()?, server.job_has_time(), server.stats.commands_processed))
        };
        let Some((chunk, has_time, processed)) = keyspace.with_quiet(step) else { return };
        let last = chunk.last;
        stint += chunk.entries.len();
        place.send(chunk);
        if last {
            return;
        }
        let is_busy = *seen.get_or_insert(processed) != processed;
        if stint < STINT || !is_busy || !has_time {
            task::yield_now().await;
        } else {
            sometimes!("rested-walk");
            time::sleep(REST).await;
        }
        if stint >= STINT {
            (stint, seen) = (0, Some(processed));
        }
    }
}

/// Where the writer gets its entries from.
pub struct Source {
    /// Parts of the snapshot.
    pub chunks: mpsc::Receiver<Chunk>,
    /// Ends when nobody wants the file any more.
    pub given_up: oneshot::Receiver<()>,
}

impl Source {
    fn is_given_up(&mut self) -> bool {
        self.given_up.try_recv() != Err(oneshot::error::TryRecvError::Empty)
    }
}

/// Writes the file; gives its size.
pub async fn write(plan: Plan, source: Source) -> Result<u64, Stop> {
    plan.processors.stay();
    // Clients come first: a save has time.
    thread::give_way();
    let written = Writer::write(&plan, source).await;
    if written.is_err() {
        // Whether or not it was made.
        let _ = fs::remove_file(&plan.temporary).await;
    }
    written
}

/// What makes bytes of entries.
enum Encoder {
    Rdb {
        file: Box<FileWriter>,
        db: Option<usize>,
        sizes: Vec<(usize, usize)>,
        buffer: Vec<u8>,
    },
    Commands {
        out: Vec<u8>,
        entry: Option<Rewrite>,
        db: Option<usize>,
        compress: bool,
        frame: frame::Writer,
        annotations: Annotations,
    },
}

struct Writer<'a> {
    plan: &'a Plan,
    file: fs::File,
    encoder: Encoder,
    bytes: u64,
    keys: u64,
}

impl<'a> Writer<'a> {
    async fn write(plan: &'a Plan, mut source: Source) -> Result<u64, Stop> {
        let mut file = fs::File::create(&plan.temporary).map_err(|error| {
            Stop::Failed(format!(
                "Failed opening the temp file {}: {}",
                plan.temporary.display(),
                reason(&error)
            ))
        })?;
        if let Some(bytes) = plan.sync_every {
            file.sync_every(bytes);
        }
        let mut writer = Writer { plan, file, encoder: plan.encoder(), bytes: 0, keys: 0 };
        plan.order.libraries.iter().for_each(|source| writer.encoder.library(source));
        loop {
            let chunk = source.chunks.recv().await.ok_or(Stop::Asked)?;
            let last = chunk.last;
            if !(last && mutant::is_on("short-snapshot")) {
                writer.chunk(chunk, &mut source).await?;
            }
            process::publish_heap();
            thread::yield_now();
            if last {
                break;
            }
        }
        let outcome = writer.finish().await;
        outcome.map_err(|error| Stop::Failed(format!("Write error saving DB on disk: {}", reason(&error))))
    }

    async fn chunk(&mut self, chunk: Chunk, source: &mut Source) -> Result<(), Stop> {
        let failed = |error: std::io::Error| {
            Stop::Failed(format!("Write error saving DB on disk: {}", reason(&error)))
        };
        if !chunk.entries.is_empty() {
            self.encoder.database(chunk.db);
        }
        for entry in chunk.entries {
            self.encoder.begin(entry, self.plan.clock.as_ref());
            let mut is_whole = false;
            while !is_whole {
                is_whole = self.encoder.step();
                self.drain(BUFFER).await.map_err(failed)?;
                // One value may take minutes.
                if source.is_given_up() {
                    return Err(Stop::Asked);
                }
            }
            self.keys += 1;
            self.delay(source).await;
        }
        Ok(())
    }

    /// `rdb-key-save-delay`: tests want saves to last.
    async fn delay(&mut self, source: &mut Source) {
        let us = match self.plan.delay {
            0 => return,
            us @ 1.. => us as u64,
            keys => u64::from(self.keys.is_multiple_of(keys.unsigned_abs())),
        };
        if us > 0 {
            // Whichever way it ends.
            let _ = time::timeout(Duration::from_micros(us), &mut source.given_up).await;
        }
    }

    /// Writes what is encoded, if it is this much.
    async fn drain(&mut self, enough: usize) -> std::io::Result<()> {
        let enough = if buggify!("small-block") { 1 } else { enough };
        if self.encoder.buffered() < enough {
            return Ok(());
        }
        let bytes = self.encoder.take();
        self.bytes += bytes.len() as u64;
        let written = self.file.write_all(&bytes).await;
        self.encoder.give_back(bytes);
        written
    }

    async fn finish(mut self) -> std::io::Result<u64> {
        let rest = self.encoder.finish();
        self.bytes += rest.len() as u64;
        self.file.write_all(&rest).await?;
        if !mutant::is_on("unsynced-snapshot") {
            let synced = self.file.sync_all().await;
            synced.or_else(|error| if mutant::is_on("believed-save") { Ok(()) } else { Err(error) })?;
        }
        if let Some(target) = &self.plan.target {
            fs::rename(&self.plan.temporary, target).await?;
            if !mutant::is_on("unsynced-directory") {
                fs::sync_dir(directory_of(target)).await?;
            }
        }
        Ok(self.bytes)
    }
}

/// The directory that a file is in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

impl Plan {
    fn encoder(&self) -> Encoder {
        if !self.is_rdb {
            let time = self.timestamp.then(|| format!("#TS:{}\r\n", self.order.unix_secs));
            let out = format!("{}{}", time.unwrap_or_default(), own_line()).into_bytes();
            let annotations = Annotations { time: false, checksums: self.checksums };
            let frame = frame::Writer::new();
            let compress = self.compress;
            return Encoder::Commands { out, entry: None, db: None, compress, frame, annotations };
        }
        let options = Options { compress: self.compress, version: self.order.version };
        let header = Header {
            version: REDIS_VERSION,
            created: self.order.unix_secs,
            used_memory: self.order.used_memory,
            is_aof_base: self.order.kind == JobKind::Rewrite,
            more: OWN,
        };
        let file = Box::new(FileWriter::new(options, self.checksum, &header));
        Encoder::Rdb { file, db: None, sizes: self.order.sizes.clone(), buffer: Vec::new() }
    }
}

impl Encoder {
    /// A library of functions, given as its text.
    fn library(&mut self, source: &[u8]) {
        match self {
            Encoder::Rdb { file, .. } => file.function(source),
            Encoder::Commands { out, .. } => {
                request::encode(out, [b"FUNCTION".as_slice(), b"LOAD", source].into_iter());
            }
        }
    }

    /// The entries that follow belong to this database.
    fn database(&mut self, number: usize) {
        match self {
            Encoder::Rdb { db, .. } | Encoder::Commands { db, .. } if *db == Some(number) => {}
            Encoder::Rdb { file, db, sizes, .. } => {
                let (keys, expiring) = sizes.get(number).copied().unwrap_or_default();
                file.database(number, keys, expiring);
                *db = Some(number);
            }
            Encoder::Commands { out, db, .. } => {
                let name = number.to_string();
                request::encode(out, [b"SELECT".as_slice(), name.as_bytes()].into_iter());
                *db = Some(number);
            }
        }
    }

    fn begin(&mut self, entry: Entry, clock: Option<&Clock>) {
        match self {
            Encoder::Rdb { file, .. } => {
                let access = clock.map(|clock| match clock.policy.is_lfu() {
                    true => Access::Frequency(clock.lfu_counter(entry.clock())),
                    false => Access::Idle(clock.idle_ms(entry.clock()) as u64 / 1000),
                });
                file.begin(entry, access);
            }
            Encoder::Commands { entry: rewrite, .. } => *rewrite = Some(Rewrite::new(entry)),
        }
    }

    /// Encodes a part of the entry; whether that was all of it.
    fn step(&mut self) -> bool {
        match self {
            Encoder::Rdb { file, .. } => {
                drop(file.step(BUFFER));
                !file.is_busy()
            }
            Encoder::Commands { out, entry, compress, .. } => {
                entry.as_mut().is_none_or(|entry| entry.step(out, BUFFER, *compress))
            }
        }
    }

    fn buffered(&self) -> usize {
        match self {
            Encoder::Rdb { file, .. } => file.buffered(),
            Encoder::Commands { out, .. } => out.len(),
        }
    }

    /// What is encoded; to be given back, for its memory.
    fn take(&mut self) -> Vec<u8> {
        match self {
            Encoder::Rdb { file, buffer, .. } => {
                let mut bytes = std::mem::take(buffer);
                file.take(|encoded| bytes.extend_from_slice(encoded));
                bytes
            }
            Encoder::Commands { out, frame, annotations, .. } => {
                let mut bytes = Vec::new();
                frame.group([out.as_slice()], 0, *annotations, &mut bytes);
                out.clear();
                bytes
            }
        }
    }

    fn give_back(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        match self {
            Encoder::Rdb { buffer, .. } => *buffer = bytes,
            Encoder::Commands { .. } => {}
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Encoder::Rdb { file, .. } => file.finish(),
            Encoder::Commands { out, mut frame, annotations, .. } => {
                let mut bytes = Vec::new();
                frame.group([out.as_slice()], 0, annotations, &mut bytes);
                frame.seal(annotations, &mut bytes);
                bytes
            }
        }
    }
}

#[cfg(test)]
mod tests;
