//! What rules can name: the commands of the server under their own names, and their categories.

use super::RuleError;
use crate::engine::spec::Categories;
use std::collections::BTreeMap;

/// A command as rules see it.
#[derive(Clone, Debug)]
pub struct Named {
    /// Lower-case full name: `get`, `client|list`.
    pub name: String,
    /// Its categories.
    pub categories: Categories,
    /// The numbers of its subcommands.
    pub children: Vec<u16>,
    /// It is a subcommand.
    pub is_child: bool,
}

/// All commands by number, and what users get who are told nothing else.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    commands: Vec<Named>,
    names: BTreeMap<String, u16>,
    /// New users and selectors may use every channel (`acl-pubsub-default`).
    pub all_channels: bool,
}

impl Catalog {
    /// A catalog of these commands, in the order of their numbers. Renaming commands does not concern rules.
    pub fn new(commands: impl Iterator<Item = Named>) -> Self {
        let commands: Vec<Named> = commands.collect();
        let names = commands.iter().enumerate().map(|(id, named)| (named.name.clone(), id as u16)).collect();
        Catalog { commands, names, all_channels: false }
    }
    /// How many there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.commands.len()
    }
    /// The command of this full name, in any case.
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        let name = String::from_utf8(name.to_ascii_lowercase()).ok()?;
        self.names.get(&name).copied()
    }
    /// The command of this number.
    pub fn get(&self, id: u16) -> &Named {
        &self.commands[id as usize]
    }
    /// Those that belong to a category, by number.
    pub fn in_category(&self, category: Categories) -> impl Iterator<Item = u16> {
        let all = self.commands.iter().enumerate();
        all.filter(move |(_, named)| named.categories.any(category)).map(|(id, _)| id as u16)
    }
}

/// The category of this name, in any case, with the name as Redis writes it.
pub fn category(name: &[u8]) -> Result<(Categories, &'static str), RuleError> {
    let all = Categories::NAMES.iter();
    let found = all.copied().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name));
    found.ok_or(RuleError::Unknown)
}
