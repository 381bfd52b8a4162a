//! The files of backups. Steps are taken one after the other, so that what is deleted is never what came later.

use super::aof::Directory;
use super::load;
use super::message::ToAof;
use super::save::directory_of;
use super::{Persistence, absolute};
use crate::actor::log::{self, reason};
use crate::engine::aof::manifest::manifest_name;
use crate::engine::effect::{BackupStep, Level};
use crate::engine::server::Server;
use crate::engine::session::ClientId;
use crate::runtime::sync::{mpsc, oneshot};
use crate::runtime::{fs, thread};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A step, or the answer of the writer of the append-only file to one.
pub enum Step {
    /// See that the directory is there and empty.
    Prepare(PathBuf, ClientId),
    /// The base is linked.
    Pinned(oneshot::Receiver<Result<Vec<u8>, String>>),
    /// All is linked.
    Sealed(oneshot::Receiver<Result<Vec<Vec<u8>>, String>>, ClientId),
    /// Delete what is in the directory.
    Clear(PathBuf, Option<ClientId>),
    /// Delete an append-only file that nobody writes any more.
    DeleteAof(Directory),
}

const CLOSED: &str = "the append-only file was closed";

impl Persistence {
    /// Begins a step; what concerns the stream happens at once.
    pub(super) fn begin_step(&self, server: &mut Server, step: BackupStep) {
        let here = || absolute(&server.config.backupdirname);
        if let BackupStep::Prepare(_) = step {
            // It stays there when `dir` changes.
            *self.backup.borrow_mut() = Some(here());
        }
        let into = self.backup.borrow().clone().unwrap_or_else(here);
        let step = match step {
            BackupStep::Prepare(client) => Step::Prepare(into, client),
            BackupStep::Pin => {
                let (done, answer) = oneshot::channel();
                self.tell_aof(ToAof::Pin { into, done });
                Step::Pinned(answer)
            }
            BackupStep::Seal { client, position } => {
                self.send_stream_until(server, position);
                let (done, answer) = oneshot::channel();
                self.tell_aof(ToAof::Seal { into, done });
                Step::Sealed(answer, client)
            }
            BackupStep::Clear(client) => Step::Clear(into, client),
            BackupStep::DeleteAof => Step::DeleteAof(self.directory(&server.config)),
        };
        // Nobody listens only when the server stops.
        let _ = self.steps.send(step);
    }

    /// Takes the steps of backups, in order.
    pub(super) async fn take_steps(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Step>) {
        while let Some(step) = inbox.recv().await {
            match step {
                Step::Prepare(path, client) => {
                    let prepared = on_thread(move || prepare(path)).await;
                    let now = self.keyspace.now();
                    self.keyspace.with(now, |server| server.backup_prepared(client, prepared, now));
                }
                Step::Pinned(answer) => {
                    let pinned = answer.await.unwrap_or_else(|_| Err(CLOSED.to_owned()));
                    self.keyspace.with_news(|server| server.backup_pinned(pinned));
                }
                Step::Sealed(answer, client) => {
                    let sealed = answer.await.unwrap_or_else(|_| Err(CLOSED.to_owned()));
                    let now = self.keyspace.now();
                    self.keyspace.with(now, |server| server.backup_sealed(client, sealed, now));
                }
                Step::Clear(path, client) => {
                    let cleared = on_thread(move || clear(path)).await;
                    self.keyspace.with_news(|server| match (client, cleared) {
                        (Some(client), cleared) => server.finish_outside(client, cleared),
                        (None, Err(why)) => log::write(Level::Warning, &why),
                        (None, Ok(())) => {}
                    });
                }
                Step::DeleteAof(directory) => {
                    if let Err(why) = on_thread(move || delete(directory)).await {
                        log::write(Level::Warning, &why);
                    }
                }
            }
        }
    }
}

/// Does something with files where it may take its time.
pub(super) async fn on_thread<F>(work: impl FnOnce() -> F + Send + 'static) -> Result<(), String>
where
    F: Future<Output = Result<(), String>> + 'static,
{
    let thread = thread::spawn_runtime("backup", work).map_err(|error| reason(&error))?;
    thread.join().await.unwrap_or_else(|panic| Err(panic.message))
}

async fn prepare(path: PathBuf) -> Result<(), String> {
    let failed = |error| format!("Can't create the backup directory {}: {}", path.display(), reason(&error));
    if files(&path).map_err(failed)?.is_empty() {
        fs::create_dir(&path).map_err(failed)?;
        return fs::sync_dir(directory_of(&path)).await.map_err(failed);
    }
    Err(format!("Backup directory {} is not empty, CLEANUP it first", path.display()))
}

async fn clear(path: PathBuf) -> Result<(), String> {
    let failed = |error| format!("Can't clean the backup directory {}: {}", path.display(), reason(&error));
    for file in files(&path).map_err(failed)? {
        fs::remove_file(&file).await.map_err(failed)?;
    }
    Ok(())
}

/// The manifest goes first, so that none names what is gone.
async fn delete(directory: Directory) -> Result<(), String> {
    let Some(manifest) = load::find(&directory, false).await? else { return Ok(()) };
    let names = manifest.files().chain(manifest.history()).map(|file| file.name.clone());
    for name in [manifest_name(&directory.prefix)].into_iter().chain(names) {
        // One that is gone already was deleted before a crash.
        let _ = fs::remove_file(&directory.file(&name)).await;
        fs::sync_dir(&directory.path).await.map_err(|error| reason(&error))?;
    }
    Ok(())
}

/// The files in a directory, which need not be there.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::list(path) {
        Ok(found) => Ok(found.into_iter().map(|(name, _)| path.join(name)).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
