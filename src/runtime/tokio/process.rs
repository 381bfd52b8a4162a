//! The process and the machine under it.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeVal;

pub use super::heap::{
    AllocatorStats, allocated as heap_allocated, allocator_name, allocator_stats, publish as publish_heap,
};

/// The process id.
pub fn pid() -> u32 {
    std::process::id()
}

/// The file this program was started from.
pub fn executable() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// The command line, the program's name first. Arguments that are not UTF-8 keep their bytes.
pub fn arguments() -> Vec<Vec<u8>> {
    std::env::args_os().map(|argument| argument.as_bytes().to_vec()).collect()
}

pub fn working_directory() -> io::Result<PathBuf> {
    std::env::current_dir()
}

pub fn set_working_directory(path: &Path) -> io::Result<()> {
    std::env::set_current_dir(path)
}

/// Kernel, its release and the machine: `Linux 6.1.0 x86_64`.
pub fn os() -> String {
    match nix::sys::utsname::uname() {
        Ok(name) => format!(
            "{} {} {}",
            name.sysname().to_string_lossy(),
            name.release().to_string_lossy(),
            name.machine().to_string_lossy()
        ),
        Err(_) => std::env::consts::OS.to_owned(),
    }
}

/// Width of a pointer: 64 or 32.
pub const ARCH_BITS: u32 = usize::BITS;

/// Processors that the process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub system: Duration,
    pub user: Duration,
}

/// Whose processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOf {
    Process,
    /// Ended children.
    Children,
    /// The calling thread.
    Thread,
}

pub fn cpu_time(of: CpuOf) -> CpuTime {
    let who = match of {
        CpuOf::Process => UsageWho::RUSAGE_SELF,
        CpuOf::Children => UsageWho::RUSAGE_CHILDREN,
        CpuOf::Thread => UsageWho::RUSAGE_THREAD,
    };
    let span = |time: TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
    getrusage(who).map_or(CpuTime::default(), |usage| CpuTime {
        system: span(usage.system_time()),
        user: span(usage.user_time()),
    })
}

/// Bytes of the machine's memory that the process holds; 0 if the system does not tell.
pub fn resident_memory() -> u64 {
    // The second number of statm is the resident set in pages (proc_pid_statm(5)).
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok());
    pages.unwrap_or(0) * page_size()
}

/// What the kernel adds to the process's badness when it runs out of memory (proc_pid_oom_score_adj(5)).
pub fn oom_score_adj() -> io::Result<i64> {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj")?;
    text.trim().parse().map_err(io::Error::other)
}

/// Changes it, -1000 to 1000; lowering it takes privileges.
pub fn set_oom_score_adj(score: i64) -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", score.to_string())
}

/// Bytes of memory of the machine; 0 if the system does not tell.
pub fn system_memory() -> u64 {
    nix::sys::sysinfo::sysinfo().map_or(0, |info| info.ram_total())
}

pub fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, |bytes| bytes as u64)
}

/// Raises the limit of open files to `wanted` if it is lower, and returns the limit that holds now.
pub fn raise_open_files(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(soft);
    }
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_err() {
        // Only root may raise the hard limit.
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
    }
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Leaves the terminal and goes on in the background in a session of its own; the working directory
/// stays. Must come before the first thread or runtime, which a fork does not take along.
pub fn daemonize() -> io::Result<()> {
    Ok(nix::unistd::daemon(true, false)?)
}

/// Replaces the process by a new start of the same program with the same arguments. Returns only the
/// reason why it could not.
pub fn restart(command_line: &[Vec<u8>]) -> io::Error {
    let program = match executable() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = Command::new(program);
    if let [name, arguments @ ..] = command_line {
        command
            .arg0(OsStr::from_bytes(name))
            .args(arguments.iter().map(|argument| OsStr::from_bytes(argument)));
    }
    command.exec()
}

/// Whether systemd waits to hear from the process.
pub fn is_supervised() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Tells systemd (`READY=1`, `STATUS=...`). Returns whether there was somebody to tell.
pub fn notify_supervisor(state: &str) -> io::Result<bool> {
    let Some(target) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(false);
    };
    // A leading @ stands for the NUL of an abstract address (sd_notify(3)).
    let address = match target.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&target)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(true)
}

/// Sends a message to whoever listens at a path, unless that would have to wait.
pub fn send_datagram(path: &Path, message: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(message, path).map(|_| ())
}

/// Has the system give the process small pages only, also for memory that it asks for later.
pub fn disable_huge_pages() -> io::Result<()> {
    Ok(rustix::thread::disable_transparent_huge_pages(true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_about_itself() {
        assert!(os().starts_with("Linux "));
        assert!(resident_memory() > page_size());
        assert!(system_memory() > resident_memory());
        assert!(cpu_time(CpuOf::Process).user + cpu_time(CpuOf::Process).system > Duration::ZERO);
        assert!(executable().unwrap().is_absolute());
    }

    #[test]
    fn the_limit_of_files_is_never_lowered() {
        let limit = raise_open_files(0).unwrap();
        assert_eq!(raise_open_files(limit.saturating_sub(1)).unwrap(), limit);
    }
}
