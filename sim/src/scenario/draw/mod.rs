//! Draws a seed out into a scenario: its plan, then what every client does and what goes wrong.

mod crash;

use seedis::runtime::simulation::{Death, Draws};

use super::{
    Client, Fault, Leave, Listen, Machine, Message, Other, Publisher, Scenario, Settings, Step, TASKS,
    Trouble, Values, Way,
};
use crate::model::Call;
use crate::model::Forgets;
use crate::resp;
use crate::world::Kind;
use crate::world::plan::{Faults, Plan, Profile};
use crate::world::workload::{Workload, known};

/// Channels that are published to: `channel-0` and so on.
pub const CHANNELS: u64 = 2;

/// Batches that each client sends once nothing goes wrong any more.
const PEACEFUL_BATCHES: usize = 10;

/// Messages that each publisher sends then.
const PEACEFUL_MESSAGES: usize = 3;

/// Bytes of a message that is to fill a subscriber's output.
const LONG_MESSAGE: usize = 3_000;

/// Connections for which a client's protocol is drawn; later ones repeat them.
const CONNECTIONS: usize = 4;

/// The scenario of a seed, whose plan is about something.
pub fn of(seed: u64, kind: Kind, profile: Profile) -> Scenario {
    match kind {
        Kind::Run => of_clients(seed, profile),
        Kind::Crash => crash::of(seed),
    }
}

fn of_clients(seed: u64, profile: Profile) -> Scenario {
    let plan = Plan::of(seed, profile);
    let (faults, peace_us) = faults(&plan, &mut Draws::named(seed, "faults"));
    let (config, link) = (plan.config.clone(), plan.link.clone());
    let (disk, server) = (plan.faults.disk.clone(), plan.faults.server.clone());
    let values = Values { config, link, trouble: disk.clone(), disk, server };
    Scenario {
        seed,
        settings: Settings::of(&values),
        faults,
        peace_us,
        machines: (0..plan.clients).map(|number| machine(seed, number, &plan, peace_us)).collect(),
        ..Scenario::default()
    }
}

fn machine(seed: u64, number: usize, plan: &Plan, peace_us: u64) -> Machine {
    let client = Some(client(seed, number, plan));
    let mut others = Vec::new();
    if plan.caching {
        others.push(Other::Caching { rounds: plan.batches, groups: plan.groups });
    }
    if number == 0 {
        others.extend((plan.forgets == Forgets::Anything).then_some(Other::Auditor));
        others.extend(plan.guests.then_some(Other::Guest));
        others.extend(plan.nuisances.iter().map(|what| Other::Nuisance(*what)));
    }
    if !plan.pubsub {
        return Machine { client, others, ..Machine::default() };
    }
    let mut draws = Draws::named(seed, &format!("publisher {number}"));
    let length = if plan.long_messages { LONG_MESSAGE } else { 0 };
    let publisher = Some(publisher(number, peace_us, length, &mut draws));
    let mut draws = Draws::named(seed, &format!("subscriber {number}"));
    let listen = |_| {
        let resp3 = draws.chance(500_000);
        let is_pattern = draws.chance(300_000);
        let one = draws.below(CHANNELS);
        let channel = if is_pattern { "channel-*".to_owned() } else { format!("channel-{one}") };
        let until_us = draws.chance(300_000).then(|| draws.below(500_000));
        Listen { channel, resp3, until_us }
    };
    let subscriber = Some((0..CONNECTIONS).map(listen).collect());
    Machine { client, publisher, subscriber, others, ..Machine::default() }
}

fn client(seed: u64, number: usize, plan: &Plan) -> Client {
    let mut draws = Draws::named(seed, &format!("protocols of client {number}"));
    let mut resp3: Vec<bool> = (0..CONNECTIONS).map(|_| draws.chance(500_000) && known("HELLO")).collect();
    if !resp3.contains(&true) {
        // As a scenario says it: not at all.
        resp3.clear();
    }
    let mut workload = Workload::new(seed, number, plan);
    let mut client = Client { resp3, steps: vec![Vec::new()], ..Client::default() };
    for batch in 0..plan.batches + PEACEFUL_BATCHES {
        let peace = batch >= plan.batches;
        let steps = if peace { &mut client.peaceful } else { &mut client.steps[0] };
        let mut calls = workload.batch();
        for call in &mut calls {
            // Only the connection that will send it knows what it watches then.
            if let Call::Transaction { watched, .. } = call {
                watched.clear();
            }
        }
        let draws = workload.draws();
        if !peace && draws.chance(plan.faults.abandon) {
            let length = resp::pipeline(&calls).len();
            let bytes = draws.below(length as u64 + 1) as usize;
            let how = if draws.chance(300_000) { Leave::Shutdown } else { Leave::Close };
            steps.push(Step::Leave { bytes, how, calls });
            workload.forget_watches();
            continue;
        }
        steps.push(Step::Send(calls));
        if draws.chance(300_000) {
            steps.push(Step::Pause(draws.below(200_000)));
        }
    }
    client
}

