//! Draws out a seed of a world of crashes: the lives of its server, and what is written in each.

use seedis::runtime::simulation::{Death, Draws, Link, Survivors};

use super::super::life::{End, JOBS, Life, Start, VITAL, WRITERS};
use super::super::{Client, Machine, Other, Scenario, ServerFaults, Settings, Step, Values};
use crate::model::Call;
use crate::world::Kind;
use crate::world::crash::plan::{Plan, Policy, Trouble};
use crate::world::crash::workload::{WAIT, Workload};

/// The most batches of a client in one life. Then it rests.
const MOST_BATCHES: usize = 600;

/// Batches of a client in peace.
const PEACEFUL_BATCHES: usize = 30;

/// The scenario of a seed.
pub fn of(seed: u64) -> Scenario {
    let plan = Plan::of(seed);
    let mut draws = Draws::named(seed, "crashes");
    let lives: Vec<Life> = (0..plan.rounds).map(|_| life(&plan, &mut draws)).collect();
    let server = ServerFaults { schedule: plan.schedule, buggify: plan.buggify, ..ServerFaults::default() };
    let (config, link) = (plan.config.clone(), Link::default());
    let values = Values { config, link, disk: plan.quiet(), trouble: plan.troubled(), server };
    let mut machines: Vec<Machine> = (0..plan.clients)
        .map(|number| Machine { client: Some(client(seed, number, &plan, &lives)), ..Machine::default() })
        .collect();
    machines[0].operator = plan.orders.then(|| operator(seed, &plan, &lives));
    if plan.clients > 1 {
        // Alone a client flushes all, and what it counts begins anew.
        machines[0].others.push(Other::Watcher { pause_us: plan.pause_us.max(500) });
    }
    Scenario {
        seed,
        kind: Kind::Crash,
        settings: Settings::of(&values),
        lives,
        machines,
        ..Scenario::default()
    }
}

// ---- lives

fn life(plan: &Plan, draws: &mut Draws) -> Life {
    let stops = match plan.trouble {
        Trouble::Rot => true,
        Trouble::None | Trouble::Slow(_) => draws.chance(100_000),
        _ => false,
    };
    let fails = matches!(plan.trouble, Trouble::Errors(_));
    let mut life = Life {
        panics: (fails && draws.chance(200_000)).then(|| *draws.pick(&WRITERS)),
        healed_us: None,
        end: if stops { stop(plan, draws) } else { death(draws) },
        keeps: survivors(draws),
        starts: Vec::new(),
    };
    if fails && draws.chance(400_000) {
        let span_ms = *draws.pick(&[100, 1_000, 5_000]);
        life.healed_us = Some(draws.below(span_ms * 1_000));
    }
    let starts = &mut life.starts;
    match plan.trouble {
        Trouble::Rot => {
            recover(starts, draws);
            starts.extend((0..plan.repetitions * 2).map(|_| Start::Flipped(draws.draw() >> 32)));
            recover(starts, draws);
        }
        Trouble::Misdirected | Trouble::Lies => {
            for _ in 0..=plan.repetitions {
                starts.extend([Start::Again { keeps: survivors(draws) }, Start::Plain]);
            }
        }
        Trouble::None | Trouble::Slow(_) | Trouble::Errors(_) => {
            recover(starts, draws);
            for _ in 0..if stops { 0 } else { plan.repetitions } {
                starts.push(Start::Again { keeps: survivors(draws) });
                recover(starts, draws);
            }
        }
    }
    life
}

fn death(draws: &mut Draws) -> End {
    if draws.chance(600_000) {
        let most = *draws.pick(&[10, 100, 1_000]);
        return End::InOperation(draws.between(1, most));
    }
    let span_ms = *draws.pick(&[10, 300, 6_000]);
    if draws.chance(50_000) {
        return End::Panics { task: draws.pick::<&str>(&VITAL), after_us: draws.below(span_ms * 1_000) };
    }
    let death = if draws.chance(600_000) { Death::Power } else { Death::Process };
    End::After { death, after_us: draws.below(span_ms * 1_000) }
}

fn stop(plan: &Plan, draws: &mut Draws) -> End {
    let (most_ms, job) =
        if plan.trouble == Trouble::Rot { (3_000, None) } else { (1_000, Some(*draws.pick(&JOBS))) };
    End::Stopped { after_us: draws.between(10_000, most_ms * 1_000), job }
}

