//! Clients that write numbered steps, and what may be left of them.

use super::server::{Client, request};
use std::io::Write;

/// Every so many steps one is a transaction.
const TRANSACTION: u64 = 3;

/// What one client wrote over all lives of a server.
///
/// Step `n` appends `n` to the client's list; in every third, a transaction also sets the client's mark to `n`. So what is
/// left is a prefix of its history, transactions whole, exactly if the list counts without gaps and the mark fits its end.
pub struct History {
    client: u64,
    /// Steps that were sent, answered, and found after the last start.
    sent: u64,
    answered: u64,
    found: u64,
}

impl History {
    /// Of a client with that number.
    pub fn new(client: u64) -> Self {
        History { client, sent: 0, answered: 0, found: 0 }
    }

    /// Writes steps, some at a time, until `goes_on` says no or the connection ends; `answered` hears of each answer.
    pub fn write(&mut self, mut connection: Client, at_once: u64, answered: impl Fn()) {
        loop {
            let mut bytes = Vec::new();
            for step in self.sent + 1..=self.sent + at_once {
                self.encode(step, &mut bytes);
            }
            self.sent += at_once;
            if connection.stream.write_all(&bytes).is_err() {
                return;
            }
            while self.answered < self.sent {
                if !self.hear(&mut connection) {
                    return;
                }
                answered();
            }
        }
    }

    fn encode(&self, step: u64, bytes: &mut Vec<u8>) {
        let (list, mark, step_text) = (self.list(), self.mark(), step.to_string());
        let push = request(&["RPUSH", &list, &step_text]);
        if !step.is_multiple_of(TRANSACTION) {
            bytes.extend(push);
        } else {
            let set = request(&["SET", &mark, &step_text]);
            bytes.extend([request(&["MULTI"]), push, set, request(&["EXEC"])].concat());
        }
    }

    /// The answer to a step; `false` at the end.
    fn hear(&mut self, connection: &mut Client) -> bool {
        let step = (self.answered + 1).to_string();
        let expected = if !(self.answered + 1).is_multiple_of(TRANSACTION) {
            vec![step]
        } else {
            vec!["OK".into(), "QUEUED".into(), "QUEUED".into(), format!("{step} OK")]
        };
        for expected in expected {
            match connection.try_reply() {
                Some(reply) => assert_eq!(reply, expected),
                None => return false,
            }
        }
        self.answered += 1;
        true
    }

    /// Compares what a server that was started again has with what was sent and answered; says how many answered steps are
    /// gone. Goes on from there.
    pub fn check(&mut self, connection: &mut Client) -> u64 {
        let (list, mark) = (self.list(), self.mark());
        let length: u64 = connection.call(&["LLEN", &list]).parse().unwrap();
        let known = self.found.min(length);
        let news = connection.call(&["LRANGE", &list, &known.to_string(), "-1"]);
        let expected: Vec<String> = (known + 1..=length).map(|step| step.to_string()).collect();
        assert_eq!(news, expected.join(" "), "{list} has gaps");
        let marked = length - length % TRANSACTION;
        let expected = if marked == 0 { "(nil)".into() } else { marked.to_string() };
        assert_eq!(connection.call(&["GET", &mark]), expected, "{mark} does not fit a list of {length}");
        assert!(length <= self.sent, "{list} has what nobody wrote");
        let lost = self.answered.saturating_sub(length);
        (self.sent, self.answered, self.found) = (length, length, length);
        lost
    }

    /// Keys found after the last start.
    pub fn keys(&self) -> u64 {
        u64::from(self.found > 0) + u64::from(self.found >= TRANSACTION)
    }

    /// Steps found after the last start.
    pub fn found(&self) -> u64 {
        self.found
    }

    fn list(&self) -> String {
        format!("list:{}", self.client)
    }

    fn mark(&self) -> String {
        format!("mark:{}", self.client)
    }
}
