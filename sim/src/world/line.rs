//! A client's connection.

use std::io;
use std::time::Duration;

use seedis::runtime::net::{Address, Stream};
use seedis::runtime::time;

use crate::resp::{self, Reply};

/// Bytes that a client asks for at a time, if it does not matter.
pub const READ: usize = 4_096;

pub struct Line {
    pub stream: Stream,
    /// Bytes that it asks for at a time.
    pub read: usize,
    /// What it does before each read.
    pub pause: Duration,
    buffer: Vec<u8>,
    /// Bytes of replies so far.
    decoded: u64,
}

impl Line {
    pub async fn open(address: &Address, patience: Duration, read: usize) -> io::Result<Self> {
        let stream = within(patience, Stream::connect(address)).await?;
        Ok(Self { stream, read, pause: Duration::ZERO, buffer: Vec::new(), decoded: 0 })
    }

    pub async fn send<A: AsRef<[u8]>>(&mut self, requests: &[impl AsRef<[A]>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| resp::encode(request.as_ref(), &mut bytes));
        self.stream.write_all(&bytes).await
    }

    /// The next reply, however long it takes.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            match resp::decode(&self.buffer) {
                Ok(Some((reply, length))) => {
                    self.buffer.drain(..length);
                    self.decoded += length as u64;
                    return Ok(reply);
                }
                Ok(None) => {}
                Err(malformed) => return Err(io::Error::new(io::ErrorKind::InvalidData, malformed.0)),
            }
            if !self.pause.is_zero() {
                time::sleep(self.pause).await;
            }
            let mut chunk = vec![0; self.read];
            match self.stream.read(&mut chunk).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend(&chunk[..read]),
            }
        }
    }

    pub async fn ask<A: AsRef<[u8]>>(&mut self, request: &[A]) -> io::Result<Reply> {
        self.send(&[request]).await?;
        self.reply().await
    }

    /// Whether there is more than the replies that were asked for.
    pub fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// When the server wrote the last reply, if that is known.
    pub fn answered_ns(&self) -> Option<u64> {
        self.stream.peer_wrote_ns(self.decoded)
    }
}

/// What comes of something, unless it takes too long.
pub async fn within<T>(patience: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    time::timeout(patience, what).await.map_err(|_| io::ErrorKind::TimedOut)?
}
