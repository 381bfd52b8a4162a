//! CLIENT KILL and CLIENT UNBLOCK: ending other clients, or their waits.

use super::CLIENT_ADMIN;
use super::filter::{Filter, Purpose};
use crate::engine::command::args::{self, Cursor};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::session::{ClientId, Closing, Waiting};
use crate::engine::spec::{Arg, Arity::AtLeast, int, one_of, string, token};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "KILL",
        arity: AtLeast(3),
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Closes connections.",
        history: &[
            ("2.8.12", "Takes filters."),
            ("2.8.12", "Takes the filter `ID`."),
            ("3.2.0", "Takes `master` as a `TYPE`."),
            ("5.0.0", "Calls the `TYPE` `slave` `replica`, and still takes the old word."),
            ("6.2.0", "Takes the filter `LADDR`."),
            ("7.4.0", "Takes the filter `MAXAGE`."),
        ],
        args: &[one_of(
            "filter",
            &[string("old-format").shown("ip:port"), one_of("new-format", FILTERS).multiple()],
        )],
        run: kill,
        ..CLIENT_ADMIN
    },
    Command {
        name: "UNBLOCK",
        arity: AtLeast(3),
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        summary: "Ends the wait of a blocked client.",
        args: &[
            int("client-id"),
            one_of("unblock-type", &[token("timeout", "TIMEOUT"), token("error", "ERROR")]).optional(),
        ],
        run: unblock,
        ..CLIENT_ADMIN
    },
];

const FILTERS: &[Arg] = &[
    int("client-id").token("ID").optional().since("2.8.12"),
    one_of(
        "client-type",
        &[
            token("normal", "NORMAL"),
            token("master", "MASTER").since("3.2.0"),
            token("slave", "SLAVE"),
            token("replica", "REPLICA").since("5.0.0"),
            token("pubsub", "PUBSUB"),
        ],
    )
    .token("TYPE")
    .optional()
    .since("2.8.12"),
    string("username").token("USER").optional(),
    string("addr").token("ADDR").optional().shown("ip:port"),
    string("laddr").token("LADDR").optional().shown("ip:port").since("6.2.0"),
    one_of("skipme", &[token("yes", "YES"), token("no", "NO")]).token("SKIPME").optional(),
    int("maxage").token("MAXAGE").optional().since("7.4.0"),
];

fn kill(call: &mut Call) -> Result {
    if call.args.len() == 3 {
        let address = call.args.at(2);
        let at = |session: &crate::engine::session::Session| {
            session.peer.address.as_bytes() == address && session.closing == Closing::No
        };
        let other = call.server.clients.iter().find(|session| at(session)).map(|session| session.client());
        match other {
            Some(client) => call.server.close_client(client),
            None if at(call.session) => call.session.closing = Closing::AfterReply,
            None => return Err(Error::new("ERR No such client")),
        }
        call.reply.ok();
        return Ok(());
    }
    let filter = Filter::parse(call.server, &mut Cursor::new(call.args, 2), Purpose::Kill)?;
    let (me, now) = (call.session.id, call.now);
    let server = &*call.server;
    let alive = server.clients.iter().filter(|session| session.closing != Closing::Now);
    let others: Vec<ClientId> = alive
        .filter(|session| filter.passes(server, session, me, now))
        .map(|session| session.client())
        .collect();
    let includes_me = filter.passes(server, call.session, me, now);
    if includes_me {
        // The reply still goes out.
        call.session.closing = Closing::AfterReply;
    }
    call.reply.int(others.len() as i64 + includes_me as i64);
    others.into_iter().for_each(|client| call.server.close_client(client));
    Ok(())
}

fn unblock(call: &mut Call) -> Result {
    if call.args.len() > 4 {
        return Err(call.subcommand_error());
    }
    let reason = call.args.get(3).map(<[u8]>::to_ascii_lowercase);
    let with_error = match reason.as_deref() {
        None | Some(b"timeout") => false,
        Some(b"error") => true,
        Some(_) => return Err(Error::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = args::int(call.args.at(2))?;
    let client = u64::try_from(id).ok().and_then(|id| call.server.clients.find(id));
    let unblocked = client.is_some_and(|client| end_wait(call, client, with_error));
    call.reply.int(unblocked as i64);
    Ok(())
}

/// Ends a client's wait for a command's result; other waits are none of its business.
fn end_wait(call: &mut Call, client: ClientId, with_error: bool) -> bool {
    let server = &mut *call.server;
    let Some(mut session) = server.clients.take(client) else { return false };
    let blocked = session.blocked.as_ref();
    let waits = blocked.is_some_and(|blocked| {
        !matches!(blocked.on, Waiting::Unpause | Waiting::Outside | Waiting::Script | Waiting::Shutdown)
    });
    if waits && with_error {
        server.fail_wait(&mut session, b"UNBLOCKED client unblocked via CLIENT UNBLOCK", call.now);
    } else if waits {
        server.time_out(&mut session, call.now);
    }
    server.clients.put_back(session);
    waits
}
