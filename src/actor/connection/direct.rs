//! A connection on the keyspace's own thread: it calls the engine and writes from its buffers.

use super::input::Input;
use super::socket::Socket;
use super::{LARGE_READ, OUTPUT_HIGH, READ_SIZE, ReadBuffer, TURNS, at_once, broken, would_block};
use crate::actor::keyspace::{Attend, Keyspace};
use crate::engine::buggify::buggify;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::server::Server;
use crate::engine::server::batch::{Batch, Flow};
use crate::engine::session::{ClientId, Closing};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How the engine gets a connection's attention.
struct Bell {
    waker: RefCell<Option<Waker>>,
    rung: Cell<bool>,
}

impl Attend for Bell {
    fn attend(&self, _: &mut Server, _: ClientId) {
        self.rung.set(true);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// A connection of one client.
struct Connection {
    socket: Socket,
    client: ClientId,
    keyspace: Rc<Keyspace>,
    bell: Rc<Bell>,
    shared: ReadBuffer,
    /// Input that was not consumed.
    pending: Input,
    /// How much of it the engine has not been told of.
    arrived: usize,
    flow: Flow,
    /// The engine was told of pending input.
    noted: bool,
    /// The engine wanted memory for input back, and nothing came since.
    trimmed: bool,
    /// The peer sends no more.
    ended: bool,
}

/// Serves a client until either side ends it.
pub async fn serve(socket: Socket, client: ClientId, keyspace: Rc<Keyspace>, shared: ReadBuffer) {
    // Rung, since the engine may have called before anybody listened.
    let bell = Rc::new(Bell { waker: RefCell::default(), rung: Cell::new(true) });
    keyspace.set_attendant(client, Some(bell.clone()));
    let connection = Connection {
        socket,
        client,
        keyspace,
        bell,
        shared,
        pending: Input::default(),
        arrived: 0,
        flow: Flow::Wait(1),
        noted: false,
        trimmed: false,
        ended: false,
    };
    // Released by its destructor: also when a panic ends the task.
    let mut connection = Registered(connection);
    poll_fn(|context| connection.0.poll(context)).await;
}

/// Unregisters the client however its task ends.
struct Registered(Connection);

impl Drop for Registered {
    fn drop(&mut self) {
        let Connection { keyspace, client, ended, .. } = &self.0;
        keyspace.set_attendant(*client, None);
        keyspace.with_news(|server| {
            if *ended {
                server.hung_up(*client);
            }
            server.disconnect(*client);
        });
    }
}

impl Connection {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.listen_for_bell(context);
        for _ in 0..TURNS {
            if self.bell.rung.take() && self.attend() {
                return Poll::Ready(());
            }
            let waiting = match self.write(context) {
                Ok(waiting) => waiting,
                Err(error) => return broken("Error writing to client", &error),
            };
            match self.flow {
                Flow::Drop => return Poll::Ready(()),
                Flow::Close if waiting == 0 => return self.finish(context),
                Flow::Close => return Poll::Pending,
                _ if waiting > OUTPUT_HIGH => return Poll::Pending,
                Flow::Again => {
                    self.run(0);
                    continue;
                }
                Flow::Wait(_) if self.ended && waiting == 0 => return self.finish(context),
                Flow::Wait(_) if self.ended => return Poll::Pending,
                Flow::Wait(_) | Flow::Blocked => {}
            }
            match self.read(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(()),
                Poll::Ready(Err(error)) => return broken("Reading from client", &error),
            }
            if buggify!("one-turn") {
                break;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn listen_for_bell(&self, context: &mut Context<'_>) {
        let mut waker = self.bell.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }

    /// Looks what the engine wanted. Returns whether the connection ends at once.
    fn attend(&mut self) -> bool {
        let Some(wanted) = self.keyspace.with_news(|server| server.attend(self.client)) else { return true };
        if let Some(bytes) = wanted.trim_input {
            self.pending.shrink_to(bytes);
            self.trimmed = true;
            self.note();
        }
        match wanted.closing {
            Closing::Now => return true,
            Closing::AfterReply => self.flow = Flow::Close,
            Closing::No if self.flow == Flow::Blocked && !wanted.blocked => {
                self.flow = if mutant::is_on("forgotten-rest") { Flow::Wait(1) } else { Flow::Again };
            }
            Closing::No => {}
        }
        false
    }

    /// Sends what may leave. Returns how many bytes still wait, with those that are held.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<usize> {
        let Connection { keyspace, client, socket, .. } = self;
        loop {
            let outcome = keyspace.with_quiet(|server| {
                let output = server.output(*client);
                if output.is_empty() {
                    return Ok((0, server.output_waiting(*client)));
                }
                let most = if buggify!("small-write") { output.len().div_ceil(2) } else { output.len() };
                let mut written = socket.try_write(&output[..most])?;
                sometimes!("short-write", written < output.len());
                if mutant::is_on("short-write") {
                    written = output.len();
                }
                server.handle_written(*client, written, false);
                Ok((written, server.output_waiting(*client)))
            });
            match outcome {
                Ok((0, left) | (_, left @ 0)) => {
                    let _ = socket.poll_flush(context)?;
                    return Ok(left);
                }
                Ok(_) => {}
                Err(error) if would_block(&error) && mutant::is_on("lost-wakeup") => return Ok(1),
                Err(error) if would_block(&error) => match socket.poll_write_ready(context)? {
                    Poll::Pending => {
                        sometimes!("full-socket");
                        return Ok(keyspace.with_quiet(|server| server.output_waiting(*client)));
                    }
                    Poll::Ready(()) => {}
                },
                Err(error) => return Err(error),
            }
        }
    }

    /// All replies are out: a clean end that lets the peer read them.
    fn finish(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The peer may be gone already, which is what we are about to do to it.
        self.socket.poll_end(context).map(|_| ())
    }

    /// Reads once and runs what came. Returns whether the connection goes on.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.pending.is_empty() && self.flow != Flow::Blocked {
            let shared = self.shared.clone();
            let mut buffer = shared.borrow_mut();
            return match self.socket.poll_read(context, at_once(&mut buffer))? {
                Poll::Pending => Poll::Pending,
                Poll::Ready(0) => Poll::Ready(Ok(self.end_of_input())),
                Poll::Ready(count) => {
                    let batch = self.hand_over(&buffer[..count], count);
                    sometimes!("split-request", batch.consumed < count);
                    if !mutant::is_on("split-request") {
                        self.pending.push(&buffer[batch.consumed..count]);
                    }
                    self.after(batch);
                    Poll::Ready(Ok(true))
                }
            };
        }
        if self.trimmed {
            return self.read_after_trim(context);
        }
        let missing = if let Flow::Wait(missing) = self.flow { missing } else { 1 };
        // What the rest of a large request was given is not made larger for what may follow it.
        let spare = self.pending.spare();
        let now = if spare >= missing { spare } else { missing.max(READ_SIZE / 4) };
        let (now, before) = (now.min(LARGE_READ), self.pending.capacity());
        self.pending.space(now, missing);
        if self.pending.capacity() != before {
            self.note();
        }
        match self.socket.poll_read(context, self.pending.space(now, missing))? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(0) => Poll::Ready(Ok(self.end_of_input())),
            Poll::Ready(count) => {
                self.pending.filled(count);
                self.run(count);
                Poll::Ready(Ok(true))
            }
        }
    }

