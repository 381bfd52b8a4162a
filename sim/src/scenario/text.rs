//! A scenario as a file, see docs/simulation.md. Each line begins with a word that says what it is; what the
//! reader does not know is an error, with the number of the line.

use std::fmt;
use std::str::SplitAsciiWhitespace;

use seedis::engine::mutant;
use seedis::runtime::simulation::Death;

use super::settings::{Setting, is_config};
use super::words;
use super::{
    Client, Expectation, Fault, Leave, Life, Listen, Machine, Message, Nuisance, Other, Publisher, Scenario,
    Step, TASKS, Trouble, Way, number,
};
use crate::model::Call;
use crate::world::{self, Kind};

/// Machines are made up to the highest number, so it is bounded.
const MOST_MACHINES: usize = 100;

/// Those that write in a world of crashes: each has two of sixteen databases of its own.
const MOST_WRITERS: usize = 7;

// ---- writing

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        if let Some(Expectation { mutant, code, check }) = &self.expectation {
            writeln!(f, "mutant {mutant} fails {code} {check}")?;
        }
        if self.kind == Kind::Crash {
            writeln!(f, "world of crashes")?;
        }
        for Setting { subject, name, value } in &self.settings.0 {
            writeln!(f, "{subject} {name} {value}")?;
        }
        for fault in &self.faults {
            writeln!(f, "at {} {}", seconds(fault.at_us), fault.trouble)?;
        }
        if self.kind == Kind::Run {
            writeln!(f, "at {} peace", seconds(self.peace_us))?;
        }
        self.lives.iter().try_for_each(|life| write!(f, "\n{life}"))?;
        for (number, machine) in self.machines.iter().enumerate() {
            machine.write(number, f)?;
        }
        Ok(())
    }
}

impl Machine {
    fn write(&self, number: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(client) = &self.client {
            let resp = client.resp3.iter().map(|&resp3| if resp3 { " 3" } else { " 2" });
            let resp: String = resp.collect();
            let resp = if client.resp3.contains(&true) { format!(" resp{resp}") } else { String::new() };
            writeln!(f, "\nclient {number}{resp}")?;
            client.write(f)?;
        }
        if let Some(operator) = &self.operator {
            writeln!(f, "\noperator {number}")?;
            operator.write(f)?;
        }
        if let Some(publisher) = &self.publisher {
            writeln!(f, "\npublisher {number}")?;
            publisher.messages.iter().try_for_each(|message| writeln!(f, "  {message}"))?;
            writeln!(f, "  peace")?;
            publisher.peaceful.iter().try_for_each(|message| writeln!(f, "  {message}"))?;
        }
        if let Some(subscriber) = &self.subscriber {
            writeln!(f, "\nsubscriber {number}")?;
            for Listen { channel, resp3, until_us } in subscriber {
                let until = until_us.map(|us| format!(" until {}", seconds(us))).unwrap_or_default();
                writeln!(f, "  listen {channel}{until}{}", if *resp3 { " resp 3" } else { "" })?;
            }
        }
        for other in &self.others {
            match other {
                Other::Caching { rounds, groups } => {
                    writeln!(f, "\ncaching {number} rounds {rounds} groups {groups}")?;
                }
                Other::Guest => writeln!(f, "\nguest {number}")?,
                Other::Auditor => writeln!(f, "\nauditor {number}")?,
                Other::Nuisance(what) => writeln!(f, "\nnuisance {number} {}", what.kind().name())?,
                Other::Watcher { pause_us } => {
                    writeln!(f, "\nwatcher {number} pause {}", seconds(*pause_us))?;
                }
            }
        }
        Ok(())
    }
}

