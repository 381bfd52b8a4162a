//! Waiting until writes are safe: on replicas, on disks.

use super::GENERIC;
use crate::engine::command::{Call, Command, Error, Result, args};
use crate::engine::session::Waiting;
use crate::engine::spec::{Arity::Exactly, Categories, Flags, int};

const WAITS: Command = Command {
    flags: Flags::BLOCKING,
    categories: Categories::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..GENERIC
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "WAIT",
        arity: Exactly(3),
        since: "3.0.0",
        summary: "Waits until so many replicas have this connection's writes, or the time is up.",
        args: &[int("numreplicas"), int("timeout")],
        run: wait,
        ..WAITS
    },
    Command {
        name: "WAITAOF",
        arity: Exactly(4),
        since: "7.2.0",
        summary: "Waits until this connection's writes are on so many disks, or the time is up.",
        args: &[int("numlocal"), int("numreplicas"), int("timeout")],
        run: wait_aof,
        ..WAITS
    },
];

fn wait(call: &mut Call) -> Result {
    let replicas = args::int(call.args.at(1))?;
    let deadline = args::timeout_ms(call.args.at(2), call.now)?;
    // There are no replicas: what is asked for is there at once, or never.
    if replicas <= 0 || !call.may_block() {
        call.reply.int(0);
    } else {
        call.block(Waiting::Replicas, deadline);
    }
    Ok(())
}

fn wait_aof(call: &mut Call) -> Result {
    let range = Error::new("ERR value is out of range, value must between 0 and 1");
    let local = args::int_between(call.args.at(1), 0, 1, range)?;
    let replicas = args::int_between(call.args.at(2), 0, i64::MAX, Error::MUST_BE_POSITIVE)?;
    let deadline = args::timeout_ms(call.args.at(3), call.now)?;
    let is_on = call.server.persistence.aof.is_on();
    if local > 0 && !is_on {
        return Err(Error::new(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    let durable = is_on && call.server.is_durable(call.session);
    if (local <= durable.into() && replicas == 0) || !call.may_block() {
        call.reply.array(2);
        call.reply.int(durable.into());
        call.reply.int(0);
    } else {
        call.block(Waiting::Disks { replicas: replicas as u64, local: local > 0 }, deadline);
        call.server.wait_for_disk(call.session.client());
    }
    Ok(())
}
