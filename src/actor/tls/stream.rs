//! A byte stream that TLS encrypts, for use in poll functions.

use crate::runtime::net;
use crate::runtime::net::Stream;
use rustls::{ServerConfig, ServerConnection};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Bytes encrypted at once: enough for several records in one write, little enough to wait encrypted.
const CHUNK: usize = 64 * 1024;

/// A stream and its session. What it was given to send may still lie encrypted in it: see [`TlsStream::poll_flush`].
#[derive(Debug)]
pub struct TlsStream {
    stream: Stream,
    session: ServerConnection,
    /// The peer was told that no more comes.
    ended: bool,
}

/// A stream on its way from one thread to another.
#[derive(Debug)]
pub struct Detached {
    stream: net::Detached,
    session: ServerConnection,
}

impl Detached {
    /// Makes it a stream of the calling thread's runtime.
    pub fn attach(self) -> io::Result<TlsStream> {
        Ok(TlsStream { stream: self.stream.attach()?, session: self.session, ended: false })
    }
}

/// What is read from the socket, for a reader that cannot wait.
struct Incoming<'a, 'b> {
    stream: &'a mut Stream,
    context: &'a mut Context<'b>,
}

impl Read for Incoming<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.poll_read(self.context, buffer) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

struct Outgoing<'a>(&'a mut Stream);

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsStream {
    /// Begins as the server.
    pub async fn accept(stream: Stream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = TlsStream { stream, session, ended: false };
        poll_fn(|context| stream.poll_handshake(context)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // Flushed to the end, so that the peer has all it needs before anybody waits for it.
            ready!(self.poll_flush(context))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_receive(context))? == 0 {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// The socket.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The certificate that the peer has shown, which was found valid.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.session.peer_certificates()?.first().map(|certificate| &**certificate)
    }

    /// Reads what is there into `buffer`; `Ok(0)` is the end of the stream.
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The peer left without a word: an end like any other, since requests know their own.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_receive(context))?;
        }
    }

    /// Reads from the socket and decrypts; 0 is the end of it.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = match self.session.read_tls(&mut Incoming { stream: &mut self.stream, context }) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let understood = self.session.process_new_packets();
        // An answer of the protocol itself, or the alert that says what is wrong; who cannot be told is left all the same.
        let sent = self.send();
        understood.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        match sent {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
            // Has the task woken to go on with it.
            Err(_) => _ = self.poll_flush(context)?,
            Ok(()) => {}
        }
        Poll::Ready(Ok(count))
    }

    /// Encrypts and sends what fits now. `WouldBlock`: wait with [`TlsStream::poll_write_ready`].
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What was encrypted before has to leave first, so that never more than one chunk waits.
        self.send()?;
        let count = self.session.writer().write(&bytes[..bytes.len().min(CHUNK)])?;
        match self.send() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    /// Sends what is encrypted. `WouldBlock`: not all.
    fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut Outgoing(&mut self.stream))?;
        }
        Ok(())
    }

    /// Ready when a write may succeed, or when the stream is broken and a write will say so.
    pub fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(context)
    }

    /// Ready when all that was written has left.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.send() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(context))?;
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Ends our half once all has left: the peer reads what was written, then the end of the stream.
    pub fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.ended = true;
            self.session.send_close_notify();
        }
        ready!(self.poll_flush(context))?;
        Poll::Ready(self.stream.shutdown_write())
    }

    /// Takes the stream off this thread's runtime, so that another thread can [`Detached::attach`] it.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(Detached { stream: self.stream.detach()?, session: self.session })
    }
}
