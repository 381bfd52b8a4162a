//! `syslog-enabled`: the log's lines for the system's own log too, as the local daemon takes them (RFC 3164).

use super::line::{self, Stamp};
use crate::engine::config::{Config, SyslogFacility};
use crate::engine::effect::Level;
use crate::runtime::process;
use std::path::PathBuf;

/// Where the daemon listens.
const SOCKET: &str = "/dev/log";
/// Bytes of a text that it is told: what is longer it may not take at all.
const MOST: usize = 1024;

/// How the system's log is told.
#[derive(Clone, Debug)]
pub struct Syslog {
    socket: PathBuf,
    ident: String,
    facility: SyslogFacility,
}

impl Syslog {
    /// As the configuration says, if it wants that.
    pub fn of(config: &Config) -> Option<Self> {
        config.syslog_enabled.then(|| Syslog {
            socket: SOCKET.into(),
            ident: String::from_utf8_lossy(&config.syslog_ident).into_owned(),
            facility: config.syslog_facility,
        })
    }

    /// The message for a line.
    pub fn message(&self, stamp: Stamp, text: &str) -> String {
        let severity = match stamp.level {
            Level::Warning => 4,
            Level::Notice => 5,
            Level::Verbose => 6,
            Level::Debug => 7,
        };
        let facility = match self.facility {
            SyslogFacility::User => 1,
            SyslogFacility::Local0 => 16,
            SyslogFacility::Local1 => 17,
            SyslogFacility::Local2 => 18,
            SyslogFacility::Local3 => 19,
            SyslogFacility::Local4 => 20,
            SyslogFacility::Local5 => 21,
            SyslogFacility::Local6 => 22,
            SyslogFacility::Local7 => 23,
        };
        let (priority, time) = (facility * 8 + severity, line::syslog_time(stamp));
        let text = &text[..text.floor_char_boundary(MOST)];
        format!("<{priority}>{time} {}[{}]: {text}", self.ident, stamp.pid)
    }

    /// Sends a message.
    pub fn send(&self, message: &str) {
        // Where no daemon listens there is nobody to miss it, and one that is full is no reason to wait.
        let _ = process::send_datagram(&self.socket, message.as_bytes());
    }
}

// For tests of the journal, which simulated worlds have none of.
#[cfg(not(madsim))]
#[cfg(test)]
impl Syslog {
    /// One that listens at another place.
    pub fn at(socket: PathBuf) -> Self {
        Syslog { socket, ident: "redis".to_owned(), facility: SyslogFacility::Local0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_the_daemon_takes_it() {
        let stamp = Stamp { pid: 7, unix_us: 1_795_424_419_230_148, offset: 0, level: Level::Warning };
        let config = Config { syslog_enabled: true, ..Config::default() };
        let syslog = Syslog::of(&config).expect("it is wanted");
        assert_eq!(syslog.message(stamp, "Hello"), "<132>Nov 23 09:00:19 redis[7]: Hello");
        let config = Config { syslog_ident: b"mine".into(), syslog_facility: SyslogFacility::User, ..config };
        let syslog = Syslog::of(&config).expect("it is wanted");
        let early = Stamp { unix_us: 0, offset: 3600, level: Level::Debug, ..stamp };
        assert_eq!(syslog.message(early, "Hello"), "<15>Jan  1 01:00:00 mine[7]: Hello");
        assert!(syslog.message(early, &"é".repeat(1000)).ends_with(&format!(": {}", "é".repeat(512))));
        assert!(Syslog::of(&Config::default()).is_none());
    }
}
