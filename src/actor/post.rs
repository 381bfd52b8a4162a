//! The keyspace's side of `io-threads` above 1: runs what the threads of connections report, and sends
//! each of them one message with all that its connections are to do.

use super::connection::socket::Socket;
use super::connection::thread;
use super::keyspace::{Attend, Keyspace};
use super::message::{Batch, Letter, News, Order, Report, Turn};
use super::vital::Vital;
use crate::engine::buggify::buggify;
use crate::engine::server::Server;
use crate::engine::server::batch::Flow;
use crate::engine::session::{ClientId, Closing};
use crate::runtime::sync::mpsc;
use crate::runtime::thread::spawn_runtime;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Turns of threads that may wait. More wait, put together, in the threads.
const QUEUE: usize = 64;
/// Turns that are run before the replies are sent.
const TURNS: usize = 16;

/// Where the threads of connections send to and hear from.
pub struct Post {
    keyspace: Rc<Keyspace>,
    /// What is to be sent, by thread.
    letters: RefCell<Vec<Vec<Letter>>>,
    threads: RefCell<Vec<mpsc::UnboundedSender<Vec<Letter>>>>,
    /// By slot.
    remotes: RefCell<Vec<Option<Rc<Remote>>>>,
    /// The thread of the next connection.
    next: Cell<usize>,
    clerk: RefCell<Option<Waker>>,
    /// The clerk is at work and will send what is written.
    busy: Cell<bool>,
}

/// What the post remembers of a client.
struct Remote {
    post: Rc<Post>,
    thread: usize,
    /// The connection was told to wait, so it must be told to go on.
    blocked: Cell<bool>,
    /// The engine was told of input that waits.
    noted: Cell<bool>,
    /// The connection was told of output that is held back.
    held: Cell<usize>,
}

impl Remote {
    /// Tells the connection how much output is held back, if that changed.
    fn tell_held(&self, client: ClientId, bytes: usize) {
        if self.held.replace(bytes) != bytes {
            self.post.write(self.thread, Letter { client, order: Order::Held(bytes) });
        }
    }
}

impl Attend for Remote {
    fn attend(&self, server: &mut Server, client: ClientId) {
        let Some(wanted) = server.attend(client) else { return };
        let write = |order| self.post.write(self.thread, Letter { client, order });
        let output = server.take_output(client, Vec::new());
        if !output.is_empty() {
            write(Order::Push(output));
        }
        self.tell_held(client, server.output_waiting(client));
        if let Some(bytes) = wanted.trim_input {
            write(Order::Trim(bytes));
        }
        match wanted.closing {
            Closing::Now => write(Order::Drop),
            Closing::AfterReply => write(Order::Close),
            Closing::No if self.blocked.get() && !wanted.blocked => {
                self.blocked.set(false);
                write(Order::Resume);
            }
            Closing::No => {}
        }
    }
}

impl Post {
    /// Starts `count` threads.
    pub fn start(keyspace: &Rc<Keyspace>, count: usize) -> io::Result<Rc<Self>> {
        let (turns, inbox) = mpsc::channel(QUEUE);
        let mut threads = Vec::new();
        for number in 0..count {
            let (letters, mailbox) = mpsc::unbounded_channel();
            let turns = turns.clone();
            // It ends by itself when the post is gone; a panic ends one connection, not the thread.
            spawn_runtime("io", move || thread::run(number, turns, mailbox))?;
            threads.push(letters);
        }
        keyspace.with_quiet(|server| server.set_other_threads(count));
        let post = Rc::new(Post {
            keyspace: keyspace.clone(),
            letters: RefCell::new((0..count).map(|_| Vec::new()).collect()),
            threads: RefCell::new(threads),
            remotes: RefCell::default(),
            next: Cell::new(0),
            clerk: RefCell::default(),
            busy: Cell::new(false),
        });
        Vital::Post.start(keyspace, post.clone().work(inbox));
        Ok(post)
    }

