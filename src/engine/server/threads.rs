//! The threads that read and write for clients (`io-threads`), as INFO and CLIENT LIST tell of them. It is their owner
//! who knows; nothing else depends on it.

use super::Server;
use crate::engine::session::{ClientId, Session};

/// What each of them has done: that of the keyspace first, then those that do nothing but serve connections.
#[derive(Clone, Debug)]
pub struct Threads(Vec<Work>);

/// What one thread has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Times that input came from one of its connections.
    pub reads: u64,
    /// Times that output was sent to one of them.
    pub writes: u64,
}

impl Default for Threads {
    fn default() -> Self {
        Threads(vec![Work::default()])
    }
}

impl Threads {
    /// The work of a client's thread.
    #[inline]
    pub fn of(&mut self, session: &Session) -> &mut Work {
        &mut self.0[session.thread as usize]
    }
    /// What each has done.
    pub fn each(&self) -> &[Work] {
        &self.0
    }
    /// What all have done.
    pub fn all(&self) -> Work {
        sum(&self.0)
    }
    /// What those have done that the keyspace is not on.
    pub fn others(&self) -> Work {
        sum(&self.0[1..])
    }
    /// The same threads, with nothing done.
    pub(super) fn anew(self) -> Self {
        Threads(vec![Work::default(); self.0.len()])
    }
}

fn sum(threads: &[Work]) -> Work {
    threads.iter().fold(Work::default(), |sum, work| Work {
        reads: sum.reads + work.reads,
        writes: sum.writes + work.writes,
    })
}

impl Server {
    /// There are so many threads for connections beside that of the keyspace.
    pub fn set_other_threads(&mut self, count: usize) {
        self.stats.threads.0.resize(1 + count, Work::default());
    }

    /// The connection of a client is on this thread from now on; 0 is that of the keyspace.
    pub fn set_thread(&mut self, client: ClientId, thread: usize) {
        if let Some(session) = self.clients.get_mut(client) {
            session.thread = thread as u16;
        }
    }

    /// How many clients each thread serves. `running` may be in the table or not.
    pub fn clients_by_thread(&self, running: &Session) -> Vec<usize> {
        let mut counts = vec![0; self.stats.threads.0.len()];
        let known = self.clients.find(running.id).map(|_| running);
        let others = self.clients.iter().filter(|session| session.id != running.id);
        others.chain(known).for_each(|session| counts[session.thread as usize] += 1);
        counts
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::config::Config;
    use crate::engine::loopback::Loopback;

    #[test]
    fn it_is_told_which_thread_has_whom_and_does_what() {
        let mut world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
        world.server.set_other_threads(2);
        let clients = [world.connect(), world.connect(), world.connect()];
        for (connection, thread) in clients.into_iter().zip([0, 2, 2]) {
            let client = world.client(connection);
            world.server.set_thread(client, thread);
            world.send(connection, b"PING\r\n");
        }
        let mut ask = |words: &[u8]| {
            world.send(clients[1], words);
            String::from_utf8(world.take_heard(clients[1])).expect("it is text")
        };
        let threads = ask(b"INFO threads\r\n");
        for line in ["0:clients=1,reads=1,", "1:clients=0,reads=0,writes=0\r\n", "2:clients=2,reads=3,"] {
            assert!(threads.contains(&format!("\r\nio_thread_{line}")), "{line} in {threads}");
        }
        let stats = ask(b"INFO stats\r\n");
        for field in ["total_reads_processed:5", "io_threaded_reads_processed:4"] {
            assert!(stats.contains(&format!("\r\n{field}\r\n")), "{field} in {stats}");
        }
        let list = ask(b"CLIENT LIST\r\n");
        let of_thread = |thread: &str| list.matches(&format!(" io-thread={thread} ")).count();
        assert_eq!(["0", "1", "2"].map(of_thread), [1, 0, 2], "{list}");
        ask(b"CONFIG RESETSTAT\r\n");
        assert!(ask(b"INFO threads\r\n").contains("io_thread_2:clients=2,reads=1,"));
        assert!(
            ask(b"EVAL \"return redis.call('INFO', 'threads')\" 0\r\n").contains("io_thread_2:clients=2,")
        );
    }
}
