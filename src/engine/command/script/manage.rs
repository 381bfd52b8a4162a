//! SCRIPT: the cache of scripts.

use super::eval::parse_digest;
use super::{SCRIPTING, flushes_later};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::session::ScriptDebug;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Categories, Flags, one_of, string, token};
use crate::engine::text::sha1::sha1;

const SCRIPT: Command = Command { parent: Some("SCRIPT"), since: "2.6.0", ..SCRIPTING };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SCRIPT",
        arity: AtLeast(2),
        categories: Categories::NONE,
        flags: Flags::NONE,
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        summary: "Holds the commands about cached scripts.",
        ..SCRIPTING
    },
    Command {
        name: "LOAD",
        arity: Exactly(3),
        flags: Flags::NOSCRIPT.or(Flags::STALE),
        complexity: "O(N) with N being the length in bytes of the script body.",
        summary: "Keeps a script and tells its SHA-1.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[string("script")],
        run: load,
        ..SCRIPT
    },
    Command {
        name: "EXISTS",
        arity: AtLeast(3),
        complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        summary: "Tells which scripts are kept.",
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        args: &[string("sha1").multiple()],
        run: exists,
        ..SCRIPT
    },
    Command {
        name: "FLUSH",
        arity: AtLeast(2),
        complexity: "O(N) with N being the number of scripts in cache",
        summary: "Forgets all scripts.",
        history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[one_of(
            "flush-type",
            &[token("async", "ASYNC").since("6.2.0"), token("sync", "SYNC").since("6.2.0")],
        )
        .optional()
        .since("6.2.0")],
        run: flush,
        ..SCRIPT
    },
    Command {
        name: "KILL",
        arity: Exactly(2),
        flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
        summary: "Ends the script that runs, if it has written nothing.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        run: kill,
        ..SCRIPT
    },
    Command {
        name: "DEBUG",
        arity: Exactly(3),
        since: "3.2.0",
        summary: "Has the next script of this client run in a debugger.",
        args: &[one_of("mode", &[token("yes", "YES"), token("sync", "SYNC"), token("no", "NO")])],
        run: debug,
        ..SCRIPT
    },
    Command {
        name: "HELP",
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "5.0.0",
        summary: "Lists the subcommands.",
        run: help,
        ..SCRIPT
    },
];

fn load(call: &mut Call) -> Result {
    let source = call.args.at(2);
    let digest = sha1(source);
    if call.server.scripting.has(&digest) {
        call.server.scripting.pin(&digest);
    } else {
        call.server.cache_script(digest, source, false)?;
    }
    call.reply.bulk(digest.map(|byte| format!("{byte:02x}")).concat().as_bytes());
    Ok(())
}

fn exists(call: &mut Call) -> Result {
    call.reply.array(call.args.len() - 2);
    for hex in call.args.from(2).iter() {
        let found = parse_digest(hex).is_some_and(|digest| call.server.scripting.has(&digest));
        call.reply.int(found.into());
    }
    Ok(())
}

fn flush(call: &mut Call) -> Result {
    const UNKNOWN: &str = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
    if call.args.len() > 3 {
        return Err(Error::new(UNKNOWN));
    }
    let later = flushes_later(call, UNKNOWN)?;
    let forgotten = call.server.scripting.count();
    call.server.scripting.flush();
    if later {
        call.server.count_as_freed(forgotten, 0);
    }
    call.reply.ok();
    Ok(())
}

fn kill(call: &mut Call) -> Result {
    call.server.kill_script(false)?;
    call.reply.ok();
    Ok(())
}

fn debug(call: &mut Call) -> Result {
    if call.reply.len() > 0 {
        return Err(Error::new("ERR SCRIPT DEBUG must be called outside a pipeline"));
    }
    let mode = call.args.at(2).to_ascii_uppercase();
    call.session.script_debug = match &*mode {
        b"NO" => ScriptDebug::No,
        b"YES" => ScriptDebug::Yes,
        b"SYNC" => ScriptDebug::Sync,
        _ => return Err(Error::new("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    };
    call.reply.ok();
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "DEBUG (YES|SYNC|NO)",
        "    Set the debug mode for subsequent scripts executed.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Flush the Lua scripts cache. Very dangerous on replicas.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the scripts cache.",
        "    * SYNC: Synchronously flush the scripts cache.",
        "KILL",
        "    Kill the currently executing Lua script.",
        "LOAD <script>",
        "    Load a script into the scripts cache without executing it.",
    ])
}
