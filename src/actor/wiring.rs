//! Builds the actors, supervises them and stops them in order: the only file that knows them all.

use super::connection::{self, socket::Socket};
use super::keyspace::{Keyspace, Outside, Request};
use super::listener::{self, Listeners, Transport};
use super::log::{self, Settings, reason};
use super::migrate;
use super::oom_score::OomScore;
use super::persistence::{self, Persistence};
use super::post::Post;
use super::processors::Processors;
use super::tls::gate::{self, Gate};
use super::users;
use super::vital::Vital;
use crate::engine::config::{Config, Param, Supervised};
use crate::engine::effect::{Level, Shutdown};
use crate::engine::server::certificates::Certificates;
use crate::engine::server::{Environment, Server};
use crate::runtime::signal::{Signal, Signals};
use crate::runtime::sync::mpsc;
use crate::runtime::{process, rng, task, time};
use std::ffi::OsStr;
use std::future::poll_fn;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// Descriptors that the server needs beside those of its clients.
const RESERVED_FILES: u64 = 32;
/// Microseconds between looks at a clock that is stopped.
const TICK_US: u64 = 10_000;

/// What a server starts from.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Parameters.
    pub config: Config,
    /// Where they came from, for CONFIG REWRITE.
    pub config_file: Option<PathBuf>,
    /// The look of the log, which CONFIG SET changes.
    pub log: Settings,
}

/// Why a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// In order.
    Stopped(Shutdown),
    /// At once, by somebody who did not want to wait.
    Forced,
    /// Asked to start again.
    Restart(Shutdown),
    /// Asked to end as a crash would.
    Crashed(&'static str),
}

/// Runs a server until it is told to stop. Fails with the reason if it cannot start.
pub async fn run(start: Start) -> Result<End, String> {
    let Start { mut config, config_file, log: settings } = start;
    let signals = Signals::watch().map_err(|error| reason(&error))?;
    Processors::of(Param::server_cpulist, &config).stay();
    limit_clients(&mut config)?;
    let systemd = matches!(config.supervised, Supervised::Systemd | Supervised::Auto);
    let (requests, inbox) = mpsc::unbounded_channel();
    let server = engine(&config, environment(&config_file))?;
    let keyspace = Keyspace::new(server, requests, config_file);
    let persistence = Persistence::new(&keyspace);
    migrate::start(&keyspace);
    let post = start_threads(&keyspace, &config)?;
    let (gate, listeners) = open(&config, &keyspace, post.clone())?;
    let oom_score = OomScore::default();
    if let Err(error) = oom_score.apply(&config) {
        log::write(Level::Warning, &format!("Unable to set oom_score_adj: {}", reason(&error)));
    }
    let premises = Rc::new(Premises { listeners, gate, settings, oom_score });
    keyspace.set_outside(&premises);
    warn_of_what_is_missing(&config);
    look_at_modules(&config)?;
    warn_of_test_clock(&config);
    log::write(Level::Notice, "Server initialized");
    Vital::Clock.start(&keyspace, keyspace.clone().keep_time());
    Vital::Stream.start(&keyspace, persistence.clone().send_turns());
    let mut wishes = Wishes { keyspace: keyspace.clone(), inbox, signals, by_signal: false };
    let loaded = {
        let mut terminate = pin!(wishes.wait_for_end());
        let mut start = pin!(persistence.start());
        poll_fn(|context| {
            // Whoever does not want to wait for the data does not lose any by leaving.
            if let Poll::Ready(end) = terminate.as_mut().poll(context) {
                return Poll::Ready(Err(Ok(end)));
            }
            start.as_mut().poll(context).map(|loaded| loaded.map_err(Err))
        })
        .await
    };
    if let Err(end) = loaded {
        premises.listeners.close();
        persistence.close();
        keyspace.set_migrations(None);
        keyspace.stop().await;
        return end;
    }
    for kind in premises.listeners.kinds() {
        log::write(Level::Notice, &format!("Ready to accept connections {kind}"));
    }
    if systemd {
        tell_supervisor("STATUS=Ready to accept connections\nREADY=1\n");
    }
    let end = loop {
        let end = wishes.wait_for_end().await;
        let (End::Stopped(how) | End::Restart(how)) = end else { break end };
        match wishes.finish(&persistence, end, how).await {
            Ok(end) => break end,
            Err(why) => {
                log::write(Level::Warning, why);
                keyspace.with_news(Server::refuse_shutdown);
            }
        }
    };
    if end == End::Forced {
        persistence.give_up_job().await;
    }
    if systemd {
        tell_supervisor("STOPPING=1\n");
    }
    premises.listeners.close();
    persistence.close();
    keyspace.set_migrations(None);
    keyspace.stop().await;
    if let Some(post) = post {
        post.close();
    }
    Ok(end)
}

