//! What rules can name: the commands of the server under their own names, and their categories.

use super::RuleError;
use crate::engine::spec::Categories;
use std::sync::Arc;

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

/// All commands by number, and what users get who are told nothing else. Copies share the commands.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    commands: Arc<[Named]>,
    /// Their numbers, in the order of their names.
    by_name: Arc<[u16]>,
    /// New users and selectors may use every channel (`acl-pubsub-default`).
    pub all_channels: bool,
}

impl Catalog {
    /// A catalog of these commands, in the order of their numbers. Renaming commands does not concern rules.
    pub fn new(commands: impl Iterator<Item = Named>) -> Self {
        let commands: Arc<[Named]> = commands.collect();
        let mut by_name: Vec<u16> = (0..commands.len() as u16).collect();
        by_name.sort_unstable_by_key(|id| &*commands[*id as usize].name);
        Catalog { commands, by_name: by_name.into(), all_channels: false }
    }
    /// How many there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.commands.len()
    }
    /// The command of this full name, in any case.
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        let name = name.to_ascii_lowercase();
        let at = self.by_name.binary_search_by_key(&&*name, |id| self.get(*id).name.as_bytes()).ok()?;
        Some(self.by_name[at])
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
