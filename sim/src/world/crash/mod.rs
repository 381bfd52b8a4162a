//! A world of crashes: one server and its disk, clients that write, and the power that fails.
//!
//! The server lives a number of lives. In each, clients write to keys of their own, one gives orders (saves, rewrites,
//! changes of the configuration), until the process or the power ends, in the middle of an operation of the disk or at any
//! moment. Then it is started again, and again from the same moment with other survivors of what was not synced; sometimes
//! it dies once more before it is ready ([`recovery`]). What is found is judged in [`notes`].

mod audit;
mod clients;
mod data;
mod files;
pub(super) mod log;
mod notes;
pub(crate) mod plan;
mod recovery;
pub(crate) mod workload;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use madsim::task::JoinHandle;
use seedis::actor::wiring::End as ServerEnd;
use seedis::runtime::simulation::{self, Death, Draws, FaultKind, Image, SimDisk, SimNet, SimSchedule};
use seedis::runtime::time;
use seedis::simulation::{Machine, Server};

use super::faults::note_death;
use super::{Failure, How, Options, choose_ways, film};
use crate::scenario::{self, Client, End, LONGEST_US, Life, Other, Scenario, Step, Values};
pub use clients::check as check_orders;
use data::Bytes;
use files::{Blame, Files};
use notes::{Finding, Notes, Promised};
use recovery::Started;
pub use workload::{check as check_writes, flushes_all};

/// Simulated time within which a server must be ready, or serve writes again, on a disk that works.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a world that passed has to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Moments at which the server died, each with one selection of what survived.
    pub crashes: usize,
    /// Starts after which all keys were read and judged.
    pub recoveries: usize,
    /// Starts that were refused, for data that the disk had damaged.
    pub refusals: usize,
    /// Units of commands that were answered.
    units: u64,
    simulated: Duration,
    /// Equal in every run of the seed.
    trace: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} crash points, {} recoveries, {} refusals, {} units, {:.1} s simulated, trace {:016x}",
            self.crashes,
            self.recoveries,
            self.refusals,
            self.units,
            self.simulated.as_secs_f64(),
            self.trace
        )
    }
}

struct World {
    scenario: Scenario,
    values: Values,
    files: Files,
    server: Server,
    auditor: Machine,
    notes: Arc<Notes>,
    /// The keys that each client writes.
    keys: Arc<Vec<Vec<Bytes>>>,
    disk: Arc<SimDisk>,
    /// Machines of clients so far.
    populations: u64,
    /// How often in a row it died before it was ready.
    deaths: usize,
    summary: Summary,
}

/// Everything that happens in the world, as its main task.
pub async fn life(scenario: &Scenario, options: &Options) -> Result<Summary, Failure> {
    simulation::start();
    log::keep(options.verbose);
    let values = scenario.settings.values().expect("it was read, or drawn");
    SimNet::current().set_default_link(values.link.clone());
    let server = Server::start(&values.config);
    let node = server.machine().id();
    choose_ways(node, scenario.seed, values.server.schedule, values.server.buggify);
    let disk = SimDisk::current();
    disk.set_faults(node, values.disk.clone());
    if film::is_on() {
        disk.record(node);
    }
    let mut world = World {
        auditor: Machine::new("auditor"),
        server,
        notes: Arc::new(Notes::new(scenario.machines.len(), options.verbose)),
        keys: Arc::new(scenario.machines.iter().map(|machine| keys(machine.client.as_ref())).collect()),
        files: Files::of(&values),
        values,
        disk,
        populations: 0,
        deaths: 0,
        summary: Summary::default(),
        scenario: scenario.clone(),
    };
    world.begin().await?;
    for (number, life) in scenario.lives.iter().enumerate() {
        let image = world.live(number, life).await?;
        if !world.come_back(&life.starts, &image).await? {
            return Ok(world.finish());
        }
    }
    world.end().await?;
    Ok(world.finish())
}

/// All keys that a client writes.
fn keys(client: Option<&Client>) -> Vec<Bytes> {
    let steps = client.into_iter().flat_map(|client| client.steps.iter().chain([&client.peaceful]).flatten());
    let calls = steps.filter_map(|step| match step {
        Step::Send(calls) => Some(calls),
        Step::Leave { .. } | Step::Pause(_) => None,
    });
    workload::keys(calls.flatten())
}

impl World {
    fn tell(&self, what: impl Fn() -> String) {
        self.notes.tell(what);
    }

    fn failure(&self, how: How, check: &str, what: &str) -> Failure {
        let log = log::lines();
        let last = log[log.len().saturating_sub(30)..].join("\n  ");
        Failure::new(how, check, format!("{what}\nthe server's last lines:\n  {last}"))
    }

    fn wrong(&self, (check, what): Finding) -> Failure {
        self.failure(How::Correctness, check, &what)
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        match self.ready().await? {
            Started::Ready(found) => {
                let units = self.judge(&found, Promised::All)?;
                self.notes.go_on(&units);
                Ok(())
            }
            _ => Err(self.wrong(("first start", "the server does not start on an empty disk".to_owned()))),
        }
    }

