//! What the ends of a connection ask of it.

use super::*;

impl Network {
    /// Starts to connect; the outcome is polled for.
    pub(in crate::runtime::madsim::net) fn connect(
        &mut self,
        node: NodeId,
        from: Option<IpAddr>,
        to: &Address,
    ) -> Id {
        self.host(node).dark = false;
        let port = self.free_port(node);
        let (target, local) = match to {
            Address::Tcp(to) => {
                let target = if to.ip().is_loopback() {
                    Some(node)
                } else {
                    self.hosts.keys().copied().find(|&host| owns(host, to.ip()))
                };
                let own = if to.ip().is_loopback() { to.ip() } else { ip_of(node) };
                (target, Address::Tcp(SocketAddr::new(from.unwrap_or(own), port)))
            }
            Address::Unix(_) => (Some(node), to.clone()),
        };
        let descriptor = self.host(node).descriptor();
        // A packet to an address that nobody has goes nowhere, as one to this node that nobody reads.
        let remote = target.unwrap_or(node);
        let window = self.link(node, remote).window.max(1);
        self.next_id += 1;
        let id = self.next_id;
        let end = |node, address, descriptor, state| End {
            node,
            address,
            descriptor,
            state,
            error: None,
            reader: None,
            writer: None,
        };
        let connection = Connection {
            ends: [
                end(node, local, descriptor, State::Connecting),
                end(remote, to.clone(), 0, State::Awaited),
            ],
            pipes: [Pipe::new(window), Pipe::new(window)],
            connect_until_ns: self.now_ns + CONNECT_NS,
        };
        self.connections.insert(id, connection);
        match target {
            Some(remote) => {
                let at_ns = self.arrival_ns(node, remote);
                self.schedule(at_ns, Event::Syn(id));
            }
            None => self.schedule(self.now_ns + CONNECT_NS, Event::Reset(id, 0, ETIMEDOUT)),
        }
        id
    }

    pub(in crate::runtime::madsim::net) fn poll_connected(
        &mut self,
        id: Id,
        waker: &Waker,
    ) -> Poll<io::Result<()>> {
        let Some(connection) = self.connections.get_mut(&id) else { return Poll::Pending };
        let end = &mut connection.ends[0];
        match (end.error.take(), end.state) {
            (Some(code), _) => Poll::Ready(Err(error(code))),
            (None, State::Connecting) => {
                end.reader = Some(waker.clone());
                Poll::Pending
            }
            (None, _) => Poll::Ready(Ok(())),
        }
    }

