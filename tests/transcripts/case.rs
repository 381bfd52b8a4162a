//! The format of a transcript.
//!
//! ```text
//! # Blank lines separate cases; each has a fresh server. Lines with # are titles and comments.
//! > SET k "a b"
//! +OK
//! > HGETALL h
//! ["f" "v"]
//! =3 {"f" "v"}
//! ```
//!
//! `>` sends a command, in redis-cli's quoting. The lines after it are its replies as
//! `support::readable` writes them, `=3` before the form that RESP3 has where it differs. Then what the
//! outside is told, in order; a case that has one such line has them all:
//!
//! ```text
//! > INCR n
//! :1
//!   ~ propagate INCR n
//!   ~ event incrby n
//! ```
//!
//! Effects in a database other than 0 name it (`event@1 set k`); events are shown whether or not
//! notifications are on, log lines never. The engine's clock starts at Unix time 1700000000.
//!
//! Directives, before or between commands:
//!
//! - `@client 2` goes on as another client; replies after it are those that came in meanwhile;
//! - `@now +1500ms` lets time pass (real servers are waited for, up to 2 s, beyond which they are spared);
//! - `@config maxmemory 1mb` sets a parameter for the case;
//! - `@raw "PING\r\n"` sends bytes as they are;
//! - `@effects` compares effects though the case should have none;
//! - `@resp2-only`, `@resp3-only`; `@skip-peer` (not on real servers), `@skip-peer valkey` (not on that
//!   one), each with its reason in a comment.

use crate::support::reply::Value;
use crate::support::{quoting, readable};
use std::path::{Path, PathBuf};

/// A file of cases.
pub struct Transcript {
    path: PathBuf,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// Steps that share a server.
#[derive(Default)]
pub struct Case {
    /// Where it stands, for complaints.
    pub file: String,
    /// What happens.
    pub steps: Vec<Step>,
    protocol: Option<u8>,
    spared: Vec<String>,
    effects: bool,
}

/// Something that happens and what is to follow from it.
pub struct Step {
    /// The number of its line.
    pub line: usize,
    /// What happens.
    pub action: Action,
    /// The replies that are expected.
    pub replies: Vec<Expected>,
    /// The effects that are expected.
    pub effects: Vec<String>,
    /// Its lines up to the replies, comments included, as they were.
    head: Vec<String>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sends bytes as the current client.
    Send(Vec<u8>),
    /// Goes on as another client.
    Client(usize),
    /// Lets that many milliseconds pass.
    Advance(u64),
    /// Sets a parameter.
    Configure(String, String),
    /// Only comments and directives for the whole case.
    Nothing,
}

/// An expected reply.
pub struct Expected {
    /// In RESP2, and in RESP3 unless it says otherwise.
    pub resp2: Value,
    /// In RESP3 where it differs.
    pub resp3: Option<Value>,
}

impl Expected {
    /// The reply expected in that protocol.
    pub fn of(&self, protocol: u8) -> &Value {
        self.resp3.as_ref().filter(|_| protocol == 3).unwrap_or(&self.resp2)
    }
}

impl Transcript {
    /// Reads a file; an error names the line.
    pub fn read(path: &Path) -> Result<Transcript, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        Ok(Transcript { path: path.to_owned(), cases: parse(&name, &text)? })
    }

    /// Writes the file if it is not the same.
    pub fn write(&self) {
        let text = format(&self.cases);
        if std::fs::read_to_string(&self.path).is_ok_and(|old| old == text) {
            return;
        }
        std::fs::write(&self.path, text).expect("the transcript can be written");
    }
}

impl Case {
    /// Whether the case is meant for that server: `engine`, or the name of a real one.
    pub fn runs_on(&self, server: &str) -> bool {
        let too_slow = |step: &Step| matches!(step.action, Action::Advance(ms) if ms > 2000);
        server == "engine"
            || !self.spared.iter().any(|spared| spared == server || spared == "all")
                && !self.steps.iter().any(too_slow)
    }

