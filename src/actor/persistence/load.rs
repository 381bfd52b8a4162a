//! Loading: tasks on a thread of their own read, check and decode; the keyspace takes what they bring.

use super::aof::{Directory, Opened};
use super::message::Loaded;
use super::save::{OWN, is_own_line, own_line};
use crate::actor::log::{self, reason};
use crate::engine::aof::blocks::{BLOCK, Block, Blocks};
use crate::engine::aof::frame::{Annotations, Writer};
use crate::engine::aof::manifest::{Format, manifest_name};
use crate::engine::aof::recovery::{
    Aftermath, Circumstances, EMPTY_BASE, Verdict, is_lost_base, is_rdb_base, judge,
};
use crate::engine::aof::scan::{Damage, End, Item as Part, begins_rdb};
use crate::engine::aof::{Manifest, Scanner, message};
use crate::engine::buggify::buggify;
use crate::engine::config::REDIS_VERSION;
use crate::engine::effect::Level;
use crate::engine::mark::sometimes;
use crate::engine::rdb::{Buffered, Decoder, FileWriter, Header, Item, Limits, Options, VERSION_EMPTY};
use crate::runtime::sync::mpsc;
use crate::runtime::{fs, process, time};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What waits for the keyspace: some of these.
pub const QUEUE: usize = 8;
/// Entries that are handed over at once.
const ENTRIES: usize = 256;

/// What a loader needs to know.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Up to which sizes collections are small.
    pub limits: Limits,
    /// The access clock of what is loaded.
    pub clock: u32,
    /// `rdbchecksum`
    pub checksum: bool,
    /// Groups of the append-only file get checksums.
    pub covers: bool,
    /// `aof-load-truncated`
    pub load_truncated: bool,
    /// `aof-load-corrupt-tail-max-size`
    pub corrupt_tail_max: u64,
    /// Files that are damaged at their end may be cut, and missing ones made.
    pub mends: bool,
    /// The base of a new history is an RDB file.
    pub rdb_base: bool,
}

/// Where the keyspace is. It is gone when it could not use what it got.
pub type Out = mpsc::Sender<Loaded>;

/// The keyspace wants no more; it knows why.
const GONE: &str = "what was loaded could not be used";

/// Loads an RDB file; `false` if there is none.
pub async fn rdb(path: PathBuf, setup: Setup, out: Out) -> Result<bool, String> {
    let mut file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            return Err(format!(
                "Fatal error: can't open the RDB file {} for reading: {}",
                path.display(),
                reason(&error)
            ));
        }
    };
    let total = file.len().map_err(|error| reason(&error))?;
    send(&out, Loaded::Total(total)).await?;
    entries(&mut file, &path, 0, &setup, &out).await?;
    Ok(true)
}

/// What is known of an RDB file once it is read.
struct Read {
    /// Where it ended.
    end: u64,
    /// This server wrote it.
    own: bool,
}

