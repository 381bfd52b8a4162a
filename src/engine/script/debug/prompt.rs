//! Where the debugger meets Lua: the hook that stops a script, and commands that look at it.
//!
//! Levels of calls: 0 is the native function that asks, 1 what the hook has interrupted, and so on outwards.

use super::super::api::{self, Raised, SCRIPT, State};
use super::super::library;
use super::super::stack;
use super::super::{Command, Input, Output, STEP};
use super::{Debugger, value};
use crate::engine::protocol::{Args, Argv};
use corosensei::Yielder;
use mlua::debug::DebugEvent;
use mlua::{Function, HookTriggers, Lua, MultiValue, Scope, Table, Value, VmState};
use std::rc::Rc;

/// The name under which code of the client shows in errors.
const EVALUATED: &str = "@ldb_eval";
const ABORTED: &str = "ERR script aborted for user request";
const DESERTED: &str = "ERR timeout during Lua debugging with client closing connection";
const TOO_LONG: &str = "the code ran for too long";
/// Levels of calls that are looked at.
const LEVELS: usize = 200;

/// What a command line has the script do.
enum Next {
    Wait,
    GoOn,
}

/// Has a script that is debugged tell each line that it comes to, and, as others do, how long it works.
pub fn watch_lines(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let seen = state.clone();
    let triggers = HookTriggers::new().every_line().every_nth_instruction(STEP);
    lua.set_global_hook(triggers, move |lua, frame| {
        let native = match frame.event() {
            DebugEvent::Count if seen.steps() => "slice",
            DebugEvent::Count => return Ok(VmState::Continue),
            _ if seen.debugger(|debugger| debugger.evaluates && debugger.late) == Some(true) => {
                return Err(mlua::Error::runtime(TOO_LONG));
            }
            _ if frame.source().source.is_none_or(|source| source != SCRIPT) => return Ok(VmState::Continue),
            _ => {
                let line = frame.current_line().unwrap_or_default();
                let stops = seen.debugger(|debugger| !debugger.evaluates && debugger.arrives(line));
                if stops != Some(true) {
                    return Ok(VmState::Continue);
                }
                "prompt"
            }
        };
        lua.named_registry_value::<Function>(native)?.call::<()>(())?;
        Ok(VmState::Continue)
    })
}

/// It is told that it has worked for long: the script stops at its next line, and code of the client fails with each line.
pub fn halt(state: &State) {
    state.debugger(|debugger| debugger.late = true);
}

/// Adds what scripts and the hook need of the debugger.
pub fn add<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    yielder: &'env Yielder<Input, Output>,
    native: &Table,
    state: &Rc<State>,
) -> mlua::Result<()> {
    let seen = state.clone();
    let prompt = scope.create_function(move |lua, ()| prompt(lua, yielder, &seen))?;
    lua.set_named_registry_value("prompt", prompt)?;
    let seen = state.clone();
    let breakpoint = move |_: &Lua, ()| Ok(seen.debugger(|debugger| debugger.breaks = true).is_some());
    native.raw_set("breakpoint", lua.create_function(breakpoint)?)?;
    let seen = state.clone();
    let debug = move |_: &Lua, values: MultiValue| {
        let Some(line) = seen.debugger(|debugger| debugger.line) else { return Ok(()) };
        let mut text = format!("<debug> line {line}: ").into_bytes();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                text.extend(b", ");
            }
            value::append(&mut text, value, super::LONGEST)?;
            // A script may name thousands of long values, and no limit of the interpreter counts this text.
            if text.len() > super::LONGEST {
                break;
            }
        }
        seen.debugger(|debugger| debugger.tell(text));
        Ok(())
    };
    native.raw_set("debug", lua.create_function(debug)?)
}

/// A command of the script is to run.
#[inline]
pub fn tell_command(state: &State, args: Args) {
    state.debugger(|debugger| {
        if debugger.steps {
            debugger.tell_command(args.len(), args.iter());
        }
    });
}

/// It has run.
#[inline]
pub fn tell_reply(state: &State, command: &Command) {
    state.debugger(|debugger| {
        if debugger.steps {
            tell_outcome(debugger, command);
        }
    });
}

