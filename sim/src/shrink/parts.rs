//! Ways to make a scenario smaller.

use crate::model::Call;
use crate::scenario::{Scenario, Step};

/// Kinds of things that can be left out, in the order in which that is tried: what takes most with it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Clients, publishers, subscribers.
    Roles,
    /// What clients and publishers do, one step or message each.
    Steps,
    Faults,
    Settings,
    /// Commands of pipelines.
    Calls,
    /// Commands of transactions.
    Commands,
    /// Arguments that may be left out: keys of DEL, values of LPUSH.
    Words,
}

pub const LEVELS: [Level; 7] =
    [Level::Roles, Level::Steps, Level::Faults, Level::Settings, Level::Calls, Level::Commands, Level::Words];

/// Keeps of every kind of thing those for which `keep` says so, asked with its number.
struct Sieve<'a> {
    level: Level,
    next: usize,
    keep: &'a dyn Fn(usize) -> bool,
}

impl Sieve<'_> {
    fn keeps(&mut self) -> bool {
        self.next += 1;
        (self.keep)(self.next - 1)
    }

    fn retain<T>(&mut self, level: Level, items: &mut Vec<T>) {
        if self.level == level {
            items.retain(|_| self.keeps());
        }
    }

    fn role<T>(&mut self, role: &mut Option<T>) {
        if self.level == Level::Roles && role.is_some() && !self.keeps() {
            *role = None;
        }
    }

    fn scenario(&mut self, scenario: &mut Scenario) {
        self.retain(Level::Faults, &mut scenario.faults);
        self.retain(Level::Settings, &mut scenario.settings.0);
        for machine in &mut scenario.machines {
            self.role(&mut machine.client);
            self.role(&mut machine.publisher);
            self.role(&mut machine.subscriber);
            self.retain(Level::Roles, &mut machine.others);
            if let Some(client) = &mut machine.client {
                for steps in [&mut client.steps, &mut client.peaceful] {
                    self.retain(Level::Steps, steps);
                    steps.iter_mut().for_each(|step| self.step(step));
                    steps.retain(|step| !is_empty(step));
                }
            }
            if let Some(publisher) = &mut machine.publisher {
                self.retain(Level::Steps, &mut publisher.messages);
                self.retain(Level::Steps, &mut publisher.peaceful);
            }
            if let Some(listens) = &mut machine.subscriber
                && listens.len() > 1
            {
                self.retain(Level::Steps, listens);
            }
        }
    }

    fn step(&mut self, step: &mut Step) {
        let (Step::Send(calls) | Step::Leave { calls, .. }) = step else { return };
        self.retain(Level::Calls, calls);
        for call in calls {
            match call {
                Call::Transaction { commands, .. } => {
                    self.retain(Level::Commands, commands);
                    commands.iter_mut().for_each(|words| self.words(words));
                }
                Call::Script(commands) => {
                    self.retain(Level::Commands, commands);
                    commands.iter_mut().for_each(|words| self.words(words));
                }
                Call::Command(words) => self.words(words),
                Call::Crash => {}
            }
        }
    }

    /// A word that the command cannot do without is found out by the run: it is an error reply that the model
    /// does not expect, so another failure. Only lists are tried, or there would be too many runs.
    fn words(&mut self, words: &mut Vec<Vec<u8>>) {
        let is = |name: &&str| words[0].eq_ignore_ascii_case(name.as_bytes());
        let lists = ["DEL", "UNLINK", "EXISTS", "MGET", "WATCH", "LPUSH", "RPUSH", "SADD", "SREM"];
        let Some(name) = lists.iter().find(|name| is(name)) else { return };
        let fixed = if name.ends_with("PUSH") || name.starts_with('S') { 2 } else { 1 };
        if words.len() > fixed + 1 && self.level == Level::Words {
            let mut list = words.split_off(fixed);
            let first = list[0].clone();
            list.retain(|_| self.keeps());
            words.extend(if list.is_empty() { vec![first] } else { list });
        }
    }
}

fn is_empty(step: &Step) -> bool {
    matches!(step, Step::Send(calls) | Step::Leave { calls, .. } if calls.is_empty())
}

/// How many things of a kind there are.
pub fn count(scenario: &Scenario, level: Level) -> usize {
    let mut sieve = Sieve { level, next: 0, keep: &|_| true };
    sieve.scenario(&mut scenario.clone());
    sieve.next
}

