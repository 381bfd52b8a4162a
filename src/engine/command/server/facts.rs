//! What the server says about itself in a word: the time, its role, a drawing.

use super::SERVER;
use crate::engine::command::args::int;
use crate::engine::command::{Call, Command, Result};
use crate::engine::config::REDIS_VERSION;
use crate::engine::info::SEEDIS_VERSION;
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Categories, Flags, int as integer,
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "TIME",
        arity: Exactly(1),
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        since: "2.6.0",
        summary: "Returns the server's time.",
        tips: &["nondeterministic_output"],
        run: time,
        ..SERVER
    },
    Command {
        name: "LASTSAVE",
        arity: Exactly(1),
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        categories: Categories::ADMIN.or(Categories::DANGEROUS),
        since: "1.0.0",
        summary: "Returns when the data was last saved.",
        tips: &["nondeterministic_output"],
        run: lastsave,
        ..SERVER
    },
    Command {
        name: "ROLE",
        arity: Exactly(1),
        flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
        categories: Categories::ADMIN.or(Categories::DANGEROUS),
        since: "2.8.12",
        summary: "Returns whether this server is a primary or a replica, and of what.",
        run: role,
        ..SERVER
    },
    Command {
        name: "LOLWUT",
        arity: AtLeast(1),
        flags: Flags::READONLY.or(Flags::FAST),
        since: "5.0.0",
        complexity: "",
        summary: "Draws something, and tells the version.",
        args: &[integer("version").token("VERSION").optional()],
        run: lolwut,
        ..SERVER
    },
];

fn time(call: &mut Call) -> Result {
    call.reply.array(2);
    call.reply.bulk_int(call.now.unix_secs());
    call.reply.bulk_int(call.now.unix_us.rem_euclid(1_000_000));
    Ok(())
}

/// The start of the server counts as the first time.
fn lastsave(call: &mut Call) -> Result {
    call.reply.int(call.server.persistence.saves.last_time);
    Ok(())
}

fn role(call: &mut Call) -> Result {
    call.reply.array(3);
    call.reply.bulk(b"master");
    call.reply.int(0);
    call.reply.array(0);
    Ok(())
}

const COLUMNS: usize = 64;
const ROWS: usize = 20;

/// Every drawing has a seed: a row of chance, grown by rule 90 (each cell the exclusive or of its neighbours).
fn lolwut(call: &mut Call) -> Result {
    if call.args.len() >= 3 && call.args.at(1).eq_ignore_ascii_case(b"VERSION") {
        // Redis draws something else in each version; here there is one drawing.
        int(call.args.at(2))?;
    }
    let seed = call.server.rng.next_u64();
    let (mut row, mut text) = (seed, String::new());
    for _ in 0..ROWS {
        text.extend((0..COLUMNS).map(|column| if row >> column & 1 == 1 { '*' } else { ' ' }));
        text.push('\n');
        row = row.rotate_left(1) ^ row.rotate_right(1);
    }
    text += &format!("\nGrown from seed {seed:016x}. Redis ver. {REDIS_VERSION} (seedis {SEEDIS_VERSION})\n");
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
