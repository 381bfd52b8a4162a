//! Faults of processes, clocks, memory and clients: a world that says one has it happen, and passes all the same.
//! Those of networks and disks are tested beside them, in `src/runtime/madsim/`.
#![cfg(madsim)]
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use seedis::engine::mark;
use seedis::runtime::simulation::{FaultKind, Source};
use sim::scenario::{Nuisance, Scenario};
use sim::world::{self, Kind, Options};

/// The kinds that happen in a world. A thread of its own, because madsim seeds std's hashers once a thread.
fn fired(seed: u64, options: Options) -> Vec<FaultKind> {
    let world = move || {
        let lived = world::run(seed, &options);
        assert!(lived.is_ok(), "{lived:?}");
        world::note_pressure(&mark::take());
        FaultKind::take_fired()
    };
    std::thread::spawn(world).join().expect("it passes")
}

fn scenario(text: &str) -> Vec<FaultKind> {
    let scenario = Scenario::parse(text).expect("a scenario");
    fired(scenario.seed, Options { scenario: Some(scenario), ..Options::default() })
}

/// A client that writes and reads now and then, and what else there is before peace comes.
fn with(lines: &str) -> String {
    let steps = "  send SET g0:k0 1\n  pause 0.1\n  send GET g0:k0\n  pause 0.1\n".repeat(8);
    format!("seed 1\n{lines}at 2 peace\nclient 0\n{steps}  peace\n  send GET g0:k0\n")
}

/// What has a kind happen in a world of clients, if that can be said in a scenario.
fn said(kind: FaultKind) -> Option<String> {
    let nuisance = Nuisance::ALL.iter().find(|what| what.kind() == kind);
    Some(match kind {
        FaultKind::Kill => with("at 0.5 restart process for 0.3\n"),
        FaultKind::PowerCut => with("at 0.5 restart power for 0.3\n"),
        FaultKind::Pause => with("at 0.5 stop for 0.3\n"),
        FaultKind::ActorPanic => with("at 0.5 panic connection\n"),
        FaultKind::Skew => with("server skew_s -86400\n"),
        FaultKind::Drift => with("server drift_ppm 100000\n"),
        FaultKind::JumpForward => with("at 0.5 jump 10\n"),
        FaultKind::JumpBack => with("at 0.5 jump -10\n"),
        FaultKind::CoarseTimers => with("server timer_grain_us 4000\n"),
        FaultKind::DescriptorExhaustion => with("server descriptors 1\n") + "\nnuisance 1 reconnect-storm\n",
        FaultKind::MemoryThrash => {
            let fill: String = (0..40).map(|key| format!("  send SET g0:k{key} \"x\\{{200}}\"\n")).collect();
            let config = "config maxmemory 1050000\nconfig maxmemory-policy allkeys-lru\n";
            format!("seed 1\n{config}at 2 peace\nclient 0\n{fill}  peace\n")
        }
        _ => with("") + &format!("\nnuisance 1 {}\n", nuisance?.kind().name()),
    })
}

#[test]
fn each_kind_that_a_scenario_can_say_happens_where_it_is_said_and_only_there() {
    let quiet = scenario(&with(""));
    assert!(quiet.iter().all(|kind| kind.source() == Source::Network), "{quiet:?}");
    let others = FaultKind::ALL.iter().copied();
    for kind in others.filter(|kind| !matches!(kind.source(), Source::Network | Source::Disk)) {
        let Some(text) = said(kind) else { continue };
        let kinds = scenario(&text);
        assert!(kinds.contains(&kind), "{kind:?} is not among {kinds:?}");
    }
    // A task that panics takes its own client with it, and no other.
    let other = with("").replace("seed 1\nat 2 peace\nclient 0", "client 1");
    let panics = with("at 0.5 panic connection\n") + &other;
    assert!(scenario(&panics).contains(&FaultKind::ActorPanic));
}

/// A world of crashes in which this happens while its only client writes and has files made.
fn crashes(life: &str) -> Vec<FaultKind> {
    let steps = "  send SET s0 1. | RPUSH l0 2.\n  pause 0.05\n".repeat(40);
    scenario(&format!(
        "seed 1\nworld of crashes\nconfig appendonly yes\nconfig appendfsync always\n{life}client 0\n{steps}  peace\n  \
         send SET s0 3.\noperator 0\n  pause 0.1\n  send BGSAVE\n  pause 0.4\n  send BGREWRITEAOF\n  pause 0.4\n  send \
         BGSAVE\n  peace\n  send BGSAVE\n"
    ))
}

/// What was promised is there afterwards, a save that came to nothing says so, and once the disk is healed writes and saves
/// work again: that is judged in every world.
#[test]
fn of_a_task_that_panics_comes_an_error_of_files_or_the_end_of_the_server() {
    for task in ["aof", "save", "snapshot", "job"] {
        // An error must have a reason.
        let life = format!("trouble write_errors 1\nlife power after 1\n  panic {task}\n  heal after 1\n");
        assert!(crashes(&life).contains(&FaultKind::ActorPanic), "{task}");
    }
    for task in ["clock", "stream", "reports", "job-end", "backup"] {
        let kinds = crashes(&format!("life panic {task} after 0.5\n"));
        assert!(kinds.contains(&FaultKind::ActorPanic) && kinds.contains(&FaultKind::Kill), "{task}");
    }
}

#[test]
fn the_others_happen_in_worlds_of_crashes() {
    let wanted = FaultKind::ALL
        .iter()
        .copied()
        .filter(|kind| !matches!(kind.source(), Source::Network | Source::Disk) && said(*kind).is_none());
    let mut wanted: BTreeSet<FaultKind> = wanted.collect();
    assert!(wanted.contains(&FaultKind::CrashLoop) && wanted.contains(&FaultKind::SnapshotPressure));
    let mut seed = 0;
    while !wanted.is_empty() {
        assert!(seed < 100, "never happen: {wanted:?}");
        for kind in fired(seed, Options { kind: Kind::Crash, ..Options::default() }) {
            wanted.remove(&kind);
        }
        seed += 1;
    }
}
