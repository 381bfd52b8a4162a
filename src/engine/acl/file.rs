//! A file of users: a line `user NAME RULES...` each. All of it is right, or nothing of it counts.

use super::catalog::Catalog;
use super::has_spaces;
use super::user::User;
use std::collections::BTreeSet;

/// Puts selectors together that were cut at their spaces: `(~a`, `+get)` is one rule. Fails with the index of a
/// parenthesis that is never closed.
pub fn merge_selectors<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, usize> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open = None;
    for (index, arg) in args.enumerate() {
        match merged.last_mut() {
            Some(selector) if open.is_some() => {
                selector.push(b' ');
                selector.extend(arg);
            }
            _ => {
                merged.push(arg.to_vec());
                open = arg.starts_with(b"(").then_some(index);
            }
        }
        if arg.ends_with(b")") {
            open = None;
        }
    }
    open.map_or(Ok(merged), Err)
}

/// The users of a file. Fails with everything that is wrong with it.
pub fn parse_file(text: &[u8], path: &str, catalog: &Catalog) -> Result<Vec<User>, String> {
    let (mut users, mut names, mut errors) = (Vec::new(), BTreeSet::new(), String::new());
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let (line, number) = (line.trim_ascii(), index + 1);
        if matches!(line.first(), None | Some(b'#')) {
            continue;
        }
        match parse_line(line, &format!("{path}:{number}"), catalog) {
            Ok(user) if !names.insert(user.name().to_vec()) => {
                let name = String::from_utf8_lossy(user.name()).into_owned();
                errors += &format!("WARNING: Duplicate user '{name}' found on line {number}. ");
            }
            Ok(user) => users.push(user),
            Err(why) => errors += &why,
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    Err(errors + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
}

fn parse_line(line: &[u8], place: &str, catalog: &Catalog) -> Result<User, String> {
    let mut words = line.split(|byte| *byte == b' ');
    let name = match (words.next(), words.next()) {
        (Some(b"user"), Some(name)) if !name.is_empty() => name,
        _ => return Err(format!("{place} should start with user keyword followed by the username. ")),
    };
    if has_spaces(name) {
        let name = String::from_utf8_lossy(name);
        return Err(format!("{place}: username '{name}' contains invalid characters. "));
    }
    let rules = merge_selectors(words.map(<[u8]>::trim_ascii))
        .map_err(|_| format!("{place}: Unmatched parenthesis in selector definition. "))?;
    let mut user = User::new(name, catalog);
    for rule in rules {
        user.apply(&rule, catalog).map_err(|why| {
            let rule = String::from_utf8_lossy(&rule);
            format!("{place}: Error in applying operation '{rule}': {why}. ")
        })?;
    }
    Ok(user)
}
