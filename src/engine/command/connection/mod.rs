//! Commands about the connection itself.

mod cluster;
mod control;
mod filter;
mod greeting;
mod identity;
mod kill;
mod list;
mod login;
mod tracking;

use super::{BASE, Command, Error, Group, Result};
use crate::engine::spec::{Arg, Categories, Flags, one_of, token};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[
    greeting::COMMANDS,
    login::COMMANDS,
    identity::COMMANDS,
    list::COMMANDS,
    kill::COMMANDS,
    control::COMMANDS,
    tracking::COMMANDS,
    cluster::COMMANDS,
];

const CONNECTION: Command = Command { group: Group::Connection, categories: Categories::CONNECTION, ..BASE };
/// A subcommand of CLIENT that concerns the caller only.
const CLIENT: Command = Command { parent: Some("CLIENT"), flags: ANY_TIME, ..CONNECTION };
/// A subcommand of CLIENT that concerns others.
const CLIENT_ADMIN: Command = Command { flags: ANY_TIME.or(Flags::ADMIN), ..CLIENT };
const ANY_TIME: Flags = Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE);
const ALWAYS: Flags = ANY_TIME.or(Flags::FAST).or(Flags::NO_AUTH).or(Flags::ALLOW_BUSY);
const READY: Flags = Flags::LOADING.or(Flags::STALE).or(Flags::FAST);

const ON_OFF: &[Arg] = &[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])];

/// `ON` or `OFF`.
fn on_off(arg: &[u8]) -> Result<bool> {
    match arg {
        arg if arg.eq_ignore_ascii_case(b"on") => Ok(true),
        arg if arg.eq_ignore_ascii_case(b"off") => Ok(false),
        _ => Err(Error::SYNTAX),
    }
}