/// Loads an RDB file from where `file` stands. `before`: bytes of other files.
async fn entries(
    file: &mut fs::File,
    path: &Path,
    before: u64,
    setup: &Setup,
    out: &Out,
) -> Result<Read, String> {
    let source = Buffered::new(|buffer: &mut [u8]| file.read(buffer).map_err(|error| reason(&error)));
    let mut decoder = Decoder::new(source, &setup.limits, setup.clock, setup.checksum);
    let (mut db, mut batch, mut own, mut empty) = (0, Vec::new(), false, 0);
    loop {
        let sound = decoder.position();
        let item = decoder.next().map_err(|error| {
            let rest = match sound {
                0 => "No data comes before that.".to_owned(),
                _ => format!("Everything before offset {sound} can be read."),
            };
            format!("Error loading the RDB file {}: {error}. {rest}", path.display())
        })?;
        let full = batch.len() >= ENTRIES;
        if (full || !matches!(item, Some(Item::Entry(_)))) && !batch.is_empty() {
            let (entries, end) = (std::mem::take(&mut batch), decoder.position());
            send(out, Loaded::Entries { db, entries, end }).await?;
            send(out, Loaded::Progress(before + end)).await?;
            process::publish_heap();
        }
        match item {
            None => break,
            Some(Item::Database(number)) => db = number as usize,
            Some(Item::Entry(loaded)) => batch.push(loaded),
            Some(Item::Aux { name, value }) => {
                own |= OWN.iter().any(|(field, _)| field.as_bytes() == &*name);
                note(&name, &value);
            }
            Some(Item::ModuleAux(module)) => {
                let text = format!(
                    "The RDB file contains AUX module data I can't load: no matching module '{module}'; skipped"
                );
                log::write(Level::Warning, &text);
            }
            Some(Item::EmptyKey(key)) => {
                empty += 1;
                let text = format!("RDB: skipping empty key: {}", String::from_utf8_lossy(&key));
                log::write(Level::Notice, &text);
            }
            Some(Item::Function(source)) => {
                send(out, Loaded::Library { source, end: decoder.position() }).await?;
            }
            Some(Item::Resize { .. }) => {}
        }
    }
    if empty > 0 {
        log::write(Level::Notice, &format!("RDB: empty keys skipped: {empty}"));
    }
    Ok(Read { end: decoder.position(), own })
}

/// Logs what a file says of itself.
fn note(name: &[u8], value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    let text = match name {
        b"redis-ver" => format!("Loading RDB produced by version {value}"),
        b"ctime" => match value.parse::<i64>() {
            Ok(created) => format!("RDB age {} seconds", (time::now().unix_secs() - created).max(0)),
            Err(_) => return,
        },
        b"used-mem" => match value.parse::<u64>() {
            Ok(bytes) => format!("RDB memory usage when created {:.2} Mb", bytes as f64 / 1_048_576.0),
            Err(_) => return,
        },
        b"aof-base" if value == "1" => "RDB is base AOF".to_owned(),
        _ => return,
    };
    log::write(Level::Notice, &text);
}

async fn send(out: &Out, loaded: Loaded) -> Result<(), String> {
    out.send(loaded).await.map_err(|_| GONE.to_owned())
}

/// The files of an append-only file.
struct History<'a> {
    directory: &'a Directory,
    setup: &'a Setup,
    out: &'a Out,
    /// Bytes of the files that are done.
    before: u64,
    /// The base says that this server wrote it, and so all that follows.
    own: bool,
    /// The base, if it is empty.
    empty_base: Option<Vec<u8>>,
}

/// A file of commands that was read to its end.
struct Scanned {
    /// What a writer goes on with.
    end: End,
    /// What it was like.
    blocks: Blocks,
}

/// Loads the append-only file, and opens it for what follows. `None` for the latter if nothing may be changed.
pub async fn aof(directory: Directory, setup: Setup, out: Out) -> Result<Option<Opened>, String> {
    let found = find(&directory, setup.mends).await?;
    let mut last_scan = None;
    if let Some(manifest) = &found {
        let mut total = 0;
        for file in manifest.files() {
            let found = fs::metadata(&directory.file(&file.name));
            total += found.map_err(|error| message::no_length(&file.name, reason(&error)))?.len;
        }
        send(&out, Loaded::Total(total)).await?;
        let started = time::now().mono_us;
        let mut history = History {
            directory: &directory,
            setup: &setup,
            out: &out,
            before: 0,
            own: false,
            empty_base: None,
        };
        let last = manifest.files().last().map(|file| file.name.clone());
        for file in manifest.files() {
            let is_base = manifest.base() == Some(file);
            last_scan = Some(history.file(&file.name, is_base, last.as_ref() == Some(&file.name)).await?);
        }
        log::write(Level::Notice, &message::loaded(seconds_since(started)));
        if setup.mends {
            history.adopt(manifest).await?;
        }
    }
    if !setup.mends {
        return Ok(None);
    }
    let manifest = match found {
        Some(manifest) => manifest,
        None => begin(&directory, setup.rdb_base).await?,
    };
    open(directory, manifest, last_scan, setup.covers).await.map(Some)
}