fn warn_of_test_clock(config: &Config) {
    if config.test_clock {
        let text = "WARNING: test-clock is on: clients can stop and move this server's clock (DEBUG CLOCK), and keys \
                    expire accordingly. It is for tests, never for data that matters.";
        log::write(Level::Warning, text);
    }
}

/// The sockets to listen on, and the gate for those that want TLS.
fn open(
    config: &Config,
    keyspace: &Rc<Keyspace>,
    post: Option<Rc<Post>>,
) -> Result<(Rc<Gate>, Listeners), String> {
    let (served, shared) = (keyspace.clone(), connection::read_buffer());
    let serve = Rc::new(move |socket: Socket, names: Option<&[Vec<u8>]>| {
        listener::serve(socket, names, &served, post.as_ref(), &shared);
    });
    let gate = Gate::new(config, serve.clone())?;
    keyspace.with_quiet(|server| server.certificates = gate.certificates());
    task::spawn_local("certificates", gate::watch_files(Rc::downgrade(&gate), Rc::downgrade(keyspace)));
    let (way_in, limits) = (gate.clone(), keyspace.clone());
    let accepted = move |stream, transport| match transport {
        Transport::Plain => serve(Socket::Plain(stream), None),
        Transport::Tls => {
            way_in.begin(stream, limits.with_quiet(|server| server.config.maxclients));
        }
    };
    Ok((gate, Listeners::open(config, Rc::new(accepted))?))
}

/// The engine with its users, who may stand in a file of their own.
fn engine(config: &Config, environment: Environment) -> Result<Server, String> {
    let mut server = Server::new(config.clone(), environment)?;
    if !config.aclfile.is_empty() {
        users::load(&mut server)
            .map_err(|why| format!("Aborting Redis startup because of ACL errors: {why}"))?;
    }
    Ok(server)
}

/// Says which of the things that `config` asks for do not exist yet: whoever relies on them must know.
fn warn_of_what_is_missing(config: &Config) {
    let asked = [
        (config.replicaof.0.is_some(), "replicaof", "this server replicates nothing"),
        (config.cluster_enabled, "cluster-enabled", "this server stands alone"),
        (config.tls_replication, "tls-replication", "this server replicates nothing"),
        (config.tls_cluster, "tls-cluster", "this server stands alone"),
    ];
    for (_, parameter, consequence) in asked.into_iter().filter(|(asked, ..)| *asked) {
        log::write(Level::Warning, &format!("{parameter} does not have an effect yet: {consequence}."));
    }
}

/// Modules whose commands are to be part of this server, by what their files are called.
const MODULES_TO_COME: [&str; 6] = ["rejson", "redisjson", "librejson", "libjson", "redisearch", "libsearch"];

/// There is no interface for modules, so that one that is to be loaded stops the start, as in Redis one that cannot be.
/// Those that users of Redis load for JSON and search do not: most of what they have works without.
fn look_at_modules(config: &Config) -> Result<(), String> {
    for directive in &config.directives.loadmodule {
        let file = String::from_utf8_lossy(&directive.args[0]);
        let name = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".so");
        if MODULES_TO_COME.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            let text =
                format!("loadmodule {file} does not have an effect yet: its commands are unknown here.");
            log::write(Level::Warning, &text);
            continue;
        }
        log::write(Level::Warning, &format!("Module {file} failed to load: this server loads no modules."));
        return Err(format!("Can't load module from {file}: server aborting"));
    }
    Ok(())
}

/// With `io-threads` above 1, this thread keeps the keyspace and the others serve the connections.
fn start_threads(keyspace: &Rc<Keyspace>, config: &Config) -> Result<Option<Rc<Post>>, String> {
    let wanted = config.io_threads as usize;
    if wanted <= 1 {
        return Ok(None);
    }
    // Threads that share a processor only take it from each other.
    let useful = process::processors().max(2);
    let count = if config.io_threads_always_active { wanted } else { wanted.min(useful) };
    if count < wanted {
        let text =
            format!("io-threads is {wanted}, of which {count} are used: as many as there are processors.");
        log::write(Level::Notice, &text);
    }
    Post::start(keyspace, count - 1)
        .map(Some)
        .map_err(|error| format!("Can't start the threads for connections: {}", reason(&error)))
}

/// Those who may want the server to end, or not to.
struct Wishes {
    keyspace: Rc<Keyspace>,
    inbox: mpsc::UnboundedReceiver<Request>,
    signals: Signals,
    /// The stop was asked for by a signal.
    by_signal: bool,
}

