//! From bytes to replies: cuts what a client sent into requests and runs them in order.

use super::Server;
use super::describe::Shown;
use crate::engine::buggify::buggify;
use crate::engine::command::dispatch;
use crate::engine::command::table::CommandId;
use crate::engine::effect::Level;
use crate::engine::keyspace::{KeyHash, Named};
use crate::engine::protocol::{Args, Limits, Parser, Problem, Range, Reply, Step};
use crate::engine::session::{ClientId, Closing, ReplyMode, Session};
use crate::engine::text::number::parse_f64;
use crate::engine::text::split::split_args;
use crate::engine::time::Now;

/// Requests parsed ahead, so that the memory their keys need is fetched at the same time.
const AHEAD: usize = 16;
/// Requests of one client in one turn, after which others get theirs.
const TURN: usize = 1024;
/// Input that may wait from a client that has not authenticated, in bytes: what Redis allows.
const UNAUTHENTICATED_INPUT: usize = 1024 * 1024;
/// Arguments for which memory is kept from one turn to the next: 64 KB.
const KEPT_RANGES: usize = 4096;
/// Output that one turn adds, in bytes, after which it is sent before more is produced.
const TURN_OUTPUT: usize = 256 * 1024;

/// How a client goes on after its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Send the output; all whole requests were run. At least this many bytes are missing.
    Wait(usize),
    /// Send the output and call again: there may be more to run.
    Again,
    /// Send the output and wait to be woken: the client is blocked.
    Blocked,
    /// Send the output, then close.
    Close,
    /// Close at once.
    Drop,
}

/// What became of a client's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Bytes that are done with.
    pub consumed: usize,
    /// What comes next.
    pub flow: Flow,
}

/// A request of the batch that is being run.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// Its arguments among the ranges.
    args: (usize, usize),
    /// One past its last byte.
    end: usize,
    /// The hash of its first key, if it has keys.
    hash: Option<KeyHash>,
    /// Its command, unless unknown.
    command: Option<CommandId>,
    /// The text of an inline request: first byte and one past the last.
    inline: Option<(usize, usize)>,
}

/// Memory that batches use again and again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    ranges: Vec<Range>,
    requests: Vec<Request>,
    /// Bytes of output at which the turn ends.
    enough: usize,
}

impl Scratch {
    /// Gives back what one huge request needed.
    fn trim(&mut self) {
        if self.ranges.capacity() > KEPT_RANGES {
            self.ranges = Vec::new();
        }
    }
}

/// Why parsing ahead stopped.
enum Stop {
    /// Enough for now.
    Full,
    /// So many bytes are missing at least.
    Missing(usize),
    /// The rest cannot be understood.
    Problem(Problem),
}

impl Server {
    /// Runs what `client` sent: `input` begins with the first byte that was not consumed yet, and its
    /// last `arrived` bytes are new.
    pub fn handle_input(&mut self, client: ClientId, input: &[u8], arrived: usize, now: Now) -> Batch {
        let Some(mut session) = self.clients.take(client) else {
            return Batch { consumed: input.len(), flow: Flow::Drop };
        };
        self.mono_us = now.mono_us;
        session.input.used = input.len();
        self.check_input(&mut session, now);
        self.recount(&mut session);
        self.evict_clients(Some(&mut session), now);
        if arrived > 0 {
            self.stats.net_input_bytes += arrived as u64;
            self.stats.threads.of(&session).reads += 1;
            session.traffic.input += arrived as u64;
            session.traffic.reads += 1;
            session.active = now.mono_us;
        }
        let mut reply = std::mem::take(&mut session.reply);
        self.begin_looking();
        let batch = self.run_input(&mut session, &mut reply, input, now);
        self.broadcast();
        self.flush_pushes(&session, &mut reply);
        session.reply = reply;
        self.hold_what_was_seen(&mut session);
        session.input.used = input.len() - batch.consumed;
        self.check_output(&mut session, now);
        self.recount(&mut session);
        self.evict_clients(Some(&mut session), now);
        let flow = match session.closing {
            Closing::Now => Flow::Drop,
            Closing::AfterReply => Flow::Close,
            Closing::No if session.blocked.is_some() => Flow::Blocked,
            Closing::No => batch.flow,
        };
        self.clients.put_back(session);
        if self.clients_limit_changed {
            self.follow_clients_limit(now);
        }
        Batch { flow, ..batch }
    }

