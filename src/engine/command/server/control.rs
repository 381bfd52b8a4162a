//! Watching, stopping and extending the server.

use super::SERVER;
use super::debug::not_allowed;
use crate::engine::command::args::int_between;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::effect::{Effect, Shutdown};
use crate::engine::session::Waiting;
use crate::engine::spec::{
    Arg,
    Arity::{AtLeast, Exactly},
    Flags, block, int, one_of, string, token,
};

const MODULE: Command = Command {
    parent: Some("MODULE"),
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING),
    since: "4.0.0",
    ..SERVER
};
const PRIMARY: &[Arg] = &[one_of(
    "args",
    &[
        block("host-port", &[string("host"), int("port")]),
        block("no-one", &[token("no", "NO"), token("one", "ONE")]),
    ],
)];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "MONITOR",
        arity: Exactly(1),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
        since: "1.0.0",
        complexity: "",
        summary: "Sends the client every command that the server runs.",
        run: monitor,
        ..SERVER
    },
    Command {
        name: "SHUTDOWN",
        arity: AtLeast(1),
        flags: Flags::ADMIN
            .or(Flags::NOSCRIPT)
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::NO_MULTI)
            .or(Flags::ALLOW_BUSY),
        since: "1.0.0",
        complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        summary: "Saves the data if so configured, and stops the server.",
        history: &[("7.0.0", "NOW, FORCE and ABORT.")],
        args: &[
            one_of("save-selector", &[token("nosave", "NOSAVE"), token("save", "SAVE")]).optional(),
            token("now", "NOW").optional().since("7.0.0"),
            token("force", "FORCE").optional().since("7.0.0"),
            token("abort", "ABORT").optional().since("7.0.0"),
        ],
        run: shutdown,
        ..SERVER
    },
    Command {
        name: "REPLICAOF",
        arity: Exactly(3),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::STALE).or(Flags::NO_ASYNC_LOADING),
        since: "5.0.0",
        summary: "Makes this server a replica of another, or a primary.",
        args: PRIMARY,
        run: replicaof,
        ..SERVER
    },
    Command {
        name: "SLAVEOF",
        arity: Exactly(3),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::STALE).or(Flags::NO_ASYNC_LOADING),
        since: "1.0.0",
        summary: "Makes this server a replica of another, or a primary.",
        deprecated: Some(("5.0.0", "`REPLICAOF`")),
        args: PRIMARY,
        run: replicaof,
        ..SERVER
    },
    Command {
        name: "MODULE",
        arity: AtLeast(2),
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        summary: "Shows and loads modules.",
        ..SERVER
    },
    Command {
        name: "LIST",
        parent: Some("MODULE"),
        arity: Exactly(2),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT),
        since: "4.0.0",
        complexity: "O(N) where N is the number of loaded modules.",
        summary: "Returns the modules that are loaded.",
        tips: &["nondeterministic_output_order"],
        run: list,
        ..SERVER
    },
    Command {
        name: "LOAD",
        arity: AtLeast(3),
        summary: "Loads a module.",
        args: &[string("path"), string("arg").multiple().optional()],
        run: load,
        ..MODULE
    },
    Command {
        name: "LOADEX",
        arity: AtLeast(3),
        since: "7.0.0",
        summary: "Loads a module with parameters of its own.",
        args: &[
            string("path"),
            block("configs", &[string("name"), string("value")]).token("CONFIG").multiple_token().optional(),
            string("args").token("ARGS").multiple().optional(),
        ],
        run: load,
        ..MODULE
    },
    Command {
        name: "UNLOAD",
        arity: Exactly(3),
        summary: "Unloads a module.",
        args: &[string("name")],
        run: unload,
        ..MODULE
    },
    Command {
        name: "HELP",
        parent: Some("MODULE"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "5.0.0",
        summary: "Describes the subcommands of MODULE.",
        run: help,
        ..SERVER
    },
];

fn monitor(call: &mut Call) -> Result {
    call.session.monitor = true;
    call.server.monitors.insert(call.session.client());
    call.reply.ok();
    Ok(())
}

/// The reply is the end of the connection.
fn shutdown(call: &mut Call) -> Result {
    let (mut how, mut abort) = (Shutdown::default(), false);
    for option in call.args.from(1).iter() {
        match option.to_ascii_lowercase().as_slice() {
            b"nosave" => how.nosave = true,
            b"save" => how.save = true,
            b"now" => how.now = true,
            b"force" => how.force = true,
            b"abort" => abort = true,
            _ => return Err(Error::SYNTAX),
        }
    }
    if (abort && call.args.len() > 2) || (how.save && how.nosave) {
        return Err(Error::SYNTAX);
    }
    if abort {
        if !call.server.persistence.is_stopping {
            return Err(Error::new("ERR No shutdown in progress."));
        }
        call.server.ask(Effect::AbortShutdown);
        call.reply.ok();
        return Ok(());
    }
    if call.server.is_busy() && !how.nosave {
        return Err(call.server.busy_error());
    }
    call.server.persistence.is_stopping = true;
    call.server.ask(Effect::Shutdown(how));
    call.block(Waiting::Shutdown, None);
    Ok(())
}

fn replicaof(call: &mut Call) -> Result {
    let (host, port) = (call.args.at(1), call.args.at(2));
    if host.eq_ignore_ascii_case(b"NO") && port.eq_ignore_ascii_case(b"ONE") {
        call.reply.ok();
        return Ok(());
    }
    const BAD_PORT: Error = Error::new("ERR Invalid master port");
    int_between(port, 0, 65_535, BAD_PORT).map_err(|_| BAD_PORT)?;
    Err(Error::new("ERR this server cannot replicate yet"))
}

fn list(call: &mut Call) -> Result {
    call.reply.array(0);
    Ok(())
}

/// There is no interface for modules; the errors are those of a module that cannot be found.
fn module_allowed(call: &Call) -> Result {
    if call.server.config.enable_module_command.allows(call.session.peer.is_local()) {
        return Ok(());
    }
    Err(not_allowed("MODULE", "enable-module-command"))
}

fn load(call: &mut Call) -> Result {
    module_allowed(call)?;
    Err(Error::new("ERR Error loading the extension. Please check the server logs."))
}

fn unload(call: &mut Call) -> Result {
    module_allowed(call)?;
    Err(Error::new("ERR Error unloading module: no such module with that name"))
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "LIST",
        "    The modules that are loaded.",
        "LOAD <path> [<arg> ...]",
        "    Loads the module at <path>.",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "    Loads the module at <path>, with parameters and arguments.",
        "UNLOAD <name>",
        "    Unloads a module.",
    ])
}
