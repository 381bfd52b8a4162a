//! The log: takes events of `tracing`, lays them out, and writes them on a thread of its own, so that a
//! slow disk or terminal holds up nobody.

use super::line::{self, Stamp};
use super::syslog::Syslog;
use crate::actor::log::Settings;
use crate::engine::effect::Level;
use crate::runtime::{fs, process, thread, time};
use std::fmt::{Debug, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that may wait for the disk. What comes while so many wait is dropped and counted.
const QUEUE: usize = 4096;
/// Bytes written at once.
const BATCH: usize = 64 * 1024;
/// How long the end of the process waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Output,
    /// A file, opened for each batch, so that it can be rotated by moving it away.
    File(PathBuf),
}

enum Letter {
    /// A text for the target, and a message for the system's log.
    Text(String, Option<String>),
    /// Answer once all before is written.
    Flush(SyncSender<()>),
}

/// The log of the process.
pub struct Journal {
    settings: Settings,
    syslog: Option<Syslog>,
    letters: SyncSender<Letter>,
    dropped: AtomicU64,
    pid: u32,
}

impl Journal {
    /// Starts the thread that writes, and tells the system's log if there is a `syslog`. `settings` says what lines look
    /// like, for as long as it runs.
    pub fn start(target: Target, syslog: Option<Syslog>, settings: Settings) -> std::io::Result<Arc<Self>> {
        let (letters, inbox) = sync_channel(QUEUE);
        let teller = syslog.clone();
        thread::spawn_runtime("log", move || async move { write(&inbox, &target, teller.as_ref()) })?;
        Ok(Arc::new(Journal { settings, syslog, letters, dropped: AtomicU64::new(0), pid: process::pid() }))
    }

    /// Writes text as it is.
    pub fn raw(&self, text: String) {
        self.post(text, None);
    }

    fn post(&self, text: String, message: Option<String>) {
        if self.letters.try_send(Letter::Text(text, message)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a line to the system's log alone.
    pub fn tell_system(&self, level: Level, text: &str) {
        if let Some(syslog) = &self.syslog {
            self.post(String::new(), Some(syslog.message(self.stamp(level), text)));
        }
    }

    /// Writes a line.
    pub fn line(&self, level: Level, text: &str) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.write_line(Level::Warning, &format!("The log was too slow: {dropped} lines were dropped."));
        }
        self.write_line(level, text);
    }

    fn write_line(&self, level: Level, text: &str) {
        let stamp = self.stamp(level);
        let message = self.syslog.as_ref().map(|syslog| syslog.message(stamp, text));
        self.post(line::format(self.settings.look(), stamp, text), message);
    }

    fn stamp(&self, level: Level) -> Stamp {
        let unix_us = time::now().unix_us;
        Stamp { pid: self.pid, unix_us, offset: time::utc_offset(unix_us), level }
    }

    /// Waits until everything is written, unless that takes too long.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        // When the queue is full nothing more can be said, and whoever waits wants to end.
        if self.letters.try_send(Letter::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }

    /// Whether a crash is told in full (`crash-log-enabled`).
    pub fn wants_crash_reports(&self) -> bool {
        self.settings.look().crash_reports
    }

    fn wants(&self, level: Level) -> bool {
        level.is_logged_at(self.settings.look().level)
    }
}

/// Writes what comes, many lines at once when many wait, until the journal is gone.
fn write(inbox: &Receiver<Letter>, target: &Target, syslog: Option<&Syslog>) {
    while let Ok(first) = inbox.recv() {
        let (mut text, mut waiting) = (String::new(), Vec::new());
        let mut letter = Some(first);
        while let Some(next) = letter {
            match next {
                Letter::Text(line, message) => {
                    text.push_str(&line);
                    if let (Some(syslog), Some(message)) = (syslog, message) {
                        syslog.send(&message);
                    }
                }
                Letter::Flush(done) => waiting.push(done),
            }
            letter = if text.len() < BATCH { inbox.try_recv().ok() } else { None };
        }
        let file = match target {
            Target::Output => fs::Appender::standard_output(),
            Target::File(path) => fs::Appender::open(path),
        };
        // A log that cannot be written is no reason to stop serving, and there is nowhere to say so.
        let _ = file.and_then(|mut file| file.append(text.as_bytes()));
        for done in waiting {
            // Whoever waited may have lost patience.
            let _ = done.send(());
        }
    }
}

