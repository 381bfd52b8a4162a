//! The plain types of fields: yes/no, numbers, texts, and memory that may be a share of the whole.

use super::row::{Form, NOT_A_POWER, Reason, Rule, Slot};
use super::syntax::{format_memory, parse_loose_integer, parse_memory};
use crate::engine::text::number::parse_i64;
use crate::engine::text::quote;

/// Takes the one argument of a single-valued parameter.
pub(super) fn single<'a>(args: &[&'a [u8]]) -> Result<&'a [u8], Reason> {
    match args {
        [arg] => Ok(arg),
        _ => Err("wrong number of arguments".into()),
    }
}

/// Stores a value and tells whether that changed anything.
pub(super) fn store<T: PartialEq>(place: &mut T, value: T) -> bool {
    let changed = *place != value;
    *place = value;
    changed
}

impl Slot for bool {
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        let arg = single(args)?;
        if arg.eq_ignore_ascii_case(b"yes") {
            Ok(store(self, true))
        } else if arg.eq_ignore_ascii_case(b"no") {
            Ok(store(self, false))
        } else {
            Err("argument must be 'yes' or 'no'".into())
        }
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        if *self { b"yes".to_vec() } else { b"no".to_vec() }
    }

    fn describe(&self, _: Rule) -> String {
        "yes or no".into()
    }
}

/// Reads a number in the notation of the rule and checks its bounds.
fn parse_number(rule: Rule, arg: &[u8]) -> Result<i128, Reason> {
    match rule {
        Rule::Memory(min, max) => {
            let bytes = parse_memory(arg).map(i128::from);
            // A negative amount stands for "no limit" where the bounds allow it.
            let bytes = bytes.or_else(|| parse_i64(arg).map(i128::from).filter(|_| min < 0));
            let bytes = bytes.ok_or("argument must be a memory value")?;
            within(bytes, min, max)
        }
        Rule::Octal(min, max) => {
            let value = parse_loose_integer(arg, 8).filter(|&value| value < i64::MAX);
            let value = i128::from(value.ok_or("argument couldn't be parsed as an octal number")?);
            if value < min || value > max {
                return Err(format!("argument must be between {min:o} and {max:o} inclusive").into());
            }
            Ok(value)
        }
        Rule::Int(min, max) => {
            let value = parse_i64(arg).ok_or("argument couldn't be parsed into an integer")?;
            within(i128::from(value), min, max)
        }
        Rule::PowerOfTwo(min, max) => {
            let value = parse_number(Rule::Int(min, max), arg)?;
            if value.cast_unsigned().is_power_of_two() { Ok(value) } else { Err(NOT_A_POWER.into()) }
        }
        _ => unreachable!("a number is declared with a numeric rule; a test reads every row"),
    }
}

fn within(value: i128, min: i128, max: i128) -> Result<i128, Reason> {
    if value < min || value > max {
        return Err(format!("argument must be between {min} and {max} inclusive").into());
    }
    Ok(value)
}

fn describe_number(rule: Rule) -> String {
    match rule {
        Rule::Octal(min, max) => format!("octal, {min:o} to {max:o}"),
        Rule::Memory(min, max) => bounded("memory", min, max),
        Rule::Int(min, max) => bounded("integer", min, max),
        Rule::PowerOfTwo(min, max) => bounded("power of two", min, max),
        _ => "integer".into(),
    }
}

/// Names bounds only where they say more than the width of the integer does.
fn bounded(what: &str, min: i128, max: i128) -> String {
    if max >= i128::from(i32::MAX) {
        if min == i128::from(i32::MIN) { what.into() } else { format!("{what}, {min} or more") }
    } else {
        format!("{what}, {min} to {max}")
    }
}

macro_rules! integer_slots {
    ($($int:ty),*) => {$(
        impl Slot for $int {
            fn set(&mut self, rule: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
                let value = parse_number(rule, single(args)?)?;
                let value = <$int>::try_from(value).map_err(|_| "argument is out of range")?;
                Ok(store(self, value))
            }

            fn show(&self, rule: Rule) -> Vec<u8> {
                match rule {
                    Rule::Octal(..) => format!("{self:o}").into_bytes(),
                    _ => self.to_string().into_bytes(),
                }
            }

            fn form(&self, rule: Rule) -> Form {
                match (rule, u64::try_from(*self)) {
                    (Rule::Memory(..), Ok(bytes)) => Form::Line(format_memory(bytes).into_bytes()),
                    _ => Form::Line(self.show(rule)),
                }
            }

            fn describe(&self, rule: Rule) -> String {
                describe_number(rule)
            }
        }
    )*};
}

integer_slots!(u16, u64, i64);

/// Bytes, or a percentage of a whole that the reader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrPercent {
    /// An amount; zero means no limit.
    Bytes(u64),
    /// Between 1 and 100.
    Percent(u8),
}

impl Slot for MemoryOrPercent {
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        let arg = single(args)?;
        if let Some(bytes) = parse_memory(arg) {
            if i64::try_from(bytes).is_err() {
                return Err(format!("argument must be between -100 and {} inclusive", i64::MAX).into());
            }
            return Ok(store(self, Self::Bytes(bytes)));
        }
        let percent = arg.strip_suffix(b"%").and_then(parse_i64).filter(|&percent| percent >= 0);
        match percent.ok_or("argument must be a memory or percent value")? {
            0 => Ok(store(self, Self::Bytes(0))),
            percent @ 1..=100 => Ok(store(self, Self::Percent(percent as u8))),
            _ => Err("percentage argument must be less or equal to 100".into()),
        }
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_string().into_bytes(),
            Self::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn form(&self, rule: Rule) -> Form {
        Form::Line(match self {
            Self::Bytes(bytes) => format_memory(*bytes).into_bytes(),
            Self::Percent(_) => self.show(rule),
        })
    }

    fn describe(&self, _: Rule) -> String {
        "memory, or percent of `maxmemory`".into()
    }
}

impl Slot for Vec<u8> {
    fn set(&mut self, rule: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        let arg = single(args)?;
        if let Rule::TextIf(check) | Rule::OptionalIf(check) = rule {
            check(arg)?;
        }
        Ok(store(self, arg.to_vec()))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        self.clone()
    }

    fn form(&self, rule: Rule) -> Form {
        if matches!(rule, Rule::Optional | Rule::OptionalIf(_)) && self.is_empty() {
            return Form::Absent;
        }
        let quoted = quote::quoted(self);
        match rule {
            Rule::Directory => Form::Lines(vec![(quoted, true)]),
            _ => Form::Line(quoted),
        }
    }

    fn describe(&self, rule: Rule) -> String {
        if matches!(rule, Rule::Directory) { "directory" } else { "text" }.into()
    }
}
