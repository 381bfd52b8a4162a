//! CLIENT LIST and CLIENT INFO: who is connected, in a line each.

use super::filter::{Filter, Purpose};
use super::{CLIENT, CLIENT_ADMIN};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Call, Command, Result};
use crate::engine::server::describe::Shown;
use crate::engine::session::Closing;
use crate::engine::spec::{Arg, Arity::AtLeast, Arity::Exactly, int, one_of, token};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "LIST",
        arity: AtLeast(2),
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Lists the connections, or those that pass filters.",
        history: &[
            ("2.8.12", "Shows the number of each connection as `id`."),
            ("5.0.0", "Takes the filter `TYPE`."),
            ("6.0.0", "Shows the `user`."),
            ("6.2.0", "Shows `argv-mem`, `tot-mem`, `laddr` and `redir`, and takes the filter `ID`."),
            ("7.0.0", "Shows `resp`, `multi-mem`, `rbs` and `rbp`."),
            ("7.0.3", "Shows `ssub`."),
            ("7.2.0", "Shows `lib-name` and `lib-ver`."),
            ("7.4.0", "Shows `watch`."),
            ("8.0.0", "Shows `io-thread`."),
        ],
        tips: &["nondeterministic_output"],
        args: &[TYPE.optional(), int("client-id").token("ID").optional().multiple().since("6.2.0")],
        run: list,
        ..CLIENT_ADMIN
    },
    Command {
        name: "INFO",
        arity: Exactly(2),
        since: "6.2.0",
        summary: "Shows the connection as CLIENT LIST does.",
        tips: &["nondeterministic_output"],
        run: info,
        ..CLIENT
    },
];

const TYPE: Arg = one_of(
    "client-type",
    &[
        token("normal", "NORMAL"),
        token("master", "MASTER"),
        token("replica", "REPLICA"),
        token("pubsub", "PUBSUB"),
    ],
)
.token("TYPE")
.since("5.0.0");

fn list(call: &mut Call) -> Result {
    let filter = Filter::parse(call.server, &mut Cursor::new(call.args, 2), Purpose::List)?;
    let (server, own) = (&*call.server, &*call.session);
    let mut lines = String::new();
    for client in server.clients.ids() {
        let shown = match server.clients.get(client) {
            Some(session) => Shown::resting(session),
            None => Shown { session: own, reply: call.reply, running: Some(call.args) },
        };
        let session = shown.session;
        if session.closing != Closing::Now && filter.passes(server, session, own.id, call.now) {
            lines.push_str(&server.describe(shown, call.now));
            lines.push('\n');
        }
    }
    call.reply.verbatim("txt", lines.as_bytes());
    Ok(())
}

fn info(call: &mut Call) -> Result {
    let shown = Shown { session: call.session, reply: call.reply, running: Some(call.args) };
    let line = call.server.describe(shown, call.now) + "\n";
    call.reply.verbatim("txt", line.as_bytes());
    Ok(())
}