/// Enough messages that a publisher has something to say until peace comes. Until then they are so long.
fn publisher(number: usize, peace_us: u64, length: usize, draws: &mut Draws) -> Publisher {
    let mut count = 0;
    let mut message = || {
        count += 1;
        let after_us = draws.below(300_000);
        let channel = format!("channel-{}", draws.below(CHANNELS));
        Message { after_us, channel, text: format!("{number}:{count}") }
    };
    let (mut messages, mut until_us) = (Vec::new(), 0);
    while until_us < peace_us {
        let mut next = message();
        until_us += next.after_us;
        next.text = format!("{:.<length$}", next.text);
        messages.push(next);
    }
    Publisher { messages, peaceful: (0..PEACEFUL_MESSAGES).map(|_| message()).collect() }
}

/// A class of trouble that a plan has enabled.
#[derive(Clone, Copy)]
enum Class {
    OneWay,
    BothWays,
    Isolation,
    SwizzleClog,
    ActorPanic,
    Reset,
    Restart,
    ClientDeath,
    Jump,
    Pause,
}

fn enabled(faults: &Faults) -> Vec<Class> {
    let mut kinds = Vec::new();
    let mut add = |enabled: bool, more: &[Class]| {
        if enabled {
            kinds.extend(more);
        }
    };
    add(faults.partitions, &[Class::OneWay, Class::BothWays]);
    add(faults.isolation, &[Class::Isolation]);
    add(faults.swizzles, &[Class::SwizzleClog]);
    add(faults.panics, &[Class::ActorPanic]);
    add(faults.resets, &[Class::Reset, Class::Reset]);
    add(faults.restarts, &[Class::Restart]);
    add(faults.client_deaths, &[Class::ClientDeath]);
    add(faults.jumps, &[Class::Jump, Class::Jump]);
    add(faults.pauses, &[Class::Pause]);
    kinds
}

/// All troubles, and when they are over.
fn faults(plan: &Plan, draws: &mut Draws) -> (Vec<Fault>, u64) {
    let kinds = enabled(&plan.faults);
    let (mut faults, mut at_us) = (Vec::new(), 0);
    while at_us < plan.faults.span_ms * 1000 {
        let pause_ms = *draws.pick(&[1, 20, 100, 500, 1500]);
        at_us += draws.between(1, pause_ms * 1000);
        if kinds.is_empty() {
            continue;
        }
        let kind = *draws.pick(&kinds);
        let client = draws.below(plan.clients as u64) as usize;
        let trouble = trouble(kind, client, draws);
        faults.push(Fault { at_us, trouble });
        at_us += trouble.lasts_us();
    }
    (faults, at_us)
}

fn trouble(kind: Class, client: usize, draws: &mut Draws) -> Trouble {
    let death = |draws: &mut Draws| if draws.chance(500_000) { Death::Process } else { Death::Power };
    match kind {
        Class::OneWay | Class::BothWays => {
            let out = draws.chance(500_000);
            let way = match kind {
                Class::BothWays => Way::Both,
                _ if out => Way::In,
                _ => Way::Out,
            };
            Trouble::Partition { client, way, for_us: draws.between(1, 5_000) * 1000 }
        }
        Class::Isolation => Trouble::Isolation { for_us: draws.between(1, 3_000) * 1000 },
        Class::SwizzleClog => Trouble::SwizzleClog { for_us: draws.between(10, 5_000) * 1000 },
        Class::ActorPanic => Trouble::ActorPanic { task: draws.pick::<&str>(&TASKS) },
        Class::Reset => Trouble::Reset { client },
        Class::Restart => Trouble::Restart { death: death(draws), for_us: draws.between(1, 2_000) * 1000 },
        Class::ClientDeath => Trouble::ClientDeath { client, death: death(draws) },
        Class::Jump => {
            let span_us = *draws.pick(&[1_000, 100_000, 2_000_000, 60_000_000]);
            let forward = draws.chance(500_000);
            let by_us = draws.between(1, span_us) as i64;
            Trouble::Jump { by_us: if forward { by_us } else { -by_us } }
        }
        Class::Pause => Trouble::Pause { for_us: draws.between(1, 3_000) * 1000 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_drawn_out_the_same_way_every_time() {
        for kind in [Kind::Run, Kind::Crash] {
            let drawn = |seed| of(seed, kind, Profile::default());
            assert_eq!(drawn(5), drawn(5));
            assert_ne!(drawn(5), drawn(6));
        }
    }

    #[test]
    fn faults_do_not_overlap_and_end_before_peace() {
        for seed in 0..200 {
            let scenario = of(seed, Kind::Run, Profile::default());
            let mut free_us = 0;
            for fault in &scenario.faults {
                assert!(fault.at_us >= free_us, "seed {seed}");
                free_us = fault.at_us + fault.trouble.lasts_us();
            }
            assert!(free_us <= scenario.peace_us, "seed {seed}");
        }
    }
}
