//! The server with connections that are only buffers: what transcripts, property tests and fuzz
//! targets drive. It does for them what actors do in a process: hands input over, fetches output,
//! calls those who were woken, lets time pass.

use super::config::Config;
use super::effect::Effect;
use super::server::batch::Flow;
use super::server::declared::Declared;
use super::server::migration::Outcome;
use super::server::{Environment, Server};
use super::session::{ClientId, Closing, Peer};
use super::time::Now;

/// The wall clock at the start: some day in 2023, in microseconds.
const EPOCH_US: i64 = 1_700_000_000_000_000;
/// Ticks in one step of time; a longer step skips the rest, as a stalled process would.
const TICKS: usize = 100;

/// A server, its clients and its clock.
pub struct Loopback {
    /// The server.
    pub server: Server,
    /// The moment.
    pub now: Now,
    connections: Vec<Connection>,
    effects: Vec<Effect>,
}

/// One client's end.
struct Connection {
    client: ClientId,
    /// Sent and not consumed.
    input: Vec<u8>,
    /// Received and not taken.
    heard: Vec<u8>,
    flow: Flow,
}

impl Loopback {
    /// A server without data or clients, whose chance comes from `seed`.
    pub fn new(config: Config, seed: u64) -> Result<Self, String> {
        Self::in_environment(config, Environment::bare(seed))
    }

    /// The same in an environment that was told more; it starts when this world does.
    pub fn in_environment(config: Config, environment: Environment) -> Result<Self, String> {
        Self::sharing(&Declared::new(), config, environment)
    }

    /// The same for whoever makes one world after the other.
    pub fn sharing(declared: &Declared, config: Config, environment: Environment) -> Result<Self, String> {
        let now = Now { unix_us: EPOCH_US, mono_us: 0 };
        let environment = Environment { started: now, ..environment };
        let server = Server::sharing(declared, config, environment)?;
        Ok(Loopback { server, now, connections: Vec::new(), effects: Vec::new() })
    }

    /// A new connection from this machine; they are numbered as they come. One that is refused is
    /// closed already.
    pub fn connect(&mut self) -> usize {
        let number = self.connections.len();
        let peer = Peer {
            address: format!("127.0.0.1:{}", 50_000 + number % 10_000).into(),
            local: "127.0.0.1:6379".into(),
            fd: number as i32,
            loopback: true,
            ..Peer::default()
        };
        let connection = match self.server.connect(peer, self.now) {
            Ok(client) => Connection { client, input: Vec::new(), heard: Vec::new(), flow: Flow::Wait(1) },
            Err(refusal) => Connection {
                client: ClientId { id: 0, slot: 0 },
                input: Vec::new(),
                heard: refusal.text().into(),
                flow: Flow::Drop,
            },
        };
        self.connections.push(connection);
        number
    }

    /// How the server names a connection's client.
    pub fn client(&self, connection: usize) -> ClientId {
        self.connections[connection].client
    }

    /// Whether a connection was not closed by either side.
    pub fn is_open(&self, connection: usize) -> bool {
        self.connections[connection].flow != Flow::Drop
    }

    /// Sends bytes and lets everything happen that follows at once.
    pub fn send(&mut self, connection: usize, bytes: &[u8]) {
        if self.is_open(connection) {
            self.connections[connection].input.extend_from_slice(bytes);
            self.run(connection, bytes.len());
        }
        self.settle();
    }

    /// What came in on a connection since the last call.
    pub fn take_heard(&mut self, connection: usize) -> Vec<u8> {
        self.collect(connection);
        std::mem::take(&mut self.connections[connection].heard)
    }

    /// What the outside was told to do since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The client closes a connection.
    pub fn disconnect(&mut self, connection: usize) {
        if self.is_open(connection) {
            self.server.hung_up(self.client(connection));
            self.close(connection);
        }
        self.settle();
    }

    /// Lets time pass, with the ticks that are due meanwhile.
    pub fn advance(&mut self, microseconds: u64) {
        let until = self.now.mono_us + microseconds;
        for _ in 0..TICKS {
            let next = self.server.next_deadline(self.now).max(self.now.mono_us);
            if next > until {
                break;
            }
            self.set_clock(next);
            self.server.tick(self.now);
            self.settle();
        }
        self.set_clock(until);
    }

    fn set_clock(&mut self, mono_us: u64) {
        self.now.unix_us += (mono_us - self.now.mono_us) as i64;
        self.now.mono_us = mono_us;
    }

