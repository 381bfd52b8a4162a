//! ACL: users, and the rules that make them.

use super::SERVER;
use crate::engine::acl::{Selector, User, has_spaces, merge_selectors};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::effect::Effect;
use crate::engine::protocol::Reply;
use crate::engine::session::{ClientId, Waiting};
use crate::engine::spec::{
    Arity::{AtLeast, Exactly},
    Flags, string,
};

/// A subcommand that anybody may have.
pub(super) const ACL: Command = Command {
    parent: Some("ACL"),
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    since: "6.0.0",
    ..SERVER
};
/// A subcommand that shows or changes what others may do.
pub(super) const ACL_ADMIN: Command = Command {
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    complexity: "O(N). Where N is the number of configured users.",
    ..ACL
};
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ACL",
        arity: AtLeast(2),
        since: "6.0.0",
        complexity: "Depends on subcommand.",
        summary: "Says who may do what.",
        ..SERVER
    },
    Command {
        name: "SETUSER",
        arity: AtLeast(3),
        complexity: "O(N). Where N is the number of rules provided.",
        summary: "Makes a user, or changes one, by rules: all of them or none.",
        history: &[
            ("6.2.0", "Takes patterns of channels."),
            ("7.0.0", "Takes selectors, and permissions to read or write keys."),
        ],
        tips: EVERYWHERE,
        args: &[string("username"), string("rule").optional().multiple()],
        run: setuser,
        ..ACL_ADMIN
    },
    Command {
        name: "DELUSER",
        arity: AtLeast(3),
        complexity: "O(1) amortized time considering the typical user.",
        summary: "Removes users, and closes their connections.",
        tips: EVERYWHERE,
        args: &[string("username").multiple()],
        run: deluser,
        ..ACL_ADMIN
    },
    Command {
        name: "GETUSER",
        arity: Exactly(3),
        complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
        summary: "Returns the rules of a user.",
        history: &[
            ("6.2.0", "Shows patterns of channels."),
            ("7.0.0", "Shows selectors, and keys and channels as rules instead of lists."),
        ],
        args: &[string("username")],
        run: getuser,
        ..ACL_ADMIN
    },
    Command {
        name: "LIST",
        arity: Exactly(2),
        summary: "Returns all users as lines of a configuration file.",
        run: list,
        ..ACL_ADMIN
    },
    Command {
        name: "USERS",
        arity: Exactly(2),
        summary: "Returns the names of all users.",
        run: users,
        ..ACL_ADMIN
    },
    Command {
        name: "LOAD",
        arity: Exactly(2),
        summary: "Replaces the users by those of the file: all of them or none.",
        run: |call| use_file(call, Effect::LoadUsers),
        ..ACL_ADMIN
    },
    Command {
        name: "SAVE",
        arity: Exactly(2),
        summary: "Writes the users into the file.",
        tips: EVERYWHERE,
        run: |call| use_file(call, Effect::SaveUsers),
        ..ACL_ADMIN
    },
];

const BAD_NAME: Error = Error::new("ERR Usernames can't contain spaces or null characters");
const NO_FILE: Error = Error::new(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
     SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order \
     to store users in the Redis configuration.",
);
const IN_TRANSACTION: Error = Error::new("ERR the ACL file cannot be used inside a transaction");

fn setuser(call: &mut Call) -> Result {
    let name = call.args.at(2);
    if has_spaces(name) {
        return Err(BAD_NAME);
    }
    let rules = call.args.from(3);
    let merged = merge_selectors(rules.iter()).map_err(|at| {
        let start = rules.at(at);
        Error::bytes([b"ERR Unmatched parenthesis in acl selector starting at '", start, b"'."].concat())
    })?;
    let acl = &call.server.acl;
    let known = acl.find(name).map(|id| acl.user(id).clone());
    let mut user = known.unwrap_or_else(|| User::new(name, &acl.catalog));
    for rule in &merged {
        user.apply(rule, &acl.catalog).map_err(|why| {
            let why = format!("': {why}");
            Error::bytes([b"ERR Error in ACL SETUSER modifier '", &rule[..], why.as_bytes()].concat())
        })?;
    }
    call.server.set_user(call.session, user);
    call.reply.ok();
    Ok(())
}

fn deluser(call: &mut Call) -> Result {
    let names = call.args.from(2);
    if names.iter().any(|name| name == b"default") {
        return Err(Error::new("ERR The 'default' user cannot be removed"));
    }
    let removed = names.iter().filter(|name| call.server.delete_user(call.session, name)).count();
    call.reply.int(removed as i64);
    Ok(())
}

fn getuser(call: &mut Call) -> Result {
    let (acl, reply) = (&call.server.acl, &mut *call.reply);
    let Some(id) = acl.find(call.args.at(2)) else {
        reply.null();
        return Ok(());
    };
    let user = acl.user(id);
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(user.flags().count());
    user.flags().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|hash| reply.bulk(hash));
    let (own, others) = user.selectors().split_at(1);
    own.iter().for_each(|own| describe(reply, own));
    reply.bulk(b"selectors");
    reply.array(others.len());
    for selector in others {
        reply.map(3);
        describe(reply, selector);
    }
    Ok(())
}

fn describe(reply: &mut Reply, selector: &Selector) {
    reply.bulk(b"commands");
    reply.bulk(&selector.describe_commands());
    reply.bulk(b"keys");
    reply.bulk(&selector.describe_keys());
    reply.bulk(b"channels");
    reply.bulk(&selector.describe_channels());
}

fn list(call: &mut Call) -> Result {
    let lines = call.server.acl.lines();
    call.reply.array(lines.len());
    lines.iter().for_each(|line| call.reply.bulk(&[b"user ", &line[..]].concat()));
    Ok(())
}

fn users(call: &mut Call) -> Result {
    call.reply.array(call.server.acl.iter().count());
    call.server.acl.iter().for_each(|(_, user)| call.reply.bulk(user.name()));
    Ok(())
}

/// What the outside does with the file; the client waits for it.
fn use_file(call: &mut Call, effect: fn(ClientId) -> Effect) -> Result {
    if call.server.config.aclfile.is_empty() {
        return Err(NO_FILE);
    }
    if !call.may_block() {
        return Err(IN_TRANSACTION);
    }
    call.server.ask(effect(call.session.client()));
    call.block(Waiting::Outside, None);
    Ok(())
}
