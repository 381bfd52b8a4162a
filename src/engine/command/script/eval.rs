//! EVAL and its kin.

use super::SCRIPTING;
use crate::engine::command::{Call, Command, Error, Result, args};
use crate::engine::script::{Callee, Debugger, Digest, Run};
use crate::engine::server::Server;
use crate::engine::server::scripting::{Order, ScriptFlags};
use crate::engine::session::{ScriptDebug, Waiting};
use crate::engine::spec::{Arg, Arity::AtLeast, Flags, KEY, KeyFlags, int, keys_counted, string};

const FLAGS: Flags = Flags::NOSCRIPT
    .or(Flags::STALE)
    .or(Flags::SKIP_MONITOR)
    .or(Flags::MOVABLE_KEYS)
    .or(Flags::NO_MANDATORY_KEYS)
    .or(Flags::SCRIPT_RUNNER)
    .or(Flags::CONTAINER);
const COMPLEXITY: &str = "Depends on the script that is executed.";
const REST: [Arg; 3] = [int("numkeys"), KEY.optional().multiple(), string("arg").optional().multiple()];

const WRITING: Command = Command {
    arity: AtLeast(3),
    flags: FLAGS.or(Flags::MAY_REPLICATE),
    keys: &[keys_counted(2, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
    since: "2.6.0",
    complexity: COMPLEXITY,
    ..SCRIPTING
};
const READING: Command = Command {
    arity: AtLeast(3),
    flags: FLAGS.or(Flags::READONLY),
    keys: &[keys_counted(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
    since: "7.0.0",
    complexity: COMPLEXITY,
    ..SCRIPTING
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "EVAL",
        summary: "Runs a script.",
        args: &[string("script"), REST[0], REST[1], REST[2]],
        run: |call| eval(call, false),
        ..WRITING
    },
    Command {
        name: "EVALSHA",
        summary: "Runs a script that the server knows, given by its SHA-1.",
        args: &[string("sha1"), REST[0], REST[1], REST[2]],
        run: |call| evalsha(call, false),
        ..WRITING
    },
    Command {
        name: "EVAL_RO",
        summary: "Runs a script that changes nothing.",
        args: &[string("script"), REST[0], REST[1], REST[2]],
        run: |call| eval(call, true),
        ..READING
    },
    Command {
        name: "EVALSHA_RO",
        summary: "Runs a script that changes nothing and that the server knows, given by its SHA-1.",
        args: &[string("sha1"), REST[0], REST[1], REST[2]],
        run: |call| evalsha(call, true),
        ..READING
    },
    Command {
        name: "FCALL",
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        summary: "Calls a function.",
        args: &[string("function"), REST[0], REST[1], REST[2]],
        run: |call| fcall(call, false),
        ..WRITING
    },
    Command {
        name: "FCALL_RO",
        complexity: "Depends on the function that is executed.",
        summary: "Calls a function that changes nothing.",
        args: &[string("function"), REST[0], REST[1], REST[2]],
        run: |call| fcall(call, true),
        ..READING
    },
];

/// How many of the arguments from the third on are keys.
pub(super) fn count_keys(call: &Call) -> Result<usize> {
    let keys = args::int(call.args.at(2))?;
    if keys > call.args.len() as i64 - 3 {
        return Err(Error::new("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(keys).map_err(|_| Error::new("ERR Number of keys can't be negative"))
}

/// Monitors see a script before its commands.
fn show(call: &mut Call) {
    if !call.server.monitors.is_empty() {
        call.server.feed_monitors(call.session, call.args, call.command, call.now);
    }
}

fn eval(call: &mut Call, read_only: bool) -> Result {
    show(call);
    if call.session.script_debug != ScriptDebug::No {
        return debug(call, read_only);
    }
    count_keys(call)?;
    let (digest, flags) = compile(call.server, call.args.at(1))?;
    start(call, Callee::Script(digest), flags, read_only)
}

/// Compiles a script, unless it is known.
fn compile(server: &mut Server, source: &[u8]) -> Result<(Digest, ScriptFlags)> {
    let digest = server.scripting.digest(source);
    let flags = match server.scripting.use_script(&digest) {
        Some(flags) => flags,
        None => server.cache_script(digest, source, true)?,
    };
    Ok((digest, flags))
}

/// Runs a script in the debugger.
fn debug(call: &mut Call, read_only: bool) -> Result {
    if !call.may_block() {
        return Err(Error::new("ERR A script cannot be debugged inside a transaction"));
    }
    begin_to_debug(call, read_only).inspect_err(|_| call.session.script_debug = ScriptDebug::No)
}

/// Fails if there cannot be a copy of the data; then there is no session.
fn begin_to_debug(call: &mut Call, read_only: bool) -> Result {
    let used = call.server.used_memory();
    let mut apart = match call.session.script_debug {
        ScriptDebug::Yes => Some(call.server.new_for_debugger()?),
        _ => None,
    };
    match prepare(call, apart.as_deref_mut(), read_only) {
        Ok(()) => {
            let apart = apart.map(|server| (server, used));
            call.server.begin_to_debug(call.session, call.reply, apart, call.now)
        }
        Err(error) => {
            call.server.fail_to_debug(call.session, call.reply, &error);
            Ok(())
        }
    }
}

/// Has a script ready to be debugged, here or in another server.
fn prepare(call: &mut Call, apart: Option<&mut Server>, read_only: bool) -> Result {
    let keys = count_keys(call)?;
    let seed = call.server.rng.next_u64() as u32;
    let server = apart.unwrap_or(call.server);
    let source = call.args.at(1);
    let (digest, flags) = compile(server, source)?;
    let debugger = Some(Box::new(Debugger::new(source)));
    let mut run = Box::new(Run { callee: Callee::Script(digest), keys, seed, debugger, ..Run::default() });
    call.args.from(3).iter().for_each(|arg| run.args.push(arg));
    run.reply.set_resp3(call.reply.is_resp3());
    let request = (call.args, call.command);
    server.prepare_to_debug(Order { run, flags, read_only, session: call.session, request }, call.now)
}

fn evalsha(call: &mut Call, read_only: bool) -> Result {
    show(call);
    let missing = Error::new("NOSCRIPT No matching script. Please use EVAL.");
    if call.session.script_debug != ScriptDebug::No && call.args.at(1).len() == 40 {
        return Err(Error::new("ERR Please use EVAL instead of EVALSHA for debugging"));
    }
    count_keys(call)?;
    let digest = parse_digest(call.args.at(1)).ok_or(missing.clone())?;
    let flags = call.server.scripting.use_script(&digest).ok_or(missing)?;
    start(call, Callee::Script(digest), flags, read_only)
}

fn fcall(call: &mut Call, read_only: bool) -> Result {
    show(call);
    let found = call.server.scripting.functions.find(call.args.at(1));
    let function = found.ok_or(Error::new("ERR Function not found"))?;
    let (name, flags) = (function.name.clone(), function.flags);
    args::int(call.args.at(2)).map_err(|_| Error::new("ERR Bad number of keys provided"))?;
    start(call, Callee::Function(name), flags, read_only)
}

/// Forty hex digits as what they stand for.
pub(super) fn parse_digest(hex: &[u8]) -> Option<Digest> {
    let mut digest = [0; 20];
    if hex.len() != 40 {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(hex.chunks(2)) {
        let digit = |byte: u8| (byte as char).to_digit(16);
        *byte = (digit(digits[0])? * 16 + digit(digits[1])?) as u8;
    }
    Some(digest)
}

/// Runs what was called, with the arguments from the fourth on.
pub(super) fn start(call: &mut Call, callee: Callee, flags: ScriptFlags, read_only: bool) -> Result {
    let keys = count_keys(call)?;
    let mut run = call.server.scripting.spare.take().unwrap_or_default();
    run.clear();
    call.args.from(3).iter().for_each(|arg| run.args.push(arg));
    (run.callee, run.keys, run.seed) = (callee, keys, call.server.rng.next_u64() as u32);
    run.reply.set_resp3(call.reply.is_resp3());
    let request = (call.args, call.command);
    let order = Order { run, flags, read_only, session: call.session, request };
    let Some(mut run) = call.server.run_script(order, call.now)? else {
        call.block(Waiting::Script, None);
        return Ok(());
    };
    let error = run.error.take();
    if error.is_none() {
        call.reply.raw(run.reply.pending());
    }
    call.server.scripting.spare = Some(run);
    match error {
        None => Ok(()),
        Some((text, true)) => Err(Error::bytes(text).counted()),
        Some((text, false)) => Err(Error::bytes(text)),
    }
}
