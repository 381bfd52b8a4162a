//! What goes wrong, when, and how it ends.

use std::time::Duration;

use madsim::runtime::{Handle, NodeHandle};
use seedis::runtime::simulation::{self, Death, Draws, Link, SimClock, SimDisk, SimNet};
use seedis::runtime::time;

use super::plan::{Faults, Plan};
use super::recorder::Recorder;
use crate::model::Call;
use crate::resp::Reply;

/// The ways a world can be troubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing gets through in one direction.
    OneWay,
    /// Nothing gets through in both.
    BothWays,
    Reset,
    Restart,
    ClientDeath,
    Jump,
    Pause,
}

impl Trouble {
    fn of(faults: &Faults) -> Vec<Self> {
        let mut kinds = Vec::new();
        let mut add = |enabled: bool, more: &[Trouble]| {
            if enabled {
                kinds.extend(more);
            }
        };
        add(faults.partitions, &[Trouble::OneWay, Trouble::BothWays]);
        add(faults.resets, &[Trouble::Reset, Trouble::Reset]);
        add(faults.restarts, &[Trouble::Restart]);
        add(faults.client_deaths, &[Trouble::ClientDeath]);
        add(faults.jumps, &[Trouble::Jump, Trouble::Jump]);
        add(faults.pauses, &[Trouble::Pause]);
        kinds
    }
}

/// Troubles the world as long as the plan says. Returns how often it did.
pub async fn rage(
    seed: u64,
    plan: &Plan,
    server: &NodeHandle,
    clients: &[NodeHandle],
    recorder: &Recorder,
) -> usize {
    let mut draws = Draws::named(seed, "faults");
    let (net, clock) = (SimNet::current(), SimClock::current());
    let end_ns = clock.true_ns() + plan.faults.span_ms * 1_000_000;
    net.set_accept_failures(server.id(), plan.faults.accept_failures);
    SimDisk::current().set_faults(server.id(), plan.faults.disk.clone());
    clock.set_drift(server.id(), plan.faults.drift_ppm);
    let kinds = Trouble::of(&plan.faults);
    let mut done = 0;
    while clock.true_ns() < end_ns {
        let pause_ms = *draws.pick(&[1, 20, 100, 500, 1500]);
        time::sleep(Duration::from_micros(draws.between(1, pause_ms * 1000))).await;
        if kinds.is_empty() {
            continue;
        }
        let kind = *draws.pick(&kinds);
        let client = draws.pick(clients).clone();
        recorder.tell(|| format!("{kind:?}, if of a client: node {}", client.id()));
        trouble(kind, server, &client, recorder, &mut draws).await;
        done += 1;
    }
    done
}

async fn trouble(
    kind: Trouble,
    server: &NodeHandle,
    client: &NodeHandle,
    recorder: &Recorder,
    draws: &mut Draws,
) {
    let net = SimNet::current();
    let (s, c) = (server.id(), client.id());
    match kind {
        Trouble::OneWay | Trouble::BothWays => {
            let (from, to) = if draws.chance(500_000) { (s, c) } else { (c, s) };
            net.partition(from, to);
            if kind == Trouble::BothWays {
                net.partition(to, from);
            }
            time::sleep(Duration::from_millis(draws.between(1, 5_000))).await;
            net.heal(from, to);
            net.heal(to, from);
        }
        Trouble::Reset => _ = net.reset_connection(s, c),
        Trouble::Restart => {
            let death = if draws.chance(500_000) { Death::Process } else { Death::Power };
            // Without persistence, all is forgotten. Noted before: nothing can be seen between.
            let crash = recorder.invoke(recorder.session(None), Call::Crash);
            simulation::kill(s, death);
            time::sleep(Duration::from_millis(draws.between(1, 2_000))).await;
            let now_ns = SimClock::current().true_ns();
            recorder.settle(crash, Reply::ok(), Some(now_ns));
            Handle::current().restart(s);
        }
        Trouble::ClientDeath => {
            let death = if draws.chance(500_000) { Death::Process } else { Death::Power };
            simulation::kill(c, death);
        }
        Trouble::Jump => {
            let span_us = *draws.pick(&[1_000, 100_000, 2_000_000, 60_000_000]);
            let forward = draws.chance(500_000);
            let delta_us = draws.between(1, span_us) as i64;
            let delta_us = if forward { delta_us } else { -delta_us };
            recorder.jump(delta_us);
        }
        Trouble::Pause => {
            Handle::current().pause(s);
            time::sleep(Duration::from_millis(draws.between(1, 3_000))).await;
            Handle::current().resume(s);
        }
    }
}

/// Makes the world healthy. Its links keep their pace, so that what depends on small windows and segments
/// is seen to get on.
pub fn heal(plan: &Plan, server: &NodeHandle, clients: &[NodeHandle], recorder: &Recorder) {
    recorder.tell(|| "healed".to_owned());
    let net = SimNet::current();
    net.set_accept_failures(server.id(), 0);
    SimDisk::current().set_faults(server.id(), plan.faults.disk.healed());
    let link = Link { loss: 0, resets: 0, cut: false, ..plan.link.clone() };
    net.set_default_link(link.clone());
    for client in clients {
        for (from, to) in [(client.id(), server.id()), (server.id(), client.id())] {
            net.change_link(from, to, |old| *old = link.clone());
        }
        net.power_on(client.id());
    }
}
