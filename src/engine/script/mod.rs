//! The interpreter of scripts and functions: Lua 5.1 in a sandbox, as a generator of requests.
//!
//! An [`Interpreter`] runs on a stack of its own. It is told something ([`Input`]) and says something ([`Output`]): that
//! it wants a command run, that it has worked for a while, that it is done. So it knows nothing of data, clients or time,
//! and whoever drives it can leave it alone between any two outputs.

mod api;
mod arguments;
mod bit;
mod cjson;
mod cmsgpack;
mod convert;
mod debug;
mod library;
mod random;
mod stack;
mod structs;
#[cfg(test)]
mod tests;

pub use debug::Debugger;

use super::protocol::{Argv, Reply};
use api::Machine;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::rc::Rc;

/// Instructions after which a script looks how long it has worked: some 0.1 ms, if none of them has much to copy.
const STEP: u32 = 10_000;
/// Steps after which it says that it still runs.
const SLICE: u32 = 100;
/// Nanoseconds after which it says so earlier, and the driver lets others in between its commands.
pub const SLICE_NS: u64 = 5_000_000;
/// Bytes of address space for the interpreter's stack, of which only what is used becomes memory. Lua nests 200
/// calls into native functions at most, and none of them needs more than some ten kilobytes.
const STACK: usize = 16 * 1024 * 1024;
/// Bytes of which it is quick to free what is left behind: a millisecond.
const TIDY_MAX: usize = 1 << 20;
/// Bytes that a buffer may keep.
const KEPT: usize = 16 * 1024;

/// What a new interpreter needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that scripts may use in all.
    pub memory: usize,
    /// A clock for `os.clock`, in nanoseconds.
    pub stopwatch: fn() -> u64,
    /// The version that scripts are told.
    pub version: &'static str,
    /// `getfenv`, `setfenv` and `print` are there.
    pub deprecated: bool,
    /// It is for libraries of functions, not for scripts.
    pub functions: bool,
}

/// SHA-1 of a script, which is its name.
pub type Digest = [u8; 20];

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Callee {
    /// A script that was compiled.
    Script(Digest),
    /// A function that was kept.
    Function(Rc<str>),
}

impl Default for Callee {
    fn default() -> Self {
        Callee::Script(Digest::default())
    }
}

impl Callee {
    /// Whether it is a function.
    pub fn is_function(&self) -> bool {
        matches!(self, Callee::Function(_))
    }
}

impl std::fmt::Display for Callee {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Callee::Script(digest) => digest.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Callee::Function(name) => f.write_str(name),
        }
    }
}

/// One run. It goes in and comes back, so that its buffers serve the next one too.
#[derive(Debug, Default)]
pub struct Run {
    /// What runs.
    pub callee: Callee,
    /// Its keys, and then its other arguments.
    pub args: Argv,
    /// How many of them are keys.
    pub keys: usize,
    /// Where `math.random` begins.
    pub seed: u32,
    /// Takes the reply, in the protocol of the client.
    pub reply: Reply,
    /// The whole reply is an error: its text, and whether it was counted where it arose.
    pub error: Option<(Vec<u8>, bool)>,
    /// It is debugged.
    pub debugger: Option<Box<Debugger>>,
}

impl Run {
    /// Makes it ready for another run.
    pub fn clear(&mut self) {
        self.args.clear(KEPT);
        empty(&mut self.reply);
        self.error = None;
        self.debugger = None;
    }
}

