//! Listens, accepts connections and starts what serves them.

use super::connection::socket::Socket;
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
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// After a failed accept, for want of descriptors most likely, others get time to close some.
const PAUSE: Duration = Duration::from_millis(100);

/// How a connection is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As it is.
    Plain,
    /// With TLS.
    Tls,
}

/// What becomes of a new connection.
pub type Serve = Rc<dyn Fn(Stream, Transport)>;

/// The sockets that a server listens on.
pub struct Listeners {
    serve: Serve,
    tcp: RefCell<Vec<Open>>,
    tls: RefCell<Vec<Open>>,
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
        let (tcp, tls, unix) = Default::default();
        let listeners = Listeners { serve, tcp, tls, unix };
        let failed = |port: u16, kind| format!("Failed listening on port {port} ({kind}), aborting.");
        let tcp = bind_tcp(config, config.port).map_err(|()| failed(config.port, "tcp"))?;
        let tls = bind_tcp(config, config.tls_port).map_err(|()| failed(config.tls_port, "tls"))?;
        let unix = bind_unix(config).map_err(|()| failed(0, "unix"))?;
        if tcp.is_empty() && tls.is_empty() && unix.is_none() {
            return Err("Configured to not listen anywhere, exiting.".to_owned());
        }
        listeners.listen(&listeners.tcp, tcp, Transport::Plain);
        listeners.listen(&listeners.tls, tls, Transport::Tls);
        listeners.listen(&listeners.unix, unix, Transport::Plain);
        Ok(listeners)
    }

    /// Listens on the ports of `new` instead of those of `old`. If it cannot, it goes back to the old
    /// ones. Returns whether it could.
    pub fn move_tcp(&self, old: &Config, new: &Config) -> bool {
        // Closed first: a new address may overlap with an old one.
        self.tcp.borrow_mut().clear();
        self.tls.borrow_mut().clear();
        let both = |config: &Config| Ok((bind_tcp(config, config.port)?, bind_tcp(config, config.tls_port)?));
        let (sockets, moved): (Result<_, ()>, _) = match both(new) {
            Ok(sockets) => (Ok(sockets), true),
            Err(()) => (both(old), false),
        };
        let (tcp, tls) = sockets.unwrap_or_default();
        self.listen(&self.tcp, tcp, Transport::Plain);
        self.listen(&self.tls, tls, Transport::Tls);
        moved
    }

    /// Stops listening. The file of a unix socket goes.
    pub fn close(&self) {
        self.tcp.borrow_mut().clear();
        self.tls.borrow_mut().clear();
        self.unix.borrow_mut().clear();
    }

    /// The kinds of sockets that are open, as log lines name them.
    pub fn kinds(&self) -> Vec<&'static str> {
        let tcp = (!self.tcp.borrow().is_empty()).then_some("tcp");
        let tls = (!self.tls.borrow().is_empty()).then_some("tls");
        let unix = (!self.unix.borrow().is_empty()).then_some("unix");
        tcp.into_iter().chain(tls).chain(unix).collect()
    }

    fn listen(
        &self,
        open: &RefCell<Vec<Open>>,
        sockets: impl IntoIterator<Item = Listener>,
        transport: Transport,
    ) {
        let accepting = sockets.into_iter().map(|socket| {
            let socket = Rc::new(RefCell::new(Some(socket)));
            let task = task::spawn_local("listener", accept(socket.clone(), self.serve.clone(), transport));
            Open { socket, task }
        });
        *open.borrow_mut() = accepting.collect();
    }
}

/// Accepts until the socket is closed.
async fn accept(socket: Rc<RefCell<Option<Listener>>>, serve: Serve, transport: Transport) {
    loop {
        let accepted = poll_fn(|context| match &*socket.borrow() {
            Some(listener) => listener.poll_accept(context).map(Some),
            None => Poll::Ready(None),
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, _))) => serve(stream, transport),
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
        unix_group: (!config.unixsocketgroup.is_empty())
            .then(|| String::from_utf8_lossy(&config.unixsocketgroup).into_owned()),
        mark: Some(config.socket_mark_id as u32).filter(|mark| *mark != 0),
    }
}

fn bind_tcp(config: &Config, port: u16) -> Result<Vec<Listener>, ()> {
    let mut sockets = Vec::new();
    if port == 0 {
        return Ok(sockets);
    }
    for name in &config.bind.0 {
        let name = String::from_utf8_lossy(name);
        // A leading minus marks an address that the machine may lack.
        let (name, optional) = name.strip_prefix('-').map_or((&*name, false), |rest| (rest, true));
        match bind_name(name, port, config) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                let why = reason(&error);
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
fn bind_name(name: &str, port: u16, config: &Config) -> io::Result<Listener> {
    let host = match name {
        "*" => "0.0.0.0",
        "::*" => "::",
        name => name,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "Name or service not known");
    for address in resolve(host, port)? {
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
/// Its certificate may have `names` for its user.
pub fn serve(
    socket: Socket,
    names: Option<&[Vec<u8>]>,
    keyspace: &Rc<Keyspace>,
    post: Option<&Rc<Post>>,
    shared: &ReadBuffer,
) {
    prepare(socket.stream(), keyspace.with_quiet(|server| server.config.tcp_keepalive));
    let peer = describe(&socket);
    let now = keyspace.now();
    let client = match keyspace.with(now, |server| server.connect(peer, now)) {
        Ok(client) => client,
        Err(refusal) => return refuse(socket, refusal.text()),
    };
    if let Some(names) = names {
        keyspace.with_quiet(|server| server.log_in_by_certificate(client, names, now));
    }
    let Some(post) = post else {
        let serving = connection::direct::serve(socket, client, keyspace.clone(), shared.clone());
        task::spawn_local("connection", serving);
        return;
    };
    if let Err(error) = post.serve(socket, client) {
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
fn refuse(mut socket: Socket, why: &str) {
    let _ = socket.try_write(why.as_bytes());
    let _ = socket.poll_end(&mut Context::from_waker(Waker::noop()));
}
