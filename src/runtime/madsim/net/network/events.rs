//! What happens by itself: arrivals, repetitions, time-outs, deaths.

use super::*;

impl Network {
    pub(in crate::runtime::madsim::net) fn next_event_ns(&self) -> Option<u64> {
        self.calendar.peek().map(|Reverse((at_ns, ..))| *at_ns)
    }

    /// Lets everything happen that is due.
    pub(in crate::runtime::madsim::net) fn run_due(&mut self) {
        while let Some(Reverse((at_ns, _, event))) = self.calendar.peek().copied() {
            if at_ns > self.now_ns {
                return;
            }
            self.calendar.pop();
            self.trace = xxh3_64_with_seed(&at_ns.to_le_bytes(), self.trace);
            match event {
                Event::Syn(id) => self.on_syn(id),
                Event::SynAck(id) => self.on_syn_ack(id),
                Event::Segment(id, side) => self.on_segment(id, side),
                Event::Push(id, side) => self.transmit(id, side),
                Event::Reset(id, side, code) => self.on_reset(id, side, code),
            }
        }
    }

    fn on_syn(&mut self, id: Id) {
        let Some(connection) = self.connections.get(&id) else { return };
        let [client, server] = &connection.ends;
        if client.state != State::Connecting {
            self.forget_unaccepted(id);
            return;
        }
        let (from, to) = (client.node, server.node);
        let listener = self
            .listeners
            .iter()
            .find(|(_, listening)| listening.node == to && serves(&listening.address, &server.address));
        let (listener, full) = match listener {
            Some((&id, listening)) => (Some(id), listening.queue.len() > listening.backlog),
            None => (None, false),
        };
        if !self.gets_through(from, to) || full {
            self.retry_connect(id, Event::Syn(id));
            return;
        }
        match listener {
            None => {
                FaultKind::FailedConnect.fired();
                self.close_unaccepted(id);
                self.answer_reset(id, 1, ECONNREFUSED);
            }
            Some(listener) => {
                let listening = self.listeners.get_mut(&listener).expect("found above");
                listening.queue.push_back(id);
                self.wakes.extend(listening.waiting.take());
                let at_ns = self.arrival_ns(to, from);
                self.schedule(at_ns, Event::SynAck(id));
                // Nothing from the server comes before its acknowledgement.
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.ends[1].state = State::Queued;
                    connection.pipes[1].hold_until(at_ns);
                }
            }
        }
    }

    fn on_syn_ack(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.ends[0].state != State::Connecting {
            return;
        }
        let (from, to) = (connection.ends[1].node, connection.ends[0].node);
        if !self.gets_through(from, to) {
            self.retry_connect(id, Event::SynAck(id));
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.ends[0].state = State::Open;
        self.wake(id, 0);
    }

    fn retry_connect(&mut self, id: Id, event: Event) {
        let Some(connection) = self.connections.get(&id) else { return };
        let until_ns = connection.connect_until_ns;
        if self.now_ns >= until_ns {
            FaultKind::FailedConnect.fired();
            if event == Event::Syn(id) {
                self.close_unaccepted(id);
            }
            self.on_reset(id, 0, ETIMEDOUT);
            return;
        }
        // SYN is repeated after 1, 2, 4 s.
        let tried_ns = CONNECT_NS - (until_ns - self.now_ns);
        let at_ns = (self.now_ns + (tried_ns + 1_000_000_000)).min(until_ns);
        self.schedule(at_ns, event);
    }

    /// The server's end of a connection that was never offered to `accept` does not exist.
    fn close_unaccepted(&mut self, id: Id) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.ends[1].close();
        }
    }

    fn forget_unaccepted(&mut self, id: Id) {
        self.close_unaccepted(id);
        self.reap(id);
    }

    fn on_segment(&mut self, id: Id, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (from, to) = (connection.ends[side].node, connection.ends[1 - side].node);
        if connection.pipes[side].next_arrival().is_none() {
            return;
        }
        if !self.gets_through(from, to) {
            self.retransmit(id, side);
            return;
        }
        let resets = if from == to { 0 } else { self.link(from, to).resets };
        if self.draws.chance(resets) {
            let keep = self.draws.below(1500) as usize;
            self.tear(id, side, keep);
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let arrived = connection.pipes[side].arrive();
        let next = connection.pipes[side].next_arrival();
        self.trace_arrival(id, side, arrived);
        if let Some(at_ns) = next {
            self.schedule(at_ns.max(self.now_ns), Event::Segment(id, side));
        }
        self.receive(id, side, arrived);
    }

    /// What the receiver's kernel does with a segment.
    fn receive(&mut self, id: Id, side: Side, arrived: Option<Arrived>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let receiver = &connection.ends[1 - side];
        if receiver.state == State::Closed {
            connection.pipes[side].discard_readable();
            if matches!(arrived, Some(Arrived::Bytes(_))) {
                connection.pipes[side].lose_flight();
                self.answer_reset(id, 1 - side, ECONNRESET);
            }
            self.reap(id);
            return;
        }
        if receiver.state == State::Connecting {
            // The segment carries the acknowledgement that was lost.
            connection.ends[1 - side].state = State::Open;
        }
        self.wake(id, 1 - side);
        // The sender has room again: a segment that arrives is acknowledged at once.
        let sender = &mut self.connections.get_mut(&id).expect("not reaped").ends[side];
        self.wakes.extend(sender.writer.take());
    }

    fn retransmit(&mut self, id: Id, side: Side) {
        let now_ns = self.now_ns;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let since_ns = *connection.pipes[side].stuck_since_ns.get_or_insert(now_ns);
        let stuck_ns = now_ns - since_ns;
        if stuck_ns >= GIVE_UP_NS {
            connection.pipes[side].lose_flight();
            connection.ends[side].fail(ETIMEDOUT);
            self.wake(id, side);
            self.reap(id);
            return;
        }
        self.schedule(now_ns + backoff_ns(stuck_ns).min(GIVE_UP_NS), Event::Segment(id, side));
    }

    fn on_reset(&mut self, id: Id, side: Side, code: i32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (from, to) = (connection.ends[1 - side].node, connection.ends[side].node);
        let arrives = code == ETIMEDOUT || self.gets_through(from, to);
        // Resets are not repeated: a lost one leaves this side alone with a half-open connection.
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if arrives {
            connection.ends[side].fail(code);
            connection.pipes[side].lose_flight();
            connection.pipes[1 - side].lose_flight();
            self.trace = xxh3_64_with_seed(&[side as u8, code as u8], self.trace);
            self.wake(id, side);
        }
        self.reap(id);
    }

    fn wake(&mut self, id: Id, side: Side) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let end = &mut connection.ends[side];
            self.wakes.extend(end.reader.take());
            self.wakes.extend(end.writer.take());
        }
    }

    fn trace_arrival(&mut self, id: Id, side: Side, arrived: Option<Arrived>) {
        let Some(connection) = self.connections.get(&id) else { return };
        let mut seen = vec![side as u8];
        match arrived {
            Some(Arrived::Bytes(len)) => seen.extend(connection.pipes[side].newest(len)),
            Some(Arrived::End) | None => seen.extend(b"end"),
        }
        self.trace = xxh3_64_with_seed(&seen, self.trace ^ id);
    }

    // ---- faults

    /// Open connections between two nodes, oldest first.
    pub(in crate::runtime::madsim::net) fn connections_between(&self, a: NodeId, b: NodeId) -> Vec<Id> {
        let between = |connection: &Connection| {
            let [x, y] = connection.ends.each_ref().map(|end| end.node);
            (x, y) == (a, b) || (x, y) == (b, a)
        };
        let live = |connection: &Connection| connection.ends.iter().all(|end| end.state == State::Open);
        self.connections.iter().filter(|(_, c)| between(c) && live(c)).map(|(id, _)| *id).collect()
    }

    /// Lets `keep` bytes of what this side has in flight arrive, then resets both ends, as a firewall
    /// between them does.
    pub(in crate::runtime::madsim::net) fn tear(&mut self, id: Id, side: Side, keep: usize) {
        if let Some(connection) = self.connections.get_mut(&id) {
            FaultKind::Reset.fired();
            connection.pipes[side].tear(keep);
            // Nobody reads what comes to a socket that is closed, and it would hold up what is written later.
            if connection.ends[1 - side].state == State::Closed {
                connection.pipes[side].discard_readable();
            }
            for end in 0..2 {
                self.schedule(self.now_ns, Event::Reset(id, end, ECONNRESET));
            }
        }
    }

    /// A node dies: its sockets go with it.
    pub(in crate::runtime::madsim::net) fn die(&mut self, node: NodeId) {
        let death = self.host(node).death;
        self.host(node).dark = death == Death::Power;
        let listeners: Vec<Id> = self
            .listeners
            .iter()
            .filter(|(_, listening)| listening.node == node)
            .map(|(id, _)| *id)
            .collect();
        let ends: Vec<(Id, Side)> = self
            .connections
            .iter()
            .flat_map(|(&id, connection)| [0, 1].map(|side| (id, side, &connection.ends[side])))
            .filter(|(.., end)| end.node == node && end.state != State::Awaited)
            .map(|(id, side, _)| (id, side))
            .collect();
        for listener in listeners {
            match death {
                Death::Process => self.close_listener(listener),
                Death::Power => _ = self.listeners.remove(&listener),
            }
        }
        for (id, side) in ends {
            match death {
                Death::Process => self.close(id, side),
                Death::Power => self.vanish(id, side),
            }
        }
    }

    fn vanish(&mut self, id: Id, side: Side) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.ends[side].close();
            connection.pipes[side].lose_unsent();
            connection.pipes[1 - side].discard_readable();
            // What waited for room goes on its way, and is given up in time.
            self.transmit(id, 1 - side);
            self.reap(id);
        }
    }

    /// Connections that the network still knows, a line each, for the check that none leaks.
    pub(in crate::runtime::madsim::net) fn describe_connections(&self) -> Vec<String> {
        let end = |connection: &Connection, side: Side| {
            let End { node, address, state, .. } = &connection.ends[side];
            format!("{address:?} of node {node} is {state:?}, sent {:?}", connection.pipes[side])
        };
        let line = |connection| format!("{}; {}", end(connection, 0), end(connection, 1));
        self.connections.values().map(line).collect()
    }
}
