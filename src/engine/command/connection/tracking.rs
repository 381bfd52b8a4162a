//! CLIENT TRACKING and its kin: client-side caching, which this server does not do yet.
//!
//! Turning it on is refused, so that no client trusts invalidations that never come; turning it off and
//! asking about it work, so that clients that only make sure go on.

use super::CLIENT;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, int, one_of, string, token};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "TRACKING",
        arity: AtLeast(3),
        since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Has the server tell when keys that the client cached change.",
        args: &[
            one_of("status", &[token("on", "ON"), token("off", "OFF")]),
            int("client-id").token("REDIRECT").optional(),
            string("prefix").token("PREFIX").optional().multiple_token(),
            token("bcast", "BCAST").optional(),
            token("optin", "OPTIN").optional(),
            token("optout", "OPTOUT").optional(),
            token("noloop", "NOLOOP").optional(),
        ],
        run: tracking,
        ..CLIENT
    },
    Command {
        name: "TRACKINGINFO",
        arity: Exactly(2),
        since: "6.2.0",
        summary: "Shows how the connection tracks keys.",
        run: tracking_info,
        ..CLIENT
    },
    Command {
        name: "CACHING",
        arity: Exactly(3),
        since: "6.0.0",
        summary: "Has the keys of the next command tracked, or not.",
        args: &[one_of("mode", &[token("yes", "YES"), token("no", "NO")])],
        run: caching,
        ..CLIENT
    },
    Command {
        name: "GETREDIR",
        arity: Exactly(2),
        since: "6.0.0",
        summary: "Returns the connection that gets the invalidations.",
        run: getredir,
        ..CLIENT
    },
];

fn tracking(call: &mut Call) -> Result {
    let on = super::on_off(call.args.at(2))?;
    let mut rest = call.args.from(3).iter();
    while let Some(option) = rest.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"bcast" | b"optin" | b"optout" | b"noloop" => {}
            b"redirect" | b"prefix" => {
                rest.next().ok_or(Error::SYNTAX)?;
            }
            _ => return Err(Error::SYNTAX),
        }
    }
    if on {
        return Err(Error::new("ERR client-side caching is not supported by this server"));
    }
    call.reply.ok();
    Ok(())
}

fn tracking_info(call: &mut Call) -> Result {
    call.reply.map(3);
    call.reply.bulk(b"flags");
    call.reply.set(1);
    call.reply.bulk(b"off");
    call.reply.bulk(b"redirect");
    call.reply.int(-1);
    call.reply.bulk(b"prefixes");
    call.reply.array(0);
    Ok(())
}

fn caching(_: &mut Call) -> Result {
    Err(Error::new(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
         enabled",
    ))
}

fn getredir(call: &mut Call) -> Result {
    call.reply.int(-1);
    Ok(())
}
