//! Loading: entries that come decoded from RDB files, commands that come from append-only files.

use super::Server;
use crate::engine::acl::UserId;
use crate::engine::command::{dispatch, hash, list, set};
use crate::engine::mark::sometimes;
use crate::engine::protocol::{Args, Limits, Parser, Range, Reply, Step};
use crate::engine::rdb::{self, Access, Loaded};
use crate::engine::session::Session;
use crate::engine::time::Now;

/// What is loaded, and how far it came.
#[derive(Debug)]
pub struct Loading {
    /// When it began.
    pub started: Now,
    /// Bytes of the files.
    pub total_bytes: u64,
    /// Bytes that are done.
    pub loaded_bytes: u64,
    /// Client whose commands are run.
    replayer: Box<Session>,
    /// What is known of a command that has come in part.
    parser: Parser,
    /// Expired keys are left out: their removal is in no file.
    pub drops_expired: bool,
    /// Keys that are there already are replaced.
    merges: bool,
    /// Keys left out, and keys loaded.
    keys: (u64, u64),
    /// What `DEBUG SET-ALLOW-ACCESS-EXPIRED` said before.
    allowed_expired: bool,
}

impl Loading {
    /// The client whose commands are run, to be given back: what called a script that was busy goes on as it.
    pub fn take_replayer(&mut self) -> Box<Session> {
        std::mem::take(&mut self.replayer)
    }

    /// Gives it back; nobody hears what it was told.
    pub fn put_back(&mut self, mut replayer: Box<Session>) {
        replayer.reply = Reply::default();
        self.replayer = replayer;
    }
}

impl Server {
    /// Up to which sizes loaded collections are small.
    pub fn rdb_limits(&self) -> rdb::Limits {
        rdb::Limits {
            list: list::limits(self),
            set: set::limits(self),
            sorted_set: self.sorted_set_limits(),
            hash: hash::limits(self),
        }
    }

    /// Data of so many bytes is going to be loaded: until `end_loading`, clients are told to wait.
    pub fn begin_loading(&mut self, total_bytes: u64, now: Now) {
        let replayer = Session { authenticated: true, user: UserId::SERVER, ..Session::default() };
        self.persistence.loading = Some(Loading {
            started: now,
            total_bytes,
            loaded_bytes: 0,
            replayer: Box::new(replayer),
            parser: Parser::default(),
            drops_expired: true,
            merges: false,
            keys: (0, 0),
            allowed_expired: std::mem::replace(&mut self.allows_expired, true),
        });
        self.propagation.mute(true);
    }

    /// So many bytes are going to be loaded.
    pub fn note_total(&mut self, bytes: u64) {
        if let Some(loading) = &mut self.persistence.loading {
            loading.total_bytes = bytes;
        }
    }

    /// Whether keys that are there already are replaced by those of the file.
    pub fn merge_loaded(&mut self, merges: bool) {
        if let Some(loading) = &mut self.persistence.loading {
            loading.merges = merges;
        }
    }

    /// Empties all databases for what is going to be loaded. Nobody is told.
    pub fn empty_for_load(&mut self) {
        self.scripting.functions.flush();
        for number in 0..self.databases.len() {
            let objects = self.databases[number].len() as u64;
            let garbage = self.databases[number].flush();
            self.discard_all(garbage, objects);
        }
    }

    /// Adds a library of functions. Fails with the reason if it cannot be, or is there already.
    pub fn load_library_of_file(&mut self, source: &[u8]) -> Result<(), String> {
        let merges = self.persistence.loading.as_ref().is_some_and(|loading| loading.merges);
        let loaded = self.load_library(source, merges);
        loaded.map(|_| ()).map_err(|why| {
            format!("Failed creating the library: {}", String::from_utf8_lossy(why.as_bytes()))
        })
    }

    /// So many bytes of the files are done.
    pub fn note_loaded(&mut self, bytes: u64) {
        if let Some(loading) = &mut self.persistence.loading {
            loading.loaded_bytes = bytes;
        }
    }

