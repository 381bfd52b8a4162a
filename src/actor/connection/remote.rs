//! A connection on a thread of its own: it sends the keyspace whole batches and gets replies back.
//!
//! One batch of a connection is under way at a time; what arrives meanwhile waits here, and, once that
//! is too much, in the socket.

use super::{OUTPUT_HIGH, READ_SIZE, ReadBuffer, TURNS, describe, would_block};
use crate::actor::listener;
use crate::actor::message::{ToConnection, ToKeyspace};
use crate::engine::server::batch::Flow;
use crate::engine::session::ClientId;
use crate::runtime::net::Stream;
use crate::runtime::sync::{mpsc, oneshot};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// A connection of one client.
struct Connection {
    stream: Stream,
    client: ClientId,
    keyspace: mpsc::Sender<ToKeyspace>,
    mailbox: mpsc::UnboundedReceiver<ToConnection>,
    shared: ReadBuffer,
    /// Input that was not handed over yet.
    pending: Vec<u8>,
    /// How much of it is new.
    arrived: usize,
    /// Output to send, front first, and how much of the front is sent.
    output: VecDeque<Vec<u8>>,
    sent: usize,
    waiting: usize,
    /// An empty buffer to hand over with the next batch.
    spare: Vec<u8>,
    /// A batch is under way.
    running: bool,
    flow: Flow,
    /// The peer sends no more.
    ended: bool,
}

/// Introduces a client to the keyspace and serves it until either side ends it.
pub async fn serve(stream: Stream, keyspace: mpsc::Sender<ToKeyspace>, shared: ReadBuffer, keepalive: u32) {
    listener::prepare(&stream, keepalive);
    let (letters, mailbox) = mpsc::unbounded_channel();
    let (answer, answered) = oneshot::channel();
    let hello = ToKeyspace::Connect { peer: describe(&stream), mailbox: letters, answer };
    if keyspace.send(hello).await.is_err() {
        return;
    }
    let client = match answered.await {
        Ok(Ok(client)) => client,
        Ok(Err(why)) => return listener::refuse(stream, why),
        Err(_) => return,
    };
    let mut connection = Connection {
        stream,
        client,
        keyspace: keyspace.clone(),
        mailbox,
        shared,
        pending: Vec::new(),
        arrived: 0,
        output: VecDeque::new(),
        sent: 0,
        waiting: 0,
        spare: Vec::new(),
        running: false,
        flow: Flow::Wait(1),
        ended: false,
    };
    loop {
        match poll_fn(|context| connection.poll(context)).await {
            // The keyspace's queue may be full: waiting for it is what bounds it.
            Some(message) => {
                if keyspace.send(message).await.is_err() {
                    break;
                }
            }
            None => break,
        }
    }
    // The keyspace is gone only when the server stops.
    let _ = keyspace.send(ToKeyspace::Disconnect(client)).await;
}

impl Connection {
    /// Goes on until there is a message to send (`Some`) or the connection ends (`None`).
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<ToKeyspace>> {
        for _ in 0..TURNS {
            while let Poll::Ready(letter) = self.mailbox.poll_recv(context) {
                let Some(letter) = letter else { return Poll::Ready(None) };
                if self.take(letter) {
                    return Poll::Ready(None);
                }
            }
            match self.write(context) {
                Ok(0) => {}
                Ok(count) => {
                    return Poll::Ready(Some(ToKeyspace::Written { client: self.client, count }));
                }
                Err(()) => return Poll::Ready(None),
            }
            match self.flow {
                Flow::Drop => return Poll::Ready(None),
                Flow::Close if self.waiting == 0 => {
                    // The peer may be gone already, which is what we are about to do to it.
                    let _ = self.stream.shutdown_write();
                    return Poll::Ready(None);
                }
                Flow::Close => return Poll::Pending,
                _ if self.waiting > OUTPUT_HIGH => return Poll::Pending,
                _ => {}
            }
            if !self.running && self.runnable() {
                return Poll::Ready(Some(self.batch()));
            }
            if self.ended {
                return if self.running { Poll::Pending } else { Poll::Ready(None) };
            }
            if self.running && self.pending.len() > READ_SIZE {
                return Poll::Pending;
            }
            match self.read(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(false) => return Poll::Ready(None),
                Poll::Ready(true) => {}
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn runnable(&self) -> bool {
        match self.flow {
            Flow::Again => true,
            Flow::Wait(_) => self.arrived > 0,
            Flow::Blocked | Flow::Close | Flow::Drop => false,
        }
    }

    fn batch(&mut self) -> ToKeyspace {
        self.running = true;
        ToKeyspace::Input {
            client: self.client,
            bytes: std::mem::take(&mut self.pending),
            arrived: std::mem::take(&mut self.arrived),
            spare: std::mem::take(&mut self.spare),
        }
    }

    /// Takes what the keyspace sent. Returns whether the connection ends at once.
    fn take(&mut self, letter: ToConnection) -> bool {
        match letter {
            ToConnection::Done { mut rest, output, flow } => {
                self.running = false;
                self.flow = flow;
                rest.append(&mut self.pending);
                self.pending = rest;
                self.enqueue(output);
            }
            ToConnection::Push(output) => self.enqueue(output),
            ToConnection::Resume if self.flow == Flow::Blocked => self.flow = Flow::Again,
            ToConnection::Resume => {}
            ToConnection::Close => self.flow = Flow::Close,
            ToConnection::Drop => return true,
        }
        false
    }

    fn enqueue(&mut self, output: Vec<u8>) {
        if output.is_empty() {
            self.spare = output;
        } else {
            self.waiting += output.len();
            self.output.push_back(output);
        }
    }

    /// Sends what waits; returns how much was sent.
    fn write(&mut self, context: &mut Context<'_>) -> Result<usize, ()> {
        let mut total = 0;
        while let Some(front) = self.output.front() {
            match self.stream.try_write(&front[self.sent..]) {
                Ok(count) => {
                    total += count;
                    self.waiting -= count;
                    self.sent += count;
                    if self.sent == front.len() {
                        self.sent = 0;
                        self.spare = self.output.pop_front().unwrap_or_default();
                        self.spare.clear();
                    }
                }
                Err(error) if would_block(&error) => match self.stream.poll_write_ready(context) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Err(()),
                },
                Err(_) => return Err(()),
            }
        }
        Ok(total)
    }

    /// Reads once. Returns whether the connection goes on.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let shared = self.shared.clone();
        let mut buffer = shared.borrow_mut();
        match self.stream.poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(false),
            Poll::Ready(Ok(0)) => {
                self.ended = true;
                Poll::Ready(self.running)
            }
            Poll::Ready(Ok(count)) => {
                self.pending.extend_from_slice(&buffer[..count]);
                self.arrived += count;
                Poll::Ready(true)
            }
        }
    }
}