/// The server comes back. Sometimes it dies again before it is ready, now and then it does nothing else for a while, or
/// reads what is not there.
fn recover(starts: &mut Vec<Start>, draws: &mut Draws) {
    let (loops, mut deaths) = (draws.chance(50_000), 0);
    while loops && deaths < 4 || draws.chance(250_000) {
        let operation = if loops { draws.between(1, 5) } else { draws.between(1, 40) };
        starts.push(Start::Dying { operation, keeps: survivors(draws) });
        deaths += 1;
    }
    if draws.chance(50_000) {
        starts.push(if draws.chance(600_000) { Start::Unreadable } else { Start::Misread });
    }
    starts.push(Start::Plain);
}

/// What a power failure leaves.
fn survivors(draws: &mut Draws) -> Survivors {
    match draws.below(8) {
        0 => Survivors::All,
        1 => Survivors::None,
        2 => Survivors::Subset(draws.draw()),
        _ => Survivors::Drawn,
    }
}

// ---- who writes

fn client(seed: u64, number: usize, plan: &Plan, lives: &[Life]) -> Client {
    let mut workload = Workload::new(seed, number, plan);
    let steps = lives.iter().map(|life| {
        let (mut steps, mut span_us) = (Vec::new(), 0);
        let most = most_batches(plan, life);
        if workload.draws().chance(500_000) {
            workload.refill();
        }
        while steps.len() < 2 * most && span_us <= life.lasts_us() {
            span_us += batch(&mut workload, plan, &mut steps);
        }
        steps
    });
    let steps = steps.collect();
    let mut peaceful = Vec::new();
    (0..PEACEFUL_BATCHES).for_each(|_| _ = batch(&mut workload, plan, &mut peaceful));
    Client { steps, peaceful, ..Client::default() }
}

/// Where there is an append-only file, each batch needs an operation of the disk or more, and one waits for few of them.
fn most_batches(plan: &Plan, life: &Life) -> usize {
    match life.end {
        End::InOperation(operation) if plan.appendonly && life.healed_us.is_none() => {
            MOST_BATCHES.min(operation as usize + 20)
        }
        _ => MOST_BATCHES,
    }
}

/// A batch and the pause after it, of so many microseconds.
fn batch(workload: &mut Workload, plan: &Plan, steps: &mut Vec<Step>) -> u64 {
    let count = workload.draws().between(1, plan.pipeline);
    let mut calls = workload.batch(count);
    if workload.draws().chance(20_000) {
        calls.push(Call::command(WAIT));
    }
    let pause_us = workload.draws().below(plan.pause_us);
    steps.extend([Step::Send(calls), Step::Pause(pause_us)]);
    pause_us
}

/// Saves, rewrites, changes of the configuration.
fn operator(seed: u64, plan: &Plan, lives: &[Life]) -> Client {
    let mut draws = Draws::named(seed, "orders");
    let steps = lives.iter().map(|life| {
        let (mut steps, mut span_us, mut spares) = (Vec::new(), 0, false);
        while span_us <= life.lasts_us() {
            let span_ms = *draws.pick(&[1, 20, 300, 2_000]);
            let pause_us = draws.below(span_ms * 1_000);
            steps.push(Step::Pause(pause_us));
            // An order takes its time as well.
            span_us += pause_us + 1_000;
            order(plan, &mut spares, &mut draws, &mut steps);
        }
        steps
    });
    Client { steps: steps.collect(), ..Client::default() }
}

fn order(plan: &Plan, spares: &mut bool, draws: &mut Draws, steps: &mut Vec<Step>) {
    let command = |words: &str| Step::Send(vec![Call::command(words)]);
    match draws.below(10) {
        0..3 => steps.push(command("BGREWRITEAOF")),
        3..6 => steps.push(command(if draws.chance(200_000) { "SAVE" } else { "BGSAVE" })),
        6..8 if plan.appendonly => {
            let policy = draws.pick(&Policy::ALL).word();
            steps.push(command(&format!("CONFIG SET appendfsync {policy}")));
        }
        8 if plan.appendonly => {
            steps.push(command("CONFIG SET appendonly no"));
            steps.push(Step::Pause(draws.below(100_000)));
            steps.push(command("CONFIG SET appendonly yes"));
        }
        9 => {
            *spares = !*spares;
            let word = if *spares { "yes" } else { "no" };
            steps.push(command(&format!("CONFIG SET no-appendfsync-on-rewrite {word}")));
        }
        _ => {}
    }
}
