//! A world of crashes: one server and its disk, clients that write, and the power that fails.
//!
//! The server lives a number of rounds. In each, clients write to keys of their own, one gives orders (saves,
//! rewrites, changes of the configuration), until the process or the power ends, in the middle of an operation of
//! the disk or at any moment. Then it is started again, and again from the same moment with other survivors of what
//! was not synced; sometimes it dies once more before it is ready. What is found is judged in [`notes`].

mod audit;
mod clients;
mod data;
pub(super) mod log;
mod notes;
mod plan;
mod workload;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seedis::actor::wiring::End;
use seedis::runtime::net::Address;
use seedis::runtime::simulation::{
    self, Death, DiskFaults, Draws, FaultKind, Image, SimDisk, SimNet, SimSchedule, Survivors,
};
use seedis::runtime::time;
use seedis::simulation::{Machine, Server};

use super::faults::note_death;
use super::{Failure, How, Options, choose_ways, film};
use notes::{Found, Notes, Promised};
use plan::{Plan, Trouble};
use workload::Workload;

/// Simulated time within which a server must be ready, or serve writes again, on a disk that works.
const PATIENCE: Duration = Duration::from_secs(120);

/// Threads that write files: a panic of one is an error of its files, and no more.
const WRITERS: [&str; 2] = ["aof", "save"];

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

/// How a start ended.
enum Started {
    Ready(Vec<Found>),
    /// The power failed before it was ready.
    Died,
    Refused(String),
}

struct World {
    seed: u64,
    plan: Plan,
    server: Server,
    auditor: Machine,
    address: Address,
    notes: Arc<Notes>,
    workloads: Vec<clients::Shared>,
    draws: Draws,
    /// Of the rarer ways to die and to start.
    rare: Draws,
    disk: Arc<SimDisk>,
    rounds: u64,
    summary: Summary,
}

/// Everything that happens in the world, as its main task.
pub async fn life(seed: u64, options: &Options) -> Result<Summary, Failure> {
    simulation::start();
    log::keep(options.verbose);
    let plan = Plan::of(seed);
    if options.verbose {
        println!("{plan:#?}");
    }
    let server = Server::start(&plan.config);
    let node = server.machine().id();
    choose_ways(node, seed, plan.schedule, plan.buggify);
    let disk = SimDisk::current();
    disk.set_faults(node, plan.quiet());
    if film::is_on() {
        disk.record(node);
    }
    let workloads = (0..plan.clients).map(|client| Workload::new(seed, client, &plan));
    let mut world = World {
        seed,
        auditor: Machine::new("auditor"),
        address: server.address(),
        server,
        notes: Arc::new(Notes::new(plan.clients, options.verbose)),
        workloads: workloads.map(|workload| Arc::new(Mutex::new(workload))).collect(),
        draws: Draws::named(seed, "crashes"),
        rare: Draws::named(seed, "rare crashes"),
        disk,
        rounds: 0,
        summary: Summary::default(),
        plan,
    };
    world.begin().await?;
    for _ in 0..world.plan.rounds {
        let goes_on = match world.plan.trouble {
            Trouble::Rot => world.rot().await?,
            Trouble::Misdirected | Trouble::Lies => world.damage().await?,
            Trouble::None | Trouble::Slow(_) if world.rare.chance(100_000) => world.stop_in_job().await?,
            _ => world.crash().await?,
        };
        if !goes_on {
            return Ok(world.finish());
        }
    }
    world.end().await?;
    Ok(world.finish())
}

impl Plan {
    /// The disk while nothing fails that could be a reason not to start.
    fn quiet(&self) -> DiskFaults {
        match &self.trouble {
            Trouble::Slow(faults) => faults.clone(),
            _ => self.pace.clone(),
        }
    }

    /// The disk while the clients write.
    fn troubled(&self) -> DiskFaults {
        match &self.trouble {
            Trouble::Slow(faults) | Trouble::Errors(faults) => faults.clone(),
            Trouble::Misdirected => DiskFaults { misdirected_writes: 50_000, ..self.pace.clone() },
            Trouble::Lies => {
                DiskFaults { lying_syncs: 300_000, lost_directory_syncs: 300_000, ..self.pace.clone() }
            }
            Trouble::None | Trouble::Rot => self.pace.clone(),
        }
    }

