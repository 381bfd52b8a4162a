//! As much of a client as the application needs. Yours may be any that is generic over its stream.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Nothing.
    Null,
    /// Why there is none.
    Error(String),
}

/// A connection on which one command is sent after the other.
pub struct Connection<S> {
    stream: S,
    received: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(stream: S) -> Self {
        Connection { stream, received: Vec::new() }
    }

    /// Sends a command and waits for its reply. After an error the connection is of no use.
    pub async fn call(&mut self, words: &[&str]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| request += &format!("${}\r\n{word}\r\n", word.len()));
        let mut rest = request.as_bytes();
        while !rest.is_empty() {
            let written = poll_fn(|context| Pin::new(&mut self.stream).poll_write(context, rest)).await?;
            rest = &rest[written..];
        }
        let line = self.line().await?;
        let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => Reply::Text(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(number()?),
            "$" if number()? < 0 => Reply::Null,
            "$" => Reply::Text(self.line().await?),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }

    /// The next line; what this application stores has no line breaks.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.received.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).map_err(io::Error::other);
            }
            if self.read().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 4096];
        let mut buffer = ReadBuf::new(&mut bytes);
        poll_fn(|context| {
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            std::task::Poll::Ready(io::Result::Ok(()))
        })
        .await?;
        self.received.extend_from_slice(buffer.filled());
        Ok(buffer.filled().len())
    }
}
