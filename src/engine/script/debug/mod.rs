//! The debugger of scripts, as `redis-cli --ldb` speaks with it:
//! <https://redis.io/docs/latest/develop/programmability/lua-debugging/>.
//!
//! A run that is debugged carries a [`Debugger`], which knows the source, the breakpoints and what there is to tell. With
//! each line that Lua comes to (`prompt.rs`) it is asked whether to stop there. If so the interpreter says
//! `Output::Stopped` with what there is to tell, and gets a command line (`Input::Line`), until one has the script go
//! on. So the debugger waits like everything else that scripts wait for: its stack is left alone.
//!
//! - here: the commands that need nothing but the source;
//! - `prompt.rs`: when to stop, and the commands that look into Lua;
//! - `value.rs`, `reply.rs`: how values and replies of commands are shown.

pub(super) mod prompt;
mod reply;
mod value;

use crate::engine::text::number::parse_i64;

/// Breakpoints that there may be.
const BREAKPOINTS: usize = 64;
/// Bytes of what is shown of a value, unless asked for otherwise, and the fewest that can be asked for.
const LENGTH: usize = 256;
const SHORTEST: i64 = 60;
/// Bytes of what is shown of a value if that is not to be cut. A table that is in itself has no end.
const LONGEST: usize = 1 << 20;
/// Bytes that may wait to be told: a script that goes on may say more than anybody reads.
const TOLD: usize = 4 << 20;

/// What a debugged run carries.
#[derive(Debug)]
pub struct Debugger {
    /// The script's lines.
    source: Vec<Box<[u8]>>,
    breakpoints: Vec<usize>,
    /// Stop at the next line, and tell of commands until then.
    steps: bool,
    /// `redis.breakpoint()` was called.
    breaks: bool,
    /// It has worked for long without a stop.
    late: bool,
    /// Code of the client runs, not the script's.
    evaluates: bool,
    /// Nobody listens any more: it stops only when it is late, to end.
    deserted: bool,
    /// Where it is.
    line: usize,
    /// Bytes of a value that are shown; 0 for all.
    length: usize,
    /// The client knows that values are cut.
    hinted: bool,
    log: Vec<Vec<u8>>,
    bytes: usize,
}

impl Debugger {
    /// A debugger that stops at the first line.
    pub fn new(script: &[u8]) -> Self {
        let ends = script.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let text = &script[..script.len() - ends];
        let lines = text.split(|byte| *byte == b'\n').map(Box::from);
        Debugger {
            source: if text.is_empty() { Vec::new() } else { lines.collect() },
            breakpoints: Vec::new(),
            steps: true,
            breaks: false,
            late: false,
            evaluates: false,
            deserted: false,
            line: 0,
            length: LENGTH,
            hinted: false,
            log: Vec::new(),
            bytes: 0,
        }
    }

    /// What there is to tell, each a line.
    pub fn take_log(&mut self) -> Vec<Vec<u8>> {
        self.bytes = 0;
        std::mem::take(&mut self.log)
    }

    /// Adds a line to what there is to tell, unless far too much waits.
    fn tell(&mut self, line: impl Into<Vec<u8>>) {
        let line = line.into();
        if self.bytes < TOLD && !self.deserted {
            self.bytes += line.len() + size_of::<Vec<u8>>();
            self.log.push(line);
        }
    }