fn tell_outcome(debugger: &mut Debugger, command: &Command) {
    let reply = command.reply.pending();
    if let [b'-', text @ ..] = reply {
        debugger.tell_error(text.strip_suffix(b"\r\n").unwrap_or(text), command.refused);
    }
    if !command.refused {
        debugger.tell_reply(reply);
    }
}

/// An error that the script gets or makes.
#[inline]
pub fn tell_error(state: &State, text: &[u8], is_own: bool) {
    state.debugger(|debugger| {
        if debugger.steps {
            debugger.tell_error(text, is_own);
        }
    });
}

/// Does what the client says until the script is to go on.
fn prompt(lua: &Lua, yielder: &Yielder<Input, Output>, state: &State) -> mlua::Result<()> {
    let refuse = |text| Err(mlua::Error::external(Raised::refusal(text)));
    let was_late = state.debugger(|debugger| std::mem::take(&mut debugger.late)) == Some(true);
    loop {
        let log = state.debugger(Debugger::take_log).unwrap_or_default();
        match yielder.suspend(Output::Stopped(log)) {
            Input::Line(line) => match obey(lua, state, &line)? {
                Next::Wait => {}
                Next::GoOn => return Ok(()),
            },
            Input::HangUp => {
                state.debugger(Debugger::hang_up);
                return if was_late { refuse(DESERTED) } else { Ok(()) };
            }
            Input::Abort(why) => return refuse(why),
            input => return api::obey(lua, state, &input),
        }
        // What the client had it run was killed.
        if let Some(why) = state.killed.get() {
            return Err(mlua::Error::runtime(why));
        }
    }
}

/// Does what one command line says.
fn obey(lua: &Lua, state: &State, line: &Argv) -> mlua::Result<Next> {
    let args = line.args();
    let tell = |work: &dyn Fn(&mut Debugger)| state.debugger(work).unwrap_or_default();
    let name = args.at(0).to_ascii_lowercase();
    match (&*name, args.len()) {
        (b"s" | b"step" | b"n" | b"next", _) => {
            tell(&|debugger| debugger.steps = true);
            return Ok(Next::GoOn);
        }
        (b"c" | b"continue", _) => return Ok(Next::GoOn),
        (b"a" | b"abort", _) => return Err(mlua::Error::external(Raised::refusal(ABORTED))),
        (b"h" | b"help", _) => tell(&Debugger::help),
        (b"l" | b"list", _) => tell(&|debugger| debugger.list_at(args.get(1), args.get(2))),
        (b"w" | b"whole", _) => tell(&|debugger| debugger.list(1, i64::MAX)),
        (b"b" | b"break", _) => tell(&|debugger| debugger.change_breakpoints(args.from(1).iter())),
        (b"m" | b"maxlen", _) => {
            tell(&|debugger| debugger.change_length(args.get(1).filter(|_| args.len() == 2)));
        }
        (b"t" | b"trace", _) => trace(lua, state),
        (b"p" | b"print", 2) => print(lua, state, args.at(1))?,
        (b"p" | b"print", _) => print_all(lua, state)?,
        (b"e" | b"eval", _) => evaluate(lua, state, args.from(1))?,
        (b"r" | b"redis", 2..) => run(lua, state, args.from(1))?,
        _ => tell(&|debugger| {
            debugger.tell("<error> Unknown Redis Lua debugger command or wrong number of arguments.")
        }),
    }
    Ok(Next::Wait)
}

/// Whether the function at a level is the script's; `None` beyond the last one.
fn is_script(lua: &Lua, level: usize) -> Option<bool> {
    lua.inspect_stack(level, |frame| frame.source().source.is_some_and(|source| source == SCRIPT))
}

