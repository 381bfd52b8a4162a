//! What a log line looks like.

use crate::actor::log::Look;
use crate::engine::config::{LogFormat, LogTimestampFormat};
use crate::engine::effect::Level;
use std::fmt::Write;

/// The facts of a line beside its text.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Process number.
    pub pid: u32,
    /// Microseconds since 1970.
    pub unix_us: i64,
    /// Seconds that local time is ahead of UTC.
    pub offset: i32,
    /// How important it is.
    pub level: Level,
}

/// Writes a line with its end.
pub fn format(look: Look, stamp: Stamp, text: &str) -> String {
    let Stamp { pid, level, .. } = stamp;
    let time = timestamp(look.timestamp, stamp);
    let role = if look.replica { "replica" } else { "primary" };
    match look.format {
        LogFormat::Legacy => {
            let role = if look.replica { 'S' } else { 'M' };
            let mark = match level {
                Level::Debug => '.',
                Level::Verbose => '-',
                Level::Notice => '*',
                Level::Warning => '#',
            };
            format!("{pid}:{role} {time} {mark} {text}\n")
        }
        LogFormat::Logfmt => {
            let text: String = text.chars().map(|c| if unfit(c) { ' ' } else { c }).collect();
            let text = text.replace('"', "'");
            let level = word(level);
            format!("pid={pid} role={role} timestamp=\"{time}\" level={level} message=\"{text}\"\n")
        }
        LogFormat::Json => {
            let (level, mut message) = (word(level), String::with_capacity(text.len()));
            escape(text, &mut message);
            format!(
                "{{\"pid\":{pid},\"role\":\"{role}\",\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":\"{message}\"}}\n"
            )
        }
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Verbose => "verbose",
        Level::Notice => "notice",
        Level::Warning => "warning",
    }
}

/// Ends a line or means something to a terminal.
fn unfit(c: char) -> bool {
    c.is_control()
}

/// The inside of a JSON string (RFC 8259, section 7).
fn escape(text: &str, to: &mut String) {
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            c if (c as u32) < 0x20 => {
                // Writing to a string cannot fail.
                let _ = write!(to, "\\u{:04x}", c as u32);
            }
            c => to.push(c),
        }
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The local date, as year, month and day, and the time of day, down to the second.
fn local(stamp: Stamp) -> ((i64, usize, i64), String) {
    let local = stamp.unix_us.div_euclid(1_000_000) + i64::from(stamp.offset);
    let (days, seconds) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    (civil(days), time)
}

/// The moment as the system's log has it (RFC 3164, section 4.1.2).
pub fn syslog_time(stamp: Stamp) -> String {
    let ((_, month, day), time) = local(stamp);
    format!("{} {day:2} {time}", MONTHS[month - 1])
}

fn timestamp(format: LogTimestampFormat, stamp: Stamp) -> String {
    let unix_ms = stamp.unix_us.div_euclid(1000);
    let ((year, month, day), time) = local(stamp);
    let time = format!("{time}.{:03}", unix_ms.rem_euclid(1000));
    match format {
        LogTimestampFormat::Legacy => format!("{day:02} {} {year} {time}", MONTHS[month - 1]),
        LogTimestampFormat::Iso8601 => {
            let (sign, offset) = (if stamp.offset < 0 { '-' } else { '+' }, stamp.offset.abs());
            let (hours, minutes) = (offset / 3600, offset / 60 % 60);
            format!("{year}-{month:02}-{day:02}T{time}{sign}{hours:02}:{minutes:02}")
        }
        LogTimestampFormat::Milliseconds => unix_ms.to_string(),
    }
}

/// Year, month and day of a number of days since 1970-01-01, by the Gregorian calendar: counted from
/// March of the year 0, so that the leap day is the last of a year.
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Loglevel;

    const STAMP: Stamp = Stamp { pid: 7, unix_us: 1_795_424_419_230_148, offset: 0, level: Level::Notice };

    fn look(format: LogFormat, timestamp: LogTimestampFormat) -> Look {
        Look { level: Loglevel::Notice, format, timestamp, replica: false, crash_reports: true }
    }

    #[test]
    fn the_legacy_line_is_redis_s() {
        let look = look(LogFormat::Legacy, LogTimestampFormat::Legacy);
        assert_eq!(format(look, STAMP, "Hello"), "7:M 23 Nov 2026 09:00:19.230 * Hello\n");
        let replica = Look { replica: true, ..look };
        let warning = Stamp { level: Level::Warning, ..STAMP };
        assert_eq!(format(replica, warning, "Hello"), "7:S 23 Nov 2026 09:00:19.230 # Hello\n");
    }

    #[test]
    fn logfmt_keeps_its_quotes() {
        let look = look(LogFormat::Logfmt, LogTimestampFormat::Iso8601);
        let east = Stamp { offset: 19_800, ..STAMP };
        assert_eq!(
            format(look, east, "say \"hi\"\n"),
            "pid=7 role=primary timestamp=\"2026-11-23T14:30:19.230+05:30\" level=notice message=\"say 'hi' \"\n"
        );
    }

    #[test]
    fn json_is_escaped() {
        let look = look(LogFormat::Json, LogTimestampFormat::Milliseconds);
        assert_eq!(
            format(look, STAMP, "a \"b\" \\ \u{1}\n"),
            "{\"pid\":7,\"role\":\"primary\",\"timestamp\":\"1795424419230\",\"level\":\"notice\",\
             \"message\":\"a \\\"b\\\" \\\\ \\u0001\\n\"}\n"
        );
    }

    #[test]
    fn days_become_dates() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            (11_016, (2000, 2, 29)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
        // West of Greenwich it can still be yesterday.
        let west = Stamp { offset: -36_000, ..STAMP };
        assert_eq!(timestamp(LogTimestampFormat::Legacy, west), "22 Nov 2026 23:00:19.230");
        assert_eq!(timestamp(LogTimestampFormat::Iso8601, west), "2026-11-22T23:00:19.230-10:00");
    }
}
