//! The writer of the append-only file: a task on a thread of its own, so that a slow medium stops nobody.
//!
//! With `always`, whoever was answered by a flush is likely to come again at once: the next flush waits for them, as long as
//! that pays. Otherwise two halves of the clients would take turns.
//!
//! It takes everything that has come, writes it at once, flushes by policy and reports how far the stream is on the
//! medium (group commit). A write that fails is taken back and tried again every second. A flush that fails is never
//! believed again: what it covered may be gone although the next one succeeds, so nothing counts as durable until a rewrite has
//! put a new base and a new file in place.

use super::load;
use super::message::{FromAof, Policy, ToAof};
use crate::actor::log::{self, reason};
use crate::engine::aof::frame::Annotations;
use crate::engine::aof::manifest::{Format, manifest_name, temporary_manifest_name};
use crate::engine::aof::{Manifest, Writer, message};
use crate::engine::buggify::buggify;
use crate::engine::config::Appendfsync;
use crate::engine::effect::Level;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::runtime::sync::mpsc;
use crate::runtime::{fs, process, time};
use std::ffi::OsStr;
use std::future::poll_fn;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;

/// Microseconds between flushes of `everysec`, between tries after an error, and of quiet before a checksum.
const SECOND: u64 = 1_000_000;
const NOT_THERE: &str = "the append-only file is not there yet";
const UNSOUND: &str = "the append-only file could not be written";
/// Bytes after which a group takes no more: what is written is copied first.
const GROUP: usize = 4 << 20;
/// The shortest and longest that a group waits for those who were just answered, in microseconds.
const PATIENCE_MIN: u64 = 50;
const PATIENCE_MAX: u64 = 10_000;

/// The files of one history, as the writer finds or makes them.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Where they are.
    pub path: PathBuf,
    /// `appendfilename`.
    pub prefix: Vec<u8>,
    /// Files that are no longer needed stay.
    pub keep_history: bool,
}

impl Directory {
    /// Its name, as the configuration has it.
    pub fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or_default().as_bytes()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }

    /// Replaces the manifest, durably.
    pub async fn write_manifest(&self, manifest: &Manifest) -> Result<(), String> {
        let (name, temporary) = (manifest_name(&self.prefix), temporary_manifest_name(&self.prefix));
        let (to, from) = (self.file(&name), self.file(&temporary));
        let text = manifest.serialize();
        let mut file = fs::File::create(&from)
            .map_err(|error| message::manifest_temporary_open(&temporary, reason(&error)))?;
        let written = file.write_all(&text).await;
        written.map_err(|error| message::manifest_temporary_write(&temporary, reason(&error)))?;
        let synced = if mutant::is_on("unsynced-manifest") { Ok(()) } else { file.sync_all().await };
        synced.map_err(|error| message::manifest_temporary_fsync(&temporary, reason(&error)))?;
        // The names that it relies on come first.
        let synced = fs::sync_dir(&self.path).await;
        synced.map_err(|error| message::manifest_directory_fsync(self.name(), reason(&error)))?;
        let renamed = fs::rename(&from, &to).await;
        renamed.map_err(|error| message::manifest_rename(&temporary, &name, reason(&error)))?;
        if mutant::is_on("unsynced-directory") {
            return Ok(());
        }
        let synced = fs::sync_dir(&self.path).await;
        synced.map_err(|error| message::manifest_directory_fsync(self.name(), reason(&error)))
    }

    /// Moves a rewritten base to its place, before the incremental files from `since` on.
    pub async fn replace_base(
        &self,
        manifest: &mut Manifest,
        base: &Path,
        is_rdb: bool,
        since: i64,
    ) -> Result<(), String> {
        let mut new = manifest.clone();
        let format = if is_rdb { Format::Rdb } else { Format::Commands };
        let name = new.replace_base(format, since).name.clone();
        let from = base.file_name().unwrap_or_default().as_bytes();
        log::write(Level::Notice, &message::rewrite_written(from));
        let renamed = fs::rename(base, &self.file(&name)).await;
        renamed.map_err(|error| message::rewrite_rename_failed(from, &name, reason(&error)))?;
        log::write(Level::Notice, &message::rewrite_renamed(from, &name));
        let written = self.write_manifest(&new).await;
        match written {
            Ok(()) => {
                sometimes!("base-replaced");
                *manifest = new;
            }
            // It may be in its place all the same.
            Err(_) => manifest.give_up_base(&new),
        }
        written
    }

    /// Has one of the files in another directory too.
    pub async fn link(&self, name: &[u8], into: &Path) -> Result<(), String> {
        let link = into.join(OsStr::from_bytes(name));
        let linked = fs::link(&self.file(name), &link).await;
        linked.map_err(|error| format!("Can't link {}: {}", link.display(), reason(&error)))?;
        fs::sync_dir(into).await.map_err(|error| reason(&error))
    }

    /// Deletes what a manifest no longer needs, and has it say so.
    pub async fn forget_history(&self, manifest: &mut Manifest) {
        if manifest.history().is_empty() || self.keep_history {
            return;
        }
        for file in manifest.history() {
            log::write(Level::Notice, &message::removing_history(&file.name));
            // One that is gone already was deleted before a crash.
            let _ = fs::remove_file(&self.file(&file.name)).await;
        }
        manifest.forget_history();
        if let Err(why) = self.write_manifest(manifest).await {
            log::write(Level::Warning, &why);
        }
    }

    /// Bytes of the base, and of all other files but the last incremental one.
    fn sizes(&self, manifest: &Manifest) -> (u64, u64) {
        let size = |name: &[u8]| fs::metadata(&self.file(name)).map_or(0, |found| found.len);
        let base = manifest.base().map_or(0, |base| size(&base.name));
        let earlier = manifest.incremental().split_last().map_or(&[][..], |(_, earlier)| earlier);
        (base, earlier.iter().map(|file| size(&file.name)).sum())
    }
}

