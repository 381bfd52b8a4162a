//! Listener and stream, as the server knows them.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use ::madsim::plugin;

use super::network::{Id, Side};
use super::{Address, ListenOptions, SimNet};
use crate::runtime::madsim::fs;

/// The address that a literal stands for; simulated worlds have no names.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host.parse() {
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        Err(_) if host == "localhost" => Ok(vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port)]),
        Err(_) => Err(io::Error::new(io::ErrorKind::NotFound, "Name or service not known")),
    }
}

/// A socket that accepts streams.
pub struct Listener {
    net: Arc<SimNet>,
    id: Id,
    address: Address,
}

impl Listener {
    /// Binds and listens. A file that a dead server left at a unix path is replaced.
    pub fn bind(address: &Address, options: &ListenOptions) -> io::Result<Self> {
        let net = SimNet::current();
        if let Address::Unix(path) = address {
            fs::write(path, b"")?;
        }
        let id = net.with(|network| network.bind(plugin::node(), address, options.backlog))?;
        let address = net.with(|network| network.listener_address(id)).unwrap_or_else(|| address.clone());
        Ok(Self { net, id, address })
    }

    /// The next connection and where it comes from. Dropping the future loses no connection.
    ///
    /// An error concerns one attempt (`ECONNABORTED`) or the process (`EMFILE`); the listener stays
    /// usable.
    pub async fn accept(&self) -> io::Result<(Stream, Address)> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    /// [`Listener::accept`] for poll functions. One task at a time is woken.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        self.net
            .with(|network| network.poll_accept(self.id, context.waker()))
            .map_ok(|(id, peer)| (Stream { net: self.net.clone(), id, side: 1 }, peer))
    }

    /// Where it listens: the port is the real one when port 0 was asked for.
    pub fn local_address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.net.with(|network| network.close_listener(self.id));
        // Outside of a task its node is dead, or the world has ended: the file stays, as after a kill.
        if let (Address::Unix(path), Ok(_)) = (&self.address, ::madsim::runtime::Handle::try_current()) {
            _ = fs::remove(path);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A connected byte stream.
pub struct Stream {
    net: Arc<SimNet>,
    id: Id,
    side: Side,
}

impl Stream {
    pub async fn connect(address: &Address) -> io::Result<Self> {
        Self::open(None, address).await
    }

    /// Connects from a given local IP (`bind-source-addr`).
    pub async fn connect_from(local: IpAddr, address: SocketAddr) -> io::Result<Self> {
        Self::open(Some(local), &Address::Tcp(address)).await
    }

    async fn open(local: Option<IpAddr>, address: &Address) -> io::Result<Self> {
        let net = SimNet::current();
        let id = net.with(|network| network.connect(plugin::node(), local, address));
        // From here on, dropping closes.
        let stream = Self { net, id, side: 0 };
        std::future::poll_fn(|context| {
            stream.net.with(|network| network.poll_connected(id, context.waker()))
        })
        .await?;
        Ok(stream)
    }

    /// Reads what is there into `buffer`; `Ok(0)` is the end of the stream.
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.net.with(|network| network.poll_read(self.id, self.side, buffer, context.waker()))
    }

    /// Writes what fits now. `WouldBlock`: wait with [`Stream::poll_write_ready`].
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.net.with(|network| network.try_write(self.id, self.side, bytes))
    }

    /// [`Stream::try_write`] of several slices in one call.
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let joined: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.try_write(&joined)
    }

    /// Ready when a write may succeed, or when the stream is broken and a write will say so.
    pub fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.with(|network| network.poll_write_ready(self.id, self.side, context.waker()))
    }

    /// Reads some bytes; 0 is the end of the stream.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll_read(context, buffer)).await
    }

    /// Fills `buffer` or fails with `UnexpectedEof`.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(())
    }

    /// Writes all bytes.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::future::poll_fn(|context| self.poll_write_ready(context)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends our half: the peer reads what was written, then the end of the stream.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.net.with(|network| network.shutdown_write(self.id, self.side))
    }

    /// Closes at once, dropping what is unsent; a TCP peer sees `ConnectionReset`.
    pub fn reset(self) {
        self.net.with(|network| network.reset(self.id, self.side));
    }

    /// Segments are cut at random with and without it.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Probes are not simulated: a silent peer is noticed by what is written to it.
    pub fn set_keepalive(&self, _: u32) -> io::Result<()> {
        Ok(())
    }

    /// The other end. For unix sockets both ends report the listener's path.
    pub fn peer_address(&self) -> io::Result<Address> {
        self.net.with(|network| network.peer_address(self.id, self.side))
    }

    /// Our end.
    pub fn local_address(&self) -> io::Result<Address> {
        self.net.with(|network| network.local_address(self.id, self.side))
    }

    /// The number of its file descriptor, for CLIENT LIST.
    pub fn descriptor(&self) -> i32 {
        self.net.with(|network| network.descriptor(self.id, self.side))
    }

    /// The number of the connection, for [`SimNet::gone_ns`].
    pub fn connection(&self) -> u64 {
        self.id
    }

    /// When the other end had written the first `count` bytes of all it ever wrote, in true time. No real
    /// client can know; a judge of what clients saw may.
    pub fn peer_wrote_ns(&self, count: u64) -> Option<u64> {
        self.net.with(|network| network.peer_wrote_ns(self.id, self.side, count))
    }

    /// Takes the stream off this thread's runtime, so that another thread can [`Detached::attach`] it.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(Detached(self))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.net.with(|network| network.close(self.id, self.side));
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).field("side", &self.side).finish_non_exhaustive()
    }
}

/// A stream on its way from one thread to another.
#[derive(Debug)]
pub struct Detached(Stream);

impl Detached {
    /// Makes it a stream of the calling thread's runtime.
    pub fn attach(self) -> io::Result<Stream> {
        Ok(self.0)
    }
}
