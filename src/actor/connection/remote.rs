//! A connection on another thread than the keyspace's: whole batches go there, replies come back.
//!
//! One batch of a connection is under way at a time; what arrives meanwhile waits here, and, once that
//! is too much, in the socket.

use super::input::Input;
use super::socket::Socket;
use super::thread::Office;
use super::{LARGE_READ, OUTPUT_HIGH, READ_SIZE, TURNS, at_once, broken, would_block};
use crate::actor::message::{Batch, News, Order, Report};
use crate::engine::buggify::buggify;
use crate::engine::server::batch::Flow;
use crate::engine::session::ClientId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

/// Sent bytes after which the keyspace is told at once; fewer are told with the next report of any kind.
const WRITTEN_HIGH: usize = 64 * 1024;

/// What stands between a connection's task and the rest of its thread.
#[derive(Debug)]
pub struct Mailbox {
    /// Whose.
    pub client: ClientId,
    orders: RefCell<VecDeque<Order>>,
    waker: RefCell<Option<Waker>>,
    /// Sent and not reported.
    pub written: Cell<usize>,
    /// The thread will see that it is reported.
    pub owes: Cell<bool>,
}

impl Mailbox {
    /// An empty one.
    pub fn new(client: ClientId) -> Self {
        Mailbox {
            client,
            orders: RefCell::default(),
            waker: RefCell::default(),
            written: Cell::new(0),
            owes: Cell::new(false),
        }
    }