    // ---- a life

    /// Starts what clients do in a life, or in peace, on a machine of their own; what the operator does can be waited for.
    fn populate(&mut self, life: Option<usize>) -> (Machine, Option<JoinHandle<()>>) {
        self.populations += 1;
        let node = Machine::new(&format!("clients-{}", self.populations));
        let steps = |client: &Client| match life {
            Some(number) => client.steps.get(number).cloned().unwrap_or_default(),
            None => client.peaceful.clone(),
        };
        let to = || (self.server.address(), self.notes.clone());
        clients::promise(&self.files, &self.notes);
        let operator = self.scenario.machines.iter().find_map(|machine| machine.operator.as_ref());
        let orders = operator.map(|operator| {
            let (to, notes) = to();
            node.spawn(clients::order(steps(operator), self.files.clone(), to, notes))
        });
        let mut writers = Vec::new();
        for (number, machine) in self.scenario.machines.iter().enumerate() {
            let Some(client) = &machine.client else { continue };
            let (to, notes) = to();
            notes.works(number);
            drop(node.spawn(clients::write(number, steps(client), to, notes)));
            writers.push(number);
        }
        for (number, machine) in self.scenario.machines.iter().enumerate().filter(|_| !writers.is_empty()) {
            for other in &machine.others {
                let Other::Watcher { pause_us } = *other else { continue };
                let name = format!("looks of watcher {number} of {}", self.populations);
                let (draws, (to, notes)) = (Draws::named(self.scenario.seed, &name), to());
                drop(node.spawn(clients::watch(draws, pause_us, writers.clone(), to, notes)));
            }
        }
        (node, orders)
    }

    /// The clients write until the end of a life. Returns what the disk was like just before it failed, or then.
    async fn live(&mut self, number: usize, life: &Life) -> Result<Image, Failure> {
        let server = self.server.machine().id();
        self.disk.set_faults(server, self.values.trouble.clone());
        self.disk.set_survivors(server, life.keeps);
        let (clients, _) = self.populate(Some(number));
        if let Some(task) = life.panics {
            SimSchedule::current().panic_next(server, task);
        }
        if let Some(healed_us) = life.healed_us {
            time::sleep(Duration::from_micros(healed_us)).await;
            self.heal().await?;
        }
        let image = match life.end {
            End::Stopped { after_us, job } => self.stop_after(after_us, job, &clients).await?,
            end => self.die(end, &clients).await?,
        };
        self.disk.set_faults(server, self.values.disk.clone());
        if let Some(complaint) = self.notes.complaint() {
            return Err(self.wrong(complaint));
        }
        time::sleep(Duration::from_millis(1)).await;
        Ok(image)
    }

    async fn die(&mut self, end: End, clients: &Machine) -> Result<Image, Failure> {
        let server = self.server.machine().id();
        let seen = self.disk.failures(server);
        let death = match end {
            End::InOperation(operation) => {
                self.disk.crash_after(server, operation);
                let longest = Duration::from_micros(LONGEST_US);
                _ = time::timeout(longest, self.disk.power_failure(server, seen)).await;
                Death::Power
            }
            End::After { death, after_us } => {
                time::sleep(Duration::from_micros(after_us)).await;
                death
            }
            End::Panics { task, after_us } => {
                time::sleep(Duration::from_micros(after_us)).await;
                self.lose(task).await?;
                Death::Process
            }
            End::Stopped { .. } => Death::Process,
        };
        match self.server.ended() {
            Some(Ok(ServerEnd::Crashed(_))) if matches!(end, End::Panics { .. }) => {}
            Some(how) => return Err(Failure::ended(&how)),
            None => {}
        }
        if self.disk.failures(server) == seen {
            self.server.machine().kill(death);
        }
        note_death(death);
        self.disk.cancel_crash(server);
        self.gone(clients, scenario::death_word(death));
        match death {
            Death::Process => Ok(self.disk.image(server)),
            Death::Power => {
                let image = self.disk.image_before_failure(server);
                image.ok_or_else(|| self.wrong(("power", "no power failed".to_owned())))
            }
        }
    }

    /// A task panics that the server cannot be without. It must end then, if the task had a turn.
    async fn lose(&mut self, task: &'static str) -> Result<(), Failure> {
        let schedule = SimSchedule::current();
        let server = self.server.machine().id();
        schedule.panic_next(server, task);
        if let Some(order) = busies(task) {
            let to = self.server.address();
            // It is not answered where the task panics.
            drop(self.auditor.spawn(async move { clients::begin_job(&to, order).await }));
        }
        for _ in 0..LONGEST_US / 100_000 {
            time::sleep(Duration::from_millis(100)).await;
            if self.server.ended().is_some() {
                return Ok(());
            }
            if !schedule.panics(server) {
                // It may first wait a second for its files.
                time::sleep(Duration::from_secs(2)).await;
                if self.server.ended().is_none() {
                    let text = format!("it goes on without its {task}");
                    return Err(Failure::new(How::Liveness, "a vital task", text));
                }
            }
        }
        schedule.panic_no_more(server);
        Ok(())
    }