    /// Whether the case is meant for that protocol.
    pub fn runs_in(&self, protocol: u8) -> bool {
        self.protocol.is_none_or(|only| only == protocol)
    }

    /// Whether effects are compared.
    pub fn has_effects(&self) -> bool {
        self.effects || self.steps.iter().any(|step| !step.effects.is_empty())
    }
}

/// Cases as a file.
pub fn format(cases: &[Case]) -> String {
    let texts: Vec<String> = cases.iter().map(|case| case.steps.iter().map(format_step).collect()).collect();
    texts.join("\n")
}

fn format_step(step: &Step) -> String {
    let mut lines = step.head.clone();
    for reply in &step.replies {
        lines.push(readable::format(&reply.resp2));
        lines.extend(reply.resp3.iter().map(|reply| format!("=3 {}", readable::format(reply))));
    }
    lines.extend(step.effects.iter().map(|effect| format!("  ~ {effect}")));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads the cases of a file.
pub fn parse(name: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut reader =
        Reader { name, rest: text, line: 1, case: Case::default(), head: Vec::new(), cases: Vec::new() };
    while !reader.rest.is_empty() {
        let line = reader.line;
        reader.next().map_err(|problem| format!("{name}:{line}: {problem}"))?;
    }
    reader.end_case();
    Ok(reader.cases)
}

struct Reader<'a> {
    name: &'a str,
    rest: &'a str,
    line: usize,
    case: Case,
    head: Vec<String>,
    cases: Vec<Case>,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<(), String> {
        let line = self.rest.lines().next().unwrap_or_default().to_owned();
        if line.trim().is_empty() {
            self.skip_line();
            self.end_case();
        } else if line.starts_with('#') {
            self.skip_line();
            self.head.push(line);
        } else if let Some(command) = line.strip_prefix("> ") {
            let arguments = quoting::split(command)?;
            self.step(Action::Send(request(&arguments)), &line);
        } else if let Some(directive) = line.strip_prefix('@') {
            let action = self.directive(directive)?;
            self.step(action, &line);
        } else if let Some(effect) = line.strip_prefix("  ~ ") {
            self.skip_line();
            self.last_step()?.effects.push(effect.to_owned());
        } else {
            self.reply()?;
        }
        Ok(())
    }

    fn directive(&mut self, directive: &str) -> Result<Action, String> {
        let arguments = quoting::split(directive)?;
        let words: Vec<String> =
            arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("not a number: {text}"));
        Ok(match words[..] {
            ["client", which] => Action::Client(number(which)? as usize),
            ["now", step] => {
                match step.strip_prefix('+').map(|step| (step.strip_suffix("ms"), step.strip_suffix('s'))) {
                    Some((Some(ms), _)) => Action::Advance(number(ms)?),
                    Some((_, Some(seconds))) => Action::Advance(number(seconds)? * 1000),
                    _ => return Err("time passes as +100ms or +2s".to_owned()),
                }
            }
            ["config", name, value] => Action::Configure(name.to_owned(), value.to_owned()),
            ["raw", _] => Action::Send(arguments[1].clone()),
            ["effects"] => {
                self.case.effects = true;
                Action::Nothing
            }
            ["resp2-only"] => self.only(2),
            ["resp3-only"] => self.only(3),
            ["skip-peer"] => self.spare("all"),
            ["skip-peer", which] => self.spare(which),
            _ => return Err(format!("no such directive: @{directive}")),
        })
    }

    fn only(&mut self, protocol: u8) -> Action {
        self.case.protocol = Some(protocol);
        Action::Nothing
    }

    fn spare(&mut self, server: &str) -> Action {
        self.case.spared.push(server.to_owned());
        Action::Nothing
    }

    fn reply(&mut self) -> Result<(), String> {
        let resp3 = self.rest.strip_prefix("=3 ");
        let (value, rest) = readable::parse(resp3.unwrap_or(self.rest))?;
        let Some(rest) =
            rest.trim_start_matches([' ', '\r']).strip_prefix('\n').or(rest.is_empty().then_some(""))
        else {
            return Err(format!("after a reply: {}", rest.lines().next().unwrap_or_default()));
        };
        let is_resp3 = resp3.is_some();
        let read = self.rest.len() - rest.len();
        self.line += self.rest[..read].matches('\n').count();
        self.rest = &self.rest[read..];
        let step = self.last_step()?;
        match step.replies.last_mut() {
            Some(reply) if is_resp3 && reply.resp3.is_none() => reply.resp3 = Some(value),
            _ if is_resp3 => return Err("=3 goes with the reply before it".to_owned()),
            _ => step.replies.push(Expected { resp2: value, resp3: None }),
        }
        Ok(())
    }

    fn step(&mut self, action: Action, line: &str) {
        let mut head = std::mem::take(&mut self.head);
        head.push(line.to_owned());
        let line = self.line;
        self.case.steps.push(Step { line, action, replies: Vec::new(), effects: Vec::new(), head });
        self.skip_line();
    }

    fn last_step(&mut self) -> Result<&mut Step, String> {
        if self.head.is_empty() { self.case.steps.last_mut() } else { None }
            .ok_or("a reply without command".to_owned())
    }

    fn skip_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line += 1;
    }

    fn end_case(&mut self) {
        if !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            let line = self.line;
            self.case.steps.push(Step {
                line,
                action: Action::Nothing,
                replies: Vec::new(),
                effects: Vec::new(),
                head,
            });
        }
        let case = std::mem::take(&mut self.case);
        if !case.steps.is_empty() {
            self.cases.push(Case { file: self.name.to_owned(), ..case });
        }
    }
}

