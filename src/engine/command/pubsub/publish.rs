//! PUBLISH and SPUBLISH: sending messages.

use super::PUBSUB;
use crate::engine::command::{Call, Command, Result};
use crate::engine::spec::{Arity::Exactly, Flags, KeyFlags, key_at, string};

const SEND: Flags =
    Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::MAY_REPLICATE);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "PUBLISH",
        arity: Exactly(3),
        flags: SEND,
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the \
                     total number of subscribed patterns (by any client).",
        summary: "Sends a message to those who listen to a channel.",
        args: &[string("channel"), string("message")],
        run: publish,
        ..PUBSUB
    },
    Command {
        name: "SPUBLISH",
        arity: Exactly(3),
        flags: SEND,
        keys: &[key_at(1, KeyFlags::NOT_KEY)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        summary: "Sends a message to those who listen to a shard channel.",
        args: &[string("shardchannel"), string("message")],
        run: spublish,
        ..PUBSUB
    },
];

fn publish(call: &mut Call) -> Result {
    let receivers = call.server.publish(call.args.at(1), call.args.at(2));
    hand_on(call);
    call.reply.int(receivers);
    Ok(())
}

fn spublish(call: &mut Call) -> Result {
    let receivers = call.server.publish_shard(call.args.at(1), call.args.at(2));
    hand_on(call);
    call.reply.int(receivers);
    Ok(())
}

/// Replicas have listeners of their own.
fn hand_on(call: &mut Call) {
    let Call { server, session, args, .. } = call;
    server.propagation.to_replicas(session.db, || args.to_owned());
}
