//! Whether anybody is there, which database, and how to begin again or end.

use super::{ALWAYS, CONNECTION, READY};
use crate::engine::command::{Call, Command, Error, Result, args};
use crate::engine::server::Server;
use crate::engine::session::{Closing, ReplyMode, Session};
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags, int, string};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "PING",
        arity: AtLeast(1),
        flags: Flags::FAST,
        since: "1.0.0",
        summary: "Replies PONG, or with the message given.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[string("message").optional()],
        run: ping,
        ..CONNECTION
    },
    Command {
        name: "ECHO",
        arity: Exactly(2),
        flags: READY,
        since: "1.0.0",
        summary: "Replies with the message given.",
        args: &[string("message")],
        run: echo,
        ..CONNECTION
    },
    Command {
        name: "SELECT",
        arity: Exactly(2),
        flags: READY,
        since: "1.0.0",
        summary: "Chooses the database of the commands that follow.",
        args: &[int("index")],
        run: select,
        ..CONNECTION
    },
    Command {
        name: "RESET",
        arity: Exactly(1),
        flags: ALWAYS,
        since: "6.2.0",
        summary: "Makes the connection as it was when it was new.",
        run: reset,
        ..CONNECTION
    },
    Command {
        name: "QUIT",
        arity: AtLeast(1),
        flags: ALWAYS,
        since: "1.0.0",
        summary: "Closes the connection once all replies are sent.",
        deprecated: Some(("7.2.0", "just closing the connection")),
        run: quit,
        ..CONNECTION
    },
];

fn ping(call: &mut Call) -> Result {
    if call.args.len() > 2 {
        return Err(call.arity_error());
    }
    let message = call.args.get(1);
    if call.session.only_subscribes() {
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(message.unwrap_or_default());
    } else if let Some(message) = message {
        call.reply.bulk(message);
    } else {
        call.reply.simple("PONG");
    }
    Ok(())
}

fn echo(call: &mut Call) -> Result {
    call.reply.bulk(call.args.at(1));
    Ok(())
}

fn select(call: &mut Call) -> Result {
    let index = args::int_between(call.args.at(1), i32::MIN as i64, i32::MAX as i64, Error::INT_RANGE)?;
    let databases = call.server.databases.len();
    call.session.db = usize::try_from(index).ok().filter(|db| *db < databases).ok_or(Error::DB_RANGE)?;
    call.reply.ok();
    Ok(())
}

fn reset(call: &mut Call) -> Result {
    call.server.reset(call.session);
    call.session.set_resp3(false, call.reply);
    call.reply.simple("RESET");
    Ok(())
}

fn quit(call: &mut Call) -> Result {
    call.reply.ok();
    call.session.closing = Closing::AfterReply;
    Ok(())
}

impl Server {
    /// Undoes what a client changed about its connection; the library it named stays, as in Redis.
    fn reset(&mut self, session: &mut Session) {
        self.release(session);
        session.transaction = None;
        session.fieldsets = None;
        if let Some(identity) = &mut session.identity {
            identity.name = Box::default();
        }
        session.db = 0;
        self.log_out(session);
        session.reply_mode = ReplyMode::On;
        session.no_evict = false;
        session.no_touch = false;
        session.readonly = false;
        session.asking = false;
    }
}
