//! The machine behind an interpreter: its state, what scripts can ask of it, and how it serves whoever drives it.

use super::arguments::{self, Given};
use super::convert;
use super::debug::{Debugger, prompt};
use super::library::{self, Outcome};
use super::random::Random;
use super::stack::{self, Answer, Section, Shown, Stack};
use super::{Callee, Command, Digest, Input, Options, Output, Registered, Run, SLICE, SLICE_NS, STEP};
use super::{bit, cjson, cmsgpack, structs};
use crate::engine::protocol::Argv;
use crate::engine::text::sha1::sha1;
use corosensei::Yielder;
use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, Scope, StdLib, Table, Value, VmState};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

const SANDBOX: &str = include_str!("sandbox.lua");
/// The names under which texts of errors show where they arose.
pub(super) const SCRIPT: &str = "@user_script";
const FUNCTION: &str = "@user_function";
/// Steps of the collector after a library was loaded.
const STEPS_A_LIBRARY: usize = 8;
const NO_ARGUMENTS: &str = "ERR Please specify at least one argument for this redis lib call";
const NOT_RUNNING: &str = "ERR redis.call/pcall can only be called inside a script invocation";
const WRONG_ARGUMENTS: &str = "ERR Lua redis lib command arguments must be strings or integers";

/// What natives share.
pub(super) struct State {
    /// The script speaks RESP3 with the server.
    resp3: Cell<bool>,
    /// Commands are propagated.
    propagated: Cell<bool>,
    /// Something runs that may use data.
    running: Cell<bool>,
    /// What runs is to end with this error.
    pub(super) killed: Cell<Option<&'static str>>,
    random: RefCell<Option<Random>>,
    /// The last command, for its buffers.
    command: Cell<Box<Command>>,
    /// The debugger of what runs.
    debugger: RefCell<Option<Box<Debugger>>>,
    stopwatch: fn() -> u64,
    /// Steps since what runs has said that it does, and when the first of them ended.
    steps: Cell<u32>,
    stepped_ns: Cell<u64>,
}

impl State {
    fn new(stopwatch: fn() -> u64) -> Self {
        State {
            resp3: Cell::default(),
            propagated: Cell::default(),
            running: Cell::default(),
            killed: Cell::default(),
            random: RefCell::default(),
            command: Cell::default(),
            debugger: RefCell::default(),
            stopwatch,
            steps: Cell::default(),
            stepped_ns: Cell::default(),
        }
    }

    /// Asks or tells the debugger something, if what runs is debugged.
    #[inline]
    pub(super) fn debugger<R>(&self, work: impl FnOnce(&mut Debugger) -> R) -> Option<R> {
        self.debugger.borrow_mut().as_deref_mut().map(work)
    }

    /// What runs has done another step. Whether it is time to say so.
    pub(super) fn steps(&self) -> bool {
        let (steps, now) = (self.steps.get() + 1, (self.stopwatch)());
        if steps == 1 {
            self.stepped_ns.set(now);
        }
        let says = steps >= SLICE || now.saturating_sub(self.stepped_ns.get()) >= SLICE_NS;
        self.steps.set(if says { 0 } else { steps });
        says
    }
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
    let state = Rc::new(State::new(options.stopwatch));
    watch_time(&lua, &state)?;
    Ok((lua, Parts { state }))
}

/// What can be run. The functions are in a table, since there may be only some thousand handles of them.
struct Code {
    functions: Table,
    slots: BTreeMap<Callee, Slot>,
    free: Vec<i32>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// Where in the table.
    at: i32,
    /// How it uses its arguments, see [`arguments::reach`].
    reach: Option<usize>,
}

impl Code {
    fn keep(&mut self, callee: Callee, function: Function, reach: Option<usize>) -> Result<(), Vec<u8>> {
        let known = self.slots.get(&callee).map(|slot| slot.at).or_else(|| self.free.pop());
        let at = known.unwrap_or(self.slots.len() as i32 + 1);
        self.slots.insert(callee, Slot { at, reach });
        self.functions.raw_set(at, function).map_err(|error| library::text(error).into_bytes())
    }

