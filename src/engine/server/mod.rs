//! The server as one value.
//!
//! Its methods come in four kinds, called in this order by whoever owns it:
//!
//! - `connect`, `handle_input`, `handle_written`, `disconnect`, `tick`, ... tell it what the outside did;
//! - `next_deadline` says when it wants the next `tick` at the latest;
//! - `take_effects`, `take_wakes`, `output` hand out what the outside must do, in order;
//! - the rest are read-outs for INFO, checkers and tests.

pub mod batch;
pub mod blocking;
pub mod busy;
pub mod call_log;
pub mod certificates;
pub mod chatter;
pub mod clients;
pub mod cron;
pub mod debugging;
pub mod declared;
pub mod delivery;
pub mod describe;
pub mod durability;
pub mod functions;
pub mod hotkeys;
pub mod latency;
pub mod memory;
pub mod migration;
pub mod observe;
pub mod pause;
pub mod persistence;
pub mod propagation;
pub mod rates;
pub mod scripting;
pub mod snapshot;
pub mod stats;
pub mod threads;
pub mod tracking;
pub mod users;
pub mod watch;

use super::acl::Acl;
use super::command::call::Event;
use super::command::table::Table;
use super::config::{Config, KeyspaceEvents, SetError};
use super::effect::{Effect, Level};
use super::hash::Seed;
use super::hotkeys::Hotkeys;
use super::keyspace::eviction::{Evictor, Policy};
use super::keyspace::{Database, Hasher, Layout};
use super::protocol::Reply;
use super::pubsub::Pubsub;
use super::rng::Rng;
use super::session::clients::Clients;
use super::session::{ClientId, Closing, Peer, REPLY_MAX, Session};
use super::time::Now;
use super::tracking::Tracking;
use crate::engine::mutant;
use batch::Scratch;
use blocking::Blocking;
use call_log::CallLogs;
use certificates::Certificates;
use cron::Cron;
use debugging::Debugging;
use declared::Declared;
use durability::Durability;
use latency::LatencyMonitor;
use memory::Discarded;
use migration::Migration;
use observe::Notable;
use pause::Pause;
use persistence::Persistence;
use propagation::Propagation;
use rates::Rates;
use scripting::Scripting;
use snapshot::Snapshot;
use stats::{CommandStats, ErrorStats, Stats};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use watch::Watch;

/// What the engine cannot know by itself, told once at the start.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where all chance comes from.
    pub seed: u64,
    /// Nanoseconds of a clock that never goes back. Only statistics read it (SLOWLOG, LATENCY), never
    /// a decision.
    pub stopwatch: fn() -> u64,
    /// Bytes allocated now.
    pub memory: fn() -> u64,
    /// Process number.
    pub pid: u32,
    /// Path of the program.
    pub executable: String,
    /// Path of the config file, or empty.
    pub config_file: String,
    /// Operating system, release and machine, as `uname -srm` prints it.
    pub os: String,
    /// Physical memory in bytes.
    pub total_memory: u64,
    /// How often events are waited for: `epoll` and the like.
    pub multiplexing: &'static str,
    /// The allocator's name and version.
    pub allocator: String,
    /// When the server started.
    pub started: Now,
}

impl Environment {
    /// An environment without a process: tests and fuzzing.
    pub fn bare(seed: u64) -> Self {
        Environment {
            seed,
            stopwatch: || 0,
            memory: || 0,
            pid: 1,
            executable: String::new(),
            config_file: String::new(),
            os: String::new(),
            total_memory: 0,
            multiplexing: "none",
            allocator: "none".into(),
            started: Now::default(),
        }
    }
}

/// What the process uses, told with each tick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Resident bytes.
    pub rss: u64,
    /// Microseconds in the kernel.
    pub cpu_sys: u64,
    /// Microseconds in user space.
    pub cpu_user: u64,
    /// The same of the keyspace's thread.
    pub main_sys: u64,
    /// The same of the keyspace's thread.
    pub main_user: u64,
    /// Bytes the allocator handed out, in pages that hold them, and mapped.
    pub allocator: [u64; 4],
}