impl Client {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (life, steps) in self.steps.iter().enumerate() {
            if life > 0 {
                writeln!(f, "  death")?;
            }
            steps.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
        }
        writeln!(f, "  peace")?;
        self.peaceful.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Send(calls) => write!(f, "send {}", words::show(calls)),
            Step::Leave { bytes, how, calls } => {
                let how = match how {
                    Leave::Close => "close",
                    Leave::Shutdown => "shutdown",
                };
                write!(f, "{how} {bytes} {}", words::show(calls))
            }
            Step::Pause(for_us) => write!(f, "pause {}", seconds(*for_us)),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publish {} {} after {}", self.channel, self.text, seconds(self.after_us))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Partition { client, way, for_us } => {
                let way = match way {
                    Way::In => "in",
                    Way::Out => "out",
                    Way::Both => "both",
                };
                write!(f, "partition client {client} {way} for {}", seconds(*for_us))
            }
            Trouble::Isolation { for_us } => write!(f, "isolate for {}", seconds(*for_us)),
            Trouble::SwizzleClog { for_us } => write!(f, "swizzle for {}", seconds(*for_us)),
            Trouble::Reset { client } => write!(f, "reset client {client}"),
            Trouble::Restart { death, for_us } => {
                write!(f, "restart {} for {}", death_word(*death), seconds(*for_us))
            }
            Trouble::ClientDeath { client, death } => {
                write!(f, "kill client {client} {}", death_word(*death))
            }
            Trouble::Jump { by_us } => {
                let sign = if *by_us < 0 { "-" } else { "" };
                write!(f, "jump {sign}{}", seconds(by_us.unsigned_abs()))
            }
            Trouble::Pause { for_us } => write!(f, "stop for {}", seconds(*for_us)),
            Trouble::ActorPanic { task } => write!(f, "panic {task}"),
        }
    }
}

pub(crate) fn death_word(death: Death) -> &'static str {
    match death {
        Death::Process => "process",
        Death::Power => "power",
    }
}

/// Microseconds as seconds, with no digit too many.
pub(super) fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

// ---- reading

/// What a line of a file is wrong with.
pub(super) type Complaint = String;

impl Scenario {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let mut reader = Reader { scenario: Scenario::default(), section: Section::World, flushes: false };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                reader.line(line).map_err(|what| format!("line {}: {what}", index + 1))?;
            }
        }
        let values = reader.scenario.settings.values()?;
        // Each line alone takes as long as all of them.
        if !is_config(&values.config) {
            let lines = text.lines().enumerate();
            let mut lines =
                lines.filter_map(|(index, line)| Some((index, line.trim().strip_prefix("config ")?)));
            let wrong = lines.find(|(_, line)| !is_config(line));
            return Err(wrong
                .map_or("the server does not take its configuration".to_owned(), |(index, line)| {
                    format!("line {}: the server does not take {line:?}", index + 1)
                }));
        }
        Ok(reader.scenario)
    }
}

/// What the lines are about.
enum Section {
    World,
    Life,
    Client { number: usize, peace: bool },
    Operator { number: usize, peace: bool },
    Publisher { number: usize, peace: bool },
    Subscriber { number: usize },
}

