//! One request's way: find the command, pass the gate, run or queue it, see to what follows.

use super::table::CommandId;
use super::{Call, Error, Result, permission};
use crate::engine::acl::Context;
use crate::engine::effect::Level;
use crate::engine::mark::sometimes;
use crate::engine::protocol::reply::Mark;
use crate::engine::protocol::{Args, Reply};
use crate::engine::server::Server;
use crate::engine::server::migration::Moving;
use crate::engine::server::pause::Scope;
use crate::engine::session::{Blocked, ClientId, KeyWait, ReplyMode, Session, Waiting};
use crate::engine::spec::Flags;
use crate::engine::text::ascii::c_string;
use crate::engine::time::Now;

/// Bytes of a name, and of the arguments of an unknown command, that errors show.
const SHOWN: usize = 128;

/// Runs one request of a client. Returns false if it must be run again later (the client was paused).
pub fn request(
    server: &mut Server,
    session: &mut Session,
    reply: &mut Reply,
    args: Args,
    command: Option<CommandId>,
    now: Now,
) -> bool {
    if session.is_debugging {
        server.debug_line(session, reply, args, now);
        return true;
    }
    session.traffic.commands += 1;
    server.tracking.author = session.id;
    let outcome = resolve(server, command, args).and_then(|id| {
        session.command = Some(id);
        gate(server, session, (reply, args), id, now).map_err(|error| (Some(id), error)).map(|()| id)
    });
    if server.pause.is_on()
        && let Ok(id) = outcome
        && must_pause(server, session, id, args, now)
    {
        session.traffic.commands -= 1;
        server.tracking.author = 0;
        return false;
    }
    // What had to be evicted or forgotten before the command comes before its reply.
    server.flush_pushes(session, reply);
    let mark = reply.mark();
    let mut ran = None;
    match outcome {
        Ok(id) if session.transaction.is_some() && !ends_transaction(server, id) => {
            queue(server, session, reply, id, args)
        }
        Ok(id) => {
            ran = Some(id);
            run(server, session, reply, args, id, now)
        }
        Err((id, error)) => reject(server, session, reply, id, error),
    }
    if session.reply_mode != ReplyMode::On {
        suppress(server, session, reply, mark, ran);
    }
    if session.tracks_reads {
        end_caching(server, session);
    }
    if server.blocking.has_ready() && !server.is_busy() {
        let now = now.later(server.asked_to_stall());
        server.serve_ready(now);
    }
    server.flush_pushes(session, reply);
    server.tracking.author = 0;
    true
}

/// CLIENT CACHING holds for one command or transaction; CLIENT commands do not count.
#[cold]
fn end_caching(server: &mut Server, session: &Session) {
    let parent = session.command.and_then(|id| server.commands.entry(id).row.parent);
    if parent != Some("CLIENT")
        && session.transaction.is_none()
        && session.blocked.is_none()
        && let Some(tracker) = server.tracking.get_mut(session.id)
    {
        tracker.caching = false;
    }
}

/// Runs a command again that waited for keys; it may wait again.
pub fn resume(server: &mut Server, session: &mut Session, wait: &KeyWait, silent: bool, now: Now) {
    let mut reply = std::mem::take(&mut session.reply);
    let args = wait.request.args();
    let author = std::mem::replace(&mut server.tracking.author, session.id);
    let outcome = gate(server, session, (&reply, args), wait.command, now);
    server.flush_pushes(session, &mut reply);
    let mark = reply.mark();
    match outcome {
        Ok(()) => run(server, session, &mut reply, args, wait.command, now),
        Err(error) => reject(server, session, &mut reply, Some(wait.command), error),
    }
    if silent {
        reply.truncate(mark);
    }
    if session.tracks_reads {
        end_caching(server, session);
    }
    server.flush_pushes(session, &mut reply);
    server.tracking.author = author;
    session.reply = reply;
}

