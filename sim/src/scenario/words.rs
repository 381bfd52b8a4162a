//! Commands as text: words with blanks between, `|` between commands of a pipeline. A word that needs it is
//! quoted; in quotes `\xNN` is a byte and `\{N}` repeats the byte before it, N times in all.

use crate::model::{Call, Key};

type Words = Vec<Vec<u8>>;

/// A pipeline.
pub fn show(calls: &[Call]) -> String {
    let mut commands: Vec<String> = Vec::new();
    for call in calls {
        match call {
            Call::Command(words) => commands.push(command(words)),
            Call::Transaction { commands: inner, .. } => {
                commands.push("MULTI".to_owned());
                commands.extend(inner.iter().map(command));
                commands.push("EXEC".to_owned());
            }
            Call::Script(inner) => {
                commands.push("SCRIPT".to_owned());
                commands.extend(inner.iter().map(command));
                commands.push("END".to_owned());
            }
            Call::Crash => unreachable!("no client asks for a crash"),
        }
    }
    commands.join(" | ")
}

fn command(words: &Words) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'|' | b'#')
}

/// A word, in quotes if it needs them.
pub fn quoted(word: &[u8]) -> String {
    const MANY: usize = 20;
    let runs = || word.chunk_by(|a, b| a == b);
    if !word.is_empty() && word.iter().all(|&byte| is_plain(byte)) && runs().all(|run| run.len() < MANY) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut text = String::from("\"");
    for run in runs() {
        let byte = match run[0] {
            byte if is_plain(byte) || matches!(byte, b' ' | b'|' | b'#') => (byte as char).to_string(),
            byte => format!("\\x{byte:02x}"),
        };
        if run.len() < MANY {
            text += &byte.repeat(run.len());
        } else {
            text += &format!("{byte}\\{{{}}}", run.len());
        }
    }
    text + "\""
}

/// The commands of a pipeline, those between MULTI and EXEC, or SCRIPT and END, as one call.
pub fn calls(text: &str) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    let (mut transaction, mut script): (Option<Vec<Words>>, Option<Vec<Words>>) = (None, None);
    for words in commands(text)? {
        let is = |name: &str| words.len() == 1 && words[0].eq_ignore_ascii_case(name.as_bytes());
        if is("MULTI") && script.is_some() {
            return Err("MULTI in a script".to_owned());
        } else if is("SCRIPT") && transaction.is_some() {
            return Err("SCRIPT in a transaction".to_owned());
        } else if is("MULTI") && transaction.is_none() {
            transaction = Some(Vec::new());
        } else if is("EXEC") {
            let commands = transaction.take().ok_or("EXEC without MULTI")?;
            let watched: Vec<Key> = Vec::new();
            calls.push(Call::Transaction { watched, commands });
        } else if is("SCRIPT") && script.is_none() {
            script = Some(Vec::new());
        } else if is("END") {
            calls.push(Call::Script(script.take().ok_or("END without SCRIPT")?));
        } else if let Some(commands) = &mut script {
            commands.push(words);
        } else if let Some(commands) = &mut transaction {
            commands.push(words);
        } else {
            calls.push(Call::Command(words));
        }
    }
    if transaction.is_some() {
        return Err("MULTI without EXEC".to_owned());
    }
    if script.is_some() {
        return Err("SCRIPT without END".to_owned());
    }
    Ok(calls)
}

fn commands(text: &str) -> Result<Vec<Words>, String> {
    let mut commands = vec![Words::new()];
    for word in split(text)? {
        match word {
            None => commands.push(Words::new()),
            Some(word) => commands.last_mut().expect("there is one").push(word),
        }
    }
    if commands.iter().any(Vec::is_empty) {
        return Err("an empty command".to_owned());
    }
    Ok(commands)
}

/// The words of a line; nothing stands for a bar.
pub fn split(text: &str) -> Result<Vec<Option<Vec<u8>>>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('|') {
            words.push(None);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('"') {
            let (word, after) = unquoted(after)?;
            words.push(Some(word));
            rest = after;
        } else {
            let end = rest.find([' ', '|', '"']).unwrap_or(rest.len());
            words.push(Some(rest.as_bytes()[..end].to_vec()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

/// The bytes up to the closing quote, and what follows it.
fn unquoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut word = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['"', '\\']).ok_or("a quote is not closed")?;
        word.extend_from_slice(&rest.as_bytes()[..end]);
        let (stop, after) = rest[end..].split_at(1);
        if stop == "\"" {
            return Ok((word, after));
        }
        rest = escape(after, &mut word).ok_or("a backslash is followed by neither xNN nor {N}")?;
    }
}

/// Longer values than a client would send are a mistake in the file.
const LONGEST: usize = 1 << 24;

fn escape<'a>(text: &'a str, word: &mut Vec<u8>) -> Option<&'a str> {
    if let Some(after) = text.strip_prefix('x') {
        word.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        return after.get(2..);
    }
    let (count, after) = text.strip_prefix('{')?.split_once('}')?;
    let count = count.parse::<usize>().ok().filter(|&count| count <= LONGEST)?;
    let last = word.pop()?;
    word.resize(word.len() + count, last);
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        let long = [b"7".to_vec(), vec![b'.'; 4000], b"\r\n\0|# \"\\".to_vec()].concat();
        let watched = Vec::new();
        let written = vec![
            Call::command("SET a 1"),
            Call::Command(vec![b"SET".to_vec(), Vec::new(), long]),
            Call::Transaction { watched, commands: vec![vec![b"INCR".to_vec(), "ä".into()]] },
            Call::Script(vec![vec![b"GET".to_vec(), b"b".to_vec()]]),
        ];
        let text = show(&written);
        assert_eq!(
            text,
            r#"SET a 1 | SET "" "7.\{4000}\x0d\x0a\x00|# \x22\x5c" | MULTI | INCR "\xc3\xa4" | EXEC | SCRIPT | GET b | END"#
        );
        assert_eq!(calls(&text), Ok(written));
    }

    #[test]
    fn nonsense_is_named() {
        for (text, complaint) in [
            ("SET a | | GET b", "an empty command"),
            ("", "an empty command"),
            ("EXEC", "EXEC without MULTI"),
            ("MULTI | GET a", "MULTI without EXEC"),
            ("SCRIPT | GET a", "SCRIPT without END"),
            ("SCRIPT | MULTI | GET a | EXEC | END", "MULTI in a script"),
            ("MULTI | SCRIPT | GET a | END | EXEC", "SCRIPT in a transaction"),
            ("GET \"a", "a quote is not closed"),
            (r#"GET "\q""#, "a backslash is followed by neither xNN nor {N}"),
            (r#"GET "\{9}""#, "a backslash is followed by neither xNN nor {N}"),
            (r#"GET "a\{99999999999}""#, "a backslash is followed by neither xNN nor {N}"),
        ] {
            assert_eq!(calls(text).unwrap_err(), complaint, "{text}");
        }
    }
}
