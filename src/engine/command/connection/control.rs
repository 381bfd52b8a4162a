//! CLIENT PAUSE, REPLY, NO-EVICT and their kin: how the server treats clients.

use super::{CLIENT, CLIENT_ADMIN, ON_OFF, on_off};
use crate::engine::command::{Call, Command, Error, Result, args};
use crate::engine::server::pause::Scope;
use crate::engine::session::ReplyMode;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, int, one_of, string, token};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "PAUSE",
        arity: AtLeast(3),
        since: "3.0.0",
        summary: "Holds up commands for a while.",
        history: &[("6.2.0", "Takes a mode, of which `WRITE` is new.")],
        args: &[
            int("timeout"),
            one_of("mode", &[token("write", "WRITE"), token("all", "ALL")]).optional().since("6.2.0"),
        ],
        run: pause,
        ..CLIENT_ADMIN
    },
    Command {
        name: "UNPAUSE",
        arity: Exactly(2),
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        summary: "Ends CLIENT PAUSE.",
        run: unpause,
        ..CLIENT_ADMIN
    },
    Command {
        name: "REPLY",
        arity: Exactly(3),
        since: "3.2.0",
        summary: "Chooses which replies are sent at all.",
        args: &[one_of("action", &[token("on", "ON"), token("off", "OFF"), token("skip", "SKIP")])],
        run: reply,
        ..CLIENT
    },
    Command {
        name: "NO-EVICT",
        arity: Exactly(3),
        since: "7.0.0",
        summary: "Exempts the connection from `maxmemory-clients`.",
        args: ON_OFF,
        run: no_evict,
        ..CLIENT_ADMIN
    },
    Command {
        name: "NO-TOUCH",
        arity: Exactly(3),
        since: "7.2.0",
        summary: "Has the client's commands leave the age and frequency of keys alone.",
        args: ON_OFF,
        run: no_touch,
        ..CLIENT
    },
    Command {
        name: "CAPA",
        arity: AtLeast(3),
        since: "8.0.0",
        summary: "Tells what the client can do.",
        args: &[string("capability").multiple()],
        run: capa,
        ..CLIENT
    },
    Command {
        name: "IMPORT-SOURCE",
        arity: Exactly(3),
        since: "8.1.0",
        summary: "Declares the client a source of imported data.",
        args: ON_OFF,
        run: import_source,
        ..CLIENT
    },
];

fn pause(call: &mut Call) -> Result {
    if call.args.len() > 4 {
        return Err(call.subcommand_error());
    }
    let scope = match call.args.get(3) {
        None => Scope::All,
        Some(mode) if mode.eq_ignore_ascii_case(b"write") => Scope::Writes,
        Some(mode) if mode.eq_ignore_ascii_case(b"all") => Scope::All,
        Some(_) => return Err(Error::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let until = args::timeout_ms(call.args.at(2), call.now)?.unwrap_or(call.now.mono_us);
    call.server.pause.extend(scope, until);
    call.reply.ok();
    Ok(())
}

fn unpause(call: &mut Call) -> Result {
    if call.server.pause.end(None) {
        call.server.wake_paused();
    }
    call.reply.ok();
    Ok(())
}

fn reply(call: &mut Call) -> Result {
    match call.args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            call.session.reply_mode = ReplyMode::On;
            call.reply.ok();
        }
        b"off" => call.session.reply_mode = ReplyMode::Off,
        b"skip" if call.session.reply_mode == ReplyMode::Off => {}
        b"skip" => call.session.reply_mode = ReplyMode::SkipNext,
        _ => return Err(Error::SYNTAX),
    }
    Ok(())
}

fn no_evict(call: &mut Call) -> Result {
    call.session.no_evict = on_off(call.args.at(2))?;
    call.reply.ok();
    Ok(())
}

fn no_touch(call: &mut Call) -> Result {
    call.session.no_touch = on_off(call.args.at(2))?;
    call.reply.ok();
    Ok(())
}

fn capa(call: &mut Call) -> Result {
    // Unknown capabilities are those of newer clients, which must not fail for them.
    let redirect = call.args.from(2).iter().any(|capability| capability.eq_ignore_ascii_case(b"redirect"));
    call.session.capa_redirect |= redirect;
    call.reply.ok();
    Ok(())
}

fn import_source(call: &mut Call) -> Result {
    let off = call.args.at(2).eq_ignore_ascii_case(b"off");
    if !off && !call.server.config.import_mode {
        return Err(Error::new("ERR Server is not in import mode"));
    }
    call.session.import_source = on_off(call.args.at(2))?;
    call.reply.ok();
    Ok(())
}
