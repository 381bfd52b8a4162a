//! How the server is configured and how its network, disk and clock behave: what differs from the usual, one
//! line each, so that a line less is a world with one thing less in it.

use seedis::engine::config::Config;
use seedis::runtime::simulation::{DiskFaults, Link, Schedule};

/// One line: its subject (`config`, `link`, `disk`, `trouble` or `server`), a name, a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub subject: String,
    pub name: String,
    pub value: String,
}

/// All lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub Vec<Setting>);

/// What the lines say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// The server's configuration file.
    pub config: String,
    /// The network between all.
    pub link: Link,
    /// The server's disk.
    pub disk: DiskFaults,
    /// The same while clients write, in a world of crashes.
    pub trouble: DiskFaults,
    /// The server itself.
    pub server: ServerFaults,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFaults {
    /// Of a million calls of `accept`, how many fail.
    pub accept_failures: u32,
    /// Parts per million by which its clock runs fast.
    pub drift_ppm: i32,
    /// By how many seconds its wall clock is ahead, all the time.
    pub skew_s: i64,
    /// Its timers fire at multiples of so many microseconds.
    pub timer_grain_us: u64,
    /// How many connections it may have open before it has no descriptor left; 0 is no limit.
    pub descriptors: usize,
    /// Who of its tasks goes first.
    pub schedule: Schedule,
    /// Whether it does rare things on purpose, see [`seedis::engine::buggify`].
    pub buggify: bool,
}

/// What every server of a world is told, so that clients reach it and nothing is kept.
pub const ALWAYS: &str = "port 6379\nbind *\nprotected-mode no\nsave \"\"\n";

impl Settings {
    /// The lines that say this.
    pub fn of(values: &Values) -> Self {
        let Values { config, link, disk, trouble, server } = values;
        let mut lines = Vec::new();
        let mut add = |subject: &str, name: &str, value: String| {
            lines.push(Setting { subject: subject.to_owned(), name: name.to_owned(), value });
        };
        for line in config.lines().filter(|line| !ALWAYS.lines().any(|known| known == *line)) {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            add("config", name, value.to_owned());
        }
        link.differences(&Link::default()).into_iter().for_each(|(name, value)| add("link", name, value));
        disk.differences(&DiskFaults::default())
            .into_iter()
            .for_each(|(name, value)| add("disk", name, value));
        trouble.differences(disk).into_iter().for_each(|(name, value)| add("trouble", name, value));
        server
            .differences(&ServerFaults::default())
            .into_iter()
            .for_each(|(name, value)| add("server", name, value));
        Settings(lines)
    }

    /// What the lines say, or which of them cannot be understood.
    pub fn values(&self) -> Result<Values, String> {
        let mut values = Values { config: ALWAYS.to_owned(), ..Values::default() };
        // Last, since it is what the disk is and something else.
        let (troubles, others): (Vec<&Setting>, _) =
            self.0.iter().partition(|line| line.subject == "trouble");
        others.into_iter().try_for_each(|line| values.set(line))?;
        values.trouble = values.disk.clone();
        troubles.into_iter().try_for_each(|line| values.set(line))?;
        Ok(values)
    }
}

impl Values {
    fn set(&mut self, line: &Setting) -> Result<(), String> {
        let Setting { subject, name, value } = line;
        match subject.as_str() {
            "config" => {
                self.config += &format!("{name} {value}\n");
                Ok(())
            }
            "link" => self.link.set(name, value),
            "disk" => self.disk.set(name, value),
            "trouble" => self.trouble.set(name, value),
            "server" => self.server.set(name, value),
            other => Err(format!("{other:?} has no settings")),
        }
    }
}

/// Whether a server understands its configuration.
pub fn is_config(lines: &str) -> bool {
    Config::default().load(lines.as_bytes(), None, &mut |_| Err("no includes here".to_owned())).is_ok()
}