fn seconds_since(mono_us: u64) -> String {
    format!("{:.3}", (time::now().mono_us - mono_us) as f64 / 1e6)
}

/// The manifest, made of a file of Redis before 7 if there is one.
pub async fn find(directory: &Directory, mends: bool) -> Result<Option<Manifest>, String> {
    let name = manifest_name(&directory.prefix);
    let mut manifest = match fs::read(&directory.file(&name)) {
        Ok(text) => Some(Manifest::parse(&directory.prefix, &text).map_err(|error| error.log().join("\n"))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(message::manifest_unreadable(&name, reason(&error))),
    };
    let (single, moved) =
        (PathBuf::from(OsStr::from_bytes(&directory.prefix)), directory.file(&directory.prefix));
    let adopts = manifest.as_ref().is_none_or(|manifest| manifest.adopts_single_file(fs::exists(&moved)));
    if mends && adopts && fs::metadata(&single).is_ok_and(|found| !found.is_dir) {
        make(directory).await?;
        let mut adopting = manifest.take().unwrap_or_else(|| Manifest::new(&directory.prefix));
        adopting.adopt_single_file();
        directory.write_manifest(&adopting).await?;
        let shown = directory.name();
        let renamed = fs::rename(&single, &moved).await;
        renamed.map_err(|error| message::adopt_failed(&directory.prefix, shown, reason(&error)))?;
        fs::sync_dir(&directory.path)
            .await
            .map_err(|error| message::manifest_directory_fsync(shown, reason(&error)))?;
        log::write(Level::Notice, &message::adopted(&directory.prefix, shown));
        manifest = Some(adopting);
    }
    Ok(manifest.filter(|manifest| !manifest.is_empty() || !manifest.history().is_empty()))
}

/// Makes the directory, durably.
pub async fn make(directory: &Directory) -> Result<(), String> {
    let failed = |error| message::directory_create(directory.name(), reason(&error));
    fs::create_dir(&directory.path).map_err(failed)?;
    fs::sync_dir(super::save::directory_of(&directory.path)).await.map_err(failed)
}

/// A history without a past: an empty base.
async fn begin(directory: &Directory, is_rdb: bool) -> Result<Manifest, String> {
    make(directory).await?;
    let mut manifest = Manifest::new(&directory.prefix);
    let format = if is_rdb { Format::Rdb } else { Format::Commands };
    let name = manifest.replace_base(format, 0).name.clone();
    log::write(Level::Notice, &message::creating_base(&name));
    let content = if is_rdb { empty_rdb() } else { own_line().into_bytes() };
    let written = async {
        let mut file = fs::File::create(&directory.file(&name))?;
        file.write_all(&content).await?;
        file.sync_all().await
    };
    written.await.map_err(|error| message::open_failed(&name, reason(&error)))?;
    Ok(manifest)
}

fn empty_rdb() -> Vec<u8> {
    let header = Header {
        version: REDIS_VERSION,
        created: time::now().unix_secs(),
        used_memory: process::heap_allocated(),
        is_aof_base: true,
        more: OWN,
    };
    let options = Options { version: VERSION_EMPTY, ..Options::default() };
    FileWriter::new(options, true, &header).finish()
}

/// Opens the last incremental file, or makes one. `covers`: its end gets a checksum if it has none.
async fn open(
    directory: Directory,
    mut manifest: Manifest,
    last_scan: Option<Scanned>,
    covers: bool,
) -> Result<Opened, String> {
    if let (Some(last), Some(scanned)) = (manifest.incremental().last(), last_scan) {
        log::write(Level::Notice, &message::opening_incremental(&last.name));
        let failed = |error: io::Error| message::open_failed(&last.name, reason(&error));
        let mut file = fs::File::append_to(&directory.file(&last.name)).map_err(failed)?;
        write_again(&mut file, &last.name, &scanned).await?;
        file.sync_data().await.map_err(failed)?;
        let mut frame = Writer::resume(&scanned.end);
        frame.synced();
        if covers {
            cover(&mut file, &mut frame).await.map_err(failed)?;
        }
        directory.forget_history(&mut manifest).await;
        return Ok(Opened { directory, manifest, file, frame, is_listed: true });
    }
    let name = manifest.open_incremental().name.clone();
    log::write(Level::Notice, &message::creating_incremental(&name));
    let opened = async {
        let mut file = fs::File::create(&directory.file(&name))?;
        file.sync_all().await?;
        Ok(file)
    };
    let file = opened.await.map_err(|error: io::Error| message::open_failed(&name, reason(&error)))?;
    directory.write_manifest(&manifest).await?;
    directory.forget_history(&mut manifest).await;
    Ok(Opened { directory, manifest, file, frame: Writer::new(), is_listed: true })
}

/// Writes the end of a file that lacks its proof to where it is. It may never have been flushed, or a flush may have
/// failed: then the kernel takes its copy for clean, and only what is written again gets to the medium with the next flush.
async fn write_again(file: &mut fs::File, name: &[u8], scanned: &Scanned) -> Result<(), String> {
    let failed = |error: io::Error| message::open_failed(name, reason(&error));
    let End { offset, proven, .. } = scanned.end;
    let unproven = scanned.blocks.from_offset(proven).filter(|_| proven < offset);
    let mut buffer = Vec::new();
    for block in unproven {
        read_block(file, name, block, &mut buffer)?;
        let from = proven.max(block.start);
        file.seek(from).map_err(failed)?;
        file.write_all(&buffer[(from - block.start) as usize..]).await.map_err(failed)?;
    }
    file.seek(offset).map_err(failed)
}

/// Gives commands at the end of a file the checksum that a power failure has taken from them. Nobody may be shown them
/// before: were what is written next torn in its turn, they would be taken for a part of that.
async fn cover(file: &mut fs::File, frame: &mut Writer) -> io::Result<()> {
    let (mut covered, mut line) = (*frame, Vec::new());
    if frame.pending() == 0 {
        return Ok(());
    }
    covered.seal(Annotations { time: false, checksums: true }, &mut line);
    if file.write_all(&line).await.is_err() {
        // Where there is no room for it, nothing can be written that would be torn.
        file.set_len(frame.offset()).await?;
        return file.seek(frame.offset());
    }
    file.sync_data().await?;
    covered.synced();
    *frame = covered;
    Ok(())
}

/// Reads a block that was scanned before.
fn read_block(file: &mut fs::File, name: &[u8], block: Block, buffer: &mut Vec<u8>) -> Result<(), String> {
    let failed = |error: io::Error| message::read_failed(name, reason(&error));
    buffer.resize(block.length, 0);
    file.seek(block.start).map_err(failed)?;
    let read = read_full(file, buffer).map_err(failed)?;
    if block.is(&buffer[..read]) { Ok(()) } else { Err(message::read_otherwise(name, block.start)) }
}

impl History<'_> {
    /// Loads one file.
    async fn file(&mut self, name: &[u8], is_base: bool, is_last: bool) -> Result<Scanned, String> {
        let path = self.directory.file(name);
        let started = time::now().mono_us;
        let mut file = fs::File::open(&path).map_err(|error| message::unreadable(name, reason(&error)))?;
        let length = file.len().map_err(|error| message::no_length(name, reason(&error)))?;
        if is_base && length == 0 {
            self.empty_base = Some(name.to_vec());
        }
        let start = self.preamble(&mut file, name, is_base).await?;
        let mut blocks = Blocks::from(start);
        let (end, checksummed) = self.scan(&mut file, name, (start, length), &mut blocks)?;
        if let Some(base) = &self.empty_base
            && is_lost_base(base, checksummed)
        {
            return Err(message::lost_base(base));
        }
        let scanned = match end {
            Ok(end) => Scanned { end, blocks },
            Err(damage) if is_base && damage.good == 0 && is_rdb_base(name) => {
                return Err(message::no_rdb_magic(name, length.saturating_sub(9)));
            }
            Err(damage) => {
                let circumstances = Circumstances {
                    name,
                    length,
                    last: is_last,
                    own: checksummed || self.own,
                    durable: is_base && self.own,
                    load_truncated: self.setup.load_truncated,
                    corrupt_tail_max: self.setup.corrupt_tail_max,
                };
                let verdict = self.judge(&mut file, &damage, &circumstances)?;
                if matches!(verdict, Verdict::Cut { .. }) {
                    self.confirm(&mut file, start, &circumstances, &(blocks, damage, &verdict))?;
                }
                self.mend(name, start, verdict).await?
            }
        };
        self.commands(&mut file, name, &scanned.blocks).await?;
        self.before += length;
        let seconds = seconds_since(started);
        let text = if is_base {
            message::loaded_base(name, seconds)
        } else {
            message::loaded_incremental(name, seconds)
        };
        log::write(Level::Notice, &text);
        Ok(scanned)
    }

    /// Sees to it that what was loaded of another server stays, whatever follows it: such a server may have been killed
    /// before it flushed its files.
    async fn adopt(&self, manifest: &Manifest) -> Result<(), String> {
        // The last one is flushed when it is opened.
        let (files, last) = (manifest.files(), manifest.incremental().last());
        for file in files.filter(|file| !self.own && Some(*file) != last) {
            let synced = async { fs::File::append_to(&self.directory.file(&file.name))?.sync_data().await };
            synced.await.map_err(|error: io::Error| message::open_failed(&file.name, reason(&error)))?;
        }
        let Some(base) = &self.empty_base else { return Ok(()) };
        let (place, temporary) =
            (self.directory.file(base), self.directory.file(&[b"temp-", &**base].concat()));
        let written = async {
            let mut file = fs::File::create(&temporary)?;
            file.write_all(EMPTY_BASE).await?;
            file.sync_all().await?;
            fs::rename(&temporary, &place).await?;
            fs::sync_dir(&self.directory.path).await
        };
        written.await.map_err(|error: io::Error| message::open_failed(base, reason(&error)))
    }

    /// Loads the RDB file that a file may begin with; says where it ends.
    async fn preamble(&mut self, file: &mut fs::File, name: &[u8], is_base: bool) -> Result<u64, String> {
        let mut front = [0; 8];
        let read = read_full(file, &mut front).map_err(|error| message::read_failed(name, reason(&error)))?;
        let rewind = |file: &mut fs::File, to| {
            file.seek(to).map_err(|error| message::read_failed(name, reason(&error)))
        };
        rewind(file, 0)?;
        if !begins_rdb(&front[..read]) {
            return Ok(0);
        }
        log::write(Level::Notice, if is_base { message::READING_BASE } else { message::READING_PREAMBLE });
        send(self.out, Loaded::DropExpired(false)).await?;
        let path = self.directory.file(name);
        let read = entries(file, &path, self.before, self.setup, self.out).await.map_err(|why| {
            let what = if is_base { message::base_failed(name) } else { message::preamble_failed(name) };
            format!("{why}\n{what}")
        })?;
        self.own |= read.own;
        rewind(file, read.end)?;
        if !is_base {
            log::write(Level::Notice, message::READING_TAIL);
        }
        Ok(read.end)
    }

    /// Reads commands to their end without running them, since checksums come after what they cover. Also says whether
    /// there were any. What is run later must be the same `blocks`, which go on behind damage.
    fn scan(
        &mut self,
        file: &mut fs::File,
        name: &[u8],
        (start, length): (u64, u64),
        blocks: &mut Blocks,
    ) -> Result<(Result<End, Damage>, bool), String> {
        let failed = |error: io::Error| message::read_failed(name, reason(&error));
        let (mut scanner, mut damaged) = (Scanner::new(start, length), None);
        let mut buffer = vec![0; if buggify!("small-load") { 61 } else { BLOCK }];
        file.seek(start).map_err(failed)?;
        loop {
            let count = file.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                let own = scanner.checksummed();
                return Ok((damaged.map_or_else(|| scanner.finish(), Err), own));
            }
            blocks.push(&buffer[..count]);
            if damaged.is_some() {
                continue;
            }
            scanner.push(&buffer[..count]);
            loop {
                match scanner.next() {
                    Ok(Some(Part::Command(_))) => {}
                    Ok(Some(Part::Annotation(line))) => self.own |= is_own_line(line),
                    // It was none when the file was opened.
                    Ok(Some(Part::Preamble)) => return Err(message::read_otherwise(name, start)),
                    Ok(None) => break,
                    Err(damage) => {
                        damaged = Some(damage);
                        break;
                    }
                }
            }
        }
    }

    /// What is to become of a damaged file.
    fn judge(
        &self,
        file: &mut fs::File,
        damage: &Damage,
        circumstances: &Circumstances<'_>,
    ) -> Result<Verdict, String> {
        let failed = |error: io::Error| message::read_failed(circumstances.name, reason(&error));
        let mut aftermath = Aftermath::new(damage);
        file.seek(damage.good).map_err(failed)?;
        let mut buffer = vec![0; BLOCK];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                count => aftermath.push(&buffer[..count]),
            }
        }
        Ok(judge(damage, &aftermath, circumstances))
    }

    /// Reads a file a second time before its end is cut off: were one reading enough, a medium that for once gives what is
    /// elsewhere would have whole commands cut off.
    fn confirm(
        &mut self,
        file: &mut fs::File,
        start: u64,
        circumstances: &Circumstances<'_>,
        first: &(Blocks, Damage, &Verdict),
    ) -> Result<(), String> {
        let (name, length) = (circumstances.name, circumstances.length);
        let mut blocks = Blocks::from(start);
        file.forget_cached();
        let (end, _) = self.scan(file, name, (start, length), &mut blocks)?;
        let otherwise = || message::read_otherwise(name, first.1.good);
        let damage = end.err().ok_or_else(otherwise)?;
        let verdict = self.judge(file, &damage, circumstances)?;
        if (blocks, damage, &verdict) == *first { Ok(()) } else { Err(otherwise()) }
    }

    /// Cuts a damaged end off, or refuses the file.
    async fn mend(&mut self, name: &[u8], start: u64, verdict: Verdict) -> Result<Scanned, String> {
        let (length, log) = match verdict {
            Verdict::Cut { length, log } if self.setup.mends => (length, log),
            Verdict::Cut { log, .. } | Verdict::Refuse { log } => {
                sometimes!("failed-start");
                return Err(log.join("\n"));
            }
        };
        let cut = async {
            let mut file = fs::File::append_to(&self.directory.file(name))?;
            file.set_len(length).await?;
            file.sync_all().await?;
            Ok(file)
        };
        let mut file =
            cut.await.map_err(|error: io::Error| message::truncate_failed(name, reason(&error)))?;
        sometimes!("mended");
        log.iter().for_each(|line| log::write(Level::Warning, line));
        let mut blocks = Blocks::from(start);
        let (end, _) = self.scan(&mut file, name, (start, length), &mut blocks)?;
        let end = end.map_err(|damage| message::damage(name, &damage, 0))?;
        Ok(Scanned { end, blocks })
    }

    /// Hands over the commands that were scanned, cut anywhere.
    async fn commands(&self, file: &mut fs::File, name: &[u8], blocks: &Blocks) -> Result<(), String> {
        for block in blocks.from_offset(0) {
            let mut bytes = Vec::new();
            read_block(file, name, block, &mut bytes)?;
            let (offset, end) = (block.start, block.start + block.length as u64);
            send(self.out, Loaded::Commands { bytes, offset, file: name.into() }).await?;
            send(self.out, Loaded::Progress(self.before + end)).await?;
        }
        Ok(())
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &mut fs::File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
