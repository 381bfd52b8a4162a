//! Which commands a selector allows: a bit for each, worked out when the rules are given, and the rules
//! themselves, which can be shown again.

use super::RuleError;
use super::catalog::{Catalog, category};
use crate::engine::protocol::Args;
use std::collections::BTreeMap;

/// A rule about commands: allowed or not, and what is: `get`, `client|list`, `select|0`, `@read`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allows: bool,
    what: Vec<u8>,
}

/// The commands that a selector allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    /// Everything, without exception: nothing needs to be looked up.
    every: bool,
    /// Whether commands that a later version brings are allowed: the rules began with all or with none.
    future: bool,
    /// A bit for each command and subcommand by number; those behind stand for commands to come.
    bits: Vec<u64>,
    /// Commands that are allowed only with certain first arguments.
    first_args: BTreeMap<u16, Vec<Vec<u8>>>,
    /// What was said, as far as it still matters.
    rules: Vec<Rule>,
}

impl Commands {
    /// None at all.
    pub fn none(catalog: &Catalog) -> Self {
        let bits = vec![0; catalog.len().div_ceil(64)];
        Commands { every: false, future: false, bits, first_args: BTreeMap::new(), rules: Vec::new() }
    }
    /// All of them, or none.
    pub fn set_all(&mut self, allows: bool) {
        (self.every, self.future) = (allows, allows);
        self.bits.fill(if allows { u64::MAX } else { 0 });
        self.first_args.clear();
        self.rules.clear();
    }
    /// Whether all are allowed without exception.
    pub fn are_all(&self) -> bool {
        self.every
    }
    /// Whether a call may be made.
    #[inline]
    pub fn allow(&self, command: u16, args: Args) -> bool {
        self.every || self.bit(command) || self.allow_first_arg(command, args)
    }

    fn bit(&self, command: u16) -> bool {
        self.bits[command as usize / 64] >> (command % 64) & 1 == 1
    }

    fn allow_first_arg(&self, command: u16, args: Args) -> bool {
        let Some(allowed) = self.first_args.get(&command) else { return false };
        args.get(1).is_some_and(|arg| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(arg)))
    }

    /// Takes in `+what` or `-what`.
    pub fn apply(&mut self, allows: bool, what: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        if let Some(name) = what.strip_prefix(b"@") {
            if name.eq_ignore_ascii_case(b"all") {
                self.set_all(allows);
                return Ok(());
            }
            let (category, name) = category(name)?;
            catalog.in_category(category).for_each(|id| self.set(id, allows, catalog));
            self.note(allows, [b"@", name.as_bytes()].concat());
            return Ok(());
        }
        if let Some(id) = catalog.find(what) {
            self.set(id, allows, catalog);
            self.note(allows, catalog.get(id).name.clone().into_bytes());
            return Ok(());
        }
        if !allows {
            return Err(RuleError::Unknown);
        }
        let what = what.to_ascii_lowercase();
        let (id, arg) = first_arg(&what, catalog)?;
        // In order, so that equal rights are equal whatever was said first.
        let args = self.first_args.entry(id).or_default();
        if let Err(place) = args.binary_search_by(|known| known[..].cmp(arg)) {
            args.insert(place, arg.to_vec());
        }
        self.note(true, what);
        Ok(())
    }

    /// Allows a command or forbids it, subcommands included.
    fn set(&mut self, id: u16, allows: bool, catalog: &Catalog) {
        let (word, bit) = (id as usize / 64, 1 << (id % 64));
        if allows {
            self.bits[word] |= bit;
        } else {
            self.bits[word] &= !bit;
        }
        self.first_args.remove(&id);
        catalog.get(id).children.iter().for_each(|child| self.set(*child, allows, catalog));
    }

    /// Remembers a rule in place of those that it makes pointless: about the same, or a part of it.
    fn note(&mut self, allows: bool, what: Vec<u8>) {
        let covered = |rule: &Rule| {
            rule.what.strip_prefix(&what[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'|')
        };
        self.rules.retain(|rule| !covered(rule));
        self.rules.push(Rule { allows, what });
        self.every = self.bits.iter().all(|word| *word == u64::MAX);
    }

    /// The rules that lead here.
    pub fn describe(&self, text: &mut Vec<u8>) {
        text.extend(if self.future { b"+@all" } else { b"-@all" });
        for rule in &self.rules {
            text.extend(if rule.allows { b" +" } else { b" -" });
            text.extend(&rule.what);
        }
    }
}

/// The command and the argument of `select|0`.
fn first_arg<'a>(what: &'a [u8], catalog: &Catalog) -> Result<(u16, &'a [u8]), RuleError> {
    let bar = what.iter().rposition(|byte| *byte == b'|').ok_or(RuleError::Unknown)?;
    let (name, arg) = (&what[..bar], &what[bar + 1..]);
    let id = catalog.find(name).ok_or(RuleError::Unknown)?;
    let command = catalog.get(id);
    if command.is_child {
        return Err(RuleError::FirstArgOfSubcommand);
    }
    if !command.children.is_empty() {
        return Err(RuleError::Unknown);
    }
    if arg.is_empty() || super::has_spaces(arg) {
        return Err(RuleError::Syntax);
    }
    Ok((id, arg))
}
