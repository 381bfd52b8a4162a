//! Builds the actors, supervises them and stops them in order: the only file that knows them all.

use super::keyspace::{Keyspace, Request};
use super::{connection, listener, log};
use crate::engine::config::Config;
use crate::engine::effect::Level;
use crate::engine::server::{Environment, Server};
use crate::runtime::net::{Address, ListenOptions, Listener};
use crate::runtime::signal::Signals;
use crate::runtime::sync::mpsc;
use crate::runtime::{process, rng, task, time};
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What a server starts from.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Parameters.
    pub config: Config,
    /// Where they came from, for CONFIG REWRITE.
    pub config_file: Option<PathBuf>,
}

/// Why a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// In order.
    Stopped,
    /// Asked to start again.
    Restart,
    /// Asked to end as a crash would.
    Crashed(&'static str),
}

/// Runs a server until it is told to stop. Fails with the reason if it cannot start.
pub async fn run(start: Start) -> Result<End, String> {
    let Start { config, config_file } = start;
    let (requests, mut inbox) = mpsc::unbounded_channel();
    let addresses = addresses(&config);
    let listeners = bind(&addresses, &config)?;
    let keepalive = config.tcp_keepalive as u32;
    let server = Server::new(config, environment(&config_file))?;
    let keyspace = Keyspace::new(server, requests, config_file);
    let shared = connection::read_buffer();
    task::spawn_local("clock", keyspace.clone().keep_time());
    for listener in listeners {
        let (keyspace, shared) = (keyspace.clone(), shared.clone());
        let accepting = listener::accept(listener, move |stream| {
            listener::serve_here(stream, &keyspace, &shared, keepalive);
        });
        task::spawn_local("listener", accepting);
    }
    log::write(Level::Notice, "Ready to accept connections tcp");
    let mut signals = Signals::watch().map_err(|error| error.to_string())?;
    loop {
        let request = std::future::poll_fn(|context| {
            use std::task::Poll;
            if let Poll::Ready(request) = inbox.poll_recv(context) {
                return Poll::Ready(request);
            }
            let mut terminate = std::pin::pin!(signals.terminate());
            terminate.as_mut().poll(context).map(|_| None)
        })
        .await;
        match request {
            Some(Request::Configured(_)) => {}
            Some(Request::Crash(how)) => return Ok(End::Crashed(how)),
            Some(Request::Restart) => return Ok(End::Restart),
            Some(Request::Shutdown(_)) | None => return Ok(End::Stopped),
        }
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
        started: time::now(),
    }
}

/// Where `config` says to listen. A leading minus marks an address that may be missing.
fn addresses(config: &Config) -> Vec<(Address, bool)> {
    let mut all = Vec::new();
    for name in &config.bind.0 {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let (name, optional) = name.strip_prefix('-').map_or((name, false), |rest| (rest, true));
        let ip = match name {
            "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "::*" => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
            name => match name.parse() {
                Ok(ip) => ip,
                Err(_) => continue,
            },
        };
        if config.port != 0 {
            all.push((Address::Tcp(SocketAddr::new(ip, config.port)), optional));
        }
    }
    if !config.unixsocket.is_empty() {
        all.push((Address::Unix(PathBuf::from(OsStr::from_bytes(&config.unixsocket))), false));
    }
    all
}

fn bind(addresses: &[(Address, bool)], config: &Config) -> Result<Vec<Listener>, String> {
    let options = ListenOptions {
        backlog: config.tcp_backlog as u32,
        unix_permissions: Some(config.unixsocketperm as u32).filter(|bits| *bits != 0),
    };
    let mut listeners = Vec::new();
    for (address, optional) in addresses {
        match Listener::bind(address, &options) {
            Ok(listener) => listeners.push(listener),
            Err(_) if *optional => {}
            Err(error) => return Err(format!("Could not create server listening socket {address}: {error}")),
        }
    }
    if listeners.is_empty() && config.port != 0 {
        return Err("Failed listening on any address, aborting.".to_owned());
    }
    Ok(listeners)
}
