//! Plays a case against a server and compares.

use crate::case::{Action, Case, Expected, Step, request};
use crate::support::readable;
use crate::support::reply::{self, Value};
use std::collections::BTreeMap;

/// A server with no data.
pub trait Playable {
    /// A new connection; they are numbered as they come.
    fn connect(&mut self) -> usize;
    /// Sends bytes on a connection and returns what has come in on it since the last call. A server far
    /// away cannot know when it has answered: it waits for `replies` whole replies.
    fn feed(&mut self, connection: usize, bytes: &[u8], replies: usize) -> Result<Vec<u8>, String>;
    /// Lets time pass.
    fn advance(&mut self, milliseconds: u64);
    /// Sets a parameter, even one that is fixed once a server runs; `None` if only CONFIG SET can.
    fn configure(&mut self, _name: &str, _value: &str) -> Option<Result<(), String>> {
        None
    }
    /// What the outside was told since the last call; `None` if that cannot be seen.
    fn effects(&mut self) -> Option<Vec<String>>;
}

/// How a case is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// RESP2 or RESP3.
    pub protocol: u8,
    bytewise: bool,
}

impl Mode {
    /// Each command in one piece.
    pub fn whole(protocol: u8) -> Mode {
        Mode { protocol, bytewise: false }
    }

    /// Each command in pieces of one byte.
    pub fn bytewise(protocol: u8) -> Mode {
        Mode { protocol, bytewise: true }
    }
}

/// Plays a case; returns the differences, or with `update` makes the case expect what came.
pub fn play(case: &mut Case, server: &mut dyn Playable, mode: Mode, update: bool) -> Vec<String> {
    let compare_effects = case.has_effects();
    let mut stage = Stage { server, mode, clients: BTreeMap::new(), current: 1 };
    let mut differences = Vec::new();
    for step in &mut case.steps {
        // An unfinished expectation still has a reply to come.
        let wait_for = step.replies.len().max(usize::from(update && matches!(step.action, Action::Send(_))));
        let outcome = stage.perform(&step.action, wait_for);
        let effects = stage.server.effects();
        let what = match outcome {
            Ok(replies) if update => {
                adopt(step, replies, mode.protocol);
                step.effects =
                    effects.filter(|_| compare_effects).unwrap_or(std::mem::take(&mut step.effects));
                continue;
            }
            Ok(replies) => compare(step, &replies, effects.filter(|_| compare_effects), mode.protocol),
            Err(problem) => Some(format!("    {problem}\n")),
        };
        if let Some(what) = what {
            differences.push(format!("{}:{}: {mode:?}\n{what}", case.file, step.line));
            break; // What follows rests on what went wrong.
        }
    }
    differences
}

struct Stage<'a> {
    server: &'a mut dyn Playable,
    mode: Mode,
    /// Number in the case -> connection.
    clients: BTreeMap<usize, usize>,
    current: usize,
}

impl Stage<'_> {
    fn perform(&mut self, action: &Action, replies: usize) -> Result<Vec<Value>, String> {
        match action {
            Action::Nothing => return Ok(Vec::new()),
            Action::Advance(milliseconds) => self.server.advance(*milliseconds),
            Action::Client(number) => self.current = *number,
            Action::Configure(name, value) => {
                if let Some(outcome) = self.server.configure(name, value) {
                    return outcome.map(|()| Vec::new());
                }
                let words: Vec<Vec<u8>> =
                    ["CONFIG", "SET", name, value].map(|w| w.as_bytes().to_vec()).to_vec();
                let connection = self.connection(0)?;
                let answer = self.server.feed(connection, &request(&words), 1)?;
                return if answer == b"+OK\r\n" {
                    Ok(Vec::new())
                } else {
                    Err(String::from_utf8_lossy(&answer).into())
                };
            }
            Action::Send(_) => {}
        }
        let connection = self.connection(self.current)?;
        let mut heard = Vec::new();
        match action {
            Action::Send(bytes) if self.mode.bytewise => {
                for byte in bytes.chunks(1) {
                    heard.extend(self.server.feed(connection, byte, 0)?);
                }
                heard.extend(self.server.feed(connection, b"", replies)?);
            }
            Action::Send(bytes) => heard = self.server.feed(connection, bytes, replies)?,
            // After time has passed or another client has spoken, a reply is heard only if one is expected.
            _ if replies > 0 => heard = self.server.feed(connection, b"", replies)?,
            _ => {}
        }
        values(&heard)
    }

    /// The connection of a client, opened and set to the protocol at its first use.
    fn connection(&mut self, client: usize) -> Result<usize, String> {
        if let Some(connection) = self.clients.get(&client) {
            return Ok(*connection);
        }
        let connection = self.server.connect();
        if self.mode.protocol == 3 {
            self.server.feed(connection, &request(&[b"HELLO".to_vec(), b"3".to_vec()]), 1)?;
            self.server.effects();
        }
        self.clients.insert(client, connection);
        Ok(connection)
    }
}

