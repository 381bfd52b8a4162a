//! The machine behind an interpreter: its state, what scripts can ask of it, and how it serves whoever drives it.

use super::convert::{self, Reader};
use super::library::{self, Outcome};
use super::random::Random;
use super::{Callee, Command, Digest, Ended, Input, Options, Output, Registered, Run, SLICE};
use super::{bit, cjson, cmsgpack, structs};
use crate::engine::protocol::Argv;
use crate::engine::text::number::format_f64_digits;
use crate::engine::text::sha1::sha1;
use corosensei::Yielder;
use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, Scope, StdLib, Table, Value, VmState};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

const SANDBOX: &str = include_str!("sandbox.lua");
/// The names under which texts of errors show where they arose.
const SCRIPT: &str = "@user_script";
const FUNCTION: &str = "@user_function";
const NO_ARGUMENTS: &[u8] = b"-ERR Please specify at least one argument for this redis lib call\r\n";
const NOT_RUNNING: &[u8] = b"-ERR redis.call/pcall can only be called inside a script invocation\r\n";
const WRONG_ARGUMENTS: &[u8] = b"-ERR Lua redis lib command arguments must be strings or integers\r\n";

/// What natives share.
#[derive(Default)]
struct State {
    /// The script speaks RESP3 with the server.
    resp3: Cell<bool>,
    /// Commands are propagated.
    propagated: Cell<bool>,
    /// Something runs that may use data.
    running: Cell<bool>,
    /// What runs is to end with this error.
    killed: Cell<Option<&'static str>>,
    random: RefCell<Option<Random>>,
}

/// The parts of a machine that outlive a scope.
pub(super) struct Parts {
    state: Rc<State>,
}

/// A fresh Lua with its hook and its limits.
pub(super) fn new_lua(options: &Options) -> mlua::Result<(Lua, Parts)> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    lua.set_memory_limit(options.memory)?;
    let state = Rc::new(State::default());
    watch_time(&lua, &state)?;
    Ok((lua, Parts { state }))
}

/// The machine.
pub(super) struct Machine<'a> {
    lua: &'a Lua,
    state: Rc<State>,
    scripts: BTreeMap<Digest, Function>,
    eval: Function,
    call: Function,
    load: Function,
    keep: Function,
    /// What the library that was loaded last registered.
    registered: Vec<(String, Function)>,
    source: &'static str,
}

impl<'a> Machine<'a> {
    /// Sets up what scripts find.
    pub fn start<'scope, 'env>(
        lua: &'a Lua,
        scope: &'scope Scope<'scope, 'env>,
        yielder: &'env Yielder<Input, Output>,
        parts: Parts,
        options: &Options,
    ) -> mlua::Result<Self> {
        let state = parts.state;
        let native = lua.create_table()?;
        add_libraries(lua, &native, options)?;
        add_plain(lua, &native, &state)?;
        add_asking(lua, scope, yielder, &native, &state)?;
        let sandbox: Function = lua.load(SANDBOX).set_name("=sandbox").into_function()?;
        let (globals, entries): (Table, Table) = sandbox.call((native, options.deprecated))?;
        lua.set_globals(globals)?;
        Ok(Machine {
            lua,
            state,
            scripts: BTreeMap::new(),
            eval: entries.raw_get("eval")?,
            call: entries.raw_get("call")?,
            load: entries.raw_get("load")?,
            keep: entries.raw_get("keep")?,
            registered: Vec::new(),
            source: if options.functions { FUNCTION } else { SCRIPT },
        })
    }

    /// Does what it is told.
    pub fn serve(&mut self, input: Input) -> Output {
        match input {
            Input::Compile(digest, source) => Output::Done(self.compile(digest, &source)),
            Input::Forget(digest) => {
                self.scripts.remove(&digest);
                Output::Done(Ok(()))
            }
            Input::Run(run) => Output::Ended(self.run(&run)),
            Input::Load(source) => match self.load(&source) {
                Ok(registered) => Output::Registered(registered),
                Err(why) => Output::Done(Err(why)),
            },
            Input::Keep => {
                let kept = std::mem::take(&mut self.registered);
                let outcome =
                    kept.into_iter().try_for_each(|(name, callback)| self.keep.call((name, callback)));
                Output::Done(outcome.map_err(|error| library::text(error).into_bytes()))
            }
            Input::Drop(names) => {
                let outcome = names.into_iter().try_for_each(|name| self.keep.call((name, Value::Nil)));
                Output::Done(outcome.map_err(|error| library::text(error).into_bytes()))
            }
            _ => Output::Done(Ok(())),
        }
    }