    /// How long what was answered with `everysec` may not be durable yet: it waits for a flush that waits for the one
    /// before, and for what else the writer of the file does.
    fn soon_ns(&self) -> u64 {
        2_000_000_000 + 20_000 * self.pace.sync_latency_us.1 + 50_000 * self.pace.latency_us.1
    }
}

impl World {
    fn tell(&self, what: impl Fn() -> String) {
        self.notes.tell(what);
    }

    fn wrong(&self, what: String) -> Failure {
        let log = log::lines();
        let last = log[log.len().saturating_sub(30)..].join("\n  ");
        Failure::new(How::Correctness, "what is found", format!("{what}\nthe server's last lines:\n  {last}"))
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        match self.ready().await? {
            Started::Ready(found) => {
                let units = self.judge(&found, Promised::All)?;
                self.notes.go_on(&units);
                Ok(())
            }
            _ => Err(self.wrong("the server does not start on an empty disk".to_owned())),
        }
    }

    fn judge(&mut self, found: &[Found], promised: Promised) -> Result<Vec<usize>, Failure> {
        self.summary.recoveries += 1;
        self.notes.judge(found, promised).map_err(|what| self.wrong(what))
    }

    // ---- a life

    /// Starts clients on a machine of their own.
    fn populate(&mut self, with_orders: bool) -> Machine {
        self.rounds += 1;
        let node = Machine::new(&format!("clients-{}", self.rounds));
        let with = || (self.plan.clone(), self.address.clone(), self.notes.clone());
        let named = |name: &str| Draws::named(self.seed, &format!("{name} of round {}", self.rounds));
        let mut plan = self.plan.clone();
        plan.orders &= with_orders;
        // First, since it says what is promised.
        drop(node.spawn(clients::order(named("orders"), plan, self.address.clone(), self.notes.clone())));
        for (client, workload) in self.workloads.iter().enumerate() {
            let (plan, to, notes) = with();
            drop(node.spawn(clients::write(client, workload.clone(), plan, to, notes)));
        }
        let (plan, to, notes) = with();
        drop(node.spawn(clients::look(named("looks"), plan, to, notes)));
        node
    }

    /// The clients write until the server dies. Returns what its disk was like just before.
    async fn live(&mut self) -> Result<(Image, bool), Failure> {
        let server = self.server.machine().id();
        let seen = self.disk.failures(server);
        self.disk.set_faults(server, self.plan.troubled());
        let clients = self.populate(true);
        if matches!(self.plan.trouble, Trouble::Errors(_)) && self.rare.chance(200_000) {
            SimSchedule::current().panic_next(server, self.rare.pick::<&str>(&WRITERS));
        }
        if matches!(self.plan.trouble, Trouble::Errors(_)) && self.draws.chance(400_000) {
            let span_ms = *self.draws.pick(&[100, 1_000, 5_000]);
            time::sleep(Duration::from_millis(self.draws.below(span_ms))).await;
            self.heal().await?;
        }
        let count = self.draws.below(*self.draws.clone().pick(&[10, 100, 1_000]));
        let span_ms = self.draws.below(*self.draws.clone().pick(&[10, 300, 6_000]));
        let in_operation = self.draws.chance(600_000);
        if in_operation {
            self.disk.crash_after(server, count + 1);
            _ = time::timeout(Duration::from_secs(8), self.disk.power_failure(server, seen)).await;
        } else {
            time::sleep(Duration::from_millis(span_ms)).await;
        }
        if let Some(how) = self.server.ended() {
            return Err(Failure::ended(&how));
        }
        let power = self.disk.failures(server) > seen || self.draws.chance(600_000);
        if self.disk.failures(server) == seen {
            self.server.machine().kill(if power { Death::Power } else { Death::Process });
        }
        note_death(if power { Death::Power } else { Death::Process });
        self.disk.cancel_crash(server);
        self.tell(|| format!("the server died, power: {power}, in an operation: {in_operation}"));
        film::mark("faults", "fault", 0, || if power { "power" } else { "process" }.to_owned());
        (0..self.plan.clients).for_each(|client| film::give_up(&format!("client {client}"), 0));
        self.notes.crashed(self.notes.now_ns(), self.plan.soon_ns());
        clients.kill(Death::Process);
        self.disk.set_faults(server, self.plan.quiet());
        if let Some(complaint) = self.notes.complaint() {
            return Err(self.wrong(complaint));
        }
        let image =
            if power { self.disk.image_before_failure(server) } else { Some(self.disk.image(server)) };
        let image = image.ok_or_else(|| self.wrong("no power failed".to_owned()))?;
        time::sleep(Duration::from_millis(1)).await;
        Ok((image, power))
    }

