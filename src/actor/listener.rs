//! Listens, accepts connections and starts what serves them.

use super::connection::{self, ReadBuffer, describe};
use super::keyspace::Keyspace;
use super::log::{self, reason};
use super::post::Post;
use crate::engine::config::Config;
use crate::engine::effect::Level;
use crate::runtime::net::{Address, ListenOptions, Listener, Stream, resolve};
use crate::runtime::task::JoinHandle;
use crate::runtime::{task, time};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::future::poll_fn;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// After a failed accept, for want of descriptors most likely, others get time to close some.
const PAUSE: Duration = Duration::from_millis(100);

/// What becomes of a new connection.
pub type Serve = Rc<dyn Fn(Stream)>;

/// The sockets that a server listens on.
pub struct Listeners {
    serve: Serve,
    tcp: RefCell<Vec<Open>>,
    unix: RefCell<Vec<Open>>,
}

/// A socket, and the task that accepts from it. Dropping it closes the socket at once.
struct Open {
    socket: Rc<RefCell<Option<Listener>>>,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        drop(self.socket.take());
        self.task.abort();
    }
}

impl Listeners {
    /// Listens where `config` says. Fails with the reason, which is also the last line of the log.
    pub fn open(config: &Config, serve: Serve) -> Result<Self, String> {
        let listeners = Listeners { serve, tcp: RefCell::default(), unix: RefCell::default() };
        let tcp = bind_tcp(config);
        let tcp = tcp.map_err(|()| format!("Failed listening on port {} (tcp), aborting.", config.port))?;
        let unix =
            bind_unix(config).map_err(|()| "Failed listening on port 0 (unix), aborting.".to_owned())?;
        if tcp.is_empty() && unix.is_none() {
            return Err("Configured to not listen anywhere, exiting.".to_owned());
        }
        *listeners.tcp.borrow_mut() = tcp.into_iter().map(|socket| listeners.accept(socket)).collect();
        *listeners.unix.borrow_mut() = unix.into_iter().map(|socket| listeners.accept(socket)).collect();
        Ok(listeners)
    }

    /// Listens on the ports of `new` instead of those of `old`. If it cannot, it goes back to the old
    /// ones. Returns whether it could.
    pub fn move_tcp(&self, old: &Config, new: &Config) -> bool {
        // Closed first: a new address may overlap with an old one.
        self.tcp.borrow_mut().clear();
        let (sockets, moved) = match bind_tcp(new) {
            Ok(sockets) => (sockets, true),
            Err(()) => (bind_tcp(old).unwrap_or_default(), false),
        };
        *self.tcp.borrow_mut() = sockets.into_iter().map(|socket| self.accept(socket)).collect();
        moved
    }

    /// Stops listening. The file of a unix socket goes.
    pub fn close(&self) {
        self.tcp.borrow_mut().clear();
        self.unix.borrow_mut().clear();
    }

    /// The kinds of sockets that are open, as log lines name them.
    pub fn kinds(&self) -> Vec<&'static str> {
        let tcp = (!self.tcp.borrow().is_empty()).then_some("tcp");
        let unix = (!self.unix.borrow().is_empty()).then_some("unix");
        tcp.into_iter().chain(unix).collect()
    }

    fn accept(&self, socket: Listener) -> Open {
        let socket = Rc::new(RefCell::new(Some(socket)));
        let task = task::spawn_local("listener", accept(socket.clone(), self.serve.clone()));
        Open { socket, task }
    }
}

/// Accepts until the socket is closed.
async fn accept(socket: Rc<RefCell<Option<Listener>>>, serve: Serve) {
    loop {
        let accepted = poll_fn(|context| match &*socket.borrow() {
            Some(listener) => listener.poll_accept(context).map(Some),
            None => Poll::Ready(None),
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, _))) => serve(stream),
            Some(Err(error)) => {
                log::write(Level::Warning, &format!("Accepting client connection: {}", reason(&error)));
                time::sleep(PAUSE).await;
            }
        }
    }
}

fn options(config: &Config) -> ListenOptions {
    ListenOptions {
        backlog: config.tcp_backlog as u32,
        unix_permissions: Some(config.unixsocketperm as u32).filter(|bits| *bits != 0),
    }
}

fn bind_tcp(config: &Config) -> Result<Vec<Listener>, ()> {
    let mut sockets = Vec::new();
    if config.port == 0 {
        return Ok(sockets);
    }
    for name in &config.bind.0 {
        let name = String::from_utf8_lossy(name);
        // A leading minus marks an address that the machine may lack.
        let (name, optional) = name.strip_prefix('-').map_or((&*name, false), |rest| (rest, true));
        match bind_name(name, config) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                let (port, why) = (config.port, reason(&error));
                let text =
                    format!("Warning: Could not create server TCP listening socket {name}:{port}: {why}");
                log::write(Level::Warning, &text);
                let missing = optional && error.kind() == io::ErrorKind::AddrNotAvailable;
                if !missing && !is_unsupported(&error) {
                    return Err(());
                }
            }
        }
    }
    Ok(sockets)
}

/// Binds the first address of a name that can be bound.
fn bind_name(name: &str, config: &Config) -> io::Result<Listener> {
    let host = match name {
        "*" => "0.0.0.0",
        "::*" => "::",
        name => name,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "Name or service not known");
    for address in resolve(host, config.port)? {
        // A name without a colon asks for version 4 of the protocol.
        if address.is_ipv6() != host.contains(':') {
            continue;
        }
        match Listener::bind(&Address::Tcp(address), &options(config)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = io::Error::new(error.kind(), format!("bind: {}", reason(&error))),
        }
    }
    Err(last)
}

/// The kernel lacks the protocol: no reason not to serve over another.
fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

fn bind_unix(config: &Config) -> Result<Option<Listener>, ()> {
    if config.unixsocket.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(OsStr::from_bytes(&config.unixsocket));
    let bound = Listener::bind(&Address::Unix(path), &options(config));
    bound.map(Some).map_err(|error| {
        log::write(Level::Warning, &format!("Failed opening Unix socket: bind: {}", reason(&error)));
    })
}

/// Introduces a connection to the keyspace, and serves it: on this thread, or on one of those of `post`.
pub fn serve(stream: Stream, keyspace: &Rc<Keyspace>, post: Option<&Rc<Post>>, shared: &ReadBuffer) {
    prepare(&stream, keyspace.with_quiet(|server| server.config.tcp_keepalive));
    let peer = describe(&stream);
    let now = keyspace.now();
    let client = match keyspace.with(now, |server| server.connect(peer, now)) {
        Ok(client) => client,
        Err(refusal) => return refuse(stream, refusal.text()),
    };
    let Some(post) = post else {
        let serving = connection::direct::serve(stream, client, keyspace.clone(), shared.clone());
        task::spawn_local("connection", serving);
        return;
    };
    if let Err(error) = post.serve(stream, client) {
        log::write(Level::Warning, &format!("Serving client connection: {}", reason(&error)));
        keyspace.with_news(|server| server.disconnect(client));
    }
}

/// The socket options every connection gets. A socket that cannot have them still works.
fn prepare(stream: &Stream, keepalive: u64) {
    let _ = stream.set_nodelay(true);
    if keepalive > 0 {
        let _ = stream.set_keepalive(u32::try_from(keepalive).unwrap_or(u32::MAX));
    }
}

/// Says why and closes; who cannot hear it is closed all the same.
fn refuse(mut stream: Stream, why: &str) {
    let _ = stream.try_write(why.as_bytes());
    let _ = stream.shutdown_write();
}
