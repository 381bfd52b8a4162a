//! From names to commands: the rows under the names this server gives them (`rename-command`).

use super::{Command, GROUPS, key_specs};
use crate::engine::spec::{CallKey, Categories, Flags};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of a command in its table: stable for the life of the server.
pub type CommandId = u16;

/// A command as one server knows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its declaration.
    pub row: &'static Command,
    /// Lower-case full name as clients see it in statistics: `get`, `client|list`.
    pub full_name: String,
    /// Declared and computed ACL categories.
    pub categories: Categories,
    /// The only key that a call can have, if that is known before there is one.
    pub sole_key: Option<CallKey>,
    /// Where its first key would be, for those that only want to be quick.
    pub first_key: Option<usize>,
    /// Subcommands by number.
    pub children: Vec<CommandId>,
    /// The container.
    pub parent: Option<CommandId>,
}

impl Entry {
    fn new(row: &'static Command, parent: Option<CommandId>) -> Self {
        let full_name = match row.parent {
            Some(parent) => format!("{parent}|{}", row.name).to_lowercase(),
            None => row.name.to_lowercase(),
        };
        let (sole_key, first_key) = (key_specs::sole_key(row), key_specs::first_key(row));
        Entry {
            row,
            full_name,
            categories: categories(row),
            sole_key,
            first_key,
            children: Vec::new(),
            parent,
        }
    }
}

/// Names of at most this many bytes are looked up without hashing the bytes one by one.
const SHORT: usize = 16;
/// Slots of the short-name table: a power of two, sparse, so that probes are rare.
const SLOTS: usize = 2048;

/// All commands of one server. Copies share what is large.
#[derive(Clone, Debug)]
pub struct Table {
    entries: Arc<[Entry]>,
    /// Open addressing: the upper-case name as a number, and the command.
    short: Arc<[(u128, CommandId)]>,
    /// Names that are longer.
    long: BTreeMap<Vec<u8>, CommandId>,
}

