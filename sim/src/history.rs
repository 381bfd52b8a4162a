//! What the clients of a world saw: who asked what, when, and what came back.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{self, Call, Moment};
use crate::resp::Reply;

/// By how much a clock of a world may run fast, or slow: see [`crate::world::plan`].
pub const FASTEST_CLOCK: f64 = 0.2;

/// One operation of one client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The connection it was sent on. Those of one connection take effect in the order they were sent.
    pub session: u32,
    pub call: Call,
    /// When the client sent it, in nanoseconds of true time.
    pub invoked_ns: u64,
    /// When the reply was there; never, if the connection broke first.
    pub returned: Option<(u64, Reply)>,
    /// After this it can have had no effect, if it was never answered: its connection was gone.
    pub until_ns: u64,
    /// When the server wrote the reply, if it did: where in the order it probably belongs.
    pub answered_ns: Option<u64>,
    /// What the server's clock may have shown meanwhile.
    pub moment: Moment,
}

impl Operation {
    /// When it has certainly taken effect, if it has at all.
    pub fn returned_ns(&self) -> u64 {
        self.returned.as_ref().map_or(u64::MAX, |(at_ns, _)| *at_ns)
    }

    pub fn reply(&self) -> Option<&Reply> {
        self.returned.as_ref().map(|(_, reply)| reply)
    }

    /// The earliest moment at which it can have taken effect. A command that waited in vain took effect
    /// when its time was up, by the server's clock, which may run fast: so nothing it waited for was
    /// there then, and a wake-up that was missed does not pass for one that was not due.
    pub fn earliest_ns(&self) -> u64 {
        match (self.call.waits(), self.reply()) {
            (Some(seconds), Some(Reply::Null)) => {
                self.invoked_ns + (seconds * 1e9 / (1.0 + FASTEST_CLOCK)) as u64
            }
            _ => self.invoked_ns,
        }
    }
}

impl fmt::Display for Operation {
    /// One line: when, who, what, and what came back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ns: u64| ns as f64 / 1e9;
        write!(f, "{:>12.6} session {:<3} {}", seconds(self.invoked_ns), self.session, self.call)?;
        match &self.returned {
            Some((at_ns, reply)) => write!(f, "  {:.6} {reply:?}", seconds(*at_ns)),
            None => f.write_str("  no reply"),
        }
    }
}

/// Splits a history into parts that share no key. Linearizability is local (Herlihy and Wing 1990): the
/// whole is linearizable exactly if each part is. Operations without a key belong to all parts.
pub fn split(operations: &[Operation]) -> Vec<Vec<Operation>> {
    // A forest over keys: each points to another of its part, the root to itself.
    let mut parts: BTreeMap<model::Key, model::Key> = BTreeMap::new();
    fn root(parts: &mut BTreeMap<model::Key, model::Key>, key: &model::Key) -> model::Key {
        let mut at = key.clone();
        loop {
            let next = parts.entry(at.clone()).or_insert_with(|| at.clone()).clone();
            if next == at {
                return at;
            }
            at = next;
        }
    }
    for operation in operations {
        let keys = operation.call.keys();
        let mut roots = keys.iter().map(|key| root(&mut parts, key)).collect::<Vec<_>>();
        if let Some(first) = roots.pop() {
            for other in roots {
                parts.insert(other, first.clone());
            }
        }
    }
    let mut split: BTreeMap<model::Key, Vec<Operation>> = BTreeMap::new();
    let all: Vec<model::Key> = parts.keys().cloned().collect();
    for key in &all {
        split.entry(root(&mut parts, key)).or_default();
    }
    for operation in operations {
        match operation.call.keys().first() {
            Some(key) => split.entry(root(&mut parts, key)).or_default().push(operation.clone()),
            None => split.values_mut().for_each(|part| part.push(operation.clone())),
        }
    }
    split.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(words: &str) -> Operation {
        Operation {
            session: 0,
            call: Call::command(words),
            invoked_ns: 0,
            returned: None,
            until_ns: u64::MAX,
            answered_ns: None,
            moment: Moment::default(),
        }
    }

    #[test]
    fn keys_that_meet_in_one_operation_stay_together() {
        let history: Vec<_> =
            ["SET a 1", "SET b 1", "MSET c 1 d 1", "GET d", "RENAME a e", "GET e"].map(operation).to_vec();
        let mut sizes: Vec<_> = split(&history).iter().map(Vec::len).collect();
        sizes.sort();
        assert_eq!(sizes, [1, 2, 3]);
    }

    #[test]
    fn a_crash_is_seen_by_every_part() {
        let mut history: Vec<_> = ["SET a 1", "SET b 1"].map(operation).to_vec();
        history.push(Operation { call: Call::Crash, ..operation("") });
        assert!(split(&history).iter().all(|part| part.len() == 2));
    }
}