    fn compile(&mut self, digest: Digest, source: &[u8]) -> Result<(), Vec<u8>> {
        let function = compile(self.lua, source, self.source)
            .map_err(|why| [b"ERR Error compiling script (new function): ", why.as_bytes()].concat())?;
        self.scripts.insert(digest, function);
        Ok(())
    }

    fn begin(&self, seed: u32) {
        let state = &self.state;
        state.resp3.set(false);
        state.propagated.set(true);
        state.killed.set(None);
        *state.random.borrow_mut() = Some(Random::new(seed));
        state.running.set(true);
    }

    fn end(&self) {
        self.state.running.set(false);
        if self.state.killed.take().is_some() {
            // Fails for a wish for no events only.
            let _ = watch_time(self.lua, &self.state);
        }
    }

    fn run(&mut self, run: &Run) -> Ended {
        self.begin(run.seed);
        let outcome = self.try_run(run);
        let mut ended = Ended::default();
        ended.reply.set_resp3(run.resp3);
        let outcome = outcome.and_then(|(ok, value)| {
            if ok
                && let Value::Table(table) = &value
                && let Value::String(text) = table.raw_get::<Value>("err")?
            {
                ended.error = Some((text.as_bytes().to_vec(), is_counted(table)?));
            } else if ok {
                convert::write(&mut ended.reply, &value, self.state.resp3.get())?;
            } else {
                ended.error = Some(explained(&value, run)?);
            }
            Ok(())
        });
        self.end();
        if let Err(error) = outcome {
            ended.error = Some((format!("ERR {}", library::text(error)).into_bytes(), false));
        }
        ended
    }

    fn try_run(&self, run: &Run) -> mlua::Result<(bool, Value)> {
        let lua = self.lua;
        let strings = |from: usize, count: usize| {
            let table = lua.create_table_with_capacity(count, 0)?;
            for (index, arg) in run.args.args().iter().skip(from).take(count).enumerate() {
                table.raw_set(index + 1, lua.create_string(arg)?)?;
            }
            Ok::<Table, mlua::Error>(table)
        };
        let keys = strings(0, run.keys)?;
        let argv = strings(run.keys, run.args.args().len() - run.keys)?;
        match &run.callee {
            Callee::Script(digest) => match self.scripts.get(digest) {
                Some(script) => self.eval.call((script.clone(), keys, argv)),
                None => Err(mlua::Error::runtime("the script is not there")),
            },
            Callee::Function(name) => self.call.call((name.as_str(), keys, argv)),
        }
    }

    /// Runs the code of a library.
    fn load(&mut self, source: &[u8]) -> Result<Vec<Registered>, Vec<u8>> {
        self.registered.clear();
        let library = compile(self.lua, source, self.source)
            .map_err(|why| [b"ERR Error compiling function: ", why.as_bytes()].concat())?;
        self.begin(0);
        let outcome = self.run_library(library);
        self.end();
        outcome.map_err(|why| [b"ERR Error registering functions: ", &why[..]].concat())
    }

    fn run_library(&mut self, library: Function) -> Result<Vec<Registered>, Vec<u8>> {
        let failed = |error| library::text(error).into_bytes();
        let (ok, error, entries): (bool, Value, Table) = self.load.call(library).map_err(failed)?;
        if !ok {
            let Value::Table(error) = error else { return Err(b"unknown error".into()) };
            let text = |name| error.raw_get::<Option<mlua::LuaString>>(name).map_err(failed);
            let message = text("err")?.map(|text| text.as_bytes().to_vec()).unwrap_or_default();
            let message = message.strip_prefix(b"ERR ").unwrap_or(&message);
            return Err(message.to_vec());
        }
        let mut all = Vec::new();
        for entry in entries.sequence_values::<Table>() {
            let entry = entry.map_err(failed)?;
            let name: mlua::LuaString = entry.raw_get("name").map_err(failed)?;
            let name = String::from_utf8_lossy(&name.as_bytes()).into_owned();
            let description = entry.raw_get::<Option<mlua::LuaString>>("description").map_err(failed)?;
            let flags: Table = entry.raw_get("flags").map_err(failed)?;
            let flags = flags.sequence_values().collect::<mlua::Result<_>>().map_err(failed)?;
            self.registered.push((name.clone(), entry.raw_get("callback").map_err(failed)?));
            all.push(Registered { name, description: description.map(|d| d.as_bytes().to_vec()), flags });
        }
        Ok(all)
    }
}