impl Table {
    /// The table with every command under its own name.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut table = Table { entries: Arc::default(), short: no_names(), long: BTreeMap::new() };
        let rows = || GROUPS.iter().flat_map(|group| group.iter()).flat_map(|topic| topic.iter());
        let containers_and_others = rows().filter(|row| row.parent.is_none());
        let mut entries: Vec<Entry> = containers_and_others.map(|row| Entry::new(row, None)).collect();
        for (id, entry) in entries.iter().enumerate() {
            table.bind(entry.row.name.as_bytes(), id as CommandId);
        }
        for row in rows() {
            let Some(parent) = row.parent else { continue };
            let Some(parent) = table.find(parent.as_bytes()) else { continue };
            let id = entries.len() as CommandId;
            entries[parent as usize].children.push(id);
            entries.push(Entry::new(row, Some(parent)));
        }
        table.entries = entries.into();
        table
    }

    /// One more command, for tests.
    #[cfg(test)]
    pub fn add(&mut self, row: &'static Command) {
        let id = self.entries.len() as CommandId;
        self.entries = self.entries.iter().cloned().chain([Entry::new(row, None)]).collect();
        self.bind(row.name.as_bytes(), id);
    }

    fn bind(&mut self, name: &[u8], id: CommandId) {
        if !is_short(name) {
            self.long.insert(name.to_ascii_uppercase(), id);
            return;
        }
        let key = fold(name);
        let mut slot = slot(key);
        while self.short[slot].0 != 0 {
            slot = (slot + 1) % SLOTS;
        }
        Arc::make_mut(&mut self.short)[slot] = (key, id);
    }

    /// Gives a command another name, or none at all if `to` is empty. Fails with the reason.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let id = self.find(from).ok_or("No such command in rename-command")?;
        if !to.is_empty() && self.find(to).is_some() {
            return Err("Target command name already exists");
        }
        let names: Vec<(Vec<u8>, CommandId)> =
            self.names().filter(|(name, _)| !name.eq_ignore_ascii_case(from)).collect();
        self.short = no_names();
        self.long.clear();
        for (name, id) in names {
            self.bind(&name, id);
        }
        if !to.is_empty() {
            self.bind(to, id);
        }
        Ok(())
    }

    /// The names that clients may use, upper-case, in no particular but a reproducible order.
    fn names(&self) -> impl Iterator<Item = (Vec<u8>, CommandId)> {
        let short = self.short.iter().filter(|(key, _)| *key != 0).map(|(key, id)| {
            let length = SHORT - key.leading_zeros() as usize / 8;
            (key.to_le_bytes()[..length].to_vec(), *id)
        });
        short.chain(self.long.iter().map(|(name, id)| (name.clone(), *id)))
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandId> {
        if !is_short(name) {
            return self.long.get(&name.to_ascii_uppercase()).copied();
        }
        let key = fold(name);
        let mut slot = slot(key);
        loop {
            let (found, id) = self.short[slot];
            if found == key {
                return Some(id);
            }
            if found == 0 {
                return None;
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The command of this full name: `get`, `config|set`.
    pub fn find_full(&self, name: &[u8]) -> Option<CommandId> {
        match name.iter().position(|b| *b == b'|') {
            None => self.find(name),
            Some(at) => self.find_child(self.find(&name[..at])?, &name[at + 1..]),
        }
    }

    /// The subcommand of this name, in any case.
    pub fn find_child(&self, parent: CommandId, name: &[u8]) -> Option<CommandId> {
        let children = &self.entries[parent as usize].children;
        children
            .iter()
            .copied()
            .find(|id| self.entries[*id as usize].row.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The command of this number.
    #[inline]
    pub fn entry(&self, id: CommandId) -> &Entry {
        &self.entries[id as usize]
    }

    /// All commands and subcommands, by number.
    pub fn iter(&self) -> impl Iterator<Item = (CommandId, &Entry)> {
        self.entries.iter().enumerate().map(|(id, entry)| (id as CommandId, entry))
    }

    /// How many commands and subcommands there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Whether a name is kept as a number, which zero bytes fill up: one that ends with such a byte cannot be.
#[inline]
fn is_short(name: &[u8]) -> bool {
    name.len() <= SHORT && name.last().is_some_and(|last| *last != 0)
}

fn no_names() -> Arc<[(u128, CommandId)]> {
    Arc::new([(0, 0); SLOTS])
}

/// The upper-case name as a number; zero bytes fill it up. Only letters change, so that no two names
/// of different length or letters meet.
#[inline]
fn fold(name: &[u8]) -> u128 {
    let mut bytes = [0u8; SHORT];
    for (to, from) in bytes.iter_mut().zip(name) {
        *to = from.to_ascii_uppercase();
    }
    u128::from_le_bytes(bytes)
}

#[inline]
fn slot(key: u128) -> usize {
    let mixed = ((key as u64) ^ ((key >> 64) as u64).rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 53) as usize % SLOTS
}

/// What a row declares and what its flags imply, as Redis computes it.
fn categories(row: &Command) -> Categories {
    let mut all = row.categories;
    let mut imply = |flag: Flags, categories: Categories| {
        if row.flags.has(flag) {
            all = all | categories;
        }
    };
    imply(Flags::WRITE, Categories::WRITE);
    imply(Flags::ADMIN, Categories::ADMIN | Categories::DANGEROUS);
    imply(Flags::PUBSUB, Categories::PUBSUB);
    imply(Flags::FAST, Categories::FAST);
    imply(Flags::BLOCKING, Categories::BLOCKING);
    if row.flags.has(Flags::READONLY) && !row.categories.has(Categories::SCRIPTING) {
        all = all | Categories::READ;
    }
    if !row.flags.has(Flags::FAST) {
        all = all | Categories::SLOW;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_by_their_new_name_only() {
        let mut table = Table::new();
        let get = table.find(b"GeT").expect("GET is there");
        assert_eq!(table.entry(get).full_name, "get");
        assert_eq!(table.rename(b"GET", b"FETCH"), Ok(()));
        assert_eq!(table.find(b"get"), None);
        assert_eq!(table.find(b"fetch\0"), None);
        for name in [b"SET\0".as_slice(), b"A\0B"] {
            let set = table.find(b"set");
            assert_eq!(table.rename(b"FETCH", name), Ok(()));
            assert_eq!((table.find(name), table.find(b"set"), table.find(b"a")), (Some(get), set, None));
            assert_eq!(table.rename(b"TTL", b"PTTL2"), Ok(()));
            assert_eq!(table.find(name), Some(get));
            assert_eq!((table.rename(name, b"FETCH"), table.rename(b"PTTL2", b"TTL")), (Ok(()), Ok(())));
        }
        assert_eq!(table.find(b"fetch"), Some(get));
        assert_eq!(table.rename(b"fetch", b""), Ok(()));
        assert_eq!(table.find(b"fetch"), None);
        assert!(table.find(b"set").is_some());
        assert_eq!(table.rename(b"nosuch", b""), Err("No such command in rename-command"));
    }

    #[test]
    fn rows_are_well_formed() {
        let table = Table::new();
        let mut names = std::collections::BTreeSet::new();
        for (_, entry) in table.iter() {
            let row = entry.row;
            assert!(names.insert(entry.full_name.clone()), "{} twice", entry.full_name);
            assert_eq!(row.name, row.name.to_uppercase());
            assert!(!row.summary.is_empty(), "{} has no summary", entry.full_name);
            assert!(
                !(row.flags.has(Flags::WRITE) && row.flags.has(Flags::READONLY)),
                "{} both writes and reads only",
                entry.full_name
            );
        }
        let parents = GROUPS.iter().flat_map(|g| g.iter()).flat_map(|t| t.iter()).filter_map(|r| r.parent);
        for parent in parents {
            assert!(table.find(parent.as_bytes()).is_some(), "container {parent} is missing");
        }
    }
}
