//! A world: one server, some clients, the network between them and what goes wrong, all from one seed.
//!
//! It lives in two phases. First everything that the seed has enabled may go wrong. Then all is healed,
//! and whoever is still there must be served within [`PATIENCE`]. What the clients saw is judged
//! afterwards.

mod caching;
mod client;
pub(crate) mod crash;
mod faults;
pub mod film;
mod guest;
mod line;
mod memory;
mod nuisance;
pub(crate) mod plan;
mod pubsub;
mod recorder;
pub(crate) mod workload;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::task::NodeId;
use seedis::actor::wiring::End;
use seedis::engine::{buggify, mutant};
use seedis::runtime::net::Address;
use seedis::runtime::simulation::{self, Draws, FaultKind, Schedule, SimClock, SimDisk, SimNet, SimSchedule};
use seedis::runtime::time;
use seedis::simulation::Server;

use crate::history;
use crate::linearizability::{self, Verdict};
use crate::model::{Forgets, State};
use crate::output::say;
use crate::scenario::{Machine, Other, Scenario, ServerFaults};
use client::Seat;
pub use crash::{check_orders, check_writes, flushes_all};
use plan::Plan;
pub use plan::Profile;
use recorder::Recorder;

/// Simulated time that a client may wait in a healthy world.
const PATIENCE: Duration = Duration::from_secs(600);

/// Steps of the search for an order, for each group of keys.
const BUDGET: usize = 50_000;

/// What the command line asks of a run, besides its seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A deliberate bug to switch on.
    pub mutant: Option<&'static str>,
    /// Print the plan, the faults and the operations.
    pub verbose: bool,
    /// Of the world that a seed is drawn out into.
    pub kind: Kind,
    /// What happens, instead of what the seed decides.
    pub scenario: Option<Scenario>,
    /// What its plan is about.
    pub profile: Profile,
    /// Say which situations were reached.
    pub tells_marks: bool,
}

/// The kinds of worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Clients of all sorts and a bad network; nothing outlives the server.
    #[default]
    Run,
    /// A server that dies and finds its files again.
    Crash,
}

/// How a run failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub how: How,
    /// The check that failed, in a word or two: runs that fail in the same way have the same.
    pub check: String,
    /// What in particular did, where one check sees faults of many kinds.
    pub culprit: Option<String>,
    /// For a person.
    pub text: String,
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A panic, or a server that ended unasked.
    Crash,
    /// An answer that did not come in a healthy world.
    Liveness,
    /// An answer that no right server gives.
    Correctness,
}

impl How {
    /// What the process ends with.
    pub fn exit_code(self) -> u8 {
        match self {
            How::Crash => 127,
            How::Liveness => 128,
            How::Correctness => 129,
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Crash => "the server crashed",
            How::Liveness => "it stopped answering",
            How::Correctness => "it answered wrongly",
        })
    }
}

impl Failure {
    fn new(how: How, check: &str, text: String) -> Self {
        Failure { how, check: check.to_owned(), culprit: None, text }
    }

    fn ended(how: &Result<End, String>) -> Self {
        Failure::new(How::Crash, "unasked end", format!("the server ended unasked: {how:?}"))
    }

    /// Of the first panics of a world. The same panic is one of the same file: lines change with every commit.
    fn panics(panics: &[String]) -> Self {
        let Some(first) = panics.first() else {
            return Failure::new(How::Crash, "panic", "a panic without a message".to_owned());
        };
        let place = first.lines().next().and_then(|line| line.strip_prefix("panicked at "));
        let file = place.and_then(|place| place.split(':').next()).unwrap_or("an unknown file");
        Failure::new(How::Crash, &format!("panic in {file}"), panics[..panics.len().min(3)].join("\n"))
    }
}

