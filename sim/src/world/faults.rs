//! What goes wrong, when, and how it ends.

use std::time::Duration;

use madsim::runtime::{Handle, NodeHandle};
use seedis::runtime::simulation::{
    self, Death, Draws, FaultKind, Link, NodeId, SimClock, SimDisk, SimNet, SimSchedule,
};
use seedis::runtime::time;
use seedis::simulation::Server;

use super::film;
use super::recorder::Recorder;
use crate::model::Call;
use crate::resp::Reply;
use crate::scenario::{Fault, Scenario, Trouble, Values, Way};

/// Troubles the world as its scenario says, up to the moment of peace.
pub async fn rage(
    scenario: &Scenario,
    values: &Values,
    server: &Server,
    clients: &[NodeHandle],
    recorder: &Recorder,
) {
    let (net, clock) = (SimNet::current(), SimClock::current());
    let (began_ns, node) = (clock.true_ns(), server.machine().id());
    net.set_accept_failures(node, values.server.accept_failures);
    SimDisk::current().set_faults(node, values.disk.clone());
    clock.set_drift(node, values.server.drift_ppm);
    let most = Some(values.server.descriptors).filter(|most| *most > 0);
    net.set_most_accepted(node, most);
    let until = async |at_us: u64| {
        let left_ns = (began_ns + at_us * 1000).saturating_sub(clock.true_ns());
        time::sleep(Duration::from_nanos(left_ns)).await;
    };
    for Fault { at_us, trouble } in &scenario.faults {
        until(*at_us).await;
        recorder.tell(|| trouble.to_string());
        let lasts_ns = trouble.lasts_us() * 1000;
        film::mark("faults", "fault", lasts_ns, || trouble.to_string());
        let lane = trouble.client().map_or("server".to_owned(), |client| format!("client {client}"));
        film::mark(&lane, "down", lasts_ns, || trouble.to_string());
        act(trouble, scenario.seed, server, clients, recorder).await;
    }
    until(scenario.peace_us).await;
}

async fn act(trouble: &Trouble, seed: u64, server: &Server, clients: &[NodeHandle], recorder: &Recorder) {
    let net = SimNet::current();
    let s = server.machine().id();
    let lasts = Duration::from_micros(trouble.lasts_us());
    match *trouble {
        Trouble::Partition { client, way, .. } => {
            let c = clients[client].id();
            if way != Way::Out {
                net.partition(s, c);
            }
            if way != Way::In {
                net.partition(c, s);
            }
            time::sleep(lasts).await;
            net.heal(s, c);
            net.heal(c, s);
        }
        Trouble::Isolation { .. } => {
            net.isolate(s);
            time::sleep(lasts).await;
            net.unblock(s);
        }
        Trouble::SwizzleClog { .. } => {
            let nodes: Vec<NodeId> = clients.iter().map(NodeHandle::id).collect();
            swizzle(&nodes, lasts, &mut Draws::named(seed, &trouble.to_string())).await;
        }
        Trouble::Reset { client } => _ = net.reset_connection(s, clients[client].id()),
        Trouble::Restart { death, .. } => {
            // Without persistence, all is forgotten. Noted before: nothing can be seen between.
            let crash = recorder.invoke(recorder.session("server", None), Call::Crash);
            simulation::kill(s, death);
            note_death(death);
            time::sleep(lasts).await;
            let now_ns = SimClock::current().true_ns();
            recorder.settle(crash, Reply::ok(), Some(now_ns));
            server.restart();
        }
        Trouble::ClientDeath { client, death } => simulation::kill(clients[client].id(), death),
        Trouble::Jump { by_us } => recorder.jump(by_us),
        Trouble::Pause { .. } => {
            FaultKind::Pause.fired();
            recorder.pause(lasts);
            Handle::current().pause(s);
            time::sleep(lasts).await;
            Handle::current().resume(s);
        }
        Trouble::ActorPanic { task } => SimSchedule::current().panic_next(s, task),
    }
}

/// The server has died.
pub fn note_death(death: Death) {
    match death {
        Death::Process => FaultKind::Kill.fired(),
        Death::Power => FaultKind::PowerCut.fired(),
    }
}

/// Clogs the links of some nodes one after the other, and opens them in another order.
async fn swizzle(nodes: &[NodeId], lasts: Duration, draws: &mut Draws) {
    let net = SimNet::current();
    let mut chosen: Vec<NodeId> = nodes.iter().copied().filter(|_| draws.chance(700_000)).collect();
    // Each clogs and opens once.
    let step = lasts / (2 * chosen.len() as u32).max(1);
    for clogs in [true, false] {
        shuffle(&mut chosen, draws);
        for &node in &chosen {
            if clogs {
                net.clog(node)
            } else {
                net.unblock(node)
            }
            time::sleep(step).await;
        }
    }
}

fn shuffle<T>(items: &mut [T], draws: &mut Draws) {
    for last in (1..items.len()).rev() {
        items.swap(last, draws.below(last as u64 + 1) as usize);
    }
}

/// Makes the world healthy. Its links keep their pace, so that what depends on small windows and segments
/// is seen to get on.
pub fn heal(values: &Values, server: NodeId, clients: &[NodeHandle], recorder: &Recorder) {
    recorder.tell(|| "healed".to_owned());
    film::mark("faults", "peace", 0, || "peace".to_owned());
    let net = SimNet::current();
    net.set_accept_failures(server, 0);
    net.set_most_accepted(server, None);
    SimSchedule::current().panic_no_more(server);
    SimDisk::current().set_faults(server, values.disk.healed());
    let link = Link { loss: 0, resets: 0, cut: false, tail: 0, bursts: 0, ..values.link.clone() };
    net.set_default_link(link.clone());
    for client in clients {
        for (from, to) in [(client.id(), server), (server, client.id())] {
            net.change_link(from, to, |old| *old = link.clone());
        }
        net.power_on(client.id());
    }
}
