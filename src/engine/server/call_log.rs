//! SLOWLOG and COMMANDLOG: the latest calls that took long, or whose request or reply was large.

use crate::engine::config::Config;
use crate::engine::protocol::Args;
use crate::engine::session::Session;
use crate::engine::time::Now;
use std::collections::VecDeque;

/// A call worth remembering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCall {
    /// Grows by one with each entry of its log.
    pub id: u64,
    /// When it ended, Unix seconds.
    pub at: i64,
    /// Microseconds, or bytes.
    pub value: u64,
    /// The arguments, trimmed.
    pub args: Vec<Vec<u8>>,
    /// How many there were.
    pub arg_count: usize,
    /// Where the client is.
    pub address: String,
    /// What the client calls itself.
    pub name: Vec<u8>,
}

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// Calls that took long.
    Slow,
    /// Large requests.
    LargeRequest,
    /// Large replies.
    LargeReply,
}

/// The latest entries first.
#[derive(Clone, Debug, Default)]
pub struct CallLog {
    entries: VecDeque<LoggedCall>,
    next_id: u64,
}

impl CallLog {
    /// How many entries there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    /// The entries, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &LoggedCall> {
        self.entries.iter()
    }
    /// Forgets the entries; numbers go on.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
    fn push(&mut self, mut call: LoggedCall, max_len: u64) {
        call.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(call);
        self.entries.truncate(usize::try_from(max_len).unwrap_or(usize::MAX));
    }
}

/// All three logs, and from which values on a call goes into one of them.
#[derive(Clone, Debug, Default)]
pub struct CallLogs {
    slow: CallLog,
    large_requests: CallLog,
    large_replies: CallLog,
    /// Calls that went into the slow log.
    pub slow_count: u64,
    /// The longest of them in microseconds.
    pub slow_max_us: u64,
    /// All of them together in microseconds.
    pub slow_sum_us: u64,
}

impl CallLogs {
    /// One of the logs.
    pub fn get(&self, kind: LogKind) -> &CallLog {
        match kind {
            LogKind::Slow => &self.slow,
            LogKind::LargeRequest => &self.large_requests,
            LogKind::LargeReply => &self.large_replies,
        }
    }
    /// One of the logs.
    pub fn get_mut(&mut self, kind: LogKind) -> &mut CallLog {
        match kind {
            LogKind::Slow => &mut self.slow,
            LogKind::LargeRequest => &mut self.large_requests,
            LogKind::LargeReply => &mut self.large_replies,
        }
    }
    /// Remembers a call if its value reaches the threshold of the log.
    pub fn record(
        &mut self,
        kind: LogKind,
        value: u64,
        (session, args, hidden): (&Session, Args, &[bool]),
        config: &Config,
        now: Now,
    ) {
        let (threshold, max_len) = limits(kind, config);
        if threshold < 0 || value < threshold as u64 || max_len == 0 {
            return;
        }
        if kind == LogKind::Slow {
            self.slow_count += 1;
            self.slow_max_us = self.slow_max_us.max(value);
            self.slow_sum_us += value;
        }
        let call = LoggedCall {
            id: 0,
            at: now.unix_secs(),
            value,
            args: trimmed(args, hidden, config),
            arg_count: args.len(),
            // Scripts are nowhere.
            address: if session.is_script() { String::new() } else { session.peer.address.to_string() },
            name: session.name().to_vec(),
        };
        self.get_mut(kind).push(call, max_len);
    }
}

/// The threshold of a log (negative: it is off) and how many entries it holds.
pub fn limits(kind: LogKind, config: &Config) -> (i64, u64) {
    match kind {
        LogKind::Slow => (config.slowlog_log_slower_than, config.slowlog_max_len),
        LogKind::LargeRequest => {
            (config.commandlog_request_larger_than, config.commandlog_large_request_max_len)
        }
        LogKind::LargeReply => (config.commandlog_reply_larger_than, config.commandlog_large_reply_max_len),
    }
}

/// The arguments as a log keeps them: secrets hidden, long ones and too many of them cut.
fn trimmed(args: Args, hidden: &[bool], config: &Config) -> Vec<Vec<u8>> {
    let max_args = config.slowlog_entry_max_argc as usize;
    let max_bytes = usize::try_from(config.slowlog_entry_max_string_len).unwrap_or(usize::MAX);
    let kept = if args.len() > max_args { max_args - 1 } else { args.len() };
    let mut trimmed: Vec<Vec<u8>> = Vec::with_capacity(kept + 1);
    for (index, arg) in args.iter().take(kept).enumerate() {
        trimmed.push(if hidden.get(index).is_some_and(|hidden| *hidden) {
            b"(redacted)".to_vec()
        } else if arg.len() > max_bytes {
            let more = format!("... ({} more bytes)", arg.len() - max_bytes);
            [&arg[..max_bytes], more.as_bytes()].concat()
        } else {
            arg.to_vec()
        });
    }
    if kept < args.len() {
        trimmed.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    trimmed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::Argv;

    #[test]
    fn what_is_kept_of_the_arguments() {
        let mut config = Config::default();
        (config.slowlog_entry_max_argc, config.slowlog_entry_max_string_len) = (3, 4);
        let argv = Argv::of(["abcd", "abcdef", "x", "y"].map(str::as_bytes));
        let kept = trimmed(argv.args(), &[], &config);
        assert_eq!(
            kept,
            [b"abcd".to_vec(), b"abcd... (2 more bytes)".to_vec(), b"... (2 more arguments)".to_vec()]
        );
        assert_eq!(trimmed(argv.args(), &[true], &config)[0], b"(redacted)");
    }

    #[test]
    fn the_latest_entries_stay_and_numbers_go_on() {
        let (mut logs, mut config, session) = (CallLogs::default(), Config::default(), Session::default());
        (config.slowlog_log_slower_than, config.slowlog_max_len) = (10, 2);
        let argv = Argv::of(["GET".as_bytes()]);
        for value in [9, 10, 11, 12] {
            logs.record(LogKind::Slow, value, (&session, argv.args(), &[]), &config, Now::default());
        }
        let kept: Vec<_> = logs.get(LogKind::Slow).iter().map(|call| (call.id, call.value)).collect();
        assert_eq!(kept, [(2, 12), (1, 11)]);
        assert_eq!((logs.slow_count, logs.slow_max_us, logs.slow_sum_us), (3, 12, 33));
        logs.get_mut(LogKind::Slow).reset();
        assert_eq!(logs.get(LogKind::Slow).len(), 0);
    }
}
