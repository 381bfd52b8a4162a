//! What commands propagate: one stream of bytes in the protocol that clients speak, in the order of execution.
//!
//! The append-only file holds this stream, and replicas follow it. A command's propagation becomes part of it when
//! the unit that it belongs to (command, transaction, script) ends; units of several commands are framed by MULTI and
//! EXEC. SELECT precedes a command whose database is not that of the one before. Positions are counted in bytes since
//! the start of the server.

use crate::engine::effect::Effect;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::{Args, Argv, request};
use std::mem;

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// What the running command propagates, and what was propagated and not fetched yet.
#[derive(Debug, Default)]
pub struct Propagation {
    /// Whether the stream is kept: somebody reads it.
    streaming: bool,
    /// Nothing propagates: what happens now comes from the reader itself.
    muted: bool,
    /// Whether units also become effects, command by command: transcripts and checkers read those.
    recording: bool,
    /// The part of the stream that was not fetched yet, and the unit that is under way.
    stream: Vec<u8>,
    /// Where that unit's first command begins.
    unit: usize,
    /// Its commands.
    commands: usize,
    /// The stream's position at the end of the last unit.
    offset: u64,
    /// The database that the stream's reader is in; `None` if it does not know.
    selected: Option<usize>,
    recorded: Vec<(usize, Argv)>,
    explicit: bool,
    /// Inside EXEC or a script: what is pending is one unit.
    pub depth: u32,
}

impl Propagation {
    /// Whether anybody reads it: an append-only file, a replica, a checker.
    #[inline]
    pub fn wanted(&self) -> bool {
        (self.streaming || self.recording) && !self.muted
    }

    /// Has units also become effects.
    pub fn record(&mut self) {
        self.recording = true;
    }

    /// Starts or stops keeping the stream. One that starts begins with a SELECT.
    pub fn stream(&mut self, on: bool) {
        self.streaming = on;
        self.selected = None;
        if !on {
            self.stream = Vec::new();
            (self.unit, self.commands) = (0, 0);
        }
    }

    /// Has nothing propagate for a while, such as during a load. Says whether that was so before.
    pub fn mute(&mut self, on: bool) -> bool {
        std::mem::replace(&mut self.muted, on)
    }

    /// Has the next unit begin with a SELECT, since its reader knows nothing of what came before.
    pub fn forget_selected(&mut self) {
        self.selected = None;
    }

    /// The stream's position: after the last unit.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether whole units wait to be fetched.
    #[inline]
    pub fn has_stream(&self) -> bool {
        self.unit > 0
    }

    /// Bytes that wait to be fetched.
    pub fn waiting(&self) -> usize {
        self.unit
    }

    /// Takes out the whole units that wait, leaving `empty` (its capacity is used again) in their place.
    pub fn take_stream(&mut self, mut empty: Vec<u8>) -> Vec<u8> {
        empty.clear();
        empty.extend_from_slice(&self.stream[self.unit..]);
        let mut units = mem::replace(&mut self.stream, empty);
        units.truncate(mem::take(&mut self.unit));
        units
    }

    /// Takes out the first `count` bytes that wait: whole units.
    pub fn take_front(&mut self, count: usize) -> Vec<u8> {
        self.unit -= count;
        self.stream.drain(..count).collect()
    }

    /// Adds a command beside the running one, such as the removal of an expired key.
    pub fn also(&mut self, db: usize, argv: impl FnOnce() -> Argv) {
        if self.wanted() {
            self.add(db, argv().args());
        }
    }

    /// Adds a command instead of the running one.
    pub fn instead(&mut self, db: usize, argv: impl FnOnce() -> Argv) {
        self.explicit = true;
        self.also(db, argv);
    }

    /// Tells replicas alone: what changes no data and belongs into no file.
    pub fn to_replicas(&mut self, db: usize, argv: impl FnOnce() -> Argv) {
        self.explicit = true;
        if self.recording {
            self.recorded.push((db, argv()));
        }
    }

    /// The running command propagates nothing.
    pub fn nothing(&mut self) {
        self.explicit = true;
    }

    /// A command ended; `changed` says whether it changed anything.
    #[inline]
    pub fn command_ended(&mut self, db: usize, args: Args, changed: bool) {
        if changed && !self.explicit && self.wanted() {
            self.add(db, args);
        }
        self.explicit = false;
    }

