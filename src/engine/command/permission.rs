//! Whether a user may make a call: every way to run a command asks here (dispatch, EXEC, what waits and is run again,
//! scripts).

use super::Error;
use super::key_specs::find_keys;
use super::table::CommandId;
use crate::engine::acl::{Channels, Context, Demand, Denied, Reason, UserId};
use crate::engine::command::Command;
use crate::engine::protocol::{Args, Reply};
use crate::engine::server::Server;
use crate::engine::server::describe::Shown;
use crate::engine::session::Session;
use crate::engine::spec::Flags;
use crate::engine::time::Now;

/// Keys of one call for which memory is kept.
const KEPT: usize = 1024;

/// Whether `user` may call a command, subcommands being commands of their own. Knows no exceptions for who asks: what a
/// client may do before it logs in is the gate's business.
#[inline]
pub fn check(server: &mut Server, user: UserId, id: CommandId, args: Args) -> Result<(), Denied> {
    if server.acl.user(user).is_unrestricted() {
        return Ok(());
    }
    check_restricted(server, user, id, args)
}

fn check_restricted(server: &mut Server, user: UserId, id: CommandId, args: Args) -> Result<(), Denied> {
    let (row, sole) = {
        let entry = server.commands.entry(id);
        (entry.row, entry.sole_key)
    };
    if let Some(key) = sole {
        let keys = if key.index < args.len() { &[key][..] } else { &[] };
        let open = row.flags.has(Flags::NO_AUTH);
        return server.acl.user(user).check(&Demand { command: id, open, args, keys, channels: None });
    }
    let mut keys = std::mem::take(&mut server.acl.scratch);
    let user = server.acl.user(user);
    if !row.keys.is_empty() && !user.minds_no_keys() {
        // Arguments that make no sense name no key: the command will say what is wrong with them.
        find_keys(row, args, &mut keys);
    }
    let outcome = user.check(&Demand {
        command: id,
        open: row.flags.has(Flags::NO_AUTH),
        args,
        keys: &keys,
        channels: channels(row, args),
    });
    if keys.capacity() <= KEPT {
        keys.clear();
        server.acl.scratch = keys;
    }
    outcome
}

/// Whether `user` may make a call that reads keys which it does not name, as SORT does with BY and GET.
pub fn may_read_everything(server: &Server, user: UserId, id: CommandId, args: Args) -> bool {
    let (row, user) = (server.commands.entry(id).row, server.acl.user(user));
    if user.is_unrestricted() {
        return true;
    }
    let mut keys = Vec::new();
    find_keys(row, args, &mut keys);
    let demand = Demand { command: id, open: false, args, keys: &keys, channels: None };
    user.check_reading_everything(&demand)
}

/// Which arguments are channels to be heard or spoken on; whoever leaves one needs no right to it.
#[inline]
fn channels(row: &Command, args: Args) -> Option<Channels> {
    if !row.flags.has(Flags::PUBSUB) {
        return None;
    }
    let (range, are_patterns) = match row.name {
        "PUBLISH" | "SPUBLISH" => (1..2, false),
        "SUBSCRIBE" | "SSUBSCRIBE" => (1..args.len(), false),
        "PSUBSCRIBE" => (1..args.len(), true),
        _ => return None,
    };
    Some(Channels { range, are_patterns })
}

/// What was refused, in words; with the name of the key or channel for who asks on behalf of somebody else.
pub fn explain(
    server: &Server,
    user: UserId,
    id: CommandId,
    args: Args,
    denied: Denied,
    verbose: bool,
) -> Vec<u8> {
    let (user, object) = (server.acl.user(user).name(), args.at(denied.index));
    let (before, after) = match denied.reason {
        Reason::Command | Reason::Auth | Reason::Certificate => {
            let name = server.commands.entry(id).full_name.as_bytes();
            return [b"User ", user, b" has no permissions to run the '", name, b"' command"].concat();
        }
        Reason::Key => (&b" has no permissions to access the '"[..], &b"' key"[..]),
        Reason::Channel => (&b" has no permissions to access the '"[..], &b"' channel"[..]),
    };
    match denied.reason {
        _ if verbose => [b"User ", user, before, object, after].concat(),
        Reason::Key => b"No permissions to access a key".to_vec(),
        _ => b"No permissions to access a channel".to_vec(),
    }
}

/// A call that was refused: counts it, logs it, and gives the error for the client.
#[cold]
pub fn refuse(
    server: &mut Server,
    (session, reply): (&Session, &Reply),
    id: CommandId,
    args: Args,
    (denied, context): (Denied, Context),
    now: Now,
) -> Error {
    let object = match denied.reason {
        Reason::Command => server.commands.entry(id).full_name.clone().into_bytes(),
        _ => args.at(denied.index).to_vec(),
    };
    let user = server.acl.user(session.user).name().to_vec();
    let shown = Shown { session, reply, running: Some(args) };
    server.note_refusal(shown, denied.reason, context, (object, user), now);
    let why = explain(server, session.user, id, args, denied, false);
    let opening: &[u8] = if context == Context::Script { b"ERR ACL failure in script: " } else { b"NOPERM " };
    Error::bytes([opening, &why].concat())
}
