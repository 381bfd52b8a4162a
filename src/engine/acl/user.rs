//! A user: who may log in as it, and what it may do then.

use super::catalog::Catalog;
use super::selector::Selector;
use super::{Demand, Denied, Reason, RuleError};
use crate::engine::text::sha256;

/// A password as it is kept.
type Hash = [u8; sha256::DIGITS];

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Vec<u8>,
    enabled: bool,
    /// Any password will do.
    nopass: bool,
    /// What it restores is trusted.
    skips_sanitizing: bool,
    passwords: Vec<Hash>,
    /// The first is the user's own; the others were given in parentheses.
    selectors: Vec<Selector>,
    /// Some selector allows everything.
    unrestricted: bool,
}

impl User {
    /// A user that cannot log in and may do nothing.
    pub fn new(name: &[u8], catalog: &Catalog) -> Self {
        User {
            name: name.to_vec(),
            enabled: false,
            nopass: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            selectors: vec![Selector::new(catalog)],
            unrestricted: false,
        }
    }

    /// A user that everybody may be and that may do everything.
    pub fn unrestricted(name: &[u8], catalog: &Catalog) -> Self {
        let selectors = vec![Selector::unrestricted(catalog)];
        User { enabled: true, nopass: true, selectors, unrestricted: true, ..User::new(name, catalog) }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }
    /// Whether it may do everything.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }
    /// Whether it needs no password.
    pub fn has_nopass(&self) -> bool {
        self.nopass
    }
    /// Whether whoever comes is this user without asking.
    pub fn is_open(&self) -> bool {
        self.nopass && self.enabled
    }
    /// Its passwords' hashes in hexadecimal, in the order in which they came.
    pub fn passwords(&self) -> &[Hash] {
        &self.passwords
    }
    /// What it may do: its own selector first.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether anybody may be this user.
    pub fn is_on(&self) -> bool {
        self.enabled
    }
    /// Whether somebody who knows this password may be this user.
    pub fn accepts(&self, password: &[u8]) -> bool {
        if !self.enabled || self.nopass {
            return self.enabled;
        }
        let hash = sha256::hex(password);
        // All are compared, so that the time does not tell which was right.
        self.passwords.iter().fold(false, |accepted, own| accepted | sha256::equal(own, &hash))
    }

    /// Takes in one rule; the rest of the user stays as it is if it is wrong.
    pub fn apply(&mut self, rule: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"nopass" => (self.nopass, self.passwords) = (true, Vec::new()),
            b"resetpass" => (self.nopass, self.passwords) = (false, Vec::new()),
            b"sanitize-payload" => self.skips_sanitizing = false,
            b"skip-sanitize-payload" => self.skips_sanitizing = true,
            b"clearselectors" => self.selectors.truncate(1),
            b"reset" => *self = User::new(&self.name, catalog),
            _ => match rule {
                [] => {}
                [b'>', password @ ..] => self.add_password(sha256::hex(password)),
                [b'#', hash @ ..] => self.add_password(valid_hash(hash)?),
                [b'<', password @ ..] => self.remove_password(sha256::hex(password))?,
                [b'!', hash @ ..] => self.remove_password(valid_hash(hash)?)?,
                [b'(', rules @ .., b')'] => {
                    let mut selector = Selector::new(catalog);
                    for rule in rules.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty()) {
                        // Where the rules of a file are put together again, this would be the end.
                        if rule.ends_with(b")") {
                            return Err(RuleError::Syntax);
                        }
                        selector.apply(rule, catalog)?;
                    }
                    self.selectors.push(selector);
                }
                _ => self.selectors[0].apply(rule, catalog)?,
            },
        }
        self.unrestricted = self.selectors.iter().any(Selector::is_unrestricted);
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.nopass = false;
    }

    fn remove_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|own| *own == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Whether a call may be made; if not, what is in the way of the selector that comes closest to it.
    #[inline]
    pub fn check(&self, demand: &Demand) -> Result<(), Denied> {
        let mut closest = Denied { reason: Reason::Command, index: 0 };
        for selector in &self.selectors {
            match selector.check(demand) {
                Ok(()) => return Ok(()),
                Err(denied) => closest = closest.max(denied),
            }
        }
        Err(closest)
    }

    /// Whether a call may be made that reads keys which it does not name.
    pub fn check_reading_everything(&self, demand: &Demand) -> bool {
        let allows = |selector: &Selector| selector.reads_every_key() && selector.check(demand).is_ok();
        self.selectors.iter().any(allows)
    }

    /// Whether every selector allows every key, so that keys need not be looked for.
    pub fn minds_no_keys(&self) -> bool {
        self.selectors.iter().all(Selector::has_all_keys)
    }

    /// Whether a subscription is allowed.
    pub fn may_hear(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.may_hear(channel, is_pattern))
    }

    /// Words that say who may log in, as Redis orders them.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitizing = if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" };
        let words =
            [if self.enabled { "on" } else { "off" }, if self.nopass { "nopass" } else { "" }, sanitizing];
        words.into_iter().filter(|word| !word.is_empty())
    }

    /// The rules that make this user, from one that is reset.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for word in self.flags() {
            text.extend(word.as_bytes());
            text.push(b' ');
        }
        for hash in &self.passwords {
            text.push(b'#');
            text.extend(hash);
            text.push(b' ');
        }
        let (own, others) = self.selectors.split_at(1);
        own.iter().for_each(|own| own.describe(&mut text));
        for selector in others {
            text.extend(b" (");
            selector.describe(&mut text);
            text.push(b')');
        }
        text
    }
}

fn valid_hash(hash: &[u8]) -> Result<Hash, RuleError> {
    let hash = Hash::try_from(hash).map_err(|_| RuleError::BadHash)?;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hash.iter().all(is_digit) { Ok(hash) } else { Err(RuleError::BadHash) }
}
