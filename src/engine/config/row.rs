//! What a parameter's declaration consists of, and the operations that the type of its field owns.

use std::borrow::Cow;

use super::Config;

/// Why a value was refused, in the words of Redis.
pub type Reason = Cow<'static, str>;

/// Why [`Rule::PowerOfTwo`] refuses a number.
pub(super) const NOT_A_POWER: &str = "must be a power of two";

/// A condition on a text value that its type cannot express.
pub(super) type Check = fn(&[u8]) -> Result<(), Reason>;

/// The bounds and the notation of a parameter, beyond what the type of its field says.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Every value of the type.
    Any,
    /// An integer, both bounds included.
    Int(i128, i128),
    /// An integer that is a power of two, both bounds included.
    PowerOfTwo(i128, i128),
    /// An integer in base eight.
    Octal(i128, i128),
    /// An amount of memory, which may carry a unit.
    Memory(i128, i128),
    /// A text that is left out of a rewritten file when empty, since empty means "not set".
    Optional,
    /// An optional text with a condition.
    OptionalIf(Check),
    /// A text with a condition.
    TextIf(Check),
    /// A directory, written by every rewrite since the default depends on where the server started.
    Directory,
}

/// A property of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Fixed once the server runs: files and arguments set it, CONFIG SET does not.
    Immutable,
    /// CONFIG SET needs `enable-protected-configs`.
    Protected,
    /// Its value must not reach logs, MONITOR or the slow log.
    Sensitive,
    /// CONFIG GET shows it by its exact name, not through a pattern.
    Hidden,
    /// CONFIG SET refuses it while a data set is being loaded.
    NotWhileLoading,
    /// Setting the same value again must be applied again: it names a file that may have changed.
    Reapply,
    /// It holds for this start: CONFIG REWRITE adds no line for it.
    Passing,
    /// It is read, kept and shown, and changes nothing: what it is about is not there, or needs no choice.
    Inert,
}

/// How a value appears in a configuration file.
pub(super) enum Form {
    /// Not at all: lines about it are dropped.
    Absent,
    /// One line if it differs from the default or the file already has a line for it.
    Line(Vec<u8>),
    /// These lines, each with whether the file needs it.
    Lines(Vec<(Vec<u8>, bool)>),
}

/// What the type of a parameter's field can do. Texts are bytes: Redis knows no encoding.
pub(super) trait Slot {
    /// Reads the arguments of a directive into the field. `more` says that an earlier line of the same
    /// configuration set it already, which matters to directives that add up. Tells whether it changed.
    fn set(&mut self, rule: Rule, args: &[&[u8]], more: bool) -> Result<bool, Reason>;

    /// The value as CONFIG GET shows it; [`Slot::set`] reads it back.
    fn show(&self, rule: Rule) -> Vec<u8>;

    /// The value as a configuration file spells it.
    fn form(&self, rule: Rule) -> Form {
        Form::Line(self.show(rule))
    }

    /// Whether a directive may carry any number of arguments.
    fn takes_many(&self) -> bool {
        false
    }

    /// The type as the reference page names it.
    fn describe(&self, rule: Rule) -> String;
}

/// One parameter: everything the server knows about it.
pub struct Row {
    /// The identity, which is the name of its field in [`Config`].
    pub id: super::Param,
    /// The name in files and commands.
    pub name: &'static str,
    /// An older or foreign name of the same parameter.
    pub alias: Option<&'static str>,
    /// The heading of the reference page it belongs to.
    pub section: &'static str,
    /// One sentence about it.
    pub summary: &'static str,
    pub(super) flags: &'static [Flag],
    pub(super) rule: Rule,
    pub(super) slot: fn(&Config) -> &dyn Slot,
    pub(super) slot_mut: fn(&mut Config) -> &mut dyn Slot,
}

impl Row {
    /// Whether the parameter has a property.
    pub fn is(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// The value as CONFIG GET shows it.
    pub fn show(&self, config: &Config) -> Vec<u8> {
        (self.slot)(config).show(self.rule)
    }

    pub(super) fn form(&self, config: &Config) -> Form {
        (self.slot)(config).form(self.rule)
    }

    pub(super) fn takes_many(&self, config: &Config) -> bool {
        (self.slot)(config).takes_many()
    }

    /// Sets the parameter from the arguments of a directive: [`Slot::set`].
    pub(super) fn set(&self, config: &mut Config, args: &[&[u8]], more: bool) -> Result<bool, Reason> {
        let result = (self.slot_mut)(config).set(self.rule, args, more);
        // The only rule whose text names the parameter.
        result.map_err(|reason| match self.rule {
            Rule::PowerOfTwo(..) if reason == NOT_A_POWER => format!("{} {reason}", self.name).into(),
            _ => reason,
        })
    }
}
