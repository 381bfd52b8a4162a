//! Libraries of functions: part of the data, so that they are saved, propagated and restored.

use super::Server;
use super::scripting::ScriptFlags;
use crate::engine::command::{Error, Result};
use crate::engine::script::{Input, Interpreter, Output, Registered};
use crate::engine::text::split::split_args;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Nanoseconds that the code of a library may run while it is loaded, and slices of work, whichever ends first.
const LOAD_NS: u64 = 500_000_000;
const LOAD_SLICES: u32 = 500;

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its text.
    pub source: Box<[u8]>,
    /// What it registered.
    pub functions: Box<[Registered]>,
}

/// What a call needs to know of a function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name as it was registered.
    pub name: Rc<str>,
    /// Its library.
    pub library: Rc<str>,
    /// What it said about itself.
    pub flags: ScriptFlags,
}

/// All libraries.
#[derive(Default)]
pub struct Functions {
    pub(super) interpreter: Option<Interpreter>,
    /// By name.
    pub libraries: BTreeMap<Rc<str>, Library>,
    /// Functions by name in lower case: clients may write it as they like.
    names: BTreeMap<Rc<str>, Function>,
}

impl Functions {
    /// The function of this name.
    pub fn find(&self, name: &[u8]) -> Option<&Function> {
        self.names.get(std::str::from_utf8(name).ok()?.to_ascii_lowercase().as_str())
    }
    /// How many there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }
    /// What the interpreter uses, in bytes.
    pub fn interpreter_memory(&self) -> usize {
        self.interpreter.as_ref().map_or(0, Interpreter::memory)
    }
    /// What the libraries cost beside, in bytes.
    pub fn memory(&self) -> usize {
        let libraries = self.libraries.values().map(|library| library.source.len() + size_of::<Library>());
        libraries.sum::<usize>() + self.names.len() * size_of::<Function>()
    }
    /// The texts of all libraries.
    pub fn sources(&self) -> Vec<Box<[u8]>> {
        self.libraries.values().map(|library| library.source.clone()).collect()
    }
    /// Forgets all libraries, and the interpreter with them.
    pub fn flush(&mut self) {
        *self = Functions::default();
    }
}

impl Server {
    /// Loads a library and returns its name. What has its name already is replaced if that is wanted; otherwise, and
    /// if anything else is wrong, all stays as it was.
    pub fn load_library(&mut self, source: &[u8], replace: bool) -> Result<Rc<str>> {
        let (name, body) = metadata(source)?;
        if !replace && self.scripting.functions.libraries.contains_key(&name) {
            return Err(Error::text(format!("ERR Library '{name}' already exists")));
        }
        let registered = self.run_library(body)?;
        if registered.is_empty() {
            return Err(Error::new("ERR No functions registered"));
        }
        let taken = |function: &&Registered| {
            self.scripting.functions.find(function.name.as_bytes()).is_some_and(|known| known.library != name)
        };
        if let Some(function) = registered.iter().find(taken) {
            return Err(Error::text(format!("ERR Function {} already exists", function.name)));
        }
        self.delete_library(&name);
        if let Some(interpreter) = &mut self.scripting.functions.interpreter {
            interpreter.tell(Input::Keep);
        }
        for function in &registered {
            let mut flags = ScriptFlags::default();
            function.flags.iter().for_each(|flag| _ = flags.add(flag.as_bytes()));
            let key = lower(&function.name);
            let function = Function { name: function.name.clone(), library: name.clone(), flags };
            self.scripting.functions.names.insert(key, function);
        }
        let library = Library { source: source.into(), functions: registered.into() };
        self.scripting.functions.libraries.insert(name.clone(), library);
        Ok(name)
    }

    /// Runs the code of a library.
    fn run_library(&mut self, body: &[u8]) -> Result<Vec<Registered>> {
        let mut interpreter = match self.scripting.functions.interpreter.take() {
            Some(interpreter) => interpreter,
            None => self.new_interpreter(true)?,
        };
        let stopwatch = self.environment.stopwatch;
        let (began, mut slices) = (stopwatch(), 0);
        let mut output = interpreter.tell(Input::Load(body.to_vec()));
        let outcome = loop {
            let input = match output {
                Output::Registered(registered) => break Ok(registered),
                Output::Done(Err(why)) => break Err(Error::bytes(why)),
                Output::Log(level, text) => {
                    self.log_for_script(level, &text);
                    Input::Go
                }
                Output::Slice => {
                    slices += 1;
                    let late = slices > LOAD_SLICES || stopwatch().saturating_sub(began) > LOAD_NS;
                    if late { Input::Kill("ERR FUNCTION LOAD timeout") } else { Input::Go }
                }
                _ => Input::Go,
            };
            output = interpreter.tell(input);
        };
        self.scripting.functions.interpreter = Some(interpreter);
        outcome
    }

    /// Removes a library with its functions; says whether it was there.
    pub fn delete_library(&mut self, name: &str) -> bool {
        let Some(library) = self.scripting.functions.libraries.remove(name) else { return false };
        let names: Vec<Rc<str>> = library.functions.into_iter().map(|function| function.name).collect();
        for name in &names {
            self.scripting.functions.names.remove(&lower(name));
        }
        if let Some(interpreter) = &mut self.scripting.functions.interpreter {
            interpreter.tell(Input::Drop(names));
        }
        true
    }

    /// Loads several libraries, or none of them if one cannot be.
    pub fn load_libraries(&mut self, sources: &[Box<[u8]>], flush: bool, replace: bool) -> Result {
        let before = self.scripting.functions.sources();
        if flush {
            self.scripting.functions.flush();
        }
        let outcome = sources.iter().try_for_each(|source| self.load_library(source, replace).map(|_| ()));
        if outcome.is_err() {
            self.scripting.functions.flush();
            before.iter().try_for_each(|source| self.load_library(source, true).map(|_| ()))?;
        }
        outcome
    }
}

/// A name in lower case, which is mostly the name itself.
fn lower(name: &Rc<str>) -> Rc<str> {
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_lower { name.clone() } else { name.to_ascii_lowercase().into() }
}

/// The name that a library gives itself in its first line, and its text without that line's words.
fn metadata(source: &[u8]) -> Result<(Rc<str>, &[u8])> {
    let Some(rest) = source.strip_prefix(b"#!") else {
        return Err(Error::new("ERR Missing library metadata"));
    };
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return Err(Error::new("ERR Invalid library metadata"));
    };
    let shown = |text: &str, word: &[u8], after: &str| {
        Error::bytes([b"ERR ", text.as_bytes(), word, after.as_bytes()].concat())
    };
    // An engine without a name is still one word.
    let words = split_args(&source[..end + 2]).filter(|words| !words.is_empty());
    let Some(words) = words else { return Err(Error::new("ERR Invalid library metadata")) };
    let mut name: Option<&[u8]> = None;
    for word in &words[1..] {
        let Some(value) = word.strip_prefix(b"name=") else {
            return Err(shown("Invalid metadata value given: ", word, ""));
        };
        if name.replace(value).is_some() {
            let text = "ERR Invalid metadata value, name argument was given multiple times";
            return Err(Error::new(text));
        }
    }
    let Some(name) = name else { return Err(Error::new("ERR Library name was not given")) };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if name.is_empty() || !name.iter().all(plain) {
        return Err(Error::new(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ));
    }
    let engine = &words[0][2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(shown("Engine '", engine, "' not found"));
    }
    Ok((String::from_utf8_lossy(name).into(), &rest[end..]))
}
