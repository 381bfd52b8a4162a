//! ACL: what rules can name, what they would allow, what they refused.

use super::acl::{ACL, ACL_ADMIN};
use crate::engine::acl::category;
use crate::engine::command::{Call, Command, Error, Result, args, dispatch, permission};
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Categories, Flags, int, one_of, string, token,
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "CAT",
        arity: AtLeast(2),
        complexity: "O(1) since the categories and commands are a fixed set.",
        summary: "Returns the categories of commands, or the commands in one.",
        args: &[string("category").optional()],
        run: cat,
        ..ACL
    },
    Command {
        name: "WHOAMI",
        arity: Exactly(2),
        summary: "Returns the name of the user that the client is.",
        run: whoami,
        ..ACL
    },
    Command {
        name: "GENPASS",
        arity: AtLeast(2),
        summary: "Returns a password that nobody can guess, in hexadecimal.",
        args: &[int("bits").optional()],
        run: genpass,
        ..ACL
    },
    Command {
        name: "DRYRUN",
        arity: AtLeast(4),
        since: "7.0.0",
        complexity: "O(1).",
        summary: "Says whether a user could run a command.",
        args: &[string("username"), string("command"), string("arg").optional().multiple()],
        run: dryrun,
        ..ACL_ADMIN
    },
    Command {
        name: "LOG",
        arity: AtLeast(2),
        complexity: "O(N) with N being the number of entries shown.",
        summary: "Returns what was refused lately, or forgets it.",
        history: &[("7.2.0", "Shows the number of an entry, when it was made and when it was updated.")],
        args: &[one_of("operation", &[int("count"), token("reset", "RESET")]).optional()],
        run: log,
        ..ACL_ADMIN
    },
    Command {
        name: "HELP",
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        summary: "Describes the subcommands.",
        run: help,
        ..ACL
    },
];

/// Entries of the log that are shown if nobody says how many.
const SHOWN: usize = 10;
/// Bits of a password if nobody says how many, and at most.
const BITS: (i64, i64) = (256, 4096);

fn cat(call: &mut Call) -> Result {
    if call.args.len() > 3 {
        return Err(call.subcommand_error());
    }
    let Some(name) = call.args.get(2) else {
        call.reply.array(Categories::NAMES.len());
        Categories::NAMES.iter().for_each(|(_, name)| call.reply.bulk(name.as_bytes()));
        return Ok(());
    };
    let unknown = |_| Error::bytes([b"ERR Unknown category '", name, b"'"].concat());
    let (category, _) = category(name).map_err(unknown)?;
    let catalog = &call.server.acl.catalog;
    call.reply.array(catalog.in_category(category).count());
    catalog.in_category(category).for_each(|id| call.reply.bulk(catalog.get(id).name.as_bytes()));
    Ok(())
}

fn whoami(call: &mut Call) -> Result {
    call.reply.bulk(call.server.acl.user(call.session.user).name());
    Ok(())
}

fn genpass(call: &mut Call) -> Result {
    if call.args.len() > 3 {
        return Err(call.subcommand_error());
    }
    let (usual, most) = BITS;
    let bits = call.args.get(2).map_or(Ok(usual), args::int)?;
    if !(1..=most).contains(&bits) {
        return Err(Error::text(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {most}"
        )));
    }
    let digits = (bits as usize).div_ceil(4);
    let rng = &mut call.server.rng;
    let text: String = (0..digits.div_ceil(16)).map(|_| format!("{:016x}", rng.next_u64())).collect();
    call.reply.bulk(&text.as_bytes()[..digits]);
    Ok(())
}

fn dryrun(call: &mut Call) -> Result {
    let (name, args) = (call.args.at(2), call.args.from(3));
    let unknown = || Error::bytes([b"ERR User '", name, b"' not found"].concat());
    let user = call.server.acl.find(name).ok_or_else(unknown)?;
    let command = call.server.commands.find(args.at(0));
    let id = dispatch::resolve(call.server, command, args).map_err(|(known, error)| match known {
        Some(_) => error,
        None => Error::bytes([b"ERR Command '", args.at(0), b"' not found"].concat()),
    })?;
    match permission::check(call.server, user, id, args) {
        Ok(()) => call.reply.ok(),
        Err(denied) => {
            let why = permission::explain(call.server, user, id, args, denied, true);
            call.reply.bulk(&why);
        }
    }
    Ok(())
}

fn log(call: &mut Call) -> Result {
    if call.args.len() > 3 {
        return Err(call.subcommand_error());
    }
    let shown = match call.args.get(2) {
        None => SHOWN,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            call.server.acl.log.reset();
            call.reply.ok();
            return Ok(());
        }
        Some(count) => usize::try_from(args::int(count)?.max(0)).unwrap_or(usize::MAX),
    };
    let (log, reply) = (&call.server.acl.log, &mut *call.reply);
    reply.array(log.iter().len().min(shown));
    for entry in log.iter().take(shown) {
        let event = &entry.event;
        reply.map(10);
        reply.bulk(b"count");
        reply.int(entry.count as i64);
        reply.bulk(b"reason");
        reply.bulk(event.reason.name().as_bytes());
        reply.bulk(b"context");
        reply.bulk(event.context.name().as_bytes());
        reply.bulk(b"object");
        reply.bulk(&event.object);
        reply.bulk(b"username");
        reply.bulk(&event.user);
        reply.bulk(b"age-seconds");
        reply.double((call.now.unix_ms() - entry.updated) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(entry.client.as_bytes());
        reply.bulk(b"entry-id");
        reply.int(entry.id as i64);
        reply.bulk(b"timestamp-created");
        reply.int(entry.created);
        reply.bulk(b"timestamp-last-updated");
        reply.int(entry.updated);
    }
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "CAT [<category>]",
        "    The categories of commands, or the commands in one of them.",
        "DELUSER <username> [<username> ...]",
        "    Removes users.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Whether a user could run a command, without running it.",
        "GETUSER <username>",
        "    The rules of a user.",
        "GENPASS [<bits>]",
        "    A password of 256 bits, or of as many as you say.",
        "LIST",
        "    All users as lines of a configuration file.",
        "LOAD",
        "    Reads the users from the ACL file.",
        "LOG [<count> | RESET]",
        "    What was refused lately.",
        "SAVE",
        "    Writes the users into the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Makes or changes a user.",
        "USERS",
        "    The names of all users.",
        "WHOAMI",
        "    The name of your user.",
    ])
}
