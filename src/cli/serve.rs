//! The life of a server process: configuration, background, log, server, end.

use super::journal::{Journal, Lines, Target};
use super::load::{load, path};
use super::syslog::Syslog;
use super::{crash, machine};
use crate::actor::log::{self, Settings, reason};
use crate::actor::{self, End, Start};
use crate::engine::config::{Arguments, Config, Supervised};
use crate::engine::effect::Level;
use crate::engine::{REDIS_VERSION, VERSION};
use crate::runtime::{fs, process, task};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt;

/// Where Redis puts the number of a background process that names no place of its own.
const DEFAULT_PIDFILE: &str = "/var/run/redis.pid";
/// Whatever `cluster-enabled` says: there are no clusters yet, as INFO and HELLO tell too.
const MODE: &str = "standalone";

/// Serves until told to stop.
pub fn serve(command_line: &[Vec<u8>], arguments: &Arguments) -> ExitCode {
    let (config, config_file) = match load(arguments) {
        Ok(loaded) => loaded,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let background = config.daemonize && !is_supervised(&config);
    // Before the first thread, which a fork would not take along.
    if background && let Err(error) = process::daemonize() {
        eprintln!("Can't go to the background: {}", reason(&error));
        return ExitCode::FAILURE;
    }
    if config.disable_thp && machine::has_huge_pages() {
        // Where the system refuses, everything works all the same.
        let _ = process::disable_huge_pages();
    }
    let settings = Settings::default();
    settings.apply(&config);
    let journal = match start_log(&config, &settings) {
        Ok(journal) => journal,
        Err(error) => {
            eprintln!("Can't start the log: {}", reason(&error));
            return ExitCode::FAILURE;
        }
    };
    announce(&config, &journal, config_file.as_deref(), command_line);
    let pidfile = write_pidfile(&config, background);
    let outcome = task::block_on_main(actor::run(Start { config, config_file, log: settings }));
    if let Some(pidfile) = pidfile {
        log::write(Level::Notice, "Removing the pid file.");
        if let Err(error) = fs::remove(&pidfile) {
            log::write(Level::Warning, &format!("Can't remove {}: {}", pidfile.display(), reason(&error)));
        }
    }
    let code = end(outcome, &journal, command_line);
    journal.flush();
    code
}

/// Says how it ended and turns it into an exit code. Does not return from a restart or a crash.
fn end(
    outcome: std::io::Result<Result<End, String>>,
    journal: &Journal,
    command_line: &[Vec<u8>],
) -> ExitCode {
    let why = match outcome {
        Ok(Ok(End::Stopped(_))) => {
            log::write(Level::Warning, "Seedis is now ready to exit, bye bye...");
            return ExitCode::SUCCESS;
        }
        Ok(Ok(End::Crashed(how))) => {
            crash::report(journal, how);
            std::process::abort();
        }
        Ok(Ok(End::Restart(_))) => {
            log::write(Level::Warning, "Restarting.");
            journal.flush();
            format!("Can't restart: {}", reason(&process::restart(command_line)))
        }
        Ok(Ok(End::Forced)) => "You insist... exiting now.".to_owned(),
        Ok(Err(why)) => why,
        Err(error) => format!("Can't start the runtime: {}", reason(&error)),
    };
    log::write(Level::Warning, &why);
    ExitCode::FAILURE
}

fn start_log(config: &Config, settings: &Settings) -> std::io::Result<Arc<Journal>> {
    let target = match &config.logfile[..] {
        b"" => Target::Output,
        name => Target::File(path(name).to_owned()),
    };
    let journal = Journal::start(target, Syslog::of(config), settings.clone())?;
    let subscriber = tracing_subscriber::registry().with(Lines(journal.clone()));
    // Fails only if there is one already, and nobody else in the process sets one.
    let _ = tracing::subscriber::set_global_default(subscriber);
    crash::watch(journal.clone());
    Ok(journal)
}

/// Whether somebody watches over the process, who would lose it if it went to the background.
fn is_supervised(config: &Config) -> bool {
    match config.supervised {
        Supervised::No | Supervised::Upstart => false,
        Supervised::Systemd => true,
        Supervised::Auto => process::is_supervised(),
    }
}

/// The first lines of the log, as those who wait for a Redis expect them.
fn announce(config: &Config, journal: &Journal, config_file: Option<&Path>, command_line: &[Vec<u8>]) {
    let pid = process::pid();
    log::write(Level::Notice, "oO0OoO0OoO0Oo Seedis is starting oO0OoO0OoO0Oo");
    log::write(
        Level::Notice,
        &format!(
            "Seedis version={VERSION}, Redis version={REDIS_VERSION}, bits={}, pid={pid}, just started",
            process::ARCH_BITS
        ),
    );
    if command_line.len() > 1 {
        log::write(Level::Notice, "Configuration loaded");
    } else if config_file.is_none() {
        log::write(Level::Notice, "No config file specified: using built-in defaults.");
    }
    if config.supervised == Supervised::Upstart {
        log::write(Level::Warning, "upstart supervision is not supported: starting without it.");
    } else if config.supervised == Supervised::Systemd && !process::is_supervised() {
        log::write(Level::Warning, "systemd supervision requested, but NOTIFY_SOCKET not found!");
    }
    let to_terminal = config.logfile.is_empty() && !config.syslog_enabled && std::io::stdout().is_terminal();
    if config.always_show_logo || to_terminal {
        journal.raw(banner(config, pid));
    } else {
        log::write(Level::Notice, &format!("Running mode={MODE}, port={}.", config.main_port()));
    }
    machine::check(&mut |line| {
        if let Some((_, advice)) = line.split_once("WARNING:\n") {
            log::write(Level::Warning, &format!("WARNING: {advice}"));
        }
    });
}

/// The three facts that the logo of Redis carries, in its words: programs that start one look for them.
fn banner(config: &Config, pid: u32) -> String {
    format!(
        "\n\x20     .\n\
         \x20    / \\       Seedis {VERSION} (Redis {REDIS_VERSION}), {} bit\n\
         \x20   | | |      Running in {MODE} mode\n\
         \x20    \\|/       Port: {}\n\
         \x20     |        PID: {pid}\n\n",
        process::ARCH_BITS,
        config.main_port(),
    )
}

/// Writes the process number where the configuration says. Gives the file, to be removed at the end.
fn write_pidfile(config: &Config, background: bool) -> Option<PathBuf> {
    let file = match &config.pidfile[..] {
        b"" if background => PathBuf::from(DEFAULT_PIDFILE),
        b"" => return None,
        name => path(name).to_owned(),
    };
    match fs::write(&file, format!("{}\n", process::pid()).as_bytes()) {
        Ok(()) => Some(file),
        Err(error) => {
            let why = reason(&error);
            log::write(Level::Warning, &format!("Failed to write PID file {}: {why}", file.display()));
            None
        }
    }
}
