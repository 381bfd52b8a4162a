//! A selector: commands with the keys and channels that they may be used on. A call is allowed if one selector
//! of its user allows all of it.

use super::catalog::Catalog;
use super::commands::Commands;
use super::pattern::Pattern;
use super::{Demand, Denied, Reason, RuleError, has_spaces};
use crate::engine::mutant;
use crate::engine::spec::KeyFlags;

/// Keys that may be read, written, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    pattern: Pattern,
    read: bool,
    write: bool,
}

/// Commands, keys and channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    commands: Commands,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Pattern>,
}

impl Selector {
    /// Allows nothing, except for channels if that is the default.
    pub fn new(catalog: &Catalog) -> Self {
        Selector {
            commands: Commands::none(catalog),
            all_keys: false,
            keys: Vec::new(),
            all_channels: catalog.all_channels,
            channels: Vec::new(),
        }
    }

    /// Allows everything.
    pub fn unrestricted(catalog: &Catalog) -> Self {
        let mut selector = Selector::new(catalog);
        selector.set_keys(true);
        selector.set_channels(true);
        selector.commands.set_all(true);
        selector
    }

    /// Whether it allows everything.
    pub fn is_unrestricted(&self) -> bool {
        self.commands.are_all() && self.all_keys && self.all_channels
    }

    /// Whether it allows every key.
    pub fn has_all_keys(&self) -> bool {
        self.all_keys
    }

    /// Takes in one rule.
    pub fn apply(&mut self, rule: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.set_keys(true),
            b"resetkeys" => self.set_keys(false),
            b"allchannels" | b"&*" => self.set_channels(true),
            b"resetchannels" => self.set_channels(false),
            b"allcommands" => self.commands.set_all(true),
            b"nocommands" => self.commands.set_all(false),
            _ => match rule {
                [b'~', pattern @ ..] => return self.add_key(pattern, true, true),
                [b'%', ..] if self.all_keys => return Err(RuleError::AllKeys),
                [b'%', rest @ ..] => {
                    let (read, write, pattern) = permissions(rest)?;
                    return self.add_key(pattern, read, write);
                }
                [b'&', channel @ ..] => return self.add_channel(channel),
                [b'+', what @ ..] => return self.commands.apply(true, what, catalog),
                [b'-', what @ ..] => return self.commands.apply(false, what, catalog),
                _ => return Err(RuleError::Syntax),
            },
        }
        Ok(())
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn add_key(&mut self, pattern: &[u8], read: bool, write: bool) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|key| key.pattern.text() == pattern) {
            Some(key) => (key.read, key.write) = (key.read || read, key.write || write),
            None => self.keys.push(KeyPattern { pattern: Pattern::new(pattern), read, write }),
        }
        Ok(())
    }

    fn add_channel(&mut self, channel: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannels);
        }
        if has_spaces(channel) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known.text() == channel) {
            self.channels.push(Pattern::new(channel));
        }
        Ok(())
    }

    /// Whether a call may be made, and what is in its way.
    #[inline]
    pub fn check(&self, demand: &Demand) -> Result<(), Denied> {
        if !demand.open && !self.commands.allow(demand.command, demand.args) {
            return Err(Denied { reason: Reason::Command, index: 0 });
        }
        if !self.all_keys {
            let count = if mutant::is_on("acl-first-key") { 1 } else { usize::MAX };
            for key in demand.keys.iter().take(count) {
                if !self.may_use(demand.args.at(key.index), key.flags) {
                    return Err(Denied { reason: Reason::Key, index: key.index });
                }
            }
        }
        if let Some(channels) = &demand.channels {
            for index in channels.range.clone() {
                if !self.may_hear(demand.args.at(index), channels.are_patterns) {
                    return Err(Denied { reason: Reason::Channel, index });
                }
            }
        }
        Ok(())
    }

    /// Whether a key may be used in this way. Looking whether it exists takes any right to it.
    fn may_use(&self, key: &[u8], flags: KeyFlags) -> bool {
        let reads = flags.has(KeyFlags::ACCESS);
        let writes = flags.any(KeyFlags::INSERT | KeyFlags::DELETE | KeyFlags::UPDATE);
        let fits =
            |own: &KeyPattern| (!reads || own.read) && (!writes || own.write || mutant::is_on("acl-write"));
        self.keys.iter().any(|own| fits(own) && own.pattern.matches(key))
    }

    /// Whether every key may be read, those included that a call does not name.
    pub fn reads_every_key(&self) -> bool {
        self.all_keys || self.keys.iter().any(|own| own.read && own.pattern.text() == b"*")
    }

    /// Whether a channel may be used; a pattern of channels must be allowed as such.
    pub fn may_hear(&self, channel: &[u8], is_pattern: bool) -> bool {
        let fits = |own: &Pattern| if is_pattern { own.text() == channel } else { own.matches(channel) };
        self.all_channels || mutant::is_on("acl-channel") || self.channels.iter().any(fits)
    }

    /// The rules about keys that lead here.
    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let rules = self.keys.iter().map(|key| {
            let kind: &[u8] = match (key.read, key.write) {
                (true, true) => b"~",
                (true, false) => b"%R~",
                _ => b"%W~",
            };
            [kind, key.pattern.text()].concat()
        });
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// The rules about channels that lead here, from none.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let rules = self.channels.iter().map(|channel| [b"&", channel.text()].concat());
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// The rules about commands that lead here.
    pub fn describe_commands(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.commands.describe(&mut text);
        text
    }

    /// All rules that lead here, from a new selector.
    pub fn describe(&self, text: &mut Vec<u8>) {
        let keys = self.describe_keys();
        if !keys.is_empty() {
            text.extend(keys);
            text.push(b' ');
        }
        if !self.all_channels {
            text.extend(b"resetchannels ");
        }
        let channels = self.describe_channels();
        if !channels.is_empty() {
            text.extend(channels);
            text.push(b' ');
        }
        self.commands.describe(text);
    }
}

/// What stands before the `~` of `%RW~pattern`, and the pattern.
fn permissions(rest: &[u8]) -> Result<(bool, bool, &[u8]), RuleError> {
    let (mut read, mut write) = (false, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte.to_ascii_uppercase() {
            b'R' if !read => read = true,
            b'W' if !write => write = true,
            b'~' if read || write => return Ok((read, write, &rest[at + 1..])),
            _ => break,
        }
    }
    Err(RuleError::Syntax)
}