struct Reader {
    scenario: Scenario,
    section: Section,
    /// A client of a world of crashes sends FLUSHALL.
    flushes: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Complaint> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        self.has_place(word)?;
        let mut line = Line { words: rest.split_ascii_whitespace() };
        match word {
            "seed" => self.scenario.seed = line.number()?,
            "mutant" => self.scenario.expectation = Some(line.expectation()?),
            "world" => {
                line.exactly("of")?;
                line.exactly("crashes")?;
                if self.has_begun() {
                    return Err("the kind of a world stands before all that is in it".to_owned());
                }
                self.scenario.kind = Kind::Crash;
            }
            "config" | "link" | "disk" | "trouble" | "server" => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                let [subject, name, value] = [word, name, value].map(str::to_owned);
                let setting = Setting { subject, name, value };
                // Said here, where the number of the line is known.
                super::Settings(vec![setting.clone()]).values()?;
                self.scenario.settings.0.push(setting);
                return Ok(());
            }
            "client" => {
                let number = self.machine(&mut line)?;
                let resp3 = line.protocols()?;
                self.scenario.machine(number).client =
                    Some(Client { resp3, steps: vec![Vec::new()], ..Client::default() });
                self.section = Section::Client { number, peace: false };
                self.flushes_alone()?;
            }
            "life" => {
                self.scenario.lives.push(Life::read(&mut line)?);
                self.section = Section::Life;
            }
            "operator" => {
                let number = self.machine(&mut line)?;
                if self.scenario.machines.iter().any(|machine| machine.operator.is_some()) {
                    return Err("one operator is enough".to_owned());
                }
                self.scenario.machine(number).operator =
                    Some(Client { steps: vec![Vec::new()], ..Client::default() });
                self.section = Section::Operator { number, peace: false };
            }
            "at" => self.fault(&mut line)?,
            "publisher" => {
                let number = line.machine()?;
                self.scenario.machine(number).publisher = Some(Publisher::default());
                self.section = Section::Publisher { number, peace: false };
            }
            "subscriber" => {
                let number = line.machine()?;
                self.scenario.machine(number).subscriber = Some(Vec::new());
                self.section = Section::Subscriber { number };
            }
            "caching" | "guest" | "auditor" | "nuisance" | "watcher" => {
                let number = line.machine()?;
                let other = line.other(word)?;
                self.scenario.machine(number).others.push(other);
            }
            _ => return self.within(word, rest),
        }
        line.end()
    }

    /// Whether something was said of what is in the world.
    fn has_begun(&self) -> bool {
        let Scenario { faults, peace_us, machines, .. } = &self.scenario;
        !matches!(self.section, Section::World) || !faults.is_empty() || *peace_us > 0 || !machines.is_empty()
    }

    /// Whether nobody flushes what others have written, which the judge of their keys would not know.
    fn flushes_alone(&self) -> Result<(), Complaint> {
        let clients = self.scenario.machines.iter().filter(|machine| machine.client.is_some());
        let alone = !self.flushes || clients.count() < 2;
        if alone { Ok(()) } else { Err("where one sends FLUSHALL there is no other client".to_owned()) }
    }

    /// Whether there is such a thing in this kind of world.
    fn has_place(&self, word: &str) -> Result<(), Complaint> {
        match (self.scenario.kind, word) {
            (
                Kind::Crash,
                "at" | "publisher" | "subscriber" | "caching" | "guest" | "auditor" | "nuisance",
            ) => Err(format!("{word:?} has no place in a world of crashes")),
            (Kind::Run, "life" | "operator" | "watcher") => {
                Err(format!("{word:?} has its place in a world of crashes"))
            }
            _ => Ok(()),
        }
    }

    /// The number of a machine. In a world of crashes each has databases of its own.
    fn machine(&self, line: &mut Line<'_>) -> Result<usize, Complaint> {
        let number = line.machine()?;
        let has_place = self.scenario.kind == Kind::Run || number < MOST_WRITERS;
        if has_place { Ok(number) } else { Err(format!("{number} is too many machines")) }
    }

    fn fault(&mut self, line: &mut Line<'_>) -> Result<(), Complaint> {
        let at_us = line.seconds()?;
        let trouble = match line.word()? {
            "peace" => {
                self.scenario.peace_us = at_us;
                return Ok(());
            }
            "partition" => {
                let client = line.client()?;
                let way = line.choice(&[("in", Way::In), ("out", Way::Out), ("both", Way::Both)])?;
                Trouble::Partition { client, way, for_us: line.lasting()? }
            }
            "isolate" => Trouble::Isolation { for_us: line.lasting()? },
            "swizzle" => Trouble::SwizzleClog { for_us: line.lasting()? },
            "reset" => Trouble::Reset { client: line.client()? },
            "restart" => Trouble::Restart { death: line.death()?, for_us: line.lasting()? },
            "kill" => Trouble::ClientDeath { client: line.client()?, death: line.death()? },
            "jump" => Trouble::Jump { by_us: line.signed_seconds()? },
            "stop" => Trouble::Pause { for_us: line.lasting()? },
            "panic" => Trouble::ActorPanic { task: line.choice(&TASKS.map(|task| (task, task)))? },
            other => return Err(format!("unknown fault {other:?}")),
        };
        if let Some(client) = trouble.client() {
            self.scenario.machine(client);
        }
        if self.scenario.faults.last().is_some_and(|last| last.at_us > at_us) {
            return Err("faults stand in the order of their times".to_owned());
        }
        self.scenario.faults.push(Fault { at_us, trouble });
        Ok(())
    }

    /// A line of a client, publisher or subscriber.
    fn within(&mut self, word: &str, rest: &str) -> Result<(), Complaint> {
        let mut line = Line { words: rest.split_ascii_whitespace() };
        let unknown = |of: &str| Err(format!("unknown word {word:?} {of}"));
        match &mut self.section {
            Section::World => return unknown("before the first client"),
            Section::Life => {
                let life = self.scenario.lives.last_mut().expect("its section has begun");
                if !life.read_more(word, &mut line)? {
                    return unknown("in a life");
                }
            }
            Section::Client { peace, .. }
            | Section::Operator { peace, .. }
            | Section::Publisher { peace, .. }
                if word == "peace" =>
            {
                *peace = true
            }
            Section::Client { number, peace } => {
                let client = &mut self.scenario.machines[*number].client;
                let client = client.as_mut().expect("its section has begun");
                let check = match self.scenario.kind {
                    Kind::Run => |_: &[Call]| Ok(()),
                    Kind::Crash => world::check_writes,
                };
                client.read(*peace, self.scenario.kind, word, rest, check)?;
                let steps = if *peace { Some(&client.peaceful) } else { client.steps.last() };
                let sent = steps.and_then(|steps| steps.last());
                self.flushes |= self.scenario.kind == Kind::Crash
                    && matches!(sent, Some(Step::Send(calls)) if world::flushes_all(calls));
                return self.flushes_alone();
            }
            Section::Operator { number, peace } => {
                let operator = &mut self.scenario.machines[*number].operator;
                let operator = operator.as_mut().expect("its section has begun");
                return operator.read(*peace, self.scenario.kind, word, rest, world::check_orders);
            }
            Section::Publisher { number, peace } => {
                let publisher =
                    self.scenario.machines[*number].publisher.as_mut().expect("its section has begun");
                let "publish" = word else { return unknown("in a publisher") };
                let [channel, text] = [line.word()?, line.word()?].map(str::to_owned);
                line.exactly("after")?;
                let message = Message { channel, text, after_us: line.seconds()? };
                if *peace { &mut publisher.peaceful } else { &mut publisher.messages }.push(message);
            }
            Section::Subscriber { number } => {
                let "listen" = word else { return unknown("in a subscriber") };
                let channel = line.word()?.to_owned();
                let until_us = line.until()?;
                let resp3 = line.protocols()?.contains(&true);
                let listens = self.scenario.machines[*number].subscriber.as_mut();
                listens.expect("its section has begun").push(Listen { channel, resp3, until_us });
            }
        }
        line.end()
    }
}