/// Why a connection is refused. The text is sent before closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `maxclients` reached.
    Full,
    /// Protected mode, and the client is on another machine.
    Protected,
}

impl Refusal {
    /// The error line to send.
    pub fn text(self) -> &'static str {
        match self {
            Refusal::Full => "-ERR max number of clients reached\r\n",
            Refusal::Protected => {
                "-DENIED Redis is running in protected mode because protected mode is enabled and no \
                 password is set for the default user. In this mode connections are only accepted from \
                 the loopback interface. If you want to connect from external computers to Redis you may \
                 adopt one of the following solutions: 1) Just disable protected mode sending the command \
                 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from \
                 the same host the server is running, however MAKE SURE Redis is not publicly accessible \
                 from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) \
                 Alternatively you can just disable the protected mode by editing the Redis configuration \
                 file, and setting the protected mode option to 'no', and then restarting the server. 3) \
                 If you started the server manually just for testing, restart it with the \
                 '--protected-mode no' option. 4) Set up an authentication password for the default user. \
                 NOTE: You only need to do one of the above things in order for the server to start \
                 accepting connections from the outside.\r\n"
            }
        }
    }
}

/// The whole server.
pub struct Server {
    /// Parameters.
    pub config: Config,
    /// Commands under the names of this server.
    pub commands: Table,
    /// Users, and what they were refused.
    pub acl: Acl,
    /// Databases by number.
    pub databases: Vec<Database>,
    /// Clients, without the one whose command is running.
    pub clients: Clients,
    /// Subscriptions.
    pub pubsub: Pubsub,
    /// Guarded keys.
    pub watch: Watch,
    /// Who caches which keys.
    pub tracking: Tracking,
    /// Who waits for keys.
    pub blocking: Blocking,
    /// Scripts.
    pub scripting: Scripting,
    /// Scripts that clients debug apart.
    debugging: Debugging,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// Keys to be handed over to other servers, until somebody fetches them.
    migrations: Vec<Migration>,
    /// Clients that see every command.
    pub monitors: BTreeSet<ClientId>,
    /// Moments at which a waiting client gives up.
    pub deadlines: BTreeSet<(u64, ClientId)>,
    /// What the running command propagates.
    pub propagation: Propagation,
    /// How much of that is on disk.
    pub durability: Durability,
    /// Snapshots, the append-only file, loading.
    pub persistence: Persistence,
    /// Counters.
    pub stats: Stats,
    /// Counters by command.
    pub command_stats: Vec<CommandStats>,
    /// Error replies by code.
    pub error_stats: ErrorStats,
    /// Calls that took long or were large.
    pub call_logs: CallLogs,
    /// Events that took long.
    pub latency: LatencyMonitor,
    /// What happens per second.
    pub rates: Rates,
    /// Which calls deserve a closer look.
    notable: Notable,
    /// What HOTKEYS has found out, or finds out.
    pub hotkeys: Option<Box<Hotkeys>>,
    /// Changes since the last save.
    pub dirty: u64,
    /// Facts about the process.
    pub environment: Environment,
    /// What the process uses.
    pub usage: Usage,
    /// The certificates of TLS.
    pub certificates: Certificates,
    /// Forty hex digits that name this run.
    pub run_id: String,
    /// Forty hex digits that name the history of this data.
    pub replication_id: String,
    /// Bytes allocated before there were data and clients.
    pub startup_memory: u64,
    /// Which key gives way when memory is full.
    pub policy: Policy,
    /// Chooses them.
    pub evictor: Evictor,
    /// What the members of collections are hashed with.
    pub hasher: Arc<Hasher>,
    /// All chance.
    pub rng: Rng,
    /// All hashing.
    pub seed: Seed,
    /// Record [`Effect::Event`].
    pub record_events: bool,
    /// DEBUG SET-ALLOW-ACCESS-EXPIRED: expired keys are still there for commands.
    pub allows_expired: bool,
    /// DEBUG SET-ACTIVE-EXPIRE 0: expired keys go when they are looked up only.
    pub active_expire_off: bool,
    /// How reply buffers follow what clients need.
    pub reply_buffers: clients::ReplyBuffers,
    /// `maxmemory-clients` is set, so that clients are counted.
    pub counts_clients: bool,
    /// `maxmemory-clients` or what it depends on changed; clients are still to be counted.
    pub clients_limit_changed: bool,
    /// What all clients cost together while they are counted.
    pub client_memory: usize,
    /// The last moment it was told, in microseconds of the monotonic clock.
    pub mono_us: u64,
    /// DEBUG PAUSE-CRON: nothing happens by the clock.
    pub cron_paused: bool,
    /// What was removed and is still to be freed.
    pub garbage: VecDeque<Discarded>,
    /// All databases at one moment, for whoever saves them.
    snapshot: Option<Snapshot>,
    /// Clients that wait until nothing is left to be freed.
    pub flushing: Vec<ClientId>,
    /// There was more to evict than one command may.
    pub(crate) evicting: bool,
    /// The stopwatch at the end of the last command. Whoever hands over input sets it before.
    pub lap: u64,
    pub(crate) effects: Vec<Effect>,
    wakes: Vec<ClientId>,
    cron: Cron,
    scratch: Scratch,
    pushes: Vec<delivery::Push>,
}

