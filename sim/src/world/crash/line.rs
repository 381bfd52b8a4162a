//! A client's connection.

use std::io;
use std::time::Duration;

use seedis::runtime::net::{Address, Stream};
use seedis::runtime::time;

use super::data::Bytes;
use crate::resp::{self, Reply};

/// How long it takes at most to be connected in a network without faults, though its server may be dead.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Line {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Line {
    pub async fn open(address: &Address) -> io::Result<Self> {
        let stream = time::timeout(PATIENCE, Stream::connect(address)).await;
        let stream = stream.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub async fn send(&mut self, requests: &[Vec<Bytes>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| resp::encode(request, &mut bytes));
        self.stream.write_all(&bytes).await
    }

    /// The next reply, however long it takes.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            match resp::decode(&self.buffer) {
                Ok(Some((reply, length))) => {
                    self.buffer.drain(..length);
                    return Ok(reply);
                }
                Ok(None) => {}
                Err(malformed) => return Err(io::Error::new(io::ErrorKind::InvalidData, malformed.0)),
            }
            let mut chunk = [0; 16_384];
            match self.stream.read(&mut chunk).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend(&chunk[..read]),
            }
        }
    }

    pub async fn ask(&mut self, request: &[Bytes]) -> io::Result<Reply> {
        self.send(&[request.to_vec()]).await?;
        self.reply().await
    }
}