fn trace(lua: &Lua, state: &State) {
    let mut innermost = true;
    for level in 1..LEVELS {
        let Some(is_script) = is_script(lua, level) else { break };
        if is_script {
            let frame = lua.inspect_stack(level, |frame| {
                let name = frame.names().name.map(|name| name.into_owned());
                (name, frame.current_line().unwrap_or_default())
            });
            let (name, line) = frame.unwrap_or_default();
            let how = if innermost { "In" } else { "From" };
            state.debugger(|debugger| {
                debugger.tell(format!("{how} {}:", name.as_deref().unwrap_or("top level")));
                debugger.tell_line(line);
            });
        }
        innermost = false;
    }
}

/// Tells a value behind a text.
fn show(state: &State, before: &str, value: &Value) -> mlua::Result<()> {
    let Some(room) = state.debugger(|debugger| debugger.room()) else { return Ok(()) };
    let mut line = before.as_bytes().to_vec();
    value::append(&mut line, value, room)?;
    state.debugger(|debugger| debugger.tell_cut(line));
    Ok(())
}

/// The first variable of this name, from the innermost function outwards.
fn print(lua: &Lua, state: &State, name: &[u8]) -> mlua::Result<()> {
    for level in 1..LEVELS {
        let Some(is_script) = is_script(lua, level) else { break };
        for index in 1.. {
            let local = if is_script { stack::local(lua, level, index)? } else { None };
            match local {
                None => break,
                Some((known, value)) if known.as_bytes() == name => return show(state, "<value> ", &value),
                Some(_) => {}
            }
        }
    }
    if matches!(name, b"KEYS" | b"ARGV") {
        let globals: Table = lua.named_registry_value("globals")?;
        let value: Value = globals.raw_get(lua.create_string(name)?)?;
        return show(state, "<value> ", &value);
    }
    state.debugger(|debugger| debugger.tell("No such variable."));
    Ok(())
}

/// All variables of the innermost function.
fn print_all(lua: &Lua, state: &State) -> mlua::Result<()> {
    let mut found = false;
    for index in 1.. {
        let Some((name, value)) = stack::local(lua, 1, index)? else { break };
        if !name.contains("(*temporary)") {
            found = true;
            show(state, &format!("<value> {name} = "), &value)?;
        }
    }
    if !found {
        state.debugger(|debugger| debugger.tell("No local variables in the current context."));
    }
    Ok(())
}

/// Runs code of the client: an expression if it is one. It runs in a coroutine, since hooks do not work in a hook, and
/// it must not run for ever.
fn evaluate(lua: &Lua, state: &State, words: Args) -> mlua::Result<()> {
    let fail = |text: &[u8]| {
        state.debugger(|debugger| debugger.tell([b"<error> ", text].concat()));
        Ok(())
    };
    let code = words.iter().collect::<Vec<_>>().join(&b' ');
    let expression = [b"return ", &code[..]].concat();
    let compiled = api::compile(lua, &expression, EVALUATED).or_else(|_| api::compile(lua, &code, EVALUATED));
    let function = match compiled {
        Ok(function) => function,
        Err(why) => return fail(why.as_bytes()),
    };
    let pcall: Function = lua.named_registry_value("pcall")?;
    state.debugger(|debugger| debugger.evaluates = true);
    let outcome = lua.create_thread(pcall).and_then(|thread| thread.resume::<(bool, Value)>(function));
    state.debugger(|debugger| (debugger.evaluates, debugger.late) = (false, false));
    match outcome? {
        (true, value) => show(state, "<retval> ", &value),
        (false, Value::String(text)) => fail(&text.as_bytes()),
        (false, Value::Error(error)) if error.downcast_ref::<Raised>().is_none() => {
            fail(library::text(*error).as_bytes())
        }
        (false, _) => fail(b"(error object is not a string)"),
    }
}

/// Runs a command of the client, which is told as a step of the script would be.
fn run(lua: &Lua, state: &State, args: Args) -> mlua::Result<()> {
    let call: Function = lua.named_registry_value("call")?;
    let words = args.iter().map(|arg| lua.create_string(arg).map(Value::String));
    let words: MultiValue = words.collect::<mlua::Result<_>>()?;
    state.debugger(|debugger| debugger.steps = true);
    // How it failed was told.
    let _ = call.call::<Value>(words);
    state.debugger(|debugger| debugger.steps = false);
    Ok(())
}