/// A struct whose fields have names and texts.
trait Named {
    /// Fields that are not as usual.
    fn differences(&self, usual: &Self) -> Vec<(&'static str, String)>;
    fn set(&mut self, name: &str, value: &str) -> Result<(), String>;
}

/// The text of a field.
trait Field: Sized + PartialEq {
    fn show(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

macro_rules! plain_fields {
    ($($type:ty),*) => {
        $(impl Field for $type {
            fn show(&self) -> String {
                self.to_string()
            }
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })*
    };
}

plain_fields!(u32, u64, usize, i32, i64, bool);

impl Field for Schedule {
    fn show(&self) -> String {
        self.word().to_owned()
    }
    fn read(text: &str) -> Option<Self> {
        Schedule::ALL.into_iter().find(|schedule| schedule.word() == text)
    }
}

impl Field for (u64, u64) {
    fn show(&self) -> String {
        format!("{} {}", self.0, self.1)
    }
    fn read(text: &str) -> Option<Self> {
        let (low, high) = text.split_once(' ')?;
        let bounds: (u64, u64) = (low.parse().ok()?, high.parse().ok()?);
        (bounds.0 <= bounds.1).then_some(bounds)
    }
}

impl Field for Option<u64> {
    fn show(&self) -> String {
        self.map_or("unlimited".to_owned(), |limit| limit.to_string())
    }
    fn read(text: &str) -> Option<Self> {
        if text == "unlimited" { Some(None) } else { text.parse().ok().map(Some) }
    }
}

/// Every field by its name: one that is added to the struct and not here does not compile.
macro_rules! named {
    ($type:ident: $($field:ident)*) => {
        impl Named for $type {
            fn differences(&self, usual: &Self) -> Vec<(&'static str, String)> {
                let $type { $($field),* } = self;
                let mut differences = Vec::new();
                $(if *$field != usual.$field {
                    differences.push((stringify!($field), $field.show()));
                })*
                differences
            }

            fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                let wrong = || format!("{value:?} is no value for {name}");
                match name {
                    $(stringify!($field) => self.$field = Field::read(value).ok_or_else(wrong)?,)*
                    other => {
                        let names = [$(stringify!($field)),*].join(", ");
                        return Err(format!("{other:?} is none of {names}"));
                    }
                }
                Ok(())
            }
        }
    };
}

named!(Link: latency_us tail bursts segment loss bandwidth window cut resets short_writes merges);
named!(DiskFaults: latency_us sync_latency_us stalls stall_us capacity open_errors read_errors write_errors
    name_errors sync_errors lying_syncs lost_directory_syncs short_reads short_writes bit_rot
    misdirected_reads misdirected_writes);
named!(ServerFaults: accept_failures drift_ppm skew_s timer_grain_us descriptors schedule buggify);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_they_were_made_of() {
        let config = format!("{ALWAYS}hz 10\nsave \"1 2\"\n");
        let link = Link { latency_us: (1, 9), bandwidth: Some(7), ..Link::default() };
        let disk = DiskFaults { sync_errors: 5, ..DiskFaults::default() };
        let trouble = DiskFaults { sync_errors: 9, write_errors: 3, ..DiskFaults::default() };
        let server = ServerFaults { drift_ppm: -3, schedule: Schedule::Starving, ..ServerFaults::default() };
        let values = Values { config, link, disk, trouble, server };
        let mut settings = Settings::of(&values);
        assert_eq!(settings.0.len(), 9);
        assert_eq!(settings.values().as_ref(), Ok(&values));
        settings.0.reverse();
        assert_eq!(settings.values().map(|values| values.trouble), Ok(values.trouble));
    }

    #[test]
    fn what_is_unknown_is_named() {
        let complaint = |subject: &str, name: &str, value: &str| {
            let [subject, name, value] = [subject, name, value].map(str::to_owned);
            Settings(vec![Setting { subject, name, value }]).values().unwrap_err()
        };
        assert_eq!(complaint("moon", "phase", "1"), "\"moon\" has no settings");
        let known = "accept_failures, drift_ppm, skew_s, timer_grain_us, descriptors, schedule, buggify";
        assert_eq!(complaint("server", "colour", "1"), format!("\"colour\" is none of {known}"));
        assert_eq!(complaint("link", "latency_us", "9 1"), "\"9 1\" is no value for latency_us");
    }
}