    /// The server is asked to stop, perhaps while it saves or rewrites.
    async fn stop_after(
        &mut self,
        after_us: u64,
        job: Option<&'static str>,
        clients: &Machine,
    ) -> Result<Image, Failure> {
        time::sleep(Duration::from_micros(after_us)).await;
        if let Some(job) = job {
            let to = self.server.address();
            let runs = self.auditor.spawn(async move { clients::begin_job(&to, job).await });
            if matches!(runs.await, Ok(Ok(true))) {
                FaultKind::StopInRewrite.fired();
            }
        }
        self.server.terminate();
        self.gone(clients, "stop");
        self.stop().await?;
        Ok(self.disk.image(self.server.machine().id()))
    }

    /// A life has ended, in this way: nobody hears of the server any more.
    fn gone(&mut self, clients: &Machine, how: &str) {
        self.tell(|| format!("the server's life ends: {how}"));
        film::mark("faults", "fault", 0, || how.to_owned());
        (0..self.scenario.machines.len()).for_each(|client| film::give_up(&format!("client {client}"), 0));
        self.notes.crashed(self.notes.now_ns(), self.files.soon_ns);
        clients.kill(Death::Process);
    }

    /// Nothing fails any more: saves must work again, and writes.
    async fn heal(&mut self) -> Result<(), Failure> {
        let server = self.server.machine().id();
        self.disk.set_faults(server, self.values.disk.healed());
        SimSchedule::current().panic_no_more(server);
        self.tell(|| "the disk is healed".to_owned());
        film::mark("faults", "peace", 0, || "the disk is healed".to_owned());
        self.notes.healed();
        let hangs = |what: &str| {
            let text = format!("{what} do not work again although the disk does");
            self.failure(How::Liveness, &format!("{what} work again"), &text)
        };
        // First, since writes may be refused until a save has succeeded, and nothing need order one.
        let (files, to, notes) = (self.files.clone(), self.server.address(), self.notes.clone());
        let saved = self.auditor.spawn(clients::save(files, to, notes));
        if !matches!(time::timeout(PATIENCE, saved).await, Ok(Ok(Ok(())))) {
            return Err(hangs("saves"));
        }
        let served = async {
            while !self.notes.are_all_served() {
                time::sleep(Duration::from_millis(50)).await;
            }
        };
        time::timeout(PATIENCE, served).await.map_err(|_| hangs("writes"))
    }

    /// Asks the server to stop.
    async fn stop(&mut self) -> Result<(), Failure> {
        for turn in 0..PATIENCE.as_millis() / 10 {
            // It refuses while it cannot write its files, and may be asked again.
            if turn % 100 == 0 {
                self.server.terminate();
            }
            time::sleep(Duration::from_millis(10)).await;
            match self.server.ended() {
                None => {}
                Some(Ok(ServerEnd::Stopped(_))) => {
                    // A signal that came too late goes with its process.
                    self.server.machine().kill(Death::Process);
                    return Ok(());
                }
                Some(other) => {
                    let text = format!("asked to stop, it ended with {other:?}");
                    return Err(Failure::new(How::Crash, "end", text));
                }
            }
        }
        Err(Failure::new(How::Liveness, "end", "it does not stop when asked to".to_owned()))
    }

    /// A last life without trouble, which ends when asked to, and loses nothing.
    async fn end(&mut self) -> Result<(), Failure> {
        let (clients, orders) = self.populate(None);
        self.heal().await?;
        if let Some(orders) = orders
            && time::timeout(PATIENCE, orders).await.is_err()
        {
            let text = "what was ordered in peace does not end";
            return Err(self.failure(How::Liveness, "orders end", text));
        }
        if let Some(complaint) = self.notes.complaint() {
            return Err(self.wrong(complaint));
        }
        self.gone(&clients, "stop");
        self.stop().await?;
        self.restart();
        match self.ready().await? {
            Started::Ready(found) => {
                let promised = if self.files.appendonly { Promised::All } else { Promised::Floor };
                self.judge(&found, promised).map(|_| ())
            }
            _ => Err(self.wrong(("clean end", "what a clean end left cannot be loaded".to_owned()))),
        }
    }

    fn finish(self) -> Summary {
        Summary {
            units: self.notes.answered(),
            simulated: Duration::from_nanos(self.notes.now_ns()),
            trace: SimNet::current().trace_hash() ^ self.disk.trace_hash(),
            ..self.summary
        }
    }
}

/// What gives a task something to do that has nothing to do otherwise.
fn busies(task: &str) -> Option<&'static str> {
    match task {
        "job-end" => Some("BGSAVE"),
        "backup" => Some("BACKUP START"),
        _ => None,
    }
}
