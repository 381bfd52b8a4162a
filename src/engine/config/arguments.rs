//! The command line: a file, `-` for standard input, and parameters as `--name value...`.

use super::Config;
use super::load::{Include, LoadError, Sources};
use crate::engine::text::quote;
use crate::engine::text::split::split_args;

/// What the arguments of a server ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration file.
    pub file: Option<Vec<u8>>,
    /// Read more configuration from standard input.
    pub stdin: bool,
    /// The parameters, written as lines of a configuration file.
    pub directives: Vec<u8>,
}

impl Arguments {
    /// Reads the arguments that follow the program's name. A value may begin with `--` if it is the first
    /// one of its parameter; `--save`, `--sentinel` and `--test-clock` go without one.
    pub fn parse<A: AsRef<[u8]>>(args: &[A]) -> Self {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let mut parsed = Self::default();
        let mut first = 0;
        if let Some(file) = args.first().filter(|arg| !arg.starts_with(b"-")) {
            parsed.file = Some(file.to_vec());
            first = 1;
        }
        // Whether the parameter before has all the values it needs.
        let mut complete = true;
        for (at, &arg) in args.iter().enumerate().skip(first) {
            let last = at + 1 == args.len();
            if arg == b"-" && (at == 0 || last) {
                parsed.stdin = true;
            } else if let Some(directive) = arg.strip_prefix(b"--").filter(|_| complete) {
                let next_is_option = args.get(at + 1).is_some_and(|next| next.starts_with(b"--"));
                complete = parsed.option(directive, next_is_option, last);
            } else {
                quote::append(&mut parsed.directives, arg);
                parsed.directives.push(b' ');
                complete = true;
            }
        }
        parsed
    }

    /// Starts the line of an option, which may hold values too, as `--port 6380` in one argument does.
    fn option(&mut self, directive: &[u8], next_is_option: bool, last: bool) -> bool {
        if !self.directives.is_empty() {
            self.directives.push(b'\n');
        }
        self.directives.extend(directive);
        self.directives.push(b' ');
        // Counted with its dashes, as Redis does: an argument of dashes alone is a name still.
        let words = split_args(&[b"--", directive].concat()).map_or(0, |words| words.len());
        if words != 1 {
            return true;
        }
        let valueless = next_is_option || last;
        if valueless && directive.eq_ignore_ascii_case(b"save") {
            self.directives.extend(b"\"\"");
            return true;
        }
        if valueless && directive.eq_ignore_ascii_case(b"test-clock") {
            self.directives.extend(b"yes");
            return true;
        }
        valueless && directive.eq_ignore_ascii_case(b"sentinel")
    }
}

impl Config {
    /// Applies the parameters among arguments, on top of what is set.
    pub fn apply_args<A: AsRef<[u8]>>(&mut self, args: &[A], include: Include<'_>) -> Result<(), LoadError> {
        let arguments = Arguments::parse(args);
        self.load_sources(Sources { arguments: &arguments.directives, ..Sources::default() }, include)
    }
}
