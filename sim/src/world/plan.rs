//! What a seed decides before anything happens. Each run enables a random subset of what can go wrong
//! (swarm testing, Groce and others 2012): faults that are always on hide each other.

use seedis::runtime::simulation::{DiskFaults, Draws, Link, Schedule};

use super::workload::{TOPICS, Topic, known};
use crate::model::Forgets;
use crate::scenario::{Nuisance, ServerFaults};

/// The world of a seed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub clients: usize,
    /// Batches that each client sends while things go wrong.
    pub batches: usize,
    /// The most commands in a batch.
    pub pipeline: u64,
    /// Groups of keys; an operation names keys of one group only.
    pub groups: u64,
    /// The types of values that commands are about.
    pub topics: Vec<&'static Topic>,
    /// Whether keys get expiry times.
    pub expiry: bool,
    /// Whether values may be long enough for many segments.
    pub long_values: bool,
    pub transactions: bool,
    pub scripts: bool,
    /// Whether all is flushed now and then.
    pub flushes: bool,
    pub pubsub: bool,
    /// Whether messages are long enough for a subscriber's output to hit its limit, below which a buffer of 16 KiB does
    /// not count.
    pub long_messages: bool,
    /// Whether there are clients that cache what they read.
    pub caching: bool,
    /// Whether there is a client with few rights.
    pub guests: bool,
    /// What indecent clients do.
    pub nuisances: Vec<Nuisance>,
    /// What is forgotten when the memory is full.
    pub forgets: Forgets,
    /// The server's configuration file.
    pub config: String,
    /// The network between all.
    pub link: Link,
    pub faults: Faults,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// How long, in milliseconds.
    pub span_ms: u64,
    /// Nothing does: what fails has nothing to do with faults.
    pub is_calm: bool,
    pub partitions: bool,
    pub resets: bool,
    /// Nothing gets to the server or from it.
    pub isolation: bool,
    /// Links of clients clog one after the other.
    pub swizzles: bool,
    /// A task of the server panics.
    pub panics: bool,
    /// The server loses its process or its power, and starts again.
    pub restarts: bool,
    /// A client's machine dies.
    pub client_deaths: bool,
    /// The server's clock jumps.
    pub jumps: bool,
    /// What is wrong with the server itself.
    pub server: ServerFaults,
    /// The server's process stands still for a while.
    pub pauses: bool,
    /// Of a million batches, how many a client leaves in the middle.
    pub abandon: u32,
    /// The server's disk.
    pub disk: DiskFaults,
}

/// What a plan is to be about. All options are drawn from the seed all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A little of everything.
    #[default]
    Ci,
    /// The same for longer.
    Night,
    /// Bytes and connections: pipelines, tiny segments and windows, resets.
    Protocol,
    /// Those who wait for keys.
    Blocking,
    Expiry,
    /// Files, in worlds of crashes.
    Persistence,
    Scripts,
    Streams,
    /// Client-side caching.
    Tracking,
    Eviction,
}

impl Profile {
    pub const ALL: [(&'static str, Profile); 10] = [
        ("ci", Profile::Ci),
        ("night", Profile::Night),
        ("protocol", Profile::Protocol),
        ("blocking", Profile::Blocking),
        ("expiry", Profile::Expiry),
        ("persistence", Profile::Persistence),
        ("scripts", Profile::Scripts),
        ("streams", Profile::Streams),
        ("tracking", Profile::Tracking),
        ("eviction", Profile::Eviction),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, profile)| *profile == self).map_or("", |(name, _)| name)
    }
}

impl Plan {
    pub fn of(seed: u64, profile: Profile) -> Self {
        let mut draws = Draws::named(seed, "plan");
        let threads = if draws.chance(400_000) { draws.between(2, 4) } else { 1 };
        let link = link(&mut draws);
        let faults = Faults { disk: disk(&mut Draws::named(seed, "disk of the plan")), ..faults(&mut draws) };
        // A long value takes for ever through a tiny window.
        let long_values = draws.chance(300_000) && link.window >= 1000;
        let mut plan = Plan {
            clients: draws.between(2, 6) as usize,
            batches: draws.between(10, 100) as usize,
            pipeline: *draws.pick(&[1, 2, 4, 8, 16]),
            groups: draws.between(1, 6),
            topics: topics(&mut draws),
            expiry: draws.chance(600_000),
            long_values,
            transactions: draws.chance(600_000),
            scripts: false,
            flushes: false,
            pubsub: draws.chance(500_000) && known("SUBSCRIBE"),
            long_messages: false,
            caching: false,
            guests: false,
            nuisances: Vec::new(),
            forgets: Forgets::Nothing,
            config: config(threads, &mut draws),
            link,
            faults,
        };
        plan.add_features(&mut Draws::named(seed, "features of the plan"));
        plan.add_rarities(&mut Draws::named(seed, "rarities of the plan"));
        plan.add_ways(&mut Draws::named(seed, "ways of the plan"));
        plan.lean(profile, &mut Draws::named(seed, "profile of the plan"));
        plan.settle(&mut Draws::named(seed, "consequences of the plan"));
        plan
    }