/// What a run that passed has to tell.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Operations that the checkers judged.
    pub operations: usize,
    /// Groups of keys whose search was given up.
    pub unknown: usize,
    /// Messages that subscribers received.
    pub messages: usize,
    pub faults: usize,
    pub simulated: Duration,
    /// Equal in every run of the seed.
    pub trace: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations, {} messages, {} faults, {:.1} s simulated, {} groups given up, trace {:016x}",
            self.operations,
            self.messages,
            self.faults,
            self.simulated.as_secs_f64(),
            self.unknown,
            self.trace
        )
    }
}

/// What a world of any kind that passed has to tell.
#[derive(Clone, Debug)]
pub enum Report {
    Run(Summary),
    Crash(crash::Summary),
}

impl Report {
    /// Whether all was judged.
    pub fn is_decided(&self) -> bool {
        !matches!(self, Report::Run(summary) if summary.unknown > 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::Run(summary) => summary.fmt(f),
            Report::Crash(summary) => summary.fmt(f),
        }
    }
}

/// Runs the world of a seed. Once in a process: see [`crate::command`].
pub fn run(seed: u64, options: &Options) -> Result<Report, Failure> {
    mutant::choose(options.mutant);
    FaultKind::take_fired();
    let panics: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = panics.clone();
    // Actors catch their panics; a world with one has failed all the same.
    std::panic::set_hook(Box::new(move |panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        lock(&seen).push(format!("{panic}\n{backtrace}"));
    }));
    let scenario = scenario(seed, options);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        runtime.set_time_limit(Duration::from_secs(3600));
        simulation::install(&runtime);
        let lived = runtime.block_on(async {
            let lived = match scenario.kind {
                Kind::Run => life(&scenario, options).await.map(Report::Run),
                Kind::Crash => crash::life(&scenario, options).await.map(Report::Crash),
            };
            film::add_disks();
            lived
        });
        // The nodes' tasks are dropped with it, and may panic as well.
        drop(runtime);
        lived
    }));
    let panics = std::mem::take(&mut *lock(&panics));
    match lived {
        Ok(outcome) if panics.is_empty() => outcome,
        _ => Err(Failure::panics(&panics)),
    }
}