impl Server {
    /// A server without data or clients. Fails with the reason if `config` contradicts itself.
    pub fn new(config: Config, environment: Environment) -> Result<Self, String> {
        Server::sharing(&Declared::new(), config, environment)
    }

    /// Whether the commands and users that a configuration declares can be. Fails with the reason.
    pub fn check_declarations(config: &Config) -> Result<(), String> {
        let declared = Declared::new();
        declared.commands(config)?;
        users::configured(declared.catalog(), config).map(drop)
    }

    /// The same for whoever makes one server after the other.
    pub fn sharing(declared: &Declared, config: Config, environment: Environment) -> Result<Self, String> {
        let mut rng = Rng::new(environment.seed);
        let seed = Seed::new(rng.next_u64());
        let commands = declared.commands(&config)?;
        let database = |_| Database::new(rng.next_u64(), Layout::Single);
        let databases = (0..config.databases.max(1)).map(database).collect();
        let (run_id, replication_id) = (rng.hex_id(), rng.hex_id());
        let mut server = Server {
            acl: users::configured(declared.catalog(), &config)?,
            notable: Notable::of(&config),
            hotkeys: None,
            command_stats: vec![CommandStats::default(); commands.len()],
            config,
            commands,
            databases,
            clients: Clients::default(),
            pubsub: Pubsub::new(seed),
            watch: Watch::new(seed),
            tracking: Tracking::new(seed),
            blocking: Blocking::default(),
            scripting: Scripting::default(),
            debugging: Debugging::default(),
            pause: Pause::default(),
            migrations: Vec::new(),
            monitors: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            propagation: Propagation::default(),
            durability: Durability::default(),
            persistence: Persistence::new(environment.started),
            stats: Stats::default(),
            error_stats: ErrorStats::new(seed),
            call_logs: CallLogs::default(),
            latency: LatencyMonitor::default(),
            rates: Rates::default(),
            dirty: 0,
            environment,
            usage: Usage::default(),
            certificates: Certificates::default(),
            run_id,
            replication_id,
            startup_memory: 0,
            policy: Policy::default(),
            evictor: Evictor::new(),
            hasher: Arc::new(Hasher::new(seed)),
            rng,
            seed,
            record_events: false,
            allows_expired: false,
            active_expire_off: false,
            reply_buffers: clients::ReplyBuffers::default(),
            counts_clients: false,
            clients_limit_changed: false,
            client_memory: 0,
            mono_us: 0,
            cron_paused: false,
            garbage: VecDeque::new(),
            snapshot: None,
            flushing: Vec::new(),
            evicting: false,
            lap: 0,
            effects: Vec::new(),
            wakes: Vec::new(),
            cron: Cron::default(),
            scratch: Scratch::default(),
            pushes: Vec::new(),
        };
        server.apply_config();
        server.startup_memory = server.used_memory();
        Ok(server)
    }

