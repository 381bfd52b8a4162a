//! What `redis-check-rdb` says about a file, in the words of Redis's tool, which scripts look for.

use super::decoder::{Decoder, Item, Loaded};
use super::source::{Error, Problem, Source};
use super::value::Limits;
use crate::engine::hash::Seed;
use crate::engine::keyspace::hash::HashLimits;
use crate::engine::keyspace::list::Limits as ListLimits;
use crate::engine::keyspace::{Hasher, SetLimits, SortedSetLimits};
use std::sync::Arc;

impl Limits {
    /// Some limits, for values that are only looked at.
    pub fn any() -> Self {
        let hasher = Arc::new(Hasher::new(Seed::new(0)));
        Limits {
            list: ListLimits::new(-2),
            set: SetLimits {
                intset_entries: 512,
                listpack_entries: 128,
                listpack_value: 64,
                hasher: hasher.clone(),
            },
            sorted_set: SortedSetLimits { entries: 128, value: 64, hasher: hasher.clone() },
            hash: HashLimits { entries: 512, value: 64, hasher },
        }
    }
}

/// Reads a file to its end or to its first error, and says what was found at a moment in Unix milliseconds;
/// whether it is sound.
pub fn check<S: Source>(source: S, now_ms: i64, say: &mut dyn FnMut(String)) -> bool {
    let limits = Limits::any();
    let mut decoder = Decoder::new(source, &limits, 0, true);
    let mut found = Found::default();
    loop {
        let sound = decoder.position();
        match decoder.next() {
            Ok(Some(item)) => {
                if let Some(news) = found.note(item, now_ms) {
                    say(format!("[offset {}] {news}", decoder.position()));
                }
            }
            Ok(None) => {
                let sum = match decoder.was_summed() {
                    true => "Checksum OK",
                    false => "RDB file was saved with checksum disabled: no check performed.",
                };
                say(format!("[offset {}] {sum}", decoder.position()));
                say(format!("[offset {}] \\o/ RDB looks OK! \\o/", decoder.position()));
                found.report(say);
                return true;
            }
            Err(error) => {
                complain(&error, decoder.key(), say);
                found.report(say);
                say(match sound {
                    0 => "[info] no data comes before that".to_owned(),
                    _ => format!("[info] everything before offset {sound} can be read"),
                });
                return false;
            }
        }
    }
}

/// What a file has.
#[derive(Default)]
struct Found {
    keys: u64,
    expires: u64,
    expired: u64,
    subexpires: u64,
}

impl Found {
    /// Counts an item; what is worth saying about it.
    fn note(&mut self, item: Item, now_ms: i64) -> Option<String> {
        match item {
            Item::Aux { name, value } => {
                return Some(format!("AUX FIELD {} = '{}'", name.escape_ascii(), value.escape_ascii()));
            }
            Item::Database(number) => return Some(format!("Selecting DB ID {number}")),
            Item::ModuleAux(module) => return Some(format!("MODULE AUX for: {module}")),
            Item::Entry(Loaded { entry, .. }) => {
                self.keys += 1;
                self.expires += u64::from(entry.has_expiry());
                self.expired += u64::from(entry.is_expired(now_ms));
                self.subexpires += u64::from(entry.fields_due().is_some());
            }
            Item::EmptyKey(_) => self.keys += 1,
            Item::Resize { .. } | Item::Function(_) => {}
        }
        None
    }

    fn report(&self, say: &mut dyn FnMut(String)) {
        say(format!("[info] {} keys read", self.keys));
        say(format!("[info] {} expires", self.expires));
        say(format!("[info] {} already expired", self.expired));
        say(format!("[info] {} subexpires", self.subexpires));
    }
}

fn complain(error: &Error, key: &[u8], say: &mut dyn FnMut(String)) {
    let Error { offset, reading, problem } = error;
    let what = match (problem, *reading) {
        (Problem::End, _) => "Unexpected EOF reading RDB file".to_owned(),
        (Problem::Invalid(_), "the checksum") => "RDB CRC error".to_owned(),
        (Problem::Invalid(_), "the header") => "Wrong signature trying to load DB from file".to_owned(),
        (problem, _) => problem.to_string(),
    };
    say("--- RDB ERROR DETECTED ---".to_owned());
    say(format!("[offset {offset}] {what}"));
    say(format!("[additional info] While doing: reading {reading}"));
    if !key.is_empty() {
        say(format!("[additional info] Reading key '{}'", key.escape_ascii()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::keyspace::{Entry, NewValue};
    use crate::engine::rdb::{FileWriter, Header, Options, Slice};

    /// A file of three keys, one of which expired.
    fn file(checksum: bool) -> Vec<u8> {
        let header =
            Header { version: "8.0", created: 1, used_memory: 2, is_aof_base: false, more: &[("a", "b")] };
        let mut file = FileWriter::new(Options::default(), checksum, &header);
        file.database(3, 3, 1);
        for (key, expires_at) in [("one", None), ("two", Some(5)), ("three", None)] {
            let value = NewValue::from_bytes(b"some value");
            file.begin(Entry::new(key.as_bytes(), value, expires_at, 0), None);
            while file.step(1 << 20).is_none() {}
        }
        file.finish()
    }

    fn said(bytes: &[u8]) -> (bool, Vec<String>) {
        let mut lines = Vec::new();
        let sound = check(Slice::new(bytes), 10, &mut |line| lines.push(line));
        (sound, lines)
    }

    #[test]
    fn a_sound_file_is_praised() {
        let bytes = file(true);
        let (sound, lines) = said(&bytes);
        assert!(sound);
        assert_eq!(lines[0], "[offset 24] AUX FIELD redis-ver = '8.0'");
        assert!(lines.iter().any(|line| line.ends_with("] Selecting DB ID 3")));
        let end = [
            format!("[offset {}] Checksum OK", bytes.len()),
            format!("[offset {}] \\o/ RDB looks OK! \\o/", bytes.len()),
            "[info] 3 keys read".into(),
            "[info] 1 expires".into(),
            "[info] 1 already expired".into(),
            "[info] 0 subexpires".into(),
        ];
        assert_eq!(lines[lines.len() - 6..], end);
        assert!(said(&file(false)).1.iter().any(|line| line.contains("checksum disabled")));
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let bytes = file(true);
        let third = bytes.windows(5).position(|five| five == b"three").expect("it is there");
        let (sound, lines) = said(&bytes[..third + 9]);
        assert!(!sound);
        let end = [
            "--- RDB ERROR DETECTED ---".into(),
            format!("[offset {}] Unexpected EOF reading RDB file", third + 6),
            "[additional info] While doing: reading a string".into(),
            "[additional info] Reading key 'three'".into(),
            "[info] 2 keys read".into(),
            "[info] 1 expires".into(),
            "[info] 1 already expired".into(),
            "[info] 0 subexpires".into(),
            format!("[info] everything before offset {} can be read", third - 2),
        ];
        assert_eq!(lines[lines.len() - 9..], end);

        let mut other = bytes.clone();
        other[third] ^= 1;
        assert!(said(&other).1.iter().any(|line| line.ends_with("] RDB CRC error")));
        let (_, lines) = said(b"not a file");
        assert!(lines[1].ends_with("] Wrong signature trying to load DB from file"));
        assert_eq!(lines.last().map(String::as_str), Some("[info] no data comes before that"));
    }
}
