//! CLIENT ID, SETNAME, SETINFO and their kin: what a client says about itself.

use super::{CLIENT, CONNECTION};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Categories, Flags, one_of, string};

const FORWARDED: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "CLIENT",
        arity: AtLeast(2),
        categories: Categories::NONE,
        since: "2.4.0",
        complexity: "Depends on subcommand.",
        summary: "Holds the commands about client connections.",
        ..CONNECTION
    },
    Command {
        name: "ID",
        arity: Exactly(2),
        since: "5.0.0",
        summary: "Returns the number of the connection.",
        run: id,
        ..CLIENT
    },
    Command {
        name: "GETNAME",
        arity: Exactly(2),
        since: "2.6.9",
        summary: "Returns the name of the connection.",
        run: getname,
        ..CLIENT
    },
    Command {
        name: "SETNAME",
        arity: Exactly(3),
        since: "2.6.9",
        summary: "Names the connection.",
        tips: FORWARDED,
        args: &[string("connection-name")],
        run: setname,
        ..CLIENT
    },
    Command {
        name: "SETINFO",
        arity: Exactly(4),
        since: "7.2.0",
        summary: "Says which library the client uses.",
        tips: FORWARDED,
        args: &[one_of("attr", &[string("libname").token("LIB-NAME"), string("libver").token("LIB-VER")])],
        run: setinfo,
        ..CLIENT
    },
    Command {
        name: "HELP",
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "5.0.0",
        summary: "Lists the subcommands.",
        run: help,
        ..CLIENT
    },
];

fn id(call: &mut Call) -> Result {
    call.reply.int(call.session.id as i64);
    Ok(())
}

fn getname(call: &mut Call) -> Result {
    match call.session.name() {
        b"" => call.reply.null(),
        name => call.reply.bulk(name),
    }
    Ok(())
}

fn setname(call: &mut Call) -> Result {
    let name = valid_name(call.args.at(2))?;
    call.session.identity_mut().name = name.into();
    call.reply.ok();
    Ok(())
}

fn setinfo(call: &mut Call) -> Result {
    let (attribute, value) = (call.args.at(2), call.args.at(3));
    let library = attribute.eq_ignore_ascii_case(b"lib-name");
    if !library && !attribute.eq_ignore_ascii_case(b"lib-ver") {
        return Err(Error::bytes([b"ERR Unrecognized option '", attribute, b"'"].concat()));
    }
    if !fits_a_field(value) {
        let why = b" cannot contain spaces, newlines or special characters.";
        return Err(Error::bytes([b"ERR ", attribute, why].concat()));
    }
    let identity = call.session.identity_mut();
    *(if library { &mut identity.lib_name } else { &mut identity.lib_version }) = value.into();
    call.reply.ok();
    Ok(())
}

/// A name that CLIENT LIST can show.
pub(super) fn valid_name(name: &[u8]) -> Result<&[u8]> {
    const BAD: Error = Error::new("ERR Client names cannot contain spaces, newlines or special characters.");
    if fits_a_field(name) { Ok(name) } else { Err(BAD) }
}

fn fits_a_field(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "CACHING (YES|NO)",
        "    Have the next command's keys tracked or not, where tracking asks for it.",
        "CAPA <option> [<option> ...]",
        "    Tell what the client can do:",
        "    * REDIRECT",
        "      It follows redirections to another primary.",
        "GETNAME",
        "    Show the name of this connection.",
        "GETREDIR",
        "    Show the connection that gets the invalidations of this one.",
        "ID",
        "    Show the number of this connection.",
        "IMPORT-SOURCE (ON|OFF)",
        "    Declare this connection a source of imported data.",
        "INFO",
        "    Show this connection as LIST does.",
        "KILL <ip:port>",
        "    Close the connection from this address.",
        "KILL <filter> <value> [<filter> <value> ...]",
        "    Close all connections that pass every filter, but not this one without SKIPME NO.",
        "LIST [<filter> <value> ...]",
        "    Show the connections that pass every filter. Filters are:",
        "    * ID <id> [<id> ...], TYPE (NORMAL|MASTER|REPLICA|PUBSUB), USER <name>, ADDR <ip:port>,",
        "      LADDR <ip:port>, IP <ip>, NAME <name>, LIB-NAME <name>, LIB-VER <version>, DB <index>,",
        "      FLAGS <letters>, CAPA <letters>, IDLE <seconds>, MAXAGE <seconds>, SKIPME (YES|NO)",
        "    * NOT-ID, NOT-TYPE and so on for all but IDLE, MAXAGE and SKIPME",
        "NO-EVICT (ON|OFF)",
        "    Exempt this connection from maxmemory-clients.",
        "NO-TOUCH (ON|OFF)",
        "    Have this connection's commands leave no trace in the age and frequency of keys.",
        "PAUSE <milliseconds> [WRITE|ALL]",
        "    Hold up all commands, or those that write.",
        "REPLY (ON|OFF|SKIP)",
        "    Send replies to this connection, none, or all but the next.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Say which library uses this connection.",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [PREFIX <prefix> ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
        "    Have the server say which cached keys change.",
        "TRACKINGINFO",
        "    Show how this connection tracks.",
        "UNBLOCK <id> [TIMEOUT|ERROR]",
        "    End the wait of a blocked connection.",
        "UNPAUSE",
        "    End PAUSE.",
    ])
}