    pub(in crate::runtime::madsim::net) fn poll_read(
        &mut self,
        id: Id,
        side: Side,
        buffer: &mut [u8],
        waker: &Waker,
    ) -> Poll<io::Result<usize>> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Poll::Ready(Err(error(ENOTCONN)));
        };
        let (end, incoming) = (&mut connection.ends[side], &mut connection.pipes[1 - side]);
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if incoming.readable() > 0 {
            let read = incoming.read(buffer);
            // The window has opened.
            self.transmit(id, 1 - side);
            return Poll::Ready(Ok(read));
        }
        if let Some(code) = end.error.take() {
            return Poll::Ready(Err(error(code)));
        }
        if incoming.has_ended() || end.state == State::Broken {
            return Poll::Ready(Ok(0));
        }
        end.reader = Some(waker.clone());
        Poll::Pending
    }

    pub(in crate::runtime::madsim::net) fn try_write(
        &mut self,
        id: Id,
        side: Side,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let Some(connection) = self.connections.get_mut(&id) else { return Err(error(ENOTCONN)) };
        let end = &mut connection.ends[side];
        if let Some(code) = end.error.take() {
            return Err(error(code));
        }
        if end.state == State::Broken || connection.pipes[side].is_shut() {
            return Err(error(EPIPE));
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let (from, to) = (connection.ends[side].node, connection.ends[1 - side].node);
        let link = self.links.get(&(from, to)).unwrap_or(&self.default_link);
        let (short, merges) = (link.short_writes, link.merges);
        let mut most = bytes.len();
        if self.draws.chance(short) {
            most = self.draws.between(1, most as u64) as usize;
        }
        match connection.pipes[side].write(&bytes[..most], self.now_ns) {
            0 => {
                FaultKind::FullWindow.fired();
                Err(io::ErrorKind::WouldBlock.into())
            }
            written => {
                if self.draws.chance(merges) {
                    self.schedule(self.now_ns + NAGLE_NS, Event::Push(id, side));
                } else {
                    self.transmit(id, side);
                }
                Ok(written)
            }
        }
    }

    pub(in crate::runtime::madsim::net) fn poll_write_ready(
        &mut self,
        id: Id,
        side: Side,
        waker: &Waker,
    ) -> Poll<io::Result<()>> {
        let Some(connection) = self.connections.get_mut(&id) else { return Poll::Ready(Ok(())) };
        let (end, outgoing) = (&mut connection.ends[side], &connection.pipes[side]);
        if end.error.is_some() || end.state == State::Broken || outgoing.is_shut() || outgoing.room() > 0 {
            return Poll::Ready(Ok(()));
        }
        end.writer = Some(waker.clone());
        Poll::Pending
    }

    pub(in crate::runtime::madsim::net) fn shutdown_write(&mut self, id: Id, side: Side) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&id) else { return Err(error(ENOTCONN)) };
        if connection.ends[side].state == State::Broken {
            return Err(error(ENOTCONN));
        }
        if connection.ends.iter().all(|end| end.state == State::Open) && !connection.pipes[side].is_shut() {
            FaultKind::HalfClose.fired();
        }
        connection.pipes[side].shut();
        self.transmit(id, side);
        Ok(())
    }

    /// When the other end had written the first `count` bytes of all it ever wrote.
    pub(in crate::runtime::madsim::net) fn peer_wrote_ns(
        &self,
        id: Id,
        side: Side,
        count: u64,
    ) -> Option<u64> {
        self.connections.get(&id)?.pipes[1 - side].written_ns(count)
    }

    /// The socket is dropped: a reset if bytes were left unread, else what is written and the end.
    pub(in crate::runtime::madsim::net) fn close(&mut self, id: Id, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.ends[side].state {
            State::Closed => {}
            State::Open if connection.pipes[1 - side].readable() == 0 => {
                connection.ends[side].close();
                connection.pipes[side].shut();
                self.transmit(id, side);
                self.reap(id);
            }
            _ => self.reset(id, side),
        }
    }

    /// The socket goes at once and tells its peer so.
    pub(in crate::runtime::madsim::net) fn reset(&mut self, id: Id, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.ends[side].state == State::Closed {
            return;
        }
        let tell = connection.ends[side].state != State::Broken;
        connection.ends[side].close();
        connection.pipes[side].lose_unsent();
        connection.pipes[1 - side].discard_readable();
        if tell {
            self.answer_reset(id, side, ECONNRESET);
        }
        // Were the reset lost, what waits for room would wait for ever: the other side asks for it again and again.
        self.transmit(id, 1 - side);
        self.reap(id);
    }

    /// Sends a reset from this side to the other. Mostly it comes after all that was sent before it;
    /// sometimes it overtakes, and what was under way is lost.
    pub(super) fn answer_reset(&mut self, id: Id, side: Side, code: i32) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (from, to) = (&connection.ends[side], &connection.ends[1 - side]);
        let (last_ns, connecting) = (connection.pipes[side].last_arrival_ns(), to.state == State::Connecting);
        let mut at_ns = self.arrival_ns(from.node, to.node);
        if connecting || !self.draws.chance(OVERTAKING_RESETS) {
            at_ns = at_ns.max(last_ns);
        }
        self.schedule(at_ns, Event::Reset(id, 1 - side, code));
    }

    pub(in crate::runtime::madsim::net) fn peer_address(&self, id: Id, side: Side) -> io::Result<Address> {
        let connection = self.connections.get(&id).ok_or_else(|| error(ENOTCONN))?;
        Ok(connection.ends[1 - side].address.clone())
    }

    pub(in crate::runtime::madsim::net) fn local_address(&self, id: Id, side: Side) -> io::Result<Address> {
        let connection = self.connections.get(&id).ok_or_else(|| error(ENOTCONN))?;
        Ok(connection.ends[side].address.clone())
    }

    pub(in crate::runtime::madsim::net) fn descriptor(&self, id: Id, side: Side) -> i32 {
        self.connections.get(&id).map_or(-1, |connection| connection.ends[side].descriptor)
    }

    pub(super) fn transmit(&mut self, id: Id, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let key = (connection.ends[side].node, connection.ends[1 - side].node);
        let local = Link { latency_us: (0, 0), ..self.default_link.clone() };
        let link = if key.0 == key.1 { &local } else { self.links.get(&key).unwrap_or(&self.default_link) };
        let wire = self.wires.entry(key).or_default();
        if let Some(at_ns) = connection.pipes[side].transmit(self.now_ns, wire, link, &mut self.draws) {
            self.schedule(at_ns, Event::Segment(id, side));
        }
    }

    /// Forgets a connection that nobody holds and nothing travels on.
    pub(super) fn reap(&mut self, id: Id) {
        let Some(connection) = self.connections.get(&id) else { return };
        if connection.ends[1].state == State::Closed {
            self.gone.entry(id).or_insert(self.now_ns);
        }
        let done = connection.ends.iter().all(|end| end.state == State::Closed)
            && connection.pipes.iter().all(Pipe::is_quiet);
        if done {
            self.connections.remove(&id);
        }
    }
}