    /// A client connected. If it is refused, send the refusal's text and close.
    pub fn connect(&mut self, peer: Peer, now: Now) -> Result<ClientId, Refusal> {
        self.stats.connections_received += 1;
        self.tell_of_connection(&peer);
        if self.clients.len() as u64 >= self.config.maxclients {
            self.stats.rejected_connections += 1;
            return Err(Refusal::Full);
        }
        let anybody = self.acl.default_user().has_nopass();
        if self.config.protected_mode && anybody && !peer.unix && !peer.loopback {
            self.stats.rejected_connections += 1;
            return Err(Refusal::Protected);
        }
        let mut session = Session {
            peer,
            created: now.mono_us,
            active: now.mono_us,
            reply_size: REPLY_MAX as u32,
            reply_peak_since: now.mono_us,
            ..Session::default()
        };
        self.log_out(&mut session);
        Ok(self.clients.add(Box::new(session)))
    }

    /// A client is gone: everything it held is released.
    pub fn disconnect(&mut self, client: ClientId) {
        let known = self.clients.find(client.id) == Some(client);
        if let Some(mut session) = self.clients.remove(client) {
            self.client_memory -= session.counted;
            self.release(&mut session);
        } else if known {
            self.forget(client);
        }
    }

    /// Releases what a client held whose state a panic took along: it is looked for everywhere.
    #[cold]
    fn forget(&mut self, client: ClientId) {
        self.pubsub.forget(client);
        self.watch.forget(client);
        self.tracking.stop(client.id);
        self.tracking.author = 0;
        self.monitors.remove(&client);
        self.deadlines.retain(|(_, waiting)| *waiting != client);
        self.flushing.retain(|waiting| *waiting != client);
        self.blocking.forget(client);
        self.debugging.forget(client);
        // What its command had done by then is done, and nothing of it is under way any more.
        self.propagation.abandon(&mut self.effects);
        self.pushes.clear();
        self.recover_interpreters();
        self.client_memory = self.clients.iter().map(|session| session.counted).sum();
    }

    /// Ends every connection: the server stops.
    pub fn disconnect_all(&mut self) {
        let clients: Vec<ClientId> = self.clients.ids().collect();
        for client in clients {
            let Some(mut session) = self.clients.take(client) else { continue };
            session.closing = Closing::Now;
            self.wake(&mut session);
            self.clients.put_back(session);
        }
    }

    /// Gives up all that a client holds in tables of the server: subscriptions, guards, waits.
    pub fn release(&mut self, session: &mut Session) {
        let client = session.client();
        self.unsubscribe_all(session);
        self.unwatch(session);
        self.unblock(session);
        self.stop_tracking(session);
        self.desert_debugger(session);
        self.monitors.remove(&client);
        session.monitor = false;
    }

    /// Removes all guards of a client.
    pub fn unwatch(&mut self, session: &mut Session) {
        let client = session.client();
        for watched in session.watched.drain(..) {
            self.watch.remove(watched.db, &watched.key, client);
        }
        self.watch.clear_mark(client);
    }

    /// A key changed: the consequences of every change, in one place.
    #[inline]
    pub fn changed(&mut self, db: usize, key: &[u8], event: Event) {
        self.dirty += 1;
        self.tell_watchers(db, key, self.tracking.author);
        if event.can_end_waits() {
            self.signal_ready(db, key);
        }
        self.notify(db, key, event);
    }

    /// Tells those who guard a key, cache it or wait for it that it changed.
    pub fn touch(&mut self, db: usize, key: &[u8]) {
        self.tell_watchers(db, key, self.tracking.author);
        if mutant::is_on("unsignalled-move") {
            return;
        }
        self.signal_ready(db, key);
    }

    /// The same of a key that expired or was evicted, wholly or in part: it was nobody who did it.
    pub fn touch_lapsed(&mut self, db: usize, key: &[u8]) {
        if mutant::is_on("unwatched-end") {
            return self.signal_ready(db, key);
        }
        self.tell_watchers(db, key, 0);
        self.signal_ready(db, key);
    }

