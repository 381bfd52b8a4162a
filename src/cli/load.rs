//! From arguments to a configuration: reads files and standard input, and settles in the working directory.

use crate::actor::log::reason;
use crate::engine::config::{Arguments, Config, LoadError, Sources};
use crate::engine::server::Server;
use crate::runtime::{fs, process};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path from bytes.
pub fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The configuration that the arguments ask for and the absolute path of its file, or why there is none:
/// what the server prints before it ends.
pub fn load(arguments: &Arguments) -> Result<(Config, Option<PathBuf>), String> {
    let file = match &arguments.file {
        Some(name) => Some(absolute(path(name))?),
        None => None,
    };
    let cannot_open = |path: &Path, error: std::io::Error| {
        format!("Fatal error, can't open config file '{}': {}", path.display(), reason(&error))
    };
    let text = match &file {
        Some(path) => Some(fs::read(path).map_err(|error| cannot_open(path, error))?),
        None => None,
    };
    let stdin = if arguments.stdin {
        let text = fs::read_standard_input();
        Some(text.map_err(|error| format!("Fatal error, can't read standard input: {}", reason(&error)))?)
    } else {
        None
    };
    let shown = file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let sources = Sources {
        file: text.as_deref().map(|text| (shown.as_str(), text)),
        stdin: stdin.as_deref(),
        arguments: &arguments.directives,
    };
    let mut config = Config::default();
    config.load_sources(sources, &mut include).map_err(|error| error.to_string())?;
    // Before the server goes where nobody would hear of it.
    Server::check_declarations(&config)?;
    settle(&mut config).map_err(|why| LoadError { place: None, reason: why.into() }.to_string())?;
    Ok((config, file))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    let here = process::working_directory()
        .map_err(|error| format!("Fatal error, no working directory: {}", reason(&error)))?;
    Ok(here.join(path))
}

/// The files of an `include`.
fn include(pattern: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let pattern = String::from_utf8_lossy(pattern);
    let failed =
        |name: &str, error: std::io::Error| format!("can't open config file '{name}': {}", reason(&error));
    let paths = fs::glob(&pattern).map_err(|error| failed(&pattern, error))?;
    let read = |path: PathBuf| {
        let name = path.display().to_string();
        let text = fs::read(&path).map_err(|error| failed(&name, error))?;
        Ok((name, text))
    };
    paths.into_iter().map(read).collect()
}

/// Goes to `dir`, which files named later are relative to, and sees that the log can be written.
fn settle(config: &mut Config) -> Result<(), String> {
    let directory = path(&config.dir);
    process::set_working_directory(directory)
        .map_err(|error| format!("Can't chdir to '{}': {}", directory.display(), reason(&error)))?;
    // CONFIG GET gives it in full.
    if let Ok(full) = process::working_directory() {
        config.dir = full.as_os_str().as_bytes().to_vec();
    }
    if !config.logfile.is_empty() {
        fs::Appender::open(path(&config.logfile))
            .map_err(|error| format!("Can't open the log file: {}", reason(&error)))?;
    }
    Ok(())
}