    fn forget(&mut self, callee: &Callee) -> Result<(), Vec<u8>> {
        let Some(slot) = self.slots.remove(callee) else { return Ok(()) };
        self.free.push(slot.at);
        self.functions.raw_set(slot.at, Value::Nil).map_err(|error| library::text(error).into_bytes())
    }
}

/// The machine.
pub(super) struct Machine<'a> {
    lua: &'a Lua,
    state: Rc<State>,
    code: Code,
    /// What explains errors, what can be run, what scripts find as global names, and the names of arguments.
    section: Section,
    given: Given,
    /// Scripts can only get at what they name.
    is_closed: bool,
    load: Function,
    /// What the library that was loaded last registered.
    registered: Vec<(Rc<str>, Function)>,
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
        lua.set_named_registry_value("pcall", lua.globals().raw_get::<Function>("pcall")?)?;
        let (globals, entries): (Table, Table) = sandbox.call((native, options.deprecated))?;
        lua.set_globals(globals)?;
        let (explain, real): (Function, Table) = (entries.raw_get("explain")?, entries.raw_get("globals")?);
        lua.set_named_registry_value("globals", &real)?;
        let functions = lua.create_table()?;
        Ok(Machine {
            lua,
            state,
            section: Section::new(lua, (explain, &functions, real, "KEYS", "ARGV"))?,
            given: Given::default(),
            is_closed: !options.deprecated,
            code: Code { functions, slots: BTreeMap::new(), free: Vec::new() },
            load: entries.raw_get("load")?,
            registered: Vec::new(),
            source: if options.functions { FUNCTION } else { SCRIPT },
        })
    }

    /// Does what it is told.
    pub fn serve(&mut self, input: Input) -> Output {
        // What compiling leaves behind is more than it keeps: without this it doubles the memory of many libraries.
        let steps = match input {
            Input::Compile(..) => 1,
            Input::Load(_) => STEPS_A_LIBRARY,
            _ => 0,
        };
        let output = self.answer(input);
        // Where it fails there is no memory, which others will be told.
        (0..steps).for_each(|_| _ = self.lua.gc_step());
        output
    }

    fn answer(&mut self, input: Input) -> Output {
        match input {
            Input::Compile(digest, source) => Output::Done(self.compile(digest, &source)),
            Input::Forget(digest) => Output::Done(self.code.forget(&Callee::Script(digest))),
            Input::Run(run) => Output::Ended(self.run(run)),
            Input::Load(source) => match self.load(&source) {
                Ok(registered) => Output::Registered(registered),
                Err(why) => Output::Done(Err(why)),
            },
            Input::Keep => {
                let kept = std::mem::take(&mut self.registered);
                let keep = |(name, callback)| self.code.keep(Callee::Function(name), callback, None);
                Output::Done(kept.into_iter().try_for_each(keep))
            }
            Input::Drop(names) => {
                let forget = |name| self.code.forget(&Callee::Function(name));
                Output::Done(names.into_iter().try_for_each(forget))
            }
            Input::Collect => Output::Done(self.lua.gc_collect().map_err(|_| Vec::new())),
            _ => Output::Done(Ok(())),
        }
    }

    fn compile(&mut self, digest: Digest, source: &[u8]) -> Result<(), Vec<u8>> {
        let function = compile(self.lua, source, self.source)
            .map_err(|why| [b"ERR Error compiling script (new function): ", why.as_bytes()].concat())?;
        let reach = arguments::reach(source).filter(|_| self.is_closed);
        self.code.keep(Callee::Script(digest), function, reach)
    }

    fn begin(&self, seed: u32) {
        let state = &self.state;
        state.resp3.set(false);
        state.propagated.set(true);
        state.killed.set(None);
        *state.random.borrow_mut() = Some(Random::new(seed));
        state.steps.set(0);
        state.running.set(true);
    }

    fn end(&self) {
        self.state.running.set(false);
        if self.state.killed.take().is_some() {
            // Fails for a wish for no events only.
            let _ = watch_time(self.lua, &self.state);
        }
    }

    fn run(&mut self, mut run: Box<Run>) -> Box<Run> {
        self.begin(run.seed);
        let is_debugged = run.debugger.is_some();
        self.state.debugger.replace(run.debugger.take());
        // Fails for a wish for no events only, here and below.
        if is_debugged {
            let _ = prompt::watch_lines(self.lua, &self.state);
        }
        let outcome = match self.code.slots.get(&run.callee).copied() {
            Some(mut slot) => {
                // Whoever debugs it can name anything.
                slot.reach = slot.reach.filter(|_| !is_debugged);
                let Machine { section, given, state, .. } = self;
                section.enter(|stack| run_slot(stack, slot, &mut run, given, state))
            }
            None => Err((b"ERR the script is not there".into(), false)),
        };
        self.end();
        if is_debugged {
            let _ = watch_time(self.lua, &self.state);
        }
        run.debugger = self.state.debugger.take();
        run.error = outcome.err();
        run
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
            return Err(message);
        }
        let mut all = Vec::new();
        for entry in entries.sequence_values::<Table>() {
            let entry = entry.map_err(failed)?;
            let name: mlua::LuaString = entry.raw_get("name").map_err(failed)?;
            let name: Rc<str> = String::from_utf8_lossy(&name.as_bytes()).into();
            let description = entry.raw_get::<Option<mlua::LuaString>>("description").map_err(failed)?;
            let flags: Table = entry.raw_get("flags").map_err(failed)?;
            let flags = flags.sequence_values().collect::<mlua::Result<_>>().map_err(failed)?;
            self.registered.push((name.clone(), entry.raw_get("callback").map_err(failed)?));
            let description = description.map(|text| (*text.as_bytes()).into());
            all.push(Registered { name, description, flags });
        }
        Ok(all)
    }
}