/// Compiles a text; never anything compiled.
fn compile(lua: &Lua, source: &[u8], name: &str) -> Result<Function, String> {
    if source.len() >= i32::MAX as usize {
        return Err("script too large".into());
    }
    // The parser does not keep the name from being collected. This does, since equal strings are one.
    let anchored = lua.create_string(name).map_err(library::text)?;
    let chunk = lua.load(source).set_mode(mlua::chunk::ChunkMode::Text).set_name(name);
    let function = chunk.into_function().map_err(library::text);
    drop(anchored);
    function
}

fn is_counted(error: &Table) -> mlua::Result<bool> {
    Ok(!matches!(error.raw_get::<Value>("ignore_error_stats_update")?, Value::Nil | Value::Boolean(false)))
}

/// The text of an error that a script raised, with the place.
fn explained(value: &Value, run: &Run) -> mlua::Result<(Vec<u8>, bool)> {
    let Value::Table(error) = value else {
        // There was no memory to explain it.
        let text = match value {
            Value::String(text) => text.to_string_lossy(),
            Value::Error(error) => library::text(mlua::Error::clone(error)),
            _ => "unknown error".into(),
        };
        return Ok((format!("ERR {text}").into_bytes(), false));
    };
    let mut text = match error.raw_get::<Value>("err")? {
        Value::String(text) => text.as_bytes().to_vec(),
        _ => b"ERR unknown error".to_vec(),
    };
    if let (Value::String(source), Value::Integer(line)) =
        (error.raw_get::<Value>("source")?, error.raw_get::<Value>("line")?)
    {
        let name = match &run.callee {
            Callee::Script(digest) => digest.map(|byte| format!("{byte:02x}")).concat(),
            Callee::Function(name) => name.clone(),
        };
        text.extend(format!(" script: {name}, on {}:{line}.", source.to_string_lossy()).into_bytes());
    }
    Ok((text, is_counted(error)?))
}

/// Has whatever runs say so now and then.
fn watch_time(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let seen = state.clone();
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(SLICE), move |lua, _| {
        if seen.running.get() {
            lua.named_registry_value::<Function>("slice")?.call::<()>(())?;
        }
        Ok(VmState::Continue)
    })
}

fn add_libraries(lua: &Lua, native: &Table, options: &Options) -> mlua::Result<()> {
    native.raw_set("cjson", cjson::table(lua)?)?;
    native.raw_set("cmsgpack", library::table(lua, cmsgpack::FUNCTIONS)?)?;
    native.raw_set("struct", library::table(lua, structs::FUNCTIONS)?)?;
    native.raw_set("bit", library::table(lua, bit::FUNCTIONS)?)?;
    native.raw_set("null", Value::NULL)?;
    native.raw_set("version", options.version)?;
    let number = options.version.split('.').fold(0, |all, part| all << 8 | part.parse().unwrap_or(0));
    native.raw_set("version_num", number)?;
    let stopwatch = options.stopwatch;
    let clock = lua.create_function(move |_, ()| Ok(stopwatch() as f64 / 1e9))?;
    native.raw_set("clock", clock)
}

