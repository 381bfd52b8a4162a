//! The keyspace actor: owns the engine, carries out its effects, tells it the time.
//!
//! With one thread, connections call it directly through an `Rc`; with several, it has a thread of its
//! own and serves a mailbox. The difference ends here.

use super::clock::Clock;
use super::migrate::Errand;
use super::{log, users};
use crate::engine::config::Config;
use crate::engine::effect::{Effect, Shutdown};
use crate::engine::server::certificates::Certificates;
use crate::engine::server::{Server, Usage};
use crate::engine::session::ClientId;
use crate::engine::time::Now;
use crate::runtime::sync::{Notify, mpsc};
use crate::runtime::{fs, process, time};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// How long ending connections are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something that wants to hear when its client needs looking after.
pub trait Attend {
    /// There is output, a wait has ended, or the connection is to end.
    fn attend(&self, server: &mut Server, client: ClientId);
}

/// What the wiring does for the engine at once, since a client's reply depends on it.
pub trait Outside {
    /// Parameters of these names have changed from `before` to `config`: has them take effect, or tells
    /// which one cannot and why.
    fn apply(&self, before: &Config, config: &mut Config, names: &[&str]) -> Result<(), (String, String)>;
    /// The certificates that the parameters name.
    fn certificates(&self) -> Certificates;
}

/// Who looks after files.
pub trait Files {
    /// Something about files is to be done.
    fn perform(&self, server: &mut Server, effect: Effect);
    /// More was propagated.
    fn stream_grew(&self);
}

/// What the wiring must do for the engine.
#[derive(Debug)]
pub enum Request {
    /// Stop in order.
    Shutdown(Shutdown),
    /// Go on although a stop has begun.
    AbortShutdown,
    /// End at once, as a crash would.
    Crash(&'static str),
    /// Start again.
    Restart,
}

/// The owner of the engine.
pub struct Keyspace {
    server: RefCell<Server>,
    /// Who looks after each client, by slot.
    attendants: RefCell<Vec<Option<Rc<dyn Attend>>>>,
    clock: Clock,
    /// When the ticker will wake.
    armed: Cell<u64>,
    rearm: Notify,
    requests: mpsc::UnboundedSender<Request>,
    config_file: Option<PathBuf>,
    outside: RefCell<Option<Weak<dyn Outside>>>,
    files: RefCell<Option<Rc<dyn Files>>>,
    migrations: RefCell<Option<mpsc::UnboundedSender<Errand>>>,
    /// A client lost its attendant: it is leaving.
    left: Notify,
}

impl Keyspace {
    /// An owner for `server`. What it cannot do itself it sends to `requests`.
    pub fn new(
        server: Server,
        requests: mpsc::UnboundedSender<Request>,
        config_file: Option<PathBuf>,
    ) -> Rc<Self> {
        Rc::new(Keyspace {
            server: RefCell::new(server),
            attendants: RefCell::new(Vec::new()),
            clock: Clock::of_machine(),
            armed: Cell::new(0),
            rearm: Notify::new(),
            requests,
            config_file,
            outside: RefCell::new(None),
            files: RefCell::new(None),
            migrations: RefCell::new(None),
            left: Notify::new(),
        })
    }

    /// Where the wiring is asked for what it must do.
    pub fn requests(&self) -> mpsc::UnboundedSender<Request> {
        self.requests.clone()
    }

    /// What time it is, and the stopwatch at that moment.
    pub fn moment(&self) -> (Now, u64) {
        self.clock.moment()
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        self.moment().0
    }

    /// Says who has parameters take effect.
    pub fn set_outside(&self, outside: &Rc<impl Outside + 'static>) {
        let outside: Weak<dyn Outside> = Rc::downgrade(outside) as _;
        *self.outside.borrow_mut() = Some(outside);
    }

    /// Says who looks after files.
    pub fn set_files(&self, files: Option<Rc<dyn Files>>) {
        *self.files.borrow_mut() = files;
    }

    /// Says who hands keys over to other servers.
    pub fn set_migrations(&self, migrations: Option<mpsc::UnboundedSender<Errand>>) {
        *self.migrations.borrow_mut() = migrations;
    }

    /// Ends all connections and waits until they are gone.
    pub async fn stop(&self) {
        self.with_news(Server::disconnect_all);
        let all_gone = async {
            while self.with_quiet(|server| server.clients.len()) > 0 {
                self.left.notified().await;
            }
        };
        // Whoever does not go is cut off by the end of the process.
        let _ = time::timeout(PATIENCE, all_gone).await;
    }

    /// Calls the engine, then carries out what it asks for.
    pub fn with<T>(&self, now: Now, call: impl FnOnce(&mut Server) -> T) -> T {
        let mut server = self.server.borrow_mut();
        let result = call(&mut server);
        self.follow_up(&mut server);
        self.rearm_if_earlier(&server, now);
        result
    }

    /// Calls the engine for something that takes no time, then carries out what it asks for.
    pub fn with_news<T>(&self, call: impl FnOnce(&mut Server) -> T) -> T {
        let mut server = self.server.borrow_mut();
        let result = call(&mut server);
        self.follow_up(&mut server);
        result
    }

    /// Calls the engine for something that has no consequences to carry out.
    pub fn with_quiet<T>(&self, call: impl FnOnce(&mut Server) -> T) -> T {
        call(&mut self.server.borrow_mut())
    }

    /// Says who looks after a client.
    pub fn set_attendant(&self, client: ClientId, attendant: Option<Rc<dyn Attend>>) {
        let mut attendants = self.attendants.borrow_mut();
        let slot = client.slot as usize;
        if attendants.len() <= slot {
            attendants.resize(slot + 1, None);
        }
        if attendant.is_none() {
            self.left.notify_one();
        }
        attendants[slot] = attendant;
    }