/// CLIENT REPLY OFF and SKIP. What SUBSCRIBE and its kin write are pushes, which are never suppressed.
#[cold]
fn suppress(server: &Server, session: &mut Session, reply: &mut Reply, mark: Mark, ran: Option<CommandId>) {
    let pushes = |id| server.commands.entry(id).row.flags.has(Flags::PUBSUB.or(Flags::NOSCRIPT));
    let mark = if ran.is_some_and(pushes) { reply.mark() } else { mark };
    match session.reply_mode {
        ReplyMode::On => {}
        ReplyMode::Off => reply.truncate(mark),
        ReplyMode::SkipNext => {
            reply.truncate(mark);
            session.reply_mode = ReplyMode::Skip;
        }
        ReplyMode::Skip => {
            reply.truncate(mark);
            session.reply_mode = ReplyMode::On;
        }
    }
}

/// The command a request names, subcommands included, with the right number of arguments; with the
/// error, the command if it is known.
#[inline]
pub fn resolve(
    server: &Server,
    command: Option<CommandId>,
    args: Args,
) -> std::result::Result<CommandId, (Option<CommandId>, Error)> {
    let Some(mut id) = command else { return Err((None, unknown(args))) };
    let mut entry = server.commands.entry(id);
    if !entry.children.is_empty() && args.len() > 1 {
        id = match server.commands.find_child(id, args.at(1)) {
            Some(id) => id,
            None => return Err((None, unknown_subcommand("ERR unknown subcommand '", args))),
        };
        entry = server.commands.entry(id);
    }
    if !entry.row.arity.accepts(args.len()) {
        return Err((Some(id), Error::arity(&entry.full_name)));
    }
    Ok(id)
}

#[cold]
fn unknown(args: Args) -> Error {
    let mut text = b"ERR unknown command '".to_vec();
    text.extend(c_string(args.at(0)).iter().take(SHOWN));
    text.push(b'\'');
    if args.len() == 1 {
        return Error::bytes(text);
    }
    text.extend(b", with args beginning with: ");
    let mut shown = Vec::new();
    for arg in args.from(1).iter() {
        if shown.len() >= SHOWN {
            break;
        }
        let room = SHOWN - shown.len();
        shown.push(b'\'');
        shown.extend(c_string(arg).iter().take(room));
        shown.extend(b"' ");
    }
    text.extend(shown);
    Error::bytes(text)
}

#[cold]
pub(super) fn unknown_subcommand(opening: &str, args: Args) -> Error {
    let mut text = opening.as_bytes().to_vec();
    text.extend(c_string(args.at(1)).iter().take(SHOWN));
    text.extend(b"'. Try ");
    text.extend(args.at(0).to_ascii_uppercase());
    text.extend(b" HELP.");
    Error::bytes(text)
}

/// Whether a command waits for a pause to end; blocks the client if so.
#[cold]
fn must_pause(server: &mut Server, session: &mut Session, id: CommandId, args: Args, now: Now) -> bool {
    if server.pause.end(Some(now.mono_us)) {
        server.wake_paused();
    }
    if !server.pause.is_on() {
        return false;
    }
    let flags = server.commands.entry(id).row.flags;
    let writes = flags.any(Flags::WRITE | Flags::MAY_REPLICATE)
        || (flags.has(Flags::CONTAINER) && session.transaction.as_ref().is_some_and(|t| t.writes));
    let sees = |moving: &Moving| moving.concerns(server, session, id, args);
    let waits = server.pause.scope == Scope::All || writes || server.pause.moving.as_ref().is_some_and(sees);
    if waits {
        session.blocked = Some(Blocked { on: Waiting::Unpause, deadline: None, silent: false });
        if server.pause.scope != Scope::None {
            server.deadlines.insert((server.pause.until, ClientId { id: 0, slot: 0 }));
        }
    }
    waits
}