    /// Nothing fails any more: writes must work again.
    async fn heal(&mut self) -> Result<(), Failure> {
        let server = self.server.machine().id();
        self.disk.set_faults(server, self.plan.pace.clone());
        SimSchedule::current().panic_no_more(server);
        self.tell(|| "the disk is healed".to_owned());
        let healed_ns = self.notes.now_ns();
        for _ in 0..PATIENCE.as_millis() / 50 {
            time::sleep(Duration::from_millis(50)).await;
            if self.notes.all_served_since(healed_ns) {
                return Ok(());
            }
        }
        let wrong = self.wrong("writes do not work again although the disk does".to_owned());
        Err(Failure::new(How::Liveness, "writes work again", wrong.text))
    }

    // ---- starting

    fn restart(&self) {
        log::clear();
        self.server.restart();
    }

    /// Waits until the server is ready.
    async fn ready(&mut self) -> Result<Started, Failure> {
        let server = self.server.machine().id();
        let seen = self.disk.failures(server);
        let began_ns = self.notes.now_ns();
        while self.notes.now_ns() - began_ns < PATIENCE.as_nanos() as u64 {
            let (plan, to) = (self.plan.clone(), self.address.clone());
            let audit = self.auditor.spawn(async move { audit::audit(&plan, &to).await });
            let audited = time::timeout(Duration::from_secs(20), audit).await;
            if self.disk.failures(server) > seen {
                return Ok(Started::Died);
            }
            if let Some(how) = self.server.ended() {
                return match how {
                    Err(why) => Ok(Started::Refused(why)),
                    Ok(end) => Err(Failure::ended(&Ok(end))),
                };
            }
            match audited {
                Ok(Ok(Ok(Some(found)))) => {
                    self.disk.cancel_crash(server);
                    return Ok(Started::Ready(found));
                }
                Ok(Ok(Err(error))) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(self.wrong(error.to_string()));
                }
                _ => {}
            }
            time::sleep(Duration::from_millis(5)).await;
        }
        Err(Failure::new(How::Liveness, "start", "the server does not get ready".to_owned()))
    }

    /// Starts the server after a crash, which must work.
    async fn recover(&mut self) -> Result<Vec<Found>, Failure> {
        let server = self.server.machine().id();
        self.summary.crashes += 1;
        // Sometimes it dies again before it is ready, or soon after; now and then it does nothing else for a while.
        let mut deaths = 0;
        let loops = self.rare.chance(50_000);
        while loops && deaths < 4 || self.draws.chance(250_000) {
            let count = if loops { self.rare.between(1, 5) } else { self.draws.between(1, 40) };
            self.disk.set_survivors(server, survivors(&mut self.draws));
            self.disk.crash_after(server, count);
            self.restart();
            match self.ready().await? {
                Started::Ready(found) => return Ok(found),
                Started::Died => {
                    FaultKind::CrashInRecovery.fired();
                    deaths += 1;
                    if deaths >= 3 {
                        FaultKind::CrashLoop.fired();
                    }
                    self.summary.crashes += 1;
                }
                Started::Refused(why) => return Err(self.wrong(format!("the start is refused: {why}"))),
            }
            time::sleep(Duration::from_millis(1)).await;
        }
        self.misread().await?;
        self.restart();
        match self.ready().await? {
            Started::Ready(found) => Ok(found),
            Started::Refused(why) => Err(self.wrong(format!("the start is refused: {why}"))),
            Started::Died => Err(self.wrong("the power failed unasked".to_owned())),
        }
    }

    /// Now and then a start reads what is not there. That is no reason to change a file, nor to find anything else.
    async fn misread(&mut self) -> Result<(), Failure> {
        if !self.rare.chance(50_000) {
            return Ok(());
        }
        let server = self.server.machine().id();
        let image = self.disk.image(server);
        let fails = self.rare.chance(600_000);
        let mut faults = self.plan.quiet();
        *if fails { &mut faults.read_errors } else { &mut faults.misdirected_reads } = 300_000;
        self.disk.set_faults(server, faults);
        self.restart();
        match self.ready().await? {
            // An end that reads as damaged may be cut off, as long as it is said.
            Started::Ready(found) if !fails && reports_loss() => _ = self.judge(&found, Promised::Nothing)?,
            Started::Ready(found) => _ = self.judge(&found, Promised::Floor)?,
            Started::Refused(_) => self.summary.refusals += 1,
            Started::Died => return Err(self.wrong("the power failed unasked".to_owned())),
        }
        self.server.machine().kill(Death::Process);
        self.disk.set_faults(server, self.plan.quiet());
        if !fails {
            self.disk.insert(server, &image);
        }
        Ok(())
    }

    /// Goes back to a moment, and takes the power from there.
    async fn repeat(&mut self, image: &Image) {
        let server = self.server.machine().id();
        self.server.machine().kill(Death::Process);
        self.disk.insert(server, image);
        self.disk.set_survivors(server, survivors(&mut self.draws));
        self.disk.cut_power(server);
        time::sleep(Duration::from_millis(1)).await;
    }

    // ---- rounds

    /// The server dies, and must come back with what it promised.
    async fn crash(&mut self) -> Result<bool, Failure> {
        let (image, _) = self.live().await?;
        for repetition in 0..=self.plan.repetitions {
            if repetition > 0 {
                self.repeat(&image).await;
            }
            let found = self.recover().await?;
            let units = self.judge(&found, Promised::Floor)?;
            self.tell(|| format!("found {units:?}"));
            if repetition == self.plan.repetitions {
                self.notes.go_on(&units);
            }
        }
        Ok(true)
    }

    /// The server is stopped, and what it left is damaged.
    async fn rot(&mut self) -> Result<bool, Failure> {
        let server = self.server.machine().id();
        let clients = self.populate(true);
        time::sleep(Duration::from_millis(self.draws.between(10, 3_000))).await;
        clients.kill(Death::Process);
        self.notes.crashed(self.notes.now_ns(), self.plan.soon_ns());
        self.stop().await?;
        let image = self.disk.image(server);
        let found = self.recover().await?;
        let whole = self.judge(&found, Promised::Floor)?;
        for _ in 0..self.plan.repetitions * 2 {
            self.server.machine().kill(Death::Process);
            self.disk.insert(server, &image);
            let damage = self.flip_bits();
            self.restart();
            self.survey(&damage, Some(&whole)).await?;
        }
        self.server.machine().kill(Death::Process);
        self.disk.insert(server, &image);
        let found = self.recover().await?;
        self.judge(&found, Promised::Floor)?;
        self.notes.go_on(&whole);
        Ok(true)
    }

    /// Damages a file; says how.
    fn flip_bits(&mut self) -> String {
        let server = self.server.machine().id();
        let files = self.disk.files(server);
        // The manifest has no checksum: Redis would not know it, and its tests count the lines.
        let own = |path: &Path| path.extension().is_some_and(|kind| kind == "rdb" || kind == "aof");
        let files: Vec<(PathBuf, u64)> =
            files.into_iter().filter(|(path, len)| own(path) && *len > 0).collect();
        if files.is_empty() {
            return "no file".to_owned();
        }
        let (path, len) = self.draws.pick(&files).clone();
        let bit = self.draws.below(len * 8);
        self.disk.flip_bit(server, &path, bit);
        let damage = format!("bit {} of byte {} of {} bytes of {}", bit % 8, bit / 8, len, path.display());
        self.tell(|| format!("flipped: {damage}"));
        damage
    }

    /// The server started on damaged files: it may refuse them with the reason, or lose an end and say so, or has
    /// lost nothing. `whole`: what there was. Returns what is there now.
    async fn survey(&mut self, damage: &str, whole: Option<&[usize]>) -> Result<Option<Vec<usize>>, Failure> {
        self.summary.crashes += 1;
        let found = match self.ready().await? {
            Started::Refused(_) => {
                self.summary.refusals += 1;
                let lines = log::lines();
                let names_place = |line: &String| {
                    let line = line.to_lowercase();
                    ["offset", "at byte", "line"].iter().any(|word| line.contains(word))
                };
                if !lines.iter().any(names_place) {
                    return Err(self.wrong(format!("{damage}: refused without saying where")));
                }
                return Ok(None);
            }
            Started::Died => return Err(self.wrong("the power failed unasked".to_owned())),
            Started::Ready(found) => found,
        };
        let reported = reports_loss();
        let promised = if reported { Promised::Nothing } else { Promised::Floor };
        let units = match self.judge(&found, promised) {
            Err(failure) if failure.how == How::Correctness => {
                let text = format!("{damage}: {}", failure.text);
                return Err(Failure { text, ..failure });
            }
            judged => judged?,
        };
        if whole.is_some_and(|whole| units != whole) && !reported {
            return Err(self.wrong(format!("{damage}: {units:?} units of {whole:?} are left")));
        }
        Ok(Some(units))
    }

    /// The disk has put sectors in wrong places, or lied about syncs. Ends when the server refuses what there is.
    async fn damage(&mut self) -> Result<bool, Failure> {
        let (image, _) = self.live().await?;
        let mut left = None;
        for _ in 0..=self.plan.repetitions {
            self.repeat(&image).await;
            self.restart();
            left = match self.plan.trouble {
                Trouble::Lies => self.believe().await?,
                _ => self.survey("sectors in wrong places", None).await?,
            };
        }
        let Some(units) = left else { return Ok(false) };
        self.notes.go_on(&units);
        Ok(true)
    }

    /// The server started where syncs had lied. What is there is still a state that there was, or it is refused.
    async fn believe(&mut self) -> Result<Option<Vec<usize>>, Failure> {
        self.summary.crashes += 1;
        match self.ready().await? {
            Started::Ready(found) => self.judge(&found, Promised::Nothing).map(Some),
            Started::Refused(_) => {
                self.summary.refusals += 1;
                Ok(None)
            }
            Started::Died => Err(self.wrong("the power failed unasked".to_owned())),
        }
    }

    /// The server is asked to stop while it saves or rewrites, and must come back with what it promised.
    async fn stop_in_job(&mut self) -> Result<bool, Failure> {
        self.disk.set_faults(self.server.machine().id(), self.plan.troubled());
        let clients = self.populate(true);
        let span_ms = self.rare.between(10, 1_000);
        time::sleep(Duration::from_millis(span_ms)).await;
        let (to, job) = (self.address.clone(), *self.rare.pick(&["BGREWRITEAOF", "BGSAVE"]));
        let runs = self.auditor.spawn(async move { clients::begin_job(&to, job).await });
        if matches!(runs.await, Ok(Ok(true))) {
            FaultKind::StopInRewrite.fired();
        }
        self.server.terminate();
        self.tell(|| format!("asked to stop in {job}"));
        clients.kill(Death::Process);
        self.notes.crashed(self.notes.now_ns(), self.plan.soon_ns());
        self.stop().await?;
        let found = self.recover().await?;
        let units = self.judge(&found, Promised::Floor)?;
        self.notes.go_on(&units);
        Ok(true)
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
                Some(Ok(End::Stopped(_))) => return Ok(()),
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
        let clients = self.populate(false);
        self.heal().await?;
        clients.kill(Death::Process);
        self.notes.crashed(self.notes.now_ns(), self.plan.soon_ns());
        self.stop().await?;
        self.restart();
        match self.ready().await? {
            Started::Ready(found) => {
                let promised = if self.plan.appendonly { Promised::All } else { Promised::Floor };
                self.judge(&found, promised).map(|_| ())
            }
            _ => Err(self.wrong("what a clean end left cannot be loaded".to_owned())),
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

/// Whether the server has said that it cut something off.
fn reports_loss() -> bool {
    log::lines().iter().any(|line| line.to_lowercase().contains("truncat"))
}

/// What the next power failures leave.
fn survivors(draws: &mut Draws) -> Survivors {
    match draws.below(8) {
        0 => Survivors::All,
        1 => Survivors::None,
        2 => Survivors::Subset(draws.draw()),
        _ => Survivors::Drawn,
    }
}