/// The face of a journal that `tracing` sees.
pub struct Lines(pub Arc<Journal>);

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The level can change at any time.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.wants(level_of(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.line(level_of(event.metadata()), &text.0);
    }
}

fn level_of(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::TRACE => Level::Debug,
        tracing::Level::DEBUG => Level::Verbose,
        tracing::Level::INFO => Level::Notice,
        tracing::Level::WARN | tracing::Level::ERROR => Level::Warning,
    }
}

/// The message of an event, then its other fields.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => {
                let rest = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{rest}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

// Its thread is one of the machine, which a simulated world does not have.
#[cfg(not(madsim))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{Config, LogFormat, Loglevel};
    use crate::runtime::{rng, task};
    use tracing_subscriber::layer::SubscriberExt;

    /// Runs `act` with a log of its own and gives what was written.
    fn logged(act: impl FnOnce(&Settings)) -> String {
        let path = fs::temporary(&format!("seedis-{:x}.log", rng::seed()));
        let settings = Settings::default();
        let journal = Journal::start(Target::File(path.clone()), None, settings.clone()).unwrap();
        let subscriber = tracing_subscriber::registry().with(Lines(journal.clone()));
        tracing::subscriber::with_default(subscriber, || act(&settings));
        journal.flush();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove(&path);
        text
    }

    #[test]
    fn lines_reach_the_file_in_order() {
        let text = logged(|_| {
            for number in 0..100 {
                tracing::info!("line {number}");
            }
            tracing::error!(fault = 3, "the last");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 101);
        assert!(lines[42].ends_with(" * line 42"), "{}", lines[42]);
        assert!(lines[100].ends_with(" # the last fault=3"), "{}", lines[100]);
        assert!(lines[0].starts_with(&format!("{}:M ", process::pid())));
    }

    #[test]
    fn the_level_and_the_look_change_while_it_runs() {
        let text = logged(|settings| {
            tracing::debug!("not yet");
            let config =
                Config { loglevel: Loglevel::Verbose, log_format: LogFormat::Json, ..Config::default() };
            settings.apply(&config);
            tracing::debug!("now");
            settings.apply(&Config { loglevel: Loglevel::Nothing, ..Config::default() });
            tracing::error!("never");
        });
        assert!(text.ends_with("\"message\":\"now\"}\n") && text.lines().count() == 1, "{text}");
    }

    #[test]
    #[allow(clippy::disallowed_types)]
    fn lines_reach_the_systems_log_too() {
        let path = fs::temporary(&format!("seedis-{:x}.socket", rng::seed()));
        let daemon = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let nowhere = Target::File(PathBuf::from("/nonexistent/log"));
        let journal = Journal::start(nowhere, Some(Syslog::at(path.clone())), Settings::default()).unwrap();
        journal.raw("no line\n".to_owned());
        journal.line(Level::Warning, "a line");
        daemon.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut buffer = [0; 100];
        let length = daemon.recv(&mut buffer).unwrap();
        let heard = String::from_utf8_lossy(&buffer[..length]);
        assert!(heard.starts_with("<132>") && heard.ends_with(": a line"), "{heard}");
        let _ = fs::remove(&path);
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nobody() {
        let _ = task::block_on_main(async {
            let nowhere = Target::File(PathBuf::from("/nonexistent/log"));
            let nobody = Some(Syslog::at(PathBuf::from("/nonexistent/socket")));
            let journal = Journal::start(nowhere, nobody, Settings::default()).unwrap();
            journal.line(Level::Notice, "into the void");
            journal.flush();
        });
    }
}