    /// Reads without room of its own, which was just given back, until something comes.
    fn read_after_trim(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let shared = self.shared.clone();
        let mut buffer = shared.borrow_mut();
        match self.socket.poll_read(context, &mut buffer)? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(0) => Poll::Ready(Ok(self.end_of_input())),
            Poll::Ready(count) => {
                self.pending.push(&buffer[..count]);
                self.trimmed = false;
                self.run(count);
                Poll::Ready(Ok(true))
            }
        }
    }

    /// The peer sends no more. What it sent is answered; a blocked client is gone.
    fn end_of_input(&mut self) -> bool {
        self.ended = true;
        sometimes!("unended-wait", self.flow == Flow::Blocked);
        self.flow != Flow::Blocked
    }

    /// Runs what is pending.
    fn run(&mut self, arrived: usize) {
        self.arrived += arrived;
        if self.flow == Flow::Blocked {
            self.note();
            return;
        }
        let mut input = std::mem::take(&mut self.pending);
        let arrived = std::mem::take(&mut self.arrived);
        let batch = self.hand_over(input.pending(), arrived);
        input.consume(batch.consumed);
        self.pending = input;
        self.after(batch);
    }

    fn hand_over(&mut self, input: &[u8], arrived: usize) -> Batch {
        let client = self.client;
        let (now, ns) = self.keyspace.moment();
        self.keyspace.with(now, |server| {
            server.lap = ns;
            server.handle_input(client, input, arrived, now)
        })
    }

    fn after(&mut self, batch: Batch) {
        self.flow = batch.flow;
        if self.pending.capacity() > 0 || self.noted {
            self.note();
        }
    }

    /// Tells the engine what is pending; it closes clients that send too much.
    fn note(&mut self) {
        let Connection { keyspace, client, pending, .. } = self;
        keyspace.with_news(|server| server.note_pending(*client, pending.len(), pending.capacity()));
        self.noted = self.pending.capacity() > 0;
    }
}
