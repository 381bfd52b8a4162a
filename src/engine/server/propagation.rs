//! Collects what a command propagates, in order, and hands it on as effects when the command ends.

use crate::engine::effect::Effect;
use crate::engine::protocol::{Args, Argv};

/// What the running command propagates.
#[derive(Debug, Default)]
pub struct Propagation {
    /// Whether anybody reads it: an append-only file, a replica, a checker.
    pub wanted: bool,
    pending: Vec<(usize, Argv)>,
    explicit: bool,
    /// Inside EXEC or a script: what is pending is one unit.
    pub depth: u32,
}

impl Propagation {
    /// Adds a command beside the running one, such as the removal of an expired key.
    pub fn also(&mut self, db: usize, argv: impl FnOnce() -> Argv) {
        if self.wanted {
            self.pending.push((db, argv()));
        }
    }
    /// Adds a command instead of the running one.
    pub fn instead(&mut self, db: usize, argv: impl FnOnce() -> Argv) {
        self.explicit = true;
        self.also(db, argv);
    }
    /// The running command propagates nothing.
    pub fn nothing(&mut self) {
        self.explicit = true;
    }
    /// A command ended; `changed` says whether it changed anything.
    pub fn command_ended(&mut self, db: usize, args: Args, changed: bool) {
        if changed && !self.explicit && self.wanted {
            self.pending.push((db, args.to_owned()));
        }
        self.explicit = false;
    }
    /// The running commands ended in a panic: hands on what they had changed until then.
    #[cold]
    pub fn abandon(&mut self, effects: &mut Vec<Effect>) {
        (self.depth, self.explicit) = (0, false);
        self.flush(true, effects);
    }
    /// The outermost command ended: moves what is pending into the effects, as one unit if `atomic`.
    pub fn flush(&mut self, atomic: bool, effects: &mut Vec<Effect>) {
        if self.pending.is_empty() {
            return;
        }
        let frame = |db, name: &[u8]| Effect::Propagate { db, argv: Argv::of([name]) };
        let wrap = atomic && self.pending.len() > 1;
        let (first, last) = (self.pending[0].0, self.pending[self.pending.len() - 1].0);
        if wrap {
            effects.push(frame(first, b"MULTI"));
        }
        effects.extend(self.pending.drain(..).map(|(db, argv)| Effect::Propagate { db, argv }));
        if wrap {
            effects.push(frame(last, b"EXEC"));
        }
    }
}