impl Client {
    /// Reads a line of its steps.
    fn read(
        &mut self,
        peace: bool,
        kind: Kind,
        word: &str,
        rest: &str,
        check: impl Fn(&[Call]) -> Result<(), Complaint>,
    ) -> Result<(), Complaint> {
        let mut line = Line { words: rest.split_ascii_whitespace() };
        let step = match word {
            "send" => {
                let calls = words::calls(rest)?;
                check(&calls)?;
                Step::Send(calls)
            }
            "pause" => Step::Pause(line.seconds()?),
            "close" | "shutdown" if peace => return Err("in peace a client does not leave".to_owned()),
            "close" | "shutdown" if kind == Kind::Run => {
                let how = if word == "close" { Leave::Close } else { Leave::Shutdown };
                let (_, calls) = rest.split_once(' ').unwrap_or_default();
                Step::Leave { bytes: line.number()? as usize, how, calls: words::calls(calls)? }
            }
            "death" if kind == Kind::Crash && !peace => {
                self.steps.push(Vec::new());
                return line.end();
            }
            _ => return Err(format!("unknown word {word:?} in a client")),
        };
        if matches!(step, Step::Pause(_)) {
            line.end()?;
        }
        match self.steps.last_mut() {
            Some(steps) if !peace => steps.push(step),
            _ => self.peaceful.push(step),
        }
        Ok(())
    }
}

/// The words of a line that are still to be read.
pub(super) struct Line<'a> {
    words: SplitAsciiWhitespace<'a>,
}