    fn rearm_if_earlier(&self, server: &Server, now: Now) {
        if server.next_deadline(now) < self.armed.get() {
            self.rearm.notify_one();
        }
    }

    #[inline]
    fn follow_up(&self, server: &mut Server) {
        if server.has_news() {
            self.carry_out(server);
        }
        if server.propagation.has_stream()
            && let Some(files) = &*self.files.borrow()
        {
            files.stream_grew();
        }
    }

    #[cold]
    fn carry_out(&self, server: &mut Server) {
        let mut wakes = Vec::new();
        // What is carried out can have consequences of its own.
        while server.has_news() {
            for effect in server.take_effects() {
                self.perform(server, effect);
            }
            server.take_wakes(&mut wakes);
            for client in wakes.drain(..) {
                let attendant = self.attendants.borrow().get(client.slot as usize).cloned().flatten();
                if let Some(attendant) = attendant {
                    attendant.attend(server, client);
                }
            }
        }
    }

    fn perform(&self, server: &mut Server, effect: Effect) {
        let request = match effect {
            Effect::Log(level, text) => return log::write(level, &text),
            Effect::Clock { step, client } => {
                self.clock.step(step);
                server.clock_moved(client, self.now());
                return self.rearm.notify_one();
            }
            Effect::Stall(us) => return time::stall(Duration::from_micros(us)),
            Effect::RewriteConfig { client, all } => return self.rewrite_config(server, client, all),
            Effect::LoadUsers(client) => {
                let outcome = users::load(server);
                return server.finish_outside(client, outcome);
            }
            Effect::SaveUsers(client) => {
                let outcome = users::save(server);
                return server.finish_outside(client, outcome);
            }
            // For checkers only.
            Effect::Propagate { .. } | Effect::Event { .. } => return,
            Effect::Migrate(client) => {
                // Without anybody to do it the server stops.
                if let (Some(migration), Some(out)) =
                    (server.take_migration(client), &*self.migrations.borrow())
                {
                    let _ = out.send((migration, self.clock.ahead_us()));
                }
                return;
            }
            Effect::Job(_)
            | Effect::StopJob
            | Effect::Backup(_)
            | Effect::AofPolicy
            | Effect::CloseAof { .. }
            | Effect::Reload { .. } => {
                let files = self.files.borrow().clone();
                // Without files there are no jobs either: the server stops.
                if let Some(files) = files {
                    files.perform(server, effect);
                }
                return;
            }
            Effect::Configured { names, before, client } => {
                return self.apply_config(server, &names, *before, client);
            }
            Effect::Shutdown(how) => Request::Shutdown(how),
            Effect::AbortShutdown => Request::AbortShutdown,
            Effect::Crash(how) => Request::Crash(how),
            Effect::Restart => Request::Restart,
        };
        if let Request::Crash(_) | Request::Restart = request {
            // No reply leaves a process that is no more.
            server.disconnect_all();
        }
        // Nobody listens only when the server is stopping anyway.
        let _ = self.requests.send(request);
    }

    fn apply_config(&self, server: &mut Server, names: &[&str], before: Config, client: Option<ClientId>) {
        let outside = self.outside.borrow().as_ref().and_then(Weak::upgrade);
        let outcome = outside.map_or(Ok(()), |outside| {
            let outcome = outside.apply(&before, &mut server.config, names);
            server.certificates = outside.certificates();
            outcome
        });
        server.finish_config(client, before, outcome);
        server.follow_file_config(self.now());
    }

    fn rewrite_config(&self, server: &mut Server, client: ClientId, all: bool) {
        let outcome = match &self.config_file {
            None => Err("The server is running without a config file".to_owned()),
            Some(path) => {
                let old = fs::read_to_string(path).unwrap_or_default();
                let new = server.config.rewrite(old.as_bytes(), &server.acl.config_lines(), all);
                fs::write_atomically(path, &new).map_err(|error| format!("Rewriting config file: {error}"))
            }
        };
        server.finish_outside(client, outcome);
    }

    /// Tells the engine the time, for ever.
    pub async fn keep_time(self: Rc<Self>) {
        let mut sleep = time::Sleep::until(0);
        loop {
            self.clock.follow_wall();
            let now = self.now();
            let deadline = self.with(now, |server| {
                server.usage = usage();
                if self.clock.is_frozen() {
                    // Much of what waits for a round waits for no moment.
                    server.hasten_round();
                }
                server.tick(now);
                server.next_deadline(now)
            });
            self.armed.set(deadline);
            sleep.reset(self.clock.machine_us(deadline));
            let rearm = self.rearm.notified();
            let mut rearm = std::pin::pin!(rearm);
            std::future::poll_fn(|context| {
                if rearm.as_mut().poll(context).is_ready() {
                    return std::task::Poll::Ready(());
                }
                std::pin::Pin::new(&mut sleep).poll(context)
            })
            .await;
        }
    }
}

fn usage() -> Usage {
    let all = process::cpu_time(process::CpuOf::Process);
    let main = process::cpu_time(process::CpuOf::Thread);
    let heap = process::allocator_stats();
    Usage {
        rss: process::resident_memory(),
        cpu_sys: all.system.as_micros() as u64,
        cpu_user: all.user.as_micros() as u64,
        main_sys: main.system.as_micros() as u64,
        main_user: main.user.as_micros() as u64,
        allocator: [heap.allocated, heap.active, heap.resident, 0],
    }
}