    /// The size of a client's input buffer: what waits in it, and what is allocated. A client that
    /// exceeds `client-query-buffer-limit` is closed.
    pub fn note_pending(&mut self, client: ClientId, used: usize, capacity: usize) {
        let now = Now { mono_us: self.mono_us, ..Now::default() };
        let Some(mut session) = self.clients.take(client) else { return };
        session.input.used = used;
        session.input.capacity = capacity;
        session.input_peak = session.input_peak.max(used).max(session.parser.announced());
        self.check_input(&mut session, now);
        self.recount(&mut session);
        self.clients.put_back(session);
        self.evict_clients(None, now);
    }

    /// Closes a client whose input, with what its transaction holds, exceeds the limit.
    #[inline]
    fn check_input(&mut self, session: &mut Session, now: Now) {
        let used = session.input.used;
        let queued = session.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        let too_much = (used + queued) as u64 > self.config.client_query_buffer_limit
            || (used > UNAUTHENTICATED_INPUT && self.needs_auth(session));
        if too_much && session.closing != Closing::Now {
            let line = self.describe(Shown::resting(session), now);
            self.log(Level::Warning, format!("Closing client that reached max query buffer length: {line}"));
            self.stats.query_buffer_limit_disconnections += 1;
            self.close(session);
        }
    }

    fn run_input(&mut self, session: &mut Session, reply: &mut Reply, input: &[u8], now: Now) -> Batch {
        let mut scratch = std::mem::take(&mut self.scratch);
        let start = self.lap;
        // What waits from before does not count: a turn that could not run anything would come again at once.
        scratch.enough = reply.len() + TURN_OUTPUT;
        let (mut consumed, mut ran) = (0, 0);
        let flow = loop {
            if session.blocked.is_some() || session.closing != Closing::No {
                break Flow::Blocked;
            }
            let is_over = ran >= TURN || ran > 0 && buggify!("short-turn");
            if is_over || reply.len() >= scratch.enough || std::mem::take(&mut session.yields) {
                break Flow::Again;
            }
            let (parsed, stop) = self.parse_ahead(session, input, consumed, &mut scratch);
            self.prefetch_entries(session.db, &scratch.requests);
            self.prefetch_members(session.db, input, &scratch);
            let done = self.run_requests(session, reply, input, &scratch, now);
            ran += done;
            if done > 0 {
                consumed = scratch.requests[done - 1].end;
            }
            if done < scratch.requests.len() {
                // What was parsed and not run will be parsed again.
                session.parser = Parser::default();
                continue;
            }
            consumed = parsed;
            match stop {
                Stop::Full => {}
                Stop::Missing(bytes) => break Flow::Wait(bytes),
                Stop::Problem(problem) => {
                    if session.closing == Closing::No && session.blocked.is_none() {
                        self.protocol_error(session, reply, problem, &input[consumed..], now);
                    }
                }
            }
        };
        scratch.trim();
        self.scratch = scratch;
        self.stats.turn_ns_max = self.stats.turn_ns_max.max(self.lap.saturating_sub(start));
        self.stats.turn_commands_max = self.stats.turn_commands_max.max(ran as u64);
        Batch { consumed, flow }
    }

    /// Parses the next requests into `scratch`; returns where the first unparsed one begins.
    fn parse_ahead(
        &mut self,
        session: &mut Session,
        input: &[u8],
        from: usize,
        scratch: &mut Scratch,
    ) -> (usize, Stop) {
        scratch.ranges.clear();
        scratch.requests.clear();
        let limits =
            Limits { bulk: self.config.longest_string() as i64, authenticated: !self.needs_auth(session) };
        // AUTH changes the limits of what follows it.
        let ahead = if session.authenticated && !buggify!("one-ahead") { AHEAD } else { 1 };
        let mut at = from;
        while scratch.requests.len() < ahead {
            let first = scratch.ranges.len();
            let step = match session.parser.step(&input[at..], at, limits, &mut scratch.ranges) {
                Ok(step) => step,
                Err(problem) => return (at, Stop::Problem(problem)),
            };
            let (length, inline) = match step {
                Step::Incomplete { missing } => return (at, Stop::Missing(missing)),
                Step::Empty { length } => {
                    at += length;
                    continue;
                }
                Step::Inline { length, line } => (length, Some((at, at + line))),
                Step::Request { length } => (length, None),
            };
            at += length;
            let mut request =
                Request { args: (first, scratch.ranges.len()), end: at, hash: None, command: None, inline };
            if inline.is_none() {
                let args = Args::new(input, &scratch.ranges[first..]);
                request.command = self.commands.find(args.at(0));
                request.hash = self.prefetch(session.db, request.command, args);
            }
            scratch.requests.push(request);
        }
        (at, Stop::Full)
    }