    /// Has the server run what a connection sent; its last `arrived` bytes are new.
    fn run(&mut self, connection: usize, mut arrived: usize) {
        loop {
            let Loopback { server, now, connections, .. } = self;
            let Connection { client, input, flow, .. } = &mut connections[connection];
            if *flow != Flow::Blocked {
                let batch = server.handle_input(*client, input, arrived, *now);
                input.drain(..batch.consumed);
                *flow = batch.flow;
            }
            server.note_pending(*client, input.len(), input.capacity());
            arrived = 0;
            self.collect(connection);
            match self.connections[connection].flow {
                Flow::Again => {}
                Flow::Close if self.holds_output(connection) => return,
                Flow::Close | Flow::Drop => return self.close(connection),
                Flow::Wait(_) | Flow::Blocked => return,
            }
        }
    }

    /// Whether a client has output that may not leave yet, nor may its connection end before.
    fn holds_output(&self, connection: usize) -> bool {
        self.server
            .clients
            .get(self.connections[connection].client)
            .is_some_and(|client| client.held.is_some())
    }

    fn collect(&mut self, connection: usize) {
        let Connection { client, heard, flow, .. } = &mut self.connections[connection];
        if *flow != Flow::Drop {
            let output = self.server.output(*client);
            let count = output.len();
            heard.extend_from_slice(output);
            self.server.handle_written(*client, count, false);
        }
    }

    fn close(&mut self, connection: usize) {
        let Connection { client, input, flow, .. } = &mut self.connections[connection];
        self.server.disconnect(*client);
        *input = Vec::new();
        *flow = Flow::Drop;
    }

    /// Looks after those who were woken until nobody is, and does what can be done without an outside.
    fn settle(&mut self) {
        let mut woken = Vec::new();
        while self.server.has_news() {
            self.server.take_wakes(&mut woken);
            for client in woken.drain(..) {
                self.attend(client);
            }
            for effect in self.server.take_effects() {
                if let Effect::RewriteConfig { client, .. } = effect {
                    let why = "The server is running without a config file".to_owned();
                    self.server.finish_outside(client, Err(why));
                }
                if let Effect::LoadUsers(client) | Effect::SaveUsers(client) = effect {
                    self.server.finish_outside(client, Err("There are no files".to_owned()));
                }
                if let Effect::Configured { before, client, .. } = &effect {
                    self.server.finish_config(*client, Config::clone(before), Ok(()));
                }
                if let Effect::Clock { step, client } = effect {
                    // Time stands still here unless it is told to pass.
                    self.now = step.applied_to(self.now);
                    self.server.clock_moved(client, self.now);
                }
                if let Effect::Migrate(client) = effect {
                    self.server.take_migration(client);
                    let error = Some(b"IOERR error or timeout connecting to the client".to_vec());
                    self.server.migrated(client, Outcome { error, ..Outcome::default() }, self.now);
                }
                self.effects.push(effect);
            }
        }
    }

    fn attend(&mut self, client: ClientId) {
        let found = self.connections.iter().position(|c| c.client == client && c.flow != Flow::Drop);
        let Some(connection) = found else { return };
        let Some(wanted) = self.server.attend(client) else { return self.close(connection) };
        if let Some(bytes) = wanted.trim_input {
            let input = &mut self.connections[connection].input;
            input.shrink_to(bytes);
            self.server.note_pending(client, input.len(), input.capacity());
        }
        match wanted.closing {
            Closing::Now => self.close(connection),
            Closing::AfterReply => {
                self.collect(connection);
                if self.server.output_waiting(client) == 0 {
                    self.close(connection);
                }
            }
            Closing::No if self.connections[connection].flow == Flow::Blocked && !wanted.blocked => {
                self.connections[connection].flow = Flow::Again;
                self.run(connection, 0);
            }
            Closing::No => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_answered_and_another_is_told() {
        let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
        let (a, b) = (world.connect(), world.connect());
        world.send(a, b"SET k v\r\nGET");
        assert_eq!(world.take_heard(a), b"+OK\r\n");
        world.send(b, b"WATCH k\r\nMULTI\r\n");
        world.send(a, b" k\r\nSET k w PX 100\r\n");
        assert_eq!(world.take_heard(a), b"$1\r\nv\r\n+OK\r\n");
        world.send(b, b"EXEC\r\n");
        assert_eq!(world.take_heard(b), b"+OK\r\n+OK\r\n*-1\r\n");
        world.advance(101_000);
        world.send(b, b"GET k\r\n*1\r\n!\r\n");
        assert!(world.take_heard(b).starts_with(b"$-1\r\n-ERR Protocol error"));
        assert!(!world.is_open(b) && world.is_open(a));
        world.disconnect(a);
        assert_eq!(world.server.clients.len(), 0);
    }
}
