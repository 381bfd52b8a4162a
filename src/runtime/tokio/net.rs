//! TCP and unix sockets.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use ::tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

pub use super::super::address::{Address, ListenOptions};

/// The addresses of a host by name, or of a literal address. Blocks while the resolver asks around.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// The number of a group.
fn group(name: &str) -> io::Result<u32> {
    let group = nix::unistd::Group::from_name(name)?;
    group.map(|group| group.gid.as_raw()).ok_or_else(|| io::Error::other(format!("there is no group {name}")))
}

/// A socket that accepts streams.
#[derive(Debug)]
pub struct Listener(Listening);

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds and listens. A file that a dead server left at a unix path is replaced.
    pub fn bind(address: &Address, options: &ListenOptions) -> io::Result<Self> {
        let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
        match address {
            Address::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
                if address.is_ipv6() {
                    // `bind * -::*` asks for both families; without this the second bind clashes.
                    socket.set_only_v6(true)?;
                }
                socket.set_reuse_address(true)?;
                if let Some(mark) = options.mark {
                    // It takes privileges; without them Redis goes on as well.
                    let _ = socket.set_mark(mark);
                }
                socket.bind(&(*address).into())?;
                socket.listen(backlog)?;
                socket.set_nonblocking(true)?;
                Ok(Self(Listening::Tcp(TcpListener::from_std(socket.into())?)))
            }
            Address::Unix(path) => {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                let group = options.unix_group.as_deref().map(group).transpose()?;
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.bind(&socket2::SockAddr::unix(path)?)?;
                if group.is_some() {
                    std::os::unix::fs::chown(path, None, group)?;
                }
                if let Some(bits) = options.unix_permissions {
                    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits))?;
                }
                socket.listen(backlog)?;
                socket.set_nonblocking(true)?;
                Ok(Self(Listening::Unix(UnixListener::from_std(socket.into())?, path.clone())))
            }
        }
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
        match &self.0 {
            Listening::Tcp(listener) => listener
                .poll_accept(context)
                .map_ok(|(stream, peer)| (Stream(Socketed::Tcp(stream)), Address::Tcp(peer))),
            Listening::Unix(listener, path) => listener
                .poll_accept(context)
                .map_ok(|(stream, _)| (Stream(Socketed::Unix(stream)), Address::Unix(path.clone()))),
        }
    }

    /// Where it listens: the port is the real one when port 0 was asked for.
    pub fn local_address(&self) -> io::Result<Address> {
        match &self.0 {
            Listening::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listening::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listening::Unix(_, path) = &self.0 {
            // Nobody can connect to the file any more; that it is gone already is no error.
            _ = std::fs::remove_file(path);
        }
    }
}

/// A connected byte stream. Belongs to the thread that made it, see [`Stream::detach`].
#[derive(Debug)]
pub struct Stream(Socketed);

#[derive(Debug)]
enum Socketed {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub async fn connect(address: &Address) -> io::Result<Self> {
        Ok(Self(match address {
            Address::Tcp(address) => Socketed::Tcp(TcpStream::connect(address).await?),
            Address::Unix(path) => Socketed::Unix(UnixStream::connect(path).await?),
        }))
    }