/// The scenario without some things of a kind, by number.
pub fn without(scenario: &Scenario, level: Level, left_out: &dyn Fn(usize) -> bool) -> Scenario {
    let mut rest = scenario.clone();
    Sieve { level, next: 0, keep: &|number| !left_out(number) }.scenario(&mut rest);
    rest
}

/// Scenarios that are as long and simpler: shorter values and times, fewer machines, one protocol.
pub fn simpler(scenario: &Scenario) -> Vec<Scenario> {
    let mut simpler: Vec<Scenario> = Vec::new();
    let mut variant = |change: &dyn Fn(&mut Scenario)| {
        let mut changed = scenario.clone();
        change(&mut changed);
        // Shorter at each step, so that steps come to an end.
        let measure = |scenario: &Scenario| (scenario.to_string().len(), scenario.peace_us);
        if measure(&changed) < measure(scenario) {
            simpler.push(changed);
        }
    };
    variant(&|scenario| each_client(scenario, |client| client.resp3.clear()));
    variant(&|scenario| {
        scenario.machines.retain(|machine| {
            let (client, others) = (machine.client.is_some(), !machine.others.is_empty());
            client || others || machine.publisher.is_some() || machine.subscriber.is_some()
        });
        let count = scenario.machines.len();
        scenario.faults.retain(|fault| fault.trouble.client().is_none_or(|client| client < count));
    });
    variant(&|scenario| {
        let last = scenario.faults.last();
        let end_us = last.map_or(0, |last| last.at_us + last.trouble.lasts_us());
        scenario.peace_us = end_us.next_multiple_of(1_000);
    });
    variant(&|scenario| scenario.peace_us = scenario.peace_us.div_ceil(2_000) * 1_000);
    variant(&|scenario| {
        scenario.peace_us = scenario.peace_us.next_multiple_of(1_000);
        scenario.faults.iter_mut().for_each(|fault| fault.at_us = fault.at_us.next_multiple_of(1_000));
    });
    variant(&|scenario| each_client(scenario, |client| shorten(&mut client.steps, 10)));
    variant(&|scenario| each_client(scenario, |client| shorten(&mut client.peaceful, 10)));
    variant(&|scenario| {
        each_client(scenario, |client| {
            for step in client.steps.iter_mut().chain(&mut client.peaceful) {
                if let Step::Pause(for_us) = step {
                    *for_us = for_us.next_multiple_of(1_000);
                }
            }
        });
    });
    simpler
}

fn each_client(scenario: &mut Scenario, change: impl Fn(&mut crate::scenario::Client)) {
    scenario.machines.iter_mut().filter_map(|machine| machine.client.as_mut()).for_each(change);
}

/// Cuts long arguments.
fn shorten(steps: &mut [Step], longest: usize) {
    for step in steps {
        let (Step::Send(calls) | Step::Leave { calls, .. }) = step else { continue };
        let words = calls.iter_mut().flat_map(|call| match call {
            Call::Command(words) => vec![words],
            Call::Transaction { commands, .. } | Call::Script(commands) => commands.iter_mut().collect(),
            Call::Crash => Vec::new(),
        });
        words.flatten().for_each(|word| word.truncate(longest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
config hz 1
at 1 jump 1
at 2 jump 2
at 3 peace
client 0
  send DEL a b | MULTI | GET a | GET b | EXEC
  pause 1
  peace
  send GET a
subscriber 1
  listen a
  listen b
";

    #[test]
    fn everything_can_be_left_out() {
        let scenario = Scenario::parse(FILE).unwrap();
        let counts = LEVELS.map(|level| count(&scenario, level));
        assert_eq!(counts, [2, 5, 2, 1, 3, 2, 2]);
        let left = |level, number| without(&scenario, level, &|one| one == number).to_string();
        assert!(!left(Level::Roles, 0).contains("client"));
        assert!(!left(Level::Steps, 1).contains("pause"));
        assert!(!left(Level::Faults, 1).contains("jump 2"));
        assert!(!left(Level::Settings, 0).contains("config"));
        assert!(left(Level::Calls, 0).contains("send MULTI"));
        assert!(left(Level::Commands, 0).contains("MULTI | GET b | EXEC"));
        assert!(left(Level::Words, 0).contains("send DEL b |"));
        assert_eq!(
            without(&scenario, Level::Calls, &|_| true).machines[0].client.as_ref().unwrap().steps.len(),
            1
        );
    }
}