impl<'a> Line<'a> {
    pub(super) fn word(&mut self) -> Result<&'a str, Complaint> {
        self.words.next().ok_or_else(|| "something is missing at the end".to_owned())
    }

    fn end(&mut self) -> Result<(), Complaint> {
        self.words.next().map_or(Ok(()), |more| Err(format!("{more:?} is too much")))
    }

    pub(super) fn exactly(&mut self, expected: &str) -> Result<(), Complaint> {
        let word = self.word()?;
        if word == expected { Ok(()) } else { Err(format!("{word:?} where {expected:?} belongs")) }
    }

    pub(super) fn choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T, Complaint> {
        let word = self.word()?;
        let known = choices.iter().find(|(name, _)| *name == word);
        known.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            format!("{word:?} is none of {}", names.join(", "))
        })
    }

    pub(super) fn number(&mut self) -> Result<u64, Complaint> {
        number(self.word()?)
    }

    fn machine(&mut self) -> Result<usize, Complaint> {
        let number = self.number()? as usize;
        if number < MOST_MACHINES { Ok(number) } else { Err(format!("{number} is too many machines")) }
    }

    fn client(&mut self) -> Result<usize, Complaint> {
        self.exactly("client")?;
        self.machine()
    }

    fn death(&mut self) -> Result<Death, Complaint> {
        self.choice(&[("process", Death::Process), ("power", Death::Power)])
    }

    /// Whether this word comes next, which is read then.
    pub(super) fn next_is(&mut self, expected: &str) -> bool {
        let is = self.words.clone().next() == Some(expected);
        if is {
            self.words.next();
        }
        is
    }

    pub(super) fn after(&mut self) -> Result<u64, Complaint> {
        self.exactly("after")?;
        self.seconds()
    }

    fn lasting(&mut self) -> Result<u64, Complaint> {
        self.exactly("for")?;
        self.seconds()
    }

    fn seconds(&mut self) -> Result<u64, Complaint> {
        let word = self.word()?;
        micros(word).ok_or_else(|| format!("{word:?} is no number of seconds"))
    }

    fn signed_seconds(&mut self) -> Result<i64, Complaint> {
        let word = self.word()?;
        let (sign, digits) = word.strip_prefix('-').map_or((1, word), |digits| (-1, digits));
        let us = micros(digits).and_then(|us| i64::try_from(us).ok());
        us.map(|us| sign * us).ok_or_else(|| format!("{word:?} is no number of seconds"))
    }

    /// `until N`, or nothing.
    fn until(&mut self) -> Result<Option<u64>, Complaint> {
        if self.next_is("until") { self.seconds().map(Some) } else { Ok(None) }
    }

    fn other(&mut self, word: &str) -> Result<Other, Complaint> {
        Ok(match word {
            "guest" => Other::Guest,
            "auditor" => Other::Auditor,
            "nuisance" => {
                Other::Nuisance(self.choice(&Nuisance::ALL.map(|what| (what.kind().name(), what)))?)
            }
            "watcher" => {
                self.exactly("pause")?;
                Other::Watcher { pause_us: self.seconds()? }
            }
            _ => {
                self.exactly("rounds")?;
                let rounds = self.number()? as usize;
                self.exactly("groups")?;
                Other::Caching { rounds, groups: self.number()?.max(1) }
            }
        })
    }

    /// `resp 2 3 ...`, or nothing.
    fn protocols(&mut self) -> Result<Vec<bool>, Complaint> {
        let Some(word) = self.words.next() else { return Ok(Vec::new()) };
        if word != "resp" {
            return Err(format!("{word:?} where \"resp\" belongs"));
        }
        let mut protocols = vec![self.choice(&[("2", false), ("3", true)])?];
        while self.words.clone().next().is_some() {
            protocols.push(self.choice(&[("2", false), ("3", true)])?);
        }
        Ok(protocols)
    }

    /// `NAME fails CODE CHECK`.
    fn expectation(&mut self) -> Result<Expectation, Complaint> {
        let name = self.word()?;
        let known = mutant::named(name).ok_or_else(|| format!("unknown mutant {name:?}"))?;
        let mutant = known.name;
        self.exactly("fails")?;
        let code = self.choice(&[("127", 127), ("128", 128), ("129", 129)])?;
        let check: Vec<&str> = self.words.by_ref().collect();
        Ok(Expectation { mutant, code, check: check.join(" ") })
    }
}

