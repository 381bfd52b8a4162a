//! Whole databases: how large they are, emptying and swapping them.

use super::SERVER;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{Database, Garbage};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::server::Server;
use crate::engine::server::watch::Presence;
use crate::engine::session::Waiting;
use crate::engine::spec::{Arg, Arity::AtLeast, Arity::Exactly, Categories, Flags, int, one_of, token};
use crate::engine::text::number::parse_i64;
use crate::engine::time::Now;
use std::ops::Range;

const FLUSH_TYPE: Arg =
    one_of("flush-type", &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")])
        .optional();
const KEYSPACE: Command = Command { categories: Categories::KEYSPACE, ..SERVER };
const FLUSHES: Command = Command {
    arity: AtLeast(1),
    flags: Flags::WRITE,
    categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
    history: &[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: &[FLUSH_TYPE],
    ..SERVER
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "FLUSHALL",
        since: "1.0.0",
        complexity: "O(N) in the number of keys of all databases, spread over time.",
        summary: "Empties all databases.",
        run: |call| {
            let all = 0..call.server.databases.len();
            flush(call, all)?;
            call.server.save_nothing();
            Ok(())
        },
        ..FLUSHES
    },
    Command {
        name: "FLUSHDB",
        since: "1.0.0",
        complexity: "O(N) in the number of keys of the database, spread over time.",
        summary: "Empties the selected database.",
        run: |call| {
            let selected = call.session.db;
            flush(call, selected..selected + 1)
        },
        ..FLUSHES
    },
    Command {
        name: "SWAPDB",
        arity: Exactly(3),
        flags: Flags::WRITE.or(Flags::FAST),
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        since: "4.0.0",
        complexity: "O(N) in the number of clients that watch keys of the two databases.",
        summary: "Has two databases change places.",
        args: &[int("index1"), int("index2")],
        run: swap,
        ..KEYSPACE
    },
    Command {
        name: "DBSIZE",
        arity: Exactly(1),
        flags: Flags::READONLY.or(Flags::FAST),
        since: "1.0.0",
        summary: "Counts the keys of the selected database.",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        run: size,
        ..KEYSPACE
    },
];

fn flush(call: &mut Call, which: Range<usize>) -> Result {
    let later = match call.args.get(1) {
        None => call.server.config.lazyfree_lazy_user_flush,
        Some(mode) if mode.eq_ignore_ascii_case(b"ASYNC") => true,
        Some(mode) if mode.eq_ignore_ascii_case(b"SYNC") => false,
        Some(_) => return Err(Error::SYNTAX),
    };
    if call.args.len() > 2 {
        return Err(Error::SYNTAX);
    }
    // Emptying takes no time, freeing does, and always happens in slices. SYNC only means that the
    // reply waits for the end of it, which is not possible in the middle of a transaction.
    let counts = later || call.may_block();
    call.server.empty(which, counts);
    // An empty database may be full on a replica, so the command is propagated in any case.
    let argv: Vec<&[u8]> = call.args.iter().collect();
    call.propagate(&argv);
    if !later && call.may_block() && call.server.free_slices() {
        call.server.flushing.push(call.session.client());
        call.block(Waiting::Freed, None);
    } else {
        call.reply.ok();
    }
    Ok(())
}

fn swap(call: &mut Call) -> Result {
    let count = call.server.databases.len() as i64;
    let index = |arg: &[u8]| parse_i64(arg).filter(|index| i32::try_from(*index).is_ok());
    let first = index(call.args.at(1)).ok_or(Error::new("ERR invalid first DB index"))?;
    let second = index(call.args.at(2)).ok_or(Error::new("ERR invalid second DB index"))?;
    if !(0..count).contains(&first) || !(0..count).contains(&second) {
        return Err(Error::DB_RANGE);
    }
    call.server.swap(first as usize, second as usize, call.now);
    call.server.dirty += 1;
    call.reply.ok();
    Ok(())
}

fn size(call: &mut Call) -> Result {
    call.reply.int(call.server.databases[call.session.db].len() as i64);
    Ok(())
}

impl Server {
    /// Empties databases. What was in them is freed in slices, and counted as lazily freed if `counts`.
    pub fn empty(&mut self, which: Range<usize>, counts: bool) {
        let (mut garbage, mut keys) = (Garbage::new(), 0);
        for db in which {
            let Server { watch, databases, .. } = self;
            let there =
                |key: &[u8]| if databases[db].contains(key) { Presence::Live } else { Presence::Missing };
            if !mutant::is_on("unwatched-flush") {
                watch.replace(db, there, |_| Presence::Missing);
            }
            keys += databases[db].len() as u64;
            garbage.absorb(self.databases[db].flush());
            self.blocking.signal_all(db);
        }
        if keys > 0 {
            self.discard_all(garbage, if counts { keys } else { 0 });
        }
        self.dirty += keys;
        self.invalidate_all();
    }

    /// Has two databases change places; clients keep the number they selected.
    fn swap(&mut self, first: usize, second: usize, now: Now) {
        if first == second {
            return;
        }
        let Server { watch, databases, .. } = self;
        for (from, to) in [(first, second), (second, first)] {
            let (before, after) = (&databases[from], &databases[to]);
            watch.replace(from, |key| presence(before, key, now), |key| presence(after, key, now));
        }
        sometimes!("preserved-swap", databases[first].snapshot_number().is_some());
        databases.swap(first, second);
        self.blocking.signal_all(first);
        self.blocking.signal_all(second);
        // Redis leaves caches stale here.
        self.invalidate_all();
    }
}

fn presence(database: &Database, key: &[u8], now: Now) -> Presence {
    match database.lookup(key) {
        None => Presence::Missing,
        Some(entry) if entry.is_expired(now.unix_ms()) => Presence::Expired,
        Some(_) => Presence::Live,
    }
}