/// What the world takes for given. Drawn outside of it: that costs no simulated time and no draw of its own.
fn scenario(seed: u64, options: &Options) -> Scenario {
    if let Some(scenario) = &options.scenario {
        return scenario.clone();
    }
    if options.verbose {
        match options.kind {
            Kind::Run => say!("{:#?}", Plan::of(seed, options.profile)),
            Kind::Crash => say!("{:#?}", crash::plan::Plan::of(seed)),
        }
    }
    crate::scenario::of(seed, options.kind, options.profile)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that happens in the world, as its main task.
async fn life(scenario: &Scenario, options: &Options) -> Result<Summary, Failure> {
    simulation::start();
    let values = scenario.settings.values().expect("it was read, or drawn");
    SimNet::current().set_default_link(values.link.clone());
    let server = Server::start(&values.config);
    let node = server.machine().id();
    arrange(node, scenario.seed, &values.server);
    if film::is_on() {
        SimDisk::current().record(node);
        crash::log::keep(options.verbose);
    }
    let recorder = Arc::new(Recorder::new(node, options.verbose));
    let (nodes, seats) = populate(scenario, &server, &recorder);
    let operator = madsim::task::spawn(operate(server.clone(), recorder.clone()));
    faults::rage(scenario, &values, &server, &nodes, &recorder).await;
    faults::heal(&values, node, &nodes, &recorder);
    recorder.be_quiet();
    let mut waiting = Vec::new();
    for seat in seats {
        match time::timeout(PATIENCE, seat.done).await {
            Ok(_) => {}
            Err(_) => waiting.push(seat.name),
        }
    }
    operator.abort();
    if let Some(how) = server.ended() {
        return Err(Failure::ended(&how));
    }
    if !waiting.is_empty() {
        let text = format!("not served in a healthy world: {}", waiting.join(", "));
        return Err(Failure::new(How::Liveness, "clients are served", text));
    }
    memory::returns_to_its_start(&server, &recorder).await?;
    stop(&server).await?;
    judge(&recorder, forgets(&values.config), scenario.faults.len())
}

/// How the server is from its beginning.
fn arrange(server: NodeId, seed: u64, faults: &ServerFaults) {
    let clock = SimClock::current();
    clock.set_skew(server, faults.skew_s * 1_000_000);
    clock.set_timer_grain(server, faults.timer_grain_us);
    choose_ways(server, seed, faults.schedule, faults.buggify);
}

/// Who of the server's tasks goes first, and whether it does rare things on purpose.
fn choose_ways(server: NodeId, seed: u64, schedule: Schedule, buggify: bool) {
    SimSchedule::current().set(server, schedule);
    buggify::choose(buggify.then(|| Draws::named(seed, "buggify").draw()));
}

/// Faults that only the server itself can tell.
pub fn note_pressure(marks: &BTreeSet<&'static str>) {
    if marks.contains("evicted") || marks.contains("refused-oom") {
        FaultKind::MemoryThrash.fired();
    }
    if marks.contains("preserved") {
        FaultKind::SnapshotPressure.fired();
    }
}

/// Makes the machines of the clients and starts what runs on them.
fn populate(scenario: &Scenario, server: &Server, recorder: &Arc<Recorder>) -> (Vec<NodeHandle>, Vec<Seat>) {
    let (mut nodes, mut seats) = (Vec::new(), Vec::new());
    let address = server.address();
    for (number, machine) in scenario.machines.iter().enumerate() {
        let node = Handle::current().create_node().name(format!("client-{number}")).build();
        if let Some(script) = &machine.client {
            seats.push(client::start(&node, number, script, address.clone(), recorder));
        }
        if let Some(script) = &machine.publisher {
            seats.push(pubsub::start_publisher(&node, number, script, address.clone(), recorder));
        }
        if let Some(script) = &machine.subscriber {
            seats.push(pubsub::start_subscriber(&node, number, script, address.clone(), recorder));
        }
        seats.extend(others(scenario.seed, number, machine, &node, &address, recorder));
        nodes.push(node);
    }
    (nodes, seats)
}

fn others(
    seed: u64,
    number: usize,
    machine: &Machine,
    node: &NodeHandle,
    address: &Address,
    recorder: &Arc<Recorder>,
) -> Vec<Seat> {
    let start = |other: &Other| match other {
        Other::Caching { rounds, groups } => {
            Some(caching::start(node, seed, number, (*rounds, *groups), address.clone(), recorder))
        }
        Other::Guest => Some(guest::start(node, seed, address.clone(), recorder)),
        Other::Auditor => Some(memory::start(node, address.clone(), recorder)),
        Other::Nuisance(what) => Some(nuisance::start(node, seed, number, *what, address.clone(), recorder)),
        // In worlds of crashes alone.
        Other::Watcher { .. } => None,
    };
    machine.others.iter().filter_map(start).collect()
}

/// What a server of this configuration may forget.
fn forgets(config: &str) -> Forgets {
    let policy = config.lines().filter_map(|line| line.strip_prefix("maxmemory-policy ")).next_back();
    match policy {
        Some(policy) if policy.starts_with("allkeys") => Forgets::Anything,
        Some(policy) if policy.starts_with("volatile") => Forgets::Volatile,
        _ => Forgets::Nothing,
    }
}

/// Starts the server again if it could not start on a disk that fails: an operator, or systemd, would.
async fn operate(server: Server, recorder: Arc<Recorder>) {
    let mut excused = true;
    while excused {
        time::sleep(Duration::from_millis(20)).await;
        if let Some(Err(why)) = server.ended() {
            recorder.tell(|| format!("the server cannot start: {why}"));
            // Once more in peace, for one that began before.
            excused = !recorder.is_quiet();
            server.restart();
        }
    }
}

/// Asks the server to stop, and sees that it does and leaves nothing open.
async fn stop(server: &Server) -> Result<(), Failure> {
    server.terminate();
    for _ in 0..PATIENCE.as_millis() / 100 {
        time::sleep(Duration::from_millis(100)).await;
        match server.ended() {
            None => {}
            Some(Ok(End::Stopped(_))) => return all_closed().await,
            Some(other) => {
                let text = format!("asked to stop, it ended with {other:?}");
                return Err(Failure::new(How::Crash, "end", text));
            }
        }
    }
    Err(Failure::new(How::Liveness, "end", "it does not stop when asked to".to_owned()))
}

/// Sees that no connection outlives both its ends. TCP goes on sending for a while what they said last.
async fn all_closed() -> Result<(), Failure> {
    for _ in 0..300 {
        if SimNet::current().describe_connections().is_empty() {
            return Ok(());
        }
        time::sleep(Duration::from_secs(1)).await;
    }
    let left = SimNet::current().describe_connections();
    let text = format!("{} connections are left open\n{}", left.len(), left.join("\n"));
    Err(Failure::new(How::Liveness, "connections are closed", text))
}

/// Judges what the clients saw.
fn judge(recorder: &Recorder, forgets: Forgets, faults: usize) -> Result<Summary, Failure> {
    let seen = recorder.finish();
    let wrong = |check: &str, text: String| Failure::new(How::Correctness, check, text);
    if let Some(complaint) = seen.complaints.first() {
        return Err(wrong("a reply of its kind", complaint.clone()));
    }
    if let Some(miss) = seen.misses.first() {
        return Err(Failure::new(How::Liveness, "connections are served", miss.clone()));
    }
    pubsub::check(&seen.pubsub).map_err(|(culprit, what)| Failure {
        culprit: Some(culprit.to_owned()),
        ..wrong("messages", what)
    })?;
    let mut unknown = 0;
    for part in history::split(&seen.operations) {
        match linearizability::check(State::of(forgets), &part, BUDGET) {
            Verdict::Linearizable => {}
            Verdict::Unknown => unknown += 1,
            Verdict::Violation { stuck_at } => {
                let offending: Vec<_> = stuck_at.iter().map(|&index| &part[index]).collect();
                film::offend_operations(&offending);
                return Err(Failure {
                    culprit: culprit(&offending),
                    ..wrong("linearizability", explain(&part, &stuck_at))
                });
            }
        }
    }
    Ok(Summary {
        operations: seen.operations.len(),
        unknown,
        messages: seen.pubsub.messages(),
        faults,
        simulated: Duration::from_nanos(simulation::SimClock::current().true_ns()),
        trace: seen.trace ^ SimNet::current().trace_hash() ^ SimDisk::current().trace_hash(),
    })
}

/// Of the operations that cannot come next, the one that must: it returned before any other that is left.
fn culprit(stuck: &[&history::Operation]) -> Option<String> {
    stuck.iter().min_by_key(|operation| operation.returned_ns()).map(|first| first.call.kind())
}

/// The operations around a violation, for a person.
fn explain(part: &[history::Operation], stuck_at: &[usize]) -> String {
    let last = stuck_at.iter().map(|&index| part[index].invoked_ns).max().unwrap_or(0);
    let mut shown: Vec<(usize, &history::Operation)> =
        part.iter().enumerate().filter(|(_, operation)| operation.invoked_ns <= last).collect();
    shown.sort_by_key(|(_, operation)| operation.invoked_ns);
    let from = shown.len().saturating_sub(40);
    let mut text = String::from("no order of these operations explains the replies:\n");
    for (index, operation) in &shown[from..] {
        let mark = if stuck_at.contains(index) { "->" } else { "  " };
        text += &format!("{mark} {operation}\n");
    }
    text
}
