//! COMMAND GETKEYS and GETKEYSANDFLAGS: the keys of a call as Redis tells them to clients.
//!
//! Redis falls back on C functions where arguments fit no key specification: those read `1x` as 1 and tell no flags. That is
//! copied here only: what rights and routing go by is `key_specs`, which leaves no key out.

use super::command::words;
use crate::engine::command::{Call, Command, Error, Result, key_specs};
use crate::engine::protocol::Args;
use crate::engine::spec::{Begin, CallKey, Categories, Find, KeyFlags, Keys};

pub(super) fn getkeys(call: &mut Call) -> Result {
    let keys = keys(call)?;
    call.reply.array(keys.len());
    keys.iter().for_each(|key| call.reply.bulk(call.args.at(2 + key.index)));
    Ok(())
}

pub(super) fn getkeysandflags(call: &mut Call) -> Result {
    let keys = keys(call)?;
    call.reply.array(keys.len());
    for key in keys {
        call.reply.array(2);
        call.reply.bulk(call.args.at(2 + key.index));
        // That others are missing is said of specifications, not of keys.
        words(call.reply, key.flags.names().filter(|name| *name != "incomplete"));
    }
    Ok(())
}

/// The keys of the full command in the arguments.
fn keys(call: &Call) -> Result<Vec<CallKey>> {
    const UNKNOWN: Error = Error::new("ERR Invalid command specified");
    let table = &call.server.commands;
    let args = call.args.from(2);
    let mut id = table.find(args.at(0)).ok_or(UNKNOWN)?;
    if !table.entry(id).children.is_empty() && args.len() > 1 {
        id = table.find_child(id, args.at(1)).ok_or(UNKNOWN)?;
    }
    let row = table.entry(id).row;
    if row.keys.iter().all(|spec| spec.flags.has(KeyFlags::NOT_KEY)) {
        return Err(Error::new("ERR The command has no key arguments"));
    }
    if !row.arity.accepts(args.len()) {
        return Err(Error::new("ERR Invalid number of arguments specified for command"));
    }
    let keys = told(row, args).filter(|keys| !keys.is_empty() || is_script(row));
    keys.ok_or(Error::new("ERR Invalid arguments specified for command"))
}

/// Whether it is a command that may have no keys.
fn is_script(row: &Command) -> bool {
    row.categories.has(Categories::SCRIPTING)
}

fn told(row: &Command, args: Args) -> Option<Vec<CallKey>> {
    let mut keys = Vec::new();
    let sound = key_specs::find_keys(row, args, &mut keys).is_some();
    let is = |index: usize, word: &str| args.at(index).eq_ignore_ascii_case(word.as_bytes());
    match row.name {
        "MIGRATE" if keys.is_empty() => keys.push(CallKey { index: 3, flags: row.keys.first()?.flags }),
        "MIGRATE" if !args.at(3).is_empty() && key_specs::keys_of_migrate(args).is_some() => return None,
        // As many ids as keys follow.
        "XREAD" | "XREADGROUP" if !(args.len() - keys.first()?.index).is_multiple_of(2) => return None,
        "GEORADIUS" | "GEORADIUSBYMEMBER" => {
            let (mut index, mut last) = (5, 1);
            while index + 1 < args.len() {
                let stores = is(index, "STORE") || is(index, "STOREDIST");
                index += 1 + usize::from(stores);
                last = if stores { index - 1 } else { last };
            }
            keys.retain(|key| [1, last].contains(&key.index));
        }
        _ => {
            let counts = |spec: &Keys| match (spec.begin, spec.find) {
                (Begin::Index(index), Find::KeyNum { count, first, step }) => {
                    Some([index as usize + count as usize, index as usize + first as usize, step as usize])
                }
                _ => None,
            };
            if let Some([count, first, step]) = row.keys.iter().find_map(counts) {
                let count = c_int(args.at(count));
                if !sound || count < 1 {
                    return counted(row, args, count, first, step);
                }
            }
        }
    }
    sound.then_some(keys)
}

/// So many keys from `first` on, and then the one that is no part of them.
fn counted(row: &Command, args: Args, count: i32, first: usize, step: usize) -> Option<Vec<CallKey>> {
    let key = |index| CallKey { index, flags: KeyFlags::NONE };
    let most = args.len().saturating_sub(first) / step;
    let count = usize::try_from(count).ok().filter(|count| (1..=most).contains(count));
    let Some(count) = count else { return is_script(row).then(Vec::new) };
    let others = row.keys.iter().filter_map(|spec| match (spec.begin, spec.find) {
        (Begin::Index(index), Find::Range { .. }) => Some(key(index as usize)),
        _ => None,
    });
    Some((0..count).map(|nth| key(first + nth * step)).chain(others).collect())
}

/// What C's `atoi` makes of a text: the digits at the beginning, as many bits of them as an `int` has.
fn c_int(text: &[u8]) -> i32 {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let text = &text[text.iter().take_while(|byte| blank(byte)).count()..];
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0i64, |all, digit| all.saturating_mul(10).saturating_add(sign * i64::from(digit - b'0')))
        as i32
}
