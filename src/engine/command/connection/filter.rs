//! Which clients CLIENT LIST and CLIENT KILL are about: the filters of Redis and of Valkey.

use crate::engine::acl::UserId;
use crate::engine::command::args::Cursor;
use crate::engine::command::{Error, Result, args};
use crate::engine::server::Server;
use crate::engine::session::{Class, Session};
use crate::engine::text::number;
use crate::engine::time::Now;
use std::collections::BTreeSet;
use std::mem::discriminant;

/// Letters that FLAGS may ask for: those of both servers.
const FLAGS: &[u8] = b"bcdeirtuxABEIMNOPRSTU";

/// What a filter looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Ids(BTreeSet<i64>),
    Class(Class),
    User(UserId),
    Address(Vec<u8>),
    Local(Vec<u8>),
    Ip(Vec<u8>),
    Name(Vec<u8>),
    LibName(Vec<u8>),
    LibVersion(Vec<u8>),
    Db(usize),
    Flags(Vec<u8>),
    Capabilities,
    /// Seconds.
    Idle(u64),
    /// Seconds.
    Age(u64),
}

/// A client passes if every test gives what is wanted.
#[derive(Debug, Default)]
pub(super) struct Filter {
    tests: Vec<(bool, Test)>,
    skips_me: bool,
}

/// Who asks: their errors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    List,
    Kill,
}

impl Filter {
    /// Reads `<filter> <value>` pairs to the end.
    pub fn parse(server: &Server, args: &mut Cursor, purpose: Purpose) -> Result<Filter> {
        let mut filter = Filter { tests: Vec::new(), skips_me: purpose == Purpose::Kill };
        while args.left() > 0 {
            let word = args.value()?.to_ascii_uppercase();
            if word == b"SKIPME" {
                filter.skips_me = yes_no(args.value()?)?;
                continue;
            }
            let (wanted, subject) = match word.strip_prefix(b"NOT-") {
                Some(b"IDLE" | b"MAXAGE") => return Err(Error::SYNTAX),
                Some(rest) => (false, rest),
                None => (true, &word[..]),
            };
            let test = Test::parse(server, subject, args, purpose, wanted)?;
            filter.add(wanted, test);
        }
        Ok(filter)
    }

    /// A filter given again replaces the first; numbers add up.
    fn add(&mut self, wanted: bool, test: Test) {
        let same =
            |other: &&mut (bool, Test)| other.0 == wanted && discriminant(&other.1) == discriminant(&test);
        match (self.tests.iter_mut().find(same), test) {
            (Some((_, Test::Ids(ids))), Test::Ids(more)) => ids.extend(more),
            (Some((_, old)), test) => *old = test,
            (None, test) => self.tests.push((wanted, test)),
        }
    }

    /// Whether a client passes; `me` is the one who asks.
    pub fn passes(&self, server: &Server, session: &Session, me: u64, now: Now) -> bool {
        let skipped = self.skips_me && session.id == me;
        !skipped && self.tests.iter().all(|(wanted, test)| test.holds(server, session, now) == *wanted)
    }
}

impl Test {
    fn parse(
        server: &Server,
        subject: &[u8],
        args: &mut Cursor,
        purpose: Purpose,
        wanted: bool,
    ) -> Result<Test> {
        if subject == b"ID" {
            return ids(args, purpose).map(Test::Ids);
        }
        let known: &[&[u8]] = &[
            b"TYPE",
            b"USER",
            b"ADDR",
            b"LADDR",
            b"IP",
            b"NAME",
            b"LIB-NAME",
            b"LIB-VER",
            b"DB",
            b"FLAGS",
            b"CAPA",
            b"IDLE",
            b"MAXAGE",
        ];
        if !known.contains(&subject) {
            return Err(Error::SYNTAX);
        }
        let value = args.value()?;
        Ok(match subject {
            b"TYPE" => Test::Class(class(value)?),
            b"USER" => Test::User(user(server, value)?),
            b"ADDR" => Test::Address(value.into()),
            b"LADDR" => Test::Local(value.into()),
            b"IP" => Test::Ip(value.into()),
            b"NAME" => Test::Name(value.into()),
            b"LIB-NAME" => Test::LibName(value.into()),
            b"LIB-VER" => Test::LibVersion(value.into()),
            b"DB" => Test::Db(database(server, value)?),
            b"FLAGS" => Test::Flags(letters(value, FLAGS, "flags", "FLAGS", wanted)?),
            b"CAPA" => letters(value, b"r", "capa", "CAPA", wanted).map(|_| Test::Capabilities)?,
            b"IDLE" => Test::Idle(seconds(value, "idle")?),
            _ => Test::Age(seconds(value, "maxage")?),
        })
    }

