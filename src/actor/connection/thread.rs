//! A thread of connections (`io-threads` above 1): collects what they report in one turn of its loop, and
//! hands out what the keyspace sends back.

use super::remote::{self, Mailbox};
use super::socket::Detached;
use super::{ReadBuffer, read_buffer};
use crate::actor::log::{self, reason};
use crate::actor::message::{Letter, News, Order, Report, Turn};
use crate::engine::buggify::buggify;
use crate::engine::effect::Level;
use crate::engine::session::ClientId;
use crate::runtime::sync::mpsc;
use crate::runtime::time::Sleep;
use crate::runtime::{process, task, time};
use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Buffers kept for the next batches.
const SPARES: usize = 256;
/// The largest of them, in bytes.
const SPARE_SIZE: usize = 16 * 1024;
/// Microseconds after which the keyspace hears of sent output for which there was no other report.
const DEBT_US: u64 = 10_000;

/// What the connections of a thread share.
pub struct Office {
    reports: RefCell<Vec<Report>>,
    /// Connections that sent output and may have no other reason to report it.
    debtors: RefCell<Vec<Rc<Mailbox>>>,
    courier: RefCell<Option<Waker>>,
    /// By slot.
    mailboxes: RefCell<Vec<Option<Rc<Mailbox>>>>,
    spares: RefCell<Vec<Vec<u8>>>,
    shared: ReadBuffer,
}

impl Office {
    fn new() -> Rc<Self> {
        Rc::new(Office {
            reports: RefCell::default(),
            debtors: RefCell::default(),
            courier: RefCell::default(),
            mailboxes: RefCell::default(),
            spares: RefCell::default(),
            shared: read_buffer(),
        })
    }

    /// Has the keyspace told, at the end of this turn.
    pub fn report(&self, report: Report) {
        let mut reports = self.reports.borrow_mut();
        reports.push(report);
        if reports.len() == 1 {
            self.call_courier();
        }
    }

    /// Has the keyspace told of sent output if the connection does not do so itself soon.
    pub fn owe(&self, mailbox: &Rc<Mailbox>) {
        if mailbox.owes.replace(true) {
            return;
        }
        let mut debtors = self.debtors.borrow_mut();
        debtors.push(mailbox.clone());
        if debtors.len() == 1 {
            self.call_courier();
        }
    }

    /// The connection of a client ended.
    pub fn forget(&self, client: ClientId) {
        if let Some(place) = self.mailboxes.borrow_mut().get_mut(client.slot as usize) {
            place.take_if(|mailbox| mailbox.client == client);
        }
    }

    /// An empty buffer.
    pub fn spare(&self) -> Vec<u8> {
        self.spares.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a buffer for later.
    pub fn keep(&self, mut buffer: Vec<u8>) {
        let mut spares = self.spares.borrow_mut();
        if buffer.capacity() > 0 && buffer.capacity() <= SPARE_SIZE && spares.len() < SPARES {
            buffer.clear();
            spares.push(buffer);
        }
    }

    /// The buffer that all connections of the thread read into.
    pub fn buffer(&self) -> RefMut<'_, Box<[u8]>> {
        self.shared.borrow_mut()
    }

    fn call_courier(&self) {
        if let Some(waker) = &*self.courier.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Waits until there are reports; those of debts are there when they are due.
    fn poll_reports(&self, due: &mut Sleep, context: &mut Context<'_>) -> Poll<()> {
        *self.courier.borrow_mut() = Some(context.waker().clone());
        if !self.debtors.borrow().is_empty() && Pin::new(&mut *due).poll(context).is_ready() {
            for mailbox in self.debtors.take() {
                mailbox.owes.set(false);
                let written = mailbox.written.take();
                if written > 0 {
                    let report = Report { client: mailbox.client, written, news: News::Written };
                    self.reports.borrow_mut().push(report);
                }
            }
            due.reset(time::now().mono_us + DEBT_US);
        }
        if self.reports.borrow().is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn deliver(self: &Rc<Self>, letter: Letter) {
        let Letter { client, order } = letter;
        if let Order::Serve(stream) = order {
            self.open(client, stream);
            return;
        }
        let mailboxes = self.mailboxes.borrow();
        let mailbox = mailboxes.get(client.slot as usize).and_then(Option::as_ref);
        // Without a mailbox the connection has ended, and the keyspace does not know yet.
        if let Some(mailbox) = mailbox.filter(|mailbox| mailbox.client == client) {
            mailbox.put(order);
        }
    }

    fn open(self: &Rc<Self>, client: ClientId, stream: Detached) {
        let stream = match stream.attach() {
            Ok(stream) => stream,
            Err(error) => {
                log::write(Level::Warning, &format!("Serving client connection: {}", reason(&error)));
                return self.report(Report { client, written: 0, news: News::Ended { by_peer: false } });
            }
        };
        let mailbox = Rc::new(Mailbox::new(client));
        let mut mailboxes = self.mailboxes.borrow_mut();
        let slot = client.slot as usize;
        if mailboxes.len() <= slot {
            mailboxes.resize(slot + 1, None);
        }
        mailboxes[slot] = Some(mailbox.clone());
        task::spawn_local("connection", remote::serve(stream, mailbox, self.clone()));
    }

    /// Ends all connections: the keyspace is gone.
    fn close(&self) {
        for mailbox in self.mailboxes.take().into_iter().flatten() {
            mailbox.put(Order::Drop);
        }
    }
}

/// The life of the thread of this number.
pub async fn run(
    thread: usize,
    turns: mpsc::Sender<Turn>,
    mut letters: mpsc::UnboundedReceiver<Vec<Letter>>,
) {
    let office = Office::new();
    task::spawn_local("courier", carry(thread, turns, office.clone()));
    while let Some(letters) = letters.recv().await {
        for letter in letters {
            office.deliver(letter);
        }
    }
    office.close();
}

/// Sends reports to the keyspace. While its queue is full, more are collected.
async fn carry(thread: usize, turns: mpsc::Sender<Turn>, office: Rc<Office>) {
    let mut due = Sleep::until(0);
    loop {
        poll_fn(|context| office.poll_reports(&mut due, context)).await;
        // Waking the keyspace costs more than looking once more which other connections have input.
        task::yield_now().await;
        if buggify!("late-reports") {
            task::yield_now().await;
        }
        let reports = office.reports.take();
        process::publish_heap();
        // The keyspace is gone only when the server stops.
        if turns.send(Turn { thread, reports }).await.is_err() {
            return;
        }
    }
}