/// What they want.
enum Wish {
    Request(Option<Request>),
    Signal(Signal),
}

impl Wishes {
    async fn next(&mut self) -> Wish {
        let mut terminate = pin!(self.signals.terminate());
        poll_fn(|context| {
            if let Poll::Ready(request) = self.inbox.poll_recv(context) {
                return Poll::Ready(Wish::Request(request));
            }
            terminate.as_mut().poll(context).map(Wish::Signal)
        })
        .await
    }

    /// Waits until somebody wants the server to end.
    async fn wait_for_end(&mut self) -> End {
        self.by_signal = false;
        let end = loop {
            break match self.next().await {
                Wish::Request(Some(Request::Crash(how))) => return End::Crashed(how),
                // Too late: what it was to call off has failed already.
                Wish::Request(Some(Request::AbortShutdown)) => continue,
                Wish::Request(Some(Request::Restart)) => End::Restart(Shutdown::default()),
                Wish::Request(Some(Request::Shutdown(how))) => End::Stopped(how),
                Wish::Request(None) => End::Stopped(Shutdown::default()),
                Wish::Signal(signal) => End::Stopped(self.understand(signal)),
            };
        };
        log::write(Level::Notice, "User requested shutdown...");
        end
    }

    fn understand(&mut self, signal: Signal) -> Shutdown {
        self.by_signal = true;
        let name = if signal == Signal::Terminate { "SIGTERM" } else { "SIGINT" };
        log::write(Level::Warning, &format!("Received {name} scheduling shutdown..."));
        self.keyspace.with_quiet(|server| {
            server.persistence.is_stopping = true;
            match signal {
                Signal::Terminate => server.config.shutdown_on_sigterm.into(),
                Signal::Interrupt => server.config.shutdown_on_sigint.into(),
            }
        })
    }

    /// Has everything saved, unless somebody calls the stop off or does not want to wait. Fails if the server goes on,
    /// with the reason.
    async fn finish(
        &mut self,
        persistence: &Persistence,
        end: End,
        how: Shutdown,
    ) -> Result<End, &'static str> {
        let (keyspace, by_signal) = (self.keyspace.clone(), self.by_signal);
        let mut finished = pin!(async move {
            // Signals are a matter of the clock, which tests stop (DEBUG PAUSE-CRON).
            while by_signal && keyspace.with_quiet(|server| server.cron_paused) {
                time::sleep_until(time::now().mono_us + TICK_US).await;
            }
            persistence.finish(how).await
        });
        loop {
            let mut next = pin!(self.next());
            let wish = poll_fn(|context| match finished.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Err(outcome)),
                Poll::Pending => next.as_mut().poll(context).map(Ok),
            });
            match wish.await {
                Err(Ok(())) | Ok(Wish::Request(None)) => return Ok(end),
                Err(Err(_)) => {
                    return Err(
                        "Errors trying to shut down the server. Check the logs for more information.",
                    );
                }
                Ok(Wish::Request(Some(Request::Crash(how)))) => return Ok(End::Crashed(how)),
                Ok(Wish::Request(Some(Request::AbortShutdown))) => return Err("Shutdown manually aborted."),
                Ok(Wish::Signal(Signal::Interrupt)) => return Ok(End::Forced),
                Ok(Wish::Request(Some(Request::Shutdown(how)))) if how.nosave => persistence.forgo_save(),
                // It stops already.
                Ok(Wish::Request(Some(Request::Shutdown(_) | Request::Restart)))
                | Ok(Wish::Signal(Signal::Terminate)) => {}
            }
        }
    }
}

/// What the engine's parameters change in the process.
struct Premises {
    listeners: Listeners,
    gate: Rc<Gate>,
    settings: Settings,
    oom_score: OomScore,
}