    /// The same for a line that may be cut.
    fn tell_cut(&mut self, mut line: Vec<u8>) {
        let most = if self.length == 0 { LONGEST } else { self.length };
        let is_cut = line.len() > most;
        if is_cut {
            line.truncate(most);
            line.extend(b" ...");
        }
        self.tell(line);
        if is_cut && self.length > 0 && !self.hinted {
            self.hinted = true;
            self.tell("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
        }
    }

    /// Bytes beyond which nothing of a value will be shown.
    fn room(&self) -> usize {
        // What begins the line counts too, and one byte more shows that it is cut.
        if self.length == 0 { LONGEST } else { self.length + 1 }
    }

    /// The script has come to a line: whether it stops there.
    fn arrives(&mut self, line: usize) -> bool {
        self.line = line;
        if self.deserted {
            return self.late;
        }
        let reason = if self.breaks {
            "redis.breakpoint() called"
        } else if self.breakpoints.contains(&line) {
            "break point"
        } else if self.late {
            "timeout reached, infinite loop?"
        } else if self.steps {
            "step over"
        } else {
            return false;
        };
        (self.steps, self.breaks) = (false, false);
        self.tell(format!("* Stopped at {line}, stop reason = {reason}"));
        self.tell_line(line);
        true
    }

    /// The client is gone: the script goes on without stops.
    fn hang_up(&mut self) {
        self.deserted = true;
    }

    fn tell_line(&mut self, number: usize) {
        let mark = match (self.line == number, self.breakpoints.contains(&number)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        let line = number.checked_sub(1).and_then(|index| self.source.get(index));
        let text: &[u8] = line.map_or(b"<out of range source code line>", |line| line);
        let shown = [format!("{mark}{number:<3} ").as_bytes(), text].concat();
        self.tell(shown);
    }

    /// `list`: the lines at most `context` away from `around`.
    fn list(&mut self, around: i64, context: i64) {
        for number in 1..=self.source.len() {
            if (number as i64).abs_diff(around) as i128 <= context as i128 {
                self.tell_line(number);
            }
        }
    }

    /// `list` with its arguments.
    fn list_at(&mut self, line: Option<&[u8]>, context: Option<&[u8]>) {
        let asked = line.map_or(0, leading_int);
        let around = if asked > 0 { asked } else { self.line as i64 };
        self.list(around, context.map_or(5, leading_int));
    }

    /// `break` with its arguments.
    fn change_breakpoints<'a>(&mut self, args: impl Iterator<Item = &'a [u8]>) {
        let mut args = args.peekable();
        if args.peek().is_none() {
            return self.tell_breakpoints();
        }
        for arg in args {
            match parse_i64(arg) {
                None => self.tell([b"Invalid argument:'", arg, b"'"].concat()),
                Some(0) => {
                    self.breakpoints.clear();
                    self.tell("All breakpoints removed.");
                }
                Some(line @ 1..) => self.add_breakpoint(line),
                Some(line) => {
                    let before = self.breakpoints.len();
                    self.breakpoints.retain(|known| *known as u64 != line.unsigned_abs());
                    let removed = self.breakpoints.len() < before;
                    self.tell(if removed {
                        "Breakpoint removed."
                    } else {
                        "No breakpoint in the specified line."
                    });
                }
            }
        }
    }

    fn tell_breakpoints(&mut self) {
        if self.breakpoints.is_empty() {
            return self.tell("No breakpoints set. Use 'b <line>' to add one.");
        }
        self.tell(format!("{} breakpoints set:", self.breakpoints.len()));
        self.breakpoints.clone().into_iter().for_each(|line| self.tell_line(line));
    }

    fn add_breakpoint(&mut self, line: i64) {
        let number = line as usize;
        if self.breakpoints.len() == BREAKPOINTS {
            self.tell("Too many breakpoints set.");
        } else if number > self.source.len() || self.breakpoints.contains(&number) {
            self.tell("Wrong line number.");
        } else {
            self.breakpoints.push(number);
            self.list(line, 1);
        }
    }

    /// `maxlen`, with or without a new one.
    fn change_length(&mut self, length: Option<&[u8]>) {
        if let Some(length) = length {
            self.hinted = true;
            self.length = match leading_int(length) {
                0 => 0,
                asked => asked.clamp(SHORTEST, LONGEST as i64) as usize,
            };
        }
        match self.length {
            0 => self.tell("<value> replies are unlimited."),
            length => self.tell(format!("<value> replies are truncated at {length} bytes.")),
        }
    }

    fn help(&mut self) {
        HELP.iter().for_each(|line| self.tell(*line));
    }

    /// A command of the script is to run: tells of it if each is told.
    fn tell_command<'a>(&mut self, count: usize, args: impl Iterator<Item = &'a [u8]>) {
        const SHOWN: usize = 10;
        let mut line = b"<redis>".to_vec();
        for arg in args.take(SHOWN) {
            line.push(b' ');
            line.extend(arg);
        }
        if count > SHOWN {
            // Redis counts one too few.
            line.extend(format!(" ... ({} more)", count - SHOWN - 1).bytes());
        }
        self.tell(line);
    }

    /// Tells of an error: `text` is what clients would see after the minus. What the server says of itself has no code.
    fn tell_error(&mut self, text: &[u8], is_own: bool) {
        let text = match text.strip_prefix(b"ERR ") {
            Some(rest) if is_own => rest.to_vec(),
            _ => [b"-", text].concat(),
        };
        self.tell([b"<error> ", &text[..]].concat());
    }

    /// Tells of a command's reply.
    fn tell_reply(&mut self, reply: &[u8]) {
        let mut line = b"<reply> ".to_vec();
        reply::append(&mut line, reply, self.room());
        self.tell_cut(line);
    }
}

const HELP: &[&str] = &[
    "What the debugger can do:",
    "[h]elp               List the commands.",
    "[s]tep               Run this line and stop at the next.",
    "[n]ext               The same.",
    "[c]ontinue           Run to the next breakpoint.",
    "[l]ist [line] [ctx]  List the lines around this one or [line] (0 is this one),",
    "                     [ctx] before and after it instead of 5.",
    "[w]hole              List all lines.",
    "[p]rint              Show the local variables.",
    "[p]rint <var>        Show a variable, KEYS or ARGV.",
    "[b]reak              List the breakpoints.",
    "[b]reak <line>       Set a breakpoint.",
    "[b]reak -<line>      Remove a breakpoint.",
    "[b]reak 0            Remove all breakpoints.",
    "[t]race              Show who has called whom.",
    "[e]val <code>        Run some Lua, which does not see the local variables.",
    "[r]edis <cmd>        Run a command.",
    "[m]axlen [len]       Cut values that are shown at [len] bytes, or never if it is 0.",
    "[a]bort              End the script here. In sync mode what it changed stays.",
    "",
    "A script can call:",
    "redis.debug()        To show values.",
    "redis.breakpoint()   To stop at the next line.",
];

/// The number at the start of a text, or 0, as C reads it.
fn leading_int(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let sign = usize::from(matches!(text, [b'-' | b'+', ..]));
    let end = sign + text[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = text[..end].strip_prefix(b"+").unwrap_or(&text[..end]);
    // As many digits as C's `int` has surely room for.
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i32>().ok()).unwrap_or(0).into()
}

#[cfg(test)]
mod tests;