    #[inline]
    fn tell_watchers(&mut self, db: usize, key: &[u8], author: u64) {
        if !self.tracking.is_empty() {
            self.invalidate(key, author);
        }
        if !self.watch.is_empty() {
            let database = &self.databases[db];
            self.watch.touch(db, key, || database.contains(key));
        }
    }

    /// Publishes a keyspace notification if the configuration asks for it.
    #[inline]
    pub fn notify(&mut self, db: usize, key: &[u8], event: Event) {
        if self.record_events {
            self.effects.push(Effect::Event { db, name: event.name, key: key.to_vec() });
        }
        if self.config.notify_keyspace_events.intersects(event.class) {
            self.publish_event(db, key, event);
        }
    }

    #[cold]
    fn publish_event(&mut self, db: usize, key: &[u8], event: Event) {
        if !self.pubsub.has_listeners() {
            return;
        }
        let flags = self.config.notify_keyspace_events;
        if flags.contains(KeyspaceEvents::KEYSPACE) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(&channel, event.name.as_bytes());
        }
        if flags.contains(KeyspaceEvents::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{}", event.name);
            self.publish(channel.as_bytes(), key);
        }
    }

    /// Whether a class of events is published at all.
    pub fn notifies(&self, class: KeyspaceEvents) -> bool {
        self.config.notify_keyspace_events.intersects(class)
    }

    /// Writes a log line.
    pub fn log(&mut self, level: Level, text: String) {
        self.effects.push(Effect::Log(level, text));
    }

    /// Something that was asked of the outside for a client is done: it gets its reply.
    pub fn finish_outside(&mut self, client: ClientId, outcome: Result<(), String>) {
        let Some(mut session) = self.clients.take(client) else { return };
        match outcome {
            Ok(()) => {
                self.answer(&mut session, Reply::ok);
            }
            Err(why) => {
                let now = Now { mono_us: self.mono_us, ..Now::default() };
                self.fail_wait(&mut session, format!("ERR {why}").as_bytes(), now);
            }
        }
        self.clients.put_back(session);
    }

    /// The outside has applied what CONFIG SET changed, or could not: then all is as `before`. Whoever
    /// waits for it gets the reply; a transaction has its reply already.
    pub fn finish_config(
        &mut self,
        client: Option<ClientId>,
        before: Config,
        outcome: Result<(), (String, String)>,
    ) {
        let outcome = outcome.map_err(|(name, reason)| {
            self.config = before;
            self.apply_config();
            let error = SetError::Failed { name: name.into_bytes(), reason: reason.into() };
            error.to_string().trim_start_matches("ERR ").to_owned()
        });
        match (client, outcome) {
            (Some(client), outcome) => self.finish_outside(client, outcome),
            (None, Err(why)) => self.log(Level::Warning, why),
            (None, Ok(())) => {}
        }
    }

    /// Takes over parameters that the server keeps in another form.
    pub fn apply_config(&mut self) {
        self.policy = Policy::from_name(self.config.maxmemory_policy.word()).unwrap_or_default();
        self.clients_limit_changed = self.counts_clients || self.clients_limit() > 0;
        let is_measuring = self.hotkeys.as_ref().is_some_and(|hotkeys| hotkeys.is_active());
        self.notable = if is_measuring { Notable::ALL } else { Notable::of(&self.config) };
        self.follow_acl_config();
    }

    /// Asks the outside for something.
    pub fn ask(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// What the outside must do, in order; empty most of the time.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether `take_effects` or `take_wakes` would give anything.
    pub fn has_news(&self) -> bool {
        !self.effects.is_empty() || !self.wakes.is_empty()
    }

    /// Moves the clients that have something to do (output, a wait that ended, an end) into `to`.
    pub fn take_wakes(&mut self, to: &mut Vec<ClientId>) {
        to.append(&mut self.wakes);
    }

    /// Has the owner of the connection look after this client, which may have got output.
    pub fn wake(&mut self, session: &mut Session) {
        self.hold(session);
        self.note_delivery(session.client());
        session.was_told = true;
        if !session.woken {
            session.woken = true;
            self.wakes.push(session.client());
        }
    }
}