/// Everything that can keep a known command from running.
#[inline]
fn gate(
    server: &mut Server,
    session: &mut Session,
    (reply, args): (&Reply, Args),
    id: CommandId,
    now: Now,
) -> Result {
    let row = server.commands.entry(id).row;
    let flags = row.flags;
    if !session.authenticated && !flags.has(Flags::NO_AUTH) && server.needs_auth(session) {
        return Err(Error::NO_AUTH);
    }
    if session.transaction.is_some() && flags.has(Flags::NO_MULTI) {
        return Err(Error::new("ERR Command not allowed inside a transaction"));
    }
    if let Err(denied) = permission::check(server, session.user, id, args) {
        let context = if session.transaction.is_some() { Context::Multi } else { Context::Toplevel };
        return Err(permission::refuse(server, (session, reply), id, args, (denied, context), now));
    }
    let loading = server.persistence.loading.is_some() && !flags.has(Flags::LOADING);
    if server.is_busy() && !flags.has(Flags::ALLOW_BUSY) {
        // It may be one that is loaded.
        return Err(if loading { Error::LOADING } else { server.busy_error() });
    }
    if !server.tracking.is_empty() {
        server.limit_tracking();
    }
    if server.config.maxmemory > 0 && !server.is_busy() {
        let full = !server.make_room(now);
        let denied = flags.has(Flags::DENYOOM)
            || (flags.has(Flags::CONTAINER) && session.transaction.as_ref().is_some_and(|t| t.denied_on_oom));
        if full && denied {
            sometimes!("refused-oom");
            return Err(Error::OOM);
        }
    }
    let writes = flags.has(Flags::WRITE)
        || (flags.has(Flags::CONTAINER) && session.transaction.as_ref().is_some_and(|t| t.writes));
    if (writes || row.name == "PING")
        && let Some(why) = server.refuses_writes()
    {
        return Err(Error::text(why));
    }
    if session.only_subscribes() && !allowed_to_subscriber(row.name, row.parent) {
        let name = &server.commands.entry(id).full_name;
        return Err(Error::text(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        )));
    }
    if loading { Err(Error::LOADING) } else { Ok(()) }
}

/// What a RESP2 client may send while it is subscribed.
fn allowed_to_subscriber(name: &str, parent: Option<&str>) -> bool {
    parent.is_none()
        && matches!(
            name,
            "PING"
                | "SUBSCRIBE"
                | "UNSUBSCRIBE"
                | "PSUBSCRIBE"
                | "PUNSUBSCRIBE"
                | "SSUBSCRIBE"
                | "SUNSUBSCRIBE"
                | "QUIT"
                | "RESET"
        )
}

/// Commands that run at once although a transaction is open.
fn ends_transaction(server: &Server, id: CommandId) -> bool {
    let row = server.commands.entry(id).row;
    row.parent.is_none() && matches!(row.name, "EXEC" | "DISCARD" | "MULTI" | "WATCH" | "QUIT" | "RESET")
}

/// Keeps a command for EXEC.
fn queue(server: &Server, session: &mut Session, reply: &mut Reply, id: CommandId, args: Args) {
    let flags = server.commands.entry(id).row.flags;
    if let Some(transaction) = &mut session.transaction {
        transaction.bytes += args.bytes();
        transaction.queue.push((id, args.to_owned()));
        transaction.writes |= flags.any(Flags::WRITE | Flags::MAY_REPLICATE);
        transaction.denied_on_oom |= flags.has(Flags::DENYOOM);
    }
    reply.simple("QUEUED");
}

/// Refuses a request before it runs; an open transaction will abort.
#[cold]
fn reject(
    server: &mut Server,
    session: &mut Session,
    reply: &mut Reply,
    id: Option<CommandId>,
    error: Error,
) {
    let is_exec = id.is_some_and(|id| server.commands.entry(id).row.name == "EXEC");
    if let Some(transaction) = &mut session.transaction {
        transaction.aborted = true;
    }
    if let Some(id) = id {
        server.command_stats[id as usize].rejected += 1;
    }
    if is_exec && session.transaction.is_some() {
        server.end_transaction(session);
        let why = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let error = Error::text(format!(
            "EXECABORT Transaction discarded because of: {}",
            why.trim_start_matches("ERR ")
        ));
        count_error(server, error.as_bytes());
        return reply.error(error.as_bytes());
    }
    count_error(server, error.as_bytes());
    reply.error(error.as_bytes());
}