/// Waits for the first rewrite to begin a file, since there is nothing to append to before. Then writes.
pub async fn run_from_rewrite(
    mut directory: Directory,
    mut position: u64,
    mut policy: Policy,
    mut inbox: mpsc::UnboundedReceiver<ToAof>,
    reports: mpsc::UnboundedSender<FromAof>,
) {
    while let Some(message) = inbox.recv().await {
        match message {
            // The rewrite's snapshot has it.
            ToAof::Append { end, .. } => position = end,
            ToAof::Policy(new) => {
                policy = new;
                directory.keep_history = new.keep_history;
            }
            ToAof::Saving(_) => {}
            ToAof::Rotate => match open_unlisted(&directory).await {
                Ok((manifest, file)) => {
                    let since = manifest.incremental().last().map(|file| file.seq);
                    let opened = Opened { directory, manifest, file, frame: Writer::new(), is_listed: false };
                    let log = Log { since, ..Log::new(opened, position, policy, reports) };
                    return log.run(inbox).await;
                }
                Err(why) => {
                    log::write(Level::Warning, &why);
                    let _ = reports.send(FromAof::Failed { why, lost: true });
                }
            },
            ToAof::Commit { done, .. } => {
                _ = done.send(Err("there is no file for what followed the snapshot".into()))
            }
            ToAof::Pin { done, .. } => _ = done.send(Err(NOT_THERE.into())),
            ToAof::Seal { done, .. } => _ = done.send(Err(NOT_THERE.into())),
            ToAof::Flush(done) => _ = done.send(Err(NOT_THERE.into())),
            ToAof::Close(done) => {
                let _ = done.send(Ok(()));
                return;
            }
        }
    }
}