/// What needs nobody outside.
fn add_plain(lua: &Lua, native: &Table, state: &Rc<State>) -> mlua::Result<()> {
    let seen = state.clone();
    native.raw_set("random", library::wrap(lua, move |_, args| random(&seen, args))?)?;
    let seen = state.clone();
    let seed = move |_: &Lua, args: &[Value]| -> Outcome {
        let seed = library::number(args, 0, "randomseed")? as i64 as u32;
        *seen.random.borrow_mut() = Some(Random::new(seed));
        Ok(Vec::new())
    };
    native.raw_set("randomseed", library::wrap(lua, seed)?)?;
    let seen = state.clone();
    native.raw_set(
        "setresp",
        lua.create_function(move |_, version: u8| {
            seen.resp3.set(version == 3);
            Ok(())
        })?,
    )?;
    let seen = state.clone();
    native.raw_set(
        "set_repl",
        lua.create_function(move |_, flags: u8| {
            seen.propagated.set(flags > 0);
            Ok(())
        })?,
    )?;
    let sha = |lua: &Lua, args: MultiValue| {
        if args.len() != 1 {
            return Err(mlua::Error::external(Raised::refusal(b"-ERR wrong number of arguments\r\n")));
        }
        let text = args.front().cloned().map_or(Ok(None), |value| lua.coerce_string(value))?;
        let text = text.map(|text| text.as_bytes().to_vec()).unwrap_or_default();
        Ok(sha1(&text).map(|byte| format!("{byte:02x}")).concat())
    };
    native.raw_set("sha1hex", lua.create_function(sha)?)?;
    native.raw_set(
        "error_text",
        lua.create_function(|lua, text: mlua::LuaString| lua.create_string(error_text(&text.as_bytes())))?,
    )?;
    native.raw_set(
        "reveal",
        lua.create_function(|lua, value: Value| match value {
            Value::Error(error) => reveal(lua, &error),
            other => Ok(other),
        })?,
    )?;
    native.raw_set("where", lua.create_function(|lua, ()| Ok(place(lua)))?)?;
    let load = |lua: &Lua, (text, name): (mlua::LuaString, Option<mlua::LuaString>)| {
        let name = name.map(|name| name.to_string_lossy()).unwrap_or_default();
        Ok(match compile(lua, &text.as_bytes(), &name) {
            Ok(function) => (Value::Function(function), Value::Nil),
            Err(why) => (Value::Nil, Value::String(lua.create_string(why)?)),
        })
    };
    native.raw_set("load", lua.create_function(load)?)
}

/// The code of an error and its text, from what a script made up.
fn error_text(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let text = text.trim_ascii_end();
    if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() }
}

/// Where the innermost code of a script is.
fn place(lua: &Lua) -> (Option<String>, Option<usize>) {
    for level in 1..64 {
        let found = lua.inspect_stack(level, |frame| {
            let source = frame.source().source?;
            let line = frame.current_line()?;
            [SCRIPT, FUNCTION].contains(&&*source).then(|| (source.into_owned(), line))
        });
        match found {
            None => break,
            Some(None) => {}
            Some(Some((source, line))) => return (Some(source), Some(line)),
        }
    }
    (None, None)
}

fn random(state: &State, args: &[Value]) -> Outcome {
    let mut random = state.random.borrow_mut();
    let unit = random.get_or_insert_with(|| Random::new(0)).unit();
    let value = match args.len() {
        0 => unit,
        1 => {
            let most = library::integer(args, 0, "random")?;
            if most < 1 {
                return Err("bad argument #1 to 'random' (interval is empty)".into());
            }
            (unit * most as f64).floor() + 1.0
        }
        2 => {
            let (least, most) = (library::integer(args, 0, "random")?, library::integer(args, 1, "random")?);
            if least > most {
                return Err("bad argument #2 to 'random' (interval is empty)".into());
            }
            (unit * (most as f64 - least as f64 + 1.0)).floor() + least as f64
        }
        _ => return Err("wrong number of arguments".into()),
    };
    Ok(vec![Value::Number(value)])
}

/// What is asked of the outside, through the yielder.
fn add_asking<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    yielder: &'env Yielder<Input, Output>,
    native: &Table,
    state: &Rc<State>,
) -> mlua::Result<()> {
    let seen = state.clone();
    let call = scope.create_function(move |lua, args: MultiValue| {
        command(lua, yielder, &seen, args)?.map_err(mlua::Error::external)
    })?;
    native.raw_set("call", call)?;
    let seen = state.clone();
    let pcall = scope.create_function(move |lua, args: MultiValue| {
        command(lua, yielder, &seen, args)?.or_else(|raised| raised.value(lua))
    })?;
    native.raw_set("pcall", pcall)?;
    let seen = state.clone();
    let slice = scope.create_function(move |lua, ()| {
        let input = match seen.killed.get() {
            Some(why) => Input::Kill(why),
            None => yielder.suspend(Output::Slice),
        };
        obey(lua, &seen, &input)
    })?;
    lua.set_named_registry_value("slice", slice)?;
    let log = scope.create_function(move |_, (level, words): (u8, mlua::Variadic<Value>)| {
        let mut text = Vec::new();
        for word in words.iter() {
            let (Value::String(_) | Value::Integer(_) | Value::Number(_)) = word else { continue };
            if !text.is_empty() {
                text.push(b' ');
            }
            append(&mut text, word);
        }
        yielder.suspend(Output::Log(level, text));
        Ok(())
    })?;
    native.raw_set("log", log)?;
    let allowed = scope.create_function(move |_, args: MultiValue| {
        let refuse = |reply: &[u8]| Err(mlua::Error::external(Raised::refusal(reply)));
        if args.is_empty() {
            return refuse(NO_ARGUMENTS);
        }
        let Some(argv) = arguments(&args) else { return refuse(WRONG_ARGUMENTS) };
        match yielder.suspend(Output::Allowed(argv)) {
            Input::Verdict(Err(why)) => refuse(format!("-ERR {why}\r\n").as_bytes()),
            Input::Verdict(Ok(allowed)) => Ok(allowed),
            _ => Ok(false),
        }
    })?;
    native.raw_set("acl_check_cmd", allowed)?;
    let print = scope.create_function(move |_, words: MultiValue| {
        let words: Vec<String> = words.iter().map(|word| word.to_string().unwrap_or_default()).collect();
        yielder.suspend(Output::Log(1, words.join("\t").into_bytes()));
        Ok(())
    })?;
    native.raw_set("print", print)
}