    /// Whether keys whose time is over are left out of what is loaded next.
    pub fn drop_expired(&mut self, drops: bool) {
        if let Some(loading) = &mut self.persistence.loading {
            loading.drops_expired = drops;
        }
    }

    /// Adds entries of a database. Fails with the reason if a key is there already, or the database is not.
    pub fn load_entries(&mut self, db: usize, entries: Vec<Loaded>, now: Now) -> Result<(), String> {
        let clock = self.clock(now);
        let Some(loading) = &mut self.persistence.loading else { return Ok(()) };
        let Some(database) = self.databases.get_mut(db) else {
            return Err(format!(
                "FATAL: Data file was created with a Redis server configured to handle more than {} databases. \
                 Exiting",
                self.config.databases
            ));
        };
        // The waits for the memory of their buckets overlap.
        for Loaded { entry, .. } in &entries {
            database.prefetch_bucket(database.hash(entry.key()));
        }
        for Loaded { entry, access } in entries {
            if loading.drops_expired && entry.is_expired(now.unix_ms()) {
                sometimes!("expired-in-load");
                loading.keys.0 += 1;
                continue;
            }
            match access {
                Some(Access::Idle(seconds)) => entry.set_clock(clock.idle(seconds)),
                Some(Access::Frequency(count)) => entry.set_clock(clock.used(count)),
                None => {}
            }
            loading.keys.1 += 1;
            if let Some(old) = database.put(entry)
                && !loading.merges
            {
                let key = String::from_utf8_lossy(old.key()).into_owned();
                return Err(format!("RDB has duplicated key '{key}' in DB {db}"));
            }
        }
        Ok(())
    }

    /// Runs the commands of an append-only file that lie in `input` as a whole; says how many bytes and how many commands
    /// that were. The others come after a script that is busy then. What is left comes again, with more behind it.
    pub fn replay(&mut self, input: &[u8], now: Now) -> Result<(usize, u64), (usize, String)> {
        let Some(loading) = &mut self.persistence.loading else { return Ok((input.len(), 0)) };
        let mut session = std::mem::take(&mut loading.replayer);
        // A command may come in thousands of pieces: it is not parsed from its beginning with each of them.
        let mut parser = std::mem::take(&mut loading.parser);
        let outcome = self.replay_as(&mut session, &mut parser, input, now);
        if let Some(loading) = &mut self.persistence.loading {
            (loading.replayer, loading.parser) = (session, parser);
        }
        outcome
    }

    fn replay_as(
        &mut self,
        session: &mut Session,
        parser: &mut Parser,
        input: &[u8],
        now: Now,
    ) -> Result<(usize, u64), (usize, String)> {
        self.mono_us = now.mono_us;
        let limits = Limits { bulk: i64::MAX, authenticated: true };
        let (mut at, mut count) = (0, 0);
        let (mut ranges, mut reply) = (Vec::<Range>::new(), Reply::default());
        while at < input.len() {
            ranges.clear();
            // Annotations.
            if input[at] == b'#' {
                match memchr::memchr(b'\n', &input[at..]) {
                    Some(end) => at += end + 1,
                    None => break,
                }
                continue;
            }
            let step = parser.step(&input[at..], at, limits, &mut ranges);
            let length = match step {
                Ok(Step::Request { length }) => length,
                Ok(Step::Empty { length }) => {
                    at += length;
                    continue;
                }
                Ok(Step::Incomplete { .. }) => break,
                Ok(Step::Inline { .. }) | Err(_) => {
                    return Err((at, "Bad file format reading the append only file".into()));
                }
            };
            let args = Args::new(input, &ranges);
            dispatch::replay(self, session, &mut reply, args, now).map_err(|why| (at, why))?;
            let all = reply.len();
            reply.advance(all);
            at += length;
            count += 1;
            if self.is_busy() {
                break;
            }
        }
        Ok((at, count))
    }

    /// All is loaded, or nothing more will be.
    pub fn end_loading(&mut self) {
        let Some(loading) = self.persistence.loading.take() else { return };
        self.persistence.last_load = loading.keys;
        self.allows_expired = loading.allowed_expired;
        self.propagation.mute(false);
        self.dirty = 0;
    }
}
