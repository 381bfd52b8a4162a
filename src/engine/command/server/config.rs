//! CONFIG: parameters while the server runs.

use super::SERVER;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::config::{Config, Origin, Param};
use crate::engine::effect::Effect;
use crate::engine::session::Waiting;
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Flags, block, string,
};

const CONFIG: Command = Command {
    parent: Some("CONFIG"),
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    ..SERVER
};
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "CONFIG",
        arity: AtLeast(2),
        since: "2.0.0",
        complexity: "Depends on subcommand.",
        summary: "Reads and changes the server's parameters.",
        ..SERVER
    },
    Command {
        name: "GET",
        arity: AtLeast(3),
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Returns the parameters that match some patterns, with their values.",
        history: &[("7.0.0", "Takes several patterns.")],
        args: &[string("parameter").multiple()],
        run: get,
        ..CONFIG
    },
    Command {
        name: "SET",
        arity: AtLeast(4),
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Sets parameters while the server runs: all of them or none.",
        history: &[("7.0.0", "Takes several parameters.")],
        tips: EVERYWHERE,
        args: &[block("data", &[string("parameter"), string("value")]).multiple()],
        run: set,
        ..CONFIG
    },
    Command {
        name: "REWRITE",
        arity: Exactly(2),
        since: "2.8.0",
        summary: "Writes the parameters in use back to the configuration file.",
        tips: EVERYWHERE,
        run: rewrite,
        ..CONFIG
    },
    Command {
        name: "RESETSTAT",
        arity: Exactly(2),
        since: "2.0.0",
        summary: "Sets the counters behind INFO back to zero.",
        tips: EVERYWHERE,
        run: resetstat,
        ..CONFIG
    },
    Command {
        name: "HELP",
        parent: Some("CONFIG"),
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "5.0.0",
        summary: "Describes the subcommands of CONFIG.",
        run: help,
        ..SERVER
    },
];

fn get(call: &mut Call) -> Result {
    let patterns: Vec<&[u8]> = call.args.from(2).iter().collect();
    let found = call.server.config.get(&patterns);
    call.reply.map(found.len());
    for (name, value) in found {
        call.reply.bulk(&name);
        call.reply.bulk(&value);
    }
    Ok(())
}

fn set(call: &mut Call) -> Result {
    let args: Vec<&[u8]> = call.args.from(2).iter().collect();
    let (pairs, []) = args.as_chunks() else { return Err(Error::SYNTAX) };
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    let before = Box::new(call.server.config.clone());
    let origin =
        Origin { local: call.session.peer.is_local(), loading: call.server.persistence.loading.is_some() };
    let changed = call.server.config.set(&pairs, origin).map_err(|error| Error::text(error.to_string()))?;
    call.server.apply_config();
    if changed.contains(&Param::maxmemory) {
        call.server.follow_maxmemory();
    }
    if !changed.is_empty() {
        let names = changed.iter().map(|param| param.row().name).collect();
        return take_effect(call, names, before);
    }
    call.reply.ok();
    Ok(())
}

/// Parameters that the outside may be unable to apply, so that the reply has to wait for it; as may those of TLS.
const FALLIBLE: &[&str] =
    &["maxclients", "dir", "port", "bind", "oom-score-adj", "oom-score-adj-values", "appendonly"];

fn take_effect(call: &mut Call, names: Vec<&'static str>, before: Box<Config>) -> Result {
    let is_fallible = |name: &&str| FALLIBLE.contains(name) || name.starts_with("tls-");
    let waits = call.may_block() && names.iter().any(is_fallible);
    let client = waits.then(|| call.session.client());
    call.server.ask(Effect::Configured { names, before, client });
    if waits {
        call.block(Waiting::Outside, None);
    } else {
        call.reply.ok();
    }
    Ok(())
}

fn rewrite(call: &mut Call) -> Result {
    rewrite_file(call, false)
}

/// Has the configuration file rewritten; with `all`, parameters that have their default too.
pub(super) fn rewrite_file(call: &mut Call, all: bool) -> Result {
    if call.server.environment.config_file.is_empty() {
        return Err(Error::new("ERR The server is running without a config file"));
    }
    if !call.may_block() {
        return Err(Error::new("ERR the config file cannot be rewritten inside a transaction"));
    }
    call.server.ask(Effect::RewriteConfig { client: call.session.client(), all });
    call.block(Waiting::Outside, None);
    Ok(())
}

fn resetstat(call: &mut Call) -> Result {
    call.server.reset_stats();
    call.reply.ok();
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "GET <pattern>",
        "    The parameters that match the glob-style <pattern>, with their values.",
        "SET <parameter> <value>",
        "    Sets <parameter> to <value>.",
        "RESETSTAT",
        "    Sets the counters behind INFO back to zero.",
        "REWRITE",
        "    Writes the parameters in use to the configuration file.",
    ])
}
