//! What writing clients ask for: commands of every type on keys of their own.

use seedis::runtime::simulation::Draws;
use seedis::runtime::time;

use super::data::{Bytes, Data, SHARED, Words};
use super::plan::Plan;

/// Commands of one client that happen together or not at all, each in a database of that client.
#[derive(Clone, Debug)]
pub struct Unit {
    pub commands: Vec<(usize, Words)>,
    pub frame: Frame,
}

/// What makes one of several commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// There is one only.
    None,
    Transaction,
    Script,
}

impl Unit {
    pub fn run(&self, data: &mut Data) {
        self.commands.iter().for_each(|(database, words)| data.run(*database, words));
    }
}

/// The number that the server knows a client's database by.
pub fn number(client: usize, database: usize) -> usize {
    if database == SHARED { SHARED } else { 2 * client + database }
}

/// The key in the shared database that a client counts up, and that others look at.
pub fn counter(client: usize) -> Bytes {
    format!("seq:{client}").into_bytes()
}

/// Keys of a client, for each of its own databases.
pub fn keys(plan: &Plan) -> Vec<Bytes> {
    let few = ["s0", "s1", "l0", "l1", "h0", "h1", "S0", "z0", "x0", "v0", "v1", "v2"];
    let many = (0..plan.prefilled).map(|number| format!("p{number}"));
    few.iter().map(ToString::to_string).chain(many).map(String::into_bytes).collect()
}

/// A source of units.
pub struct Workload {
    client: usize,
    draws: Draws,
    plan: Plan,
    /// Makes every value the only one of its kind.
    unique: u64,
    /// Keys that are still to be put there at first.
    unfilled: u64,
}

impl Workload {
    pub fn new(seed: u64, client: usize, plan: &Plan) -> Self {
        let draws = Draws::named(seed, &format!("writes of client {client}"));
        Self { client, draws, plan: plan.clone(), unique: 0, unfilled: plan.prefilled }
    }

    pub fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    pub fn unit(&mut self) -> Unit {
        if self.unfilled > 0 {
            return self.prefill();
        }
        if self.plan.clients == 1 && self.draws.chance(3_000) {
            return Unit { commands: vec![(SHARED, words("FLUSHALL"))], frame: Frame::None };
        }
        let frame = match self.draws.below(100) {
            0..15 => Frame::Transaction,
            15..25 => Frame::Script,
            _ => Frame::None,
        };
        let count = if frame == Frame::None { 1 } else { self.draws.between(1, 6) };
        let mut database = self.database();
        let commands = (0..count).map(|_| {
            if self.draws.chance(150_000) {
                database = self.database();
            }
            self.command(database)
        });
        let commands = commands.collect();
        Unit { commands, frame }
    }

    fn database(&mut self) -> usize {
        if self.draws.chance(800_000) { 1 } else { 2 }
    }

    fn prefill(&mut self) -> Unit {
        let count = self.unfilled.min(250);
        let mut command = words("MSET");
        for number in self.unfilled - count..self.unfilled {
            command.push(format!("p{number}").into_bytes());
            command.push(number.to_string().into_bytes());
        }
        self.unfilled -= count;
        Unit { commands: vec![(1, command)], frame: Frame::None }
    }

    fn command(&mut self, database: usize) -> (usize, Words) {
        const PATTERNS: &[&str] = &[
            "SET s# *",
            "SET s# *",
            "APPEND s# *",
            "APPEND s# *",
            "RPUSH l# *",
            "RPUSH l# * *",
            "LPUSH l# *",
            "LPOP l#",
            "HSET h# m *",
            "HSET h# m * m *",
            "HDEL h# m",
            "SADD S0 m",
            "SADD S0 m m m",
            "SREM S0 m",
            "ZADD z0 n m",
            "ZADD z0 n m n m",
            "ZREM z0 m",
            "XADD x0 i f *",
            "XADD x0 i f * g *",
            "DEL t",
            "UNLINK t",
            "RENAME s0 s1",
            "COPY h0 h1 REPLACE",
            "COPY l1 l0 REPLACE",
            "PEXPIREAT t later",
            "PEXPIREAT t later",
            "PERSIST t",
            "SET s# * PXAT later",
            "SET v? * PXAT soon",
            "SET v? * PXAT soon",
            "SET v? *",
            "DEL v?",
            "SET p *",
            "SET p *",
            "SET p * PXAT later",
            "DEL p",
            "APPEND p *",
        ];
        if self.draws.chance(250_000) {
            return (SHARED, vec![b"INCR".to_vec(), counter(self.client)]);
        }
        match self.draws.below(1000) {
            0..3 => return (database, words("FLUSHDB")),
            3..6 => return (database, words("FLUSHDB ASYNC")),
            6..10 => {
                let [one, other] = [1, 2].map(|database| number(self.client, database).to_string());
                return (database, words(&format!("SWAPDB {one} {other}")));
            }
            _ => {}
        }
        let pattern = loop {
            let pattern = self.draws.pick(PATTERNS);
            if self.plan.prefilled > 0 || !pattern.split(' ').any(|word| word == "p") {
                break pattern;
            }
        };
        (database, pattern.split(' ').map(|word| self.fill(word)).collect())
    }

    /// Fills a place: # one of two keys, ? of three, t any of them, p one of many, * a value that is unique, m a member,
    /// n a score, i an id, later and soon a time.
    fn fill(&mut self, word: &str) -> Bytes {
        let now_ms = time::now().unix_ms();
        match word {
            "*" => self.value(),
            "t" => {
                self.draws.pick(&["s0", "s1", "l0", "l1", "h0", "h1", "S0", "z0", "x0"]).as_bytes().to_vec()
            }
            "p" => format!("p{}", self.draws.below(self.plan.prefilled)).into_bytes(),
            "m" => format!("m{}", self.draws.below(200)).into_bytes(),
            "n" => self.draws.below(1000).to_string().into_bytes(),
            "i" => {
                self.unique += 1;
                format!("{}-1", self.unique).into_bytes()
            }
            "later" => (now_ms + 10_000_000 + self.draws.below(1_000_000) as i64).to_string().into_bytes(),
            "soon" => (now_ms + self.draws.between(1, 2_000) as i64).to_string().into_bytes(),
            word => {
                let one = self.draws.below(2).to_string();
                let other = self.draws.below(3).to_string();
                word.replace('#', &one).replace('?', &other).into_bytes()
            }
        }
    }

    fn value(&mut self) -> Bytes {
        self.unique += 1;
        let mut value = format!("{}.", self.unique).into_bytes();
        if self.draws.chance(self.plan.long_values) {
            // What is written is not to be compressed to nothing.
            let mut more = vec![0; self.draws.between(1, 3000) as usize];
            self.draws.fill(&mut more);
            value.extend(more);
        }
        value
    }
}

pub fn words(line: &str) -> Words {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}