/// Seconds, with at most six digits after the point, in microseconds.
fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Profile;

    const FILE: &str = r#"
# All that there is.
seed 7
mutant lost-set fails 129 order of replies
config hz 10
link latency_us 1 2
server drift_ppm -5
at 0.5 partition client 2 in for 0.25
at 0.5 reset client 0
at 1 restart power for 0.000001
at 1.5 kill client 1 process
at 2 jump -3.5
at 2 stop for 1
at 2 isolate for 0.5
at 2.5 swizzle for 1
at 3 panic connection
at 4.25 peace

client 0 resp 2 3
  send SET a 1 | MULTI | GET a | EXEC
  pause 0.01
  close 9 GET a
  shutdown 0 GET "a b"
  peace
  send GET a

publisher 0
  publish c 0:1 after 0.3
  peace
  publish c 0:2 after 0

subscriber 1
  listen c
  listen d* until 0.2 resp 3

caching 2 rounds 5 groups 3

guest 2

auditor 2

nuisance 2 slow-reader
"#;

    const CRASHES: &str = r#"
seed 7
world of crashes
config appendonly yes
disk stalls 5
trouble sync_errors 9

life power in operation 5 keeps none
  panic aof
  heal after 0.5
  start until operation 3 keeps 11
  start unreadable
  start misread
  start
  again keeps all
  flip 99

life process after 0.25

life stop in BGSAVE after 0.1

life stop after 0.2

life panic stream after 0.3

client 0
  send SET s0 1. | SELECT 2 | MULTI | RPUSH l0 2. 3. | INCR seq | EXEC
  pause 0.01
  death
  send PEXPIREAT s0 +10000000 | SET v0 1 PXAT +1500 | WAITAOF 1 0 3000
  peace
  send SCRIPT | DEL s0 | END

operator 0
  send BGSAVE
  pause 0.5
  death
  send CONFIG SET appendonly no
  peace