/// Counts an error reply under its code.
pub fn count_error(server: &mut Server, text: &[u8]) {
    server.stats.error_replies += 1;
    let code = text.split(|byte| *byte == b' ').next().unwrap_or(b"ERR");
    if !server.error_stats.count(code) {
        server.log(
            Level::Warning,
            "Errorstats stopped adding new errors because the number of errors reached the limit (128). \
             See INFO errorstats. Use CONFIG RESETSTAT to start again."
                .into(),
        );
    }
}

/// Runs a command of an append-only file. Fails with the reason if it is none; that it may fail is in the nature of what
/// was written there.
pub fn replay(
    server: &mut Server,
    session: &mut Session,
    reply: &mut Reply,
    args: Args,
    now: Now,
) -> std::result::Result<(), String> {
    let command = server.commands.find(args.at(0));
    let id = resolve(server, command, args).map_err(|_| {
        format!("Unknown command '{}' reading the append only file", String::from_utf8_lossy(args.at(0)))
    })?;
    let row = server.commands.entry(id).row;
    let frames = matches!(row.name, "SELECT" | "MULTI" | "EXEC" | "DISCARD" | "PING") && row.parent.is_none();
    if !frames && !row.flags.any(Flags::WRITE | Flags::MAY_REPLICATE) {
        let name = &server.commands.entry(id).full_name;
        return Err(format!("Command '{name}' changes no data: it cannot be part of the append only file"));
    }
    if session.transaction.is_some() && !ends_transaction(server, id) {
        queue(server, session, reply, id, args);
    } else {
        call(server, session, reply, args, id, now);
        server.unblock(session);
    }
    Ok(())
}

/// Runs a command of a client, from outside a transaction.
fn run(server: &mut Server, session: &mut Session, reply: &mut Reply, args: Args, id: CommandId, now: Now) {
    call(server, session, reply, args, id, now);
    let atomic = !server.commands.entry(id).row.flags.has(Flags::ARBITRARY_KEYS);
    settle(server, session, atomic);
}

/// The outermost command is over: what it propagates becomes part of the stream. Not while a script is only paused.
#[inline]
pub fn settle(server: &mut Server, session: &mut Session, atomic: bool) {
    if server.is_busy() {
        return;
    }
    let Server { propagation, effects, .. } = server;
    let before = propagation.offset();
    propagation.flush(atomic, effects);
    if propagation.offset() > before {
        session.wrote = propagation.offset();
    }
    server.settle_deliveries();
}

/// Calls a command's function and sees to what follows: EXEC and scripts come in here.
#[inline]
pub fn call(
    server: &mut Server,
    session: &mut Session,
    reply: &mut Reply,
    args: Args,
    id: CommandId,
    now: Now,
) -> bool {
    let (mark, dirty, db) = (reply.mark(), server.dirty, session.db);
    let row = server.commands.entry(id).row;
    server.look(row.flags);
    let result = (row.run)(&mut Call { args, reply, session, server, now, command: id });
    let changed = server.dirty != dirty;
    debug_assert!(
        !changed || !row.flags.has(Flags::READONLY) || row.flags.has(Flags::MAY_REPLICATE),
        "{} is read-only and changed something",
        row.name
    );
    if session.tracks_reads {
        server.track_reads(session, row, args);
    }
    let failed = result.is_err();
    if let Err(error) = result {
        debug_assert!(
            !changed || row.flags.has(Flags::CONTAINER),
            "{} failed and changed something",
            row.name
        );
        reply.truncate(mark);
        if !error.is_counted() {
            count_error(server, error.as_bytes());
        }
        reply.error(error.as_bytes());
    }
    server.propagation.command_ended(db, args, changed && !row.flags.has(Flags::CONTAINER));
    server.observe(session, args, id, (failed, reply.since(mark).len()), now);
    failed
}