impl Outside for Premises {
    fn apply(&self, before: &Config, config: &mut Config, names: &[&str]) -> Result<(), (String, String)> {
        let changed = |name: &str| names.contains(&name);
        let refuse = |name: &str, reason: String| (name.to_owned(), reason);
        if changed("maxclients") {
            let wanted = config.maxclients + RESERVED_FILES;
            let have = process::raise_open_files(wanted).unwrap_or(0);
            if have < wanted {
                let possible = have.saturating_sub(RESERVED_FILES);
                let why =
                    "The operating system is not able to handle the specified number of clients, try with";
                return Err(refuse("maxclients", format!("{why} {possible}")));
            }
        }
        for name in ["oom-score-adj", "oom-score-adj-values"] {
            if changed(name)
                && let Err(error) = self.oom_score.apply(config)
            {
                log::write(Level::Warning, &format!("Unable to set oom_score_adj: {}", reason(&error)));
                let why = "Failed to set current oom_score_adj. Check server logs.";
                return Err(refuse(name, why.to_owned()));
            }
        }
        let moves = ["port", "tls-port", "bind"].into_iter().find(|name| changed(name));
        let go_back = |why: (String, String)| {
            if names.iter().any(|name| name.starts_with("oom-score-adj")) {
                // A score that could be set can be set back.
                let _ = self.oom_score.apply(before);
            }
            if changed("dir")
                && let Err(error) = enter(&mut before.clone())
            {
                log::write(Level::Warning, &format!("Can't go back to the former dir: {}", reason(&error)));
            }
            why
        };
        let tls = names.iter().any(|name| name.starts_with("tls-")).then(|| gate::prepare(config));
        let tls = tls.transpose().map_err(|()| {
            let name = names.iter().find(|name| name.starts_with("tls-")).copied().unwrap_or_default();
            go_back(refuse(name, "Unable to update TLS configuration. Check server logs.".to_owned()))
        })?;
        if changed("dir") {
            enter(config).map_err(|error| go_back(refuse("dir", reason(&error))))?;
        }
        if changed("appendonly") && config.appendonly {
            persistence::try_to_begin(config).map_err(|why| {
                log::write(Level::Warning, &why);
                log::write(
                    Level::Warning,
                    "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the \
                     above logs for more info about the error.",
                );
                go_back(refuse("appendonly", "Unable to turn on AOF. Check server logs.".to_owned()))
            })?;
        }
        if moves.is_some() && !self.listeners.move_tcp(before, config) {
            return Err(go_back(if changed("bind") {
                refuse("bind", "Failed to bind to specified addresses.".to_owned())
            } else {
                let name = moves.unwrap_or_default();
                refuse(name, "Unable to listen on this port. Check server logs.".to_owned())
            }));
        }
        if let Some(setup) = tls {
            self.gate.change(setup);
        }
        if changed("dir") && config.appendonly && !changed("appendonly") {
            log::write(Level::Warning, AOF_STAYS);
        }
        self.settings.apply(config);
        Ok(())
    }

    fn certificates(&self) -> Certificates {
        self.gate.certificates()
    }
}

const AOF_STAYS: &str = "The append-only file stays in the directory that it was opened in. Turn appendonly off and on again \
     to have it in the new one, before the server is restarted there.";

/// Goes to `dir`, which CONFIG GET gives in full.
fn enter(config: &mut Config) -> io::Result<()> {
    process::set_working_directory(path(&config.dir))?;
    config.dir = process::working_directory()?.into_os_string().into_vec();
    Ok(())
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Sees that there are descriptors for `maxclients`, or takes in fewer.
fn limit_clients(config: &mut Config) -> Result<(), String> {
    let wanted = config.maxclients + RESERVED_FILES;
    let before = process::raise_open_files(0).unwrap_or(0);
    let have = match process::raise_open_files(wanted) {
        Ok(have) => have,
        // Nobody can tell what is possible; connections that are not will fail one by one.
        Err(_) => return Ok(()),
    };
    if have <= RESERVED_FILES {
        return Err(format!(
            "Your current 'ulimit -n' of {have} is not enough for the server to start. Please increase your \
             open file limit to at least {wanted}. Exiting."
        ));
    }
    if have < wanted {
        let text = format!(
            "You requested maxclients of {} requiring at least {wanted} max file descriptors.",
            config.maxclients
        );
        log::write(Level::Warning, &text);
        config.maxclients = have - RESERVED_FILES;
        let text = format!(
            "Current maximum open files is {have}. maxclients has been reduced to {} to compensate for low \
             ulimit. If you need higher maxclients increase 'ulimit -n'.",
            config.maxclients
        );
        log::write(Level::Warning, &text);
    } else if have > before {
        let text =
            format!("Increased maximum number of open files to {have} (it was originally set to {before}).");
        log::write(Level::Notice, &text);
    }
    Ok(())
}

fn tell_supervisor(state: &str) {
    if let Err(error) = process::notify_supervisor(state) {
        log::write(Level::Warning, &format!("Can't notify systemd: {}", reason(&error)));
    }
}

fn environment(config_file: &Option<PathBuf>) -> Environment {
    Environment {
        seed: rng::seed(),
        stopwatch: time::stopwatch,
        memory: process::heap_allocated,
        pid: process::pid(),
        executable: process::executable().map(|path| path.display().to_string()).unwrap_or_default(),
        config_file: config_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        os: process::os(),
        total_memory: process::system_memory(),
        multiplexing: "epoll",
        allocator: process::allocator_name(),
        started: time::now(),
    }
}