/// A file that the manifest will name once there is a base for it.
async fn open_unlisted(directory: &Directory) -> Result<(Manifest, fs::File), String> {
    load::make(directory).await?;
    let found = load::find(directory, false).await?;
    let mut manifest = found.unwrap_or_else(|| Manifest::new(&directory.prefix));
    let name = manifest.open_incremental().name.clone();
    log::write(Level::Notice, &message::creating_for_rewrite(&name));
    let file = fs::File::create(&directory.file(&name));
    Ok((manifest, file.map_err(|error| message::open_failed(&name, reason(&error)))?))
}

/// Makes a base of a rewrite while there is no append-only file otherwise.
pub async fn commit_alone(directory: &Directory, base: &Path, is_rdb: bool) -> Result<u64, String> {
    load::make(directory).await?;
    let found = load::find(directory, false).await?;
    let mut manifest = found.unwrap_or_else(|| Manifest::new(&directory.prefix));
    directory.replace_base(&mut manifest, base, is_rdb, i64::MAX).await?;
    directory.forget_history(&mut manifest).await;
    Ok(directory.sizes(&manifest).0)
}

/// The writer.
pub struct Log {
    directory: Directory,
    manifest: Manifest,
    policy: Policy,
    file: fs::File,
    frame: Writer,
    /// Whether the manifest on the medium names the file that is written. If not, it will when there is a base.
    is_listed: bool,
    /// Whether it may name it already: then the file must stay where it is.
    is_named: bool,
    /// Whether a flush of that file failed, so that nobody knows what of it is on the medium.
    is_tainted: bool,
    /// The number of that file, if it began with the running rewrite.
    since: Option<i64>,
    /// Bytes of all files but the one that is written.
    others: u64,
    /// Chunks to be written, and the stream's position after them.
    gathered: Vec<Vec<u8>>,
    gathered_end: u64,
    /// The stream's position that the next group reaches if all come again that were answered, and until when it waits
    /// for them.
    expected_end: u64,
    gather_until: u64,
    /// How long it waits, in microseconds: more while that pays.
    patience: u64,
    /// The stream's position after what is in the file, and after what is on the medium.
    written_end: u64,
    synced_end: u64,
    /// When it was flushed last, and when something came last.
    synced_at: u64,
    came_at: u64,
    /// When writing is tried again.
    retry_at: Option<u64>,
    saving: bool,
    reports: mpsc::UnboundedSender<FromAof>,
}

/// What a writer goes on with.
pub struct Opened {
    /// Where.
    pub directory: Directory,
    /// All files; the last incremental one is written.
    pub manifest: Manifest,
    /// That file, at its end.
    pub file: fs::File,
    /// What is in it.
    pub frame: Writer,
    /// Whether the manifest on the medium names that file.
    pub is_listed: bool,
}

impl Log {
    /// Goes on with files that were opened. `position` is where the stream is now.
    pub fn new(
        opened: Opened,
        position: u64,
        policy: Policy,
        reports: mpsc::UnboundedSender<FromAof>,
    ) -> Self {
        let Opened { directory, manifest, file, frame, is_listed } = opened;
        let (base, earlier) = directory.sizes(&manifest);
        Log {
            directory,
            policy,
            file,
            frame,
            is_listed,
            is_named: is_listed,
            is_tainted: false,
            since: None,
            others: base + earlier,
            manifest,
            gathered: Vec::new(),
            gathered_end: position,
            expected_end: position,
            gather_until: 0,
            patience: PATIENCE_MIN,
            written_end: position,
            synced_end: position,
            synced_at: 0,
            came_at: 0,
            retry_at: None,
            saving: false,
            reports,
        }
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.others + self.frame.offset()
    }

    /// Bytes of the base.
    pub fn base_size(&self) -> u64 {
        self.directory.sizes(&self.manifest).0
    }