    /// Leaves an order.
    pub fn put(&self, order: Order) {
        self.orders.borrow_mut().push_back(order);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn listen(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }
}

/// A connection of one client.
struct Connection {
    socket: Socket,
    office: Rc<Office>,
    mailbox: Rc<Mailbox>,
    /// Input that was not handed over yet.
    input: Input,
    /// How much of it is new.
    arrived: usize,
    /// Output to send, front first, how much of the front is sent, and how much is left of all.
    output: VecDeque<Vec<u8>>,
    sent: usize,
    waiting: usize,
    /// Output that the keyspace still holds back.
    held: usize,
    /// A batch is under way.
    running: bool,
    flow: Flow,
    /// The peer sends no more.
    ended: bool,
}

/// Serves a client until either side ends it.
pub async fn serve(socket: Socket, mailbox: Rc<Mailbox>, office: Rc<Office>) {
    let connection = Connection {
        socket,
        office,
        mailbox,
        input: Input::default(),
        arrived: 0,
        output: VecDeque::new(),
        sent: 0,
        waiting: 0,
        held: 0,
        running: false,
        flow: Flow::Wait(1),
        ended: false,
    };
    // Reported by its destructor: also when a panic ends the task.
    let mut connection = Reported(connection);
    poll_fn(|context| connection.0.poll(context)).await;
}

/// Tells the keyspace of the end, however the task ends.
struct Reported(Connection);

impl Drop for Reported {
    fn drop(&mut self) {
        self.0.report(News::Ended { by_peer: self.0.ended });
        self.0.office.forget(self.0.mailbox.client);
    }
}

impl Connection {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.mailbox.listen(context);
        for _ in 0..TURNS {
            if self.take_orders() {
                return Poll::Ready(());
            }
            if let Err(error) = self.write(context) {
                return broken("Error writing to client", &error);
            }
            match self.flow {
                Flow::Drop => return Poll::Ready(()),
                Flow::Close if self.waiting + self.held == 0 => return self.finish(context),
                Flow::Close => return Poll::Pending,
                _ if self.waiting + self.held > OUTPUT_HIGH => return Poll::Pending,
                _ => {}
            }
            if !self.running && self.is_runnable() {
                self.hand_over();
            }
            if self.ended {
                return match self.flow {
                    _ if self.running => Poll::Pending,
                    Flow::Blocked => Poll::Ready(()),
                    _ if self.waiting + self.held == 0 => self.finish(context),
                    _ => Poll::Pending,
                };
            }
            if self.is_full() {
                return Poll::Pending;
            }
            match self.read(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return broken("Reading from client", &error),
            }
            if buggify!("one-turn") {
                break;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether there is something to run: with part of a request there is not.
    fn is_runnable(&self) -> bool {
        match self.flow {
            Flow::Again => true,
            // The keyspace hears of a large request from time to time, since it is the one to limit it; and
            // in the end, since what is missing then is what it was told is missing.
            Flow::Wait(missing) => self.arrived >= missing.min(LARGE_READ) || self.ended && self.arrived > 0,
            Flow::Blocked | Flow::Close | Flow::Drop => false,
        }
    }

    /// Whether more input has to wait in the socket.
    fn is_full(&self) -> bool {
        match self.flow {
            _ if self.running => self.arrived >= READ_SIZE,
            Flow::Blocked => self.input.len() >= LARGE_READ,
            _ => false,
        }
    }

    fn hand_over(&mut self) {
        self.running = true;
        let (bytes, start) = std::mem::take(&mut self.input).into_parts();
        let batch =
            Batch { bytes, start, arrived: std::mem::take(&mut self.arrived), spare: self.office.spare() };
        self.report(News::Input(batch));
    }

    fn report(&self, news: News) {
        let Mailbox { client, written, .. } = &*self.mailbox;
        self.office.report(Report { client: *client, written: written.take(), news });
    }

    /// Does what the keyspace wants. Returns whether the connection ends at once.
    fn take_orders(&mut self) -> bool {
        loop {
            let Some(order) = self.mailbox.orders.borrow_mut().pop_front() else { return false };
            match order {
                Order::Done { bytes, start, output, flow } => {
                    self.running = false;
                    self.flow = flow;
                    self.put_back(Input::from_parts(bytes, start));
                    self.enqueue(output);
                }
                Order::Push(output) => self.enqueue(output),
                Order::Held(bytes) => self.held = bytes,
                Order::Resume if self.flow == Flow::Blocked => self.flow = Flow::Again,
                Order::Resume | Order::Serve(_) => {}
                Order::Trim(bytes) => self.input.shrink_to(bytes),
                Order::Close => self.flow = Flow::Close,
                Order::Drop => return true,
            }
        }
    }

    /// Puts what was not consumed before what arrived meanwhile.
    fn put_back(&mut self, mut rest: Input) {
        if rest.is_empty() {
            let (bytes, _) = rest.into_parts();
            self.office.keep(bytes);
            return;
        }
        rest.push(self.input.pending());
        self.input = rest;
    }

    fn enqueue(&mut self, output: Vec<u8>) {
        if output.is_empty() {
            self.office.keep(output);
        } else {
            self.waiting += output.len();
            self.output.push_back(output);
        }
    }

    /// Sends what waits, as far as it can.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while let Some(front) = self.output.front() {
            let rest = &front[self.sent..];
            let most = if buggify!("small-write") { rest.len().div_ceil(2) } else { rest.len() };
            match self.socket.try_write(&rest[..most]) {
                Ok(count) => {
                    self.waiting -= count;
                    self.mailbox.written.set(self.mailbox.written.get() + count);
                    self.sent += count;
                    if self.sent == front.len() {
                        self.sent = 0;
                        self.office.keep(self.output.pop_front().unwrap_or_default());
                    }
                }
                Err(error) if would_block(&error) => match self.socket.poll_write_ready(context)? {
                    Poll::Pending => break,
                    Poll::Ready(()) => {}
                },
                Err(error) => return Err(error),
            }
        }
        if self.output.is_empty() {
            let _ = self.socket.poll_flush(context)?;
        }
        match self.mailbox.written.get() {
            0 => {}
            WRITTEN_HIGH.. => self.report(News::Written),
            _ => self.office.owe(&self.mailbox),
        }
        Ok(())
    }

    /// All replies are out: a clean end that lets the peer read them.
    fn finish(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The peer may be gone already, which is what we are about to do to it.
        self.socket.poll_end(context).map(|_| ())
    }

    /// Reads once.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let count = if self.input.is_empty() {
            let mut buffer = self.office.buffer();
            let count = ready!(self.socket.poll_read(context, at_once(&mut buffer)))?;
            let mut bytes = self.office.spare();
            bytes.extend_from_slice(&buffer[..count]);
            self.input = Input::from_parts(bytes, 0);
            count
        } else {
            let missing = if let Flow::Wait(missing) = self.flow { missing } else { 1 };
            let space = self.input.space(missing.clamp(READ_SIZE, LARGE_READ), missing);
            let count = ready!(self.socket.poll_read(context, space))?;
            self.input.filled(count);
            count
        };
        self.arrived += count;
        self.ended |= count == 0;
        Poll::Ready(Ok(()))
    }
}
