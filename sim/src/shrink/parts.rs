//! Ways to make a scenario smaller.

use crate::model::Call;
use seedis::runtime::simulation::Survivors;

use crate::scenario::{End, Life, Scenario, Step};

/// Kinds of things that can be left out, in the order in which that is tried: what takes most with it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Clients, publishers, subscribers.
    Roles,
    /// Lives of a server with files, and what clients do in them.
    Lives,
    /// What clients and publishers do, one step or message each.
    Steps,
    Faults,
    /// What is done with the server and its disk after a life, and what else happens to it in one.
    Starts,
    Settings,
    /// Commands of pipelines.
    Calls,
    /// Commands of transactions.
    Commands,
    /// Arguments that may be left out: keys of DEL, values of LPUSH.
    Words,
}

pub const LEVELS: [Level; 9] = [
    Level::Roles,
    Level::Lives,
    Level::Steps,
    Level::Faults,
    Level::Starts,
    Level::Settings,
    Level::Calls,
    Level::Commands,
    Level::Words,
];

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

    fn option<T>(&mut self, level: Level, item: &mut Option<T>) {
        if self.level == level && item.is_some() && !self.keeps() {
            *item = None;
        }
    }

    fn role<T>(&mut self, role: &mut Option<T>) {
        self.option(Level::Roles, role);
    }

    /// With a life goes what is done in it.
    fn lives(&mut self, scenario: &mut Scenario) {
        if self.level == Level::Lives {
            let kept: Vec<bool> = scenario.lives.iter().map(|_| self.keeps()).collect();
            retain_places(&mut scenario.lives, &kept);
            for machine in &mut scenario.machines {
                let clients = [&mut machine.client, &mut machine.operator];
                clients.into_iter().flatten().for_each(|client| retain_places(&mut client.steps, &kept));
            }
        }
        for life in &mut scenario.lives {
            self.retain(Level::Starts, &mut life.starts);
            self.option(Level::Starts, &mut life.panics);
            self.option(Level::Starts, &mut life.healed_us);
        }
    }

    fn scenario(&mut self, scenario: &mut Scenario) {
        self.retain(Level::Faults, &mut scenario.faults);
        self.retain(Level::Settings, &mut scenario.settings.0);
        self.lives(scenario);
        for machine in &mut scenario.machines {
            self.role(&mut machine.client);
            self.role(&mut machine.operator);
            self.role(&mut machine.publisher);
            self.role(&mut machine.subscriber);
            self.retain(Level::Roles, &mut machine.others);
            for client in [&mut machine.client, &mut machine.operator].into_iter().flatten() {
                for steps in client.steps.iter_mut().chain([&mut client.peaceful]) {
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
        if self.level == Level::Words && words[0] == b"MSET" && words.len() > 3 {
            let (first, rest) = (words[..3].to_vec(), words[3..].to_vec());
            let pairs = rest.chunks(2).filter(|_| self.keeps());
            *words = first.into_iter().chain(pairs.flatten().cloned()).collect();
            return;
        }
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

fn retain_places<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut places = kept.iter();
    items.retain(|_| places.next().copied().unwrap_or(true));
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
        // Shorter at each step, in time or in words, so that steps come to an end.
        let measure = |scenario: &Scenario| {
            let lives = scenario.lives.iter().map(|life| life.lasts_us() + operation(life)).sum::<u64>();
            (lives, scenario.to_string().len(), scenario.peace_us)
        };
        if measure(&changed) < measure(scenario) {
            simpler.push(changed);
        }
    };
    variant(&|scenario| each_client(scenario, |client| client.resp3.clear()));
    variant(&|scenario| {
        scenario.machines.retain(|machine| {
            let clients = machine.client.is_some() || machine.operator.is_some();
            clients
                || !machine.others.is_empty()
                || machine.publisher.is_some()
                || machine.subscriber.is_some()
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
    variant(&|scenario| {
        each_client(scenario, |client| client.steps.iter_mut().for_each(|steps| shorten(steps, 10)));
    });
    variant(&|scenario| each_client(scenario, |client| shorten(&mut client.peaceful, 10)));
    variant(&|scenario| {
        each_client(scenario, |client| {
            for step in client.steps.iter_mut().flatten().chain(&mut client.peaceful) {
                if let Step::Pause(for_us) = step {
                    *for_us = for_us.next_multiple_of(1_000);
                }
            }
        });
    });
    for number in 0..scenario.lives.len() {
        variant(&|scenario| hasten(&mut scenario.lives[number].end, |count| count.div_ceil(2), |us| us / 2));
        variant(&|scenario| {
            hasten(&mut scenario.lives[number].end, |count| count.saturating_sub(1), |us| us / 1_000 * 1_000)
        });
        variant(&|scenario| scenario.lives[number].keeps = Survivors::Drawn);
    }
    simpler
}

/// Has a life end earlier.
fn hasten(end: &mut End, fewer: impl Fn(u64) -> u64, earlier: impl Fn(u64) -> u64) {
    match end {
        End::InOperation(operation) => *operation = fewer(*operation).max(1),
        End::After { after_us, .. } | End::Panics { after_us, .. } | End::Stopped { after_us, .. } => {
            *after_us = earlier(*after_us);
        }
    }
}

fn operation(life: &Life) -> u64 {
    if let End::InOperation(operation) = life.end { operation } else { 0 }
}

/// Changes all clients, also the one that gives orders.
fn each_client(scenario: &mut Scenario, change: impl Fn(&mut crate::scenario::Client)) {
    let machines = scenario.machines.iter_mut();
    machines.flat_map(|machine| machine.client.iter_mut().chain(&mut machine.operator)).for_each(change);
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
        assert_eq!(counts, [2, 0, 5, 2, 0, 1, 3, 2, 2]);
        let left = |level, number| without(&scenario, level, &|one| one == number).to_string();
        assert!(!left(Level::Roles, 0).contains("client"));
        assert!(!left(Level::Steps, 1).contains("pause"));
        assert!(!left(Level::Faults, 1).contains("jump 2"));
        assert!(!left(Level::Settings, 0).contains("config"));
        assert!(left(Level::Calls, 0).contains("send MULTI"));
        assert!(left(Level::Commands, 0).contains("MULTI | GET b | EXEC"));
        assert!(left(Level::Words, 0).contains("send DEL b |"));
        assert_eq!(
            without(&scenario, Level::Calls, &|_| true).machines[0].client.as_ref().unwrap().steps[0].len(),
            1
        );
    }

    #[test]
    fn with_a_life_goes_what_is_done_in_it() {
        let text = "\
world of crashes
life power after 1
  panic aof
  start
life process after 2 keeps none
  heal after 1
  again
client 0
  send MSET p0 1 p1 2
  death
  send DEL s0
operator 0
  pause 0.1234
  send SAVE
";
        let scenario = Scenario::parse(text).unwrap();
        let counts = LEVELS.map(|level| count(&scenario, level));
        assert_eq!(counts, [2, 2, 4, 0, 4, 0, 3, 0, 1]);
        let rest = without(&scenario, Level::Lives, &|number| number == 0).to_string();
        let gone = ["MSET", "SAVE", "panic", "death"];
        assert!(gone.iter().all(|word| !rest.contains(word)) && rest.contains("DEL s0"), "{rest}");
        let variants = simpler(&scenario);
        let ends: Vec<&End> = variants.iter().map(|scenario| &scenario.lives[0].end).collect();
        assert!(ends.iter().any(|end| matches!(end, End::After { after_us: 500_000, .. })), "{ends:?}");
        assert!(variants.iter().any(|scenario| scenario.to_string().contains("pause 0.124\n")));
    }
}