    /// Writes what comes until it is told to close, or nobody is left to tell.
    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<ToAof>) {
        let mut messages = Vec::new();
        while self.receive(&mut inbox, &mut messages).await {
            if self.take_all(&mut messages).await {
                return;
            }
            if self.gathers(time::now().mono_us) {
                continue;
            }
            let (before, started) = (self.synced_end, time::now().mono_us);
            self.write().await;
            self.sync_if_due().await;
            while let Ok(message) = inbox.try_recv() {
                messages.push(message);
            }
            if self.take_all(&mut messages).await {
                return;
            }
            self.expect(self.synced_end - before, started);
            process::publish_heap();
        }
        let _ = self.flush(true).await;
    }

    async fn take_all(&mut self, messages: &mut Vec<ToAof>) -> bool {
        for message in messages.drain(..) {
            if self.take(message).await {
                return true;
            }
        }
        false
    }

    /// A group of so many bytes that began at this moment was flushed, or none: as much will come again, beside what
    /// has come meanwhile.
    fn expect(&mut self, group: u64, started: u64) {
        if group == 0 {
            return;
        }
        let now = time::now().mono_us;
        // Waiting pays up to the time of a flush, which those who come too late wait for in vain.
        let came = self.synced_end >= self.expected_end;
        let patience = if came { 2 * self.patience } else { self.patience / 2 };
        self.patience = patience.min(now - started).clamp(PATIENCE_MIN, PATIENCE_MAX);
        self.expected_end = self.gathered_end + group - group / 8;
        self.gather_until = now + self.patience;
    }

    /// Whether the next group waits for more.
    fn gathers(&self, now: u64) -> bool {
        self.policy.fsync == Appendfsync::Always
            && !self.gathered.is_empty()
            && !self.is_dirty()
            && self.gathered_end < self.expected_end
            && now < self.gather_until
            && !buggify!("hasty-group")
    }

    /// Waits for messages, or until there is something to do. `false` when nobody is left.
    async fn receive(&self, inbox: &mut mpsc::UnboundedReceiver<ToAof>, messages: &mut Vec<ToAof>) -> bool {
        let mut sleep = time::Sleep::until(self.deadline());
        poll_fn(|context| {
            if let Poll::Ready(count) = inbox.poll_recv_many(context, messages, usize::MAX) {
                return Poll::Ready(count > 0);
            }
            Pin::new(&mut sleep).poll(context).map(|()| true)
        })
        .await
    }

    /// When there is something to do without a message.
    fn deadline(&self) -> u64 {
        let retry = self.retry_at.unwrap_or(u64::MAX);
        let sync = match self.policy.fsync {
            // Where a flush failed, none of the same file is of use.
            _ if !self.is_dirty() || self.is_tainted => u64::MAX,
            Appendfsync::Always => 0,
            Appendfsync::Everysec if !self.spares_medium() => self.synced_at + SECOND,
            Appendfsync::Everysec | Appendfsync::No => u64::MAX,
        };
        let seal = if self.is_unsealed() { self.came_at + SECOND } else { u64::MAX };
        let gathers = !self.gathered.is_empty() && self.retry_at.is_none();
        let gather = if gathers { self.gather_until } else { u64::MAX };
        retry.min(sync).min(seal).min(gather)
    }

    fn spares_medium(&self) -> bool {
        self.saving && self.policy.spare_saves
    }

    /// Whether there is more in the file than on the medium.
    fn is_dirty(&self) -> bool {
        self.written_end > self.synced_end
    }

    /// Whether the end of the file still lacks its proof, though nothing else is under way.
    fn is_unsealed(&self) -> bool {
        self.policy.checksums && self.frame.is_unproven() && !self.is_dirty() && self.retry_at.is_none()
    }

    async fn take(&mut self, message: ToAof) -> bool {
        match message {
            ToAof::Append { bytes, end } => {
                self.gathered.push(bytes);
                self.gathered_end = end;
                self.came_at = time::now().mono_us;
            }
            ToAof::Policy(policy) => {
                self.write().await;
                self.policy = policy;
                let frees = self.directory.keep_history && !policy.keep_history;
                self.directory.keep_history = policy.keep_history;
                // One whose writing failed may be on the medium in place of this manifest.
                if frees && self.is_listed && self.directory.write_manifest(&self.manifest).await.is_ok() {
                    self.directory.forget_history(&mut self.manifest).await;
                }
            }
            ToAof::Saving(saving) => self.saving = saving,
            ToAof::Rotate => {
                let _ = self.flush(true).await;
                if let Err(why) = self.rotate().await {
                    log::write(Level::Warning, &why);
                    self.fail(why, true);
                }
            }
            ToAof::Pin { into, done } => _ = done.send(self.pin(&into).await),
            ToAof::Seal { into, done } => _ = done.send(self.seal_backup(&into).await),
            ToAof::Commit { base, is_rdb, done } => {
                let committed = self.commit(&base, is_rdb).await;
                if committed.is_ok() {
                    self.report(FromAof::Committed);
                    self.report_durable();
                    // The rewrite has not ended before: tools that wait for that look at the files then.
                    self.directory.forget_history(&mut self.manifest).await;
                }
                // Whoever asked may be gone with the server.
                let _ = done.send(committed);
            }
            // It may be the last that is heard of it.
            ToAof::Flush(done) => {
                let flushed = self.flush(true).await;
                // A flush before it may have failed.
                let whole = if self.is_tainted { Err(UNSOUND.to_owned()) } else { Ok(()) };
                let _ = done.send(flushed.and(whole));
            }
            ToAof::Close(done) => {
                let flushed = self.flush(true).await;
                if !self.is_named
                    && let Some(unlisted) = self.manifest.incremental().last()
                {
                    let _ = fs::remove_file(&self.directory.file(&unlisted.name)).await;
                }
                let _ = done.send(flushed);
                return true;
            }
        }
        false
    }

    fn annotations(&self) -> Annotations {
        Annotations { time: self.policy.timestamps, checksums: self.policy.checksums }
    }

    /// Writes what was gathered, as one group if it is not much.
    async fn write(&mut self) {
        let now = time::now();
        if self.retry_at.is_some_and(|at| now.mono_us < at) {
            return;
        }
        if self.gathered.is_empty() {
            // What could not be written went another way.
            if self.retry_at.take().is_some() {
                self.report(FromAof::Recovered);
            }
            return;
        }
        let (unix_s, mut out) = (now.unix_secs().max(0) as u64, Vec::new());
        while !self.gathered.is_empty() {
            let (mut frame, count) = (self.frame, self.next_group());
            out.clear();
            // However the stream is parted, the parts are whole units.
            frame.group(
                self.gathered[..count].iter().map(Vec::as_slice),
                unix_s,
                self.annotations(),
                &mut out,
            );
            if self.append(&out, frame).await.is_err() && !mutant::is_on("lost-retry") {
                break;
            }
            self.written_end += self.gathered.drain(..count).map(|chunk| chunk.len() as u64).sum::<u64>();
        }
        if mutant::is_on("written-is-durable") {
            self.report(FromAof::Durable { position: self.written_end, size: self.size() });
        }
    }

    /// How many of the chunks that were gathered the next group has.
    fn next_group(&self) -> usize {
        if buggify!("split-group") {
            return 1;
        }
        let mut bytes = 0;
        let fits = |chunk: &&Vec<u8>| {
            bytes += chunk.len();
            bytes <= GROUP
        };
        self.gathered.iter().take_while(fits).count().max(1)
    }

    /// Appends bytes, after which the file's end is `frame`; or takes back what was written of them.
    async fn append(&mut self, bytes: &[u8], frame: Writer) -> Result<(), String> {
        match self.file.write_all(bytes).await {
            Ok(()) => {
                self.frame = frame;
                if self.retry_at.take().is_some() {
                    sometimes!("write-retried");
                    self.report(FromAof::Recovered);
                }
                Ok(())
            }
            Err(error) => {
                let why = reason(&error);
                sometimes!("write-failed");
                if self.retry_at.is_none() {
                    log::write(Level::Warning, &message::write_failed(&why));
                }
                let cut = self.cut_back().await;
                if let Err(error) = &cut {
                    log::write(Level::Warning, &message::short_write_kept(reason(error)));
                }
                self.retry_at = Some(time::now().mono_us + SECOND);
                self.fail(why.clone(), cut.is_err());
                Err(why)
            }
        }
    }

    async fn cut_back(&mut self) -> io::Result<()> {
        if mutant::is_on("uncut-write") {
            return Ok(());
        }
        self.file.set_len(self.frame.offset()).await?;
        self.file.seek(self.frame.offset())
    }

    async fn sync_if_due(&mut self) {
        let now = time::now().mono_us;
        let due = match self.policy.fsync {
            // Not even a save is a reason to leave it out.
            // Put off, it is due at once again.
            Appendfsync::Always => !buggify!("late-sync"),
            Appendfsync::Everysec if mutant::is_on("lazy-everysec") => now >= self.synced_at + 20 * SECOND,
            Appendfsync::Everysec if now < self.synced_at + SECOND => buggify!("early-sync"),
            Appendfsync::Everysec => !self.spares_medium(),
            Appendfsync::No => buggify!("early-sync"),
        };
        if due && self.is_dirty() {
            let _ = self.sync().await;
        } else if self.is_unsealed() && (now >= self.came_at + SECOND || buggify!("early-seal")) {
            // Nothing has come for long: the end gets its checksum.
            let _ = self.seal().await;
        }
    }

    async fn seal(&mut self) -> Result<(), String> {
        self.came_at = time::now().mono_us;
        if self.write_seal().await { self.sync().await } else { Ok(()) }
    }

    /// Appends the checksum of the end, or its proof, if it lacks one. Where there is no room for it the file is as good without.
    async fn write_seal(&mut self) -> bool {
        let (mut frame, mut out) = (self.frame, Vec::new());
        if !self.is_tainted {
            frame.seal(self.annotations(), &mut out);
        }
        let written = !out.is_empty() && self.file.write_all(&out).await.is_ok();
        if written {
            self.frame = frame;
        } else if !out.is_empty()
            && let Err(error) = self.cut_back().await
        {
            self.fail(message::short_write_kept(reason(&error)), true);
        }
        written
    }

    async fn sync(&mut self) -> Result<(), String> {
        self.synced_at = time::now().mono_us;
        let skipped = mutant::is_on("skipped-fsync") && self.written_end.is_multiple_of(5);
        let synced = if skipped { Ok(()) } else { self.file.sync_data().await };
        if let Err(error) = synced {
            let why = reason(&error);
            sometimes!("fsync-failed");
            sometimes!("fsync-failed-in-rewrite", self.since.is_some());
            log::write(Level::Warning, &message::fsync_failed(&why));
            if mutant::is_on("believed-fsync") {
                return Err(why);
            }
            self.fail(why.clone(), true);
            return Err(why);
        }
        // Of a file with a hole, nothing may be proved.
        if !self.is_tainted {
            self.frame.synced();
        }
        self.synced_end = self.written_end;
        self.report_durable();
        Ok(())
    }

    fn report_durable(&self) {
        if self.is_sound() {
            self.report(FromAof::Durable { position: self.synced_end, size: self.size() });
        }
    }

    /// Whether what is flushed would be found again.
    fn is_sound(&self) -> bool {
        self.is_listed && !self.is_tainted
    }

    fn fail(&mut self, why: String, lost: bool) {
        self.is_tainted |= lost;
        self.report(FromAof::Failed { why, lost });
    }

    fn report(&self, report: FromAof) {
        // The keyspace is gone only when the server stops.
        let _ = self.reports.send(report);
    }

    /// Writes and flushes everything; `seal`: nothing more comes into this file.
    async fn flush(&mut self, seal: bool) -> Result<(), String> {
        self.retry_at = self.retry_at.map(|_| 0);
        self.write().await;
        if !self.gathered.is_empty() {
            return Err("the rest of the append-only file could not be written".to_owned());
        }
        self.sync().await?;
        // A proof can only come after what it proves.
        if seal && self.write_seal().await { self.sync().await } else { Ok(()) }
    }

    /// Goes on in a new file.
    async fn rotate(&mut self) -> Result<(), String> {
        self.since = None;
        if !self.gathered.is_empty() {
            self.fail("the end of the append-only file could not be written".to_owned(), true);
        }
        let mut manifest = self.manifest.clone();
        if !self.is_named
            && let Some(unlisted) = manifest.incremental().last().cloned()
        {
            manifest.close_incremental(unlisted.seq);
            log::write(Level::Notice, &message::removing_temporary(&unlisted.name));
            // It is replaced if it stays.
            let _ = fs::remove_file(&self.directory.file(&unlisted.name)).await;
        }
        let opened = manifest.open_incremental();
        let (name, seq) = (opened.name.clone(), opened.seq);
        log::write(Level::Notice, &message::creating_for_rewrite(&name));
        let mut file = fs::File::create(&self.directory.file(&name))
            .map_err(|error| message::open_failed(&name, reason(&error)))?;
        let is_named = self.is_sound();
        if is_named {
            let synced = file.sync_all().await;
            synced.map_err(|error| message::fsync_failed(reason(&error)))?;
        }
        let is_listed = is_named && self.list(&manifest).await;
        self.others = self.size();
        // What could not be written before is in the snapshot, and must not come after it once more.
        self.gathered.clear();
        self.written_end = self.gathered_end;
        (self.manifest, self.file, self.frame) = (manifest, file, Writer::new());
        let since = if mutant::is_on("forgetful-rewrite") { seq + 1 } else { seq };
        (self.is_listed, self.is_named) = (is_listed, is_named);
        sometimes!("tainted-rotation", self.is_tainted);
        (self.is_tainted, self.since) = (false, Some(since));
        Ok(())
    }

    /// Has the manifest on the medium name the new file. If that fails nobody knows whether it does.
    async fn list(&mut self, manifest: &Manifest) -> bool {
        match self.directory.write_manifest(manifest).await {
            Ok(()) => true,
            Err(why) => {
                sometimes!("manifest-failed");
                log::write(Level::Warning, &why);
                self.fail(why, true);
                false
            }
        }
    }

    /// Has the base in another directory too.
    async fn pin(&self, into: &Path) -> Result<Vec<u8>, String> {
        let base = self.manifest.base().ok_or(NOT_THERE)?.name.clone();
        self.directory.link(&base, into).await?;
        Ok(base)
    }

    /// Has all that was written until now in another directory too, and goes on in a new file.
    async fn seal_backup(&mut self, into: &Path) -> Result<Vec<Vec<u8>>, String> {
        self.flush(true).await?;
        if !self.is_sound() {
            return Err(UNSOUND.to_owned());
        }
        for file in self.manifest.incremental() {
            self.directory.link(&file.name, into).await?;
        }
        let mut manifest = self.manifest.clone();
        manifest.forget_history();
        let prefix = self.directory.prefix.clone();
        let copy = Directory { path: into.to_owned(), prefix, keep_history: false };
        copy.write_manifest(&manifest).await?;
        // No rewrite runs: nothing begins with this file.
        self.rotate().await?;
        self.since = None;
        let names = manifest.files().map(|file| file.name.clone());
        Ok(names.chain([manifest_name(&copy.prefix)]).collect())
    }

    /// Puts a rewritten base in place, durably.
    async fn commit(&mut self, base: &Path, is_rdb: bool) -> Result<u64, String> {
        self.flush(false).await?;
        let since = self.since.filter(|_| !self.is_tainted);
        let since = since.ok_or("the file for what followed the snapshot could not be written")?;
        self.is_named = true;
        self.directory.replace_base(&mut self.manifest, base, is_rdb, since).await?;
        (self.is_listed, self.since) = (true, None);
        let (base, earlier) = self.directory.sizes(&self.manifest);
        self.others = base + earlier;
        Ok(base)
    }
}

#[cfg(test)]
mod tests;