/// A script is told to end: from now on every line of it fails, also outside the `pcall` that this error ends in.
fn obey(lua: &Lua, state: &State, input: &Input) -> mlua::Result<()> {
    let Input::Kill(why) = input else { return Ok(()) };
    let why = *why;
    if state.killed.replace(Some(why)).is_none() {
        lua.set_global_hook(HookTriggers::new().every_line(), move |_, _| Err(mlua::Error::runtime(why)))?;
    }
    Err(mlua::Error::runtime(why))
}

fn arguments(args: &MultiValue) -> Option<Argv> {
    let mut argv = Argv::default();
    let mut digits = Vec::new();
    for arg in args.iter() {
        match arg {
            Value::String(text) => argv.push(&text.as_bytes()),
            Value::Integer(_) | Value::Number(_) => {
                digits.clear();
                append(&mut digits, arg);
                argv.push(&digits);
            }
            _ => return None,
        }
    }
    Some(argv)
}

/// A string, or a number as commands get it.
fn append(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => out.extend_from_slice(&text.as_bytes()),
        Value::Integer(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Number(number) => out.extend_from_slice(format_f64_digits(*number).as_bytes()),
        _ => {}
    }
}

/// The error reply of a command, which is a table for scripts.
#[derive(Debug)]
struct Raised {
    /// As it was sent.
    reply: Vec<u8>,
    /// It was counted where it arose, not made up by the interpreter.
    counted: bool,
}

impl Raised {
    fn refusal(reply: &[u8]) -> Self {
        Raised { reply: reply.into(), counted: false }
    }

    fn value(&self, lua: &Lua) -> mlua::Result<Value> {
        let value = Reader::new(lua, &self.reply).value()?;
        if let Value::Table(error) = &value
            && self.counted
        {
            error.raw_set("ignore_error_stats_update", true)?;
        }
        Ok(value)
    }
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.reply))
    }
}

impl std::error::Error for Raised {}

/// What an error of ours is for scripts: a table if a command failed, or else a string.
fn reveal(lua: &Lua, error: &mlua::Error) -> mlua::Result<Value> {
    match error.downcast_ref::<Raised>() {
        Some(raised) => raised.value(lua),
        None => Ok(Value::String(lua.create_string(library::text(error.clone()))?)),
    }
}

/// What a command of a script replied.
fn command(
    lua: &Lua,
    yielder: &Yielder<Input, Output>,
    state: &State,
    args: MultiValue,
) -> mlua::Result<std::result::Result<Value, Raised>> {
    if args.is_empty() {
        return Ok(Err(Raised::refusal(NO_ARGUMENTS)));
    }
    let Some(argv) = arguments(&args) else { return Ok(Err(Raised::refusal(WRONG_ARGUMENTS))) };
    if !state.running.get() {
        return Ok(Err(Raised::refusal(NOT_RUNNING)));
    }
    let command = Command { argv, resp3: state.resp3.get(), propagated: state.propagated.get() };
    match yielder.suspend(Output::Command(command)) {
        Input::Answer(reply) if reply.first() == Some(&b'-') => Ok(Err(Raised { reply, counted: true })),
        Input::Answer(reply) => Reader::new(lua, &reply).value().map(Ok),
        input => obey(lua, state, &input).map(|()| Ok(Value::Nil)),
    }
}
