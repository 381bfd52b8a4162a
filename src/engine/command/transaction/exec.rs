//! MULTI, EXEC, DISCARD: queue commands, then run them as one.

use super::TRANSACTION;
use crate::engine::acl::{Context, Reason};
use crate::engine::command::table::CommandId;
use crate::engine::command::{Call, Command, Error, Result, dispatch, permission};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::{Args, Argv, Reply};
use crate::engine::server::Server;
use crate::engine::session::Session;
use crate::engine::spec::{Arity::Exactly, Flags};
use crate::engine::time::Now;
use std::collections::VecDeque;

const ALWAYS: Flags =
    Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "MULTI",
        arity: Exactly(1),
        flags: ALWAYS,
        since: "1.2.0",
        summary: "Begins a transaction: what follows is queued until EXEC.",
        run: multi,
        ..TRANSACTION
    },
    Command {
        name: "EXEC",
        arity: Exactly(1),
        flags: Flags::NOSCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::SKIP_SLOWLOG)
            .or(Flags::CONTAINER),
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        summary: "Runs the queued commands as one.",
        run: exec,
        ..TRANSACTION
    },
    Command {
        name: "DISCARD",
        arity: Exactly(1),
        flags: ALWAYS,
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        summary: "Forgets the queued commands and the watched keys.",
        run: discard,
        ..TRANSACTION
    },
];

fn multi(call: &mut Call) -> Result {
    if call.session.transaction.is_some() {
        return Err(Error::new("ERR MULTI calls can not be nested"));
    }
    call.session.transaction = Some(Default::default());
    call.reply.ok();
    Ok(())
}

fn discard(call: &mut Call) -> Result {
    if call.session.transaction.is_none() {
        return Err(Error::new("ERR DISCARD without MULTI"));
    }
    call.server.end_transaction(call.session);
    call.reply.ok();
    Ok(())
}

fn exec(call: &mut Call) -> Result {
    let Some(transaction) = call.session.transaction.take() else {
        return Err(Error::new("ERR EXEC without MULTI"));
    };
    let client = call.session.client();
    let (changed, expired) =
        (call.server.watch.is_dirty(client), call.server.watched_key_expired(call.session, call.now));
    let touched = changed || expired;
    sometimes!("changed-watch", changed);
    sometimes!("expired-watch", expired);
    if !mutant::is_on("sticky-watch") {
        call.server.unwatch(call.session);
    }
    if transaction.aborted && !mutant::is_on("aborted-exec") {
        return Err(Error::EXEC_ABORT);
    }
    if touched && !mutant::is_on("watch-ignored") {
        call.reply.null_array();
        return Ok(());
    }
    call.reply.array(transaction.queue.len());
    call.server.propagation.depth += 1;
    call.server.finish_transaction(call.session, call.reply, transaction.queue.into(), call.now);
    Ok(())
}

/// Rights may have changed since the command was queued, also by the transaction itself.
fn check_again(
    server: &mut Server,
    (session, reply): (&Session, &Reply),
    id: CommandId,
    args: Args,
    now: Now,
) -> Result {
    if server.needs_auth(session) && !server.commands.entry(id).row.flags.has(Flags::NO_AUTH) {
        return Err(Error::NO_AUTH);
    }
    let Err(denied) = permission::check(server, session.user, id, args) else { return Ok(()) };
    sometimes!("denied-in-exec");
    if mutant::is_on("acl-exec") {
        return Ok(());
    }
    permission::refuse(server, (session, reply), id, args, (denied, Context::Multi), now);
    let why = match denied.reason {
        Reason::Command | Reason::Auth | Reason::Certificate => {
            "no permission to execute the command or subcommand"
        }
        Reason::Key => "no permission to touch the specified keys",
        Reason::Channel => "no permission to access one of the channels used as argument to the command",
    };
    Err(Error::text(format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
         command is no longer allowed for the following reason: {why}"
    )))
}

impl Server {
    /// Runs the queued commands of a transaction, or what a script has left of them, up to one that calls a script which
    /// makes the server busy: then the rest comes after it.
    pub fn finish_transaction(
        &mut self,
        session: &mut Session,
        reply: &mut Reply,
        mut queue: VecDeque<(CommandId, Argv)>,
        now: Now,
    ) {
        let next = |queue: &mut VecDeque<_>| match mutant::is_on("reversed-exec") {
            true => queue.pop_back(),
            false => queue.pop_front(),
        };
        while let Some((command, argv)) = next(&mut queue) {
            let args = argv.args();
            match check_again(self, (session, reply), command, args, now) {
                Ok(()) => _ = dispatch::call(self, session, reply, args, command, now),
                Err(error) => {
                    dispatch::count_error(self, error.as_bytes());
                    reply.error(error.as_bytes());
                }
            }
            if self.is_busy() {
                return self.postpone(queue);
            }
        }
        self.propagation.depth -= 1;
    }

    /// Ends a transaction without running it.
    pub fn end_transaction(&mut self, session: &mut Session) {
        session.transaction = None;
        self.unwatch(session);
    }
}