watcher 1 pause 0.02
"#;

    #[test]
    fn worlds_of_crashes_are_written_and_read_too() {
        let scenario = read(CRASHES);
        assert_eq!((scenario.lives.len(), scenario.machines.len()), (5, 2));
        assert_eq!(scenario.lives[0].starts.len(), 6);
        assert_eq!(scenario.machines[0].client.as_ref().unwrap().steps.len(), 2);
        assert_eq!(scenario.settings.values().unwrap().trouble.stalls, 5);
        assert_eq!(scenario.to_string().trim(), CRASHES.trim());
    }

    fn read(text: &str) -> Scenario {
        Scenario::parse(text).unwrap_or_else(|what| panic!("{what}"))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let scenario = read(FILE);
        assert_eq!(scenario.machines.len(), 3);
        assert_eq!(scenario.faults.len(), 9);
        assert_eq!(scenario.faults[4].trouble, Trouble::Jump { by_us: -3_500_000 });
        let without_comment = FILE.split_once("it.\n").map_or(FILE, |(_, rest)| rest);
        assert_eq!(read(&scenario.to_string()), scenario);
        assert_eq!(scenario.to_string().trim(), without_comment.split_once("is.\n").unwrap().1.trim());
    }

    #[test]
    fn every_seed_can_be_written_and_read() {
        for (kind, seeds) in [(Kind::Run, 0..300), (Kind::Crash, 0..60)] {
            for seed in seeds {
                let drawn = super::super::of(seed, kind, Profile::default());
                assert!(read(&drawn.to_string()) == drawn, "seed {seed}");
            }
        }
    }

    const COLOURS: &str = "line 2: \"colour\" is none of latency_us, tail, bursts, segment, loss, bandwidth, window, \
                           cut, resets, short_writes, merges";
    const BEFORE_ALL: &str = "line 2: the kind of a world stands before all that is in it";

    #[test]
    fn what_is_unknown_is_named_with_its_line() {
        for (text, complaint) in [
            ("\nsow 1", "line 2: unknown word \"sow\" before the first client"),
            ("seed x", "line 1: \"x\" is not a number"),
            ("seed 1 2", "line 1: \"2\" is too much"),
            ("mutant grey fails 129 order", "line 1: unknown mutant \"grey\""),
            ("config hz 1\nlink colour 1", COLOURS),
            ("disk latency_us 5", "line 1: \"5\" is no value for latency_us"),
            ("at 1 quake", "line 1: unknown fault \"quake\""),
            ("at -1 peace", "line 1: \"-1\" is no number of seconds"),
            ("at 1 reset server", "line 1: \"server\" where \"client\" belongs"),
            ("at 1 reset client 100", "line 1: 100 is too many machines"),
            ("at 1 restart softly for 1", "line 1: \"softly\" is none of process, power"),
            ("at 1 panic keyspace", "line 1: \"keyspace\" is none of connection"),
            ("server schedule fair", "line 1: \"fair\" is no value for schedule"),
            ("at 2 jump 1\nat 1 jump 1", "line 2: faults stand in the order of their times"),
            ("client 0\n  sing a", "line 2: unknown word \"sing\" in a client"),
            ("client 0\n  pause", "line 2: something is missing at the end"),
            ("client 0\n  send GET \"a", "line 2: a quote is not closed"),
            ("client 0\n  peace\n  close 1 GET a", "line 3: in peace a client does not leave"),
            ("publisher 0\n  publish c 1 before 2", "line 2: \"before\" where \"after\" belongs"),
            ("subscriber 0\n  hear c", "line 2: unknown word \"hear\" in a subscriber"),
            ("life stop after 1", "line 1: \"life\" has its place in a world of crashes"),
            ("world of crashes\nguest 0", "line 2: \"guest\" has no place in a world of crashes"),
            ("world of crashes\nclient 7", "line 2: 7 is too many machines"),
            ("world of crashes\nclient 0\n  send GET s0", "line 3: no client sends GET with 1 argument"),
            ("world of crashes\nclient 0\n  send APPEND l0 1", "line 3: \"l0\" is no key for APPEND"),
            ("world of crashes\nclient 0\n  send MSET s0 1 l0 2", "line 3: \"l0\" is no key for MSET"),
            ("world of crashes\nclient 0\n  send RENAME s0 l0", "line 3: \"l0\" is no key for RENAME"),
            ("world of crashes\nclient 0\n  send SET s0 1 NX GET", "line 3: \"NX\" is no argument for SET"),
            (
                "world of crashes\nclient 0\n  send PEXPIREAT s0 +9",
                "line 3: \"+9\" is no argument for PEXPIREAT",
            ),
            ("world of crashes\nclient 0\n  send XADD x0 * a b", "line 3: \"*\" is no argument for XADD"),
            ("world of crashes\nclient 0\n  send ZADD z0 1.5 a", "line 3: \"1.5\" is no argument for ZADD"),
            ("world of crashes\nclient 0\n  send SELECT 3", "line 3: \"3\" is no argument for SELECT"),
            (
                "world of crashes\nclient 0\n  send SCRIPT | WAITAOF 1 0 3000 | END",
                "line 3: WAITAOF stands neither in a transaction nor in a script",
            ),
            (
                "world of crashes\nclient 0\n  send FLUSHALL\nclient 1",
                "line 4: where one sends FLUSHALL there is no other client",
            ),
            (
                "world of crashes\nclient 0\nclient 1\n  peace\n  send MULTI | FLUSHALL | EXEC",
                "line 5: where one sends FLUSHALL there is no other client",
            ),
            ("at 1 reset client 0\nworld of crashes", BEFORE_ALL),
            ("guest 0\nworld of crashes", BEFORE_ALL),
            ("config hz fast", "line 1: the server does not take \"hz fast\""),
            ("world of crashes\noperator 0\n  send DEL s0", "line 3: no operator sends DEL s0"),
            ("world of crashes\noperator 0\noperator 1", "line 3: one operator is enough"),
            (
                "world of crashes\nlife boredom after 3",
                "line 2: a life ends by power, process, panic or stop, not by \"boredom\"",
            ),
        ] {
            assert_eq!(Scenario::parse(text).unwrap_err(), complaint, "{text}");
        }
    }
}