    /// Has the entries fetched that the buckets point to, which have arrived by now.
    #[inline]
    fn prefetch_entries(&self, db: usize, requests: &[Request]) {
        // A single request reads its bucket at once: there is nothing to overlap.
        if requests.len() > 1 {
            requests
                .iter()
                .filter_map(|request| request.hash)
                .for_each(|hash| self.databases[db].prefetch_entry(hash));
        }
    }

    /// Has the memory fetched in which a big collection keeps what requests in a row name of it.
    #[inline]
    fn prefetch_members(&self, db: usize, input: &[u8], scratch: &Scratch) {
        let args = |request: &Request| Args::new(input, &scratch.ranges[request.args.0..request.args.1]);
        let named = |request: &Request| {
            let (row, args) = (self.commands.entry(request.command?).row, args(request));
            let member = args.at(row.member.filter(|at| *at < args.len())?);
            Some(Named { member, score: row.score.and_then(|at| parse_f64(args.at(at))) })
        };
        for same in scratch.requests.chunk_by(|a, b| a.hash.is_some() && a.hash == b.hash) {
            let [first, _, ..] = same else { continue };
            if let (Some(hash), Some(_)) = (first.hash, named(first))
                && let Some(entry) = self.databases[db].lookup_hashed(hash, args(first).at(1))
            {
                entry.prefetch_members(same.iter().filter_map(named));
            }
        }
    }

    /// Has the memory fetched in which the table would hold a request's first key.
    #[inline]
    fn prefetch(&self, db: usize, command: Option<CommandId>, args: Args) -> Option<KeyHash> {
        let first = self.commands.entry(command?).first_key?;
        if first >= args.len() {
            return None;
        }
        let database = &self.databases[db];
        let hash = database.hash(args.at(first));
        database.prefetch_bucket(hash);
        Some(hash)
    }

    /// Runs parsed requests in order; returns how many, fewer if the client blocks or closes.
    fn run_requests(
        &mut self,
        session: &mut Session,
        reply: &mut Reply,
        input: &[u8],
        scratch: &Scratch,
        now: Now,
    ) -> usize {
        for (index, request) in scratch.requests.iter().enumerate() {
            let done = match request.inline {
                None => {
                    let args = Args::new(input, &scratch.ranges[request.args.0..request.args.1]);
                    dispatch::request(self, session, reply, args, request.command, now)
                }
                Some((start, end)) => self.run_inline(session, reply, &input[start..end], now),
            };
            if !done {
                return index;
            }
            if session.blocked.is_some()
                || session.closing != Closing::No
                || session.yields
                || reply.len() >= scratch.enough
            {
                return index + 1;
            }
        }
        scratch.requests.len()
    }

    fn run_inline(&mut self, session: &mut Session, reply: &mut Reply, line: &[u8], now: Now) -> bool {
        let Some(words) = split_args(line) else {
            self.protocol_error(session, reply, Problem::Quotes, line, now);
            return true;
        };
        if words.is_empty() {
            return true;
        }
        let argv = crate::engine::protocol::Argv::of(words.iter().map(Vec::as_slice));
        let command = self.commands.find(argv.args().at(0));
        dispatch::request(self, session, reply, argv.args(), command, now)
    }

    fn protocol_error(
        &mut self,
        session: &mut Session,
        reply: &mut Reply,
        problem: Problem,
        rest: &[u8],
        now: Now,
    ) {
        let text = format!("ERR {problem}");
        dispatch::count_error(self, text.as_bytes());
        if session.reply_mode == ReplyMode::On {
            reply.error(text.as_bytes());
        }
        if self.logs(Level::Verbose) {
            let shown = match self.config.hide_user_data_from_log {
                true => "'*redacted*'".to_owned(),
                false => sample(rest),
            };
            let (problem, client) = (
                problem.name(),
                self.describe(Shown { session, reply: &Reply::default(), running: None }, now),
            );
            self.log(
                Level::Verbose,
                format!("Protocol error ({problem}) from client: {client}. Query buffer during protocol error: {shown}"),
            );
        }
        session.closing = Closing::AfterReply;
    }
}

/// What is shown of broken input: what cannot be printed as dots, and of much the two ends.
fn sample(input: &[u8]) -> String {
    /// Bytes up to which all is shown.
    const MOST: usize = 128;
    let shown = |bytes: &[u8]| -> String {
        bytes.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect()
    };
    if input.len() < MOST {
        return format!("'{}'", shown(input));
    }
    let (first, rest) = input.split_at(MOST / 2);
    let (middle, last) = rest.split_at(rest.len() - MOST / 2);
    format!("'{}' (... more {} bytes ...) '{}'", shown(first), middle.len(), shown(last))
}