    fn holds(&self, server: &Server, session: &Session, now: Now) -> bool {
        let elapsed = |since: u64| now.mono_us.saturating_sub(since) / 1_000_000;
        let address = session.peer.address.as_bytes();
        match self {
            Test::Ids(ids) => ids.contains(&(session.id as i64)),
            Test::Class(class) => session.class() == *class,
            Test::User(user) => session.user == *user,
            Test::Address(wanted) => address == wanted,
            Test::Local(wanted) => session.peer.local.as_bytes() == wanted,
            Test::Ip(wanted) => without_port(address) == wanted,
            Test::Name(name) => session.name() == name,
            Test::LibName(name) => session.lib_name() == name,
            Test::LibVersion(version) => session.lib_version() == version,
            Test::Db(db) => session.db == *db,
            Test::Flags(flags) => {
                let has = server.client_flags(session).into_bytes();
                flags.iter().all(|flag| has.contains(flag))
            }
            Test::Capabilities => session.capa_redirect,
            Test::Idle(wanted) => elapsed(session.active) >= *wanted,
            Test::Age(wanted) => elapsed(session.created) >= *wanted,
        }
    }
}

/// As many numbers as follow, at least one.
fn ids(args: &mut Cursor, purpose: Purpose) -> Result<BTreeSet<i64>> {
    let mut ids = BTreeSet::new();
    while let Some(id) = args.peek().and_then(number::parse_i64) {
        if id <= 0 && purpose == Purpose::Kill {
            return Err(Error::new("ERR client-id should be greater than 0"));
        }
        ids.insert(id);
        args.value()?;
    }
    match (ids.is_empty(), args.peek(), purpose) {
        (false, ..) => Ok(ids),
        (true, None, _) => Err(Error::SYNTAX),
        (true, Some(_), Purpose::List) => Err(Error::new("ERR Invalid client ID")),
        (true, Some(_), Purpose::Kill) => Err(Error::new("ERR client-id should be greater than 0")),
    }
}

fn class(name: &[u8]) -> Result<Class> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Class::Normal),
        b"slave" | b"replica" => Ok(Class::Replica),
        b"pubsub" => Ok(Class::Pubsub),
        b"master" | b"primary" => Ok(Class::Primary),
        _ => Err(Error::bytes([b"ERR Unknown client type '", name, b"'"].concat())),
    }
}

fn user(server: &Server, name: &[u8]) -> Result<UserId> {
    let unknown = || Error::bytes([b"ERR No such user '", name, b"'"].concat());
    server.acl.find(name).ok_or_else(unknown)
}

fn database(server: &Server, value: &[u8]) -> Result<usize> {
    let index = args::int(value).map_err(|_| Error::new("ERR DB is not an integer or out of range"))?;
    let last = server.databases.len() - 1;
    let db = usize::try_from(index).ok().filter(|db| *db <= last);
    db.ok_or_else(|| Error::text(format!("ERR DB number should be between 0 and {last}")))
}

/// Letters out of `known`; the error says them as they came.
fn letters(value: &[u8], known: &[u8], what: &str, option: &str, wanted: bool) -> Result<Vec<u8>> {
    if value.iter().all(|letter| known.contains(letter)) {
        return Ok(value.to_vec());
    }
    let place = if wanted { "provided".to_owned() } else { format!("NOT-{option}") };
    let text = format!("ERR Unknown {what} found in the {place} filter: ");
    Err(Error::bytes([text.as_bytes(), value].concat()))
}

fn seconds(value: &[u8], what: &str) -> Result<u64> {
    let number = number::parse_i64(value)
        .ok_or_else(|| Error::text(format!("ERR {what} is not an integer or out of range")))?;
    let positive = u64::try_from(number).ok().filter(|seconds| *seconds > 0);
    positive.ok_or_else(|| Error::text(format!("ERR {what} should be greater than 0")))
}

fn yes_no(value: &[u8]) -> Result<bool> {
    match value {
        value if value.eq_ignore_ascii_case(b"yes") => Ok(true),
        value if value.eq_ignore_ascii_case(b"no") => Ok(false),
        _ => Err(Error::SYNTAX),
    }
}

/// `1.2.3.4:5` without `:5`; an IPv6 address also without its brackets.
fn without_port(address: &[u8]) -> &[u8] {
    let colon = address.iter().rposition(|byte| *byte == b':').unwrap_or(address.len());
    let ip = &address[..colon];
    ip.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(ip)
}