    fn add(&mut self, db: usize, args: Args) {
        if self.recording {
            self.recorded.push((db, args.to_owned()));
        }
        if !self.streaming {
            return;
        }
        let stays = self.commands > 0 && mutant::is_on("transaction-select");
        if self.selected != Some(db) && !stays {
            sometimes!("select-in-unit", self.commands > 0);
            self.selected = Some(db);
            let name = db.to_string();
            request::encode(&mut self.stream, [b"SELECT".as_slice(), name.as_bytes()].into_iter());
            // The reader is in a database before a transaction begins.
            if self.commands == 0 {
                let select = self.stream.len() - self.unit;
                self.offset += select as u64;
                self.unit += select;
            }
        }
        self.commands += 1;
        request::encode(&mut self.stream, args.iter());
    }

    /// The running commands ended in a panic: hands on what they had changed until then.
    #[cold]
    pub fn abandon(&mut self, effects: &mut Vec<Effect>) {
        (self.depth, self.explicit) = (0, false);
        self.flush(true, effects);
    }

    /// The outermost command ended: what is pending becomes part of the stream, as one unit if `atomic`.
    #[inline]
    pub fn flush(&mut self, atomic: bool, effects: &mut Vec<Effect>) {
        if self.commands > 0 {
            if atomic && self.commands > 1 && !mutant::is_on("torn-transaction") {
                sometimes!("framed-unit");
                self.stream.splice(self.unit..self.unit, MULTI.iter().copied());
                self.stream.extend_from_slice(EXEC);
            }
            self.offset += (self.stream.len() - self.unit) as u64;
            self.unit = self.stream.len();
            self.commands = 0;
        }
        if !self.recorded.is_empty() {
            self.flush_recorded(atomic, effects);
        }
    }

    #[cold]
    fn flush_recorded(&mut self, atomic: bool, effects: &mut Vec<Effect>) {
        let frame = |db, name: &[u8]| Effect::Propagate { db, argv: Argv::of([name]) };
        let wrap = atomic && self.recorded.len() > 1;
        let (first, last) = (self.recorded[0].0, self.recorded[self.recorded.len() - 1].0);
        if wrap {
            effects.push(frame(first, b"MULTI"));
        }
        effects.extend(self.recorded.drain(..).map(|(db, argv)| Effect::Propagate { db, argv }));
        if wrap {
            effects.push(frame(last, b"EXEC"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(propagation: &mut Propagation, db: usize, words: &str) {
        let argv = Argv::of(words.split(' ').map(str::as_bytes));
        propagation.command_ended(db, argv.args(), true);
    }

    /// Lengths left out.
    fn shown(stream: &[u8]) -> String {
        let text = String::from_utf8_lossy(stream);
        let words: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with('$')).collect();
        words.join(" ").trim_end().to_owned()
    }

    #[test]
    fn units_are_framed_and_databases_selected() {
        let (mut propagation, mut effects) = (Propagation::default(), Vec::new());
        call(&mut propagation, 0, "SET unread 1");
        propagation.flush(true, &mut effects);
        assert!(!propagation.has_stream());
        propagation.stream(true);
        call(&mut propagation, 0, "SET a 1");
        assert!(
            propagation.take_stream(Vec::new()).ends_with(b"0\r\n"),
            "no more than the SELECT before the unit"
        );
        propagation.flush(true, &mut effects);
        call(&mut propagation, 3, "DEL a");
        call(&mut propagation, 0, "DEL b");
        propagation.flush(true, &mut effects);
        let stream = propagation.take_stream(Vec::new());
        assert_eq!(shown(&stream), "*3 SET a 1 *2 SELECT 3 *1 MULTI *2 DEL a *2 SELECT 0 *2 DEL b *1 EXEC");
        call(&mut propagation, 0, "DEL c");
        call(&mut propagation, 0, "DEL d");
        propagation.flush(false, &mut effects);
        propagation.forget_selected();
        call(&mut propagation, 0, "DEL e");
        propagation.flush(true, &mut effects);
        let rest = propagation.take_stream(stream);
        assert_eq!(shown(&rest), "*2 DEL c *2 DEL d *2 SELECT 0 *2 DEL e");
        assert!(effects.is_empty());
    }

    #[test]
    fn the_offset_counts_what_is_taken() {
        let (mut propagation, mut effects) = (Propagation::default(), Vec::new());
        propagation.stream(true);
        let mut taken = 0;
        for n in 0..100 {
            call(&mut propagation, n % 3, "INCR k");
            if n % 2 == 0 {
                call(&mut propagation, n % 5, "INCR l");
            }
            if n % 7 == 0 {
                taken += propagation.take_stream(Vec::new()).len();
            }
            propagation.flush(n % 3 > 0, &mut effects);
        }
        taken += propagation.take_stream(Vec::new()).len();
        assert_eq!(propagation.offset(), taken as u64);
    }
}
