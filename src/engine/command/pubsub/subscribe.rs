//! SUBSCRIBE and UNSUBSCRIBE, for channels, patterns and shard channels.

use super::PUBSUB;
use crate::engine::command::{Call, Command, Result};
use crate::engine::pubsub::Kind;
use crate::engine::session::Subscriptions;
use crate::engine::spec::{Arity::AtLeast, Flags, KeyFlags, keys_from, pattern, string};
use std::collections::BTreeSet;

const LEAVE: Flags = Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE);
const JOIN: Flags = LEAVE.or(Flags::DENYOOM);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SUBSCRIBE",
        arity: AtLeast(2),
        flags: JOIN,
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        summary: "Listens to channels.",
        args: &[string("channel").multiple()],
        run: |call| join(call, Kind::Channel),
        ..PUBSUB
    },
    Command {
        name: "PSUBSCRIBE",
        arity: AtLeast(2),
        flags: JOIN,
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to subscribe to.",
        summary: "Listens to all channels that match patterns.",
        args: &[pattern("pattern").multiple()],
        run: |call| join(call, Kind::Pattern),
        ..PUBSUB
    },
    Command {
        name: "SSUBSCRIBE",
        arity: AtLeast(2),
        flags: JOIN,
        keys: &[keys_from(1, KeyFlags::NOT_KEY)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        summary: "Listens to shard channels.",
        args: &[string("shardchannel").multiple()],
        run: |call| join(call, Kind::Shard),
        ..PUBSUB
    },
    Command {
        name: "UNSUBSCRIBE",
        arity: AtLeast(1),
        flags: LEAVE,
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to unsubscribe.",
        summary: "Listens to channels no longer; without names, to none.",
        args: &[string("channel").optional().multiple()],
        run: |call| leave(call, Kind::Channel),
        ..PUBSUB
    },
    Command {
        name: "PUNSUBSCRIBE",
        arity: AtLeast(1),
        flags: LEAVE,
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to unsubscribe.",
        summary: "Listens to patterns no longer; without names, to none.",
        args: &[pattern("pattern").optional().multiple()],
        run: |call| leave(call, Kind::Pattern),
        ..PUBSUB
    },
    Command {
        name: "SUNSUBSCRIBE",
        arity: AtLeast(1),
        flags: LEAVE,
        keys: &[keys_from(1, KeyFlags::NOT_KEY)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to unsubscribe.",
        summary: "Listens to shard channels no longer; without names, to none.",
        args: &[string("shardchannel").optional().multiple()],
        run: |call| leave(call, Kind::Shard),
        ..PUBSUB
    },
];

fn names(subscriptions: &mut Subscriptions, kind: Kind) -> &mut BTreeSet<Box<[u8]>> {
    match kind {
        Kind::Channel => &mut subscriptions.channels,
        Kind::Pattern => &mut subscriptions.patterns,
        Kind::Shard => &mut subscriptions.shards,
    }
}

fn join(call: &mut Call, kind: Kind) -> Result {
    let client = call.session.client();
    for name in call.args.from(1).iter() {
        let subscriptions = call.session.subscriptions.get_or_insert_default();
        if names(subscriptions, kind).insert(name.into()) {
            call.server.pubsub.subscribe(kind, name, client);
        }
        let verb = match kind {
            Kind::Channel => "subscribe",
            Kind::Pattern => "psubscribe",
            Kind::Shard => "ssubscribe",
        };
        confirm(call, kind, verb, Some(name));
    }
    Ok(())
}

fn leave(call: &mut Call, kind: Kind) -> Result {
    let verb = match kind {
        Kind::Channel => "unsubscribe",
        Kind::Pattern => "punsubscribe",
        Kind::Shard => "sunsubscribe",
    };
    if call.args.len() > 1 {
        for name in call.args.from(1).iter() {
            leave_one(call, kind, name);
            confirm(call, kind, verb, Some(name));
        }
        return Ok(());
    }
    let all = call.session.subscriptions.as_mut().map(|all| names(all, kind).clone()).unwrap_or_default();
    for name in &all {
        leave_one(call, kind, name);
        confirm(call, kind, verb, Some(name));
    }
    if all.is_empty() {
        confirm(call, kind, verb, None);
    }
    Ok(())
}

fn leave_one(call: &mut Call, kind: Kind, name: &[u8]) {
    let Some(subscriptions) = &mut call.session.subscriptions else { return };
    if names(subscriptions, kind).remove(name) {
        call.server.pubsub.unsubscribe(kind, name, call.session.client());
    }
    if call.session.subscribed() == (0, 0, 0) {
        call.session.subscriptions = None;
    }
}

/// Tells the client what it did and how many subscriptions it has; shard channels count apart.
fn confirm(call: &mut Call, kind: Kind, verb: &str, name: Option<&[u8]>) {
    let (channels, patterns, shards) = call.session.subscribed();
    call.reply.push(3);
    call.reply.bulk(verb.as_bytes());
    match name {
        Some(name) => call.reply.bulk(name),
        None => call.reply.null(),
    }
    call.reply.int(if kind == Kind::Shard { shards } else { channels + patterns } as i64);
}