/// Compiles a text; never anything compiled.
pub(super) fn compile(lua: &Lua, source: &[u8], name: &str) -> Result<Function, String> {
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

/// Runs what is in a slot, in a machine's section.
fn run_slot(
    stack: &mut Stack,
    slot: Slot,
    run: &mut Run,
    given: &mut Given,
    state: &State,
) -> Result<(), (Vec<u8>, bool)> {
    const EXPLAIN: i32 = 1;
    const KEPT: i32 = 2;
    const GLOBALS: i32 = 3;
    let result = stack.len() + 1;
    stack.push_element(KEPT, slot.at);
    let args = run.args.args();
    let arguments = match run.callee {
        Callee::Function(_) => {
            arguments::push(stack, args.first(run.keys));
            arguments::push(stack, args.from(run.keys));
            2
        }
        Callee::Script(_) => {
            given.give(stack, GLOBALS, args, run.keys, slot.reach);
            0
        }
    };
    if !stack.call(arguments, EXPLAIN) {
        return Err(explained(stack, result, run));
    }
    if stack.show(result) == Shown::Table {
        stack.push_field(result, "err");
        if let Shown::Bytes(text) = stack.show(result + 1) {
            let text = text.to_vec();
            return Err((text, is_counted(stack, result)));
        }
        stack.truncate(result);
    }
    convert::write(&mut run.reply, stack, state.resp3.get())
        .map_err(|_| (b"ERR not enough memory".into(), false))
}

fn is_counted(stack: &mut Stack, error: i32) -> bool {
    stack.push_field(error, "ignore_error_stats_update");
    !matches!(stack.show(stack.len()), Shown::Nil | Shown::Boolean(false))
}

/// The text of an error that a script raised, with the place.
fn explained(stack: &mut Stack, error: i32, run: &Run) -> (Vec<u8>, bool) {
    match stack.show(error) {
        Shown::Table => {}
        // There was no memory to explain it.
        Shown::Bytes(text) => return ([b"ERR ", text].concat(), false),
        _ => return (b"ERR unknown error".into(), false),
    }
    stack.push_field(error, "err");
    let mut text = match stack.show(error + 1) {
        Shown::Bytes(text) => text.to_vec(),
        _ => b"ERR unknown error".to_vec(),
    };
    stack.push_field(error, "source");
    stack.push_field(error, "line");
    if let (Shown::Bytes(source), Shown::Number(line)) = (stack.show(error + 2), stack.show(error + 3)) {
        let source = String::from_utf8_lossy(source);
        text.extend(format!(" script: {}, on {source}:{line}.", run.callee).into_bytes());
    }
    (text, is_counted(stack, error))
}

/// Has whatever runs say so now and then.
fn watch_time(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let seen = state.clone();
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(STEP), move |lua, _| {
        if seen.running.get() && seen.steps() {
            lua.named_registry_value::<Function>("slice")?.call::<()>(())?;
        }
        Ok(VmState::Continue)
    })
}