    /// Connects from a given local IP (`bind-source-addr`).
    pub async fn connect_from(local: std::net::IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => ::tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => ::tokio::net::TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(local, 0))?;
        Ok(Self(Socketed::Tcp(socket.connect(address).await?)))
    }

    /// Reads what is there into `buffer`; `Ok(0)` is the end of the stream. A short read means that
    /// the socket is empty, and the next poll then waits without asking the kernel.
    #[inline]
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let polled = match &mut self.0 {
            Socketed::Tcp(stream) => Pin::new(stream).poll_read(context, &mut buffer),
            Socketed::Unix(stream) => Pin::new(stream).poll_read(context, &mut buffer),
        };
        polled.map_ok(|()| buffer.filled().len())
    }

    /// Writes what fits now. `WouldBlock`: wait with [`Stream::poll_write_ready`].
    #[inline]
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Socketed::Tcp(stream) => stream.try_write(bytes),
            Socketed::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// [`Stream::try_write`] of several slices in one call.
    #[inline]
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Socketed::Tcp(stream) => stream.try_write_vectored(slices),
            Socketed::Unix(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Ready when a write may succeed, or when the stream is broken and a write will say so.
    #[inline]
    pub fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Socketed::Tcp(stream) => stream.poll_write_ready(context),
            Socketed::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    /// Reads some bytes; 0 is the end of the stream.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll_read(context, buffer)).await
    }

    /// Fills `buffer` or fails with `UnexpectedEof`.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match &mut self.0 {
            Socketed::Tcp(stream) => stream.read_exact(buffer).await.map(drop),
            Socketed::Unix(stream) => stream.read_exact(buffer).await.map(drop),
        }
    }

    /// Writes all bytes.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Socketed::Tcp(stream) => stream.write_all(bytes).await,
            Socketed::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    /// Ends our half: the peer reads what was written, then the end of the stream.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket().shutdown(std::net::Shutdown::Write)
    }

    /// Closes at once, dropping what is unsent; a TCP peer sees `ConnectionReset`.
    pub fn reset(self) {
        // A failure leaves an ordinary close, which is all that can be done for a broken socket.
        _ = self.socket().set_linger(Some(Duration::ZERO));
    }

    /// Sends small writes at once (TCP_NODELAY). Nothing to do for unix sockets.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Socketed::Tcp(stream) => stream.set_nodelay(on),
            Socketed::Unix(_) => Ok(()),
        }
    }

    /// Probes an idle peer after `seconds`, then three times at a third of that before giving it up,
    /// as Redis does. Nothing to do for unix sockets.
    pub fn set_keepalive(&self, seconds: u32) -> io::Result<()> {
        if let Socketed::Unix(_) = &self.0 {
            return Ok(());
        }
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(seconds.max(1).into()))
            .with_interval(Duration::from_secs((seconds / 3).max(1).into()))
            .with_retries(3);
        self.socket().set_tcp_keepalive(&keepalive)
    }

    /// The other end. For unix sockets both ends report the listener's path.
    pub fn peer_address(&self) -> io::Result<Address> {
        match &self.0 {
            Socketed::Tcp(stream) => stream.peer_addr().map(Address::Tcp),
            Socketed::Unix(stream) => unix_path(stream),
        }
    }

    /// Our end.
    pub fn local_address(&self) -> io::Result<Address> {
        match &self.0 {
            Socketed::Tcp(stream) => stream.local_addr().map(Address::Tcp),
            Socketed::Unix(stream) => unix_path(stream),
        }
    }

    /// The number of its file descriptor, for CLIENT LIST.
    pub fn descriptor(&self) -> i32 {
        match &self.0 {
            Socketed::Tcp(stream) => stream.as_raw_fd(),
            Socketed::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Takes the stream off this thread's runtime, so that another thread can [`Detached::attach`] it.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(Detached(match self.0 {
            Socketed::Tcp(stream) => Unattached::Tcp(stream.into_std()?),
            Socketed::Unix(stream) => Unattached::Unix(stream.into_std()?),
        }))
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Socketed::Tcp(stream) => stream.as_fd(),
            Socketed::Unix(stream) => stream.as_fd(),
        }
    }
}

fn unix_path(stream: &UnixStream) -> io::Result<Address> {
    let local = stream.local_addr()?;
    let path = match local.as_pathname() {
        Some(path) => path.to_owned(),
        None => stream.peer_addr()?.as_pathname().map(ToOwned::to_owned).unwrap_or_default(),
    };
    Ok(Address::Unix(path))
}

/// A stream on its way from one thread to another.
#[derive(Debug)]
pub struct Detached(Unattached);

#[derive(Debug)]
enum Unattached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Detached {
    /// Makes it a stream of the calling thread's runtime.
    pub fn attach(self) -> io::Result<Stream> {
        Ok(Stream(match self.0 {
            Unattached::Tcp(stream) => Socketed::Tcp(TcpStream::from_std(stream)?),
            Unattached::Unix(stream) => Socketed::Unix(UnixStream::from_std(stream)?),
        }))
    }
}
