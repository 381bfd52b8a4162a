//! A connection's byte stream, encrypted or not, with one face: that of [`Stream`], but for the end.

use crate::actor::tls::stream::{self as tls, TlsStream};
use crate::runtime::net::{self, Stream};
use std::io;
use std::task::{Context, Poll};

/// A connected byte stream.
#[derive(Debug)]
pub enum Socket {
    /// As it is.
    Plain(Stream),
    /// Over TLS.
    Tls(Box<TlsStream>),
}

impl Socket {
    /// What is underneath.
    pub fn stream(&self) -> &Stream {
        match self {
            Socket::Plain(stream) => stream,
            Socket::Tls(stream) => stream.stream(),
        }
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Socket::Tls(_))
    }

    /// Reads what is there into `buffer`; `Ok(0)` is the end of the stream.
    #[inline]
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Plain(stream) => stream.poll_read(context, buffer),
            Socket::Tls(stream) => stream.poll_read(context, buffer),
        }
    }

    /// Writes what fits now. `WouldBlock`: wait with [`Socket::poll_write_ready`].
    #[inline]
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(stream) => stream.try_write(bytes),
            Socket::Tls(stream) => stream.try_write(bytes),
        }
    }

    /// Ready when a write may succeed, or when the stream is broken and a write will say so.
    #[inline]
    pub fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Plain(stream) => stream.poll_write_ready(context),
            Socket::Tls(stream) => stream.poll_write_ready(context),
        }
    }

    /// Ready when all that was written has left; otherwise the task is woken to go on. Plain bytes leave when they are
    /// written.
    #[inline]
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Plain(_) => Poll::Ready(Ok(())),
            Socket::Tls(stream) => stream.poll_flush(context),
        }
    }

    /// Ends our half once all has left: the peer reads what was written, then the end of the stream.
    pub fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Plain(stream) => Poll::Ready(stream.shutdown_write()),
            Socket::Tls(stream) => stream.poll_end(context),
        }
    }

    /// Takes the stream off this thread's runtime, so that another thread can [`Detached::attach`] it.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Socket::Plain(stream) => Detached::Plain(stream.detach()?),
            Socket::Tls(stream) => Detached::Tls(Box::new(stream.detach()?)),
        })
    }
}

/// A stream on its way from one thread to another.
#[derive(Debug)]
pub enum Detached {
    /// As it is.
    Plain(net::Detached),
    /// Over TLS.
    Tls(Box<tls::Detached>),
}

impl Detached {
    /// Makes it a stream of the calling thread's runtime.
    pub fn attach(self) -> io::Result<Socket> {
        Ok(match self {
            Detached::Plain(stream) => Socket::Plain(stream.attach()?),
            Detached::Tls(stream) => Socket::Tls(Box::new(stream.attach()?)),
        })
    }
}
