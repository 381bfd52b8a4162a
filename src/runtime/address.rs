//! Where a listener or a peer is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An end of a byte stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    Tcp(SocketAddr),
    /// The path of the listening socket, for both ends: the connecting end of a unix socket has no
    /// name of its own.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    /// As CLIENT LIST writes it: `127.0.0.1:6379`, `[::1]:6379`, `/run/seedis.sock:0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "{}:0", path.display()),
        }
    }
}

impl Address {
    /// The IP address, unless it is a unix socket.
    pub fn ip(&self) -> Option<std::net::IpAddr> {
        match self {
            Address::Tcp(address) => Some(address.ip()),
            Address::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Tcp(address)
    }
}

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Connections that may wait for `accept`.
    pub backlog: u32,
    /// Permission bits of the file of a unix socket; the process's umask decides without it.
    pub unix_permissions: Option<u32>,
    /// The group that the file of a unix socket belongs to; the process's without it.
    pub unix_group: Option<String>,
    /// The mark of packets of TCP sockets, for the kernel's filters.
    pub mark: Option<u32>,
}

impl Default for ListenOptions {
    /// Redis's default backlog.
    fn default() -> Self {
        Self { backlog: 511, unix_permissions: None, unix_group: None, mark: None }
    }
}