    fn add_features(&mut self, draws: &mut Draws) {
        self.scripts = draws.chance(300_000);
        self.flushes = draws.chance(300_000);
        self.caching = draws.chance(250_000);
        self.guests = draws.chance(150_000);
        if draws.chance(120_000) {
            self.forgets = *draws.pick(&[Forgets::Volatile, Forgets::Anything, Forgets::Anything]);
        }
    }

    /// Adds faults that a few worlds have.
    fn add_rarities(&mut self, draws: &mut Draws) {
        let rare =
            |draws: &mut Draws, value: u64| if draws.chance(100_000) { draws.between(1, value) } else { 0 };
        self.link.merges = if draws.chance(200_000) { draws.between(50_000, 500_000) as u32 } else { 0 };
        if self.faults.is_calm {
            return;
        }
        self.link.tail = rare(draws, 30_000) as u32;
        self.link.bursts = rare(draws, 3_000) as u32;
        self.faults.isolation = draws.chance(100_000);
        self.faults.swizzles = draws.chance(100_000);
        self.faults.panics = draws.chance(100_000);
        let server = &mut self.faults.server;
        server.skew_s = rare(draws, 30_000_000) as i64 * if draws.chance(500_000) { 1 } else { -1 };
        server.timer_grain_us = if draws.chance(100_000) { *draws.pick(&[1_000, 4_000, 15_600]) } else { 0 };
        server.descriptors = if draws.chance(100_000) { draws.between(2, 5) as usize } else { 0 };
        if draws.chance(250_000) {
            // Much takes its time, and for ever in tiny segments.
            let is_wide = self.link.segment >= 1000 && self.link.window >= 16_000;
            let is_much = |what: Nuisance| matches!(what, Nuisance::LongPipeline | Nuisance::NeverReads);
            let may = |what: &&Nuisance| is_wide || !is_much(**what);
            let choices: Vec<Nuisance> = Nuisance::ALL.iter().filter(may).copied().collect();
            self.nuisances = (0..draws.between(1, 2)).map(|_| *draws.pick(&choices)).collect();
            self.nuisances.dedup();
        }
    }

    /// Draws how the server goes its ways, which is no fault.
    fn add_ways(&mut self, draws: &mut Draws) {
        self.faults.server.schedule = schedule(draws);
        self.faults.server.buggify = draws.chance(500_000);
    }

    /// Has the plan be about what a profile is about.
    fn lean(&mut self, profile: Profile, draws: &mut Draws) {
        match profile {
            Profile::Ci | Profile::Persistence => {}
            Profile::Night => {
                self.batches *= 3;
                self.faults.span_ms *= 2;
            }
            Profile::Protocol => {
                self.pipeline = *draws.pick(&[4, 16, 64]);
                self.link.segment = *draws.pick(&[1, 3, 7, 100]);
                self.link.window = *draws.pick(&[16, 50, 200, 1000]);
                self.link.short_writes = draws.between(10_000, 500_000) as u32;
                self.faults.resets |= draws.chance(500_000);
            }
            Profile::Blocking => {
                self.topics = vec![Topic::of(*draws.pick(&['l', 'z', 'x']))];
                self.groups = 1;
            }
            Profile::Expiry => {
                self.expiry = true;
                self.faults.jumps |= draws.chance(500_000);
            }
            Profile::Scripts => self.scripts = true,
            Profile::Streams => self.topics = vec![Topic::of('x')],
            Profile::Tracking => self.caching = true,
            Profile::Eviction => self.forgets = *draws.pick(&[Forgets::Volatile, Forgets::Anything]),
        }
    }

    /// Draws what follows from the rest, and leaves out what cannot be judged together.
    fn settle(&mut self, draws: &mut Draws) {
        if self.caching {
            self.limit_tracking(draws);
        }
        // What is flushed in doubt is too much doubt.
        self.flushes &= !self.expiry;
        // What comes for who was killed must stay, and would be flushed.
        self.nuisances.retain(|what| !self.flushes || *what != Nuisance::KilledWaiter);
        if self.pubsub && draws.chance(200_000) {
            self.config += "client-output-buffer-limit pubsub 400 200 1\n";
            // They take for ever in tiny segments.
            self.long_messages = self.link.segment >= 100 && self.link.window >= 200;
        }
        if self.forgets == Forgets::Nothing {
            return;
        }
        // Any command may be refused, also where the model has no place for that.
        (self.transactions, self.guests, self.long_values) = (false, false, false);
        self.nuisances.clear();
        self.scripts &= self.forgets == Forgets::Anything;
        self.pubsub &= self.forgets == Forgets::Anything;
        let among = if self.forgets == Forgets::Anything { "allkeys" } else { "volatile" };
        let by = draws.pick(&["lru", "lfu", "random", "lrm", "ttl"]);
        let by = if among == "allkeys" && *by == "ttl" { "lru" } else { by };
        let room = 1024 * 1024 + draws.between(60, 500);
        self.config += &format!("maxmemory {room}\nmaxmemory-policy {among}-{by}\n");
        self.config += &format!("maxmemory-samples {}\n", draws.between(1, 10));
        self.config += &format!("maxmemory-eviction-tenacity {}\n", draws.pick(&[0, 10, 100]));
        if self.forgets == Forgets::Anything && !self.caching && draws.chance(500_000) {
            // Who caches must hear of what is evicted, and two that are rare by themselves seldom meet. Those who do not
            // cache leave more room, in which other things happen.
            self.caching = true;
            self.limit_tracking(draws);
        }
    }