/// What the interpreter is told.
#[derive(Debug)]
pub enum Input {
    /// Compile a script and keep it.
    Compile(Digest, Vec<u8>),
    /// Forget a script.
    Forget(Digest),
    /// Run.
    Run(Box<Run>),
    /// Run the code of a library, which registers functions. They are kept only when it is told so.
    Load(Vec<u8>),
    /// Keep the functions that were registered last.
    Keep,
    /// Forget functions.
    Drop(Vec<Rc<str>>),
    /// The command that it wanted, with its reply.
    Answer(Box<Command>),
    /// Whether a command is allowed, or why it is none.
    Verdict(Result<bool, &'static str>),
    /// Go on.
    Go,
    /// What is debugged stops at the next line: it has worked for long.
    Halt,
    /// A command line for the debugger, which has stopped.
    Line(Argv),
    /// There will be no more command lines.
    HangUp,
    /// What the debugger has stopped fails with this error, which it may catch.
    Abort(&'static str),
    /// End what runs, with this error.
    Kill(&'static str),
    /// Free what is left behind.
    Collect,
    /// Cease to exist.
    Quit,
}

/// What the interpreter says.
#[derive(Debug)]
pub enum Output {
    /// What was asked is done.
    Done(Result<(), Vec<u8>>),
    /// A library registered these functions.
    Registered(Vec<Registered>),
    /// Run this command and tell the reply.
    Command(Box<Command>),
    /// Say whether this command would be allowed.
    Allowed(Argv),
    /// Write a log line, of importance 0 to 3.
    Log(u8, Vec<u8>),
    /// The script has worked for a while.
    Slice,
    /// The debugger has stopped the script, has these lines to tell, and waits for a command line.
    Stopped(Vec<Vec<u8>>),
    /// The run ended.
    Ended(Box<Run>),
}

/// A command that a script wants to be run. It goes out and comes back, so that its buffers serve the next one too.
#[derive(Debug, Default)]
pub struct Command {
    /// The request.
    pub argv: Argv,
    /// Takes the reply.
    pub reply: Reply,
    /// The script wants the reply in RESP3.
    pub resp3: bool,
    /// What it does is to be propagated.
    pub propagated: bool,
    /// It did not run, and the reply says why.
    pub refused: bool,
}

impl Command {
    /// Makes it ready for another request.
    fn clear(&mut self) {
        self.argv.clear(KEPT);
        empty(&mut self.reply);
        self.refused = false;
    }
}

fn empty(reply: &mut Reply) {
    reply.advance(reply.len());
    reply.shrink(KEPT);
}

/// A function that a library registered. There may be many: nothing here has room to spare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its name, which all who keep it share.
    pub name: Rc<str>,
    /// What it is for.
    pub description: Option<Box<[u8]>>,
    /// Its flags.
    pub flags: Box<[String]>,
}

/// An interpreter.
pub struct Interpreter {
    coroutine: Coroutine<Input, Output, ()>,
    /// Bytes that it uses.
    memory: Rc<Cell<usize>>,
    /// Something runs and has not ended.
    busy: bool,
    /// It has done something since it freed what was left behind.
    worked: bool,
}

impl Interpreter {
    /// An interpreter without scripts. Fails if there is no memory for its stack, or for itself.
    pub fn new(options: Options) -> Result<Self, String> {
        let stack = DefaultStack::new(STACK).map_err(|error| error.to_string())?;
        let memory = Rc::new(Cell::new(0));
        let used = memory.clone();
        let body = move |yielder: &Yielder<Input, Output>, _: Input| interpret(yielder, &used, &options);
        let mut interpreter =
            Interpreter { coroutine: Coroutine::with_stack(stack, body), memory, busy: false, worked: true };
        match interpreter.tell(Input::Go) {
            Output::Done(Err(why)) => Err(String::from_utf8_lossy(&why).into_owned()),
            _ => Ok(interpreter),
        }
    }

    /// Bytes that it uses.
    pub fn memory(&self) -> usize {
        self.memory.get()
    }

    /// Frees what is left behind, for whoever wants to know what it uses: if it is at rest, and that is quick.
    pub fn tidy(&mut self) {
        if self.worked && !self.busy && self.memory() < TIDY_MAX {
            self.tell(Input::Collect);
            self.worked = false;
        }
    }

    /// Tells it something and lets it work until it says something.
    pub fn tell(&mut self, input: Input) -> Output {
        if self.coroutine.done() {
            return Output::Done(Err(b"ERR the interpreter of scripts could not start".into()));
        }
        let output = match self.coroutine.resume(input) {
            CoroutineResult::Yield(output) => output,
            CoroutineResult::Return(()) => Output::Done(Ok(())),
        };
        self.worked = true;
        self.busy = !matches!(output, Output::Done(_) | Output::Ended(_) | Output::Registered(_));
        output
    }
}

impl Drop for Interpreter {
    /// What runs must end before its stack may go: unwinding does not pass through C.
    fn drop(&mut self) {
        while self.busy {
            self.tell(Input::Kill("the server stops"));
        }
        self.tell(Input::Quit);
    }
}

/// Lives on the interpreter's stack.
fn interpret(yielder: &Yielder<Input, Output>, memory: &Cell<usize>, options: &Options) {
    let (lua, machine) = match api::new_lua(options) {
        Ok(parts) => parts,
        Err(why) => {
            yielder.suspend(Output::Done(Err(library::text(why).into_bytes())));
            return;
        }
    };
    // Functions that use the yielder live as long as it does.
    let outcome = lua.scope(|scope| {
        let mut machine = Machine::start(&lua, scope, yielder, machine, options)?;
        let mut input = yielder.suspend(Output::Done(Ok(())));
        loop {
            if let Input::Quit = input {
                return Ok(());
            }
            let output = machine.serve(input);
            memory.set(lua.used_memory());
            input = yielder.suspend(output);
        }
    });
    if let Err(why) = outcome {
        yielder.suspend(Output::Done(Err(library::text(why).into_bytes())));
    }
}