fn add_libraries(lua: &Lua, native: &Table, options: &Options) -> mlua::Result<()> {
    native.raw_set("cjson", lua.create_function(|lua, ()| cjson::table(lua))?)?;
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
            return Err(mlua::Error::external(Raised::refusal("ERR wrong number of arguments")));
        }
        let text = args.front().cloned().map_or(Ok(None), |value| lua.coerce_string(value))?;
        let text = text.map(|text| text.as_bytes().to_vec()).unwrap_or_default();
        Ok(sha1(&text).map(|byte| format!("{byte:02x}")).concat())
    };
    native.raw_set("sha1hex", lua.create_function(sha)?)?;
    let seen = state.clone();
    let error_text = move |lua: &Lua, text: mlua::LuaString| {
        let text = error_text(&text.as_bytes());
        prompt::tell_error(&seen, &text, false);
        lua.create_string(text)
    };
    native.raw_set("error_text", lua.create_function(error_text)?)?;
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
    let call = stack::scoped(scope, move |stack| {
        command(stack, yielder, &seen)?.map_err(mlua::Error::external)?;
        Ok(Answer::Pushed)
    })?;
    native.raw_set("call", &call)?;
    lua.set_named_registry_value("call", call)?;
    let seen = state.clone();
    let pcall = stack::scoped(scope, move |stack| match command(stack, yielder, &seen)? {
        Ok(()) => Ok(Answer::Pushed),
        Err(raised) => raised.value(stack.lua()).map(Answer::Value),
    })?;
    native.raw_set("pcall", pcall)?;
    let seen = state.clone();
    let slice = scope.create_function(move |lua, ()| {
        let input = match seen.killed.get() {
            Some(why) => Input::Kill(why),
            None => yielder.suspend(Output::Slice),
        };
        if let Input::Halt = input {
            prompt::halt(&seen);
        }
        obey(lua, &seen, &input)
    })?;
    lua.set_named_registry_value("slice", slice)?;
    prompt::add(lua, scope, yielder, native, state)?;
    let log = stack::scoped(scope, move |stack| {
        let level = if let Shown::Number(level) = stack.show(1) { level as u8 } else { 0 };
        let mut text = Vec::new();
        for at in 2..=stack.len() {
            let before = text.len();
            if before > 0 {
                text.push(b' ');
            }
            if !convert::append(&mut text, stack.show(at)) {
                text.truncate(before);
            }
        }
        yielder.suspend(Output::Log(level, text));
        Ok(Answer::Value(Value::Nil))
    })?;
    native.raw_set("log", log)?;
    let allowed = stack::scoped(scope, move |stack| {
        let refuse = |text: &str| Err(mlua::Error::external(Raised::refusal(text)));
        if stack.len() == 0 {
            return refuse(NO_ARGUMENTS);
        }
        let mut argv = Argv::default();
        if !append_arguments(stack, &mut argv) {
            return refuse(WRONG_ARGUMENTS);
        }
        match yielder.suspend(Output::Allowed(argv)) {
            Input::Verdict(Err(why)) => refuse(&format!("ERR {why}")),
            Input::Verdict(Ok(allowed)) => Ok(Answer::Value(Value::Boolean(allowed))),
            _ => Ok(Answer::Value(Value::Boolean(false))),
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
pub(super) fn obey(lua: &Lua, state: &State, input: &Input) -> mlua::Result<()> {
    let Input::Kill(why) = input else { return Ok(()) };
    let why = *why;
    if state.killed.replace(Some(why)).is_none() {
        lua.set_global_hook(HookTriggers::new().every_line(), move |_, _| Err(mlua::Error::runtime(why)))?;
    }
    Err(mlua::Error::runtime(why))
}

/// Appends the arguments of the running native function to a request, if they can be those of one.
fn append_arguments(stack: &Stack, argv: &mut Argv) -> bool {
    let mut digits = Vec::new();
    (1..=stack.len()).all(|at| match stack.show(at) {
        Shown::Bytes(text) => {
            argv.push(text);
            true
        }
        number => {
            digits.clear();
            let is_number = convert::append(&mut digits, number);
            argv.push(&digits);
            is_number
        }
    })
}

/// The error reply of a command, which is a table for scripts.
#[derive(Debug)]
pub(super) struct Raised {
    text: Vec<u8>,
    /// It was counted where it arose, not made up by the interpreter.
    counted: bool,
}

impl Raised {
    pub(super) fn refusal(text: &str) -> Self {
        Raised { text: text.into(), counted: false }
    }

    fn value(&self, lua: &Lua) -> mlua::Result<Value> {
        let error = lua.create_table()?;
        error.raw_set("err", lua.create_string(&self.text)?)?;
        if self.counted {
            error.raw_set("ignore_error_stats_update", true)?;
        }
        Ok(Value::Table(error))
    }
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
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

/// Runs a command of a script, whose reply it pushes.
fn command(
    stack: &mut Stack,
    yielder: &Yielder<Input, Output>,
    state: &State,
) -> mlua::Result<std::result::Result<(), Raised>> {
    let refuse = |text: &str| {
        prompt::tell_error(state, text.as_bytes(), true);
        Ok(Err(Raised::refusal(text)))
    };
    if stack.len() == 0 {
        return refuse(NO_ARGUMENTS);
    }
    let mut command = state.command.take();
    command.clear();
    let sound = append_arguments(stack, &mut command.argv);
    // There may be as many as Lua's stack has room for, and the answer needs some.
    stack.truncate(0);
    if !sound {
        return refuse(WRONG_ARGUMENTS);
    }
    if !state.running.get() {
        return refuse(NOT_RUNNING);
    }
    // It may have caught its end, and be on the same line still.
    if let Some(why) = state.killed.get() {
        return Err(mlua::Error::runtime(why));
    }
    prompt::tell_command(state, command.argv.args());
    (command.resp3, command.propagated) = (state.resp3.get(), state.propagated.get());
    let input = yielder.suspend(Output::Command(command));
    let Input::Answer(command) = input else {
        obey(stack.lua(), state, &input)?;
        stack.push_nil();
        return Ok(Ok(()));
    };
    prompt::tell_reply(state, &command);
    let outcome = match command.reply.pending() {
        [b'-', text @ ..] => {
            Ok(Err(Raised { text: text.strip_suffix(b"\r\n").unwrap_or(text).into(), counted: true }))
        }
        reply => convert::push(stack, reply).map(Ok),
    };
    state.command.set(command);
    outcome
}
