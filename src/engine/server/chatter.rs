//! What the log tells about clients and databases at `loglevel verbose` and `debug`, in the words of Redis.

use super::Server;
use super::describe::Shown;
use crate::engine::effect::Level;
use crate::engine::session::{ClientId, Closing, Peer};
use crate::engine::time::Now;

/// Microseconds between lines about the whole server.
const PERIOD_US: u64 = 5_000_000;

impl Server {
    /// Whether lines of this level are written: who would make many of them asks first.
    pub fn logs(&self, level: Level) -> bool {
        level.is_logged_at(self.config.loglevel)
    }

    pub(super) fn tell_of_connection(&mut self, peer: &Peer) {
        if !self.logs(Level::Verbose) {
            return;
        }
        let text = if peer.unix {
            format!("Accepted connection to {}", String::from_utf8_lossy(&self.config.unixsocket))
        } else {
            // As Redis has it, without brackets around an address of version 6.
            format!("Accepted {}", peer.address.replace(['[', ']'], ""))
        };
        self.log(Level::Verbose, text);
    }

    /// The peer of a connection ended it: told before `disconnect`.
    pub fn hung_up(&mut self, client: ClientId) {
        if !self.logs(Level::Verbose) {
            return;
        }
        let now = Now { mono_us: self.mono_us, ..Now::default() };
        let Some(session) = self.clients.get(client) else { return };
        if session.closing == Closing::No {
            let line = self.describe(Shown::resting(session), now);
            self.log(Level::Verbose, format!("Client closed connection {line}"));
        }
    }

    /// Tells of databases and clients, every few seconds.
    pub(super) fn tell_of_state(&mut self, now: Now) {
        if now.mono_us < self.cron.chatter_due || !self.logs(Level::Verbose) {
            return;
        }
        self.cron.chatter_due = now.mono_us + PERIOD_US;
        for index in 0..self.databases.len() {
            let database = &self.databases[index];
            let (keys, volatile, slots) = (database.len(), database.expires(), database.table_slots());
            if keys > 0 {
                let text = format!("DB {index}: {keys} keys ({volatile} volatile) in {slots} slots HT.");
                self.log(Level::Verbose, text);
            }
        }
        if self.logs(Level::Debug) {
            let (clients, bytes) = (self.clients.len(), self.used_memory());
            self.log(Level::Debug, format!("{clients} clients connected (0 replicas), {bytes} bytes in use"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{Config, Loglevel};
    use crate::engine::effect::Effect;
    use crate::engine::loopback::Loopback;

    fn world(loglevel: Loglevel) -> Loopback {
        Loopback::new(Config { loglevel, ..Config::default() }, 1).expect("the configuration is fine")
    }

    fn logged(world: &mut Loopback) -> Vec<String> {
        let texts = world.take_effects().into_iter().filter_map(|effect| match effect {
            Effect::Log(Level::Debug | Level::Verbose, text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    #[test]
    fn who_comes_and_who_goes_is_told() {
        for (loglevel, is_told) in [(Loglevel::Notice, false), (Loglevel::Verbose, true)] {
            let mut world = world(loglevel);
            let (first, second) = (world.connect(), world.connect());
            world.send(first, b"CLIENT SETNAME me\r\n");
            world.send(second, b"QUIT\r\n");
            let lines = logged(&mut world);
            let accepted = ["Accepted 127.0.0.1:50000", "Accepted 127.0.0.1:50001"];
            assert_eq!(lines, if is_told { &accepted[..] } else { &[] });
            world.disconnect(first);
            let lines = logged(&mut world);
            assert_eq!(lines.len(), is_told as usize, "{lines:?}");
            assert!(lines.iter().all(|line| {
                line.starts_with("Client closed connection id=1 addr=127.0.0.1:50000 ")
                    && line.contains(" name=me ")
            }));
        }
    }

    #[test]
    fn the_state_is_told_every_five_seconds() {
        let mut world = world(Loglevel::Debug);
        let client = world.connect();
        world.send(client, b"SET a 1\r\nSET b 1 EX 100\r\nSELECT 3\r\nSET c 1\r\n");
        logged(&mut world);
        let (databases, clients) = (
            ["DB 0: 2 keys (1 volatile) in 7 slots HT.", "DB 3: 1 keys (0 volatile) in 7 slots HT."],
            "1 clients connected (0 replicas), 0 bytes in use",
        );
        let all = [databases[0], databases[1], clients];
        world.advance(4_000_000);
        assert_eq!(logged(&mut world), all);
        world.advance(5_000_000);
        assert_eq!(logged(&mut world), all);
        for (level, lines) in [(&b"verbose"[..], &databases[..]), (b"notice", &[])] {
            world.send(client, &[b"CONFIG SET loglevel ", level, b"\r\n"].concat());
            world.advance(5_000_000);
            assert_eq!(logged(&mut world), lines);
        }
    }
}
