//! READONLY, READWRITE and ASKING, which only a cluster knows.

use super::{CONNECTION, READY};
use crate::engine::command::{Call, Command, Error, Group, Result};
use crate::engine::spec::{Arity::Exactly, Flags};

const ROUTING: Command =
    Command { arity: Exactly(1), group: Group::Cluster, since: "3.0.0", run: disabled, ..CONNECTION };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "READONLY",
        flags: READY,
        summary: "Lets the connection read from a replica of a cluster.",
        ..ROUTING
    },
    Command {
        name: "READWRITE",
        flags: READY,
        summary: "Has a replica of a cluster redirect the connection's reads again.",
        ..ROUTING
    },
    Command {
        name: "ASKING",
        flags: Flags::FAST,
        summary: "Says that the next command follows an ASK redirection.",
        ..ROUTING
    },
];

fn disabled(_: &mut Call) -> Result {
    Err(Error::new("ERR This instance has cluster support disabled"))
}