    /// Gives a client's connection to one of the threads.
    pub fn serve(self: &Rc<Self>, socket: Socket, client: ClientId) -> io::Result<()> {
        let stream = socket.detach()?;
        let thread = self.next.get();
        self.next.set((thread + 1) % self.letters.borrow().len());
        self.keyspace.with_quiet(|server| server.set_thread(client, thread + 1));
        let (blocked, noted, held) = (Cell::default(), Cell::default(), Cell::default());
        let remote = Rc::new(Remote { post: self.clone(), thread, blocked, noted, held });
        let mut remotes = self.remotes.borrow_mut();
        let slot = client.slot as usize;
        if remotes.len() <= slot {
            remotes.resize(slot + 1, None);
        }
        remotes[slot] = Some(remote.clone());
        self.keyspace.set_attendant(client, Some(remote));
        self.write(thread, Letter { client, order: Order::Serve(stream) });
        Ok(())
    }

    fn write(&self, thread: usize, letter: Letter) {
        self.letters.borrow_mut()[thread].push(letter);
        if !self.busy.get()
            && let Some(waker) = &*self.clerk.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Has the threads end.
    pub fn close(&self) {
        self.threads.borrow_mut().clear();
    }

    /// Sends what was written.
    fn send(&self) {
        let threads = self.threads.borrow();
        for (letters, thread) in self.letters.borrow_mut().iter_mut().zip(threads.iter()) {
            if !letters.is_empty() {
                // A thread is gone only when the server stops.
                let _ = thread.send(std::mem::take(letters));
            }
        }
    }

    /// Runs what comes, until all threads have ended.
    async fn work(self: Rc<Self>, mut inbox: mpsc::Receiver<Turn>) {
        let mut turns = Vec::with_capacity(TURNS);
        loop {
            let open = poll_fn(|context| {
                *self.clerk.borrow_mut() = Some(context.waker().clone());
                let most = if buggify!("one-report") { 1 } else { TURNS };
                if let Poll::Ready(count) = inbox.poll_recv_many(context, &mut turns, most) {
                    return Poll::Ready(count > 0);
                }
                let written = self.letters.borrow().iter().any(|letters| !letters.is_empty());
                if written { Poll::Ready(true) } else { Poll::Pending }
            });
            if !open.await {
                return;
            }
            self.busy.set(true);
            for Turn { thread, reports } in turns.drain(..) {
                for report in reports {
                    self.take(thread, report);
                }
            }
            self.busy.set(false);
            self.send();
        }
    }

    fn take(&self, thread: usize, report: Report) {
        let Report { client, written, news } = report;
        if written > 0 {
            self.keyspace.with_news(|server| server.handle_written(client, written, true));
        }
        match news {
            News::Written => {}
            News::Input(batch) => self.run(thread, client, batch),
            News::Ended { by_peer } => {
                self.remotes.borrow_mut()[client.slot as usize] = None;
                self.keyspace.set_attendant(client, None);
                self.keyspace.with_news(|server| {
                    if by_peer {
                        server.hung_up(client);
                    }
                    server.disconnect(client);
                });
            }
        }
    }

    fn run(&self, thread: usize, client: ClientId, batch: Batch) {
        let Batch { bytes, start, arrived, spare } = batch;
        let remote = self.remotes.borrow().get(client.slot as usize).cloned().flatten();
        // Without one the client has ended, as the connection will hear.
        let Some(remote) = remote else { return };
        let write = |order| self.write(thread, Letter { client, order });
        let (now, ns) = self.keyspace.moment();
        let (start, mut flow) = self.keyspace.with(now, |server| {
            server.lap = ns;
            // What waited until now was written between batches.
            let earlier = server.take_output(client, spare);
            if !earlier.is_empty() {
                write(Order::Push(earlier));
            }
            let ran = server.handle_input(client, &bytes[start..], arrived, now);
            (start + ran.consumed, ran.flow)
        });
        let rest = bytes.len() - start;
        let output = self.keyspace.with_news(|server| {
            if rest > 0 || remote.noted.get() {
                remote.noted.set(rest > 0);
                server.note_pending(client, rest, if rest > 0 { bytes.capacity() } else { 0 });
            }
            // The wait may be over already, as that for a file written at once.
            let session = server.clients.get(client);
            if flow == Flow::Blocked && session.is_some_and(|session| session.blocked.is_none()) {
                flow = Flow::Again;
            }
            let output = server.take_output(client, Vec::new());
            remote.tell_held(client, server.output_waiting(client));
            output
        });
        remote.blocked.set(flow == Flow::Blocked);
        write(Order::Done { bytes, start, output, flow });
    }
}