/// A command as clients send it.
pub fn request(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        out.extend(format!("${}\r\n", argument.len()).bytes());
        out.extend(argument);
        out.extend(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# first: a title
@skip-peer valkey
> SET k \"a b\"
+OK
  ~ propagate SET k \"a b\"
> HGETALL h
[
  \"a long field that does not fit on one line with its value\"
  \"a long value that does not fit on one line with its field\"
]
=3 {\"f\" :1}

# second
@config maxmemory 1mb
@now +1500ms
@client 2
:1
# a comment
@raw \"PING\\r\\n\"
+PONG
# the end
";

    #[test]
    fn a_file_is_read_and_written_back() {
        let cases = parse("x.test", FILE).unwrap();
        assert_eq!(format(&cases), FILE);
        let [first, second] = &cases[..] else { panic!("two cases") };
        assert!(first.runs_on("engine") && first.runs_on("redis") && !first.runs_on("valkey"));
        assert!(first.has_effects() && !second.has_effects());
        assert_eq!(
            first.steps[1].action,
            Action::Send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na b\r\n".to_vec())
        );
        assert_eq!(first.steps[2].line, 6);
        assert_eq!(second.steps[0].line, 14);
        assert!(matches!(first.steps[2].replies[0].of(3), Value::Map(_)));
        assert!(matches!(first.steps[2].replies[0].of(2), Value::Array(_)));
        assert_eq!(second.steps[1].action, Action::Advance(1500));
        assert_eq!(second.steps[3].action, Action::Send(b"PING\r\n".to_vec()));
    }

    #[test]
    fn what_is_no_transcript_names_its_line() {
        for text in [
            "# t\n+OK\n",
            "> GET k\n=3 +OK\n",
            "> GET k\n+OK\n[\n",
            "@what\n",
            "@now 5\n",
            "> GET \"k\n",
            "> GET k\n:1 :2\n",
        ] {
            let problem = parse("x.test", text).err().unwrap_or_else(|| panic!("accepted: {text}"));
            assert!(problem.starts_with("x.test:"), "{problem}");
        }
    }
}
