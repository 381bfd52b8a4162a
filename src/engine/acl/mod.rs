//! Users, and what each may do: <https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>.
//!
//! A [`User`] is made from rules and can say which rules lead to it. What a call needs is told as a [`Demand`], so
//! that nothing here knows commands beyond their names. Whoever may do everything costs one look at a flag.

mod catalog;
mod commands;
mod file;
mod log;
mod pattern;
mod selector;
mod user;

pub use catalog::{Catalog, Named, category};
pub use file::{merge_selectors, parse_file};
pub use log::{Context, Entry, Event, Log};
pub use selector::Selector;
pub use user::User;

use super::protocol::Args;
use super::spec::CallKey;
use super::text::quote::quoted;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Names a user for as long as it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserId(u32);

impl UserId {
    /// The user of clients that have not logged in. Always there.
    pub const DEFAULT: UserId = UserId(0);
    /// The server itself, which no rule binds and no list shows.
    pub const SERVER: UserId = UserId(1);
}

/// Why a rule was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// It is none.
    Syntax,
    /// There is no such command or category.
    Unknown,
    /// It adds a pattern although every key is allowed.
    AllKeys,
    /// It adds a channel although every channel is allowed.
    AllChannels,
    /// It removes a password that is none.
    NoSuchPassword,
    /// It holds something else than the hash of a password.
    BadHash,
    /// It names an argument after a subcommand.
    FirstArgOfSubcommand,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuleError::Syntax => "Syntax error",
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have \
                 any effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::FirstArgOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        })
    }
}

/// What was refused, from what a selector looks at first to what it looks at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The command.
    Command,
    /// A key.
    Key,
    /// A login.
    Auth,
    /// A channel.
    Channel,
    /// A login by certificate.
    Certificate,
}

/// Why a call may not be made. What got further in the checks is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denied {
    /// What is in its way.
    pub reason: Reason,
    /// Which argument names it; 0 is the command.
    pub index: usize,
}

/// The arguments of a call that are channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Their indexes.
    pub range: Range<usize>,
    /// They are patterns of channels.
    pub are_patterns: bool,
}

/// What a call needs.
#[derive(Clone, Debug)]
pub struct Demand<'a> {
    /// The number of the command.
    pub command: u16,
    /// Everybody may run it: AUTH and the like.
    pub open: bool,
    /// The request.
    pub args: Args<'a>,
    /// Which arguments are keys.
    pub keys: &'a [CallKey],
    /// Which arguments are channels.
    pub channels: Option<Channels>,
}

/// All users, and what they were refused.
#[derive(Clone, Debug)]
pub struct Acl {
    /// What rules can name.
    pub catalog: Catalog,
    /// What was refused lately.
    pub log: Log,
    /// By number. Freed places hold users that may do nothing.
    users: Vec<User>,
    free: BTreeSet<u32>,
    /// In the order of their bytes, which is that of Redis's lists.
    names: BTreeMap<Vec<u8>, UserId>,
    /// The password that the default user was given last by the configuration.
    requirepass: Vec<u8>,
    /// Memory for the keys of the call that is being checked.
    pub scratch: Vec<CallKey>,
}

impl Acl {
    /// The user `default`, who may do everything.
    pub fn new(catalog: Catalog) -> Self {
        let users = vec![User::unrestricted(b"default", &catalog), User::unrestricted(b"", &catalog)];
        let names = BTreeMap::from([(b"default".to_vec(), UserId::DEFAULT)]);
        Acl {
            catalog,
            log: Log::default(),
            users,
            free: BTreeSet::new(),
            names,
            requirepass: Vec::new(),
            scratch: Vec::new(),
        }
    }
    /// A user.
    #[inline]
    pub fn user(&self, id: UserId) -> &User {
        &self.users[id.0 as usize]
    }
    /// The user of clients that have not logged in.
    #[inline]
    pub fn default_user(&self) -> &User {
        self.user(UserId::DEFAULT)
    }
    /// The user of this name.
    pub fn find(&self, name: &[u8]) -> Option<UserId> {
        self.names.get(name).copied()
    }
    /// All users, by name.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, &User)> {
        self.names.values().map(|id| (*id, self.user(*id)))
    }
    /// Adds a user, or puts it in place of the one of the same name.
    pub fn set(&mut self, user: User) -> UserId {
        if let Some(id) = self.find(user.name()) {
            self.users[id.0 as usize] = user;
            return id;
        }
        let id = UserId(self.free.pop_first().unwrap_or(self.users.len() as u32));
        self.names.insert(user.name().to_vec(), id);
        if id.0 as usize == self.users.len() {
            self.users.push(user);
        } else {
            self.users[id.0 as usize] = user;
        }
        id
    }
    /// Removes a user. The number names another one soon, so that no client may keep it.
    pub fn remove(&mut self, name: &[u8]) -> Option<UserId> {
        let id = self.names.remove(name)?;
        self.users[id.0 as usize] = User::new(b"", &self.catalog);
        self.free.insert(id.0);
        while self.free.last().is_some_and(|last| *last as usize == self.users.len() - 1) {
            self.free.pop_last();
            self.users.pop();
        }
        Some(id)
    }
    /// Lines that make these users again: `NAME RULES`, by name.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.iter().map(|(_, user)| [user.name(), b" ", &user.describe()].concat()).collect()
    }
    /// The same for a configuration file, where what could end a word stands in quotes.
    pub fn config_lines(&self) -> Vec<Vec<u8>> {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
        let word = |word: &[u8]| if word.iter().all(is_plain) { word.to_vec() } else { quoted(word) };
        let line = |line: Vec<u8>| line.split(|byte| *byte == b' ').map(word).collect::<Vec<_>>().join(&b' ');
        self.lines().into_iter().map(line).collect()
    }
    /// The file that makes these users again.
    pub fn file(&self) -> Vec<u8> {
        self.lines().iter().flat_map(|line| [b"user ", &line[..], b"\n"].concat()).collect()
    }
    /// `requirepass`: the only password of the default user, or none needed if it is empty. Said again, it changes
    /// nothing of what rules have made of that user since.
    pub fn set_default_password(&mut self, password: &[u8]) {
        let Acl { users, catalog, requirepass, .. } = self;
        if requirepass == password {
            return;
        }
        *requirepass = password.to_vec();
        let rule = if password.is_empty() { b"nopass".to_vec() } else { [b">", password].concat() };
        for rule in [&b"resetpass"[..], &rule] {
            // Neither can be refused.
            let _ = users[UserId::DEFAULT.0 as usize].apply(rule, catalog);
        }
    }
}

/// Whether a name or pattern holds what would end it in a list of rules.
pub fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0))
}

#[cfg(test)]
mod tests;
