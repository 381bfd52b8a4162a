//! INFO: one row per field, by section.
//!
//! A field is a name and a function from what is known ([`View`]) to its text; sections with lines per
//! command, error or database write those themselves. Names and forms are those of Redis and Valkey, of
//! which this is the union; what does not exist here has the value it has there when it is not used.

mod activity;
mod memory;
mod persistence;
mod replication;
mod server;

use super::server::Server;
use super::session::Session;
use super::time::Now;
pub use memory::{MemoryFigures, human, ratio};
use std::fmt::Write;

/// The version of this server.
pub const SEEDIS_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a field may look at.
pub struct View<'a> {
    /// The server.
    pub server: &'a Server,
    /// The client that asks.
    pub session: &'a Session,
    /// The moment.
    pub now: Now,
    memory: MemoryFigures,
}

/// One line of INFO.
struct Field {
    name: &'static str,
    write: fn(&View, &mut String),
}

/// A part of INFO under a heading.
struct Section {
    /// The heading; in lower case the argument that asks for it.
    title: &'static str,
    /// Another argument that asks for it.
    alias: &'static str,
    /// When it is shown without being named.
    shown: Shown,
    fields: &'static [Field],
    /// Writes lines that are not known in advance.
    lines: fn(&View, &mut String),
}

/// When a section is shown without being named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// Always.
    Default,
    /// With `all` and `everything`.
    All,
    /// Never.
    Named,
}

/// The rows of a section: `name: value`, where the value is anything that prints.
macro_rules! fields {
    ($view:ident; $($name:ident: $value:expr,)*) => {
        &[$(crate::engine::info::Field {
            name: stringify!($name),
            write: |$view, out| {
                let _ = $view;
                let _ = std::fmt::Write::write_fmt(out, format_args!("{}", $value));
            },
        }),*]
    };
}
use fields;

const SECTION: Section =
    Section { title: "", alias: "", shown: Shown::Default, fields: &[], lines: |_, _| {} };

/// Every section, in the order in which INFO shows them.
const SECTIONS: &[&Section] = &[
    &server::SERVER,
    &server::TLS,
    &server::CLIENTS,
    &memory::MEMORY,
    &persistence::PERSISTENCE,
    &server::THREADS,
    &activity::STATS,
    &replication::REPLICATION,
    &server::CPU,
    &activity::HOTKEYS,
    &Section { title: "Modules", alias: "module_list", ..SECTION },
    &activity::COMMANDSTATS,
    &activity::ERRORSTATS,
    &activity::LATENCYSTATS,
    &replication::CLUSTER,
    &server::SCRIPTING_ENGINES,
    &server::KEYSPACE,
    &Section { title: "Keysizes", ..SECTION },
    &activity::DEBUG,
];

/// The text of INFO for the sections named; without names, the default ones.
pub fn text(server: &Server, session: &Session, now: Now, names: &[&[u8]]) -> String {
    let view = View { server, session, now, memory: MemoryFigures::of(server) };
    let is = |name: &[u8], title: &str| name.eq_ignore_ascii_case(title.as_bytes());
    let wanted = |section: &Section| {
        let reached = |shown| section.shown <= shown;
        (names.is_empty() && reached(Shown::Default))
            || names.iter().any(|name| {
                is(name, section.title)
                    || (!section.alias.is_empty() && is(name, section.alias))
                    || (is(name, "default") && reached(Shown::Default))
                    || ((is(name, "all") || is(name, "everything")) && reached(Shown::All))
            })
    };
    let mut out = String::new();
    for section in SECTIONS.iter().filter(|section| wanted(section)) {
        if !out.is_empty() {
            out += "\r\n";
        }
        let _ = write!(out, "# {}\r\n", section.title);
        for field in section.fields {
            out += field.name;
            out.push(':');
            (field.write)(&view, &mut out);
            out += "\r\n";
        }
        (section.lines)(&view, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::server::Environment;

    fn info(names: &[&str]) -> String {
        info_of(Config::default(), names)
    }

    fn info_of(config: Config, names: &[&str]) -> String {
        let server = Server::new(config, Environment::bare(1)).expect("the configuration is fine");
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        text(&server, &Session::default(), Now::default(), &names)
    }

    #[test]
    fn sections_are_chosen_by_name_and_by_kind() {
        assert_eq!(info(&["nosuch"]), "");
        assert!(info(&["CLUSTER"]).starts_with("# Cluster\r\ncluster_enabled:0\r\n"));
        assert!(info(&[]).contains("# Errorstats\r\n") && !info(&[]).contains("# Commandstats"));
        assert_eq!(info(&[]), info(&["default"]));
        assert!(info(&["all"]).contains("\r\n\r\n# Commandstats\r\n"));
        assert!(!info(&["everything"]).contains("# Debug") && info(&["debug"]).starts_with("# Debug"));
        assert_eq!(info(&["cpu", "cpu"]), info(&["cpu"]));
    }

    #[test]
    fn the_port_is_that_of_tls_where_there_is_no_other() {
        for (port, tls_port, shown) in [(1, 2, 1), (0, 2, 2), (0, 0, 0)] {
            let config = Config { port, tls_port, ..Config::default() };
            assert!(info_of(config, &["server"]).contains(&format!("tcp_port:{shown}\r\n")));
        }
    }

    #[test]
    fn every_line_is_a_field() {
        for line in info(&["everything"]).split("\r\n").filter(|line| !line.is_empty()) {
            assert!(line.starts_with("# ") || line.contains(':'), "{line}");
        }
    }
}