    /// Sees that there is something to cache, and draws how much of that the server remembers.
    fn limit_tracking(&mut self, draws: &mut Draws) {
        if !self.topics.iter().any(|topic| topic.has_key('k')) {
            self.topics.push(Topic::of('k'));
        }
        self.config += &format!("tracking-table-max-keys {}\n", draws.pick(&[1_000_000, 3]));
    }
}

/// How ready tasks are chosen among: mostly as fair as can be.
pub fn schedule(draws: &mut Draws) -> Schedule {
    match draws.below(100) {
        0..15 => Schedule::Priorities,
        15..25 => Schedule::Starving,
        _ => Schedule::Uniform,
    }
}

/// One type of values, or two: few, so that operations meet.
fn topics(draws: &mut Draws) -> Vec<&'static Topic> {
    let known: Vec<&Topic> = TOPICS.iter().filter(|topic| topic.is_known()).collect();
    let count = draws.between(1, 2);
    (0..count).map(|_| *draws.pick(&known)).collect()
}

fn link(draws: &mut Draws) -> Link {
    let mut link = Link::default();
    let fastest = *draws.pick(&[0, 20, 50, 500, 5_000]);
    link.latency_us = (fastest, fastest + *draws.pick(&[0, 10, 100, 20_000]));
    link.segment = *draws.pick(&[1, 7, 100, 1460, 1460, 65_536]);
    link.window = *draws.pick(&[16, 200, 1000, 65_536, 65_536, 1 << 20]);
    if draws.chance(300_000) {
        link.loss = draws.between(1_000, 100_000) as u32;
    }
    if draws.chance(200_000) {
        // A byte a packet would take seconds for a long value otherwise.
        let overhead = 1 + 40 / link.segment as u64;
        link.bandwidth = Some(draws.between(100_000, 10_000_000) * overhead);
    }
    if draws.chance(200_000) {
        link.resets = draws.between(100, 5_000) as u32;
    }
    if draws.chance(500_000) {
        link.short_writes = draws.between(10_000, 500_000) as u32;
    }
    link
}

fn faults(draws: &mut Draws) -> Faults {
    // One world in six is calm: what fails there has nothing to do with faults.
    if draws.chance(166_667) {
        return Faults { span_ms: 500, is_calm: true, ..Faults::default() };
    }
    let mut enabled = || draws.chance(300_000);
    let (partitions, resets) = (enabled(), enabled());
    let accept_failures = if enabled() { 200_000 } else { 0 };
    let mut faults = Faults {
        partitions,
        resets,
        restarts: enabled(),
        client_deaths: enabled(),
        jumps: enabled(),
        ..Faults::default()
    };
    let drifts = enabled();
    faults.pauses = enabled();
    faults.abandon = if enabled() { 100_000 } else { 0 };
    faults.span_ms = draws.between(500, 10_000);
    let drift_ppm = if drifts { draws.between(0, 400_000) as i32 - 200_000 } else { 0 };
    faults.server = ServerFaults { accept_failures, drift_ppm, ..ServerFaults::default() };
    faults
}

/// Errors that a server must live with. What a disk does behind its back (lies, rot, misdirection) it can
/// at best detect, so no world has that by chance.
fn disk(draws: &mut Draws) -> DiskFaults {
    let mut disk = DiskFaults::default();
    let slowest = *draws.pick(&[1, 10, 100]);
    disk.latency_us.1 *= slowest;
    disk.sync_latency_us.1 *= slowest;
    let kinds = [
        &mut disk.open_errors,
        &mut disk.write_errors,
        &mut disk.name_errors,
        &mut disk.sync_errors,
        &mut disk.short_reads,
        &mut disk.short_writes,
        &mut disk.stalls,
    ];
    for kind in kinds {
        if draws.chance(150_000) {
            *kind = draws.between(1_000, 200_000) as u32;
        }
    }
    disk
}

fn config(threads: u64, draws: &mut Draws) -> String {
    let yes_no = ["yes", "no"];
    let mut text = format!("io-threads {threads}\n");
    text += &format!("hz {}\n", draws.pick(&[1, 10, 100, 500]));
    text += &format!("active-expire-effort {}\n", draws.between(1, 10));
    for name in ["lazyfree-lazy-expire", "lazyfree-lazy-server-del", "lazyfree-lazy-user-del"] {
        text += &format!("{name} {}\n", draws.pick(&yes_no));
    }
    text
}
