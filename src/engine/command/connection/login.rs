//! AUTH and HELLO: who speaks, and in which protocol.

use super::{ALWAYS, CONNECTION, identity};
use crate::engine::acl::Reason;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::config::REDIS_VERSION;
use crate::engine::server::describe::Shown;
use crate::engine::spec::{Arity::AtLeast, block, int, string};
use crate::engine::text::number;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "AUTH",
        arity: AtLeast(2),
        flags: ALWAYS,
        since: "1.0.0",
        complexity: "O(N) where N is the number of passwords defined for the user",
        summary: "Says who the client is, and proves it.",
        history: &[("6.0.0", "Takes a user name before the password.")],
        args: &[string("username").optional().since("6.0.0"), string("password")],
        run: auth,
        ..CONNECTION
    },
    Command {
        name: "HELLO",
        arity: AtLeast(1),
        flags: ALWAYS,
        since: "6.0.0",
        summary: "Agrees on a protocol, and tells about the server.",
        history: &[("6.2.0", "Without a protocol version it only tells about the server.")],
        args: &[block(
            "arguments",
            &[
                int("protover"),
                block("auth", &[string("username"), string("password")]).token("AUTH").optional(),
                string("clientname").token("SETNAME").optional(),
            ],
        )
        .optional()],
        run: hello,
        ..CONNECTION
    },
];

const WRONG_PASS: Error = Error::new("WRONGPASS invalid username-password pair or user is disabled.");
const NO_PASSWORD: Error = Error::new(
    "ERR AUTH <password> called without any password configured for the default user. \
     Are you sure your configuration is correct?",
);
const HELLO_NO_AUTH: Error = Error::new(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
     <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
     the same time",
);

fn auth(call: &mut Call) -> Result {
    let (user, password) = match call.args.len() {
        2 if call.server.acl.default_user().has_nopass() => return Err(NO_PASSWORD),
        2 => (&b"default"[..], call.args.at(1)),
        3 => (call.args.at(1), call.args.at(2)),
        _ => return Err(Error::SYNTAX),
    };
    authenticate(call, user, password)?;
    call.reply.ok();
    Ok(())
}

/// Makes a client the user it claims to be, if the password is right.
fn authenticate(call: &mut Call, name: &[u8], password: &[u8]) -> Result {
    let server = &mut *call.server;
    if let Some(id) = server.acl.find(name)
        && server.acl.user(id).accepts(password)
    {
        (call.session.user, call.session.authenticated) = (id, true);
        return Ok(());
    }
    let context = call.context();
    let shown = Shown { session: call.session, reply: call.reply, running: Some(call.args) };
    let (object, user) = (call.args.at(0).to_vec(), name.to_vec());
    call.server.note_refusal(shown, Reason::Auth, context, (object, user), call.now);
    Err(WRONG_PASS)
}

fn hello(call: &mut Call) -> Result {
    let resp3 = match call.args.get(1).map(number::parse_i64) {
        None => None,
        Some(None) => return Err(Error::new("ERR Protocol version is not an integer or out of range")),
        Some(Some(2)) => Some(false),
        Some(Some(3)) => Some(true),
        Some(Some(_)) => return Err(Error::new("NOPROTO unsupported protocol version")),
    };
    let (mut login, mut name, mut next) = (None, None, 2);
    while next < call.args.len() {
        let (option, left) = (call.args.at(next), call.args.len() - next - 1);
        if option.eq_ignore_ascii_case(b"auth") && left >= 2 {
            login = Some((call.args.at(next + 1), call.args.at(next + 2)));
            next += 3;
        } else if option.eq_ignore_ascii_case(b"setname") && left >= 1 {
            name = Some(identity::valid_name(call.args.at(next + 1))?);
            next += 2;
        } else {
            return Err(Error::bytes([b"ERR Syntax error in HELLO option '", option, b"'"].concat()));
        }
    }
    if let Some((user, password)) = login {
        authenticate(call, user, password)?;
    }
    if call.server.needs_auth(call.session) {
        return Err(HELLO_NO_AUTH);
    }
    if let Some(name) = name {
        call.session.identity_mut().name = name.into();
    }
    if let Some(resp3) = resp3 {
        call.session.set_resp3(resp3, call.reply);
    }
    introduce(call);
    Ok(())
}

/// What the server says about itself.
fn introduce(call: &mut Call) {
    let zone = &call.server.config.availability_zone;
    let reply = &mut *call.reply;
    reply.map(7 + !zone.is_empty() as usize);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(2 + call.session.resp3 as i64);
    reply.bulk(b"id");
    reply.int(call.session.id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
    if !zone.is_empty() {
        reply.bulk(b"availability_zone");
        reply.bulk(zone);
    }
}