/// Bytes as whole replies.
pub fn values(mut bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let Some((value, length)) = reply::parse(bytes)? else {
            return Err(format!("half a reply: {}", String::from_utf8_lossy(bytes)));
        };
        values.push(value);
        bytes = &bytes[length..];
    }
    Ok(values)
}

fn compare(step: &Step, replies: &[Value], effects: Option<Vec<String>>, protocol: u8) -> Option<String> {
    let same = step.replies.len() == replies.len()
        && step.replies.iter().zip(replies).all(|(expected, reply)| expected.of(protocol).accepts(reply));
    let effects = effects.filter(|effects| *effects != step.effects);
    let mut what = String::new();
    if !same {
        let expected: Vec<String> =
            step.replies.iter().map(|reply| readable::format(reply.of(protocol))).collect();
        let got: Vec<String> = replies.iter().map(readable::format).collect();
        what += &difference(&expected, &got);
    }
    if let Some(effects) = effects {
        what += &difference(&step.effects, &effects);
    }
    (!what.is_empty()).then_some(what)
}

fn difference(expected: &[String], got: &[String]) -> String {
    let lines = |title: &str, lines: &[String]| {
        let lines: String =
            lines.iter().map(|line| format!("      {}\n", line.replace('\n', "\n      "))).collect();
        format!("    {title}\n{}", if lines.is_empty() { "      nothing\n".to_owned() } else { lines })
    };
    lines("expected", expected) + &lines("got", got)
}

/// Makes a step expect what came, keeping what it says already if that fits.
fn adopt(step: &mut Step, replies: Vec<Value>, protocol: u8) {
    if matches!(step.action, Action::Nothing) {
        return;
    }
    let mut old: Vec<Option<Expected>> = std::mem::take(&mut step.replies).into_iter().map(Some).collect();
    old.resize_with(old.len().max(replies.len()), || None);
    for (reply, old) in replies.into_iter().zip(old) {
        let new = match old {
            Some(old) if old.of(protocol).accepts(&reply) => old,
            // RESP2 plays first, so what it expects is right by now.
            Some(old) if protocol == 3 => Expected { resp3: Some(reply), ..old },
            _ => Expected { resp2: reply, resp3: None },
        };
        step.replies.push(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{format, parse};

    /// Answers every request with the same bytes and tells the outside the same thing.
    struct Parrot {
        answers: Vec<&'static [u8]>,
        pending: Vec<u8>,
        effects: Vec<String>,
    }

    impl Playable for Parrot {
        fn connect(&mut self) -> usize {
            0
        }
        fn feed(&mut self, _: usize, bytes: &[u8], _: usize) -> Result<Vec<u8>, String> {
            self.pending.extend(bytes);
            if !self.pending.ends_with(b"GET\r\n") {
                return Ok(Vec::new());
            }
            self.pending.clear();
            Ok(self.answers.remove(0).to_vec())
        }
        fn advance(&mut self, _: u64) {}
        fn effects(&mut self) -> Option<Vec<String>> {
            Some(self.effects.clone())
        }
    }

    fn played(text: &str, answer: &'static [u8], update: bool) -> (Vec<String>, String) {
        let mut cases = parse("x.test", text).unwrap();
        let mut all = Vec::new();
        for mode in [Mode::whole(2), Mode::bytewise(2)] {
            let mut parrot = Parrot {
                answers: vec![answer; 2],
                pending: Vec::new(),
                effects: vec!["event get k".to_owned()],
            };
            all.extend(play(&mut cases[0], &mut parrot, mode, update));
        }
        (all, format(&cases))
    }

    #[test]
    fn the_expected_is_accepted() {
        assert_eq!(played("> GET\n:1\n", b":1\r\n", false).0, [""; 0]);
        assert_eq!(played("> GET\n:1\n  ~ event get k\n", b":1\r\n", false).0, [""; 0]);
        assert_eq!(played("> GET\n:1\n+OK\n", b":1\r\n+OK\r\n", false).0, [""; 0]);
    }

    #[test]
    fn every_difference_is_found() {
        for (text, answer) in [
            ("> GET\n:1\n", &b":2\r\n"[..]),
            ("> GET\n:1\n", b""),
            ("> GET\n:1\n", b":1\r\n:1\r\n"),
            ("> GET\n:1\n", b":1"),
            ("> GET\n", b":1\r\n"),
            ("> GET\n:1\n  ~ event set k\n", b":1\r\n"),
            ("@effects\n> GET\n:1\n", b":1\r\n"),
        ] {
            assert_eq!(played(text, answer, false).0.len(), 2, "{text}");
        }
    }

    #[test]
    fn an_update_keeps_what_fits() {
        let updated = |text| played(text, b":2\r\n", true).1;
        assert_eq!(updated("# t\n> GET\n:1\n"), "# t\n> GET\n:2\n");
        assert_eq!(updated("> GET\n*\n"), "> GET\n*\n");
        assert_eq!(updated("> GET\n"), "> GET\n:2\n");
        assert_eq!(updated("> GET\n:1\n  ~ event set k\n"), "> GET\n:2\n  ~ event get k\n");
    }
}
