//! Saving: SAVE, BGSAVE, BGREWRITEAOF.

use super::SERVER;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::effect::{DataFile, Effect, JobKind};
use crate::engine::session::Waiting;
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Flags, token,
};
use crate::engine::text::ascii;

const SAVES: Command =
    Command { flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING), since: "1.0.0", ..SERVER };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SAVE",
        arity: Exactly(1),
        flags: SAVES.flags.or(Flags::NO_MULTI),
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Saves the data to the RDB file, and waits until it is there.",
        run: save,
        ..SAVES
    },
    Command {
        name: "BGSAVE",
        arity: AtLeast(1),
        summary: "Begins to save the data to the RDB file.",
        history: &[("3.2.2", "Added the `SCHEDULE` option.")],
        args: &[token("schedule", "SCHEDULE").optional().since("3.2.2")],
        run: bgsave,
        ..SAVES
    },
    Command {
        name: "BGREWRITEAOF",
        arity: Exactly(1),
        summary: "Begins to rewrite the append-only file.",
        run: bgrewriteaof,
        ..SAVES
    },
];

/// Others are served meanwhile; what they change is not in the file.
fn save(call: &mut Call) -> Result {
    if call.server.runs(JobKind::Save) {
        return Err(Error::new("ERR Background save already in progress"));
    }
    let client = call.session.client();
    if call.server.is_saving() {
        // It begins when the running rewrite is over.
        call.server.schedule_save(Some(client));
    } else {
        call.server.start_save(Some(client), call.now);
    }
    call.block(Waiting::Outside, None);
    Ok(())
}

fn bgsave(call: &mut Call) -> Result {
    let schedule = match call.args.len() {
        1 => false,
        2 if ascii::lower(call.args.at(1)) == b"schedule" => true,
        _ => return Err(Error::SYNTAX),
    };
    if call.server.runs(JobKind::Save) {
        return Err(Error::new("ERR Background save already in progress"));
    }
    if call.server.is_saving() || !call.may_block() {
        if !schedule && call.may_block() {
            return Err(Error::new(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order \
                 to schedule a BGSAVE whenever possible.",
            ));
        }
        call.server.schedule_save(None);
        call.reply.simple("Background saving scheduled");
    } else {
        call.server.start_save(None, call.now);
        call.reply.simple("Background saving started");
    }
    Ok(())
}

fn bgrewriteaof(call: &mut Call) -> Result {
    if call.server.runs(JobKind::Rewrite) {
        return Err(Error::new("ERR Background append only file rewriting already in progress"));
    }
    let pinned = call.server.persistence.backup.pins_aof();
    if call.server.is_saving() || pinned || !call.may_block() {
        call.server.schedule_rewrite();
        call.reply.simple("Background append only file rewriting scheduled");
    } else {
        call.server.start_rewrite(call.now);
        call.reply.simple("Background append only file rewriting started");
    }
    Ok(())
}

/// DEBUG RELOAD: saves unless told not to, empties the databases, loads them again. What is not emptied first
/// (NOFLUSH) would meet itself in the file; MERGE lets the file win.
pub(super) fn reload(call: &mut Call) -> Result {
    let (mut save, mut flush, mut merge) = (true, true, false);
    for option in call.args.from(2).iter() {
        match ascii::lower(option).as_slice() {
            b"nosave" => save = false,
            b"noflush" => flush = false,
            b"merge" => merge = true,
            _ => {
                return Err(Error::new(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    begin(call, Effect::Reload { file: DataFile::Rdb, save, flush, merge, client: call.session.client() })
}

/// DEBUG LOADAOF: empties the databases and loads the append-only file.
pub(super) fn load_aof(call: &mut Call) -> Result {
    let client = call.session.client();
    begin(call, Effect::Reload { file: DataFile::Aof, save: true, flush: true, merge: false, client })
}

/// DEBUG FAIL-JOB.
pub(super) fn fail_job(call: &mut Call) -> Result {
    if !call.server.fail_job() {
        return Err(Error::new("ERR No save or rewrite is running"));
    }
    call.reply.ok();
    Ok(())
}

fn begin(call: &mut Call, effect: Effect) -> Result {
    if !call.may_block() {
        return Err(Error::new("ERR DEBUG RELOAD and LOADAOF cannot be part of a transaction or script"));
    }
    if call.server.persistence.loading.is_some() {
        return Err(Error::LOADING);
    }
    // Nobody changes anything from here on.
    call.server.begin_loading(0, call.now);
    call.server.ask(effect);
    call.block(Waiting::Outside, None);
    Ok(())
}
